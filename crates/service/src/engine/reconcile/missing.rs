//! What the shop counts as done and the lists do not have: first whether it is another account that
//! was asked, then each by its id.

use super::lists::Books;
use super::{Partners, Scope};
use jiff::SignedDuration;
use orders_core::outcome::Reading;
use orders_gateway::stripe::PaymentError;
use orders_store::reconcile::{self, Unlisted};
use orders_store::{Error, Store};
use serde_json::json;
use uuid::Uuid;

/// The most that are asked for by their ids.
const ASKED_MAX: usize = 100;
/// What is younger is not judged.
const CALM: SignedDuration = SignedDuration::from_mins(15);
/// So many of ours missing, and none there, is another account.
const OTHER_ACCOUNT_MIN: usize = 2;

const PAYMENT: &str = "payment_missing";
const REFUND: &str = "refund_missing";
const PURCHASE: &str = "purchase_missing";

/// What is not in the lists. A partner that knows nothing of this shop, or only payments of the other
/// mode, is another account: its list is thrown away, and that is the difference.
pub(super) async fn suspects(
    store: &Store,
    scope: Scope<'_>,
    books: &mut Books,
) -> Result<Vec<Unlisted>, Error> {
    let mut found = Vec::new();
    let (payments, purchases) = known(store, books).await?;
    let limit = i64::try_from(ASKED_MAX + 1).unwrap_or(i64::MAX);
    let suspects =
        reconcile::unlisted(store, scope.run_at, scope.since, &books.ids(), limit).await?;
    let missing = |kind: &str| suspects.iter().filter(|one| one.kind == kind).count();
    let listed = &books.payments.items;
    let other_mode = !listed.is_empty() && listed.iter().all(|one| one.livemode != scope.live_mode);
    if other_mode || payments == 0 && missing(PAYMENT) >= OTHER_ACCOUNT_MIN {
        let reason = if other_mode { "mode" } else { "nothing_of_ours" };
        found.push(other_account("stripe", reason, scope));
        let fault = if other_mode {
            "Stripe lists payments of the other mode only: compare STRIPE_KEY and STRIPE_LIVE"
        } else {
            "Stripe knows no payment of this shop: is STRIPE_KEY that of another account?"
        };
        (books.payments.items, books.refunds.items) = (Vec::new(), Vec::new());
        books.payments.fail(fault);
        books.refunds.fail(fault);
    }
    if purchases == 0 && missing(PURCHASE) >= OTHER_ACCOUNT_MIN {
        found.push(other_account("provider", "nothing_of_ours", scope));
        books.purchases.items = Vec::new();
        books.purchases.fail(
            "the provider knows no purchase of this shop: is ZINC_TOKEN that of another account?",
        );
    }
    let whole = books.whole_sides();
    found.extend(suspects.into_iter().filter(|one| whole.contains(&side_of(&one.kind))));
    Ok(found)
}

async fn known(store: &Store, books: &Books) -> Result<(i64, i64), Error> {
    let payments: Vec<_> =
        books.payments.items.iter().map(|one| one.payment_intent.as_str()).collect();
    let requests: Vec<_> =
        books.purchases.items.iter().map(|one| one.request_id.as_str()).collect();
    reconcile::known(store, &payments, &requests).await
}

fn other_account(partner: &str, reason: &str, scope: Scope<'_>) -> Unlisted {
    Unlisted {
        kind: "account_differs".into(),
        subject: partner.into(),
        order_id: None,
        attempt_id: None,
        about_at: scope.run_at,
        ripe: true,
        data: json!({ "reason": reason }),
    }
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
    of_stripe(stripe.payment(id).await.map(|facts| facts.created), scope)
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
