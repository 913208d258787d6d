//! What a fault does to an engine that stands at a point.

use super::cell::{PATIENCE, idle};
use super::lane::Lane;
use super::place::Place;
use super::victim::Victim;
use super::{Fault, Spot};
use crate::wire::{database, partner};
use crate::wired::CONNECTIONS;
use crate::world::Shop;
use crate::world::worker::{Setup, Worker};
use orders_core::gate::Point;
use orders_sandbox::StripeFault;
use orders_sandbox::zinc::Injected;
use orders_store::Store;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// Longer than a lease of these worlds.
const BEYOND_THE_LEASE: Duration = Duration::from_secs(13);

/// What a partner says who is asked too often.
const SLOW_DOWN: &str = "HTTP/1.1 429 Too Many Requests\r\nretry-after: 1\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";
/// What one says who refuses the caller.
const FORBIDDEN: &str =
    "HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";
/// An empty wallet, said in so many words.
const NO_MONEY: &str = "HTTP/1.1 402 Payment Required\r\ncontent-type: application/json\r\ncontent-length: 52\r\nconnection: close\r\n\r\n{\"_type\":\"error\",\"code\":\"insufficient_zma_balance\"} ";
/// The same without a word.
const NO_MONEY_NO_WORD: &str =
    "HTTP/1.1 402 Payment Required\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";

