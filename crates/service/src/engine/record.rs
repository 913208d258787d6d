//! Recording answers: what arrives while one flush is under way goes together in the next.
//!
//! Promise: an answer is kept and tried again until its lease ends, and never after; one order's
//! failure does not take its batch along, and one that somebody else holds keeps no other waiting.
//! // G13, G18

use super::Engine;
use super::stats::Stats;
use futures_util::FutureExt as _;
use orders_core::gate::Point;
use orders_core::outcome::{Answer, Class, Doubt, Refusal};
use orders_core::plan::{Consequence, Pause, Sent, Setback, after_answer};
use orders_store::Error;
use orders_store::record::{Acceptance, Recorded, SetbackOf, acceptances, setbacks};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinSet;
use uuid::Uuid;

/// How many answers whose orders somebody else holds are tried at once: each keeps a connection while
/// it waits for the lock.
const HELD_AT_ONCE: usize = 4;

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

impl Decided {
    /// The provider's id for the request, if it gave one.
    fn request_id(&self) -> Option<&str> {
        match &self.consequence {
            Consequence::Accept(request_id) => Some(request_id),
            Consequence::Setback(_) => None,
        }
    }
}

/// One flush, as the database takes it.
enum Rows {
    Acceptances(Vec<Acceptance>),
    Setbacks(Vec<SetbackOf>),
}

