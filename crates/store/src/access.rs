//! Callers' keys: only digests are stored. // D1

use crate::{Error, Store};
use serde_json::Value;
use tokio_postgres::types::Type;

/// The keys as people may see them, newest first, at most 1,000: prefix, role, note and times.
pub async fn keys(store: &Store) -> Result<Vec<Value>, Error> {
    let sql = store.in_schema("select to_jsonb(k) from {schema}.list_api_keys() as k");
    let rows = store.query("access.keys", &sql, &[]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Revokes the one key with that prefix. Gives how many had it: at another number than one nothing
/// was changed.
pub async fn revoke_key(store: &Store, prefix: &str) -> Result<i64, Error> {
    let sql = store.in_schema("select {schema}.revoke_api_key($1)");
    let rows = store.query("access.revoke_key", &sql, &[(&prefix, Type::TEXT)]).await?;
    Ok(rows.first().map_or(0, |row| row.get(0)))
}

/// Stores a key's digest.
pub async fn add_key(
    store: &Store,
    prefix: &str,
    digest: &[u8],
    role: &str,
    note: &str,
) -> Result<(), Error> {
    store
        .query(
            "access.add_key",
            &store.in_schema("select {schema}.add_api_key($1, $2, $3, $4)"),
            &[
                (&prefix, Type::TEXT),
                (&digest, Type::BYTEA),
                (&role, Type::TEXT),
                (&note, Type::TEXT),
            ],
        )
        .await
        .map(drop)
}

/// The role of a key, if it is known and alive.
pub async fn role_of_key(store: &Store, digest: &[u8]) -> Result<Option<String>, Error> {
    let rows = store
        .query(
            "access.role_of_key",
            &store.in_schema("select {schema}.find_api_key($1)"),
            &[(&digest, Type::BYTEA)],
        )
        .await?;
    Ok(rows.first().and_then(|row| row.get(0)))
}
