//! Values that must not reach a log, an error or a metric.
//!
//! Promise: [`Private`] has no `Display`, its `Debug` prints a placeholder, and its memory is wiped
//! when it is dropped. Whoever needs the value says so with [`Private::expose`], which is easy to
//! search for in a review. // G36

use serde::{Deserialize, Serialize};
use std::fmt;
use zeroize::Zeroize;

/// A value that belongs to a person or opens a door: an address, a message, a key.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Private<T: Zeroize>(T);

impl<T: Zeroize> Private<T> {
    /// Wraps a value; from here on it is shown only by [`Private::expose`].
    pub fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself. Call it where it is written to its one destination and nowhere else.
    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl<T: Zeroize> fmt::Debug for Private<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<private>")
    }
}

impl<T: Zeroize> Drop for Private<T> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_does_not_show_the_value() {
        let secret = Private::new("12 Elm Street".to_owned());
        assert_eq!(format!("{secret:?} {:?}", Some(&secret)), "<private> Some(<private>)");
        assert_eq!(secret.expose(), "12 Elm Street");
    }
}
