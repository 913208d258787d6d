//! The ends of histories, told to the log every hour: whoever writes a whole history anew makes a chain that
//! is right again, and cannot reach a log that is kept elsewhere. `verify --log` holds them against the
//! shop. // G12
//!
//! Promise: each end that a history had when an hour was over is told at least once by one of the engines.
//! A telling that is cut short begins anew where the last whole one ended.

use super::Engine;
use jiff::{SignedDuration, Timestamp};
use orders_core::id::hex;
use orders_store::{Error, inbox, verify};

/// Up to when ends were told; kept beside how far the partners' lists were read.
const CURSOR: &str = "heads";
/// Orders of one statement.
const PAGE: i32 = 5000;
/// A shop that is held is compared every few seconds; the hour's ends are told once.
const AGAIN_AFTER: SignedDuration = SignedDuration::from_mins(30);
/// Ends of one line of the log.
const OF_A_LINE: usize = 100;

impl Engine {
    /// Tells them unless that was done a short while ago, by the time of a comparison that begins.
    pub(crate) async fn tell_heads_if_due(&self, run_at: Timestamp) -> Result<(), Error> {
        let told_at = inbox::reached(&self.store, CURSOR).await?;
        // A time that has not come yet was written by a wrong clock.
        if told_at.is_none_or(|at| at > run_at || run_at.duration_since(at) >= AGAIN_AFTER) {
            self.tell_heads().await?;
        }
        Ok(())
    }

    /// Tells the log how each history ends that has grown since that was told last, and an hour before: a
    /// transaction may be committed long after the time in it. Of histories that have not grown for thirty
    /// days when it is told for the first time, nothing. Gives how many were told.
    pub async fn tell_heads(&self) -> Result<u64, Error> {
        let (since_s, now_s) = inbox::cursor(&self.store, CURSOR).await?;
        let (mut told, mut after) = (0, None);
        loop {
            let until = verify::boundary(&self.store, after, PAGE).await?;
            let grown = verify::grown(&self.store, since_s, after, until).await?;
            told += grown.len() as u64;
            for some in grown.chunks(OF_A_LINE) {
                let heads: Vec<String> = some.iter().map(spelled).collect();
                tracing::info!(heads = heads.join(" "), "the ends of histories");
            }
            after = until;
            if after.is_none() {
                break;
            }
        }
        inbox::move_cursor(&self.store, CURSOR, now_s).await?;
        Ok(told)
    }
}

/// The order, the number of its last event and the hash of that one, as `verify --log` reads it.
fn spelled(head: &verify::Head) -> String {
    format!("{}:{}:{}", head.order_id, head.version, hex(&head.hash))
}
