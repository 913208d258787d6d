//! The stuck query exactly as printed finds exactly those nobody looks after (ruling 13).

use crate::shop::{Setback, Shop};
use uuid::Uuid;

/// As the specification prints it.
const STUCK: &str = "SELECT id, status, created_at, updated_at 
   FROM orders 
   WHERE status = 'submitting' 
   AND updated_at < NOW() - INTERVAL '2 minutes';";

async fn stuck(shop: &Shop) -> Vec<Uuid> {
    let service = shop.session("public_orders_app").await;
    service.query(STUCK, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn an_order_that_somebody_looks_after_is_not_found() {
    let shop = Shop::fresh().await;
    shop.own_clock().await;
    shop.submitting("fresh lease", 60_000).await;
    shop.shift("-1 year").await;
    let old = shop.paid("a year old").await;
    let waiting = shop.paid("waiting").await;
    let held = shop.paid("held").await;
    shop.shift("0").await;
    shop.claim(old, 60_000).await;
    shop.shift("-5 minutes").await;
    for id in [waiting, held] {
        let token = shop.claim(id, 60_000).await;
        shop.setback(id, token, &Setback { delay_ms: 3_600_000, ..Setback::UNKNOWN })
            .await
            .unwrap();
    }
    shop.sql(&format!("select hold_order('{held}', 'operator')")).await;
    shop.shift("0").await;
    assert_eq!(stuck(&shop).await.len(), 2, "nobody has touched the waiting ones for five minutes");
    assert_eq!(shop.text("select touch_waiting_orders(100)").await, "2");
    assert_eq!(stuck(&shop).await, Vec::<Uuid>::new());
    shop.verify().await;
}

#[tokio::test]
async fn a_held_order_is_found_when_no_engine_is_there_and_not_while_one_is() {
    let shop = Shop::fresh().await;
    shop.own_clock().await;
    shop.shift("-1 hour").await;
    let (held, token) = shop.submitting("unknown, held when it was due", 60_000).await;
    shop.setback(held, token, &Setback::UNKNOWN).await.unwrap();
    shop.sql(&format!("select hold_order('{held}', 'operator')")).await;
    // An engine that comes every ten minutes only, so that each time the order is long overdue.
    for minutes in [50, 40, 30, 20, 10, 0] {
        assert_eq!(stuck(&shop).await, [held], "nobody has looked at it for a while");
        shop.shift(&format!("-{minutes} minutes")).await;
        assert_eq!(shop.text("select touch_waiting_orders(100)").await, "1", "{minutes}");
        let recovered = shop.recover(0, 500).await;
        assert_eq!(recovered["rescheduled"], 0, "{minutes}: {recovered}");
    }
    assert_eq!(stuck(&shop).await, Vec::<Uuid>::new());
    shop.verify().await;
}

#[tokio::test]
async fn an_order_that_nobody_looks_after_is_found() {
    let shop = Shop::fresh().await;
    shop.own_clock().await;
    shop.shift("-3 minutes").await;
    let (lost, _) = shop.submitting("lease ended", 30_000).await;
    let (untouched, token) = shop.submitting("unknown, untouched", 60_000).await;
    shop.setback(untouched, token, &Setback::UNKNOWN).await.unwrap();
    shop.shift("0").await;
    let mut found = stuck(&shop).await;
    found.sort();
    let mut wanted = [lost, untouched];
    wanted.sort();
    assert_eq!(found, wanted);
    assert_eq!(shop.text("select touch_waiting_orders(100)").await, "0");
    assert_eq!(
        stuck(&shop).await.len(),
        2,
        "what is leased is touched by its holder only, what is long overdue by nobody"
    );
    shop.recover(2, 500).await;
    assert_eq!(stuck(&shop).await, Vec::<Uuid>::new(), "recovery leaves nothing stuck");
    let health = shop.text("select order_system_health() -> 'stuck'").await;
    assert_eq!(health, "0");
}

#[tokio::test]
async fn renewals_keep_a_long_call_out_of_it_and_an_edit_of_another_column_does_not() {
    let shop = Shop::fresh().await;
    shop.own_clock().await;
    shop.shift("-150 seconds").await;
    let (renewed, token) = shop.submitting("renewed", 600_000).await;
    let (edited, _) = shop.submitting("edited", 600_000).await;
    shop.shift("0").await;
    shop.sql(&format!(
        "select * from renew_leases(array['{renewed}'::uuid], array['{token}'::uuid], 600000)"
    ))
    .await;
    shop.sql(&format!("select hold_order('{edited}', 'operator')")).await;
    assert_eq!(stuck(&shop).await, [edited]);
}

#[tokio::test]
async fn the_health_count_rises_and_falls_with_the_facts() {
    let shop = Shop::fresh().await;
    shop.own_clock().await;
    let health = "select concat_ws(' ', h -> 'stuck', h -> 'unknown', h #> '{orders,submitting}', h -> 'open_alerts')
                    from order_system_health() as h";
    shop.shift("-3 minutes").await;
    let (id, token) = shop.submitting("1", 60_000).await;
    shop.setback(id, token, &Setback::UNKNOWN).await.unwrap();
    shop.shift("0").await;
    assert_eq!(shop.text(health).await, "1 1 1 0");
    shop.complete(id, "req-1", "failed", "submitted_to_zinc").await;
    assert_eq!(shop.text(health).await, "1 1 1 1");
    shop.complete(id, "req-1", "submitted", "submitted_to_zinc").await;
    assert_eq!(shop.text(health).await, "0 0 1");
}
