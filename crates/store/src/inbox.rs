//! Messages of Stripe: stored before they are acknowledged, then followed up; and what is only counted.
//!
//! A message is a hint. None of these calls says anything about a payment but that it must be read.

use crate::payment::DuePayment;
use crate::{Error, Store};
use jiff::Timestamp;
use tokio_postgres::types::Type;
use uuid::Uuid;

/// How a message came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Stripe delivered it, signed.
    Webhook,
    /// We found it in Stripe's list.
    Listed,
}

impl Source {
    fn name(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Listed => "listed",
        }
    }
}

/// A message as it is stored.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// How it came.
    pub source: Source,
    /// Stripe's id of it.
    pub event_id: &'a str,
    /// Its type.
    pub kind: &'a str,
    /// The kind of the object that it is about.
    pub object: &'a str,
    /// The object's id.
    pub object_id: &'a str,
    /// The digest of the object as the message tells it.
    pub object_digest: &'a [u8; 32],
    /// The payment that it names.
    pub payment_intent: Option<&'a str>,
    /// Whether it is about real money.
    pub livemode: bool,
    /// When Stripe made it, in seconds since 1970.
    pub created_s: i64,
    /// The connected account that it came from.
    pub account: Option<&'a str>,
    /// The bytes that were signed; a listed message has none.
    pub body: Option<&'a [u8]>,
    /// Whether its type is one that is followed up.
    pub known: bool,
}

/// Whose messages are ours.
#[derive(Debug, Clone, Default)]
pub struct Ours {
    /// The mode of the shop.
    pub live_mode: bool,
    /// The shop's account, where messages name one.
    pub account: Option<String>,
}

/// What became of a message when it was received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Received {
    /// It is followed up.
    New,
    /// It was stored before, under the same id.
    Duplicate,
    /// It tells the same state of the same object as one that was stored before.
    Repeated,
    /// Nothing of ours depends on messages of its type.
    Ignored,
    /// It is of the other mode.
    WrongMode,
    /// It is of another account.
    WrongAccount,
}

impl Received {
    fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "new" => Self::New,
            "duplicate" => Self::Duplicate,
            "repeated" => Self::Repeated,
            "ignored" => Self::Ignored,
            "wrong_mode" => Self::WrongMode,
            "wrong_account" => Self::WrongAccount,
            _ => return None,
        })
    }
}

/// Stores a message; when this returns it is committed, and nothing is bought with the payment that it
/// names before that was read anew. // B1, G25
pub async fn receive(store: &Store, message: &Message<'_>, ours: &Ours) -> Result<Received, Error> {
    let digest = message.object_digest.as_slice();
    let rows = store
        .query(
            "inbox.receive",
            &store.in_schema(
                "select {schema}.receive_event($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
            ),
            &[
                (&message.source.name(), Type::TEXT),
                (&message.event_id, Type::TEXT),
                (&message.kind, Type::TEXT),
                (&message.object, Type::TEXT),
                (&message.object_id, Type::TEXT),
                (&digest, Type::BYTEA),
                (&message.payment_intent, Type::TEXT),
                (&message.livemode, Type::BOOL),
                (&message.created_s, Type::INT8),
                (&message.account, Type::TEXT),
                (&message.body, Type::BYTEA),
                (&ours.live_mode, Type::BOOL),
                (&ours.account, Type::TEXT),
                (&message.known, Type::BOOL),
            ],
        )
        .await?;
    let word: Option<&str> = rows.first().and_then(|row| row.get(0));
    word.and_then(Received::parse).ok_or_else(|| Error::Inconsistent {
        what: "inbox.receive",
        reason: "an unknown word about a message".into(),
    })
}

/// A message that must be followed up.
#[derive(Debug, Clone)]
pub struct DueEvent {
    /// Stripe's id of it.
    pub event_id: String,
    /// Its type.
    pub kind: String,
    /// The kind of its object.
    pub object: String,
    /// The object's id.
    pub object_id: String,
    /// The payment that it names.
    pub payment_intent: Option<String>,
    /// How often it was taken, this time included.
    pub tries: i32,
    /// When it was taken, see [`DuePayment::asked_us`].
    pub asked_us: i64,
}

