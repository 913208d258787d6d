//! What the provider refuses: each class of the contract to its one consequence. // Zinc v1, §12

use orders_proof::world;

use orders_sandbox::zinc::Injected;
use orders_sandbox::{Fault, Faults};
use uuid::Uuid;
use world::worker::Setup;
use world::{Shop, TOTAL};

/// One order that is refused with a code; gives it after it ended or is held.
async fn refused(code: &str) -> (Shop, Uuid) {
    let shop = Shop::fresh().await;
    let id = shop.paid(1).await[0];
    shop.zinc().inject(Injected::Refusal(code.into()));
    let worker = shop.worker(Setup::default()).await;
    shop.until("select bool_and(status in ('completed', 'failed', 'needs_review') or hold_reason is not null) from {s}.orders").await;
    worker.stop().await;
    (shop, id)
}

async fn attempts(shop: &Shop) -> Vec<String> {
    shop.texts("select concat_ws(' ', generation, outcome, settled_by) from {s}.order_attempts order by generation").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_final_refusal_ends_the_order_and_sends_the_money_back() {
    let (shop, id) = refused("max_price_exceeded").await;
    assert_eq!(
        shop.of(id, "concat_ws(' ', status, payment_status)").await,
        "failed refund_pending"
    );
    let moved = "select concat_ws(' ', kind, amount_minor, cause, state) from {s}.money_moves";
    assert_eq!(shop.texts(moved).await, [format!("refund {TOTAL} order_ended open")]);
    assert_eq!(attempts(&shop).await, ["1 refused key_used_up"]);
    let summary = shop.clean().await;
    assert_eq!((summary.creates, summary.purchases), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passing_refusal_gets_a_new_key_after_the_old_one_is_settled() {
    let (shop, id) = refused("zma_temporarily_overloaded").await;
    assert_eq!(attempts(&shop).await, ["1 refused key_used_up", "2 accepted delivered"]);
    assert_eq!(shop.count("select count(distinct provider_key) from {s}.order_attempts").await, 2);
    assert_eq!(shop.bought_once(&[id]).await.creates, 2);
    assert_eq!(
        shop.count("select count(*) from {s}.order_attempts as a join {s}.order_attempts as b using (order_id)
                     where a.generation = 1 and b.generation = 2 and a.settled_at <= b.opened_at").await,
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_wallet_holds_the_order_until_a_person_funds_it() {
    let (shop, id) = refused("insufficient_zma_balance").await;
    assert_eq!(shop.of(id, "concat_ws(' ', status, hold_reason)").await, "pending awaiting_funds");
    let worker = shop.worker(Setup::default()).await;
    assert!(worker.engine.submit_one(id).await.unwrap().is_none(), "held");
    assert_eq!(shop.zinc().summary().creates, 1);
    shop.as_app(&format!("select {{s}}.release_hold('{id}')::text")).await;
    shop.until_ended().await;
    worker.stop().await;
    assert_eq!(attempts(&shop).await, ["1 refused key_used_up", "2 accepted delivered"]);
    shop.bought_once(&[id]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purchase_that_was_probably_made_is_never_sent_again() {
    for code in ["order_probably_placed", "duplicate_order"] {
        let (shop, id) = refused(code).await;
        assert_eq!(
            shop.of(id, "concat_ws(' ', status, review_reason)").await,
            format!("needs_review {code}")
        );
        assert_eq!(attempts(&shop).await, ["1 unknown"], "unsettled");
        let worker = shop.worker(Setup::default()).await;
        assert!(worker.engine.submit_one(id).await.unwrap().is_none());
        worker.stop().await;
        assert_eq!(shop.clean().await.creates, 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_that_nobody_knows_goes_to_a_person_whatever_it_is_made_of() {
    for code in ["product_unavailable_soon", "zero\u{0}inside", "line\nbreak", &"x".repeat(300)] {
        let shop = Shop::fresh().await;
        shop.set("calls_max", "2").await;
        shop.paid(1).await;
        shop.zinc().inject(Injected::Refusal(code.into()));
        shop.finish().await;
        assert_eq!(shop.ends().await.len(), 1, "{code:?}");
        assert_eq!(attempts(&shop).await, ["1 unknown"], "{code:?}");
        let summary = shop.clean().await;
        assert!(summary.creates <= 2 && summary.purchases == 0, "{code:?}");
        let alerts =
            "select count(*) from {s}.alerts where rule = 'needs_review' and closed_at is null";
        assert_eq!(shop.count(alerts).await, 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_token_pauses_the_account_fails_no_order_and_goes_on_under_the_same_key() {
    let shop = Shop::fresh().await;
    let ids = shop.paid(3).await;
    let wrong = shop.worker(Setup { token: "wrong".into(), ..Setup::default() }).await;
    shop.until("select count(*) = 1 from {s}.alerts where rule = 'provider_account_wrong' and closed_at is null").await;
    shop.until("select max(pauses) >= 2 from {s}.provider_accounts").await;
    assert_eq!(
        shop.count("select count(*) from {s}.orders where status not in ('pending', 'submitting')")
            .await,
        0
    );
    wrong.stop().await;
    let keys =
        shop.texts("select order_id || provider_key from {s}.order_attempts order by 1").await;
    assert!(shop.zinc().summary().unauthorized >= 2);
    // The token was misspelt; only a person can say that it was meant for the same account.
    shop.finish_with(Setup::same_account()).await;
    shop.bought_once(&ids).await;
    let after =
        shop.texts("select order_id || provider_key from {s}.order_attempts order by 1").await;
    assert!(keys.iter().all(|key| after.contains(key)) && after.len() == 3, "the same keys");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_token_does_not_use_up_the_tries_of_orders() {
    let shop = Shop::fresh().await;
    shop.set("calls_max", "3").await;
    let ids = shop.paid(30).await;
    let wrong = shop.worker(Setup { token: "wrong".into(), ..Setup::default() }).await;
    shop.until("select max(pauses) >= 20 from {s}.provider_accounts").await;
    wrong.stop().await;
    shop.finish_with(Setup::same_account()).await;
    let ends = shop.ends().await;
    // The one that tries whether it is over may pay for it; the others may not.
    let given_up = ends.get("needs_review outcome_unknown").copied().unwrap_or(0);
    assert!(given_up <= 3, "{ends:?}");
    assert_eq!(ends.get("completed").copied(), Some(ids.len() - given_up), "{ends:?}");
    shop.clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn window_b7_the_last_try_that_is_used_up_calls_a_person_in_the_same_event() {
    let shop =
        Shop::faulty(Faults { error_before: 1.0, faults_per_key_max: 99, ..Faults::none() }).await;
    shop.set("calls_max", "3").await;
    let id = shop.paid(1).await[0];
    shop.finish().await;
    assert_eq!(
        shop.of(id, "concat_ws(' ', status, review_reason)").await,
        "needs_review outcome_unknown"
    );
    let last = shop.text(&format!(
        "select concat_ws(' ', kind, status_before, status_after, data ->> 'calls') from {{s}}.order_events
          where order_id = '{id}' order by seq desc limit 1"
    )).await;
    assert_eq!(last, "answer_lost submitting needs_review 3");
    assert_eq!(shop.clean().await.creates, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_are_refused_again_and_again_end_with_a_person() {
    let shop = Shop::faulty(Faults {
        refuse: 1.0,
        refuse_codes: vec!["internal_error".into()],
        ..Faults::none()
    })
    .await;
    shop.set("generations_max", "3").await;
    let id = shop.paid(1).await[0];
    shop.finish().await;
    assert_eq!(
        shop.of(id, "concat_ws(' ', status, review_reason)").await,
        "needs_review attempts_exhausted"
    );
    assert_eq!(attempts(&shop).await.len(), 3);
    assert_eq!(shop.clean().await.purchases, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_listening_costs_no_try_and_no_flood_of_history() {
    let shop = Shop::fresh().await;
    let ids = shop.paid(5).await;
    let worker = shop.worker(Setup { deaf: true, ..Setup::default() }).await;
    shop.until("select count(*) >= 10 from {s}.order_events where kind = 'claim_released'").await;
    shop.until("select max(pauses) >= 2 from {s}.provider_accounts").await;
    worker.stop().await;
    assert_eq!(shop.count("select count(*) from {s}.order_attempts where calls > 0").await, 0);
    assert_eq!(shop.count("select count(*) from {s}.orders where status = 'pending'").await, 5);
    shop.finish().await;
    assert_eq!(shop.bought_once(&ids).await.creates, 5);
}

const TOLD: &str = "select count(*) > 0 from {s}.alerts where rule = 'provider_account_wrong' and closed_at is null";

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_nobody_reaches_is_told_to_a_person() {
    let shop = Shop::fresh().await;
    shop.set("repeat_first_ms", "5").await;
    let ids = shop.paid(2).await;
    let worker = shop.worker(Setup { deaf: true, ..Setup::default() }).await;
    shop.until(TOLD).await;
    worker.stop().await;
    shop.finish().await;
    shop.bought_once(&ids).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_that_the_provider_asks_for_is_not_made_longer() {
    let shop = Shop::fresh().await;
    let ids = shop.paid(4).await;
    for _ in 0..4 {
        shop.zinc().inject(Injected::Fault(Fault::TooMany));
    }
    let mut setup = Setup::in_flight(1);
    setup.options.idle = std::time::Duration::from_millis(20);
    let worker = shop.worker(setup).await;
    shop.until("select max(pauses) >= 4 from {s}.provider_accounts").await;
    let left = "select max(paused_until) - clock_timestamp() < interval '1100 ms' from {s}.provider_accounts";
    assert_eq!(shop.text(left).await, "true", "four times one second, each by itself");
    shop.until_ended().await;
    worker.stop().await;
    shop.bought_once(&ids).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_wallet_stops_the_other_orders_before_they_lose_their_keys() {
    let shop = Shop::faulty(Faults {
        refuse: 1.0,
        refuse_codes: vec!["insufficient_zma_balance".into()],
        ..Faults::none()
    })
    .await;
    shop.set("account_pause_ms", "60000").await;
    shop.paid(30).await;
    let worker = shop.worker(Setup::in_flight(4)).await;
    shop.until(
        "select count(*) > 0 from {s}.provider_accounts where paused_until > clock_timestamp()",
    )
    .await;
    shop.until("select count(*) = 0 from {s}.orders where status = 'submitting'").await;
    worker.stop().await;
    let held =
        shop.count("select count(*) from {s}.orders where hold_reason = 'awaiting_funds'").await;
    assert!((1..=12).contains(&held), "{held} of 30 met the empty wallet");
    assert_eq!(shop.clean().await.creates, held);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_of_the_account_that_a_key_has_stored_costs_that_key_and_no_second_pause() {
    let shop = Shop::fresh().await;
    let ids = shop.paid(3).await;
    shop.zinc().inject(Injected::Refusal("account_locked".into()));
    shop.finish().await;
    let mut attempts = attempts(&shop).await;
    attempts.sort();
    assert_eq!(
        attempts,
        [
            "1 accepted delivered",
            "1 accepted delivered",
            "1 refused key_used_up",
            "2 accepted delivered"
        ]
    );
    assert_eq!(shop.count("select sum(pauses) from {s}.provider_accounts").await, 1);
    assert_eq!(shop.bought_once(&ids).await.creates, 5, "the same key once, then a new one");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_of_the_account_that_every_key_meets_ends_with_a_person() {
    let shop = Shop::faulty(Faults {
        refuse: 1.0,
        refuse_codes: vec!["account_locked".into()],
        ..Faults::none()
    })
    .await;
    shop.set("generations_max", "2").await;
    shop.paid(1).await;
    shop.finish().await;
    assert_eq!(shop.ends().await, [("needs_review attempts_exhausted".into(), 1)].into());
    assert_eq!(attempts(&shop).await, ["1 refused key_used_up", "2 refused key_used_up"]);
    assert_eq!(shop.clean().await.creates, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_token_on_the_last_try_calls_a_person_in_the_same_event() {
    let shop = Shop::fresh().await;
    shop.set("calls_max", "2").await;
    let id = shop.paid(1).await[0];
    let wrong = shop.worker(Setup { token: "wrong".into(), ..Setup::default() }).await;
    shop.until_ended().await;
    wrong.stop().await;
    let last = shop.text(&format!(
        "select concat_ws(' ', kind, status_before, status_after, data ->> 'calls') from {{s}}.order_events
          where order_id = '{id}' order by seq desc limit 1"
    )).await;
    assert_eq!(last, "provider_refused_us submitting needs_review 2");
    assert_eq!(attempts(&shop).await, ["1 unknown"], "unsettled");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_itself_wrong_is_told_with_its_fields_and_no_value() {
    let mut options = world::hurried();
    options.zinc.managed_retailers.clear();
    let shop = Shop::with(options).await;
    shop.paid(1).await;
    shop.finish().await;
    let reason = "needs_review request_invalid: addax, retailer";
    assert_eq!(shop.ends().await, [(reason.into(), 1)].into());
    assert_eq!(attempts(&shop).await, ["1 refused key_used_up"]);
    let told = "select subject from {s}.alerts where rule = 'needs_review' and closed_at is null";
    assert_eq!(shop.text(told).await, "request_invalid: addax, retailer");
}
