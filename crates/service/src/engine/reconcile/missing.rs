//! What the partners do not have: before a list is compared, whether it is that of another account; after
//! it, what the shop counts as done and it does not have, each asked for by its id.

use super::lists::Books;
use super::{Partners, Scope};
use jiff::SignedDuration;
use orders_core::outcome::Reading;
use orders_gateway::provider::Provider;
use orders_gateway::stripe::{self, ListedPayment, PaymentError};
use orders_store::reconcile::{self, ListedIds, PurchaseOfList, Unlisted};
use orders_store::{Error, Store};
use serde_json::json;
use uuid::Uuid;

/// The most that are asked for by their ids.
const ASKED_MAX: usize = 100;
/// What is younger is not judged.
const CALM: SignedDuration = SignedDuration::from_mins(15);
/// So many of ours missing, and none there, is another account.
const OTHER_ACCOUNT_MIN: usize = 2;
/// The most that are asked for by their ids to learn whose account it is, the newest first.
const PROBED_MAX: i64 = 5;

const OTHER_MODE: &str =
    "Stripe lists payments of the other mode only: compare STRIPE_KEY and STRIPE_LIVE";
const OTHER_STRIPE: &str =
    "Stripe knows no payment of this shop: is STRIPE_KEY that of another account?";
const OTHER_PROVIDER: &str =
    "the provider knows no purchase of this shop: is ZINC_TOKEN that of another account?";

const PAYMENT: &str = "payment_missing";
const REFUND: &str = "refund_missing";
const PURCHASE: &str = "purchase_missing";

/// Whose account it is cannot be trusted.
pub(super) struct Stranger {
    /// Why nothing of it is compared.
    pub fault: String,
    /// What is told, if it is certain.
    pub told: Option<Unlisted>,
}

impl Stranger {
    fn is(partner: &str, reason: &str, fault: &str, scope: Scope<'_>) -> Self {
        let told = Unlisted {
            kind: "account_differs".into(),
            subject: partner.into(),
            order_id: None,
            attempt_id: None,
            about_at: scope.run_at,
            ripe: true,
            data: json!({ "reason": reason }),
        };
        Self { fault: fault.into(), told: Some(told) }
    }
}

/// Whether Stripe's list is that of another account, before anything of it is told: it has the other
/// mode only, or its newest page has nothing of ours and Stripe knows nothing of ours by its id.
pub(super) async fn at_stripe(
    store: &Store,
    scope: Scope<'_>,
    stripe: &stripe::Client,
    newest: &[ListedPayment],
) -> Result<Option<Stranger>, Error> {
    if !newest.is_empty() && newest.iter().all(|one| one.livemode != scope.live_mode) {
        return Ok(Some(Stranger::is("stripe", "mode", OTHER_MODE, scope)));
    }
    let ids: Vec<_> = newest.iter().map(|one| one.id.as_str()).collect();
    if reconcile::known(store, &ids, &[]).await?.0 > 0 {
        return Ok(None);
    }
    let nothing = ListedIds { payments: Some(Vec::new()), ..ListedIds::default() };
    let ours = reconcile::unlisted(store, scope.run_at, scope.since, &nothing, PROBED_MAX).await?;
    for one in &ours {
        match stripe.payment(&one.subject).await {
            Err(PaymentError::NotFound) => {}
            Ok(_) => return Ok(None),
            Err(error) => {
                let fault = format!("Stripe did not say whether it knows this shop: {error}");
                return Ok(Some(Stranger { fault, told: None }));
            }
        }
    }
    let stranger = ours.len() >= OTHER_ACCOUNT_MIN;
    Ok(stranger.then(|| Stranger::is("stripe", "nothing_of_ours", OTHER_STRIPE, scope)))
}

/// The same of the provider.
pub(super) async fn at_provider(
    store: &Store,
    scope: Scope<'_>,
    provider: &Provider,
    first: &[PurchaseOfList],
) -> Result<Option<Stranger>, Error> {
    let ids: Vec<_> = first.iter().map(|one| one.request_id.as_str()).collect();
    if reconcile::known(store, &[], &ids).await?.1 > 0 {
        return Ok(None);
    }
    let nothing = ListedIds { purchases: Some(Vec::new()), ..ListedIds::default() };
    let ours = reconcile::unlisted(store, scope.run_at, scope.since, &nothing, PROBED_MAX).await?;
    for one in &ours {
        match provider.read(&one.subject, one.attempt_id.unwrap_or(Uuid::nil())).await {
            Reading::NotFound { .. } => {}
            Reading::Barred { .. } | Reading::Nothing { .. } => {
                let fault = "the provider did not say whether it knows this shop".into();
                return Ok(Some(Stranger { fault, told: None }));
            }
            _ => return Ok(None),
        }
    }
    let stranger = ours.len() >= OTHER_ACCOUNT_MIN;
    Ok(stranger.then(|| Stranger::is("provider", "nothing_of_ours", OTHER_PROVIDER, scope)))
}

