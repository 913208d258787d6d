//! What everything is wired from: the database (ours or yours), the partners, an engine.

use crate::api::StripeHook;
use crate::engine::chance::Chance;
use crate::engine::{Engine, Options, Parts};
use anyhow::{Context, bail, ensure};
use axum::http::Uri;
use clap::Args;
use clap::builder::{BoolishValueParser, NonEmptyStringValueParser, RangedU64ValueParser};
use orders_core::gate::Gate;
use orders_core::lease::Times;
use orders_core::order::{Retailer, rule};
use orders_core::private::Private;
use orders_embedded::{Cluster, SUPERUSER, Source, default_data_dir};
use orders_gateway::http::{Base, Client, SystemBootClock};
use orders_gateway::provider::Provider;
use orders_gateway::{stripe, zinc_v1};
use orders_store::{Store, StoreOptions, schema, settings_rules};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Which database, and which shop in it.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Database")]
pub struct DatabaseArgs {
    /// The application's database. Without it the program runs a PostgreSQL of its own.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, value_name = "URL",
          value_parser = NonEmptyStringValueParser::new())]
    pub database_url: Option<String>,
    /// The database as the role that installs and migrates; default: the application's.
    #[arg(long, env = "MIGRATE_DATABASE_URL", hide_env_values = true, value_name = "URL",
          value_parser = NonEmptyStringValueParser::new())]
    pub migrate_database_url: Option<String>,
    /// Certificates (PEM) that the database's may be signed by, beside the well-known ones.
    #[arg(long, env = "ORDERS_DATABASE_CA", value_name = "FILE")]
    pub database_ca: Option<PathBuf>,
    /// The schema of the shop.
    #[arg(long, env = "ORDERS_SCHEMA", default_value = "public")]
    pub schema: String,
    /// Where the program's own PostgreSQL keeps its data.
    #[arg(long, env = "ORDERS_DATA_DIR", value_name = "FOLDER")]
    pub data_dir: Option<PathBuf>,
    /// Which PostgreSQL the program runs: automatic, installed, carried, or a folder of programs.
    #[arg(long, env = "ORDERS_POSTGRES", default_value = "automatic", value_name = "WHICH")]
    pub postgres: Source,
}

/// An open database: ours, which ends with this value, that of another program of ours, or yours.
pub struct Database {
    cluster: Option<Cluster>,
    /// Whose data folder it is, if it is one of ours.
    data_dir: Option<PathBuf>,
    app_address: String,
    admin_address: Option<String>,
    /// The text of the file with the certificates.
    certificates: Option<String>,
    schema: String,
}

impl DatabaseArgs {
    /// Starts the program's own PostgreSQL, or takes the one that is given.
    pub async fn open(&self) -> anyhow::Result<Database> {
        let schema = self.schema.clone();
        let names = schema::names(&schema)?;
        if let Some(address) = &self.database_url {
            let certificates = self.database_ca.as_ref().map(|path| {
                let text = std::fs::read_to_string(path);
                text.with_context(|| format!("--database-ca: {} cannot be read", path.display()))
            });
            return Ok(Database {
                cluster: None,
                data_dir: None,
                app_address: address.clone(),
                admin_address: self.migrate_database_url.clone(),
                certificates: certificates.transpose()?,
                schema,
            });
        }
        let options = orders_embedded::Options {
            data_dir: self.folder(),
            source: self.postgres.clone(),
            ..orders_embedded::Options::default()
        };
        let cluster = tokio::task::spawn_blocking(move || Cluster::start(&options))
            .await
            .context("starting the database")??;
        let data_dir = cluster.data_dir().to_owned();
        // Only other commands need it, and they say what is missing when it is not there.
        let _ = std::fs::write(data_dir.join(ADDRESS), cluster.connection_string("postgres", ROLE));
        Ok(Database {
            app_address: cluster.connection_string("postgres", &names.app),
            admin_address: Some(cluster.connection_string("postgres", SUPERUSER)),
            cluster: Some(cluster),
            data_dir: Some(data_dir),
            // Our own server is reached by a socket, which needs no certificate.
            certificates: None,
            schema,
        })
    }

