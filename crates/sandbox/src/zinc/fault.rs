//! Which misbehaviour there is, how often, and how it is drawn.

use crate::Error;
use crate::chance::{Chance, check_rates};
use crate::spelling;
use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// A misbehaviour that was done to a call. Each is one word in the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// 5xx, and nothing was done.
    ErrorBefore,
    /// Done, then 5xx.
    ErrorAfter,
    /// Done, then the connection closed without a byte.
    DropAnswer,
    /// Done, and answered later than a client waits.
    LateAnswer,
    /// Done, then half of the answer and a closed connection.
    CutAnswer,
    /// Done, then half of the answer and a reset connection.
    ResetAnswer,
    /// Done, and answered correctly after a while.
    Slow,
    /// Done, and answered with the request id of another order.
    WrongId,
    /// Done, and the answer sent twice on the connection.
    DoubleAnswer,
    /// 5xx or a closed connection, and done only some time later.
    BuyLate,
    /// Answered with its request id at once, and done only some time later.
    EarlyAnswer,
    /// 429, and nothing was done.
    TooMany,
    /// 401 or 403 without a code, and nothing was done.
    Forbidden,
    /// Done, then a 4xx without a code.
    OddError,
    /// Done, then a 2xx with neither id nor code.
    EmptyAnswer,
    /// Everything is refused for a while.
    Outage,
    /// A read answered 5xx.
    ReadError,
    /// A read answered "still working" although the request had ended.
    ReadStale,
    /// Half of a read's answer.
    ReadCut,
    /// A read answered with another order's request.
    ReadWrong,
    /// A read or a list answered 429.
    ReadTooMany,
    /// A read or a list answered 401 or 403 without a code.
    ReadForbidden,
    /// A read or a list answered by a 2xx or 4xx of no known shape.
    ReadOdd,
    /// A list without half of its entries.
    ListGap,
}

impl Fault {
    /// Whether it is done to reads and lists, not to creates.
    pub(super) fn is_of_reads(self) -> bool {
        use Fault::{
            ReadCut, ReadError, ReadForbidden, ReadOdd, ReadStale, ReadTooMany, ReadWrong,
        };
        matches!(
            self,
            ReadError | ReadStale | ReadCut | ReadWrong | ReadTooMany | ReadForbidden | ReadOdd
        ) || self == Self::ListGap
    }

    /// Whether a list can have it.
    pub(super) fn is_of_lists(self) -> bool {
        self.is_of_reads() && !matches!(self, Self::ReadStale | Self::ReadWrong)
    }
}

/// How often each misbehaviour happens, as a rate in 0..=1, and its measures.
///
/// As text (for a command line): `none`, `demo`, or JSON, and behind a name any fields, such as
/// `demo,seed=7,drop_answer=0.2`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// What all draws start from.
    pub seed: u64,
    /// Creates: [`Fault::ErrorBefore`].
    pub error_before: f64,
    /// Creates: [`Fault::ErrorAfter`].
    pub error_after: f64,
    /// Creates: [`Fault::DropAnswer`].
    pub drop_answer: f64,
    /// Creates: [`Fault::LateAnswer`].
    pub late_answer: f64,
    /// Creates: [`Fault::CutAnswer`].
    pub cut_answer: f64,
    /// Creates: [`Fault::ResetAnswer`].
    pub reset_answer: f64,
    /// Creates: [`Fault::Slow`].
    pub slow: f64,
    /// Creates: [`Fault::WrongId`].
    pub wrong_id: f64,
    /// Creates: [`Fault::DoubleAnswer`].
    pub double_answer: f64,
    /// Creates: [`Fault::BuyLate`].
    pub buy_late: f64,
    /// Creates: [`Fault::EarlyAnswer`].
    pub early_answer: f64,
    /// Creates: [`Fault::TooMany`].
    pub too_many: f64,
    /// Creates: [`Fault::Forbidden`].
    pub forbidden: f64,
    /// Creates: [`Fault::OddError`].
    pub odd_error: f64,
    /// Creates: [`Fault::EmptyAnswer`].
    pub empty_answer: f64,
    /// Creates: an error is the result, stored under the key.
    pub refuse: f64,
    /// Accepted requests that end with an error instead of an order.
    pub fail_later: f64,
    /// All calls: [`Fault::Outage`], in bursts of `outage_calls`.
    pub outage: f64,
    /// Reads and lists: [`Fault::ReadError`].
    pub read_error: f64,
    /// Reads: [`Fault::ReadStale`].
    pub read_stale: f64,
    /// Reads and lists: [`Fault::ReadCut`].
    pub read_cut: f64,
    /// Reads: [`Fault::ReadWrong`].
    pub read_wrong: f64,
    /// Reads and lists: [`Fault::ReadTooMany`].
    pub read_too_many: f64,
    /// Reads and lists: [`Fault::ReadForbidden`].
    pub read_forbidden: f64,
    /// Reads and lists: [`Fault::ReadOdd`].
    pub read_odd: f64,
    /// Lists: [`Fault::ListGap`].
    pub list_gap: f64,
    /// How late a late answer is; longer than the client's time-out.
    pub late_answer_ms: u32,
    /// How late a slow answer is; shorter than the client's time-out.
    pub slow_ms: u32,
    /// How late a late purchase is, and one that was answered early.
    pub buy_late_ms: u32,
    /// The wait that a 429 asks for, in seconds; 0: it says nothing of a wait.
    pub retry_after_s: u32,
    /// How many calls in a row an outage hits.
    pub outage_calls: u32,
    /// Outages by the clock: one begins every so often (0: never) ...
    pub outage_period_ms: u32,
    /// ... and lasts so long.
    pub outage_length_ms: u32,
    /// After so many bad answers a key, or a request's reads, are served well. Outages by the clock
    /// and by hand do not count.
    pub faults_per_key_max: u32,
    /// What `refuse` draws from.
    pub refuse_codes: Vec<String>,
    /// What `fail_later` draws from.
    pub fail_codes: Vec<String>,
}

