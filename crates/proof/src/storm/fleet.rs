//! The processes in a storm: engines as real `atomic-orders work`, one `serve` for messages of Stripe,
//! each started again at once when it has died, as a supervisor would.

use super::chance::Chance;
use super::ground::Ground;
use crate::wire::{database, partner};
use crate::world::child::program;
use crate::world::pooler::{self, Pooler};
use crate::world::{Shop, bound};
use anyhow::Context as _;
use orders_core::gate::Point;
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{File, OpenOptions};
use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tokio::process::{Child, Command};

/// How long engines hold a claim here: the shortest that the program allows with this call limit.
pub const LEASE: Duration = Duration::from_secs(12);
/// The limit of their calls.
pub const CALL: Duration = Duration::from_millis(1500);
/// Between a process that ended by itself and the next: a database that is away is not asked more often.
const REST: Duration = Duration::from_millis(400);
/// Server connections behind the pooler.
const POOL: u32 = 12;
/// What an engine says when it has begun.
const RUNS: &str = "the engine runs";

/// How a process reaches the world.
enum Way {
    /// Straight on.
    Straight,
    /// Through wires that can be cut.
    Wired(Box<(database::Wire, partner::Wire)>),
    /// Through `PgBouncer`.
    Pooled(Box<Pooler>),
}

/// What runs in a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Engine,
    OlderEngine,
    Server,
}

/// A place in which one process after the other runs.
struct Place {
    role: Role,
    way: Way,
    program: PathBuf,
    log: PathBuf,
    starts: u32,
    running: Option<Running>,
    rest_until: Instant,
    /// Whether the next one here dies by its own hand.
    doomed: bool,
    chance: Chance,
}

/// A process.
struct Running {
    name: String,
    child: Child,
    /// When it was killed by us.
    killed: Option<Instant>,
    /// Stands still by SIGSTOP.
    stopped: bool,
    /// Where its words begin in the log.
    log_from: u64,
}

/// A process that died by SIGKILL.
#[derive(Debug, Clone)]
pub struct Death {
    /// Its name in the history.
    pub worker: String,
    /// When.
    pub at: Instant,
}

/// What became of the processes since it was last asked.
#[derive(Debug, Default)]
pub struct News {
    /// Those killed.
    pub deaths: Vec<Death>,
    /// Those that never got as far as running, because the world was away.
    pub in_vain: u32,
    /// Those that ended by themselves although nobody asked for it: a fault of theirs.
    pub by_themselves: Vec<String>,
}

/// All of them.
pub struct Fleet {
    places: Vec<Place>,
    base: String,
    listen: String,
    stopping: bool,
}

impl Fleet {
    /// As many engines as wanted, on different ways; the first goes straight.
    pub async fn muster(
        shop: &Shop,
        ground: &Ground,
        options: &super::Options,
    ) -> anyhow::Result<Self> {
        let app = ground.address(&shop.database, &shop.app_role());
        let base = shop.partners.base_url();
        let pooler = if options.pooler { pooler::program() } else { None };
        let mut ways = vec![(Role::Server, Way::Straight)];
        for number in 0..options.engines.max(2) {
            let way = match (number % 4, &pooler) {
                (2, Some(program)) => {
                    let pooler = Pooler::before(&app, program, &shop.app_role(), POOL).await;
                    Way::Pooled(Box::new(pooler))
                }
                (1 | 3, _) => {
                    let partner = base.trim_start_matches("http://").to_owned();
                    let wires = (database::Wire::before(&app).await, partner::Wire::start(partner));
                    Way::Wired(Box::new((wires.0, wires.1.await)))
                }
                _ => Way::Straight,
            };
            ways.push((Role::Engine, way));
        }
        if options.older.is_some() {
            ways.push((Role::OlderEngine, Way::Straight));
        }
        let logs = ground.folder().join("logs");
        std::fs::create_dir(&logs).context("the folder of the logs")?;
        let place = |(number, (role, way)): (usize, (Role, Way))| Place {
            role,
            way,
            program: match (role, &options.older) {
                (Role::OlderEngine, Some(older)) => older.clone(),
                _ => program(),
            },
            log: logs.join(format!("{}.log", place_name(role, number))),
            starts: 0,
            running: None,
            rest_until: Instant::now(),
            doomed: false,
            chance: Chance::of(options.seed, &format!("place {number}")),
        };
        let places = ways.into_iter().enumerate().map(place).collect();
        Ok(Self { places, base, listen: free_address()?, stopping: false })
    }

    /// Whether an engine goes through `PgBouncer`.
    pub fn is_pooled(&self) -> bool {
        self.places.iter().any(|place| matches!(place.way, Way::Pooled(_)))
    }

    /// Where Stripe's messages are taken.
    pub fn webhook_url(&self) -> String {
        format!("http://{}/webhooks/stripe", self.listen)
    }