impl Engine {
    /// Records until [`Answered::Last`], and what had come before it.
    pub(crate) async fn record_answers(self: Arc<Self>) {
        let inbox = self.inbox.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut inbox) = inbox else { return };
        // Answers whose order somebody else holds: each waits for it by itself.
        let (mut held, turns) = (JoinSet::new(), Arc::new(Semaphore::new(HELD_AT_ONCE)));
        while let Some(first) = inbox.recv().await {
            let mut batch = Vec::new();
            let mut next = Some(first);
            while let Some(answered) = next {
                match answered {
                    Answered::Call(call) => batch.extend(self.decided(call)),
                    // Whoever comes later is told that nobody listens, and records for himself.
                    Answered::Last => inbox.close(),
                }
                next =
                    (batch.len() < self.options.batch_max).then(|| inbox.try_recv().ok()).flatten();
            }
            for one in self.flushed(batch).await {
                held.spawn(Arc::clone(&self).record_when_free(one, Arc::clone(&turns)));
            }
            while held.try_join_next().is_some() {}
        }
        while held.join_next().await.is_some() {}
    }

    /// Records one answer without the recorder.
    pub(crate) async fn record_alone(self: &Arc<Self>, call: Call) {
        for one in self.flushed(self.decided(call).into_iter().collect()).await {
            Arc::clone(self).record_when_free(one, Arc::new(Semaphore::new(1))).await;
        }
    }

    /// A panic must not end the recorder: nothing would be recorded any more. What it held is found
    /// again when its leases end. // B5
    async fn flushed(&self, batch: Vec<Decided>) -> Vec<Decided> {
        let until = batch.iter().map(|one| one.call.record_until).max().unwrap_or_default();
        let flush = AssertUnwindSafe(self.flush(batch)).catch_unwind();
        flush.await.unwrap_or_else(|_| {
            self.panicked(until);
            Vec::new()
        })
    }

    /// The same for what follows from one answer: its neighbours are recorded.
    fn decided(&self, call: Call) -> Option<Decided> {
        let until = call.record_until;
        let decided = catch_unwind(AssertUnwindSafe(|| self.decide(call)));
        decided.map_err(|_| self.panicked(until)).ok()
    }

    fn panicked(&self, leased_until: Duration) {
        self.leave_leased(leased_until);
        Stats::add(&self.stats.faults, 1);
        tracing::error!("recording answers panicked; their leases will end");
    }

    /// Records an answer whose order somebody else held, until he lets it go or the lease ends.
    async fn record_when_free(self: Arc<Self>, one: Decided, turns: Arc<Semaphore>) {
        let mut left = vec![one];
        while let Some(one) = left.pop() {
            if self.clock.now() >= one.call.record_until {
                return self.give_up(&one);
            }
            let chance = Duration::from_millis(50 + self.chance.number() % 200);
            tokio::time::sleep(chance).await;
            let _turn = turns.acquire().await;
            left = self.record_batch(vec![one]).await;
        }
    }

    /// Says what could not be stored. The request id belongs to a purchase that others will look for.
    fn give_up(&self, one: &Decided) {
        let (order, request_id) = (one.call.order_id, one.request_id());
        self.leave_leased(one.call.record_until);
        Stats::add(&self.stats.faults, 1);
        tracing::error!(%order, request_id, "the answer of order {order} could not be recorded before its lease ended");
    }

    fn decide(&self, call: Call) -> Decided {
        let counter = match &call.answer {
            Answer::Accepted { .. } => &self.stats.accepted,
            Answer::Refused(_) => &self.stats.refused,
            Answer::Unknown { .. } => &self.stats.unknown,
            Answer::NotSent { .. } => &self.stats.not_sent,
        };
        Stats::add(counter, 1);
        if let Answer::Refused(Refusal { code, wrong_fields: Some(fields), .. }) = &call.answer {
            let order = call.order_id;
            tracing::error!(%order, code, ?fields, "the provider calls the request of order {order} wrong");
        }
        let consequence = after_answer(
            call.answer.clone(),
            &call.sent,
            &self.settings.limits,
            self.chance.number(),
        );
        Decided { call, consequence }
    }

    /// Gives what could not be recorded yet.
    async fn flush(&self, batch: Vec<Decided>) -> Vec<Decided> {
        self.pause_account(&batch).await;
        let left = self.record_batch(batch).await;
        self.gate.pass(Point::AnswerRecorded);
        left
    }

    async fn record_batch(&self, batch: Vec<Decided>) -> Vec<Decided> {
        let (accepted, others): (Vec<_>, Vec<_>) =
            batch.into_iter().partition(|one| matches!(one.consequence, Consequence::Accept(_)));
        let (mut left, more) =
            tokio::join!(self.flush_accepted(accepted), self.flush_setbacks(others));
        left.extend(more);
        left
    }

    async fn flush_accepted(&self, batch: Vec<Decided>) -> Vec<Decided> {
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
        self.keep_trying(batch, &Rows::Acceptances(rows)).await
    }

    async fn flush_setbacks(&self, batch: Vec<Decided>) -> Vec<Decided> {
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
        self.keep_trying(batch, &Rows::Setbacks(rows)).await
    }

    /// Runs a flush until the database takes it or the last lease of the batch has ended; gives back
    /// what it could not take because somebody else holds the order. A commit whose answer was lost is
    /// simply recorded again: its token is used up, so it is stale. // G18
    async fn keep_trying(&self, batch: Vec<Decided>, rows: &Rows) -> Vec<Decided> {
        if batch.is_empty() {
            return batch;
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
                    for one in &batch {
                        self.give_up(one);
                    }
                    return Vec::new();
                }
            }
        };
        self.give_back(&batch, &results).await;
        let mut left = Vec::new();
        for (one, recorded) in batch.into_iter().zip(results) {
            match recorded {
                Recorded::NotYet(reason) => {
                    let order = one.call.order_id;
                    tracing::warn!(%order, reason, "the answer of order {order} cannot be recorded yet");
                    left.push(one);
                }
                recorded => self.report(one, recorded),
            }
        }
        left
    }

    /// Makes the attempts unknown whose answer the database did not take, instead of leaving them
    /// leased. Tried once; their leases end in any case. // B5, G43
    async fn give_back(&self, batch: &[Decided], results: &[Recorded]) {
        let code = |recorded: &Recorded| match recorded {
            Recorded::IdTaken => Some("request_id_of_another_order"),
            Recorded::Refused(_) => Some("answer_not_recorded"),
            Recorded::Done | Recorded::Stale | Recorded::NotYet(_) => None,
        };
        let unknown = |call: &Call, code: &str| {
            let answer = Answer::Unknown { doubt: Doubt::Unreadable, retry_after: None };
            match after_answer(answer, &call.sent, &self.settings.limits, self.chance.number()) {
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
            let until = batch.iter().map(|one| one.call.record_until).max();
            self.leave_leased(until.unwrap_or_default());
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
            Recorded::NotYet(_) => {}
            Recorded::Stale => {
                Stats::add(&self.stats.stale, 1);
                // The id may be a second purchase's; the database keeps it as a finding too.
                let request_id = one.request_id();
                tracing::warn!(%order, request_id, "the lease of order {order} was lost before its answer was recorded");
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

    /// Pauses the account when an answer asks for it; told to a person when it lasts.
    async fn pause_account(&self, batch: &[Decided]) {
        let pause = |one: &Decided| match &one.consequence {
            Consequence::Setback(setback) => {
                setback.pause.map(|pause| (pause, setback.code.clone()))
            }
            Consequence::Accept(_) => None,
        };
        // An answer about an order says that the account is well; one about the account does not,
        // even where nothing more is paused for it.
        let heard = |one: &Decided| match &one.call.answer {
            Answer::Accepted { .. } => true,
            Answer::Refused(refusal) => {
                refusal.class != Class::Configuration && pause(one).is_none()
            }
            Answer::Unknown { .. } | Answer::NotSent { .. } => false,
        };
        let most = batch.iter().filter_map(pause).max_by_key(|(one, _)| (one.alarm, one.length));
        let pause = {
            let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
            if batch.iter().any(heard) {
                trouble.end();
            }
            most.map(|(pause, code)| (trouble.pause(pause, self.clock.now()), code))
        };
        if let Some((pause, code)) = pause {
            self.pause_provider(pause, &code).await;
        }
    }

    /// Lets the whole account rest, and tells a person if it must.
    pub(crate) async fn pause_provider(&self, pause: Pause, code: &str) {
        let Pause { length, alarm, .. } = pause;
        if let Err(error) =
            orders_store::account::pause(&self.store, "zinc_v1", code, length, alarm).await
        {
            self.fault("pause_account", &error);
        }
    }
}
