//! Messages of Stripe that never reached us, read from its list: at the start and every few minutes,
//! whatever was delivered, because a shop whose endpoint is unknown to Stripe has no failed
//! deliveries. They go the same way as those that were delivered. // G26
//!
//! Promise: the cursor moves only after the whole list was stored, so whoever dies on the way begins
//! where the last whole walk began; it moves to the newest message that was listed, and reading overlaps
//! by an hour.

use super::Engine;
use super::stats::Stats;
use orders_gateway::stripe::{self, EVENT_TYPES, EventFacts, ListedEvent, Page, PaymentError};
use orders_store::inbox::{self, Message, Ours, Received, Source};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often the list is read: of messages that are lost every payment is acted on within a quarter of
/// an hour, so there is room for two walks that fail.
pub const EVERY: Duration = Duration::from_mins(5);
/// The cursor's name.
const CURSOR: &str = "stripe_events";
/// The most pages of one turn; the next turn goes on.
const PAGES_MAX: usize = 10;
/// Between two turns of one walk, so that other calls to Stripe have room.
const BETWEEN_TURNS: Duration = Duration::from_secs(1);
/// The first rest when the list cannot be read; it doubles.
const REST_FIRST: Duration = Duration::from_secs(2);
/// How many turns in a row must be lost before a person is called: some ten minutes.
const VAIN_TURNS_MAX: u32 = 9;

/// A walk through the list, newest message first.
#[derive(Debug)]
pub struct Walk {
    from_s: i64,
    /// When it began, by our clock.
    begun_s: i64,
    /// When the newest message was made, by Stripe's clock.
    newest_s: Option<i64>,
    after: Option<String>,
}

/// Why a turn could not go on.
#[derive(Debug, thiserror::Error)]
pub enum Unlisted {
    /// The database.
    #[error(transparent)]
    Store(#[from] orders_store::Error),
    /// Stripe.
    #[error("the list of messages: {0}")]
    Stripe(#[from] PaymentError),
}

impl Unlisted {
    /// How long to wait after so many turns in vain.
    fn rest(&self, vain_turns: u32) -> Duration {
        match self {
            // Our key is refused, and asking again changes nothing.
            Self::Stripe(PaymentError::Refused(_)) => EVERY,
            _ => REST_FIRST * (1 << (vain_turns - 1).min(10)),
        }
    }
}

impl Engine {
    /// Reads the list until the stop.
    pub(crate) async fn read_missed(self: Arc<Self>, stop: CancellationToken) {
        let Some(stripe) = self.stripe.clone() else { return };
        let (mut walk, mut vain_turns) = (None, 0_u32);
        while !stop.is_cancelled() {
            let turn = tokio::select! {
                turn = self.walk_events(&stripe, &mut walk) => turn,
                () = stop.cancelled() => return,
            };
            let pause = match turn {
                Ok(is_over) => {
                    vain_turns = 0;
                    if is_over { self.options.missed_every } else { BETWEEN_TURNS }
                }
                Err(error) => {
                    vain_turns = vain_turns.saturating_add(1);
                    self.tell_unlisted(&error, vain_turns).await;
                    error.rest(vain_turns).min(self.options.missed_every)
                }
            };
            Self::pause(pause, &stop).await;
        }
    }

    /// Reads the whole list once, from where the last whole walk began.
    pub async fn read_missed_once(&self) -> Result<(), Unlisted> {
        let Some(stripe) = &self.stripe else { return Ok(()) };
        let mut walk = None;
        while !self.walk_events(stripe, &mut walk).await? {}
        Ok(())
    }

    /// One turn of a walk; whether it was the last one.
    async fn walk_events(
        &self,
        stripe: &stripe::Client,
        walk: &mut Option<Walk>,
    ) -> Result<bool, Unlisted> {
        let mut at = if let Some(walk) = walk.take() {
            walk
        } else {
            let (from_s, begun_s) = inbox::cursor(&self.store, CURSOR).await?;
            Walk { from_s, begun_s, newest_s: None, after: None }
        };
        for _ in 0..PAGES_MAX {
            let page = Page {
                created_from: at.from_s,
                created_before: None,
                after: at.after.clone(),
                limit: 100,
            };
            let listed = match stripe.list_events(&page, &EVENT_TYPES).await {
                Ok(listed) => listed,
                // The message before this page is listed no more: the walk begins anew.
                Err(error @ PaymentError::NotFound) => return Err(error.into()),
                Err(error) => {
                    *walk = Some(at);
                    return Err(error.into());
                }
            };
            let newest =
                listed.items.iter().filter_map(|it| Some(it.facts.as_ref()?.created)).max();
            at.newest_s = at.newest_s.max(newest);
            for event in &listed.items {
                if let Err(error) = self.receive_listed(event).await {
                    *walk = Some(at);
                    return Err(error.into());
                }
            }
            if !listed.more {
                // On Stripe's clock, and never ahead of ours: one that is wrong skips nothing. Without a
                // message there is nothing to skip.
                if let Some(newest_s) = at.newest_s {
                    inbox::move_cursor(&self.store, CURSOR, newest_s.min(at.begun_s)).await?;
                }
                return Ok(true);
            }
            at.after = listed.items.last().map(|event| event.id.clone());
        }
        *walk = Some(at);
        Ok(false)
    }

    async fn receive_listed(&self, event: &ListedEvent) -> Result<(), orders_store::Error> {
        let Some(facts) = &event.facts else {
            // It is passed by, so that those behind it are not missed as well.
            tracing::warn!(event = %event.id, "a message in Stripe's list cannot be read");
            self.tell_of_stripe("stripe_event_unreadable").await;
            return Ok(());
        };
        let ours =
            Ours { live_mode: self.options.live_mode, account: self.options.own_account.clone() };
        let message = message(Source::Listed, facts, None);
        if inbox::receive(&self.store, &message, &ours).await? == Received::New {
            Stats::add(&self.stats.missed, 1);
            self.wake_events();
        }
        Ok(())
    }

    /// Says that the list cannot be read, and calls a person: at once when it is refused, because then
    /// it is asked for again only at the next time of reading, else when that lasts.
    async fn tell_unlisted(&self, error: &Unlisted, vain_turns: u32) {
        let error = match error {
            Unlisted::Store(error) => return self.fault("missed", error),
            Unlisted::Stripe(error) => error,
        };
        tracing::warn!(%error, "Stripe's list of messages could not be read and will be read again");
        if let Some(status) = error.refuses_key() {
            self.tell_refused(status).await;
        } else if vain_turns >= VAIN_TURNS_MAX || matches!(error, PaymentError::Refused(_)) {
            self.tell_of_stripe("stripe_events_unreadable").await;
        }
    }
}

/// A message as it is stored.
pub(crate) fn message<'a>(
    source: Source,
    event: &'a EventFacts,
    body: Option<&'a [u8]>,
) -> Message<'a> {
    Message {
        source,
        event_id: &event.id,
        kind: &event.kind,
        object: &event.object,
        // Only objects that nothing of ours depends on may lack one.
        object_id: event.object_id.as_deref().unwrap_or("none"),
        object_digest: &event.object_digest,
        payment_intent: event.payment_intent_hint.as_deref(),
        livemode: event.livemode,
        created_s: event.created,
        account: event.account.as_deref(),
        body,
        known: EVENT_TYPES.contains(&event.kind.as_str()),
    }
}
