//! Two sessions about one row: what the locks of the shop's functions are for. With the functions as they are
//! every scene ends as it must, and without any one of the locks one of them does not.

use orders_proof::mutants::change::{Mutant, mutants};
use orders_proof::mutants::listed::listed;
use orders_proof::mutants::scenes::all;
use orders_proof::mutants::sessions::{Outcome, Stage};
use orders_proof::mutants::suite::{Verdict, functions};
use std::collections::BTreeMap;

/// How many changes of locks there are at least: a generator that finds none proves nothing.
const LOCKS_MIN: usize = 72;

/// Every lock that is not taken, or waited for where the function should not wait.
fn without_a_lock(functions: &BTreeMap<String, String>) -> Vec<Mutant> {
    let of_a_lock =
        |one: &Mutant| one.name.contains(": no lock in ") || one.name.contains(": waits in ");
    functions.iter().flat_map(|(name, text)| mutants(name, text)).filter(of_a_lock).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_decides_about_a_row_waits_for_it_or_leaves_it_to_the_other() {
    let stage = Stage::set().await.expect("a stage");
    let mut wrong = Vec::new();
    for scene in all() {
        let outcome = stage.play(scene).await.expect("two sessions");
        if outcome != Outcome::Right {
            wrong.push(format!("{}: {outcome:?}", scene.function));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_is_taken_away_is_missed_by_two_sessions_or_listed_with_its_reason() {
    let stage = Stage::set().await.expect("a stage");
    let (functions, listed) = (functions().expect("the functions"), listed());
    let locks = without_a_lock(&functions);
    assert!(locks.len() >= LOCKS_MIN, "only {} locks", locks.len());
    let mut not_missed = Vec::new();
    for one in locks.iter().filter(|one| !listed.contains_key(one.name.as_str())) {
        let verdict = stage.judge(one, &functions[&one.function]).await.expect("two sessions");
        if !matches!(verdict, Verdict::Noticed(_)) {
            not_missed.push(&one.name);
        }
    }
    assert_eq!(not_missed, Vec::<&String>::new());
}

#[test]
fn a_scene_is_about_a_function_that_there_is() {
    let functions = functions().expect("the functions");
    let gone = all().map(|scene| scene.function).filter(|name| !functions.contains_key(*name));
    assert_eq!(gone.collect::<Vec<_>>(), Vec::<&str>::new());
}
