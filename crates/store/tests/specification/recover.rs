//! `recover_stuck_orders`: what nobody looks after runs to its right end, without a second purchase.

use crate::shop::{Setback, Shop, call};
use serde_json::json;
use std::collections::HashSet;
use std::sync::Arc;
use tokio::sync::Barrier;

const ATTEMPT: &str = "select concat_ws(' ', generation, provider_key, encode(request_digest, 'hex'), attempt_id) from order_attempts";

#[tokio::test]
async fn an_ended_lease_makes_the_same_attempt_unknown_and_due() {
    let shop = Shop::fresh().await;
    shop.own_clock().await;
    let (id, token) = shop.submitting("1", 60_000).await;
    let attempt = shop.text(ATTEMPT).await;
    shop.shift("3 minutes").await;
    let answer = shop.recover(0, 500).await;
    assert_eq!(answer["recovered"], json!(1), "{answer}");
    assert_eq!(answer["orders"][0]["order_id"], json!(id.to_string()));
    assert_eq!(shop.text(ATTEMPT).await, attempt, "never a new generation or key");
    let after = shop
        .text("select concat_ws(' ', outcome, lease_token is null, settled_at is null) from order_attempts")
        .await;
    assert_eq!((shop.status(id).await.as_str(), after.as_str()), ("submitting", "unknown t t"));
    assert_eq!(
        shop.accept(id, token, "req-1").await,
        "stale",
        "the former holder has lost its fence"
    );
    let repeat = shop.text("select concat_ws(' ', open_generation, convert_from(request_body, 'UTF8'), key_dead) from lock_due_orders('zinc_v1', 10)").await;
    assert_eq!(repeat, "1 {} f", "due, with the stored bytes");
    shop.verify().await;
}

#[tokio::test]
async fn window_a2_a_live_lease_is_left_alone_however_old_the_order_is() {
    let shop = Shop::fresh().await;
    shop.own_clock().await;
    shop.shift("-1 year").await;
    let id = shop.paid("1").await;
    shop.shift("0").await;
    shop.claim(id, 60_000).await;
    let before = shop.everything(id).await;
    for age in [0, 2, 100] {
        let answer = shop.recover(age, 500).await;
        assert_eq!(answer["orders"], json!([]), "{answer}");
    }
    assert_eq!(shop.everything(id).await, before);
}

#[tokio::test]
async fn the_age_counts_from_the_end_of_the_lease() {
    let shop = Shop::fresh().await;
    shop.own_clock().await;
    shop.submitting("1", 300_000).await;
    for (shift, age, recovered) in
        [("299 seconds", 0, 0), ("301 seconds", 7, 0), ("361 seconds", 7, 0), ("361 seconds", 1, 1)]
    {
        shop.shift(shift).await;
        assert_eq!(shop.recover(age, 500).await["recovered"], json!(recovered), "{shift} {age}");
    }
}

#[tokio::test]
async fn what_the_stuck_query_shows_is_recovered_as_soon_as_its_lease_has_ended() {
    let shop = Shop::fresh().await;
    shop.own_clock().await;
    let shown = "select count(*) from orders where status = 'submitting'
                   and updated_at < clock_now() - interval '2 minutes'";
    for second in [61, 90, 119, 121, 122, 150, 179, 180, 181] {
        shop.shift("0").await;
        shop.submitting(&second.to_string(), 60_000).await;
        shop.shift(&format!("{second} seconds")).await;
        let stuck = shop.text(shown).await;
        let answer = shop.recover(2, 500).await;
        let taken = answer["recovered"].as_i64().unwrap() + answer["rescheduled"].as_i64().unwrap();
        assert_eq!(taken.to_string(), stuck, "{second}: {answer}");
        assert_eq!(shop.text(shown).await, "0", "{second}");
        shop.recover(0, 500).await;
    }
}