/// Takes messages that nobody has followed up; they come again by themselves if they are not finished.
pub async fn due(store: &Store, batch_max: usize) -> Result<Vec<DueEvent>, Error> {
    let batch_max = i32::try_from(batch_max).unwrap_or(i32::MAX);
    let sql = "select event_id, kind, object, object_id, payment_intent, tries, asked_us
                 from {schema}.due_events($1)";
    let sql = store.in_schema(sql);
    let rows = store.query("inbox.due", &sql, &[(&batch_max, Type::INT4)]).await?;
    let event = |row: &tokio_postgres::Row| DueEvent {
        event_id: row.get(0),
        kind: row.get(1),
        object: row.get(2),
        object_id: row.get(3),
        payment_intent: row.get(4),
        tries: row.get(5),
        asked_us: row.get(6),
    };
    Ok(rows.iter().map(event).collect())
}

/// What became of a message that was followed up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Its payment was read after it came, and what was read is stored.
    Handled,
    /// It is about no payment of ours.
    Unmatched,
    /// Its payment could not be found out, however often that was tried.
    GivenUp,
}

impl Verdict {
    fn name(self) -> &'static str {
        match self {
            Self::Handled => "handled",
            Self::Unmatched => "unmatched",
            Self::GivenUp => "given_up",
        }
    }
}

/// A message that is followed up, with the payment that it turned out to be about.
#[derive(Debug, Clone)]
pub struct Finished {
    /// Stripe's id of the message.
    pub event_id: String,
    /// The payment, if one was found.
    pub payment_intent: Option<String>,
    /// What became of it.
    pub verdict: Verdict,
}

/// Says what became of messages.
pub async fn finish(store: &Store, batch: &[Finished]) -> Result<(), Error> {
    let events: Vec<_> = batch.iter().map(|one| one.event_id.as_str()).collect();
    let intents: Vec<_> = batch.iter().map(|one| one.payment_intent.as_deref()).collect();
    let verdicts: Vec<_> = batch.iter().map(|one| one.verdict.name()).collect();
    store
        .query(
            "inbox.finish",
            &store.in_schema("select {schema}.finish_events($1, $2, $3)"),
            &[
                (&events, Type::TEXT_ARRAY),
                (&intents, Type::TEXT_ARRAY),
                (&verdicts, Type::TEXT_ARRAY),
            ],
        )
        .await
        .map(drop)
}

/// Takes back the count of a try that told nothing of these messages: it was no fault of theirs.
pub async fn uncount(store: &Store, event_ids: &[&str]) -> Result<(), Error> {
    store
        .query(
            "inbox.uncount",
            &store.in_schema("select {schema}.uncount_events($1)"),
            &[(&event_ids, Type::TEXT_ARRAY)],
        )
        .await
        .map(drop)
}

/// Ties a payment that Stripe told of to the order that its metadata names; whether it is tied.
pub async fn adopt(
    store: &Store,
    worker: &str,
    payment_intent: &str,
    named_order: &str,
) -> Result<bool, Error> {
    let rows = store
        .query(
            "inbox.adopt",
            &store.in_schema("select {schema}.adopt_payment($1, $2, $3)"),
            &[(&worker, Type::TEXT), (&payment_intent, Type::TEXT), (&named_order, Type::TEXT)],
        )
        .await?;
    Ok(rows.first().is_some_and(|row| row.get::<_, Option<&str>>(0) == Some("tied")))
}

/// The payments among these that pay, or paid, orders of ours.
pub async fn known(
    store: &Store,
    payment_intents: &[&str],
    asked_us: i64,
) -> Result<Vec<DuePayment>, Error> {
    let sql =
        "select order_id, payment_intent from {schema}.payments where payment_intent = any ($1)";
    let rows = store
        .query("inbox.known", &store.in_schema(sql), &[(&payment_intents, Type::TEXT_ARRAY)])
        .await?;
    let due = |row: &tokio_postgres::Row| DuePayment {
        order_id: row.get(0),
        payment_intent: row.get(1),
        asked_us,
    };
    Ok(rows.iter().map(due).collect())
}

