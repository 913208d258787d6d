//! Which misbehaviour of the fake Stripe there is, how often, and how it is drawn.

use crate::Error;
use crate::chance::{Chance, check_rates};
use crate::spelling;
use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// A misbehaviour that was done to a call. Each is one word in the ledger. Those of reads begin so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StripeFault {
    /// Done and stored, then the connection closed without a byte.
    DropAnswer,
    /// The connection closed without a byte, and nothing was done.
    DropRequest,
    /// The connection closed without a byte, and done only some time later; until then the key is
    /// in use.
    EffectLater,
    /// Done, then 500, which is stored under the key.
    ErrorStoredAfter,
    /// 500, stored under the key, and nothing was done.
    ErrorStoredBefore,
    /// 500, and nothing was done or stored.
    ErrorNotStored,
    /// 402, stored under the key, and nothing was done.
    CardError,
    /// 409 for a lock, and nothing was done or stored.
    LockTimeout,
    /// 429 without a wait, and nothing was done or stored.
    TooMany,
    /// 429 with a wait, and nothing was done or stored.
    TooManyWait,
    /// 400 with `Stripe-Should-Retry: true`, and nothing was done or stored.
    ShouldRetry,
    /// 500 with `Stripe-Should-Retry: false`, stored under the key, and nothing was done.
    ShouldNotRetry,
    /// Done, and answered by text that is no JSON.
    CorruptAnswer,
    /// Done, then half of the answer and a closed connection.
    CutAnswer,
    /// Done, and answered by more than anybody wants to read.
    BigAnswer,
    /// Done, and answered by one byte a second.
    TrickleAnswer,
    /// Done, and answered with another object.
    WrongObject,
    /// Done, and answered correctly after a while; until then the key is in use.
    Slow,
    /// 500.
    ReadError,
    /// The connection closed without a byte.
    ReadDrop,
    /// 429 without a wait.
    ReadTooMany,
    /// 429 with a wait.
    ReadTooManyWait,
    /// Text that is no JSON.
    ReadCorrupt,
    /// Half of the answer.
    ReadCut,
    /// More than anybody wants to read.
    ReadBig,
    /// One byte a second.
    ReadTrickle,
    /// Another object; a list is answered well.
    ReadWrong,
    /// The right answer after a while.
    ReadSlow,
}

impl StripeFault {
    /// Whether it is done to reads and lists, not to POSTs.
    pub fn is_of_reads(self) -> bool {
        self >= Self::ReadError
    }

    /// Whether the call does not get as far as its key.
    pub(super) fn turns_away(self) -> bool {
        matches!(
            self,
            Self::DropRequest
                | Self::ErrorNotStored
                | Self::LockTimeout
                | Self::TooMany
                | Self::TooManyWait
                | Self::ShouldRetry
        )
    }

    /// Whether it changes what becomes of the call, so that it needs one that is carried out.
    pub(super) fn changes_effect(self) -> bool {
        matches!(
            self,
            Self::EffectLater
                | Self::ErrorStoredAfter
                | Self::ErrorStoredBefore
                | Self::CardError
                | Self::ShouldNotRetry
        )
    }
}

