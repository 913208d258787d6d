//! `up`: a whole shop on this machine, until Ctrl-C; the next `up` goes on where it ended.
//!
//! Promise: a shop of the sandbox never meets the real provider, and a shop of the real provider
//! never meets the sandbox: either would make its records untrue.

mod guide;
mod partners;

use super::demo::{hurry, invoices};
use super::output::{is_given, say, tell};
use super::serve::{HttpArgs, Shop};
use super::work::stop_on_signal;
use crate::api::{WallClock, new_api_key};
use crate::app::{self, Database, DatabaseArgs, EngineArgs, PartnerArgs};
use anyhow::Context;
use clap::Args;
use guide::Guide;
use orders_core::gate::Open;
use orders_sandbox::Running;
use orders_store::{Store, access, read};
use sha2::{Digest, Sha256};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// Run everything on this machine: database, engine, HTTP server, and sandbox partners.
///
/// With `ZINC_TOKEN` (and `STRIPE_KEY`) it works with the real partners instead; then choose another
/// --data-dir than for the sandbox.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  atomic-orders up                          prints how to place, pay and watch an order
  atomic-orders up --with-invoices          with some 400 real invoices to look at
  atomic-orders orders list                 in another terminal, while it runs
  ZINC_TOKEN=… STRIPE_KEY=… atomic-orders up --data-dir ./shop")]
pub struct Up {
    /// Where the database (and the sandbox's ledgers) are kept.
    #[arg(long, env = "ORDERS_DATA_DIR", value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
    /// Which PostgreSQL to run: automatic, installed, carried, or a folder of programs.
    #[arg(long, env = "ORDERS_POSTGRES", default_value = "automatic", value_name = "WHICH")]
    postgres: orders_embedded::Source,
    /// The port of the sandbox partners; 0 takes a free one.
    #[arg(long, default_value_t = 4010)]
    sandbox_port: u16,
    /// Place and pay the demonstration's invoices, if the shop is empty.
    #[arg(long)]
    with_invoices: bool,
    #[command(flatten)]
    http: HttpArgs,
    #[command(flatten)]
    partners: PartnerArgs,
    #[command(flatten)]
    engine: EngineArgs,
}

impl Up {
    /// Runs until SIGTERM or SIGINT, then ends within 25 seconds.
    pub async fn run(mut self, seed: [u8; 32], clock: WallClock) -> anyhow::Result<ExitCode> {
        let jwt_secret = self.http.jwt_secret()?;
        let mut stripe_hook = self.partners.stripe_hook()?;
        let (listener, address) = self.http.bind().await?;
        let database = self.open().await?;
        say(format!("The database: {}", database.describe()))?;
        let folder = database.data_dir().map(Path::to_owned).context("the data folder")?;
        database.prepare().await?;
        let store = database.app(32)?;
        let stop = stop_on_signal()?;
        let sandbox = self.sandbox(&database, &store, &folder).await?;
        if let Some(running) = &sandbox {
            // It sends its messages here; whatever was given is for the real one.
            stripe_hook = partners::deliver_to(address, running, &self.partners)?;
        }
        let (key, is_new) = api_key(&store, &folder, derived(seed)).await?;
        if let Some(running) = sandbox.as_ref().filter(|_| self.with_invoices) {
            place_invoices(&store, running).await?;
        }
        let gate = Arc::new(Open);
        let engine = app::engine(store.clone(), &self.partners, &self.engine, gate, seed).await?;
        let guide = Guide {
            api: format!("http://{address}"),
            stripe: sandbox.as_ref().map(Running::base_url),
            key,
            is_new,
            data_dir: self.data_dir.clone(),
        };
        say(guide.text())?;
        let counter = Shop { store, engine: Some(engine), works: true, jwt_secret, stripe_hook };
        let served = counter.serve(listener, &database, clock, stop).await;
        tell("Stopping …");
        if let Some(running) = sandbox {
            running.stop().await;
        }
        database.close().await?;
        served?;
        say("Stopped. The next `atomic-orders up` goes on from here.")?;
        Ok(ExitCode::SUCCESS)
    }

    async fn open(&self) -> anyhow::Result<Database> {
        if is_given("DATABASE_URL") {
            tell(
                "Note: `up` runs a database of its own; for the one at DATABASE_URL use `serve --work`.",
            );
        }
        let arguments = DatabaseArgs {
            database_url: None,
            migrate_database_url: None,
            database_ca: None,
            schema: "public".into(),
            data_dir: self.data_dir.clone(),
            postgres: self.postgres.clone(),
        };
        arguments.open().await
    }

    /// The sandbox partners, unless the real ones are named.
    async fn sandbox(
        &mut self,
        database: &Database,
        store: &Store,
        folder: &Path,
    ) -> anyhow::Result<Option<Running>> {
        if self.partners.zinc_token.is_some() {
            database.refuse_sandbox()?;
            return Ok(None);
        }
        let ledgers = folder.join(app::SANDBOX);
        anyhow::ensure!(
            ledgers.is_dir() || is_empty(store).await?,
            "the shop in {} is not one of the sandbox, and the sandbox would only pretend to buy its \
             orders; give ZINC_TOKEN, or choose another folder with --data-dir",
            folder.display()
        );
        std::fs::create_dir_all(&ledgers)?;
        let running = partners::start(&ledgers, self.sandbox_port).await?;
        hurry(&database.admin()?).await?;
        partners::turn_to(&mut self.partners, &running);
        Ok(Some(running))
    }
}

async fn is_empty(store: &Store) -> anyhow::Result<bool> {
    let health = read::health(store).await?;
    Ok(health["orders"].as_object().is_none_or(serde_json::Map::is_empty))
}

async fn place_invoices(store: &Store, sandbox: &Running) -> anyhow::Result<()> {
    if !is_empty(store).await? {
        return say("The shop has orders already; no invoices were placed.");
    }
    let shop = invoices::place_and_pay(store, &sandbox.world).await?;
    say(format!(
        "Real invoices: {} accepted and paid, {} rejected.",
        shop.accepted(),
        shop.rejected
    ))
}

/// The chance of the API key, of which nothing shows elsewhere.
fn derived(seed: [u8; 32]) -> [u8; 32] {
    Sha256::digest([b"api key".as_slice(), &seed].concat()).into()
}

/// The key of this folder: the one of the last time, or a new one. It is kept in the folder, readable
/// by its user only, so that what was copied from the screen yesterday works today.
async fn api_key(store: &Store, folder: &Path, chance: [u8; 32]) -> anyhow::Result<(String, bool)> {
    let path = folder.join("api-key");
    if let Ok(text) = std::fs::read_to_string(&path) {
        let key = text.trim().to_owned();
        let digest: [u8; 32] = Sha256::digest(key.as_bytes()).into();
        if access::role_of_key(store, &digest).await?.is_some() {
            return Ok((key, false));
        }
    }
    let (key, digest, prefix) = new_api_key(chance);
    access::add_key(store, &prefix, &digest, "service_role", "made by `up`").await?;
    let file =
        std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path);
    file.and_then(|mut file| writeln!(file, "{}", key.expose()))
        .with_context(|| format!("{} cannot be written", path.display()))?;
    Ok((key.expose().clone(), true))
}
