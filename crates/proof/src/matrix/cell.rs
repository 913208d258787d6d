//! One run of one cell: orders, an engine that comes to the point, the fault, another engine, and the
//! oracle's word.

use super::place::Place;
use super::victim::Victim;
use super::{Fault, Spot};
use crate::wire::{database, partner};
use crate::world::worker::{Setup, Worker};
use crate::world::{Shop, TOTAL};
use orders_core::gate::Point;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// No engine takes longer to come to a point, and no order to end when the faults are gone.
const PATIENCE: Duration = Duration::from_secs(40);
/// Longer than a lease of these worlds.
const BEYOND_THE_LEASE: Duration = Duration::from_secs(13);

/// The faults that this module can make.
const FAULTS: [u8; 16] = [1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 17, 18];

/// Whether a cell can be run here.
pub fn is_runnable(spot: Spot, fault: Fault) -> bool {
    super::table::must(spot, fault).is_some()
        && FAULTS.contains(&fault.0)
        && Place::of(spot).is_some()
}

/// A shop in which cells are run one after the other.
pub struct Lane {
    shop: Shop,
    /// How many hours its clock is ahead: a clock that was wrong is right again only later.
    hours: AtomicI64,
}

impl Lane {
    /// A new one.
    pub async fn fresh() -> Self {
        let shop = Shop::fresh().await;
        shop.own_clock().await;
        Self { shop, hours: AtomicI64::new(0) }
    }

    /// Puts the shop's clock so many hours from where it stands.
    async fn shift(&self, by: i64) {
        let hours = self.hours.load(Ordering::SeqCst) + by;
        self.shop.shift(&format!("{hours} hours")).await;
    }

    /// The same, for good.
    async fn later(&self, by: i64) {
        self.shift(by).await;
        self.hours.fetch_add(by, Ordering::SeqCst);
    }
}

/// What the orders of a run must come to.
struct Wanted {
    bought: Vec<Uuid>,
    returned: Vec<(Uuid, String)>,
}

