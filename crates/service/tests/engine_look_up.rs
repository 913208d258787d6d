//! What is searched for in the provider's list, and in which order. // G6
#![expect(clippy::expect_used, reason = "helpers of tests may fail by panic, like the tests")]

use orders_proof::world;

use orders_core::gate::Open;
use orders_sandbox::Faults;
use orders_store::claim::{ClaimOptions, Planned, claim};
use orders_store::recovery::unknown_attempts;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;
use world::Shop;
use world::worker::Setup;

/// Orders of which nobody knows whether they were bought, and that wait for a person.
async fn old_doubts(shop: &Shop, count: usize) {
    let order = world::order().to_string();
    shop.as_app(&format!(
        "select {{s}}.place_order('{order}'::jsonb || jsonb_build_object('order_number', 'old' || n)) ->> 'order_id'
           from generate_series(1, {count}) as n"
    ))
    .await;
    let ids = shop.ids("status = 'pending'").await;
    let ids: Vec<Uuid> = ids.iter().map(|id| id.parse().expect("an id")).collect();
    shop.pay(&ids).await;
    let options = ClaimOptions {
        provider: "zinc_v1".into(),
        account: None,
        worker: "t".into(),
        beats_seen: 0,
        clock_at_most: None,
        token: Uuid::from_u128(7),
        lease: Duration::from_mins(1),
        call: Duration::from_secs(30),
        key_life: Duration::from_hours(23),
        batch_max: count,
        only: None,
    };
    let plan = Arc::new(|order: &orders_store::claim::DueOrder| Planned::Open {
        generation: 1,
        attempt_id: order.id,
        provider_key: order.id,
        body: b"{}".to_vec(),
    });
    let claimed = claim(&shop.app, options, plan, Arc::new(Open)).await.expect("a claim");
    assert_eq!(claimed.len(), count);
    shop.sql(
        "select r.* from (select array_agg(order_id) as ids, array_agg(lease_token) as tokens, count(*)::integer as n from {s}.order_attempts) as a
          cross join lateral {s}.record_setbacks('t', a.ids, a.tokens, array_fill('purchase_doubtful'::text, array[a.n]),
            array_fill('odd'::text, array[a.n]), array_fill('unknown'::text, array[a.n]), array_fill(null::text, array[a.n]),
            array_fill('needs_review'::text, array[a.n]), array_fill('odd'::text, array[a.n]), array_fill(null::text, array[a.n]),
            array_fill(0::bigint, array[a.n])) as r"
    )
    .await;
    assert_eq!(shop.ids("status = 'needs_review'").await.len(), count);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fresh_unknown_is_found_beside_a_thousand_that_wait_for_a_person() {
    let faults = Faults { drop_answer: 1.0, faults_per_key_max: 99, ..Faults::none() };
    let shop = Shop::faulty(faults).await;
    old_doubts(&shop, 1001).await;
    let id = shop.paid(1).await[0];
    let mut setup = Setup::default();
    setup.options.look_up_every = Duration::from_millis(300);
    let worker = shop.worker(setup).await;
    shop.until(&format!(
        "select status not in ('pending', 'submitting') from {{s}}.orders where id = '{id}'"
    ))
    .await;
    assert_eq!(worker.stat("found"), 1, "{}", shop.story().await);
    worker.stop().await;
}

/// Makes attempts older than the walls permit.
async fn sent_an_hour_ago(shop: &Shop, ids: &[&String]) {
    let sql = format!(
        "set local session_replication_role = replica;
         update {}.order_attempts set first_sent_at = first_sent_at - interval '1 hour' where order_id in ('{}', '{}')",
        shop.app.schema(), ids[0], ids[1]
    );
    let run = shop.admin.transact("test.older", move |tx| {
        let sql = sql.clone();
        Box::pin(async move { tx.execute(&sql).await })
    });
    run.await.expect("older attempts");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_orders_without_a_request_id_are_searched_for_the_newest_first() {
    let shop = Shop::fresh().await;
    old_doubts(&shop, 4).await;
    let ids = shop.ids("true").await;
    sent_an_hour_ago(&shop, &[&ids[1], &ids[3]]).await;
    // Somebody knows the request of one of them.
    shop.as_app(&format!("select {{s}}.complete_order_processing('{}', 'req-1')::text", ids[0]))
        .await;
    let unknown = unknown_attempts(&shop.app).await.expect("attempts");
    let found: Vec<String> = unknown.iter().map(|one| one.order_id.to_string()).collect();
    assert_eq!((found.len(), &found[0]), (3, &ids[2]), "{found:?}");
    assert!(unknown.is_sorted_by(|one, next| one.first_sent_at >= next.first_sent_at));
    assert!(unknown[0].first_sent_at > unknown[1].first_sent_at);
}
