//! What became of messages of Stripe: numbers that go to the database every few seconds, because what
//! is refused leaves no row.

use orders_gateway::stripe::webhook::Forged;
use orders_store::Store;
use orders_store::inbox::{self, Received};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often the counts go to the database.
const FLUSH_EVERY: Duration = Duration::from_secs(10);
/// How long that may take: it must not lengthen the stop.
const FLUSH_LIMIT: Duration = Duration::from_secs(2);

macro_rules! counts {
    ($($name:ident: $meaning:literal),+ $(,)?) => {
        /// What became of messages, since the counts were last taken to the database.
        #[derive(Debug, Default)]
        pub struct Counts { $(#[doc = $meaning] pub(super) $name: AtomicI64),+ }

        impl Counts {
            /// The counts by their names in the database.
            fn all(&self) -> Vec<(&'static str, &AtomicI64)> {
                vec![$((concat!("stripe_webhook_", stringify!($name)), &self.$name)),+]
            }
        }
    };
}

counts! {
    stored: "Stored, to be followed up.",
    duplicate: "Stored before, under the same id.",
    repeated: "Stored; it tells what another one told.",
    ignored: "Stored; nothing of ours depends on its type.",
    wrong_mode: "Stored; it is of the other mode.",
    wrong_account: "Stored; it is of another account.",
    forged_no_header: "Refused: without a signature.",
    forged_malformed: "Refused: the signature's header cannot be read.",
    forged_no_signature: "Refused: no signature of a known scheme.",
    forged_wrong_signature: "Refused: no signature fits.",
    forged_too_old: "Refused: signed too long ago.",
    forged_too_new: "Refused: signed in the future.",
    too_large: "Refused: too many bytes.",
    broken_off: "Refused: it did not arrive whole, or not in time.",
    unreadable: "Refused: signed, and no message.",
    storing_failed: "Not stored; Stripe repeats it.",
}

impl Counts {
    /// Takes the counts to the database every few seconds and once more at the stop.
    pub async fn keep(self: Arc<Self>, store: Store, stop: CancellationToken) {
        while !stop.is_cancelled() {
            tokio::select! {
                () = tokio::time::sleep(FLUSH_EVERY) => {}
                () = stop.cancelled() => {}
            }
            self.flush(&store).await;
        }
    }

    /// Takes them to the database; what it does not take is kept for the next time.
    pub async fn flush(&self, store: &Store) {
        let taken: Vec<(&AtomicI64, &'static str, i64)> = self
            .all()
            .into_iter()
            .map(|(name, count)| (count, name, count.swap(0, Ordering::Relaxed)))
            .filter(|(_, _, taken)| *taken > 0)
            .collect();
        if taken.is_empty() {
            return;
        }
        let counts: Vec<(&str, i64)> =
            taken.iter().map(|(_, name, taken)| (*name, *taken)).collect();
        let stored = tokio::time::timeout(FLUSH_LIMIT, inbox::tally(store, &counts)).await;
        if !matches!(stored, Ok(Ok(()))) {
            tracing::warn!("the counts of messages could not be stored and are kept");
            for (count, _, taken) in taken {
                count.fetch_add(taken, Ordering::Relaxed);
            }
        }
    }

    /// The count of a reason to refuse.
    pub(super) fn forged(&self, forged: Forged) -> &AtomicI64 {
        match forged {
            Forged::NoHeader => &self.forged_no_header,
            Forged::Malformed => &self.forged_malformed,
            Forged::NoSignature => &self.forged_no_signature,
            Forged::WrongSignature => &self.forged_wrong_signature,
            Forged::TooOld => &self.forged_too_old,
            Forged::TooNew => &self.forged_too_new,
        }
    }

    /// The count of what became of a message that was stored.
    pub(super) fn received(&self, received: Received) -> &AtomicI64 {
        match received {
            Received::New => &self.stored,
            Received::Duplicate => &self.duplicate,
            Received::Repeated => &self.repeated,
            Received::Ignored => &self.ignored,
            Received::WrongMode => &self.wrong_mode,
            Received::WrongAccount => &self.wrong_account,
        }
    }
}
