//! `GET /v1/orders`: a page of orders, newest first, by status, hold or search.

use crate::api::Shared;
use crate::api::fault::Fault;
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use orders_core::order::Violation;
use orders_core::state::{HOLDS, Status};
use orders_store::read::{self, Filter};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The most orders of a page, and the usual number.
const LIMIT_MAX: i64 = 200;
const LIMIT: i64 = 50;

/// Lists them; `next` is what to give as `after` for the following page.
pub(crate) async fn get(
    State(shared): State<Arc<Shared>>,
    query: Result<Query<Vec<(String, String)>>, QueryRejection>,
) -> Result<Json<Value>, Fault> {
    let pairs = query.map(|query| query.0).map_err(|_| Fault::field("query", "cannot be read"))?;
    let filter = filter(pairs)?;
    let mut orders =
        read::orders(&shared.store, &Filter { limit: filter.limit + 1, ..filter.clone() }).await?;
    if let Some(after) = filter.after.filter(|_| orders.is_empty()) {
        // Behind the last order of all is an empty page; behind no order is nothing that one could
        // know, and a walk over the pages must not end there as if it had seen everything.
        read::id_of(&shared.store, &after.to_string())
            .await?
            .filter(|id| *id == after)
            .ok_or_else(|| Fault::field("after", "must be the id of an order that exists"))?;
    }
    let page = usize::try_from(filter.limit).unwrap_or(usize::MAX);
    let more = orders.len() > page;
    orders.truncate(page);
    let next = orders.last().filter(|_| more).map(|order| order["id"].clone());
    Ok(Json(json!({"orders": orders, "next": next})))
}

/// Reads the query; every parameter that is unknown, repeated or wrong is named.
fn filter(pairs: Vec<(String, String)>) -> Result<Filter, Fault> {
    let mut filter = Filter { limit: LIMIT, ..Filter::default() };
    let (mut found, mut seen) = (Vec::new(), BTreeSet::new());
    for (name, value) in pairs {
        let fault = if seen.contains(&name) {
            Some("must be given once".to_owned())
        } else {
            put(&mut filter, &name, value)
        };
        let field = name.chars().filter(|c| !c.is_control()).take(60).collect();
        seen.insert(name);
        if let Some(rule) = fault {
            found.push(Violation { field, rule });
        }
    }
    found.truncate(20);
    if found.is_empty() { Ok(filter) } else { Err(Fault::invalid(found)) }
}

/// Puts one parameter into the filter, or gives the rule that it breaks.
fn put(filter: &mut Filter, name: &str, value: String) -> Option<String> {
    match name {
        "status" if Status::parse(&value).is_some() => filter.status = Some(value),
        "status" => {
            return Some(format!("must be one of {}", Status::ALL.map(Status::name).join(", ")));
        }
        "hold" if HOLDS.contains(&value.as_str()) => filter.hold_reason = Some(value),
        "hold" => return Some(format!("must be one of {}", HOLDS.join(", "))),
        "search"
            if (1..=200).contains(&value.chars().count()) && !value.contains(char::is_control) =>
        {
            filter.search = Some(value);
        }
        "search" => {
            return Some(
                "must be a number or id of 1 to 200 characters, without control characters"
                    .to_owned(),
            );
        }
        "after" => match value.parse() {
            Ok(id) => filter.after = Some(id),
            Err(_) => return Some("must be the id of an order".to_owned()),
        },
        "limit" => match value.parse() {
            Ok(limit) if (1..=LIMIT_MAX).contains(&limit) => filter.limit = limit,
            _ => return Some(format!("must be between 1 and {LIMIT_MAX}")),
        },
        _ => return Some("is not known; known are status, hold, search, after, limit".to_owned()),
    }
    None
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
        for limit in ["0", "-1", "", "1e2", " 1"] {
            assert_eq!(fields(&[("limit", limit)]), ["limit"], "{limit}");
        }
        assert_eq!(fields(&[("limit", "1"), ("limit", "1")]), ["limit"]);
        assert_eq!(fields(&[("sort", "a"), ("sort", "b")]), ["sort", "sort"]);
    }
}
