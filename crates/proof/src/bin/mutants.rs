//! `mutants`: small changes of the shop's functions, each of which the pgTAP suite must notice, or two sessions
//! where one cannot.

use anyhow::{Context, ensure};
use clap::{Parser, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use orders_proof::mutants::batch::{Judged, judge_all, sample};
use orders_proof::mutants::change::{Mutant, mutants};
use orders_proof::mutants::listed::listed;
use orders_proof::mutants::report::{Counts, Rust};
use orders_proof::mutants::suite::{Verdict, functions, missing};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// After so many changes the counts are written.
const WRITTEN_EVERY: u64 = 50;

/// Change the shop's functions, one small change at a time, and see whether the pgTAP suite notices, or two
/// sessions do.
///
/// A run goes on where another ended: what was noticed of a function that stands as it stood is not tried
/// again.
#[derive(Debug, Parser)]
#[command(after_help = "Examples:
  mutants                                     what is left
  mutants --function commit_intents           one function
  mutants --function commit_intents --list    its changes, without trying them
  mutants --only 'begin_work: no lock' --list sql
  mutants --sample 100 --seed 7 --forget      some, drawn by a seed
  mutants --minutes 10                        no more is begun after ten minutes
Exit code 1: something was not noticed that is not listed.")]
struct Arguments {
    /// Only the functions whose names are these.
    #[arg(long)]
    function: Vec<String>,
    /// Only what has this in its name.
    #[arg(long)]
    only: Option<String>,
    /// Print the changes and try none: their names, or the SQL that makes them, which
    /// `ATOMIC_ORDERS_TEST_BREAK` takes for the tests of the store.
    #[arg(long, value_name = "FORM", num_args = 0..=1, default_missing_value = "names")]
    list: Option<Form>,
    /// Try again what was noticed before, and what is listed.
    #[arg(long)]
    again: bool,
    /// Only so many, drawn by the seed.
    #[arg(long)]
    sample: Option<usize>,
    /// The seed of the sample.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Begin nothing more after so many minutes.
    #[arg(long, default_value_t = 600)]
    minutes: u64,
    /// How many side by side.
    #[arg(long, default_value_t = 2)]
    lanes: usize,
    /// What `cargo mutants` wrote about a part of the program: its name, and its outcomes.json.
    #[arg(long, num_args = 2, value_names = ["PART", "FILE"])]
    rust: Vec<String>,
    /// Where the counts stand.
    #[arg(long, default_value = "docs/mutants.json")]
    counts: PathBuf,
    /// The page that is written from them.
    #[arg(long, default_value = "docs/MUTANTS.md")]
    page: PathBuf,
    /// Count nothing and write no page.
    #[arg(long)]
    forget: bool,
}

/// How changes are printed.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Form {
    /// By their names.
    Names,
    /// As the SQL that makes them.
    Sql,
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let functions = functions()?;
    let mut counts = Counts::read(&arguments.counts)?;
    counts.forget_changed(&functions);
    if let [part, file] = arguments.rust.as_slice() {
        let text = std::fs::read_to_string(file).with_context(|| file.clone())?;
        counts.add_rust(part, serde_json::from_str::<Rust>(&text).with_context(|| file.clone())?);
        return write(&arguments, &counts).map(|()| ExitCode::SUCCESS);
    }
    let chosen = arguments.chosen(&functions, &counts);
    if let Some(form) = arguments.list {
        for one in &chosen {
            match (form, functions.get(&one.function)) {
                (Form::Sql, Some(text)) => {
                    println!("{}", one.text(text).replace(":\"schema\"", "\"public\""));
                }
                _ => println!("{}", one.name),
            }
        }
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(why) = missing().await? {
        anyhow::bail!("the pgTAP suite cannot run here: {why}");
    }
    let begun = Instant::now();
    let many = chosen.len();
    let counts = Arc::new(Mutex::new(counts));
    judge(&arguments, &functions, chosen, &counts).await?;
    let counts = counts.lock().unwrap_or_else(PoisonError::into_inner).clone();
    write(&arguments, &counts)?;
    let open = counts.unexplained();
    println!(
        "{many} changes in {} s; {} unexplained in all",
        begun.elapsed().as_secs(),
        open.len()
    );
    Ok(if open.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Arguments {
    /// What is to be tried.
    fn chosen(&self, functions: &BTreeMap<String, String>, counts: &Counts) -> Vec<Mutant> {
        let known = listed();
        let wanted =
            |name: &str| self.function.is_empty() || self.function.iter().any(|f| f == name);
        let open = |one: &Mutant| {
            let done = counts.is_noticed(&one.function, &one.name)
                || known.contains_key(one.name.as_str());
            (self.list.is_some() || self.again || !done)
                && self.only.as_ref().is_none_or(|part| one.name.contains(part))
        };
        let found: Vec<Mutant> = functions
            .iter()
            .filter(|(name, _)| wanted(name))
            .flat_map(|(name, text)| mutants(name, text))
            .filter(open)
            .collect();
        match self.sample {
            Some(count) => sample(self.seed, found, count),
            None => found,
        }
    }
}

/// Judges them until the time is over, counting and telling of each.
async fn judge(
    arguments: &Arguments,
    functions: &BTreeMap<String, String>,
    chosen: Vec<Mutant>,
    counts: &Arc<Mutex<Counts>>,
) -> anyhow::Result<()> {
    ensure!(!chosen.is_empty(), "nothing is left to try; --again tries everything");
    let bar = ProgressBar::new(chosen.len() as u64);
    let style = ProgressStyle::with_template("{bar:30} {pos} of {len} changes, {eta} left");
    bar.set_style(style.context("the progress bar")?);
    let until = Instant::now() + Duration::from_secs(arguments.minutes.saturating_mul(60));
    let (shown, counted, texts) = (bar.clone(), Arc::clone(counts), functions.clone());
    let file = (!arguments.forget).then(|| arguments.counts.clone());
    let told = move |one: Judged| {
        shown.inc(1);
        match &one.verdict {
            Verdict::Unnoticed => shown.suspend(|| println!("{}", one.mutant.name)),
            Verdict::Impossible(said) => {
                let line = said.lines().next().unwrap_or_default().to_owned();
                shown.suspend(|| eprintln!("impossible: {}: {line}", one.mutant.name));
            }
            Verdict::Noticed(_) => (),
        }
        let mut counts = counted.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(text) = texts.get(&one.mutant.function) {
            counts.add(&one, text);
        }
        // What an interruption must not lose; the page is written at the end.
        if let (Some(file), true) = (&file, shown.position().is_multiple_of(WRITTEN_EVERY))
            && let Err(error) = counts.write(file)
        {
            shown.suspend(|| eprintln!("{error:#}"));
        }
    };
    judge_all(functions, chosen, arguments.lanes, until, told).await?;
    bar.finish_and_clear();
    Ok(())
}

fn write(arguments: &Arguments, counts: &Counts) -> anyhow::Result<()> {
    if arguments.forget {
        return Ok(());
    }
    counts.write(&arguments.counts)?;
    let page: &Path = &arguments.page;
    std::fs::write(page, counts.page()).context("writing the page")
}
