//! Deadlocks, lock time-outs and serialization failures: success after bounded tries, or an error
//! with its own code; never an answer that says "not successful". // B11, G17

use crate::shop::{Shop, call};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use uuid::Uuid;

#[tokio::test]
async fn window_b11_a_lock_time_out_is_tried_again_and_ends_in_success() {
    let shop = Arc::new(Shop::fresh().await);
    for door in ["complete_order_processing", "manually_complete_order"] {
        let (id, token) = shop.submitting(door, 60_000).await;
        shop.setback(id, token, &crate::shop::Setback::UNKNOWN).await.unwrap();
        let blocker = shop.session("postgres").await;
        blocker
            .batch_execute(&format!("begin; select from orders where id = '{id}' for update"))
            .await
            .unwrap();
        let caller = shop.session("public_orders_app").await;
        let sql = format!("select {door}('{id}', zinc_request_id_param => '{door}')");
        let call = tokio::spawn(async move { caller.query_one(&sql, &[]).await });
        // It has begun to wait for a second time: the first wait has ended in a time-out.
        shop.until_blocked(1).await;
        let waiting = "select coalesce(min(extract(epoch from clock_timestamp() - query_start)) > 1.3, false) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()";
        shop.until(waiting).await;
        blocker.batch_execute("commit").await.unwrap();
        let answer: serde_json::Value = call.await.unwrap().expect(door).get(0);
        assert_eq!(answer["success"], json!(true), "{answer}");
    }
    shop.verify().await;
}

#[tokio::test]
async fn window_b11_a_lock_that_never_comes_free_is_an_error_with_its_own_code() {
    let shop = Shop::fresh().await;
    let (id, _) = shop.submitting("1", 60_000).await;
    let before = shop.everything(id).await;
    let blocker = shop.session("postgres").await;
    blocker
        .batch_execute(&format!("begin; select from orders where id = '{id}' for update"))
        .await
        .unwrap();
    let caller = shop.session("public_orders_app").await;
    for sql in [
        format!("select complete_order_processing('{id}', 'req-1')"),
        format!("select manually_complete_order('{id}', 'req-1')"),
        format!("select hold_order('{id}')"),
    ] {
        let error = caller.query_one(&sql, &[]).await.expect_err(&sql);
        assert_eq!(error.code().map(|c| c.code().to_owned()).as_deref(), Some("55P03"), "{sql}");
    }
    blocker.batch_execute("commit").await.unwrap();
    assert_eq!(shop.everything(id).await, before);
}

/// Two sessions that each hold an order and then call a door for the other's; with each outcome the
/// order that was asked for.
async fn embrace(
    shop: &Shop,
    call: &str,
    first: Uuid,
    second: Uuid,
) -> Vec<(Uuid, Result<serde_json::Value, tokio_postgres::Error>)> {
    let mut tasks = tokio::task::JoinSet::new();
    let barrier = Arc::new(tokio::sync::Barrier::new(2));
    for (held, wanted) in [(first, second), (second, first)] {
        let session = shop.session("postgres").await;
        let barrier = barrier.clone();
        let sql = format!("select {}", call.replace("{id}", &wanted.to_string()));
        tasks.spawn(async move {
            // A short time-out finds the deadlock before the doors' own lock time-out does.
            session.batch_execute("set deadlock_timeout = '50ms'; begin").await.unwrap();
            session
                .batch_execute(&format!("select from orders where id = '{held}' for update"))
                .await
                .unwrap();
            barrier.wait().await;
            let outcome = session.query_one(&sql, &[]).await.map(|row| row.get(0));
            session
                .batch_execute(if outcome.is_ok() { "commit" } else { "rollback" })
                .await
                .unwrap();
            (wanted, outcome)
        });
    }
    tasks.join_all().await
}

/// How often the server has ended a deadlock in this shop's database; sessions report at their end.
const DEADLOCKS: &str = "select deadlocks from pg_stat_database where datname = current_database()";

#[tokio::test]
async fn window_b11_a_deadlock_ends_in_success_or_in_an_error_with_its_code() {
    let shop = Shop::fresh().await;
    for (call, after) in [
        // Not the usual case, which skips a locked row and so can be in no deadlock.
        ("complete_order_processing('{id}', 'req-{id}', 'placed', 'processing')", "processing"),
        ("manually_complete_order('{id}', zinc_request_id_param => 'req-{id}')", "completed"),
    ] {
        let (first, a) = shop.submitting(&format!("{after} a"), 60_000).await;
        let (second, b) = shop.submitting(&format!("{after} b"), 60_000).await;
        for (id, token) in [(first, a), (second, b)] {
            shop.setback(id, token, &crate::shop::Setback::UNKNOWN).await.unwrap();
        }
        let before = shop.text(DEADLOCKS).await;
        let mut outcomes = embrace(&shop, call, first, second).await;
        // Each holds what the other wants, so one of them must fail and let the other go on.
        outcomes.sort_by_key(|(_, outcome)| outcome.is_err());
        let [(moved, Ok(answer)), (kept, Err(error))] = &outcomes[..] else {
            panic!("{call}: {outcomes:?}")
        };
        assert_eq!(answer["success"], json!(true), "{call}: {answer}");
        assert_eq!(
            error.code().map(tokio_postgres::error::SqlState::code),
            Some("40P01"),
            "{call}: {error}"
        );
        assert_eq!(shop.status(*moved).await, after);
        assert_eq!(shop.status(*kept).await, "submitting");
        // The one that failed met a deadlock in each of its three tries.
        shop.until(&format!("select ({DEADLOCKS}) >= {before} + 3")).await;
    }
    shop.verify().await;
}

