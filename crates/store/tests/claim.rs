//! The one claim operation: `lock_due_orders` and `commit_intents` in one transaction. // A6–A9, A14
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests may fail by panic, like the tests"
)]

mod shop;

use shop::{Setback, Shop};
use std::collections::HashSet;
use std::sync::Arc;
use tokio::sync::Barrier;
use uuid::Uuid;

/// The claim of at most that many orders, as one statement for a transaction of its own.
fn claim(batch: u32, token: u128) -> String {
    format!(
        "with locked as materialized (select * from lock_due_orders('zinc_v1', {batch})), arrays as (
           select array_agg(id) as ids, array_agg(version) as versions,
                  array_agg(coalesce(open_generation, generation + 1)) as generations,
                  array_agg(gen_random_uuid()) as attempts, array_agg(gen_random_uuid()::text) as keys,
                  array_agg(case when open_generation is null then '{{}}'::bytea end) as bodies,
                  array_agg(sha256('{{}}')) as digests from locked)
         select c.order_id from arrays as a cross join lateral commit_intents('zinc_v1', 't', '{}', 60000, 30000,
           82800000, a.ids, a.versions, a.generations, a.attempts, a.keys, a.bodies, a.digests) as c",
        Uuid::from_u128(token)
    )
}

async fn claimable(shop: &Shop) -> String {
    shop.text("select count(*) from lock_due_orders('zinc_v1', 1000)").await
}

#[tokio::test]
async fn claimers_at_once_get_disjoint_orders_and_together_all_of_them() {
    let shop = Arc::new(Shop::fresh().await);
    let mut all = HashSet::new();
    for number in 0..40 {
        all.insert(shop.paid(&number.to_string()).await);
    }
    let barrier = Arc::new(Barrier::new(8));
    let mut claimers = tokio::task::JoinSet::new();
    for claimer in 0..8 {
        let (shop, barrier) = (shop.clone(), barrier.clone());
        claimers.spawn(async move {
            shop.app.query("warm", "select 1", &[]).await.unwrap();
            barrier.wait().await;
            let mut mine = Vec::new();
            for _ in 0..10 {
                let rows = shop.app.query("claim", &claim(5, 1000 + claimer), &[]).await.unwrap();
                mine.extend(rows.iter().map(|row| row.get::<_, Uuid>(0)));
            }
            mine
        });
    }
    let claimed: Vec<Uuid> = claimers.join_all().await.into_iter().flatten().collect();
    assert_eq!(claimed.len(), 40, "no order twice");
    assert_eq!(claimed.into_iter().collect::<HashSet<_>>(), all);
    assert_eq!(shop.text("select count(*) from order_attempts").await, "40");
    shop.verify().await;
}

#[tokio::test]
async fn window_a6_two_claims_of_one_order_at_once_give_one_attempt() {
    let shop = Arc::new(Shop::fresh().await);
    for number in 0..12 {
        let id = shop.paid(&number.to_string()).await;
        let barrier = Arc::new(Barrier::new(4));
        let mut claimers = tokio::task::JoinSet::new();
        for claimer in 0..4 {
            let (shop, barrier) = (shop.clone(), barrier.clone());
            claimers.spawn(async move {
                shop.app.query("warm", "select 1", &[]).await.unwrap();
                barrier.wait().await;
                shop.app.query("claim", &claim(10, 1000 + claimer), &[]).await.unwrap().len()
            });
        }
        assert_eq!(claimers.join_all().await.into_iter().sum::<usize>(), 1);
        assert_eq!(shop.status(id).await, "submitting");
    }
    shop.verify().await;
}

