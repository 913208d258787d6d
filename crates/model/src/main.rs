//! tmp
use orders_model::explore::*;
use orders_model::guard::{Guard, Without};
use orders_model::purchase::state::{Budget, Said};
use orders_model::purchase::*;
use orders_model::world::World;
fn main() {
    let base = Purchases { without: Without::NOTHING, orders: 1, workers: 2, calls_max: 2, generations_max: 2, wallet: 9, one_payment: false,
        budget: Budget { crashes: 1, losses: 1, refusals: 1, people: 1, deaths: 1, ..Budget::default() },
        stored_words: &[Said::Later, Said::Never], at_the_door: &[Said::Unclear] };
    for (n, b) in [("small", Budget { crashes: 1, losses: 1, refusals: 1, ..Budget::default() }), ("people", Budget { losses: 1, refusals: 1, people: 1, ..Budget::default() }), ("all", base.budget)] {
        let w = Purchases { budget: b, ..base };
        let e = prove(w, 2, Some(8_000_000), &|_| {});
        println!("{n}: {e:?}");
        if e.states < 3_000_000 {
        let r = stuck(&w);
        println!("   stuck {} of {} resting {}", r.stuck, r.states, r.resting);
        for l in &r.history { println!("      {l}"); }}
        if !e.broken.is_empty() { let (_, b) = shortest(&w, w.laws()); println!("{b:#?}"); }
    }
    use Guard::*;
    for g in [StableKey, ProviderDedupes, UnknownWaits, ClaimRespectsLease, LostAnswerIsUnknown, LostAnswerIsNoDoubt, OnlyUsedUpKeySettles, QuarantineIsNotEnough, LookUpIsNotEnough, AbsenceProvesNothing, CancelOnlyUnsent, Fence, RecoveryKeepsSubmitting, RefusalsSettle, OneUnsettled, RepeatWaits, KeyDeath, SendDeadline, HoldStopsSends, RefundOnlyFromEnd, RefundWithTheEnd, PersonWaits, ReadingVersion, BoundHolds] {
        let w = Purchases { without: Without::of(&[g]), budget: Budget { crashes: 1, losses: 1, refusals: 1, people: 1, deaths: u8::from(matches!(g, KeyDeath|SendDeadline)), ..Budget::default() }, ..base };
        let t = std::time::Instant::now();
        let (n, b) = shortest(&w, w.laws());
        println!("without {g:?}: {n} states, {:?} {}", t.elapsed(), b.as_ref().map_or("HOLDS".to_owned(), |b| format!("{} in {}", b.law, b.history.len())));
        if let Some(b) = b { for l in b.history { println!("      {l}"); } }
    }
}
