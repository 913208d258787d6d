//! `shop`: whether the shop as a whole is held and why; stopping it, and letting it go on.

use super::door;
use super::given;
use super::output::{Paint, actor, painted, plain, say, say_json};
use crate::app::DatabaseArgs;
use clap::{Args, Subcommand};
use orders_store::read;
use serde_json::{Value, json};
use std::process::ExitCode;

/// See whether the whole shop is held; stop it, or let it go on.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  atomic-orders shop show
  atomic-orders shop hold --reason 'the provider charges twice, ticket 4711'
  atomic-orders shop release --reason 'restored from the backup of 03:00, books compared'")]
pub struct Shop {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show whether the shop is held, why, and what can be done.
    #[command(after_help = "Examples:
  atomic-orders shop show
  atomic-orders shop show --json | jq .held_because")]
    Show(Show),
    /// Stop the whole shop: nothing is bought and no money is moved until it is released.
    #[command(after_help = "Examples:
  atomic-orders shop hold --reason 'the provider charges twice, ticket 4711'

Calls under way are not stopped; their answers are recorded, and orders are still taken.")]
    Hold(Decide),
    /// Let the shop go on. After a restore that is possible when the books were compared.
    #[command(after_help = "Examples:
  atomic-orders shop release --reason 'restored from the backup of 03:00, books compared'
  atomic-orders shop release --uncompared --reason 'Zinc cannot list; ticket 4711 says none was placed'

Exit code 3: refused, with the reason; nothing was changed.")]
    Release(Release),
}

#[derive(Debug, Args)]
struct Show {
    /// One JSON document.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    database: DatabaseArgs,
}

#[derive(Debug, Args)]
struct Decide {
    /// Why, in 1 to 300 characters; it is kept.
    #[arg(long, value_name = "TEXT", value_parser = given::reason)]
    reason: String,
    #[command(flatten)]
    show: Show,
}

#[derive(Debug, Args)]
struct Release {
    /// Although the partners' lists were not compared: somebody knows that nothing was forgotten.
    #[arg(long)]
    uncompared: bool,
    #[command(flatten)]
    decide: Decide,
}

impl Shop {
    /// Does what was asked for.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        match self.action {
            Action::Show(show) => show.run().await,
            Action::Hold(decide) => {
                let args =
                    json!({ "reason_param": decide.reason, "options": { "actor": actor() } });
                let done = |_: &Value| "The shop is held: nothing is bought and no money is moved.";
                decide.show.decide("hold_shop", args, |answer| done(answer).to_owned()).await
            }
            Action::Release(release) => {
                let options = if release.uncompared {
                    json!({ "actor": actor(), "uncompared": true })
                } else {
                    json!({ "actor": actor() })
                };
                let args = json!({ "reason_param": release.decide.reason, "options": options });
                release.decide.show.decide("release_shop", args, released).await
            }
        }
    }
}

fn released(answer: &Value) -> String {
    let count = |name: &str| answer[name].as_u64().unwrap_or(0);
    match (count("forgotten"), count("orders_held")) {
        (0, _) => "The shop goes on.".to_owned(),
        (forgotten, held) => format!(
            "The shop goes on. {forgotten} purchases or refunds were forgotten by the database: \
             those whose key still lives are taken up again by themselves; {held} orders are held \
             as restored, and `atomic-orders reconcile` names what the provider has of them."
        ),
    }
}

impl Show {
    async fn run(self) -> anyhow::Result<ExitCode> {
        let (database, store) = self.database.shop(2).await?;
        let standing = read::health(&store).await?["shop"].clone();
        if self.json {
            say_json(&standing)?;
        } else {
            sentences(&standing).iter().try_for_each(say)?;
        }
        database.close().await?;
        Ok(ExitCode::SUCCESS)
    }

    async fn decide(
        self,
        function: &str,
        args: Value,
        done: impl FnOnce(&Value) -> String,
    ) -> anyhow::Result<ExitCode> {
        let (database, store) = self.database.shop(2).await?;
        let answer = door::call(&store, function, args).await?;
        let code = door::conclude(&answer, self.json, done)?;
        database.close().await?;
        Ok(code)
    }
}

/// What each hold means.
pub fn meaning(because: &str) -> &'static str {
    match because {
        "unwatched" => {
            "no engine was at work, so nobody knows whether the database was restored meanwhile"
        }
        "failed_over" => "another server took over, and what was committed last may be lost there",
        "another_place" => "the database stands in another place: it was cloned or restored",
        "went_back" => "the database went back in time under a running engine: it was restored",
        "forgotten" => {
            "the partners have purchases or refunds of this shop that its database does not know"
        }
        _ => "a person stopped it",
    }
}

fn sentences(standing: &Value) -> Vec<String> {
    let word = |name: &str| standing[name].as_str().map(plain);
    let Some(because) = word("held_because") else {
        return vec![format!("{}: the shop is not held.", painted("Open", Paint::Good))];
    };
    let mut lines = vec![format!(
        "{} since {}: {}. Nothing is bought and no money is moved.",
        painted("Held", Paint::Bad),
        word("held_since").unwrap_or_default(),
        meaning(&because)
    )];
    if word("compare_since").is_none() {
        lines.push("`atomic-orders shop release` lets it go on.".into());
        return lines;
    }
    let from = word("forgotten_from").unwrap_or_default();
    match word("compared_at") {
        None => lines.push(format!(
            "What was done since {from} may be forgotten. An engine compares it with the partners \
             by itself; `atomic-orders reconcile` does it now and says what stands in its way."
        )),
        Some(at) => lines.push(format!(
            "It was compared with the partners at {at}: {} purchases or refunds since {from} are \
             forgotten. `atomic-orders reconcile` lists them; then `atomic-orders shop release`.",
            standing["forgotten"].as_u64().unwrap_or(0)
        )),
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_told_with_the_reason_and_the_next_step() {
        assert!(sentences(&json!({ "held_because": null }))[0].contains("not held"));
        let operator = json!({ "held_because": "operator", "held_since": "2026-11-01T00:00:00Z" });
        assert!(sentences(&operator)[1].contains("shop release"));
        let mut restored = json!({
            "held_because": "went_back", "held_since": "2026-11-01T00:00:00Z", "forgotten": 3,
            "compare_since": "2026-11-01T00:00:00Z", "forgotten_from": "2026-10-31T23:00:00Z",
        });
        assert!(sentences(&restored)[1].contains("by itself"));
        restored["compared_at"] = json!("2026-11-01T00:01:00Z");
        assert!(sentences(&restored)[1].contains("3 purchases or refunds"));
    }
}