    /// Like [`DatabaseArgs::open`], but when a program of ours runs on the data folder, its database
    /// is used beside it: so one can look at what `up` does while it does it.
    async fn join(&self) -> anyhow::Result<Database> {
        match self.open().await {
            Err(error) => self.beside_another(&error).ok_or(error),
            opened => opened,
        }
    }

    /// Where our own database is or would be.
    fn folder(&self) -> PathBuf {
        self.data_dir.clone().unwrap_or_else(default_data_dir)
    }

    /// The database for a command that looks or decides. It makes none: what was only misspelt must
    /// not come out as an empty shop in which everything is well.
    pub async fn existing(&self) -> anyhow::Result<Database> {
        let folder = self.folder();
        ensure!(
            self.database_url.is_some() || folder.join(CLUSTER).exists(),
            "there is no shop in {}: name its folder with --data-dir, or set DATABASE_URL; \
             `atomic-orders up` and `atomic-orders import` make one",
            folder.display()
        );
        self.join().await
    }

    fn beside_another(&self, error: &anyhow::Error) -> Option<Database> {
        let orders_embedded::Error::InUse { folder, .. } = error.downcast_ref()? else {
            return None;
        };
        let names = schema::names(&self.schema).ok()?;
        let address = std::fs::read_to_string(folder.join(ADDRESS)).ok()?;
        Some(Database {
            cluster: None,
            data_dir: Some(folder.clone()),
            app_address: address.replace(ROLE, &names.app),
            admin_address: Some(address.replace(ROLE, SUPERUSER)),
            certificates: None,
            schema: self.schema.clone(),
        })
    }

    /// The shop for a command that looks or decides and then ends; refused if there is none, or one
    /// of another release.
    pub async fn shop(&self, connections_max: usize) -> anyhow::Result<(Database, Store)> {
        let database = self.existing().await?;
        database.check_version().await?;
        let store = database.app(connections_max)?;
        Ok((database, store))
    }

    /// The shop for a command that brings orders and then ends: made if the database is ours.
    pub async fn shop_or_new(&self, connections_max: usize) -> anyhow::Result<(Database, Store)> {
        let database = self.join().await?;
        database.prepare().await?;
        let store = database.app(connections_max)?;
        schema::check_version(&store).await?;
        Ok((database, store))
    }
}

/// What a data folder holds when it holds a cluster.
const CLUSTER: &str = "pgdata";
/// Where a program that runs on a data folder says how its database is reached.
const ADDRESS: &str = "address";
/// Stands for the role in it.
const ROLE: &str = "THE_ROLE";

impl Database {
    /// A line for people about which server this is.
    pub fn describe(&self) -> String {
        match &self.cluster {
            Some(cluster) => {
                format!("{} in {}", cluster.server(), cluster.data_dir().display())
            }
            None => match &self.data_dir {
                Some(folder) => format!("the PostgreSQL that runs in {}", folder.display()),
                None => "the PostgreSQL at DATABASE_URL".to_owned(),
            },
        }
    }

    /// The data folder, when the database is ours.
    pub fn data_dir(&self) -> Option<&Path> {
        self.data_dir.as_deref()
    }

    /// Whether the sandbox partners work for this shop.
    pub fn is_sandbox(&self) -> bool {
        self.data_dir.as_ref().is_some_and(|folder| folder.join(SANDBOX).exists())
    }

    /// Refuses a shop that the sandbox partners work for: its orders are not real, and the real
    /// provider would buy them.
    pub fn refuse_sandbox(&self) -> anyhow::Result<()> {
        match &self.data_dir {
            Some(folder) if self.is_sandbox() => bail!(
                "the shop in {} was made with sandbox partners, and a real provider would buy its \
                 orders; choose another folder with --data-dir, or go on with `atomic-orders up`",
                folder.display()
            ),
            _ => Ok(()),
        }
    }

