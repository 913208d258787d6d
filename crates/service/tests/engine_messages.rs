//! Messages of Stripe, from their delivery (or loss) to what becomes of their orders. // C4, C10, G24, G26
#![expect(clippy::expect_used, reason = "helpers of tests may fail by panic, like the tests")]

use orders_proof::world;

use orders_sandbox::StripeFaults;
use orders_sandbox::stripe::{DisputeStatus, RefundStatus, StripeFault};
use orders_service::engine::{Engine, missed};
use orders_store::payment::due;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use world::worker::Setup;
use world::{Shop, TOTAL};

/// An engine that works only when it is told to.
async fn engine(shop: &Shop) -> Arc<Engine> {
    shop.prepared(Setup::default()).await.expect("an engine")
}

/// Follows up everything that is due.
async fn follow_up(engine: &Engine) {
    while engine.follow_up_events(&CancellationToken::new()).await.expect("a turn").taken > 0 {}
}

/// An order that waits for a PaymentIntent which nobody has paid yet.
async fn waiting(shop: &Shop) -> (Uuid, String) {
    let id = shop.place().await;
    let intent = shop.partners.world.stripe.open_intent(&id.to_string(), TOTAL, "usd");
    shop.sql(&format!("select {{s}}.attach_payment('{id}', '{intent}')")).await;
    (id, intent)
}

/// An order that is paid, as an engine has read at Stripe a moment ago.
async fn read_good(shop: &Shop, engine: &Engine) -> (Uuid, String) {
    let (id, intent) = waiting(shop).await;
    assert!(shop.partners.world.stripe.approve(&intent));
    shop.deliver_all().await;
    follow_up(engine).await;
    assert_eq!(standing(shop, id).await, "pending none paid");
    (id, intent)
}

async fn standing(shop: &Shop, id: Uuid) -> String {
    shop.of(id, "concat_ws(' ', status, coalesce(hold_reason, 'none'), payment_status)").await
}

/// How many orders could be claimed now.
async fn claimable(shop: &Shop) -> String {
    shop.as_app("select count(*)::text from {s}.lock_due_orders('zinc_v1', 100)").await.remove(0)
}

/// What became of the messages of handled types.
async fn verdicts(shop: &Shop) -> String {
    shop.text("select string_agg(distinct state, ' ' order by state) from {s}.inbox where state <> 'ignored'")
        .await
}

/// Numbers that look drawn, the same for the same seed.
struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or(0) % bound.max(1)
    }

    /// Every place once in any order, and some of them again.
    fn deliveries(&mut self, count: usize) -> Vec<usize> {
        let mut places: Vec<usize> = (0..count).collect();
        for _ in 0..self.below(4).min(count) {
            places.push(self.below(count));
        }
        for at in (1..places.len()).rev() {
            places.swap(at, self.below(at + 1));
        }
        places
    }
}

/// What happens to a payment at Stripe, one step after the other, and where its order ends.
const STORIES: [(&[&str], &str); 4] = [
    (&["decline", "decline", "approve", "check_out"], "pending none paid"),
    (&["decline", "approve", "refund", "dispute"], "pending payment_refunded disputed"),
    (&["approve", "dispute", "dispute_again", "warn"], "pending payment_disputed disputed"),
    (&["decline", "cancel"], "pending payment_canceled unpaid"),
];

fn happen(shop: &Shop, intent: &str, step: &str) {
    let stripe = &shop.partners.world.stripe;
    let done = match step {
        "decline" => stripe.decline(intent),
        "approve" => stripe.approve(intent),
        "check_out" => stripe.check_out(intent).is_some(),
        "refund" => stripe.refund(intent, Some(500)).is_ok(),
        "dispute" => stripe.dispute(intent, DisputeStatus::NeedsResponse).is_some(),
        "dispute_again" => {
            let dispute = stripe.events().into_iter().rev().find(|it| it.kind.contains("dispute"));
            dispute
                .is_some_and(|it| stripe.move_dispute(it.object_id(), DisputeStatus::UnderReview))
        }
        "warn" => stripe.warn(intent).is_some(),
        "cancel" => stripe.change(intent, orders_sandbox::stripe::Fact::Status("canceled".into())),
        other => panic!("no such step: {other}"),
    };
    assert!(done, "{step}");
}

