//! A clock that was ahead and was set back: what it has written of times to come is old, not new.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests may fail by panic, like the tests"
)]

mod shop;

use serde_json::json;
use shop::money::with;
use shop::{Shop, facts};

/// A shop whose gate is as strict as a real one, and whose clock is ahead.
async fn ahead() -> Shop {
    let shop = Shop::fresh().await;
    shop.own_clock().await;
    shop.sql("update settings set value = '60000' where name = 'gate_age_ms'").await;
    shop.shift("10 minutes").await;
    shop
}

#[tokio::test]
async fn g2_facts_of_a_time_that_has_not_come_buy_nothing_and_newer_ones_are_stored() {
    let shop = ahead().await;
    let id = shop.paid("1").await;
    shop.shift("0").await;
    let claimable = "select count(*) from lock_due_orders('zinc_v1', 10)";
    assert_eq!(shop.text(claimable).await, "0", "nobody knows how old they are");
    let alone = format!("select count(*) from payment_to_read('{id}')");
    assert_eq!(shop.text(&alone).await, "1");
    let mut told = with(id, "refunded_minor", json!(1530));
    told["asked_us"] = json!(
        shop.text("select floor(extract(epoch from clock_now()) * 1000000)::bigint")
            .await
            .parse::<i64>()
            .unwrap()
    );
    assert_eq!(shop.told(&[told]).await, "mismatch");
    assert_eq!(shop.text("select hold_reason from orders").await, "payment_refunded");
}

#[tokio::test]
async fn a_message_of_a_time_that_has_not_come_is_answered_by_what_is_read_after_the_next_look() {
    let shop = ahead().await;
    let id = shop.paid("1").await;
    shop.sql(&format!(
        "select receive_event('webhook', 'evt_1', 'charge.refunded', 'charge', 'ch_1', sha256('x'), 'pi_{}', false, 0, null, '{{}}', false, null, true)",
        id.simple()
    ))
    .await;
    shop.shift("0").await;
    let now = "select floor(extract(epoch from clock_now()) * 1000000)::bigint";
    for expected in ["waits", "is answered"] {
        let mut told = facts(id);
        told["asked_us"] = json!(shop.text(now).await.parse::<i64>().unwrap());
        shop.told(&[told]).await;
        let stale = shop.text("select case when stale_since is null then 'is answered' else 'waits' end from payments").await;
        assert_eq!(stale, expected);
    }
    assert_eq!(shop.text("select count(*) from payments where read_at > clock_now()").await, "0");
}

#[tokio::test]
async fn g26_a_cursor_that_a_wrong_clock_has_moved_ahead_hides_no_message_and_no_comparison() {
    let shop = ahead().await;
    shop.paid("1").await;
    shop.shift("1 day").await;
    shop.sql("select move_cursor('stripe_events', clock_now())").await;
    let begins = "select begin_reconciliation(3600) is not null";
    assert_eq!(shop.text(begins).await, "true");
    shop.shift("0").await;
    let back = shop.text("select now_s - from_s from events_from('stripe_events')").await;
    assert_eq!(back, "3600", "an hour before now, and not tomorrow");
    shop.sql("select move_cursor('stripe_events', clock_now())").await;
    assert_eq!(
        shop.text("select at <= clock_now() from cursors where name = 'stripe_events'").await,
        "true"
    );
    assert_eq!(shop.text(begins).await, "true");
    assert_eq!(shop.text(begins).await, "false", "once an hour");
    shop.sql("select move_cursor('stripe_events', clock_now() - interval '1 hour')").await;
    let kept =
        "select at > clock_now() - interval '1 minute' from cursors where name = 'stripe_events'";
    assert_eq!(shop.text(kept).await, "true", "never back otherwise");
}
