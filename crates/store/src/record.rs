//! Recording what calls told, many at a time, each behind its own fence. // G13
//!
//! Promise: a row whose lease is lost changes nothing and is reported as stale; one bad or locked row
//! never takes its batch along: a batch that the database refuses is recorded one by one.

use crate::{Error, Store};
use futures_util::{StreamExt, stream};
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
    /// Somebody else holds the order, or the database was away for a moment: to be tried again.
    NotYet(String),
}

/// How many rows of a batch are recorded side by side when they cannot be recorded together: enough
/// that a few locked ones, a second each, do not keep the others waiting, and few connections.
pub(crate) const SIDE_BY_SIDE: usize = 4;

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
        Err(error) if is_of_some_rows(&error) => {
            let each =
                batch.chunks(1).map(|one| acceptances_together(store, worker, first_poll, one));
            Ok(each_alone(each.collect(), error).await)
        }
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
        .query_once(
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
        Err(error) if is_of_some_rows(&error) => {
            let each = batch.chunks(1).map(|one| setbacks_together(store, worker, one));
            Ok(each_alone(each.collect(), error).await)
        }
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
        .query_once(
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

/// Whether a batch failed for what some of its rows are: refused, or held by somebody else. The lock
/// of one row is not waited for again with all the others in tow.
pub(crate) fn is_of_some_rows(error: &Error) -> bool {
    error.is_of_one_row() || error.is_transient()
}

/// The results of a batch that could not be taken together: each row by itself.
pub(crate) async fn each_alone<F>(each: Vec<F>, error: Error) -> Vec<Recorded>
where
    F: Future<Output = Result<Vec<Recorded>, Error>>,
{
    if each.len() == 1 {
        return vec![alone(Err(error))];
    }
    stream::iter(each).buffered(SIDE_BY_SIDE).map(alone).collect().await
}

/// The result of a batch of one, where what the database says of the row is a result.
fn alone(outcome: Result<Vec<Recorded>, Error>) -> Recorded {
    match outcome {
        Ok(mut results) => results.pop().unwrap_or(Recorded::Stale),
        Err(error) if error.is_of_one_row() => Recorded::Refused(error.to_string()),
        Err(error) => Recorded::NotYet(error.to_string()),
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
