//! The one claim operation: lock what is due, plan each order with the caller's pure function, commit
//! every intent, in one transaction. // G3, A6, A7, A14
//!
//! Promise: what is returned is leased to the caller under his token, with key and bytes committed;
//! an order that was not won is simply not there. An order that cannot be planned, or whose intent
//! the database refuses, goes to a person and keeps no other order from being claimed.

use crate::transact::Transaction;
use crate::{Error, Store};
use jiff::Timestamp;
use orders_core::gate::{Gate, Open, Point};
use orders_core::order::Item;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;
use tokio_postgres::Row;
use tokio_postgres::types::Type;
use uuid::Uuid;

/// The longest request that the database stores (`order_attempts_body_length`).
pub const BODY_BYTES_MAX: usize = 262_144;
/// The most orders that are claimed one by one after a batch was refused: few enough that the first
/// of them has most of its lease when the last is done. The others are due as before.
const APART_MAX: usize = 32;

/// An order that is locked and due, with everything that planning needs.
#[derive(Debug, Clone)]
pub struct DueOrder {
    /// Its id.
    pub id: Uuid,
    /// The version that was locked.
    pub version: i64,
    /// The number of its last attempt, 0 before the first.
    pub generation: i32,
    /// The provider's name of the retailer.
    pub retailer: String,
    /// The ceiling for the provider.
    pub price_cap_minor: i64,
    /// What is bought.
    pub items: Vec<Item>,
    /// Where it goes, as it was placed; private.
    pub recipient: orders_core::order::Recipient,
    /// How it is sent.
    pub shipping_method: orders_core::order::ShippingMethod,
    /// Whether it is a gift.
    pub is_gift: bool,
    /// Words for the recipient; private.
    pub gift_message: Option<orders_core::private::Private<String>>,
    /// The attempt that is open, if there is one.
    pub open: Option<orders_core::plan::OpenAttempt>,
    /// The bytes of the open attempt.
    body: Option<Vec<u8>>,
    /// What the last call under its key was answered.
    last_code: Option<String>,
}

/// What the caller's plan says about one order.
#[derive(Debug, Clone)]
pub enum Planned {
    /// A new attempt.
    Open {
        /// Its number.
        generation: i32,
        /// Its id, echoed by the provider.
        attempt_id: Uuid,
        /// Its idempotency key.
        provider_key: Uuid,
        /// The exact bytes of every call under that key.
        body: Vec<u8>,
    },
    /// The stored bytes of the open attempt again.
    Repeat {
        /// Its number.
        generation: i32,
    },
    /// A person must decide, for this reason.
    Review(String),
    /// Nothing now.
    Leave,
}

/// The caller's plan: pure, because the transaction may run several times.
pub type Plan = Arc<dyn Fn(&DueOrder) -> Planned + Send + Sync>;

/// Who claims, and for how long.
#[derive(Debug, Clone)]
pub struct ClaimOptions {
    /// The provider's name.
    pub provider: String,
    /// The mark of its account; nothing only while none has been named ([`crate::account::claim`]).
    pub account: Option<[u8; 32]>,
    /// The worker's name, for the history.
    pub worker: String,
    /// How often it has beaten; a database that knows of fewer was restored. // G22
    pub beats_seen: i64,
    /// What the database's clock shows at the most, by the engine's own; nothing if it cannot tell. Where it
    /// shows more it has jumped, and nothing is repeated that may still run by the engine's. // G16
    pub clock_at_most: Option<Timestamp>,
    /// The fence: new for every claim.
    pub token: Uuid,
    /// How long the claim is held.
    pub lease: Duration,
    /// The hard limit of the call that follows.
    pub call: Duration,
    /// How long the provider remembers a key.
    pub key_life: Duration,
    /// The most orders.
    pub batch_max: usize,
    /// Only this order, if it can be had.
    pub only: Option<Uuid>,
}

/// An order won, with what must be sent.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// The order.
    pub order_id: Uuid,
    /// The number of the attempt.
    pub generation: i32,
    /// Calls under its key, the one to come included.
    pub calls: u32,
    /// The fence for recording.
    pub token: Uuid,
    /// The exact bytes to send; private.
    pub body: Vec<u8>,
    /// What the call before this one was answered, if it was.
    pub last_code: Option<String>,
}

