//! The commands as people type them: the real binary, a real PostgreSQL, real files and signals.
#![expect(clippy::unwrap_used, reason = "helpers of tests may fail by panic, like the tests")]

mod desk;
mod doctor;
mod folder;
mod given;
mod hooks;
mod import;
mod installed;
mod migrate;
mod orders;
mod reconcile;
mod sandbox;
mod serve;
mod shop;
mod up;
mod verify;