const REFUSE_CODES: [&str; 7] = [
    "max_price_exceeded",
    "product_unavailable",
    "zma_temporarily_overloaded",
    "insufficient_zma_balance",
    "internal_error",
    "order_probably_placed",
    // About the account, and stored under the key like any other.
    "account_locked",
];
const FAIL_CODES: [&str; 4] =
    ["max_price_exceeded", "product_unavailable", "zma_temporarily_overloaded", "account_locked"];
/// What another key cures by itself, so that a demonstration ends with every order bought.
const PASSING_CODES: [&str; 2] = ["zma_temporarily_overloaded", "internal_error"];

impl Default for Faults {
    fn default() -> Self {
        Self::none()
    }
}

impl Faults {
    /// Everything goes well. The measures are set, so that a rate is all that a test must add.
    pub fn none() -> Self {
        let words = |codes: &[&str]| codes.iter().map(|code| (*code).to_owned()).collect();
        Self {
            seed: 1,
            error_before: 0.0,
            error_after: 0.0,
            drop_answer: 0.0,
            late_answer: 0.0,
            cut_answer: 0.0,
            reset_answer: 0.0,
            slow: 0.0,
            wrong_id: 0.0,
            double_answer: 0.0,
            buy_late: 0.0,
            early_answer: 0.0,
            too_many: 0.0,
            forbidden: 0.0,
            odd_error: 0.0,
            empty_answer: 0.0,
            refuse: 0.0,
            fail_later: 0.0,
            outage: 0.0,
            read_error: 0.0,
            read_stale: 0.0,
            read_cut: 0.0,
            read_wrong: 0.0,
            read_too_many: 0.0,
            read_forbidden: 0.0,
            read_odd: 0.0,
            list_gap: 0.0,
            late_answer_ms: 60_000,
            slow_ms: 250,
            buy_late_ms: 2_000,
            retry_after_s: 1,
            outage_calls: 20,
            outage_period_ms: 0,
            outage_length_ms: 0,
            faults_per_key_max: 4,
            refuse_codes: words(&REFUSE_CODES),
            fail_codes: words(&FAIL_CODES),
        }
    }

    /// A bad day, as the demonstration shows it: 11 % of the answers are lost after the purchase,
    /// 5 % are 5xx after it, 5 % are refusals that another key cures, 2 % of the calls meet an
    /// outage, 2 % of the accepted requests end without a purchase, and reads fail and lie too.
    ///
    /// Every order can still be bought. So two things are not among them: an acceptance with another
    /// order's id, and a refusal of the account. The first sends orders to a person, the second
    /// stops everything until a person has looked.
    pub fn demo() -> Self {
        Self {
            error_before: 0.01,
            error_after: 0.05,
            drop_answer: 0.08,
            cut_answer: 0.02,
            reset_answer: 0.01,
            slow: 0.02,
            double_answer: 0.01,
            buy_late: 0.01,
            late_answer: 0.01,
            early_answer: 0.01,
            too_many: 0.005,
            odd_error: 0.005,
            empty_answer: 0.005,
            refuse: 0.05,
            fail_later: 0.02,
            outage: 0.02,
            read_error: 0.02,
            read_stale: 0.02,
            read_cut: 0.01,
            read_wrong: 0.01,
            read_odd: 0.005,
            list_gap: 0.05,
            refuse_codes: PASSING_CODES.iter().map(|code| (*code).to_owned()).collect(),
            fail_codes: PASSING_CODES.iter().map(|code| (*code).to_owned()).collect(),
            ..Self::none()
        }
    }

    /// The faults, if every rate is one and no call could meet two faults at once.
    pub fn checked(self) -> Result<Self, Error> {
        let groups = [self.create_rates().to_vec(), self.read_rates().to_vec()];
        let single = [self.refuse, self.fail_later, self.outage, self.list_gap];
        check_rates(&groups, &single)?;
        Ok(self)
    }

