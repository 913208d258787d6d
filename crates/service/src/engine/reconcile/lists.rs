//! What the partners list: page by page, each page compared and forgotten but for its ids, each list to
//! its end or with the reason why not.

use super::missing::{self, Stranger};
use super::{CHUNK, Compared, Scope, adopt};
use crate::engine::pay::storable;
use jiff::Timestamp;
use orders_gateway::provider::{ListedOutcome, ListedPurchase, Page, Provider, Window};
use orders_gateway::stripe::{self, ListedPayment, ListedRefund};
use orders_store::reconcile::{
    self as books, ListedIds, PaymentOfList, PurchaseOfList, RefundOfList, Unlisted,
};
use orders_store::{Error, Store};
use std::collections::HashSet;

/// The most entries of one list. Only their ids are kept, some thirty bytes each.
const ENTRIES_MAX: usize = 500_000;
/// The most entries of a page.
const PAGE: u8 = 100;

/// One list.
#[derive(Default)]
pub(super) struct Side {
    /// The ids of what it had.
    ids: Vec<String>,
    /// Why it was not read to its end, or cannot be trusted.
    fault: Option<String>,
}

impl Side {
    /// Keeps the first reason.
    pub(super) fn fail(&mut self, reason: impl Into<String>) {
        self.fault.get_or_insert_with(|| reason.into());
    }

    /// Whether a list that has more is read on.
    fn goes_on(&mut self, whose: &str, more: bool) -> bool {
        if more && self.ids.len() >= ENTRIES_MAX {
            self.fail(format!(
                "{whose} of that time are more than {ENTRIES_MAX}: only so many were compared, and \
                 `atomic-orders reconcile` with a later --since compares fewer of them to the end"
            ));
        }
        more && self.fault.is_none()
    }
}

/// What all partners list.
#[derive(Default)]
pub(super) struct Books {
    /// Stripe's payments.
    pub payments: Side,
    /// Stripe's refunds.
    pub refunds: Side,
    /// The provider's requests.
    pub purchases: Side,
}

impl Books {
    /// Gives away the ids in the lists that were read to their end.
    pub(super) fn take_ids(&mut self) -> ListedIds {
        let whole = |side: &mut Side| side.fault.is_none().then(|| std::mem::take(&mut side.ids));
        ListedIds {
            payments: whole(&mut self.payments),
            refunds: whole(&mut self.refunds),
            purchases: whole(&mut self.purchases),
        }
    }

    /// The lists that were read to their end, in the database's words.
    pub(super) fn whole_sides(&self) -> Vec<&'static str> {
        [
            ("payments", self.payments.fault.is_none()),
            ("refunds", self.refunds.fault.is_none()),
            ("purchases", self.purchases.fault.is_none()),
        ]
        .into_iter()
        .filter_map(|(side, whole)| whole.then_some(side))
        .collect()
    }

    /// Why lists were not read to their end; a reason that two have is said once.
    pub(super) fn faults(self) -> Vec<String> {
        let faults = [self.payments.fault, self.refunds.fault, self.purchases.fault];
        let mut faults: Vec<String> = faults.into_iter().flatten().collect();
        faults.dedup();
        faults
    }
}

/// Reads the lists and compares each page before the next one.
pub(super) struct Reader<'a> {
    /// Where what differs is written down.
    pub store: &'a Store,
    /// What is compared.
    pub scope: Scope<'a>,
    /// Who is told how far it is.
    pub watch: &'a (dyn Fn(Compared) + Sync),
    /// How much was compared.
    pub compared: Compared,
    /// What was read.
    pub books: Books,
    /// The orders to which a payment was tied.
    pub tied: HashSet<String>,
}

