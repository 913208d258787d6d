//! The point C22: a shop is installed anew, as `migrate` does it, while an engine works with what stood
//! before; the fault meets the installation.
//!
//! No older program can be run here yet, so the engine of this one stands for it, and what is older are two
//! of the functions that it calls: they stand as a former release might have left them. Whatever happens,
//! both are of the former release or both of this one, a second installation finishes the work, and the
//! engine that worked beside it buys each order once. // G44, G45

use super::cell::{PATIENCE, Wanted, ended, judge};
use super::course::{Course, history};
use super::fault::{drawn, in_the_database};
use super::lane::{Lane, back_up, partners};
use super::letter::Found;
use super::mail::{Mail, forget};
use super::place::Place;
use super::restore::{Restored, released_and_ended};
use super::table::{also, must};
use super::{Fault, Spot, letter};
use crate::wire::{Stop, database};
use crate::world::Shop;
use crate::world::worker::{Setup, Worker};
use orders_store::schema::{self, Installed};
use orders_store::{Error, Store, StoreOptions};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

const SPOT: Spot = Spot(22);
/// The functions that the former release had in another form.
const FORMER: [&str; 2] = ["record_acceptances", "due_payments"];
/// How such a form is known.
const MARK: &str = "-- as a former release had it";
/// How long the server lets an installation stand open whose client is silent.
const SILENCE: Duration = Duration::from_secs(10);
/// The same where that end is waited for.
const SHORT_SILENCE: Duration = Duration::from_secs(2);

/// What stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stands {
    Former,
    Released,
}

/// An installation in the hands of a test.
struct Installer {
    wire: database::Wire,
    stand: Arc<Stop>,
    runtime: Option<Runtime>,
    task: JoinHandle<Result<Installed, Error>>,
}

impl Installer {
    /// Begins one that will stand still at its first function, or at its commit.
    async fn begin(
        shop: &Shop,
        at_commit: bool,
        moment: database::Moment,
        silence_max: Duration,
    ) -> Self {
        let server = shop.ground.address("postgres", "postgres");
        let wire = database::Wire::before(&server).await;
        let stand = Arc::new(Stop::default());
        let Some(Place::Statement(first)) = Place::of(SPOT) else { panic!("a statement") };
        let act = match moment {
            database::Moment::Committed => database::Act::HoldAndCut(Arc::clone(&stand)),
            _ => database::Act::Hold(Arc::clone(&stand)),
        };
        let moment = if at_commit { moment } else { database::Moment::Asked };
        wire.add(database::Rule { has: first, moment, act, times: 1 });
        let options = StoreOptions {
            schema: shop.app.schema().to_owned(),
            silence_max,
            ..StoreOptions::default()
        };
        let address = wire.address(&shop.database, "postgres");
        let store = Store::new(&address, &options).expect("a valid address");
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let task = runtime.spawn(async move { schema::install(&store).await });
        Self { wire, stand, runtime: Some(runtime), task }
    }

    /// Dies, as by SIGKILL.
    fn kill(&mut self) {
        self.wire.cut();
        self.wire.deafen(true);
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
        self.stand.let_go();
    }

    /// What it came to; nothing if it is dead.
    async fn ended(&mut self) -> Option<Result<Installed, Error>> {
        let ended = tokio::time::timeout(PATIENCE, &mut self.task).await;
        ended.expect("an installation that ends").ok()
    }
}

