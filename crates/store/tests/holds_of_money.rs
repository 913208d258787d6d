//! What a hostile reading of the money's way found: every hold is left by somebody, every penny that is
//! owed goes back or is shown, and nothing of it is done twice or for nothing.
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

/// Money that is reserved for the next days, with changes.
async fn reserved(shop: &Shop, id: Uuid, changes: &[(&str, Value)]) -> Value {
    let mut told = shop.reserved(id, 600_000).await;
    for (field, value) in changes {
        told[field] = value.clone();
    }
    told
}

async fn hold(shop: &Shop, order: Uuid) -> String {
    shop.text(&format!("select concat_ws(' ', status, hold_reason, payment_status) from orders where id = '{order}'")).await
}

async fn open_findings(shop: &Shop, order: Uuid) -> String {
    shop.text(&format!(
        "select coalesce(string_agg(kind, ' ' order by kind), '') from findings where order_id = '{order}' and closed_at is null"
    ))
    .await
}

#[tokio::test]
async fn window_b10_a_payment_that_comes_for_an_ended_order_is_tied_and_goes_back() {
    let shop = Shop::fresh().await;
    let id = shop.unpaid("1").await;
    shop.told(&[with(id, "status", json!("canceled"))]).await;
    shop.sql(&format!("select cancel_order('{id}')")).await;
    assert_eq!(hold(&shop, id).await, "cancelled unpaid", "an end has no hold");
    assert_eq!(open_findings(&shop, id).await, "");
    assert_eq!(shop.text(&format!("select adopt_payment('t', 'pi_late', '{id}')")).await, "tied");
    shop.told(&[with(id, "payment_intent", json!("pi_late"))]).await;
    assert_eq!(shop.moves(id).await, "refund 1530 paid_after_end open");
    shop.verify().await;
}

#[tokio::test]
async fn a_refund_that_is_owed_while_stripe_cannot_find_the_payment_is_shown_and_made_later() {
    let shop = Shop::fresh().await;
    shop.own_clock().await;
    let id = shop.paid("1").await;
    // As with a key of another account.
    shop.told(&[json!({"payment_intent": format!("pi_{}", id.simple()), "order_id": id, "status": "not_found"})]).await;
    assert_eq!(hold(&shop, id).await, "pending payment_undone paid");
    shop.sql(&format!("select cancel_order('{id}')")).await;
    assert_eq!(open_findings(&shop, id).await, "refund_owed");
    shop.shift("9 days").await;
    assert_eq!(shop.text("select count(*) from due_payments(10)").await, "1", "it is read on");
    shop.told(&[facts(id)]).await;
    assert_eq!(shop.moves(id).await, "refund 1530 order_ended open");
    shop.verify().await;
}

#[tokio::test]
async fn money_that_waits_for_its_capture_is_captured_after_every_hold_that_ends() {
    let shop = Shop::fresh().await;
    for (number, changes) in [
        ("review", [("in_review", json!(true))]),
        ("warning", [("warned", json!(true))]),
        ("named", [("named_order", Value::Null)]),
    ] {
        let id = shop.unpaid(number).await;
        shop.told(&[reserved(&shop, id, &changes).await]).await;
        assert_eq!(shop.moves(id).await, "", "{number}: not while it is held");
        let later = if number == "warning" { &changes[..] } else { &[] };
        if number != "warning" {
            shop.told(&[reserved(&shop, id, later).await]).await;
        }
        if number != "named" {
            let released = shop.text(&format!("select release_hold('{id}') ->> 'success'")).await;
            assert_eq!(released, "true", "{number}");
            shop.told(&[reserved(&shop, id, later).await]).await;
        }
        assert_eq!(hold(&shop, id).await, "pending awaiting_payment unpaid", "{number}");
        assert_eq!(shop.moves(id).await, "capture 1530 payment_authorised open", "{number}");
    }
    shop.verify().await;
}

