//! The reads: they need no key, change nothing and may be repeated by whoever asks.

use super::dispute;
use super::event::{self, ListedEvent};
use super::model::{self, ListedPayment, PaymentFacts};
use super::object::{self, Object};
use super::page::{self, Listed, Page};
use super::refund::{self, ListedRefund, RefundFacts};
use super::word::is_id;
use super::{Client, PaymentError, UNREADABLE, strict};
use crate::http::BODY_BYTES_MAX;
use orders_core::outcome::Doubt;
use orders_core::payment::Dispute;
use serde_json::Value;

/// The largest page of a list that is read: a hundred events with their objects.
const LIST_BYTES_MAX: usize = 8 * BODY_BYTES_MAX;
/// The most pages of what belongs to one payment: a thousand refunds, or disputes.
const PAGES_MAX: usize = 10;

impl Client {
    /// Reads a payment, its latest charge, its disputes if it has any, and its early fraud warnings if
    /// this client reads them: up to three calls, each with its own time. What cannot be read in full is an
    /// error, also if only the last of them failed.
    pub async fn payment(&self, id: &str) -> Result<PaymentFacts, PaymentError> {
        let payment = self.payment_itself(id).await?;
        let dispute = if payment.disputed {
            Some(self.worst_dispute(id).await.map_err(not_the_payment)?)
        } else {
            None
        };
        let warned = self.read_warnings
            && payment.latest_charge.is_some()
            && self.has_a_warning(id).await.map_err(not_the_payment)?;
        Ok(payment.with(dispute, warned))
    }

    /// Reads a payment and its latest charge, in one call: all that decides about moving its money. It
    /// needs no right to read disputes and warnings, so a key without one can still give money back.
    pub async fn payment_itself(&self, id: &str) -> Result<ListedPayment, PaymentError> {
        if !is_id(id) {
            return Err(PaymentError::NotFound);
        }
        let target = format!("/payment_intents/{id}?expand%5B%5D=latest_charge");
        let body = self.read(&target, BODY_BYTES_MAX).await?;
        let payment = strict::parse(&body).and_then(model::payment);
        payment.filter(|payment| payment.id == id).ok_or(UNREADABLE)
    }

    /// The payment that an object belongs to, if it belongs to one. That of a payment is known
    /// without a call.
    pub async fn payment_of(
        &self,
        object: Object,
        id: &str,
    ) -> Result<Option<String>, PaymentError> {
        if !is_id(id) {
            return Err(PaymentError::NotFound);
        }
        if object == Object::PaymentIntent {
            return Ok(Some(id.to_owned()));
        }
        let body = self.read(&format!("{}/{id}", object.path()), BODY_BYTES_MAX).await?;
        let value = strict::parse(&body).ok_or(UNREADABLE)?;
        object::owner(value, object, id).map_err(|_odd| UNREADABLE)
    }

    /// Every refund of a payment; more than a thousand of them cannot be read.
    pub async fn refunds_of(&self, payment_intent: &str) -> Result<Vec<RefundFacts>, PaymentError> {
        let ours = |refund: &RefundFacts| refund.payment_intent.as_deref() == Some(payment_intent);
        let read = |value| refund::refund(value).filter(ours);
        self.all("/refunds", payment_intent, read, |refund| &refund.id).await
    }

    /// Reads a refund by Stripe's id of it.
    pub async fn refund(&self, id: &str) -> Result<RefundFacts, PaymentError> {
        if !is_id(id) {
            return Err(PaymentError::NotFound);
        }
        let body = self.read(&format!("/refunds/{id}"), BODY_BYTES_MAX).await?;
        let refund = strict::parse(&body).and_then(refund::refund);
        refund.filter(|refund| refund.id == id).ok_or(UNREADABLE)
    }

    /// One page of all payments of the account.
    pub async fn list_payments(&self, page: &Page) -> Result<Listed<ListedPayment>, PaymentError> {
        let target = page.target("/payment_intents", &[("expand[]", "data.latest_charge")])?;
        let body = self.read(&target, LIST_BYTES_MAX).await?;
        page::entries(&body, model::payment)
    }

    /// One page of all refunds of the account.
    pub async fn list_refunds(&self, page: &Page) -> Result<Listed<ListedRefund>, PaymentError> {
        let body = self.read(&page.target("/refunds", &[])?, LIST_BYTES_MAX).await?;
        page::entries(&body, refund::listed)
    }

    /// One page of the messages of these types, delivered or not: to an endpoint that was never
    /// registered nothing failed to be delivered. See [`super::EVENT_TYPES`]. Stripe keeps them for 30
    /// days, and takes 20 types at most.
    pub async fn list_events(
        &self,
        page: &Page,
        types: &[&str],
    ) -> Result<Listed<ListedEvent>, PaymentError> {
        let besides: Vec<_> = types.iter().map(|kind| ("types[]", *kind)).collect();
        let body = self.read(&page.target("/events", &besides)?, LIST_BYTES_MAX).await?;
        page::entries(&body, |value| event::listed(&value))
    }

    /// The worst dispute of a payment that is disputed. A list without one contradicts the charge, and
    /// tells nothing.
    async fn worst_dispute(&self, payment_intent: &str) -> Result<Dispute, PaymentError> {
        let read = |value| dispute::dispute(value, payment_intent);
        let all = self.all("/disputes", payment_intent, read, |dispute| &dispute.id).await?;
        all.into_iter().map(|dispute| dispute.stands).max().ok_or(UNREADABLE)
    }

    /// Whether there is any warning; how many does not matter.
    async fn has_a_warning(&self, payment_intent: &str) -> Result<bool, PaymentError> {
        let besides = [("payment_intent", payment_intent)];
        let target = page::whole("/radar/early_fraud_warnings", &besides, None)?;
        let body = self.read(&target, LIST_BYTES_MAX).await?;
        let page = page::entries(&body, |value| dispute::warning(value, payment_intent))?;
        Ok(!page.items.is_empty())
    }

    /// All that belongs to a payment, page by page.
    async fn all<T>(
        &self,
        path: &str,
        payment_intent: &str,
        read: impl Fn(Value) -> Option<T>,
        id_of: impl Fn(&T) -> &str,
    ) -> Result<Vec<T>, PaymentError> {
        if !is_id(payment_intent) {
            return Err(PaymentError::NotFound);
        }
        let besides = [("payment_intent", payment_intent)];
        let mut all: Vec<T> = Vec::new();
        for _ in 0..PAGES_MAX {
            let target = page::whole(path, &besides, all.last().map(&id_of))?;
            let body = self.read(&target, LIST_BYTES_MAX).await?;
            let page = page::entries(&body, &read)?;
            // An entry that comes again would be counted twice.
            if page.items.iter().any(|new| all.iter().any(|old| id_of(old) == id_of(new))) {
                return Err(UNREADABLE);
            }
            all.extend(page.items);
            if !page.more {
                return Ok(all);
            }
        }
        Err(UNREADABLE)
    }
}

/// An error of what belongs to a payment that was just read: it is not the payment that is missing.
fn not_the_payment(error: PaymentError) -> PaymentError {
    match error {
        PaymentError::NotFound => PaymentError::Unknown(Doubt::UnreadableClientError),
        error => error,
    }
}
