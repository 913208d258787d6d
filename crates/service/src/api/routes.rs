//! The table of routes. Router and OpenAPI document are made of it, so neither can know a route that
//! the other does not.

use super::auth::OPEN_PATHS;
use super::fault::Surface;
use super::shape::{Field, ORDER};
use super::{Shared, functions, health, hooks, openapi, ready, rest, v1};
use axum::routing::{MethodRouter, delete, get, patch, post, put};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What a route takes as its body.
#[derive(Clone, Copy)]
pub(crate) enum Takes {
    Nothing,
    Fields(&'static [Field]),
    /// A signed message of Stripe.
    Message,
    /// Named arguments of whatever function is called.
    Arguments,
    /// The body does not matter: the route refuses.
    Anything,
}

/// One verb of one path.
pub(crate) struct Route {
    pub(crate) verb: &'static str,
    pub(crate) path: &'static str,
    /// The operation's name in clients that are generated.
    pub(crate) id: &'static str,
    pub(crate) summary: &'static str,
    pub(crate) takes: Takes,
    pub(crate) good: &'static [Good],
    /// The statuses of refusals that a caller must expect, beside those that its kind has anyway.
    pub(crate) bad: &'static [u16],
    pub(crate) handler: fn() -> MethodRouter<Arc<Shared>>,
}

/// A good answer: its status, what it means, and the name of its body's schema.
pub(crate) struct Good(pub(crate) u16, pub(crate) &'static str, pub(crate) &'static str);

impl Route {
    const fn new(
        verb: &'static str,
        path: &'static str,
        id: &'static str,
        handler: fn() -> MethodRouter<Arc<Shared>>,
    ) -> Self {
        Self { verb, path, id, summary: "", takes: Takes::Nothing, good: &[], bad: &[], handler }
    }

    const fn says(self, summary: &'static str) -> Self {
        Self { summary, ..self }
    }

    const fn takes(self, takes: Takes) -> Self {
        Self { takes, ..self }
    }

    const fn answers(self, good: &'static [Good], bad: &'static [u16]) -> Self {
        Self { good, bad, ..self }
    }

    /// Whether anybody may call it.
    pub(crate) fn is_open(&self) -> bool {
        OPEN_PATHS.contains(&self.path)
    }

