//! The scenes that two sessions play: what one leaves uncommitted about a row, and what another that is asked
//! about the same row must do meanwhile.
//!
//! Promise: each lock of the shop's functions has a scene whose end is another one without it, or stands on the
//! list with the reason why there is none. `{a}` and `{b}` in a text are the orders of these numbers; the other
//! words are those of `stage.sql`.

mod money;
mod orders;
mod shop;

/// What whoever is asked does while the other one's transaction stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Waits for its end, and then answers for what stands.
    Waits,
    /// The same, while the other one first does this as well.
    WaitsWhile(&'static str),
    /// Answers at once, with what the other one has not taken.
    PassesBy,
}

/// What two sessions do, and what must come of it.
#[derive(Debug, Clone, Copy)]
pub struct Scene {
    /// The function whose locks it is about.
    pub function: &'static str,
    /// What is committed before.
    pub before: &'static str,
    /// What one session has done when the other is asked.
    pub meanwhile: &'static str,
    /// The value that the other session is asked for.
    pub asked: &'static str,
    /// Whether it waits.
    pub turn: Turn,
    /// The right answer as text; `error` and its SQLSTATE where it is refused.
    pub answer: &'static str,
    /// A value and what it must be when both are done.
    pub stands: Option<(&'static str, &'static str)>,
    /// Whether the histories of all orders must be whole then: not where somebody wrote past the doors.
    pub is_whole: bool,
}

/// A scene of one who waits.
const WAITS: Scene = Scene {
    function: "",
    before: "",
    meanwhile: "",
    asked: "",
    turn: Turn::Waits,
    answer: "",
    stands: None,
    is_whole: true,
};
/// A scene of one who leaves to the other what is his.
const PASSES_BY: Scene = Scene { turn: Turn::PassesBy, ..WAITS };

/// Every scene.
pub fn all() -> impl Iterator<Item = &'static Scene> {
    [orders::SCENES, money::SCENES, shop::SCENES].into_iter().flatten()
}

/// The scenes about a function.
pub fn about(function: &str) -> Vec<&'static Scene> {
    all().filter(|scene| scene.function == function).collect()
}
