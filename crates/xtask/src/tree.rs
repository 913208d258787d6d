//! The files that belong to the project, with their text, read once.
//!
//! Relies on git to say what belongs (tracked, or new and not ignored). In an unpacked source
//! archive, where git knows nothing, everything outside build folders counts.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

/// Folders that a build or a tool leaves behind; only the walk without git needs to know them.
const LEFT_BEHIND: [&str; 3] = [".git", "target", "node_modules"];

/// One file.
#[derive(Debug, Clone)]
pub struct File {
    /// The path from the root, with `/` on every system.
    pub path: String,
    /// The text; empty for a file that is not UTF-8, of which only the name is checked.
    pub text: String,
}

impl File {
    /// Whether the name ends in `.` and this extension.
    pub fn is(&self, extension: &str) -> bool {
        Path::new(&self.path).extension().is_some_and(|found| found == extension)
    }

    /// The lines with their numbers, counted from 1.
    pub fn numbered(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, line))
    }
}

/// All files, ordered by path.
#[derive(Debug, Clone, Default)]
pub struct Tree {
    files: Vec<File>,
}

impl Tree {
    /// Reads the files under `root` that belong to the project.
    pub fn checkout(root: &Path) -> Result<Self> {
        let mut paths = match listed_by_git(root) {
            Some(paths) => paths,
            None => walked(root)?,
        };
        paths.sort();
        paths.dedup();
        let mut files = Vec::with_capacity(paths.len());
        for path in paths {
            match fs::read(root.join(&path)) {
                Ok(bytes) => {
                    let text = String::from_utf8(bytes).unwrap_or_default();
                    files.push(File { path, text });
                }
                // Tracked, but deleted in the working copy: no longer part of the tree.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                // A symbolic link to a folder: what it points to is listed by itself.
                Err(error) if error.kind() == io::ErrorKind::IsADirectory => {}
                Err(error) => return Err(error).with_context(|| format!("cannot read {path}")),
            }
        }
        Ok(Self { files })
    }

    /// A tree made up of (path, text) pairs: the examples of the tests.
    pub fn of(files: &[(&str, &str)]) -> Self {
        let file =
            |&(path, text): &(&str, &str)| File { path: path.to_owned(), text: text.to_owned() };
        Self { files: files.iter().map(file).collect() }
    }

    /// Every file.
    pub fn files(&self) -> impl Iterator<Item = &File> {
        self.files.iter()
    }

    /// The Rust files.
    pub fn rust(&self) -> impl Iterator<Item = &File> {
        self.files().filter(|file| file.is("rs"))
    }

    /// The SQL files.
    pub fn sql(&self) -> impl Iterator<Item = &File> {
        self.files().filter(|file| file.is("sql"))
    }

    /// The file at exactly this path.
    pub fn file(&self, path: &str) -> Option<&File> {
        self.files().find(|file| file.path == path)
    }
}

/// The root of this workspace.
pub fn root() -> PathBuf {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    crates.and_then(Path::parent).map(Path::to_path_buf).unwrap_or_default()
}

fn listed_by_git(root: &Path) -> Option<Vec<String>> {
    let output = Command::new("git")
        // A gate may run as another user than the one who checked out; listing names is harmless.
        .args(["-c", "safe.directory=*"])
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    let names = String::from_utf8(output.stdout).ok()?;
    Some(names.split_terminator('\0').map(str::to_owned).collect())
}

fn walked(root: &Path) -> Result<Vec<String>> {
    let mut paths = Vec::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let entries =
            fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))?;
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if LEFT_BEHIND.contains(&name.as_str()) {
                continue;
            }
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            } else {
                let path = entry.path();
                let inside = path.strip_prefix(root)?.components();
                let parts: Vec<_> =
                    inside.map(|part| part.as_os_str().to_string_lossy().into_owned()).collect();
                paths.push(parts.join("/"));
            }
        }
    }
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_holds_this_very_file() {
        let tree = Tree::checkout(&root()).unwrap();
        let this = tree.file("crates/xtask/src/tree.rs").unwrap();
        assert!(this.text.contains("the_tree_holds_this_very_file"));
    }

    #[test]
    fn without_git_the_walk_finds_the_sources_and_skips_what_builds_leave() {
        let paths = walked(&root()).unwrap();
        assert!(paths.iter().any(|path| path == "crates/xtask/src/tree.rs"));
        assert!(!paths.iter().any(|path| path.starts_with("target/")));
    }
}
