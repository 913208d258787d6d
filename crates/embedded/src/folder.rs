//! The data folder: who holds it, and what stands where in it.
//!
//! ```text
//! <data folder>/     ours; when we are root: root's, so that no link can be slipped in
//!   lock             held exclusively for the life of the cluster; has the holder's pid in it
//!   postgres.log     what the server says
//!   pgdata/          the cluster itself, belongs to the user PostgreSQL runs as
//!   run/             the socket (see socket.rs)
//!   server-<digest>/ the carried server, unpacked (see carried.rs)
//! ```

use std::env;
use std::fs::{self, File, Permissions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use crate::{Error, wait};

/// A log that has grown beyond this is set aside at the next start.
const LOG_BYTES_MAX: u64 = 8 << 20;

/// How long a lock is asked for before we say that it is taken. A holder that is killed just as it
/// makes a child leaves the lock to that child until it becomes another program, moments later.
const LOCK_LIMIT: Duration = Duration::from_secs(2);

/// Where a cluster lives when nobody says otherwise: `/var/lib/atomic-orders` for root (root's home
/// is closed to the user whom PostgreSQL runs as), else `atomic-orders` in the user's data folder.
pub fn default_data_dir() -> PathBuf {
    if rustix::process::geteuid().is_root() {
        return PathBuf::from("/var/lib/atomic-orders");
    }
    env::var_os("XDG_DATA_HOME")
        .map(PathBuf::from)
        .filter(|folder| folder.is_absolute())
        .or_else(|| Some(env::home_dir()?.join(".local/share")))
        .unwrap_or_else(|| PathBuf::from("/var/tmp"))
        .join("atomic-orders")
}

/// A data folder that is ours alone as long as this lives.
#[derive(Debug)]
pub struct Folder {
    root: PathBuf,
    /// Closing it gives the lock back.
    _lock: File,
}

impl Folder {
    /// Makes the folder if need be and takes its lock.
    pub fn claim(root: &Path) -> Result<Self, Error> {
        make_way(root).map_err(Error::file("create", root))?;
        let root = root.canonicalize().map_err(Error::file("find", root))?;
        let lock = lock(&root)?;
        Ok(Self { root, _lock: lock })
    }

    /// The folder itself, without links in its name.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The cluster.
    pub fn pgdata(&self) -> PathBuf {
        self.root.join("pgdata")
    }

    /// The major version that made the cluster; `None` when there is no cluster yet.
    pub fn major(&self) -> Result<Option<u32>, Error> {
        let file = self.pgdata().join("PG_VERSION");
        match fs::read_to_string(&file) {
            Ok(text) => text.trim().parse().map(Some).map_err(|_| {
                Error::file("find a version in", file)(io::ErrorKind::InvalidData.into())
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::file("read", file)(error)),
        }
    }

    /// The server's log.
    pub fn log_path(&self) -> PathBuf {
        self.root.join("postgres.log")
    }

    /// The log, open for writing at its end.
    pub fn open_log(&self) -> Result<File, Error> {
        let path = self.log_path();
        if fs::symlink_metadata(&path).is_ok_and(|log| log.len() > LOG_BYTES_MAX) {
            let _ = fs::rename(&path, self.root.join("postgres.log.1"));
        }
        open(&path, OFlags::WRONLY | OFlags::APPEND).map_err(Error::file("write", path))
    }

    /// An error of PostgreSQL's, with its own last words.
    pub fn server_failed(&self, failure: impl Into<String>) -> Error {
        let log = self.log_path();
        let tail = last_lines(&log, 10).unwrap_or_else(|error| format!("(unreadable: {error})"));
        Error::Server { failure: failure.into(), log, tail }
    }
}

/// Creates `folder` and what is missing above it. What root creates, the user whom we drop to can
/// pass, whatever the umask says; what anybody else creates is closed to others.
fn make_way(folder: &Path) -> io::Result<()> {
    let mode = if rustix::process::geteuid().is_root() { 0o755 } else { 0o700 };
    let missing: Vec<&Path> = folder
        .ancestors()
        .take_while(|step| !step.as_os_str().is_empty() && !step.exists())
        .collect();
    for step in missing.into_iter().rev() {
        match fs::create_dir(step) {
            Ok(()) => fs::set_permissions(step, Permissions::from_mode(mode))?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// One program per folder. The kernel gives the lock back when the holder dies, however it dies.
fn lock(root: &Path) -> Result<File, Error> {
    let path = root.join("lock");
    let mut file = open(&path, OFlags::RDWR).map_err(Error::file("open", &path))?;
    let outcome = wait::until(LOCK_LIMIT, || {
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK | Errno::INTR) => None,
            outcome => Some(outcome),
        }
    });
    let Some(outcome) = outcome else {
        let mut holder = String::new();
        let _ = file.read_to_string(&mut holder);
        let holder = holder.trim().parse().ok();
        return Err(Error::InUse { folder: root.to_owned(), holder });
    };
    outcome.map_err(|error| Error::file("lock", &path)(error.into()))?;
    let pid = format!("{}\n", std::process::id());
    file.set_len(0)
        .and_then(|()| file.write_all_at(pid.as_bytes(), 0))
        .and_then(|()| file.flush())
        .map_err(Error::file("write", path))?;
    Ok(file)
}

/// Opens or creates a file of ours; never through a link that somebody put there, and never handed
/// on to children.
fn open(path: &Path, how: OFlags) -> io::Result<File> {
    let flags = how | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(File::from(rustix::fs::open(path, flags, Mode::from_raw_mode(0o600))?))
}

fn last_lines(path: &Path, count: usize) -> io::Result<String> {
    const ENOUGH: u64 = 16 << 10;
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(ENOUGH)))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    Ok(lines[lines.len().saturating_sub(count)..].join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_claim_on_a_folder_names_the_holder_and_ends_with_the_first() {
        let folder = tempfile::tempdir().unwrap();
        let held = Folder::claim(folder.path()).unwrap();
        match Folder::claim(folder.path()).unwrap_err() {
            Error::InUse { holder, .. } => assert_eq!(holder, Some(std::process::id())),
            other => panic!("{other}"),
        }
        drop(held);
        Folder::claim(folder.path()).unwrap();
    }

    #[test]
    fn a_link_in_the_place_of_the_lock_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let precious = folder.path().join("precious");
        fs::write(&precious, "text").unwrap();
        std::os::unix::fs::symlink(&precious, folder.path().join("lock")).unwrap();
        assert!(matches!(Folder::claim(folder.path()), Err(Error::File { .. })));
        assert_eq!(fs::read_to_string(precious).unwrap(), "text");
    }

    #[test]
    fn a_nonsense_version_file_is_an_error_and_no_version_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let folder = Folder::claim(folder.path()).unwrap();
        assert_eq!(folder.major().unwrap(), None);
        fs::create_dir(folder.pgdata()).unwrap();
        fs::write(folder.pgdata().join("PG_VERSION"), "16\n").unwrap();
        assert_eq!(folder.major().unwrap(), Some(16));
        fs::write(folder.pgdata().join("PG_VERSION"), "x").unwrap();
        assert!(folder.major().is_err());
    }

    #[test]
    fn the_end_of_a_log_is_shown_and_not_all_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let text: Vec<String> = (0..10_000).map(|n| format!("line {n}")).collect();
        fs::write(&log, text.join("\n")).unwrap();
        assert_eq!(last_lines(&log, 2).unwrap(), "line 9998\nline 9999");
    }
}
