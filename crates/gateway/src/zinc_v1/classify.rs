//! What an answer of Zinc v1 means: the closed table of codes, and the rules around it.
//!
//! Promise:
//! - A code is matched as a whole. What the table does not hold is [`Class::NeedsReview`].
//! - Only a well-formed error object with a code can become a refusal, and only a well-formed
//!   acceptance an acceptance. Everything else is unknown; a server error is unknown whatever its
//!   body says. // G5
//! - An answer that names another order is never applied, neither its good word nor its bad one; of
//!   a reading that names nobody it is said so, because a request id may be another order's.

use super::model::{self, Body, Field, Kind, Tracking};
use crate::provider::{ListedOutcome, ListedPurchase};
use orders_core::outcome::{
    Answer, Class, Doubt, Listed, Listing, Placed, Reading, Refusal, Whose,
};
use serde_json::Value;
use std::time::Duration;
use uuid::Uuid;

/// The longest code that is kept; no known code comes near it.
const CODE_CHARS_MAX: usize = 100;

/// Every code of the contract's section 12. A new one is added here and in the test, by hand.
const CODES: &[(Class, &[&str])] = &[
    (
        Class::InProgress,
        &[
            "request_processing",
            // The provider's staff decide; keep polling.
            "manual_review_required",
            // About a cancellation, not final.
            "attempting_to_cancel",
            "return_in_progress",
        ],
    ),
    (Class::RetryNewKey, &["internal_error", "zma_temporarily_overloaded"]),
    (Class::HoldUntilFunded, &["insufficient_zma_balance"]),
    (Class::NeedsReview, &["order_probably_placed", "duplicate_order", "invalid_request_id"]),
    (Class::Cancelled, &["aborted_request"]),
    (
        Class::Rejected,
        &[
            // Price.
            "max_price_exceeded",
            // Item.
            "product_unavailable",
            "expired_product_id",
            "item_not_supported",
            "prime_pantry_not_supported",
            "unsupported_product_id",
            "add_on_item",
            "max_quantity_exceeded",
            "invalid_quantity",
            "insufficient_variants",
            "invalid_variant",
            // Address.
            "invalid_address",
            "shipping_address_refused",
            "shipping_address_unavailable",
            // Shipping.
            "invalid_shipping_method",
            "shipping_method_unavailable",
            "no_free_shipping",
            "no_two_day_shipping",
            "max_delivery_days_exceeded",
            "cannot_schedule_delivery",
            // Gift and promotion.
            "no_gift_shipping",
            "invalid_gift_options",
            "invalid_promo_code",
            // A fault of ours.
            "invalid_json",
            "invalid_request",
            "mismatching_retailer",
            "unknown_retailer",
        ],
    ),
    (
        Class::Configuration,
        &[
            "invalid_client_token",
            "unauthorized_access",
            // Our own account at the retailer; unexpected with the managed account.
            "account_locked",
            "account_locked_verification_required",
            "account_login_failed",
            "invalid_login_credentials",
            "incomplete_account_setup",
            "additional_information_required",
            // Paying the retailer; unexpected with the managed account.
            "billing_address_refused",
            "brand_not_accepted",
            "credit_card_declined",
            "invalid_card_number",
            "invalid_expiration_date",
            "invalid_security_code",
            "invalid_payment_method",
            "payment_info_problem",
        ],
    ),
];

/// The codes that call our request itself wrong: a fault of this program.
const OUR_FAULTS: [&str; 4] =
    ["invalid_json", "invalid_request", "mismatching_retailer", "unknown_retailer"];
/// The code that refuses the caller, before any key or request is looked at.
const WRONG_TOKEN: &str = "invalid_client_token";
/// The code of a read that found no request.
const NO_REQUEST: &str = "invalid_request_id";

/// The class of a code. // A10
pub fn class_of(code: &str) -> Class {
    let known = CODES.iter().find(|(_, codes)| codes.contains(&code));
    known.map_or(Class::NeedsReview, |(class, _)| *class)
}

/// Whether an error of this class has used the key up: on v1 the key keeps its stored error, so an
/// end without a purchase can never become a purchase under the same key. Where a purchase may
/// exist, or our own set-up was wrong, the key may still buy.
fn key_used_up(class: Class) -> bool {
    match class {
        Class::RetryNewKey | Class::HoldUntilFunded | Class::Rejected | Class::Cancelled => true,
        Class::InProgress | Class::RetrySameKey | Class::NeedsReview | Class::Configuration => {
            false
        }
    }
}