/// Claims orders that are due.
pub async fn claim(
    store: &Store,
    options: ClaimOptions,
    plan: Plan,
    gate: Arc<dyn Gate>,
) -> Result<Vec<Claimed>, Error> {
    match together(store, options.clone(), &plan, &gate).await {
        Err(error) if error.is_of_one_row() => apart(store, options, &plan, &gate).await,
        outcome => outcome,
    }
}

async fn together(
    store: &Store,
    options: ClaimOptions,
    plan: &Plan,
    gate: &Arc<dyn Gate>,
) -> Result<Vec<Claimed>, Error> {
    let (plan, gate) = (Arc::clone(plan), Arc::clone(gate));
    let schema: Arc<str> = store.schema().into();
    store
        .transact("orders.claim", move |tx| {
            let (options, plan, gate, schema) =
                (options.clone(), Arc::clone(&plan), Arc::clone(&gate), Arc::clone(&schema));
            Box::pin(async move {
                let due = lock_due(tx, &schema, &options).await?;
                if due.is_empty() {
                    return Ok(Vec::new());
                }
                gate.pass(Point::OrdersLocked);
                let batch = Batch::of(due, &plan);
                batch.review(tx, &schema, &options.worker).await?;
                batch.commit(tx, &schema, &options).await
            })
        })
        .await
}

/// Claims one order at a time, because one of them would take the whole batch along, again and again;
/// that one goes to a person. // B3
async fn apart(
    store: &Store,
    options: ClaimOptions,
    plan: &Plan,
    gate: &Arc<dyn Gate>,
) -> Result<Vec<Claimed>, Error> {
    let (mut claims, mut failed) = (Vec::new(), None);
    for order in due_ids(store, &options).await? {
        let only = ClaimOptions { only: Some(order), batch_max: 1, ..options.clone() };
        let mut outcome = together(store, only.clone(), plan, gate).await;
        if let Err(error) = &outcome
            && error.is_of_one_row()
        {
            tracing::error!(%order, %error, "the database refuses to have order {order} sent: a person must look");
            let review: Plan = Arc::new(|_| Planned::Review("request_refused_by_database".into()));
            outcome = together(store, only, &review, &(Arc::new(Open) as _)).await;
        }
        match outcome {
            Ok(won) => claims.extend(won),
            Err(error) => {
                tracing::warn!(%order, %error, "order {order} could be neither claimed nor handed to a person");
                let goes_on = error.is_of_one_row();
                failed = Some(error);
                if !goes_on {
                    break;
                }
            }
        }
    }
    // What was won must reach the caller: it is leased.
    failed.filter(|_| claims.is_empty()).map_or(Ok(claims), Err)
}

