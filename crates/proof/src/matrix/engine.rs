//! The points of the engine, C4 to C18 and C21: orders, an engine that comes to the point, the fault,
//! another engine, and what must be seen of it.

use super::cell::{PATIENCE, Wanted, ended, idle, judge};
use super::course::{Course, Told, history};
use super::fault::{Met, drawn, meet};
use super::lane::Lane;
use super::mail::Mail;
use super::place::Place;
use super::table::must;
use super::victim::Victim;
use super::{Fault, Spot, letter};
use crate::wire::database;
use crate::world::Shop;
use crate::world::worker::Setup;
use orders_core::gate::Point;
use std::time::Duration;

/// A call that outlasts a restart of the database, and a test that is slow to decide.
const LONG_CALL: Duration = Duration::from_secs(6);
/// So many claims are overtaken by no messages.
const CLAIMS_MAX: u32 = 10;
/// What the calls of these worlds have by default.
pub(super) const CALL: Duration = Duration::from_millis(1500);

/// Runs a cell of the engine.
pub(super) async fn run(lane: &Lane, spot: Spot, fault: Fault, seed: u64) {
    let shop = &lane.shop;
    let place = Place::of(spot).expect("a cell that can be run");
    let mail = if fault.0 == 16 { Some(Mail::expect(shop).await) } else { None };
    let mut course = Course::begin(shop, spot, fault);
    course.wanted = placed(shop, spot).await;
    // Where a call has to end well, or in nothing, it must not end by its limit meanwhile.
    let goes_on = must(spot, fault).is_some_and(|letters| letters.contains('K'));
    let call = if goes_on || matches!(fault.0, 1 | 6) { LONG_CALL } else { CALL };
    let moment = match fault.0 {
        5 => database::Moment::Committed,
        // Before its commit, or behind it.
        6 => drawn(seed, &[database::Moment::Committing, database::Moment::Committed]),
        _ => database::Moment::Committing,
    };
    course.took_effect = moment == database::Moment::Committed;
    let mut victim = Victim::calling(shop, place, moment, call).await;
    course.victim = victim.name();
    let story = || shop.story_of_money();
    assert!(victim.stand.reached(PATIENCE).await, "{spot} was never reached\n{}", story().await);
    let first = match &mail {
        Some(mail) => Some(mail.around(shop, seed).await),
        None => None,
    };
    course.at_fault = history(shop, &course.wanted).await;
    if spot.0 == 7 && course.took_effect {
        stands_at_a_claim(shop, &victim, &mut course, place, moment).await;
    }
    let Met { other, sign } = meet(lane, &mut victim, spot, fault, seed).await;
    // Nobody else comes before it has happened: it might find nothing to meet any more.
    sign.happened(shop, &victim, &format!("{spot}{fault}")).await;
    let other = match other {
        Some(other) => other,
        None => shop.worker(Setup::behind_wires()).await,
    };
    course.other = format!("engine/{}", other.engine.options.worker);
    if let (Some(mail), Some(first)) = (&mail, first) {
        let said = first.await.expect("deliveries that end");
        assert!(!said.is_empty(), "no message came around {spot}");
        ended(shop, &course.wanted).await;
        mail.days_late(lane, seed).await;
    }
    ended(shop, &course.wanted).await;
    if fault.0 == 2 {
        course.at_waking = Some(history(shop, &course.wanted).await);
        victim.wired.freeze(false);
        victim.stand.let_go();
        idle(&victim).await;
    }
    victim.end().await;
    // What the late one may have left is settled like everything else.
    ended(shop, &course.wanted).await;
    other.stop().await;
    judge(shop, &course.wanted).await;
    course.end(shop).await;
    let found = match &mail {
        Some(mail) => mail.all_recognised(shop).await.and_then(|()| letter::once(&course)),
        None => letter::check(&course),
    };
    if let Err(why) = found {
        panic!("{spot}{fault}: {why}\n{}", Told::story(&course.at_end));
    }
}

/// A message of Stripe that comes between the two halves of a claim has it take nothing (C4), and an engine
/// that starts reads the list of messages: whoever stands at such a claim goes on to the next.
async fn stands_at_a_claim(
    shop: &Shop,
    victim: &Victim,
    course: &mut Course,
    place: Place,
    moment: database::Moment,
) {
    let mut come = 1;
    while !course.at_fault.iter().any(|told| told.kind == "purchase_opened") {
        assert!(come < CLAIMS_MAX, "no claim takes anything\n{}", shop.story_of_money().await);
        come += 1;
        victim.stand_once_more(place, moment);
        assert!(victim.stand.reached_by(come, PATIENCE).await, "nobody claims again");
        course.at_fault = history(shop, &course.wanted).await;
    }
}

/// Orders on their way to the point.
pub(super) async fn placed(shop: &Shop, spot: Spot) -> Wanted {
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
