//! Whose request a reading speaks of, when it does not say so itself.
//!
//! The provider may have answered our call with another order's request id, or our reading with
//! another order's state. Then that order's end would be taken for ours, our attempt settled by it
//! and bought again under a new key. An entry of its list says both whose a request is, because it
//! carries the notes that were sent along, and what became of it. // G6, A8
//!
//! Promise: a reading that names nobody is replaced by what the list says of our attempt, and only
//! when it has our attempt under this very id and under no other. Nothing is sent to find out, not
//! even the same key again: a call that may buy goes through the one claim. // A6

use super::super::Engine;
use super::super::look_up::{Pages, window};
use super::Seen;
use orders_core::outcome::{Doubt, Listed, Reading};

/// How often the list is read for readings that it has not named: one page may be incomplete.
const LOOKS_MAX: usize = 3;

impl Engine {
    /// Looks up what the list says of readings that do not say whose they are.
    pub(super) async fn confirm(&self, seen: &mut [Seen]) {
        let mut entries = Vec::new();
        for _ in 0..LOOKS_MAX {
            let unnamed = || seen.iter().filter(|(_, reading)| reading.wants_a_name());
            let since = unnamed().map(|(order, _)| order.first_sent_at.unwrap_or(order.read_at));
            let until = unnamed().map(|(order, _)| order.read_at);
            let (Some(since), Some(until)) = (since.min(), until.max()) else { return };
            let mut pages = Pages::of(window(since, until));
            while let Some(page) = pages.next(&self.provider).await {
                match page {
                    Ok(page) => entries.extend(page),
                    // Nothing is known that was not known before; the next poll looks again.
                    Err(doubt) => return seen.iter_mut().for_each(|one| unread(one, doubt)),
                }
            }
            for one in seen.iter_mut() {
                if let Some(own) = name(one, &entries) {
                    // Evidence for whoever decides: where our purchase really is.
                    self.found(one.0.order_id, &own).await;
                }
            }
        }
    }
}

fn unread((_, reading): &mut Seen, doubt: Doubt) {
    if reading.wants_a_name() {
        *reading = Reading::Nothing { doubt };
    }
}

/// Takes the list's word for a reading that names nobody, if it has one; gives the request under
/// which the list has our attempt, when it is another one.
fn name((order, reading): &mut Seen, entries: &[Listed]) -> Option<String> {
    if !reading.wants_a_name() {
        return None;
    }
    let ours = |entry: &Listed| Some(entry.attempt_id) == order.attempt_id;
    let this = |entry: &Listed| entry.request_id == order.request_id;
    if entries.iter().any(|entry| ours(entry) != this(entry)) {
        *reading = Reading::OtherOrder;
    } else if let Some(entry) = entries.iter().rfind(|entry| ours(entry) && this(entry))
        && let Some(said @ (Reading::Placed(..) | Reading::Failed(..))) = &entry.reading
    {
        *reading = said.clone();
    }
    let own = entries.iter().find(|entry| ours(entry) && !this(entry));
    own.map(|entry| entry.request_id.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use orders_core::outcome::{Class, Placed, Refusal, Whose};
    use orders_store::watch::DueWatch;
    use uuid::Uuid;

    const OURS: Uuid = Uuid::from_u128(1);
    const OTHER: Uuid = Uuid::from_u128(2);

    fn failed(whose: Whose) -> Reading {
        let refusal = Refusal {
            class: Class::RetryNewKey,
            code: "internal_error".into(),
            key_used_up: true,
            kept: true,
            wrong_fields: None,
        };
        Reading::Failed(refusal, whose)
    }

    fn entry(attempt_id: Uuid, request_id: &str, reading: Option<Reading>) -> Listed {
        Listed { order_id: Uuid::nil(), attempt_id, request_id: request_id.into(), reading }
    }

    /// What becomes of an end that names nobody, of the request `r1`.
    fn named(entries: &[Listed]) -> (Reading, Option<String>) {
        let order = DueWatch {
            order_id: Uuid::from_u128(9),
            version: 1,
            status: "submitted_to_zinc".into(),
            request_id: "r1".into(),
            attempt_id: Some(OURS),
            generation: 1,
            currency: "USD".into(),
            price_cap_minor: 1,
            first_sent_at: None,
            read_at: Timestamp::UNIX_EPOCH,
        };
        let mut seen = (order, failed(Whose::Unsaid));
        let own = name(&mut seen, entries);
        (seen.1, own)
    }

    #[test]
    fn window_a8_only_a_list_that_has_our_attempt_under_this_id_alone_makes_an_end_ours() {
        let far = entry(Uuid::from_u128(3), "r3", Some(failed(Whose::Ours)));
        let ended = entry(OURS, "r1", Some(failed(Whose::Ours)));
        assert_eq!(named(&[far.clone(), ended.clone()]), (failed(Whose::Ours), None));
        for none in [&[][..], &[far]] {
            assert!(named(none).0.wants_a_name(), "absence proves nothing");
        }
        let another_entry = |attempt, id| entry(attempt, id, Some(failed(Whose::Ours)));
        for (other, own) in [
            (vec![another_entry(OTHER, "r1")], None),
            (vec![another_entry(OURS, "r2")], Some("r2")),
            (vec![ended.clone(), another_entry(OTHER, "r1")], None),
            (vec![ended, another_entry(OURS, "r2")], Some("r2")),
        ] {
            assert_eq!(named(&other), (Reading::OtherOrder, own.map(str::to_owned)), "{other:?}");
        }
    }

    #[test]
    fn window_a8_the_list_says_what_became_of_our_request_and_not_only_whose_it_is() {
        let placed = Placed {
            cost_minor: None,
            currency: None,
            merchant_order_ids: vec![],
            delivered: false,
        };
        let bought = Reading::Placed(placed, Whose::Ours);
        let (reading, _) = named(&[entry(OURS, "r1", Some(bought.clone()))]);
        assert_eq!(reading, bought, "the end that was read is another's");
        let working = Reading::InProgress { code: "request_processing".into() };
        for unsaid in [None, Some(working)] {
            assert!(named(&[entry(OURS, "r1", unsaid)]).0.wants_a_name());
        }
    }
}
