//! The one `begin`: whatever happens to its caller, no connection stays in a transaction. // G19, G20
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests may fail by panic, like the tests"
)]

mod shop;

use orders_store::{Error, Store, StoreOptions};
use shop::{Shop, address};
use std::time::Duration;

const OPEN: &str = "select count(*) = 0 from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()
    and (state like 'idle in transaction%' or state = 'active')";

/// SplitMix64: the same seed gives the same instants.
fn chance(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let z = (*seed ^ (*seed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB) >> 20
}

fn pool(shop: &Shop, connections_max: usize, limit: Duration) -> Store {
    let options = StoreOptions {
        connections_max,
        statement_timeout: limit,
        wait: Duration::from_secs(20),
        ..StoreOptions::default()
    };
    Store::new(&address(&shop.database, "public_orders_app"), &options).unwrap()
}

/// One transaction that moves a hold there and back, with a pause in the middle.
async fn work(store: Store, id: uuid::Uuid) -> Result<(), Error> {
    store
        .transact("test.cancelled", move |tx| {
            Box::pin(async move {
                tx.execute(&format!("select hold_order('{id}')")).await?;
                tokio::task::yield_now().await;
                tx.execute(&format!("select release_hold('{id}')")).await
            })
        })
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_transactions_cancelled_at_random_instants_leave_nothing_open() {
    let shop = Shop::fresh().await;
    let store = pool(&shop, 8, Duration::from_secs(30));
    let mut ids = Vec::new();
    for number in 0..8 {
        ids.push(shop.paid(&number.to_string()).await);
    }
    let (mut seed, mut cut) = (20_261_122, 0);
    for round in 0..125_u64 {
        let mut callers = tokio::task::JoinSet::new();
        for id in &ids {
            let limit = Duration::from_micros(chance(&mut seed) % 6_000);
            let (store, id) = (store.clone(), *id);
            callers
                .spawn(async move { tokio::time::timeout(limit, work(store, id)).await.is_err() });
        }
        cut += callers.join_all().await.into_iter().filter(|was_cut| *was_cut).count();
        if round % 25 == 24 {
            shop.until(OPEN).await;
        }
    }
    assert!(cut > 100, "only {cut} of 1000 were cancelled on their way");
    shop.until(OPEN).await;
    work(store, ids[0]).await.unwrap();
    assert_eq!(
        shop.text("select count(*) from orders where hold_reason is not null").await,
        "0",
        "all or nothing"
    );
    shop.verify().await;
}

#[tokio::test]
async fn a_body_that_panics_leaves_no_transaction_to_the_next_borrower() {
    let shop = Shop::fresh().await;
    let id = shop.paid("1").await;
    let store = pool(&shop, 1, Duration::from_secs(10));
    let outcome: Result<(), Error> = store
        .transact("test.panics", move |tx| {
            Box::pin(async move {
                tx.execute(&format!("select hold_order('{id}')")).await?;
                panic!("as planned");
            })
        })
        .await;
    assert!(matches!(outcome, Err(Error::Inconsistent { .. })), "{outcome:?}");
    let rows =
        store.query("test", "select pg_current_xact_id_if_assigned() is null", &[]).await.unwrap();
    assert!(rows[0].get::<_, bool>(0), "the next borrower stands in a transaction of its own");
    shop.until(OPEN).await;
    assert_eq!(shop.text("select hold_reason from orders").await, "");
}

#[tokio::test]
async fn a_body_that_swallows_an_error_is_not_reported_as_committed() {
    let shop = Shop::fresh().await;
    let id = shop.paid("1").await;
    let store = pool(&shop, 1, Duration::from_secs(10));
    let outcome = store
        .transact("test.swallows", move |tx| {
            Box::pin(async move {
                tx.execute(&format!("select hold_order('{id}')")).await?;
                let _ = tx.execute("select 1 / 0").await;
                Ok(())
            })
        })
        .await;
    assert!(matches!(outcome, Err(Error::Inconsistent { .. })), "{outcome:?}");
    assert_eq!(shop.text("select hold_reason from orders").await, "");
}

#[tokio::test]
async fn a_statement_beyond_its_limit_is_stopped_and_its_outcome_called_unknown() {
    let shop = Shop::fresh().await;
    let store = pool(&shop, 1, Duration::from_millis(300));
    let slow = store.query("test.slow", "select pg_sleep(60)", &[]).await;
    assert!(matches!(slow, Err(Error::TimedOut { .. })), "{slow:?}");
    let slow: Result<(), Error> = store
        .transact("test.slow", |tx| {
            Box::pin(async move { tx.execute("select pg_sleep(60)").await })
        })
        .await;
    assert!(matches!(slow, Err(Error::TimedOut { .. })), "{slow:?}");
    shop.until(OPEN).await;
    store.query("test", "select 1", &[]).await.unwrap();
}

#[tokio::test]
async fn a_full_pool_is_an_error_within_its_limit() {
    let shop = Shop::fresh().await;
    let options = StoreOptions {
        connections_max: 1,
        wait: Duration::from_millis(100),
        ..StoreOptions::default()
    };
    let store = Store::new(&address(&shop.database, "public_orders_app"), &options).unwrap();
    let (started, starts) = tokio::sync::oneshot::channel();
    let (finish, finishes) = tokio::sync::oneshot::channel::<()>();
    let hands = std::sync::Arc::new(std::sync::Mutex::new(Some((started, finishes))));
    let holder = tokio::spawn({
        let store = store.clone();
        async move {
            store
                .transact("test.holds", move |tx| {
                    let hands = hands.lock().unwrap().take();
                    Box::pin(async move {
                        tx.execute("select 1").await?;
                        if let Some((started, finishes)) = hands {
                            let _ = started.send(());
                            let _ = finishes.await;
                        }
                        Ok(())
                    })
                })
                .await
        }
    });
    starts.await.unwrap();
    let error = store.query("test.waits", "select 1", &[]).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    finish.send(()).unwrap();
    holder.await.unwrap().unwrap();
    store.query("test.waits", "select 1", &[]).await.unwrap();
}
