//! Comparing the books: what the partners' lists say against what stands here. // G27, C11
//!
//! Promise: what differs becomes a row with its age and an alert; no amount and no status is changed by
//! it. Each call is one short transaction over one page.

use crate::{Error, Store, schema};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use std::time::Duration;
use tokio_postgres::Row;
use tokio_postgres::types::Type;
use uuid::Uuid;

/// A payment in Stripe's list.
#[derive(Debug, Clone, Serialize)]
pub struct PaymentOfList {
    /// Stripe's id.
    pub payment_intent: String,
    /// Stripe's word.
    pub status: String,
    /// What was received.
    pub received_minor: i64,
    /// What is reserved and can be captured.
    pub capturable_minor: i64,
    /// What was returned.
    pub refunded_minor: i64,
    /// In upper case.
    pub currency: String,
    /// Whether it is real money.
    pub livemode: bool,
    /// The order that it was made for, as it says.
    pub named_order: Option<String>,
    /// Whether a bank disputes it, or did.
    pub disputed: bool,
    /// Whether Stripe's review of it is open.
    pub in_review: bool,
    /// When it was made, in seconds since 1970.
    pub created_s: i64,
    /// The last change that the list dates, in seconds since 1970.
    pub changed_s: i64,
}

impl PaymentOfList {
    /// Whether it holds money that was received and not returned, or money that is reserved.
    pub fn has_money(&self) -> bool {
        match &*self.status {
            "succeeded" => self.received_minor > self.refunded_minor,
            "requires_capture" => self.capturable_minor > 0,
            _ => false,
        }
    }
}

/// A refund in Stripe's list.
#[derive(Debug, Clone, Serialize)]
pub struct RefundOfList {
    /// Stripe's id.
    pub refund_id: String,
    /// The payment that it returns; some have none.
    pub payment_intent: Option<String>,
    /// What it returns.
    pub amount_minor: i64,
    /// In upper case.
    pub currency: String,
    /// Stripe's word, if it says one.
    pub status: Option<String>,
    /// Our id of it, as it says.
    pub named_move: Option<String>,
    /// When it was made, in seconds since 1970.
    pub created_s: i64,
}

/// A request in the provider's list.
#[derive(Debug, Clone, Serialize)]
pub struct PurchaseOfList {
    /// The provider's id.
    pub request_id: String,
    /// Our order, as its notes say.
    pub order_id: Option<Uuid>,
    /// Our attempt, as its notes say.
    pub attempt_id: Option<Uuid>,
    /// `bought`, `failed` or `working`, if the list says so.
    pub outcome: Option<&'static str>,
    /// When it was placed, in seconds since 1970, if the list says so.
    pub placed_s: Option<i64>,
}

/// What a partner's list did not have.
#[derive(Debug, Clone, Serialize)]
pub struct Unlisted {
    /// `payment_missing`, `refund_missing` or `purchase_missing`.
    pub kind: String,
    /// The partner's id of it.
    pub subject: String,
    /// Its order.
    pub order_id: Option<Uuid>,
    /// Its attempt, of a purchase.
    #[serde(skip)]
    pub attempt_id: Option<Uuid>,
    /// When it came into being.
    pub about_at: Timestamp,
    /// Whether it is certain enough to be told.
    pub ripe: bool,
    /// What stands here of it.
    pub data: Value,
}

/// The ids that the partners' lists had; nothing of a list that was not read to its end.
#[derive(Debug, Clone, Default)]
pub struct ListedIds {
    /// Of payments.
    pub payments: Option<Vec<String>>,
    /// Of refunds.
    pub refunds: Option<Vec<String>>,
    /// Of requests at the provider.
    pub purchases: Option<Vec<String>>,
}

/// Begins a comparison; nothing when another began less than so long ago. Without a length one always
/// begins.
pub async fn begin(store: &Store, every: Option<Duration>) -> Result<Option<Timestamp>, Error> {
    let every_s = every.map(|every| i64::try_from(every.as_secs()).unwrap_or(i64::MAX));
    let sql = store.in_schema("select {schema}.begin_reconciliation($1)");
    let rows = store.query("reconcile.begin", &sql, &[(&every_s, Type::INT8)]).await?;
    Ok(rows.first().and_then(|row| row.get(0)))
}

/// How many of these payments, and of these requests, are known here.
pub async fn known(
    store: &Store,
    payments: &[&str],
    requests: &[&str],
) -> Result<(i64, i64), Error> {
    let sql = store.in_schema(
        "select (select count(*) from {schema}.payments as p where p.payment_intent = any ($1)),
                (select count(*) from {schema}.orders as o where o.zinc_request_id = any ($2))
                + (select count(*) from {schema}.order_attempts as a where a.request_id = any ($2))",
    );
    let params = [(&payments as _, Type::TEXT_ARRAY), (&requests as _, Type::TEXT_ARRAY)];
    let rows = store.query("reconcile.known", &sql, &params).await?;
    Ok(rows.first().map_or((0, 0), |row| (row.get(0), row.get(1))))
}

