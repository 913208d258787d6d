//! How commands speak: plain lines for people, JSON for programs, bars for those who wait.
//!
//! Promise: results go to standard output and everything else to standard error; colours and bars
//! appear on terminals only (and never with `NO_COLOR`); what came from outside cannot steer the
//! terminal; a reader who leaves early (`| head`) is no error.

use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;
use std::io::{ErrorKind, IsTerminal, Write};

/// Prints a result.
pub fn say(text: impl AsRef<str>) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{}", text.as_ref()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// Prints a result for programs, as one document.
pub fn say_json(value: &Value) -> anyhow::Result<()> {
    say(serde_json::to_string_pretty(value)?)
}

/// Tells people what goes on; nothing that a program would want.
pub fn tell(text: impl AsRef<str>) {
    // Nobody can be told that he cannot be told.
    let _ = writeln!(std::io::stderr().lock(), "{}", text.as_ref());
}

/// A colour by its meaning.
#[derive(Debug, Clone, Copy)]
pub enum Paint {
    /// As it should be.
    Good,
    /// Worth knowing.
    Note,
    /// Somebody must act.
    Bad,
}

/// A text in a colour, when standard output is a terminal that wants it.
pub fn painted(text: &str, paint: Paint) -> String {
    let wanted = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let code = match paint {
        Paint::Good => 32,
        Paint::Note => 33,
        Paint::Bad => 31,
    };
    if wanted { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
}

/// A text from outside without characters that steer a terminal.
pub fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// A value as people read it; nothing for null.
pub fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => plain(text),
        other => plain(&other.to_string()),
    }
}

/// A time of the database to the second, in UTC.
pub fn time(value: &Value) -> String {
    let parsed = value.as_str().and_then(|text| text.parse::<Timestamp>().ok());
    parsed.map_or_else(
        || cell(value),
        |at| at.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
    )
}

/// An amount with its currency; every currency that we know has two decimals.
pub fn money(minor: &Value, currency: &Value) -> String {
    let Some(minor) = minor.as_i64() else { return String::new() };
    let sign = if minor < 0 { "-" } else { "" };
    let minor = minor.unsigned_abs();
    format!("{sign}{}.{:02} {}", minor / 100, minor % 100, cell(currency))
}

/// A bar over a number of things, or nothing where nobody looks.
pub fn count_bar(length: u64, what: &str) -> ProgressBar {
    bar(Some(length), &format!("{what} {{bar:30}} {{pos}}/{{len}} {{eta}}"))
}

/// A bar over bytes; of unknown length it spins.
pub fn byte_bar(length: Option<u64>) -> ProgressBar {
    let template = match length {
        Some(_) => "{msg} {bar:30} {bytes}/{total_bytes} {eta}",
        None => "{msg} {spinner} {bytes}",
    };
    bar(length, template)
}

/// Something that turns while work goes on whose length nobody knows.
pub fn spinner() -> ProgressBar {
    bar(None, "{spinner} {msg}")
}

fn bar(length: Option<u64>, template: &str) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template(template);
    let bar = length.map_or_else(ProgressBar::no_length, ProgressBar::new);
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// Who types: the actor that the history keeps.
pub fn actor() -> String {
    let user = ["SUDO_USER", "USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok());
    let user = user
        .filter(|user| !user.is_empty())
        .map_or_else(|| format!("uid-{}", rustix::process::getuid().as_raw()), |user| plain(&user));
    format!("cli/{user}").chars().take(200).collect()
}

/// Whether a variable of the environment says something; an empty one counts as unset.
pub fn is_given(name: &str) -> bool {
    std::env::var_os(name).is_some_and(|value| !value.is_empty())
}

/// What may help with an error, beyond its own words.
pub fn remedy(error: &anyhow::Error) -> Option<String> {
    use orders_store::Error as Store;
    let direct = error.chain().find_map(|cause| cause.downcast_ref::<Store>());
    let store = direct.or_else(|| match error.downcast_ref()? {
        crate::engine::CannotStart::Store(store) => Some(store),
        crate::engine::CannotStart::Times(_) | crate::engine::CannotStart::AnotherAccount(_) => {
            None
        }
    })?;
    match store {
        Store::Unreachable { .. } => Some(
            "Is the server up, and does DATABASE_URL name it? `atomic-orders doctor` looks closer."
                .to_owned(),
        ),
        Store::Database { hint: Some(hint), .. } => Some(hint.clone()),
        Store::Database { code, .. } => match code.as_str() {
            "3F000" | "42P01" | "42883" => Some(
                "The schema holds no shop of this release: run `atomic-orders migrate`.".into(),
            ),
            "42501" => Some(
                "The role of DATABASE_URL may not do this; `atomic-orders doctor` looks closer."
                    .to_owned(),
            ),
            _ => None,
        },
        Store::Interrupted { .. } | Store::TimedOut { .. } => {
            Some("Look first what stands; it is safe to run the same command again.".to_owned())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_comes_from_outside_cannot_steer_the_terminal() {
        assert_eq!(plain("a\x1b[2Jb\r\nc"), "a\u{fffd}[2Jb\u{fffd}\u{fffd}c");
        assert_eq!(cell(&json!("\x07")), "\u{fffd}");
    }

    #[test]
    fn no_command_prints_in_a_way_that_fails_when_its_reader_leaves() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli");
        let mut waiting = vec![folder];
        while let Some(folder) = waiting.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                // The benchmark prints once, at its end.
                if path.ends_with("cli/bench") || path.ends_with("cli/bench.rs") {
                    continue;
                }
                if path.is_dir() {
                    waiting.push(path);
                } else {
                    let text = std::fs::read_to_string(&path).unwrap();
                    let found = ["print", "println"].iter().any(|name| {
                        text.contains(&format!(" {name}!("))
                            || text.contains(&format!(" e{name}!("))
                    });
                    assert!(!found, "{} prints past `say` and `tell`", path.display());
                }
            }
        }
    }

    #[test]
    fn amounts_and_times_are_written_for_people() {
        assert_eq!(money(&json!(1530), &json!("GBP")), "15.30 GBP");
        assert_eq!(money(&json!(-5), &json!("USD")), "-0.05 USD");
        assert_eq!(money(&json!(null), &json!("USD")), "");
        assert_eq!(time(&json!("2026-01-02T03:04:05.678+00:00")), "2026-01-02 03:04:05Z");
        assert_eq!(time(&json!(null)), "");
    }
}
