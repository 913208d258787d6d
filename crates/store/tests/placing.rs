//! Placing an order: all or nothing, once, and every bad field by its name. // B4, B7, B8, C7, G30
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests may fail by panic, like the tests"
)]

mod shop;

use serde_json::{Value, json};
use shop::{Shop, call, order};
use std::sync::Arc;
use tokio::sync::Barrier;

const EVERYTHING: &str = "select concat_ws(' ', (select count(*) from orders), (select count(*) from order_events), (select count(*) from order_items),
    (select count(*) from order_private), (select count(*) from payments), (select count(*) from idempotency_keys))";

async fn place(
    shop: &Shop,
    content: &Value,
    options: &Value,
) -> Result<Value, orders_store::Error> {
    let (content, options) = (content.to_string(), options.to_string());
    call(
        &shop.app,
        "place_order",
        &[("order_param", &content, "jsonb"), ("options", &options, "jsonb")],
    )
    .await
}

fn key(name: &str, digest: &str) -> Value {
    json!({"idempotency_key": name, "caller": "shop", "request_digest": digest.repeat(64)})
}

#[tokio::test]
async fn the_same_order_again_changes_nothing() {
    let shop = Shop::fresh().await;
    let first = place(&shop, &order("1"), &json!({})).await.unwrap();
    let again = place(&shop, &order("1"), &json!({})).await.unwrap();
    assert_eq!((&first["duplicate"], &again["duplicate"]), (&json!(false), &json!(true)));
    assert_eq!(first["order_id"], again["order_id"]);
    assert_eq!(shop.text(EVERYTHING).await, "1 1 1 1 0 0");
    shop.verify().await;
}

#[tokio::test]
async fn one_number_with_two_contents_is_refused_and_kept_as_a_finding() {
    let shop = Shop::fresh().await;
    let first = place(&shop, &order("1"), &json!({})).await.unwrap();
    let mut other = order("1");
    other["recipient"]["city"] = json!("Leeds");
    let answer = place(&shop, &other, &json!({})).await.unwrap();
    assert_eq!(answer["code"], json!("order_number_conflict"), "{answer}");
    assert_eq!((&answer["success"], &answer["order_id"]), (&json!(false), &first["order_id"]));
    assert_eq!(shop.text("select recipient ->> 'city' from order_private").await, "London");
    assert_eq!(shop.text("select kind from findings").await, "order_number_conflict");
}

#[tokio::test]
async fn a_repeated_key_gives_the_stored_answer_and_another_request_under_it_422() {
    let shop = Shop::fresh().await;
    let first = place(&shop, &order("1"), &key("k1", "a")).await.unwrap();
    let mut again = place(&shop, &order("1"), &key("k1", "a")).await.unwrap();
    assert_eq!(again.as_object_mut().unwrap().shift_remove("replayed"), Some(json!(true)));
    assert_eq!(again, first, "the answer of the first call, to the letter");
    let error = place(&shop, &order("2"), &key("k1", "b")).await.unwrap_err();
    assert_eq!(error.sqlstate(), Some("PT422"));
    let mut other_caller = key("k1", "b");
    other_caller["caller"] = json!("another");
    assert_eq!(place(&shop, &order("2"), &other_caller).await.unwrap()["duplicate"], json!(false));
    assert_eq!(shop.text(EVERYTHING).await, "2 2 2 2 0 2");
}

#[tokio::test]
async fn a_replayed_refusal_is_an_error_again() {
    let shop = Shop::fresh().await;
    place(&shop, &order("1"), &json!({})).await.unwrap();
    let mut other = order("1");
    other["total_minor"] = json!(2000);
    let session = shop.session("public_orders_app").await;
    for _ in 0..2 {
        session.batch_execute("begin").await.unwrap();
        let sql = format!("select place_order('{other}', '{}')", key("k1", "a"));
        let answer: Value = session.query_one(&sql, &[]).await.unwrap().get(0);
        assert_eq!(answer["code"], json!("order_number_conflict"));
        let status = session
            .query_one("select current_setting('response.status', true)", &[])
            .await
            .unwrap();
        session.batch_execute("commit").await.unwrap();
        assert_eq!(status.get::<_, &str>(0), "409");
    }
}

#[tokio::test]
async fn a_key_without_caller_or_digest_is_refused_by_name() {
    let shop = Shop::fresh().await;
    for options in [
        json!({"idempotency_key": "k"}),
        json!({"idempotency_key": "k", "caller": "c"}),
        json!({"idempotency_key": "k", "request_digest": "a".repeat(64)}),
        json!({"idempotency_key": "", "caller": "c", "request_digest": "a".repeat(64)}),
        json!({"idempotency_key": null, "caller": "c", "request_digest": "a".repeat(64)}),
        json!({"idempotency_key": "k", "caller": "c", "request_digest": "xyz"}),
    ] {
        let error = place(&shop, &order("1"), &options).await.unwrap_err();
        assert_eq!(error.sqlstate(), Some("22023"), "{error}");
        assert!(error.to_string().contains("options.idempotency_key"), "{error}");
    }
    assert_eq!(shop.text(EVERYTHING).await, "0 0 0 0 0 0");
}

