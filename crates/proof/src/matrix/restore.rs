//! F19, the database restored from an hour ago: it is put back under an engine that stands at a point, to a
//! backup from before the engine came there. Whoever works on it finds the shop held, and compares it with
//! both partners before anything is bought or moved; a person releases what does not release itself, and
//! what is too old for its key he completes by the purchase that the provider has. // G22

use super::cell::{PATIENCE, Wanted, ended, idle, judge};
use super::course::{Course, Told};
use super::engine::{CALL, placed};
use super::fault::drawn;
use super::lane::{Lane, back_up};
use super::letter::{Found, keys, of};
use super::place::Place;
use super::victim::Victim;
use super::{Fault, Spot};
use crate::wire::database;
use crate::world::worker::Setup;
use crate::world::{Shop, array};
use orders_sandbox::{stripe, zinc};
use std::sync::Arc;
use std::time::{Duration, Instant};

const RESTORED: Fault = Fault(19);
/// How often a shop was ever held.
const HOLDS: &str = "select count(*) from {s}.alerts where rule = 'shop_held'";

/// Whether it waits: once it was compared, for a person.
const HELD: &str = "select held_since is not null from {s}.shop";

/// Runs a cell of an engine.
pub(super) async fn run(lane: &Lane, spot: Spot, seed: u64) {
    let shop = &lane.shop;
    let place = Place::of(spot).expect("a cell that can be run");
    let mut course = Course::begin(shop, spot, RESTORED);
    course.wanted = placed(shop, spot).await;
    back_up_after_work(shop).await;
    let mut victim = Victim::calling(shop, place, database::Moment::Committing, CALL).await;
    course.victim = victim.name();
    let reached = victim.stand.reached(PATIENCE).await;
    assert!(reached, "{spot} was never reached\n{}", shop.story_of_money().await);
    let restored = Restored::put_back(shop).await;
    if drawn(seed, &[false, false, true]) {
        // Nobody remembers anything; the partners do.
        victim.kill();
    } else {
        victim.stand.let_go();
        noticed(shop, &victim).await;
    }
    let other = shop.worker(Setup::behind_wires()).await;
    course.other = format!("engine/{}", other.engine.options.worker);
    restored.compared(shop).await;
    if victim.wired.lives() {
        idle(&victim).await;
    }
    // Behind the life of a key, what was forgotten is not asked for again. A shop that released itself
    // forgot nothing, and buys: such a leap would have its calls end in the hands of a person.
    let may_be_late = (8..=15).contains(&spot.0) && shop.text(HELD).await == "true";
    let hours = if may_be_late { drawn(seed / 3, &[1, 1, 25]) } else { 1 };
    let compared = restored.seen(shop, in_hand(spot));
    lane.later(hours).await;
    released_and_ended(shop, &course.wanted).await;
    victim.end().await;
    released_and_ended(shop, &course.wanted).await;
    other.stop().await;
    judge(shop, &course.wanted).await;
    course.end(shop).await;
    if let Err(why) = compared.and_then(|()| once(&course)) {
        panic!("{spot}{RESTORED}: {why}\n{}", Told::story(&course.at_end));
    }
}

