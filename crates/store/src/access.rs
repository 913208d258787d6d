//! Callers' keys: only digests are stored. // D1

use crate::{Error, Store};
use tokio_postgres::types::Type;

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
