//! The history: gapless, chained, equal to the row; every tampering is found by name. // G11, G12, D3
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests may fail by panic, like the tests"
)]

mod shop;

use orders_store::verify;
use shop::{Setback, Shop};
use uuid::Uuid;

/// A shop with one order that has lived through much, and another that has not.
async fn lived() -> (Shop, Uuid) {
    let shop = Shop::fresh().await;
    let (id, token) = shop.submitting("1", 60_000).await;
    shop.setback(id, token, &Setback::REFUSED).await.unwrap();
    shop.sql(&format!(
        "select hold_order('{id}', 'operator', '{{\"actor\": \"Zoë\"}}'), release_hold('{id}')"
    ))
    .await;
    let token = shop.claim(id, 60_000).await;
    shop.accept(id, token, "req-1").await;
    shop.complete(id, "req-1", "delivered", "completed").await;
    shop.paid("2").await;
    shop.verify().await;
    (shop, id)
}

#[tokio::test]
async fn a_life_is_gapless_and_chained_and_folds_to_its_row() {
    let (shop, id) = lived().await;
    let gapless = format!(
        "select bool_and(seq = n and status_before = coalesce(former, 'new')) from (
           select seq, status_before, row_number() over (order by seq) as n, lag(status_after) over (order by seq) as former
             from order_events where order_id = '{id}') as e"
    );
    assert_eq!(shop.text(&gapless).await, "true");
    let chained = format!(
        "select bool_and(hash = sha256(coalesce(former, '') || uuid_send(order_id) || int8send(seq) || timestamptz_send(at)
           || convert_to(concat_ws(E'\\x1f', kind, status_before, status_after, actor, actor_source, data::text), 'UTF8'))) from (
           select *, lag(hash) over (order by seq) as former from order_events where order_id = '{id}') as e"
    );
    assert_eq!(shop.text(&chained).await, "true", "the chain can be checked without our functions");
    let folded = format!(
        "select jsonb_object_agg(s.key, s.value order by e.seq) from order_events as e cross join lateral jsonb_each(e.data -> 'set') as s
          where e.order_id = '{id}'"
    );
    let row = format!(
        "select (({folded}) || '{{}}') = jsonb_build_object('order_number', order_number, 'retailer', retailer, 'currency', currency,
           'goods_minor', goods_minor, 'total_minor', total_minor, 'price_cap_minor', price_cap_minor, 'generation', generation,
           'zinc_request_id', zinc_request_id, 'zinc_status', zinc_status, 'hold_reason', hold_reason,
           'payment_status', payment_status, 'capture_when', capture_when, 'content_digest', encode(content_digest, 'hex')) from orders where id = '{id}'"
    );
    assert_eq!(shop.text(&row).await, "true", "{}", shop.text(&folded).await);
}

#[tokio::test]
async fn every_change_says_who_why_and_when() {
    let (shop, id) = lived().await;
    let kinds = shop
        .text(&format!("select string_agg(kind || ' ' || actor, ', ' order by seq) from order_events where order_id = '{id}'"))
        .await;
    assert_eq!(
        kinds,
        "order_placed public_orders_app, payment_confirmed engine/t, purchase_opened engine/t, purchase_refused engine/t, \
         order_held Zoë, hold_released postgres, purchase_opened engine/t, purchase_accepted engine/t, \
         retailer_order_placed public_orders_app, order_completed public_orders_app"
    );
}

#[tokio::test]
async fn a_hash_does_not_depend_on_the_callers_encoding() {
    let shop = Shop::fresh().await;
    let id = shop.paid("1").await;
    shop.sql(&format!(
        "do $$ begin perform set_config('client_encoding', 'LATIN1', true);
           perform hold_order('{id}', 'operator', '{{\"actor\": \"Zoë\", \"note\": \"größer\"}}');
           perform set_config('client_encoding', 'UTF8', true); end $$"
    ))
    .await;
    shop.verify().await;
}

