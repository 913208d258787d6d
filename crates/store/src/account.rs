//! The provider's account and the workers: pauses and heartbeats.

use crate::{Error, Store};
use std::time::Duration;
use tokio_postgres::types::Type;

/// Stops all submissions of an account for a while.
pub async fn pause(
    store: &Store,
    provider: &str,
    code: &str,
    length: Duration,
    alarm: bool,
) -> Result<(), Error> {
    let pause_ms = i64::try_from(length.as_millis()).unwrap_or(i64::MAX);
    store
        .query(
            "account.pause",
            &store.in_schema("select {schema}.pause_provider($1, $2, $3, $4)"),
            &[
                (&provider, Type::TEXT),
                (&code, Type::TEXT),
                (&pause_ms, Type::INT8),
                (&alarm, Type::BOOL),
            ],
        )
        .await
        .map(drop)
}

/// Says that a worker is alive, or that it stopped in order.
pub async fn beat(store: &Store, worker: &str, stopping: bool) -> Result<(), Error> {
    store
        .query(
            "account.beat",
            &store.in_schema("select {schema}.beat_worker($1, $2, $3)"),
            &[
                (&worker, Type::TEXT),
                (&crate::schema::RELEASE, Type::TEXT),
                (&stopping, Type::BOOL),
            ],
        )
        .await
        .map(drop)
}
