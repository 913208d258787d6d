//! What an earlier run left behind when it was killed.
//!
//! A server whose program was killed is either shutting down, or, where no parent-death signal
//! exists, still running. A server that was killed itself leaves `postmaster.pid` and the socket's
//! lock file; PostgreSQL then refuses to start as long as the pid in them exists, and it may exist
//! for long: as a zombie that nobody reaps, or as a stranger who got the same number.
//!
//! So pids in files prove nothing. Every process of PostgreSQL's works *in* the cluster's folder;
//! only when nobody does are the files stale. The caller holds the data folder's lock, so whoever
//! is met here belongs to nobody any more.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use rustix::process::{Pid, Signal};

use crate::{Error, wait};

/// A shutdown that was asked for may write a checkpoint.
const FAST_LIMIT: Duration = Duration::from_secs(10);
/// An immediate shutdown writes nothing.
const IMMEDIATE_LIMIT: Duration = Duration::from_secs(20);

/// Sees every earlier server of `pgdata` off and removes what it left there and in `socket_dir`.
pub fn clear(pgdata: &Path, socket_dir: &Path) -> Result<(), Error> {
    if !cfg!(target_os = "linux") || !pgdata.exists() {
        // Without /proc PostgreSQL's own check of `postmaster.pid` has to do.
        return Ok(());
    }
    let pgdata = pgdata.canonicalize().map_err(Error::file("find", pgdata))?;
    see_off(&pgdata)?;
    remove_if_there(&pgdata.join("postmaster.pid"))?;
    for entry in fs::read_dir(socket_dir).map_err(Error::file("read", socket_dir))?.flatten() {
        if entry.file_name().to_string_lossy().starts_with(".s.PGSQL.") {
            remove_if_there(&entry.path())?;
        }
    }
    Ok(())
}

/// Whether no process of PostgreSQL's works in `pgdata`.
#[cfg(feature = "testing")]
pub fn is_deserted(pgdata: &Path) -> bool {
    pgdata.canonicalize().map_or(true, |pgdata| at_work_in(&pgdata).is_empty())
}

/// Waits until nobody works in `pgdata`, asking politely first.
fn see_off(pgdata: &Path) -> Result<(), Error> {
    let is_empty = || at_work_in(pgdata).is_empty().then_some(());

    let first = at_work_in(pgdata);
    if let Some(postmaster) = postmaster(pgdata).filter(|pid| first.contains(pid)) {
        send(postmaster, Signal::INT);
    }
    if wait::until(FAST_LIMIT, is_empty).is_some() {
        return Ok(());
    }
    // Also sessions that outlived their postmaster: busy ones do not notice.
    for pid in at_work_in(pgdata) {
        send(pid, Signal::QUIT);
    }
    wait::until(IMMEDIATE_LIMIT, is_empty)
        .ok_or_else(|| Error::Occupied { folder: pgdata.to_owned(), pids: at_work_in(pgdata) })
}

fn postmaster(pgdata: &Path) -> Option<u32> {
    fs::read_to_string(pgdata.join("postmaster.pid")).ok()?.lines().next()?.trim().parse().ok()
}

/// The living processes of PostgreSQL's in `pgdata`. A zombie has no working folder, a stranger
/// another one, and somebody's shell that happens to stand here another name.
fn at_work_in(pgdata: &Path) -> Vec<u32> {
    let is_at_work = |pid: &u32| {
        fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|folder| folder == pgdata)
            && fs::read_to_string(format!("/proc/{pid}/comm"))
                .is_ok_and(|name| name.trim_end() == "postgres")
    };
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(is_at_work)
        .collect()
}

fn send(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        // Gone in the meantime is as good; refused shows in the wait that follows.
        let _ = rustix::process::kill_process(pid, signal);
    }
}

fn remove_if_there(file: &Path) -> Result<(), Error> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::file("remove what an earlier run left at", file)(error))
        }
        _ => Ok(()),
    }
}
