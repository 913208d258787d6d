//! A disk that can be full: a library that is preloaded into the server and answers ENOSPC while a flag
//! stands. The server meets it where it meets a real one, in the calls that write its files.

use anyhow::{Context as _, ensure};
use std::ffi::OsString;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

const SOURCE: &str = include_str!("full_disk.c");

/// What is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// No table and no index grows: statements fail.
    Data,
    /// Nothing is written to the log: the server gives up and recovers, or ends.
    Log,
}

/// The disk of a server that was started with [`Disk::environment`].
#[derive(Debug)]
pub struct Disk {
    preloaded: PathBuf,
    flags: PathBuf,
}

impl Disk {
    /// Compiles the library into a folder that the server may enter.
    pub fn in_folder(folder: &Path) -> anyhow::Result<Self> {
        let (source, library, flags) =
            (folder.join("full_disk.c"), folder.join("full_disk.so"), folder.join("full"));
        fs::write(&source, SOURCE).context("writing the library's source")?;
        fs::create_dir(&flags).context("the folder of the flags")?;
        fs::set_permissions(&flags, Permissions::from_mode(0o755)).context("opening it")?;
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(&source).arg("-ldl");
        let output = compiler.output().context("cc does not run")?;
        ensure!(output.status.success(), "cc: {}", String::from_utf8_lossy(&output.stderr));
        fs::set_permissions(&library, Permissions::from_mode(0o755)).context("opening it")?;
        Ok(Self { preloaded: library, flags })
    }

    /// What the server must find in its environment.
    pub fn environment(&self) -> Vec<(OsString, OsString)> {
        vec![
            ("LD_PRELOAD".into(), self.preloaded.clone().into()),
            ("ATOMIC_ORDERS_FULL".into(), self.flags.clone().into()),
        ]
    }

    /// Fills it.
    pub fn fill(&self, what: Full) -> anyhow::Result<()> {
        File::create(self.flags.join(word(what))).context("a flag").map(drop)
    }

    /// There is room again.
    pub fn empty(&self) {
        for what in [Full::Data, Full::Log] {
            // Not there: it was not full.
            let _ = fs::remove_file(self.flags.join(word(what)));
        }
    }
}

fn word(what: Full) -> &'static str {
    match what {
        Full::Data => "data",
        Full::Log => "wal",
    }
}
