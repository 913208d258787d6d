//! Movements of money behind their fence: what may be committed, and what stands when it was. // G3, G28

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests may fail by panic, like the tests"
)]

mod shop;

use orders_core::money_move::{Due, Kind, Record, State};
use orders_store::moves::{Call, Committed, Leased, commit, lease, record};
use shop::{Shop, facts};
use std::time::Duration;
use uuid::Uuid;

const TOKEN: Uuid = Uuid::from_u128(1);
const OTHER: Uuid = Uuid::from_u128(2);
const LEASE: Duration = Duration::from_mins(1);
const KEY_LIFE: Duration = Duration::from_hours(23);

/// A shop with a clock of its own and one paid order that was cancelled.
async fn owing() -> (Shop, Uuid) {
    let shop = Shop::fresh().await;
    shop.own_clock().await;
    let id = shop.paid("1").await;
    shop.sql(&format!("select cancel_order('{id}')")).await;
    (shop, id)
}

async fn leased(shop: &Shop, token: Uuid) -> Vec<Leased> {
    lease(&shop.app, "t", token, LEASE, 10, 0).await.unwrap()
}

fn call(token: Uuid, id: Uuid) -> Call<'static> {
    Call {
        token,
        id,
        target: "/refunds",
        body: b"first",
        renew: false,
        call: Duration::from_secs(30),
        key_life: KEY_LIFE,
    }
}

async fn committed(shop: &Shop, call: Call<'_>) -> Option<Committed> {
    commit(&shop.app, &call).await.unwrap()
}

async fn recorded(shop: &Shop, token: Uuid, due: &Due, state: State) -> bool {
    let record_of = Record { state, ..Record::unchanged(due, Duration::ZERO) };
    record(&shop.app, "t", token, due.id.parse().unwrap(), &record_of).await.unwrap()
}

#[tokio::test]
async fn a_movement_is_held_by_one_engine_until_its_lease_ends() {
    let (shop, order) = owing().await;
    let first = leased(&shop, TOKEN).await;
    assert_eq!(first.len(), 1);
    let (one, id) = (&first[0].due, first[0].id);
    assert_eq!((first[0].order_id, one.kind, one.amount_minor), (order, Kind::Refund, 1530));
    assert!(one.wanted && one.call_over && !one.key_dead && one.calls == 0 && one.keys == 1);
    assert_eq!(leased(&shop, OTHER).await.len(), 0);
    assert!(committed(&shop, call(OTHER, id)).await.is_none(), "the fence");
    assert!(!recorded(&shop, OTHER, one, State::Open).await);
    shop.shift("31 s").await;
    assert!(committed(&shop, call(TOKEN, id)).await.is_none(), "the call would outlive the lease");
    shop.shift("61 s").await;
    assert!(!recorded(&shop, TOKEN, one, State::Open).await, "too late");
    assert_eq!(leased(&shop, OTHER).await.len(), 1);
    assert!(committed(&shop, call(OTHER, id)).await.is_some());
}

#[tokio::test]
async fn the_first_bytes_and_the_key_stand_for_every_repeat() {
    let (shop, _) = owing().await;
    let one = leased(&shop, TOKEN).await.remove(0);
    let first = committed(&shop, call(TOKEN, one.id)).await.unwrap();
    assert_eq!((first.key, first.body.as_slice()), (format!("refund:{}:1", one.id), &b"first"[..]));
    assert!(committed(&shop, call(TOKEN, one.id)).await.is_none(), "one call at a time");
    let unknown = Due { state: State::Unknown, ..one.due.clone() };
    assert!(recorded(&shop, TOKEN, &unknown, State::Unknown).await);
    let again = leased(&shop, OTHER).await.remove(0);
    assert_eq!(
        (again.due.calls, again.due.state, again.body.as_deref()),
        (1, State::Unknown, Some(&b"first"[..]))
    );
    let other_bytes = Call { target: "/elsewhere", body: b"second", ..call(OTHER, one.id) };
    let repeat = committed(&shop, other_bytes).await.unwrap();
    assert_eq!(
        (repeat.key, repeat.target.as_str(), repeat.body.as_slice()),
        (format!("refund:{}:1", one.id), "/refunds", &b"first"[..])
    );
    shop.verify().await;
}

