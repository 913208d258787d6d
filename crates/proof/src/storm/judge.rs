//! The judge: what the partners' ledgers hold, order by order, beside what the customers were told and
//! what the shop believes. It shares no code with what decides.

use super::customers::Customers;
use crate::world::{Shop, TOTAL};
use anyhow::Context as _;
use orders_sandbox::stripe::Event;
use std::collections::{BTreeMap, HashMap, HashSet};
use uuid::Uuid;

/// How many orders of a page of the shop's own verification.
const PAGE: i32 = 2000;
/// No story is told of more orders than that.
const TOLD_MAX: usize = 8;

/// Why an order may wait for a person after a storm, and how it comes to that.
pub const REASONS: [(&str, &str); 5] = [
    (
        "held as cancel_requested",
        "its customer asked to cancel while it might be bought, and its outcome is not known: nothing is sent any more, and only a person or the end of its key decides",
    ),
    (
        "accepted_while_held",
        "its customer asked to cancel while the call was under way, and the provider took it",
    ),
    (
        "attempts_exhausted",
        "the provider refused one key after the other for passing reasons, as often as the shop allows",
    ),
    (
        "outcome_unknown",
        "every call that its key allows was made, and none was answered clearly: a person looks at the provider",
    ),
    (
        "request_not_confirmed",
        "the provider answered readings with words of another request, and its list did not confirm ours",
    ),
];

/// What the judge found.
#[derive(Debug, Default)]
pub struct Verdict {
    /// Orders that the customers were told of.
    pub orders: usize,
    /// Bought once, delivered, paid for.
    pub bought: usize,
    /// Ended unbought; the money is back.
    pub unbought: usize,
    /// Bought, delivered, sent back: the money is back as well.
    pub returned: usize,
    /// With a person, by reason.
    pub with_person: BTreeMap<String, usize>,
    /// Bought more than once.
    pub duplicates: usize,
    /// Neither bought nor ended nor with a person.
    pub lost: usize,
    /// Orders whose money is not where it must be.
    pub money: usize,
    /// Orders of which it was once not known whether they were bought.
    pub unknown: usize,
    /// Of them, those of which it is known now.
    pub resolved: usize,
    /// Messages of Stripe that were acknowledged.
    pub messages: usize,
    /// What must not be.
    pub violations: Vec<String>,
    /// The orders that it is about.
    pub concerned: Vec<Uuid>,
}

/// What the shop believes of an order.
struct Believed {
    status: String,
    /// Why it waits for a person, if it does.
    reason: Option<String>,
}

/// Judges a shop in which nothing is under way any more.
pub async fn judge(shop: &Shop, customers: &Customers) -> anyhow::Result<Verdict> {
    let mut verdict = Verdict { orders: customers.placed.len(), ..Verdict::default() };
    ledgers(shop, &mut verdict);
    let believed = believed(shop).await?;
    let names: Vec<String> = customers.placed.keys().map(Uuid::to_string).collect();
    let unbought: HashSet<String> = shop.never_bought(&names).into_iter().collect();
    for (id, intent) in &customers.placed {
        let is_bought = !unbought.contains(&id.to_string());
        let returned = customers.returned.contains(id);
        let money = Money::of(shop, intent);
        if let Err(why) = verdict.order(believed.get(id), is_bought, returned, money) {
            verdict.violations.push(format!("order {id}: {why}"));
            verdict.concerned.push(*id);
        }
    }
    for id in believed.keys().filter(|id| !customers.placed.contains_key(id)) {
        verdict.violations.push(format!("order {id} was never ordered"));
    }
    whole(shop, &mut verdict).await?;
    messages(shop, &mut verdict).await?;
    unknowns(shop, &mut verdict).await?;
    Ok(verdict)
}

/// Where an order's money is, by Stripe's ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Money {
    received: i64,
    refunded: i64,
    refunds: usize,
    reserved: i64,
}

impl Money {
    fn of(shop: &Shop, intent: &str) -> Self {
        let Some(intent) = shop.stripe().intent(intent) else {
            return Self { received: 0, refunded: 0, refunds: 0, reserved: 0 };
        };
        let refunds = usize::from(intent.amount_refunded > 0);
        Self {
            received: intent.amount_received,
            refunded: intent.amount_refunded,
            refunds,
            reserved: intent.amount_capturable,
        }
    }

    /// With the shop.
    const KEPT: Self = Self { received: TOTAL, refunded: 0, refunds: 0, reserved: 0 };
    /// With the customer again.
    const RETURNED: Self = Self { received: TOTAL, refunded: TOTAL, refunds: 1, reserved: 0 };
    /// It never left the customer.
    const NEVER: Self = Self { received: 0, refunded: 0, refunds: 0, reserved: 0 };
}