impl Drop for Installer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Runs a cell of the last row, in a shop of its own: an installation puts the shop's clock back.
pub(super) async fn run(lane: &Lane, fault: Fault, seed: u64) {
    let ground = lane.shop.ground.clone();
    let database = ground.fresh_database().await;
    let shop = Shop::on(ground, &database, "public", partners()).await;
    let mail = if fault.0 == 16 { Some(Mail::expect(&shop).await) } else { None };
    let mut course = Course::begin(&shop, SPOT, fault);
    course.wanted = Wanted { bought: shop.paying(4).await, returned: Vec::new() };
    if fault.0 == 18 {
        shop.own_clock().await;
        shop.shift(drawn(seed, &["1 hour", "-1 hour"])).await;
    }
    let engine = shop.prepared(Setup::behind_wires()).await.expect("an engine");
    former_functions(&shop).await;
    if fault.0 == 19 {
        back_up(&shop).await;
        // It has said since that it lives.
        engine.recover_once().await;
    }
    let (at_commit, moment) = match fault.0 {
        5 => (true, database::Moment::Committed),
        6 => drawn(
            seed,
            &[
                (true, database::Moment::Committed),
                (true, database::Moment::Committing),
                (false, database::Moment::Asked),
            ],
        ),
        _ => (drawn(seed, &[true, false]), database::Moment::Committing),
    };
    // Read before: an installation near its end lets nobody read histories.
    course.at_fault = history(&shop, &course.wanted).await;
    let silence = if fault.0 == 2 { SHORT_SILENCE } else { SILENCE };
    let mut installer = Installer::begin(&shop, at_commit, moment, silence).await;
    assert!(installer.stand.reached(PATIENCE).await, "the installation never came to its point");
    // It works beside an installation that is under way.
    let worker = shop.started(engine);
    let around = match &mail {
        Some(mail) => Some(mail.around(&shop, seed).await),
        None => None,
    };
    let (said, restored) = meet(&shop, &mut installer, fault, seed).await;
    let stands = what_stands(&shop).await;
    schema::install(&shop.admin).await.expect("a second installation finishes it");
    if let Some(restored) = &restored {
        restored.compared(&shop).await;
        restored.seen(&shop, course.wanted.bought.len()).expect("nothing before it was compared");
    }
    if matches!(fault.0, 18 | 19) {
        hours_pass(&shop).await;
    }
    if restored.is_some() {
        released_and_ended(&shop, &course.wanted).await;
    }
    if let Some(around) = around {
        around.await.expect("deliveries that end");
        until_all_acknowledged(&shop).await;
    }
    finish(&shop, &course, worker).await;
    course.end(&shop).await;
    let found = match &mail {
        Some(mail) => mail.all_recognised(&shop).await,
        None => check(fault, said.as_ref(), stands),
    };
    if let Err(why) = found.and_then(|()| letter::once(&course)) {
        panic!("{SPOT}{fault}: {why}");
    }
    shop.remove().await;
}

/// The orders end, the shop stands as it was released, and the oracle has its word.
async fn finish(shop: &Shop, course: &Course, worker: Worker) {
    ended(shop, &course.wanted).await;
    worker.stop().await;
    forget(shop);
    assert_eq!(what_stands(shop).await, Some(Stands::Released));
    let drift = schema::drift(&shop.admin).await.expect("a comparison");
    let drift: Vec<_> = drift.into_iter().filter(|it| !it.contains("clock_now")).collect();
    assert_eq!(drift, Vec::<String>::new(), "not as it was released");
    judge(shop, &course.wanted).await;
}

/// Two functions get another form, as a former release might have left them.
async fn former_functions(shop: &Shop) {
    for name in FORMER {
        let sql = format!("select pg_get_functiondef('{{s}}.{name}'::regproc)");
        let text = shop.text(&sql).await;
        let former = text.replacen("\nbegin", &format!("\n{MARK}\nbegin"), 1);
        assert_ne!(former, text, "{name} has no beginning");
        shop.sql(&former).await;
    }
    assert_eq!(what_stands(shop).await, Some(Stands::Former));
}

/// Which release the functions are of; nothing when they are not of one.
async fn what_stands(shop: &Shop) -> Option<Stands> {
    let names = FORMER.map(|name| format!("'{name}'")).join(", ");
    let former = format!(
        "select count(*) from pg_proc as p where p.pronamespace = '{{s}}'::regnamespace
            and p.proname in ({names}) and p.prosrc like '%{MARK}%'"
    );
    match shop.count(&former).await {
        0 => Some(Stands::Released),
        2 => Some(Stands::Former),
        _ => None,
    }
}

