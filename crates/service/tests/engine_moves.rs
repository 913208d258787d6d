//! Refunds: each is made once, whatever happens to its calls, its worker and its clicks. The fake
//! Stripe's ledger is the judge. // C6, G28, G35

use orders_proof::world;

use orders_core::gate::{Gate, Point};
use orders_sandbox::stripe::RefundStatus;
use orders_sandbox::{StripeFault, StripeFaults};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use world::money::{PASSING, Paying, Timed, turn};
use world::worker::{Barrier, Setup, ShiftedClock};
use world::{Shop, TOTAL, hurried};

const HOUR: Duration = Duration::from_hours(1);

fn intents(orders: &[(uuid::Uuid, String)]) -> Vec<String> {
    orders.iter().map(|(_, intent)| intent.clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn window_c6_a_paid_order_that_is_cancelled_is_refunded_once_by_many_engines() {
    let shop = Shop::fresh().await;
    let orders = shop.cancelled_paid(8).await;
    let (one, other) = (shop.worker(Setup::default()).await, shop.worker(Setup::default()).await);
    shop.until_moved().await;
    assert_eq!(one.stat("moved") + other.stat("moved"), 8);
    one.stop().await;
    other.stop().await;
    shop.refunded_once(&intents(&orders)).await;
    assert_eq!(shop.posts("/refunds"), 8, "each was sent once");
    for (id, _) in &orders {
        assert_eq!(shop.of(*id, "payment_status").await, "refunded");
        assert_eq!(shop.moves(*id).await, [format!("refund {TOTAL} done")]);
        assert_eq!(shop.alerts(*id).await, [] as [&str; 0]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn window_c6_an_order_that_is_cancelled_before_its_payment_was_read_is_refunded_once() {
    let shop = Shop::fresh().await;
    let (id, intent) = shop.order_paying(Paying::AtOnce).await;
    shop.sql(&format!("select {{s}}.cancel_order('{id}')")).await;
    let worker = shop.worker(Setup::default()).await;
    shop.until("select payment_status = 'refunded' from {s}.orders").await;
    shop.until_moved().await;
    worker.stop().await;
    shop.refunded_once(&[intent]).await;
    assert_eq!(
        shop.moves(id).await,
        ["cancel 0 refused succeeded".to_owned(), format!("refund {TOTAL} done")]
    );
    assert_eq!(shop.alerts(id).await, [] as [&str; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn window_c6_whatever_happens_to_its_call_a_refund_is_made_once() {
    let shop = Shop::fresh().await;
    let mut faults = shop.stripe().faults();
    (faults.effect_later_ms, faults.slow_ms) = (1_500, 300);
    shop.stripe().set_faults(faults).unwrap();
    let orders = shop.cancelled_paid(PASSING.len()).await;
    for fault in PASSING {
        shop.stripe().inject_at("/refunds", fault);
    }
    let worker = shop.worker(Setup::default()).await;
    shop.until_moved().await;
    worker.stop().await;
    let summary = shop.refunded_once(&intents(&orders)).await;
    assert_eq!(summary.faults.len(), PASSING.len(), "{:?}", summary.faults);
    let keys = "select count(*) from {s}.money_moves where key_number > 1";
    assert_eq!(shop.count(keys).await, 0, "no refund has a second key within a day");
    assert_eq!(shop.count("select count(*) from {s}.alerts where closed_at is null").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn window_c6_a_refusal_is_believed_when_it_comes_again_and_is_told_to_a_person() {
    let shop = Shop::fresh().await;
    let (id, intent) = shop.cancelled_paid(1).await.remove(0);
    shop.stripe().inject_at("/refunds", StripeFault::CardError);
    let worker = shop.worker(Setup::default()).await;
    shop.until_moved().await;
    assert_eq!(shop.moves(id).await, [format!("refund {TOTAL} refused card_declined")]);
    assert_eq!((shop.posts("/refunds"), shop.stripe().summary().replays), (2, 1));
    shop.until("select exists (select from {s}.alerts where rule = 'refund_owed')").await;
    assert_eq!(shop.alerts(id).await, ["refund_owed", "refund_refused"]);
    // A person has seen to it.
    assert_eq!(shop.refund(id, None, "ada").await, "open");
    shop.until_moved().await;
    worker.stop().await;
    shop.refunded_once(&[intent]).await;
    assert_eq!(shop.alerts(id).await, [] as [&str; 0], "the customer has the money");
}

#[tokio::test(flavor = "multi_thread")]
async fn window_c6_a_refund_that_took_effect_before_an_outage_of_25_hours_is_found_and_not_repeated()
 {
    let timed = Timed::fresh().await;
    let shop = &timed.shop;
    let orders = shop.cancelled_paid(1).await;
    shop.stripe().inject_at("/refunds", StripeFault::DropAnswer);
    let mut dying = shop.child(|command| {
        command.arg("--die-at").arg("move-answered:1");
    });
    dying.killed().await;
    timed.later(25 * HOUR).await;
    let worker = shop.worker(Setup::default()).await;
    shop.until_moved().await;
    worker.stop().await;
    let summary = shop.refunded_once(&intents(&orders)).await;
    assert_eq!(
        (shop.posts("/refunds"), summary.replays),
        (1, 0),
        "its key is forgotten, and not used"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn window_c6_a_refund_that_never_arrived_before_an_outage_of_25_hours_is_made_once() {
    let timed = Timed::fresh().await;
    let shop = &timed.shop;
    let orders = shop.cancelled_paid(2).await;
    let never =
        StripeFaults { drop_request: 1.0, faults_per_key_max: u32::MAX, ..StripeFaults::none() };
    shop.stripe().set_faults(never).unwrap();
    let worker = shop.worker(Setup::default()).await;
    shop.until("select count(*) = 2 from {s}.money_moves where calls > 0 and lease_token is null and state = 'unknown'").await;
    worker.stop().await;
    shop.stripe().set_faults(StripeFaults::none()).unwrap();
    timed.later(25 * HOUR).await;
    let worker = shop.worker(Setup::default()).await;
    shop.until_moved().await;
    worker.stop().await;
    shop.refunded_once(&intents(&orders)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn window_c6_a_refund_whose_key_gives_a_stored_error_waits_for_the_end_of_that_key() {
    let timed = Timed::fresh().await;
    let shop = &timed.shop;
    let orders = shop.cancelled_paid(1).await;
    shop.stripe().inject_at("/refunds", StripeFault::ErrorStoredBefore);
    let worker = shop.worker(Setup::default()).await;
    shop.until("select code = 'stored_error' and lease_token is null from {s}.money_moves").await;
    let sent = shop.posts("/refunds");
    assert_eq!(shop.alerts(orders[0].0).await, ["move_unknown"], "a customer waits for a day");
    for hour in [1, 12, 22] {
        timed.later(hour * HOUR).await;
        shop.hurry_moves().await;
        shop.until("select lease_token is null and due_at > {s}.clock_now() from {s}.money_moves")
            .await;
    }
    assert_eq!(shop.posts("/refunds"), sent, "it is only looked for");
    timed.later(24 * HOUR).await;
    shop.until_moved().await;
    worker.stop().await;
    shop.refunded_once(&intents(&orders)).await;
    assert_eq!(shop.text("select key_number from {s}.money_moves").await, "2");
    assert_eq!(shop.alerts(orders[0].0).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn g28_fifty_clicks_at_once_refund_once() {
    let shop = Arc::new(Shop::fresh().await);
    let (whole, intent) = shop.completed().await;
    let (part, other) = shop.completed().await;
    let worker = shop.worker(Setup::default()).await;
    for (id, amount) in [(whole, None), (part, Some(500))] {
        let clicks: Vec<_> = (0..50)
            .map(|click| {
                let shop = Arc::clone(&shop);
                let person = format!("person{click}");
                tokio::spawn(async move { shop.refund(id, amount, &person).await })
            })
            .collect();
        for click in clicks {
            let said = click.await.unwrap();
            assert!(["open", "unknown", "accepted", "done"].contains(&said.as_str()), "{said}");
        }
        shop.until_moved().await;
        // Whoever has lost the answer asks again when all is over.
        assert_eq!(shop.refund(id, amount, "late").await, "done");
    }
    shop.until_moved().await;
    worker.stop().await;
    assert_eq!(shop.moves(whole).await, [format!("refund {TOTAL} done")]);
    assert_eq!(shop.moves(part).await, ["refund 500 done"]);
    assert_eq!(shop.posts("/refunds"), 2);
    let summary = shop.clean_money().await;
    assert_eq!(summary.sums["usd"].refunded, TOTAL + 500, "{intent} {other}");
}

#[tokio::test(flavor = "multi_thread")]
async fn g28_refunds_in_parts_never_exceed_what_was_received() {
    let shop = Arc::new(Shop::fresh().await);
    let (id, intent) = shop.completed().await;
    let worker = shop.worker(Setup::default()).await;
    for part in [500, 400] {
        assert_eq!(shop.refund(id, Some(part), "ada").await, "open");
        shop.until_moved().await;
    }
    assert_eq!(shop.refund(id, Some(631), "ada").await, "more_than_is_left");
    // Somebody returns some of it at Stripe, and nobody here has heard of it.
    shop.stripe().refund(&intent, Some(30)).unwrap();
    assert_eq!(shop.refund(id, Some(630), "ada").await, "open");
    shop.until_moved().await;
    assert!(shop.moves(id).await.contains(&"refund 630 refused more_than_is_left".to_owned()));
    // Parts that are asked for at once.
    let clicks: Vec<_> = (0..12)
        .map(|click| {
            let shop = Arc::clone(&shop);
            tokio::spawn(async move { shop.refund(id, Some(200 + click), "bob").await })
        })
        .collect();
    for click in clicks {
        click.await.unwrap();
    }
    shop.until_moved().await;
    assert_eq!(shop.refund(id, None, "ada").await, "open");
    shop.until_moved().await;
    worker.stop().await;
    let summary = shop.clean_money().await;
    assert_eq!(summary.sums["usd"].refunded, TOTAL, "to the last cent, and no further");
    assert_eq!(shop.refund(id, Some(1), "ada").await, "more_than_is_left");
}

#[tokio::test(flavor = "multi_thread")]
async fn g28_a_refund_that_the_bank_returns_is_told_and_its_money_counts_as_ours_again() {
    let shop = Shop::fresh().await;
    let (id, intent) = shop.cancelled_paid(1).await.remove(0);
    shop.stripe().next_refund(RefundStatus::Pending);
    let worker = shop.worker(Setup::default()).await;
    shop.until("select state = 'accepted' and lease_token is null from {s}.money_moves").await;
    assert_eq!(shop.text("select refunds_minor from {s}.payments").await, TOTAL.to_string());
    assert_eq!(shop.refund(id, None, "ada").await, "accepted", "it is under way");
    let refund = shop.stripe().refunds_of(&intent).remove(0);
    assert!(shop.stripe().move_refund(&refund.id, RefundStatus::Failed));
    shop.hurry_moves().await;
    shop.until_moved().await;
    shop.until("select payment_status = 'paid' from {s}.orders").await;
    assert_eq!(shop.moves(id).await, [format!("refund {TOTAL} failed")]);
    assert_eq!(shop.text("select refunds_minor from {s}.payments").await, "0");
    shop.until("select exists (select from {s}.alerts where rule = 'refund_owed')").await;
    assert_eq!(shop.alerts(id).await, ["refund_failed", "refund_owed"]);
    assert_eq!(shop.posts("/refunds"), 1, "a machine does not try again");
    assert_eq!(shop.refund(id, None, "ada").await, "open", "a person may");
    shop.until_moved().await;
    worker.stop().await;
    shop.refunded_once(&[intent]).await;
    assert_eq!(shop.alerts(id).await, [] as [&str; 0], "the customer has the money");
}

#[tokio::test(flavor = "multi_thread")]
async fn g35_a_refund_above_the_limit_waits_for_a_second_person() {
    let shop = Shop::fresh().await;
    shop.set("two_persons_above_minor", "1000").await;
    let ((other, _), (id, intent)) = (shop.completed().await, shop.completed().await);
    let worker = shop.worker(Setup::default()).await;
    assert_eq!(shop.refund(id, Some(1001), "ada").await, "awaiting_approval");
    assert_eq!(shop.decide(id, "approve", 1001, "ada").await, "same_person");
    assert_eq!(shop.decide(id, "approve", 1000, "bob").await, "other_amount");
    // Another movement goes its way meanwhile, so this one could have, too.
    assert_eq!(shop.refund(other, Some(400), "ada").await, "open", "below it one person is enough");
    shop.until(&format!("select state = 'done' from {{s}}.money_moves where order_id = '{other}'"))
        .await;
    assert_eq!(shop.moves(id).await, ["refund 1001 awaiting_approval"]);
    assert_eq!(shop.stripe().refunds_of(&intent), []);
    assert_eq!(shop.decide(id, "approve", 1001, "bob").await, "open");
    shop.until_moved().await;
    assert_eq!(shop.decide(id, "withdraw", 1001, "ada").await, "may_be_sent");
    worker.stop().await;
    shop.clean_money().await;
    let refunds: Vec<_> =
        shop.stripe().refunds_of(&intent).iter().map(|refund| refund.amount).collect();
    assert_eq!(refunds, [1001]);
}

#[tokio::test(flavor = "multi_thread")]
async fn g35_what_a_cancelling_person_would_send_back_above_the_limit_waits_too() {
    let shop = Shop::fresh().await;
    shop.set("two_persons_above_minor", "1000").await;
    let (id, intent) = shop.order_paying(Paying::AtOnce).await;
    shop.read_payments().await;
    shop.as_app(&format!(
        "select {{s}}.cancel_order('{id}', null, '{{\"actor\": \"ada\"}}')::text"
    ))
    .await;
    assert_eq!(shop.moves(id).await, [format!("refund {TOTAL} awaiting_approval")]);
    assert_eq!(shop.decide(id, "approve", TOTAL, "ada").await, "same_person");
    let worker = shop.worker(Setup::default()).await;
    assert_eq!(shop.decide(id, "approve", TOTAL, "bob").await, "open");
    shop.until_moved().await;
    worker.stop().await;
    shop.refunded_once(&[intent]).await;
}

/// Panics once at a point.
struct Panics(Point, AtomicBool);

impl Gate for Panics {
    fn pass(&self, point: Point) {
        assert!(
            point != self.0 || self.1.swap(true, Ordering::SeqCst),
            "the test's panic at {point:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn window_b5_a_panic_while_money_is_moved_moves_it_once() {
    for point in [Point::MoveCommitted, Point::MoveAnswered] {
        let shop = Shop::fresh().await;
        let orders = shop.cancelled_paid(6).await;
        let gate = Arc::new(Panics(point, AtomicBool::new(false)));
        let worker = shop.worker(Setup::gate(gate.clone())).await;
        shop.until("select count(*) = 5 from {s}.money_moves where state = 'done'").await;
        assert!(gate.1.load(Ordering::SeqCst), "nobody came to {point:?}");
        // The lease of the one that was in hand would only be waited for.
        shop.hurry_moves().await;
        shop.until_moved().await;
        worker.stop().await;
        shop.refunded_once(&intents(&orders)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn g43_a_stop_lets_refunds_under_way_end_and_gives_back_the_others() {
    let shop = Shop::fresh().await;
    let orders = shop.cancelled_paid(10).await;
    let barrier = Barrier::at(Point::MoveAnswered);
    let worker = shop.worker(Setup::gate(barrier.clone())).await;
    barrier.reached(1).await;
    // The stop is asked for first.
    let (took, ()) = tokio::join!(worker.stop(), async { barrier.open() });
    assert!(took < Duration::from_secs(15), "nothing had to be cut: {took:?}");
    let held = "select count(*) from {s}.money_moves where lease_token is not null";
    assert_eq!(shop.count(held).await, 0, "nothing stays leased");
    shop.clean_money().await;
    let worker = shop.worker(Setup::default()).await;
    shop.until_moved().await;
    worker.stop().await;
    shop.refunded_once(&intents(&orders)).await;
    assert_eq!(shop.posts("/refunds"), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancellation_of_a_payment_that_the_bank_has_in_hand_waits_for_its_end() {
    let shop = Shop::fresh().await;
    let (id, intent) = shop.order_paying(Paying::NotYet).await;
    turn(&shop, &intent, "processing");
    shop.sql(&format!("select {{s}}.cancel_order('{id}')")).await;
    let worker = shop.worker(Setup::default()).await;
    shop.until("select due_at > {s}.clock_now() + interval '1 minute' and lease_token is null from {s}.money_moves").await;
    assert_eq!(
        (shop.posts("/cancel"), shop.moves(id).await),
        (0, vec!["cancel 0 open".to_owned()])
    );
    assert!(shop.stripe().approve(&intent));
    shop.hurry_moves().await;
    shop.until("select payment_status = 'refunded' from {s}.orders").await;
    worker.stop().await;
    shop.refunded_once(&[intent]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn window_c6_nothing_is_sent_while_stripe_cannot_be_read() {
    let shop = Shop::fresh().await;
    let orders = shop.cancelled_paid(3).await;
    let deaf =
        StripeFaults { read_error: 1.0, faults_per_key_max: u32::MAX, ..StripeFaults::none() };
    shop.stripe().set_faults(deaf).unwrap();
    let worker = shop.worker(Setup::default()).await;
    let reads = |shop: &Shop| shop.stripe().summary().faults.get(&StripeFault::ReadError).copied();
    while reads(&shop) < Some(8) {
        tokio::time::sleep(Duration::from_millis(20)).await;
        shop.hurry_moves().await;
    }
    assert_eq!(shop.posts("/refunds"), 0, "a look comes first");
    shop.stripe().set_faults(StripeFaults::none()).unwrap();
    shop.until_moved().await;
    worker.stop().await;
    shop.refunded_once(&intents(&orders)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_stripe_refuses_moves_nothing_and_is_told() {
    let mut options = hurried();
    options.stripe.secret_key = "sk_test_another".into();
    let shop = Shop::with(options).await;
    let (id, _) = shop.cancelled_paid(1).await.remove(0);
    let worker = shop.worker(Setup::default()).await;
    shop.until("select exists (select from {s}.alerts where rule = 'provider_account_wrong' and subject = 'stripe_http_401')").await;
    shop.until("select due_at > {s}.clock_now() and lease_token is null from {s}.money_moves")
        .await;
    worker.stop().await;
    assert_eq!(shop.moves(id).await, [format!("refund {TOTAL} open")], "it is still owed");
    assert_eq!(shop.stripe().summary().refunds.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_was_paused_with_a_committed_refund_sends_nothing_when_it_wakes() {
    let shop = Shop::fresh().await;
    let orders = shop.cancelled_paid(1).await;
    let (barrier, clock) = (Barrier::at(Point::MoveCommitted), Arc::new(ShiftedClock::default()));
    let paused = Setup { clock: clock.clone(), ..Setup::gate(barrier.clone()) };
    let paused = shop.worker(paused).await;
    barrier.reached(1).await;
    // As long as its lease, which ends for all others, too.
    clock.advance(Duration::from_mins(1));
    shop.hurry_moves().await;
    let worker = shop.worker(Setup::default()).await;
    shop.until_moved().await;
    worker.stop().await;
    barrier.open();
    paused.stale(1).await;
    paused.stop().await;
    shop.refunded_once(&intents(&orders)).await;
    assert_eq!(shop.posts("/refunds"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn window_c6_on_a_very_bad_day_with_three_engines_every_refund_is_made_once() {
    let mut options = hurried();
    options.stripe.faults = StripeFaults {
        drop_answer: 0.15,
        drop_request: 0.1,
        effect_later: 0.1,
        error_stored_after: 0.1,
        error_not_stored: 0.1,
        lock_timeout: 0.05,
        too_many: 0.05,
        corrupt_answer: 0.05,
        cut_answer: 0.05,
        read_error: 0.1,
        read_drop: 0.05,
        read_cut: 0.05,
        read_wrong: 0.05,
        effect_later_ms: 800,
        ..StripeFaults::none()
    };
    let shop = Shop::with(options).await;
    let orders = shop.cancelled_paid(30).await;
    let mut workers = Vec::new();
    for _ in 0..3 {
        workers.push(shop.worker(Setup::default()).await);
    }
    let begun = std::time::Instant::now();
    while shop.count("select count(*) from {s}.money_moves where state <> 'done'").await > 0 {
        assert!(begun.elapsed() < Duration::from_mins(1), "{}", shop.story_of_money().await);
        shop.hurry_moves_of_nobody().await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    for worker in workers {
        worker.stop().await;
    }
    shop.refunded_once(&intents(&orders)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn window_c6_a_part_whose_effect_comes_late_is_returned_once() {
    let timed = Timed::fresh().await;
    let shop = &timed.shop;
    let (id, intent) = shop.completed().await;
    let late = StripeFaults { effect_later_ms: 3_000, ..StripeFaults::none() };
    shop.stripe().set_faults(late).unwrap();
    shop.stripe().inject_at("/refunds", StripeFault::EffectLater);
    let worker = shop.worker(Setup::default()).await;
    assert_eq!(shop.refund(id, Some(500), "ada").await, "open");
    shop.until_moved().await;
    worker.stop().await;
    // Whatever was still to come has come.
    timed.later(Duration::from_secs(10)).await;
    let summary = shop.clean_money().await;
    assert_eq!((summary.refunds[&intent], summary.sums["usd"].refunded), (1, 500));
    assert!(shop.posts("/refunds") > 1, "it was asked for again before the effect came");
}
