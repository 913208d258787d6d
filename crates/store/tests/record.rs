//! Recording the ends of calls, each behind its own fence. // A4, G5, G6, G13
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests may fail by panic, like the tests"
)]

mod shop;

use orders_store::Error;
use shop::{Setback, Shop};
use uuid::Uuid;

const NOBODY: Uuid = Uuid::from_u128(99);
const CALLS: &str = "select concat_ws(' ', outcome, settled_by, calls, lease_token is null) from order_attempts order by generation desc limit 1";

/// Nothing of a lost lease is recorded; the request id it brings is kept as a finding, once. // A4
async fn all_records_are_stale(shop: &Shop, id: Uuid, token: Uuid) {
    let before = shop.everything(id).await;
    assert_eq!(shop.accept(id, token, "req-1").await, "stale");
    for words in [Setback::UNKNOWN, Setback::REFUSED, Setback::RELEASED, Setback::REVIEW] {
        assert_eq!(shop.setback(id, token, &words).await.unwrap(), "stale", "{}", words.kind);
    }
    let renewed = shop
        .text(&format!(
            "select count(*) from renew_leases(array['{id}'::uuid], array['{token}'::uuid], 60000)"
        ))
        .await;
    assert_eq!(renewed, "0");
    assert_eq!(shop.everything(id).await, before);
    let kept = "select string_agg(concat_ws(' ', f.kind, f.subject, a.rule), ',') from findings as f
                  join alerts as a on a.order_id = f.order_id and a.rule = f.kind and a.subject = f.subject";
    assert_eq!(shop.text(kept).await, "request_id_late req-1 request_id_late");
}

#[tokio::test]
async fn window_a4_a_wrong_token_changes_nothing() {
    let shop = Shop::fresh().await;
    let (id, _) = shop.submitting("1", 60_000).await;
    all_records_are_stale(&shop, id, NOBODY).await;
}

#[tokio::test]
async fn a_paused_worker_cannot_record_after_its_lease() {
    let shop = Shop::fresh().await;
    shop.own_clock().await;
    let (id, token) = shop.submitting("1", 60_000).await;
    shop.shift("61 seconds").await;
    all_records_are_stale(&shop, id, token).await;
}

#[tokio::test]
async fn a_recovered_or_repeated_lease_takes_the_fence_from_its_former_holder() {
    let shop = Shop::fresh().await;
    shop.own_clock().await;
    let (id, token) = shop.submitting("1", 60_000).await;
    shop.shift("2 minutes").await;
    shop.recover(0, 500).await;
    all_records_are_stale(&shop, id, token).await;
    shop.shift("4 minutes").await;
    let next = shop.claim(id, 60_000).await;
    all_records_are_stale(&shop, id, token).await;
    assert_eq!(shop.accept(id, next, "req-1").await, "recorded");
    shop.recover(0, 500).await;
    let open = "select (select count(*) from findings where closed_at is null)
                     + (select count(*) from alerts where closed_at is null)";
    assert_eq!(shop.text(open).await, "0", "the late id was the order's own");
    shop.verify().await;
}

#[tokio::test]
async fn an_id_of_another_order_is_kept_as_a_finding_and_the_attempt_stays_open() {
    let shop = Shop::fresh().await;
    let (first, token) = shop.submitting("1", 60_000).await;
    shop.accept(first, token, "req-1").await;
    let (second, token) = shop.submitting("2", 60_000).await;
    let before = shop.everything(second).await;
    assert_eq!(shop.accept(second, token, "req-1").await, "id_taken");
    assert_eq!(shop.everything(second).await, before);
    assert_eq!(
        shop.text("select kind || ' ' || subject from findings").await,
        "request_id_of_another_order req-1"
    );
    assert_eq!(shop.accept(second, token, "req-2").await, "recorded");
}

