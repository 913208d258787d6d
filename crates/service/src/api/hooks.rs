//! What partners send by themselves, signed instead of with a key.

pub(crate) mod counts;
pub(crate) mod stripe;