/// Adds to the counts of what is not kept row by row.
pub async fn tally(store: &Store, counts: &[(&str, i64)]) -> Result<(), Error> {
    let names: Vec<_> = counts.iter().map(|(name, _)| *name).collect();
    let counts: Vec<_> = counts.iter().map(|(_, count)| *count).collect();
    store
        .query(
            "inbox.tally",
            &store.in_schema("select {schema}.add_tallies($1, $2)"),
            &[(&names, Type::TEXT_ARRAY), (&counts, Type::INT8_ARRAY)],
        )
        .await
        .map(drop)
}

/// Where the reading of a list begins, and the time of the database's clock, in seconds since 1970.
pub async fn cursor(store: &Store, name: &str) -> Result<(i64, i64), Error> {
    let sql = store.in_schema("select from_s, now_s from {schema}.events_from($1)");
    let rows = store.query("inbox.cursor", &sql, &[(&name, Type::TEXT)]).await?;
    rows.first().map(|row| (row.get(0), row.get(1))).ok_or_else(|| Error::Inconsistent {
        what: "inbox.cursor",
        reason: "no beginning of a list".into(),
    })
}

/// How far a list was read; nothing while it was not.
pub async fn reached(store: &Store, name: &str) -> Result<Option<Timestamp>, Error> {
    let sql = store.in_schema("select at from {schema}.cursors where name = $1");
    let rows = store.query("inbox.reached", &sql, &[(&name, Type::TEXT)]).await?;
    Ok(rows.first().map(|row| row.get(0)))
}

/// Says how far a list was read, in seconds since 1970.
pub async fn move_cursor(store: &Store, name: &str, reached_s: i64) -> Result<(), Error> {
    let sql = store.in_schema("select {schema}.move_cursor($1, to_timestamp($2))");
    #[expect(clippy::cast_precision_loss, reason = "seconds of our era are exact in it")]
    let reached = reached_s as f64;
    store
        .query("inbox.move_cursor", &sql, &[(&name, Type::TEXT), (&reached, Type::FLOAT8)])
        .await
        .map(drop)
}

/// A refund of ours that is done.
#[derive(Debug, Clone)]
pub struct DoneRefund {
    /// Our id of it.
    pub id: Uuid,
    /// Stripe's.
    pub stripe_id: String,
}

/// The refunds of a payment that are done.
pub async fn done_refunds(store: &Store, payment_intent: &str) -> Result<Vec<DoneRefund>, Error> {
    let sql = "select id, stripe_id from {schema}.money_moves
                where payment_intent = $1 and kind = 'refund' and state = 'done' and stripe_id is not null";
    let sql = store.in_schema(sql);
    let rows = store.query("inbox.done_refunds", &sql, &[(&payment_intent, Type::TEXT)]).await?;
    Ok(rows.iter().map(|row| DoneRefund { id: row.get(0), stripe_id: row.get(1) }).collect())
}

/// Records that a refund failed after it was done.
pub async fn fail_refund(
    store: &Store,
    worker: &str,
    refund: &DoneRefund,
    code: &str,
) -> Result<(), Error> {
    store
        .query(
            "inbox.fail_refund",
            &store.in_schema("select {schema}.fail_refund($1, $2, $3, $4)"),
            &[
                (&worker, Type::TEXT),
                (&refund.id, Type::UUID),
                (&refund.stripe_id, Type::TEXT),
                (&code, Type::TEXT),
            ],
        )
        .await
        .map(drop)
}

/// Has the movements of money of these payments looked at now.
pub async fn nudge_moves(store: &Store, payment_intents: &[&str]) -> Result<(), Error> {
    store
        .query(
            "inbox.nudge_moves",
            &store.in_schema("select {schema}.nudge_moves($1)"),
            &[(&payment_intents, Type::TEXT_ARRAY)],
        )
        .await
        .map(drop)
}
