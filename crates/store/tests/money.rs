//! Movements of money: intended once, committed first, ended once; never more than was received, and
//! never while something may still be bought for it.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests may fail by panic, like the tests"
)]

mod shop;

use serde_json::json;
use shop::Shop;
use shop::money::with;
use std::sync::Arc;
use uuid::Uuid;

/// What a door answers, as its words.
async fn word(shop: &Shop, call: &str) -> String {
    let answer = format!(
        "select concat_ws(' ', a ->> 'success', a ->> 'duplicate', a ->> 'code', a ->> 'state') from {call} as a"
    );
    shop.text(&answer).await
}

/// A paid order that has ended without goods, with no movement of money yet.
async fn ended(shop: &Shop, number: &str) -> Uuid {
    let id = shop.paid(number).await;
    shop.sql("alter table money_moves disable trigger user").await;
    shop.sql(&format!("select cancel_order('{id}')")).await;
    shop.sql(&format!("delete from money_moves where order_id = '{id}'")).await;
    shop.sql("alter table money_moves enable trigger user").await;
    shop.sql("update payments set refunds_minor = 0").await;
    id
}

/// Runs a statement with the owner's rights, past every door.
async fn as_owner(shop: &Shop, sql: &str) -> Result<bool, String> {
    let session = shop.session("postgres").await;
    session.batch_execute("set role public_orders_owner").await.unwrap();
    let row = session.query_one(sql, &[]).await;
    row.map(|row| row.get(0)).map_err(|error| error.code().unwrap().code().to_owned())
}

/// Leases one move and commits its call; gives its key, or nothing when it was refused.
async fn sent(shop: &Shop, token: Uuid) -> Option<String> {
    let leased = shop.sql(&format!("select id from lease_moves('t', '{token}', 60000, 1)")).await;
    let id: Uuid = leased.first()?.get(0);
    let commit = format!(
        "select key from commit_move('{token}', '{id}', '/refunds', 'x', false, 1000, 82800000)"
    );
    shop.sql(&commit).await.first().map(|row| row.get(0))
}

#[tokio::test]
async fn g28_the_sum_of_refunds_never_exceeds_what_was_received_however_they_race() {
    let shop = Arc::new(Shop::fresh().await);
    let id = ended(&shop, "1").await;
    let mut clicks = tokio::task::JoinSet::new();
    for amount in 0..40_i64 {
        let shop = Arc::clone(&shop);
        clicks.spawn(async move {
            let amount = 400 + amount;
            let plan = format!("select plan_move('{id}', 'pi_{}', 'refund', {amount}, 'person', 'r', 'open', 'p', 'options', now()) is not null", id.simple());
            // Past the door and its lock: the constraint is the last wall.
            loop {
                match as_owner(&shop, &plan).await {
                    Ok(planned) => return i64::from(planned) * amount,
                    // Its order changed meanwhile; a door would have held it.
                    Err(code) => assert_eq!(code, "XX000"),
                }
            }
        });
    }
    let refunded: i64 = clicks.join_all().await.into_iter().sum();
    assert!((1201..=1530).contains(&refunded), "{refunded}");
    let kept = shop.text("select refunds_minor from payments").await;
    assert_eq!(kept, refunded.to_string());
    let forced = shop.admin.query("test", "update payments set refunds_minor = 1531", &[]).await;
    let refused = format!("{:?}", forced.unwrap_err());
    assert!(refused.contains("payments_refunds_within_received"), "{refused}");
}

#[tokio::test]
async fn window_c6_fifty_clicks_intend_one_refund_and_fifty_answers_agree() {
    let shop = Arc::new(Shop::fresh().await);
    let id = ended(&shop, "1").await;
    let mut clicks = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let shop = Arc::clone(&shop);
        clicks.spawn(async move {
            let id = id.to_string();
            let args =
                [("order_uuid", id.as_str(), "uuid"), ("reason_param", "came back broken", "text")];
            shop::call(&shop.app, "refund_order", &args).await.unwrap()
        });
    }
    let answers = clicks.join_all().await;
    let first = answers.iter().filter(|answer| answer["duplicate"] == json!(false)).count();
    assert_eq!(first, 1);
    assert!(answers.iter().all(|answer| answer["move_id"] == answers[0]["move_id"]), "{answers:?}");
    assert_eq!(shop.moves(id).await, "refund 1530 person open");
}