/// How often each misbehaviour happens, as a rate in 0..=1, and its measures. Faults of calls are
/// drawn from (seed, key or path, n-th call of it), those of events from (seed, kind and object).
///
/// As text (for a command line): `none`, `demo`, or JSON, and behind a name any fields, such as
/// `demo,seed=7,drop_answer=0.2`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StripeFaults {
    /// What all draws start from.
    pub seed: u64,
    /// POSTs: [`StripeFault::DropAnswer`].
    pub drop_answer: f64,
    /// POSTs: [`StripeFault::DropRequest`].
    pub drop_request: f64,
    /// POSTs: [`StripeFault::EffectLater`].
    pub effect_later: f64,
    /// POSTs: [`StripeFault::ErrorStoredAfter`].
    pub error_stored_after: f64,
    /// POSTs: [`StripeFault::ErrorStoredBefore`].
    pub error_stored_before: f64,
    /// POSTs: [`StripeFault::ErrorNotStored`].
    pub error_not_stored: f64,
    /// POSTs: [`StripeFault::CardError`].
    pub card_error: f64,
    /// POSTs: [`StripeFault::LockTimeout`].
    pub lock_timeout: f64,
    /// POSTs: [`StripeFault::TooMany`].
    pub too_many: f64,
    /// POSTs: [`StripeFault::TooManyWait`].
    pub too_many_wait: f64,
    /// POSTs: [`StripeFault::ShouldRetry`].
    pub should_retry: f64,
    /// POSTs: [`StripeFault::ShouldNotRetry`].
    pub should_not_retry: f64,
    /// POSTs: [`StripeFault::CorruptAnswer`].
    pub corrupt_answer: f64,
    /// POSTs: [`StripeFault::CutAnswer`].
    pub cut_answer: f64,
    /// POSTs: [`StripeFault::BigAnswer`].
    pub big_answer: f64,
    /// POSTs: [`StripeFault::TrickleAnswer`].
    pub trickle_answer: f64,
    /// POSTs: [`StripeFault::WrongObject`].
    pub wrong_object: f64,
    /// POSTs: [`StripeFault::Slow`].
    pub slow: f64,
    /// Reads and lists: [`StripeFault::ReadError`].
    pub read_error: f64,
    /// Reads and lists: [`StripeFault::ReadDrop`].
    pub read_drop: f64,
    /// Reads and lists: [`StripeFault::ReadTooMany`].
    pub read_too_many: f64,
    /// Reads and lists: [`StripeFault::ReadTooManyWait`].
    pub read_too_many_wait: f64,
    /// Reads and lists: [`StripeFault::ReadCorrupt`].
    pub read_corrupt: f64,
    /// Reads and lists: [`StripeFault::ReadCut`].
    pub read_cut: f64,
    /// Reads and lists: [`StripeFault::ReadBig`].
    pub read_big: f64,
    /// Reads and lists: [`StripeFault::ReadTrickle`].
    pub read_trickle: f64,
    /// Reads: [`StripeFault::ReadWrong`].
    pub read_wrong: f64,
    /// Reads and lists: [`StripeFault::ReadSlow`].
    pub read_slow: f64,
    /// Events that are never delivered; they are listed with `delivery_success=false`.
    pub event_lost: f64,
    /// Events that are delivered twice.
    pub event_twice: f64,
    /// Facts that become two events, with two ids.
    pub event_doubled: f64,
    /// Events that are delivered late.
    pub event_delayed: f64,
    /// Events that wait until a later one was delivered.
    pub event_overtaken: f64,
    /// How late an effect is that comes later.
    pub effect_later_ms: u32,
    /// How late a slow answer is; shorter than the client's time-out.
    pub slow_ms: u32,
    /// The wait that a 429 asks for, in seconds, if it does.
    pub retry_after_s: u32,
    /// How long a big answer is.
    pub big_answer_bytes: u32,
    /// How late a delayed event is at most.
    pub event_delay_ms_max: u32,
    /// How long an event waits at most to be overtaken.
    pub event_overtaken_ms: u32,
    /// After so many bad answers a key, or a path that is read, is served well.
    pub faults_per_key_max: u32,
}

impl Default for StripeFaults {
    fn default() -> Self {
        Self::none()
    }
}

impl StripeFaults {
    /// Everything goes well. The measures are set, so that a rate is all that a test must add.
    pub fn none() -> Self {
        Self {
            seed: 1,
            drop_answer: 0.0,
            drop_request: 0.0,
            effect_later: 0.0,
            error_stored_after: 0.0,
            error_stored_before: 0.0,
            error_not_stored: 0.0,
            card_error: 0.0,
            lock_timeout: 0.0,
            too_many: 0.0,
            too_many_wait: 0.0,
            should_retry: 0.0,
            should_not_retry: 0.0,
            corrupt_answer: 0.0,
            cut_answer: 0.0,
            big_answer: 0.0,
            trickle_answer: 0.0,
            wrong_object: 0.0,
            slow: 0.0,
            read_error: 0.0,
            read_drop: 0.0,
            read_too_many: 0.0,
            read_too_many_wait: 0.0,
            read_corrupt: 0.0,
            read_cut: 0.0,
            read_big: 0.0,
            read_trickle: 0.0,
            read_wrong: 0.0,
            read_slow: 0.0,
            event_lost: 0.0,
            event_twice: 0.0,
            event_doubled: 0.0,
            event_delayed: 0.0,
            event_overtaken: 0.0,
            effect_later_ms: 2_000,
            slow_ms: 250,
            retry_after_s: 1,
            big_answer_bytes: 8 * 1024 * 1024,
            event_delay_ms_max: 2_000,
            event_overtaken_ms: 1_000,
            faults_per_key_max: 4,
        }
    }

    /// A bad day that a correct client survives without a person: answers are lost before and
    /// after the effect, effects come late, errors are not stored or lie about an effect, reads
    /// fail, and of the events a tenth is lost, doubled, late or out of order.
    pub fn demo() -> Self {
        Self {
            drop_answer: 0.05,
            drop_request: 0.02,
            effect_later: 0.02,
            error_stored_after: 0.02,
            error_not_stored: 0.02,
            lock_timeout: 0.02,
            too_many: 0.01,
            too_many_wait: 0.01,
            should_retry: 0.005,
            corrupt_answer: 0.01,
            cut_answer: 0.02,
            big_answer: 0.002,
            wrong_object: 0.005,
            slow: 0.02,
            read_error: 0.02,
            read_drop: 0.02,
            read_too_many: 0.01,
            read_too_many_wait: 0.01,
            read_corrupt: 0.01,
            read_cut: 0.01,
            read_big: 0.002,
            read_wrong: 0.01,
            read_slow: 0.02,
            event_lost: 0.1,
            event_twice: 0.1,
            event_doubled: 0.05,
            event_delayed: 0.1,
            event_overtaken: 0.1,
            ..Self::none()
        }
    }

