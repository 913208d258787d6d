//! What `supabase.rpc` and PostgREST clients call. Errors have PostgREST's four fields.

pub(crate) mod miss;
pub(crate) mod orders;
pub(crate) mod rpc;

use crate::api::fault::Fault;
use axum::http::{HeaderMap, StatusCode};

/// Refuses a request for another schema than the shop's, which is the only one that is served. An
/// answer from this one would look like the other's.
fn demand_schema(schema: &str, headers: &HeaderMap) -> Result<(), Fault> {
    let asked = ["content-profile", "accept-profile"].into_iter();
    for profile in asked.flat_map(|name| headers.get_all(name)) {
        let profile = profile.to_str().unwrap_or_default();
        if profile != schema {
            let shown: String = profile.chars().take(60).collect();
            let message = format!("Invalid schema: {shown}");
            return Err(Fault::new(StatusCode::NOT_ACCEPTABLE, "PGRST106", message)
                .hint(format!("Only the following schemas are exposed: {schema}")));
        }
    }
    Ok(())
}
