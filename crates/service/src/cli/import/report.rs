//! What an import says at its end.

use super::placing::Tally;
use crate::cli::output::{Paint, painted, plain, say, say_json, tell};
use crate::cli::table::table;
use serde_json::{Map, Value, json};
use std::path::Path;

/// The summary, for eyes or for programs.
pub fn summary(tally: &Tally, rejects: Option<&Path>, as_json: bool) -> anyhow::Result<()> {
    if as_json {
        return say_json(&document(tally, rejects));
    }
    let mut rows = table(["orders", "count"]);
    for (what, count) in [
        ("new", tally.new),
        ("standing already (duplicate)", tally.duplicate),
        ("standing with other content (conflict)", tally.conflict),
        ("not taken by the database", tally.refused),
        ("rejected by the reader", tally.counts.rejected),
    ] {
        rows.add_row([what.to_owned(), count.to_string()]);
    }
    for (kind, count) in &tally.counts.kinds {
        let kind = kind.name().replace('_', " ");
        rows.add_row([format!("  of these: {kind}"), count.orders.to_string()]);
    }
    say(rows.to_string())?;
    for reject in &tally.shown {
        tell(plain(reject));
    }
    if let Some(path) = rejects {
        let text = format!("All rejects with their reasons: {}", path.display());
        tell(text);
    }
    if tally.interrupted {
        let text =
            "Stopped. What is counted above stands; run the same command again for the rest.";
        say(painted(text, Paint::Note))?;
    }
    Ok(())
}

fn document(tally: &Tally, rejects: Option<&Path>) -> Value {
    let kinds: Map<String, Value> = tally
        .counts
        .kinds
        .iter()
        .map(|(kind, count)| {
            (kind.name().to_owned(), json!({"orders": count.orders, "reasons": count.reasons}))
        })
        .collect();
    json!({
        "new": tally.new, "duplicate": tally.duplicate, "conflict": tally.conflict,
        "refused": tally.refused, "rejected": tally.counts.rejected, "kinds": kinds,
        "rejects_file": rejects.map(|path| path.display().to_string()),
        "interrupted": tally.interrupted,
    })
}