/// That many callers at once, released together, with the same options.
async fn race(shop: &Arc<Shop>, callers: usize, options: Value) -> Vec<Value> {
    let barrier = Arc::new(Barrier::new(callers));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..callers {
        let (shop, barrier, options) = (shop.clone(), barrier.clone(), options.clone());
        tasks.spawn(async move {
            shop.app.query("warm", "select 1", &[]).await.unwrap();
            barrier.wait().await;
            place(&shop, &order("1"), &options).await.unwrap()
        });
    }
    tasks.join_all().await
}

#[tokio::test]
async fn of_64_callers_at_once_with_one_key_one_places_the_order() {
    let shop = Arc::new(Shop::fresh().await);
    let answers = race(&shop, 64, key("k1", "a")).await;
    assert_eq!(answers.iter().filter(|a| a.get("replayed").is_none()).count(), 1);
    assert!(
        answers
            .iter()
            .all(|a| a["order_id"] == answers[0]["order_id"] && a["success"] == json!(true))
    );
    assert_eq!(shop.text(EVERYTHING).await, "1 1 1 1 0 1");
    let answers = race(&shop, 16, json!({})).await;
    assert!(answers.iter().all(|a| a["duplicate"] == json!(true)));
    shop.verify().await;
}

/// One change to a good order and the words that its refusal must begin with.
fn bad(change: impl FnOnce(&mut Value), words: &str) -> (Value, String) {
    let mut content = order("1");
    change(&mut content);
    (content, words.to_owned())
}

fn set(path: &'static str, value: Value, words: &str) -> (Value, String) {
    bad(move |o| *o.pointer_mut(path).unwrap() = value, words)
}

fn bad_orders() -> Vec<(Value, String)> {
    let add =
        |field: &'static str, value: Value, words: &str| bad(move |o| o[field] = value, words);
    vec![
        (json!([]), "order_param must be".into()),
        (json!(null), "order_param must be".into()),
        add("nonsense", json!(1), "unknown field nonsense"),
        set("/order_number", json!(""), "order_number must have"),
        set("/order_number", json!(17), "order_number must be a text"),
        set("/order_number", json!(null), "order_number must be given"),
        set("/order_number", json!("x".repeat(101)), "order_number must have"),
        set("/order_number", json!(" 1"), "order_number must not begin"),
        set("/order_number", json!("a\tb"), "order_number must not contain"),
        set("/retailer", json!("tesco"), "retailer and currency"),
        set("/currency", json!("USD"), "retailer and currency"),
        set("/items", json!([]), "items must be"),
        set("/items", json!({}), "items must be"),
        set("/items", json!(vec![json!({}); 1001]), "items must be"),
        set("/items/0", json!(7), "items[0] must be an object"),
        set("/items/0/product_id", json!(""), "items[0].product_id must have"),
        set("/items/0/title", json!("x".repeat(301)), "items[0].title must have"),
        set("/items/0/quantity", json!(0), "items[0].quantity must be between"),
        set("/items/0/quantity", json!(-6), "items[0].quantity must be between"),
        set("/items/0/quantity", json!("6"), "items[0].quantity must be a whole number"),
        set("/items/0/quantity", json!(null), "items[0].quantity must be given"),
        set(
            "/items/0/unit_price_minor",
            json!(2.55),
            "items[0].unit_price_minor must be a whole number",
        ),
        set(
            "/items/0/unit_price_minor",
            json!(1_000_000_001),
            "items[0].unit_price_minor must be between",
        ),
        bad(|o| o["items"][0]["gratis"] = json!(1), "items[0].gratis is not known"),
        set("/total_minor", json!(1529), "total_minor must be at least"),
        set("/total_minor", json!(15.3), "total_minor must be a whole number"),
        set("/total_minor", json!(u64::MAX), "total_minor must be between"),
        add("price_cap_minor", json!(1531), "price_cap_minor must be between"),
        add("price_cap_minor", json!(0), "price_cap_minor must be between"),
        add("shipping_method", json!("drone"), "shipping_method must be"),
        add("is_gift", json!("maybe"), "is_gift must be"),
        add("gift_message", json!("hello"), "gift_message needs is_gift"),
        bad(
            |o| (o["is_gift"], o["gift_message"]) = (json!(true), json!("x".repeat(241))),
            "gift_message must have",
        ),
        bad(
            |o| (o["is_gift"], o["gift_message"]) = (json!(true), json!("a\n".repeat(9) + "b")),
            "gift_message must have 1 to 9 lines",
        ),
        add("payment_intent", json!("ch_1"), "payment_intent must be"),
    ]
}

