//! How a model is explored.
//!
//! Promise:
//! - [`prove`] is `stateright`'s breadth-first search over every state within the scenario's budgets.
//! - [`shortest`] is a search of our own, because `stateright` may overwrite the first violation that it
//!   meets with a later one: its history is the shortest, and the same on every machine.
//! - [`stuck`] answers whether an end, or a person, can still be reached from every reachable state by
//!   the course of things alone. `stateright`'s `eventually` is unsound where histories meet or go in
//!   circles, as ours do; here the graph is built whole and searched backwards from where it rests.

use crate::world::{Cause, StateOf, World};
use stateright::{Checker, HasDiscoveries};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::{Duration, Instant};

/// What an exploration found.
#[derive(Debug, Clone)]
pub struct Explored {
    /// How many different states there were.
    pub states: usize,
    /// How many acts the longest of the shortest histories has.
    pub depth: usize,
    /// How long it took.
    pub took: Duration,
    /// The laws that were broken.
    pub broken: Vec<&'static str>,
    /// Whether every reachable state within the budgets was seen.
    pub complete: bool,
}

/// Explores with `stateright`, to the end or until about so many states were seen; `watch` is told the
/// number of states now and then.
pub fn prove<W>(
    world: W,
    threads: usize,
    states_max: Option<usize>,
    watch: &dyn Fn(usize),
) -> Explored
where
    W: World + Send + Sync + 'static,
    StateOf<W>: std::fmt::Debug + Send + Sync + 'static,
{
    let begun = Instant::now();
    let builder = world.checker().threads(threads).finish_when(HasDiscoveries::AnyFailures);
    let bounded = match states_max {
        Some(most) => builder.target_state_count(most),
        None => builder,
    };
    let checker = bounded.spawn_bfs();
    while !checker.is_done() {
        watch(checker.unique_state_count());
        std::thread::park_timeout(Duration::from_millis(20));
    }
    let broken: Vec<_> = checker.discoveries().into_keys().collect();
    let complete = states_max.is_none_or(|most| checker.state_count() < most) && broken.is_empty();
    Explored {
        states: checker.unique_state_count(),
        depth: checker.max_depth().saturating_sub(1),
        took: begun.elapsed(),
        broken,
        complete,
    }
}

/// A history that breaks a law.
#[derive(Debug, Clone)]
pub struct Broken {
    /// Which law.
    pub law: &'static str,
    /// How many states were seen until then.
    pub states: usize,
    /// What happened, in sentences.
    pub history: Vec<String>,
}

/// The shortest history that breaks one of the laws; none when they all hold.
pub fn shortest<W: World>(world: &W, laws: &[&'static str]) -> (usize, Option<Broken>) {
    let mut seen: HashMap<StateOf<W>, u32> = HashMap::new();
    let mut states: Vec<StateOf<W>> = Vec::new();
    let mut came: Vec<Option<(u32, W::Act)>> = Vec::new();
    for state in world.init_states() {
        seen.insert(state, index(states.len()));
        states.push(state);
        came.push(None);
    }
    let mut at = 0;
    while at < states.len() {
        let state = states[at];
        if let Some(law) = laws.iter().find(|law| !world.holds(law, &state)) {
            let mut acts = Vec::new();
            let mut back = at;
            while let Some((before, act)) = came[back] {
                acts.push(act);
                back = before as usize;
            }
            acts.reverse();
            let history = world.tell(&acts);
            return (states.len(), Some(Broken { law, states: states.len(), history }));
        }
        for step in world.moves(&state) {
            if let Entry::Vacant(free) = seen.entry(step.next) {
                free.insert(index(states.len()));
                states.push(step.next);
                came.push(Some((index(at), step.act)));
            }
        }
        at += 1;
    }
    (states.len(), None)
}

/// What can be said of coming to rest.
#[derive(Debug, Clone)]
pub struct Rest {
    /// How many states there were.
    pub states: usize,
    /// How many of them rest: everything has ended, or waits for a person.
    pub resting: usize,
    /// From how many no such state can be reached by the course of things.
    pub stuck: usize,
    /// The shortest history to one of those.
    pub history: Vec<String>,
}

/// Looks for states from which neither an end nor a person can be reached without luck.
pub fn stuck<W: World>(world: &W) -> Rest {
    let mut seen: HashMap<StateOf<W>, u32> = HashMap::new();
    let mut states: Vec<StateOf<W>> = Vec::new();
    let mut came: Vec<Option<(u32, W::Act)>> = Vec::new();
    let mut edges: Vec<(u32, u32)> = Vec::new();
    for state in world.init_states() {
        seen.insert(state, index(states.len()));
        states.push(state);
        came.push(None);
    }
    let mut at = 0;
    while at < states.len() {
        for step in world.moves(&states[at]) {
            let to = *seen.entry(step.next).or_insert_with(|| {
                states.push(step.next);
                came.push(Some((index(at), step.act)));
                index(states.len() - 1)
            });
            if world.cause(&step.act) == Cause::Course {
                edges.push((to, index(at)));
            }
        }
        at += 1;
    }
    edges.sort_unstable();
    let mut good: Vec<bool> = states.iter().map(|state| world.rests(state)).collect();
    let resting = good.iter().filter(|rests| **rests).count();
    let mut open: Vec<u32> = (0..index(states.len())).filter(|n| good[*n as usize]).collect();
    while let Some(state) = open.pop() {
        let first = edges.partition_point(|edge| edge.0 < state);
        for (_, before) in edges[first..].iter().take_while(|edge| edge.0 == state) {
            if !good[*before as usize] {
                good[*before as usize] = true;
                open.push(*before);
            }
        }
    }
    let mut history = Vec::new();
    if let Some(first) = good.iter().position(|good| !good) {
        let mut back = first;
        while let Some((before, act)) = came[back] {
            history.push(act);
            back = before as usize;
        }
        history.reverse();
    }
    let stuck = good.iter().filter(|good| !**good).count();
    Rest { states: states.len(), resting, stuck, history: world.tell(&history) }
}

/// The number of a state; no scenario that is searched so has four thousand million of them.
fn index(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
