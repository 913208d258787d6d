//! What runs of a proof have added up to, kept in a file so that the next one goes on.

use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::{Error, ErrorKind};
use std::path::Path;

/// Reads what stands in a file; what there is at the beginning where there is none yet.
pub(crate) fn read<T: DeserializeOwned + Default>(file: &Path) -> Result<T, Error> {
    match std::fs::read_to_string(file) {
        Ok(text) => Ok(serde_json::from_str(&text)?),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(T::default()),
        Err(error) => Err(error),
    }
}

/// Writes it, for people to read as well.
pub(crate) fn write<T: Serialize>(file: &Path, all: &T) -> Result<(), Error> {
    std::fs::write(file, serde_json::to_string_pretty(all)? + "\n")
}
