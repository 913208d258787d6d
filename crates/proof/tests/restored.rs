//! A database that was restored, cloned or left alone: nothing is bought from it before it was compared
//! with the partners, and what it forgot is not bought again. // G22

use orders_proof::world::ground::Ground;
use orders_proof::world::worker::Setup;
use orders_proof::world::{Shop, TOTAL, fresh_database, hurried, quick, store};
use orders_sandbox::zinc::{Event, Faults};
use orders_sandbox::{Line, Options};
use std::time::Duration;
use uuid::Uuid;

/// A shop that was restored: bought before the backup, forgotten by it, and placed after it.
struct Restored {
    shop: Shop,
    kept: Uuid,
    forgotten: Uuid,
    lost: Uuid,
}

/// A shop on a server of its own.
async fn at_home() -> Shop {
    at_home_with(hurried()).await
}

/// The same with these partners.
async fn at_home_with(partners: Options) -> Shop {
    let ground = Ground::own().await;
    let database = ground.fresh_database().await;
    Shop::on(ground, &database, "public", partners).await
}

/// Buys on both sides of a backup. An engine may run when it is put back, or none.
async fn restored(
    under_an_engine: bool,
) -> (Restored, Option<orders_proof::world::worker::Worker>) {
    let shop = at_home().await;
    shop.own_clock().await;
    let kept = shop.paying(1).await[0];
    shop.finish().await;
    let forgotten = shop.paying(1).await[0];
    shop.ground.back_up(&shop.admin).await;
    let worker = shop.worker(Setup::default()).await;
    let lost = shop.paying(1).await[0];
    shop.until_ended().await;
    shop.bought_once(&[kept, forgotten, lost]).await;
    let worker = if under_an_engine {
        Some(worker)
    } else {
        worker.stop().await;
        None
    };
    shop.ground.put_back(&shop.admin).await;
    assert_eq!(shop.status(forgotten).await, "pending", "the database has forgotten it");
    assert_eq!(shop.count("select count(*) from {s}.orders").await, 2);
    (Restored { shop, kept, forgotten, lost }, worker)
}

/// What the shop answers to a person who releases it.
async fn release(shop: &Shop) -> String {
    let sql = "select coalesce(a ->> 'code', 'released ' || (a ->> 'orders_held')) from {s}.release_shop('from the backup') as a";
    shop.as_app(sql).await.remove(0)
}

/// What it answers to whoever asks this.
async fn ask(shop: &Shop, what: &str) -> String {
    let sql = format!("select coalesce(a ->> 'code', a ->> 'status') from {{s}}.{what} as a");
    shop.as_app(&sql).await.remove(0)
}

/// A person completes an order by the purchase that the database forgot.
async fn complete_by_hand(shop: &Shop, order: Uuid) {
    let request =
        "select data ->> 'request_id' from {s}.differences where kind = 'purchase_forgotten'";
    let request = shop.text(request).await;
    let completed =
        format!("manually_complete_order('{order}', '{request}', 'it is at the provider')");
    assert_eq!(ask(shop, &completed).await, "completed");
}

const HELD: &str = "select held_because from {s}.shop";

impl Restored {
    /// Waits until it was compared; it is held for this reason.
    async fn compared(&self, because: &str) {
        self.shop.until("select compared_at is not null from {s}.shop").await;
        assert_eq!(self.shop.text(HELD).await, because);
        let told = "select string_agg(kind, ' ' order by kind) from {s}.differences where gone_at is null and kind like 'purchase%'";
        assert_eq!(self.shop.text(told).await, "purchase_forgotten purchase_without_order");
        assert_eq!(self.shop.zinc().summary().creates, 3, "nothing was asked for again");
    }

