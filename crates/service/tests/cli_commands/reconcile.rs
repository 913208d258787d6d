//! `reconcile`: the books agree, or exactly where they do not. // G27

use crate::desk::{Desk, Said, run};
use orders_sandbox::{Options, World};
use serde_json::json;

/// Types the command where the sandbox partners are.
async fn reconcile(desk: &Desk, base: &str, args: &[&str]) -> Said {
    let mut command = desk.program_as("public_orders_app");
    command.arg("reconcile").args(args);
    command.env("ZINC_URL", format!("{base}/v1")).env("ZINC_TOKEN", "sandbox-token");
    command.env("STRIPE_URL", format!("{base}/v1")).env("STRIPE_KEY", "sk_test_sandbox");
    run(command).await
}

/// Lets what was made just now be older than what may be on its way.
async fn later(desk: &Desk, minutes: u32) {
    desk.sql(&format!(
        "create or replace function clock_now() returns timestamptz language sql volatile
         return clock_timestamp() + interval '{minutes} minutes'"
    ))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn books_that_agree_end_with_0_and_a_difference_with_3_its_age_and_what_to_do() {
    let desk = Desk::fresh().await;
    desk.placed("1001").await;
    let partners = World::start(Options::default()).await.unwrap();
    let base = partners.base_url();
    let said = reconcile(&desk, &base, &["--json"]).await.ends(0).json();
    assert_eq!((&said["complete"], &said["differences"]), (&json!(true), &json!([])));
    assert_eq!(said["compared"]["orders"], 1);
    let told = reconcile(&desk, &base, &[]).await.ends(0);
    assert!(told.out.contains("The books agree: 0 payments, 0 refunds"), "{}", told.out);

    let id = desk.placed("1002").await;
    desk.types(&["orders", "cancel", "1002", "--reason", "never mind"]).await.ends(0);
    let intent = partners.world.stripe.pay(&id, 1530, "gbp");
    reconcile(&desk, &base, &[]).await.ends(0);
    later(&desk, 20).await;
    let said = reconcile(&desk, &base, &["--since", "7d", "--json"]).await.ends(3).json();
    let found = &said["differences"][0];
    assert_eq!((&found["kind"], &found["subject"]), (&json!("payment_not_tied"), &json!(intent)));
    assert_eq!((&found["order_id"], &found["order_number"]), (&json!(id), &json!("1002")));
    assert_eq!(
        (&found["new"], &found["age_s"], &said["gone"]),
        (&json!(true), &json!(0), &json!(0))
    );
    later(&desk, 200).await;
    let told = reconcile(&desk, &base, &[]).await.ends(3);
    for words in ["payment_not_tied", &intent, "1002", "3 h", "1 difference, 0 new"] {
        assert!(told.out.contains(words), "{words}: {}", told.out);
    }
    partners.world.stripe.refund(&intent, None).unwrap();
    let said = reconcile(&desk, &base, &["--json"]).await.ends(0).json();
    assert_eq!((&said["gone"], &said["differences"]), (&json!(1), &json!([])));
    partners.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_be_compared_is_said_and_does_not_end_with_0() {
    let desk = Desk::fresh().await;
    let said = desk.types(&["reconcile", "--json"]).await.ends(3).json();
    assert_eq!(said["complete"], false);
    let faults =
        json!(["Stripe was not asked: no STRIPE_KEY", "the provider was not asked: no ZINC_TOKEN"]);
    assert_eq!(said["faults"], faults);
    let told = reconcile(&desk, "http://127.0.0.1:1", &[]).await.ends(3);
    assert!(told.err.contains("Stripe's list of payments could not be read"), "{}", told.err);
    assert!(told.out.contains("Nothing differs in what was compared"), "{}", told.out);
    let told = desk.types(&["reconcile", "--since", "yesterday"]).await.ends(2);
    assert!(told.err.contains("must be a length such as 12h, 30d or 8w"), "{}", told.err);
    let told = desk.types(&["reconcile", "--since", "2999-01-01"]).await.ends(1);
    assert!(told.err.contains("--since must be in the past"), "{}", told.err);
}
