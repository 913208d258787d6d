//! A history of movements, told in sentences.

use super::Act;
use super::state::Told;
use orders_core::money_move::Kind;

/// Tells one act.
pub(super) fn sentence(act: Act) -> String {
    match act {
        Act::Looks { worker, number, after, renew } => {
            let who =
                format!("Worker {} leases movement {} and reads Stripe", worker + 1, number + 1);
            match after {
                Some(after) => format!("{who}: it is {}.", after.name()),
                None if renew => format!("{who}: it is to be sent under a new key."),
                None => format!("{who}: it is to be sent under its key."),
            }
        }
        Act::Commits { worker, number, key } => format!(
            "Worker {} commits the call of movement {} under key {key}.",
            worker + 1,
            number + 1
        ),
        Act::Leaves { worker, number } => {
            format!("Worker {} may not commit movement {} and leaves it.", worker + 1, number + 1)
        }
        Act::Sends { worker, number, late } => format!(
            "Worker {} sends movement {}{}.",
            worker + 1,
            number + 1,
            if late { ", after its deadline" } else { "" }
        ),
        Act::Dawdles { worker } => {
            format!("Worker {} is paused until its deadline has passed.", worker + 1)
        }
        Act::NotSent { worker } => format!("Worker {} sends nothing, certainly.", worker + 1),
        Act::GivesUp { worker } => {
            format!("Worker {} stops waiting; its call is still on its way.", worker + 1)
        }
        Act::Dies { worker } => format!("Worker {} dies.", worker + 1),
        Act::Record { worker, number, told, after, stale } => format!(
            "Worker {} records for movement {}: {}; {}.",
            worker + 1,
            number + 1,
            word(told),
            if stale {
                "it is too late and changes nothing".to_owned()
            } else {
                format!("it is {}", after.name())
            }
        ),
        Act::Stripe { number, key, effect, heard } => format!(
            "Stripe {effect}, for key {} of movement {}; {}.",
            key + 1,
            number + 1,
            match heard {
                Some(true) => "the answer arrives",
                Some(false) => "the answer is lost",
                None => "nobody waits for the answer",
            }
        ),
        other => course(other),
    }
}

/// What happens without a worker.
fn course(act: Act) -> String {
    match act {
        Act::LeaseEnds { number } => format!("The lease of movement {} ends.", number + 1),
        Act::CallEnds { number } => {
            format!("The deadline of the call of movement {} passes.", number + 1)
        }
        Act::CallIsOver { number } => {
            format!("Ten minutes more have passed since the call of movement {}.", number + 1)
        }
        Act::KeyDies { number } => {
            format!("The key of movement {} is 23 hours old: it is dead.", number + 1)
        }
        Act::Prunes { number, key } => {
            format!("Stripe forgets key {} of movement {}.", key + 1, number + 1)
        }
        Act::BankDoes { number } => format!("The bank does movement {}.", number + 1),
        Act::BankReturns { number } => {
            format!("The bank gives the money of movement {} back.", number + 1)
        }
        Act::ReturnIsRead { number } => {
            format!("That movement {} came back is read, and a person is told.", number + 1)
        }
        Act::Asked { number } => {
            format!("A person asks for a refund: movement {} is intended.", number + 1)
        }
        Act::OrderEnds => "The order ends without goods.".to_owned(),
        Act::EndedRead { kind } => format!(
            "The payment of the ended order is read, and a {} is intended.",
            if kind == Kind::Refund { "refund" } else { "cancellation" }
        ),
        Act::Restored => "The database is restored to the time of the first intent.".to_owned(),
        other => format!("{other:?}."),
    }
}

fn word(told: Told) -> &'static str {
    match told {
        Told::Done => "done",
        Told::Pending => "Stripe has it",
        Told::Refused => "refused",
        Told::Lost => "the answer was lost",
        Told::ServerError => "an error of Stripe",
        Told::StoredError => "a stored error of Stripe",
        Told::NotSent => "nothing was sent",
    }
}
