//! The gate: nothing is claimed for money that was not read at Stripe a moment ago and found good.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests may fail by panic, like the tests"
)]

mod shop;

use serde_json::{Value, json};
use shop::money::with;
use shop::{Shop, facts};
use uuid::Uuid;

/// A shop whose gate is as strict as a real one, on a clock of its own.
async fn strict() -> Shop {
    let shop = Shop::fresh().await;
    shop.own_clock().await;
    shop.sql("update settings set value = '60000' where name = 'gate_age_ms'").await;
    shop
}

async fn claimable(shop: &Shop) -> String {
    shop.text("select count(*) from lock_due_orders('zinc_v1', 100)").await
}

async fn hold(shop: &Shop, id: Uuid) -> String {
    shop.text(&format!("select coalesce(hold_reason, 'none') || ' ' || payment_status from orders where id = '{id}'")).await
}

#[tokio::test]
async fn g2_facts_older_than_a_minute_buy_nothing_until_they_are_read_again() {
    let shop = strict().await;
    let id = shop.paid("1").await;
    assert_eq!(claimable(&shop).await, "1");
    shop.shift("61 seconds").await;
    assert_eq!(claimable(&shop).await, "0");
    let forced = format!(
        "select count(*) from commit_intents('zinc_v1', 't', gen_random_uuid(), 60000, 30000, 82800000, array['{id}'::uuid],
           array[(select version from orders)], array[1], array[gen_random_uuid()], array['k'], array['{{}}'::bytea], array[sha256('{{}}')])"
    );
    assert_eq!(shop.text(&forced).await, "0", "nor by the second half of the claim alone");
    assert_eq!(shop.text("select count(*) from due_payments(10)").await, "1", "it is read");
    assert_eq!(shop.told(&[facts(id)]).await, "", "the same again changes nothing");
    assert_eq!(claimable(&shop).await, "1");
}

#[tokio::test]
async fn the_head_of_the_queue_is_read_ahead_before_its_facts_are_too_old() {
    let shop = strict().await;
    for number in 0..30 {
        shop.paid(&number.to_string()).await;
    }
    let due = "select count(*) from due_payments(20)";
    assert_eq!(shop.text(due).await, "0", "they were read just now");
    shop.shift("31 seconds").await;
    assert_eq!(claimable(&shop).await, "30", "their facts hold still");
    assert_eq!(shop.text(due).await, "11", "half of a batch for those that may be sent");
    assert_eq!(shop.text(due).await, "11", "others");
}

#[tokio::test]
async fn window_c4_what_happens_to_a_payment_stops_its_purchase_from_that_moment_on() {
    for (at, (field, value, reason, word)) in [
        ("refunded_minor", json!(1), "payment_refunded", "partially_refunded"),
        ("refunded_minor", json!(1530), "payment_refunded", "refunded"),
        ("dispute", json!("open"), "payment_disputed", "disputed"),
        ("in_review", json!(true), "payment_in_review", "paid"),
        ("warned", json!(true), "fraud_warning", "paid"),
        ("status", json!("canceled"), "payment_canceled", "failed"),
        ("status", json!("requires_payment_method"), "payment_undone", "paid"),
        ("received_minor", json!(1), "wrong_amount", "paid"),
    ]
    .into_iter()
    .enumerate()
    {
        let shop = strict().await;
        let id = shop.paid(&at.to_string()).await;
        let event = format!(
            "select receive_event('webhook', 'evt_{at}', 'charge.updated', 'charge', 'ch_1', sha256('{at}'), 'pi_{}', false, 0, null, '{{}}', false, null, true)",
            id.simple()
        );
        assert_eq!(shop.text(&event).await, "new");
        assert_eq!(claimable(&shop).await, "0", "{reason}: from its commit on, whatever it says");
        assert_eq!(shop.text("select count(*) from due_payments(10)").await, "1");
        assert_eq!(shop.told(&[with(id, field, value)]).await, "mismatch");
        assert_eq!(hold(&shop, id).await, format!("{reason} {word}"));
        assert_eq!(shop.text("select string_agg(rule, ' ') from alerts").await, reason);
        assert_eq!(claimable(&shop).await, "0");
        shop.verify().await;
    }
}

#[tokio::test]
async fn window_c10_a_try_that_failed_before_the_success_undoes_nothing() {
    let shop = strict().await;
    let id = shop.paid("1").await;
    let event = format!(
        "select receive_event('webhook', 'evt_1', 'payment_intent.payment_failed', 'payment_intent', 'pi_{0}', sha256('x'), 'pi_{0}', false, 0, null, '{{}}', false, null, true)",
        id.simple()
    );
    assert_eq!(shop.text(&event).await, "new");
    // What is read is what Stripe holds now, whatever the message said.
    assert_eq!(shop.told(&[facts(id)]).await, "");
    assert_eq!(hold(&shop, id).await, "none paid");
    assert_eq!(claimable(&shop).await, "1");
}

