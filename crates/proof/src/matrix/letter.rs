//! What must be seen when a fault met an engine, letter by letter: beside the oracle's word, and by
//! histories and ledgers alone.
//!
//! A cell with two letters, or one that [`super::table::also`] lists, is right when one of them is seen: which,
//! is a matter of timing.

use super::course::{Course, Told};
use super::table::{also, must};
use crate::fence;
use orders_sandbox::stripe;
use orders_sandbox::zinc::{Event, Outcome};
use std::collections::{BTreeMap, BTreeSet};

/// The kinds after which nobody knows what the provider did.
const UNKNOWNS: [&str; 4] =
    ["lease_ended", "answer_lost", "provider_refused_us", "purchase_doubtful"];

/// What a check finds.
pub(super) type Found = Result<(), String>;

/// Whether one of the cell's letters was seen.
pub(super) fn check(course: &Course) -> Found {
    let word = must(course.spot, course.fault).unwrap_or_default();
    let letters = word.chars().chain(also(course.spot, course.fault).chars());
    let mut reasons = Vec::new();
    for letter in letters {
        match seen(course, letter) {
            Ok(()) => return Ok(()),
            Err(why) => reasons.push(format!("not {letter}: {why}")),
        }
    }
    Err(reasons.join("; "))
}

fn seen(course: &Course, letter: char) -> Found {
    match letter {
        'R' => goes_on(course),
        'U' => evidence_decides(course),
        'Z' => late_one_changed_nothing(course),
        'T' | 'B' => once(course),
        'Q' => read_back(course),
        'H' => a_person_was_asked(course),
        'K' => carried_on(course),
        other => Err(format!("{other} is no letter of the engine")),
    }
}

/// R: somebody goes on with the same key and bytes; nobody whom the fault has killed. // G4, G15
fn goes_on(course: &Course) -> Found {
    once(course)?;
    let after: BTreeSet<&str> = course.since_fault().map(|one| one.actor.as_str()).collect();
    // Its other loops may have read a payment until the moment of its death.
    let mut bought = course.since_fault().filter(|one| one.kind.starts_with("purchase"));
    if course.fault.0 == 1 && bought.any(|one| one.actor == course.victim) {
        return Err("the dead one wrote".into());
    }
    if course.fault.0 == 1 && !after.contains(course.other.as_str()) {
        return Err("the other one wrote nothing".into());
    }
    if after.is_empty() { Err("nobody went on".into()) } else { Ok(()) }
}

/// U: whoever does not know finds out before he ends it: by the same bytes again, a list, or a look. // G5, G6
fn evidence_decides(course: &Course) -> Found {
    once(course)?;
    looked_before_each_refund(course)?;
    let listed = course.zinc.iter().any(|line| matches!(line.event, Event::List { .. }));
    for order in course.bought() {
        // Whether nobody knows, and whether the same bytes were sent since.
        let (mut unknown, mut again) = (false, false);
        for told in of(&course.at_end, &order) {
            let is_known = told.kind == "purchase_accepted";
            if is_known && unknown && !again && !listed {
                return Err(format!("{order} was unknown, and then accepted without another look"));
            }
            again = told.kind == "purchase_repeated" || again && unknown;
            unknown = !is_known && (unknown || UNKNOWNS.contains(&told.kind.as_str()));
        }
    }
    Ok(())
}

/// Refunds are looked at before each of them is asked for. // G28
fn looked_before_each_refund(course: &Course) -> Found {
    let (mut looks, mut posts) = (0, 0);
    for line in &course.stripe {
        let stripe::Event::Called { method, path, .. } = &line.event else { continue };
        if !path.contains("/refunds") {
            continue;
        }
        looks += u32::from(method == "GET");
        posts += u32::from(method == "POST");
        if posts > looks {
            return Err(format!("{posts} refunds were asked for after {looks} looks"));
        }
    }
    Ok(())
}

/// Z: whoever comes late writes nothing; and whoever writes holds the claim. // G13, G16
fn late_one_changed_nothing(course: &Course) -> Found {
    once(course)?;
    let told = course.at_end.iter().map(|it| (&*it.order, &*it.kind, &*it.actor));
    fence::whole(told, |_| false)?;
    let Some(at_waking) = &course.at_waking else { return Ok(()) };
    let of_victim = |all: &[Told]| all.iter().filter(|one| one.actor == course.victim).count();
    let (before, after) = (of_victim(at_waking), of_victim(&course.at_end));
    if before != after {
        return Err(format!("it woke and wrote {} events", after - before));
    }
    Ok(())
}

