//! What Stripe and the provider tell: recorded once, in any order, and never believed too much.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests may fail by panic, like the tests"
)]

mod shop;

use shop::Shop;
use std::sync::Arc;
use uuid::Uuid;

/// One payment as Stripe would tell it, with changes; gives the result's word.
async fn read(shop: &Shop, id: Uuid, change: (&str, &str)) -> String {
    let mut facts = vec![
        ("live", "false".to_owned()),
        ("intent", format!("'pi_{}'", id.simple())),
        ("order", format!("'{id}'::uuid")),
        ("status", "'succeeded'".into()),
        ("received", "1530::bigint".into()),
        ("currency", "'GBP'".into()),
        ("livemode", "false".into()),
        ("named", format!("'{id}'")),
        ("spoiled", "false".into()),
    ];
    for fact in &mut facts {
        if fact.0 == change.0 {
            change.1.clone_into(&mut fact.1);
        }
    }
    let list: Vec<String> = facts[1..].iter().map(|(_, value)| format!("array[{value}]")).collect();
    shop.text(&format!(
        "select string_agg(result, ' ') from record_payments('t', {}, {})",
        facts[0].1,
        list.join(", ")
    ))
    .await
}

async fn unpaid(shop: &Shop, number: &str) -> Uuid {
    let id = shop.place(number).await;
    shop.sql(&format!("select attach_payment('{id}', 'pi_{}')", id.simple())).await;
    id
}

#[tokio::test]
async fn window_c1_each_single_deviation_of_a_payment_blocks_the_purchase() {
    let shop = Shop::fresh().await;
    let changes = [
        ("live", "true"),
        ("received", "1529::bigint"),
        ("received", "1531::bigint"),
        ("received", "null::bigint"),
        ("currency", "'USD'"),
        ("currency", "null::text"),
        ("livemode", "true"),
        ("livemode", "null::boolean"),
        ("named", "'somebody else'"),
        ("named", "null::text"),
        ("spoiled", "true"),
        ("spoiled", "null::boolean"),
    ];
    for (at, change) in changes.into_iter().enumerate() {
        let id = unpaid(&shop, &at.to_string()).await;
        assert_eq!(read(&shop, id, change).await, "mismatch", "{change:?}");
        let row = shop
            .text(&format!(
                "select concat_ws(' ', hold_reason, payment_status) from orders where id = '{id}'"
            ))
            .await;
        assert_eq!(row, "payment_mismatch unpaid", "{change:?}");
        assert_eq!(
            shop.text(&format!("select count(*) from findings where order_id = '{id}'")).await,
            "1"
        );
        let released = shop.text(&format!("select release_hold('{id}') ->> 'code'")).await;
        assert_eq!(released, "payment_decides", "window_c2: no person makes an order paid");
    }
    assert_eq!(shop.text("select count(*) from lock_due_orders('zinc_v1', 100)").await, "0");
    shop.verify().await;
}

#[tokio::test]
async fn window_c3_only_received_money_opens_the_gate() {
    let shop = Shop::fresh().await;
    let id = unpaid(&shop, "1").await;
    for status in ["requires_payment_method", "processing", "requires_capture", "canceled"] {
        assert_eq!(read(&shop, id, ("status", &format!("'{status}'"))).await, "", "{status}");
        assert_eq!(shop.text("select hold_reason from orders").await, "awaiting_payment");
    }
    assert_eq!(read(&shop, id, ("intent", "'pi_of_nobody'")).await, "");
    assert_eq!(read(&shop, id, ("", "")).await, "paid");
    let before = shop.text("select version from orders").await;
    assert_eq!(read(&shop, id, ("", "")).await, "", "the same again changes nothing");
    assert_eq!(
        read(&shop, id, ("status", "'canceled'")).await,
        "",
        "window_c10: nor does an older word"
    );
    assert_eq!(shop.text("select version from orders").await, before);
}

#[tokio::test]
async fn a_payment_of_another_order_or_named_twice_is_counted_once_for_its_own() {
    let shop = Shop::fresh().await;
    let (a, b) = (unpaid(&shop, "1").await, unpaid(&shop, "2").await);
    assert_eq!(read(&shop, a, ("intent", &format!("'pi_{}'", b.simple()))).await, "");
    assert_eq!(
        shop.text("select count(*) from payments where read_at is not null").await,
        "0",
        "nothing is stored for a wrong pair"
    );
    let twice = format!(
        "select string_agg(result, ' ') from record_payments('t', false, array['pi_{0}', 'pi_{0}'], array['{1}', '{1}']::uuid[],
           array['succeeded', 'succeeded'], array[1530, 1530], array['GBP', 'GBP'], array[false, false], array['{1}', '{1}'], array[false, false])",
        a.simple(), a
    );
    assert_eq!(shop.text(&twice).await, "paid");
    shop.verify().await;
}

