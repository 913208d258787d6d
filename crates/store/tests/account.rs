//! Under which account of the provider an engine works: a key is sent to no other account. // A1
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests may fail by panic, like the tests"
)]

mod shop;

use orders_store::account::{self, Claim};
use shop::Shop;
use uuid::Uuid;

const FIRST: [u8; 32] = [1; 32];
const OTHER: [u8; 32] = [2; 32];

async fn claim(shop: &Shop, mark: [u8; 32], same_account: bool) -> Claim {
    account::claim(&shop.app, "zinc_v1", &mark, same_account).await.expect("an answer")
}

/// The first byte of the mark that stands.
async fn standing(shop: &Shop) -> String {
    shop.text("select get_byte(account_mark, 0) from provider_accounts where provider = 'zinc_v1'")
        .await
}

/// Demands that the other account is refused, with how many orders are open and what to do.
async fn refused(shop: &Shop, orders: u32) {
    let Claim::Another(sentence) = claim(shop, OTHER, false).await else {
        panic!("another account is let in with {orders} open");
    };
    assert!(sentence.contains(&format!("({orders} of them)")), "{sentence}");
    assert!(sentence.contains("former ZINC_TOKEN and ZINC_URL"), "{sentence}");
    assert!(sentence.contains("--same-account"), "{sentence}");
    assert_eq!(standing(shop).await, "1", "the mark that stands is kept");
}

/// The statement that claims the one order for its first attempt, under a mark.
fn intent(mark: &str) -> String {
    format!(
        "select c.* from orders as o cross join lateral commit_intents('zinc_v1', 't', gen_random_uuid(),
           60000, 30000, 82800000, array[o.id], array[o.version], array[1], array[gen_random_uuid()], array['k1'],
           array['{{}}'::bytea], array[sha256('{{}}')], {mark}) as c"
    )
}

/// The mark of 32 such bytes, as SQL.
fn bytes(byte: u8) -> String {
    format!("decode(repeat('0{byte}', 32), 'hex')")
}

/// Lets the answer of a call be lost: the outcome is unknown.
async fn lose_the_answer(shop: &Shop, id: Uuid, token: Uuid) {
    shop.sql(&format!(
        "select * from record_setbacks('t', array['{id}'::uuid], array['{token}'::uuid], array['answer_lost'],
           array['timed_out'], array['unknown'], array[null], array['submitting'], array[null], array[null], array[0::bigint])"
    ))
    .await;
}

#[tokio::test]
async fn the_first_account_is_kept_the_same_one_comes_again_and_another_while_nothing_is_open() {
    let shop = Shop::fresh().await;
    assert_eq!(claim(&shop, FIRST, false).await, Claim::Ours);
    assert_eq!(claim(&shop, FIRST, false).await, Claim::Ours);
    assert_eq!(standing(&shop).await, "1");
    // Neither what waits nor what is settled ties the shop to an account.
    shop.paid("1").await;
    assert_eq!(claim(&shop, OTHER, false).await, Claim::Ours);
    assert_eq!(standing(&shop).await, "2");
    let none = "select claim_account('zinc_v1', 'short', false)";
    let error = shop.app.query("test", none, &[]).await.unwrap_err();
    assert_eq!(error.sqlstate(), Some("22023"));
}

#[tokio::test]
async fn a_key_that_was_sent_keeps_every_other_account_out_until_its_attempt_is_settled() {
    let shop = Shop::fresh().await;
    // Both calls go out before the first account is named: as under a release that named none.
    let (unknown, token) = shop.submitting("1", 60_000).await;
    let (accepted, _) = shop.submitting("2", 60_000).await;
    assert_eq!(claim(&shop, FIRST, false).await, Claim::Ours);
    refused(&shop, 2).await;
    lose_the_answer(&shop, unknown, token).await;
    shop.sql(&format!("select complete_order_processing('{accepted}', 'req-2')")).await;
    refused(&shop, 2).await;
    shop.sql(&format!("select manually_complete_order('{accepted}', null, 'seen at Zinc')")).await;
    refused(&shop, 1).await;
    assert_eq!(claim(&shop, FIRST, false).await, Claim::Ours);
    shop.sql(&format!("select manually_complete_order('{unknown}', 'req-1', 'seen at Zinc')"))
        .await;
    assert_eq!(claim(&shop, OTHER, false).await, Claim::Ours);
    assert_eq!(standing(&shop).await, "2");
    shop.verify().await;
}

#[tokio::test]
async fn a_person_may_say_that_a_new_token_is_of_the_same_account() {
    let shop = Shop::fresh().await;
    let (unknown, token) = shop.submitting("1", 60_000).await;
    assert_eq!(claim(&shop, FIRST, false).await, Claim::Ours);
    lose_the_answer(&shop, unknown, token).await;
    refused(&shop, 1).await;
    assert_eq!(claim(&shop, OTHER, true).await, Claim::Ours);
    assert_eq!(standing(&shop).await, "2");
    assert_eq!(claim(&shop, OTHER, false).await, Claim::Ours, "it is said once");
    assert!(matches!(claim(&shop, FIRST, false).await, Claim::Another(_)), "the former is out");
}

#[tokio::test]
async fn an_engine_of_the_former_account_claims_nothing_more() {
    let shop = Shop::fresh().await;
    let id = shop.paid("1").await;
    assert_eq!(claim(&shop, FIRST, false).await, Claim::Ours);
    assert_eq!(claim(&shop, OTHER, false).await, Claim::Ours);
    for mark in [bytes(1), "null".to_owned()] {
        let error = shop.app.query("test", &intent(&mark), &[]).await.unwrap_err();
        assert_eq!(error.sqlstate(), Some("55000"), "{error}");
        assert!(!error.is_of_one_row(), "no order may go to a person for it");
    }
    assert_eq!(shop.status(id).await, "pending");
    assert_eq!(shop.sql(&intent(&bytes(2))).await.len(), 1);
    assert_eq!(shop.status(id).await, "submitting");
}

#[tokio::test]
async fn the_account_does_not_change_while_a_claim_is_under_way() {
    let shop = Shop::fresh().await;
    shop.paid("1").await;
    assert_eq!(claim(&shop, FIRST, false).await, Claim::Ours);
    let claimer = shop.session("public_orders_app").await;
    claimer.batch_execute("begin").await.unwrap();
    claimer.batch_execute(&intent(&bytes(1))).await.unwrap();
    let app = shop.app.clone();
    let other =
        tokio::spawn(async move { account::claim(&app, "zinc_v1", &OTHER, false).await.unwrap() });
    // It waits for the claim; then it sees its attempt.
    let waits = "select count(*) from pg_stat_activity where datname = current_database()
                  and wait_event_type = 'Lock' and query like '%claim_account%'";
    while shop.text(waits).await == "0" {
        assert!(!other.is_finished(), "it does not wait");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    claimer.batch_execute("commit").await.unwrap();
    assert!(matches!(other.await.unwrap(), Claim::Another(_)));
    assert_eq!(standing(&shop).await, "1");
}
