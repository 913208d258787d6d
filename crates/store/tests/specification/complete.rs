//! `complete_order_processing`: the acceptance of a purchase, stored once.

use crate::shop::{Shop, call};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::sync::Barrier;

const EVENTS: &str = "select count(*) from order_events";

#[tokio::test]
async fn an_order_goes_through_the_protected_transitions() {
    let shop = Shop::fresh().await;
    let (id, _token) = shop.submitting("1", 60_000).await;
    let first = shop.complete(id, "req-1", "submitted", "submitted_to_zinc").await;
    assert_eq!(first["duplicate"], json!(false), "{first}");
    let events = shop.text(EVENTS).await;
    let again = shop.complete(id, "req-1", "submitted", "submitted_to_zinc").await;
    assert_eq!((&again["success"], &again["duplicate"]), (&json!(true), &json!(true)), "{again}");
    assert_eq!(shop.text(EVENTS).await, events);
    assert_eq!(
        shop.complete(id, "req-1", "processing", "processing").await["status"],
        json!("processing")
    );
    assert_eq!(
        shop.complete(id, "req-1", "delivered", "completed").await["status"],
        json!("completed")
    );
    let path = shop
        .text("select string_agg(status_after, ' ' order by seq) from order_events where status_before <> status_after")
        .await;
    assert_eq!(path, "pending submitting submitted_to_zinc processing completed");
    assert_eq!(
        shop.complete(id, "req-1", "submitted", "submitted_to_zinc").await["duplicate"],
        json!(true)
    );
    shop.verify().await;
}

#[tokio::test]
async fn one_call_walks_along_the_edges_to_its_final_state() {
    for (number, last, steps) in [("1", "processing", 2), ("2", "completed", 3)] {
        let shop = Shop::fresh().await;
        let (id, _) = shop.submitting(number, 60_000).await;
        let before: i32 = shop.text(EVENTS).await.parse().unwrap();
        assert_eq!(shop.complete(id, "req-1", "shipped", last).await["status"], json!(last));
        let after: i32 = shop.text(EVENTS).await.parse().unwrap();
        assert_eq!((after - before, shop.status(id).await.as_str()), (steps, last));
        shop.verify().await;
    }
}

#[tokio::test]
async fn it_takes_an_exclusive_lock_that_another_writer_waits_for() {
    let shop = Shop::fresh().await;
    let (id, _) = shop.submitting("1", 60_000).await;
    let session = shop.session("public_orders_app").await;
    session
        .batch_execute(&format!("begin; select complete_order_processing('{id}', 'req-1')"))
        .await
        .unwrap();
    let other = shop.session("postgres").await;
    for lock in ["update", "no key update", "share", "key share"] {
        let error = other
            .batch_execute(&format!("select from orders where id = '{id}' for {lock} nowait"))
            .await
            .expect_err(lock);
        assert_eq!(error.code().unwrap().code(), "55P03", "{lock}");
    }
    session.batch_execute("rollback").await.unwrap();
    assert_eq!(shop.status(id).await, "submitting", "a failure rolls back the whole");
}

#[tokio::test]
async fn of_64_callers_at_once_one_changes_the_order_and_all_get_the_same_answer() {
    let shop = Arc::new(Shop::fresh().await);
    let (id, _) = shop.submitting("1", 60_000).await;
    let before: i32 = shop.text(EVENTS).await.parse().unwrap();
    let barrier = Arc::new(Barrier::new(64));
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..64 {
        let (shop, barrier) = (shop.clone(), barrier.clone());
        callers.spawn(async move {
            shop.app.query("test.warm", "select 1", &[]).await.unwrap();
            barrier.wait().await;
            shop.complete(id, "req-1", "submitted", "submitted_to_zinc").await
        });
    }
    let answers = callers.join_all().await;
    let firsts = answers.iter().filter(|a| a["duplicate"] == json!(false)).count();
    assert_eq!((answers.len(), firsts), (64, 1));
    for answer in &answers {
        assert_eq!(answer["success"], json!(true), "{answer}");
        assert_eq!(answer["status"], json!("submitted_to_zinc"), "{answer}");
        assert_eq!(answer["zinc_request_id"], json!("req-1"), "{answer}");
    }
    let after: i32 = shop.text(EVENTS).await.parse().unwrap();
    assert_eq!(after - before, 1);
    shop.verify().await;
}

