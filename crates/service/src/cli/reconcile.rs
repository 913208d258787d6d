//! `reconcile`: what Stripe, the provider and the shop do not agree about.

use super::NOT_GOOD;
use super::output::{Paint, actor, cell, painted, plain, say, say_json, spinner, tell};
use super::table::table;
use crate::app::{self, DatabaseArgs, PartnerArgs};
use crate::engine::reconcile::{Compared, Partners, REACH, Report, Scope, reconcile};
use anyhow::{Context, ensure};
use clap::Args;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use orders_gateway::http::{Client, SystemBootClock};
use orders_store::{reconcile as books, shop};
use serde_json::{Value, json};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// The most differences that are shown.
const SHOWN_MAX: i64 = 10_000;
/// The longest reach, in hours.
const HOURS_MAX: i64 = 10 * 366 * 24;

/// Compare the books: payments and refunds at Stripe, purchases at the provider, orders here.
///
/// Works beside running engines, which do the same every hour. A difference is written down with its
/// age and shown until both sides agree; no amount and no status is changed. What is younger than
/// fifteen minutes may be on its way and is not judged.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  STRIPE_KEY=… ZINC_TOKEN=… atomic-orders reconcile       the last 30 days
  atomic-orders reconcile --since 2026-11-01              from that day on (UTC)
  atomic-orders reconcile --since 7d --json | jq '.differences[] | {kind, order_number, age_s}'

Without STRIPE_KEY or ZINC_TOKEN it compares what it can and says so.
Exit code 3: the books differ, or they could not be compared to the end.")]
pub struct Reconcile {
    /// How far back: a length (12h, 30d, 8w) or a day (2026-11-01); 30d without it.
    #[arg(long, value_name = "LENGTH|DAY", value_parser = since)]
    since: Option<Since>,
    /// One JSON document: `complete`, `compared`, `differences`, `gone`, `faults`.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    database: DatabaseArgs,
    #[command(flatten)]
    partners: PartnerArgs,
}

/// How far back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Since {
    /// So long.
    Length(SignedDuration),
    /// To this moment.
    Moment(Timestamp),
}

fn since(text: &str) -> Result<Since, String> {
    const WANTED: &str = "must be a length such as 12h, 30d or 8w, or a day such as 2026-11-01";
    if let Ok(day) = text.parse::<Date>() {
        let midnight = day.to_zoned(TimeZone::UTC).map_err(|_| WANTED.to_owned())?;
        return Ok(Since::Moment(midnight.timestamp()));
    }
    let hours = [("h", 1), ("d", 24), ("w", 7 * 24)].into_iter().find_map(|(unit, hours)| {
        let number = text.strip_suffix(unit)?;
        let plain = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        number.parse::<i64>().ok().filter(|_| plain)?.checked_mul(hours)
    });
    match hours {
        Some(hours) if (1..=HOURS_MAX).contains(&hours) => {
            Ok(Since::Length(SignedDuration::from_hours(hours)))
        }
        Some(_) => Err("must reach back at least an hour, and ten years at most".into()),
        None => Err(WANTED.into()),
    }
}

impl Reconcile {
    /// Compares once, and succeeds only if nothing differs.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let (database, store) = self.database.shop(2).await?;
        let http = Client::new(Arc::new(SystemBootClock)).context("setting up TLS")?;
        let stripe = match self.partners.stripe_key {
            Some(_) => app::payments(&self.partners, http.clone())?,
            None => None,
        };
        let limit = Duration::from_secs(30);
        let provider = match self.partners.zinc_token {
            Some(_) => Some(app::provider(&self.partners, limit, limit, http)?),
            None => None,
        };
        let run_at = books::begin(&store, None).await?.context("the database gave no time")?;
        let since = match self.since.unwrap_or(Since::Length(REACH)) {
            Since::Length(length) => run_at - length,
            Since::Moment(moment) => moment,
        };
        ensure!(since < run_at, "--since must be in the past");
        let worker = actor();
        let live_mode = self.partners.live;
        let scope = Scope { run_at, since, live_mode, worker: &worker };
        let partners = Partners { stripe: stripe.as_deref(), provider: provider.as_ref() };
        let bar = spinner();
        let watch = |compared| {
            bar.set_message(counted(compared));
            bar.tick();
        };
        let report = reconcile(&store, partners, scope, &watch).await?;
        books::note(&store, run_at, &report.whole, &[]).await?;
        shop::note_compared(&store, &worker, run_at, since, &report.read).await?;
        bar.finish_and_clear();
        let differences = books::open(&store, run_at, SHOWN_MAX).await?;
        if self.json {
            say_json(&document(&report, scope, &differences))?;
        } else {
            show(&report, &differences)?;
        }
        database.close().await?;
        let good = differences.is_empty() && report.is_complete();
        Ok(if good { ExitCode::SUCCESS } else { ExitCode::from(NOT_GOOD) })
    }
}

