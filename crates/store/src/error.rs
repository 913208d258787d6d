//! What can go wrong between us and the database, each with what to do about it.

use tokio_postgres::error::SqlState;

/// An error of the store. Its message says what was being done; the cause is in `source()`.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address of the database could not be understood. The address is not repeated: it may
    /// hold a password.
    #[error("the database address cannot be read: give a URL such as postgres://user@host/name")]
    Address,
    /// No connection, or none free within the limit.
    #[error("no database connection for {what}: {reason}")]
    Unreachable {
        /// The name of the transaction or statement.
        what: &'static str,
        /// Why, without the address.
        reason: String,
    },
    /// The database refused a statement. The code decides, never the text.
    #[error("{what}: {message} (SQLSTATE {code})")]
    Database {
        /// The name of the transaction or statement.
        what: &'static str,
        /// The five characters.
        code: String,
        /// The primary message.
        message: String,
        /// More about it; never for a broken constraint, where the server repeats the whole row and
        /// with it what is private. // G36
        detail: Option<Box<str>>,
        /// What to do instead.
        hint: Option<String>,
        /// The constraint that was broken, by its name.
        constraint: Option<Box<str>>,
    },
    /// The connection broke while the outcome was open: the statement may have taken effect.
    #[error("{what}: the connection broke, the outcome is unknown until it is read back")]
    Interrupted {
        /// The name of the transaction or statement.
        what: &'static str,
        /// The driver's error.
        #[source]
        source: Box<tokio_postgres::Error>,
    },
    /// The limit of time passed while the outcome was open: the statement may have taken effect.
    #[error("{what}: took too long, the outcome is unknown until it is read back")]
    TimedOut {
        /// The name of the transaction or statement.
        what: &'static str,
    },
    /// A row did not have the shape that this release expects.
    #[error("{what}: a row is not as this release expects it: {reason}")]
    Inconsistent {
        /// The name of the transaction or statement.
        what: &'static str,
        /// Which column and why.
        reason: String,
    },
    /// The ground is not safe to stand on: wrong schema version, wrong role, unsafe server.
    #[error("{0}")]
    BadGround(String),
}

impl Error {
    /// Wraps a driver's error under the name of the statement.
    pub fn of(what: &'static str, error: tokio_postgres::Error) -> Self {
        let Some(db) = error.as_db_error() else {
            return Self::Interrupted { what, source: Box::new(error) };
        };
        Self::Database {
            what,
            code: db.code().code().to_owned(),
            message: db.message().to_owned(),
            detail: db.detail().filter(|_| !db.code().code().starts_with("23")).map(Into::into),
            hint: db.hint().map(str::to_owned),
            constraint: db.constraint().map(Into::into),
        }
    }

    /// The SQLSTATE, when the database gave one.
    pub fn sqlstate(&self) -> Option<&str> {
        match self {
            Self::Database { code, .. } => Some(code),
            _ => None,
        }
    }

    /// Whether the whole transaction may be run again: the database rolled it back for reasons
    /// that pass. // G17
    pub fn is_transient(&self) -> bool {
        const PASSING: [SqlState; 3] = [
            SqlState::T_R_SERIALIZATION_FAILURE,
            SqlState::T_R_DEADLOCK_DETECTED,
            SqlState::LOCK_NOT_AVAILABLE,
        ];
        self.sqlstate().is_some_and(|code| PASSING.iter().any(|state| state.code() == code))
    }

    /// Whether the database refused what stood in a statement, and not the statement's circumstances:
    /// values, constraints, limits, our own functions and walls. In a batch it may be one row that all
    /// the others suffer for.
    pub fn is_of_one_row(&self) -> bool {
        self.sqlstate().is_some_and(|code| {
            ["22", "23", "54", "PT"].iter().any(|class| code.starts_with(class)) || code == "42501"
        })
    }
}