#[tokio::test]
async fn used_up_tries_and_a_dead_key_go_to_a_person_in_the_same_transaction() {
    let shop = Shop::fresh().await;
    shop.own_clock().await;
    shop.sql("update settings set value = '2' where name = 'calls_max'").await;
    let (tries, token) = shop.submitting("1", 60_000).await;
    shop.setback(tries, token, &Setback::UNKNOWN).await.unwrap();
    let (leased, _) = shop.submitting("2", 60_000).await;
    let (waiting, token) = shop.submitting("3", 60_000).await;
    shop.setback(waiting, token, &Setback::UNKNOWN).await.unwrap();
    let (held, token) = shop.submitting("4", 60_000).await;
    shop.setback(held, token, &Setback::UNKNOWN).await.unwrap();
    shop.sql(&format!("select hold_order('{held}')")).await;
    shop.shift("10 minutes").await;
    shop.claim(tries, 60_000).await;
    shop.shift("20 minutes").await;
    let first = shop.recover(0, 500).await;
    assert_eq!((&first["recovered"], &first["needs_review"]), (&json!(1), &json!(1)), "{first}");
    assert_eq!(shop.status(tries).await, "needs_review", "window_b7: two calls of two");
    assert_eq!(shop.status(leased).await, "submitting");
    shop.shift("24 hours").await;
    let second = shop.recover(0, 500).await;
    assert_eq!((&second["recovered"], &second["needs_review"]), (&json!(0), &json!(3)), "{second}");
    for id in [leased, waiting, held] {
        assert_eq!(shop.status(id).await, "needs_review");
    }
    assert_eq!(
        shop.text("select count(*) from orders where due_at is null or review_reason is null")
            .await,
        "0"
    );
    shop.verify().await;
}

#[tokio::test]
async fn a_key_that_dies_under_a_lease_goes_to_a_person_when_the_lease_ends() {
    let shop = Shop::fresh().await;
    shop.own_clock().await;
    let (id, token) = shop.submitting("1", 60_000).await;
    shop.shift("50 seconds").await;
    shop.sql(&format!(
        "select * from renew_leases(array['{id}'::uuid], array['{token}'::uuid], 90000000)"
    ))
    .await;
    shop.shift("24 hours").await;
    assert_eq!(shop.recover(0, 500).await["orders"], json!([]), "the lease is alive");
    shop.shift("26 hours").await;
    assert_eq!(shop.recover(0, 500).await["needs_review"], json!(1));
    assert_eq!(shop.status(id).await, "needs_review");
}

#[tokio::test]
async fn an_age_or_batch_without_sense_is_refused() {
    let shop = Shop::fresh().await;
    for sql in [
        "select recover_stuck_orders(null)",
        "select recover_stuck_orders(-1)",
        "select recover_stuck_orders(2, '{\"batch\": 0}')",
        "select recover_stuck_orders(2, '{\"batch\": 1001}')",
    ] {
        let error = shop.app.query("test", sql, &[]).await.unwrap_err();
        assert_eq!(error.sqlstate(), Some("22023"), "{sql}");
    }
    let none = shop.text("select recover_stuck_orders()").await;
    assert!(none.contains("\"recovered\": 0"), "{none}");
    assert!(
        shop.text("select recover_stuck_orders(2147483647)").await.contains("\"success\": true")
    );
    let wrong =
        call(&shop.app, "recover_stuck_orders", &[("max_age", "2", "integer")]).await.unwrap_err();
    assert_eq!(wrong.sqlstate(), Some("42883"));
}

/// Orders under leases that ended long ago.
async fn abandoned(shop: &Shop, count: usize) -> HashSet<String> {
    let mut ids = HashSet::new();
    for number in 0..count {
        ids.insert(shop.submitting(&number.to_string(), 1).await.0.to_string());
    }
    shop.until("select bool_and(lease_expires_at < clock_timestamp()) from order_attempts").await;
    ids
}

