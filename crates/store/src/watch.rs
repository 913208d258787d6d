//! Orders that the provider has: which to read now, and recording what was read.

use crate::record::{Recorded, alone, in_order, is_of_one_row};
use crate::{Error, Store};
use orders_core::plan::reading::Step;
use serde_json::json;
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

/// Records steps; the result stands in the order of the input. One bad row does not take its batch
/// along: it would come back with every poll, and its neighbours would never move. // B3
pub async fn steps(store: &Store, worker: &str, batch: &[StepOf]) -> Result<Vec<Recorded>, Error> {
    match steps_together(store, worker, batch).await {
        Err(error) if is_of_one_row(&error) => {
            let mut all = Vec::with_capacity(batch.len());
            for one in batch.chunks(1) {
                all.push(alone(steps_together(store, worker, one).await)?);
            }
            Ok(all)
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
    let facts: Vec<_> = batch
        .iter()
        .map(|one| match one.step.merchant_order_ids.as_slice() {
            [] => json!({}),
            ids => json!({ "merchant_order_ids": ids }),
        })
        .collect();
    let rows = store
        .query(
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
