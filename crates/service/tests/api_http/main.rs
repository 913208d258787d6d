//! The HTTP server through real TCP, on a real PostgreSQL and a sandbox world.
#![expect(clippy::unwrap_used, reason = "helpers of tests may fail by panic, like the tests")]

mod access;
mod arguments;
mod desk;
mod document;
mod limits;
mod money;
mod orders;
mod process;
mod reading;
mod resolve;
mod rest;
mod webhooks;
