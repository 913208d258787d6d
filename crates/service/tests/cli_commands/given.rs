//! What is given with a flag or a variable is judged before the database is asked.

use crate::desk::{Desk, program, run};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn what_breaks_the_rule_of_a_flag_is_refused_by_its_name() {
    let long = "x".repeat(301);
    for (args, flag, rule) in [
        (&["orders", "list", "--held", "nope"][..], "--held", "awaiting_payment, awaiting_funds,"),
        (&["complete", "1", "--request-id", ""], "--request-id", "1 to 200 printable ASCII"),
        (&["complete", "1", "--request-id", "a b"], "--request-id", "1 to 200 printable ASCII"),
        (&["complete", "1", "--reason", ""], "--reason", "1 to 300 characters"),
        (&["orders", "cancel", "1", "--reason", ""], "--reason", "1 to 300 characters"),
        (&["orders", "hold", "1", "--reason", "  "], "--reason", "1 to 300 characters"),
        (&["orders", "release", "1", "--reason", &long], "--reason", "1 to 300 characters"),
        (
            &["orders", "resolve", "1", "--decision", "give_up", "--reason", "x"],
            "--reason",
            "10 to 300 characters",
        ),
        (&["work", "--in-flight", "0"], "--in-flight", "1..=10000"),
        (&["work", "--worker", ""], "--worker", "1 to 100 characters on one line"),
        (&["work", "--worker", "a\nb"], "--worker", "1 to 100 characters on one line"),
        (&["work", "--worker", &long], "--worker", "1 to 100 characters on one line"),
        (&["recover", "--max-age-minutes", "-1"], "--max-age-minutes", "0..=1000000"),
        (&["keys", "add", "--note", "a\nb"], "--note", "no line breaks"),
        (&["bench", "--in-flight", "0"], "--in-flight", "1..=10000"),
        (&["bench", "--clients", "1,0"], "--clients", "1..=64"),
        (&["bench", "--rounds", "0"], "--rounds", "1..=1000"),
    ] {
        let mut command = program();
        command.args(args).env("DATABASE_URL", "postgres://u@127.0.0.1:1/x");
        let said = run(command).await.ends(2);
        assert!(said.err.contains(flag) && said.err.contains(rule), "{args:?}: {}", said.err);
    }
    let mut command = program();
    command
        .args(["migrate", "--schema", "pg_shop"])
        .env("DATABASE_URL", "postgres://u@127.0.0.1:1/x");
    let said = run(command).await.ends(1);
    assert!(said.err.contains("pg_shop") && said.err.contains("not with pg_"), "{}", said.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_variable_counts_as_unset() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = program();
    for name in [
        "DATABASE_URL",
        "MIGRATE_DATABASE_URL",
        "ORDERS_DATABASE_CA",
        "ORDERS_SCHEMA",
        "ORDERS_POSTGRES",
        "ZINC_TOKEN",
    ] {
        command.env(name, "");
    }
    command.args(["doctor", "--json"]).env("ORDERS_DATA_DIR", folder.path());
    let said = run(command).await.ends(3);
    assert!(said.out.contains("there is no shop in"), "{}", said.out);
    assert!(said.out.contains("ZINC_TOKEN is not set"), "{}", said.out);
    let mut command = program();
    command.args(["orders", "list"]).args(["--database-url", ""]);
    let said = run(command).await.ends(2);
    assert!(said.err.contains("--database-url"), "{}", said.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_goes_before_a_number_that_looks_like_it() {
    let desk = Desk::fresh().await;
    let id = desk.placed("1001").await;
    let other = desk.placed("1002").await;
    // An old shop may have given such a number; a new one is not taken.
    let number = format!("update orders set order_number = '{id}' where order_number = '1002'");
    desk.by_force(number.leak()).await;
    let shown = desk.types(&["orders", "show", &id, "--json"]).await.ends(0).json();
    assert_eq!(shown["id"], json!(id));
    desk.types(&["orders", "cancel", &id, "--reason", "not wanted"]).await.ends(0);
    for (id, status) in [(&id, "cancelled"), (&other, "pending")] {
        let shown = desk.types(&["orders", "show", id, "--json"]).await.ends(0).json();
        assert_eq!(shown["status"], status);
    }
}
