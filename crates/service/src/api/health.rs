//! `GET /health`: this process serves. It says nothing of the database; see [`super::ready`].

use axum::Json;
use serde_json::{Value, json};

/// Answers as long as the process can.
pub(crate) async fn get() -> Json<Value> {
    Json(json!({"status": "ok"}))
}