#[tokio::test]
async fn window_a4_another_request_id_overwrites_nothing_and_is_kept_as_a_finding() {
    let shop = Shop::fresh().await;
    let (id, token) = shop.submitting("1", 60_000).await;
    shop.accept(id, token, "req-1").await;
    let before = shop.everything(id).await;
    let session = shop.session("public_orders_app").await;
    let sql = format!(
        "select complete_order_processing(order_uuid => '{id}', zinc_request_id_param => 'req-2')::text,
                current_setting('response.status', true)"
    );
    session.batch_execute("begin").await.unwrap();
    let row = session.query_one(&sql, &[]).await.unwrap();
    let status =
        session.query_one("select current_setting('response.status', true)", &[]).await.unwrap();
    session.batch_execute("commit").await.unwrap();
    assert_eq!(status.get::<_, &str>(0), "409");
    let answer: Value = serde_json::from_str(row.get(0)).unwrap();
    assert_eq!(answer["success"], json!(false));
    assert_eq!(answer["code"], json!("request_id_conflict"));
    for field in ["message", "details", "hint"] {
        assert!(answer[field].is_string(), "{field}: {answer}");
    }
    assert_eq!(shop.everything(id).await, before);
    for table in ["findings", "alerts"] {
        let open = shop.text(&format!("select count(*) from {table} where order_id = '{id}' and subject = 'req-2' and closed_at is null")).await;
        assert_eq!(open, "1", "{table}");
    }
    let again = shop.complete(id, "req-2", "submitted", "submitted_to_zinc").await;
    assert_eq!(again["code"], json!("request_id_conflict"), "told again, kept once");
    assert_eq!(shop.text("select count(*) from findings").await, "1");
}

#[tokio::test]
async fn a_request_id_of_another_order_is_refused_too() {
    let shop = Shop::fresh().await;
    let (first, token) = shop.submitting("1", 60_000).await;
    shop.accept(first, token, "req-1").await;
    let (second, _) = shop.submitting("2", 60_000).await;
    let answer = shop.complete(second, "req-1", "submitted", "submitted_to_zinc").await;
    assert_eq!(answer["code"], json!("request_id_conflict"), "{answer}");
    assert_eq!(shop.status(second).await, "submitting");
}

#[tokio::test]
async fn window_c5_a_cancelled_failed_or_held_order_is_never_flipped() {
    let shop = Shop::fresh().await;
    let cancelled = shop.paid("1").await;
    shop.sql(&format!("select cancel_order('{cancelled}', 'customer')")).await;
    let (held, _) = shop.submitting("2", 60_000).await;
    shop.sql(&format!("select hold_order('{held}', 'disputed')")).await;
    let (failed, token) = shop.submitting("3", 60_000).await;
    shop.accept(failed, token, "req-3").await;
    shop.sql(&format!(
        "select * from record_readings('t', array['{failed}'::uuid], array[(select version from orders where id = '{failed}')],
           array['purchase_failed'], array['failed'], array['x'], array[null::bigint], array['provider_final'],
           array[null::text], array[null::text], array[0::bigint], array['{{}}'::jsonb])"
    ))
    .await;
    for (id, request, code) in [
        (cancelled, "req-1", "order_cancelled"),
        (held, "req-2", "order_held"),
        (failed, "req-3", "request_id_stale"),
        (failed, "req-4", "request_id_conflict"),
    ] {
        let before = shop.everything(id).await;
        for last in ["submitted_to_zinc", "completed"] {
            let answer = shop.complete(id, request, "submitted", last).await;
            assert_eq!(answer["code"], json!(code), "{answer}");
        }
        assert_eq!(shop.everything(id).await, before, "{code}");
        assert_eq!(
            shop.text(&format!(
                "select count(*) from findings where kind = '{code}' and subject = '{request}'"
            ))
            .await,
            "1"
        );
    }
    shop.verify().await;
}

#[tokio::test]
async fn a_held_order_in_review_repeats_what_it_knows_and_is_not_moved() {
    let shop = Shop::fresh().await;
    let (id, token) = shop.submitting("1", 60_000).await;
    shop.sql(&format!("select hold_order('{id}')")).await;
    assert_eq!(shop.accept(id, token, "req-1").await, "recorded");
    let before = shop.everything(id).await;
    let answer = shop.complete(id, "req-1", "submitted", "submitted_to_zinc").await;
    assert_eq!(
        (&answer["duplicate"], &answer["status"]),
        (&json!(true), &json!("needs_review")),
        "{answer}"
    );
    assert_eq!(shop.everything(id).await, before);
}