    /// The faults, if every rate is one and no call could meet two faults at once.
    pub fn checked(self) -> Result<Self, Error> {
        let groups = [self.write_rates().to_vec(), self.read_rates().to_vec()];
        let single = [
            self.event_lost,
            self.event_twice,
            self.event_doubled,
            self.event_delayed,
            self.event_overtaken,
        ];
        check_rates(&groups, &single)?;
        Ok(self)
    }

    fn write_rates(&self) -> [(f64, StripeFault); 18] {
        [
            (self.drop_answer, StripeFault::DropAnswer),
            (self.drop_request, StripeFault::DropRequest),
            (self.effect_later, StripeFault::EffectLater),
            (self.error_stored_after, StripeFault::ErrorStoredAfter),
            (self.error_stored_before, StripeFault::ErrorStoredBefore),
            (self.error_not_stored, StripeFault::ErrorNotStored),
            (self.card_error, StripeFault::CardError),
            (self.lock_timeout, StripeFault::LockTimeout),
            (self.too_many, StripeFault::TooMany),
            (self.too_many_wait, StripeFault::TooManyWait),
            (self.should_retry, StripeFault::ShouldRetry),
            (self.should_not_retry, StripeFault::ShouldNotRetry),
            (self.corrupt_answer, StripeFault::CorruptAnswer),
            (self.cut_answer, StripeFault::CutAnswer),
            (self.big_answer, StripeFault::BigAnswer),
            (self.trickle_answer, StripeFault::TrickleAnswer),
            (self.wrong_object, StripeFault::WrongObject),
            (self.slow, StripeFault::Slow),
        ]
    }

    fn read_rates(&self) -> [(f64, StripeFault); 10] {
        [
            (self.read_error, StripeFault::ReadError),
            (self.read_drop, StripeFault::ReadDrop),
            (self.read_too_many, StripeFault::ReadTooMany),
            (self.read_too_many_wait, StripeFault::ReadTooManyWait),
            (self.read_corrupt, StripeFault::ReadCorrupt),
            (self.read_cut, StripeFault::ReadCut),
            (self.read_big, StripeFault::ReadBig),
            (self.read_trickle, StripeFault::ReadTrickle),
            (self.read_wrong, StripeFault::ReadWrong),
            (self.read_slow, StripeFault::ReadSlow),
        ]
    }

    /// The fault of the n-th call of this name.
    pub(super) fn of_call(&self, is_read: bool, name: &str, nth: u64) -> Option<StripeFault> {
        if is_read {
            Chance::of(self.seed, "get", name, nth).pick(&self.read_rates())
        } else {
            Chance::of(self.seed, "post", name, nth).pick(&self.write_rates())
        }
    }
}

impl FromStr for StripeFaults {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        spelling::read(text, Self::none, Self::demo)?.checked()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_written_as_a_name_and_fields() {
        let faults: StripeFaults = "demo,seed=7,drop_answer=0.2".parse().unwrap();
        assert_eq!(faults, StripeFaults { seed: 7, drop_answer: 0.2, ..StripeFaults::demo() });
        let text = serde_json::to_string(&faults).unwrap();
        assert_eq!(text.parse::<StripeFaults>().unwrap(), faults);
        for text in ["never", "none,dropp=0.1", "none,event_lost=2", "none,slow=0.6,cut_answer=0.6"]
        {
            assert!(text.parse::<StripeFaults>().is_err(), "{text}");
        }
    }

    #[test]
    fn every_fault_belongs_to_one_kind_of_call_and_has_a_rate() {
        let faults = StripeFaults::none();
        assert!(faults.read_rates().iter().all(|(_, fault)| fault.is_of_reads()));
        assert!(faults.write_rates().iter().all(|(_, fault)| !fault.is_of_reads()));
    }

    #[test]
    fn the_demo_meets_its_rates() {
        let demo = StripeFaults::demo().checked().unwrap();
        let count = |fault| {
            let hit = |key: &u64| demo.of_call(false, &key.to_string(), 1) == Some(fault);
            (0..20_000).filter(hit).count()
        };
        assert!((800..1_200).contains(&count(StripeFault::DropAnswer)));
        assert!((300..500).contains(&count(StripeFault::ErrorStoredAfter)));
    }
}
