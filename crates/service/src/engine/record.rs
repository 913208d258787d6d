//! Recording answers: what arrives while one flush is under way goes together in the next.
//!
//! Promise: an answer is kept and tried again until its lease ends, and never after; one order's
//! failure does not take its batch along. // G13, G18

use super::Engine;
use super::stats::Stats;
use futures_util::FutureExt as _;
use orders_core::gate::Point;
use orders_core::outcome::{Answer, Doubt};
use orders_core::plan::{Consequence, Pause, Sent, Setback, after_answer};
use orders_store::Error;
use orders_store::record::{Acceptance, Recorded, SetbackOf, acceptances, setbacks};
use std::panic::AssertUnwindSafe;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;
use uuid::Uuid;

/// What the recorder is told.
pub enum Answered {
    /// A call ended.
    Call(Call),
    /// Nothing more will come.
    Last,
}

/// A call that ended.
pub struct Call {
    /// The order.
    pub order_id: Uuid,
    /// The fence.
    pub token: Uuid,
    /// Which attempt and which call.
    pub sent: Sent,
    /// What it told.
    pub answer: Answer,
    /// On the boot clock: the end of the lease; nothing can be recorded after it.
    pub record_until: Duration,
    /// Somebody who waits for what became of it.
    pub tell: Option<oneshot::Sender<Ended>>,
}

/// What became of a call.
#[derive(Debug, Clone)]
pub struct Ended {
    /// What followed from its answer.
    pub consequence: Consequence,
    /// Whether it stands in the database.
    pub recorded: Recorded,
}

/// A call with what follows from its answer.
struct Decided {
    call: Call,
    consequence: Consequence,
}

/// One flush, as the database takes it.
enum Rows {
    Acceptances(Vec<Acceptance>),
    Setbacks(Vec<SetbackOf>),
}

