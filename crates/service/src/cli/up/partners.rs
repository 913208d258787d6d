//! The sandbox partners of `up`: kind, so that one sees how things should go. The faults are in
//! `demo`.

use crate::api::StripeHook;
use crate::app::PartnerArgs;
use crate::cli::output::tell;
use orders_core::order::Retailer;
use orders_sandbox::{Error, Options, Running, World, stripe, zinc};
use std::net::SocketAddr;
use std::path::Path;

/// Starts them; when the port is taken, on a free one.
pub async fn start(ledgers: &Path, port: u16) -> anyhow::Result<Running> {
    let mut options =
        Options { port, ledger_folder: Some(ledgers.to_owned()), ..Options::default() };
    options.zinc.latency_ms = 300;
    options.zinc.placed_after_ms = 1_500;
    options.zinc.delivered_after_ms = 1_500;
    options.zinc.managed_retailers = Retailer::ALL.map(|one| one.name().to_owned()).into();
    match World::start(options.clone()).await {
        Err(Error::Listen(error)) if port != 0 => {
            tell(format!("Note: port {port} is taken ({error}); the sandbox takes a free one."));
            Ok(World::start(Options { port: 0, ..options }).await?)
        }
        started => Ok(started?),
    }
}

/// Makes the engine talk to them.
pub fn turn_to(arguments: &mut PartnerArgs, running: &Running) {
    if arguments.stripe_key.is_some() {
        tell("Note: without ZINC_TOKEN both partners are of the sandbox; STRIPE_KEY is not used.");
    }
    let base = running.base_url();
    *arguments = PartnerArgs {
        zinc_url: format!("{base}/v1"),
        zinc_token: Some(zinc::Settings::default().token),
        zinc_retailers: Retailer::ALL.map(|one| one.name().to_owned()).into(),
        same_account: false,
        own_sandbox: true,
        stripe_url: format!("{base}/v1"),
        stripe_key: Some(stripe::Settings::default().secret_key),
        live: false,
        stripe_webhook_secret: stripe::Settings::default().webhook_secrets,
        stripe_webhook_tolerance_s: arguments.stripe_webhook_tolerance_s,
        stripe_account: None,
    };
}

/// Has the sandbox's Stripe send its messages to the server at this address.
pub fn deliver_to(
    server: SocketAddr,
    running: &Running,
    arguments: &PartnerArgs,
) -> anyhow::Result<Option<StripeHook>> {
    // It sends nothing off this machine, and no address but this one stands for it.
    let url = format!("http://127.0.0.1:{}/webhooks/stripe", server.port());
    if server.is_ipv4() && (server.ip().is_loopback() || server.ip().is_unspecified()) {
        let secrets = arguments.stripe_webhook_secret.clone();
        running.world.stripe.set_webhook(Some(&url), secrets)?;
    }
    arguments.stripe_hook()
}