#[tokio::test]
async fn a_capture_that_was_refused_is_not_tried_again_without_a_person() {
    let shop = Shop::fresh().await;
    let id = shop.unpaid("1").await;
    let told = reserved(&shop, id, &[]).await;
    shop.told(std::slice::from_ref(&told)).await;
    let token = Uuid::from_u128(1);
    shop.sql(&format!("select * from lease_moves('t', '{token}', 60000, 1)")).await;
    let refuse = format!(
        "select record_move('t', '{token}', (select id from money_moves), 'refused', 'card_declined', null, null, 0)"
    );
    assert_eq!(shop.text(&refuse).await, "recorded");
    for _ in 0..3 {
        shop.told(std::slice::from_ref(&told)).await;
    }
    assert_eq!(shop.moves(id).await, "capture 1530 payment_authorised refused");
    assert_eq!(open_findings(&shop, id).await, "capture_refused");
    let move_id = shop.text("select id from money_moves").await;
    let again = format!(
        "select decide_move('{move_id}', 'again', 1530, 'the bank says yes now') ->> 'success'"
    );
    assert_eq!(shop.text(&again).await, "true");
    assert_eq!(
        shop.text("select string_agg(state, ' ' order by state) from money_moves").await,
        "open refused"
    );
    assert_eq!(open_findings(&shop, id).await, "");
    shop.verify().await;
}

#[tokio::test]
async fn window_c5_a_wish_to_cancel_is_fulfilled_when_the_call_was_never_sent() {
    let shop = Shop::fresh().await;
    let (id, token) = shop.submitting("1", 60_000).await;
    shop.sql(&format!("select cancel_order('{id}')")).await;
    assert_eq!(shop.setback(id, token, &shop::Setback::RELEASED).await.unwrap(), "recorded");
    assert_eq!(hold(&shop, id).await, "cancelled refund_pending");
    assert_eq!(shop.moves(id).await, "refund 1530 order_ended open");
    assert_eq!(shop.text("select settled_by from order_attempts").await, "never_sent");
    assert_eq!(open_findings(&shop, id).await, "");
    shop.verify().await;
}

#[tokio::test]
async fn window_c5_a_person_who_finds_nothing_bought_fulfils_the_wish_to_cancel() {
    let shop = Shop::fresh().await;
    shop.own_clock().await;
    let (id, token) = shop.submitting("1", 60_000).await;
    shop.sql(&format!("select cancel_order('{id}')")).await;
    shop.setback(id, token, &shop::Setback::REVIEW).await.unwrap();
    shop.shift("1 hour").await;
    let decide = |word: &str| {
        format!("select resolve_review('{id}', '{word}', 'their support says so') ->> 'success'")
    };
    assert_eq!(shop.text(&decide("buy_again")).await, "false");
    assert_eq!(shop.text(&decide("nothing_was_bought")).await, "true");
    assert_eq!(hold(&shop, id).await, "cancelled refund_pending");
    assert_eq!(shop.moves(id).await, "refund 1530 order_ended open");
    shop.verify().await;
}

#[tokio::test]
async fn nothing_is_bought_while_the_cancellation_of_its_reserved_money_may_be_on_its_way() {
    let shop = Shop::fresh().await;
    shop.own_clock().await;
    shop.sql("update settings set value = '3600' where name = 'expire_unpaid_after_s'").await;
    let id = shop.reserving("1").await;
    shop.shift("2 hours").await;
    shop.sql("select expire_unpaid('t', 10)").await;
    let token = Uuid::from_u128(1);
    shop.sql(&format!("select * from lease_moves('t', '{token}', 60000, 1)")).await;
    let commit = format!(
        "select count(*) from commit_move('{token}', (select id from money_moves), '/c', 'x', false, 1000, 82800000)"
    );
    assert_eq!(shop.text(&commit).await, "1");
    shop.told(&[reserved(&shop, id, &[]).await]).await;
    assert_eq!(hold(&shop, id).await, "pending authorized");
    let claimable = "select count(*) from lock_due_orders('zinc_v1', 10)";
    assert_eq!(shop.text(claimable).await, "0", "the money may be released any moment");
    let refuse = format!(
        "select record_move('t', '{token}', (select id from money_moves), 'refused', 'not_wanted', null, null, 0)"
    );
    assert_eq!(shop.text(&refuse).await, "recorded");
    shop.told(&[reserved(&shop, id, &[]).await]).await;
    assert_eq!(shop.text(claimable).await, "1");
}

