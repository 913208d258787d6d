//! Scenes about the shop as a whole: who holds and releases it, whose beat it is, how far lists were read, and
//! what comparisons found.

use super::{Scene, Turn, WAITS};

const HELD_BECAUSE: &str = "(select coalesce(held_because, 'not held') from shop)";
/// The shop is seen in another place, and the beat before this one says that this is right.
const ELSEWHERE: &str =
    "select paid('a'); select begin_work('one', '1'); update shop set place = '1/2/00000001'";
const HERE: &str = "update shop set place = shop_place()";
/// Held for an hour, and compared since.
const COMPARED: &str =
    "select hold_shop_for('unwatched', '{}', 't', clock_now() - interval '1 hour');
    update shop set compared_at = clock_now()";

pub(super) const SCENES: &[Scene] = &[
    Scene {
        function: "begin_work",
        before: ELSEWHERE,
        meanwhile: HERE,
        asked: "coalesce(begin_work('two', '1') ->> 'held', 'not held')",
        answer: "not held",
        stands: Some((HELD_BECAUSE, "not held")),
        ..WAITS
    },
    Scene {
        function: "beat_worker",
        before: ELSEWHERE,
        meanwhile: HERE,
        asked: "coalesce(beat_worker('one', '1', false, 1) ->> 'held', 'not held')",
        answer: "not held",
        stands: Some((HELD_BECAUSE, "not held")),
        ..WAITS
    },
    Scene {
        function: "hold_shop",
        meanwhile: "select hold_shop('the first')",
        asked: "hold_shop('the second') ->> 'duplicate'",
        answer: "true",
        stands: Some(("(select string_agg(data ->> 'reason', ' ') from findings)", "the first")),
        ..WAITS
    },
    // An engine that finds the shop restored does not replace what a person held.
    Scene {
        function: "hold_shop_for",
        meanwhile: "select hold_shop('the provider is odd')",
        asked: "(select count(*) from lease_moves('t', token('a'), 1000, 1, 9))",
        answer: "0",
        stands: Some((
            "(select held_because || ' ' || (compare_since is not null)::text from shop)",
            "operator true",
        )),
        ..WAITS
    },
    // A comparison does not end what a person must end.
    Scene {
        function: "note_shop_compared",
        before: COMPARED,
        meanwhile: "select hold_shop_for('another_place', '{}', 't', clock_now() - interval '1 minute')",
        asked: "note_shop_compared('t', clock_now(), '-infinity', '{payments, refunds, purchases}')",
        answer: "true",
        stands: Some((HELD_BECAUSE, "another_place")),
        ..WAITS
    },
    // Held anew for another reason, for the same one, and released by somebody else.
    Scene {
        function: "release_shop",
        before: COMPARED,
        meanwhile: "select hold_shop('the provider is odd')",
        asked: "release_shop('they say so') ->> 'code'",
        answer: "held_anew",
        stands: Some((HELD_BECAUSE, "operator")),
        ..WAITS
    },
    Scene {
        function: "release_shop",
        before: COMPARED,
        meanwhile: "select hold_shop_for('unwatched', '{}', 't', clock_now())",
        asked: "release_shop('they say so') ->> 'code'",
        answer: "held_anew",
        stands: Some((HELD_BECAUSE, "unwatched")),
        ..WAITS
    },
    Scene {
        function: "release_shop",
        before: COMPARED,
        meanwhile: "select release_shop('well again')",
        asked: "release_shop('me too') ->> 'code'",
        answer: "held_anew",
        stands: Some(("(select count(*) from findings where kind = 'shop_released')", "1")),
        ..WAITS
    },
    // One that updates the row at once would stop the other at its insert: so each begins with the lock.
    Scene {
        function: "begin_reconciliation",
        before: "select begin_reconciliation(); select later('1 hour')",
        meanwhile: "select from cursors where name = 'reconciled' for no key update",
        asked: "coalesce(begin_reconciliation(600)::text, 'another one compares')",
        turn: Turn::WaitsWhile("select begin_reconciliation(600)"),
        answer: "another one compares",
        ..WAITS
    },
    Scene {
        function: "move_cursor",
        before: "select move_cursor('events', '2001-01-01')",
        meanwhile: "select from cursors where name = 'events' for no key update",
        asked: "move_cursor('events', '2001-01-02') = '2001-01-03'",
        turn: Turn::WaitsWhile("select move_cursor('events', '2001-01-03')"),
        answer: "true",
        ..WAITS
    },
    // What a later comparison saw again is not gone.
    Scene {
        function: "finish_reconciliation",
        before: "select different(60, true)",
        meanwhile: "select different(0, true)",
        asked: "compared(30)",
        answer: "0",
        stands: Some(("(select gone_at is null from differences)", "true")),
        ..WAITS
    },
    // What a later comparison saw go is not seen by an earlier one.
    Scene {
        function: "tell_differences",
        before: "select different(60, true)",
        meanwhile: "select compared(0)",
        asked: "different(30, false)",
        answer: "",
        stands: Some((
            "(select gone_at - last_at > interval '50 minutes' from differences)",
            "true",
        )),
        ..WAITS
    },
];
