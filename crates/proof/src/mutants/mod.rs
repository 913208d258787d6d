//! Mutants of the shop's functions: each small change of a function's text, one at a time, must be noticed
//! by the pgTAP suite, or by two sessions where one cannot notice it, or stand on a list with the reason why it
//! need not be.
//!
//! Reading order: [`token`] and [`condition`] read a text, [`change`] changes it, [`suite`] judges a change,
//! [`scenes`] and [`sessions`] what it cannot judge, [`batch`] judges many, [`listed`] is the list, [`report`] the
//! counts and the page.

pub mod batch;
pub mod change;
pub mod condition;
pub mod listed;
pub mod report;
pub mod scenes;
pub mod sessions;
pub mod suite;
pub mod token;
