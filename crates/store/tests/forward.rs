//! Time runs forward in every history: a door that waited for the order's lock reads the clock after
//! it, not before. And a time that nobody looked after does not move. // G11, ruling 13
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests may fail by panic, like the tests"
)]

mod shop;

use shop::{Shop, facts};
use std::sync::Arc;
use uuid::Uuid;

/// Calls `late` while another session holds the order; that one then does `first`, an hour later by
/// the shop's clock, and commits.
async fn waits(shop: &Arc<Shop>, id: Uuid, first: &str, late: &str) {
    let holder = shop.session("postgres").await;
    holder.batch_execute("begin").await.unwrap();
    holder.query(&format!("select from orders where id = '{id}' for update"), &[]).await.unwrap();
    let call = late.replace("ID", &id.to_string());
    let waiting = {
        let (shop, call) = (shop.clone(), call.clone());
        tokio::spawn(async move { shop.app.query("test", &format!("select {call}"), &[]).await })
    };
    shop.until_blocked(1).await;
    shop.shift("1 hour").await;
    for call in first.split(" then ") {
        let call = call.replace("ID", &id.to_string());
        holder.query(&format!("select {call}"), &[]).await.unwrap();
    }
    holder.batch_execute("commit").await.unwrap();
    waiting.await.unwrap().unwrap();
    shop.shift("0").await;
    let backward = format!(
        "select count(*) from order_events as e join order_events as f using (order_id)
          where order_id = '{id}' and f.seq = e.seq + 1 and f.at < e.at"
    );
    assert_eq!(shop.text(&backward).await, "0", "{call}");
    let last = format!(
        "select count(*) from order_events where order_id = '{id}' and at > clock_now() + interval '50 minutes'"
    );
    assert!(shop.text(&last).await.parse::<u32>().unwrap() >= 2, "{call} wrote nothing");
    shop.verify().await;
}

/// How Stripe's word about an order's payment is recorded.
fn told(id: Uuid, received: u32) -> String {
    let mut facts = facts(id);
    facts["received_minor"] = received.into();
    format!("record_payments('t', false, '[{facts}]')")
}

#[tokio::test]
async fn a_door_that_waited_for_an_order_writes_its_event_after_the_one_it_waited_for() {
    let shop = Arc::new(Shop::fresh().await);
    shop.own_clock().await;
    let hold = "hold_order('ID')";
    let paid = shop.paid("1").await;
    waits(&shop, paid, "hold_order('ID') then release_hold('ID')", "hold_order('ID', 'disputed')")
        .await;
    let released = shop.paid("2").await;
    shop.sql(&format!("select hold_order('{released}')")).await;
    let again = "release_hold('ID') then hold_order('ID', 'disputed')";
    waits(&shop, released, again, "release_hold('ID')").await;
    let cancelled = shop.paid("3").await;
    waits(&shop, cancelled, hold, "cancel_order('ID')").await;
    let completed = shop.paid("4").await;
    waits(&shop, completed, hold, "manually_complete_order('ID', 'req-4', 'by hand')").await;
    let (review, token) = shop.submitting("5", 60_000).await;
    shop.setback(review, token, &shop::Setback::REVIEW).await.unwrap();
    shop.sql("update settings set value = '0' where name = 'processing_bound_ms'").await;
    let settle = "resolve_review('ID', 'nothing_was_bought', 'their support says so')";
    waits(&shop, review, hold, settle).await;
}

#[tokio::test]
async fn a_payment_that_waited_for_its_order_is_recorded_after_what_it_waited_for() {
    let shop = Arc::new(Shop::fresh().await);
    shop.own_clock().await;
    let id = shop.place("1").await;
    shop.sql(&format!("select attach_payment('{id}', 'pi_{}')", id.simple())).await;
    waits(&shop, id, &told(id, 1), &told(id, 1530)).await;
    assert_eq!(shop.text("select payment_status from orders").await, "paid");
}

#[tokio::test]
async fn an_answer_that_waited_for_its_order_is_recorded_after_what_it_waited_for() {
    let shop = Arc::new(Shop::fresh().await);
    shop.own_clock().await;
    let hold = "hold_order('ID')";
    let (accepted, token) = shop.submitting("1", 60_000).await;
    let answer = format!(
        "result from record_acceptances('t', 1000, array['ID'::uuid], array['{token}'::uuid], array['req-1'])"
    );
    waits(&shop, accepted, hold, &answer).await;
    let (lost, token) = shop.submitting("2", 60_000).await;
    let answer = format!(
        "result from record_setbacks('t', array['ID'::uuid], array['{token}'::uuid], array['answer_lost'], array['odd'],
           array['unknown'], array[null]::text[], array['submitting'], array[null]::text[], array[null]::text[], array[0]::bigint[])"
    );
    waits(&shop, lost, hold, &answer).await;
    let forgotten = shop.paid("3").await;
    shop.sql(&format!(
        "insert into differences (id, kind, subject, order_id, about_at, data, first_at, last_at)
         values (gen_random_uuid(), 'purchase_forgotten', 'req-3', '{forgotten}', clock_now() - interval '1 day', '{{}}', clock_now(), clock_now())"
    ))
    .await;
    waits(&shop, forgotten, hold, "note_shop_compared('t', now(), '-infinity', '{purchases}')")
        .await;
}

#[tokio::test]
async fn releasing_the_hold_of_a_submission_with_a_lease_hides_it_from_nobody() {
    let shop = Shop::fresh().await;
    shop.own_clock().await;
    let (id, _) = shop.submitting("1", 60_000).await;
    let times = "select due_at || ' ' || updated_at from orders";
    let before = shop.text(times).await;
    let stuck = "select order_system_health() ->> 'stuck'";
    for (shift, count) in [("10 s", "0"), ("10 minutes", "1")] {
        shop.shift(shift).await;
        shop.sql(&format!("select hold_order('{id}')")).await;
        shop.sql(&format!("select release_hold('{id}')")).await;
        assert_eq!(shop.text(times).await, before, "{shift}");
        assert_eq!(shop.text(stuck).await, count, "{shift}");
    }
    shop.recover(0, 10).await;
    shop.sql(&format!("select hold_order('{id}')")).await;
    shop.shift("20 minutes").await;
    shop.sql(&format!("select release_hold('{id}')")).await;
    assert_eq!(
        shop.text("select due_at <= clock_now() from orders").await,
        "true",
        "without a lease it is due"
    );
    shop.verify().await;
}