impl Reader<'_> {
    /// Reads Stripe's lists; gives what is told of an account that is not ours.
    pub(super) async fn of_stripe(
        &mut self,
        stripe: &stripe::Client,
    ) -> Result<Option<Unlisted>, Error> {
        let mut next = stripe.list_payments(&page(self.scope, None)).await;
        if let Ok(first) = &next {
            let checked = missing::at_stripe(self.store, self.scope, stripe, &first.items).await?;
            if let Some(Stranger { fault, told }) = checked {
                self.books.payments.fail(&*fault);
                self.books.refunds.fail(fault);
                return Ok(told);
            }
        }
        // Refunds first: a sum that differs by a refund that is told of is not told of again.
        self.refunds(stripe).await?;
        loop {
            let listed = match next {
                Ok(listed) => listed,
                Err(error) => {
                    let fault = format!("Stripe's list of payments could not be read: {error}");
                    self.books.payments.fail(fault);
                    return Ok(None);
                }
            };
            let items: Vec<_> = listed.items.into_iter().map(payment).collect();
            adopt(self.store, self.scope.worker, &items, &mut self.tied).await?;
            books::payments(self.store, self.scope.run_at, self.scope.live_mode, &items).await?;
            self.compared.payments += items.len();
            (self.watch)(self.compared);
            let side = &mut self.books.payments;
            side.ids.extend(items.into_iter().map(|one| one.payment_intent));
            if !side.goes_on("Stripe's payments", listed.more) {
                return Ok(None);
            }
            next = stripe.list_payments(&page(self.scope, side.ids.last())).await;
        }
    }

    async fn refunds(&mut self, stripe: &stripe::Client) -> Result<(), Error> {
        loop {
            let side = &mut self.books.refunds;
            let listed = match stripe.list_refunds(&page(self.scope, side.ids.last())).await {
                Ok(listed) => listed,
                Err(error) => {
                    side.fail(format!("Stripe's list of refunds could not be read: {error}"));
                    return Ok(());
                }
            };
            let items: Vec<_> = listed.items.into_iter().map(refund).collect();
            books::refunds(self.store, self.scope.run_at, &items).await?;
            self.compared.refunds += items.len();
            (self.watch)(self.compared);
            side.ids.extend(items.into_iter().map(|one| one.refund_id));
            if !side.goes_on("Stripe's refunds", listed.more) {
                return Ok(());
            }
        }
    }

    /// Reads the provider's list; gives what is told of an account that is not ours.
    pub(super) async fn of_provider(
        &mut self,
        provider: &Provider,
    ) -> Result<Option<Unlisted>, Error> {
        let window = Window { since: self.scope.since, until: self.scope.run_at };
        let limit = provider.facts().list_limit_max;
        let mut skip = 0_u32;
        loop {
            let page = match provider.list_purchases(window, Page { skip, limit }).await {
                Ok(page) => page,
                Err(doubt) => {
                    let fault = format!("the provider's list could not be read: {}", doubt.name());
                    self.books.purchases.fail(fault);
                    return Ok(None);
                }
            };
            let items: Vec<_> = page.purchases.into_iter().map(purchase).collect();
            if skip == 0 {
                let checked =
                    missing::at_provider(self.store, self.scope, provider, &items).await?;
                if let Some(Stranger { fault, told }) = checked {
                    self.books.purchases.fail(fault);
                    return Ok(told);
                }
            }
            for some in items.chunks(CHUNK) {
                books::purchases(self.store, self.scope.run_at, self.scope.since, some).await?;
            }
            self.compared.purchases += items.len();
            (self.watch)(self.compared);
            let side = &mut self.books.purchases;
            if items.len() < usize::try_from(page.entries).unwrap_or(usize::MAX) {
                side.fail("the provider's list has entries that name no request");
            }
            side.ids.extend(items.into_iter().map(|one| one.request_id));
            skip = skip.saturating_add(page.entries);
            if !side.goes_on("the provider's requests", page.more) {
                return Ok(None);
            }
        }
    }
}

/// What comes after an entry of one of Stripe's lists, which begin with the newest.
fn page(scope: Scope<'_>, after: Option<&String>) -> stripe::Page {
    stripe::Page {
        created_from: scope.since.as_second(),
        created_before: None,
        after: after.cloned(),
        limit: PAGE,
    }
}

fn payment(listed: ListedPayment) -> PaymentOfList {
    PaymentOfList {
        payment_intent: listed.id,
        status: listed.status,
        received_minor: listed.amount_received,
        capturable_minor: listed.amount_capturable,
        refunded_minor: listed.amount_refunded,
        currency: listed.currency,
        livemode: listed.livemode,
        named_order: storable(listed.metadata_order_id),
        disputed: listed.disputed,
        in_review: listed.review_open,
        created_s: listed.created,
        changed_s: listed.changed,
    }
}

fn refund(facts: ListedRefund) -> RefundOfList {
    RefundOfList {
        refund_id: facts.id,
        payment_intent: facts.payment_intent,
        amount_minor: facts.amount,
        currency: facts.currency,
        status: facts.status,
        named_move: storable(facts.metadata_refund_id),
        created_s: facts.created,
    }
}

fn purchase(listed: ListedPurchase) -> PurchaseOfList {
    let (order_id, attempt_id) = listed.notes.unzip();
    PurchaseOfList {
        request_id: listed.request_id,
        order_id,
        attempt_id,
        outcome: listed.outcome.map(ListedOutcome::name),
        placed_s: listed.placed_at.map(Timestamp::as_second),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_on_far_beyond_what_a_busy_shop_has_in_a_month_and_ends_with_an_advice() {
        let mut side = Side { ids: vec![String::new(); 60_000], fault: None };
        assert!(side.goes_on("Stripe's payments", true));
        side.ids.resize(ENTRIES_MAX, String::new());
        assert!(!side.goes_on("Stripe's payments", false), "exactly so many are whole");
        assert_eq!(side.fault, None);
        assert!(!side.goes_on("Stripe's payments", true));
        let fault = side.fault.unwrap_or_default();
        for words in ["Stripe's payments of that time", "500000", "--since"] {
            assert!(fault.contains(words), "{fault}");
        }
    }
}