/// Which of these payments could be tied to the orders that they name; see
/// [`crate::inbox::adopt`].
pub async fn adoptable(
    store: &Store,
    payments: &[&str],
    orders: &[Uuid],
) -> Result<Vec<(String, String)>, Error> {
    let sql = rendered(store, include_str!("../queries/payments_adoptable.sql"))?;
    let params = [(&payments as _, Type::TEXT_ARRAY), (&orders as _, Type::UUID_ARRAY)];
    let rows = store.query("reconcile.adoptable", &sql, &params).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// Compares some payments.
pub async fn payments(
    store: &Store,
    run_at: Timestamp,
    live_mode: bool,
    listed: &[PaymentOfList],
) -> Result<(), Error> {
    let sql = store.in_schema("select {schema}.reconcile_payments($1, $2, $3)");
    let facts = json!(listed);
    let params = [
        (&run_at as _, Type::TIMESTAMPTZ),
        (&live_mode as _, Type::BOOL),
        (&facts as _, Type::JSONB),
    ];
    store.query("reconcile.payments", &sql, &params).await.map(drop)
}

/// Compares some refunds.
pub async fn refunds(
    store: &Store,
    run_at: Timestamp,
    listed: &[RefundOfList],
) -> Result<(), Error> {
    let sql = store.in_schema("select {schema}.reconcile_refunds($1, $2)");
    let facts = json!(listed);
    let params = [(&run_at as _, Type::TIMESTAMPTZ), (&facts as _, Type::JSONB)];
    store.query("reconcile.refunds", &sql, &params).await.map(drop)
}

/// Compares some requests of the provider's list, which reaches back to a time.
pub async fn purchases(
    store: &Store,
    run_at: Timestamp,
    since: Timestamp,
    listed: &[PurchaseOfList],
) -> Result<(), Error> {
    let sql = store.in_schema("select {schema}.reconcile_purchases($1, $2, $3)");
    let facts = json!(listed);
    let params = [
        (&run_at as _, Type::TIMESTAMPTZ),
        (&since as _, Type::TIMESTAMPTZ),
        (&facts as _, Type::JSONB),
    ];
    store.query("reconcile.purchases", &sql, &params).await.map(drop)
}

/// Compares a page of orders with their own money; gives how many, and the last one unless it was the
/// last page.
pub async fn orders(
    store: &Store,
    run_at: Timestamp,
    after: Option<Uuid>,
    page_size: i32,
) -> Result<(u64, Option<Uuid>), Error> {
    let sql =
        store.in_schema("select orders, last_order from {schema}.reconcile_orders($1, $2, $3)");
    let params = [
        (&run_at as _, Type::TIMESTAMPTZ),
        (&after as _, Type::UUID),
        (&page_size as _, Type::INT4),
    ];
    let rows = store.query("reconcile.orders", &sql, &params).await?;
    Ok(rows.first().map_or((0, None), |row| (row.get::<_, i64>(0).unsigned_abs(), row.get(1))))
}

/// What the shop counts as done since a time and the lists did not have.
pub async fn unlisted(
    store: &Store,
    run_at: Timestamp,
    since: Timestamp,
    listed: &ListedIds,
    limit: i64,
) -> Result<Vec<Unlisted>, Error> {
    let sql = rendered(store, include_str!("../queries/unlisted.sql"))?;
    let params = [
        (&run_at as _, Type::TIMESTAMPTZ),
        (&since as _, Type::TIMESTAMPTZ),
        (&listed.payments as _, Type::TEXT_ARRAY),
        (&listed.refunds as _, Type::TEXT_ARRAY),
        (&listed.purchases as _, Type::TEXT_ARRAY),
        (&limit as _, Type::INT8),
    ];
    let rows = store.query("reconcile.unlisted", &sql, &params).await?;
    Ok(rows.iter().map(unlisted_of).collect())
}

fn unlisted_of(row: &Row) -> Unlisted {
    Unlisted {
        kind: row.get(0),
        subject: row.get(1),
        order_id: row.get(2),
        attempt_id: row.get(3),
        about_at: row.get(4),
        ripe: true,
        data: row.get(5),
    }
}

/// How a comparison ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Ended {
    /// Differences that are gone.
    pub gone: u64,
    /// Differences that stand.
    pub open: u64,
    /// Of them, those that were found for the first time.
    pub new: u64,
}

/// Ends a comparison of what reaches back to `since`. `sides` are the lists that were read to their end.
pub async fn finish(
    store: &Store,
    run_at: Timestamp,
    since: Timestamp,
    sides: &[&str],
    missing: &[Unlisted],
) -> Result<Ended, Error> {
    let sql = store.in_schema("select {schema}.finish_reconciliation($1, $2, $3, $4)");
    let missing = json!(missing);
    let params = [
        (&run_at as _, Type::TIMESTAMPTZ),
        (&since as _, Type::TIMESTAMPTZ),
        (&sides as _, Type::TEXT_ARRAY),
        (&missing as _, Type::JSONB),
    ];
    let rows = store.query("reconcile.finish", &sql, &params).await?;
    let answer: Value = rows.first().map_or(Value::Null, |row| row.get(0));
    let count = |name: &str| answer[name].as_u64().unwrap_or(0);
    Ok(Ended { gone: count("gone"), open: count("open"), new: count("new") })
}

/// Opens an alert for each side that was not read to its end, and closes those of the sides that were.
pub async fn note(
    store: &Store,
    run_at: Timestamp,
    whole: &[&str],
    failed: &[&str],
) -> Result<(), Error> {
    let sql = store.in_schema("select {schema}.note_books_compared($1, $2, $3)");
    let params = [
        (&run_at as _, Type::TIMESTAMPTZ),
        (&whole as _, Type::TEXT_ARRAY),
        (&failed as _, Type::TEXT_ARRAY),
    ];
    store.query("reconcile.note", &sql, &params).await.map(drop)
}

/// The differences that stand, the oldest first, as old as they are at a time.
pub async fn open(store: &Store, at: Timestamp, limit: i64) -> Result<Vec<Value>, Error> {
    let sql = rendered(store, include_str!("../queries/differences_open.sql"))?;
    let params = [(&at as _, Type::TIMESTAMPTZ), (&limit as _, Type::INT8)];
    let rows = store.query("reconcile.open", &sql, &params).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

fn rendered(store: &Store, sql: &str) -> Result<String, Error> {
    Ok(schema::names(store.schema())?.render(sql))
}
