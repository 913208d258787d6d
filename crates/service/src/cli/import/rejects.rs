//! The rejects file: made when there is something to put into it, and closed to others, because it
//! may repeat what a broken file says about people.

use serde::Serialize;
use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The file of this run; of an earlier one it takes the place.
pub struct RejectsFile {
    path: PathBuf,
    /// Whether the name is ours: then an earlier run's file goes when this run needs none.
    is_default: bool,
    writer: Option<BufWriter<File>>,
}

impl RejectsFile {
    /// Nothing is made yet.
    pub fn new(path: PathBuf, is_default: bool) -> Self {
        Self { path, is_default, writer: None }
    }

    /// Where it is or would be.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds a line.
    pub fn write(&mut self, reject: &impl Serialize) -> io::Result<()> {
        let writer = match &mut self.writer {
            Some(writer) => writer,
            none => none.insert(BufWriter::new(open(&self.path)?)),
        };
        serde_json::to_writer(&mut *writer, reject)?;
        writer.write_all(b"\n")
    }

    /// Hands everything to the system; gives the path if there is a file.
    pub fn finish(self) -> io::Result<Option<PathBuf>> {
        if let Some(mut writer) = self.writer {
            writer.flush()?;
            return Ok(Some(self.path));
        }
        if self.is_default && self.path.is_file() {
            std::fs::remove_file(&self.path)?;
        }
        Ok(None)
    }
}

fn open(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    // A file that stood there keeps its mode otherwise.
    file.set_permissions(Permissions::from_mode(0o600))?;
    Ok(file)
}