impl Verdict {
    /// One order: its purchase, its money and its status must fit.
    fn order(
        &mut self,
        believed: Option<&Believed>,
        is_bought: bool,
        returned: bool,
        money: Money,
    ) -> Result<(), String> {
        let Some(believed) = believed else {
            self.lost += 1;
            return Err("acknowledged and not there".to_owned());
        };
        if let Some(reason) = &believed.reason {
            *self.with_person.entry(reason.clone()).or_default() += 1;
            if !REASONS.iter().any(|(known, _)| known == reason) {
                return Err(format!("with a person for a reason that no storm gives: {reason}"));
            }
            if is_bought && money.refunded > 0 {
                self.money += 1;
                return Err(format!("refunded and bought: {money:?}"));
            }
            return Ok(());
        }
        let (right, count) = match (believed.status.as_str(), is_bought, returned) {
            ("completed", true, false) => (money == Money::KEPT, &mut self.bought),
            ("completed", true, true) => (money == Money::RETURNED, &mut self.returned),
            ("cancelled" | "failed", false, false) => {
                (money == Money::RETURNED || money == Money::NEVER, &mut self.unbought)
            }
            ("cancelled" | "failed", true, _) => {
                return Err(format!("ended and bought: {money:?}"));
            }
            ("completed", false, _) => return Err("completed and never bought".to_owned()),
            (status, ..) => {
                self.lost += 1;
                return Err(format!("{status}, bought: {is_bought}, {money:?}"));
            }
        };
        *count += 1;
        if right {
            return Ok(());
        }
        self.money += 1;
        Err(format!(
            "{}, bought: {is_bought}, and its money is elsewhere: {money:?}",
            believed.status
        ))
    }
}

/// What must never stand in a ledger, whatever the shop believes.
fn ledgers(shop: &Shop, verdict: &mut Verdict) {
    let zinc = shop.zinc().summary();
    verdict.duplicates = zinc.duplicates.len();
    for one in &zinc.duplicates {
        verdict.violations.push(format!("bought twice: {one:?}"));
        verdict.concerned.extend(one.order_id.parse::<Uuid>().ok());
    }
    let stripe = shop.stripe().summary();
    for (count, what) in [
        (zinc.violations, "other bytes under one key at the provider"),
        (zinc.overlapping_purchases, "a key was sent while the provider was busy with it"),
        (zinc.keyless_purchases, "a purchase without a key"),
        (zinc.purchases_without_order, "a purchase without an order"),
        (stripe.violations, "other parameters under one key at Stripe"),
        (stripe.repeated_refunds.len() as u64, "a refund was made twice"),
        (stripe.over_refunded.len() as u64, "more refunded than received"),
        (stripe.captured_twice.len() as u64, "captured twice"),
    ] {
        if count > 0 {
            verdict.violations.push(format!("{what}: {count} times"));
        }
    }
    for failure in zinc.ledger_failure.into_iter().chain(stripe.ledger_failure) {
        verdict.violations.push(format!("a ledger cannot be trusted: {failure}"));
    }
    let twice = stripe.refunds.values().filter(|count| **count > 1).count();
    if twice > 0 {
        verdict.violations.push(format!("{twice} payments were refunded in more than one refund"));
    }
}

/// What the shop believes of every order.
async fn believed(shop: &Shop) -> anyhow::Result<HashMap<Uuid, Believed>> {
    let sql =
        "select id, status::text, hold_reason::text, review_reason::text from {schema}.orders";
    let rows = shop.admin.query("storm.believed", &shop.admin.in_schema(sql), &[]).await?;
    let mut all = HashMap::new();
    for row in &rows {
        let status: String = row.get(1);
        let reason = match (row.get::<_, Option<String>>(2), row.get::<_, Option<String>>(3)) {
            (_, Some(review)) => Some(review),
            // Other holds end by themselves, or the order is lost.
            (Some(hold), None) if hold == "cancel_requested" => Some(format!("held as {hold}")),
            _ => None,
        };
        all.insert(row.get(0), Believed { status, reason });
    }
    Ok(all)
}

/// The shop's own word on its histories. // G10, G11, G12
async fn whole(shop: &Shop, verdict: &mut Verdict) -> anyhow::Result<()> {
    let mut after = None;
    loop {
        let page = orders_store::verify::page(&shop.admin, after, PAGE).await;
        let page = page.context("verifying")?;
        for broken in page.broken {
            verdict.violations.push(format!("{broken:?}"));
            verdict.concerned.push(broken.order_id);
        }
        after = page.last;
        if after.is_none() || page.orders < u64::from(PAGE.unsigned_abs()) {
            return Ok(());
        }
    }
}