#[tokio::test(flavor = "multi_thread")]
async fn g24_any_order_and_repetition_of_a_payments_messages_ends_in_the_same_state() {
    let shop = Shop::fresh().await;
    shop.partners.world.stripe.hold_deliveries(true);
    let engine = engine(&shop).await;
    let _endpoint = shop.take_messages(None).await;
    let mut repeated = 0;
    for seed in 0..240 {
        let mut draw = Draw(seed);
        let (steps, end) = STORIES[usize::try_from(seed).unwrap_or(0) % STORIES.len()];
        let (id, intent) = waiting(&shop).await;
        for step in steps {
            happen(&shop, &intent, step);
            // Some of what is owed comes between two steps, and is or is not followed up there.
            let owed = shop.partners.world.stripe.owed().len();
            let some: Vec<usize> = (0..owed).filter(|_| draw.below(3) == 0).collect();
            shop.partners.world.stripe.deliver(&some).await;
            if draw.below(2) == 0 {
                follow_up(&engine).await;
            }
        }
        let owed = shop.partners.world.stripe.owed().len();
        let places = draw.deliveries(owed);
        let said = shop.partners.world.stripe.deliver(&places).await;
        assert!(said.iter().all(|status| *status == Some(200)), "{seed}: {said:?}");
        assert_eq!(said.len(), places.len());
        repeated += places.len() - owed;
        follow_up(&engine).await;
        assert_eq!(standing(&shop, id).await, end, "seed {seed}: {}", shop.kinds(id).await);
        let stale = "select count(*) from {s}.payments where stale_since is not null";
        assert_eq!(shop.count(stale).await, 0, "seed {seed}");
    }
    assert!(repeated > 100, "{repeated}");
    let states = verdicts(&shop).await;
    assert!(!states.contains("new") && states.contains("handled"), "{states}");
    shop.clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn window_c10_the_failure_of_an_earlier_try_that_arrives_last_undoes_no_success() {
    let shop = Shop::fresh().await;
    let stripe = &shop.partners.world.stripe;
    stripe.hold_deliveries(true);
    let engine = engine(&shop).await;
    let _endpoint = shop.take_messages(None).await;
    let (id, intent) = waiting(&shop).await;
    assert!(stripe.decline(&intent) && stripe.approve(&intent));
    let owed = stripe.owed();
    let place = |kind: &str| owed.iter().position(|it| it.kind.ends_with(kind)).expect(kind);
    stripe.deliver(&[place(".succeeded")]).await;
    follow_up(&engine).await;
    assert_eq!(standing(&shop, id).await, "pending none paid");
    shop.deliver_all().await;
    assert_eq!(claimable(&shop).await, "0", "the late failure is a reason to read again");
    follow_up(&engine).await;
    assert_eq!(standing(&shop, id).await, "pending none paid");
    assert_eq!(shop.kinds(id).await, "order_placed payment_confirmed");
    shop.finish().await;
    shop.bought_once(&[id]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn window_c4_what_stripe_sends_word_of_stops_the_purchase_and_holds_with_its_own_reason() {
    let shop = Shop::fresh().await;
    let stripe = &shop.partners.world.stripe;
    stripe.hold_deliveries(true);
    let engine = engine(&shop).await;
    let _endpoint = shop.take_messages(None).await;
    let mut expected = Vec::new();
    for (reason, word) in [
        ("payment_disputed", "disputed"),
        ("payment_refunded", "partially_refunded"),
        ("payment_in_review", "paid"),
        ("fraud_warning", "paid"),
    ] {
        let (id, intent) = read_good(&shop, &engine).await;
        assert_eq!(claimable(&shop).await, "1", "{reason}");
        let told = match reason {
            "payment_disputed" => stripe.dispute(&intent, DisputeStatus::NeedsResponse).is_some(),
            "payment_refunded" => stripe.refund(&intent, Some(1)).is_ok(),
            "payment_in_review" => stripe.review(&intent).is_some(),
            _ => stripe.warn(&intent).is_some(),
        };
        assert!(told, "{reason}");
        shop.deliver_all().await;
        assert_eq!(claimable(&shop).await, "0", "{reason}: from the message's commit on");
        follow_up(&engine).await;
        assert_eq!(standing(&shop, id).await, format!("pending {reason} {word}"));
        expected.push(id);
    }
    // With an engine at work, and asked for one by one, none of them is bought.
    let worker = shop.worker(Setup::default()).await;
    for id in &expected {
        assert!(worker.engine.submit_one(*id).await.expect("an answer").is_none());
    }
    worker.stop().await;
    assert_eq!(shop.clean().await.creates, 0);
    assert_eq!(shop.count("select count(*) from {s}.alerts").await, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_of_another_product_of_the_same_account_is_unmatched_and_changes_nothing() {
    let shop = Shop::fresh().await;
    let stripe = &shop.partners.world.stripe;
    stripe.hold_deliveries(true);
    let engine = engine(&shop).await;
    let _endpoint = shop.take_messages(None).await;
    let (id, _) = waiting(&shop).await;
    for named in ["subscription 4711", "", "0190-7"] {
        let intent = stripe.pay(named, TOTAL, "usd");
        stripe.refund(&intent, Some(1)).expect("a refund");
        stripe.dispute(&intent, DisputeStatus::NeedsResponse).expect("a dispute");
    }
    shop.deliver_all().await;
    follow_up(&engine).await;
    assert_eq!(verdicts(&shop).await, "unmatched");
    assert_eq!(standing(&shop, id).await, "pending awaiting_payment unpaid");
    assert_eq!(shop.count("select count(*) from {s}.payments").await, 1);
    assert_eq!(shop.count("select count(*) from {s}.findings").await, 0);
    assert_eq!(shop.kinds(id).await, "order_placed");
}

#[tokio::test(flavor = "multi_thread")]
async fn g26_with_every_message_lost_each_payment_is_acted_on_within_a_quarter_of_an_hour() {
    let shop = Shop::fresh().await;
    let stripe = &shop.partners.world.stripe;
    shop.own_clock().await;
    let engine = engine(&shop).await;
    // Checkouts that were left so long ago that nobody reads their payments for hours, an order whose
    // payment the shop has not named, one that is paid and read, and much that is none of ours.
    let (late, _) = waiting(&shop).await;
    let (canceled, canceled_intent) = waiting(&shop).await;
    let unnamed = shop.place().await;
    let paid = shop.paying(1).await[0];
    shop.shift("2 days").await;
    assert_eq!(due(&shop.app, 10).await.expect("payments").len(), 3);
    assert!(engine.submit_one(late).await.expect("an answer").is_none());
    let intent =
        |id: Uuid| format!("select payment_intent from {{s}}.payments where order_id = '{id}'");
    let (late_intent, paid_intent) =
        (shop.text(&intent(late)).await, shop.text(&intent(paid)).await);
    for _ in 0..130 {
        stripe.pay("subscription 4711", 5, "usd");
    }
    assert!(stripe.approve(&late_intent));
    stripe.pay(&unnamed.to_string(), TOTAL, "usd");
    stripe.dispute(&paid_intent, DisputeStatus::NeedsResponse).expect("a dispute");
    stripe.change(&canceled_intent, orders_sandbox::stripe::Fact::Status("canceled".into()));
    assert!(due(&shop.app, 10).await.expect("payments").is_empty(), "read for hours by nobody");
    // The list is read every five minutes; one walk is enough, and there is time for three.
    assert!(missed::EVERY * 3 <= Duration::from_mins(15));
    shop.shift("2 days 5 minutes").await;
    engine.read_missed_once().await.expect("a walk");
    follow_up(&engine).await;
    for (id, end) in [
        (late, "pending none paid"),
        (unnamed, "pending none paid"),
        (paid, "pending payment_disputed disputed"),
        (canceled, "pending payment_canceled unpaid"),
    ] {
        assert_eq!(standing(&shop, id).await, end);
    }
    assert_eq!(verdicts(&shop).await, "handled unmatched");
    let stored = shop.count("select count(*) from {s}.inbox").await;
    assert!(stored > 133, "more than a page: {stored}");
    shop.shift("2 days 10 minutes").await;
    engine.read_missed_once().await.expect("a walk");
    assert_eq!(shop.count("select count(*) from {s}.inbox").await, stored, "each is stored once");
}

#[tokio::test(flavor = "multi_thread")]
async fn g26_a_message_of_the_list_that_cannot_be_read_hides_no_other_and_is_told() {
    let shop = Shop::fresh().await;
    let stripe = &shop.partners.world.stripe;
    let engine = engine(&shop).await;
    let id = shop.place().await;
    stripe.pay(&id.to_string(), TOTAL, "usd");
    // Newer ones come first: more than a page of them, none in a shape that we know.
    stripe.write_version("a version of another kind");
    for _ in 0..70 {
        stripe.pay("subscription 4711", 5, "usd");
    }
    engine.read_missed_once().await.expect("a walk");
    follow_up(&engine).await;
    assert_eq!(standing(&shop, id).await, "pending none paid");
    let told =
        "select string_agg(subject, ' ') from {s}.alerts where rule = 'provider_account_wrong'";
    assert_eq!(shop.text(told).await, "stripe_event_unreadable");
}

#[tokio::test(flavor = "multi_thread")]
async fn g26_a_running_engine_buys_what_was_paid_although_no_message_ever_arrives() {
    let shop = Shop::fresh().await;
    let (known, intent) = waiting(&shop).await;
    let unnamed = shop.place().await;
    let mut setup = Setup::default();
    setup.options.missed_every = Duration::from_millis(100);
    let worker = shop.worker(setup).await;
    shop.until("select bool_and(read_at is not null) from {s}.payments").await;
    // Nobody reads it by himself any more.
    shop.sql("update {s}.payments set next_read_at = 'infinity'").await;
    assert!(shop.partners.world.stripe.approve(&intent));
    shop.partners.world.stripe.pay(&unnamed.to_string(), TOTAL, "usd");
    shop.until_ended().await;
    worker.stop().await;
    shop.bought_once(&[known, unnamed]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_reaches_the_engine_of_its_own_process_at_once() {
    let shop = Shop::fresh().await;
    let mut setup = Setup::default();
    // Whatever happens in this test happens because the engine was told.
    setup.options.idle = Duration::from_hours(1);
    let worker = shop.worker(setup).await;
    let _endpoint = shop.take_messages(Some(Arc::clone(&worker.engine))).await;
    let (id, intent) = waiting(&shop).await;
    shop.sql("update {s}.payments set next_read_at = 'infinity'").await;
    assert!(shop.partners.world.stripe.approve(&intent));
    shop.until(&format!("select payment_status = 'paid' from {{s}}.orders where id = '{id}'"))
        .await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn g2_an_order_that_is_asked_for_is_bought_with_what_stripe_says_now() {
    let shop = Shop::fresh().await;
    let stripe = &shop.partners.world.stripe;
    shop.own_clock().await;
    // No loops: calls are recorded for those who ask for them.
    let (engine, ended) = (engine(&shop).await, CancellationToken::new());
    let run = tokio::spawn(Arc::clone(&engine).run_on_demand(ended.clone()));
    let (unread, intent) = waiting(&shop).await;
    assert!(engine.submit_one(unread).await.expect("an answer").is_none(), "nobody paid");
    assert!(stripe.approve(&intent));
    shop.shift("31 seconds").await;
    assert!(engine.submit_one(unread).await.expect("an answer").is_some(), "read and bought");
    let (disputed, intent) = waiting(&shop).await;
    assert!(stripe.approve(&intent));
    shop.shift("2 minutes").await;
    stripe.dispute(&intent, DisputeStatus::NeedsResponse).expect("a dispute");
    assert!(engine.submit_one(disputed).await.expect("an answer").is_none());
    assert_eq!(standing(&shop, disputed).await, "pending payment_disputed disputed");
    let (silent, intent) = waiting(&shop).await;
    assert!(stripe.approve(&intent));
    let broken = StripeFaults { read_error: 1.0, ..StripeFaults::none() };
    stripe.set_faults(broken).expect("faults");
    assert!(engine.submit_one(silent).await.expect("an answer").is_none(), "nobody knows");
    ended.cancel();
    let _ = run.await.expect("an engine that stops");
    assert_eq!(shop.clean().await.creates, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_whose_payment_cannot_be_read_waits_and_at_last_calls_a_person() {
    let shop = Shop::fresh().await;
    let stripe = &shop.partners.world.stripe;
    stripe.hold_deliveries(true);
    shop.own_clock().await;
    let engine = engine(&shop).await;
    let _endpoint = shop.take_messages(None).await;
    let (id, intent) = waiting(&shop).await;
    assert!(stripe.approve(&intent));
    shop.deliver_all().await;
    for turn in 0..20 {
        let state = format!(
            "select state from {{s}}.inbox where payment_intent = '{intent}' and state <> 'ignored'"
        );
        assert_eq!(shop.text(&state).await, "new", "turn {turn}");
        // Stripe answers: it is this payment alone that cannot be read.
        stripe.inject_at(&intent, StripeFault::ReadError);
        stripe.pay("subscription 4711", 5, "usd");
        shop.deliver_all().await;
        shop.shift(&format!("{turn} days")).await;
        let turn = engine.follow_up_events(&CancellationToken::new()).await.expect("a turn");
        assert!(!turn.in_vain && turn.taken >= 2);
    }
    assert_eq!(verdicts(&shop).await, "given_up unmatched");
    let finding = "select concat_ws(' ', kind, subject) from {s}.findings";
    let event = shop.text("select event_id from {s}.inbox where state = 'given_up'").await;
    assert_eq!(shop.texts(finding).await, [format!("event_given_up {event}")]);
    // The payment itself is not given up: it stays marked, and is read as soon as Stripe answers.
    shop.finish().await;
    shop.bought_once(&[id]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn g26_an_outage_of_more_than_a_day_uses_up_no_messages_tries() {
    let shop = Shop::fresh().await;
    let stripe = &shop.partners.world.stripe;
    stripe.hold_deliveries(true);
    shop.own_clock().await;
    let engine = engine(&shop).await;
    let _endpoint = shop.take_messages(None).await;
    let (id, intent) = waiting(&shop).await;
    assert!(stripe.approve(&intent));
    shop.deliver_all().await;
    let silent =
        StripeFaults { read_error: 1.0, faults_per_key_max: 9_999, ..StripeFaults::none() };
    stripe.set_faults(silent).expect("faults");
    let turn = async || engine.follow_up_events(&CancellationToken::new()).await.expect("a turn");
    for hour in 0..26 {
        shop.shift(&format!("{hour} hours")).await;
        let turn = turn().await;
        assert!(turn.in_vain && turn.taken == 1, "hour {hour}");
        assert_eq!(verdicts(&shop).await, "new", "hour {hour}");
    }
    // Stripe is back, and this one payment is lost once more, beside another that is told.
    stripe.set_faults(StripeFaults::none()).expect("faults");
    stripe.inject_at(&intent, StripeFault::ReadError);
    stripe.pay("subscription 4711", 5, "usd");
    shop.deliver_all().await;
    shop.shift("26 hours").await;
    assert!(!turn().await.in_vain);
    assert_eq!(verdicts(&shop).await, "new unmatched");
    shop.shift("27 hours").await;
    turn().await;
    assert_eq!(verdicts(&shop).await, "handled unmatched");
    assert_eq!(standing(&shop, id).await, "pending none paid");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_that_cannot_be_recorded_keeps_the_messages_of_no_other_payment() {
    let shop = Shop::fresh().await;
    let stripe = &shop.partners.world.stripe;
    stripe.hold_deliveries(true);
    let engine = engine(&shop).await;
    let _endpoint = shop.take_messages(None).await;
    let (bad, bad_intent) = read_good(&shop, &engine).await;
    let (good, good_intent) = read_good(&shop, &engine).await;
    let mut refunds = Vec::new();
    for id in [bad, good] {
        shop.as_app(&format!("select {{s}}.cancel_order('{id}')::text")).await;
    }
    shop.sql("alter table {s}.money_moves disable trigger user").await;
    for (id, intent) in [(bad, &bad_intent), (good, &good_intent)] {
        let refund = stripe.refund(intent, None).expect("a refund");
        shop.sql(&format!("update {{s}}.money_moves set state = 'done', stripe_id = '{refund}', due_at = null, settled_at = now() where order_id = '{id}'")).await;
        refunds.push(refund);
    }
    shop.sql("alter table {s}.money_moves enable trigger user").await;
    shop.deliver_all().await;
    follow_up(&engine).await;
    assert_eq!(verdicts(&shop).await, "handled");
    shop.sql(&format!(
        "create function {{s}}.test_refuse() returns trigger language plpgsql as
         $$ begin if new.order_id = '{bad}' then raise 'not this one'; end if; return new; end $$"
    ))
    .await;
    shop.sql("create trigger test_refuse before update on {s}.money_moves for each row execute function {s}.test_refuse()").await;
    for refund in &refunds {
        assert!(stripe.move_refund(refund, RefundStatus::Failed));
    }
    shop.deliver_all().await;
    follow_up(&engine).await;
    let new = "select string_agg(distinct payment_intent, ' ') from {s}.inbox where state = 'new'";
    assert_eq!(shop.text(new).await, bad_intent, "it comes again, the others are finished");
    assert_eq!(shop.moves(good).await, [format!("refund {TOTAL} failed lost_or_stolen_card")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn g28_a_refund_that_the_bank_gives_back_is_shown_to_a_person() {
    let shop = Shop::fresh().await;
    let stripe = &shop.partners.world.stripe;
    stripe.hold_deliveries(true);
    let engine = engine(&shop).await;
    let _endpoint = shop.take_messages(None).await;
    let (id, intent) = read_good(&shop, &engine).await;
    shop.as_app(&format!("select {{s}}.cancel_order('{id}')::text")).await;
    let refund = stripe.refund(&intent, None).expect("a refund");
    shop.sql("alter table {s}.money_moves disable trigger user").await;
    shop.sql(&format!("update {{s}}.money_moves set state = 'done', stripe_id = '{refund}', due_at = null, settled_at = now()")).await;
    shop.sql("alter table {s}.money_moves enable trigger user").await;
    shop.deliver_all().await;
    follow_up(&engine).await;
    let state = "select state from {s}.money_moves";
    assert_eq!(shop.text(state).await, "done");
    assert!(stripe.move_refund(&refund, RefundStatus::Failed));
    shop.deliver_all().await;
    follow_up(&engine).await;
    assert_eq!(shop.text(state).await, "failed");
    assert_eq!(
        shop.count("select count(*) from {s}.findings where kind = 'refund_failed'").await,
        1
    );
    assert_eq!(shop.count("select refunds_minor from {s}.payments").await, 0);
}
