//! Payments of the fake Stripe, and what the shop did with their money. Stripe's ledger is the judge.

use super::{Shop, TOTAL, array, hurried};
use orders_core::payment::PaymentFacts;
use orders_sandbox::stripe::{Event, Fact, Intent, Summary};
use orders_sandbox::{Clock, Line, Options, RealClock, Sleep, Stripe, StripeFault};
use orders_store::payment::{ReadPayment, due, record};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use uuid::Uuid;

/// The partners' clock: the real time, put forward by a test.
#[derive(Debug)]
pub struct PutForward(watch::Sender<i64>);

impl Default for PutForward {
    fn default() -> Self {
        Self(watch::Sender::new(0))
    }
}

impl PutForward {
    /// Puts it so far before the real time.
    pub fn to(&self, ahead: Duration) {
        self.0.send_replace(i64::try_from(ahead.as_millis()).expect("a time"));
    }
}

impl Clock for PutForward {
    fn now_ms(&self) -> i64 {
        RealClock.now_ms() + *self.0.borrow()
    }

    fn sleep_until(&self, at_ms: i64) -> Sleep<'_> {
        let mut shift = self.0.subscribe();
        Box::pin(async move {
            while let Some(left @ 1..) = at_ms.checked_sub(self.now_ms()) {
                let left = Duration::from_millis(left.unsigned_abs());
                tokio::select! {
                    () = tokio::time::sleep(left) => {}
                    _ = shift.changed() => {}
                }
            }
        })
    }
}

/// A shop and partners whose time a test puts forward.
pub struct Timed {
    /// The shop.
    pub shop: Shop,
    clock: Arc<PutForward>,
}

impl Timed {
    /// A shop whose partners make no mistakes.
    pub async fn fresh() -> Self {
        Self::with(hurried()).await
    }

    /// A shop with these partners.
    pub async fn with(options: Options) -> Self {
        let clock = Arc::new(PutForward::default());
        let shop = Shop::with(Options { clock: clock.clone(), ..options }).await;
        shop.own_clock().await;
        Self { shop, clock }
    }

    /// Puts the time forward, for the shop and for its partners, to so long after the beginning.
    pub async fn later(&self, length: Duration) {
        self.clock.to(length);
        self.shop.shift(&format!("{} seconds", length.as_secs())).await;
    }
}

/// How an order is paid.
#[derive(Clone, Copy)]
pub enum Paying {
    /// At once.
    AtOnce,
    /// Reserved, to be captured.
    Reserved,
    /// Not yet.
    NotYet,
}

impl Shop {
    /// Stripe.
    pub fn stripe(&self) -> &Stripe {
        &self.partners.world.stripe
    }

    /// Places an order whose customer pays so at Stripe; gives it with its PaymentIntent.
    pub async fn order_paying(&self, paying: Paying) -> (Uuid, String) {
        let id = self.place().await;
        let name = id.to_string();
        let intent = match paying {
            Paying::AtOnce => self.stripe().pay(&name, TOTAL, "usd"),
            Paying::Reserved => self.stripe().authorise(&name, TOTAL, "usd"),
            Paying::NotYet => self.stripe().open_intent(&name, TOTAL, "usd"),
        };
        self.sql(&format!("select {{s}}.attach_payment('{id}', '{intent}')")).await;
        (id, intent)
    }

    /// Records what Stripe says of the payments that are due, as an engine would.
    pub async fn read_payments(&self) {
        let due = due(&self.app, 100).await.expect("payments");
        let read = due.into_iter().map(|due| {
            let intent = self.stripe().intent(&due.payment_intent).expect("a payment");
            ReadPayment { due, facts: facts(&intent) }
        });
        let read: Vec<_> = read.collect();
        record(&self.app, "t", false, &read).await.expect("records");
    }

    /// Orders that were paid and then cancelled; each owes a refund. With their PaymentIntents.
    pub async fn cancelled_paid(&self, count: usize) -> Vec<(Uuid, String)> {
        let mut all = Vec::new();
        for _ in 0..count {
            all.push(self.order_paying(Paying::AtOnce).await);
        }
        self.read_payments().await;
        let ids: Vec<_> = all.iter().map(|(id, _)| *id).collect();
        self.sql(&format!("select {{s}}.cancel_order(id) from unnest({}) as id", array(&ids)))
            .await;
        let owed = "select count(*) from {s}.money_moves where kind = 'refund' and state = 'open'";
        assert_eq!(self.count(owed).await, count as u64, "{}", self.story_of_money().await);
        all
    }

