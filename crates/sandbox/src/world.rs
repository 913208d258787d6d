//! The world: both providers behind one address.

use crate::Error;
use crate::clock::{Clock, RealClock};
use crate::serve;
use crate::stripe::{self, Stripe, courier};
use crate::zinc::{self, Zinc};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How a world is made.
#[derive(Debug, Clone)]
pub struct Options {
    /// The port on the loopback address; 0 takes a free one.
    pub port: u16,
    /// Where the world reads the time.
    pub clock: Arc<dyn Clock>,
    /// The fake Zinc.
    pub zinc: zinc::Settings,
    /// The fake Stripe.
    pub stripe: stripe::Settings,
    /// Where `zinc.jsonl` and `stripe.jsonl` are kept, if anywhere. What stands there already is
    /// remembered. The folder must exist.
    pub ledger_folder: Option<PathBuf>,
    /// Whether each line is handed to the operating system before its call is answered, so that it
    /// survives a kill. Without, some 64 KiB of lines may be lost with the process.
    pub durable: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            port: 0,
            clock: Arc::new(RealClock),
            zinc: zinc::Settings::default(),
            stripe: stripe::Settings::default(),
            ledger_folder: None,
            durable: true,
        }
    }
}

/// Both providers.
#[derive(Debug)]
pub struct World {
    /// The fake Zinc.
    pub zinc: Zinc,
    /// The fake Stripe.
    pub stripe: Stripe,
    pub(crate) clock: Arc<dyn Clock>,
}

impl World {
    /// A world that nobody can reach yet.
    pub fn new(options: Options) -> Result<Arc<Self>, Error> {
        let Options { clock, zinc, stripe, ledger_folder, durable, .. } = options;
        let file = |name| ledger_folder.as_ref().map(|folder| folder.join(name));
        let zinc = Zinc::open(zinc, Arc::clone(&clock), file("zinc.jsonl").as_deref(), durable)?;
        let stripe =
            Stripe::open(stripe, Arc::clone(&clock), file("stripe.jsonl").as_deref(), durable)?;
        Ok(Arc::new(Self { zinc, stripe, clock }))
    }

    /// A world on a port of the loopback address.
    pub async fn start(options: Options) -> Result<Running, Error> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, options.port));
        let world = Self::new(options)?;
        let listener = TcpListener::bind(address).await.map_err(Error::Listen)?;
        world.serve(listener)
    }

    /// Answer at this listener, and deliver events, until the handle is stopped or dropped.
    pub fn serve(self: Arc<Self>, listener: TcpListener) -> Result<Running, Error> {
        let addr = listener.local_addr().map_err(Error::Listen)?;
        if !addr.ip().is_loopback() {
            return Err(Error::NotLoopback(addr));
        }
        let (stop, stopped) = watch::channel(false);
        let courier = tokio::spawn(courier::run(Arc::clone(&self), stopped.clone()));
        let server = tokio::spawn(serve::accept(Arc::clone(&self), listener, stopped));
        Ok(Running { addr, world: self, stop, server, courier })
    }
}

/// A world that answers. Dropping it stops it too, without waiting.
#[derive(Debug)]
pub struct Running {
    /// Where it answers.
    pub addr: SocketAddr,
    /// The world behind it.
    pub world: Arc<World>,
    stop: watch::Sender<bool>,
    server: JoinHandle<()>,
    courier: JoinHandle<()>,
}

impl Running {
    /// The address of both providers; append `/v1/...`.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Take no more calls, give those under way a second, deliver no more events, write the ledgers
    /// out. Answers that wait for a clock are cut off.
    pub async fn stop(self) {
        let Self { world, stop, server, courier, .. } = self;
        let _ = stop.send(true);
        // Both end by themselves within their own bounds; a panic in one has been reported by
        // tokio.
        let _ = courier.await;
        let _ = server.await;
        world.zinc.flush();
        world.stripe.flush();
    }
}
