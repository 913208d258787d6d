//! Recording answers when something is in the way: an order that somebody holds, an answer that cannot
//! be judged, a lease that is lost. // G13, B3, B5
#![expect(clippy::expect_used, reason = "helpers of tests may fail by panic, like the tests")]

use orders_proof::world;

use orders_core::gate::Point;
use orders_core::retry::Backoff;
use orders_sandbox::zinc::Injected;
use orders_sandbox::{Fault, Faults};
use orders_service::engine::{Engine, Stopped};
use orders_store::{Error, Store, StoreOptions};
use rustix::process::Signal;
use std::io::Write;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::fmt::MakeWriter;
use uuid::Uuid;
use world::worker::{Barrier, Setup, ShiftedClock};
use world::{Shop, address};

/// Somebody who holds an order in an open transaction until he is told to let go.
async fn hold(shop: &Shop, order: Uuid) -> (oneshot::Sender<()>, tokio::task::JoinHandle<()>) {
    let long = Duration::from_mins(5);
    let options =
        StoreOptions { statement_timeout: long, silence_max: long, ..StoreOptions::default() };
    let store = Store::new(&address(&shop.database, "postgres"), &options).expect("a store");
    let sql = format!("select from {}.orders where id = '{order}' for update", shop.app.schema());
    let (holds, held) = oneshot::channel();
    let (release, released) = oneshot::channel();
    let hands = Mutex::new(Some((holds, released)));
    let holder = tokio::spawn(async move {
        let run = store.transact("test.holds", move |tx| {
            let hands = hands.lock().expect("hands").take();
            let sql = sql.clone();
            Box::pin(async move {
                tx.execute(&sql).await?;
                if let Some((holds, released)) = hands {
                    let _ = holds.send(());
                    let _ = released.await;
                }
                Ok::<_, Error>(())
            })
        });
        run.await.expect("a transaction");
    });
    held.await.expect("the order");
    (release, holder)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_whose_order_somebody_holds_keeps_no_other_waiting() {
    let shop = Shop::fresh().await;
    let ids = shop.paid(6).await;
    shop.zinc().set_latency_ms(800);
    let worker = shop.worker(Setup::default()).await;
    shop.until_creates(6).await;
    let (release, holder) = hold(&shop, ids[2]).await;
    let others = format!(
        "select count(*) = 5 from {{s}}.orders where id <> '{}' and status not in ('pending', 'submitting')",
        ids[2]
    );
    shop.until(&others).await;
    assert_eq!(shop.status(ids[2]).await, "submitting", "it is held");
    let fresh = shop.paid(2).await;
    shop.until(&format!("select bool_and(status not in ('pending', 'submitting')) from {{s}}.orders where id = any ({})", world::array(&fresh))).await;
    release.send(()).expect("a holder");
    holder.await.expect("a task");
    shop.until_ended().await;
    assert_eq!(worker.stat("stale"), 0, "every answer was recorded in its time");
    worker.stop().await;
    assert_eq!(shop.bought_once(&[ids, fresh].concat()).await.creates, 8);
    assert_eq!(shop.events("lease_ended").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_cannot_be_judged_does_not_end_the_recorder() {
    let shop = Shop::fresh().await;
    let ids = shop.paid(4).await;
    shop.zinc().inject(Injected::Fault(Fault::DropAnswer));
    let mut setup = Setup::default();
    // Longer than this test, so that the lease of what nobody recorded outlasts the engine.
    setup.options.times.lease = Duration::from_mins(1);
    let mut engine = shop.prepared(setup).await.expect("an engine");
    // Drawing a pause below this one overflows, which is a panic: the lost answer wants a pause.
    let endless = Backoff { first: Duration::MAX, cap: Duration::MAX };
    Arc::get_mut(&mut engine).expect("the only one").settings.limits.repeat = endless;
    let end = CancellationToken::new();
    let running = tokio::spawn(Engine::run(Arc::clone(&engine), end.clone()));
    shop.until("select count(*) = 3 from {s}.orders where status = 'completed'").await;
    let more = shop.paid(2).await;
    shop.until("select count(*) = 5 from {s}.orders where status = 'completed'").await;
    end.cancel();
    assert_eq!(running.await.expect("an engine that stops"), Stopped::LeasesLeft);
    let faults = engine.stats.all().into_iter().find(|(name, _)| *name == "faults");
    assert!(faults.is_some_and(|(_, count)| count >= 1), "nothing panicked: nothing was tested");
    shop.end_leases().await;
    shop.finish().await;
    shop.bought_once(&[ids, more].concat()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_says_whether_every_answer_was_recorded() {
    let (all, not_all) =
        ("the engine stopped; every answer is recorded", "before every answer was recorded");
    let shop = Shop::fresh().await;
    let ids = shop.paid(1).await;
    shop.zinc().set_latency_ms(1_200);
    let mut worker = shop.child(|_| {});
    shop.until_creates(1).await;
    let (release, holder) = hold(&shop, ids[0]).await;
    worker.signal(Signal::TERM);
    let status = worker.ended().await;
    // Its last try may still wait for the order at the server, and would record when that is free.
    shop.until(&format!(
        "select count(*) = 0 from pg_stat_activity
          where datname = current_database() and usename = '{}' and state <> 'idle'",
        shop.app_role()
    ))
    .await;
    release.send(()).expect("a holder");
    holder.await.expect("a task");
    let said = worker.said();
    assert!(status.success() && said.contains(not_all) && !said.contains(all), "{said}");
    let leased = "select count(*) from {s}.order_attempts where lease_expires_at is not null";
    assert_eq!((shop.status(ids[0]).await.as_str(), shop.count(leased).await), ("submitting", 1));
    shop.end_leases().await;
    let mut worker = shop.child(|_| {});
    shop.until_ended().await;
    worker.signal(Signal::TERM);
    let status = worker.ended().await;
    let said = worker.said();
    assert!(status.success() && said.contains(all) && !said.contains(not_all), "{said}");
    shop.bought_once(&ids).await;
}

/// Everything that this program has logged.
static LOG: LazyLock<Log> = LazyLock::new(|| {
    let log = Log::default();
    tracing_subscriber::fmt().with_ansi(false).with_writer(log.clone()).init();
    log
});

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("the log").write(text)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_warning_about_a_lost_lease_names_the_request_id() {
    let log = LOG.clone();
    let shop = Shop::faulty(Faults::none()).await;
    let id = shop.paid(1).await[0];
    let (barrier, clock) = (Barrier::at(Point::AnswerRead), Arc::new(ShiftedClock::default()));
    // With room for one call, so that it does not take the order from the other engine again.
    let mut setup = Setup { clock: clock.clone(), ..Setup::in_flight(1) };
    setup.gate = barrier.clone();
    let paused = shop.worker(setup).await;
    barrier.reached(1).await;
    clock.advance(Duration::from_mins(1));
    shop.end_leases().await;
    shop.finish().await;
    barrier.open();
    let stale = async {
        while paused.stat("stale") == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), stale).await.expect("a stale answer");
    paused.stop().await;
    let request_id = shop.of(id, "zinc_request_id").await;
    let log = String::from_utf8(log.0.lock().expect("the log").clone()).expect("text");
    let line = log.lines().find(|line| line.contains(&format!("the lease of order {id} was lost")));
    assert!(line.is_some_and(|line| line.contains(&request_id)), "{line:?}");
}