/// Runs a cell once in a shop in which nothing else is under way.
///
/// # Panics
///
/// When the point is not reached, when the oracle finds something, or when an order does not end.
pub async fn run(lane: &Lane, spot: Spot, fault: Fault, seed: u64) {
    let shop = &lane.shop;
    let place = Place::of(spot).expect("a cell that can be run");
    let wanted = placed(shop, spot).await;
    let moment = match fault.0 {
        5 => database::Moment::Committed,
        _ => database::Moment::Committing,
    };
    let mut victim = Victim::start(shop, place, moment).await;
    let story = || shop.story_of_money();
    assert!(victim.stand.reached(PATIENCE).await, "{spot} was never reached\n{}", story().await);
    let happened = |victim: &Victim| match fault.0 {
        7..=10 => Some(victim.wired.database.happened()),
        12..=15 => Some(victim.wired.partners.happened()),
        _ => None,
    };
    let before = happened(&victim);
    let other = meet(lane, &mut victim, place, fault, seed).await;
    let begun = Instant::now();
    // Nobody else comes before it has happened: it might find nothing to meet any more.
    while before.is_some() && happened(&victim) <= before {
        assert!(begun.elapsed() < PATIENCE, "{fault} never happened at {spot}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let other = match other {
        Some(other) => other,
        None => shop.worker(Setup::behind_wires()).await,
    };
    ended(shop, &wanted).await;
    if fault.0 == 2 {
        victim.wired.freeze(false);
        victim.stand.let_go();
        idle(&victim).await;
    }
    victim.end().await;
    // What the late one may have left is settled like everything else.
    ended(shop, &wanted).await;
    other.stop().await;
    judge(shop, &wanted).await;
}

/// Orders on their way to the point.
async fn placed(shop: &Shop, spot: Spot) -> Wanted {
    let returned = match spot.0 {
        17 | 18 => shop.cancelled_paid(2).await,
        _ => Vec::new(),
    };
    let bought = shop.paying(2).await;
    if spot.0 == 21 {
        // Somebody died with them in his hands, so that there is something to recover.
        let place = Place::Gate(Point::IntentCommitted);
        let mut former = Victim::start(shop, place, database::Moment::Committing).await;
        assert!(former.stand.reached(PATIENCE).await, "nobody claimed: {}", shop.story().await);
        former.kill();
        shop.end_leases().await;
    }
    Wanted { bought, returned }
}

/// Lets the fault happen to an engine that stands at the point, and lets it go on; gives the other engine
/// where the fault is that there is one.
async fn meet(
    lane: &Lane,
    victim: &mut Victim,
    place: Place,
    fault: Fault,
    seed: u64,
) -> Option<Worker> {
    let shop = &lane.shop;
    match fault.0 {
        1 => {
            victim.kill();
            shop.end_leases().await;
            shop.hurry_moves().await;
            return None;
        }
        2 => {
            victim.wired.freeze(true);
            victim.wired.clock.advance(BEYOND_THE_LEASE);
            shop.end_leases().await;
            shop.hurry_moves().await;
            // It goes on when everything is done.
            return None;
        }
        3 => victim.drop_future(place),
        4 => victim.wired.database.cut(),
        11 => {
            victim.wired.partners.deafen(true);
            victim.wired.partners.cut();
        }
        17 => {
            let other = shop.worker(Setup::behind_wires()).await;
            victim.stand.let_go();
            return Some(other);
        }
        18 => {
            wrong_clocks(lane, victim, seed).await;
            return None;
        }
        _ => {
            if let Some(rule) = in_the_database(fault, seed) {
                victim.wired.database.add(rule);
            }
            if let Some(act) = at_the_partner(place, fault, seed) {
                victim.wired.partners.add(partner::Rule { has: called(place), act, times: 1 });
            }
        }
    }
    victim.stand.let_go();
    None
}

/// One of these, as the seed says.
fn drawn<T: Clone>(seed: u64, of: &[T]) -> T {
    of[usize::try_from(seed % of.len() as u64).unwrap_or_default()].clone()
}

/// What the database does to the next statements.
fn in_the_database(fault: Fault, seed: u64) -> Option<database::Rule> {
    let (act, times) = match fault.0 {
        7 => (database::Act::Refuse(drawn(seed, &["25006", "57P01"])), 3),
        8 => (database::Act::Refuse(drawn(seed, &["40001", "40P01", "55P03"])), 1),
        9 => (database::Act::Delay(Duration::from_millis(400)), 8),
        10 => (database::Act::Refuse(drawn(seed, &["53100", "53300"])), 3),
        _ => return None,
    };
    Some(database::Rule { has: "", moment: database::Moment::Asked, act, times })
}

/// What becomes of the next call at a partner.
fn at_the_partner(place: Place, fault: Fault, seed: u64) -> Option<partner::Act> {
    use partner::Act;
    let later = Act::DoLater(Duration::from_millis(300));
    Some(match (fault.0, place) {
        (12, _) => Act::LoseRequest,
        // It has been done, so it cannot be done later.
        (13, Place::Answer(_)) => Act::LoseAnswer,
        (13, _) => drawn(seed, &[Act::LoseAnswer, later]),
        (14, _) => Act::Answer(SLOW_DOWN),
        (15, _) => {
            drawn(seed, &[Act::CutAnswer, Act::SpoilAnswer, Act::SwellAnswer, Act::TrickleAnswer])
        }
        _ => return None,
    })
}

/// The database's clock is an hour wrong for a while, and perhaps the engine's as well.
async fn wrong_clocks(lane: &Lane, victim: &Victim, seed: u64) {
    if drawn(seed, &[false, false, true, true]) {
        victim.wired.clock.advance(Duration::from_hours(1));
    }
    lane.shift(drawn(seed, &[1, -1])).await;
    victim.stand.let_go();
    idle(victim).await;
    // Right again; what was written in the wrong hour is due an hour later at the latest.
    lane.shift(0).await;
    lane.later(2).await;
}

/// What a partner says who is asked too often.
const SLOW_DOWN: &str = "HTTP/1.1 429 Too Many Requests\r\nretry-after: 1\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";

/// The call that a fault of a partner meets: the one that stands there, or the next that changes something.
fn called(place: Place) -> &'static str {
    match place {
        Place::Request(has) | Place::Answer(has) => has,
        Place::Gate(Point::MoveCommitted | Point::MoveAnswered) => "POST /v1/refunds",
        Place::Gate(_) => "POST /v1/orders",
        // Upkeep reads what it finds.
        Place::Statement(_) => "",
    }
}

/// Waits until the late one has done what it had in its hands.
async fn idle(victim: &Victim) {
    let begun = Instant::now();
    while victim.wired.engine.is_busy() {
        assert!(begun.elapsed() < PATIENCE, "it works on and on");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Waits until every order has ended as it must, while leases that nobody holds end. // G9
async fn ended(shop: &Shop, wanted: &Wanted) {
    let done = format!(
        "select (select count(*) from {{s}}.orders as o where o.id = any ({}) and o.status = 'completed') = {}
            and not exists (select from {{s}}.money_moves as m where m.due_at is not null)
            and not exists (select from {{s}}.payments as p where p.stale_since is not null)",
        crate::world::array(&wanted.bought),
        wanted.bought.len()
    );
    let begun = Instant::now();
    while shop.text(&done).await != "true" {
        shop.end_leases_of_nobody().await;
        shop.hurry_moves_of_the_late().await;
        assert!(
            begun.elapsed() < PATIENCE,
            "an order never ended\n{}",
            shop.story_of_money().await
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The oracle: the partners' ledgers and the whole database. // G1, G2, G7, G8, G10, G11, G12
async fn judge(shop: &Shop, wanted: &Wanted) {
    shop.clean_money().await;
    let names: Vec<String> = wanted.bought.iter().map(Uuid::to_string).collect();
    assert_eq!(shop.never_bought(&names), Vec::<String>::new(), "{}", shop.story().await);
    for (id, intent) in &wanted.returned {
        let refunds = shop.stripe().refunds_of(intent);
        let live: Vec<_> = refunds.iter().filter(|refund| refund.status.is_live()).collect();
        assert_eq!(live.len(), 1, "{intent}: {refunds:?}");
        assert_eq!(live[0].amount, TOTAL);
        let name = id.to_string();
        assert_eq!(shop.never_bought(std::slice::from_ref(&name)), [name], "refunded and bought");
    }
}