#[tokio::test]
async fn two_recorders_of_the_same_payments_in_opposite_order_do_not_embrace() {
    let shop = Arc::new(Shop::fresh().await);
    let mut ids = Vec::new();
    for number in 0..20 {
        ids.push(unpaid(&shop, &number.to_string()).await);
    }
    let mut recorders = tokio::task::JoinSet::new();
    for recorder in 0..6_usize {
        let (shop, mut ids) = (shop.clone(), ids.clone());
        ids.rotate_left(recorder * 3);
        if !recorder.is_multiple_of(2) {
            ids.reverse();
        }
        recorders.spawn(async move {
            let session = shop.session("public_orders_app").await;
            let uuids: Vec<String> = ids.iter().map(|id| format!("'{id}'")).collect();
            let intents: Vec<String> = ids.iter().map(|id| format!("'pi_{}'", id.simple())).collect();
            let fill = |value: &str| format!("array_fill({value}, array[20])");
            let sql = format!(
                "select from record_payments('t', false, array[{}], array[{}]::uuid[], {}, {}, {}, {}, array[{}], {})",
                intents.join(","), uuids.join(","), fill("'succeeded'::text"), fill("1530::bigint"), fill("'GBP'::text"),
                fill("false"), uuids.join(","), fill("false")
            );
            let mut paid = 0;
            for _ in 0..10 {
                // No retry here: an error would be a deadlock.
                paid += session.query(&sql, &[]).await.unwrap().len();
            }
            paid
        });
    }
    assert_eq!(recorders.join_all().await.into_iter().sum::<usize>(), 20, "each is paid once");
    shop.verify().await;
}

#[tokio::test]
async fn due_payments_are_given_to_one_reader_and_come_again_later() {
    let shop = Shop::fresh().await;
    shop.own_clock().await;
    unpaid(&shop, "1").await;
    let due = "select count(*) from due_payments(10)";
    assert_eq!(shop.text(due).await, "1");
    assert_eq!(shop.text(due).await, "0");
    shop.shift("6 seconds").await;
    assert_eq!(shop.text(due).await, "1");
    shop.shift("1 hour").await;
    assert_eq!(shop.text(due).await, "1");
}

/// A reading of an accepted order; gives the result's word.
async fn reading(
    shop: &Shop,
    id: Uuid,
    version: i64,
    after: &str,
    settlement: &str,
) -> Result<String, orders_store::Error> {
    let sql = format!(
        "select result from record_readings('t', array['{id}'::uuid], array[{version}::bigint], array['told'], array['{after}'], array['word'],
           array[1400::bigint], array[{settlement}]::text[], array['why'], array[null::text], array[1000::bigint], array['{{}}'::jsonb])"
    );
    shop.app.query("test.reading", &sql, &[]).await.map(|rows| rows[0].get(0))
}

async fn accepted(shop: &Shop, number: &str) -> Uuid {
    let (id, token) = shop.submitting(number, 60_000).await;
    assert_eq!(shop.accept(id, token, &format!("req-{number}")).await, "recorded");
    id
}

#[tokio::test]
async fn window_b9_an_older_reading_never_undoes_a_newer_one() {
    let shop = Shop::fresh().await;
    let id = accepted(&shop, "1").await;
    assert_eq!(reading(&shop, id, 4, "processing", "null").await.unwrap(), "recorded");
    let before = shop.everything(id).await;
    assert_eq!(reading(&shop, id, 4, "needs_review", "null").await.unwrap(), "stale");
    assert_eq!(shop.everything(id).await, before);
    assert_eq!(reading(&shop, id, 5, "completed", "'delivered'").await.unwrap(), "recorded");
    assert_eq!(
        shop.text("select concat_ws(' ', status, cost_minor, zinc_request_id) from orders").await,
        "completed 1400 req-1"
    );
    shop.verify().await;
}