/// What is not in the lists that were read to their end.
pub(super) async fn suspects(
    store: &Store,
    scope: Scope<'_>,
    books: &mut Books,
) -> Result<Vec<Unlisted>, Error> {
    let limit = i64::try_from(ASKED_MAX + 1).unwrap_or(i64::MAX);
    reconcile::unlisted(store, scope.run_at, scope.since, &books.take_ids(), limit).await
}

fn side_of(kind: &str) -> &'static str {
    match kind {
        PAYMENT => "payments",
        REFUND => "refunds",
        _ => "purchases",
    }
}

/// What asking for something by its id told.
enum Asked {
    /// The partner does not know it.
    Missing,
    /// It knows it, and it is older than what was listed, or so young that the list may have been before
    /// it.
    Outside,
    /// It knows it, and its list should have had it.
    LeftOut,
    /// It told nothing.
    Silent(String),
}

/// Keeps what is missing for certain.
pub(super) async fn confirm(
    partners: Partners<'_>,
    scope: Scope<'_>,
    books: &mut Books,
    missing: &mut Vec<Unlisted>,
) {
    let mut kept = Vec::new();
    for (number, one) in std::mem::take(missing).into_iter().enumerate() {
        let asked = match &*one.kind {
            PAYMENT | REFUND | PURCHASE if number >= ASKED_MAX => Asked::Silent(
                "more than 100 things are not in the lists; not all were asked for".into(),
            ),
            PAYMENT => payment(partners, scope, &one.subject).await,
            REFUND => refund(partners, scope, &one.subject).await,
            PURCHASE => purchase(partners, &one).await,
            _ => Asked::Missing,
        };
        let fault = match asked {
            Asked::Missing => {
                kept.push(one);
                continue;
            }
            Asked::Outside => continue,
            Asked::LeftOut => format!("a list left out {}, which its partner knows", one.subject),
            Asked::Silent(fault) => fault,
        };
        match side_of(&one.kind) {
            "payments" => books.payments.fail(fault),
            "refunds" => books.refunds.fail(fault),
            _ => books.purchases.fail(fault),
        }
    }
    *missing = kept;
}

async fn payment(partners: Partners<'_>, scope: Scope<'_>, id: &str) -> Asked {
    let Some(stripe) = partners.stripe else { return Asked::Outside };
    of_stripe(stripe.payment_itself(id).await.map(|facts| facts.created), scope)
}

async fn refund(partners: Partners<'_>, scope: Scope<'_>, id: &str) -> Asked {
    let Some(stripe) = partners.stripe else { return Asked::Outside };
    of_stripe(stripe.refund(id).await.map(|facts| facts.created), scope)
}

fn of_stripe(created: Result<i64, PaymentError>, scope: Scope<'_>) -> Asked {
    match created {
        Ok(created) if created < scope.since.as_second() => Asked::Outside,
        Ok(created) if created > (scope.run_at - CALM).as_second() => Asked::Outside,
        Ok(_) => Asked::LeftOut,
        Err(PaymentError::NotFound) => Asked::Missing,
        Err(error) => {
            Asked::Silent(format!("Stripe did not say what became of a payment: {error}"))
        }
    }
}

async fn purchase(partners: Partners<'_>, one: &Unlisted) -> Asked {
    let Some(provider) = partners.provider else { return Asked::Outside };
    let attempt_id = one.attempt_id.unwrap_or(Uuid::nil());
    match provider.read(&one.subject, attempt_id).await {
        Reading::NotFound { .. } => Asked::Missing,
        Reading::Placed(..) | Reading::Failed(..) | Reading::InProgress { .. } => Asked::LeftOut,
        Reading::OtherOrder | Reading::Barred { .. } | Reading::Nothing { .. } => {
            Asked::Silent("the provider did not say what became of a purchase".into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_partner_made_before_or_after_what_was_listed_is_neither_missing_nor_left_out() {
        let run_at: jiff::Timestamp = "2026-11-01T12:00:00Z".parse().unwrap();
        let since = run_at - SignedDuration::from_hours(24);
        let scope = Scope { run_at, since, live_mode: false, worker: "t" };
        let at = |text: &str| Ok(text.parse::<jiff::Timestamp>().unwrap().as_second());
        for outside in ["2026-10-31T11:59:59Z", "2026-11-01T11:45:01Z", "2026-11-01T12:05:00Z"] {
            assert!(matches!(of_stripe(at(outside), scope), Asked::Outside), "{outside}");
        }
        for listed in ["2026-10-31T12:00:00Z", "2026-11-01T11:45:00Z"] {
            assert!(matches!(of_stripe(at(listed), scope), Asked::LeftOut), "{listed}");
        }
        assert!(matches!(of_stripe(Err(PaymentError::NotFound), scope), Asked::Missing));
    }
}
