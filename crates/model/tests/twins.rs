//! The twins: without its guard the protocol must break the law that is named, after as many acts as are
//! named, or hold, where the guard is not the safety. `stateright` must find a violation as well, and the
//! history must be the one of docs/MODEL.md. // G1, G5, G6, G7, G13, G28

use orders_model::catalogue::{Expected, TWINS};
use orders_model::page::{Tried, told};

const PAGE: &str = include_str!("../../../docs/MODEL.md");

fn try_out(name: &str) {
    let twin = *TWINS.iter().find(|twin| twin.name == name).unwrap();
    let tried = Tried::of(twin);
    let story = told(&tried.history);
    assert_eq!(tried.objection, None, "\n{story}");
    if let Expected::Breaks(..) = twin.expected {
        let explored = twin.world.without(twin.guards).prove(1, None, &|_| {});
        assert!(!explored.broken.is_empty(), "stateright found nothing");
    }
    assert!(
        story.is_empty() || PAGE.contains(&story),
        "run `just model`; not on its page:\n{story}"
    );
    assert!(PAGE.contains(&format!("| {name} | {} |", twin.missing)), "run `just model`");
}

/// One test a twin, so that each has its sentence.
macro_rules! twins {
    ($($test:ident: $name:literal,)*) => {
        $(
            #[test]
            fn $test() {
                try_out($name);
            }
        )*

        #[test]
        fn every_twin_has_its_test_and_a_name_of_its_own() {
            let tested = [$($name),*];
            assert!(TWINS.iter().all(|twin| tested.contains(&twin.name)));
            assert_eq!(TWINS.len(), tested.len());
        }
    };
}

twins! {
    without_the_stable_key_two_purchases_stand: "A",
    without_a_provider_that_deduplicates_two_purchases_stand: "B",
    a_timer_that_makes_a_new_key_buys_twice: "C",
    a_key_for_each_call_without_leases_buys_twice_soonest: "D",
    a_lost_answer_read_as_a_doubtful_refusal_only_calls_people: "E",
    a_lost_answer_read_as_a_refusal_refunds_what_was_bought: "F",
    a_refusal_settled_with_a_living_key_refunds_what_was_bought: "G",
    waiting_alone_settles_nothing: "H",
    a_look_up_alone_settles_nothing: "I",
    an_empty_list_is_no_evidence: "J",
    cancelling_what_was_sent_refunds_what_was_bought: "K",
    without_the_token_a_purchase_is_refunded: "L",
    without_the_lease_nothing_breaks_because_it_is_not_the_safety: "M",
    without_token_and_lease_a_purchase_is_refunded: "N",
    recovery_to_pending_under_the_same_key_breaks_nothing: "O",
    refusals_that_are_never_settled_break_nothing: "P",
    a_used_up_key_may_be_settled_at_once: "Q",
    settling_at_once_without_the_token_refunds_what_was_bought: "R",
    a_second_unsettled_attempt_buys_twice: "one attempt",
    a_repeat_that_does_not_wait_buys_twice: "repeat waits",
    without_the_processing_bound_two_purchases_stand: "bound",
    a_dead_key_that_is_sent_buys_twice: "key death",
    bytes_after_the_deadline_buy_twice: "send deadline",
    without_the_hold_a_held_order_is_claimed: "hold",
    a_refund_before_the_end_meets_a_purchase: "refund from an end",
    a_refund_that_the_end_forgets_is_found_by_the_next_reading: "refund with the end",
    a_refund_that_nobody_intends_is_never_made: "refund with the end, and ended orders read",
    old_facts_buy_for_a_payment_that_was_undone: "fresh facts",
    a_person_who_does_not_wait_refunds_what_is_bought: "person waits",
    an_old_reading_settles_a_living_purchase: "version of a reading",
    bytes_that_are_built_anew_differ_under_one_key: "frozen bytes",
    without_recovery_a_dead_worker_leaves_its_order_for_ever: "recovery",
    a_restored_database_with_other_keys_buys_twice: "derived keys",
    a_database_restored_after_its_keys_buys_twice: "restored soon",
    a_restored_shop_that_was_not_compared_refunds_what_it_bought: "restored and cancelled",
    two_orders_that_name_one_payment_are_told_apart_by_its_metadata: "one payment, one order",
    a_payment_that_names_nobody_is_still_tied_to_one_order: "payment names its order",
    a_payment_without_both_guards_buys_two_orders: "one payment, unnamed",
    without_the_look_a_refund_is_made_twice: "look",
    a_refund_with_two_keys_at_once_is_made_twice: "two keys apart",
    a_forgotten_key_at_stripe_refunds_twice: "key death at Stripe",
    a_call_to_stripe_without_an_end_refunds_twice: "bound at Stripe",
    a_movement_after_its_deadline_is_made_twice: "deadline of a movement",
    a_movement_without_its_token_is_made_twice: "token of a movement",
    a_movement_leased_twice_is_made_once: "lease of a movement",
    without_the_sum_of_refunds_stripe_still_bounds_them: "sum of refunds",
    without_any_bound_more_is_returned_than_was_received: "sum of refunds, unbounded Stripe",
    our_sum_bounds_refunds_even_if_stripe_does_not: "unbounded Stripe",
    a_capture_of_an_ended_order_goes_back: "movement wanted",
    a_stripe_that_captures_again_takes_the_money_twice: "Stripe captures once",
}
