//! Wires between an engine and the world: a proxy before its database and one before its partners, each
//! of which reads what passes and can hold, cut, refuse, answer wrongly or swallow it at an exact place.
//!
//! Promise: what is not meddled with passes byte for byte. A wire belongs to one engine, so what happens
//! to it happens to nobody else.

#![expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "a test that cannot go on must end"
)]

pub mod database;
pub mod partner;
mod session;

pub use session::Sessions;

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How long a test waits for somebody to come to a place, and whoever stands there to be let go.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where somebody is made to stand still: told when he stands there, and let go by the test. Whoever
/// comes when everybody was let go does not stand.
#[derive(Debug)]
pub struct Stop {
    /// How many have come.
    standing: watch::Sender<u32>,
    /// How many of them may go on, in the order in which they came.
    free: watch::Sender<u32>,
    /// The same, for whoever stands here without a runtime's help.
    gate: (Mutex<u32>, Condvar),
}

impl Default for Stop {
    fn default() -> Self {
        let (standing, free) = (watch::Sender::new(0), watch::Sender::new(0));
        Self { standing, free, gate: (Mutex::default(), Condvar::new()) }
    }
}

impl Stop {
    fn arrive(&self) -> u32 {
        let mut number = 0;
        self.standing.send_modify(|count| {
            *count += 1;
            number = *count;
        });
        number
    }

    /// Stands here until the test lets go; bounded, so that a test that fails does not hang as well.
    pub async fn stand(&self) {
        let (number, mut free) = (self.arrive(), self.free.subscribe());
        let _ = tokio::time::timeout(PATIENCE, free.wait_for(|free| *free >= number)).await;
    }

    /// Waits here until somebody is let go, without being one of those who stand; bounded as well.
    pub async fn opened(&self) {
        let mut free = self.free.subscribe();
        let _ = tokio::time::timeout(PATIENCE, free.wait_for(|free| *free > 0)).await;
    }

    /// The same as `stand`, keeping the thread.
    pub fn stand_blocking(&self) {
        let number = self.arrive();
        let free = self.gate.0.lock().expect("no holder panics");
        drop(self.gate.1.wait_timeout_while(free, PATIENCE, |free| *free < number));
    }

    /// Waits until somebody stands here; whether one came in this time.
    pub async fn reached(&self, within: Duration) -> bool {
        self.reached_by(1, within).await
    }

    /// Waits until so many have come; whether they did in this time.
    pub async fn reached_by(&self, count: u32, within: Duration) -> bool {
        let mut standing = self.standing.subscribe();
        let come = standing.wait_for(|standing| *standing >= count);
        matches!(tokio::time::timeout(within, come).await, Ok(Ok(_)))
    }

    /// How many have come.
    pub fn count(&self) -> u32 {
        *self.standing.borrow()
    }

    /// Lets everybody go who stands here now.
    pub fn let_these_go(&self) {
        self.free_up_to(self.count());
    }

    /// Lets everybody go, for good.
    pub fn let_go(&self) {
        self.free_up_to(u32::MAX);
    }

    fn free_up_to(&self, number: u32) {
        self.free.send_modify(|free| *free = number.max(*free));
        let mut free = self.gate.0.lock().expect("no holder panics");
        *free = number.max(*free);
        self.gate.1.notify_all();
    }
}

/// Whether anything passes, for all connections of a wire.
#[derive(Debug)]
struct Line {
    /// Whether bytes stand still, as they do before a process that is stopped.
    frozen: watch::Sender<bool>,
    /// Raised by one to cut every connection that stands.
    cut: watch::Sender<u64>,
    /// Whether new connections are refused.
    deaf: AtomicBool,
}

impl Default for Line {
    fn default() -> Self {
        Self {
            frozen: watch::Sender::new(false),
            cut: watch::Sender::new(0),
            deaf: AtomicBool::new(false),
        }
    }
}

impl Line {
    /// Waits while nothing passes.
    async fn flows(&self) {
        let mut frozen = self.frozen.subscribe();
        // The sender lives as long as the wire.
        let _ = frozen.wait_for(|frozen| !*frozen).await;
    }

    /// Waits until the connections that stand now are cut.
    async fn cut(&self) {
        let mut cut = self.cut.subscribe();
        let _ = cut.changed().await;
    }
}

/// What happens to something that passes, so many times.
pub trait Counted: Clone + Send + 'static {
    /// How often it still happens.
    fn times(&mut self) -> &mut u32;
}

/// A wire: a listener of its own, and what happens to what passes through it.
pub struct Wire<R> {
    port: u16,
    shared: Arc<Shared<R>>,
    task: JoinHandle<()>,
}

pub(crate) struct Shared<R> {
    line: Line,
    rules: Mutex<Vec<R>>,
    /// How often something happened.
    happened: AtomicU32,
}

impl<R> Drop for Wire<R> {
    fn drop(&mut self) {
        self.task.abort();
        self.shared.line.cut.send_modify(|count| *count += 1);
    }
}

impl<R: Counted> Wire<R> {
    /// A listener whose connections are served so, until they end or are cut.
    async fn listening<F>(serve: impl Fn(TcpStream, Arc<Shared<R>>) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let shared = Arc::new(Shared {
            line: Line::default(),
            rules: Mutex::default(),
            happened: AtomicU32::new(0),
        });
        let of_all = Arc::clone(&shared);
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if of_all.line.deaf.load(Ordering::SeqCst) {
                    continue;
                }
                let served = serve(client, Arc::clone(&of_all));
                let shared = Arc::clone(&of_all);
                tokio::spawn(async move {
                    tokio::select! {
                        // What is cut and let go in one moment is cut.
                        biased;
                        () = shared.line.cut() => {}
                        () = served => {}
                    }
                });
            }
        });
        Self { port, shared, task }
    }

    /// Lets something happen to what passes next and fits.
    pub fn add(&self, rule: R) {
        self.shared.rules.lock().expect("no holder panics").push(rule);
    }

    /// How often something has happened here.
    pub fn happened(&self) -> u32 {
        self.shared.happened.load(Ordering::SeqCst)
    }

    /// Forgets what should happen.
    pub fn clear(&self) {
        self.shared.rules.lock().expect("no holder panics").clear();
    }

    /// Breaks every connection that stands.
    pub fn cut(&self) {
        self.shared.line.cut.send_modify(|count| *count += 1);
    }

    /// Lets nothing pass, or everything again.
    pub fn freeze(&self, frozen: bool) {
        self.shared.line.frozen.send_replace(frozen);
    }

    /// Refuses new connections, or takes them again.
    pub fn deafen(&self, deaf: bool) {
        self.shared.line.deaf.store(deaf, Ordering::SeqCst);
    }
}

impl<R: Counted> Shared<R> {
    /// The first rule that fits, counted.
    fn take(&self, fits: impl Fn(&R) -> bool) -> Option<R> {
        let mut rules = self.rules.lock().expect("no holder panics");
        let at = rules.iter().position(fits)?;
        self.happened.fetch_add(1, Ordering::SeqCst);
        *rules[at].times() -= 1;
        let rule = rules[at].clone();
        if *rules[at].times() == 0 {
            rules.remove(at);
        }
        Some(rule)
    }
}