/// Lets the fault happen to the installation that stands at its point, and lets it go on. What it came
/// to, unless it is dead; and what stood when the database had been put back, if it was.
async fn meet(
    shop: &Shop,
    installer: &mut Installer,
    fault: Fault,
    seed: u64,
) -> (Option<Result<Installed, Error>>, Option<Restored>) {
    let (mut second, mut restored) = (None, None);
    match fault.0 {
        1 => {
            installer.kill();
            nobody_installs(shop).await;
            return (None, None);
        }
        2 => {
            installer.wire.freeze(true);
            // The server ends what stands open and silent; the engine has waited for its locks.
            nobody_installs(shop).await;
            installer.wire.freeze(false);
        }
        4 => installer.wire.cut(),
        6 => shop.ground.restart_immediately(&shop.admin).await,
        19 => restored = Some(Restored::put_back(shop).await),
        7..=10 => {
            if let Some(rule) = in_the_database(fault, seed) {
                installer.wire.add(rule);
            }
        }
        17 => {
            let admin = shop.admin.clone();
            second = Some(tokio::spawn(async move { schema::install(&admin).await }));
        }
        _ => {}
    }
    installer.stand.let_go();
    let said = installer.ended().await;
    if let Some(second) = second {
        second.await.expect("no panic").expect("two at once, one after the other");
    }
    nobody_installs(shop).await;
    (said, restored)
}

/// Waits until no session of an installation stands in a transaction.
async fn nobody_installs(shop: &Shop) {
    let standing = "select count(*) from pg_locks as l join pg_stat_activity as a using (pid)
        where l.locktype = 'advisory' and a.datname = current_database()";
    let begun = Instant::now();
    while shop.count(standing).await > 0 {
        assert!(begun.elapsed() < PATIENCE, "an installation stands on and on");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// What was written in a wrong hour is due when that hour has passed.
async fn hours_pass(shop: &Shop) {
    shop.sql("drop table if exists {s}.test_clock").await;
    shop.own_clock().await;
    shop.shift("2 hours").await;
}

/// Repeats the messages that had to wait for the installation.
async fn until_all_acknowledged(shop: &Shop) {
    let begun = Instant::now();
    while !shop.stripe().owed().is_empty() {
        assert!(begun.elapsed() < PATIENCE, "messages are refused on and on");
        let places: Vec<usize> = (0..shop.stripe().owed().len()).collect();
        shop.stripe().deliver(&places).await;
    }
}

/// Whether one of the cell's letters was seen.
fn check(fault: Fault, said: Option<&Result<Installed, Error>>, stands: Option<Stands>) -> Found {
    let Some(stands) = stands else { return Err("half of it stands".into()) };
    let told = match said {
        None => "nothing".to_owned(),
        Some(Ok(_)) => "success".to_owned(),
        Some(Err(error)) => error.to_string(),
    };
    let succeeded = matches!(said, Some(Ok(_)));
    let letters = must(SPOT, fault).unwrap_or_default().chars();
    let seen = |letter| match letter {
        // Rolled back, and done again whole afterwards.
        'T' => !succeeded && stands == Stands::Former,
        // Whatever it was told: what stands is whole, and the second installation sees it.
        'Q' => !succeeded,
        // It waited and succeeded, or was refused and nothing of it stands.
        'B' => succeeded == (stands == Stands::Released),
        'K' => succeeded && stands == Stands::Released,
        // What was put back is the former release; that it was held and compared is seen elsewhere.
        'S' => stands == Stands::Former,
        _ => false,
    };
    if letters.chain(also(SPOT, fault).chars()).any(seen) {
        Ok(())
    } else {
        Err(format!("it was told {told}, and what stands is {stands:?}"))
    }
}