    /// An order that was bought and delivered; with its PaymentIntent.
    pub async fn completed(&self) -> (Uuid, String) {
        let order = self.order_paying(Paying::AtOnce).await;
        self.finish().await;
        assert_eq!(self.status(order.0).await, "completed");
        order
    }

    /// Asks for a refund as somebody; gives the code of the refusal, or the state of the movement.
    pub async fn refund(&self, order: Uuid, amount: Option<i64>, actor: &str) -> String {
        let amount = amount.map_or("null".to_owned(), |amount| amount.to_string());
        let sql = format!(
            "select coalesce(a ->> 'code', a ->> 'state') from {{s}}.refund_order('{order}', {amount},
               'goods came back', '{{\"actor\": \"{actor}\"}}') as a"
        );
        self.as_app(&sql).await.remove(0)
    }

    /// Decides about the last movement of an order as somebody; gives the code of the refusal, or the state.
    pub async fn decide(&self, order: Uuid, decision: &str, amount: i64, actor: &str) -> String {
        let sql = format!(
            "select coalesce(a ->> 'code', a ->> 'state') from {{s}}.decide_move(
               (select m.id from {{s}}.money_moves as m where m.order_id = '{order}' order by m.created_at desc limit 1),
               '{decision}', {amount}, null, '{{\"actor\": \"{actor}\"}}') as a"
        );
        self.as_app(&sql).await.remove(0)
    }

    /// The movements of an order: what, how much, how far, and why if it did not work.
    pub async fn moves(&self, order: Uuid) -> Vec<String> {
        self.texts(&format!(
            "select concat_ws(' ', kind, amount_minor, state, code) from {{s}}.money_moves
              where order_id = '{order}' order by created_at, kind"
        ))
        .await
    }

    /// Waits until no movement is on its way.
    pub async fn until_moved(&self) {
        self.until_moved_or("false").await;
    }

    /// Waits until every movement has ended or a condition holds of it.
    pub async fn until_moved_or(&self, condition: &str) {
        self.until(&format!(
            "select not exists (select from {{s}}.money_moves as m
               where m.state in ('waiting', 'open', 'unknown', 'accepted') and not ({condition}))
             and not exists (select from {{s}}.payments as p where p.stale_since is not null)"
        ))
        .await;
    }

    /// Makes movements due now that wait for their time, and those whose worker is gone: their pauses
    /// and leases would only be waited for.
    pub async fn hurry_moves(&self) {
        self.hurry_moves_where("true").await;
    }

    /// The same for those that nobody holds.
    pub async fn hurry_moves_of_nobody(&self) {
        self.hurry_moves_where("lease_token is null").await;
    }

    /// The same, and for those whose call has long ended: whoever held them is gone.
    pub async fn hurry_moves_of_the_late(&self) {
        self.hurry_moves_where(
            "(lease_token is null or call_deadline_at < {s}.clock_now() - interval '1 s')",
        )
        .await;
    }

    /// Makes messages due now that an engine has taken and not finished: it could not read what they are
    /// about, or is gone.
    pub async fn hurry_messages(&self) {
        self.by_force(
            "update {s}.inbox as i set due_at = {s}.clock_now() - interval '1 ms'
              where i.state = 'new' and i.due_at > {s}.clock_now()
                and i.due_at - least(interval '30 seconds' * power(2, greatest(least(i.tries - 1, 7), 0)), interval '1 hour')
                    < {s}.clock_now() - interval '1500 ms'",
        )
        .await;
    }

    async fn hurry_moves_where(&self, condition: &str) {
        self.by_force(&format!(
            "update {{s}}.money_moves set due_at = {{s}}.clock_now() - interval '1 ms', lease_token = null,
                    lease_expires_at = null, call_deadline_at = least(call_deadline_at, {{s}}.clock_now() - interval '1 ms')
              where due_at is not null and {condition}"
        ))
        .await;
    }

    /// Changes what only time or nobody else would change: no trigger objects.
    pub(crate) async fn by_force(&self, sql: &str) {
        let sql = format!("set local session_replication_role = replica; {sql}")
            .replace("{s}", self.app.schema());
        let done = self.admin.transact("test.by_force", move |tx| {
            let sql = sql.clone();
            Box::pin(async move { tx.execute(&sql).await })
        });
        done.await.expect("a change by force");
    }

    /// Demands of Stripe's ledger that no refund was made twice, nothing returned that was not
    /// received, nothing captured twice and no key used for two things; and of the shop that it is whole.
    pub async fn clean_money(&self) -> Summary {
        self.clean().await;
        let summary = self.stripe().summary();
        assert_eq!(summary.repeated_refunds, [], "refunded twice");
        assert_eq!(summary.over_refunded, [] as [String; 0], "more refunded than received");
        assert_eq!(summary.captured_twice, [] as [String; 0]);
        assert_eq!(summary.violations, 0, "other parameters under one key");
        assert_eq!(summary.ledger_failure, None);
        summary
    }

    /// Demands that exactly these payments were returned, each in one refund and in full.
    pub async fn refunded_once(&self, intents: &[String]) -> Summary {
        let summary = self.clean_money().await;
        for intent in intents {
            let refunds = self.stripe().refunds_of(intent);
            let live: Vec<_> = refunds.iter().filter(|refund| refund.status.is_live()).collect();
            assert_eq!(live.len(), 1, "{intent}: {refunds:?}");
            assert_eq!(live[0].amount, TOTAL);
        }
        assert_eq!(summary.refunds.len(), intents.len());
        summary
    }

    /// How often money was asked to be moved: posts to Stripe that have this in their path.
    pub fn posts(&self, path_has: &str) -> usize {
        let is_post = |line: &&Line<Event>| matches!(&line.event, Event::Called { method, path, .. } if method == "POST" && path.contains(path_has));
        self.stripe().ledger().iter().filter(is_post).count()
    }

    /// The rules of the alerts that are open about an order.
    pub async fn alerts(&self, order: Uuid) -> Vec<String> {
        self.texts(&format!(
            "select rule from {{s}}.alerts where order_id = '{order}' and closed_at is null order by rule"
        ))
        .await
    }

    /// What happened to the money, for the message of a failure.
    pub async fn story_of_money(&self) -> String {
        let moves = "select concat_ws(' ', order_id, kind, amount_minor, state, code, 'calls', calls, 'key', key_number,
                'due in', due_at - {s}.clock_now()) from {s}.money_moves order by created_at limit 20";
        let moves = self.texts(moves).await.join("\n");
        format!("{}\n{moves}\n{:?}", self.story().await, self.stripe().summary())
    }
}

