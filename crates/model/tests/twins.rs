//! The twins: without its guard the protocol must break the law that is named, after as many acts as are
//! named, or hold, where the guard is not the safety. `stateright` must find a violation as well, and the
//! history must be the one of docs/MODEL.md. // G1, G5, G6, G7, G13, G28

use orders_model::catalogue::{Expected, TWINS};
use orders_model::page::{Tried, told};

const PAGE: &str = include_str!("../../../docs/MODEL.md");

fn try_out(name: &str) {
    let Some(&twin) = TWINS.iter().find(|twin| twin.name == name) else {
        panic!("no twin is called {name}")
    };
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

#[test]
fn without_the_stable_key_two_purchases_stand() {
    try_out("A");
}

#[test]
fn without_a_provider_that_deduplicates_two_purchases_stand() {
    try_out("B");
}

#[test]
fn a_timer_that_makes_a_new_key_buys_twice() {
    try_out("C");
}

#[test]
fn a_key_for_each_call_without_leases_buys_twice_soonest() {
    try_out("D");
}

#[test]
fn a_lost_answer_read_as_a_doubtful_refusal_only_calls_people() {
    try_out("E");
}

#[test]
fn a_lost_answer_read_as_a_refusal_refunds_what_was_bought() {
    try_out("F");
}

#[test]
fn a_refusal_settled_with_a_living_key_refunds_what_was_bought() {
    try_out("G");
}

#[test]
fn waiting_alone_settles_nothing() {
    try_out("H");
}

#[test]
fn a_look_up_alone_settles_nothing() {
    try_out("I");
}

#[test]
fn an_empty_list_is_no_evidence() {
    try_out("J");
}

#[test]
fn cancelling_what_was_sent_refunds_what_was_bought() {
    try_out("K");
}

#[test]
fn without_the_token_a_purchase_is_refunded() {
    try_out("L");
}

#[test]
fn without_the_lease_nothing_breaks_because_it_is_not_the_safety() {
    try_out("M");
}

#[test]
fn without_token_and_lease_a_purchase_is_refunded() {
    try_out("N");
}

#[test]
fn recovery_to_pending_under_the_same_key_breaks_nothing() {
    try_out("O");
}

#[test]
fn refusals_that_are_never_settled_break_nothing() {
    try_out("P");
}

#[test]
fn a_used_up_key_may_be_settled_at_once() {
    try_out("Q");
}

#[test]
fn settling_at_once_without_the_token_refunds_what_was_bought() {
    try_out("R");
}

#[test]
fn a_second_unsettled_attempt_buys_twice() {
    try_out("one attempt");
}

#[test]
fn a_repeat_that_does_not_wait_buys_twice() {
    try_out("repeat waits");
}

#[test]
fn without_the_processing_bound_two_purchases_stand() {
    try_out("bound");
}

#[test]
fn a_dead_key_that_is_sent_buys_twice() {
    try_out("key death");
}

#[test]
fn bytes_after_the_deadline_buy_twice() {
    try_out("send deadline");
}

#[test]
fn without_the_hold_a_held_order_is_claimed() {
    try_out("hold");
}

#[test]
fn a_refund_before_the_end_meets_a_purchase() {
    try_out("refund from an end");
}

#[test]
fn a_refund_that_the_end_forgets_is_found_by_the_next_reading() {
    try_out("refund with the end");
}

#[test]
fn a_refund_that_nobody_intends_is_never_made() {
    try_out("refund with the end, and ended orders read");
}

#[test]
fn old_facts_buy_for_a_payment_that_was_undone() {
    try_out("fresh facts");
}

#[test]
fn a_person_who_does_not_wait_refunds_what_is_bought() {
    try_out("person waits");
}

#[test]
fn an_old_reading_settles_a_living_purchase() {
    try_out("version of a reading");
}

#[test]
fn bytes_that_are_built_anew_differ_under_one_key() {
    try_out("frozen bytes");
}

#[test]
fn without_recovery_a_dead_worker_leaves_its_order_for_ever() {
    try_out("recovery");
}

#[test]
fn a_restored_database_with_other_keys_buys_twice() {
    try_out("derived keys");
}

#[test]
fn a_database_restored_after_its_keys_buys_twice() {
    try_out("restored soon");
}

#[test]
fn a_restored_shop_that_was_not_compared_refunds_what_it_bought() {
    try_out("restored and cancelled");
}

#[test]
fn two_orders_that_name_one_payment_are_told_apart_by_its_metadata() {
    try_out("one payment, one order");
}

#[test]
fn a_payment_that_names_nobody_is_still_tied_to_one_order() {
    try_out("payment names its order");
}

#[test]
fn a_payment_without_both_guards_buys_two_orders() {
    try_out("one payment, unnamed");
}

#[test]
fn without_the_look_a_refund_is_made_twice() {
    try_out("look");
}

#[test]
fn a_refund_with_two_keys_at_once_is_made_twice() {
    try_out("two keys apart");
}

#[test]
fn a_forgotten_key_at_stripe_refunds_twice() {
    try_out("key death at Stripe");
}

#[test]
fn a_call_to_stripe_without_an_end_refunds_twice() {
    try_out("bound at Stripe");
}

#[test]
fn a_movement_after_its_deadline_is_made_twice() {
    try_out("deadline of a movement");
}

#[test]
fn a_movement_without_its_token_is_made_twice() {
    try_out("token of a movement");
}

#[test]
fn a_movement_leased_twice_is_made_once() {
    try_out("lease of a movement");
}

#[test]
fn without_the_sum_of_refunds_stripe_still_bounds_them() {
    try_out("sum of refunds");
}

#[test]
fn without_any_bound_more_is_returned_than_was_received() {
    try_out("sum of refunds, unbounded Stripe");
}

#[test]
fn our_sum_bounds_refunds_even_if_stripe_does_not() {
    try_out("unbounded Stripe");
}

#[test]
fn a_capture_of_an_ended_order_goes_back() {
    try_out("movement wanted");
}

#[test]
fn a_stripe_that_captures_again_takes_the_money_twice() {
    try_out("Stripe captures once");
}

#[test]
fn every_twin_has_its_test_and_a_name_of_its_own() {
    let tests = include_str!("twins.rs");
    let named = |name: &str| tests.matches(&format!("try_out(\"{name}\")")).count() == 1;
    assert!(TWINS.iter().all(|twin| named(twin.name)));
}