#[tokio::test]
async fn two_orders_of_one_batch_with_one_id_do_not_both_get_it() {
    let shop = Shop::fresh().await;
    let (a, ta) = shop.submitting("1", 60_000).await;
    let (b, tb) = shop.submitting("2", 60_000).await;
    let words = shop
        .text(&format!(
            "select string_agg(result, ' ' order by result) from record_acceptances('t', 1000, array['{a}', '{b}', '{a}']::uuid[],
               array['{ta}', '{tb}', '{ta}']::uuid[], array['req-1', 'req-1', 'req-9'])"
        ))
        .await;
    assert_eq!(words, "id_taken recorded recorded", "an order named twice gets its first id");
    let second = format!("select kind from findings where order_id = '{a}' and subject = 'req-9'");
    assert_eq!(shop.text(&second).await, "request_id_conflict", "and the other one is kept");
    assert_eq!(
        shop.text("select count(*) from orders where zinc_request_id is not null").await,
        "1"
    );
    shop.verify().await;
}

#[tokio::test]
async fn an_order_held_meanwhile_keeps_the_id_and_waits_for_a_person() {
    let shop = Shop::fresh().await;
    let (id, token) = shop.submitting("1", 60_000).await;
    shop.sql(&format!("select hold_order('{id}', 'disputed')")).await;
    assert_eq!(shop.accept(id, token, "req-1").await, "recorded");
    let row = shop.text("select concat_ws(' ', status, review_reason, hold_reason, zinc_request_id) from orders").await;
    assert_eq!(row, "needs_review accepted_while_held disputed req-1");
    shop.verify().await;
}

#[tokio::test]
async fn window_a13_a_second_request_id_of_a_stale_worker_is_kept_and_shown_and_the_stored_one_again_is_not()
 {
    let shop = Shop::fresh().await;
    shop.own_clock().await;
    let (id, former) = shop.submitting("1", 60_000).await;
    shop.shift("2 minutes").await;
    shop.recover(0, 500).await;
    shop.shift("4 minutes").await;
    let next = shop.claim(id, 60_000).await;
    assert_eq!(shop.accept(id, next, "req-b").await, "recorded");
    let before = shop.everything(id).await;
    assert_eq!(shop.accept(id, former, "req-b").await, "stale");
    assert_eq!(shop.text("select count(*) from findings").await, "0", "the same purchase");
    assert_eq!(shop.accept(id, former, "req-a").await, "stale");
    assert_eq!(shop.everything(id).await, before);
    assert_eq!(
        shop.text("select concat_ws(' ', kind, subject, data ->> 'zinc_request_id') from findings")
            .await,
        "request_id_conflict req-a req-b"
    );
    assert_eq!(
        shop.text("select rule || ' ' || subject from alerts").await,
        "request_id_conflict req-a"
    );
}

#[tokio::test]
async fn window_a5_an_unknown_outcome_stays_submitting_and_waits_for_the_providers_bound() {
    let shop = Shop::fresh().await;
    let (id, token) = shop.submitting("1", 60_000).await;
    assert_eq!(shop.setback(id, token, &Setback::UNKNOWN).await.unwrap(), "recorded");
    let waits = "select concat_ws(' ', status, due_at >= (select max(at) from order_events) + interval '60 seconds') from orders";
    assert_eq!(shop.text(waits).await, "submitting t");
    assert_eq!(shop.text(CALLS).await, "unknown 1 t");
    shop.verify().await;
}

#[tokio::test]
async fn a_settled_refusal_opens_the_next_generation_with_a_new_key() {
    let shop = Shop::fresh().await;
    let (id, token) = shop.submitting("1", 60_000).await;
    assert_eq!(shop.setback(id, token, &Setback::REFUSED).await.unwrap(), "recorded");
    assert_eq!(shop.status(id).await, "pending");
    assert_eq!(shop.text(CALLS).await, "refused key_used_up 1 t");
    shop.claim(id, 60_000).await;
    let attempts = shop.text("select string_agg(generation || ' ' || outcome, ', ' order by generation) from order_attempts").await;
    assert_eq!(attempts, "1 refused, 2 open");
    assert_eq!(shop.text("select count(distinct provider_key) from order_attempts").await, "2");
    shop.verify().await;
}

#[tokio::test]
async fn a_refusal_that_a_person_must_judge_waits_in_review_with_its_attempt_unsettled() {
    let shop = Shop::fresh().await;
    let (id, token) = shop.submitting("1", 60_000).await;
    shop.setback(id, token, &Setback::REVIEW).await.unwrap();
    let row = shop.text("select concat_ws(' ', status, review_reason) from orders").await;
    assert_eq!(
        (row.as_str(), shop.text(CALLS).await.as_str()),
        ("needs_review odd_code", "refused 1 t")
    );
    assert_eq!(shop.text("select count(*) from lock_due_orders('zinc_v1', 10)").await, "0");
    shop.verify().await;
}

