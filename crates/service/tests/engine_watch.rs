//! What the provider says later, and what must never be seen meanwhile: an open transaction, a private
//! word. // B9, G14, G36

use orders_proof::world;

use orders_sandbox::zinc::Injected;
use orders_sandbox::{Fault, Faults};
use std::time::Duration;
use world::worker::Setup;
use world::{Shop, hurried};

#[tokio::test(flavor = "multi_thread")]
async fn an_order_goes_from_submitted_by_processing_to_completed_one_step_at_a_time() {
    let shop = Shop::fresh().await;
    let id = shop.paid(1).await[0];
    shop.finish().await;
    assert_eq!(
        shop.kinds(id).await,
        "order_placed payment_confirmed purchase_opened purchase_accepted retailer_order_placed order_completed"
    );
    let merchant = "select data ->> 'merchant_order_ids' from {s}.order_events where kind = 'retailer_order_placed'";
    assert!(shop.text(merchant).await.contains("112-"), "the retailer's number is kept");
    shop.bought_once(&[id]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shop_that_completes_on_placing_does_not_wait_for_the_parcel() {
    let mut options = hurried();
    options.zinc.delivered_after_ms = 3_600_000;
    let shop = Shop::with(options).await;
    shop.set("complete_on", "placed").await;
    let ids = shop.paid(3).await;
    shop.finish().await;
    shop.bought_once(&ids).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_after_acceptance_settles_the_attempt_and_gives_a_new_key() {
    let faults = Faults {
        fail_later: 1.0,
        fail_codes: vec!["zma_temporarily_overloaded".into()],
        ..Faults::none()
    };
    let shop = Shop::faulty(faults).await;
    let id = shop.paid(1).await[0];
    let worker = shop.worker(Setup::default()).await;
    shop.until(
        "select exists (select from {s}.order_attempts where settled_by = 'provider_final')",
    )
    .await;
    shop.zinc().set_faults(world::quick(Faults::none())).expect("faults");
    shop.until_ended().await;
    worker.stop().await;
    let first = shop.text("select concat_ws(' ', outcome, settled_by, request_id is not null) from {s}.order_attempts where generation = 1").await;
    assert_eq!(first, "accepted provider_final t");
    assert!(shop.count("select count(distinct provider_key) from {s}.order_attempts").await >= 2);
    shop.bought_once(&[id]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_final_failure_after_acceptance_ends_the_order_and_sends_the_money_back() {
    let faults = Faults {
        fail_later: 1.0,
        fail_codes: vec!["product_unavailable".into()],
        ..Faults::none()
    };
    let shop = Shop::faulty(faults).await;
    shop.paid(3).await;
    shop.finish().await;
    assert_eq!(shop.ends().await, [("failed".into(), 3)].into());
    let moved =
        "select count(*) from {s}.money_moves where kind = 'refund' and cause = 'order_ended'";
    assert_eq!(shop.count(moved).await, 3);
    let summary = shop.clean().await;
    assert_eq!((summary.creates, summary.live_purchases), (3, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn readings_that_fail_lie_or_break_off_change_nothing() {
    let shop =
        Shop::faulty(Faults { read_error: 0.3, read_stale: 0.3, read_cut: 0.2, ..Faults::none() })
            .await;
    let ids = shop.paid(10).await;
    for fault in [Fault::ReadError, Fault::ReadCut] {
        shop.zinc().inject(Injected::Fault(fault));
    }
    shop.finish().await;
    let summary = shop.bought_once(&ids).await;
    assert!(summary.faults.values().sum::<u64>() >= 4, "{:?}", summary.faults);
    assert_eq!(shop.events("retailer_order_placed").await, 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_about_another_order_is_asked_again_and_calls_a_person_when_it_insists() {
    let mut options = hurried();
    options.zinc.placed_after_ms = 0;
    options.zinc.delivered_after_ms = 3_600_000;
    let shop = Shop::with(options).await;
    let ids = shop.paid(2).await;
    let worker = shop.worker(Setup::default()).await;
    shop.until("select bool_and(status = 'processing') from {s}.orders").await;
    shop.zinc().inject(Injected::Fault(Fault::ReadWrong));
    let zinc = shop.zinc();
    let once = async {
        while !zinc.summary().faults.contains_key(&Fault::ReadWrong) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), once).await.expect("a wrong reading");
    assert_eq!(shop.ends().await, [("processing".into(), 2)].into(), "one slip is no reason");
    let wrong = Faults { read_wrong: 1.0, faults_per_key_max: 9_999, ..Faults::none() };
    zinc.set_faults(world::quick(wrong)).expect("faults");
    shop.until_ended().await;
    worker.stop().await;
    assert_eq!(shop.ends().await, [("needs_review request_of_another_order".into(), 2)].into());
    assert_eq!(shop.clean().await.orders_bought_once, ids.len() as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_reading_that_cannot_be_stored_does_not_stop_its_neighbours() {
    let shop = Shop::fresh().await;
    let ids = shop.paid(6).await;
    // A wall that refuses one order's next step, whatever it is.
    shop.sql(&format!(
        "alter table {{s}}.orders add constraint test_wall check (id <> '{}' or status <> 'processing') not valid",
        ids[2]
    ))
    .await;
    let worker = shop.worker(Setup::default()).await;
    shop.until("select count(*) = 5 from {s}.orders where status = 'completed'").await;
    assert_eq!(shop.status(ids[2]).await, "submitted_to_zinc");
    shop.sql("alter table {s}.orders drop constraint test_wall").await;
    shop.until_ended().await;
    worker.stop().await;
    shop.bought_once(&ids).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_payment_that_cannot_be_stored_does_not_stop_its_neighbours() {
    let shop = Shop::fresh().await;
    let ids = shop.paying(4).await;
    shop.sql(&format!(
        "alter table {{s}}.orders add constraint test_wall check (id <> '{}' or payment_status <> 'paid') not valid",
        ids[1]
    ))
    .await;
    let worker = shop.worker(Setup::default()).await;
    shop.until("select count(*) = 3 from {s}.orders where status = 'completed'").await;
    worker.stop().await;
    assert_eq!(shop.of(ids[1], "hold_reason").await, "awaiting_payment");
    assert_eq!(shop.clean().await.creates, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_transaction_is_open_while_a_partner_is_awaited() {
    let shop = Shop::fresh().await;
    shop.paying(12).await;
    shop.zinc().set_latency_ms(800);
    let worker = shop.worker(Setup::default()).await;
    // A transaction of ours lasts milliseconds; one that waited for a call would last 800 of them.
    let open = "select count(*) from pg_stat_activity where datname = current_database() and usename like '%_orders_app'
                 and xact_start < clock_timestamp() - interval '400 ms' and state <> 'idle'";
    let mut samples = 0;
    while shop.count("select count(*) from {s}.orders where status = 'completed'").await < 12 {
        assert_eq!(shop.count(open).await, 0, "a transaction waits for somebody outside");
        samples += u32::from(
            shop.count("select count(*) from {s}.orders where status = 'submitting'").await > 0,
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    worker.stop().await;
    assert!(samples >= 10, "only {samples} looks while calls were under way");
}

#[tokio::test(flavor = "multi_thread")]
async fn window_d2_no_private_word_and_no_secret_stands_in_a_log() {
    let faults = Faults {
        drop_answer: 0.2,
        error_after: 0.2,
        cut_answer: 0.1,
        wrong_id: 0.1,
        ..Faults::none()
    };
    let shop = Shop::faulty(faults).await;
    let mut order = world::order();
    let mut canaries: Vec<String> = Vec::new();
    for field in
        ["first_name", "last_name", "address_line1", "address_line2", "city", "instructions"]
    {
        canaries.push(format!("Canary{}", field.replace('_', "")));
        order["recipient"][field] = canaries[canaries.len() - 1].clone().into();
    }
    order["is_gift"] = true.into();
    order["gift_message"] = "CanaryGift".into();
    let mut ids = Vec::new();
    // So many that hardly any seed of the sandbox leaves them without four repeats: each create
    // meets a fault every other time.
    for _ in 0..24 {
        order["order_number"] = world::order()["order_number"].clone();
        ids.push(shop.place_as(&order).await);
    }
    shop.pay(&ids).await;
    let mut worker = shop.child(|command| {
        command.env("RUST_LOG", "trace");
    });
    shop.until_creates(28).await;
    shop.until("select count(*) >= 4 from {s}.orders where status = 'completed'").await;
    worker.signal(rustix::process::Signal::TERM);
    assert!(worker.ended().await.success());
    let said = worker.said();
    canaries.extend(
        ["CanaryGift", "+12125550100", "sandbox-token", "sk_test_sandbox", "c2FuZGJveC10b2tlbj"]
            .map(str::to_owned),
    );
    canaries.push(shop.text("select value from {s}.settings where name = 'shop_secret'").await);
    canaries.extend(
        shop.texts(
            "select lease_token::text from {s}.order_attempts where lease_token is not null",
        )
        .await,
    );
    assert!(said.len() > 500, "it said something: {said}");
    for canary in canaries {
        assert!(!said.contains(&canary), "{canary} stands in the log");
    }
}
