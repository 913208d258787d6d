//! Objects in the order of their creation, found by their id.

use std::collections::HashMap;

/// What a list can page through.
pub(super) trait Object {
    /// The id.
    fn id(&self) -> &str;
    /// Seconds since 1970.
    fn created(&self) -> i64;
}

/// All objects of one kind.
pub(super) struct Table<T> {
    rows: Vec<T>,
    index: HashMap<String, usize>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { rows: Vec::new(), index: HashMap::new() }
    }
}

impl<T: Object> Table<T> {
    /// One more, the newest.
    pub(super) fn push(&mut self, row: T) {
        self.index.insert(row.id().to_owned(), self.rows.len());
        self.rows.push(row);
    }

    /// The one with this id.
    pub(super) fn get(&self, id: &str) -> Option<&T> {
        self.rows.get(self.position(id)?)
    }

    /// The one with this id, to change it.
    pub(super) fn get_mut(&mut self, id: &str) -> Option<&mut T> {
        let at = self.position(id)?;
        self.rows.get_mut(at)
    }

    /// Its place in the order of creation.
    pub(super) fn position(&self, id: &str) -> Option<usize> {
        self.index.get(id).copied()
    }

    /// All, oldest first.
    pub(super) fn rows(&self) -> &[T] {
        &self.rows
    }

    /// How many there are: the number of the next one.
    pub(super) fn count(&self) -> u64 {
        u64::try_from(self.rows.len()).unwrap_or(u64::MAX)
    }
}
