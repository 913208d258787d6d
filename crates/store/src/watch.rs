//! Orders that the provider has: which to read now, and recording what was read.

use crate::record::{Recorded, each_alone, in_order, is_of_some_rows};
use crate::{Error, Store};
use jiff::Timestamp;
use orders_core::plan::reading::{Notice, Step};
use serde_json::{Value, json};
use tokio_postgres::types::Type;
use uuid::Uuid;

/// An accepted order whose provider state should be read now.
#[derive(Debug, Clone)]
pub struct DueWatch {
    /// The order.
    pub order_id: Uuid,
    /// Its version; a reading is recorded only while it stands.
    pub version: i64,
    /// `submitted_to_zinc` or `processing`.
    pub status: String,
    /// The provider's id.
    pub request_id: String,
    /// Our attempt, which the answer must name if it names any.
    pub attempt_id: Option<Uuid>,
    /// The number of that attempt.
    pub generation: i32,
    /// The order's currency.
    pub currency: String,
    /// The most that it may cost.
    pub price_cap_minor: i64,
    /// When the attempt's bytes were first sent.
    pub first_sent_at: Option<Timestamp>,
    /// The database's time of this reading.
    pub read_at: Timestamp,
}

/// Takes the orders that should be read now.
pub async fn due(store: &Store, batch_max: usize) -> Result<Vec<DueWatch>, Error> {
    let batch_max = i32::try_from(batch_max).unwrap_or(i32::MAX);
    let rows = store
        .query(
            "watch.due",
            &store.in_schema("select * from {schema}.due_watches($1)"),
            &[(&batch_max, Type::INT4)],
        )
        .await?;
    Ok(rows
        .iter()
        .map(|row| DueWatch {
            order_id: row.get("id"),
            version: row.get("version"),
            status: row.get("status"),
            request_id: row.get("zinc_request_id"),
            attempt_id: row.get("attempt_id"),
            generation: row.get("generation"),
            currency: row.get("currency"),
            price_cap_minor: row.get("price_cap_minor"),
            first_sent_at: row.get("first_sent_at"),
            read_at: row.get("read_at"),
        })
        .collect())
}

/// A reading that changed something.
#[derive(Debug, Clone)]
pub struct StepOf {
    /// The order.
    pub order_id: Uuid,
    /// The version that was read.
    pub version: i64,
    /// What follows.
    pub step: Step,
}

/// Records steps; the result stands in the order of the input. One bad or locked row does not take its
/// batch along: it would come back with every poll, and its neighbours would never move. // B3
pub async fn steps(store: &Store, worker: &str, batch: &[StepOf]) -> Result<Vec<Recorded>, Error> {
    match steps_together(store, worker, batch).await {
        Err(error) if is_of_some_rows(&error) => {
            let each = batch.chunks(1).map(|one| steps_together(store, worker, one));
            Ok(each_alone(each.collect(), error).await)
        }
        outcome => outcome,
    }
}

async fn steps_together(
    store: &Store,
    worker: &str,
    batch: &[StepOf],
) -> Result<Vec<Recorded>, Error> {
    let column = |read: fn(&Step) -> Option<&str>| -> Vec<Option<&str>> {
        batch.iter().map(|one| read(&one.step)).collect()
    };
    let ids: Vec<_> = batch.iter().map(|one| one.order_id).collect();
    let versions: Vec<_> = batch.iter().map(|one| one.version).collect();
    let costs: Vec<_> = batch.iter().map(|one| one.step.cost_minor).collect();
    let delays: Vec<_> = batch
        .iter()
        .map(|one| i64::try_from(one.step.delay.as_millis()).unwrap_or(i64::MAX))
        .collect();
    let facts: Vec<_> = batch.iter().map(|one| facts(&one.step)).collect();
    let rows = store
        .query_once(
            "watch.record",
            &store.in_schema(
                "select * from {schema}.record_readings($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
            ),
            &[
                (&worker, Type::TEXT),
                (&ids, Type::UUID_ARRAY),
                (&versions, Type::INT8_ARRAY),
                (&column(|s| Some(s.kind)), Type::TEXT_ARRAY),
                (&column(|s| Some(s.after.name())), Type::TEXT_ARRAY),
                (&column(|s| Some(&s.zinc_status)), Type::TEXT_ARRAY),
                (&costs, Type::INT8_ARRAY),
                (&column(|s| s.settlement), Type::TEXT_ARRAY),
                (&column(|s| s.review_reason.as_deref()), Type::TEXT_ARRAY),
                (&column(|s| s.hold_reason), Type::TEXT_ARRAY),
                (&delays, Type::INT8_ARRAY),
                (&facts, Type::JSONB_ARRAY),
            ],
        )
        .await?;
    Ok(in_order(&ids, &rows))
}

/// What a step's event keeps as evidence.
fn facts(step: &Step) -> Value {
    let mut facts = json!({});
    if !step.merchant_order_ids.is_empty() {
        facts["merchant_order_ids"] = json!(step.merchant_order_ids);
    }
    if let Some(odd) = &step.odd_cost {
        facts["odd_cost"] =
            json!({ "minor": odd.minor, "currency": odd.currency, "rule": odd.rule });
    }
    facts
}

/// Tells people of an accepted order that does not go on as it should; once, while the alert is
/// open. Nothing of the order changes. // A5
pub async fn tell(
    store: &Store,
    worker: &str,
    order: Uuid,
    request_id: &str,
    notice: &Notice,
) -> Result<(), Error> {
    store
        .query(
            "watch.tell",
            &store.in_schema("select {schema}.report_reading($1, $2, $3, $4, $5)"),
            &[
                (&worker, Type::TEXT),
                (&order, Type::UUID),
                (&request_id, Type::TEXT),
                (&notice.rule, Type::TEXT),
                (&notice.subject, Type::TEXT),
            ],
        )
        .await
        .map(drop)
}
