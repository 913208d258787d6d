//! The protocol with all guards: every state within the budgets keeps every law, and from every state an
//! end or a person can be reached without luck. // G1, G5, G6, G7, G13, G28

use orders_model::catalogue::SCENARIOS;

/// Explores a scenario whole, twice: with `stateright` for the laws, and backwards for a way out.
fn explore(name: &str) {
    let Some(scenario) = SCENARIOS.iter().find(|scenario| scenario.name == name) else {
        panic!("no scenario is called {name}")
    };
    let explored = scenario.world.prove(2, None, &|_| {});
    assert_eq!(explored.broken, [] as [&str; 0], "{:#?}", scenario.world.shortest(None));
    assert!(explored.complete && explored.depth > 10, "{explored:?}");
    assert!(explored.states >= scenario.states_min, "too little happened: {explored:?}");
    let rest = scenario.world.stuck();
    assert_eq!(rest.states, explored.states, "the two searches saw different worlds");
    assert!(rest.resting > 0 && rest.stuck == 0, "{rest:#?}");
}

#[test]
fn the_protocol_with_all_guards_holds_for_one_order_and_two_workers() {
    explore("one order, two workers");
}

#[test]
fn the_protocol_with_all_guards_holds_for_one_order_and_three_workers() {
    explore("one order, three workers");
}

#[test]
fn people_who_cancel_hold_and_decide_break_nothing() {
    explore("one order and people");
}

#[test]
fn a_key_that_dies_and_is_forgotten_buys_nothing_twice() {
    explore("one order whose key dies");
}

#[test]
fn an_account_that_is_refused_buys_nothing_twice() {
    explore("one order of an account that is refused");
}

#[test]
fn a_payment_that_is_undone_is_never_bought_for_a_minute_later() {
    explore("one order whose payment is undone");
}

#[test]
fn a_new_release_sends_the_same_bytes_under_a_key() {
    explore("one order and a new release");
}

#[test]
fn a_restored_database_repeats_instead_of_buying_anew() {
    explore("one order that is restored");
}

#[test]
fn a_balance_that_two_orders_share_pays_each_once() {
    explore("two orders that share a balance");
}

#[test]
fn a_payment_that_two_orders_are_told_buys_for_one() {
    explore("two orders that are told one payment");
}

#[test]
fn a_refund_in_part_is_made_once_whatever_stripe_answers() {
    explore("a refund in part");
}

#[test]
fn a_refund_that_comes_back_and_another_one_return_no_more_than_was_received() {
    explore("a refund that comes back, and another one");
}

#[test]
fn a_refund_that_is_restored_is_not_made_again() {
    explore("a refund that is restored");
}

#[test]
fn a_capture_is_made_once_while_its_order_ends() {
    explore("a capture while its order ends");
}

#[test]
fn every_scenario_has_its_test_and_together_they_have_many_states() {
    let tests = include_str!("scenarios.rs");
    let named = |name: &str| tests.contains(&format!("explore(\"{name}\")"));
    assert!(SCENARIOS.iter().all(|scenario| named(scenario.name)));
    let least: usize = SCENARIOS.iter().map(|scenario| scenario.states_min).sum();
    assert!(least >= 28_000, "{least}");
}