    /// Whether the database is there as far as we are in charge: ours could have ended by itself.
    pub fn is_running(&self) -> bool {
        self.cluster.as_ref().is_none_or(Cluster::is_running)
    }

    /// The address for another process of this program.
    pub fn app_address(&self) -> &str {
        &self.app_address
    }

    /// Connected as the application.
    pub fn app(&self, connections_max: usize) -> anyhow::Result<Store> {
        Ok(Store::new(&self.app_address, &self.options(connections_max))?)
    }

    /// Connected as the role that installs.
    pub fn admin(&self) -> anyhow::Result<Store> {
        let address = self.admin_address.as_ref().unwrap_or(&self.app_address);
        Ok(Store::new(address, &self.options(2))?)
    }

    /// Refuses a schema without a shop, or with one of another release. In a database of ours without
    /// the shop its role is missing too, so the installer asks.
    pub async fn check_version(&self) -> anyhow::Result<()> {
        let store = if self.data_dir.is_some() { self.admin()? } else { self.app(1)? };
        Ok(schema::check_version(&store).await?)
    }

    /// Installs or updates the shop in the program's own PostgreSQL; with `DATABASE_URL` that is left
    /// to `atomic-orders migrate`.
    pub async fn prepare(&self) -> anyhow::Result<()> {
        if self.cluster.is_some() {
            schema::install(&self.admin()?).await?;
        }
        Ok(())
    }

    /// Stops the program's own PostgreSQL.
    pub async fn close(self) -> anyhow::Result<()> {
        let Some(cluster) = self.cluster else { return Ok(()) };
        let _ = std::fs::remove_file(cluster.data_dir().join(ADDRESS));
        tokio::task::spawn_blocking(move || cluster.stop()).await??;
        Ok(())
    }

    fn options(&self, connections_max: usize) -> StoreOptions {
        StoreOptions {
            connections_max,
            schema: self.schema.clone(),
            database_ca: self.certificates.clone(),
            ..StoreOptions::default()
        }
    }
}

/// The ledgers of the sandbox partners, in the data folder; that it is there says whose shop it is.
pub const SANDBOX: &str = "sandbox";

/// Who buys and who is paid.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Partners")]
pub struct PartnerArgs {
    /// Where Zinc's API v1 is.
    #[arg(long, env = "ZINC_URL", default_value = "https://api.zinc.io/v1", value_name = "URL")]
    pub zinc_url: String,
    /// Zinc's client token.
    #[arg(long, env = "ZINC_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    pub zinc_token: Option<String>,
    /// The retailers that the Zinc account serves.
    #[arg(long, env = "ZINC_RETAILERS", value_delimiter = ',', default_value = "amazon")]
    pub zinc_retailers: Vec<String>,
    /// It is the same Zinc account as before under another token or address, although orders that
    /// were sent with the former ones are open. Say it for the first start with them.
    #[arg(long, env = "ZINC_SAME_ACCOUNT", value_parser = BoolishValueParser::new())]
    pub same_account: bool,
    /// Zinc is the sandbox of the shop's own folder: one account, whatever port it listens on.
    #[arg(skip)]
    pub own_sandbox: bool,
    /// Where Stripe's API is.
    #[arg(
        long,
        env = "STRIPE_URL",
        default_value = "https://api.stripe.com/v1",
        value_name = "URL"
    )]
    pub stripe_url: String,
    /// Stripe's secret key. One with restricted rights is enough: write PaymentIntents and refunds;
    /// read charges, disputes, events, reviews, checkout sessions and Radar's early fraud warnings.
    #[arg(long, env = "STRIPE_KEY", hide_env_values = true, value_name = "KEY")]
    pub stripe_key: Option<String>,
    /// Take payments of Stripe's live mode only. Without it, test mode only.
    #[arg(long, env = "STRIPE_LIVE")]
    pub live: bool,
    /// The secret of Stripe's webhook endpoint at /webhooks/stripe, or two while it is being changed,
    /// with a comma between them. Without it no message of Stripe is taken.
    #[arg(
        long,
        env = "STRIPE_WEBHOOK_SECRET",
        hide_env_values = true,
        value_delimiter = ',',
        value_name = "SECRET"
    )]
    pub stripe_webhook_secret: Vec<String>,
    /// How far the time of a message's signature may be from this machine's, in seconds.
    #[arg(long, env = "STRIPE_WEBHOOK_TOLERANCE_S", default_value_t = 300, value_name = "SECONDS",
          value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub stripe_webhook_tolerance_s: u32,
    /// The shop's account at Stripe (acct_…), if messages of connected accounts name it.
    #[arg(long, env = "STRIPE_ACCOUNT", value_name = "ACCOUNT")]
    pub stripe_account: Option<String>,
}

