//! Why a private cluster is not running, each time with what to do about it.

use std::io;
use std::path::PathBuf;

/// Why a private cluster did not start, or did not stop.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or folder could not be used.
    #[error(
        "cannot {doing} {}; make sure that it belongs to the user who starts this program and \
         that the disk is not full, or choose another data folder",
        path.display()
    )]
    File {
        /// What was being done, as a verb: `create`, `read`.
        doing: &'static str,
        /// To which file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Started as root, and the user dropped to cannot get to the data folder.
    #[error(
        "PostgreSQL refuses to run as root and would run as user {user}, who may not enter {}; \
         choose a data folder outside of it (root's default is /var/lib/atomic-orders), \
         or let that user pass with: chmod o+x {}",
        closed.display(), closed.display()
    )]
    Unreachable {
        /// The folder that is closed.
        closed: PathBuf,
        /// The user PostgreSQL would run as.
        user: String,
    },
    /// Started as root, and there is nobody to drop to.
    #[error(
        "PostgreSQL refuses to run as root, and this machine has neither a user `postgres` nor \
         `nobody`; add one with `useradd --system postgres`, or start this program as another user"
    )]
    NoAccount,
    /// Another program holds the folder.
    #[error(
        "the data folder {} is in use by {}; stop that program first, or choose another folder",
        folder.display(),
        holder.map_or_else(|| "another program".to_owned(), |pid| format!("the program with pid {pid}"))
    )]
    InUse {
        /// The data folder.
        folder: PathBuf,
        /// Who has it, where it is known.
        holder: Option<u32>,
    },
    /// No server binaries that would run.
    #[error(
        "there is no PostgreSQL to run: {reason}; install PostgreSQL 15 or newer, or name the \
         folder of its programs, or set DATABASE_URL to a server that runs elsewhere"
    )]
    NoServer {
        /// What was looked at, and why it would not do.
        reason: String,
    },
    /// The folder was made by a major version that is not here.
    #[error(
        "the cluster in {} was made by PostgreSQL {major}, and {found}; install PostgreSQL \
         {major} (one major version never opens another's files), or move the data with pg_dump",
        folder.display()
    )]
    OtherMajor {
        /// The data folder.
        folder: PathBuf,
        /// The major version that made it.
        major: u32,
        /// What there is instead.
        found: String,
    },
    /// Processes of an earlier run do not go away.
    #[error(
        "PostgreSQL processes of an earlier run still work in {} and do not stop (pids {pids:?}); \
         look at what they do, end them with `kill -QUIT`, and start again",
        folder.display()
    )]
    Occupied {
        /// The cluster's folder.
        folder: PathBuf,
        /// Who is there.
        pids: Vec<u32>,
    },
    /// PostgreSQL itself failed.
    #[error("PostgreSQL {failure}; the reason stands at the end of {}:\n{tail}", log.display())]
    Server {
        /// What went wrong, as the end of a sentence.
        failure: String,
        /// Its log.
        log: PathBuf,
        /// The last lines of it.
        tail: String,
    },
}

impl Error {
    /// For `map_err`: what was being done to which path.
    pub(crate) fn file(
        doing: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { doing, path, source }
    }
}
