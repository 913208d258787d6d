//! The reader of an import: a thread of its own, because files block, and a short queue, because
//! memory must not grow with the file.

use crate::import::{Entry, Format, Options, read, torn, without};
use anyhow::Context;
use indicatif::ProgressBar;
use std::collections::BTreeSet;
use std::fs::{File, Metadata};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// The name for standard input.
const STDIN: &str = "-";
/// How many orders may wait to be placed.
const QUEUE: usize = 64;

/// What is read.
pub struct Source {
    /// How many bytes, when it is a file.
    pub length: Option<u64>,
    /// How the reports name it.
    pub name: String,
    path: PathBuf,
    format: Format,
    options: Options,
}

impl Source {
    /// A file that can be opened and begins as its format says, or what is read once: standard
    /// input, a pipe.
    pub fn new(path: &Path, format: Format, options: Options) -> anyhow::Result<Self> {
        let is_stdin = path == Path::new(STDIN);
        let name = if is_stdin { "standard input".to_owned() } else { path.display().to_string() };
        let mut source = Self { length: None, path: path.to_owned(), name, format, options };
        if !is_stdin {
            let facts = std::fs::metadata(path)
                .with_context(|| format!("{} cannot be read", source.name))?;
            anyhow::ensure!(!facts.is_dir(), "{} is a folder", source.name);
            source.length = Some(facts.len()).filter(|_| facts.is_file());
        }
        if source.length.is_some() {
            read(format, source.open()?, &source.name, source.options.clone()).map(drop)?;
        } else {
            // What is no file gives each byte once: a look at its beginning would lose it.
            read(format, std::io::empty(), &source.name, source.options.clone()).map(drop)?;
        }
        Ok(source)
    }

    /// Whether a path can be read once only: standard input, a pipe, a terminal.
    pub fn is_piped(path: &Path) -> bool {
        let is_neither = |facts: Metadata| !facts.is_file() && !facts.is_dir();
        path == Path::new(STDIN) || std::fs::metadata(path).is_ok_and(is_neither)
    }

    fn open(&self) -> anyhow::Result<Box<dyn BufRead + Send>> {
        if self.path == Path::new(STDIN) {
            return Ok(Box::new(BufReader::new(std::io::stdin())));
        }
        let file =
            File::open(&self.path).with_context(|| format!("{} cannot be read", self.name))?;
        Ok(Box::new(BufReader::with_capacity(1 << 16, file)))
    }
}

/// The entries of a source in their order, until its end or the stop.
pub type Entries = mpsc::Receiver<anyhow::Result<Entry>>;

/// Starts reading. The thread ends with the source, with the stop, or when nobody takes any more;
/// one that waits for standard input ends with the program.
pub fn start(source: Source, stop: CancellationToken, bar: ProgressBar) -> Entries {
    let (sender, receiver) = mpsc::channel(QUEUE);
    std::thread::spawn(move || {
        if let Err(error) = feed(&source, &stop, &bar, &sender) {
            // Nobody listens only after a stop.
            let _ = sender.blocking_send(Err(error));
        }
    });
    receiver
}

fn feed(
    source: &Source,
    stop: &CancellationToken,
    bar: &ProgressBar,
    sender: &mpsc::Sender<anyhow::Result<Entry>>,
) -> anyhow::Result<()> {
    let entries = || {
        let all = read(source.format, source.open()?, &source.name, source.options.clone())?;
        anyhow::Ok(all.take_while(|_| !stop.is_cancelled()))
    };
    let twice = match source.format {
        Format::Jsonl => BTreeSet::default(),
        // An order whose rows stand apart must be known before its first part is placed.
        Format::Csv | Format::OnlineRetail => {
            bar.set_message("checking");
            torn(entries()?.inspect(|entry| {
                if let Entry::Order { bytes_read, .. } = entry {
                    bar.set_position(*bytes_read);
                }
            }))
        }
    };
    bar.reset();
    bar.set_message("placing");
    for entry in without(entries()?, twice, &source.name) {
        if sender.blocking_send(Ok(entry)).is_err() {
            break;
        }
    }
    Ok(())
}
