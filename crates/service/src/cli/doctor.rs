//! `doctor`: what is wrong with an installation, in plain words, each with what to do about it.
//!
//! Promise: it changes nothing in a database of yours; it never shows a secret; whatever cannot be
//! found out is itself said. Exit code 3 when something is wrong.

mod judge;

use super::NOT_GOOD;
use super::output::{Paint, painted, plain, say, say_json};
use crate::api::WallClock;
use crate::app::{Database, DatabaseArgs};
use clap::Args;
use judge::{Level, Word};
use orders_store::{Error, Store, ground, read, schema, verify};
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
        let mut words = judge::configuration(|name| std::env::var_os(name).is_some());
        match self.database.join().await {
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
        // Our own database brings its tables along, as every other command does.
        if let Err(error) = database.prepare().await {
            words.push(Word::bad("schema", format!("{error:#}"), ""));
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
        words.extend(shop(&store).await);
        words
    }
}

/// The ground, the schema and the state of the shop.
async fn shop(store: &Store) -> Vec<Word> {
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
    match schema::drift(store).await {
        Ok(drift) if drift.is_empty() => {
            words.push(Word::good("functions", "All protected functions are as released."));
        }
        Ok(drift) => words.extend(drift.into_iter().map(|one| {
            let sentence = format!("The protected function {one}.");
            Word::bad(
                "functions",
                sentence,
                "Find out who changed it; `atomic-orders migrate` puts it back.",
            )
        })),
        Err(error) => words.push(failed("functions", &error)),
    }
    match read::health(store).await {
        Ok(health) => words.extend(judge::health(&health)),
        Err(error) => words.push(failed("health", &error)),
    }
    match verify::dangerous_roles(store).await {
        Ok(roles) if roles.is_empty() => {}
        Ok(roles) => words.push(Word::note(
            "roles",
            format!("These roles can break the rules by force: {}.", roles.join(", ")),
            "Give them to people only, never to a program.",
        )),
        Err(error) => words.push(failed("roles", &error)),
    }
    words
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
