//! When Stripe refuses us, knows nothing, or says nothing at all: a person is told, reading rests, and
//! no good payment waits for a bad one. // G2, C1

use orders_proof::world;

use orders_sandbox::StripeFaults;
use orders_sandbox::stripe::{Event, Fact};
use orders_store::payment::due;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use world::money::Paying;
use world::worker::Setup;
use world::{Shop, TOTAL, hurried, order};

fn refusals(shop: &Shop) -> usize {
    let lines = shop.partners.world.stripe.ledger();
    lines.iter().filter(|line| matches!(line.event, Event::Unauthorized)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_stripe_refuses_is_told_once_and_reading_rests() {
    let mut options = hurried();
    options.stripe.secret_key = "sk_test_another".into();
    let shop = Shop::with(options).await;
    shop.set("account_pause_ms", "3000").await;
    let ids = shop.paying(60).await;
    let mut worker = shop.child(|_| {});
    let alerts = "select count(*) from {s}.alerts where rule = 'provider_account_wrong' and subject = 'stripe_http_401' and closed_at is null";
    shop.until(&format!("select ({alerts}) = 1")).await;
    // The list of messages is refused as well, once; so at the second pause the payments were read.
    shop.until("select pauses >= 2 from {s}.provider_accounts where provider = 'stripe'").await;
    let first = refusals(&shop);
    assert!(first <= 13, "{first} calls in vain");
    shop.until("select pauses >= 4 from {s}.provider_accounts where provider = 'stripe'").await;
    assert!(refusals(&shop) <= first + 3, "one call tries whether it is over");
    assert_eq!(shop.count(alerts).await, 1);
    assert_eq!(shop.ids("hold_reason = 'awaiting_payment'").await.len(), ids.len());
    worker.signal(rustix::process::Signal::TERM);
    assert!(worker.ended().await.success());
    assert!(worker.said().contains("payments could not be read"), "{}", worker.said());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_that_the_key_lacks_is_told_although_what_nobody_paid_can_be_read() {
    let shop = Shop::fresh().await;
    let stripe = &shop.partners.world.stripe;
    stripe.restrict_key(&["/radar/early_fraud_warnings"]);
    for _ in 0..3 {
        shop.order_paying(Paying::NotYet).await;
    }
    let paid = shop.paying(3).await;
    // Time stands still, and no message tells of a payment: every payment is read once, in one turn,
    // and no later turn is in vain.
    let now = shop.text("select clock_timestamp() + interval '1 day'").await;
    let clock = |time: &str| {
        format!(
            "create or replace function {{s}}.clock_now() returns timestamptz language sql volatile as $$ select {time} $$"
        )
    };
    shop.sql(&clock(&format!("'{now}'::timestamptz"))).await;
    shop.sql("select {s}.move_cursor('stripe_events', {s}.clock_now())").await;
    let worker = shop.worker(Setup::default()).await;
    let alerts = "select concat_ws(' ', subject, runbook like '%rights%') from {s}.alerts";
    shop.until(&format!("select exists ({alerts})")).await;
    shop.until("select count(*) = 3 from {s}.payments where stripe_status is not null").await;
    assert_eq!(shop.texts(alerts).await, ["stripe_http_403 t"], "once, and what is wrong");
    stripe.restrict_key(&[]);
    shop.sql(&clock("clock_timestamp() + interval '1 day'")).await;
    // Nobody reads what has waited for a day before the evening.
    shop.sql("update {s}.payments set next_read_at = {s}.clock_now()").await;
    shop.until("select count(*) = 3 from {s}.orders where status = 'completed'").await;
    worker.stop().await;
    assert_eq!(shop.clean().await.creates, paid.len() as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_may_not_read_the_list_of_messages_is_told_at_the_first_refusal() {
    let shop = Shop::fresh().await;
    shop.partners.world.stripe.restrict_key(&["/events"]);
    // The list is read once an hour here, so one refusal is all there is.
    let worker = shop.worker(Setup::default()).await;
    shop.until("select exists (select from {s}.alerts where subject = 'stripe_http_403')").await;
    worker.stop().await;
    assert_eq!(refusals(&shop), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn money_goes_back_with_a_key_that_may_not_read_disputes_and_warnings() {
    let shop = Shop::fresh().await;
    let orders = shop.cancelled_paid(2).await;
    shop.partners.world.stripe.restrict_key(&["/disputes", "/radar"]);
    let worker = shop.worker(Setup::default()).await;
    let owed =
        "select count(*) = 0 from {s}.money_moves where state not in ('done', 'refused', 'failed')";
    shop.until(owed).await;
    worker.stop().await;
    let intents: Vec<String> = orders.into_iter().map(|(_, intent)| intent).collect();
    shop.refunded_once(&intents).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_that_stripe_does_not_know_is_kept_as_a_finding_beside_others_that_are_paid() {
    let shop = Shop::fresh().await;
    let lost = shop.place().await;
    shop.sql(&format!("select {{s}}.attach_payment('{lost}', 'pi_nobody')")).await;
    let good = shop.paying(3).await;
    let worker = shop.worker(Setup::default()).await;
    shop.until("select count(*) = 3 from {s}.orders where status = 'completed'").await;
    shop.until(
        "select stripe_status = 'not_found' from {s}.payments where payment_intent = 'pi_nobody'",
    )
    .await;
    assert!(worker.stat("unread") >= 1);
    worker.stop().await;
    assert_eq!(shop.of(lost, "hold_reason").await, "awaiting_payment", "nothing is bought");
    assert_eq!(shop.clean().await.creates, good.len() as u64);
    let finding = "select concat_ws(' ', kind, subject, order_id) from {s}.findings";
    assert_eq!(shop.texts(finding).await, [format!("payment_not_found pi_nobody {lost}")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stripe_that_cannot_be_reached_calls_a_person_when_it_lasts() {
    let shop = Shop::fresh().await;
    shop.paying(30).await;
    let mut worker = shop.child(|command| {
        command.env("STRIPE_URL", "http://127.0.0.1:1/v1");
    });
    let alert = "exists (select from {s}.alerts where subject = 'stripe_unreadable')";
    let turns = "(select pauses from {s}.provider_accounts where provider = 'stripe')";
    shop.until(&format!("select {turns} >= 3")).await;
    let early = shop.text(&format!("select {turns} >= 10 or not {alert}")).await;
    assert_eq!(early, "true", "a few lost answers call nobody");
    shop.until(&format!("select {alert}")).await;
    worker.signal(rustix::process::Signal::TERM);
    assert!(worker.ended().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_that_was_canceled_is_final_told_and_read_no_more() {
    let shop = Shop::fresh().await;
    let id = shop.paying(1).await[0];
    let intent = shop.text("select payment_intent from {s}.payments").await;
    let stripe = &shop.partners.world.stripe;
    assert!(stripe.change(&intent, Fact::Status("canceled".into())));
    let worker = shop.worker(Setup::default()).await;
    shop.until("select next_read_at = 'infinity' from {s}.payments").await;
    worker.stop().await;
    assert_eq!(shop.text("select stripe_status from {s}.payments").await, "canceled");
    assert_eq!(shop.of(id, "hold_reason").await, "payment_canceled");
    let finding = "select concat_ws(' ', kind, subject, order_id) from {s}.findings";
    assert_eq!(shop.texts(finding).await, [format!("payment_canceled {intent} {id}")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn abandoned_checkouts_are_read_ever_more_seldom_and_after_new_ones() {
    let shop = Shop::fresh().await;
    shop.own_clock().await;
    let old = shop.paying(1).await[0];
    for (shift, due_again) in
        [("1 hour", "5 minutes"), ("1 day", "2 hours"), ("1 year", "23 hours")]
    {
        shop.shift(shift).await;
        assert_eq!(due(&shop.app, 10).await.expect("payments").len(), 1, "{shift}");
        let waits = "select next_read_at - {s}.clock_now() from {s}.payments";
        let long = format!("select ({waits}) between interval '{due_again}' and interval '1 day'");
        assert_eq!(shop.text(&long).await, "true", "{shift}: {}", shop.text(waits).await);
    }
    shop.shift("2 years").await;
    let new = shop.paying(1).await[0];
    let first = due(&shop.app, 1).await.expect("payments");
    assert_eq!(first[0].order_id, new);
    assert_eq!(due(&shop.app, 1).await.expect("payments")[0].order_id, old);
}

#[tokio::test(flavor = "multi_thread")]
async fn g2_a_slow_stripe_delays_purchases_and_stops_none_and_a_person_is_told() {
    let shop = Shop::fresh().await;
    shop.set("gate_age_ms", "10000").await;
    let slow = StripeFaults {
        read_slow: 1.0,
        slow_ms: 700,
        faults_per_key_max: 9_999,
        ..StripeFaults::none()
    };
    shop.partners.world.stripe.set_faults(slow).expect("faults");
    // Two calls each, eight at once: reading all of them takes longer than their facts may be old.
    let ids = shop.paying(72).await;
    let worker = shop.worker(Setup::default()).await;
    shop.until_ended().await;
    worker.stop().await;
    shop.bought_once(&ids).await;
    let alerts = "select concat_ws(' ', rule, subject) from {s}.alerts where closed_at is null";
    assert_eq!(shop.texts(alerts).await, ["provider_account_wrong stripe_too_slow"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stripe_that_asks_to_slow_down_is_asked_less_and_every_payment_is_read() {
    let shop = Shop::fresh().await;
    let stripe = &shop.partners.world.stripe;
    let ids = shop.paying(40).await;
    stripe.set_limits(Some(10), None);
    let worker = shop.worker(Setup::default()).await;
    shop.until_ended().await;
    worker.stop().await;
    shop.bought_once(&ids).await;
    let limited = |event: &Event| matches!(event, Event::Limited { .. });
    let in_vain = stripe.ledger().iter().filter(|line| limited(&line.event)).count();
    assert!((1..=100).contains(&in_vain), "{in_vain} calls in vain for 40 payments");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_whose_metadata_no_database_can_store_is_recorded_and_keeps_no_other_waiting() {
    let shop = Shop::fresh().await;
    let bad = shop.place().await;
    let intent = shop.partners.world.stripe.pay(&format!("{bad}\0"), TOTAL, "usd");
    shop.sql(&format!("select {{s}}.attach_payment('{bad}', '{intent}')")).await;
    let good = shop.paying(3).await;
    let worker = shop.worker(Setup::default()).await;
    shop.until(&format!("select hold_reason = 'wrong_order' from {{s}}.orders where id = '{bad}'"))
        .await;
    shop.until("select count(*) = 3 from {s}.orders where status = 'completed'").await;
    assert_eq!(worker.stat("faults"), 0);
    worker.stop().await;
    assert_eq!(shop.clean().await.creates, good.len() as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_comes_before_its_order_is_kept_for_an_hour_and_then_is_none_of_ours() {
    let shop = Shop::fresh().await;
    let stripe = &shop.partners.world.stripe;
    stripe.hold_deliveries(true);
    shop.own_clock().await;
    let engine = shop.prepared(Setup::default()).await.expect("an engine");
    let _endpoint = shop.take_messages(None).await;
    let id = Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0007);
    stripe.pay(&id.to_string(), TOTAL, "usd");
    stripe.pay(&Uuid::from_u128(7).to_string(), TOTAL, "usd");
    shop.deliver_all().await;
    let follow_up = async || {
        while engine.follow_up_events(&CancellationToken::new()).await.expect("a turn").taken > 0 {}
    };
    let verdicts = "select string_agg(distinct state, ' ' order by state) from {s}.inbox where state <> 'ignored'";
    follow_up().await;
    assert_eq!(shop.text(verdicts).await, "new");
    let content = order().to_string();
    let options = format!("{{\"order_id\": \"{id}\"}}");
    shop.as_app(&format!("select {{s}}.place_order('{content}', '{options}') ->> 'order_id'"))
        .await;
    for minutes in [1, 3, 7, 15, 31, 63, 127] {
        shop.shift(&format!("{minutes} minutes")).await;
        follow_up().await;
        assert_eq!(shop.of(id, "payment_status").await, "paid", "{minutes} minutes");
    }
    assert_eq!(shop.text(verdicts).await, "handled unmatched");
    assert_eq!(shop.count("select count(*) from {s}.findings").await, 0);
}
