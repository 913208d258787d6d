//! The answer to a call of a function that does not exist in this form: what was looked for, and
//! the right function with its parameters (`PGRST202`).

use crate::api::fault::Fault;
use axum::http::StatusCode;
use orders_store::door::Door;

/// The most names of a caller that are repeated to him, and the most characters of each.
const SHOWN_MAX: usize = 20;
const SHOWN_CHARS_MAX: usize = 60;

/// Nothing fits: neither another name nor other parameters.
pub(crate) fn fault(schema: &str, doors: &[Door], function: &str, given: &[&str]) -> Fault {
    let function = shown(function);
    let mut given: Vec<String> = given.iter().map(|name| shown(name)).collect();
    given.sort_unstable();
    given.truncate(SHOWN_MAX);
    let list = given.join(", ");
    let (call, searched) = match given.len() {
        0 => (format!("{schema}.{function} without parameters"), "without parameters".to_owned()),
        1 => (format!("{schema}.{function}({list})"), format!("with parameter {list}")),
        _ => (format!("{schema}.{function}({list})"), format!("with parameters {list}")),
    };
    let mut fault = Fault::new(
        StatusCode::NOT_FOUND,
        "PGRST202",
        format!("Could not find the function {call} in the schema cache"),
    );
    fault.details = Some(format!(
        "Searched for the function {schema}.{function} {searched} or with a single unnamed json/jsonb \
         parameter, but no matches were found in the schema cache."
    ));
    fault.hint = Some(hint(schema, doors, &function));
    fault
}

fn hint(schema: &str, doors: &[Door], function: &str) -> String {
    if let Some(door) = doors.iter().find(|door| door.name == function) {
        let mut params: Vec<&str> = door.params.iter().map(|param| param.name.as_str()).collect();
        params.sort_unstable();
        return format!(
            "Perhaps you meant to call the function {schema}.{function}({})",
            params.join(", ")
        );
    }
    let nearest = doors.iter().min_by_key(|door| distance(&door.name, function));
    if let Some(door) = nearest.filter(|door| 2 * distance(&door.name, function) <= door.name.len())
    {
        return format!("Perhaps you meant to call the function {schema}.{}", door.name);
    }
    let names: Vec<&str> = doors.iter().map(|door| door.name.as_str()).collect();
    format!("The functions are {}", names.join(", "))
}

/// A caller's own name, as far as it may be repeated.
fn shown(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(SHOWN_CHARS_MAX).collect()
}

/// How many letters must change (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut before = i;
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let cost = before + usize::from(from != *to);
            before = row[j + 1];
            row[j + 1] = cost.min(before + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use orders_store::door::DoorParam;

    fn doors() -> Vec<Door> {
        let param =
            |name: &str| DoorParam { name: name.into(), kind: "text".into(), optional: false };
        ["cancel_order", "complete_order_processing"]
            .map(|name| Door {
                name: name.into(),
                params: vec![param("order_uuid"), param("options")],
                returns_rows: false,
                returns_nothing: false,
                writes: true,
            })
            .to_vec()
    }

    #[test]
    fn a_wrong_parameter_is_answered_with_the_right_ones() {
        let fault = fault("public", &doors(), "cancel_order", &["order_id"]);
        assert_eq!(
            fault.message,
            "Could not find the function public.cancel_order(order_id) in the schema cache"
        );
        assert_eq!(
            fault.hint.as_deref(),
            Some("Perhaps you meant to call the function public.cancel_order(options, order_uuid)")
        );
        assert!(
            fault.details.as_ref().is_some_and(|text| text.contains("with parameter order_id or"))
        );
    }

    #[test]
    fn a_wrong_name_is_answered_with_the_nearest_or_with_all() {
        let hint = |name| fault("public", &doors(), name, &[]).hint.clone().unwrap_or_default();
        let near = "Perhaps you meant to call the function public.complete_order_processing";
        assert_eq!(
            hint("complete_order"),
            "Perhaps you meant to call the function public.cancel_order"
        );
        assert_eq!(hint("complete_order_procesing"), near);
        assert!(hint("xyz").starts_with("The functions are cancel_order, complete"));
    }

    #[test]
    fn the_distance_counts_changed_letters() {
        for (a, b, letters) in
            [("", "", 0), ("abc", "", 3), ("abc", "axc", 1), ("kitten", "sitting", 3)]
        {
            assert_eq!(distance(a, b), letters, "{a} {b}");
        }
    }
}