/// An engine that lives sees that the database knows less of it than it remembers, with its next heartbeat.
async fn noticed(shop: &Shop, victim: &Victim) {
    let begun = Instant::now();
    while shop.text("select coalesce(held_because, '') from {s}.shop").await != "went_back" {
        let engine = Arc::clone(&victim.wired.engine);
        let beat = victim.wired.runtime().spawn(async move { engine.recover_once().await });
        beat.await.expect("no panic");
        assert!(begun.elapsed() < PATIENCE, "it never noticed");
        // Connections of before are found dead one after the other.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Copies a shop in which an engine has worked: one without is not known again.
pub(super) async fn back_up_after_work(shop: &Shop) {
    drop(shop.prepared(Setup::behind_wires()).await.expect("an engine"));
    back_up(shop).await;
}

/// How many effects may still come of what was under way when the database was put back: of each of two
/// orders one, where they stood at the point; of the order that nobody had died with, while the engine
/// stood at what it recovers.
fn in_hand(spot: Spot) -> usize {
    match spot.0 {
        8..=14 | 17 | 18 => 2,
        21 => 1,
        _ => 0,
    }
}

/// What stood when the database had been put back.
pub(super) struct Restored {
    holds: u64,
    zinc: usize,
    stripe: usize,
}

impl Restored {
    /// Puts the shop's database back.
    pub(super) async fn put_back(shop: &Shop) -> Self {
        let (zinc, stripe) = (shop.zinc().ledger().len(), shop.stripe().ledger().len());
        shop.ground.put_back(&shop.admin).await;
        let was = "(select held_since is not null from {s}.shop)::int";
        // An engine that lived through it may have had it held by now.
        let holds = shop.count(&format!("select ({HOLDS}) - {was}")).await;
        Self { holds, zinc, stripe }
    }

    /// Waits until the shop was held, and compared.
    pub(super) async fn compared(&self, shop: &Shop) {
        let held = format!(
            "select ({HOLDS}) > {} and exists (select from {{s}}.shop where held_since is null or compared_at is not null)",
            self.holds
        );
        shop.until(&held).await;
    }

    /// S: nothing was bought or moved before both partners had told what they have; what stood at the
    /// partners' doors then is not stopped by any database.
    pub(super) fn seen(&self, shop: &Shop, in_hand: usize) -> Found {
        let zinc = shop.zinc().ledger().split_off(self.zinc);
        let listed = zinc.iter().position(|it| matches!(it.event, zinc::Event::List { .. }));
        let before = zinc.iter().take(listed.ok_or("the provider's list was not read")?);
        let bought = before.filter(|it| matches!(it.event, zinc::Event::Create(_))).count();
        let stripe = shop.stripe().ledger().split_off(self.stripe);
        let called = |it: &stripe::Event, wanted: &str, end: &str| matches!(it, stripe::Event::Called { method, path, .. } if method == wanted && path.ends_with(end));
        let listed = stripe.iter().position(|it| called(&it.event, "GET", "payment_intents"));
        let before = stripe.iter().take(listed.ok_or("Stripe's list was not read")?);
        let moved = before.filter(|it| called(&it.event, "POST", "refunds")).count();
        if bought + moved > in_hand {
            return Err(format!("{bought} purchases and {moved} refunds before it was compared"));
        }
        Ok(())
    }
}

/// Waits until every order has ended as it must; a person releases the shop, and completes what was bought
/// under a key that has ended. // G9
pub(super) async fn released_and_ended(shop: &Shop, wanted: &Wanted) {
    let begun = Instant::now();
    let orders = array(&wanted.orders());
    let open = format!(
        "select ({HELD})
             or exists (select from {{s}}.orders where id = any ({orders}) and hold_reason = 'restored')
             or exists (select from {{s}}.orders where id = any ({}) and status not in ('completed', 'failed'))",
        array(&wanted.bought)
    );
    while shop.text(&open).await == "true" {
        by_a_person(shop, &orders).await;
        shop.end_leases_of_nobody().await;
        shop.hurry_moves_of_the_late().await;
        assert!(begun.elapsed() < PATIENCE, "never ended\n{}", shop.story_of_money().await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    ended(shop, wanted).await;
}

async fn by_a_person(shop: &Shop, orders: &str) {
    let release = "select {s}.release_shop('it was restored from the backup') ->> 'code' from {s}.shop where held_since is not null";
    if shop.as_app(release).await.iter().any(|code| code == "too_early") {
        // A later comparison may have held it anew; he comes back when he was told to.
        shop.sql("update {s}.test_clock set shift = shift + interval '5 minutes'").await;
    }
    shop.as_app(&format!(
        "select {{s}}.manually_complete_order(o.id, d.data ->> 'request_id', 'the provider has it')::text
           from {{s}}.orders as o join {{s}}.differences as d on d.order_id = o.id and d.kind = 'purchase_forgotten'
          where o.id = any ({orders}) and o.hold_reason = 'restored' and o.status <> 'completed'"
    ))
    .await;
}

/// Each thing happened once, under one key, whatever the database remembered.
fn once(course: &Course) -> Found {
    for order in course.bought() {
        let (keys, refused) = keys(course, &order)?;
        let count = |kind: &str| of(&course.at_end, &order).filter(|it| it.kind == kind).count();
        let (confirmed, accepted) = (count("payment_confirmed"), count("purchase_accepted"));
        // What a person completed by its purchase was perhaps not read at Stripe before.
        if keys > refused + 1 || confirmed > 1 || accepted > 1 {
            return Err(format!(
                "{order}: {keys} keys, {refused} refused, paid {confirmed} times, accepted {accepted} times"
            ));
        }
    }
    Ok(())
}