    /// Looks who has died, and starts who is missing.
    pub fn tend(&mut self, shop: &Shop, ground: &Ground) -> anyhow::Result<News> {
        let mut news = News::default();
        for (number, place) in self.places.iter_mut().enumerate() {
            place.look(&mut news)?;
            let rested = Instant::now() >= place.rest_until;
            if place.running.is_none() && rested && !self.stopping {
                place.start(number, shop, ground, &self.base, &self.listen)?;
            }
        }
        Ok(news)
    }

    /// Kills one: an engine that does not stand still, if there is one, or now and then the server. Half
    /// of those that are started in the place of an engine die once more, by their own hand, at a crash
    /// point: that is where a kill hurts, and one from outside seldom hits it. Whether there was anybody.
    pub fn kill(&mut self, chance: &mut Chance) -> bool {
        let server_too = chance.happens(10);
        let Some(place) = self.drawn(chance, |place| {
            let alive = place.running.as_ref().is_some_and(|it| it.killed.is_none() && !it.stopped);
            alive && (server_too || place.role != Role::Server)
        }) else {
            return false;
        };
        place.doomed = place.role == Role::Engine && chance.happens(50);
        if let Some(running) = &mut place.running {
            running.signal(Signal::KILL);
            running.killed = Some(Instant::now());
        }
        true
    }

    /// Kills every engine, also those that stand still.
    pub fn kill_engines(&mut self) {
        let engines = self.places.iter_mut().filter(|place| place.role != Role::Server);
        for running in engines.filter_map(|place| place.running.as_mut()) {
            running.signal(Signal::KILL);
            running.killed.get_or_insert_with(Instant::now);
        }
    }

    /// The names of the engines that run.
    pub fn names(&self) -> Vec<String> {
        let engines = self.places.iter().filter(|place| place.role != Role::Server);
        let running = engines.filter_map(|place| place.running.as_ref());
        let alive = running.filter(|it| !it.stopped && it.killed.is_none());
        alive.map(|running| running.name.clone()).collect()
    }

    /// Stops one engine as it stands, unless too few would be left; gives its name.
    pub fn stop(&mut self, chance: &mut Chance) -> Option<String> {
        let goes = |place: &Place| {
            let running = place.running.as_ref();
            place.role != Role::Server
                && running.is_some_and(|it| !it.stopped && it.killed.is_none())
        };
        if self.places.iter().filter(|place| goes(place)).count() < 2 {
            return None;
        }
        let running = self.drawn(chance, goes)?.running.as_mut()?;
        running.signal(Signal::STOP);
        running.stopped = true;
        Some(running.name.clone())
    }

    /// Lets one go on that stood still; whether it is still the same.
    pub fn go_on(&mut self, name: &str) -> bool {
        let running = self.places.iter_mut().filter_map(|place| place.running.as_mut());
        let Some(running) = running.into_iter().find(|running| running.name == name) else {
            return false;
        };
        running.signal(Signal::CONT);
        running.stopped = false;
        running.killed.is_none()
    }

    /// Something happens to a connection of an engine behind wires.
    pub fn cut(&self, chance: &mut Chance) -> bool {
        let wires: Vec<_> = self
            .places
            .iter()
            .filter_map(|place| match &place.way {
                Way::Wired(wires) => Some(wires),
                _ => None,
            })
            .collect();
        let Some(wires) = chance.one_of(&wires) else { return false };
        let in_database =
            |moment| database::Rule { has: "", moment, act: database::Act::Cut, times: 1 };
        let at_partner = |has, act| partner::Rule { has, act, times: 1 };
        match chance.between(0, 9) {
            0 => wires.0.cut(),
            1 => wires.0.add(in_database(database::Moment::Asked)),
            2 => wires.0.add(in_database(database::Moment::Committing)),
            3 | 4 => wires.0.add(in_database(database::Moment::Committed)),
            5 => wires.1.cut(),
            6 => wires.1.add(at_partner("POST /v1/orders", partner::Act::LoseAnswer)),
            7 => wires.1.add(at_partner("POST ", partner::Act::CutAnswer)),
            8 => wires.1.add(at_partner("POST ", partner::Act::CutRequest)),
            _ => {
                let later = partner::Act::DoLater(Duration::from_millis(chance.between(50, 300)));
                wires.1.add(at_partner("POST /v1/orders", later));
            }
        }
        true
    }

    /// No more cuts.
    pub fn mend(&self) {
        for place in &self.places {
            if let Way::Wired(wires) = &place.way {
                wires.0.clear();
                wires.1.clear();
            }
        }
    }

    /// Asks all to stop in order and waits for them; gives what was not in order.
    pub async fn disband(&mut self) -> Vec<String> {
        self.stopping = true;
        let mut wrong = Vec::new();
        for running in self.places.iter().filter_map(|place| place.running.as_ref()) {
            running.signal(Signal::CONT);
            running.signal(Signal::TERM);
        }
        for place in &mut self.places {
            let Some(mut running) = place.running.take() else { continue };
            let ended = tokio::time::timeout(Duration::from_mins(1), running.child.wait()).await;
            match ended {
                Ok(Ok(status)) if status.success() => {}
                ended => wrong.push(format!("{} did not stop in order: {ended:?}", running.name)),
            }
        }
        wrong
    }

