//! The rules of what people give with a flag. The command line refuses what breaks them, so that
//! the refusal names the flag, and nothing is asked of the database.

use orders_core::money::AMOUNT_MINOR_MAX;
use orders_core::order::rule;
pub use orders_core::state::HOLDS;

/// The longest reason.
const REASON_CHARS_MAX: usize = 300;
/// The longest note.
const NOTE_CHARS_MAX: usize = 200;
/// The shortest reason that tells how something is known.
const EVIDENCE_CHARS_MIN: usize = 10;
/// The longest key of a request.
const KEY_CHARS_MAX: usize = 255;

/// Why somebody decides something; it stays in the history.
pub fn reason(text: &str) -> Result<String, String> {
    within(text, 1)
}

/// What a request is recognised by when it is repeated.
pub fn key(text: &str) -> Result<String, String> {
    let good =
        (1..=KEY_CHARS_MAX).contains(&text.chars().count()) && !text.contains(char::is_control);
    good.then(|| text.to_owned())
        .ok_or_else(|| format!("must have 1 to {KEY_CHARS_MAX} characters"))
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

/// An amount of money as people write it, `12.50` or `12`, in the smallest unit: every currency that
/// we know has two decimals.
pub fn amount(text: &str) -> Result<i64, String> {
    let rule = || "must be an amount such as 12.50, more than zero".to_owned();
    let (whole, cents) = text.split_once('.').unwrap_or((text, "00"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(cents) || cents.len() != 2 {
        return Err(rule());
    }
    let minor: i64 = format!("{whole}{cents}").parse().map_err(|_| rule())?;
    if (1..=AMOUNT_MINOR_MAX).contains(&minor) { Ok(minor) } else { Err(rule()) }
}

/// The same, or 0 where no amount is meant.
pub fn amount_or_none(text: &str) -> Result<i64, String> {
    if matches!(text, "0" | "0.00") { Ok(0) } else { amount(text) }
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
    fn an_amount_is_read_to_the_cent_and_never_guessed() {
        assert_eq!(amount("12.50"), Ok(1250));
        assert_eq!(amount("12"), Ok(1200));
        assert_eq!(amount("0.01"), Ok(1));
        for wrong in [
            "",
            "0",
            "0.00",
            "-1",
            "1.5",
            "1.234",
            ".50",
            "1,50",
            "1e3",
            "99999999999999999999",
            "10000000.01",
        ] {
            assert!(amount(wrong).is_err(), "{wrong}");
        }
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
        let known: Vec<&str> = list.split(',').map(|word| word.trim().trim_matches('\'')).collect();
        assert_eq!(HOLDS[..], known[..]);
    }
}
