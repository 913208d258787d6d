//! `/rest/v1/orders`: the table that nobody writes. Whoever tries is told which function to call.

use super::demand_schema;
use crate::api::Shared;
use crate::api::fault::Fault;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use std::sync::Arc;

/// PATCH, DELETE, POST, PUT: refused by name. // ruling 31
pub(crate) async fn write(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Fault {
    if let Err(fault) = demand_schema(shared.store.schema(), &headers) {
        return fault;
    }
    Fault::new(
        StatusCode::FORBIDDEN,
        "42501",
        "permission denied for table orders: its status is changed by functions only. Call \
         complete_order_processing, manually_complete_order, cancel_order, hold_order, release_hold or \
         place_order instead",
    )
    .hint("supabase.rpc('complete_order_processing', { order_uuid, zinc_request_id_param })")
}

/// GET: the list lives elsewhere, with filters that mean something.
pub(crate) async fn read(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Fault {
    let schema = shared.store.schema();
    if let Err(fault) = demand_schema(schema, &headers) {
        return fault;
    }
    Fault::new(
        StatusCode::NOT_FOUND,
        "PGRST205",
        format!("Could not find the table '{schema}.orders' in the schema cache"),
    )
    .hint("Orders are read at GET /v1/orders and GET /v1/orders/{id}.")
}
