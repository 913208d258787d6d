//! The doors under `/_sandbox`, for those who run the test; `serve` lists them.

use crate::reply::Reply;
use crate::stripe::{DisputeStatus, Fact, RefundStatus, Stripe, StripeFault, StripeFaults};
use crate::world::World;
use crate::zinc::{Faults, Injected, Zinc};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct Switch {
    on: bool,
}

#[derive(Deserialize)]
struct Change {
    id: String,
    fact: Fact,
}

#[derive(Deserialize)]
struct Payment {
    order_id: String,
    amount: i64,
    currency: String,
}

#[derive(Deserialize)]
struct NewRefund {
    intent: String,
    amount: Option<i64>,
}

#[derive(Deserialize)]
struct NewDispute {
    intent: String,
    status: DisputeStatus,
}

#[derive(Deserialize)]
struct Moved<S> {
    id: String,
    status: S,
}

#[derive(Deserialize)]
struct Closed {
    id: String,
    reason: String,
}

#[derive(Deserialize)]
struct InjectedStripe {
    fault: StripeFault,
    #[serde(default)]
    path_has: String,
}

#[derive(Deserialize)]
struct Limits {
    reads: Option<u32>,
    writes: Option<u32>,
}

#[derive(Deserialize)]
struct Webhook {
    url: Option<String>,
    #[serde(default)]
    secrets: Vec<String>,
}

/// Answer a call of the test's own.
pub(crate) async fn answer(
    world: &World,
    method: &str,
    path: &str,
    query: &str,
    body: &[u8],
) -> Reply {
    let after = form_urlencoded::parse(query.as_bytes())
        .find(|(name, _)| name == "after")
        .and_then(|(_, value)| value.parse().ok())
        .unwrap_or(0);
    let (zinc, stripe) = (&world.zinc, &world.stripe);
    let found = match (method, path.strip_prefix("/_sandbox/").unwrap_or_default()) {
        ("GET", "zinc/ledger") => Some(Reply::lines(zinc.ledger_text(after))),
        ("GET", "zinc/summary") => Some(json(&zinc.summary())),
        ("GET", "zinc/faults") => Some(json(&zinc.faults())),
        ("GET", "stripe/ledger") => Some(Reply::lines(stripe.ledger_text(after))),
        ("GET", "stripe/summary") => Some(json(&stripe.summary())),
        ("GET", "stripe/faults") => Some(json(&stripe.faults())),
        ("GET", "stripe/owed") => Some(json(&stripe.owed())),
        ("POST", "stripe/deliver") => Some(deliver(stripe, body).await),
        ("POST", door) => act_on_zinc(zinc, door, body)
            .or_else(|| pay(stripe, door, body))
            .or_else(|| disturb(stripe, door, body))
            .or_else(|| set_up(stripe, door, body)),
        _ => None,
    };
    found.unwrap_or_else(|| Reply::json(404, "{\"error\":\"no such page\"}"))
}

fn act_on_zinc(zinc: &Zinc, door: &str, body: &[u8]) -> Option<Reply> {
    Some(match door {
        "zinc/faults" => with(body, |faults: Faults| {
            zinc.set_faults(faults).map(|()| true).map_err(|error| error.to_string())
        }),
        "zinc/outage" => with(body, |outage: Switch| {
            zinc.set_outage(outage.on);
            Ok(outage.on)
        }),
        "zinc/inject" => with(body, |next: Injected| {
            zinc.inject(next);
            Ok(true)
        }),
        "zinc/never_bought" => with(body, |orders: Vec<String>| {
            Ok(zinc.never_bought(orders.iter().map(String::as_str)))
        }),
        _ => return None,
    })
}

