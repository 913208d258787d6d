//! Recording what calls told, many at a time, each behind its own fence. // G13
//!
//! Promise: a row whose lease is lost changes nothing and is reported as stale; one bad row never
//! takes its batch along: a batch that the database refuses is recorded one by one.

use crate::{Error, Store};
use orders_core::plan::Setback;
use std::time::Duration;
use tokio_postgres::types::Type;
use uuid::Uuid;

/// What became of one recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recorded {
    /// It stands.
    Done,
    /// The lease was lost; nothing changed.
    Stale,
    /// The provider's request id belongs to another order; kept as a finding, nothing changed.
    IdTaken,
    /// The database refused it; the attempt stays as it was until its lease ends.
    Refused(String),
}

impl Recorded {
    fn parse(word: &str) -> Self {
        match word {
            "recorded" => Self::Done,
            "stale" => Self::Stale,
            "id_taken" => Self::IdTaken,
            other => Self::Refused(other.to_owned()),
        }
    }
}

/// The word that the provider has a request.
#[derive(Debug, Clone)]
pub struct Acceptance {
    /// The order.
    pub order_id: Uuid,
    /// The fence.
    pub token: Uuid,
    /// The provider's id.
    pub request_id: String,
}

/// Any other end of a call.
#[derive(Debug, Clone)]
pub struct SetbackOf {
    /// The order.
    pub order_id: Uuid,
    /// The fence.
    pub token: Uuid,
    /// What follows.
    pub setback: Setback,
}

/// Records acceptances; the result stands in the order of the input.
pub async fn acceptances(
    store: &Store,
    worker: &str,
    first_poll: Duration,
    batch: &[Acceptance],
) -> Result<Vec<Recorded>, Error> {
    match acceptances_together(store, worker, first_poll, batch).await {
        Err(error) if batch.len() > 1 && is_of_one_row(&error) => {
            let mut all = Vec::with_capacity(batch.len());
            for one in batch.chunks(1) {
                all.push(alone(acceptances_together(store, worker, first_poll, one).await)?);
            }
            Ok(all)
        }
        Err(error) if is_of_one_row(&error) => Ok(vec![Recorded::Refused(error.to_string())]),
        outcome => outcome,
    }
}

async fn acceptances_together(
    store: &Store,
    worker: &str,
    first_poll: Duration,
    batch: &[Acceptance],
) -> Result<Vec<Recorded>, Error> {
    let ids: Vec<_> = batch.iter().map(|one| one.order_id).collect();
    let tokens: Vec<_> = batch.iter().map(|one| one.token).collect();
    let request_ids: Vec<_> = batch.iter().map(|one| one.request_id.as_str()).collect();
    let poll_in_ms = i32::try_from(first_poll.as_millis()).unwrap_or(i32::MAX);
    let rows = store
        .query(
            "record.acceptances",
            &store.in_schema("select * from {schema}.record_acceptances($1, $2, $3, $4, $5)"),
            &[
                (&worker, Type::TEXT),
                (&poll_in_ms, Type::INT4),
                (&ids, Type::UUID_ARRAY),
                (&tokens, Type::UUID_ARRAY),
                (&request_ids, Type::TEXT_ARRAY),
            ],
        )
        .await?;
    Ok(in_order(&ids, &rows))
}

/// Records setbacks; the result stands in the order of the input.
pub async fn setbacks(
    store: &Store,
    worker: &str,
    batch: &[SetbackOf],
) -> Result<Vec<Recorded>, Error> {
    match setbacks_together(store, worker, batch).await {
        Err(error) if batch.len() > 1 && is_of_one_row(&error) => {
            let mut all = Vec::with_capacity(batch.len());
            for one in batch.chunks(1) {
                all.push(alone(setbacks_together(store, worker, one).await)?);
            }
            Ok(all)
        }
        Err(error) if is_of_one_row(&error) => Ok(vec![Recorded::Refused(error.to_string())]),
        outcome => outcome,
    }
}

async fn setbacks_together(
    store: &Store,
    worker: &str,
    batch: &[SetbackOf],
) -> Result<Vec<Recorded>, Error> {
    let column = |read: fn(&Setback) -> Option<&str>| -> Vec<Option<&str>> {
        batch.iter().map(|one| read(&one.setback)).collect()
    };
    let ids: Vec<_> = batch.iter().map(|one| one.order_id).collect();
    let tokens: Vec<_> = batch.iter().map(|one| one.token).collect();
    let delays: Vec<_> = batch
        .iter()
        .map(|one| i64::try_from(one.setback.delay.as_millis()).unwrap_or(i64::MAX))
        .collect();
    let rows = store
        .query(
            "record.setbacks",
            &store.in_schema(
                "select * from {schema}.record_setbacks($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
            ),
            &[
                (&worker, Type::TEXT),
                (&ids, Type::UUID_ARRAY),
                (&tokens, Type::UUID_ARRAY),
                (&column(|s| Some(s.kind)), Type::TEXT_ARRAY),
                (&column(|s| Some(&s.code)), Type::TEXT_ARRAY),
                (&column(|s| Some(s.outcome)), Type::TEXT_ARRAY),
                (&column(|s| s.settlement), Type::TEXT_ARRAY),
                (&column(|s| Some(s.after.name())), Type::TEXT_ARRAY),
                (&column(|s| s.review_reason.as_deref()), Type::TEXT_ARRAY),
                (&column(|s| s.hold_reason), Type::TEXT_ARRAY),
                (&delays, Type::INT8_ARRAY),
            ],
        )
        .await?;
    Ok(in_order(&ids, &rows))
}

/// Whether the database refused a row and not the whole statement's circumstances.
pub(crate) fn is_of_one_row(error: &Error) -> bool {
    error.sqlstate().is_some_and(|code| {
        code.starts_with("22")
            || code.starts_with("23")
            || code.starts_with("PT")
            || code == "42501"
    })
}

/// The result of a batch of one, where the database's refusal is a result.
pub(crate) fn alone(outcome: Result<Vec<Recorded>, Error>) -> Result<Recorded, Error> {
    match outcome {
        Ok(mut results) => Ok(results.pop().unwrap_or(Recorded::Stale)),
        Err(error) if is_of_one_row(&error) => Ok(Recorded::Refused(error.to_string())),
        Err(error) => Err(error),
    }
}

/// Rows of (order id, word), put into the order of the input; a missing row is stale.
pub(crate) fn in_order(ids: &[Uuid], rows: &[tokio_postgres::Row]) -> Vec<Recorded> {
    let words: std::collections::HashMap<Uuid, String> =
        rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    ids.iter()
        .map(|id| words.get(id).map_or(Recorded::Stale, |word| Recorded::parse(word)))
        .collect()
}
