//! What facts mean, as sentences. Pure: no clock, no database, no environment of its own.

use crate::cli::shop::meaning;
use jiff::{SignedDuration, Timestamp};
use orders_store::ground::Facts;
use orders_store::settings_rules::Fault;
use serde::Serialize;
use serde_json::Value;

/// How grave a word is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// As it should be.
    Good,
    /// Worth knowing; nothing is wrong.
    Note,
    /// Somebody must act.
    Bad,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Word {
    /// How grave it is.
    pub level: Level,
    /// What it is about.
    pub about: &'static str,
    /// What was found.
    pub sentence: String,
    /// What to do about it; empty when the sentence says it or nothing is to be done.
    pub remedy: String,
}

impl Word {
    fn new(level: Level, about: &'static str, sentence: String, remedy: &str) -> Self {
        Self { level, about, sentence, remedy: remedy.to_owned() }
    }

    /// As it should be.
    pub fn good(about: &'static str, sentence: impl Into<String>) -> Self {
        Self::new(Level::Good, about, sentence.into(), "")
    }

    /// Worth knowing.
    pub fn note(about: &'static str, sentence: impl Into<String>, remedy: &str) -> Self {
        Self::new(Level::Note, about, sentence.into(), remedy)
    }

    /// Somebody must act.
    pub fn bad(about: &'static str, sentence: impl Into<String>, remedy: &str) -> Self {
        Self::new(Level::Bad, about, sentence.into(), remedy)
    }
}

/// Which secrets are configured; never what they are.
pub fn configuration(is_set: impl Fn(&str) -> bool) -> Vec<Word> {
    let needs = [
        ("ZINC_TOKEN", "`work` buys nothing without it; `up` uses a sandbox instead"),
        ("STRIPE_KEY", "without it nobody reads payments, and orders go on waiting for theirs"),
    ];
    needs
        .into_iter()
        .map(|(name, without)| {
            if is_set(name) {
                Word::good("configuration", format!("{name} is set."))
            } else {
                Word::note("configuration", format!("{name} is not set: {without}."), "")
            }
        })
        .collect()
}

/// The moment that a server's answer belongs to, when it was asked and answered at these.
pub fn middle(before: Timestamp, after: Timestamp) -> Timestamp {
    // Half of a difference of two times lies between them.
    before.checked_add(after.duration_since(before) / 2).unwrap_or(after)
}

/// The largest difference of clocks that is not worth a word.
const CLOCKS_APART_MAX: SignedDuration = SignedDuration::from_secs(2);

/// The server itself.
pub fn server(facts: &Facts, port: Option<u16>, machine: Timestamp) -> Vec<Word> {
    let mut words = Vec::new();
    let version = format!("It is PostgreSQL {}, reached as role {}.", facts.version, facts.role);
    words.push(if facts.version_number >= 150_000 {
        Word::good("server", version)
    } else {
        Word::bad("server", version, "Use PostgreSQL 15 or newer.")
    });
    words.push(match facts.track_functions.as_str() {
        "pl" | "all" => {
            Word::good("server", "Calls of the functions are counted (track_functions).")
        }
        other => Word::bad(
            "server",
            format!("track_functions is {other}: pg_stat_user_functions shows no atomic function."),
            &format!(
                "As a superuser: alter database \"{}\" set track_functions = 'pl'; then reconnect.",
                facts.database
            ),
        ),
    });
    let apart = facts.at.duration_since(machine).abs();
    if apart > CLOCKS_APART_MAX {
        words.push(Word::bad(
            "clock",
            format!(
                "The clocks of this machine and of the database are {:.1} s apart.",
                apart.as_secs_f64()
            ),
            "Set both by NTP. Leases follow the database's clock; tokens of callers follow this one's.",
        ));
    } else {
        words.push(Word::good("clock", "This machine and the database agree about the time."));
    }
    if let (Some(asked), Some(own)) = (port, facts.port)
        && asked != own
    {
        words.push(Word::note(
            "pooler",
            format!(
                "Port {asked} was asked and the server listens on {own}: something is between."
            ),
            "PgBouncer in transaction mode is fine; statement mode is not. Run `migrate` directly.",
        ));
    }
    words
}

/// The settings of the shop. The sandbox works in seconds what takes a provider minutes, so its
/// shop's times are short on purpose.
pub fn settings(faults: Vec<Fault>, is_sandbox: bool) -> Vec<Word> {
    if faults.is_empty() {
        return vec![Word::good("settings", "Every setting is within its range.")];
    }
    if is_sandbox {
        let sentence = "This shop is the sandbox's, and hurries more than a real provider allows.";
        return vec![Word::note("settings", sentence, "")];
    }
    let word = |fault: Fault| Word::bad("settings", fault.sentence, &fault.remedy);
    faults.into_iter().map(word).collect()
}

/// The state of the shop, from `order_system_health()`.
pub fn health(health: &Value) -> Vec<Word> {
    let number = |name: &str| health[name].as_u64().unwrap_or(0);
    let mut words = Vec::new();
    match number("stuck") {
        0 => words.push(Word::good("orders", "No order is stuck.")),
        stuck => words.push(Word::bad(
            "orders",
            format!("{stuck} orders are stuck: submitting, and nobody looks after them."),
            "Run an engine (`atomic-orders work`), or `atomic-orders recover` once.",
        )),
    }
    words.extend(whole_shop(&health["shop"]));
    words.push(workers(health));
    for provider in health["paused_providers"].as_array().into_iter().flatten() {
        let provider = provider.as_str().unwrap_or("?");
        let code = health["pause_codes"][provider].as_str().unwrap_or("no code");
        words.push(Word::bad(
            "provider",
            format!("Nothing is sent to {provider} for now: {code}."),
            "By itself it is tried again. If the code names our account, correct token, balance or limits there; the alerts say more.",
        ));
    }
    let (alerts, findings) = (number("open_alerts"), number("open_findings"));
    if alerts + findings > 0 {
        words.push(Word::note(
            "people",
            format!("{alerts} alerts and {findings} findings wait for a person."),
            "`atomic-orders orders list --status needs_review`, then `orders show` for each; the tables alerts and findings name the others.",
        ));
    }
    words.extend(money(health));
    if number("unknown") > 0 {
        words.push(Word::note(
            "orders",
            format!(
                "{} purchases have an unknown outcome; engines are finding it out.",
                number("unknown")
            ),
            "",
        ));
    }
    words
}