#[tokio::test]
async fn window_b10_what_is_reserved_or_under_way_does_not_expire_and_a_late_payment_has_its_time()
{
    let shop = Shop::fresh().await;
    shop.own_clock().await;
    shop.sql("update settings set value = '3600' where name = 'expire_unpaid_after_s'").await;
    let (held, slow, other) =
        (shop.unpaid("1").await, shop.unpaid("2").await, shop.unpaid("3").await);
    let late = shop.place("4").await;
    shop.shift("59 minutes").await;
    shop.sql(&format!("select attach_payment('{late}', 'pi_{}')", late.simple())).await;
    shop.shift("61 minutes").await;
    shop.told(&[
        reserved(&shop, held, &[]).await,
        with(slow, "status", json!("processing")),
        with(other, "named_order", json!("another shop")),
    ])
    .await;
    assert_eq!(shop.text("select expire_unpaid('t', 10)").await, "0");
    for id in [slow, other, late] {
        assert_eq!(shop.moves(id).await, "");
    }
    assert_eq!(shop.moves(held).await, "capture 1530 payment_authorised open");
}

#[tokio::test]
async fn g35_a_refund_in_small_parts_or_by_a_cancelled_order_needs_a_second_person_all_the_same() {
    let shop = Shop::fresh().await;
    shop.own_clock().await;
    shop.sql("update settings set value = '1000' where name = 'two_persons_above_minor'").await;
    let (early, split) = (shop.unpaid("1").await, shop.paid("2").await);
    shop.sql(&format!("select cancel_order('{early}', 'r', '{{\"actor\": \"ada\"}}')")).await;
    shop.told(&[facts(early)]).await;
    assert!(shop.moves(early).await.ends_with("refund 1530 paid_after_end awaiting_approval"));
    shop.sql(&format!("select manually_complete_order('{split}', 'by-hand', 'bought')")).await;
    let refund = |reason: &str| {
        format!(
            "select refund_order('{split}', 600, '{reason}', '{{\"actor\": \"ada\"}}') ->> 'state'"
        )
    };
    assert_eq!(shop.text(&refund("a part")).await, "open");
    let token = Uuid::from_u128(1);
    shop.sql(&format!("select * from lease_moves('t', '{token}', 60000, 5)")).await;
    let done = format!(
        "select record_move('t', '{token}', (select id from money_moves where order_id = '{split}'), 'done', null, 're_1', 'succeeded', 0)"
    );
    assert_eq!(shop.text(&done).await, "recorded");
    let second = shop.text(&refund("the other part")).await;
    assert_eq!(second, "awaiting_approval", "the second part makes it too much");
    assert_eq!(open_findings(&shop, split).await, "bought_outside refund_awaits_approval");
    shop.shift("25 hours").await;
    shop.sql("select plan_captures('t', 10)").await;
    assert!(shop.moves(split).await.ends_with("refund 600 person withdrawn"));
    assert_eq!(open_findings(&shop, early).await, "refund_owed", "and it is owed still");
    shop.verify().await;
}

#[tokio::test]
async fn a_disputed_payment_is_returned_by_no_machine() {
    let shop = Shop::fresh().await;
    let id = shop.paid("1").await;
    shop.told(&[with(id, "dispute", json!("open"))]).await;
    shop.sql(&format!("select cancel_order('{id}')")).await;
    assert_eq!(shop.moves(id).await, "");
    assert_eq!(open_findings(&shop, id).await, "disputed_and_ended");
    let refund = format!("select refund_order('{id}', null, 'please') ->> 'code'");
    assert_eq!(shop.text(&refund).await, "payment_disputed");
}

#[tokio::test]
async fn a_submission_whose_payment_is_right_again_goes_on_at_once() {
    let shop = Shop::fresh().await;
    shop.own_clock().await;
    let (id, _) = shop.submitting("1", 30_000).await;
    shop.told(&[with(id, "named_order", Value::Null)]).await;
    shop.shift("3 minutes").await;
    shop.sql("select recover_stuck_orders(0)").await;
    shop.told(&[facts(id)]).await;
    assert_eq!(hold(&shop, id).await, "submitting paid");
    let due = "select due_at <= clock_now() from orders";
    assert_eq!(shop.text(due).await, "true", "not at the death of its key");
    assert_eq!(shop.text("select count(*) from lock_due_orders('zinc_v1', 10)").await, "1");
    shop.verify().await;
}

