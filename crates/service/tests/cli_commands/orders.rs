//! `orders`, `recover`, `complete`, `keys`: looking and deciding.

use crate::desk::{Desk, lines, program, run, text};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn a_history_tells_what_happened_by_whom_and_why() {
    let desk = Desk::fresh().await;
    let id = desk.placed("1001").await;
    desk.types(&["orders", "hold", "1001", "--reason", "the customer called"]).await.ends(3);
    desk.types(&["orders", "cancel", &id, "--reason", "never mind"]).await.ends(0);
    let said = desk.types(&["orders", "history", "1001"]).await.ends(0);
    let told = [
        "The order was placed. (by cli/ada)",
        "order 1001 over 15.30 GBP",
        "The order was cancelled; nothing had been sent. (by cli/ada)",
        "status: pending → cancelled",
        "reason: never mind",
    ];
    let mut rest = said.out.as_str();
    for sentence in told {
        let at = rest.find(sentence).unwrap_or_else(|| panic!("{sentence}: {}", said.out));
        rest = &rest[at..];
    }
    assert!(!said.out.contains('\x1b') && !said.out.contains("Elm Street"), "{}", said.out);
    let events = desk.types(&["orders", "history", &id, "--json"]).await.ends(0);
    let kinds: Vec<Value> = events
        .out
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["kind"].clone())
        .collect();
    assert_eq!(kinds, [json!("order_placed"), json!("order_cancelled")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_filtered_and_paged() {
    let desk = Desk::fresh().await;
    let path = desk.file("orders.jsonl", &lines(&["1", "2", "3"]));
    desk.types(&["import", text(&path), "--format", "jsonl"]).await.ends(0);
    desk.types(&["orders", "cancel", "2", "--reason", "x"]).await.ends(0);
    let numbers = |said: &str| -> Vec<String> {
        said.lines()
            .map(|line| {
                serde_json::from_str::<Value>(line).unwrap()["order_number"]
                    .as_str()
                    .unwrap()
                    .to_owned()
            })
            .collect()
    };
    let cancelled =
        desk.types(&["orders", "list", "--status", "cancelled", "--json"]).await.ends(0);
    assert_eq!(numbers(&cancelled.out), ["2"]);
    let held = desk
        .types(&["orders", "list", "--held", "awaiting_payment", "--status", "pending", "--json"])
        .await
        .ends(0);
    assert_eq!(numbers(&held.out).len(), 2);
    let first = desk.types(&["orders", "list", "--limit", "2", "--json"]).await.ends(0);
    let last: Value = serde_json::from_str(first.out.lines().last().unwrap()).unwrap();
    let rest = desk
        .types(&["orders", "list", "--after", last["id"].as_str().unwrap(), "--json"])
        .await
        .ends(0);
    assert_eq!(numbers(&first.out).len() + numbers(&rest.out).len(), 3);
    let shown = desk.types(&["orders", "list", "--search", "3"]).await.ends(0);
    assert!(
        shown.out.contains("awaiting_payment") && shown.out.contains("15.30 GBP"),
        "{}",
        shown.out
    );
    desk.types(&["orders", "list", "--status", "bought"]).await.ends(2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_persons_word_completes_what_was_bought_and_is_refused_otherwise() {
    let desk = Desk::fresh().await;
    desk.placed("1001").await;
    let refused = desk.types(&["complete", "1001"]).await.ends(3);
    assert!(refused.err.contains("refused (nothing_was_bought)"), "{}", refused.err);
    assert!(refused.err.contains("Nothing was changed."), "{}", refused.err);
    let word = ["complete", "1001", "--request-id", "req-1", "--reason", "seen at Zinc"];
    let done = desk.types(&word).await.ends(0);
    assert!(done.out.contains("Order 1001 is completed, with request id req-1."), "{}", done.out);
    let again = desk.types(&word).await.ends(0);
    assert!(again.out.contains("nothing changed"), "{}", again.out);
    let other = ["complete", "1001", "--request-id", "req-2", "--json"];
    assert_eq!(desk.types(&other).await.ends(3).json()["code"], "request_id_conflict");
    let history = desk.types(&["orders", "history", "1001"]).await.ends(0);
    assert!(history.out.contains("reason: seen at Zinc"), "{}", history.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn recovery_makes_due_what_nobody_looks_after_and_leaves_living_leases_alone() {
    let desk = Desk::fresh().await;
    let left = desk.submitting("left", 2).await;
    desk.submitting("alive", 600_000).await;
    let patient = desk.types(&["recover"]).await.ends(0);
    assert_eq!(patient.out, "Nothing is stuck.\n");
    let found = desk.types(&["recover", "--max-age-minutes", "0", "--json"]).await.ends(0).json();
    assert_eq!((&found["recovered"], &found["needs_review"]), (&json!(1), &json!(0)));
    assert_eq!(found["orders"][0]["order_id"], json!(left));
    let history = desk.types(&["orders", "history", "left"]).await.ends(0);
    assert!(
        history.out.contains(
            "The lease ended and nobody recorded an answer; the outcome is unknown. (by cli/ada)"
        ),
        "{}",
        history.out
    );
    let refused = desk.types(&["complete", "alive", "--request-id", "r"]).await.ends(3);
    assert!(refused.err.contains("lease_alive"), "{}", refused.err);
    desk.types(&["recover", "--max-age-minutes=-1"]).await.ends(2);
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_name_what_is_missing_and_what_to_do() {
    let desk = Desk::without_shop().await;
    let said = desk.types(&["orders", "list"]).await.ends(1);
    // The role belongs to the shop, so without one it may be missing too.
    assert!(
        said.err.contains("atomic-orders migrate") || said.err.contains("does not exist"),
        "{}",
        said.err
    );
    let mut as_admin = desk.program_as("postgres");
    as_admin.args(["orders", "list"]);
    let said = run(as_admin).await.ends(1);
    assert!(
        said.err.contains("schema public holds no shop yet: run `atomic-orders migrate`"),
        "{}",
        said.err
    );
    let said = desk.types(&["orders", "list", "--database-ca", "/no/such.pem"]).await.ends(1);
    assert!(said.err.contains("--database-ca: /no/such.pem cannot be read"), "{}", said.err);
    let said = desk.types(&["orders", "list", "--schema", "No Such"]).await.ends(1);
    assert!(said.err.contains("the schema name \"No Such\" is refused"), "{}", said.err);
    let mut nowhere = program();
    nowhere.args(["orders", "list"]).env("DATABASE_URL", "postgres://u:secret@127.0.0.1:1/x");
    let said = run(nowhere).await.ends(1);
    assert!(
        said.err.contains("Connection refused") && said.err.contains("DATABASE_URL"),
        "{}",
        said.err
    );
    assert!(!said.err.contains("secret"), "{}", said.err);
    let desk = Desk::fresh().await;
    let said = desk.types(&["orders", "history", "no\x1bne"]).await.ends(1);
    assert!(said.err.contains("there is no order") && !said.err.contains('\x1b'), "{}", said.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_printed_once_and_stored_as_its_digest() {
    let desk = Desk::fresh().await;
    let said = desk.types(&["keys", "add", "--note", "web shop"]).await.ends(0);
    let key = said.out.trim_end();
    assert!(key.starts_with("aok_") && key.len() == 47, "{}", said.out);
    let rows =
        desk.admin.query("test", "select to_jsonb(k) from api_keys as k", &[]).await.unwrap();
    let row: Value = rows[0].get(0);
    assert_eq!((&row["note"], &row["role"]), (&json!("web shop"), &json!("service_role")));
    assert!(!row.to_string().contains(key), "{row}");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_listed_by_their_prefix_and_revoked_once() {
    let desk = Desk::fresh().await;
    desk.types(&["keys", "list"]).await.ends(0);
    let key = desk.types(&["keys", "add", "--note", "web shop"]).await.ends(0).out;
    let listed = desk.types(&["keys", "list", "--json"]).await.ends(0).json();
    let prefix = listed["prefix"].as_str().unwrap().to_owned();
    assert!(key.starts_with(&prefix) && listed["revoked_at"].is_null(), "{listed}");
    let shown = desk.types(&["keys", "list"]).await.ends(0);
    assert!(shown.out.contains(&prefix) && !shown.out.contains(key.trim_end()), "{}", shown.out);
    desk.types(&["keys", "revoke", "aok_nobody"]).await.ends(3);
    desk.types(&["keys", "revoke", &prefix]).await.ends(0);
    let again = desk.types(&["keys", "revoke", &prefix]).await.ends(3);
    assert!(again.err.contains("keys list"), "{}", again.err);
    let listed = desk.types(&["keys", "list", "--json"]).await.ends(0).json();
    assert!(listed["revoked_at"].is_string(), "{listed}");
}