/// The orders that a claim would lock now; their locks end with the statement.
async fn due_ids(store: &Store, options: &ClaimOptions) -> Result<Vec<Uuid>, Error> {
    let batch_max = i32::try_from(options.batch_max.min(APART_MAX)).unwrap_or(i32::MAX);
    let rows = store
        .query(
            "orders.due",
            &store.in_schema("select id from {schema}.lock_due_orders($1, $2, $3)"),
            &[
                (&options.provider, Type::TEXT),
                (&batch_max, Type::INT4),
                (&options.only, Type::UUID),
            ],
        )
        .await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

async fn lock_due(
    tx: &Transaction,
    schema: &str,
    options: &ClaimOptions,
) -> Result<Vec<(DueOrder, bool)>, Error> {
    let batch_max = i32::try_from(options.batch_max).unwrap_or(i32::MAX);
    let rows = tx
        .query(
            &format!("select * from {schema}.lock_due_orders($1, $2, $3)"),
            &[
                (&options.provider, Type::TEXT),
                (&batch_max, Type::INT4),
                (&options.only, Type::UUID),
            ],
        )
        .await?;
    rows.iter().map(due_order).collect()
}

/// Reads a row of `lock_due_orders`; the flag says whether its content could be read.
fn due_order(row: &Row) -> Result<(DueOrder, bool), Error> {
    let inconsistent = |error: tokio_postgres::Error| Error::Inconsistent {
        what: "orders.claim",
        reason: error.to_string(),
    };
    // JSON that the database holds and the program cannot read concerns this order alone.
    let recipient: Option<serde_json::Value> = row.try_get("recipient").ok();
    let items: Option<serde_json::Value> = row.try_get("items").map_err(inconsistent)?;
    let shipping: String = row.try_get("shipping_method").map_err(inconsistent)?;
    let open_generation: Option<i32> = row.try_get("open_generation").map_err(inconsistent)?;
    let recipient = serde_json::from_value(recipient.unwrap_or_default());
    let items: Result<Vec<Item>, _> = serde_json::from_value(items.unwrap_or_default());
    let shipping = serde_json::from_value(shipping.into());
    // Content that came by SQL and that no request can be made of goes to a person, alone.
    let readable = recipient.is_ok() && items.is_ok() && shipping.is_ok();
    let order = DueOrder {
        id: row.try_get("id").map_err(inconsistent)?,
        version: row.try_get("version").map_err(inconsistent)?,
        generation: row.try_get("generation").map_err(inconsistent)?,
        retailer: row.try_get("retailer").map_err(inconsistent)?,
        price_cap_minor: row.try_get("price_cap_minor").map_err(inconsistent)?,
        items: items.unwrap_or_default(),
        recipient: recipient.unwrap_or_default(),
        shipping_method: shipping.unwrap_or_default(),
        is_gift: row.try_get("is_gift").map_err(inconsistent)?,
        gift_message: row
            .try_get::<_, Option<String>>("gift_message")
            .map_err(inconsistent)?
            .map(orders_core::private::Private::new),
        open: open_generation.map(|generation| open_attempt(row, generation)).transpose()?,
        body: row.try_get("request_body").map_err(inconsistent)?,
        last_code: row.try_get("code").map_err(inconsistent)?,
    };
    Ok((order, readable))
}

fn open_attempt(row: &Row, generation: i32) -> Result<orders_core::plan::OpenAttempt, Error> {
    let read = || -> Result<_, tokio_postgres::Error> {
        let calls: i32 = row.try_get("calls")?;
        let key_dead: Option<bool> = row.try_get("key_dead")?;
        let repeat_in_ms: Option<i64> = row.try_get("repeat_in_ms")?;
        Ok(orders_core::plan::OpenAttempt {
            generation,
            calls: calls.unsigned_abs(),
            key_dead: key_dead.unwrap_or(false),
            may_still_run: repeat_in_ms.is_some_and(|ms| ms > 0),
        })
    };
    read().map_err(|error| Error::Inconsistent { what: "orders.claim", reason: error.to_string() })
}

/// What the database would refuse, and the whole batch with it, goes to a person beforehand.
fn within_limits(planned: Planned) -> Planned {
    match planned {
        Planned::Open { body, .. } if body.len() > BODY_BYTES_MAX => {
            Planned::Review("request_too_large".into())
        }
        planned => planned,
    }
}

/// The planned orders of one claim, as the columns that the database takes.
#[derive(Default)]
struct Batch {
    ids: Vec<Uuid>,
    versions: Vec<i64>,
    generations: Vec<i32>,
    attempt_ids: Vec<Option<Uuid>>,
    provider_keys: Vec<Option<String>>,
    bodies: Vec<Option<Vec<u8>>>,
    digests: Vec<Option<Vec<u8>>>,
    /// What each will send.
    sends: Vec<Sending>,
    review_ids: Vec<Uuid>,
    review_versions: Vec<i64>,
    review_reasons: Vec<String>,
}

/// One call to come.
#[derive(Default)]
struct Sending {
    body: Vec<u8>,
    last_code: Option<String>,
}

impl Batch {
    fn of(due: Vec<(DueOrder, bool)>, plan: &Plan) -> Self {
        let mut batch = Self::default();
        for (order, readable) in due {
            let planned = if readable || order.open.is_some() {
                catch_unwind(AssertUnwindSafe(|| plan(&order)))
                    .unwrap_or_else(|_| Planned::Review("plan_panicked".into()))
            } else {
                Planned::Review("content_unreadable".into())
            };
            batch.add(order, within_limits(planned));
        }
        batch
    }

    fn add(&mut self, order: DueOrder, planned: Planned) {
        match planned {
            Planned::Open { generation, attempt_id, provider_key, body } => {
                self.intend(&order, generation);
                self.attempt_ids.push(Some(attempt_id));
                self.provider_keys.push(Some(provider_key.to_string()));
                self.digests.push(Some(orders_core::id::digest(&body).to_vec()));
                self.bodies.push(Some(body.clone()));
                self.sends.push(Sending { body, last_code: None });
            }
            Planned::Repeat { generation } => {
                self.intend(&order, generation);
                self.attempt_ids.push(None);
                self.provider_keys.push(None);
                self.digests.push(None);
                self.bodies.push(None);
                let (body, last_code) = (order.body.unwrap_or_default(), order.last_code);
                self.sends.push(Sending { body, last_code });
            }
            Planned::Review(reason) => {
                self.review_ids.push(order.id);
                self.review_versions.push(order.version);
                self.review_reasons.push(reason);
            }
            Planned::Leave => {}
        }
    }

    fn intend(&mut self, order: &DueOrder, generation: i32) {
        self.ids.push(order.id);
        self.versions.push(order.version);
        self.generations.push(generation);
    }

    async fn review(&self, tx: &Transaction, schema: &str, worker: &str) -> Result<(), Error> {
        if self.review_ids.is_empty() {
            return Ok(());
        }
        tx.query(
            &format!("select {schema}.review_orders($1, $2, $3, $4)"),
            &[
                (&worker, Type::TEXT),
                (&self.review_ids, Type::UUID_ARRAY),
                (&self.review_versions, Type::INT8_ARRAY),
                (&self.review_reasons, Type::TEXT_ARRAY),
            ],
        )
        .await
        .map(drop)
    }

    async fn commit(
        mut self,
        tx: &Transaction,
        schema: &str,
        options: &ClaimOptions,
    ) -> Result<Vec<Claimed>, Error> {
        if self.ids.is_empty() {
            return Ok(Vec::new());
        }
        let ms = |time: Duration| i32::try_from(time.as_millis()).unwrap_or(i32::MAX);
        let (lease_ms, call_ms) = (ms(options.lease), ms(options.call));
        let account = options.account.as_ref().map(<[u8; 32]>::as_slice);
        let key_life_ms = i64::try_from(options.key_life.as_millis()).unwrap_or(i64::MAX);
        let rows = tx
            .query(
                &format!(
                    "select order_id, generation, calls from {schema}.commit_intents(
                       $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)"
                ),
                &[
                    (&options.provider, Type::TEXT),
                    (&options.worker, Type::TEXT),
                    (&options.token, Type::UUID),
                    (&lease_ms, Type::INT4),
                    (&call_ms, Type::INT4),
                    (&key_life_ms, Type::INT8),
                    (&self.ids, Type::UUID_ARRAY),
                    (&self.versions, Type::INT8_ARRAY),
                    (&self.generations, Type::INT4_ARRAY),
                    (&self.attempt_ids, Type::UUID_ARRAY),
                    (&self.provider_keys, Type::TEXT_ARRAY),
                    (&self.bodies, Type::BYTEA_ARRAY),
                    (&self.digests, Type::BYTEA_ARRAY),
                    (&account, Type::BYTEA),
                    (&options.beats_seen, Type::INT8),
                    (&options.clock_at_most, Type::TIMESTAMPTZ),
                ],
            )
            .await?;
        Ok(rows.iter().filter_map(|row| self.claimed(row, options.token)).collect())
    }

    /// Only what the database returned was won.
    fn claimed(&mut self, row: &Row, token: Uuid) -> Option<Claimed> {
        let order_id: Uuid = row.get(0);
        let at = self.ids.iter().position(|id| *id == order_id)?;
        let Sending { body, last_code } = std::mem::take(&mut self.sends[at]);
        let calls = row.get::<_, i32>(2).unsigned_abs();
        Some(Claimed { order_id, generation: row.get(1), calls, token, body, last_code })
    }
}
