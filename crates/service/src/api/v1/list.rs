//! `GET /v1/orders`: a page of orders, newest first, by status, hold or search.

use crate::api::Shared;
use crate::api::fault::Fault;
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use orders_core::order::Violation;
use orders_core::state::Status;
use orders_store::read::{self, Filter};
use serde_json::{Value, json};
use std::sync::Arc;

/// The most orders of a page, and the usual number.
const LIMIT_MAX: i64 = 200;
const LIMIT: i64 = 50;
/// The reasons to hold an order.
pub(crate) const HOLDS: [&str; 7] = [
    "awaiting_payment",
    "awaiting_funds",
    "payment_mismatch",
    "disputed",
    "scheduled",
    "operator",
    "restored",
];

/// Lists them; `next` is what to give as `after` for the following page.
pub(crate) async fn get(
    State(shared): State<Arc<Shared>>,
    query: Result<Query<Vec<(String, String)>>, QueryRejection>,
) -> Result<Json<Value>, Fault> {
    let pairs = query.map(|query| query.0).map_err(|_| Fault::field("query", "cannot be read"))?;
    let filter = filter(pairs)?;
    let mut orders =
        read::orders(&shared.store, &Filter { limit: filter.limit + 1, ..filter.clone() }).await?;
    let page = usize::try_from(filter.limit).unwrap_or(usize::MAX);
    let more = orders.len() > page;
    orders.truncate(page);
    let next = orders.last().filter(|_| more).map(|order| order["id"].clone());
    Ok(Json(json!({"orders": orders, "next": next})))
}

/// Reads the query; every parameter that is unknown or wrong is named.
fn filter(pairs: Vec<(String, String)>) -> Result<Filter, Fault> {
    let mut filter = Filter { limit: LIMIT, ..Filter::default() };
    let mut found = Vec::new();
    for (name, value) in pairs {
        let fault = match name.as_str() {
            "status" if Status::parse(&value).is_some() => {
                filter.status = Some(value);
                None
            }
            "status" => {
                Some(format!("must be one of {}", Status::ALL.map(Status::name).join(", ")))
            }
            "hold" if HOLDS.contains(&value.as_str()) => {
                filter.hold_reason = Some(value);
                None
            }
            "hold" => Some(format!("must be one of {}", HOLDS.join(", "))),
            "search" if (1..=200).contains(&value.chars().count()) && !value.contains('\0') => {
                filter.search = Some(value);
                None
            }
            "search" => Some("must be a number or id of 1 to 200 characters".to_owned()),
            "after" => match value.parse() {
                Ok(id) => {
                    filter.after = Some(id);
                    None
                }
                Err(_) => Some("must be the id of an order".to_owned()),
            },
            "limit" => match value.parse() {
                Ok(limit) if (1..=LIMIT_MAX).contains(&limit) => {
                    filter.limit = limit;
                    None
                }
                _ => Some(format!("must be between 1 and {LIMIT_MAX}")),
            },
            _ => Some("is not known; known are status, hold, search, after, limit".to_owned()),
        };
        if let Some(rule) = fault {
            found.push(Violation { field: name.chars().take(60).collect(), rule });
        }
    }
    found.truncate(20);
    if found.is_empty() { Ok(filter) } else { Err(Fault::invalid(found)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: &[(&str, &str)]) -> Vec<String> {
        let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        match filter(pairs.collect()) {
            Ok(_) => vec![],
            Err(fault) => fault.violations.iter().map(|one| one.field.clone()).collect(),
        }
    }

    #[test]
    fn each_wrong_parameter_is_named() {
        assert!(
            fields(&[("status", "pending"), ("limit", "200"), ("hold", "operator")]).is_empty()
        );
        let wrong = [
            ("status", "open"),
            ("hold", "x"),
            ("search", ""),
            ("after", "7"),
            ("limit", "201"),
            ("sort", "a"),
        ];
        assert_eq!(fields(&wrong), ["status", "hold", "search", "after", "limit", "sort"]);
        assert_eq!(fields(&[("limit", "0"), ("limit", "-1")]), ["limit", "limit"]);
    }
}
