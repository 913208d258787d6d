//! The counts of all storms so far, and the page that tells of them.

use super::Weather;
use super::judge::{REASONS, Verdict};
use super::takeover::Takeovers;
use super::weather::Happened;
use crate::counts;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

/// What the program's own lease is, when nobody says otherwise.
const LEASE_OF_THE_PROGRAM_MS: u64 = 60_000;
/// What is promised of it, in milliseconds. // G15
const TAKEN_OVER_WITHIN_MS: u64 = 75_000;

/// One storm.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// What everything was drawn from.
    pub seed: u64,
    /// Engines side by side.
    pub engines: usize,
    /// Whether some went through `PgBouncer`.
    pub pooled: bool,
    /// Whether a program of an older release took part.
    pub older: bool,
    /// Orders that the customers were told of.
    pub orders: usize,
    /// Bought once and kept.
    pub bought: usize,
    /// Ended unbought; the money is back, or was never taken.
    pub unbought: usize,
    /// Bought once, sent back, and refunded once.
    pub returned: usize,
    /// With a person, by reason.
    pub with_person: BTreeMap<String, usize>,
    /// Processes killed.
    pub kills: u32,
    /// Of these, engines with an order in hand.
    pub kills_in_hand: u32,
    /// Engines that stood still beyond their lease and went on.
    pub stops: u32,
    /// Immediate restarts of the database.
    pub restarts: u32,
    /// Connections and calls that were cut.
    pub cuts: u32,
    /// Full disks that the server noticed.
    pub disks: u32,
    /// Wrong clocks.
    pub jumps: u32,
    /// Times without a free connection.
    pub pools: u32,
    /// Times that the database was put back to an old copy of it.
    #[serde(default)]
    pub restores: u32,
    /// Orders that the shop had acknowledged and forgot by that.
    #[serde(default)]
    pub forgotten: usize,
    /// Of these, orders that were placed again.
    #[serde(default)]
    pub again: usize,
    /// Of the others, those whose money or purchase the comparison of the books shows to a person; of the
    /// rest nothing is anywhere.
    #[serde(default)]
    pub told: usize,
    /// How often a person let the shop go on.
    #[serde(default)]
    pub released: u32,
    /// Starts in vain, because the database was away.
    pub in_vain: u32,
    /// Orders of which it was once not known whether they were bought.
    pub unknown: usize,
    /// Of these, those of which it is known now.
    pub resolved: usize,
    /// Messages of Stripe that were acknowledged, all of which are stored.
    pub messages: usize,
    /// Orders bought more than once.
    pub duplicates: usize,
    /// Orders lost.
    pub lost: usize,
    /// Orders whose money is not where it must be.
    pub money: usize,
    /// Everything that must not be, these included.
    pub violations: usize,
    /// Orders of the dead that were taken over, and how long that took.
    pub taken_over: usize,
    /// Orders of the dead that were not measured, because the clock was changed meanwhile.
    pub unmeasured: u32,
    /// Half of them waited no longer, in milliseconds.
    pub p50_ms: u64,
    /// Nor did 99 of a hundred.
    pub p99_ms: u64,
    /// Nor anybody.
    pub p100_ms: u64,
    /// The lease of that storm.
    pub lease_ms: u64,
    /// How long it lasted.
    pub seconds: u64,
}

impl Row {
    /// What was counted.
    pub fn of(happened: &Happened, takeovers: &Takeovers, verdict: &Verdict) -> Self {
        let count = |kind| happened.weather.get(&kind).copied().unwrap_or_default();
        Self {
            orders: verdict.orders,
            bought: verdict.bought,
            unbought: verdict.unbought,
            returned: verdict.returned,
            with_person: verdict.with_person.clone(),
            kills: takeovers.kills,
            kills_in_hand: takeovers.kills_in_hand,
            stops: count(Weather::Stop),
            restarts: count(Weather::Restart),
            cuts: count(Weather::Cut),
            disks: count(Weather::Disk),
            jumps: count(Weather::Jump),
            pools: count(Weather::Pool),
            restores: count(Weather::Restore),
            told: verdict.told,
            in_vain: happened.in_vain,
            unknown: verdict.unknown,
            resolved: verdict.resolved,
            messages: verdict.messages,
            duplicates: verdict.duplicates,
            lost: verdict.lost,
            money: verdict.money,
            taken_over: takeovers.waits.len(),
            unmeasured: takeovers.unmeasured,
            p50_ms: takeovers.percentile(50),
            p99_ms: takeovers.percentile(99),
            p100_ms: takeovers.percentile(100),
            ..Self::default()
        }
    }

    /// The longest wait, if the lease had been the program's own.
    pub fn p100_of_the_program_ms(&self) -> u64 {
        (self.p100_ms + LEASE_OF_THE_PROGRAM_MS).saturating_sub(self.lease_ms)
    }

    /// Orders that were forgotten for good, and of which nothing is anywhere: their money had gone back or
    /// never left.
    fn nothing_left(&self) -> usize {
        self.forgotten.saturating_sub(self.again + self.told)
    }