#[tokio::test]
async fn a_storm_of_batches_over_the_same_orders_ends_without_a_failed_caller() {
    let shop = Arc::new(Shop::fresh().await);
    let mut ids = Vec::new();
    for number in 0..8 {
        ids.push(shop.submitting(&number.to_string(), 60_000).await.0);
    }
    let mut callers = tokio::task::JoinSet::new();
    for caller in 0..16_usize {
        let (shop, mut ids) = (shop.clone(), ids.clone());
        ids.rotate_left(caller % 8);
        callers.spawn(async move {
            let list = ids.iter().map(|id| format!("'{id}'::uuid")).collect::<Vec<_>>().join(",");
            let tokens = format!("(select array_agg(a.lease_token order by array_position(array[{list}], a.order_id)) from order_attempts as a)");
            for round in 0..6 {
                let sql = if (caller + round).is_multiple_of(2) {
                    format!("select count(*) from renew_leases(array[{list}], {tokens}, 60000)")
                } else {
                    format!("select count(*) from recover_stuck_orders(0) where complete_order_processing('{}', 'req-{}') is not null", ids[0], ids[0])
                };
                shop.admin.query("storm", &sql, &[]).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
            }
        });
    }
    callers.join_all().await;
    assert_eq!(
        shop.text("select count(*) from orders where status = 'submitted_to_zinc'").await,
        "8"
    );
    shop.verify().await;
}

#[tokio::test]
async fn a_serialization_failure_runs_the_whole_transaction_again() {
    let shop = Shop::fresh().await;
    let id = shop.paid("1").await;
    let runs = Arc::new(AtomicU32::new(0));
    let (counted, admin) = (runs.clone(), shop.admin.clone());
    // For the whole session: within a transaction it would come after the statements of its begin.
    let role = "public_orders_app";
    shop.sql(&format!(
        "alter role {role} in database {} set default_transaction_isolation = 'repeatable read'",
        shop.database
    ))
    .await;
    let held = crate::shop::store(&shop.database, role, "public")
        .transact("test.serializable", move |tx| {
            let (runs, admin) = (counted.clone(), admin.clone());
            Box::pin(async move {
                let rows = tx.query("select version from orders", &[]).await?;
                if runs.fetch_add(1, Ordering::SeqCst) == 0 {
                    // Somebody changes the order after this transaction has taken its snapshot.
                    admin
                        .query(
                            "test",
                            &format!("select hold_order('{id}', 'disputed'), release_hold('{id}')"),
                            &[],
                        )
                        .await?;
                }
                tx.execute(&format!("select hold_order('{id}', 'operator')")).await?;
                Ok(rows[0].get::<_, i64>(0))
            })
        })
        .await
        .unwrap();
    assert_eq!(
        (runs.load(Ordering::SeqCst), held),
        (2, 4),
        "the second run sees what the first did not"
    );
    assert_eq!(shop.text("select hold_reason from orders").await, "operator");
    shop.verify().await;
}

#[tokio::test]
async fn a_serialization_failure_that_does_not_end_reaches_the_caller_with_its_code() {
    let shop = Shop::fresh().await;
    // A sequence counts what is rolled back, too.
    shop.sql("create sequence tries").await;
    shop.sql("grant usage on sequence tries to public_orders_app").await;
    let sql = "do $$ begin perform nextval('public.tries');
                 raise exception 'again' using errcode = '40001'; end $$";
    let error = shop.app.query("test", sql, &[]).await.unwrap_err();
    assert_eq!(error.sqlstate(), Some("40001"));
    assert_eq!(
        shop.text("select last_value from tries").await,
        "8",
        "tried again, and not for ever"
    );
    let endless = shop.app.transact("test", move |tx| Box::pin(tx.execute(sql)));
    let error = endless.await.unwrap_err();
    assert_eq!(error.sqlstate(), Some("40001"));
    assert_eq!(shop.text("select last_value from tries").await, "16");
    let args = [("order_uuid", "not a uuid", "uuid")];
    let error = call(&shop.app, "manually_complete_order", &args).await.unwrap_err();
    assert_eq!(error.sqlstate(), Some("22P02"), "what does not pass is not repeated");
}
