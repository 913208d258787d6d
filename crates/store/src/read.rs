//! Reading for people and programs: lists, one order, one history, health. Nothing private.

use crate::{Error, Store, schema};
use serde_json::Value;
use tokio_postgres::types::Type;
use uuid::Uuid;

/// Which orders a list shows.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only this status.
    pub status: Option<String>,
    /// Only this hold.
    pub hold_reason: Option<String>,
    /// Order number, id or request id, exactly.
    pub search: Option<String>,
    /// Orders older than this one: the last of the page before.
    pub after: Option<Uuid>,
    /// The most orders of a page.
    pub limit: i64,
}

/// A page of orders, newest first.
pub async fn orders(store: &Store, filter: &Filter) -> Result<Vec<Value>, Error> {
    let sql = schema::names(store.schema())?.render(include_str!("../queries/orders_list.sql"));
    let rows = store
        .query(
            "orders.list",
            &sql,
            &[
                (&filter.status, Type::TEXT),
                (&filter.hold_reason, Type::TEXT),
                (&filter.search, Type::TEXT),
                (&filter.after, Type::UUID),
                (&filter.limit, Type::INT8),
            ],
        )
        .await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// The id of the order that a text names. An id goes before a number, so that a text never names two
/// orders, whatever numbers an old shop has given.
pub async fn id_of(store: &Store, id_or_number: &str) -> Result<Option<Uuid>, Error> {
    let sql = schema::names(store.schema())?.render(include_str!("../queries/order_id.sql"));
    let rows = store.query("orders.id_of", &sql, &[(&id_or_number, Type::TEXT)]).await?;
    Ok(rows.first().and_then(|row| row.get(0)))
}

/// One order by id or number, with lines, attempts, payments and findings.
pub async fn order(store: &Store, id_or_number: &str) -> Result<Option<Value>, Error> {
    match id_of(store, id_or_number).await? {
        Some(id) => order_by_id(store, id).await,
        None => Ok(None),
    }
}

/// One order by its id.
pub async fn order_by_id(store: &Store, id: Uuid) -> Result<Option<Value>, Error> {
    let sql = schema::names(store.schema())?.render(include_str!("../queries/order_show.sql"));
    let rows = store.query("orders.show", &sql, &[(&id, Type::UUID)]).await?;
    Ok(rows.first().map(|row| row.get(0)))
}

/// The money of one order: its payments, their movements and the messages about them.
pub async fn payments(store: &Store, order: Uuid) -> Result<Option<Value>, Error> {
    let sql = schema::names(store.schema())?.render(include_str!("../queries/payments_show.sql"));
    let rows = store.query("payments.show", &sql, &[(&order, Type::UUID)]).await?;
    Ok(rows.first().map(|row| row.get(0)))
}

/// The order that a PaymentIntent is named for.
pub async fn order_of_payment(store: &Store, intent: &str) -> Result<Option<Uuid>, Error> {
    let sql = store.in_schema("select order_id from {schema}.payments where payment_intent = $1");
    let rows = store.query("payments.order", &sql, &[(&intent, Type::TEXT)]).await?;
    Ok(rows.first().map(|row| row.get(0)))
}

/// Movements of money that have not ended, those that wait for a second person first.
pub async fn open_moves(store: &Store, limit: i64) -> Result<Vec<Value>, Error> {
    let sql = schema::names(store.schema())?.render(include_str!("../queries/moves_open.sql"));
    let rows = store.query("moves.open", &sql, &[(&limit, Type::INT8)]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// How far one order is and when something happens to it next, on the database's clock: a time that
/// is not past. `provider` is whoever would buy it, as long as it has no attempt.
pub async fn standing(store: &Store, id: Uuid, provider: &str) -> Result<Option<Value>, Error> {
    let sql = schema::names(store.schema())?.render(include_str!("../queries/order_standing.sql"));
    let rows =
        store.query("orders.standing", &sql, &[(&id, Type::UUID), (&provider, Type::TEXT)]).await?;
    Ok(rows.first().map(|row| row.get(0)))
}

/// The history of one order, first event first; empty when there is no such order.
pub async fn history(store: &Store, id_or_number: &str) -> Result<Vec<Value>, Error> {
    let Some(id) = id_of(store, id_or_number).await? else { return Ok(Vec::new()) };
    let sql = schema::names(store.schema())?.render(include_str!("../queries/order_history.sql"));
    let rows = store.query("orders.history", &sql, &[(&id, Type::UUID)]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// The state of the shop in one object.
pub async fn health(store: &Store) -> Result<Value, Error> {
    let sql = store.in_schema("select {schema}.order_system_health()");
    let rows = store.query("health", &sql, &[]).await?;
    Ok(rows.first().map_or(Value::Null, |row| row.get(0)))
}

/// How many events of some kinds there are.
pub async fn count_events(store: &Store, kinds: &[&str]) -> Result<i64, Error> {
    let sql = store.in_schema("select count(*) from {schema}.order_events where kind = any ($1)");
    let rows = store.query("events.count", &sql, &[(&kinds, Type::TEXT_ARRAY)]).await?;
    Ok(rows.first().map_or(0, |row| row.get(0)))
}
