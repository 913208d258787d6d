//! The judge: what the partners' ledgers hold, order by order, beside what the customers were told and
//! what the shop believes. It shares no code with what decides.

use super::customers::Customers;
use super::restore::Forgotten;
use crate::world::{Shop, TOTAL};
use anyhow::Context as _;
use orders_sandbox::Line;
use orders_sandbox::stripe::Event;
use orders_sandbox::{stripe, zinc};
use orders_store::verify::Broken;
use std::collections::{BTreeMap, HashMap, HashSet};
use uuid::Uuid;

#[cfg(test)]
mod tests;

/// How many orders of a page of the shop's own verification.
const PAGE: i32 = 2000;
/// No story is told of more orders than that.
const TOLD_MAX: usize = 8;

/// Why an order may wait for a person after a storm, and how it comes to that.
pub const REASONS: [(&str, &str); 8] = [
    (
        "held as payment_refunded",
        "its money was returned, and then the database was put back and had forgotten that: nothing more is bought, and a person ends it",
    ),
    (
        "held as payment_canceled",
        "what was reserved for it was let go, and then the database was put back and had forgotten that: nothing more is bought, and a person ends it",
    ),
    (
        "held as cancel_requested",
        "its customer asked to cancel while it might be bought, and its outcome is not known: nothing is sent any more, and only a person or the end of its key decides",
    ),
    (
        "purchase_forgotten",
        "the purchase that the database knows was refused, and the provider has a later one that was forgotten when it was put back",
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

/// Holds that come of a restore only.
const OF_A_RESTORE: [&str; 2] = ["payment_refunded", "payment_canceled"];

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
    /// These orders.
    pub people: HashSet<Uuid>,
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
    /// Orders that were forgotten for good whose money or purchase a comparison shows to a person.
    pub told: usize,
    /// What must not be.
    pub violations: Vec<String>,
    /// The orders that it is about.
    pub concerned: Vec<Uuid>,
}

/// What the shop believes of an order.
pub(super) struct Believed {
    status: String,
    /// Why it waits for a person, if it does.
    reason: Option<String>,
}

/// Judges a shop in which nothing is under way any more.
pub async fn judge(
    shop: &Shop,
    customers: &Customers,
    forgotten: &Forgotten,
) -> anyhow::Result<Verdict> {
    let mut verdict = Verdict { orders: customers.acknowledged(), ..Verdict::default() };
    verdict.ledgers(&shop.zinc().summary(), &shop.stripe().summary());
    let believed = believed(shop).await?;
    let all = customers.placed.keys().chain(customers.given_up.keys());
    let names: Vec<String> = all.map(Uuid::to_string).collect();
    let unbought: HashSet<String> = shop.never_bought(&names).into_iter().collect();
    for (id, intent) in &customers.placed {
        let is_bought = !unbought.contains(&id.to_string());
        let returned = customers.returned.contains(id);
        let money = Money::of(shop, intent);
        let believed = believed.get(id);
        if believed.is_some_and(|believed| believed.reason.is_some()) {
            verdict.people.insert(*id);
        }
        let fault = verdict.order(believed, is_bought, returned, money);
        verdict.note(*id, fault);
    }
    if forgotten.restores() == 0 {
        verdict.nothing_was_forgotten();
    }
    for (id, intent) in &customers.given_up {
        let is_bought = !unbought.contains(&id.to_string());
        let returned = customers.returned.contains(id);
        let fault = verdict.given_up(is_bought, returned, Money::of(shop, intent));
        verdict.note(*id, fault);
    }
    for id in believed.keys().filter(|id| !customers.placed.contains_key(id)) {
        verdict.violations.push(format!("order {id} was never ordered"));
    }
    whole(shop, &mut verdict).await?;
    let stored = shop.admin.in_schema("select event_id from {schema}.inbox");
    let stored = shop.admin.query("storm.inbox", &stored, &[]).await?;
    let stored: HashSet<String> = stored.iter().map(|row| row.get(0)).collect();
    verdict.messages(&shop.stripe().ledger(), &stored, forgotten);
    unknowns(shop, &mut verdict).await?;
    Ok(verdict)
}

/// Where an order's money is, by Stripe's ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Money {
    received: i64,
    refunded: i64,
    refunds: usize,
    reserved: i64,
}

