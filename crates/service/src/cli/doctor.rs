//! `doctor`: what is wrong with an installation, in plain words, each with what to do about it.
//!
//! Promise: it changes nothing and makes nothing; it never shows a secret; whatever cannot be
//! found out is itself said. Exit code 3 when something is wrong.

mod judge;

use super::NOT_GOOD;
use super::output::{Paint, is_given, painted, plain, say, say_json};
use crate::api::WallClock;
use crate::app::{Database, DatabaseArgs};
use clap::Args;
use judge::{Level, Word};
use orders_store::{Error, Store, ground, read, schema, settings_rules, verify};
use serde_json::json;
use std::process::ExitCode;

/// Say in plain words what is wrong with an installation, and what to do about it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  atomic-orders doctor                        the program's own database, and the shop in it
  DATABASE_URL=… atomic-orders doctor         a database of yours
  atomic-orders doctor --json                 one document: good, words [{level, about, sentence, remedy}]

Exit code 3: something is wrong.")]
pub struct Doctor {
    /// One JSON document.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    database: DatabaseArgs,
}

impl Doctor {
    /// Looks at everything and says what was found.
    pub async fn run(self, clock: WallClock) -> anyhow::Result<ExitCode> {
        let mut words = judge::configuration(is_given);
        match self.database.existing().await {
            Ok(database) => {
                words.extend(self.look(&database, &clock).await);
                database.close().await?;
            }
            Err(error) => words.push(Word::bad("database", format!("{error:#}"), "")),
        }
        let good = words.iter().all(|word| word.level != Level::Bad);
        if self.json {
            say_json(&json!({ "good": good, "words": words }))?;
        } else {
            words.iter().try_for_each(show)?;
            say(if good { "Nothing is wrong." } else { "Something is wrong: see above." })?;
        }
        Ok(if good { ExitCode::SUCCESS } else { ExitCode::from(NOT_GOOD) })
    }

    async fn look(&self, database: &Database, clock: &WallClock) -> Vec<Word> {
        let mut words = vec![Word::good("database", format!("This is {}.", database.describe()))];
        if database.data_dir().is_some()
            && let Err(error) = database.check_version().await
        {
            words.push(Word::bad("schema", format!("{error:#}"), ""));
            return words;
        }
        let store = match database.app(2) {
            Ok(store) => store,
            Err(error) => {
                words.push(Word::bad("database", format!("{error:#}"), "Correct DATABASE_URL."));
                return words;
            }
        };
        let before = clock();
        match ground::facts(&store).await {
            Ok(facts) => {
                let middle = judge::middle(before, clock());
                words.extend(judge::server(
                    &facts,
                    ground::port_of(database.app_address()),
                    middle,
                ));
            }
            // Without the server there is nothing more to ask.
            Err(error) => {
                words.push(failed("server", &error));
                return words;
            }
        }
        words.extend(shop(&store, database.is_sandbox()).await);
        words
    }
}

/// The ground, the schema and the state of the shop.
async fn shop(store: &Store, is_sandbox: bool) -> Vec<Word> {
    let mut words = match schema::ground_faults(store).await {
        Ok(faults) if faults.is_empty() => {
            vec![Word::good(
                "ground",
                "The server is durable and this role cannot write past the functions.",
            )]
        }
        Ok(faults) => faults.into_iter().map(|fault| Word::bad("ground", fault, "")).collect(),
        Err(error) => vec![failed("ground", &error)],
    };
    if let Err(error) = schema::check_version(store).await {
        // Everything below stands in that schema.
        words.push(failed("schema", &error));
        return words;
    }
    words.push(Word::good(
        "schema",
        format!("Schema {} is as this release needs it.", store.schema()),
    ));
    words.extend(installed(store).await);
    match settings_rules::faults(store).await {
        Ok(faults) => words.extend(judge::settings(faults, is_sandbox)),
        Err(error) => words.push(failed("settings", &error)),
    }
    match read::health(store).await {
        Ok(health) => words.extend(judge::health(&health)),
        Err(error) => words.push(failed("health", &error)),
    }
    words.extend(roles(store).await);
    words
}

/// What was installed, against what stands.
async fn installed(store: &Store) -> Vec<Word> {
    const REMEDY: &str =
        "Find out who changed it; `atomic-orders migrate` puts it back, or says why it cannot.";
    let mut words = match schema::drift(store).await {
        Ok(drift) if drift.is_empty() => vec![Word::good(
            "functions",
            "All protected functions are as released. So are tables, guards, indexes and grants.",
        )],
        Ok(drift) => {
            let bad = |one: String| Word::bad("installation", format!("The {one}."), REMEDY);
            drift.into_iter().map(bad).collect()
        }
        Err(error) => vec![failed("functions", &error)],
    };
    match schema::additions(store).await {
        Ok(added) if added.is_empty() => {}
        Ok(added) => {
            const SHOWN_MAX: usize = 12;
            let more = added.len().saturating_sub(SHOWN_MAX);
            let more = if more > 0 { format!(", and {more} more") } else { String::new() };
            let list = added.into_iter().take(SHOWN_MAX).collect::<Vec<_>>().join(", ");
            let sentence =
                format!("Schema {} holds what no release made: {list}{more}.", store.schema());
            words.push(Word::note(
                "additions",
                sentence,
                "The shop's functions do not look for it; know whose it is.",
            ));
        }
        Err(error) => words.push(failed("additions", &error)),
    }
    words
}

/// Who could break the rules by force, each with a sentence.
async fn roles(store: &Store) -> Vec<Word> {
    match verify::dangerous_roles(store).await {
        Ok(dangers) => dangers
            .into_iter()
            .map(|danger| {
                let sentence = format!("By force: {}.", danger.sentence);
                Word::note(
                    "roles",
                    sentence,
                    "Give such a role to people only, never to a program.",
                )
            })
            .collect(),
        Err(error) => vec![failed("roles", &error)],
    }
}

/// What could not be found out.
fn failed(about: &'static str, error: &Error) -> Word {
    let remedy = match error {
        Error::Unreachable { .. } => {
            "Start the server, or correct DATABASE_URL: host, port, role, password, database."
        }
        _ => "",
    };
    Word::bad(about, error.to_string(), remedy)
}

fn show(word: &Word) -> anyhow::Result<()> {
    let mark = match word.level {
        Level::Good => painted("ok   ", Paint::Good),
        Level::Note => painted("note ", Paint::Note),
        Level::Bad => painted("WRONG", Paint::Bad),
    };
    say(format!("{mark}  {:<13}  {}", word.about, plain(&word.sentence)))?;
    if word.remedy.is_empty() {
        return Ok(());
    }
    say(format!("{:22}→ {}", "", plain(&word.remedy)))
}