/// Whether the shop as a whole is held.
fn whole_shop(standing: &Value) -> Option<Word> {
    let because = standing["held_because"].as_str()?;
    Some(Word::bad(
        "shop",
        format!("The whole shop is held, nothing is bought: {}.", meaning(because)),
        "`atomic-orders shop show` says what can be done.",
    ))
}

/// What a person must see about money.
fn money(health: &Value) -> Vec<Word> {
    let approvals = health["moves"]["awaiting_approval"].as_u64().unwrap_or(0);
    let differences = health["differences"].as_u64().unwrap_or(0);
    let mut words = Vec::new();
    if approvals > 0 {
        words.push(Word::note(
            "money",
            format!("{approvals} refunds wait for a second person, for a day each."),
            "`atomic-orders payments waiting`, then `payments approve` or `payments withdraw`.",
        ));
    }
    if differences > 0 {
        words.push(Word::bad(
            "books",
            format!(
                "{differences} differences stand between payments, orders, purchases and refunds."
            ),
            "`atomic-orders reconcile` lists each with what to do about it.",
        ));
    }
    words
}

/// Whether somebody works, and whether there is work.
fn workers(health: &Value) -> Word {
    let alive = health["workers_alive"].as_u64().unwrap_or(0);
    let open = ["pending", "submitting", "submitted_to_zinc", "processing"];
    let work: u64 = open.iter().filter_map(|status| health["orders"][status].as_u64()).sum();
    match (alive, work) {
        (0, 0) => Word::note("engine", "No engine runs, and no order needs one.", ""),
        (0, work) => Word::bad(
            "engine",
            format!("No engine runs, and {work} orders need one."),
            "Run `atomic-orders work` (or `up`, or `serve --work`).",
        ),
        (1, _) => Word::good("engine", "One engine was seen within the last minute."),
        (alive, _) => {
            Word::good("engine", format!("{alive} engines were seen within the last minute."))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn facts() -> Facts {
        Facts {
            version: "15.14".into(),
            version_number: 150_014,
            track_functions: "pl".into(),
            role: "public_orders_app".into(),
            database: "shop".into(),
            at: Timestamp::UNIX_EPOCH,
            port: Some(5432),
        }
    }

    fn bad(words: &[Word]) -> Vec<&'static str> {
        words.iter().filter(|word| word.level == Level::Bad).map(|word| word.about).collect()
    }

    #[test]
    fn a_good_server_gives_no_bad_word() {
        assert_eq!(bad(&server(&facts(), Some(5432), Timestamp::UNIX_EPOCH)), [""; 0]);
    }

    #[test]
    fn an_old_server_uncounted_functions_and_a_wrong_clock_are_wrong() {
        let old = Facts { version_number: 140_000, track_functions: "none".into(), ..facts() };
        let later = Timestamp::UNIX_EPOCH + SignedDuration::from_secs(3);
        let words = server(&old, None, later);
        assert_eq!(bad(&words), ["server", "server", "clock"]);
        assert!(words.iter().any(|word| word.remedy.contains("set track_functions = 'pl'")));
    }

    #[test]
    fn another_port_than_the_servers_is_worth_a_note() {
        let words = server(&facts(), Some(6432), Timestamp::UNIX_EPOCH);
        assert!(words.iter().any(|word| word.about == "pooler" && word.level == Level::Note));
    }

    #[test]
    fn an_engine_is_missed_only_when_there_is_work() {
        let idle = json!({"workers_alive": 0, "orders": {"completed": 3}});
        assert_eq!(bad(&health(&idle)), [""; 0]);
        let busy = json!({"workers_alive": 0, "orders": {"pending": 3}, "stuck": 1, "paused_providers": ["zinc_v1"]});
        assert_eq!(bad(&health(&busy)), ["orders", "engine", "provider"]);
    }

    #[test]
    fn money_that_waits_is_noted_and_books_that_differ_are_wrong() {
        let waits = json!({"workers_alive": 1, "moves": {"open": 2, "awaiting_approval": 1}, "differences": 0});
        let words = health(&waits);
        assert_eq!(bad(&words), [""; 0]);
        assert!(words.iter().any(|word| word.about == "money" && word.level == Level::Note));
        assert_eq!(bad(&health(&json!({"workers_alive": 1, "differences": 2}))), ["books"]);
    }

    #[test]
    fn a_setting_out_of_its_range_is_wrong_in_every_shop_but_the_sandboxs() {
        let fault =
            || vec![Fault { sentence: "poll_ms is \"1\".".into(), remedy: "Set it.".into() }];
        assert_eq!(bad(&settings(fault(), false)), ["settings"]);
        assert_eq!(bad(&settings(fault(), true)), [""; 0]);
        assert_eq!(settings(Vec::new(), false)[0].level, Level::Good);
    }

    #[test]
    fn the_configuration_says_whether_and_never_what() {
        let words = configuration(|name| name == "STRIPE_KEY");
        assert_eq!(words[0].level, Level::Note);
        assert_eq!(words[1], Word::good("configuration", "STRIPE_KEY is set."));
    }
}
