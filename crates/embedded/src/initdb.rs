//! The birth of a cluster: all of it or nothing.
//!
//! `initdb` works in a folder of another name, which then gets the right one; a cluster called
//! `pgdata` is whole. What an interrupted birth left is removed by the next.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use crate::account::Account;
use crate::cluster::SUPERUSER;
use crate::folder::Folder;
use crate::locator::Server;
use crate::{Error, wait};

/// On an idle machine it takes a second, on a crowded one ten were seen.
const LIMIT: Duration = Duration::from_mins(5);

/// Makes the cluster if there is none.
pub fn ensure(folder: &Folder, server: &Server, account: &Account) -> Result<(), Error> {
    if folder.major()?.is_some() {
        return Ok(());
    }
    sweep(folder);
    let new = folder.root().join(format!("pgdata.new.{}", std::process::id()));
    fs::create_dir(&new).and_then(|()| account.give(&new)).map_err(Error::file("create", &new))?;

    let log = folder.open_log()?;
    let errors = log.try_clone().map_err(Error::file("write", folder.log_path()))?;
    let mut initdb = server.command("initdb", account);
    initdb
        .arg("--pgdata")
        .arg(&new)
        .args(["--username", SUPERUSER, "--auth", "trust", "--encoding", "UTF8"])
        .args(["--data-checksums", "--no-instructions"])
        .args(locale(server.major()))
        .stdout(Stdio::from(log))
        .stderr(Stdio::from(errors));
    // This thread waits, so it outlives the child (see launch.rs).
    let mut child = initdb
        .spawn()
        .map_err(|error| folder.server_failed(format!("could not start initdb ({error})")))?;
    let status = wait::until(LIMIT, || child.try_wait().ok().flatten());
    if !status.is_some_and(|status| status.success()) {
        let _ = child.kill();
        let _ = child.wait();
        return Err(folder.server_failed("could not make a new cluster with initdb"));
    }
    let pgdata = folder.pgdata();
    fs::rename(&new, &pgdata).map_err(Error::file("give a new cluster the name", &pgdata))?;
    // What the dead had started may have written on while their folder was being removed.
    sweep(folder);
    fs::File::open(folder.root())
        .and_then(|root| root.sync_all())
        .map_err(Error::file("write to the disk", folder.root()))
}

/// The same order of words on every machine, and no dependence on the system's locales, whose
/// updates silently break indexes. From 17 on PostgreSQL has a locale of its own that knows the
/// letters beyond ASCII.
fn locale(major: u32) -> &'static [&'static str] {
    if major >= 17 {
        &["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
    } else {
        &["--locale=C"]
    }
}

/// We hold the folder, so what is half made was left by the dead.
fn sweep(folder: &Folder) {
    for entry in folder.root().read_dir().into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with("pgdata.new.") {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