#[tokio::test]
async fn a_refund_in_parts_ends_where_the_money_ends() {
    let shop = Shop::fresh().await;
    let id = ended(&shop, "1").await;
    let refund = |amount: &str| format!("refund_order('{id}', {amount}, 'came back')");
    assert_eq!(word(&shop, &refund("1000")).await, "true false open");
    assert_eq!(word(&shop, &refund("1000")).await, "true true open", "one click too many");
    assert_eq!(word(&shop, &refund("1")).await, "false refund_under_way");
    let token = Uuid::from_u128(7);
    let key = sent(&shop, token).await.unwrap();
    let id_of = "select id from money_moves where state = 'unknown'";
    assert_eq!(key, format!("refund:{}:1", shop.text(id_of).await));
    let done =
        format!("record_move('t', '{token}', ({id_of}), 'done', null, 're_1', 'succeeded', 0)");
    assert_eq!(shop.text(&format!("select {done}")).await, "recorded");
    assert_eq!(word(&shop, &refund("531")).await, "false more_than_is_left");
    assert_eq!(word(&shop, &refund("530")).await, "true false open");
    shop.told(&[with(id, "refunded_minor", json!(1000))]).await;
    assert_eq!(shop.text("select payment_status from orders").await, "refund_pending");
}

#[tokio::test]
async fn g7_no_refund_is_intended_or_sent_while_something_may_be_bought_for_the_money() {
    let shop = Shop::fresh().await;
    let pending = shop.paid("1").await;
    let (sending, token) = shop.submitting("2", 60_000).await;
    let (accepted, other) = shop.submitting("3", 60_000).await;
    shop.accept(accepted, other, "req-3").await;
    for id in [pending, sending, accepted] {
        let answer = word(&shop, &format!("refund_order('{id}', null, 'please')")).await;
        assert_eq!(answer, "false may_be_bought");
        // As if somebody had written one past the door: the call is refused at its commit.
        let plan = format!(
            "select plan_move('{id}', 'pi_{}', 'refund', 1530, 'order_ended', 'r', 'open', 'p', 'options', now()) is not null",
            id.simple()
        );
        assert_eq!(as_owner(&shop, &plan).await, Ok(true));
    }
    for _ in 0..3 {
        assert_eq!(sent(&shop, Uuid::from_u128(9)).await, None);
    }
    assert_eq!(shop.text("select sum(calls) from money_moves").await, "0");
    shop.setback(sending, token, &shop::Setback::REVIEW).await.unwrap();
    assert_eq!(sent(&shop, Uuid::from_u128(10)).await, None, "a person decides, not the refund");
}

#[tokio::test]
async fn window_c5_a_wish_to_cancel_waits_for_the_purchase_and_then_sends_the_money_back() {
    let shop = Shop::fresh().await;
    let (id, token) = shop.submitting("1", 60_000).await;
    let cancel = format!("cancel_order('{id}', 'the customer asked')");
    assert_eq!(word(&shop, &cancel).await, "true false");
    assert_eq!(word(&shop, &cancel).await, "true true");
    assert_eq!((shop.status(id).await.as_str(), shop.moves(id).await.as_str()), ("submitting", ""));
    let shown = "select string_agg(rule, ' ') from alerts where closed_at is null";
    assert_eq!(shop.text(shown).await, "cancel_requested");
    assert_eq!(
        word(&shop, &format!("release_hold('{id}')")).await,
        "true false",
        "or it was a mistake"
    );
    shop.sql(&format!("select {cancel}")).await;
    assert_eq!(shop.setback(id, token, &shop::Setback::REFUSED).await.unwrap(), "recorded");
    assert_eq!(shop.status(id).await, "cancelled", "no new key follows");
    assert_eq!(shop.moves(id).await, "refund 1530 order_ended open");
    assert_eq!(shop.text(shown).await, "", "the wish is fulfilled");
    shop.verify().await;
}

