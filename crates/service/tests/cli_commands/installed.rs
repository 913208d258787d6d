//! What was installed and is not there any more: every command that looks says so, no command that
//! works starts on it, and `migrate` puts it back. // G21

use crate::desk::{Desk, run};
use serde_json::Value;

/// The sentences of the words of a level.
fn sentences(document: &Value, level: &str) -> Vec<String> {
    let words = document["words"].as_array().unwrap().iter();
    words
        .filter(|word| word["level"] == level)
        .map(|word| word["sentence"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn g21_a_missing_guard_is_named_by_doctor_and_verify_refused_by_serve_and_work_and_put_back()
{
    let desk = Desk::fresh().await;
    desk.placed("1").await;
    desk.sql("alter table orders disable trigger orders_never_deleted").await;
    desk.sql("drop index order_attempts_one_unsettled").await;
    let trigger = "trigger orders_never_deleted of orders is not as released";
    let index = "index order_attempts_one_unsettled of order_attempts is missing";

    let said = desk.types(&["doctor", "--json"]).await.ends(3).json();
    let wrong = sentences(&said, "bad").join("\n");
    assert!(wrong.contains(trigger) && wrong.contains(index), "{wrong}");
    let said = desk.types(&["verify", "--json"]).await.ends(3).json();
    assert_eq!(said["drift"], serde_json::json!([index, trigger]));

    for command in ["serve", "work"] {
        let mut program = desk.program_as("public_orders_app");
        program.args([command]).env("ZINC_TOKEN", "x").env("STRIPE_KEY", "sk_test_x");
        if command == "serve" {
            program.args(["--listen", "127.0.0.1:0"]);
        }
        let said = run(program).await;
        assert_ne!(said.code, Some(0), "{command}");
        assert!(said.err.contains(index), "{command}: {}", said.err);
        assert!(said.err.contains("run `atomic-orders migrate`"), "{command}: {}", said.err);
        assert!(said.err.contains("1 more"), "{command}: {}", said.err);
    }

    let mut migrate = desk.program_as("postgres");
    migrate.arg("migrate");
    run(migrate).await.ends(0);
    let told = desk.types(&["doctor"]).await;
    assert!(told.out.contains("So are tables, guards, indexes and grants."), "{}", told.out);
    desk.types(&["verify"]).await.ends(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_made_in_the_schema_and_who_may_make_it_are_notes() {
    let desk = Desk::fresh().await;
    let maker = format!("{}_maker", desk.database);
    desk.sql(&format!("create role {maker}")).await;
    desk.sql(&format!("grant create on schema public to {maker}")).await;
    desk.sql("create function helpful() returns integer language sql as 'select 1'").await;
    desk.sql("create table of_another_program (x integer)").await;
    let notes = sentences(&desk.types(&["doctor", "--json"]).await.ends(0).json(), "note");
    let told = notes.join("\n");
    assert!(told.contains("function helpful() of postgres"), "{told}");
    assert!(!told.contains("of_another_program"), "{told}");
    assert!(told.contains(&format!("{maker} may create objects in the schema public")), "{told}");
    assert!(told.contains("postgres is a superuser"), "{told}");
    let told = desk.types(&["verify"]).await.ends(0);
    assert!(told.err.contains(&maker), "{}", told.err);
}