/// What Stripe was told to be taken must be there. // G25
async fn messages(shop: &Shop, verdict: &mut Verdict) -> anyhow::Result<()> {
    let sql = shop.admin.in_schema("select event_id from {schema}.inbox");
    let rows = shop.admin.query("storm.inbox", &sql, &[]).await?;
    let stored: HashSet<String> = rows.iter().map(|row| row.get(0)).collect();
    let mut acknowledged = HashSet::new();
    for line in shop.stripe().ledger() {
        if let Event::Tried { notice, status: Some(200..300), .. } = line.event {
            acknowledged.insert(notice);
        }
    }
    verdict.messages = acknowledged.len();
    let gone = acknowledged.difference(&stored).count();
    if gone > 0 {
        verdict
            .violations
            .push(format!("{gone} messages of Stripe were acknowledged and are not there"));
    }
    Ok(())
}

/// How many orders were once unknown, and of how many it is known now.
async fn unknowns(shop: &Shop, verdict: &mut Verdict) -> anyhow::Result<()> {
    let sql = shop.admin.in_schema(
        "select count(*), count(*) filter (where o.status in ('completed', 'cancelled', 'failed'))
           from {schema}.orders as o
          where o.id in (select e.order_id from {schema}.order_events as e
                          where e.kind = 'lease_ended' or e.data ->> 'outcome' = 'unknown')",
    );
    let rows = shop.admin.query("storm.unknown", &sql, &[]).await?;
    let row = rows.first().context("a count")?;
    let count = |at: usize| usize::try_from(row.get::<_, i64>(at)).unwrap_or(0);
    (verdict.unknown, verdict.resolved) = (count(0), count(1));
    Ok(())
}

/// How many orders, movements of money and payments are not at their end; nothing while nobody can be
/// asked.
pub async fn open(shop: &Shop) -> Option<usize> {
    let sql = shop.admin.in_schema(&format!(
        "select (select count(*) from {{schema}}.orders as o where {UNENDED})
              + (select count(*) from {{schema}}.money_moves where state in ('open', 'unknown', 'accepted'))
              + (select count(*) from {{schema}}.payments where stale_since is not null)
              + (select count(*) from {{schema}}.inbox where due_at is not null)"
    ));
    let rows = shop.admin.query("storm.unended", &sql, &[]).await.ok()?;
    usize::try_from(rows.first()?.get::<_, i64>(0)).ok()
}

/// Neither at an end nor with a person.
const UNENDED: &str = "o.due_at is not null and o.status <> 'needs_review'
    and (o.hold_reason is null or o.hold_reason <> 'cancel_requested')";

/// The story of those that have not ended, for a failure.
pub async fn unended(shop: &Shop) -> String {
    let sql = shop.admin.in_schema(&format!(
        "select o.id from {{schema}}.orders as o where {UNENDED} limit {TOLD_MAX}"
    ));
    let rows = shop.admin.query("storm.unended", &sql, &[]).await.unwrap_or_default();
    let ids: Vec<Uuid> = rows.iter().map(|row| row.get(0)).collect();
    let moves = "select concat_ws(' ', order_id, kind, state, code, 'calls', calls, 'due in', due_at - {schema}.clock_now())
                   from {schema}.money_moves where state in ('open', 'unknown', 'accepted') limit 8";
    let rows = shop.admin.query("storm.unended", &shop.admin.in_schema(moves), &[]).await;
    let moves: Vec<String> = rows.unwrap_or_default().iter().map(|row| row.get(0)).collect();
    format!("{}\n{}", story(shop, &ids).await, moves.join("\n"))
}

/// What happened to these orders: by the shop's history, and by the provider's ledger.
pub async fn story(shop: &Shop, ids: &[Uuid]) -> String {
    let mut told = String::new();
    for id in ids.iter().take(TOLD_MAX) {
        let sql = shop.admin.in_schema(&format!(
            "select concat_ws(' ', o.status, o.hold_reason, o.review_reason, 'due in', o.due_at - {{schema}}.clock_now(), '|',
                    (select string_agg(concat_ws(' ', e.at, e.kind, e.actor, e.data - 'set'), E'\\n    ' order by e.seq)
                       from {{schema}}.order_events as e where e.order_id = o.id))
               from {{schema}}.orders as o where o.id = '{id}'"
        ));
        let rows = shop.admin.query("storm.story", &sql, &[]).await.unwrap_or_default();
        let history: Option<String> = rows.first().map(|row| row.get(0));
        let purchases = shop.zinc().purchases_of(&id.to_string());
        told += &format!("{id} {history:?}\n    {purchases:?}\n").replace("\\n", "\n");
    }
    told
}