    /// Every status that refuses or fails here.
    pub(crate) fn refusals(&self) -> BTreeSet<u16> {
        let surface = Surface::of(self.path);
        let mut all: BTreeSet<u16> = self.bad.iter().copied().chain([500]).collect();
        if !self.is_open() {
            all.extend([401, 403, 503, 504]);
        }
        if surface == Surface::Rest {
            // Another schema than the shop's.
            all.insert(406);
        }
        if matches!(self.takes, Takes::Fields(_) | Takes::Arguments) {
            all.extend([400, 408, 413]);
        }
        if matches!(self.takes, Takes::Fields(_)) && surface == Surface::Problem {
            all.insert(422);
        }
        all
    }
}

/// Every route of the server.
pub(crate) fn all() -> Vec<Route> {
    let mut routes = Vec::from(open());
    routes.extend(supabase());
    routes.extend(orders());
    routes.extend(decisions());
    routes.extend(money());
    routes
}

fn open() -> [Route; 4] {
    [
        Route::new("get", "/health", "health", || get(health::get))
            .says("Whether this process serves.")
            .answers(&[Good(200, "It serves.", "Health")], &[]),
        Route::new("get", "/ready", "ready", || get(ready::get))
            .says("Whether the database can be reached and is as it must be.")
            .answers(&[Good(200, "It is.", "Ready")], &[503]),
        Route::new("get", "/openapi.json", "openapi", || get(openapi::get))
            .says("This document.")
            .answers(&[Good(200, "An OpenAPI document.", "Document")], &[]),
        Route::new("post", "/webhooks/stripe", "receive_stripe_event", || {
            post(hooks::stripe::post)
        })
        .says("Take a message of Stripe: success means that it is stored.")
        .takes(Takes::Message)
        .answers(
            &[Good(200, "It is stored, now or before.", "Received")],
            &[400, 404, 408, 413, 503, 504],
        ),
    ]
}

const REFUSED: &str = "Refused: the status of an order is changed by functions only.";

fn supabase() -> [Route; 8] {
    const TABLE: &str = "/rest/v1/orders";
    const RPC: &str = "/rest/v1/rpc/{function}";
    const VALUE: &str = "The function's value.";
    let refuse = |verb, id, handler| {
        Route::new(verb, TABLE, id, handler).says(REFUSED).takes(Takes::Anything)
    };
    [
        Route::new("post", "/functions/v1/process-zma-order", "process_zma_order", || {
            post(functions::process_zma_order::post)
        })
        .says("Drive one order now.")
        .takes(Takes::Fields(functions::process_zma_order::FIELDS))
        .answers(
            &[
                Good(200, "The provider has it, or another worker is submitting it.", "Driven"),
                Good(202, "Unknown, or waiting: tried again at retry_at.", "Driven"),
            ],
            &[404, 409],
        ),
        Route::new("post", RPC, "call_function", || post(rest::rpc::post))
            .says("Call a function with named arguments, as PostgREST does.")
            .takes(Takes::Arguments)
            .answers(
                &[Good(200, VALUE, "Value"), Good(204, "The function answers nothing.", "")],
                &[404, 409, 415, 422],
            ),
        Route::new("get", RPC, "read_function", || get(rest::rpc::get))
            .says("Call a function that does not write, with its arguments in the query.")
            .answers(&[Good(200, VALUE, "Value")], &[400, 404, 405]),
        Route::new("get", TABLE, "no_table", || get(rest::orders::read))
            .says("Refused: orders are read at /v1/orders.")
            .answers(&[], &[404]),
        refuse("patch", "no_update", || patch(rest::orders::write)),
        refuse("delete", "no_delete", || delete(rest::orders::write)),
        refuse("post", "no_insert", || post(rest::orders::write)),
        refuse("put", "no_upsert", || put(rest::orders::write)),
    ]
}

fn orders() -> [Route; 5] {
    [
        Route::new("post", "/v1/orders", "place_order", || post(v1::create::post))
            .says("Place an order, once per order number and once per Idempotency-Key.")
            .takes(Takes::Fields(ORDER))
            .answers(
                &[
                    Good(201, "Placed.", "Placed"),
                    Good(200, "It stood already, with the same content.", "Placed"),
                ],
                &[409, 415],
            ),
        Route::new("get", "/v1/orders", "list_orders", || get(v1::list::get))
            .says("A page of orders, newest first.")
            .answers(&[Good(200, "The page; next is the following one's after.", "Page")], &[422]),
        Route::new("get", "/v1/orders/{order}", "show_order", || get(v1::show::get))
            .says("One order by id or number.")
            .answers(&[Good(200, "The order.", "Order")], &[400, 404]),
        Route::new("get", "/v1/orders/{order}/history", "order_history", || get(v1::history::get))
            .says("What happened to one order.")
            .answers(&[Good(200, "Its events, the first one first.", "History")], &[400, 404]),
        Route::new("post", "/v1/recover", "recover_orders", || post(v1::recover::post))
            .says("Make every submission that nobody looks after due again.")
            .takes(Takes::Fields(v1::recover::FIELDS))
            .answers(&[Good(200, "What was found.", "Recovered")], &[]),
    ]
}

fn decisions() -> [Route; 6] {
    let decision = |path, id, summary, fields, handler| {
        Route::new("post", path, id, handler)
            .says(summary)
            .takes(Takes::Fields(fields))
            .answers(&[Good(200, "Done, now or before.", "Decided")], &[404, 409])
    };
    [
        decision(
            "/v1/orders/{order}/complete",
            "complete_order",
            "An operator's word that an order is finished.",
            v1::complete::FIELDS,
            || post(v1::complete::post),
        ),
        decision(
            "/v1/orders/{order}/hold",
            "hold_order",
            "Hold an order: nothing new is sent for it.",
            v1::hold::FIELDS,
            || post(v1::hold::post),
        ),
        decision(
            "/v1/orders/{order}/release",
            "release_order",
            "End a hold that a person may end.",
            v1::release::FIELDS,
            || post(v1::release::post),
        ),
        decision(
            "/v1/orders/{order}/cancel",
            "cancel_order",
            "Cancel an order and send its money back; one that may be bought waits for its purchase.",
            v1::cancel::FIELDS,
            || post(v1::cancel::post),
        ),
        decision(
            "/v1/orders/{order}/resolve",
            "resolve_order",
            "Decide about an order that waits for a person.",
            v1::resolve::FIELDS,
            || post(v1::resolve::post),
        ),
        decision(
            "/v1/orders/{order}/payment",
            "attach_payment",
            "Say which PaymentIntent pays an order.",
            v1::payment::FIELDS,
            || post(v1::payment::post),
        ),
    ]
}

fn money() -> [Route; 4] {
    [
        Route::new("get", "/v1/orders/{order}/payments", "order_payments", || {
            get(v1::payments::get)
        })
        .says("The money of one order: payments, their movements, the messages about them.")
        .answers(&[Good(200, "Its money.", "Money")], &[400, 404]),
        Route::new("post", "/v1/orders/{order}/refund", "refund_order", || post(v1::refund::post))
            .says("Return money of an order that has ended: all that is left, or a part.")
            .takes(Takes::Fields(v1::refund::FIELDS))
            .answers(&[Good(200, "Intended, now or before.", "Moved")], &[404, 409]),
        Route::new("get", "/v1/moves", "list_moves", || get(v1::moves::get))
            .says("Movements of money that have not ended, those that wait for a person first.")
            .answers(&[Good(200, "The movements.", "Moves")], &[]),
        Route::new("post", "/v1/moves/{move}/decide", "decide_move", || post(v1::moves::post))
            .says("A second person's word about a movement of money, or its withdrawal.")
            .takes(Takes::Fields(v1::moves::FIELDS))
            .answers(&[Good(200, "Done, now or before.", "Moved")], &[404, 409]),
    ]
}
