//! The named points of the engine at which a test may stop, kill or delay it.
//!
//! Promise: production passes [`Open`], which does nothing; a test passes a gate of its own as an
//! argument. No environment variable and no global reaches in here.

/// A point in the life of a submission where a crash must be harmless; the numbers name its crash
/// points in an order of their own, C1 to C22, of which the engine has these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Point {
    /// C6: orders are locked and planned, the intent is not committed.
    OrdersLocked,
    /// C8: the intent is committed, nothing is sent.
    IntentCommitted,
    /// C9: the request is on its way, partly written.
    RequestStarted,
    /// C12: the answer is read, not recorded.
    AnswerRead,
    /// C14: the answer is recorded, the worker not yet idle.
    AnswerRecorded,
    /// C15: a read or look-up is about to be sent.
    LookupStarted,
    /// C17: the call of a movement of money is committed, nothing is sent.
    MoveCommitted,
    /// C18: the answer about a movement of money is read, not recorded.
    MoveAnswered,
    /// C21: recovery is about to mark attempts whose lease has ended.
    RecoveryStarted,
}

impl Point {
    /// Every point, in the order of an order's life.
    pub const ALL: [Self; 9] = [
        Self::OrdersLocked,
        Self::IntentCommitted,
        Self::RequestStarted,
        Self::AnswerRead,
        Self::AnswerRecorded,
        Self::LookupStarted,
        Self::MoveCommitted,
        Self::MoveAnswered,
        Self::RecoveryStarted,
    ];

    /// The name used on the command line and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::OrdersLocked => "orders-locked",
            Self::IntentCommitted => "intent-committed",
            Self::RequestStarted => "request-started",
            Self::AnswerRead => "answer-read",
            Self::AnswerRecorded => "answer-recorded",
            Self::LookupStarted => "lookup-started",
            Self::MoveCommitted => "move-committed",
            Self::MoveAnswered => "move-answered",
            Self::RecoveryStarted => "recovery-started",
        }
    }

    /// Reads a name written by [`Point::name`].
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|point| point.name() == name)
    }
}

/// Something that is told whenever the engine passes a [`Point`].
pub trait Gate: Send + Sync {
    /// Called at the point, before anything behind it happens.
    fn pass(&self, point: Point);
}

/// The gate of production: always open.
#[derive(Debug, Clone, Copy, Default)]
pub struct Open;

impl Gate for Open {
    fn pass(&self, _point: Point) {}
}
