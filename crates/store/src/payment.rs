//! Payments that waiting orders hang on: which to read at Stripe now, and recording what it said.

use crate::record::is_of_one_row;
use crate::{Error, Store};
use orders_core::payment::PaymentFacts;
use tokio_postgres::types::Type;
use uuid::Uuid;

/// A payment that should be read now.
#[derive(Debug, Clone)]
pub struct DuePayment {
    /// The order that waits for it.
    pub order_id: Uuid,
    /// Stripe's id.
    pub payment_intent: String,
}

/// Takes the payments that should be read now.
pub async fn due(store: &Store, batch_max: usize) -> Result<Vec<DuePayment>, Error> {
    let batch_max = i32::try_from(batch_max).unwrap_or(i32::MAX);
    let rows = store
        .query(
            "payments.due",
            &store.in_schema("select order_id, payment_intent from {schema}.due_payments($1)"),
            &[(&batch_max, Type::INT4)],
        )
        .await?;
    Ok(rows
        .iter()
        .map(|row| DuePayment { order_id: row.get(0), payment_intent: row.get(1) })
        .collect())
}

/// What Stripe said about one payment.
#[derive(Debug, Clone)]
pub struct ReadPayment {
    /// Which payment, for which order.
    pub due: DuePayment,
    /// What it said.
    pub facts: PaymentFacts,
}

/// Records payments and releases the orders that are paid; gives how many were paid and how many
/// did not match their order. One payment that cannot be stored does not take its batch along; its
/// error is given when the others stand. // B3
pub async fn record(
    store: &Store,
    worker: &str,
    live_mode: bool,
    batch: &[ReadPayment],
) -> Result<(usize, usize), Error> {
    let outcome = record_together(store, worker, live_mode, batch).await;
    let Err(error) = &outcome else { return outcome };
    if batch.len() < 2 || !is_of_one_row(error) {
        return outcome;
    }
    let (mut counts, mut failed) = ((0, 0), None);
    for one in batch.chunks(1) {
        match record_together(store, worker, live_mode, one).await {
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
    batch: &[ReadPayment],
) -> Result<(usize, usize), Error> {
    let intents: Vec<_> = batch.iter().map(|one| one.due.payment_intent.as_str()).collect();
    let order_ids: Vec<_> = batch.iter().map(|one| one.due.order_id).collect();
    let statuses: Vec<_> = batch.iter().map(|one| one.facts.status.as_str()).collect();
    let received: Vec<_> = batch.iter().map(|one| one.facts.received_minor).collect();
    let currencies: Vec<_> = batch.iter().map(|one| one.facts.currency.as_str()).collect();
    let livemodes: Vec<_> = batch.iter().map(|one| one.facts.livemode).collect();
    let named: Vec<_> =
        batch.iter().map(|one| one.facts.order_id.map(|id| id.to_string())).collect();
    let spoiled: Vec<_> = batch.iter().map(|one| one.facts.spoiled).collect();
    let rows = store
        .query(
            "payments.record",
            &store.in_schema(
                "select result from {schema}.record_payments($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
            ),
            &[
                (&worker, Type::TEXT),
                (&live_mode, Type::BOOL),
                (&intents, Type::TEXT_ARRAY),
                (&order_ids, Type::UUID_ARRAY),
                (&statuses, Type::TEXT_ARRAY),
                (&received, Type::INT8_ARRAY),
                (&currencies, Type::TEXT_ARRAY),
                (&livemodes, Type::BOOL_ARRAY),
                (&named, Type::TEXT_ARRAY),
                (&spoiled, Type::BOOL_ARRAY),
            ],
        )
        .await?;
    let paid = rows.iter().filter(|row| row.get::<_, &str>(0) == "paid").count();
    Ok((paid, rows.len() - paid))
}