fn bad_recipients() -> Vec<(Value, String)> {
    let mut all = vec![
        set("/recipient", json!("Ada"), "recipient must be an object"),
        set("/recipient/country", json!("Gb"), "recipient.country must be"),
        set("/recipient/country", json!("US"), "recipient.state must be"),
        set(
            "/recipient/phone_number",
            json!("none given"),
            "recipient.phone_number must have at least 5 digits",
        ),
        bad(|o| o["recipient"]["email"] = json!("a@b.c"), "recipient.email is not known"),
    ];
    // Every field without which no parcel arrives, and the longest that it may be.
    for (field, chars_max) in [
        ("first_name", 60),
        ("last_name", 60),
        ("address_line1", 100),
        ("zip_code", 20),
        ("city", 60),
        ("state", 60),
        ("country", 2),
        ("phone_number", 30),
    ] {
        let given = format!("recipient.{field} must be given");
        let length = format!("recipient.{field} must have");
        let remove = |o: &mut Value| {
            o["recipient"].as_object_mut().unwrap().shift_remove(field).unwrap();
        };
        all.push(bad(remove, &given));
        all.push(bad(|o| o["recipient"][field] = json!(null), &given));
        all.push(bad(|o| o["recipient"][field] = json!(""), &length));
        all.push(bad(|o| o["recipient"][field] = json!("1".repeat(chars_max + 1)), &length));
    }
    for (field, chars_max) in [("address_line2", 100), ("instructions", 240)] {
        let length = format!("recipient.{field} must have");
        all.push(bad(|o| o["recipient"][field] = json!("1".repeat(chars_max + 1)), &length));
    }
    all
}

/// Texts of one line with more, and names that could be mistaken for others.
fn bad_names() -> Vec<(Value, String)> {
    let id = "0198c0de-0000-7000-8000-00000000000a";
    let broken = "must not contain line breaks";
    let mut all = vec![
        set("/order_number", json!(id), "order_number must not have the form of an order's id"),
        set("/order_number", json!(id.to_uppercase()), "order_number must not have the form"),
        bad(
            |o| o["recipient"]["instructions"] = json!("a\rb"),
            "recipient.instructions must not contain control characters",
        ),
    ];
    for nasty in ["a\nb", "a\u{2028}b"] {
        all.extend([
            set("/order_number", json!(nasty), &format!("order_number {broken}")),
            set("/items/0/title", json!(nasty), &format!("items[0].title {broken}")),
            set("/recipient/first_name", json!(nasty), &format!("recipient.first_name {broken}")),
        ]);
    }
    for nasty in ["a\u{7f}b", "a\u{85}b", "a\0b"] {
        all.push(set("/recipient/city", json!(nasty), "recipient.city must not contain"));
    }
    for intent in ["pi_", "pi_a-b", "pi_a\n", &format!("pi_{}", "a".repeat(248))] {
        all.push(bad(|o| o["payment_intent"] = json!(intent), "payment_intent must be"));
    }
    all
}

fn all_bad() -> impl Iterator<Item = (Value, String)> {
    bad_orders().into_iter().chain(bad_recipients()).chain(bad_names())
}

#[tokio::test]
async fn window_c7_every_bad_field_is_named_with_its_rule_and_writes_nothing() {
    let shop = Shop::fresh().await;
    // The one character that the database's JSON cannot hold is refused by its type.
    for (content, words) in
        all_bad().filter(|(content, _)| !content.to_string().contains("\\u0000"))
    {
        let error = place(&shop, &content, &key("k", "a")).await.expect_err(&words);
        let orders_store::Error::Database { code, message, .. } = &error else { panic!("{error}") };
        assert_eq!(code, "22023", "{error}");
        assert!(message.starts_with(&words), "{message:?} does not begin with {words:?}");
    }
    assert_eq!(shop.text(EVERYTHING).await, "0 0 0 0 0 0");
}

#[tokio::test]
async fn the_widest_permitted_order_is_placed() {
    let shop = Shop::fresh().await;
    let mut wide = order(&"n".repeat(100));
    wide["items"] =
        json!(vec![json!({"product_id": "p", "quantity": 1, "unit_price_minor": 1_000_000}); 1000]);
    wide["total_minor"] = json!(1_000_000_000);
    wide["price_cap_minor"] = json!(1_000_000_000);
    (wide["is_gift"], wide["gift_message"]) = (json!(true), json!("ä\n".repeat(8) + "ö"));
    wide["payment_intent"] = json!(format!("pi_{}", "a".repeat(247)));
    wide["recipient"]["instructions"] = json!("Ring twice.\nLeave it with the porter.");
    place(&shop, &wide, &json!({})).await.unwrap();
    assert_eq!(shop.text("select goods_minor from orders").await, "1000000000");
    shop.verify().await;
}