#[tokio::test]
async fn window_c5_a_purchase_that_was_accepted_meanwhile_goes_to_a_person_and_keeps_its_money() {
    let shop = Shop::fresh().await;
    let (id, token) = shop.submitting("1", 60_000).await;
    shop.sql(&format!("select cancel_order('{id}')")).await;
    assert_eq!(shop.accept(id, token, "req-1").await, "recorded");
    assert_eq!(shop.status(id).await, "needs_review");
    assert_eq!(shop.text("select hold_reason from orders").await, "cancel_requested");
    assert_eq!(shop.moves(id).await, "");
    shop.verify().await;
}

#[tokio::test]
async fn g28_a_key_keeps_its_bytes_and_a_new_one_waits_for_the_death_of_the_former() {
    let shop = Shop::fresh().await;
    shop.own_clock().await;
    let id = ended(&shop, "1").await;
    shop.sql(&format!("select refund_order('{id}', null, 'came back')")).await;
    let mut token = 100;
    let mut commit = async |renew: bool, body: &str| {
        token += 1;
        let token = Uuid::from_u128(token);
        let leased =
            shop.sql(&format!("select id from lease_moves('t', '{token}', 60000, 1)")).await;
        let id: Uuid = leased[0].get(0);
        let commit = format!(
            "select key || ' ' || convert_from(body, 'UTF8') from commit_move('{token}', '{id}', '/refunds', '{body}', {renew}, 1000, 82800000)"
        );
        shop.sql(&commit)
            .await
            .first()
            .map(|row| row.get::<_, String>(0).split_off("refund:".len() + 37))
    };
    assert_eq!(commit(false, "a").await.unwrap(), "1 a");
    shop.shift("2 minutes").await;
    assert_eq!(commit(false, "b").await.unwrap(), "1 a", "the stored bytes, whatever is given");
    shop.shift("22 hours").await;
    assert_eq!(commit(true, "c").await, None, "the former key may still bring a refund");
    shop.shift("25 hours").await;
    assert_eq!(commit(false, "d").await, None, "a dead key is never sent again");
    shop.shift("26 hours").await;
    assert_eq!(commit(true, "e").await.unwrap(), "2 a");
    assert_eq!(shop.text("select calls from money_moves").await, "3");
}

#[tokio::test]
async fn a_worker_that_lost_its_lease_neither_sends_nor_records_a_movement_of_money() {
    let shop = Shop::fresh().await;
    shop.own_clock().await;
    let id = ended(&shop, "1").await;
    shop.sql(&format!("select refund_order('{id}', null, 'came back')")).await;
    let (late, quick) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let of = |token: Uuid| format!("select id::text from lease_moves('t', '{token}', 60000, 5)");
    let first = shop.sql(&of(late)).await;
    assert!(shop.sql(&of(quick)).await.is_empty(), "leased");
    shop.shift("61 seconds").await;
    assert_eq!(shop.sql(&of(quick)).await.len(), 1);
    let move_id: String = first[0].get(0);
    let commit = |token: Uuid| {
        format!(
            "select count(*) from commit_move('{token}', '{move_id}', '/refunds', 'x', false, 1000, 82800000)"
        )
    };
    assert_eq!(shop.text(&commit(late)).await, "0");
    assert_eq!(shop.text(&commit(quick)).await, "1");
    let record = |token: Uuid| {
        format!(
            "select record_move('t', '{token}', '{move_id}', 'done', null, 're_1', 'succeeded', 0)"
        )
    };
    assert_eq!(shop.text(&record(late)).await, "stale");
    assert_eq!(shop.text(&record(quick)).await, "recorded");
    assert_eq!(shop.text(&record(quick)).await, "stale", "it has ended");
    let ends = "select count(*) from order_events where kind = 'move_ended'";
    assert_eq!(shop.text(ends).await, "1");
}