fn counted(compared: Compared) -> String {
    let Compared { payments, refunds, purchases, orders } = compared;
    format!("{payments} payments, {refunds} refunds, {purchases} purchases, {orders} orders")
}

fn document(report: &Report, scope: Scope<'_>, differences: &[Value]) -> Value {
    json!({
        "complete": report.is_complete(), "run_at": scope.run_at, "since": scope.since,
        "compared": report.compared, "differences": differences, "gone": report.ended.gone,
        "faults": report.faults,
    })
}

fn show(report: &Report, differences: &[Value]) -> anyhow::Result<()> {
    if !differences.is_empty() {
        let mut rows = table(["kind", "subject", "order", "age", "what to do"]);
        for one in differences {
            rows.add_row([
                cell(&one["kind"]),
                cell(&one["subject"]),
                cell(&one["order_number"]),
                age(one["age_s"].as_i64().unwrap_or(0)),
                cell(&one["what_to_do"]),
            ]);
        }
        say(rows.to_string())?;
    }
    for fault in &report.faults {
        tell(format!("{} {}.", painted("Not compared to the end:", Paint::Note), plain(fault)));
    }
    let compared = counted(report.compared);
    let ended = report.ended;
    let gone = if ended.gone > 0 { format!(" {} are gone.", ended.gone) } else { String::new() };
    let verdict = match (ended.open, report.is_complete()) {
        (0, true) => painted("The books agree", Paint::Good),
        (0, false) => painted("Nothing differs in what was compared", Paint::Note),
        (1, _) => painted(&format!("1 difference, {} new", ended.new), Paint::Bad),
        (open, _) => painted(&format!("{open} differences, {} of them new", ended.new), Paint::Bad),
    };
    say(format!("{verdict}: {compared} were compared.{gone}"))
}

/// How long a difference has stood.
fn age(seconds: i64) -> String {
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    match hours {
        0 => format!("{minutes} min"),
        1..48 => format!("{hours} h"),
        _ => format!("{} d", hours / 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_far_back_is_a_length_or_a_day() {
        let hours = |hours| Ok(Since::Length(SignedDuration::from_hours(hours)));
        assert_eq!(since("12h"), hours(12));
        assert_eq!(since("30d"), hours(720));
        assert_eq!(since("8w"), hours(8 * 168));
        let day: Timestamp = "2026-11-01T00:00:00Z".parse().unwrap();
        assert_eq!(since("2026-11-01"), Ok(Since::Moment(day)));
        for wrong in ["", "d", "30", "-1d", "+1d", "1.5d", "30 d", "yesterday", "2026-13-01"] {
            assert!(since(wrong).unwrap_err().starts_with("must be a length"), "{wrong}");
        }
        for far in ["0d", "99999w"] {
            assert!(since(far).unwrap_err().starts_with("must reach back"), "{far}");
        }
    }

    #[test]
    fn an_age_is_told_in_the_unit_that_fits() {
        assert_eq!(
            (age(59), age(3599), age(3600)),
            ("0 min".into(), "59 min".into(), "1 h".into())
        );
        assert_eq!((age(172_799), age(172_800)), ("47 h".into(), "2 d".into()));
    }
}
