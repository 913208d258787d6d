//! `serve`: the HTTP server, beside engines elsewhere or with one of its own.

use super::output::{say, tell};
use super::work::stop_on_signal;
use crate::api::{self, Api, JwtSecret, StripeHook, WallClock, WeakSecret};
use crate::app::{self, Database, DatabaseArgs, EngineArgs, PartnerArgs};
use crate::engine::Engine;
use anyhow::{Context, bail};
use clap::Args;
use orders_core::gate::Open;
use orders_store::{Store, door, schema};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Answer over HTTP: /functions/v1, /rest/v1/rpc, /v1/orders, /webhooks/stripe, /health, /ready,
/// /openapi.json.
///
/// With `ZINC_TOKEN`, `process-zma-order` buys an order at once. Everything else (repeats, recovery,
/// reading payments, watching the provider) is the work of engines: `--work` runs one in here,
/// `atomic-orders work` runs one elsewhere.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  DATABASE_URL=… ZINC_TOKEN=… STRIPE_KEY=… atomic-orders serve --work
  DATABASE_URL=… atomic-orders serve --listen 127.0.0.1:9000      engines run elsewhere
  atomic-orders keys add --note 'web shop'                        a key for callers")]
pub struct Serve {
    /// Run an engine's loops too.
    #[arg(long)]
    work: bool,
    #[command(flatten)]
    database: DatabaseArgs,
    #[command(flatten)]
    partners: PartnerArgs,
    #[command(flatten)]
    engine: EngineArgs,
    #[command(flatten)]
    http: HttpArgs,
}

/// Where and for whom the server answers.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "HTTP")]
pub struct HttpArgs {
    /// Where to listen; port 0 takes a free one. There is no TLS: put a proxy in front.
    #[arg(long, env = "ORDERS_LISTEN", default_value = "127.0.0.1:8080", value_name = "ADDRESS")]
    pub listen: SocketAddr,
    /// The secret of the project's HS256 tokens; without it only API keys are accepted.
    #[arg(long, env = "ORDERS_JWT_SECRET", hide_env_values = true, value_name = "SECRET")]
    pub jwt_secret: Option<String>,
}

impl HttpArgs {
    /// The secret of callers' tokens; asked for first, because one that can be guessed is refused.
    pub fn jwt_secret(&self) -> Result<Option<JwtSecret>, WeakSecret> {
        JwtSecret::parse(self.jwt_secret.clone())
    }

    /// Takes the address.
    pub async fn bind(&self) -> anyhow::Result<(TcpListener, SocketAddr)> {
        let listener = TcpListener::bind(self.listen).await.with_context(|| {
            format!("{} cannot be listened on; choose another with --listen", self.listen)
        })?;
        let address = listener.local_addr()?;
        if !address.ip().is_loopback() {
            tell("Note: other machines can reach this server, and it speaks without TLS.");
        }
        Ok((listener, address))
    }
}

impl Serve {
    /// Serves until SIGTERM or SIGINT, then ends within 25 seconds.
    pub async fn run(self, seed: [u8; 32], clock: WallClock) -> anyhow::Result<ExitCode> {
        let jwt_secret = self.http.jwt_secret()?;
        let stripe_hook = self.partners.stripe_hook()?;
        let (listener, address) = self.http.bind().await?;
        let database = self.database.open().await?;
        database.refuse_sandbox()?;
        database.prepare().await?;
        let store = database.app(32)?;
        schema::check_ground(&store).await?;
        let engine = if self.work || self.partners.zinc_token.is_some() {
            let gate = Arc::new(Open);
            Some(app::engine(store.clone(), &self.partners, &self.engine, gate, seed).await?)
        } else {
            tell("No ZINC_TOKEN: orders are taken, and wait for an engine that runs elsewhere.");
            None
        };
        let stop = stop_on_signal()?;
        say(format!("Listening on http://{address}"))?;
        let counter = Shop { store, engine, works: self.work, jwt_secret, stripe_hook };
        counter.serve(listener, &database, clock, stop).await?;
        database.close().await?;
        Ok(ExitCode::SUCCESS)
    }
}

/// A shop that answers.
pub struct Shop {
    /// Its database.
    pub store: Store,
    /// Who buys at once.
    pub engine: Option<Arc<Engine>>,
    /// Whether that engine also works by itself.
    pub works: bool,
    /// For callers with tokens.
    pub jwt_secret: Option<JwtSecret>,
    /// For messages of Stripe.
    pub stripe_hook: Option<StripeHook>,
}

impl Shop {
    /// Answers and works until the stop, or until the database of our own is gone.
    pub async fn serve(
        self,
        listener: TcpListener,
        database: &Database,
        clock: WallClock,
        stop: CancellationToken,
    ) -> anyhow::Result<()> {
        let answered = CancellationToken::new();
        let counts = self.stripe_hook.as_ref().map(|hook| Arc::clone(&hook.counts));
        let counts = counts.map(|counts| counts.keep(self.store.clone(), answered.clone()));
        let router = api::router(Api {
            doors: door::catalogue(&self.store).await?,
            store: self.store,
            engine: self.engine.clone(),
            jwt_secret: self.jwt_secret,
            clock,
            stripe_hook: self.stripe_hook,
        });
        // Both stop together: an answer that is still awaited then is recorded or its lease ends.
        let http = async {
            api::serve(listener, router, stop.clone()).await;
            answered.cancel();
        };
        let engine = async {
            match self.engine {
                Some(engine) if self.works => engine.run(stop.clone()).await.tell(),
                Some(engine) => engine.run_on_demand(stop.clone()).await.tell(),
                None => {}
            }
        };
        let watch = async {
            while !stop.is_cancelled() {
                if !database.is_running() {
                    stop.cancel();
                    return false;
                }
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = tokio::time::sleep(Duration::from_secs(1)) => {}
                }
            }
            true
        };
        let counts = async {
            if let Some(counts) = counts {
                counts.await;
            }
        };
        let ((), (), (), alive) = tokio::join!(http, engine, counts, watch);
        if !alive {
            bail!("the program's own PostgreSQL ended by itself; start this program again");
        }
        Ok(())
    }
}