/// T and B: each thing happened once, under one key with the same bytes; a second key only after the
/// provider has refused the first for good. // G4, G6, G17
pub(super) fn once(course: &Course) -> Found {
    for order in course.bought() {
        let count = |kind: &str| of(&course.at_end, &order).filter(|it| it.kind == kind).count();
        let (keys, refused) = keys(course, &order)?;
        let opened = count("purchase_opened");
        if keys > refused + 1 || opened > refused + 1 || opened < keys {
            return Err(format!(
                "{order}: {keys} keys in {opened} attempts, of which {refused} were refused"
            ));
        }
        let (confirmed, accepted) = (count("payment_confirmed"), count("purchase_accepted"));
        if confirmed != 1 || accepted > 1 {
            return Err(format!("{order}: paid {confirmed} times, accepted {accepted} times"));
        }
    }
    Ok(())
}

/// How many keys the provider saw for an order, and how many attempts were refused, by its word or as the
/// wire made it look.
pub(super) fn keys(course: &Course, order: &str) -> Result<(usize, usize), String> {
    let mut digests = BTreeMap::new();
    let mut refused = BTreeSet::new();
    for line in &course.zinc {
        let Event::Create(create) = &line.event else { continue };
        if create.order_id.as_deref() != Some(order) {
            continue;
        }
        let key = create.key.as_deref().unwrap_or_default();
        if digests.insert(key, create.sha256).is_some_and(|former| former != create.sha256) {
            return Err(format!("{order}: other bytes under {key}"));
        }
        if matches!(create.outcome, Outcome::Refused(_)) {
            refused.insert(key);
        }
    }
    // A refusal that only the wire has said used up a key that the provider never saw.
    let said = of(&course.at_end, order).filter(|it| it.kind == "purchase_refused").count();
    let by_wire = if course.fault.0 == 14 { said.saturating_sub(refused.len()) } else { 0 };
    Ok((digests.len(), refused.len() + by_wire))
}

/// Q: what had taken effect stands, and is not done again. // G18
fn read_back(course: &Course) -> Found {
    once(course)?;
    if !course.took_effect {
        return Ok(());
    }
    let kind = match course.spot.0 {
        5 => "payment_confirmed",
        7 => "purchase_opened",
        13 => "purchase_accepted",
        _ => "lease_ended",
    };
    let by_victim =
        |all: &[Told]| all.iter().filter(|it| it.kind == kind && it.actor == course.victim).count();
    let (then, now) = (by_victim(&course.at_fault), by_victim(&course.at_end));
    if then == 0 || now < then {
        return Err(format!("{then} {kind} had taken effect, and {now} stand"));
    }
    Ok(())
}

/// H: it was held, or somebody was told, and a person's word let it go on. // G9
fn a_person_was_asked(course: &Course) -> Found {
    once(course)?;
    let released = |told: &Told| {
        matches!(told.kind.as_str(), "hold_released" | "move_planned") && told.actor == "a person"
    };
    // An order that is refused for good waits for nobody: its money goes back by itself.
    let ended =
        |told: &Told| told.data["set"]["hold_reason"].is_null() && told.kind == "purchase_refused";
    if course.since_fault().any(|told| released(told) || ended(told)) {
        Ok(())
    } else {
        Err("no person was asked".into())
    }
}

/// K: it goes on as if nothing had been: nothing became unknown, nothing was asked for twice.
fn carried_on(course: &Course) -> Found {
    once(course)?;
    let orders: Vec<String> = course.bought().filter(|order| stood_there(course, order)).collect();
    let unknown =
        |told: &&Told| UNKNOWNS.contains(&told.kind.as_str()) && orders.contains(&told.order);
    if let Some(told) = course.since_fault().find(unknown) {
        return Err(format!("{} of {} by {}", told.kind, told.order, told.actor));
    }
    for order in &orders {
        let calls = course.zinc.iter().filter(|line| {
            matches!(&line.event, Event::Create(it) if it.order_id.as_deref() == Some(order))
        });
        let calls = calls.count();
        if calls != 1 {
            return Err(format!("{order} was asked for {calls} times"));
        }
    }
    let is_refund = |line: &&orders_sandbox::Line<stripe::Event>| matches!(&line.event, stripe::Event::Called { method, path, .. } if method == "POST" && path.contains("/refunds"));
    let refunds = course.stripe.iter().filter(is_refund).count();
    if refunds != course.wanted.returned.len() {
        return Err(format!("{refunds} refunds were asked for"));
    }
    Ok(())
}

/// Whether an order that is to be bought stood at the point when the fault came. Another one of the same engine
/// may have stood anywhere, also where its claim was just being committed; at those of money, all of them.
fn stood_there(course: &Course, order: &str) -> bool {
    let told = |kind| of(&course.at_fault, order).any(|told| told.kind == kind);
    match course.spot.0 {
        4 => !told("payment_confirmed"),
        8..=13 => told("purchase_opened"),
        14 => told("purchase_accepted"),
        17 | 18 => false,
        _ => true,
    }
}

/// The events of an order.
pub(super) fn of<'a>(all: &'a [Told], order: &str) -> impl Iterator<Item = &'a Told> {
    let order = order.to_owned();
    all.iter().filter(move |told| told.order == order)
}
