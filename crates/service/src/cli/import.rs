//! `import`: orders from a file into the shop, each once, whatever happens on the way.
//!
//! Promise: an order stands whole or not at all; the same file again changes nothing; what is not
//! placed is named with file, line and reason; memory does not grow with the file.

mod feed;
mod placing;
mod rejects;
mod report;

use super::NOT_GOOD;
use super::output::{actor, byte_bar};
use super::work::stop_on_signal;
use crate::app::DatabaseArgs;
use crate::import::{Format, ImportError, Options, ProductMap, recipient};
use anyhow::Context;
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::error::ErrorKind;
use feed::Source;
use orders_core::money::Currency;
use orders_core::order::Retailer;
use placing::Placing;
use rejects::{RejectsFile, same_file};
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Place the orders of a file. The same file again changes nothing.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  atomic-orders import orders.jsonl --format jsonl
  atomic-orders import orders.csv --format csv
  producer | atomic-orders import - --format jsonl
  atomic-orders import examples/online-retail/orders.csv --format online-retail \\
      --recipient examples/online-retail/recipient.json --retailer amazon_uk \\
      --currency GBP --product-map identity

What is not placed goes to the rejects file, one JSON document per line: file, line, column,
order_number, kind, reason. Correct the orders and import again: what stands is left alone.

Exit code 3: some orders were not placed. Exit code 1: stopped before the end; run it again.")]
pub struct Import {
    /// The file; `-` reads standard input. That and pipes are for jsonl only: a table is read twice.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// What stands in the file.
    #[arg(long, value_parser = PossibleValuesParser::new(Format::ALL.map(Format::name)).map(|name| format(&name)))]
    format: Format,
    /// Where every order of the file goes: a JSON file (online-retail).
    #[arg(long, value_name = "FILE", help_heading = "What online-retail does not say")]
    recipient: Option<PathBuf>,
    /// Who sells the goods (online-retail).
    #[arg(long, help_heading = "What online-retail does not say",
          value_parser = PossibleValuesParser::new(Retailer::ALL.map(Retailer::name)).map(|name| retailer(&name)))]
    retailer: Option<Retailer>,
    /// The currency of the prices (online-retail).
    #[arg(long, help_heading = "What online-retail does not say", ignore_case = true,
          value_parser = PossibleValuesParser::new(Currency::ALL.map(Currency::code)).map(|name| currency(&name)))]
    currency: Option<Currency>,
    /// From stock codes to product ids: a CSV file, or `identity` (online-retail).
    #[arg(long, value_name = "FILE|identity", help_heading = "What online-retail does not say")]
    product_map: Option<PathBuf>,
    /// Where rejects go; default: the file's name with `.rejects.jsonl`, and for what comes through
    /// a pipe `stdin.rejects.jsonl` in this folder.
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,
    /// The summary as one JSON document.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    database: DatabaseArgs,
}

// Each name was checked against the list that it is looked up in.
fn format(name: &str) -> Format {
    Format::parse(name).unwrap_or(Format::Jsonl)
}

fn retailer(name: &str) -> Retailer {
    Retailer::parse(name).unwrap_or(Retailer::Amazon)
}

fn currency(name: &str) -> Currency {
    Currency::parse(name).unwrap_or(Currency::Usd)
}

impl Import {
    /// Reads, places, and says what became of it.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let source = self.source()?;
        let mut rejects = self.rejects_file()?;
        let (database, store) = self.database.shop_or_new(placing::AT_ONCE + 2).await?;
        let stop = stop_on_signal()?;
        let bar = byte_bar(source.length);
        let file = source.name.clone();
        let entries = feed::start(source, stop.clone(), bar.clone());
        let mut placing = Placing { store, file, actor: actor(), stop, bar: bar.clone() };
        let (tally, failure) = placing.run(entries, &mut rejects).await;
        bar.finish_and_clear();
        let rejects = rejects.finish().context("writing the rejects file")?;
        report::summary(&tally, rejects.as_deref(), self.json)?;
        database.close().await?;
        if let Some(error) = failure {
            let stand = tally.new + tally.duplicate;
            return Err(error.context(format!(
                "the import stopped before the end; {stand} orders of the file stand, and it is safe \
                 to run the same command again"
            )));
        }
        if tally.interrupted {
            return Ok(ExitCode::FAILURE);
        }
        Ok(if tally.is_good() { ExitCode::SUCCESS } else { ExitCode::from(NOT_GOOD) })
    }

    /// Everything that can be wrong before the first order, before the database is touched.
    fn source(&self) -> anyhow::Result<Source> {
        if self.format != Format::Jsonl && Source::is_piped(&self.file) {
            let file = self.file.display();
            misuse(&format!(
                "{file} is not a regular file: it can be read once only, and a table is read twice; \
                 write it to a file first"
            ));
        }
        match self.options().and_then(|options| Source::new(&self.file, self.format, options)) {
            Err(error) => match error.downcast_ref() {
                Some(ImportError::Flag { .. }) => misuse(&error.to_string()),
                _ => Err(error),
            },
            source => source,
        }
    }

    /// The rejects file, open, unless it is a file that is read.
    fn rejects_file(&self) -> anyhow::Result<RejectsFile> {
        let path = self.rejects_path();
        let inputs = [
            ("the file that is imported", Some(&self.file)),
            ("the file of --recipient", self.recipient.as_ref()),
            ("the file of --product-map", self.product_map.as_ref()),
        ];
        let read = inputs.iter().find(|(_, input)| input.is_some_and(|one| same_file(one, &path)));
        if let Some((what, _)) = read {
            let path = path.display();
            misuse(&format!(
                "the rejects would overwrite {what}, {path}; name another with --rejects"
            ));
        }
        RejectsFile::open(path, self.rejects.is_none())
    }

    fn options(&self) -> anyhow::Result<Options> {
        let name = |path: &Path| path.display().to_string();
        let mut options =
            Options { retailer: self.retailer, currency: self.currency, ..Options::default() };
        if let Some(path) = &self.recipient {
            options.recipient = Some(recipient(open(path)?, &name(path))?);
        }
        options.product_map = match &self.product_map {
            None => None,
            Some(word) if word == Path::new("identity") => Some(ProductMap::identity()),
            Some(path) => Some(ProductMap::read(BufReader::new(open(path)?), &name(path))?),
        };
        Ok(options)
    }

    fn rejects_path(&self) -> PathBuf {
        if let Some(path) = &self.rejects {
            return path.clone();
        }
        // Beside a pipe or a device is no place for a file.
        if Source::is_piped(&self.file) || self.file.starts_with("/dev") {
            return PathBuf::from("stdin.rejects.jsonl");
        }
        let mut name = self.file.clone().into_os_string();
        name.push(".rejects.jsonl");
        name.into()
    }
}

fn open(path: &Path) -> anyhow::Result<File> {
    File::open(path).with_context(|| format!("{} cannot be opened", path.display()))
}

/// Ends the program as the parser of the command line does.
fn misuse(message: &str) -> ! {
    clap::Error::raw(ErrorKind::ValueValidation, format!("{message}\n")).exit()
}
