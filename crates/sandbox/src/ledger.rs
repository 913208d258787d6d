//! An append-only ledger: lines in memory and, when a file is given, one JSON object a line.
//!
//! Promise: a line is never changed or removed, numbers rise by one, and a file that was written
//! durably holds every line whose call was answered, whatever happened to the process. The file is
//! opened for appending; only a torn last line, left by a kill in the middle of a write, is cut off
//! when the file is opened again.
//!
//! A ledger that cannot be written would make the oracle lie, so it says so ([`Ledger::failure`])
//! and the world stops serving.

use crate::Error;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::Notify;

/// One line of a ledger.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line<E> {
    /// The line's number, from 1.
    pub seq: u64,
    /// When it happened, in milliseconds since 1970.
    pub at_ms: i64,
    /// What happened.
    #[serde(flatten)]
    pub event: E,
}

/// How much unwritten text a ledger that is not durable may hold.
const BUFFER_BYTES_MAX: usize = 64 * 1024;

/// Lines in memory, and their file.
pub(crate) struct Ledger<E> {
    lines: Vec<Line<E>>,
    file: Option<(PathBuf, File)>,
    durable: bool,
    buffer: Vec<u8>,
    failure: Option<String>,
    changed: Arc<Notify>,
}

impl<E: Clone + Serialize + DeserializeOwned> Ledger<E> {
    /// A ledger with the lines of the file, if there is one.
    pub(crate) fn open(path: Option<&Path>, durable: bool) -> Result<Self, Error> {
        let mut ledger = Self {
            lines: Vec::new(),
            file: None,
            durable,
            buffer: Vec::new(),
            failure: None,
            changed: Arc::new(Notify::new()),
        };
        if let Some(path) = path {
            let failed = |source| Error::Ledger { path: path.to_owned(), source };
            let mut file = OpenOptions::new()
                .read(true)
                .append(true)
                .create(true)
                .open(path)
                .map_err(failed)?;
            let mut text = Vec::new();
            file.read_to_end(&mut text).map_err(failed)?;
            let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            if whole < text.len() {
                file.set_len(u64::try_from(whole).unwrap_or(0)).map_err(failed)?;
            }
            for (index, line) in text[..whole].split_inclusive(|byte| *byte == b'\n').enumerate() {
                let line = serde_json::from_slice(line).map_err(|source| Error::LedgerLine {
                    path: path.to_owned(),
                    line: index + 1,
                    source,
                })?;
                ledger.lines.push(line);
            }
            ledger.file = Some((path.to_owned(), file));
        }
        Ok(ledger)
    }

    /// Write a line down.
    pub(crate) fn append(&mut self, at_ms: i64, event: E) {
        let seq = self.lines.last().map_or(0, |line| line.seq) + 1;
        let line = Line { seq, at_ms, event };
        if self.file.is_some() {
            // Serialising into memory fails for no type of ours; if it ever did, that is a failure
            // of the ledger like any other.
            if let Err(error) = serde_json::to_writer(&mut self.buffer, &line) {
                self.failure = Some(error.to_string());
            }
            self.buffer.push(b'\n');
            if self.durable || self.buffer.len() >= BUFFER_BYTES_MAX {
                self.flush();
            }
        }
        self.lines.push(line);
        self.changed.notify_waiters();
    }

    /// Hand everything written so far to the operating system.
    pub(crate) fn flush(&mut self) {
        if let Some((path, file)) = &mut self.file {
            if let Err(error) = file.write_all(&self.buffer) {
                self.failure = Some(format!("{}: {error}", path.display()));
            }
            self.buffer.clear();
        }
    }
}

impl<E> Ledger<E> {
    /// All lines, oldest first.
    pub(crate) fn lines(&self) -> &[Line<E>] {
        &self.lines
    }

    /// Why the ledger can no longer be trusted, if so.
    pub(crate) fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    /// Rings at every new line.
    pub(crate) fn changed(&self) -> Arc<Notify> {
        Arc::clone(&self.changed)
    }
}

impl<E> Drop for Ledger<E> {
    fn drop(&mut self) {
        if let Some((_, file)) = &mut self.file {
            // Nobody is left to be told.
            let _ = file.write_all(&self.buffer);
        }
    }
}

/// Lines as JSON, one a line: the same text as the file's.
pub(crate) fn to_text<E: Serialize>(lines: &[Line<E>], after: u64) -> Vec<u8> {
    let mut text = Vec::new();
    for line in lines.iter().filter(|line| line.seq > after) {
        if serde_json::to_writer(&mut text, line).is_ok() {
            text.push(b'\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(tag = "event", rename_all = "snake_case")]
    enum Said {
        Word { text: String },
    }

    fn word(text: &str) -> Said {
        Said::Word { text: text.to_owned() }
    }

    #[test]
    fn a_durable_line_is_in_the_file_before_the_next_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.jsonl");
        let mut ledger = Ledger::open(Some(&path), true).unwrap();
        ledger.append(5, word("one"));
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, "{\"seq\":1,\"at_ms\":5,\"event\":\"word\",\"text\":\"one\"}\n");
    }

    #[test]
    fn a_torn_last_line_is_cut_off_and_the_numbers_go_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.jsonl");
        let whole = "{\"seq\":1,\"at_ms\":5,\"event\":\"word\",\"text\":\"one\"}\n";
        std::fs::write(&path, format!("{whole}{{\"seq\":2,\"at")).unwrap();
        let mut ledger = Ledger::open(Some(&path), false).unwrap();
        ledger.append(6, word("two"));
        drop(ledger);
        let again = Ledger::<Said>::open(Some(&path), false).unwrap();
        assert_eq!(again.lines().iter().map(|line| line.seq).collect::<Vec<_>>(), [1, 2]);
    }

    #[test]
    fn a_broken_line_in_the_middle_is_refused_by_its_number() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.jsonl");
        std::fs::write(&path, "nonsense\n").unwrap();
        let error = Ledger::<Said>::open(Some(&path), false).err().unwrap();
        assert!(matches!(error, Error::LedgerLine { line: 1, .. }));
    }
}