#[tokio::test]
async fn window_a7_what_must_not_be_sent_is_not_claimed() {
    let shop = Shop::fresh().await;
    shop.own_clock().await;
    shop.place("unpaid").await;
    let held = shop.paid("held").await;
    shop.sql(&format!("select hold_order('{held}')")).await;
    let cancelled = shop.paid("cancelled").await;
    shop.sql(&format!("select cancel_order('{cancelled}')")).await;
    shop.submitting("leased", 60_000).await;
    let (waiting, token) = shop.submitting("not due", 60_000).await;
    shop.setback(waiting, token, &Setback { delay_ms: 3_600_000, ..Setback::UNKNOWN })
        .await
        .unwrap();
    let (done, _) = shop.submitting("done", 60_000).await;
    shop.complete(done, "req-1", "delivered", "completed").await;
    assert_eq!(claimable(&shop).await, "0");
    shop.shift("30 minutes").await;
    assert_eq!(claimable(&shop).await, "0", "an ended lease is for recovery");
    shop.sql(&format!("select release_hold('{held}')")).await;
    assert_eq!(claimable(&shop).await, "1");
}

#[tokio::test]
async fn neither_half_of_the_claim_takes_what_is_held_or_unpaid_even_if_that_was_made_by_force() {
    let shop = Shop::fresh().await;
    let id = shop.paid("1").await;
    let intents = format!(
        "select count(*) from orders as o cross join lateral commit_intents('zinc_v1', 't', gen_random_uuid(), 60000, 30000,
           82800000, array['{id}'::uuid], array[o.version], array[1], array[gen_random_uuid()], array['k1'],
           array['{{}}'::bytea], array[sha256('{{}}')]) as c"
    );
    let version = shop.text("select version from orders").await;
    let mut tried = Vec::new();
    for payment in [
        "unpaid",
        "authorized",
        "refund_pending",
        "partially_refunded",
        "refunded",
        "disputed",
        "failed",
    ] {
        tried.push(format!("payment_status = '{payment}', hold_reason = null"));
    }
    tried.push("payment_status = 'paid', hold_reason = 'operator'".to_owned());
    for change in tried {
        shop.by_force(&format!("update orders set due_at = now() - interval '1 s', {change}"))
            .await;
        assert_eq!(claimable(&shop).await, "0", "{change}");
        assert_eq!(shop.text(&intents).await, "0", "{change}");
    }
    shop.by_force("update orders set payment_status = 'paid', hold_reason = null").await;
    assert_eq!(
        shop.text("select version from orders").await,
        version,
        "only these columns decided"
    );
    assert_eq!((claimable(&shop).await.as_str(), shop.text(&intents).await.as_str()), ("1", "1"));
}

#[tokio::test]
async fn a_paused_account_claims_nothing_until_the_pause_is_over() {
    let shop = Shop::fresh().await;
    shop.own_clock().await;
    shop.paid("1").await;
    shop.sql("select pause_provider('zinc_v1', 'invalid_client_token', 300000, true)").await;
    assert_eq!(claimable(&shop).await, "0");
    shop.sql("select pause_provider('zinc_v1', 'too_many_requests', 1000, false)").await;
    shop.shift("299 seconds").await;
    assert_eq!(claimable(&shop).await, "0", "a shorter pause does not end a longer one");
    assert_eq!(shop.text("select count(*) from lock_due_orders('zinc_v2', 10)").await, "1");
    shop.shift("301 seconds").await;
    assert_eq!(claimable(&shop).await, "1");
    assert_eq!(
        shop.text("select count(*) from alerts where rule = 'provider_account_wrong'").await,
        "1"
    );
}

#[tokio::test]
async fn window_a7_a_change_between_reading_and_intent_leaves_the_order_out() {
    let shop = Shop::fresh().await;
    let (id, other) = (shop.paid("1").await, shop.paid("2").await);
    let version =
        shop.text(&format!("select version from lock_due_orders('zinc_v1', 1, '{id}')")).await;
    for change in [format!("hold_order('{id}')"), format!("release_hold('{id}')")] {
        shop.sql(&format!("select {change}")).await;
        let intents = format!(
            "select string_agg(order_id::text, ' ') from commit_intents('zinc_v1', 't', gen_random_uuid(), 60000, 30000, 82800000,
               array['{id}', '{other}']::uuid[], array[{version}, 0], array[1, 1], array[gen_random_uuid(), gen_random_uuid()],
               array['k1', 'k2'], array['{{}}', '{{}}']::bytea[], array[sha256('{{}}'), sha256('{{}}')])"
        );
        assert_eq!(shop.text(&intents).await, "", "{change}");
    }
    assert_eq!(shop.status(id).await, "pending");
    assert_eq!(shop.text("select count(*) from order_attempts").await, "0");
    shop.claim(id, 60_000).await;
}

