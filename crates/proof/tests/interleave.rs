//! Some of the orders in which two workers can take their steps, spread over all of them; `just interleave`
//! takes each.

use orders_proof::interleave::{Ground, schedules, spelled};

#[test]
fn there_are_48620_orders_of_nine_steps_of_each_of_two_workers() {
    assert_eq!(schedules().count(), 48_620);
    assert!(schedules().all(|one| spelled(one).matches('A').count() == 9));
}

#[tokio::test(flavor = "multi_thread")]
async fn g16_two_workers_in_any_order_of_their_steps_buy_once_and_the_order_ends_accepted() {
    let picked: Vec<_> = schedules().step_by(241).collect();
    let (mut whole, mut twice) = (0, 0);
    let ground = Ground::fresh().await;
    for schedule in &picked {
        let seen = ground.walk(*schedule).await;
        whole += u32::from(seen.stood[0].max(seen.stood[1]) >= 9);
        twice += u32::from(seen.calls > 1);
    }
    ground.end().await;
    assert!(picked.len() >= 200 && whole >= 60, "{whole} of {} went the whole way", picked.len());
    assert!(twice > 0, "never was a second call made");
    println!("{} schedules, {whole} whole, {twice} with a second call", picked.len());
}