fn refusal(status: u16, code: &str, body: &Body) -> Refusal {
    let class = class_of(code);
    Refusal {
        class,
        code: cut(code),
        key_used_up: key_used_up(class),
        kept: !refuses_the_caller(status, Some(code)),
        wrong_fields: OUR_FAULTS.contains(&code).then(|| body.wrong_fields()),
    }
}

fn cut(code: &str) -> String {
    code.chars().take(CODE_CHARS_MAX).collect()
}

/// Whether an answer refuses whoever calls, and so says nothing of any key or request.
fn refuses_the_caller(status: u16, code: Option<&str>) -> bool {
    let of_the_account = code.is_none_or(|code| class_of(code) == Class::Configuration);
    code == Some(WRONG_TOKEN) || (matches!(status, 401 | 403) && of_the_account)
}

/// What a create call told us. `sent` is the body that was sent, to compare echoes with.
pub(super) fn answer(
    status: u16,
    retry_after: Option<Duration>,
    body: &[u8],
    sent: &[u8],
) -> Answer {
    let unknown = |doubt| Answer::Unknown { doubt, retry_after };
    let wrong_shape = match status {
        500..=599 => return unknown(Doubt::ServerError),
        429 => return unknown(Doubt::TooManyRequests),
        200..=299 => Doubt::Unreadable,
        400..=499 => Doubt::UnreadableClientError,
        _ => return unknown(Doubt::Unreadable),
    };
    let parsed = Body::parse(body);
    if parsed.as_ref().is_some_and(|body| body.is_for_another_call(sent)) {
        return unknown(Doubt::Unreadable);
    }
    let shape = parsed.as_ref().map(|body| (body.kind(), body.code(), body.request_id(), body));
    match shape {
        Some((Kind::Error, Field::Readable(code), id, body)) => {
            error_answer(refusal(status, code, body), id, unknown)
        }
        // No type, an id and no code: the one shape of an acceptance. With a status of failure it
        // contradicts itself, and the same key will tell.
        Some((Kind::Absent, Field::Absent, Field::Readable(id), _))
            if (200..300).contains(&status) =>
        {
            Answer::Accepted { request_id: id.to_owned() }
        }
        _ if matches!(status, 401 | 403) => Answer::Refused(Refusal {
            class: Class::Configuration,
            code: format!("http_{status}"),
            key_used_up: false,
            kept: false,
            wrong_fields: None,
        }),
        _ => unknown(wrong_shape),
    }
}

/// An error object with a code, and perhaps an id beside it.
///
/// With an id, only "still working" is coherent: the provider has the request. A final error beside
/// an id says both "I have it" and "no"; it is taken as unknown, because the same key answers again
/// and a person looks when it never makes sense. Without an id, "still working" names nothing that
/// could be polled, and is no refusal either.
fn error_answer(refusal: Refusal, id: Field<'_>, unknown: impl Fn(Doubt) -> Answer) -> Answer {
    match (refusal.class, id) {
        (Class::InProgress, Field::Readable(id)) => Answer::Accepted { request_id: id.to_owned() },
        (Class::InProgress | Class::RetrySameKey, _)
        | (_, Field::Readable(_) | Field::Unreadable) => unknown(Doubt::Unreadable),
        (_, Field::Absent) => Answer::Refused(refusal),
    }
}

/// What the reading of a request told us.
pub(super) fn reading(status: u16, body: &[u8], request_id: &str, attempt_id: Uuid) -> Reading {
    let nothing = |doubt| Reading::Nothing { doubt };
    let wrong_shape = match failed_call(status) {
        Err(doubt) => return nothing(doubt),
        Ok(wrong_shape) => wrong_shape,
    };
    let parsed = Body::parse(body);
    let code = parsed.as_ref().and_then(|body| match (body.kind(), body.code()) {
        (Kind::Error, Field::Readable(code)) => Some(code),
        _ => None,
    });
    if refuses_the_caller(status, code) {
        return Reading::Barred { code: code.map_or_else(|| format!("http_{status}"), cut) };
    }
    let Some(parsed) = &parsed else {
        return nothing(wrong_shape);
    };
    if parsed.is_for_another_request(request_id, attempt_id) {
        return Reading::OtherOrder;
    }
    let whose = if parsed.names(attempt_id) { Whose::Ours } else { Whose::Unsaid };
    told(status, parsed, whose).unwrap_or_else(|| nothing(wrong_shape))
}