#[tokio::test]
async fn a_payment_that_lapsed_or_was_mistyped_can_be_replaced() {
    let shop = Shop::fresh().await;
    let (lapsed, mistyped) = (shop.reserving("1").await, shop.unpaid("2").await);
    shop.told(&[reserved(&shop, lapsed, &[]).await]).await;
    shop.told(&[with(lapsed, "status", json!("canceled"))]).await;
    assert_eq!(hold(&shop, lapsed).await, "pending payment_canceled failed");
    shop.told(&[json!({"payment_intent": format!("pi_{}", mistyped.simple()), "order_id": mistyped, "status": "not_found"})]).await;
    for id in [lapsed, mistyped] {
        let answer = shop
            .text(&format!("select attach_payment('{id}', 'pi_new{}') ->> 'success'", id.simple()))
            .await;
        assert_eq!(answer, "true");
        assert_eq!(hold(&shop, id).await, "pending awaiting_payment unpaid");
        assert_eq!(
            open_findings(&shop, id).await,
            if id == lapsed { "" } else { "payment_not_found" }
        );
        shop.told(&[with(id, "payment_intent", json!(format!("pi_new{}", id.simple())))]).await;
        assert_eq!(hold(&shop, id).await, "pending paid");
    }
    shop.verify().await;
}

#[tokio::test]
async fn what_cannot_be_tried_again_is_refused_and_stays_in_sight() {
    let shop = Shop::fresh().await;
    let id = shop.unpaid("1").await;
    shop.told(&[reserved(&shop, id, &[]).await]).await;
    let token = Uuid::from_u128(1);
    shop.sql(&format!("select * from lease_moves('t', '{token}', 60000, 1)")).await;
    shop.sql(&format!("select record_move('t', '{token}', (select id from money_moves), 'refused', 'x', null, null, 0)")).await;
    shop.told(&[reserved(&shop, id, &[("named_order", json!("another"))]).await]).await;
    let seen = open_findings(&shop, id).await;
    assert!(seen.contains("capture_refused"), "{seen}");
    let again = "select a ->> 'code' from (select decide_move(id, 'again', 1530) as a from money_moves where state = 'refused') as d";
    assert_eq!(shop.text(again).await, "names_another_order");
    assert_eq!(open_findings(&shop, id).await, seen);
    shop.told(&[reserved(&shop, id, &[]).await]).await;
    let again = "select concat_ws(' ', a ->> 'success', a ->> 'duplicate', a ->> 'state') from (select decide_move(id, 'again', 1530) as a from money_moves where state = 'refused') as d";
    assert_eq!(shop.text(again).await, "true false open");
    assert_eq!(shop.text(again).await, "true true open", "it is under way already");
}

#[tokio::test]
async fn d3_an_edit_of_a_movement_of_money_is_found() {
    for edit in [
        "amount_minor = 1",
        "kind = 'capture'",
        "state = 'done', settled_at = now(), due_at = null",
        "approved_by = 'eve'",
    ] {
        let shop = Shop::fresh().await;
        let id = shop.paid("1").await;
        shop.sql(&format!("select cancel_order('{id}')")).await;
        shop.verify().await;
        shop.sql("alter table money_moves disable trigger user").await;
        shop.sql(&format!("update money_moves set {edit}")).await;
        let found = shop.text("select string_agg(distinct rule, ' ') from verify_orders(null, 100) where rule is not null").await;
        // The sum of the refunds, kept at the payment, shows the first two as well.
        assert!(["money", "money payment"].contains(&found.as_str()), "{edit}: {found}");
    }
}

#[tokio::test]
async fn g29_money_reserved_late_for_an_order_that_a_person_completed_is_captured_once() {
    let shop = Shop::fresh().await;
    let id = shop.unpaid("1").await;
    shop.sql(&format!("select manually_complete_order('{id}', 'by-hand', 'bought in a shop')"))
        .await;
    assert_eq!(hold(&shop, id).await, "completed unpaid");
    shop.told(&[reserved(&shop, id, &[]).await]).await;
    assert_eq!(hold(&shop, id).await, "completed authorized");
    // Read once more before it is captured: nothing is wrong with it.
    shop.told(&[reserved(&shop, id, &[]).await]).await;
    for planned in ["1", "0"] {
        assert_eq!(shop.text("select plan_captures('t', 10)").await, planned);
    }
    assert_eq!(shop.moves(id).await, "capture 1530 goods_bought open");
    shop.told(&[facts(id)]).await;
    assert_eq!(hold(&shop, id).await, "completed paid");
    assert_eq!(open_findings(&shop, id).await, "bought_outside");
    shop.verify().await;
}
