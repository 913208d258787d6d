//! What each setting of a shop is for, and which values it may have.
//!
//! Promise: one table, asked before a value is written (`migrate --set`), about what stands
//! (`doctor`), and before an engine meets a real provider: with some values it could buy twice.

use crate::{Error, Store};

/// One setting.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// Its name in the table `settings`.
    pub name: &'static str,
    /// What it may hold.
    pub kind: Kind,
    /// What it is for, as a phrase.
    pub purpose: &'static str,
}

/// What a setting may hold.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// A whole number between two bounds.
    Whole {
        /// The smallest.
        least: u64,
        /// The largest.
        most: u64,
    },
    /// One of these words.
    Word(&'static [&'static str]),
    /// Made by the installer, never shown and never set.
    Secret,
}

/// What is assumed of Zinc v1, whose documentation is silent: two equal keys within this time may
/// both be bought. A shorter bound would be no bound. // ruling 4
const PROCESSING_BOUND_MS_LEAST: u64 = 60_000;

/// What Stripe said longer ago may be true no more: a refund or a dispute takes a moment. // G2
const GATE_AGE_MS_MOST: u64 = 60_000;
/// Reading a payment takes up to three calls: what may be younger only is never young enough.
const GATE_AGE_MS_LEAST: u64 = 10_000;

const fn whole(name: &'static str, least: u64, most: u64, purpose: &'static str) -> Rule {
    Rule { name, kind: Kind::Whole { least, most }, purpose }
}

/// Every setting that a shop has. The largest bounds keep every repeat within the life of its key
/// (23 hours), and the largest first pauses are the caps of their schedules.
pub const RULES: [Rule; 14] = [
    whole(
        "processing_bound_ms",
        PROCESSING_BOUND_MS_LEAST,
        3_600_000,
        "how long the provider may still be at work on a call that has ended for us, in \
         milliseconds; a repeat waits for it",
    ),
    whole(
        "poll_ms",
        10_000,
        86_400_000,
        "the pause between two readings of an accepted order, in milliseconds",
    ),
    whole("calls_max", 1, 100, "the most calls under one key, before a person decides"),
    whole("generations_max", 1, 100, "the most attempts of one order, before a person decides"),
    whole(
        "repeat_first_ms",
        100,
        600_000,
        "the limit of the first pause before a repeat, in milliseconds",
    ),
    whole(
        "renew_first_ms",
        100,
        1_800_000,
        "the limit of the first pause before a new key, in milliseconds",
    ),
    whole(
        "account_pause_ms",
        1_000,
        86_400_000,
        "how long an account that the provider refused is left alone, in milliseconds",
    ),
    Rule {
        name: "complete_on",
        kind: Kind::Word(&["delivered", "placed"]),
        purpose: "how far an order goes before it is complete",
    },
    whole(
        "gate_age_ms",
        GATE_AGE_MS_LEAST,
        GATE_AGE_MS_MOST,
        "how old what Stripe said of a payment may be when its order is sent, in milliseconds",
    ),
    Rule {
        name: "capture_when",
        kind: Kind::Word(&["before_purchase", "after_purchase"]),
        purpose: "when reserved money is taken, for orders that do not say it themselves",
    },
    Rule {
        name: "hold_on_fraud_signs",
        kind: Kind::Word(&["yes", "no"]),
        purpose: "whether an open review or an early warning of fraud holds an order",
    },
    whole(
        "two_persons_above_minor",
        0,
        1_000_000_000,
        "the amount above which a second person must approve a refund, in the smallest unit; 0 for \
         none",
    ),
    whole(
        "expire_unpaid_after_s",
        0,
        31_536_000,
        "after how many seconds an order that nobody paid is cancelled; 0 for never",
    ),
    Rule {
        name: "shop_secret",
        kind: Kind::Secret,
        purpose: "what every key at the provider is derived from",
    },
];

impl Rule {
    /// The rule as the end of a sentence.
    fn demand(&self) -> String {
        match self.kind {
            Kind::Whole { least, most } => format!("must be a whole number from {least} to {most}"),
            Kind::Word(words) => format!("must be one of {}", words.join(", ")),
            Kind::Secret => "must be 64 hex digits or more".to_owned(),
        }
    }

    fn holds(&self, value: &str) -> bool {
        match self.kind {
            // Digits only: what reads a setting does not agree about signs and blanks.
            Kind::Whole { least, most } => {
                value.bytes().all(|byte| byte.is_ascii_digit())
                    && value.parse().is_ok_and(|number: u64| (least..=most).contains(&number))
            }
            Kind::Word(words) => words.contains(&value),
            Kind::Secret => value.len() >= 64 && value.bytes().all(|byte| byte.is_ascii_hexdigit()),
        }
    }
}

/// Why a setting must not be written so, as a sentence; the value is not repeated.
pub fn objection(name: &str, value: &str) -> Option<String> {
    let Some(rule) = RULES.iter().find(|rule| rule.name == name) else {
        let known = RULES.iter().filter(|rule| !matches!(rule.kind, Kind::Secret));
        let known: Vec<&str> = known.map(|rule| rule.name).collect();
        return Some(format!("there is no such setting; there are {}", known.join(", ")));
    };
    if matches!(rule.kind, Kind::Secret) {
        return Some(format!(
            "{name} is made once by the installer and never set: it is {}, and with another one \
             what is bought already could be bought again",
            rule.purpose
        ));
    }
    (!rule.holds(value)).then(|| format!("{name} {}: {}", rule.demand(), rule.purpose))
}

