//! Through PgBouncer in transaction mode: two statements of a session may meet two servers, and a lock
//! of a session outlives its owner. // ruling 32, A9

use orders_proof::world;

use orders_sandbox::Faults;
use orders_service::engine::Stopped;
use world::Shop;
use world::pooler::{Pooler, program};
use world::worker::Setup;

#[tokio::test(flavor = "multi_thread")]
async fn forty_orders_with_faults_are_bought_once_through_a_pool_of_three() {
    let Some(program) = program() else { return };
    let faults = Faults { drop_answer: 0.15, error_after: 0.1, read_error: 0.1, ..Faults::none() };
    let shop = Shop::faulty(faults).await;
    let ids = shop.paying(40).await;
    let pooler = Pooler::start(&program, &shop.app_role(), 3).await;
    let store = Some(pooler.store(&shop, 12));
    let first = shop.worker(Setup { store, ..Setup::default() }).await;
    let store = Some(pooler.store(&shop, 12));
    let second = shop.worker(Setup { store, ..Setup::default() }).await;
    shop.until_ended().await;
    first.stop().await;
    second.stop().await;
    let servers = "select count(*) from pg_stat_activity where datname = current_database() and usename like '%_orders_app'
                    and application_name = 'atomic-orders'";
    assert!(shop.count(servers).await <= 3 + 24, "the shop's own connections and the pooler's");
    shop.bought_once(&ids).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn window_a9_two_claims_through_one_pooled_session_never_both_succeed() {
    let Some(program) = program() else { return };
    let shop = Shop::fresh().await;
    let id = shop.paid(1).await[0];
    shop.zinc().set_latency_ms(500);
    let pooler = Pooler::start(&program, &shop.app_role(), 1).await;
    let mut workers = Vec::new();
    for _ in 0..2 {
        let store = Some(pooler.store(&shop, 4));
        workers.push(shop.prepared(Setup { store, ..Setup::default() }).await.expect("an engine"));
    }
    let end = tokio_util::sync::CancellationToken::new();
    let recorders =
        workers.iter().map(|engine| tokio::spawn(engine.clone().run_on_demand(end.clone())));
    let recorders: Vec<_> = recorders.collect();
    let (one, two) = tokio::join!(workers[0].submit_one(id), workers[1].submit_one(id));
    let won =
        [one, two].into_iter().filter(|answer| answer.as_ref().is_ok_and(Option::is_some)).count();
    assert_eq!(won, 1);
    let locks = "select count(*) from pg_locks as l join pg_database as d on d.oid = l.database
                  where d.datname = current_database() and l.locktype = 'advisory'";
    assert_eq!(shop.count(locks).await, 0);
    end.cancel();
    for recorder in recorders {
        assert_eq!(recorder.await.expect("a recorder"), Stopped::AllRecorded);
    }
    shop.finish().await;
    assert_eq!(shop.bought_once(&[id]).await.creates, 1);
}
