//! What a check complains about, in the form that editors jump to: `path:line: sentence`.

use std::fmt;

/// One complaint about one place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The file, from the root of the workspace.
    pub path: String,
    /// The line, counted from 1; none if the complaint is about the whole file.
    pub line: Option<usize>,
    /// What is wrong and what to do about it, as a sentence.
    pub sentence: String,
}

impl Finding {
    /// A complaint about a whole file.
    pub fn file(path: &str, sentence: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line: None, sentence: sentence.into() }
    }

    /// A complaint about one line.
    pub fn line(path: &str, line: usize, sentence: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line: Some(line), sentence: sentence.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.path, self.sentence),
            None => write!(f, "{}: {}", self.path, self.sentence),
        }
    }
}
