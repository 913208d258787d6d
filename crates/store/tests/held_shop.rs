//! The shop as a whole under several sessions at once: who holds it, who releases it, and who only
//! counts his beats waits for the one row of the shop, and sees what stands then. // G22
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests may fail by panic, like the tests"
)]

mod shop;

use shop::Shop;

/// What a statement of the app answers while a transaction of the superuser stands that did something to
/// the shop: it must wait for its end.
async fn after(shop: &Shop, meanwhile: &str, asked: &str) -> String {
    let one = shop.session("postgres").await;
    one.batch_execute(&format!("begin; {meanwhile}")).await.expect(meanwhile);
    let other = shop.session("public_orders_app").await;
    let waiting = tokio::spawn({
        let sql = format!("select ({asked})::text");
        async move { other.query_one(&sql, &[]).await.expect("an answer").get::<_, Option<String>>(0) }
    });
    shop.until_blocked(1).await;
    one.batch_execute("commit").await.unwrap();
    waiting.await.unwrap().unwrap_or_default()
}

const HELD: &str = "hold_shop_for('unwatched', '{}', 't', clock_now() - interval '1 hour')";

#[tokio::test]
async fn a_shop_that_is_held_anew_while_it_is_released_stays_held() {
    for (number, anew) in
        ["hold_shop_for('went_back', '{}', 't', clock_now())", HELD].into_iter().enumerate()
    {
        let shop = Shop::fresh().await;
        shop.sql(&format!("select {HELD}")).await;
        shop.sql("update shop set compared_at = clock_now()").await;
        // The one is another reason, the other the same with a later comparison.
        let meanwhile = format!("select {anew}; update shop set compare_since = clock_now()");
        let code = after(&shop, &meanwhile, "release_shop('they say so') ->> 'code'").await;
        assert_eq!(code, "held_anew");
        let standing = ["went_back", "unwatched"][number];
        assert_eq!(shop.text("select held_because from shop").await, standing);
    }
}

#[tokio::test]
async fn a_shop_that_is_released_twice_at_once_is_released_once() {
    let shop = Shop::fresh().await;
    shop.sql("select hold_shop('the provider is odd')").await;
    let code =
        after(&shop, "select release_shop('well again')", "release_shop('me too') ->> 'code'")
            .await;
    assert_eq!(code, "held_anew", "whoever came second is told to look again");
    assert_eq!(shop.text("select count(*) from findings where kind = 'shop_released'").await, "1");
}

#[tokio::test]
async fn of_two_who_hold_the_shop_at_once_the_first_does() {
    let shop = Shop::fresh().await;
    let answer =
        after(&shop, "select hold_shop('the first')", "hold_shop('the second') ->> 'duplicate'")
            .await;
    assert_eq!(answer, "true");
    let told = "select string_agg(data ->> 'reason', ' ') from findings where kind = 'shop_held'";
    assert_eq!(shop.text(told).await, "the first");
}

#[tokio::test]
async fn an_engine_that_finds_a_restored_shop_does_not_replace_what_a_person_held_meanwhile() {
    let shop = Shop::fresh().await;
    let claim = "select count(*) from lease_moves('b', gen_random_uuid(), 1000, 1, 9)";
    assert_eq!(after(&shop, "select hold_shop('the provider is odd')", claim).await, "0");
    let standing = "select held_because || (compare_since is not null)::text from shop";
    assert_eq!(shop.text(standing).await, "operatortrue", "it is to be compared all the same");
}

#[tokio::test]
async fn beats_at_once_are_counted_one_after_the_other() {
    let shop = Shop::fresh().await;
    shop.sql("select begin_work('a', '1')").await;
    for (beat, beats) in [("begin_work('b', '1')", "3"), ("beat_worker('b', '1', false, 3)", "5")] {
        let meanwhile = "select beat_worker('a', '1', false, 0)";
        assert_eq!(after(&shop, meanwhile, &format!("{beat} ->> 'beats'")).await, beats);
    }
    assert_eq!(shop.text("select held_because is null from shop").await, "true");
}

#[tokio::test]
async fn a_beat_waits_for_the_beat_before_it_and_is_not_taken_for_one_of_the_past() {
    let shop = Shop::fresh().await;
    shop.paid("1").await;
    shop.sql("select begin_work('a', '1')").await;
    shop.sql("update shop set place = '1/2/00000001'").await;
    // Whoever waited sees the place that the other one has written.
    let held = after(
        &shop,
        "update shop set place = shop_place()",
        "beat_worker('a', '1', false, 1) ->> 'held'",
    )
    .await;
    assert_eq!(held, "");
    shop.sql("update shop set place = '1/2/00000001'").await;
    let held =
        after(&shop, "update shop set place = shop_place()", "begin_work('b', '1') ->> 'held'")
            .await;
    assert_eq!(held, "");
}

#[tokio::test]
async fn a_comparison_does_not_end_what_a_person_must_end_although_it_was_held_meanwhile() {
    let shop = Shop::fresh().await;
    shop.sql(&format!("select {HELD}")).await;
    let noted =
        "note_shop_compared('t', clock_timestamp(), '-infinity', '{payments, refunds, purchases}')";
    let meanwhile =
        "select hold_shop_for('another_place', '{}', 't', clock_now() - interval '1 minute')";
    assert_eq!(after(&shop, meanwhile, noted).await, "true");
    assert_eq!(shop.text("select held_because from shop").await, "another_place");
}
