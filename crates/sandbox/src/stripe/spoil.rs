//! What a client hears of a call that meets a fault, whatever became of the call.

use super::book::Book;
use super::call::Call;
use super::fault::StripeFault;
use super::refused::Refused;
use crate::chance::Chance;
use crate::reply::{Delivery, Reply};
use serde_json::Value;

impl Book {
    /// The answer as it is sent.
    pub(super) fn spoil(&self, call: &Call<'_>, reply: Reply) -> Reply {
        use StripeFault as F;
        let Some(fault) = call.fault else { return reply };
        match fault {
            F::DropAnswer | F::DropRequest | F::EffectLater | F::ReadDrop => {
                reply.delivered(Delivery::Never)
            }
            F::ErrorStoredAfter | F::ErrorStoredBefore | F::CardError => reply,
            F::ErrorNotStored | F::ReadError => server_error(self.chance(call)),
            F::LockTimeout => lock_timeout(),
            F::TooMany | F::ReadTooMany => Refused::too_many().into_reply(),
            F::TooManyWait | F::ReadTooManyWait => Reply {
                retry_after_s: Some(self.faults.retry_after_s),
                ..Refused::too_many().into_reply()
            },
            F::ShouldRetry => Reply {
                should_retry: Some(true),
                ..Refused::new(400, "invalid_request_error", None, None).into_reply()
            },
            F::ShouldNotRetry => Reply { should_retry: Some(false), ..reply },
            F::CorruptAnswer | F::ReadCorrupt => corrupt(reply),
            F::CutAnswer | F::ReadCut => reply.delivered(Delivery::Cut),
            F::BigAnswer | F::ReadBig => self.enlarge(reply),
            F::TrickleAnswer | F::ReadTrickle => reply.delivered(Delivery::Trickle),
            F::WrongObject | F::ReadWrong => self.mistake(call, reply),
            F::Slow | F::ReadSlow => {
                let not_before_ms = call.now_ms + i64::from(self.faults.slow_ms);
                Reply { not_before_ms, ..reply }
            }
        }
    }

    fn chance(&self, call: &Call<'_>) -> Chance {
        Chance::of(self.faults.seed, "how", &call.request_id, 0)
    }

    /// Still JSON, and too long to be read by anybody who sets a limit.
    fn enlarge(&self, reply: Reply) -> Reply {
        let length = usize::try_from(self.faults.big_answer_bytes).unwrap_or(usize::MAX);
        let mut body = reply.body.to_vec();
        body.resize(length.max(body.len()), b' ');
        Reply { body: body.into(), ..reply }
    }

    /// Another object than the one that was asked for.
    fn mistake(&self, call: &Call<'_>, reply: Reply) -> Reply {
        let body: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
        if !body["id"].is_string() {
            // An error or a list: nothing that could be mistaken for another.
            return reply;
        }
        Reply { body: self.other(&body, call).to_string().into(), ..reply }
    }
}

/// A 500 in Stripe's words, or the page of something in front of it.
fn server_error(mut how: Chance) -> Reply {
    match how.below(3) {
        0 => Reply::page(502),
        1 => Reply::page(503),
        _ => Refused::broken().into_reply(),
    }
}

fn lock_timeout() -> Reply {
    Refused::new(409, "invalid_request_error", Some("lock_timeout"), None).into_reply()
}

/// As long as announced, and no JSON.
fn corrupt(reply: Reply) -> Reply {
    let body: Vec<u8> = reply.body.iter().map(|byte| byte.rotate_left(1)).collect();
    Reply { body: body.into(), ..reply }
}