#[tokio::test]
async fn a_claim_given_back_unsent_keeps_its_frozen_bytes_for_the_next_claim() {
    let shop = Shop::fresh().await;
    let (id, token) = shop.submitting("1", 60_000).await;
    let frozen = "select concat_ws(' ', generation, attempt_id, provider_key, encode(request_body, 'hex')) from order_attempts";
    let before = shop.text(frozen).await;
    assert_eq!(shop.setback(id, token, &Setback::RELEASED).await.unwrap(), "recorded");
    assert_eq!(shop.status(id).await, "pending");
    assert_eq!(shop.text(CALLS).await, "open 0 t");
    let offered = shop.text("select concat_ws(' ', open_generation, convert_from(request_body, 'UTF8'), calls, key_dead) from lock_due_orders('zinc_v1', 1)").await;
    assert_eq!(offered, "1 {} 0");
    shop.verify().await;
    let token = shop.claim(id, 60_000).await;
    assert_eq!(shop.text(frozen).await, before);
    assert_eq!(shop.accept(id, token, "req-1").await, "recorded");
    shop.verify().await;
}

#[tokio::test]
async fn a_repeat_given_back_unsent_stays_unknown() {
    let shop = Shop::fresh().await;
    shop.own_clock().await;
    let (id, token) = shop.submitting("1", 60_000).await;
    shop.setback(id, token, &Setback::UNKNOWN).await.unwrap();
    shop.shift("2 minutes").await;
    let token = shop.claim(id, 60_000).await;
    assert_eq!(shop.setback(id, token, &Setback::RELEASED).await.unwrap(), "recorded");
    assert_eq!(
        (shop.status(id).await.as_str(), shop.text(CALLS).await.as_str()),
        ("submitting", "unknown 2 t")
    );
    shop.verify().await;
}

#[tokio::test]
async fn what_could_buy_twice_is_refused_with_409_and_changes_nothing() {
    let shop = Shop::fresh().await;
    let (id, token) = shop.submitting("1", 60_000).await;
    let before = shop.everything(id).await;
    for words in [
        Setback { after: "pending", ..Setback::UNKNOWN },
        Setback { after: "pending", ..Setback::REVIEW },
        Setback { settlement: None, ..Setback::REFUSED },
        Setback { outcome: "unknown", ..Setback::REFUSED },
        Setback { after: "failed", ..Setback::UNKNOWN },
        Setback { settlement: Some("key_used_up"), ..Setback::RELEASED },
    ] {
        let error = shop.setback(id, token, &words).await.unwrap_err();
        assert_eq!(error.sqlstate(), Some("PT409"), "{error}");
    }
    assert_eq!(shop.everything(id).await, before);
}

#[tokio::test]
async fn a_refusal_in_quarantine_is_neither_repeated_nor_followed_and_does_not_stop_the_queue() {
    let shop = Shop::fresh().await;
    shop.own_clock().await;
    let (id, token) = shop.submitting("1", 60_000).await;
    let waiting = Setback { settlement: None, after: "submitting", ..Setback::REFUSED };
    assert_eq!(shop.setback(id, token, &waiting).await.unwrap(), "recorded");
    shop.shift("5 minutes").await;
    let fresh = shop.paid("fresh").await;
    assert_eq!(
        shop.text("select string_agg(id::text, ' ') from lock_due_orders('zinc_v1', 1)").await,
        fresh.to_string()
    );
    for generation in [1, 2] {
        let intents = format!(
            "select count(*) from orders as o cross join lateral commit_intents('zinc_v1', 't', gen_random_uuid(), 60000, 30000,
               82800000, array[o.id], array[o.version], array[{generation}], array[gen_random_uuid()], array['k2'],
               array[{}], array[sha256('{{}}')]) as c where o.id = '{id}'",
            if generation == 1 { "null::bytea" } else { "'{}'::bytea" }
        );
        assert_eq!(shop.text(&intents).await, "0", "generation {generation}");
    }
    shop.shift("24 hours").await;
    assert_eq!(
        shop.recover(0, 500).await["needs_review"],
        serde_json::json!(1),
        "at the key's death"
    );
    assert_eq!(shop.status(id).await, "needs_review");
    shop.verify().await;
}

