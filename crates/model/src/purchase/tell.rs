//! A history of purchases, told in sentences.

use super::state::{Pur, Said};
use super::{Act, Deed};

/// Tells a history; tokens are counted in the order of their claims.
pub(super) fn tell(history: &[Act]) -> Vec<String> {
    let mut tokens = 0_u32;
    history.iter().map(|act| sentence(*act, &mut tokens)).collect()
}

fn worker(number: u8) -> String {
    format!("Worker {}", number + 1)
}

fn order(number: u8) -> &'static str {
    if number == 0 { "the first order" } else { "the second order" }
}

fn sentence(act: Act, tokens: &mut u32) -> String {
    match act {
        Act::Claim { worker: by, order: of, generation, key, again } => {
            *tokens += 1;
            let what = if again { "claims it again, under" } else { "claims it and commits" };
            format!(
                "{} locks {}, {what} key {} of attempt {generation} with its bytes (token {tokens}).",
                worker(by),
                order(of),
                key + 1,
            )
        }
        Act::Review { worker: by, order: of, reason } => {
            format!("{} hands {} to a person: {reason}.", worker(by), order(of))
        }
        Act::Sends { worker: by, order: of, key, late } => format!(
            "{} sends the bytes of {} under key {}{}.",
            worker(by),
            order(of),
            key + 1,
            if late { ", after its deadline" } else { "" },
        ),
        Act::Dawdles { worker: by } => {
            format!("{} is paused until its deadline has passed.", worker(by))
        }
        Act::NotSent { worker: by, late } => format!(
            "{} sends nothing, certainly{}.",
            worker(by),
            if late { ": its deadline has passed" } else { ": no connection" },
        ),
        Act::GivesUp { worker: by } => {
            format!("{} stops waiting; its request is still on its way.", worker(by))
        }
        Act::Dies { worker: by } => format!("{} dies.", worker(by)),
        Act::Record { worker: by, order: of, said, stale } => {
            let word = said_word(said);
            let how =
                if stale { "; the token is not the current one, so nothing changes" } else { "" };
            format!("{} records for {}: {word}{how}.", worker(by), order(of))
        }
        Act::Person { order: of, deed } => {
            format!("A person {} {}.", deed_word(deed), order(of))
        }
        Act::Provider { order: of, key, effect, heard } => format!(
            "The provider {effect} for key {} of {}; {}.",
            key + 1,
            order(of),
            match heard {
                Some(true) => "the answer arrives",
                Some(false) => "the answer is lost",
                None => "nobody waits for the answer",
            },
        ),
        Act::Read { worker: by, order: of, seen } => {
            format!("{} reads that {} {}.", worker(by), order(of), became(seen))
        }
        Act::RecordReading { worker: by, order: of, stale } => format!(
            "{} records its reading of {}{}.",
            worker(by),
            order(of),
            if stale { "; it is too old and changes nothing" } else { "" },
        ),
        other => course(other),
    }
}

/// What happens without a worker.
fn course(act: Act) -> String {
    match act {
        Act::Recover { order: of, after } => {
            format!("Recovery makes the attempt of {} unknown; the order is {after}.", order(of))
        }
        Act::KeyDied { order: of } => {
            format!("Recovery hands {} to a person, because its key is dead.", order(of))
        }
        Act::Found { order: of } => {
            format!("The provider's list shows the purchase of {}, and it is stored.", order(of))
        }
        Act::Absent { order: of } => format!(
            "The provider's list does not show {}; it ends, and its money is to go back.",
            order(of)
        ),
        Act::SettledByWaiting { order: of, looked } => format!(
            "The refusal of {} is settled {}; its money is to go back.",
            order(of),
            if looked { "after a look at the list" } else { "because time has passed" },
        ),
        Act::MoneyReturned { order: of } => {
            format!("Stripe returns the money of {}.", order(of))
        }
        Act::EndedRead { order: of } => {
            format!("The payment of {} is read again, and a refund is intended.", order(of))
        }
        Act::Becomes { order: of, now } => {
            format!("At the provider {} {}.", order(of), became(now))
        }
        Act::LeaseEnds { order: of } => format!("The lease of {} ends.", order(of)),
        Act::BoundPasses { order: of } => {
            format!("Deadline and processing bound of the last call for {} have passed.", order(of))
        }
        Act::KeyDies { order: of } => {
            format!("The key of {} is 23 hours old: it is dead.", order(of))
        }
        Act::Forgets { order: of, key } => {
            format!("The provider forgets key {} of {}.", key + 1, order(of))
        }
        Act::Undone { order: of } => format!("The payment of {} is undone at Stripe.", order(of)),
        Act::FactsAge { order: of } => {
            format!("More than a minute passes since the payment of {} was read.", order(of))
        }
        Act::PaymentRead { order: of } => {
            format!("The payment of {} is read at Stripe.", order(of))
        }
        Act::PaymentNamed { order: of } => {
            format!("The shop names the PaymentIntent for {}.", order(of))
        }
        Act::NewRelease => {
            "A new release of the program begins to run; it would write other bytes.".to_owned()
        }
        Act::BackedUp => "A backup of the database is taken.".to_owned(),
        Act::Restored => "The database is restored from the backup.".to_owned(),
        other => format!("{other:?}."),
    }
}

fn said_word(said: Said) -> &'static str {
    match said {
        Said::Accepted(_) => "accepted",
        Said::Lost => "the answer was lost",
        Said::NotSent => "nothing was sent",
        Said::Later => "refused for now",
        Said::Never => "refused for good",
        Said::NoFunds => "refused for want of money",
        Said::Unclear => "refused in words that may hide a purchase",
        Said::Account => "our account was refused",
    }
}

fn became(purchase: Pur) -> &'static str {
    match purchase {
        Pur::None => "is not known",
        Pur::Queued => "waits in the queue",
        Pur::Placed => "is placed with the retailer",
        Pur::Delivered => "is delivered",
        Pur::GoneLater => "has ended without goods, for now",
        Pur::GoneNever => "has ended without goods, for good",
    }
}

fn deed_word(deed: Deed) -> &'static str {
    match deed {
        Deed::Cancels => "cancels",
        Deed::Holds => "holds",
        Deed::Releases => "releases the hold of",
        Deed::SaysNothingWasBought => "has looked and says that nothing was bought for",
        Deed::BuysAgain => "allows a new attempt for",
        Deed::GivesUp => "gives up",
        Deed::WatchesOn => "has the purchase watched on of",
        Deed::Completes => "completes",
    }
}
