//! `GET /ready`: the database can be reached and is as this release needs it, checked just now.
//!
//! The route is open, so the check is shared: at most one a second, whoever asks.

use super::Shared;
use super::fault::Fault;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use orders_store::{Error, schema};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// How long a finding counts as fresh.
const FRESH: Duration = Duration::from_secs(1);
/// The limit of one check.
const LIMIT: Duration = Duration::from_secs(3);

/// The last finding.
#[derive(Default)]
pub(crate) struct Cache(Mutex<Option<(Instant, Result<(), &'static str>)>>);

/// Answers 200, or 503 with the reason in a word. // no name, address or version of anything
pub(crate) async fn get(State(shared): State<Arc<Shared>>) -> Result<Json<Value>, Fault> {
    let mut last = shared.ready.0.lock().await;
    let finding = match *last {
        Some((at, finding)) if at.elapsed() < FRESH => finding,
        _ => {
            let finding = check(&shared).await;
            *last = Some((Instant::now(), finding));
            finding
        }
    };
    drop(last);
    match finding {
        Ok(()) => Ok(Json(json!({"status": "ready"}))),
        Err(reason) => {
            Err(Fault::new(StatusCode::SERVICE_UNAVAILABLE, reason, "not ready to serve"))
        }
    }
}

async fn check(shared: &Shared) -> Result<(), &'static str> {
    match tokio::time::timeout(LIMIT, schema::check_ground(&shared.store)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(Error::BadGround(sentence))) => {
            tracing::warn!(sentence, "not ready");
            Err("database_unfit")
        }
        Ok(Err(_)) | Err(_) => Err("database_unreachable"),
    }
}
