//! The rules of what people give with a flag. The command line refuses what breaks them, so that
//! the refusal names the flag, and nothing is asked of the database.

use orders_core::order::rule;

/// The longest reason.
const REASON_CHARS_MAX: usize = 300;
/// The longest note.
const NOTE_CHARS_MAX: usize = 200;
/// The shortest reason that tells how something is known.
const EVIDENCE_CHARS_MIN: usize = 10;

/// The reasons to hold an order, in the order of the database's list.
pub const HOLDS: [&str; 7] = [
    "awaiting_payment",
    "awaiting_funds",
    "payment_mismatch",
    "disputed",
    "scheduled",
    "operator",
    "restored",
];

/// Why somebody decides something; it stays in the history.
pub fn reason(text: &str) -> Result<String, String> {
    within(text, 1)
}

/// How somebody knows what he says: a reason, and not only a word.
pub fn evidence(text: &str) -> Result<String, String> {
    within(text, EVIDENCE_CHARS_MIN)
}

fn within(text: &str, chars_min: usize) -> Result<String, String> {
    let text = text.trim();
    if (chars_min..=REASON_CHARS_MAX).contains(&text.chars().count()) {
        Ok(text.to_owned())
    } else {
        Err(format!("must have {chars_min} to {REASON_CHARS_MAX} characters"))
    }
}

/// What a key is for; it may be left out.
pub fn note(text: &str) -> Result<String, String> {
    if text.chars().count() <= NOTE_CHARS_MAX && !text.chars().any(char::is_control) {
        return Ok(text.to_owned());
    }
    Err(format!("must have at most {NOTE_CHARS_MAX} characters and no line breaks"))
}

/// The provider's id of a request.
pub fn request_id(text: &str) -> Result<String, String> {
    rule::request_id("", text).map_err(|violation| violation.rule)?;
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_says_something_and_not_too_much() {
        assert_eq!(reason(" the customer called "), Ok("the customer called".to_owned()));
        assert_eq!(reason(&"é".repeat(300)), Ok("é".repeat(300)));
        for wrong in ["", "  ", "\n", &"x".repeat(301)] {
            assert_eq!(reason(wrong), Err("must have 1 to 300 characters".to_owned()));
        }
        assert_eq!(evidence("ticket 47 "), Err("must have 10 to 300 characters".to_owned()));
        assert!(evidence("ticket 4711").is_ok());
        assert!(
            note("").is_ok() && note(&"x".repeat(200)).is_ok() && note(&"x".repeat(201)).is_err()
        );
        assert!(note("a\nb").is_err());
    }

    #[test]
    fn a_request_id_is_printable_and_has_no_spaces() {
        assert_eq!(request_id("4f6c"), Ok("4f6c".to_owned()));
        for wrong in ["", "a b", &"9".repeat(201)] {
            let said = request_id(wrong).unwrap_err();
            assert!(said.starts_with("must have 1 to 200 printable ASCII characters"), "{said}");
        }
    }

    #[test]
    fn the_holds_are_those_that_the_database_knows() {
        let tables = include_str!("../../../store/migrations/0001_orders.sql");
        let (_, rest) = tables.split_once("orders_hold_reason_known check (value in (").unwrap();
        let (list, _) = rest.split_once(')').unwrap();
        let known: Vec<&str> = list.split(", ").map(|word| word.trim_matches('\'')).collect();
        assert_eq!(HOLDS[..], known[..]);
    }
}