impl Engine {
    /// Records until [`Answered::Last`].
    pub(crate) async fn record_answers(self: Arc<Self>) {
        let inbox = self.inbox.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut inbox) = inbox else { return };
        let mut last = false;
        while !last {
            let Some(first) = inbox.recv().await else { return };
            let mut batch = Vec::new();
            let mut next = Some(first);
            while let Some(answered) = next {
                match answered {
                    Answered::Call(call) => batch.push(self.decide(call)),
                    Answered::Last => last = true,
                }
                next =
                    (batch.len() < self.options.batch_max).then(|| inbox.try_recv().ok()).flatten();
            }
            // A panic must not end the recorder: nothing would be recorded any more. What it held is
            // found again when its leases end.
            if AssertUnwindSafe(self.flush(batch)).catch_unwind().await.is_err() {
                Stats::add(&self.stats.faults, 1);
                tracing::error!("recording answers panicked; their leases will end");
            }
        }
    }

    fn decide(&self, call: Call) -> Decided {
        let counter = match &call.answer {
            Answer::Accepted { .. } => &self.stats.accepted,
            Answer::Refused(_) => &self.stats.refused,
            Answer::Unknown { .. } => &self.stats.unknown,
            Answer::NotSent { .. } => &self.stats.not_sent,
        };
        Stats::add(counter, 1);
        let consequence = after_answer(
            call.answer.clone(),
            call.sent,
            &self.settings.limits,
            self.chance.number(),
        );
        Decided { call, consequence }
    }

    async fn flush(&self, batch: Vec<Decided>) {
        self.pause_account(&batch).await;
        let (accepted, others): (Vec<_>, Vec<_>) =
            batch.into_iter().partition(|one| matches!(one.consequence, Consequence::Accept(_)));
        tokio::join!(self.flush_accepted(accepted), self.flush_setbacks(others));
        self.gate.pass(Point::AnswerRecorded);
    }

    async fn flush_accepted(&self, batch: Vec<Decided>) {
        let rows: Vec<_> = batch
            .iter()
            .filter_map(|one| match &one.consequence {
                Consequence::Accept(request_id) => Some(Acceptance {
                    order_id: one.call.order_id,
                    token: one.call.token,
                    request_id: request_id.clone(),
                }),
                Consequence::Setback(_) => None,
            })
            .collect();
        self.keep_trying(batch, &Rows::Acceptances(rows)).await;
    }

    async fn flush_setbacks(&self, batch: Vec<Decided>) {
        let rows: Vec<_> = batch
            .iter()
            .filter_map(|one| match &one.consequence {
                Consequence::Setback(setback) => Some(SetbackOf {
                    order_id: one.call.order_id,
                    token: one.call.token,
                    setback: setback.clone(),
                }),
                Consequence::Accept(_) => None,
            })
            .collect();
        self.keep_trying(batch, &Rows::Setbacks(rows)).await;
    }

    /// Runs a flush until the database takes it or the last lease of the batch has ended. A commit
    /// whose answer was lost is simply recorded again: its token is used up, so it is stale. // G18
    async fn keep_trying(&self, batch: Vec<Decided>, rows: &Rows) {
        if batch.is_empty() {
            return;
        }
        let until = batch.iter().map(|one| one.call.record_until).max().unwrap_or_default();
        let results = loop {
            match self.write(rows).await {
                Ok(results) => break results,
                Err(error) if self.clock.now() < until => {
                    self.fault("record", &error);
                    let chance = Duration::from_millis(50 + self.chance.number() % 200);
                    tokio::time::sleep(chance).await;
                }
                Err(error) => {
                    self.fault("record", &error);
                    return;
                }
            }
        };
        self.give_back(&batch, &results).await;
        for (one, recorded) in batch.into_iter().zip(results) {
            self.report(one, recorded);
        }
    }

    /// Makes the attempts unknown whose answer the database did not take, instead of leaving them
    /// leased. Tried once; their leases end in any case. // B5, G43
    async fn give_back(&self, batch: &[Decided], results: &[Recorded]) {
        let code = |recorded: &Recorded| match recorded {
            Recorded::IdTaken => Some("request_id_of_another_order"),
            Recorded::Refused(_) => Some("answer_not_recorded"),
            Recorded::Done | Recorded::Stale => None,
        };
        let unknown = |call: &Call, code: &str| {
            let answer = Answer::Unknown { doubt: Doubt::Unreadable, retry_after: None };
            match after_answer(answer, call.sent, &self.settings.limits, self.chance.number()) {
                Consequence::Setback(setback) => Some(SetbackOf {
                    order_id: call.order_id,
                    token: call.token,
                    setback: Setback { code: code.to_owned(), ..setback },
                }),
                Consequence::Accept(_) => None,
            }
        };
        let rows: Vec<_> = batch
            .iter()
            .zip(results)
            .filter_map(|(one, recorded)| unknown(&one.call, code(recorded)?))
            .collect();
        if !rows.is_empty()
            && let Err(error) = setbacks(&self.store, &self.options.worker, &rows).await
        {
            self.fault("give_back", &error);
        }
    }

    async fn write(&self, rows: &Rows) -> Result<Vec<Recorded>, Error> {
        let worker = &self.options.worker;
        match rows {
            Rows::Acceptances(rows) => {
                acceptances(&self.store, worker, self.settings.poll, rows).await
            }
            Rows::Setbacks(rows) => setbacks(&self.store, worker, rows).await,
        }
    }

    fn report(&self, one: Decided, recorded: Recorded) {
        let order = one.call.order_id;
        match &recorded {
            Recorded::Done => Stats::add(&self.stats.recorded, 1),
            Recorded::Stale => {
                Stats::add(&self.stats.stale, 1);
                tracing::warn!(%order, "the lease of order {order} was lost before its answer was recorded");
            }
            Recorded::IdTaken => {
                tracing::error!(%order, "order {order} was answered with another order's request id");
            }
            Recorded::Refused(reason) => {
                tracing::error!(%order, reason, "the database refused the answer of order {order}");
            }
        }
        if let Some(tell) = one.call.tell {
            // Whoever asked may have gone.
            let _ = tell.send(Ended { consequence: one.consequence, recorded });
        }
    }

    /// Pauses the account when an answer asks for it, longer each time while nobody is reached.
    async fn pause_account(&self, batch: &[Decided]) {
        let pause = |one: &Decided| match &one.consequence {
            Consequence::Setback(setback) => {
                setback.pause.map(|pause| (pause, setback.code.clone()))
            }
            Consequence::Accept(_) => None,
        };
        let heard = |one: &Decided| {
            matches!(one.call.answer, Answer::Accepted { .. } | Answer::Refused(_))
                && pause(one).is_none()
        };
        if batch.iter().any(heard) {
            self.trouble.store(0, Ordering::Relaxed);
        }
        let longest = batch.iter().filter_map(pause).max_by_key(|(pause, _)| pause.length);
        let Some((Pause { length, alarm }, code)) = longest else { return };
        let before = self.trouble.fetch_add(1, Ordering::Relaxed);
        let length = if alarm { length } else { length * (1 << before.min(4)) };
        if let Err(error) =
            orders_store::account::pause(&self.store, "zinc_v1", &code, length, alarm).await
        {
            self.fault("pause_account", &error);
        }
    }
}
