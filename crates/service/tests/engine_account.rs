//! A restart with another account of the provider: what was sent is not sent there too. // A1, G21

use orders_proof::world;

use orders_sandbox::zinc::Injected;
use orders_sandbox::{Fault, World};
use tokio::process::Command;
use uuid::Uuid;
use world::worker::Setup;
use world::{Shop, hurried};

/// A shop with an order that was bought, which nobody knows: the answer was lost, and its engine ended.
async fn with_an_unknown_purchase() -> (Shop, Vec<Uuid>) {
    let shop = Shop::fresh().await;
    let ids = shop.paid(1).await;
    shop.zinc().inject(Injected::Fault(Fault::DropAnswer));
    let worker = shop.worker(Setup::default()).await;
    shop.until("select outcome = 'unknown' and calls = 1 from {s}.order_attempts").await;
    worker.stop().await;
    assert_eq!(shop.zinc().summary().purchases, 1);
    (shop, ids)
}

/// Starts a worker that must refuse to start, and gives what it said.
async fn refusal(shop: &Shop, change: impl FnOnce(&mut Command)) -> String {
    let mut worker = shop.child(change);
    let status = worker.ended().await;
    assert_eq!(status.code(), Some(1), "{}", worker.said());
    worker.said()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_of_another_account_does_not_start_while_an_outcome_is_unknown() {
    let (shop, ids) = with_an_unknown_purchase().await;
    let other = World::start(hurried()).await.unwrap();
    let address = format!("{}/v1", other.base_url());
    for turn in ["an address", "a token", "both"] {
        let said = refusal(&shop, |command| {
            if turn != "a token" {
                command.env("ZINC_URL", &address);
            }
            if turn != "an address" {
                command.env("ZINC_TOKEN", "canary-token");
            }
        });
        let said = said.await;
        assert!(said.contains("another token or address of Zinc (1 of them)"), "{turn}: {said}");
        assert!(said.contains("--same-account (ZINC_SAME_ACCOUNT=yes)"), "{turn}: {said}");
        assert!(!said.contains("canary"), "{turn}: {said}");
    }
    assert_eq!(other.world.zinc.summary().creates, 0, "nothing was sent to the other account");
    assert_eq!(shop.zinc().summary().unauthorized, 0);
    // The former account, put back, gets the same bytes and knows their key.
    shop.finish().await;
    shop.bought_once(&ids).await;
    // Nothing is open any more, so the shop may move.
    let more = shop.paid(1).await;
    let mut worker = shop.child(|command| {
        command.env("ZINC_URL", &address);
    });
    shop.until_ended().await;
    worker.signal(rustix::process::Signal::TERM);
    assert!(worker.ended().await.success(), "{}", worker.said());
    let there = other.world.zinc.summary();
    assert_eq!((there.creates, there.purchases), (1, 1));
    assert_eq!(shop.status(more[0]).await, "completed");
    other.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_account_at_another_address_goes_on_by_a_persons_word() {
    let (shop, ids) = with_an_unknown_purchase().await;
    let moved = format!("{}/v1", shop.partners.base_url()).replace("127.0.0.1", "localhost");
    let said = refusal(&shop, |command| {
        command.env("ZINC_URL", &moved);
    });
    assert!(said.await.contains("another token or address"), "without the word");
    let mut worker = shop.child(|command| {
        command.env("ZINC_URL", &moved).env("ZINC_SAME_ACCOUNT", "yes");
    });
    shop.until_ended().await;
    worker.signal(rustix::process::Signal::TERM);
    assert!(worker.ended().await.success(), "{}", worker.said());
    assert_eq!(shop.bought_once(&ids).await.creates, 2, "the same bytes under the same key");
    // The word was for one start.
    let mut worker = shop.child(|command| {
        command.env("ZINC_URL", &moved);
    });
    shop.until("select count(*) = 1 from {s}.workers where stopped_at is null").await;
    worker.signal(rustix::process::Signal::TERM);
    assert!(worker.ended().await.success(), "{}", worker.said());
}
