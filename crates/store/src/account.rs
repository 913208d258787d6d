//! The provider's account: whose it is, and its pauses.

use crate::{Error, Store};
use serde_json::{Value, json};
use std::time::Duration;
use tokio_postgres::types::Type;

/// Whether an engine may work under an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// It is the one that the shop works with, from now on at least.
    Ours,
    /// Orders are open that another account may have bought; what they are, and what to do.
    Another(String),
}

/// Names the account under which an engine works, by its mark; asked for before anything is claimed.
/// `same_account`: a person says that it is the former one with another token or address. // A1
pub async fn claim(
    store: &Store,
    provider: &str,
    mark: &[u8; 32],
    same_account: bool,
) -> Result<Claim, Error> {
    let rows = store
        .query(
            "account.claim",
            &store.in_schema("select {schema}.claim_account($1, $2, $3)"),
            &[
                (&provider, Type::TEXT),
                (&mark.as_slice(), Type::BYTEA),
                (&same_account, Type::BOOL),
            ],
        )
        .await?;
    let answer: Value = rows.first().map_or(Value::Null, |row| row.get(0));
    if answer["success"] == json!(true) {
        return Ok(Claim::Ours);
    }
    let word = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
    Ok(Claim::Another(format!("{}. {}", word("message"), word("hint"))))
}

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