#[tokio::test]
async fn window_a14_a_lost_claim_returns_nothing() {
    let shop = Shop::fresh().await;
    let id = shop.paid("1").await;
    let winner = shop.session("public_orders_app").await;
    winner.batch_execute("begin").await.unwrap();
    assert_eq!(winner.query(&claim(1, 1), &[]).await.unwrap().len(), 1);
    let loser = shop.app.query("claim", &claim(1, 2), &[]).await.unwrap();
    assert!(loser.is_empty(), "while the winner's transaction stands");
    winner.batch_execute("commit").await.unwrap();
    assert!(shop.app.query("claim", &claim(1, 2), &[]).await.unwrap().is_empty());
    let only = format!("select 1 from lock_due_orders('zinc_v1', 1, '{id}')");
    assert!(shop.app.query("claim", &only, &[]).await.unwrap().is_empty());
}

#[tokio::test]
async fn window_a8_a_second_unsettled_attempt_cannot_exist() {
    let shop = Shop::fresh().await;
    let (id, token) = shop.submitting("1", 60_000).await;
    shop.setback(id, token, &Setback::UNKNOWN).await.unwrap();
    let owner = shop.session("postgres").await;
    let second = "insert into order_attempts select (jsonb_populate_record(a, jsonb_build_object('generation', 2,
        'attempt_id', gen_random_uuid(), 'provider_key', 'k2'))).* from order_attempts as a";
    let error = owner.batch_execute(second).await.expect_err("a second attempt");
    assert!(
        error.as_db_error().unwrap().constraint() == Some("order_attempts_one_unsettled"),
        "{error}"
    );
    // Neither does the claim open one: a body is given although an attempt is open.
    let intents = format!(
        "select count(*) from orders as o cross join lateral commit_intents('zinc_v1', 't', gen_random_uuid(), 60000, 30000,
           82800000, array['{id}'::uuid], array[o.version], array[2], array[gen_random_uuid()], array['k2'],
           array['{{}}'::bytea], array[sha256('{{}}')]) as c"
    );
    assert_eq!(shop.text(&intents).await, "0");
    assert_eq!(shop.text("select count(*) from order_attempts").await, "1");
}

#[tokio::test]
async fn a_repeat_sends_the_same_key_and_bytes_and_waits_for_the_former_call() {
    let shop = Shop::fresh().await;
    shop.own_clock().await;
    let (id, token) = shop.submitting("1", 60_000).await;
    let frozen = "select concat_ws(' ', generation, attempt_id, provider_key, encode(request_body, 'hex'), first_sent_at, key_dead_at) from order_attempts";
    let before = shop.text(frozen).await;
    shop.setback(id, token, &Setback::UNKNOWN).await.unwrap();
    let repeat = "select count(*) from orders as o cross join lateral commit_intents('zinc_v1', 't', gen_random_uuid(), 60000, 30000,
        82800000, array[o.id], array[o.version], array[1], array[gen_random_uuid()], array[null], array[null::bytea], array[null::bytea]) as c";
    shop.shift("55 seconds").await;
    assert_eq!(
        shop.text(repeat).await,
        "0",
        "the provider may still run the former call (ruling 4)"
    );
    shop.shift("65 seconds").await;
    assert_eq!(shop.text(repeat).await, "1");
    assert_eq!(shop.text(frozen).await, before);
    assert_eq!(shop.text("select calls from order_attempts").await, "2");
    shop.verify().await;
}

