//! What a model of ours is, beside what `stateright` asks of one.

use stateright::Model;

/// An act together with the state that it leads to, so that nothing is worked out twice.
#[derive(Debug, Clone, PartialEq)]
pub struct Move<A, S> {
    /// What happens.
    pub act: A,
    /// What is then.
    pub next: S,
}

/// Who causes an act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The program, a healthy outside, or time.
    Course,
    /// Something that goes wrong, or somebody who acts; never counted upon.
    Chance,
}

/// A state of a world.
pub type StateOf<W> = <W as Model>::State;

/// A model that can say what is broken, when it rests, and what happened.
pub trait World:
    Model<State: Copy + Eq + std::hash::Hash, Action = Move<Self::Act, StateOf<Self>>>
{
    /// What happens.
    type Act: Copy + PartialEq + std::fmt::Debug;

    /// What can happen next.
    fn moves(&self, state: &StateOf<Self>) -> Vec<Move<Self::Act, StateOf<Self>>>;

    /// The names of what must always hold.
    fn laws(&self) -> &'static [&'static str];

    /// Whether a law holds.
    fn holds(&self, law: &str, state: &StateOf<Self>) -> bool;

    /// Whether everything has ended, or waits visibly for a person.
    fn rests(&self, state: &StateOf<Self>) -> bool;

    /// Who causes an act.
    fn cause(&self, act: &Self::Act) -> Cause;

    /// A history in sentences.
    fn tell(&self, history: &[Self::Act]) -> Vec<String>;
}
