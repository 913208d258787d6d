//! What PostgREST would serve: the doors as functions, and a closed door where the table would be.

mod miss;
pub(crate) mod orders;
pub(crate) mod rpc;
