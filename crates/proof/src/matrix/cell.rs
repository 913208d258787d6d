//! One run of one cell: who runs it, what its orders must come to, and the oracle's word.

use super::lane::{Lane, watched};
use super::place::Place;
use super::victim::Victim;
use super::{Fault, Spot, engine, message, migration, restore};
use crate::world::{Shop, TOTAL, array};
use orders_sandbox::zinc::{Event, Outcome};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// No engine takes longer to come to a point, and no order to end when the faults are gone.
pub(super) const PATIENCE: Duration = Duration::from_secs(90);

/// How often is looked whether everything has ended, and what nobody works on any more is hurried.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Codes after which the provider has bought nothing and never will for this request.
const REJECTED: [&str; 2] = ["max_price_exceeded", "product_unavailable"];

/// Whether a cell can be run here: it can happen, and does not wait for a feature.
pub fn is_runnable(spot: Spot, fault: Fault) -> bool {
    super::table::must(spot, fault).is_some()
        && super::table::waits(spot, fault).is_none()
        && Place::of(spot).is_some()
}

/// Whether a cell restarts the database or puts it back, so that it needs a cluster of its own.
pub fn restarts(fault: Fault) -> bool {
    matches!(fault.0, 6 | 19)
}

/// How many runs of a cell are enough: few of those that restart a server or put it back, fill its disk, or
/// pause longer than a lease.
pub fn enough(fault: Fault) -> u64 {
    if matches!(fault.0, 2 | 6 | 10 | 19) { 25 } else { 1000 }
}

/// Runs a cell once in a shop in which nothing else is under way.
///
/// # Panics
///
/// When the point is not reached, when what happens is not what must, when the oracle finds something, or
/// when an order does not end.
pub async fn run(lane: &Lane, spot: Spot, fault: Fault, seed: u64) {
    // So that one seed draws something else at each point.
    let seed = seed.wrapping_add(spot.0.into());
    watched(&lane.shop).await;
    match spot.0 {
        1..=3 => message::run(lane, spot, fault, seed).await,
        22 => migration::run(lane, fault, seed).await,
        _ if fault.0 == 19 => restore::run(lane, spot, seed).await,
        _ => engine::run(lane, spot, fault, seed).await,
    }
}

/// What the orders of a run must come to.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    /// Bought once each, unless the provider's ledger says that it refused for good.
    pub(super) bought: Vec<Uuid>,
    /// Never bought, and returned once, with their PaymentIntents.
    pub(super) returned: Vec<(Uuid, String)>,
}

impl Wanted {
    /// Every order.
    pub(super) fn orders(&self) -> Vec<Uuid> {
        let returned = self.returned.iter().map(|(id, _)| *id);
        self.bought.iter().copied().chain(returned).collect()
    }

    /// Those that the provider refused for good, by its ledger.
    fn rejected(&self, shop: &Shop) -> Vec<Uuid> {
        let ledger = shop.zinc().ledger();
        let last = |id: &Uuid| {
            let name = id.to_string();
            ledger.iter().rev().find_map(|line| match &line.event {
                Event::Create(create) if create.order_id.as_deref() == Some(&name) => {
                    Some(create.outcome.clone())
                }
                _ => None,
            })
        };
        let is_rejected = |id: &&Uuid| matches!(last(id), Some(Outcome::Refused(error)) if REJECTED.contains(&error.code.as_str()));
        self.bought.iter().filter(is_rejected).copied().collect()
    }
}

/// Waits until the late one has done what it had in its hands.
pub(super) async fn idle(victim: &Victim) {
    let begun = Instant::now();
    while victim.wired.engine.is_busy() {
        assert!(begun.elapsed() < PATIENCE, "it works on and on");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Waits until every order has ended as it must, while leases that nobody holds end and a person does what
/// only a person may. // G9
pub(super) async fn ended(shop: &Shop, wanted: &Wanted) {
    let orders = array(&wanted.orders());
    let done = format!(
        "select not exists (select from {{s}}.orders as o where o.id = any ({}) and o.status not in ('completed', 'failed'))
            and not exists (select from {{s}}.money_moves as m where m.due_at is not null)
            and not exists (select from {{s}}.money_moves as m where m.order_id = any ({orders}) and m.state = 'refused'
                 and not exists (select from {{s}}.money_moves as n where n.order_id = m.order_id and n.state = 'done'))
            and not exists (select from {{s}}.payments as p where p.stale_since is not null)
            and not exists (select from {{s}}.inbox as i where i.state = 'new')",
        array(&wanted.bought),
    );
    let begun = Instant::now();
    while shop.text(&done).await != "true" {
        shop.end_leases_of_nobody().await;
        shop.hurry_moves_of_the_late().await;
        shop.hurry_messages().await;
        by_a_person(shop, &orders).await;
        assert!(
            begun.elapsed() < PATIENCE,
            "an order never ended\n{}",
            shop.story_of_money().await
        );
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// What waits for a person: the account is funded and the hold released; a refund that Stripe refused is
/// asked for again.
async fn by_a_person(shop: &Shop, orders: &str) {
    shop.as_app(&format!(
        "select {{s}}.release_hold(o.id, '{{\"actor\": \"a person\"}}')::text from {{s}}.orders as o
          where o.id = any ({orders}) and o.hold_reason = 'awaiting_funds' and o.status = 'pending'"
    ))
    .await;
    shop.as_app(&format!(
        "select {{s}}.refund_order(m.order_id, null, 'it was refused', '{{\"actor\": \"a person\"}}')::text
           from (select distinct m.order_id from {{s}}.money_moves as m where m.order_id = any ({orders}) and m.state = 'refused'
                    and not exists (select from {{s}}.money_moves as n where n.order_id = m.order_id
                                       and n.state not in ('refused', 'failed', 'withdrawn'))) as m"
    ))
    .await;
}

/// The oracle: the partners' ledgers and the whole database. // G1, G2, G7, G8, G10, G11, G12
pub(super) async fn judge(shop: &Shop, wanted: &Wanted) {
    shop.clean_money().await;
    let rejected = wanted.rejected(shop);
    let mut returned: Vec<(Uuid, String)> = wanted.returned.clone();
    for id in &rejected {
        assert_eq!(shop.status(*id).await, "failed", "{}", shop.story().await);
        let intent = format!("select payment_intent from {{s}}.payments where order_id = '{id}'");
        returned.push((*id, shop.text(&intent).await));
    }
    let bought: Vec<Uuid> =
        wanted.bought.iter().filter(|id| !rejected.contains(id)).copied().collect();
    for id in &bought {
        assert_eq!(shop.status(*id).await, "completed", "{}", shop.story().await);
    }
    let names: Vec<String> = bought.iter().map(Uuid::to_string).collect();
    assert_eq!(shop.never_bought(&names), Vec::<String>::new(), "{}", shop.story().await);
    for (id, intent) in &returned {
        let refunds = shop.stripe().refunds_of(intent);
        let live: Vec<_> = refunds.iter().filter(|refund| refund.status.is_live()).collect();
        assert_eq!(live.len(), 1, "{intent}: {refunds:?}");
        assert_eq!(live[0].amount, TOTAL);
        let name = id.to_string();
        assert_eq!(shop.never_bought(std::slice::from_ref(&name)), [name], "refunded and bought");
    }
}