/// Payments, and what their customers do.
fn pay(stripe: &Stripe, door: &str, body: &[u8]) -> Option<Reply> {
    let make = |act: fn(&Stripe, &str, i64, &str) -> String| {
        with(body, |it: Payment| Ok(act(stripe, &it.order_id, it.amount, &it.currency)))
    };
    Some(match door {
        "stripe/pay" => make(Stripe::pay),
        "stripe/authorise" => make(Stripe::authorise),
        "stripe/open_intent" => make(Stripe::open_intent),
        "stripe/approve" => with(body, |id: String| Ok(stripe.approve(&id))),
        "stripe/decline" => with(body, |id: String| Ok(stripe.decline(&id))),
        "stripe/check_out" => with(body, |id: String| Ok(stripe.check_out(&id))),
        _ => return None,
    })
}

/// What happens behind the shop's back.
fn disturb(stripe: &Stripe, door: &str, body: &[u8]) -> Option<Reply> {
    Some(match door {
        "stripe/change" => with(body, |change: Change| Ok(stripe.change(&change.id, change.fact))),
        "stripe/refund" => with(body, |new: NewRefund| stripe.refund(&new.intent, new.amount)),
        "stripe/next_refund" => with(body, |status: RefundStatus| {
            stripe.next_refund(status);
            Ok(true)
        }),
        "stripe/move_refund" => {
            with(body, |moved: Moved<RefundStatus>| Ok(stripe.move_refund(&moved.id, moved.status)))
        }
        "stripe/dispute" => {
            with(body, |new: NewDispute| Ok(stripe.dispute(&new.intent, new.status)))
        }
        "stripe/move_dispute" => with(body, |moved: Moved<DisputeStatus>| {
            Ok(stripe.move_dispute(&moved.id, moved.status))
        }),
        "stripe/review" => with(body, |id: String| Ok(stripe.review(&id))),
        "stripe/close_review" => {
            with(body, |closed: Closed| Ok(stripe.close_review(&closed.id, &closed.reason)))
        }
        "stripe/warning" => with(body, |id: String| Ok(stripe.warn(&id))),
        _ => return None,
    })
}

/// How calls and deliveries go.
fn set_up(stripe: &Stripe, door: &str, body: &[u8]) -> Option<Reply> {
    Some(match door {
        "stripe/faults" => with(body, |faults: StripeFaults| {
            stripe.set_faults(faults).map(|()| true).map_err(|error| error.to_string())
        }),
        "stripe/inject" => with(body, |next: InjectedStripe| {
            stripe.inject_at(&next.path_has, next.fault);
            Ok(true)
        }),
        "stripe/limits" => with(body, |limits: Limits| {
            stripe.set_limits(limits.reads, limits.writes);
            Ok(true)
        }),
        "stripe/webhook" => with(body, |webhook: Webhook| {
            let done = stripe.set_webhook(webhook.url.as_deref(), webhook.secrets);
            done.map(|()| true).map_err(|error| error.to_string())
        }),
        "stripe/hold" => with(body, |hold: Switch| {
            stripe.hold_deliveries(hold.on);
            Ok(hold.on)
        }),
        _ => return None,
    })
}

async fn deliver(stripe: &Stripe, body: &[u8]) -> Reply {
    match serde_json::from_slice::<Vec<usize>>(body) {
        Ok(order) => json(&stripe.deliver(&order).await),
        Err(error) => wrong(&error.to_string()),
    }
}

fn json(value: &impl Serialize) -> Reply {
    serde_json::to_vec(value).map_or_else(|_| Reply::page(500), |body| Reply::json(200, body))
}

fn wrong(error: &str) -> Reply {
    Reply::json(400, serde_json::json!({ "error": error }).to_string())
}

fn with<T: DeserializeOwned, A: Serialize>(
    body: &[u8],
    act: impl FnOnce(T) -> Result<A, String>,
) -> Reply {
    let done = serde_json::from_slice(body).map_err(|error| error.to_string()).and_then(act);
    match done {
        Ok(answer) => json(&answer),
        Err(error) => wrong(&error),
    }
}
