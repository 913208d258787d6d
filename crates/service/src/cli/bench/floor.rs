//! The floor's driver: claims set-based, sends, records set-based, and nothing else. No leases, no
//! fences, no retries, no other loops. The HTTP client, the limits and the bytes are the engine's.

use super::process::TOKEN;
use crate::cli::work::stop_on_signal;
use anyhow::Context;
use orders_core::attempt::Purchase;
use orders_core::gate::Open;
use orders_core::order::{Item, Recipient, Retailer, ShippingMethod};
use orders_core::outcome::Answer;
use orders_core::private::Private;
use orders_gateway::http::{Base, BootClock, Client, SystemBootClock};
use orders_gateway::provider::{CallLimits, Provider};
use orders_gateway::zinc_v1;
use orders_store::floor::{Due, Intended, Plan, claim, record};
use orders_store::{Store, StoreOptions};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use uuid::Uuid;

/// The limit of one call, as the engine has it by default.
const CALL: Duration = Duration::from_secs(30);
/// How long to rest when nothing is pending, as the engine does.
const IDLE: Duration = Duration::from_millis(250);
/// How long a claim waits for more calls to end, as the engine does.
const GATHER: Duration = Duration::from_millis(2);
/// The most orders of one statement, as the engine has it.
const BATCH_MAX: usize = 200;

/// Works until SIGTERM.
pub async fn drive(in_flight: usize) -> anyhow::Result<()> {
    let address = std::env::var("DATABASE_URL").context("DATABASE_URL")?;
    let store = Store::new(&address, &StoreOptions::default())?;
    let http = Client::new(Arc::new(SystemBootClock)).context("setting up TLS")?;
    let base = Base::parse(&std::env::var("ZINC_URL").context("ZINC_URL")?)?;
    let config = zinc_v1::Config::new(base, Private::new(TOKEN.to_owned()));
    let provider = Arc::new(Provider::ZincV1(zinc_v1::Client::new(http, config)?));
    let stop = stop_on_signal()?;
    let (answers, inbox) = mpsc::channel(in_flight * 2);
    let recorder = tokio::spawn(record_all(store.clone(), inbox));
    let permits = Arc::new(Semaphore::new(in_flight));
    let plan = plan(Arc::clone(&provider));
    while !stop.is_cancelled() {
        let Some(mut free) = Arc::clone(&permits).acquire_owned().await.ok() else { break };
        gather(&permits, &mut free, in_flight).await;
        let claimed = claim(&store, free.num_permits(), Arc::clone(&plan)).await?;
        if claimed.is_empty() {
            drop(free);
            tokio::select! { () = tokio::time::sleep(IDLE) => {}, () = stop.cancelled() => {} }
            continue;
        }
        for one in claimed {
            let permit = free.split(1);
            let (provider, answers) = (Arc::clone(&provider), answers.clone());
            tokio::spawn(async move {
                send(&provider, one, &answers).await;
                drop(permit);
            });
        }
    }
    drop(answers);
    recorder.await?
}

/// Takes the room that there is, as the engine does: a claim waits a moment until half is free.
async fn gather(permits: &Arc<Semaphore>, free: &mut OwnedSemaphorePermit, in_flight: usize) {
    let half = u32::try_from((in_flight / 2).min(BATCH_MAX).saturating_sub(1)).unwrap_or(0);
    let wait = Arc::clone(permits).acquire_many_owned(half);
    if let Ok(Ok(more)) = tokio::time::timeout(GATHER, wait).await {
        free.merge(more);
    }
    let more = permits.available_permits().min(BATCH_MAX.saturating_sub(free.num_permits()));
    let more = u32::try_from(more).unwrap_or(0);
    if let Ok(more) = Arc::clone(permits).try_acquire_many_owned(more) {
        free.merge(more);
    }
}

async fn send(provider: &Provider, one: Intended, answers: &mpsc::Sender<(Uuid, String)>) {
    let limits = CallLimits { send_until: SystemBootClock.now() + CALL, total: CALL };
    let answer = provider.create(&one.body, limits, &Open).await;
    if let Answer::Accepted { request_id, .. } = answer {
        // The recorder outlives every call.
        let _ = answers.send((one.id, request_id)).await;
    }
}

/// What arrives while one statement runs goes together in the next.
async fn record_all(store: Store, mut inbox: mpsc::Receiver<(Uuid, String)>) -> anyhow::Result<()> {
    let mut batch = Vec::new();
    while inbox.recv_many(&mut batch, BATCH_MAX).await > 0 {
        record(&store, &batch).await?;
        batch.clear();
    }
    Ok(())
}

/// The key is drawn from the order's id, the bytes are those that the engine would send.
fn plan(provider: Arc<Provider>) -> Plan {
    Arc::new(move |due: &Due| {
        let key = Uuid::from_u128(due.id.as_u128() ^ u128::MAX >> 64);
        let purchase = Purchase {
            order_id: due.id,
            attempt_id: key,
            provider_key: key,
            retailer: Retailer::Amazon,
            items: items(due),
            price_cap_minor: due.price_cap_minor,
            shipping_method: ShippingMethod::Cheapest,
            is_gift: false,
            gift_message: None,
            recipient: recipient(due),
        };
        let body = provider.request_bytes(&purchase).unwrap_or_default();
        Intended { id: due.id, key, body }
    })
}

fn items(due: &Due) -> Vec<Item> {
    serde_json::from_value(due.content["items"].clone()).unwrap_or_default()
}

fn recipient(due: &Due) -> Recipient {
    serde_json::from_value(due.content["recipient"].clone()).unwrap_or_default()
}