#[tokio::test]
async fn g35_a_refund_above_the_limit_waits_for_a_second_person_and_for_nobody_longer_than_a_day() {
    let shop = Shop::fresh().await;
    shop.own_clock().await;
    shop.sql("update settings set value = '1000' where name = 'two_persons_above_minor'").await;
    let id = ended(&shop, "1").await;
    let ask = format!("refund_order('{id}', null, 'came back', '{{\"actor\": \"ada\"}}')");
    assert_eq!(word(&shop, &ask).await, "true false awaiting_approval");
    assert_eq!(sent(&shop, Uuid::from_u128(1)).await, None);
    let move_id = shop.text("select id from money_moves").await;
    let decide = |decision: &str, amount: u32, actor: &str| {
        format!(
            "decide_move('{move_id}', '{decision}', {amount}, 'seen', '{{\"actor\": \"{actor}\"}}')"
        )
    };
    assert_eq!(
        word(&shop, &decide("approve", 1530, "ada")).await,
        "false same_person awaiting_approval"
    );
    assert_eq!(
        word(&shop, &decide("approve", 1529, "bob")).await,
        "false other_amount awaiting_approval"
    );
    shop.shift("25 hours").await;
    assert_eq!(
        word(&shop, &decide("approve", 1530, "bob")).await,
        "false request_too_old awaiting_approval"
    );
    shop.shift("23 hours").await;
    assert_eq!(word(&shop, &decide("approve", 1530, "bob")).await, "true false open");
    assert_eq!(word(&shop, &decide("approve", 1530, "bob")).await, "true true open");
    let said = "select string_agg(kind || ' ' || actor, ', ' order by seq) from order_events where kind like 'move%' and data ->> 'cause' is distinct from 'order_ended'";
    assert_eq!(shop.text(said).await, "move_planned ada, move_approved bob");
    assert!(sent(&shop, Uuid::from_u128(2)).await.is_some());
    assert_eq!(word(&shop, &decide("withdraw", 1530, "bob")).await, "false may_be_sent unknown");
    let forced = shop.admin.query("test", "update money_moves set approved_by = 'ada'", &[]).await;
    assert!(forced.is_err(), "nor past the door");
    // Nothing is wrong but what ended() did: the movement that it took away by force is missed.
    let found = "select string_agg(distinct rule, ' ') from verify_orders(null, 100) where rule is not null";
    assert_eq!(shop.text(found).await, "money");
}

#[tokio::test]
async fn money_is_written_by_functions_only_and_what_was_moved_stays() {
    let shop = Shop::fresh().await;
    let id = ended(&shop, "1").await;
    shop.sql(&format!("select refund_order('{id}', null, 'came back')")).await;
    let token = Uuid::from_u128(3);
    sent(&shop, token).await.unwrap();
    for (role, sql) in [
        ("postgres", "update money_moves set state = 'done', settled_at = now(), due_at = null"),
        ("public_orders_app", "update money_moves set state = 'done'"),
        ("service_role", "insert into money_moves (id) values (gen_random_uuid())"),
        ("service_role", "delete from money_moves"),
    ] {
        shop.login(role).await;
        let session = shop.session(role).await;
        let error = session.batch_execute(sql).await.unwrap_err();
        assert_eq!(error.code().unwrap().code(), "42501", "{role}: {sql}");
    }
    let owner = shop.session("postgres").await;
    owner.batch_execute("set role public_orders_owner").await.unwrap();
    for sql in [
        "update money_moves set amount_minor = 1",
        "update money_moves set body = 'other'",
        "update money_moves set calls = 0",
        "update money_moves set key_dead_at = now() + interval '1 year'",
        "update money_moves set state = 'open'",
        "update money_moves set state = 'withdrawn', settled_at = now(), due_at = null",
        "delete from money_moves",
        "truncate money_moves",
    ] {
        let error = owner.batch_execute(sql).await.unwrap_err();
        assert_eq!(error.code().unwrap().code(), "42501", "{sql}");
    }
}
