//! What the doors refuse before they look at an order: options that they do not know, values that an
//! option cannot mean, reasons and request ids in which nobody could read what they say. // D3
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests may fail by panic, like the tests"
)]

mod shop;

use shop::Shop;
use uuid::Uuid;

/// Each door of the shop that takes options, as a call that breaks nothing else, and what it knows.
fn doors(id: Uuid) -> Vec<(String, &'static str)> {
    let order = shop::order("1").to_string();
    let keys = "actor, order_id, idempotency_key, caller, request_digest";
    vec![
        (format!("place_order('{order}', OPTIONS)"), keys),
        (format!("attach_payment('{id}', 'pi_1', OPTIONS)"), "actor"),
        (format!("hold_order('{id}', 'operator', OPTIONS)"), "actor, note"),
        (format!("release_hold('{id}', OPTIONS)"), "actor, note"),
        (format!("cancel_order('{id}', 'why', OPTIONS)"), "actor"),
        (format!("resolve_review('{id}', 'watch_on', 'the reason why', OPTIONS)"), "actor"),
        (format!("manually_complete_order('{id}', 'r', 'why', OPTIONS)"), "actor"),
        (
            format!(
                "complete_order_processing('{id}', 'r', 'submitted', 'submitted_to_zinc', OPTIONS)"
            ),
            "actor, evidence",
        ),
    ]
}

/// The sentence with which a call is refused as misuse.
async fn misuse(shop: &Shop, call: &str) -> String {
    let refused = shop.app.query("test", &format!("select {call}"), &[]).await;
    match refused {
        Err(orders_store::Error::Database { code, message, .. }) => {
            assert_eq!(code, "22023", "{call}: {message}");
            message
        }
        other => panic!("{call}: {other:?}"),
    }
}

#[tokio::test]
async fn every_door_refuses_an_option_that_it_does_not_know_and_names_those_it_knows() {
    let shop = Shop::fresh().await;
    let id = shop.place("7").await;
    let before = shop.everything(id).await;
    for (call, known) in doors(id) {
        for wrong in ["batc", "idempotencykey", "Actor", "id"] {
            let said =
                misuse(&shop, &call.replace("OPTIONS", &format!("'{{\"{wrong}\": 1}}'"))).await;
            assert_eq!(said, format!("options.{wrong} is not known; known are {known}"));
        }
        for wrong in ["[]", "[\"actor\"]", "\"actor\"", "7", "true"] {
            let said = misuse(&shop, &call.replace("OPTIONS", &format!("'{wrong}'"))).await;
            assert_eq!(said, "options must be a JSON object", "{call} {wrong}");
        }
    }
    assert_eq!(shop.everything(id).await, before);
    assert_eq!(shop.text("select count(*) from orders").await, "1");
}

#[tokio::test]
async fn every_door_refuses_an_actor_that_names_nobody() {
    let shop = Shop::fresh().await;
    let id = shop.place("7").await;
    let long = format!("\"{}\"", "x".repeat(201));
    for (call, _) in doors(id) {
        for actor in
            ["7", "{}", "[]", "true", "\"\"", "\"  \"", "\"a\\nb\"", "\"a\\u007fb\"", &long]
        {
            let options = format!("'{{\"actor\": {actor}}}'");
            let said = misuse(&shop, &call.replace("OPTIONS", &options)).await;
            assert!(said.starts_with("options.actor must "), "{call} {actor}: {said}");
        }
    }
    assert_eq!(shop.text("select count(*) from order_events").await, "1");
}

#[tokio::test]
async fn options_that_are_null_are_none_and_so_is_an_option() {
    let shop = Shop::fresh().await;
    for (at, options) in ["null", "'null'", "'{}'", "'{\"actor\": null}'"].into_iter().enumerate() {
        let id = shop.paid(&format!("n{at}")).await;
        for (call, _) in doors(id) {
            let call = call.replace("OPTIONS", options);
            let call =
                call.replace("\"order_number\":\"1\"", &format!("\"order_number\":\"p{at}\""));
            shop.text(&format!("select {call}")).await;
        }
        let last = format!(
            "select actor_source from order_events where order_id = '{id}' order by seq desc limit 1"
        );
        assert_eq!(shop.text(&last).await, "login", "{options}");
    }
    shop.verify().await;
}

#[tokio::test]
async fn the_options_of_placing_have_their_own_forms() {
    let shop = Shop::fresh().await;
    let order = shop::order("1").to_string();
    let digest = "a".repeat(64);
    for (options, said) in [
        ("{\"order_id\": \"x\"}".to_owned(), "options.order_id must be a uuid"),
        ("{\"order_id\": 7}".into(), "options.order_id must be a text"),
        ("{\"idempotency_key\": 7}".into(), "options.idempotency_key must be a text"),
        (
            format!("{{\"caller\": \"c\", \"request_digest\": \"{digest}\"}}"),
            "options.idempotency_key must have 1 to 255 characters",
        ),
        ("{\"caller\": \"c\"}".into(), "options.idempotency_key must have 1 to 255 characters"),
    ] {
        let refused = misuse(&shop, &format!("place_order('{order}', '{options}')")).await;
        assert!(refused.starts_with(said), "{options}: {refused}");
    }
    assert_eq!(shop.text("select count(*) from orders").await, "0");
}

#[tokio::test]
async fn a_reason_or_a_note_says_something_on_one_line() {
    let shop = Shop::fresh().await;
    let id = shop.paid("1").await;
    let before = shop.everything(id).await;
    let (long, longer) = ("x".repeat(301), "x".repeat(501));
    for (door, named, long) in [
        ("cancel_order('ID', E'WORDS')", "reason_param", &long),
        ("manually_complete_order('ID', 'r', E'WORDS')", "reason_param", &long),
        ("resolve_review('ID', 'give_up', E'WORDS')", "reason_param", &longer),
        (
            "hold_order('ID', 'operator', jsonb_build_object('note', E'WORDS'))",
            "options.note",
            &long,
        ),
        ("release_hold('ID', jsonb_build_object('note', E'WORDS'))", "options.note", &long),
    ] {
        let door = door.replace("ID", &id.to_string());
        for words in [
            "",
            "               ",
            "the first line\\nthe second",
            "a\\tb and so on",
            "bell \\u0007 bell",
            long,
        ] {
            let said = misuse(&shop, &door.replace("WORDS", words)).await;
            assert!(said.starts_with(&format!("{named} must ")), "{door} {words:?}: {said}");
        }
    }
    assert_eq!(shop.everything(id).await, before);
    let longest = "x".repeat(300);
    assert_eq!(
        shop.text(&format!("select cancel_order('{id}', '{longest}') ->> 'status'")).await,
        "cancelled"
    );
}

#[tokio::test]
async fn a_request_id_is_printable_ascii_without_blanks() {
    let shop = Shop::fresh().await;
    let id = shop.place("1").await;
    let before = shop.everything(id).await;
    let long = "x".repeat(201);
    for given in
        ["", "   ", " r", "r ", "a b", "a\\tb", "r\\n", "\\u00e9", "\\u00a0", "\\u200b", &long]
    {
        let said =
            misuse(&shop, &format!("manually_complete_order('{id}', E'{given}', 'why')")).await;
        assert!(said.starts_with("zinc_request_id_param must have 1 to 200"), "{given:?}: {said}");
    }
    assert_eq!(shop.everything(id).await, before);
    let widest = format!("!{}~", "r".repeat(198));
    let call =
        format!("select manually_complete_order('{id}', '{widest}', 'why') ->> 'zinc_request_id'");
    assert_eq!(shop.text(&call).await, widest);
}