impl Money {
    /// Whether the shop has any of it, or may take it.
    pub(super) fn is_there(self) -> bool {
        self.received > self.refunded || self.reserved > 0
    }

    pub(super) fn of(shop: &Shop, intent: &str) -> Self {
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
    /// Keeps what is wrong with an order.
    pub(super) fn note(&mut self, id: Uuid, fault: Result<(), String>) {
        if let Err(why) = fault {
            self.violations.push(format!("order {id}: {why}"));
            self.concerned.push(id);
        }
    }

    /// One that the shop has forgotten and that nobody placed again: what became of it before stands, and
    /// no money went back for goods that were bought.
    fn given_up(&mut self, is_bought: bool, returned: bool, money: Money) -> Result<(), String> {
        if is_bought && money.refunded > 0 && !returned {
            self.money += 1;
            return Err(format!("forgotten, refunded and bought: {money:?}"));
        }
        Ok(())
    }

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
            if is_bought && money.refunded > 0 && !returned {
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
                self.money += 1;
                return Err(format!("ended and bought: {money:?}"));
            }
            ("completed", false, _) => {
                self.lost += 1;
                return Err("completed and never bought".to_owned());
            }
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

    /// Without a restore nobody waits for what only a restore does to an order.
    fn nothing_was_forgotten(&mut self) {
        let held = OF_A_RESTORE.map(|hold| format!("held as {hold}"));
        for reason in held.into_iter().chain(["purchase_forgotten".to_owned()]) {
            if let Some(count) = self.with_person.get(&reason) {
                self.violations.push(format!("{count} orders {reason}, and nothing was restored"));
            }
        }
    }

    /// What must never stand in a ledger, whatever the shop believes.
    fn ledgers(&mut self, zinc: &zinc::Summary, stripe: &stripe::Summary) {
        self.duplicates = zinc.duplicates.len();
        for one in &zinc.duplicates {
            self.violations.push(format!("bought twice: {one:?}"));
            self.concerned.extend(one.order_id.parse::<Uuid>().ok());
        }
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
                self.violations.push(format!("{what}: {count} times"));
            }
        }
        for failure in zinc.ledger_failure.iter().chain(&stripe.ledger_failure) {
            self.violations.push(format!("a ledger cannot be trusted: {failure}"));
        }
        let twice = stripe.refunds.values().filter(|count| **count > 1).count();
        if twice > 0 {
            self.violations.push(format!("{twice} payments were refunded in more than one refund"));
        }
    }

    /// What Stripe was told to be taken must be there, but for what was forgotten since. // G25
    fn messages(
        &mut self,
        ledger: &[Line<Event>],
        stored: &HashSet<String>,
        forgotten: &Forgotten,
    ) {
        let mut acknowledged = HashSet::new();
        for line in ledger.iter().filter(|line| !forgotten.has(line.seq)) {
            if let Event::Tried { notice, status: Some(200..300), .. } = &line.event {
                acknowledged.insert(notice.clone());
            }
        }
        self.messages = acknowledged.len();
        let gone = acknowledged.difference(stored).count();
        if gone > 0 {
            self.violations
                .push(format!("{gone} messages of Stripe were acknowledged and are not there"));
        }
    }

    /// What the shop says of its own histories.
    fn broken(&mut self, all: Vec<Broken>) {
        for broken in all {
            self.violations.push(format!("{broken:?}"));
            self.concerned.push(broken.order_id);
        }
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
            (Some(hold), None) if hold == "cancel_requested" || OF_A_RESTORE.contains(&&*hold) => {
                Some(format!("held as {hold}"))
            }
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
        verdict.broken(page.broken);
        after = page.last;
        if after.is_none() || page.orders < u64::from(PAGE.unsigned_abs()) {
            return Ok(());
        }
    }
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

/// How many messages of Stripe wait to be read again; nothing while nobody can be asked.
pub async fn unread(shop: &Shop) -> Option<usize> {
    let sql = "select count(*) from {schema}.inbox where due_at is not null";
    let rows = shop.admin.query("storm.unread", &shop.admin.in_schema(sql), &[]).await.ok()?;
    usize::try_from(rows.first()?.get::<_, i64>(0)).ok()
}

/// Neither at an end nor with a person.
const UNENDED: &str = "o.due_at is not null and o.status <> 'needs_review'
    and (o.hold_reason is null or o.hold_reason not in ('cancel_requested', 'payment_refunded', 'payment_canceled'))";

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
