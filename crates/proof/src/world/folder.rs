//! The folder of a server that rests.

use anyhow::{Context, ensure};
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;

/// Puts a copy of one folder, with its owners, where another one stood, if it did.
pub fn replace(to: &Path, from: &Path) -> anyhow::Result<()> {
    match fs::remove_dir_all(to) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("removing {}", to.display()));
        }
        _ => {}
    }
    let done = Command::new("cp").arg("-a").args([from, to]).status().context("cp does not run")?;
    ensure!(done.success(), "cp {}: {done}", from.display());
    Ok(())
}
