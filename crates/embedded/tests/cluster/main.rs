//! The crate seen from outside, with real servers, real kills and real users.

#![cfg(test)]

mod dying;
#[cfg(feature = "testing")]
mod shared;
mod starting;
mod support;
mod users;