/// Tampers by force in a transaction, demands that the rule is named for the order and for no
/// other, and rolls back.
async fn found(shop: &Shop, id: Uuid, tampering: &str, rule: &str) {
    let force = shop.session("postgres").await;
    let begin = format!("begin; set local session_replication_role = replica; {tampering}");
    force.batch_execute(&begin).await.unwrap_or_else(|error| panic!("{tampering}: {error}"));
    let sql = "select distinct order_id, rule from verify_orders(null, 100) where rule is not null";
    let rows = force.query(sql, &[]).await.unwrap();
    force.batch_execute("rollback").await.unwrap();
    let broken: Vec<(Uuid, String)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    assert!(broken.contains(&(id, rule.to_owned())), "{tampering}: {rule} is not among {broken:?}");
    assert!(broken.iter().all(|(order, _)| *order == id), "{tampering}: {broken:?}");
    shop.verify().await;
}

#[tokio::test]
async fn window_d3_deleted_added_and_swapped_events_are_found() {
    let (shop, id) = lived().await;
    let of = format!("where order_id = '{id}'");
    for (tampering, rule) in [
        (format!("delete from order_events {of} and seq = 4"), "gap"),
        (format!("delete from order_events {of} and seq = 1"), "gap"),
        (format!("delete from order_events {of} and seq = 10"), "head"),
        (format!("delete from order_events {of}"), "head"),
        (
            format!(
                "update order_events set seq = 11 - seq + 100 {of} and seq in (5, 6); update order_events set seq = seq - 100 {of} and seq > 100"
            ),
            "hash",
        ),
        (
            format!(
                "insert into order_events select order_id, 11, at, kind, status_after, status_after, actor, actor_source, '{{}}', hash from order_events {of} and seq = 10"
            ),
            "hash",
        ),
        (
            format!(
                "delete from order_items {of}; delete from order_private {of}; delete from orders where id = '{id}'"
            ),
            "order_missing",
        ),
    ] {
        found(&shop, id, &tampering, rule).await;
    }
}

#[tokio::test]
async fn window_d3_edited_lines_addresses_and_attempts_are_found() {
    // Column by column: tests/tampering.rs. Here, what is right by itself.
    let (shop, id) = lived().await;
    let of = format!("where order_id = '{id}'");
    let one = format!("{of} and generation = 1");
    for (tampering, rule) in [
        (format!("update order_items set quantity = 1, unit_price_minor = 1530 {of}"), "lines"),
        (
            format!(
                "update order_attempts set request_body = 'edited', request_digest = sha256('edited') {one}"
            ),
            "attempts",
        ),
        (format!("delete from order_attempts {one}"), "attempts"),
        (
            format!(
                "update order_attempts set settled_at = null, settled_by = null, outcome = 'unknown' {of} and generation = 2"
            ),
            "unsettled",
        ),
    ] {
        found(&shop, id, &tampering, rule).await;
    }
}

#[tokio::test]
async fn a_status_past_the_edges_is_found_even_when_its_chain_is_right() {
    let (shop, id) = lived().await;
    let forged = format!(
        "insert into order_events select o.id, o.version + 1, now(), 'forged', 'completed', 'pending', 'x', 'login', '{{\"set\": {{}}}}',
           event_hash(o.head, o.id, o.version + 1, now(), 'forged', 'completed', 'pending', 'x', 'login', '{{\"set\": {{}}}}')
           from orders as o where o.id = '{id}'"
    );
    found(&shop, id, &forged, "edge").await;
}

#[tokio::test]
async fn pages_cover_every_order_once() {
    let shop = Shop::fresh().await;
    for number in 0..7 {
        shop.paid(&number.to_string()).await;
    }
    let (mut after, mut orders, mut events) = (None, 0, 0);
    for _ in 0..4 {
        let page = verify::page(&shop.app, after, 3).await.unwrap();
        assert!(page.broken.is_empty());
        (orders, events, after) = (orders + page.orders, events + page.events, page.last.or(after));
    }
    assert_eq!((orders, events), (7, 14));
}