#[tokio::test]
async fn one_stale_row_does_not_take_its_batch_along() {
    let shop = Shop::fresh().await;
    let (a, ta) = shop.submitting("1", 60_000).await;
    let (b, _) = shop.submitting("2", 60_000).await;
    let (c, tc) = shop.submitting("3", 60_000).await;
    let words = |rows: Vec<tokio_postgres::Row>| -> Vec<String> {
        rows.iter().map(|row| row.get(0)).collect()
    };
    let setbacks = format!(
        "select result from record_setbacks('t', array['{a}', '{b}', '{a}']::uuid[], array['{ta}', '{NOBODY}', '{ta}']::uuid[],
           array['answer_lost', 'answer_lost', 'answer_lost'], array['x', 'x', 'x'], array['unknown', 'unknown', 'unknown'],
           array[null, null, null]::text[], array['submitting', 'submitting', 'submitting'], array[null, null, null]::text[],
           array[null, null, null]::text[], array[0, 0, 0]::bigint[])"
    );
    assert_eq!(words(shop.sql(&setbacks).await), ["recorded", "stale", "recorded"]);
    let acceptances = format!(
        "select result from record_acceptances('t', 1000, array['{b}', '{c}']::uuid[], array['{NOBODY}', '{tc}']::uuid[], array['r-b', 'r-c'])"
    );
    assert_eq!(words(shop.sql(&acceptances).await), ["stale", "recorded"]);
    shop.verify().await;
}

#[tokio::test]
async fn only_the_holder_renews() {
    let shop = Shop::fresh().await;
    let (a, ta) = shop.submitting("1", 60_000).await;
    let (b, _) = shop.submitting("2", 60_000).await;
    let (before, events) =
        (shop.everything(b).await, shop.text("select count(*) from order_events").await);
    let renewed = shop
        .text(&format!("select string_agg(r::text, ' ') from renew_leases(array['{a}', '{b}']::uuid[], array['{ta}', '{NOBODY}']::uuid[], 90000) as r"))
        .await;
    assert_eq!(renewed, a.to_string());
    assert_eq!(shop.everything(b).await, before);
    let agree = "select bool_and(o.due_at = t.lease_expires_at) from orders as o join order_attempts as t on t.order_id = o.id";
    assert_eq!(shop.text(agree).await, "true");
    assert_eq!(
        shop.text("select count(*) from order_events").await,
        events,
        "nothing happened to the orders"
    );
}

#[tokio::test]
async fn empty_and_missing_lists_change_nothing() {
    let shop = Shop::fresh().await;
    shop.submitting("1", 60_000).await;
    for sql in [
        "select count(*) from record_acceptances('t', 1000, null, null, null)",
        "select count(*) from record_acceptances('t', 1000, '{}', '{}', '{}')",
        "select count(*) from record_setbacks('t', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}')",
        "select count(*) from record_readings('t', null, null, null, null, null, null, null, null, null, null, null)",
        "select count(*) from record_payments('t', true, null)",
        "select count(*) from renew_leases(null, null, 1000)",
        "select count(*) from commit_intents('zinc_v1', 't', gen_random_uuid(), 1, 1, 1, '{}', '{}', '{}', '{}', '{}', '{}', '{}')",
    ] {
        assert_eq!(shop.text(sql).await, "0", "{sql}");
    }
    shop.verify().await;
}

#[tokio::test]
async fn an_error_says_nothing_private() {
    let shop = Shop::fresh().await;
    let (id, token) = shop.submitting("1", 60_000).await;
    let words = Setback { hold: Some("no such hold"), ..Setback::UNKNOWN };
    let error = shop.setback(id, token, &words).await.unwrap_err();
    let Error::Database { code, detail, constraint, .. } = error else { panic!("{error}") };
    assert_eq!(
        (code.as_str(), detail, constraint.as_deref()),
        ("23514", None, Some("orders_hold_reason_known"))
    );
}