    /// Whether nobody waited longer than is promised.
    pub fn is_in_time(&self) -> bool {
        self.taken_over == 0 || self.p100_of_the_program_ms() <= TAKEN_OVER_WITHIN_MS
    }
}

/// All storms.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Storms(Vec<Row>);

impl Storms {
    /// Reads them; none where there is no file yet.
    pub fn read(file: &Path) -> std::io::Result<Self> {
        counts::read(file).map(Self)
    }

    /// Writes them.
    pub fn write(&self, file: &Path) -> std::io::Result<()> {
        counts::write(file, &self.0)
    }

    /// Adds one.
    pub fn add(&mut self, row: Row) {
        self.0.push(row);
    }

    /// A seed that none of them had.
    pub fn next_seed(&self) -> u64 {
        self.0.iter().map(|row| row.seed).max().unwrap_or(0) + 1
    }

    /// How fast they were, all together.
    pub fn rates(&self) -> String {
        let sum = |of: fn(&Row) -> u64| self.0.iter().map(of).sum::<u64>();
        let seconds = sum(|row| row.seconds).max(1);
        let (orders, kills) = (sum(|row| row.orders as u64), sum(|row| u64::from(row.kills)));
        let restarts = sum(|row| u64::from(row.restarts));
        let tenths = |count: u64, of_seconds: u64| {
            let tenths = count * of_seconds * 10 / seconds;
            format!("{}.{}", tenths / 10, tenths % 10)
        };
        format!(
            "{} storms, {orders} orders, {kills} kills, {restarts} restarts in {seconds} s: {} orders a second, {} kills and {} restarts a minute",
            self.0.len(),
            tenths(orders, 1),
            tenths(kills, 60),
            tenths(restarts, 60)
        )
    }

    /// The page.
    pub fn page(&self) -> String {
        let sum = |of: fn(&Row) -> u64| self.0.iter().map(of).sum::<u64>();
        let most = self.0.iter().map(Row::p100_of_the_program_ms).max().unwrap_or(0);
        let mut page = format!(
            "# Storms\n\n\
             Real processes, killed and stopped; a real PostgreSQL, stopped without a word, out of disk, out of connections, with \
             a wrong clock, put back to an old copy; connections that break; partners that lie. Written by `just chaos`, which adds a row for each storm; the \
             test command runs a small one.\n\n\
             **{} storms with {} orders, {} kills and {} immediate restarts of the database: {} orders bought twice, {} lost, {} with \
             money where it must not be, {} violations of any kind.** The judge is outside: the partners' ledgers, and what the \
             customers were told.\n\n\
             Of {} kills that hit an engine with orders in hand, every order was taken over; the longest wait would have been {} s with \
             the program's own lease of {} s (promised: {} s).\n\n\
             {} restores forgot {} orders that their customers had been told of: {} were placed again and are judged like all others; \
             of {} more the comparison of the books shows the money or the purchase to a person, and of {} nothing is left anywhere.\n\n",
            self.0.len(),
            sum(|row| row.orders as u64),
            sum(|row| u64::from(row.kills)),
            sum(|row| u64::from(row.restarts)),
            sum(|row| row.duplicates as u64),
            sum(|row| row.lost as u64),
            sum(|row| row.money as u64),
            sum(|row| row.violations as u64),
            sum(|row| u64::from(row.kills_in_hand)),
            seconds(most),
            LEASE_OF_THE_PROGRAM_MS / 1000,
            TAKEN_OVER_WITHIN_MS / 1000,
            sum(|row| u64::from(row.restores)),
            sum(|row| row.forgotten as u64),
            sum(|row| row.again as u64),
            sum(|row| row.told as u64),
            sum(|row| row.nothing_left() as u64),
        );
        page.push_str(HEAD);
        for row in &self.0 {
            page.push_str(&line(row));
        }
        page.push_str(&self.people());
        page.push_str(WORDS);
        page
    }

    /// Those who wait for a person, by reason.
    fn people(&self) -> String {
        let mut by: BTreeMap<&str, usize> = BTreeMap::new();
        for (reason, count) in self.0.iter().flat_map(|row| &row.with_person) {
            *by.entry(reason).or_default() += count;
        }
        let all: usize = by.values().sum();
        let mut text = format!(
            "\n## With a person\n\n{all} orders wait for a person, and nothing about them is lost:\n\n"
        );
        for (reason, count) in by {
            let why = REASONS
                .iter()
                .find(|(known, _)| *known == reason)
                .map_or("no storm gives this reason", |(_, why)| why);
            let _ = writeln!(text, "- {count} × `{reason}`: {why}.");
        }
        text
    }
}

fn seconds(ms: u64) -> String {
    format!("{}.{}", ms / 1000, ms % 1000 / 100)
}