#[tokio::test]
async fn a_dispute_that_was_won_is_released_by_a_person_and_one_that_is_open_by_nobody() {
    let shop = strict().await;
    let id = shop.paid("1").await;
    shop.told(&[with(id, "dispute", json!("open"))]).await;
    let release = format!("select release_hold('{id}') ->> 'code'");
    assert_eq!(shop.text(&release).await, "payment_decides");
    assert_eq!(shop.told(&[with(id, "dispute", json!("closed"))]).await, "changed");
    assert_eq!(hold(&shop, id).await, "payment_disputed paid", "a person decides");
    assert_eq!(shop.text(&release).await, "");
    assert_eq!(hold(&shop, id).await, "none paid");
    assert_eq!(claimable(&shop).await, "0", "not before the payment is read again");
    shop.told(&[with(id, "dispute", json!("closed"))]).await;
    assert_eq!(claimable(&shop).await, "1");
    let open = "select count(*) from findings where closed_at is null";
    assert_eq!(shop.text(open).await, "0", "what was found is over");
    shop.verify().await;
}

#[tokio::test]
async fn a_bad_word_about_a_payment_is_followed_up_until_it_is_good_again() {
    let shop = strict().await;
    let id = shop.paid("1").await;
    let reads = "select count(*) from due_payments(10)";
    assert_eq!(shop.text(reads).await, "0");
    let mut gone = facts(id);
    gone["status"] = json!("not_found");
    shop.told(&[gone.clone()]).await;
    assert_eq!(hold(&shop, id).await, "payment_undone paid");
    shop.shift("10 seconds").await;
    assert_eq!(shop.text(reads).await, "1", "the hold says that it is read again");
    shop.shift("1 day").await;
    assert_eq!(shop.text(reads).await, "1");
    assert_eq!(shop.told(&[facts(id)]).await, "paid");
    // While its purchase is under way it is the same.
    shop.claim(id, 60_000).await;
    shop.told(&[gone]).await;
    assert_eq!(shop.status(id).await, "submitting");
    shop.shift("25 hours").await;
    assert_eq!(shop.text(reads).await, "1");
}

#[tokio::test]
async fn a_refund_that_failed_at_stripe_lets_a_person_release_the_hold_and_nothing_else_does() {
    let shop = strict().await;
    let id = shop.paid("1").await;
    shop.told(&[with(id, "refunded_minor", json!(500))]).await;
    assert_eq!(hold(&shop, id).await, "payment_refunded partially_refunded");
    let release = format!("select coalesce(release_hold('{id}') ->> 'code', 'released')");
    assert_eq!(shop.text(&release).await, "payment_decides");
    shop.told(&[facts(id)]).await;
    assert_eq!(hold(&shop, id).await, "payment_refunded paid", "a person decides");
    assert_eq!(shop.text(&release).await, "released");
    assert_eq!(claimable(&shop).await, "0", "not before the payment is read again");
    shop.told(&[facts(id)]).await;
    assert_eq!(claimable(&shop).await, "1");
    shop.verify().await;
}

#[tokio::test]
async fn many_payments_that_cannot_be_read_keep_no_other_order_waiting() {
    let shop = strict().await;
    for number in 0..40 {
        shop.paid(&number.to_string()).await;
    }
    shop.shift("2 minutes").await;
    let good = shop.paid("good").await;
    let one =
        shop.text("select string_agg(id::text, ' ') from lock_due_orders('zinc_v1', 1)").await;
    assert_eq!(one, good.to_string());
}

#[tokio::test]
async fn a_person_may_take_a_warning_upon_himself_and_nothing_else() {
    let shop = strict().await;
    let id = shop.paid("1").await;
    shop.told(&[with(id, "warned", json!(true))]).await;
    assert_eq!(hold(&shop, id).await, "fraud_warning paid");
    assert_eq!(shop.text(&format!("select release_hold('{id}') ->> 'code'")).await, "");
    assert_eq!(claimable(&shop).await, "0", "not before the payment is read again");
    assert_eq!(shop.told(&[with(id, "warned", json!(true))]).await, "");
    assert_eq!(claimable(&shop).await, "1");
    let mut both = with(id, "warned", json!(true));
    both["dispute"] = json!("open");
    assert_eq!(shop.told(&[both]).await, "mismatch");
    shop.verify().await;
}

#[tokio::test]
async fn a_hold_of_a_person_hides_no_deviation() {
    let shop = strict().await;
    let id = shop.paid("1").await;
    shop.sql(&format!("select hold_order('{id}')")).await;
    assert_eq!(shop.told(&[with(id, "refunded_minor", json!(5))]).await, "changed");
    assert_eq!(hold(&shop, id).await, "operator partially_refunded", "the person's hold stands");
    assert_eq!(shop.text(&format!("select release_hold('{id}') ->> 'success'")).await, "true");
    assert_eq!(hold(&shop, id).await, "payment_refunded partially_refunded", "and now it shows");
    assert_eq!(claimable(&shop).await, "0");
    shop.verify().await;
}