#[tokio::test]
async fn a_word_of_failure_becomes_a_finding_and_leaves_the_attempt_open() {
    let shop = Shop::fresh().await;
    let (id, _) = shop.submitting("1", 60_000).await;
    let before = shop.everything(id).await;
    for word in ["failed", "error", "cancelled", "out_of_stock", "-"] {
        let answer = shop.complete(id, "req-1", word, "submitted_to_zinc").await;
        assert_eq!(answer["code"], json!("good_news_only"), "{word}: {answer}");
    }
    assert_eq!(shop.everything(id).await, before);
    assert_eq!(shop.text("select outcome from order_attempts").await, "open");
    assert_eq!(shop.text("select count(*) from findings").await, "1");
}

#[tokio::test]
async fn an_older_generations_id_is_stale_and_not_a_conflict() {
    let shop = Shop::fresh().await;
    let (id, token) = shop.submitting("1", 60_000).await;
    shop.accept(id, token, "req-1").await;
    shop.sql(&format!(
        "select * from record_readings('t', array['{id}'::uuid], array[(select version from orders where id = '{id}')],
           array['purchase_failed'], array['pending'], array['x'], array[null::bigint], array['provider_final'],
           array[null::text], array[null::text], array[0::bigint], array['{{}}'::jsonb])"
    ))
    .await;
    let early = shop.complete(id, "req-1", "submitted", "submitted_to_zinc").await;
    assert_eq!(early["code"], json!("request_id_stale"), "before the next attempt: {early}");
    let token = shop.claim(id, 60_000).await;
    let late = shop.complete(id, "req-1", "submitted", "submitted_to_zinc").await;
    assert_eq!(late["code"], json!("request_id_stale"), "{late}");
    assert_eq!(shop.accept(id, token, "req-2").await, "recorded");
    let last = shop.complete(id, "req-1", "submitted", "submitted_to_zinc").await;
    assert_eq!(last["code"], json!("request_id_stale"), "window_a13: {last}");
    assert_eq!(
        shop.text(
            "select concat_ws(' ', a.request_id, o.zinc_request_id) from orders as o
                     join order_attempts as a on a.order_id = o.id and a.generation = 1"
        )
        .await,
        "req-1 req-2"
    );
    shop.verify().await;
}

#[tokio::test]
async fn a_word_of_acceptance_after_an_unsettled_refusal_is_recorded() {
    let shop = Shop::fresh().await;
    let (id, token) = shop.submitting("1", 60_000).await;
    shop.setback(id, token, &crate::shop::Setback::REVIEW).await.unwrap();
    assert_eq!(shop.text("select outcome from order_attempts").await, "refused");
    let answer = shop.complete(id, "req-1", "submitted", "submitted_to_zinc").await;
    assert_eq!(answer["status"], json!("submitted_to_zinc"), "{answer}");
    shop.complete(id, "req-1", "delivered", "completed").await;
    assert_eq!(
        shop.text("select concat_ws(' ', outcome, request_id, settled_by) from order_attempts")
            .await,
        "accepted req-1 delivered"
    );
    shop.verify().await;
}

#[tokio::test]
async fn nothing_is_accepted_for_an_order_of_which_nothing_was_sent() {
    let shop = Shop::fresh().await;
    let unpaid = shop.place("1").await;
    let paid = shop.paid("2").await;
    let (released, token) = shop.submitting("3", 60_000).await;
    shop.setback(released, token, &crate::shop::Setback::RELEASED).await.unwrap();
    for (id, code) in
        [(unpaid, "order_held"), (paid, "nothing_was_sent"), (released, "nothing_was_sent")]
    {
        let answer = shop.complete(id, "req-1", "submitted", "submitted_to_zinc").await;
        assert_eq!(answer["code"], json!(code), "{answer}");
        assert_eq!(shop.status(id).await, "pending");
    }
}

/// Completes an order under an id that another one has just taken, uncommitted; that one ends so
/// once the call waits for it (and has met its time limit, if so asked).
async fn meet(end: &str, past_the_limit: bool) -> (Shop, Value) {
    let shop = Shop::fresh().await;
    let (one, _) = shop.submitting("1", 60_000).await;
    let (two, _) = shop.submitting("2", 60_000).await;
    let first = shop.session("public_orders_app").await;
    let begin = format!("begin; select complete_order_processing('{one}', 'req-1')");
    first.batch_execute(&begin).await.unwrap();
    let second = shop.complete(two, "req-1", "submitted", "submitted_to_zinc");
    let ended = async {
        shop.until_blocked(1).await;
        if past_the_limit {
            shop.until(
                "select exists (select from pg_stat_activity where wait_event_type = 'Lock'
                  and clock_timestamp() - query_start > interval '1100 milliseconds')",
            )
            .await;
        }
        first.batch_execute(end).await.unwrap();
    };
    let (answer, ()) = tokio::join!(second, ended);
    shop.verify().await;
    (shop, answer)
}

