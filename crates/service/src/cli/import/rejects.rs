//! The rejects file: opened before the import begins, so that a path which cannot be written is told
//! while nothing stands yet; closed to others, because it may repeat what a broken file says about
//! people; it stays only when there is something in it.

use anyhow::Context;
use serde::Serialize;
use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The file of this run; of an earlier one it takes the place.
pub struct RejectsFile {
    path: PathBuf,
    /// Whether the name is ours: then an earlier run's file goes when this run needs none.
    is_default: bool,
    /// Whether the file was made now.
    is_new: bool,
    is_used: bool,
    writer: BufWriter<File>,
}

impl RejectsFile {
    /// Opens the file. What stands in it stays until the first reject.
    pub fn open(path: PathBuf, is_default: bool) -> anyhow::Result<Self> {
        let is_new = std::fs::symlink_metadata(&path).is_err();
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(&path).with_context(|| {
            let path = path.display();
            format!("the rejects file {path} cannot be written; name another with --rejects")
        })?;
        Ok(Self { path, is_default, is_new, is_used: false, writer: BufWriter::new(file) })
    }

    /// Adds a line.
    pub fn write(&mut self, reject: &impl Serialize) -> io::Result<()> {
        if !self.is_used {
            self.is_used = true;
            self.clear()?;
        }
        serde_json::to_writer(&mut self.writer, reject)?;
        self.writer.write_all(b"\n")
    }

    /// Takes the place of an earlier run's file. A pipe or a device is nothing to be emptied.
    fn clear(&self) -> io::Result<()> {
        let file = self.writer.get_ref();
        if file.metadata()?.is_file() {
            // A file that stood there keeps its mode otherwise.
            file.set_permissions(Permissions::from_mode(0o600))?;
            file.set_len(0)?;
        }
        Ok(())
    }

    /// Hands everything to the system; gives the path if there are rejects.
    pub fn finish(mut self) -> io::Result<Option<PathBuf>> {
        if self.is_used {
            self.writer.flush()?;
            return Ok(Some(self.path.clone()));
        }
        self.is_new |= self.is_default;
        Ok(None)
    }
}

impl Drop for RejectsFile {
    fn drop(&mut self) {
        let is_file = self.writer.get_ref().metadata().is_ok_and(|facts| facts.is_file());
        if self.is_new && !self.is_used && is_file {
            // An empty file that stays behind harms nobody.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Whether two names lead to one file, through links of either kind.
pub fn same_file(one: &Path, other: &Path) -> bool {
    match (one.metadata(), other.metadata()) {
        (Ok(one), Ok(other)) => (one.dev(), one.ino()) == (other.dev(), other.ino()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_file_without_rejects_leaves_nothing_and_an_earlier_one_that_was_named_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rejects.jsonl");
        assert_eq!(RejectsFile::open(path.clone(), false).unwrap().finish().unwrap(), None);
        assert!(!path.exists());
        std::fs::write(&path, "an earlier run's, and longer\n").unwrap();
        RejectsFile::open(path.clone(), false).unwrap().finish().unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "an earlier run's, and longer\n");
        let mut file = RejectsFile::open(path.clone(), false).unwrap();
        file.write(&json!({"line": 1})).unwrap();
        assert_eq!(file.finish().unwrap(), Some(path.clone()));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "{\"line\":1}\n");
        RejectsFile::open(path.clone(), true).unwrap().finish().unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn a_device_is_written_and_neither_closed_to_others_nor_removed() {
        let null = Path::new("/dev/null");
        let before = null.metadata().unwrap().permissions();
        let mut file = RejectsFile::open(null.to_owned(), true).unwrap();
        file.write(&json!(1)).unwrap();
        file.finish().unwrap();
        RejectsFile::open(null.to_owned(), true).unwrap().finish().unwrap();
        assert_eq!(null.metadata().unwrap().permissions(), before);
    }

    #[test]
    fn links_of_either_kind_lead_to_one_file() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("a"), "").unwrap();
        std::fs::write(at("b"), "").unwrap();
        std::os::unix::fs::symlink(at("a"), at("soft")).unwrap();
        std::fs::hard_link(at("a"), at("hard")).unwrap();
        for name in ["a", "soft", "hard"] {
            assert!(same_file(&at("a"), &at(name)), "{name}");
        }
        assert!(!same_file(&at("a"), &at("b")) && !same_file(&at("a"), &at("missing")));
    }
}