/// A setting that stands and must not stand so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Which one, and what it must be. A secret is not repeated.
    pub sentence: String,
    /// What to do about it.
    pub remedy: String,
}

/// What is wrong with the settings of a shop.
pub async fn faults(store: &Store) -> Result<Vec<Fault>, Error> {
    let rows = store
        .query("settings.faults", &store.in_schema("select * from {schema}.shop_settings()"), &[])
        .await?;
    let found: Vec<(String, String)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    Ok(faults_of(&found))
}

fn faults_of(found: &[(String, String)]) -> Vec<Fault> {
    let fault = |rule: &Rule| {
        let name = rule.name;
        let what = match found.iter().find(|(found, _)| found == name) {
            None => "is missing".to_owned(),
            Some((_, value)) if rule.holds(value) => return None,
            Some(_) if matches!(rule.kind, Kind::Secret) => rule.demand(),
            Some((_, value)) => {
                let shown: String = value.chars().take(40).collect();
                format!("is {shown:?} and {}", rule.demand())
            }
        };
        let remedy = match rule.kind {
            Kind::Secret => {
                "Bring back the one of a backup: no other makes the same keys.".to_owned()
            }
            _ => format!("As the role that installs: `atomic-orders migrate --set {name}=…`."),
        };
        Some(Fault { sentence: format!("The setting {name} {what}."), remedy })
    };
    RULES.iter().filter_map(fault).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use orders_core::plan::reading::CompleteOn;

    #[test]
    fn a_value_out_of_its_range_is_named_with_the_range_and_the_purpose() {
        for (name, values) in [
            ("processing_bound_ms", &["0", "-1", "abc", "", "59999", "3600001", "1500"][..]),
            ("poll_ms", &["99999999999999999999", "+60000", " 60000", "60000.0"]),
            ("generations_max", &["0"]),
            ("calls_max", &["0", "101"]),
        ] {
            for value in values {
                let said = objection(name, value).unwrap();
                assert!(said.starts_with(&format!("{name} must be a whole number from")), "{said}");
            }
        }
        let said = objection("processing_bound_ms", "0").unwrap();
        assert!(said.contains("from 60000 to 3600000: how long the provider"), "{said}");
        let said = objection("complete_on", "never").unwrap();
        assert!(said.contains("complete_on must be one of delivered, placed"), "{said}");
    }

    #[test]
    fn what_is_within_its_range_may_be_written() {
        for (name, value) in [
            ("processing_bound_ms", "60000"),
            ("processing_bound_ms", "3600000"),
            ("poll_ms", "300000"),
            ("generations_max", "1"),
            ("complete_on", "placed"),
        ] {
            assert_eq!(objection(name, value), None, "{name}={value}");
        }
    }

    #[test]
    fn the_secret_is_never_set_and_never_repeated() {
        let said = objection("shop_secret", &"ab".repeat(32)).unwrap();
        assert!(said.contains("never set") && !said.contains("abab"), "{said}");
        let said = objection("nonsense", "1").unwrap();
        assert!(
            said.contains("there is no such setting") && !said.contains("shop_secret"),
            "{said}"
        );
        let weak = [("shop_secret".to_owned(), "beef".to_owned())];
        let fault = faults_of(&weak).into_iter().find(|fault| fault.sentence.contains("secret"));
        let fault = fault.unwrap();
        assert_eq!(fault.sentence, "The setting shop_secret must be 64 hex digits or more.");
        assert!(!fault.remedy.contains("--set"), "{}", fault.remedy);
    }

    #[test]
    fn the_table_names_every_setting_that_a_shop_starts_with_and_none_of_these_is_at_fault() {
        let guard = include_str!("../guards/06_settings.sql");
        let words: Vec<&str> = guard.split('\'').collect();
        let mut found: Vec<(String, String)> = RULES
            .iter()
            .map(|rule| {
                let at = words.iter().position(|word| *word == rule.name);
                let at = at.unwrap_or_else(|| panic!("a shop does not start with {}", rule.name));
                (rule.name.to_owned(), words[at + 2].to_owned())
            })
            .collect();
        assert_eq!(guard.matches("\n  ('").count(), RULES.len(), "a setting without its rule");
        // The installer draws the secret by chance.
        found.last_mut().unwrap().1 = "0f".repeat(32);
        assert_eq!(faults_of(&found), []);
        assert_eq!(faults_of(&[]).len(), RULES.len());
    }

    #[test]
    fn the_operations_page_tells_every_range() {
        let page = include_str!("../../../docs/OPERATIONS.md");
        for rule in RULES {
            let range = match rule.kind {
                Kind::Whole { least, most } => format!("{least} to {most}"),
                Kind::Word(words) => format!("`{}`", words.join("`, `")),
                Kind::Secret => "never set".to_owned(),
            };
            let line = page.lines().find(|line| line.starts_with(&format!("| `{}` |", rule.name)));
            assert!(
                line.is_some_and(|line| line.contains(&format!("| {range} |"))),
                "{}",
                rule.name
            );
        }
    }

    #[test]
    fn the_words_of_complete_on_are_those_that_the_engine_reads() {
        let Kind::Word(words) = RULES[7].kind else { panic!("complete_on is a word") };
        for word in words {
            assert!(CompleteOn::parse(word).is_some(), "{word}");
        }
    }
}