#[tokio::test]
async fn the_rules_of_the_program_and_of_the_database_agree() {
    let shop = Shop::fresh().await;
    for (content, words) in all_bad() {
        let program =
            serde_json::from_value::<orders_core::order::NewOrder>(content).map(|o| o.check());
        assert!(!matches!(program, Ok(Ok(()))), "the program would place what breaks: {words}");
    }
    let good = serde_json::from_value::<orders_core::order::NewOrder>(order("1")).unwrap();
    assert_eq!(good.check(), Ok(()));
    place(&shop, &serde_json::to_value(&good).unwrap(), &json!({})).await.unwrap();
}

#[tokio::test]
async fn a_payment_intent_pays_one_order_and_an_order_has_one_that_counts() {
    let shop = Shop::fresh().await;
    let mut first = order("1");
    first["payment_intent"] = json!("pi_1");
    place(&shop, &first, &json!({})).await.unwrap();
    let mut second = order("2");
    second["payment_intent"] = json!("pi_1");
    let refused = place(&shop, &second, &json!({})).await.unwrap();
    assert_eq!(refused["code"], json!("payment_taken"), "{refused}");
    assert_eq!(
        shop.text(EVERYTHING).await,
        "1 1 1 1 1 0",
        "window_b8: the half of an order is no order"
    );
    let id = shop.text("select id from orders").await;
    for (intent, code) in [("pi_1", None), ("pi_2", None), ("ch_1", Some("22023"))] {
        let sql = format!("select attach_payment('{id}', '{intent}')");
        let outcome = shop.app.query("test", &sql, &[]).await;
        assert_eq!(
            outcome.err().and_then(|e| e.sqlstate().map(str::to_owned)).as_deref(),
            code,
            "{intent}"
        );
    }
    assert_eq!(shop.text("select count(*) from payments").await, "1", "the first one counts");
}

#[tokio::test]
async fn window_b4_a_fresh_paid_order_can_be_claimed_and_an_unpaid_one_cannot() {
    let shop = Shop::fresh().await;
    let id = shop.place("1").await;
    let row = shop.text("select concat_ws(' ', status, hold_reason, payment_status, due_at is not null) from orders").await;
    assert_eq!(row, "pending awaiting_payment unpaid t");
    let offered = format!("select count(*) from lock_due_orders('zinc_v1', 10, '{id}')");
    assert_eq!(shop.text(&offered).await, "0");
    // What keeps it is the missing payment itself, not only the hold that stands for it.
    shop.by_force("update orders set hold_reason = null, due_at = now() - interval '1 s'").await;
    assert_eq!(shop.text(&offered).await, "0");
    shop.paid("2").await;
    let items = shop.text("select jsonb_agg(to_jsonb(o) - 'id' - 'recipient') from lock_due_orders('zinc_v1', 10) as o").await;
    assert!(items.contains("\"product_id\": \"85123A\""), "{items}");
}

#[tokio::test]
async fn a_chosen_id_is_kept_and_a_taken_one_refused() {
    let shop = Shop::fresh().await;
    let options = json!({"order_id": uuid::Uuid::from_u128(7)});
    assert_eq!(place(&shop, &order("1"), &options).await.unwrap()["order_id"], options["order_id"]);
    assert_eq!(place(&shop, &order("1"), &options).await.unwrap()["duplicate"], json!(true));
    let taken = place(&shop, &order("2"), &options).await.unwrap_err();
    assert_eq!(taken.sqlstate(), Some("PT409"));
    assert!(taken.to_string().contains("another order has this id"), "{taken}");
    assert_eq!(shop.text(EVERYTHING).await, "1 1 1 1 0 0");
    let version = shop.text("select substr(new_order_id(now())::text, 15, 1)").await;
    assert_eq!(version, "7");
}

#[tokio::test]
async fn a_callers_key_is_kept_for_72_hours_and_then_pruned_by_the_heartbeat() {
    let shop = Shop::fresh().await;
    shop.own_clock().await;
    place(&shop, &order("1"), &key("k1", "a")).await.unwrap();
    for (shift, kept) in [("71 hours", "1"), ("73 hours", "0")] {
        shop.shift(shift).await;
        shop.sql("select beat_worker('w', '0', false)").await;
        assert_eq!(shop.text("select count(*) from idempotency_keys").await, kept, "{shift}");
    }
}