    fn drawn(&mut self, chance: &mut Chance, fits: impl Fn(&Place) -> bool) -> Option<&mut Place> {
        let fitting: Vec<usize> =
            (0..self.places.len()).filter(|at| fits(&self.places[*at])).collect();
        let at = chance.one_of(&fitting)?;
        self.places.get_mut(at)
    }
}

impl Place {
    /// Looks whether its process has ended.
    fn look(&mut self, news: &mut News) -> anyhow::Result<()> {
        let Some(running) = &mut self.running else { return Ok(()) };
        let Some(status) = running.child.try_wait().context("a child")? else { return Ok(()) };
        let now = Instant::now();
        if is_kill(status) {
            let at = running.killed.unwrap_or(now);
            news.deaths.push(Death { worker: running.name.clone(), at });
        } else {
            let said = said(&self.log, running.log_from);
            let has_begun = said.contains(RUNS) || said.contains("Listening on");
            if has_begun {
                let last = said.lines().rev().take(5).collect::<Vec<_>>().join(" | ");
                news.by_themselves
                    .push(format!("{} ended by itself ({status}): {last}", running.name));
            } else {
                news.in_vain += 1;
            }
            self.rest_until = now + REST;
        }
        self.running = None;
        Ok(())
    }

    /// Starts the next process here.
    fn start(
        &mut self,
        number: usize,
        shop: &Shop,
        ground: &Ground,
        base: &str,
        listen: &str,
    ) -> anyhow::Result<()> {
        self.starts += 1;
        let name = format!("{}-{}", place_name(self.role, number), self.starts);
        let (database, base) = match &self.way {
            Way::Straight => (ground.address(&shop.database, &shop.app_role()), base.to_owned()),
            Way::Wired(wires) => {
                (wires.0.address(&shop.database, &shop.app_role()), wires.1.base_url())
            }
            Way::Pooled(pooler) => {
                (pooler.address(&shop.database, &shop.app_role()), base.to_owned())
            }
        };
        let mut command = shop.command_of(&self.program, &database, &base);
        self.instruct(&mut command, &name, listen);
        bound::to_this_process(&mut command);
        let log = OpenOptions::new().append(true).create(true).open(&self.log);
        let log = log.with_context(|| format!("the log {}", self.log.display()))?;
        let log_from = log.metadata().context("the log")?.len();
        let errors = log.try_clone().context("the log")?;
        let child = command.stdout(Stdio::from(log)).stderr(Stdio::from(errors)).spawn();
        let child = child.with_context(|| format!("{} does not start", self.program.display()))?;
        self.running = Some(Running { name, child, killed: None, stopped: false, log_from });
        Ok(())
    }

    fn instruct(&mut self, command: &mut Command, name: &str, listen: &str) {
        let ms = |length: Duration| length.as_millis().to_string();
        command
            .env("ORDERS_WORKER", name)
            .env("ORDERS_LEASE_MS", ms(LEASE))
            .env("ORDERS_CALL_MS", ms(CALL))
            .env("ORDERS_IN_FLIGHT", "16")
            .env("RUST_LOG", "warn,orders_service::cli::work=info");
        if self.role == Role::Server {
            command
                .args(["serve", "--listen", listen])
                .env_remove("ZINC_TOKEN")
                .env("STRIPE_WEBHOOK_SECRET", "whsec_sandbox")
                // The partners' clock is put forward with the shop's, and this machine's is not.
                .env("STRIPE_WEBHOOK_TOLERANCE_S", "86400");
            return;
        }
        // Each way to the provider is another address of one account.
        command.args(["work", "--own-sandbox"]);
        if std::mem::take(&mut self.doomed) {
            let points = Point::ALL.map(Point::name);
            let point = self.chance.one_of(&points).unwrap_or("intent-committed");
            command.args(["--die-at", &format!("{point}:{}", self.chance.between(1, 12))]);
        }
    }
}

impl Running {
    fn signal(&self, signal: Signal) {
        if let Some(pid) = self.child.id().and_then(|id| Pid::from_raw(id.cast_signed())) {
            // Who has ended in this moment is seen at the next look.
            let _ = kill_process(pid, signal);
        }
    }
}

fn is_kill(status: ExitStatus) -> bool {
    status.signal() == Some(Signal::KILL.as_raw())
}

fn place_name(role: Role, number: usize) -> String {
    match role {
        Role::Engine => format!("engine-{number}"),
        Role::OlderEngine => format!("older-{number}"),
        Role::Server => "server".to_owned(),
    }
}

/// What stands in a log from a place on.
fn said(log: &PathBuf, from: u64) -> String {
    use std::io::{Read as _, Seek as _, SeekFrom};
    let read = || -> std::io::Result<String> {
        let mut file = File::open(log)?;
        file.seek(SeekFrom::Start(from))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    read().unwrap_or_default()
}

/// An address on this machine that nobody listens at.
fn free_address() -> anyhow::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").context("a port")?;
    Ok(listener.local_addr().context("an address")?.to_string())
}