fn line(row: &Row) -> String {
    let people: usize = row.with_person.values().sum();
    let ways = match (row.pooled, row.older) {
        (true, true) => ", pooler, older",
        (true, false) => ", pooler",
        (false, true) => ", older",
        (false, false) => "",
    };
    format!(
        "| {} | {}{ways} | {} | {} / {} / {} / {people} | {} ({}) | {} | {} | {} | {} | {} | {} | {} ({} / {} / {}) | {} / {} | {} | {} | {} / {} / {} of {} | {} |\n",
        row.seed,
        row.engines,
        row.orders,
        row.bought,
        row.unbought,
        row.returned,
        row.kills,
        row.kills_in_hand,
        row.stops,
        row.restarts,
        row.cuts,
        row.disks,
        row.jumps,
        row.pools,
        row.restores,
        row.again,
        row.told,
        row.nothing_left(),
        row.unknown,
        row.resolved,
        row.duplicates,
        row.lost,
        seconds(row.p50_ms),
        seconds(row.p99_ms),
        seconds(row.p100_ms),
        row.taken_over,
        row.seconds,
    )
}

const HEAD: &str = "\
| seed | engines | orders | bought / unbought / sent back / with a person | kills (with orders in hand) | stops | restarts | cuts | full disks | wrong clocks | no connections | restores (placed again / shown / nothing left) | unknown / resolved | duplicates | lost | taken over after, s: p50 / p99 / p100 of | seconds |
|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|
";

const WORDS: &str = "
## The columns

- *unbought*: ended without goods; the money went back in one refund, or was never taken.
- *kills*: SIGKILL, from outside at any moment or by the process itself at one of the engine's crash points; a new process follows at once.
- *stops*: SIGSTOP for longer than the lease, then SIGCONT.
- *restarts*: SIGQUIT to the server's first process, as `pg_ctl stop -m immediate` sends it, and a start with recovery.
- *cuts*: a connection breaks before a statement, before or behind a commit, or in a call to a partner, whose answer is lost or who does it later.
- *full disks*: ENOSPC from the calls that write the server's files, for tables or for the log; at the log the server panics. Counted when the server said so.
- *wrong clocks*: the database's clock is wrong by two minutes to an hour, and right again. The provider takes no calls while it jumps ahead: leases end by this clock, and a call that is under way would be repeated.
- *no connections*: somebody else holds them all, and those that stand are ended. Counted when the server refused.
- *restores*: the database is stopped without a word, put back to a copy that was made half of the way from one restore to the next before it at least, and is there again an hour later by everybody's clock, so that the copy is older than an hour. Half of them happen when no engine is left that remembers anything, the others under the engines that run. The shop is held until it was compared with its partners and a person lets it go on. What was forgotten and stands in the copy is asked for again under its own key. Of the orders that were placed since the copy some are *placed again* by the storefront, just as they were; of the others the comparison of the books must *show* all money and all purchases to a person, unless *nothing is left*: the money had gone back, or never left.
- *unknown*: orders of which it was once not known whether they were bought; *resolved*: of which it is known now. The others are with a person.
- *taken over*: from the kill, or from the database's return when that was away, until another engine has moved the order on, seen from outside. Orders during whose wait the clock was changed or the database put back are left out.

At the end of each storm the shop's own `reconcile` must find nothing but that, and what is with a person anyway.

An older program takes part by `--older PROGRAM`, as one more engine. One that does not know the schema ends at once, before it has done anything: `schema public is at version 8, which this release does not know (it knows 7): use a newer release`. No older program has taken part in a counted storm yet.

The judge is seen to fail: each of its rules on a made-up ledger (`crates/proof/src/storm/judge/tests.rs`), and two broken products that it must find, in `crates/proof/tests/broken`: `ATOMIC_ORDERS_TEST_BREAK=$PWD/crates/proof/tests/broken/buys_twice.sql just chaos --forget --orders 150 --only kill`.
";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storm::fleet::LEASE;

    #[test]
    fn storms_add_up_and_the_page_names_what_happened() {
        let mut storms = Storms::default();
        assert_eq!(storms.next_seed(), 1);
        let lease_ms = u64::try_from(LEASE.as_millis()).unwrap();
        let with_person = BTreeMap::from([("accepted_while_held".to_owned(), 2)]);
        let row = Row {
            seed: 4,
            orders: 300,
            kills: 7,
            kills_in_hand: 3,
            restarts: 2,
            taken_over: 5,
            p100_ms: 13_250,
            lease_ms,
            with_person,
            ..Row::default()
        };
        assert!(row.is_in_time());
        assert!(!Row { p100_ms: lease_ms + 15_001, ..row.clone() }.is_in_time());
        storms.add(row.clone());
        storms.add(row);
        assert_eq!(storms.next_seed(), 5);
        let storm = Row { orders: 600, kills: 9, restarts: 3, seconds: 120, ..Row::default() };
        let rates = Storms(vec![storm]).rates();
        assert!(
            rates.ends_with("in 120 s: 5.0 orders a second, 4.5 kills and 1.5 restarts a minute"),
            "{rates}"
        );
        let page = storms.page();
        assert!(
            page.contains("**2 storms with 600 orders, 14 kills and 4 immediate restarts"),
            "{page}"
        );
        assert!(page.contains("would have been 61.2 s"), "{page}");
        assert!(page.contains("- 4 × `accepted_while_held`: its customer"), "{page}");
    }
}
