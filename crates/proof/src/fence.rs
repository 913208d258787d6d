//! The fence, as histories show it: what ends a claim is written by whoever holds it.
//!
//! Promise: read from the words of histories alone; nothing here is shared with what is judged. // G13, G16

use std::collections::BTreeMap;

/// The kinds of events that open a claim.
const CLAIMS: [&str; 2] = ["purchase_opened", "purchase_repeated"];
/// The kinds by which whoever holds a claim ends it.
const RECORDS: [&str; 6] = [
    "purchase_accepted",
    "purchase_refused",
    "purchase_doubtful",
    "answer_lost",
    "provider_refused_us",
    "claim_released",
];

/// Whether no engine ended a claim that was not its own, in events as order, kind and actor, each order's in
/// their order. What was found out may be written of an order that nobody holds; these people may end what an
/// engine holds, and write of what nobody does.
///
/// # Errors
///
/// The first event that says otherwise, in words.
pub fn whole<'a>(
    history: impl Iterator<Item = (&'a str, &'a str, &'a str)>,
    people: impl Fn(&str) -> bool,
) -> Result<(), String> {
    let mut holders: BTreeMap<&str, &str> = BTreeMap::new();
    for (order, kind, actor) in history {
        let holder = holders.get(order).copied();
        if CLAIMS.contains(&kind) {
            if let Some(holder) = holder {
                return Err(format!("{actor} claimed what {holder} held"));
            }
            holders.insert(order, actor);
        } else if kind == "lease_ended" {
            holders.remove(order);
        } else if RECORDS.contains(&kind) {
            match holder {
                Some(holder) if holder != actor && !people(actor) => {
                    return Err(format!("{actor} wrote {kind} over {holder}"));
                }
                None if kind != "purchase_accepted" && !people(actor) => {
                    return Err(format!("{actor} wrote {kind} and held nothing"));
                }
                _ => drop(holders.remove(order)),
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::whole;

    fn told(history: &[(&'static str, &'static str)]) -> Result<(), String> {
        let people = |actor: &str| actor == "a person";
        whole(history.iter().map(|(kind, actor)| ("order", *kind, *actor)), people)
    }

    #[test]
    fn a_claim_is_ended_by_its_holder_by_its_lease_or_by_a_person() {
        let opened = ("purchase_opened", "engine/a");
        assert_eq!(told(&[opened, ("purchase_accepted", "engine/a")]), Ok(()));
        assert_eq!(told(&[opened, ("purchase_accepted", "a person")]), Ok(()));
        let again = ("purchase_repeated", "engine/b");
        assert_eq!(told(&[opened, ("lease_ended", "engine/b"), again]), Ok(()));
        let said = |history: &[(&'static str, &'static str)]| told(history).unwrap_err();
        assert_eq!(said(&[opened, again]), "engine/b claimed what engine/a held");
        let late = ("claim_released", "engine/a");
        let over = [opened, ("lease_ended", "engine/b"), again, late];
        assert_eq!(said(&over), "engine/a wrote claim_released over engine/b");
        assert_eq!(said(&[opened, late, late]), "engine/a wrote claim_released and held nothing");
    }
}