#[tokio::test]
async fn window_c3_reserved_money_pays_only_an_order_that_is_captured_later_and_only_in_time() {
    let shop = strict().await;
    let before = shop.place("before").await;
    shop.sql(&format!("select attach_payment('{before}', 'pi_{}')", before.simple())).await;
    let after = shop.reserving("after").await;
    let late = shop.reserving("late").await;
    let bare = shop.reserving("bare").await;
    let mut without = shop.reserved(bare, 0).await;
    without["capture_before"] = Value::Null;
    let told = [
        shop.reserved(before, 600_000).await,
        shop.reserved(after, 600_000).await,
        shop.reserved(late, 3599).await,
        without,
    ];
    shop.told(&told).await;
    assert_eq!(hold(&shop, before).await, "awaiting_payment unpaid", "it is captured first");
    let planned =
        "select string_agg(kind || ' ' || amount_minor || ' ' || cause, ', ') from money_moves";
    assert_eq!(shop.text(planned).await, "capture 1530 payment_authorised");
    assert_eq!(hold(&shop, after).await, "none authorized");
    assert_eq!(hold(&shop, late).await, "authorisation_ending authorized");
    assert_eq!(hold(&shop, bare).await, "authorisation_ending authorized", "nothing is filled in");
    assert_eq!(claimable(&shop).await, "1");
    shop.told(&[with(late, "status", json!("canceled"))]).await;
    assert_eq!(hold(&shop, late).await, "payment_canceled failed");
    shop.verify().await;
}

#[tokio::test]
async fn g29_money_is_captured_once_the_goods_are_taken_and_told_of_before_it_lapses() {
    let shop = strict().await;
    let bought = shop.reserving("1").await;
    let waiting = shop.reserving("2").await;
    let told = [shop.reserved(bought, 600_000).await, shop.reserved(waiting, 600_000).await];
    shop.told(&told).await;
    let sweep = "select plan_captures('t', 10)";
    assert_eq!(shop.text(sweep).await, "0", "nothing is bought yet");
    let token = shop.claim(bought, 60_000).await;
    shop.accept(bought, token, "req-1").await;
    assert_eq!(shop.text(sweep).await, "1");
    assert_eq!(shop.text(sweep).await, "0", "once");
    let planned =
        "select string_agg(kind || ' ' || amount_minor || ' ' || cause, ', ') from money_moves";
    assert_eq!(shop.text(planned).await, "capture 1530 goods_bought");
    let alarms = "select coalesce(string_agg(subject, ' ' order by subject), '') from alerts where rule = 'capture_due'";
    shop.shift("479000 seconds").await;
    shop.sql(sweep).await;
    assert_eq!(shop.text(alarms).await, "");
    shop.shift("480100 seconds").await;
    for _ in 0..2 {
        shop.sql(sweep).await;
    }
    let mut both = [bought, waiting].map(|id| format!("pi_{}", id.simple()));
    both.sort();
    assert_eq!(shop.text(alarms).await, both.join(" "), "four fifths have passed");
    shop.told(&[with(bought, "status", json!("canceled"))]).await;
    let lost = format!(
        "select string_agg(kind, ' ' order by kind) from findings where order_id = '{bought}'"
    );
    assert_eq!(shop.text(&lost).await, "capture_due payment_canceled_after_purchase");
}

#[tokio::test]
async fn what_happens_to_a_payment_after_the_purchase_is_shown_and_stops_nothing() {
    for (at, (field, value, word)) in [
        ("refunded_minor", json!(1530), "payment_refunded"),
        ("dispute", json!("open"), "payment_disputed"),
        ("warned", json!(true), "fraud_warning"),
        ("in_review", json!(true), "payment_in_review"),
        ("status", json!("requires_payment_method"), "payment_undone"),
    ]
    .into_iter()
    .enumerate()
    {
        let shop = strict().await;
        let (id, token) = shop.submitting(&at.to_string(), 60_000).await;
        shop.accept(id, token, "req-1").await;
        for _ in 0..2 {
            shop.told(&[with(id, field, value.clone())]).await;
        }
        assert!(hold(&shop, id).await.starts_with("none "), "{word}");
        let shown = "select string_agg(rule, ' ') from alerts";
        assert_eq!(shop.text(shown).await, format!("{word}_after_purchase"));
        assert_eq!(shop.status(id).await, "submitted_to_zinc");
        assert_eq!(shop.text("select count(*) from money_moves").await, "0", "no machine decides");
        shop.verify().await;
    }
}

#[tokio::test]
async fn a_capture_that_was_refused_keeps_no_other_one_waiting() {
    let shop = strict().await;
    let mut ids = [shop.reserving("1").await, shop.reserving("2").await];
    ids.sort(); // as they are swept
    let told = [shop.reserved(ids[0], 600_000).await, shop.reserved(ids[1], 600_000).await];
    shop.told(&told).await;
    for (number, id) in ids.into_iter().enumerate() {
        let token = shop.claim(id, 60_000).await;
        shop.accept(id, token, &format!("req-{number}")).await;
    }
    for planned in ["1", "1", "0"] {
        assert_eq!(shop.text("select plan_captures('t', 1)").await, planned);
    }
}
