//! `process-zma-order`: what each state of an order is answered with, and many triggers at once.

use super::desk::{Answer, Desk, send, serve};
use super::limits::part;
use orders_sandbox::zinc::{Event, Fault, Injected};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::Barrier;
use tokio::time::Instant;
use uuid::Uuid;

/// How many create calls the provider received for an order.
fn creates(desk: &Desk, order: Uuid) -> usize {
    let order = order.to_string();
    let lines = desk.world.world.zinc.ledger();
    lines
        .iter()
        .filter(|line| matches!(&line.event, Event::Create(one) if one.order_id.as_deref() == Some(order.as_str())))
        .count()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_submitted_and_a_repeat_is_a_duplicate() {
    let desk = Desk::open().await;
    let id = desk.paid("1").await;
    let first = desk.process(id).await;
    assert_eq!(first.status, 200, "{}", first.text);
    assert_eq!(first.header("content-type"), "application/json");
    assert_eq!(
        (&first.body["success"], &first.body["result"]),
        (&json!(true), &json!("submitted"))
    );
    let bought = desk.world.world.zinc.purchases_of(&id.to_string());
    assert_eq!(first.body["zinc_request_id"], json!(bought[0].request_id));
    let again = desk.process(id).await;
    assert_eq!((again.status, &again.body["duplicate"]), (200, &json!(true)), "{}", again.text);
    assert_eq!(again.body["zinc_request_id"], first.body["zinc_request_id"]);
    assert_eq!((bought.len(), creates(&desk, id)), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_cannot_be_bought_is_an_error_with_its_reason() {
    let desk = Desk::open().await;
    let nobody = desk.process(Uuid::nil()).await;
    assert_eq!((nobody.status, nobody.code()), (404, "order_not_found"), "{}", nobody.text);
    let unpaid = desk.place("1").await;
    let answer = desk.process(unpaid).await;
    assert_eq!((answer.status, answer.code()), (409, "order_unpaid"), "{}", answer.text);
    let held = desk.paid("2").await;
    desk.rpc("hold_order", &json!({"order_uuid": held})).await;
    let answer = desk.process(held).await;
    assert_eq!((answer.status, answer.code()), (409, "order_held"), "{}", answer.text);
    assert_eq!(answer.body["hold_reason"], "operator");
    let cancelled = desk.paid("3").await;
    desk.rpc("cancel_order", &json!({"order_uuid": cancelled})).await;
    assert_eq!(desk.process(cancelled).await.code(), "order_cancelled");
    let doubtful = desk.paid("4").await;
    desk.world.world.zinc.inject(Injected::Refusal("order_probably_placed".into()));
    let answer = desk.process(doubtful).await;
    assert_eq!((answer.status, answer.code()), (409, "needs_review"), "{}", answer.text);
    assert_eq!(answer.body["review_reason"], "order_probably_placed");
    for (id, sent) in [(unpaid, 0), (held, 0), (cancelled, 0), (doubtful, 1)] {
        assert_eq!(creates(&desk, id), sent);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_other_than_an_order_id_is_refused() {
    let desk = Desk::open().await;
    let id = desk.paid("1").await;
    let path = "/functions/v1/process-zma-order";
    for (body, named) in [
        (json!({}), "orderId must be given"),
        (json!({"orderId": "1"}), "orderId must be a uuid"),
        (json!({"orderId": id, "retailer": "amazon"}), "unknown field retailer"),
        (json!({"order_id": id}), "unknown field order_id"),
        (json!([]), "one JSON object"),
    ] {
        let answer = desk.send("POST", path, &body).await;
        assert_eq!(answer.status, 400, "{}", answer.text);
        assert_eq!(answer.header("content-type"), "application/json");
        assert!(answer.body["message"].as_str().unwrap().contains(named), "{}", answer.text);
        assert_eq!(answer.body["success"], false);
    }
    assert_eq!(desk.get(path).await.status, 405);
    assert_eq!(desk.send("POST", "/functions/v1/other", &Value::Null).await.status, 404);
    assert_eq!(creates(&desk, id), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_is_accepted_for_later_with_the_next_time() {
    let desk = Desk::open().await;
    let id = desk.paid("1").await;
    desk.world.world.zinc.inject(Injected::Fault(Fault::DropAnswer));
    let lost = desk.process(id).await;
    assert_eq!((lost.status, &lost.body["result"]), (202, &json!("unknown")), "{}", lost.text);
    assert_eq!(lost.body["success"], false);
    assert!(lost.body["retry_at"].is_string(), "{}", lost.text);
    // Asked again before its time: nothing is sent, and the answer is the same.
    let again = desk.process(id).await;
    assert_eq!(
        (again.status, &again.body["retry_at"]),
        (202, &lost.body["retry_at"]),
        "{}",
        again.text
    );
    assert_eq!(
        (creates(&desk, id), desk.world.world.zinc.purchases_of(&id.to_string()).len()),
        (1, 1)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_another_worker_has_is_in_progress() {
    let desk = Arc::new(Desk::open().await);
    let id = desk.paid("1").await;
    desk.world.world.zinc.set_latency_ms(1500);
    let first = tokio::spawn({
        let desk = Arc::clone(&desk);
        async move { desk.process(id).await }
    });
    while desk.status(id).await != "submitting" {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let second = desk.process(id).await;
    assert_eq!(
        (second.status, &second.body["result"]),
        (200, &json!("in_progress")),
        "{}",
        second.text
    );
    assert_eq!(second.body["success"], false);
    assert!(second.body["retry_at"].is_string());
    assert_eq!(first.await.unwrap().body["result"], "submitted");
    assert_eq!(creates(&desk, id), 1);
}

/// The server beside no engine, as it answers for this order.
async fn asked_without_an_engine(desk: &Desk, id: Uuid) -> Answer {
    let address = serve(part(desk.app.clone(), None).await).await;
    let body = json!({"orderId": id}).to_string();
    let headers = [("apikey", desk.key.as_str())];
    send(address, "POST", "/functions/v1/process-zma-order", &headers, body.as_bytes()).await
}

/// Demands 202, this result, and a next time for which a condition holds.
async fn is_told(desk: &Desk, answer: &Answer, result: &str, condition: &str) {
    assert_eq!((answer.status, &answer.body["result"]), (202, &json!(result)), "{}", answer.text);
    assert_eq!(answer.body["success"], false);
    let at = answer.body["retry_at"].as_str().unwrap();
    let holds = desk
        .text(&format!(
            "select {condition} from orders as o cross join (select timestamptz '{at}' as at) as told
               left join provider_accounts as p on p.provider = 'zinc_v1'
               left join order_attempts as a on a.order_id = o.id and a.settled_at is null
              where o.id = '{}'",
            answer.body["order_id"].as_str().unwrap()
        ))
        .await;
    assert_eq!(holds, "true", "{condition}: {}", answer.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_of_a_paused_account_is_told_the_end_of_the_pause() {
    let desk = Desk::open().await;
    let lost = desk.paid("1").await;
    desk.world.world.zinc.inject(Injected::Fault(Fault::DropAnswer));
    assert_eq!(desk.process(lost).await.body["result"], "unknown");
    let fresh = desk.paid("2").await;
    desk.sql(
        "insert into provider_accounts (provider, paused_until) values
           ('zinc_v1', clock_timestamp() + interval '1 hour'), ('stripe', clock_timestamp() + interval '2 hours')
         on conflict (provider) do update set paused_until = excluded.paused_until",
    )
    .await;
    is_told(&desk, &desk.process(fresh).await, "waiting", "at = paused_until").await;
    is_told(&desk, &desk.process(lost).await, "unknown", "at = paused_until").await;
    // A pause that ends before the order's own time changes nothing.
    desk.sql(
        "update provider_accounts set paused_until = clock_timestamp() + interval '5 seconds'",
    )
    .await;
    is_told(&desk, &desk.process(lost).await, "unknown", "at = o.due_at and at > paused_until")
        .await;
    // Nobody drives here: due since its payment, and yet no time that is over.
    desk.sql("update provider_accounts set paused_until = clock_timestamp() - interval '1 hour'")
        .await;
    let asked_at = desk.text("select clock_timestamp()").await;
    let answer = asked_without_an_engine(&desk, fresh).await;
    let now = format!("o.due_at < '{asked_at}' and at between '{asked_at}' and clock_timestamp()");
    is_told(&desk, &answer, "waiting", &now).await;
    assert_eq!((creates(&desk, lost), creates(&desk, fresh)), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ended_lease_is_an_unknown_outcome_and_no_work_in_progress() {
    let desk = Desk::open().await;
    let id = desk.paid("1").await;
    // No engine is left that would take it over.
    desk.stop();
    let end = Instant::now() + Duration::from_secs(25);
    while desk.text("select count(*) from workers where stopped_at is null").await != "0" {
        assert!(Instant::now() < end, "the engine does not stop");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    desk.sql(&format!(
        "select c.* from lock_due_orders('zinc_v1', 1, '{id}') as o cross join lateral
           commit_intents('zinc_v1', 'gone', gen_random_uuid(), 2000, 500, 82800000, array[o.id],
             array[o.version], array[1], array[gen_random_uuid()], array[gen_random_uuid()::text],
             array['{{}}'::bytea], array[sha256('{{}}')],
             (select p.account_mark from provider_accounts as p where p.provider = 'zinc_v1')) as c"
    ))
    .await;
    let leased = asked_without_an_engine(&desk, id).await;
    assert_eq!(
        (leased.status, &leased.body["result"]),
        (200, &json!("in_progress")),
        "{}",
        leased.text
    );
    while desk
        .text("select bool_and(lease_expires_at <= clock_timestamp()) from order_attempts")
        .await
        != "true"
    {
        assert!(Instant::now() < end, "the lease does not end");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let ended = asked_without_an_engine(&desk, id).await;
    // When recovery would have the same request repeated: the provider's bound after the call.
    let next = "at = a.call_deadline_at + interval '1 minute' and at > clock_timestamp()";
    is_told(&desk, &ended, "unknown", next).await;
    assert!(ended.body["message"].as_str().unwrap().contains("lease has ended"), "{}", ended.text);
    desk.sql("update settings set value = '100' where name = 'processing_bound_ms'").await;
    let asked_at = desk.text("select clock_timestamp()").await;
    let over = asked_without_an_engine(&desk, id).await;
    is_told(&desk, &over, "unknown", &format!("at between '{asked_at}' and clock_timestamp()"))
        .await;
    assert_eq!(desk.status(id).await, "submitting", "asking changes nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_who_hangs_up_leaves_nothing_half_done() {
    let desk = Desk::open().await;
    for number in 0..8_u64 {
        let id = desk.paid(&number.to_string()).await;
        let body = json!({"orderId": id}).to_string();
        let request = format!(
            "POST /functions/v1/process-zma-order HTTP/1.1\r\nhost: x\r\napikey: {}\r\ncontent-length: {}\r\n\r\n{body}",
            desk.key,
            body.len()
        );
        let mut stream = TcpStream::connect(desk.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        // Gone before, while or after the order is claimed.
        tokio::time::sleep(Duration::from_millis(number * 2)).await;
        drop(stream);
        tokio::time::sleep(Duration::from_millis(50)).await;
        let end = Instant::now() + Duration::from_secs(5);
        loop {
            let bought = desk.world.world.zinc.purchases_of(&id.to_string()).len();
            let status = desk.status(id).await;
            if matches!((status.as_str(), bought), ("pending", 0) | ("submitted_to_zinc", 1)) {
                break;
            }
            assert!(Instant::now() < end && bought <= 1, "{status} {bought}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn window_a12_many_triggers_at_once_make_one_request_and_agree() {
    let desk = Arc::new(Desk::open().await);
    for round in 0..4 {
        desk.world.world.zinc.set_latency_ms(round * 100);
        // The engine sleeps until it is woken together with the others.
        let id = desk.paid(&round.to_string()).await;
        let barrier = Arc::new(Barrier::new(33));
        let tasks: Vec<_> = (0..32)
            .map(|_| {
                let (desk, barrier) = (Arc::clone(&desk), Arc::clone(&barrier));
                tokio::spawn(async move {
                    barrier.wait().await;
                    desk.process(id).await
                })
            })
            .collect();
        barrier.wait().await;
        desk.engine.wake();
        let mut ids = BTreeSet::new();
        for task in tasks {
            let answer = task.await.unwrap();
            assert_eq!(answer.status, 200, "{}", answer.text);
            assert_eq!(answer.body["order_id"], json!(id));
            match answer.body["result"].as_str().unwrap() {
                "in_progress" => assert_eq!(answer.body["success"], false),
                _ => drop(ids.insert(answer.body["zinc_request_id"].as_str().unwrap().to_owned())),
            }
        }
        while desk.status(id).await == "submitting" {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let last = desk.process(id).await;
        ids.insert(last.body["zinc_request_id"].as_str().unwrap().to_owned());
        assert_eq!((ids.len(), creates(&desk, id)), (1, 1), "{ids:?}");
        assert_eq!(desk.world.world.zinc.purchases_of(&id.to_string()).len(), 1);
    }
    assert!(desk.world.world.zinc.duplicates().is_empty());
}