#[tokio::test]
async fn a_dead_key_is_never_sent_again() {
    let shop = Shop::fresh().await;
    shop.own_clock().await;
    let (id, token) = shop.submitting("1", 60_000).await;
    shop.setback(id, token, &Setback::UNKNOWN).await.unwrap();
    shop.shift("23 hours").await;
    assert_eq!(shop.text("select key_dead from lock_due_orders('zinc_v1', 1)").await, "true");
    let claimed = shop.app.query("claim", &claim(1, 1), &[]).await.unwrap();
    assert!(claimed.is_empty());
    let version = shop.text("select version from orders").await;
    shop.sql(&format!(
        "select review_orders('t', array['{id}'::uuid], array[{version}], array['key_dead'])"
    ))
    .await;
    assert_eq!(shop.status(id).await, "needs_review");
    shop.verify().await;
}

#[tokio::test]
async fn another_providers_key_is_not_repeated_here_and_does_not_stop_the_queue() {
    let shop = Shop::fresh().await;
    shop.own_clock().await;
    for number in 0..3 {
        let (id, token) = shop.submitting(&number.to_string(), 60_000).await;
        shop.setback(id, token, &Setback::UNKNOWN).await.unwrap();
    }
    shop.shift("5 minutes").await;
    let fresh = shop.paid("fresh").await;
    let offered =
        "select coalesce(string_agg(id::text, ' '), '') from lock_due_orders('zinc_v2', 2)";
    assert_eq!(shop.text(offered).await, fresh.to_string());
    let foreign = "select count(*) from orders as o cross join lateral commit_intents('zinc_v2', 't', gen_random_uuid(), 60000, 30000,
        82800000, array[o.id], array[o.version], array[1], array[gen_random_uuid()], array[null], array[null::bytea], array[null::bytea]) as c";
    assert_eq!(shop.text(foreign).await, "0");
    assert_eq!(claimable(&shop).await, "4");
}

#[tokio::test]
async fn orders_under_ended_leases_do_not_stop_the_queue() {
    let shop = Shop::fresh().await;
    shop.own_clock().await;
    for number in 0..3 {
        shop.submitting(&number.to_string(), 1000).await;
    }
    shop.shift("5 minutes").await;
    let fresh = shop.paid("fresh").await;
    assert_eq!(
        shop.text("select string_agg(id::text, ' ') from lock_due_orders('zinc_v1', 2)").await,
        fresh.to_string()
    );
}

#[tokio::test]
async fn window_a9_a_pool_of_one_claims_once_and_leaves_no_session_state() {
    let shop = Shop::fresh().await;
    let id = shop.paid("1").await;
    let options = orders_store::StoreOptions { connections_max: 1, ..Default::default() };
    let one =
        orders_store::Store::new(&shop::address(&shop.database, "public_orders_app"), &options)
            .unwrap();
    assert_eq!(one.query("claim", &claim(1, 1), &[]).await.unwrap().len(), 1);
    assert_eq!(one.query("claim", &claim(1, 2), &[]).await.unwrap().len(), 0);
    let state = "select concat_ws(' ', current_setting('lock_timeout'), current_setting('search_path'),
        (select count(*) from pg_locks where pid = pg_backend_pid() and locktype in ('advisory', 'tuple', 'transactionid')),
        (select count(*) from pg_prepared_statements), (select count(*) from pg_cursors where name <> ''))";
    let rows = one.query("state", state, &[]).await.unwrap();
    assert_eq!(rows[0].get::<_, &str>(0), "0 \"$user\", public 0 0 0");
    assert_eq!(shop.status(id).await, "submitting");
}

#[tokio::test]
async fn a_batch_that_names_an_order_twice_or_too_few_words_claims_each_once_or_nothing() {
    let shop = Shop::fresh().await;
    let id = shop.paid("1").await;
    let twice = format!(
        "select count(*) from commit_intents('zinc_v1', 't', gen_random_uuid(), 60000, 30000, 82800000,
           array['{id}', '{id}']::uuid[], array[2, 2], array[1, 1], array[gen_random_uuid(), gen_random_uuid()],
           array['k1', 'k2'], array['{{}}', '{{}}']::bytea[], array[sha256('{{}}'), sha256('{{}}')])"
    );
    let short = twice.replace("array[2, 2]", "array[]::bigint[]");
    assert_eq!(shop.text(&short).await, "0", "without a version nothing is claimed");
    assert_eq!(shop.text(&twice).await, "1");
    shop.verify().await;
}
