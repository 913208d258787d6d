//! What the partners list, each list to its end or with the reason why not.

use super::{Compared, Partners, Scope};
use jiff::Timestamp;
use orders_gateway::provider::{ListedOutcome, ListedPurchase, Page, Provider, Window};
use orders_gateway::stripe::{self, Listed, ListedPayment, PaymentError, RefundFacts};
use orders_store::reconcile::{ListedIds, PaymentOfList, PurchaseOfList, RefundOfList};

/// The most entries of one list. A shop with more of them says since when with `--since`.
const ENTRIES_MAX: usize = 50_000;
/// The most entries of a page.
const PAGE: u8 = 100;

/// One list.
pub(super) struct Side<T> {
    /// What it had.
    pub items: Vec<T>,
    /// Why it was not read to its end, or cannot be trusted.
    pub fault: Option<String>,
}

impl<T> Side<T> {
    fn new() -> Self {
        Self { items: Vec::new(), fault: None }
    }

    fn failed(reason: &str) -> Self {
        Self { items: Vec::new(), fault: Some(reason.to_owned()) }
    }

    /// Keeps the first reason.
    pub(super) fn fail(&mut self, reason: impl Into<String>) {
        self.fault.get_or_insert_with(|| reason.into());
    }

    /// The ids of a list that was read to its end.
    fn ids(&self, id_of: impl Fn(&T) -> &str) -> Option<Vec<String>> {
        self.fault.is_none().then(|| self.items.iter().map(|one| id_of(one).to_owned()).collect())
    }
}

/// What all partners list.
pub(super) struct Books {
    /// Stripe's payments.
    pub payments: Side<PaymentOfList>,
    /// Stripe's refunds.
    pub refunds: Side<RefundOfList>,
    /// The provider's requests.
    pub purchases: Side<PurchaseOfList>,
}

impl Books {
    /// Reads every list.
    pub(super) async fn read(
        partners: Partners<'_>,
        scope: Scope<'_>,
        compared: &mut Compared,
        watch: &(dyn Fn(Compared) + Sync),
    ) -> Self {
        let (payments, refunds) = match partners.stripe {
            None => (Side::failed("Stripe was not asked: no STRIPE_KEY"), Side::new()),
            Some(stripe) => {
                let payments = payments(stripe, scope, |count| {
                    compared.payments = count;
                    watch(*compared);
                });
                let payments = payments.await;
                let refunds = refunds(stripe, scope, |count| {
                    compared.refunds = count;
                    watch(*compared);
                });
                (payments, refunds.await)
            }
        };
        let refunds = if partners.stripe.is_none() { silent(refunds) } else { refunds };
        let purchases = match partners.provider {
            None => Side::failed("the provider was not asked: no ZINC_TOKEN"),
            Some(provider) => {
                let purchases = purchases(provider, scope, |count| {
                    compared.purchases = count;
                    watch(*compared);
                });
                purchases.await
            }
        };
        Self { payments, refunds, purchases }
    }

    /// The ids in the lists that were read to their end.
    pub(super) fn ids(&self) -> ListedIds {
        ListedIds {
            payments: self.payments.ids(|one| &one.payment_intent),
            refunds: self.refunds.ids(|one| &one.refund_id),
            purchases: self.purchases.ids(|one| &one.request_id),
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

async fn payments(
    stripe: &stripe::Client,
    scope: Scope<'_>,
    mut told: impl FnMut(usize),
) -> Side<PaymentOfList> {
    let mut side = Side::new();
    loop {
        let page = page(scope, side.items.last().map(|one: &PaymentOfList| &*one.payment_intent));
        let more = side.take("payments", stripe.list_payments(&page).await, payment);
        told(side.items.len());
        if !more {
            return side;
        }
    }
}

async fn refunds(
    stripe: &stripe::Client,
    scope: Scope<'_>,
    mut told: impl FnMut(usize),
) -> Side<RefundOfList> {
    let mut side = Side::new();
    loop {
        let page = page(scope, side.items.last().map(|one: &RefundOfList| &*one.refund_id));
        let more = side.take("refunds", stripe.list_refunds(&page).await, refund);
        told(side.items.len());
        if !more {
            return side;
        }
    }
}

/// What comes after an entry of one of Stripe's lists, which begin with the newest.
fn page(scope: Scope<'_>, after: Option<&str>) -> stripe::Page {
    stripe::Page {
        created_from: scope.since.as_second(),
        created_before: None,
        after: after.map(str::to_owned),
        limit: PAGE,
    }
}

impl<T> Side<T> {
    /// Takes a page of one of Stripe's lists; says whether to read on.
    fn take<U>(
        &mut self,
        what: &str,
        read: Result<Listed<U>, PaymentError>,
        convert: fn(U) -> T,
    ) -> bool {
        let more = match read {
            Ok(listed) => {
                self.items.extend(listed.items.into_iter().map(convert));
                listed.more
            }
            Err(error) => {
                self.fail(format!("Stripe's list of {what} could not be read: {error}"));
                false
            }
        };
        if more && self.items.len() >= ENTRIES_MAX {
            self.fail(format!(
                "Stripe has more than {ENTRIES_MAX} {what} of that time; the newest were compared"
            ));
        }
        more && self.fault.is_none()
    }
}

/// Reads the provider's list.
async fn purchases(
    provider: &Provider,
    scope: Scope<'_>,
    mut told: impl FnMut(usize),
) -> Side<PurchaseOfList> {
    let window = Window { since: scope.since, until: scope.run_at };
    let limit = provider.facts().list_limit_max;
    let (mut side, mut skip) = (Side::new(), 0_u32);
    loop {
        let page = match provider.list_purchases(window, Page { skip, limit }).await {
            Ok(page) => page,
            Err(doubt) => {
                side.fail(format!("the provider's list could not be read: {}", doubt.name()));
                return side;
            }
        };
        if page.purchases.len() < usize::try_from(page.entries).unwrap_or(usize::MAX) {
            side.fail("the provider's list has entries that name no request");
        }
        side.items.extend(page.purchases.into_iter().map(purchase));
        told(side.items.len());
        skip = skip.saturating_add(page.entries);
        if !page.more {
            return side;
        }
        if side.items.len() >= ENTRIES_MAX {
            side.fail(format!(
                "the provider lists more than {ENTRIES_MAX} requests of that time; not all were \
                 compared"
            ));
            return side;
        }
    }
}

/// A list whose reason stands at another one.
fn silent<T>(mut side: Side<T>) -> Side<T> {
    side.fail("Stripe was not asked: no STRIPE_KEY");
    side
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

fn refund(facts: RefundFacts) -> RefundOfList {
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

/// A note that the database can store: one with a zero character would take its page along.
fn storable(note: Option<String>) -> Option<String> {
    note.filter(|note| !note.contains('\0'))
}