    /// Everything was bought once, whatever the database knows.
    fn once(&self) {
        let summary = self.shop.zinc().summary();
        assert_eq!(summary.duplicates, [], "bought twice");
        assert_eq!((summary.live_purchases, summary.violations), (3, 0));
        let ids = [self.kept, self.forgotten, self.lost].map(|id| id.to_string());
        assert_eq!(self.shop.never_bought(&ids), [""; 0]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn g22_a_database_put_back_under_a_running_engine_is_compared_and_released_before_it_buys() {
    let (restored, worker) = restored(true).await;
    let shop = &restored.shop;
    restored.compared("went_back").await;
    let order = restored.forgotten;
    assert_eq!(ask(shop, &format!("cancel_order('{order}')")).await, "shop_held");
    assert_eq!(release(shop).await, "too_early");
    shop.shift("5 minutes").await;
    assert_eq!(release(shop).await, "released 0");
    // Its key lives: the same bytes again, and the provider answers with the purchase that it has.
    shop.until_ended().await;
    assert_eq!(shop.status(order).await, "completed");
    assert_eq!(shop.zinc().summary().duplicate_calls, 1);
    worker.unwrap().stop().await;
    restored.once();
    shop.clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn g22_what_a_restored_database_forgot_beyond_the_life_of_its_key_waits_for_a_person() {
    let (restored, _) = restored(false).await;
    let shop = &restored.shop;
    let order = restored.forgotten;
    let worker = shop.worker(Setup::default()).await;
    // No engine remembers anything; the partners do.
    restored.compared("forgotten").await;
    shop.shift("25 hours").await;
    assert_eq!(release(shop).await, "released 1");
    assert_eq!(shop.of(order, "hold_reason").await, "restored");
    assert_eq!(ask(shop, &format!("cancel_order('{order}')")).await, "purchase_forgotten");
    complete_by_hand(shop, order).await;
    // Another order is bought as always.
    let next = shop.paying(1).await[0];
    shop.until_ended().await;
    assert_eq!(shop.status(next).await, "completed");
    worker.stop().await;
    let summary = shop.zinc().summary();
    assert_eq!((summary.duplicates, summary.live_purchases), (vec![], 4));
    shop.clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn g22_an_order_placed_again_after_the_comparison_is_not_bought_again_under_a_dead_key() {
    let (restored, _) = restored(false).await;
    let shop = &restored.shop;
    let worker = shop.worker(Setup::default()).await;
    restored.compared("forgotten").await;
    shop.shift("25 hours").await;
    release(shop).await;
    // The storefront sends what the shop has no word of, with the id that it had.
    let again = restored.lost;
    let mut order = orders_proof::world::order();
    order["payment_intent"] = shop.stripe().pay(&again.to_string(), TOTAL, "usd").into();
    let order = order.to_string().replace('\'', "''");
    shop.sql(&format!("select {{s}}.place_order('{order}', '{{\"order_id\": \"{again}\"}}')"))
        .await;
    shop.until(&format!("select payment_status = 'paid' from {{s}}.orders where id = '{again}'"))
        .await;
    // Whoever comes after it is bought; it is not, and nobody gets its money back.
    let next = shop.paying(1).await[0];
    shop.until(&format!("select status = 'completed' from {{s}}.orders where id = '{next}'")).await;
    assert_eq!(shop.status(again).await, "pending");
    assert_eq!(ask(shop, &format!("cancel_order('{again}')")).await, "purchase_forgotten");
    worker.stop().await;
    let summary = shop.zinc().summary();
    assert_eq!((summary.creates, summary.live_purchases, summary.duplicates), (4, 4, vec![]));
}

#[tokio::test(flavor = "multi_thread")]
async fn g22_what_was_cancelled_before_anybody_noticed_is_returned_by_nobody_while_it_is_bought() {
    let (restored, _) = restored(false).await;
    let shop = &restored.shop;
    let order = restored.forgotten;
    let intent = format!("select payment_intent from {{s}}.payments where order_id = '{order}'");
    let intent = shop.text(&intent).await;
    assert_eq!(ask(shop, &format!("cancel_order('{order}')")).await, "cancelled");
    let worker = shop.worker(Setup::default()).await;
    restored.compared("forgotten").await;
    shop.shift("5 minutes").await;
    assert_eq!(release(shop).await, "released 0");
    shop.until(
        "select exists (select from {s}.findings where kind = 'refund_owed' and closed_at is null)",
    )
    .await;
    shop.until("select not exists (select from {s}.money_moves where due_at is not null)").await;
    assert_eq!(shop.stripe().refunds_of(&intent).len(), 0);
    worker.stop().await;
    restored.once();
}

#[tokio::test(flavor = "multi_thread")]
async fn g22_an_order_whose_second_key_was_forgotten_does_not_end_with_its_first() {
    let mut partners = hurried();
    partners.zinc.placed_after_ms = 3_000;
    partners.zinc.faults = quick(Faults {
        fail_later: 1.0,
        fail_codes: vec!["zma_temporarily_overloaded".into()],
        ..Faults::none()
    });
    let shop = &at_home_with(partners).await;
    shop.own_clock().await;
    let order = shop.paying(1).await[0];
    let worker = shop.worker(Setup::default()).await;
    let accepted =
        format!("select status = 'submitted_to_zinc' from {{s}}.orders where id = '{order}'");
    shop.until(&accepted).await;
    worker.stop().await;
    shop.ground.back_up(&shop.admin).await;
    // What was accepted fails, and is bought under the next key.
    shop.zinc().set_faults(quick(Faults::none())).unwrap();
    shop.finish().await;
    shop.bought_once(&[order]).await;
    shop.ground.put_back(&shop.admin).await;
    // Before anybody has noticed its customer changes his mind.
    assert_eq!(ask(shop, &format!("cancel_order('{order}')")).await, "submitted_to_zinc");
    let worker = shop.worker(Setup::default()).await;
    shop.until("select compared_at is not null from {s}.shop").await;
    let told = shop.zinc().ledger().len();
    let read = |it: &Line<Event>| matches!(it.event, Event::Read { .. });
    // The second reading begins when the first one's end is recorded, or is not.
    let twice = |all: &[Line<Event>]| all.iter().skip(told).filter(|it| read(it)).count() > 1;
    let waited = tokio::time::timeout(Duration::from_secs(30), shop.zinc().wait_until(twice)).await;
    waited.expect("what was not recorded is read again");
    assert_eq!(
        shop.status(order).await,
        "submitted_to_zinc",
        "nothing ends in a shop that is held"
    );
    shop.shift("5 minutes").await;
    assert_eq!(release(shop).await, "released 0");
    shop.until(&format!("select status = 'needs_review' from {{s}}.orders where id = '{order}'"))
        .await;
    assert_eq!(shop.of(order, "review_reason").await, "purchase_forgotten");
    assert_eq!(shop.count("select count(*) from {s}.money_moves").await, 0, "nothing goes back");
    complete_by_hand(shop, order).await;
    worker.stop().await;
    let summary = shop.zinc().summary();
    assert_eq!((summary.creates, summary.live_purchases, summary.duplicates), (2, 1, vec![]));
}

#[tokio::test(flavor = "multi_thread")]
async fn g22_a_shop_that_nobody_watched_is_compared_first_and_goes_on_by_itself() {
    let shop = at_home().await;
    let first = shop.paying(1).await[0];
    shop.finish().await;
    shop.ground.restart_immediately(&shop.admin).await;
    let second = shop.paying(1).await[0];
    let before = shop.zinc().summary().lists;
    shop.finish().await;
    assert!(shop.zinc().summary().lists > before, "the provider's list was read");
    let held =
        "select subject || ' ' || (closed_at is not null) from {s}.alerts where rule = 'shop_held'";
    assert_eq!(shop.texts(held).await, ["unwatched true"]);
    assert_eq!(shop.text("select held_because is null from {s}.shop").await, "true");
    shop.bought_once(&[first, second]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn g22_a_clone_with_the_shops_keys_buys_nothing_and_the_shop_itself_goes_on() {
    let name = fresh_database().await;
    let shop = Shop::in_schema(&name, "public", hurried()).await;
    let first = shop.paying(1).await[0];
    shop.finish().await;
    let second = shop.paying(1).await[0];
    let copy = format!("{name}_copy");
    let postgres = store("postgres", "postgres", "public");
    // Its last sessions end when their stores are dropped; a template must have none.
    let end = format!(
        "select pg_terminate_backend(pid)::text from pg_stat_activity where datname = '{name}'"
    );
    postgres.query("test", &end, &[]).await.unwrap();
    let clone = format!("create database {copy} template {name}");
    postgres.query("test", &clone, &[]).await.unwrap();
    let admin = store(&copy, "postgres", "public");
    let app = store(&copy, &shop.app_role(), "public");
    let clone = Setup { store: Some(app), ..Setup::default() };
    let worker = shop.worker(clone).await;
    let held = async || {
        let rows = admin
            .query(
                "test",
                "select concat_ws(' ', held_because, compared_at is not null) from shop",
                &[],
            )
            .await;
        rows.unwrap()[0].get::<_, String>(0)
    };
    let begun = std::time::Instant::now();
    while held().await != "another_place t" {
        assert!(begun.elapsed() < Duration::from_secs(40), "{}", held().await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(shop.zinc().summary().creates, 1, "the clone has bought nothing");
    worker.stop().await;
    shop.finish().await;
    shop.bought_once(&[first, second]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn g22_a_shop_that_a_person_has_stopped_buys_and_moves_nothing_until_it_is_released() {
    let shop = Shop::fresh().await;
    let owed = shop.cancelled_paid(1).await;
    let order = shop.paying(1).await[0];
    shop.as_app("select {s}.hold_shop('the provider charges twice')::text").await;
    let worker = shop.worker(Setup::default()).await;
    shop.until(&format!("select payment_status = 'paid' from {{s}}.orders where id = '{order}'"))
        .await;
    shop.hurry_moves().await;
    // What is not held is at once there: a payment was read, which comes before all else.
    assert_eq!(shop.zinc().summary().creates, 0);
    assert_eq!(shop.stripe().refunds_of(&owed[0].1).len(), 0);
    shop.as_app("select {s}.release_shop('they say it is repaired')::text").await;
    shop.until_ended().await;
    shop.until("select not exists (select from {s}.money_moves where due_at is not null)").await;
    worker.stop().await;
    assert_eq!(shop.stripe().refunds_of(&owed[0].1).len(), 1);
    shop.clean_money().await;
}
