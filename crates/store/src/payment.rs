//! Payments that waiting orders hang on: which to read at Stripe now, and recording what it said.

use crate::record::{SIDE_BY_SIDE, is_of_some_rows};
use crate::{Error, Store};
use futures_util::{StreamExt, stream};
use orders_core::payment::{Dispute, PaymentFacts};
use serde_json::{Value, json};
use tokio_postgres::types::Type;
use uuid::Uuid;

/// A payment that should be read now.
#[derive(Debug, Clone)]
pub struct DuePayment {
    /// The order that waits for it.
    pub order_id: Uuid,
    /// Stripe's id.
    pub payment_intent: String,
    /// When it was taken, on the database's clock in microseconds since 1970: what Stripe says is as
    /// old as this at most.
    pub asked_us: i64,
}

/// Takes the payments that should be read now.
pub async fn due(store: &Store, batch_max: usize) -> Result<Vec<DuePayment>, Error> {
    let batch_max = i32::try_from(batch_max).unwrap_or(i32::MAX);
    let rows = store
        .query(
            "payments.due",
            &store.in_schema(
                "select order_id, payment_intent, asked_us from {schema}.due_payments($1)",
            ),
            &[(&batch_max, Type::INT4)],
        )
        .await?;
    Ok(rows.iter().map(of_row).collect())
}

/// The payment that must be read before its order can be sent now, if one must.
pub async fn due_of_order(store: &Store, order: Uuid) -> Result<Option<DuePayment>, Error> {
    let rows = store
        .query(
            "payments.due_of_order",
            &store.in_schema(
                "select order_id, payment_intent, asked_us from {schema}.payment_to_read($1)",
            ),
            &[(&order, Type::UUID)],
        )
        .await?;
    Ok(rows.first().map(of_row))
}

fn of_row(row: &tokio_postgres::Row) -> DuePayment {
    DuePayment { order_id: row.get(0), payment_intent: row.get(1), asked_us: row.get(2) }
}

/// What Stripe said about one payment.
#[derive(Debug, Clone)]
pub struct ReadPayment {
    /// Which payment, for which order.
    pub due: DuePayment,
    /// What it said.
    pub facts: PaymentFacts,
}

/// Our word, in the place of Stripe's, for a payment that Stripe does not know.
pub const NOT_FOUND: &str = "not_found";

/// What is stored about one payment; without facts it is one that Stripe does not know.
#[derive(Clone, Copy)]
struct Told<'a> {
    due: &'a DuePayment,
    facts: Option<&'a PaymentFacts>,
}

/// Records payments and releases the orders that are paid; gives how many were paid and how many
/// did not match their order. One payment that cannot be stored, or whose order somebody else holds,
/// does not take its batch along; its error is given when the others stand. // B3
pub async fn record(
    store: &Store,
    worker: &str,
    live_mode: bool,
    batch: &[ReadPayment],
) -> Result<(usize, usize), Error> {
    let told: Vec<_> =
        batch.iter().map(|one| Told { due: &one.due, facts: Some(&one.facts) }).collect();
    record_told(store, worker, live_mode, &told).await
}

/// Records that Stripe does not know these payments. They are read on: a key of another account says
/// so of every payment there is.
pub async fn record_not_found(
    store: &Store,
    worker: &str,
    live_mode: bool,
    batch: &[DuePayment],
) -> Result<(), Error> {
    let told: Vec<_> = batch.iter().map(|due| Told { due, facts: None }).collect();
    record_told(store, worker, live_mode, &told).await.map(drop)
}

impl Told<'_> {
    /// What the database judges. What is not known is null, and breaks its condition.
    fn to_json(self) -> Value {
        let mut told = json!({
            "payment_intent": self.due.payment_intent,
            "order_id": self.due.order_id,
            "status": NOT_FOUND,
            "asked_us": self.due.asked_us,
        });
        let Some(facts) = self.facts else { return told };
        told["status"] = json!(facts.status);
        told["received_minor"] = json!(facts.received_minor);
        told["capturable_minor"] = json!(facts.capturable_minor);
        told["refunded_minor"] = json!(facts.refunded_minor);
        told["currency"] = json!(facts.currency);
        told["livemode"] = json!(facts.livemode);
        told["named_order"] = json!(facts.named_order);
        told["capture_before"] = json!(facts.capture_before_s);
        told["dispute"] = json!(facts.dispute.map(Dispute::name));
        told["in_review"] = json!(facts.in_review);
        told["warned"] = json!(facts.warned);
        told
    }
}

async fn record_told(
    store: &Store,
    worker: &str,
    live_mode: bool,
    batch: &[Told<'_>],
) -> Result<(usize, usize), Error> {
    let outcome = record_together(store, worker, live_mode, batch).await;
    let Err(error) = &outcome else { return outcome };
    if batch.len() < 2 || !is_of_some_rows(error) {
        return outcome;
    }
    let each = batch.chunks(1).map(|one| record_together(store, worker, live_mode, one));
    let each: Vec<_> = each.collect();
    let outcomes: Vec<_> = stream::iter(each).buffered(SIDE_BY_SIDE).collect().await;
    let (mut counts, mut failed) = ((0, 0), None);
    for outcome in outcomes {
        match outcome {
            Ok((paid, mismatched)) => counts = (counts.0 + paid, counts.1 + mismatched),
            Err(error) => failed = Some(error),
        }
    }
    failed.map_or(Ok(counts), Err)
}

async fn record_together(
    store: &Store,
    worker: &str,
    live_mode: bool,
    batch: &[Told<'_>],
) -> Result<(usize, usize), Error> {
    let facts: Value = batch.iter().map(|told| told.to_json()).collect();
    let rows = store
        .query_once(
            "payments.record",
            &store.in_schema("select result from {schema}.record_payments($1, $2, $3)"),
            &[(&worker, Type::TEXT), (&live_mode, Type::BOOL), (&facts, Type::JSONB)],
        )
        .await?;
    let paid = rows.iter().filter(|row| row.get::<_, &str>(0) == "paid").count();
    let mismatched = rows.iter().filter(|row| row.get::<_, &str>(0) == "mismatch").count();
    Ok((paid, mismatched))
}