impl PartnerArgs {
    /// What messages of Stripe are judged by; nothing without a secret.
    pub fn stripe_hook(&self) -> anyhow::Result<Option<StripeHook>> {
        let secrets: Vec<&str> = self.stripe_webhook_secret.iter().map(|one| one.trim()).collect();
        if secrets.iter().all(|secret| secret.is_empty()) {
            return Ok(None);
        }
        // Never said which: a secret is shown nowhere.
        ensure!(
            secrets.len() <= SECRETS_MAX && secrets.iter().all(|secret| !secret.is_empty()),
            "STRIPE_WEBHOOK_SECRET: give one secret, or two with a comma between them"
        );
        Ok(Some(StripeHook {
            secrets: secrets.into_iter().map(|secret| Private::new(secret.to_owned())).collect(),
            tolerance_s: self.stripe_webhook_tolerance_s.into(),
            live_mode: self.live,
            account: self.stripe_account.clone(),
            counts: Arc::default(),
        }))
    }
}

/// The former secret of an endpoint and the new one: Stripe signs with both while it is changed.
const SECRETS_MAX: usize = 2;

/// How the engine works.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Engine")]
pub struct EngineArgs {
    /// The worker's name in the history; default: made from the process.
    #[arg(long, env = "ORDERS_WORKER", value_name = "NAME", value_parser = rule::worker_name)]
    pub worker: Option<String>,
    /// The most calls to the provider at once.
    #[arg(long, env = "ORDERS_IN_FLIGHT", default_value_t = 64,
          value_parser = RangedU64ValueParser::<usize>::new().range(1..=10_000))]
    pub in_flight: usize,
    /// How long a claim is held, in milliseconds.
    #[arg(long, env = "ORDERS_LEASE_MS", default_value_t = 60_000)]
    pub lease_ms: u64,
    /// The hard limit of one call to the provider, in milliseconds.
    #[arg(long, env = "ORDERS_CALL_MS", default_value_t = 30_000,
          value_parser = clap::value_parser!(u64).range(1..))]
    pub call_ms: u64,
}

/// Makes an engine from its arguments.
pub async fn engine(
    store: Store,
    partners: &PartnerArgs,
    args: &EngineArgs,
    gate: Arc<dyn Gate>,
    seed: [u8; 32],
) -> anyhow::Result<Arc<Engine>> {
    let call = Duration::from_millis(args.call_ms);
    let http = Client::new(Arc::new(SystemBootClock)).context("setting up TLS")?;
    let worker = args.worker.clone().unwrap_or_else(|| worker_name(seed));
    let options = Options {
        worker,
        times: Times { lease: Duration::from_millis(args.lease_ms), call },
        in_flight_max: args.in_flight,
        live_mode: partners.live,
        same_account: partners.same_account,
        own_account: partners.stripe_account.clone(),
        ..Options::default()
    };
    // Before anything is read: what is wrong with the ground is said in its own sentence. // G21
    options.times.check()?;
    schema::check_ground(&store).await?;
    refuse_hurry(&store, &partners.zinc_url).await?;
    let settings = orders_store::settings::read(&store).await?;
    let parts = Parts {
        store,
        provider: Arc::new(provider(partners, call, settings.processing_bound, http.clone())?),
        stripe: payments(partners, http)?,
        gate,
        clock: Arc::new(SystemBootClock),
        chance: Chance::seeded(seed),
    };
    Ok(Engine::prepare(parts, options).await?)
}

