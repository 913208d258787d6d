//! The SQL files of this crate, carried in the program, and how a shop's names are put into them.
//!
//! The files use psql's variables (`:"schema"`, `:"owner"`, `:"app"`, and `:'owner'` as a literal).
//! They stand inside of bodies too, where psql would leave them alone: `migrate --print` puts the names
//! in for a person who would rather run the files with `psql`. Every name of ours is qualified and the
//! functions' `search_path` is PostgreSQL's own, so that no operator or function that somebody else
//! makes in the shop's schema is ever run with the owner's rights.

/// A file of SQL: its name without ending, and its text.
pub type File = (&'static str, &'static str);

macro_rules! files {
    ($folder:literal: $($name:literal),+ $(,)?) => {
        &[$(($name, include_str!(concat!("../", $folder, "/", $name, ".sql")))),+]
    };
}

/// Forward only, in order; the position is the version.
pub const MIGRATIONS: &[File] = files!("migrations":
    "0000_ledger", "0001_orders", "0002_history", "0003_attempts", "0004_payments", "0005_people", "0006_money",
    "0007_told_twice", "0008_restored");

/// Created anew on every install, after the migrations; callees before callers where a body is
/// parsed at creation.
pub const FUNCTIONS: &[File] = files!("functions":
    "clock_now", "event_hash", "event_actor", "setting_ms", "setting_number", "alert_people", "write_events", "write_event",
    "open_finding", "refusal", "hold_shop_for", "may_claim", "free_shop", "forgotten_purchase", "forgotten_effects", "objection_to_ending", "hold_forgotten", "new_order_id", "request_id_fault", "payment_intent_fault", "line_fault", "text_fault",
    "whole_fault", "check_options", "check_order_recipient", "check_order_content", "tie_payment", "repeated_order",
    "lines_digest", "private_digest",
    "take_idempotency_key", "insert_order", "refuse_birth", "place_order", "attach_payment", "ends_by_facts", "due_payments", "close_finding", "money_left",
    "plan_move", "needs_approval", "return_money", "due_when_released", "withdraw_unapproved", "payment_deviation", "payment_word", "report_payment", "settle_payment", "record_payments", "adopt_payment",
    "hold_order", "release_hold", "ask_to_cancel", "cancel_order", "refund_order", "decide_move", "refunds_within_received",
    "move_wanted", "lease_moves", "commit_move", "record_move", "plan_captures", "expire_unpaid", "receive_event", "due_events", "finish_events", "uncount_events",
    "add_tallies", "move_cursor", "payment_to_read", "nudge_moves", "fail_refund", "events_from", "end_unbought", "resolve_review", "lock_due_orders",
    "commit_intents", "record_acceptances", "record_setbacks", "review_orders", "renew_leases",
    "touch_waiting_orders", "recover_ended_leases", "close_late_ids", "recover_dead_keys", "recover_stuck_orders",
    "objection_to_acceptance", "accept_purchase", "accept_patiently", "complete_order_processing", "refusal_by_word", "refuse_word",
    "complete_by_word", "manually_complete_order", "due_watches", "record_readings", "report_reading",
    "pause_provider", "claim_account", "shop_place", "begin_work", "beat_worker", "note_shop_compared", "hold_shop", "release_shop", "difference_runbook", "tell_differences", "begin_reconciliation",
    "reconcile_payments", "reconcile_refunds", "reconcile_purchases", "reconcile_orders", "finish_reconciliation", "note_books_compared",
    "order_system_health", "broken_histories", "broken_records", "broken_attempts", "broken_money",
    "verify_orders", "add_api_key",
    "find_api_key", "list_api_keys", "revoke_api_key", "shop_settings");

/// Triggers, grants and first settings; created anew on every install, after the functions.
pub const GUARDS: &[File] = files!("guards":
    "01_refuse_write", "02_orders", "03_history", "04_attempts", "05_grants", "06_settings", "07_money");

/// The names of one shop's schema and roles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// The schema in which everything of the shop lives.
    pub schema: String,
    /// Owns tables and functions; nobody logs in as it.
    pub owner: String,
    /// The service's login role.
    pub app: String,
}

impl Names {
    /// The names for a schema; nothing when it is not a plain lower-case identifier of at most 40
    /// characters, so that it never needs quoting and roles can carry it.
    pub fn of(schema: &str) -> Option<Self> {
        let plain = (1..=40).contains(&schema.len())
            && schema.starts_with(|c: char| c.is_ascii_lowercase())
            && schema.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
            && !schema.starts_with("pg_");
        plain.then(|| Self {
            schema: schema.to_owned(),
            owner: format!("{schema}_orders_owner"),
            app: format!("{schema}_orders_app"),
        })
    }

    /// Puts the names into a file's text.
    pub fn render(&self, text: &str) -> String {
        text.replace(":\"schema\"", &format!("\"{}\"", self.schema))
            .replace(":\"owner\"", &format!("\"{}\"", self.owner))
            .replace(":\"app\"", &format!("\"{}\"", self.app))
            .replace(":'owner'", &format!("'{}'", self.owner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn on_disk(folder: &str) -> BTreeSet<String> {
        let path = format!("{}/{folder}", env!("CARGO_MANIFEST_DIR"));
        std::fs::read_dir(path)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .map(|name| name.trim_end_matches(".sql").to_owned())
            .collect()
    }

    #[test]
    fn every_sql_file_of_the_crate_is_carried_in_the_program() {
        for (folder, files) in
            [("migrations", MIGRATIONS), ("functions", FUNCTIONS), ("guards", GUARDS)]
        {
            let carried: BTreeSet<_> = files.iter().map(|(name, _)| (*name).to_owned()).collect();
            assert_eq!(carried, on_disk(folder), "{folder}");
        }
    }

    #[test]
    fn names_that_would_need_quoting_are_refused() {
        for bad in ["", "Shop", "a b", "a\"b", "pg_shop", "1shop", &"x".repeat(41)] {
            assert_eq!(Names::of(bad), None, "{bad}");
        }
        let names = Names::of("shop_a").unwrap();
        assert_eq!(
            names.render("grant :\"app\" on :\"schema\".t -- :'owner'"),
            "grant \"shop_a_orders_app\" on \"shop_a\".t -- 'shop_a_orders_owner'"
        );
    }

    #[test]
    fn every_known_kind_of_event_is_written_by_somebody() {
        let source: String = FUNCTIONS.iter().map(|(_, text)| *text).collect();
        let plan = concat!(
            include_str!("../../core/src/plan.rs"),
            include_str!("../../core/src/plan/reading.rs")
        );
        for kind in orders_core::event::Kind::ALL {
            let written = source.contains(&format!("'{}'", kind.name()))
                || plan.contains(&format!("\"{}\"", kind.name()));
            assert!(written, "{} is written by nobody", kind.name());
        }
    }
}