#[tokio::test]
async fn a_refund_has_its_next_key_only_when_the_former_is_dead_and_its_last_call_ten_minutes_over()
{
    let (shop, _) = owing().await;
    let one = leased(&shop, TOKEN).await.remove(0);
    committed(&shop, call(TOKEN, one.id)).await.unwrap();
    let unknown = Due { state: State::Unknown, ..one.due };
    assert!(recorded(&shop, TOKEN, &unknown, State::Unknown).await);
    // Once more in the last minute of its key.
    shop.shift("22 hours 59 minutes").await;
    let late = leased(&shop, OTHER).await.remove(0);
    assert!(!late.due.key_dead);
    let renewed = |token| Call { renew: true, ..call(token, one.id) };
    assert!(committed(&shop, renewed(OTHER)).await.is_none(), "the key lives");
    committed(&shop, call(OTHER, one.id)).await.unwrap();
    assert!(recorded(&shop, OTHER, &unknown, State::Unknown).await);
    shop.shift("23 hours 1 minute").await;
    let dead = leased(&shop, TOKEN).await.remove(0);
    assert!(dead.due.key_dead && !dead.due.call_over);
    assert!(committed(&shop, call(TOKEN, one.id)).await.is_none(), "a dead key is not used");
    assert!(committed(&shop, renewed(TOKEN)).await.is_none(), "the last call may still arrive");
    assert!(recorded(&shop, TOKEN, &unknown, State::Unknown).await);
    shop.shift("23 hours 10 minutes").await;
    let over = leased(&shop, TOKEN).await.remove(0);
    assert!(over.due.key_dead && over.due.call_over);
    let second = committed(&shop, renewed(TOKEN)).await.unwrap();
    assert_eq!(second.key, format!("refund:{}:2", one.id));
    assert_eq!(second.body, b"first");
}

#[tokio::test]
async fn what_may_have_been_sent_is_neither_unsent_nor_withdrawn_and_an_end_is_an_end() {
    let (shop, order) = owing().await;
    let one = leased(&shop, TOKEN).await.remove(0);
    committed(&shop, call(TOKEN, one.id)).await.unwrap();
    assert!(!recorded(&shop, TOKEN, &one.due, State::Open).await);
    assert!(!recorded(&shop, TOKEN, &one.due, State::Withdrawn).await);
    assert!(recorded(&shop, TOKEN, &one.due, State::Done).await);
    assert!(!recorded(&shop, TOKEN, &one.due, State::Failed).await, "the lease is used up");
    shop.shift("1 year").await;
    assert_eq!(leased(&shop, OTHER).await.len(), 0);
    let told = format!(
        "select count(*) from order_events where order_id = '{order}' and kind = 'move_ended'"
    );
    assert_eq!(shop.text(&told).await, "1");
    shop.verify().await;
}

#[tokio::test]
async fn a_movement_that_its_order_does_not_need_any_more_says_so_and_cannot_be_committed() {
    let shop = Shop::fresh().await;
    shop.own_clock().await;
    shop.sql("update settings set value = '3600' where name = 'expire_unpaid_after_s'").await;
    let id = shop.place("1").await;
    shop.sql(&format!("select attach_payment('{id}', 'pi_{}')", id.simple())).await;
    shop.shift("2 hours").await;
    shop.sql("select expire_unpaid('t', 10)").await;
    // The customer was quicker.
    shop.told(&[facts(id)]).await;
    let one = leased(&shop, TOKEN).await.remove(0);
    assert_eq!(
        (one.due.kind, one.due.wanted, one.cause.as_str()),
        (Kind::Cancel, false, "unpaid_too_long")
    );
    assert!(committed(&shop, call(TOKEN, one.id)).await.is_none());
    assert!(recorded(&shop, TOKEN, &one.due, State::Withdrawn).await);
    assert_eq!(shop.text("select count(*) from findings where closed_at is null").await, "0");
    shop.verify().await;
}