/// A real provider and the times of a sandbox never meet: a repeat before the provider's bound may
/// be bought a second time. The partners of a sandbox are on this machine. // ruling 4
async fn refuse_hurry(store: &Store, zinc_url: &str) -> anyhow::Result<()> {
    if is_on_this_machine(zinc_url) {
        return Ok(());
    }
    if let Some(fault) = settings_rules::faults(store).await?.into_iter().next() {
        bail!("{} {}", fault.sentence, fault.remedy);
    }
    Ok(())
}

fn is_on_this_machine(url: &str) -> bool {
    let host = url.parse::<Uri>().ok().and_then(|uri| uri.host().map(str::to_owned));
    host.is_some_and(|host| {
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    })
}

pub(crate) fn provider(
    partners: &PartnerArgs,
    call_timeout: Duration,
    processing_bound: Duration,
    http: Client,
) -> anyhow::Result<Provider> {
    let Some(token) = &partners.zinc_token else {
        bail!("no token for Zinc: set ZINC_TOKEN, or use `atomic-orders up` for a sandbox")
    };
    let base = Base::parse(&partners.zinc_url).context("--zinc-url")?;
    let mut config = zinc_v1::Config::new(base, Private::new(token.clone()));
    // Its ledger lies in the shop's folder and goes on there, and so does what it knows of keys.
    config.account_at = (partners.own_sandbox && is_on_this_machine(&partners.zinc_url))
        .then_some("the sandbox of this folder");
    config.call_timeout = call_timeout;
    config.processing_bound = processing_bound;
    config.retailers = partners
        .zinc_retailers
        .iter()
        .map(|name| {
            Retailer::parse(name)
                .with_context(|| format!("--zinc-retailers: {name:?} is not a retailer we know"))
        })
        .collect::<Result<_, _>>()?;
    Ok(Provider::ZincV1(zinc_v1::Client::new(http, config)?))
}

pub(crate) fn payments(
    partners: &PartnerArgs,
    http: Client,
) -> anyhow::Result<Option<Arc<stripe::Client>>> {
    let Some(key) = &partners.stripe_key else {
        tracing::warn!("no STRIPE_KEY: orders that wait for their payment will go on waiting");
        return Ok(None);
    };
    let config = stripe::Config {
        base: Base::parse(&partners.stripe_url).context("--stripe-url")?,
        key: Private::new(key.clone()),
        call_timeout: Duration::from_secs(10),
    };
    Ok(Some(Arc::new(stripe::Client::new(http, config)?)))
}

/// A name that tells this process from others: its number, and chance for machines that share it.
fn worker_name(seed: [u8; 32]) -> String {
    format!("worker-{}-{:02x}{:02x}", std::process::id(), seed[0], seed[1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_address_of_this_machine_can_be_a_sandbox() {
        for here in ["http://127.0.0.1:4010/v1", "http://localhost:4010/v1", "http://[::1]:1/v1"] {
            assert!(is_on_this_machine(here), "{here}");
        }
        for there in
            ["https://api.zinc.io/v1", "https://localhost.example/v1", "http://10.0.0.1/", "", "x"]
        {
            assert!(!is_on_this_machine(there), "{there}");
        }
    }
}