#[tokio::test]
async fn an_id_that_another_order_takes_at_the_same_moment_is_refused_and_kept() {
    for past_the_limit in [false, true] {
        let (shop, answer) = meet("commit", past_the_limit).await;
        assert_eq!(answer["code"], json!("request_id_conflict"), "{answer}");
        let findings = "select string_agg(kind, ' ') from findings";
        assert_eq!(shop.text(findings).await, "request_id_conflict");
        let stands = "select string_agg(status, ' ' order by order_number) from orders";
        assert_eq!(shop.text(stands).await, "submitted_to_zinc submitting");
    }
}

#[tokio::test]
async fn an_id_that_another_order_gives_back_at_the_same_moment_is_taken() {
    let (shop, answer) = meet("rollback", false).await;
    assert_eq!(answer["success"], json!(true), "{answer}");
    assert_eq!(shop.text("select count(*) from findings").await, "0");
}

#[tokio::test]
async fn misuse_raises_with_a_documented_code() {
    let shop = Shop::fresh().await;
    let (id, _) = shop.submitting("1", 60_000).await;
    let uuid = id.to_string();
    let nobody = uuid::Uuid::from_u128(1).to_string();
    let long = "x".repeat(201);
    for (order, request, last, code) in [
        (&*nobody, "req-1", "submitted_to_zinc", "PT404"),
        (&*uuid, "", "submitted_to_zinc", "22023"),
        (&*uuid, &*long, "submitted_to_zinc", "22023"),
        (&*uuid, "req-1", "pending", "22023"),
        (&*uuid, "req-1", "cancelled", "22023"),
    ] {
        let args = [
            ("order_uuid", order, "uuid"),
            ("zinc_request_id_param", request, "text"),
            ("final_status_param", last, "text"),
        ];
        let error = call(&shop.app, "complete_order_processing", &args).await.unwrap_err();
        assert_eq!(error.sqlstate(), Some(code), "{error}");
    }
    for sql in [
        format!("select complete_order_processing('{id}', null)"),
        format!("select complete_order_processing('{id}', 'req-1', 'submitted', null)"),
        format!(
            "select complete_order_processing('{id}', 'req-1', options => '{{\"actr\": \"ada\"}}')"
        ),
        format!("select complete_order_processing('{id}', 'req-1', options => '[]')"),
        format!("select complete_order_processing('{id}', 'req-1', null)"),
        format!("select complete_order_processing('{id}', 'req-1', '')"),
        format!("select complete_order_processing('{id}', 'req-1', repeat('x', 101))"),
    ] {
        let error = shop.app.query("test", &sql, &[]).await.unwrap_err();
        assert_eq!(error.sqlstate(), Some("22023"), "{sql}");
    }
    assert_eq!(shop.status(id).await, "submitting", "the usual case takes nothing that is refused");
    assert_eq!(shop.text("select count(*) from findings").await, "0");
    let wrong = [("order_id", &*uuid, "uuid"), ("zinc_request_id_param", "req-1", "text")];
    let error = call(&shop.app, "complete_order_processing", &wrong).await.unwrap_err();
    assert_eq!(error.sqlstate(), Some("42883"), "a wrong parameter name: {error}");
}

#[tokio::test]
async fn the_health_query_shows_the_calls_of_the_three_functions() {
    let shop = Shop::fresh().await;
    let (id, _) = shop.submitting("1", 60_000).await;
    let session = shop.session("public_orders_app").await;
    session
        .batch_execute(&format!(
            "select complete_order_processing('{id}', 'req-1'); select manually_complete_order('{id}');
             select recover_stuck_orders(); select pg_stat_force_next_flush()"
        ))
        .await
        .unwrap();
    shop.until(
        "select count(*) = 3 and bool_and(calls >= 1) FROM pg_stat_user_functions
         WHERE funcname IN ('complete_order_processing', 'manually_complete_order', 'recover_stuck_orders')",
    )
    .await;
}
