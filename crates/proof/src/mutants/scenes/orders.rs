//! Scenes about orders: who claims, records, watches and recovers them, and people who decide.

use super::{PASSES_BY, Scene, Turn, WAITS};

const STATUS_AND_HOLD: &str =
    "(select concat_ws(' ', status, hold_reason) from orders where id = {a})";
const STATUSES: &str = "(select string_agg(status, ' ' order by order_number) from orders)";
const REQUEST: &str = "(select zinc_request_id from orders where id = {a})";
/// What an engine's other worker, or a person, does to an order while nobody looks.
const HELD: &str = "select hold_order({a})";

pub(super) const SCENES: &[Scene] = &[
    Scene {
        function: "lock_due_orders",
        before: "select paid('a'), paid('b')",
        meanwhile: "select from lock_due_orders('zinc_v1', 1, {a})",
        asked: "(select string_agg(o.order_number, ' ') from lock_due_orders('zinc_v1', 10) as d
                   join orders as o on o.id = d.id)",
        answer: "b",
        ..PASSES_BY
    },
    // The account that the claim was planned for is the shop's no more.
    Scene {
        function: "commit_intents",
        before: "select claim_account('zinc_v1', sha256('one'), false), paid('a')",
        meanwhile: "select claim_account('zinc_v1', sha256('two'), false)",
        asked: "claimed('a', sha256('one'))",
        answer: "error 55000",
        stands: Some((STATUS_AND_HOLD, "pending")),
        ..WAITS
    },
    // Stripe sends word of the payment that it is to be bought with.
    Scene {
        function: "commit_intents",
        before: "select paid('a')",
        meanwhile: "select heard('evt_1', 'pi_a')",
        asked: "claimed('a')",
        answer: "0",
        stands: Some((STATUS_AND_HOLD, "pending")),
        ..WAITS
    },
    // What the other account's claim buys is not seen before it is committed.
    Scene {
        function: "claim_account",
        before: "select claim_account('zinc_v1', sha256('one'), false), paid('a')",
        meanwhile: "select claimed('a', sha256('one'))",
        asked: "claim_account('zinc_v1', sha256('two'), false) ->> 'code'",
        answer: "another_account",
        stands: Some(("(select account_mark = sha256('one') from provider_accounts)", "true")),
        ..WAITS
    },
    Scene {
        function: "review_orders",
        before: "select paid('a')",
        meanwhile: HELD,
        asked: "(select review_orders('t', array[o.id], array[o.version], array['odd']) from orders as o)",
        answer: "",
        stands: Some((STATUS_AND_HOLD, "pending operator")),
        ..WAITS
    },
    Scene {
        function: "record_acceptances",
        before: "select sent('a')",
        meanwhile: HELD,
        asked: "accepted('a')",
        answer: "recorded",
        stands: Some((
            "(select concat_ws(' ', status, review_reason, zinc_request_id) from orders)",
            "needs_review accepted_while_held req-a",
        )),
        ..WAITS
    },
    // Given back unsent, and somebody wants it cancelled.
    Scene {
        function: "record_setbacks",
        before: "select sent('a')",
        meanwhile: "select cancel_order({a})",
        asked: "ended('a', 'claim_released', 'open', 'pending')",
        answer: "recorded",
        stands: Some((STATUS_AND_HOLD, "cancelled")),
        ..WAITS
    },
    Scene {
        function: "record_readings",
        before: "select bought('a')",
        meanwhile: "select hold_order({a}, 'disputed')",
        asked: "watched('a')",
        answer: "stale",
        stands: Some((STATUS_AND_HOLD, "submitted_to_zinc disputed")),
        ..WAITS
    },
    // Whoever has the order goes on to its attempt: one that held the attempt already would never let him.
    Scene {
        function: "renew_leases",
        before: "select sent('a')",
        meanwhile: "select from orders where id = {a} for no key update",
        asked: "(select count(*) from renew_leases(array[{a}], array[token('a')], 600000))",
        turn: Turn::WaitsWhile("select ended('a', 'answer_lost', 'unknown', 'submitting')"),
        answer: "0",
        stands: Some(("(select lease_token is null from order_attempts)", "true")),
        ..WAITS
    },
    Scene {
        function: "due_watches",
        before: "select bought('a'); select bought('b'); select later('1 minute')",
        meanwhile: "select from due_watches(1)",
        asked: "(select string_agg(zinc_request_id, ' ') from due_watches(10))",
        answer: "req-b",
        ..PASSES_BY
    },
    Scene {
        function: "touch_waiting_orders",
        before: "select unanswered('a'), unanswered('b'), later('50 seconds')",
        meanwhile: HELD,
        asked: "touch_waiting_orders(10)",
        answer: "1",
        ..PASSES_BY
    },
    Scene {
        function: "recover_stuck_orders",
        before: "select unanswered('a'), unanswered('b'), later('10 minutes')",
        meanwhile: HELD,
        asked: "recover_stuck_orders() ->> 'rescheduled'",
        answer: "1",
        ..PASSES_BY
    },
    Scene {
        function: "recover_ended_leases",
        before: "select sent('a'), sent('b'), later('10 minutes')",
        meanwhile: HELD,
        asked: "recover_stuck_orders() ->> 'recovered'",
        answer: "1",
        stands: Some((
            "(select string_agg(a.outcome, ' ' order by o.order_number) from order_attempts as a
                join orders as o on o.id = a.order_id)",
            "open unknown",
        )),
        ..PASSES_BY
    },
    Scene {
        function: "recover_dead_keys",
        before: "select unanswered('a'), unanswered('b'), later('24 hours')",
        meanwhile: HELD,
        asked: "recover_stuck_orders() ->> 'needs_review'",
        answer: "1",
        stands: Some((STATUSES, "submitting needs_review")),
        ..PASSES_BY
    },
    Scene {
        function: "accept_patiently",
        before: "select sent('a')",
        meanwhile: "select complete_order_processing({a}, 'req-1')",
        asked: "complete_order_processing({a}, 'req-1') ->> 'duplicate'",
        answer: "true",
        stands: Some((REQUEST, "req-1")),
        ..WAITS
    },
    Scene {
        function: "complete_order_processing",
        before: "select sent('a')",
        meanwhile: "select complete_order_processing({a}, 'req-1')",
        asked: "complete_order_processing({a}, 'req-2') ->> 'code'",
        answer: "request_id_conflict",
        stands: Some((REQUEST, "req-1")),
        ..WAITS
    },
    // Whoever waits decides by what stands then: the id became another order's, and is no order's any more.
    Scene {
        function: "complete_order_processing",
        before: "select sent('a'), sent('b')",
        meanwhile: "select from orders where id = {a} for no key update",
        asked: "complete_order_processing({a}, 'req-b') ->> 'code'",
        turn: Turn::WaitsWhile("select accepted('b'); select refused('b')"),
        answer: "request_id_conflict",
        stands: Some((STATUSES, "submitting pending")),
        ..WAITS
    },
    Scene {
        function: "manually_complete_order",
        before: "select unanswered('a')",
        meanwhile: "select complete_order_processing({a}, 'req-1')",
        asked: "manually_complete_order({a}, 'req-2', 'seen at the provider') ->> 'code'",
        answer: "request_id_conflict",
        stands: Some((REQUEST, "req-1")),
        ..WAITS
    },
    // It was sent: what is cancelled is the wish of it.
    Scene {
        function: "cancel_order",
        before: "select paid('a')",
        meanwhile: "select claimed('a')",
        asked: "cancel_order({a}) ->> 'waiting'",
        answer: "true",
        stands: Some((STATUS_AND_HOLD, "submitting cancel_requested")),
        ..WAITS
    },
    Scene {
        function: "hold_order",
        before: "select paid('a')",
        meanwhile: HELD,
        asked: "hold_order({a}) ->> 'duplicate'",
        answer: "true",
        stands: Some((STATUS_AND_HOLD, "pending operator")),
        ..WAITS
    },
    Scene {
        function: "release_hold",
        before: "select paid('a'); select hold_order({a})",
        meanwhile: "select release_hold({a})",
        asked: "release_hold({a}) ->> 'duplicate'",
        answer: "true",
        stands: Some((STATUS_AND_HOLD, "pending")),
        ..WAITS
    },
    Scene {
        // A word of Stripe that comes meanwhile stays a word that nobody has read.
        function: "release_hold",
        before: "select named('a'); select told('a', '{\"warned\": true}')",
        meanwhile: "select later('1 hour'); update payments set stale_since = clock_now()",
        asked: "release_hold({a}) ->> 'success'",
        answer: "true",
        stands: Some((
            "(select stale_since > now() + interval '30 minutes' from payments)",
            "true",
        )),
        ..WAITS
    },
    Scene {
        function: "resolve_review",
        before: "select doubtful('a'); select later('10 minutes')",
        meanwhile: "select hold_order({a}, 'disputed')",
        asked: "resolve_review({a}, 'nothing_was_bought', 'asked the provider') ->> 'status'",
        answer: "needs_review",
        stands: Some((STATUS_AND_HOLD, "needs_review disputed")),
        ..WAITS
    },
    Scene {
        function: "hold_forgotten",
        before: "select paid('a'); select forgotten('a')",
        meanwhile: HELD,
        asked: "note_shop_compared('t', clock_now(), '2000-01-01', '{}')",
        answer: "true",
        stands: Some((STATUS_AND_HOLD, "pending restored")),
        ..WAITS
    },
];