#[tokio::test]
async fn an_order_returns_for_a_new_key_only_when_its_attempt_is_settled() {
    let shop = Shop::fresh().await;
    let id = accepted(&shop, "1").await;
    let before = shop.everything(id).await;
    for (after, settlement) in [
        ("pending", "null"),
        ("failed", "null"),
        ("completed", "null"),
        ("pending", "'delivered'"),
        ("completed", "'provider_final'"),
    ] {
        let error = reading(&shop, id, 4, after, settlement).await.unwrap_err();
        assert!(
            ["PT409", "23514"].contains(&error.sqlstate().unwrap()),
            "{after} {settlement}: {error}"
        );
    }
    assert_eq!(shop.everything(id).await, before);
    assert_eq!(reading(&shop, id, 4, "pending", "'provider_final'").await.unwrap(), "recorded");
    let row = shop.text("select concat_ws(' ', o.status, o.zinc_request_id, a.request_id, a.outcome, a.settled_by) from orders as o join order_attempts as a on a.order_id = o.id").await;
    assert_eq!(
        row, "pending req-1 accepted provider_final",
        "the order forgets the id, the attempt keeps it"
    );
    shop.verify().await;
}

#[tokio::test]
async fn an_unknown_edge_of_one_reading_is_an_error_and_a_doubled_one_is_recorded_once() {
    let shop = Shop::fresh().await;
    let id = accepted(&shop, "1").await;
    let error = reading(&shop, id, 4, "cancelled", "'provider_final'").await.unwrap_err();
    assert_eq!(error.sqlstate(), Some("23514"), "{error}");
    let twice = format!(
        "select string_agg(result, ' ') from record_readings('t', array['{id}', '{id}']::uuid[], array[4, 4], array['a', 'a'],
           array['processing', 'processing'], array['w', 'w'], array[1, 1], array[null, null]::text[], array[null, null]::text[],
           array[null, null]::text[], array[0, 0], array['{{}}', '{{}}']::jsonb[])"
    );
    assert_eq!(shop.text(&twice).await, "recorded recorded");
    assert_eq!(shop.text("select version from orders").await, "5");
    shop.verify().await;
}

#[tokio::test]
async fn due_watches_are_given_to_one_reader_however_old_they_are() {
    let shop = Shop::fresh().await;
    shop.own_clock().await;
    shop.shift("-1 year").await;
    for number in 0..5 {
        accepted(&shop, &number.to_string()).await;
    }
    shop.shift("0").await;
    let due = "select count(*) from due_watches(3)";
    for expected in ["3", "2", "0"] {
        assert_eq!(shop.text(due).await, expected, "window_b6");
    }
    shop.shift("1 hour").await;
    assert_eq!(shop.text(due).await, "3");
}

#[tokio::test]
async fn holds_and_cancellations_do_what_they_say_or_refuse() {
    let shop = Shop::fresh().await;
    let paid = shop.paid("1").await;
    for reason in ["null", "'awaiting_payment'", "'x'"] {
        let error = shop
            .app
            .query("test", &format!("select hold_order('{paid}', {reason})"), &[])
            .await
            .unwrap_err();
        assert_eq!(error.sqlstate(), Some("22023"), "{reason}");
    }
    let word = |call: String| {
        let shop = &shop;
        async move {
            shop.text(&format!("select concat_ws(' ', a ->> 'success', a ->> 'duplicate', a ->> 'code') from {call} as a")).await
        }
    };
    assert_eq!(word(format!("hold_order('{paid}')")).await, "true false");
    assert_eq!(word(format!("hold_order('{paid}')")).await, "true true");
    assert_eq!(word(format!("hold_order('{paid}', 'disputed')")).await, "false cannot_hold");
    assert_eq!(word(format!("release_hold('{paid}')")).await, "true false");
    assert_eq!(word(format!("release_hold('{paid}')")).await, "true true");
    assert_eq!(word(format!("cancel_order('{paid}')")).await, "true false");
    assert_eq!(word(format!("cancel_order('{paid}')")).await, "true true");
    let (sent, token) = shop.submitting("2", 60_000).await;
    assert_eq!(word(format!("cancel_order('{sent}')")).await, "false may_be_bought");
    shop.setback(sent, token, &shop::Setback::REVIEW).await.unwrap();
    assert_eq!(
        word(format!("cancel_order('{sent}')")).await,
        "false may_be_bought",
        "it may exist still"
    );
    let (released, token) = shop.submitting("3", 60_000).await;
    shop.setback(released, token, &shop::Setback::RELEASED).await.unwrap();
    assert_eq!(word(format!("cancel_order('{released}')")).await, "true false");
    shop.verify().await;
}
