//! What a worker does in each step, and what it says of it.

use super::operation::Step;
use orders_core::plan::Consequence;
use orders_service::engine::Engine;
use orders_service::engine::record::Ended;
use orders_service::engine::watch;
use orders_store::record::Recorded;
use std::sync::Arc;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// What an engine remembers between its readings.
pub type Memory = Arc<Mutex<watch::Memory>>;

/// What a step said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// For the story.
    pub text: String,
    /// Whether an answer of the provider was handed to the recorder.
    pub answered: bool,
}

/// What came of a step: what it said, or why the database refused it.
pub type Outcome = Result<Said, String>;

/// Takes a step. One thing at a time: of two that are done at once nobody could say which was first.
pub async fn taken(
    engine: Arc<Engine>,
    memory: Memory,
    step: Step,
    order: Option<Uuid>,
) -> Outcome {
    let never = CancellationToken::new();
    let count = |count: usize| Said { text: format!("{count} taken"), answered: false };
    let done = Said { text: "done".into(), answered: false };
    match step {
        Step::Submit(_) => {
            let Some(order) = order else { return Ok(done) };
            engine.submit_one(order).await.map(|ended| told(ended.as_ref()))
        }
        Step::SubmitDue => engine.submit_some(1).await.map(|ended| told(ended.first())),
        Step::ReadPayment => engine.read_some_payments(1).await.map(count),
        Step::Recover => {
            engine.recover_once().await;
            Ok(done)
        }
        Step::Watch => engine.watch_some(1, &mut *memory.lock().await).await.map(count),
        Step::LookUp => engine.look_up_once().await.map(|()| done),
        Step::FollowUp => engine.follow_up(1, &never).await.map(|turn| count(turn.taken)),
        Step::ReadMissed => {
            return match engine.read_missed_once().await {
                Ok(()) => Ok(done),
                Err(orders_service::engine::missed::Unlisted::Stripe(_)) => {
                    Ok(Said { text: "the list could not be read".into(), answered: false })
                }
                Err(error) => Err(error.to_string()),
            };
        }
        Step::Intend => {
            engine.intend_moves().await;
            Ok(done)
        }
        Step::Move => engine.move_some(1).await.map(count),
        Step::Reconcile => engine.reconcile_if_due().await.map(|report| Said {
            text: report.map_or("not yet".into(), |report| format!("{:?}", report.ended)),
            answered: false,
        }),
    }
    .map_err(|error| error.to_string())
}

fn told(ended: Option<&Ended>) -> Said {
    let Some(ended) = ended else {
        return Said { text: "nothing is sent".into(), answered: false };
    };
    let text = match &ended.consequence {
        Consequence::Accept(_) => "accepted".to_owned(),
        Consequence::Setback(setback) => {
            format!("{} ({}), {}", setback.kind, setback.code, setback.after.name())
        }
    };
    let text = match &ended.recorded {
        Recorded::Done => text,
        other => format!("{text}, {other:?}"),
    };
    Said { text, answered: true }
}