/// What an engine would read of a payment.
fn facts(intent: &Intent) -> PaymentFacts {
    PaymentFacts {
        status: intent.status.clone(),
        received_minor: intent.amount_received,
        capturable_minor: intent.amount_capturable,
        refunded_minor: intent.amount_refunded,
        currency: intent.currency.to_ascii_uppercase(),
        livemode: intent.livemode,
        named_order: intent.metadata.get("order_id").cloned(),
        capture_before_s: intent.capture_before_ms.map(|ms| ms.div_euclid(1000)),
        dispute: None,
        in_review: intent.review.is_some(),
        warned: false,
    }
}

/// What may happen to a call that moves money, with which it still is made without a person and
/// without a day's wait.
pub const PASSING: [StripeFault; 15] = [
    StripeFault::DropAnswer,
    StripeFault::DropRequest,
    StripeFault::EffectLater,
    StripeFault::ErrorStoredAfter,
    StripeFault::ErrorNotStored,
    StripeFault::LockTimeout,
    StripeFault::TooMany,
    StripeFault::TooManyWait,
    StripeFault::ShouldRetry,
    StripeFault::CorruptAnswer,
    StripeFault::CutAnswer,
    StripeFault::BigAnswer,
    StripeFault::TrickleAnswer,
    StripeFault::WrongObject,
    StripeFault::Slow,
];

/// Lets the status of a payment be another, behind the shop's back.
pub fn turn(shop: &Shop, intent: &str, status: &str) {
    assert!(shop.stripe().change(intent, Fact::Status(status.into())));
}
