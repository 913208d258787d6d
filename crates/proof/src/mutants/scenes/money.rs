//! Scenes about money: payments, what is moved of them, and Stripe's messages.

use super::{PASSES_BY, Scene, WAITS};

/// Stripe's word that a customer's bank wants the money back: the order gets an event, its moves stay.
const DISPUTED: &str = r#"select told('a', '{"dispute": "open"}')"#;
const MOVES: &str = "(select string_agg(concat_ws(' ', kind, state, code), ', ' order by created_at) from money_moves)";
const INTENTS: &str =
    "(select string_agg(payment_intent, ' ' order by created_at) from payments where live)";
const TWO_PERSONS: &str =
    "update settings set value = '100' where name = 'two_persons_above_minor';
    select owing('a'); select owing('b')";
const TWO_PERSONS_A_DAY_AGO: &str =
    "update settings set value = '100' where name = 'two_persons_above_minor';
    select owing('a'); select owing('b'); select later('25 hours')";

pub(super) const SCENES: &[Scene] = &[
    Scene {
        function: "attach_payment",
        before: "select placed('a')",
        meanwhile: "select attach_payment({a}, 'pi_x')",
        asked: "attach_payment({a}, 'pi_y') ->> 'code'",
        answer: "second_payment",
        stands: Some((INTENTS, "pi_x")),
        ..WAITS
    },
    Scene {
        function: "adopt_payment",
        before: "select placed('a')",
        meanwhile: "select attach_payment({a}, 'pi_x')",
        asked: "adopt_payment('t', 'pi_y', {a}::text)",
        answer: "second_payment",
        stands: Some((INTENTS, "pi_x")),
        ..WAITS
    },
    Scene {
        function: "repeated_order",
        before: "select placed('a')",
        meanwhile: "select attach_payment({a}, 'pi_x')",
        asked: r#"place_order(content('a') || '{"payment_intent": "pi_y"}') ->> 'code'"#,
        answer: "second_payment",
        stands: Some((INTENTS, "pi_x")),
        ..WAITS
    },
    // Paid in the moment in which it is cancelled: the money goes back.
    Scene {
        function: "record_payments",
        before: "select named('a')",
        meanwhile: "select cancel_order({a})",
        asked: "told('a')",
        answer: "changed",
        stands: Some((
            "(select concat_ws(' ', o.status, m.state) from orders as o
                join money_moves as m on m.order_id = o.id and m.kind = 'refund')",
            "cancelled open",
        )),
        ..WAITS
    },
    Scene {
        function: "due_payments",
        before: "select named('a'); select named('b')",
        meanwhile: "select from due_payments(1)",
        asked: "(select string_agg(payment_intent, ' ') from due_payments(10))",
        answer: "pi_b",
        ..PASSES_BY
    },
    // An hour passes: what was read in it is newer than the list.
    Scene {
        function: "reconcile_payments",
        before: "select paid('a')",
        meanwhile: r#"select later('1 hour'); select told('a', '{"refunded_minor": 30}')"#,
        asked: "reconcile_payments(clock_now(), false, listed('a', 30))",
        answer: "",
        stands: Some(("(select stale_since is null from payments)", "true")),
        ..WAITS
    },
    Scene {
        function: "expire_unpaid",
        before: "update settings set value = '60' where name = 'expire_unpaid_after_s';
                 select placed('a'), placed('b'), later('1 hour')",
        meanwhile: "select attach_payment({a}, 'pi_a')",
        asked: "expire_unpaid('t', 10)",
        answer: "1",
        stands: Some((
            "(select string_agg(status, ' ' order by order_number) from orders)",
            "pending cancelled",
        )),
        ..PASSES_BY
    },
    // What is paid meanwhile is not cancelled.
    Scene {
        function: "commit_move",
        before: "select named('a');
                 select plan_move({a}, 'pi_a', 'cancel', 0, 'unpaid_too_long', 'not paid in time', 'open', 't', 'options', clock_now());
                 select leased('a')",
        meanwhile: "select told('a')",
        asked: "called('a')",
        answer: "0",
        stands: Some((MOVES, "cancel open")),
        ..WAITS
    },
    Scene {
        function: "lease_moves",
        before: "select owing('a'); select owing('b')",
        meanwhile: "select leased('a')",
        asked: "(select string_agg(payment_intent, ' ') from lease_moves('t', token('b'), 60000, 10))",
        answer: "pi_b",
        ..PASSES_BY
    },
    Scene {
        function: "record_move",
        before: "select owing('a'); select leased('a'); select called('a')",
        meanwhile: DISPUTED,
        asked: "refunded('a', 'done')",
        answer: "recorded",
        stands: Some((MOVES, "refund done")),
        ..WAITS
    },
    Scene {
        function: "fail_refund",
        before: "select owing('a'); select leased('a'); select called('a'); select refunded('a', 'done')",
        meanwhile: DISPUTED,
        asked: "fail_refund('t', moved('a'), 're_a', 'lost')",
        answer: "recorded",
        stands: Some((MOVES, "refund failed lost")),
        ..WAITS
    },
    Scene {
        function: "nudge_moves",
        before: "select owing('a'); select leased('a'); select called('a'); select refunded('a', 'accepted')",
        meanwhile: "select nudge_moves('{pi_a}')",
        asked: "nudge_moves('{pi_a}')",
        answer: "0",
        ..WAITS
    },
    // The order changes, the move does not.
    Scene {
        function: "decide_move",
        before: TWO_PERSONS,
        meanwhile: DISPUTED,
        asked: "decide_move(moved('a'), 'withdraw', 1530) ->> 'state'",
        answer: "withdrawn",
        ..WAITS
    },
    // The move changes, the order does not: an engine is about to send it.
    Scene {
        function: "decide_move",
        before: "select owing('a')",
        meanwhile: "select leased('a')",
        asked: "decide_move(moved('a'), 'withdraw', 1530) ->> 'code'",
        answer: "may_be_sent",
        stands: Some((MOVES, "refund open")),
        ..WAITS
    },
    Scene {
        function: "withdraw_unapproved",
        before: TWO_PERSONS_A_DAY_AGO,
        meanwhile: "select decide_move(moved('a'), 'withdraw', 1530)",
        asked: "plan_captures('t', 10)",
        answer: "0",
        stands: Some((MOVES, "refund withdrawn, refund withdrawn not_approved")),
        ..PASSES_BY
    },
    Scene {
        function: "plan_captures",
        before: "select reserved('a'); select reserved('b');
                 select claimed('a'), claimed('b'); select accepted('a'), accepted('b')",
        meanwhile: "select hold_order({a})",
        asked: "plan_captures('t', 10)",
        answer: "1",
        ..PASSES_BY
    },
    // What is completed may be refunded.
    Scene {
        function: "refund_order",
        before: "select bought('a')",
        meanwhile: "select complete_order_processing({a}, 'req-a', 'delivered', 'completed')",
        asked: "refund_order({a}, 500, 'it came back') ->> 'success'",
        answer: "true",
        stands: Some((MOVES, "refund open")),
        ..WAITS
    },
    // No order's lock keeps these two apart.
    Scene {
        function: "refunds_within_received",
        before: "select paid('a')",
        meanwhile: "select refunded_past_the_doors('a', 1000)",
        asked: "refunded_past_the_doors('a', 1000)",
        answer: "error 23514",
        stands: Some(("(select refunds_minor from payments)", "1000")),
        is_whole: false,
        ..WAITS
    },
    Scene {
        function: "due_events",
        before: "select heard('evt_a'); select heard('evt_b')",
        meanwhile: "select from due_events(1)",
        asked: "(select string_agg(event_id, ' ') from due_events(10))",
        answer: "evt_b",
        ..PASSES_BY
    },
    Scene {
        function: "finish_events",
        before: "select heard('evt_a')",
        meanwhile: "select finish_events('{evt_a}', '{null}', '{handled}')",
        asked: "finish_events('{evt_a}', '{null}', '{given_up}')",
        answer: "0",
        stands: Some(("(select state from inbox)", "handled")),
        ..WAITS
    },
    Scene {
        function: "uncount_events",
        before: "select heard('evt_a'); select from due_events(1)",
        meanwhile: "select finish_events('{evt_a}', '{null}', '{handled}')",
        asked: "uncount_events('{evt_a}')",
        answer: "0",
        stands: Some(("(select tries from inbox)", "1")),
        ..WAITS
    },
];
