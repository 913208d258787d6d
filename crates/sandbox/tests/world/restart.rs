//! The ledger outlives the process, and with it everything that the provider must remember.

use crate::client::{Test, order, settings};
use orders_sandbox::zinc::Injected;
use orders_sandbox::{Fault, Options};
use std::path::Path;

async fn world(folder: &Path) -> Test {
    let zinc = settings();
    let ledger_folder = Some(folder.to_owned());
    Test::start(Options { zinc, ledger_folder, ..Options::default() }).await
}

#[tokio::test]
async fn a_restarted_provider_still_knows_its_keys() {
    let folder = tempfile::tempdir().unwrap();
    let before = world(folder.path()).await;
    let id = before.create(&order("k1", "o1")).await.request_id();
    before.zinc().inject(Injected::Refusal("internal_error".to_owned()));
    let refused = before.create(&order("k2", "o2")).await;
    let (ledger, summary) = (before.zinc().ledger(), before.zinc().summary());
    // As a kill would: nobody stops it, nobody flushes.
    drop(before);

    let after = world(folder.path()).await;
    assert_eq!(after.zinc().ledger(), ledger);
    assert_eq!(after.zinc().summary(), summary);
    assert_eq!(after.create(&order("k1", "o1")).await.request_id(), id);
    assert_eq!(after.create(&order("k2", "o2")).await.body(), refused.body());
    assert_eq!(after.zinc().summary().purchases, 1);
    let read = after.read(&id).await.json();
    assert_eq!(read["request"]["client_notes"]["order_id"], "o1");
    assert_eq!(after.zinc().ledger().last().unwrap().seq, ledger.last().unwrap().seq + 3);
}

#[tokio::test]
async fn a_purchase_that_was_due_later_is_made_after_the_restart() {
    let folder = tempfile::tempdir().unwrap();
    let before = world(folder.path()).await;
    before.zinc().inject(Injected::Fault(Fault::BuyLate));
    before.create(&order("k1", "o1")).await;
    drop(before);
    let after = world(folder.path()).await;
    assert!(after.zinc().purchases_of("o1").is_empty());
    after.clock.advance(2_000);
    assert_eq!(after.zinc().purchases_of("o1").len(), 1);
}

#[tokio::test]
async fn payments_outlive_the_process_too() {
    let folder = tempfile::tempdir().unwrap();
    let before = world(folder.path()).await;
    let id = before.stripe().pay("o1", 1099, "USD");
    let intent = before.stripe().intent(&id).unwrap();
    drop(before);
    let after = world(folder.path()).await;
    assert_eq!(after.stripe().intent(&id).unwrap(), intent);
    assert_ne!(after.stripe().pay("o2", 1, "usd"), id);
}