fn listed(answer: &serde_json::Value) -> Vec<String> {
    answer["orders"]
        .as_array()
        .unwrap()
        .iter()
        .map(|o| o["order_id"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn window_b6_more_orders_than_a_batch_are_recovered_until_nothing_is_left() {
    let shop = Shop::fresh().await;
    let ids = abandoned(&shop, 11).await;
    let mut seen = Vec::new();
    for expected in [4, 4, 3, 0] {
        let found = listed(&shop.recover(0, 4).await);
        assert_eq!(found.len(), expected);
        seen.extend(found);
    }
    assert_eq!(seen.len(), 11);
    assert_eq!(seen.into_iter().collect::<HashSet<_>>(), ids);
    shop.verify().await;
}

#[tokio::test]
async fn recoverers_at_once_take_each_order_once() {
    let shop = Arc::new(Shop::fresh().await);
    let ids = abandoned(&shop, 24).await;
    let barrier = Arc::new(Barrier::new(6));
    let mut recoverers = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let (shop, barrier) = (shop.clone(), barrier.clone());
        recoverers.spawn(async move {
            barrier.wait().await;
            let mut seen = Vec::new();
            for _ in 0..8 {
                seen.extend(listed(&shop.recover(0, 5).await));
            }
            seen
        });
    }
    let seen: Vec<String> = recoverers.join_all().await.into_iter().flatten().collect();
    assert_eq!(seen.len(), 24, "each once");
    assert_eq!(seen.into_iter().collect::<HashSet<_>>(), ids);
    assert_eq!(
        shop.text("select count(*) from order_events where kind = 'lease_ended'").await,
        "24"
    );
    shop.verify().await;
}

#[tokio::test]
async fn a_locked_order_is_skipped_and_not_waited_for() {
    let shop = Shop::fresh().await;
    let ids = abandoned(&shop, 2).await;
    let locked = ids.iter().min().unwrap();
    let session = shop.session("postgres").await;
    session
        .batch_execute(&format!(
            "begin; select from orders where id = '{locked}' for no key update"
        ))
        .await
        .unwrap();
    let found = listed(&shop.recover(0, 500).await);
    assert!(found.len() == 1 && !found.contains(locked), "{found:?}");
    session.batch_execute("commit").await.unwrap();
    assert_eq!(listed(&shop.recover(0, 500).await), std::slice::from_ref(locked));
}

#[tokio::test]
async fn a_lease_renewed_while_the_recoverer_waited_to_look_is_left_alone() {
    let shop = Shop::fresh().await;
    shop.own_clock().await;
    let (id, token) = shop.submitting("1", 60_000).await;
    // The recoverer has read the ended lease when the renewal commits: it stops at a lock on settings.
    shop.shift("50 seconds").await;
    let recoverer = shop.session("postgres").await;
    recoverer
        .batch_execute(
            "create function stand_still() returns boolean language plpgsql volatile as $$
             begin perform pg_advisory_xact_lock_shared(7); return true; end $$",
        )
        .await
        .unwrap();
    let gate = shop.session("postgres").await;
    gate.batch_execute("begin; select pg_advisory_xact_lock(7)").await.unwrap();
    let source = shop.text("select pg_get_functiondef('recover_ended_leases'::regproc)").await;
    let slow = source
        .replace("order by o.due_at limit", "and public.stand_still() order by o.due_at limit");
    assert_ne!(slow, source);
    recoverer.batch_execute(&slow).await.unwrap();
    recoverer.batch_execute("update test_clock set shift = '61 seconds'").await.unwrap();
    let reading = tokio::spawn(async move {
        recoverer
            .query_one("select recover_stuck_orders(0)", &[])
            .await
            .map(|r| r.get::<_, serde_json::Value>(0))
    });
    shop.until_blocked(1).await;
    shop.shift("50 seconds").await;
    shop.sql(&format!(
        "select * from renew_leases(array['{id}'::uuid], array['{token}'::uuid], 600000)"
    ))
    .await;
    gate.batch_execute("commit").await.unwrap();
    let answer = reading.await.unwrap().unwrap();
    assert_eq!(answer["recovered"], json!(0), "{answer}");
    assert_eq!(shop.text("select lease_token from order_attempts").await, token.to_string());
    shop.verify().await;
}
