//! The mutants in the test command: the list names only what there is and does not grow, and some changes of
//! the shop's functions that were noticed once, drawn by a seed, still are. // G10, G13

use orders_proof::mutants::batch::{judge_all, sample};
use orders_proof::mutants::change::{Mutant, mutants};
use orders_proof::mutants::listed::{listed, stale};
use orders_proof::mutants::report::Counts;
use orders_proof::mutants::suite::{Verdict, functions, missing};
use orders_proof::world::untested;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How many changes go unnoticed with a reason. It rises only with functions that are tried for the first
/// time, with what only spares work (four of the look that spares `lock_due_orders` its planning), and with
/// what cannot be seen at all, because a constraint, the same statement or another lock does it as well.
const LISTED_MAX: usize = 66;
/// How many there are at least: a generator that finds nothing proves nothing.
const CHANGES_MIN: usize = 4500;
/// How many are tried here; `just mutants` tries all.
const SAMPLE: usize = 40;
/// What draws them.
const SEED: u64 = 1;
/// Far more than the sample needs.
const PATIENCE: Duration = Duration::from_mins(10);

fn root(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(name)
}

fn all(functions: &BTreeMap<String, String>) -> Vec<Mutant> {
    functions.iter().flat_map(|(name, text)| mutants(name, text)).collect()
}

#[test]
fn the_list_of_what_goes_unnoticed_names_only_what_there_is_and_does_not_grow() {
    let functions = functions().expect("the functions");
    let all = all(&functions);
    assert!(all.len() >= CHANGES_MIN, "only {} changes", all.len());
    let names: BTreeSet<&str> = all.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names.len(), all.len(), "each change has a name of its own");
    assert_eq!(
        stale(&names),
        Vec::<&str>::new(),
        "these are no changes any more, or have no reason"
    );
    assert!(listed().len() <= LISTED_MAX, "{} are listed", listed().len());
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_that_were_noticed_once_and_that_a_seed_draws_still_are() {
    if let Some(why) = missing().await.expect("a server") {
        return untested::because(&format!("the mutants: {why}"));
    }
    let functions = functions().expect("the functions");
    let mut drawn = all(&functions);
    let mut counts = Counts::read(&root("docs/mutants.json")).expect("the counts");
    counts.forget_changed(&functions);
    drawn.retain(|one| counts.is_noticed(&one.function, &one.name));
    let drawn = sample(SEED, drawn, SAMPLE);
    let tried = Arc::new(Mutex::new((0, Vec::new())));
    let told = Arc::clone(&tried);
    judge_all(&functions, drawn, 2, Instant::now() + PATIENCE, move |one| {
        let mut tried = told.lock().expect("no panic before");
        tried.0 += 1;
        if one.verdict == Verdict::Unnoticed {
            tried.1.push(one.mutant.name);
        }
    })
    .await
    .expect("the suite");
    let (count, unnoticed) = tried.lock().expect("no panic before").clone();
    assert_eq!((count, unnoticed), (SAMPLE, Vec::new()));
}
