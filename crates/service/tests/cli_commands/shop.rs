//! `shop`: stopping the whole shop, seeing why it is held, and letting it go on. // G22

use crate::desk::Desk;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn a_person_stops_the_shop_sees_why_it_is_held_and_lets_it_go_on() {
    let desk = Desk::fresh().await;
    let said = desk.types(&["shop", "show"]).await.ends(0);
    assert_eq!(said.out, "Open: the shop is not held.\n");
    let reason = "the provider charges twice, ticket 4711";
    let said = desk.types(&["shop", "hold", "--reason", reason]).await.ends(0);
    assert_eq!(said.out, "The shop is held: nothing is bought and no money is moved.\n");
    let said = desk.types(&["shop", "hold", "--reason", reason]).await.ends(0);
    assert!(said.out.ends_with("It was so already; nothing changed.\n"), "{}", said.out);
    let said = desk.types(&["shop", "show"]).await.ends(0);
    assert!(said.out.starts_with("Held since 2"), "{}", said.out);
    assert!(said.out.contains(": a person stopped it. Nothing is bought"), "{}", said.out);
    let shown = desk.types(&["shop", "show", "--json"]).await.ends(0).json();
    assert_eq!(shown["held_because"], "operator");
    let kept = "select data ->> 'reason' || ' by ' || actor from findings where kind = 'shop_held'";
    assert_eq!(desk.text(kept).await, format!("{reason} by cli/ada"));
    let said = desk.types(&["shop", "release", "--reason", "they repaired it"]).await.ends(0);
    assert_eq!(said.out, "The shop goes on.\n");
    let said = desk.types(&["shop", "release", "--reason", "again", "--json"]).await.ends(0);
    assert_eq!(said.json(), json!({ "success": true, "duplicate": true }));
    assert_eq!(desk.types(&["shop", "show", "--json"]).await.json()["held_because"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shop_that_may_have_forgotten_something_is_released_only_when_it_was_compared() {
    let desk = Desk::fresh().await;
    let release = ["shop", "release", "--reason", "restored from the backup of 03:00"];
    desk.sql("select hold_shop_for('went_back', '{}', 'engine/w', clock_now())").await;
    let said = desk.types(&["shop", "show"]).await.ends(0);
    assert!(said.out.contains("the database went back in time under a running engine"));
    assert!(said.out.contains("An engine compares it with the partners"), "{}", said.out);
    let said = desk.types(&release).await.ends(3);
    assert!(said.err.starts_with("refused (not_compared): "), "{}", said.err);
    desk.sql("update shop set compared_at = clock_now()").await;
    let said = desk.types(&["shop", "show"]).await.ends(0);
    assert!(said.out.contains("It was compared with the partners at 2"), "{}", said.out);
    let said = desk.types(&release).await.ends(3);
    assert!(said.err.starts_with("refused (too_early): "), "{}", said.err);
    // Nobody can have compared it, and somebody knows: the calls of before are over all the same.
    desk.sql("update shop set compared_at = null, compare_since = clock_now() - interval '1 hour'")
        .await;
    desk.types(&release).await.ends(3);
    let uncompared = [&release[..], &["--uncompared"]].concat();
    let said = desk.types(&uncompared).await.ends(0);
    assert_eq!(said.out, "The shop goes on.\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reason_is_needed_to_stop_the_shop_or_to_let_it_go_on() {
    let desk = Desk::fresh().await;
    for action in ["hold", "release"] {
        desk.types(&["shop", action]).await.ends(2);
        desk.types(&["shop", action, "--reason", " "]).await.ends(2);
    }
    assert_eq!(desk.types(&["shop", "show", "--json"]).await.json()["held_because"], Value::Null);
}
