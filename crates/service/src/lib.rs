//! The program: the engine, the server, the command line.
//!
//! Reading order: [`engine`] (what buys), [`app`] (what everything is wired from), [`api`] (what
//! others call), [`cli`] (what people type), [`import`] (how orders get in from files).

pub mod api;
pub mod app;
pub mod cli;
pub mod engine;
pub mod import;
pub mod telemetry;