/// A refusal that stands in the partner's own ledger, or an answer that only the wire knows.
#[derive(Debug, Clone)]
enum Refusing {
    /// By the wire.
    Wire(&'static str),
    /// By the provider, stored under the key.
    Provider(&'static str),
    /// By Stripe.
    Stripe(StripeFault),
}

/// Whether a fault that happens later has happened.
pub(super) enum Sign {
    /// It happens when it is made.
    None,
    /// So many things have happened on the database's wire.
    Database(u32),
    /// So many on the partners'.
    Partners(u32),
    /// So many refusals stand in the provider's ledger.
    Refusals(usize),
    /// So many faults stand in Stripe's.
    Stripe(u64),
}

impl Sign {
    fn count(&self, shop: &Shop, victim: &Victim) -> u64 {
        match self {
            Self::None => 1,
            Self::Database(_) => victim.wired.database.happened().into(),
            Self::Partners(_) => victim.wired.partners.happened().into(),
            Self::Refusals(_) => shop.zinc().summary().refusals.values().sum(),
            Self::Stripe(_) => shop.stripe().summary().faults.values().sum(),
        }
    }

    fn before(&self) -> u64 {
        match self {
            Self::None => 0,
            Self::Database(count) | Self::Partners(count) => (*count).into(),
            Self::Refusals(count) => *count as u64,
            Self::Stripe(count) => *count,
        }
    }

    /// Waits until it has happened once more than before.
    pub(super) async fn happened(&self, shop: &Shop, victim: &Victim, cell: &str) {
        let begun = Instant::now();
        while self.count(shop, victim) <= self.before() {
            let waits = begun.elapsed() < PATIENCE;
            assert!(waits, "it never happened at {cell}\n{}", shop.story_of_money().await);
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

/// What meeting a fault came to.
pub(super) struct Met {
    /// The other engine, where the fault is that there is one.
    pub(super) other: Option<Worker>,
    /// By what it is seen that the fault has happened.
    pub(super) sign: Sign,
}

impl Met {
    const AT_ONCE: Self = Self { other: None, sign: Sign::None };

    fn by(sign: Sign) -> Self {
        Self { sign, ..Self::AT_ONCE }
    }
}

/// Lets the fault happen to an engine that stands at the point, and lets it go on.
pub(super) async fn meet(
    lane: &Lane,
    victim: &mut Victim,
    spot: Spot,
    fault: Fault,
    seed: u64,
) -> Met {
    let shop = &lane.shop;
    let place = Place::of(spot).expect("a cell that can be run");
    let mut met = Met::AT_ONCE;
    match fault.0 {
        1 => {
            victim.kill();
            shop.end_leases().await;
            shop.hurry_moves().await;
            return met;
        }
        2 => {
            victim.wired.freeze(true);
            victim.wired.clock.advance(BEYOND_THE_LEASE);
            shop.end_leases().await;
            shop.hurry_moves().await;
            // It goes on when everything is done.
            return met;
        }
        3 => victim.drop_future(place),
        4 => victim.wired.database.cut(),
        6 => shop.ground.restart_immediately(&shop.admin).await,
        7..=10 => met = Met::by(trouble_of_database(victim, fault, seed).await),
        11 => {
            victim.wired.partners.deafen(true);
            victim.wired.partners.cut();
        }
        12..=15 => met = Met::by(trouble_of_partner(shop, victim, place, spot, fault, seed)),
        17 => met.other = Some(shop.worker(Setup::behind_wires()).await),
        18 => {
            wrong_clocks(lane, victim, seed).await;
            return met;
        }
        _ => {}
    }
    victim.stand.let_go();
    met
}

/// One of these, as the seed says.
pub(super) fn drawn<T: Clone>(seed: u64, of: &[T]) -> T {
    of[usize::try_from(seed % of.len() as u64).unwrap_or_default()].clone()
}

/// What the database does to the next statements.
pub(super) fn in_the_database(fault: Fault, seed: u64) -> Option<database::Rule> {
    let (act, times) = match fault.0 {
        7 => (database::Act::Refuse(drawn(seed, &["25006", "57P01"])), 3),
        8 => (database::Act::Refuse(drawn(seed, &["40001", "40P01", "55P03"])), 1),
        9 => (database::Act::Delay(Duration::from_millis(400)), 8),
        10 => (database::Act::Refuse(drawn(seed, &["53100", "53300"])), 3),
        _ => return None,
    };
    Some(database::Rule { has: "", moment: database::Moment::Asked, act, times })
}

async fn trouble_of_database(victim: &Victim, fault: Fault, seed: u64) -> Sign {
    let wired = &victim.wired;
    let sign = Sign::Database(wired.database.happened());
    if fault.0 == 9 && drawn(seed, &[true, false]) {
        hold_connections(&wired.engine.store, CONNECTIONS, wired.runtime()).await;
        return Sign::None;
    }
    if let Some(rule) = in_the_database(fault, seed) {
        wired.database.add(rule);
    }
    sign
}

/// Lets somebody else have the connections of a store for a while; whoever needs one waits for it.
pub(super) async fn hold_connections(store: &Store, count: usize, runtime: &Runtime) {
    let (held, mut all) = tokio::sync::watch::channel(0_usize);
    for _ in 0..count {
        let (store, held) = (store.clone(), held.clone());
        runtime.spawn(async move {
            let holding = store.transact("test.hold", move |tx| {
                let held = held.clone();
                Box::pin(async move {
                    tx.execute("select 1").await?;
                    held.send_modify(|count| *count += 1);
                    tx.execute("select pg_sleep(1.2)").await
                })
            });
            // Whether it lasted as long as it should is not what is tested.
            let _ = holding.await;
        });
    }
    // One of them may be in the hands of whoever stands at the point.
    let most = all.wait_for(|held| *held + 1 >= count);
    tokio::time::timeout(PATIENCE, most).await.expect("connections").expect("somebody who holds");
}

/// What becomes of the next call at a partner.
fn trouble_of_partner(
    shop: &Shop,
    victim: &Victim,
    place: Place,
    spot: Spot,
    fault: Fault,
    seed: u64,
) -> Sign {
    let wire = &victim.wired.partners;
    let sign = Sign::Partners(wire.happened());
    let act = if fault.0 == 14 {
        match refusing(spot, seed) {
            Refusing::Wire(answer) => partner::Act::Answer(answer),
            Refusing::Provider(code) => {
                let sign = Sign::Refusals(
                    usize::try_from(shop.zinc().summary().refusals.values().sum::<u64>())
                        .unwrap_or(0),
                );
                shop.zinc().inject(Injected::Refusal(code.to_owned()));
                return sign;
            }
            Refusing::Stripe(fault) => {
                let sign = Sign::Stripe(shop.stripe().summary().faults.values().sum());
                shop.stripe().inject_at("/refunds", fault);
                return sign;
            }
        }
    } else {
        at_the_partner(place, fault, seed)
    };
    wire.add(partner::Rule { has: called(place), act, times: 1 });
    sign
}

/// How a partner refuses, at this point.
fn refusing(spot: Spot, seed: u64) -> Refusing {
    use Refusing::{Provider, Stripe, Wire};
    match spot.0 {
        10 => drawn(
            seed,
            &[
                Wire(SLOW_DOWN),
                Provider("max_price_exceeded"),
                Provider("insufficient_zma_balance"),
                Wire(NO_MONEY),
                Provider("product_unavailable"),
                Wire(NO_MONEY_NO_WORD),
            ],
        ),
        17 => drawn(seed, &[Wire(SLOW_DOWN), Stripe(StripeFault::CardError), Wire(FORBIDDEN)]),
        _ => drawn(seed, &[Wire(SLOW_DOWN), Wire(FORBIDDEN)]),
    }
}

fn at_the_partner(place: Place, fault: Fault, seed: u64) -> partner::Act {
    use partner::Act;
    let later = Act::DoLater(Duration::from_millis(300));
    match (fault.0, place) {
        (12, _) => Act::LoseRequest,
        // It has been done, so it cannot be done later.
        (13, Place::Answer(_)) => Act::LoseAnswer,
        (13, _) => drawn(seed, &[Act::LoseAnswer, later]),
        _ => drawn(seed, &[Act::CutAnswer, Act::SpoilAnswer, Act::SwellAnswer, Act::TrickleAnswer]),
    }
}

/// The call that a fault of a partner meets: the one that stands there, or the next that changes something.
fn called(place: Place) -> &'static str {
    match place {
        Place::Request(has) | Place::Answer(has) => has,
        Place::Gate(Point::MoveCommitted | Point::MoveAnswered) => "POST /v1/refunds",
        Place::Gate(_) => "POST /v1/orders",
        // Upkeep reads what it finds.
        Place::Statement(_) | Place::Clock => "",
    }
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