    fn create_rates(&self) -> [(f64, Fault); 15] {
        [
            (self.error_before, Fault::ErrorBefore),
            (self.error_after, Fault::ErrorAfter),
            (self.drop_answer, Fault::DropAnswer),
            (self.late_answer, Fault::LateAnswer),
            (self.cut_answer, Fault::CutAnswer),
            (self.reset_answer, Fault::ResetAnswer),
            (self.slow, Fault::Slow),
            (self.wrong_id, Fault::WrongId),
            (self.double_answer, Fault::DoubleAnswer),
            (self.buy_late, Fault::BuyLate),
            (self.early_answer, Fault::EarlyAnswer),
            (self.too_many, Fault::TooMany),
            (self.forbidden, Fault::Forbidden),
            (self.odd_error, Fault::OddError),
            (self.empty_answer, Fault::EmptyAnswer),
        ]
    }

    fn read_rates(&self) -> [(f64, Fault); 7] {
        [
            (self.read_error, Fault::ReadError),
            (self.read_stale, Fault::ReadStale),
            (self.read_cut, Fault::ReadCut),
            (self.read_wrong, Fault::ReadWrong),
            (self.read_too_many, Fault::ReadTooMany),
            (self.read_forbidden, Fault::ReadForbidden),
            (self.read_odd, Fault::ReadOdd),
        ]
    }

    /// The fault of the n-th create under a key.
    pub(super) fn of_create(&self, key: &str, call: u32) -> Option<Fault> {
        Chance::of(self.seed, "create", key, call.into()).pick(&self.create_rates())
    }

    /// The fault of the n-th read of a request.
    pub(super) fn of_read(&self, request_id: &str, read: u32) -> Option<Fault> {
        Chance::of(self.seed, "read", request_id, read.into()).pick(&self.read_rates())
    }

    /// The fault of the n-th list.
    pub(super) fn of_list(&self, list: u32) -> Option<Fault> {
        let mut chance = Chance::of(self.seed, "list", "", list.into());
        match chance.pick(&self.read_rates()) {
            Some(fault) if fault.is_of_lists() => Some(fault),
            _ => chance.happens(self.list_gap).then_some(Fault::ListGap),
        }
    }

    /// The error that the n-th call under a key ends with, if it does.
    pub(super) fn refusal(&self, key: &str, call: u32) -> Option<&str> {
        let mut chance = Chance::of(self.seed, "refuse", key, call.into());
        if !chance.happens(self.refuse) {
            return None;
        }
        chance.one_of(&self.refuse_codes).map(String::as_str)
    }

    /// The error that an accepted request ends with, if it does.
    pub(super) fn failure(&self, request_id: &str) -> Option<&str> {
        let mut chance = Chance::of(self.seed, "fail", request_id, 0);
        if !chance.happens(self.fail_later) {
            return None;
        }
        chance.one_of(&self.fail_codes).map(String::as_str)
    }

    /// Whether the n-th call of all falls into a burst.
    ///
    /// This is the one draw that depends on the order of the calls, as an outage does.
    pub(super) fn burst(&self, call: u64) -> bool {
        let window = call / u64::from(self.outage_calls.max(1));
        Chance::of(self.seed, "outage", "", window).happens(self.outage)
    }

    /// Whether the clock says outage.
    pub(super) fn outage_at(&self, now_ms: i64) -> bool {
        self.outage_period_ms > 0
            && now_ms.rem_euclid(self.outage_period_ms.into()) < self.outage_length_ms.into()
    }
}

impl FromStr for Faults {
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
        let faults: Faults = "demo,seed=7,drop_answer=0.2".parse().unwrap();
        assert_eq!(faults, Faults { seed: 7, drop_answer: 0.2, ..Faults::demo() });
        assert_eq!("none".parse::<Faults>().unwrap(), Faults::none());
        let text = serde_json::to_string(&faults).unwrap();
        assert_eq!(text.parse::<Faults>().unwrap(), faults);
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["never", "none,dropp=0.1", "none,slow=2", "none,slow=0.6,cut_answer=0.6"] {
            assert!(text.parse::<Faults>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_demo_is_as_bad_as_it_says() {
        let demo = Faults::demo().checked().unwrap();
        let mut counts = std::collections::BTreeMap::new();
        for key in 0..20_000 {
            if let Some(fault) = demo.of_create(&key.to_string(), 1) {
                *counts.entry(fault).or_insert(0) += 1;
            }
        }
        let lost =
            counts[&Fault::DropAnswer] + counts[&Fault::CutAnswer] + counts[&Fault::ResetAnswer];
        assert!(lost >= 2_000, "{counts:?}");
        assert!((800..1_200).contains(&counts[&Fault::ErrorAfter]), "{counts:?}");
        let refused = (0..20_000).filter(|key| demo.refusal(&key.to_string(), 1).is_some()).count();
        assert!((800..1_200).contains(&refused), "{refused}");
        let outage = (0..200_000).filter(|call| demo.burst(*call)).count();
        assert!((3_000..5_000).contains(&outage), "{outage}");
    }
}
