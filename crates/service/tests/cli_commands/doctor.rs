//! `doctor`: a good ground gives no bad word, and every fault its sentence.

use crate::desk::{Desk, Said, program, run};
use serde_json::Value;

/// The sentences and remedies of what is wrong.
fn wrong(said: &Said) -> Vec<String> {
    let document = said.json();
    let words = document["words"].as_array().unwrap().iter();
    words
        .filter(|word| word["level"] == "bad")
        .map(|word| {
            format!("{} {}", word["sentence"].as_str().unwrap(), word["remedy"].as_str().unwrap())
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn on_good_ground_nothing_is_wrong_and_no_secret_is_shown() {
    let desk = Desk::fresh().await;
    let mut command = desk.program_as("public_orders_app");
    command
        .args(["doctor", "--json"])
        .env("ZINC_TOKEN", "very-secret")
        .env("STRIPE_KEY", "sk_secret");
    let said = run(command).await.ends(0);
    assert_eq!(said.json()["good"], Value::Bool(true));
    assert!(!said.out.contains("very-secret") && !said.out.contains("sk_secret"), "{}", said.out);
    let told = desk.types(&["doctor"]).await.ends(0);
    for sentence in [
        "ZINC_TOKEN is not set",
        "It is PostgreSQL",
        "track_functions",
        "agree about the time",
        "Schema public is as this release needs it.",
        "All protected functions are as released.",
        "Every setting is within its range.",
        "No engine runs, and no order needs one.",
        "Nothing is wrong.",
    ] {
        assert!(told.out.contains(sentence), "{sentence}: {}", told.out);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_of_a_bad_ground_has_its_sentence_and_its_remedy() {
    let desk = Desk::fresh().await;
    desk.submitting("left", 2).await;
    desk.sql(&format!("alter database {} set track_functions = 'none'", desk.database)).await;
    desk.sql(&format!("alter database {} set synchronous_commit = 'off'", desk.database)).await;
    desk.sql("alter function setting_number(text) volatile").await;
    desk.by_force("update orders set updated_at = now() - interval '5 minutes'").await;
    desk.sql("insert into provider_accounts (provider, paused_until) values ('zinc_v1', now() + interval '1 hour')").await;
    desk.sql("update settings set value = '0' where name = 'processing_bound_ms'").await;
    desk.sql("update settings set value = 'feed' where name = 'shop_secret'").await;
    let said = desk.types(&["doctor", "--json"]).await.ends(3);
    assert!(!said.out.contains("feed"), "{}", said.out);
    let wrong = wrong(&said);
    for (fault, remedy) in [
        ("track_functions is none", "set track_functions = 'pl'"),
        ("synchronous_commit is off", "set it to on"),
        ("setting_number", "atomic-orders migrate"),
        ("The setting processing_bound_ms is \"0\" and must be", "migrate --set"),
        ("The setting shop_secret must be 64 hex digits", "the one of a backup"),
        ("1 orders are stuck", "atomic-orders recover"),
        ("No engine runs, and 1 orders need one.", "atomic-orders work"),
        ("Nothing is sent to zinc_v1", "alerts"),
    ] {
        let found = wrong.iter().any(|word| word.contains(fault) && word.contains(remedy));
        assert!(found, "{fault} / {remedy}: {wrong:#?}");
    }
    let told = desk.types(&["doctor"]).await.ends(3);
    assert!(told.out.contains("Something is wrong: see above."), "{}", told.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_superuser_a_missing_shop_and_a_missing_server_are_wrong() {
    let desk = Desk::without_shop().await;
    let mut command = desk.program_as("postgres");
    command.args(["doctor", "--json"]);
    let words = wrong(&run(command).await.ends(3));
    assert!(words.iter().any(|word| word.contains("connected as a superuser")), "{words:#?}");
    assert!(
        words.iter().any(|word| word.contains("holds no shop yet: run `atomic-orders migrate`")),
        "{words:#?}"
    );
    let mut command = program();
    command.args(["doctor", "--json"]).env("DATABASE_URL", "postgres://u:secret@127.0.0.1:1/x");
    let said = run(command).await.ends(3);
    let words = wrong(&said);
    assert!(
        words.len() == 1
            && words[0].contains("Connection refused")
            && words[0].contains("Start the server"),
        "{words:#?}"
    );
    assert!(!said.out.contains("secret"), "{}", said.out);
}