/// What an answer, or an entry of the list, tells of the request that it is about.
fn told(status: u16, body: &Body, whose: Whose) -> Option<Reading> {
    Some(match (body.kind(), body.code()) {
        (Kind::Error, Field::Readable(code)) if class_of(code) == Class::InProgress => {
            Reading::InProgress { code: code.to_owned() }
        }
        (Kind::Error, Field::Readable(code @ NO_REQUEST)) => {
            Reading::NotFound { code: code.to_owned() }
        }
        (Kind::Error, Field::Readable(code)) => Reading::Failed(refusal(status, code, body), whose),
        (Kind::OrderResponse, _) if (200..300).contains(&status) => {
            Reading::Placed(placed(body), whose)
        }
        _ => return None,
    })
}

/// What a page of the list told us, and how many entries it had in all.
pub(super) fn listing(status: u16, body: &[u8]) -> (Listing, u32) {
    let nothing = |doubt| (Listing::Nothing { doubt }, 0);
    match failed_call(status) {
        Err(doubt) | Ok(doubt @ Doubt::UnreadableClientError) => return nothing(doubt),
        Ok(_) => {}
    }
    let Some(entries) = model::entries(body) else {
        return nothing(Doubt::Unreadable);
    };
    let found = entries.iter().filter_map(|entry| listed(status, entry)).collect();
    (Listing::Page(found), u32::try_from(entries.len()).unwrap_or(u32::MAX))
}

/// Every entry of a page of the list that names its request, and how many entries it had in all.
pub(super) fn purchases(status: u16, body: &[u8]) -> Result<(Vec<ListedPurchase>, u32), Doubt> {
    match failed_call(status) {
        Err(doubt) | Ok(doubt @ Doubt::UnreadableClientError) => return Err(doubt),
        Ok(_) => {}
    }
    let entries = model::entries(body).ok_or(Doubt::Unreadable)?;
    let found = entries.iter().filter_map(|entry| purchase(status, entry)).collect();
    Ok((found, u32::try_from(entries.len()).unwrap_or(u32::MAX)))
}

fn purchase(status: u16, entry: &Body) -> Option<ListedPurchase> {
    let Field::Readable(request_id) = entry.request_id() else { return None };
    let outcome = told(status, entry, Whose::Ours).and_then(|reading| match reading {
        Reading::Placed(..) => Some(ListedOutcome::Bought),
        Reading::InProgress { .. } => Some(ListedOutcome::Working),
        Reading::Failed(refusal, _) if refusal.key_used_up => Some(ListedOutcome::Failed),
        _ => None,
    });
    Some(ListedPurchase {
        request_id: request_id.to_owned(),
        notes: entry.notes(),
        outcome,
        placed_at: entry.placed_at(),
    })
}

/// The doubt of a call whose status alone decides, or else the doubt to use when its body is of no
/// known shape.
fn failed_call(status: u16) -> Result<Doubt, Doubt> {
    match status {
        200..=299 => Ok(Doubt::Unreadable),
        429 => Err(Doubt::TooManyRequests),
        400..=499 => Ok(Doubt::UnreadableClientError),
        500..=599 => Err(Doubt::ServerError),
        _ => Err(Doubt::Unreadable),
    }
}

fn listed(status: u16, entry: &Body) -> Option<Listed> {
    let (order_id, attempt_id) = entry.notes()?;
    let Field::Readable(request_id) = entry.request_id() else { return None };
    let reading = told(status, entry, Whose::Ours);
    Some(Listed { order_id, attempt_id, request_id: request_id.to_owned(), reading })
}

/// The facts of a purchase. The type alone says that it happened: a detail that cannot be read is
/// left out and never turns a purchase into none.
fn placed(body: &Body) -> Placed {
    let price = body.price_components.as_ref();
    let total = price.and_then(|price| price.get("total")).and_then(Value::as_i64);
    let currency = price.and_then(|price| price.get("currency")).and_then(Value::as_str);
    Placed {
        cost_minor: total.filter(|total| *total >= 0),
        currency: currency
            .filter(|code| code.len() == 3 && code.bytes().all(|b| b.is_ascii_alphabetic()))
            .map(str::to_ascii_uppercase),
        merchant_order_ids: body.merchant_order_ids(),
        delivered: is_delivered(body),
    }
}

/// Whether everything has arrived: tracking is filled in later, so a retailer's order without a
/// parcel has not been sent yet. A parcel that names no order is that of the only one.
fn is_delivered(body: &Body) -> bool {
    let (orders, parcels) = (body.merchant_orders(), body.tracking());
    let has_a_parcel = |order: &Field<'_>| {
        parcels.iter().any(|parcel| match parcel.merchant_order() {
            Field::Absent => orders.len() == 1,
            named => matches!(named, Field::Readable(_)) && named == *order,
        })
    };
    !orders.is_empty()
        && orders.iter().all(has_a_parcel)
        && parcels.iter().all(Tracking::is_delivered)
}

#[cfg(test)]
mod tests;
