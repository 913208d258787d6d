//! The rules for the names that cross our borders: one each, for every entry (HTTP, commands,
//! import), so that what one of them takes no other refuses.
//!
//! Promise: a violation carries the name that the caller knows the value by, never the value.

use super::Violation;
use uuid::Uuid;

/// The longest id of a PaymentIntent.
pub const PAYMENT_INTENT_CHARS_MAX: usize = 250;
/// The longest request id of the provider.
pub const REQUEST_ID_CHARS_MAX: usize = 200;
/// The longest name of a worker; the history stores it behind a word of ours, within 200.
pub const WORKER_CHARS_MAX: usize = 100;

/// Stripe's id of a PaymentIntent.
pub fn payment_intent(field: &str, value: &str) -> Result<(), Violation> {
    let rest = value.strip_prefix("pi_").unwrap_or_default();
    let is_plain = rest.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if !rest.is_empty() && is_plain && value.len() <= PAYMENT_INTENT_CHARS_MAX {
        return Ok(());
    }
    let rule = format!(
        "must be a Stripe PaymentIntent id such as pi_3Abc: pi_ and letters, digits or underscores, \
         at most {PAYMENT_INTENT_CHARS_MAX} characters"
    );
    Err(Violation { field: field.to_owned(), rule })
}

/// The provider's id of a request. It is compared byte by byte for ever, so nothing may stand in it
/// that a copy from a screen or a log would change unseen.
pub fn request_id(field: &str, value: &str) -> Result<(), Violation> {
    let fits = (1..=REQUEST_ID_CHARS_MAX).contains(&value.len());
    if fits && value.bytes().all(|b| b.is_ascii_graphic()) {
        return Ok(());
    }
    let rule = format!(
        "must have 1 to {REQUEST_ID_CHARS_MAX} printable ASCII characters and no blanks, as the \
         provider gave it"
    );
    Err(Violation { field: field.to_owned(), rule })
}

/// The name of an engine: every event that it writes carries it.
pub fn worker_name(text: &str) -> Result<String, String> {
    let length = text.chars().count();
    if text.trim() == text && (1..=WORKER_CHARS_MAX).contains(&length) && is_one_line(text) {
        return Ok(text.to_owned());
    }
    Err(format!(
        "must have 1 to {WORKER_CHARS_MAX} characters on one line, without blanks around them"
    ))
}

/// Whether a text stays on its line, wherever it is printed: a label, a log, a terminal.
pub fn is_one_line(text: &str) -> bool {
    !text.contains(|c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}'))
}

/// Whether a text has the form in which we write ids. Orders are named by id or by number, so a
/// number in this form could name two.
pub fn has_form_of_id(text: &str) -> bool {
    // The other notations of a UUID are no names of ours: a shop may number its orders so.
    text.len() == 36 && Uuid::try_parse(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payment_is_named_by_a_whole_payment_intent_id() {
        let longest = format!("pi_{}", "x".repeat(247));
        for good in ["pi_3Abc", "pi_1", "pi_3_a_B", longest.as_str()] {
            assert_eq!(payment_intent("payment_intent", good), Ok(()), "{good}");
        }
        let long = format!("{longest}x");
        for bad in [
            "", "pi_", "ch_1", "PI_1", "pi-1", "pi_ü", "pi_a b", "pi_a\0", "pi_1\n", " pi_1", &long,
        ] {
            let violation = payment_intent("options.intent", bad).unwrap_err();
            assert_eq!(violation.field, "options.intent", "{bad:?}");
            assert!(violation.rule.starts_with("must be a Stripe PaymentIntent id"), "{bad:?}");
        }
    }

    #[test]
    fn a_worker_has_a_name_that_the_history_can_store() {
        assert!(worker_name("shop 2/é").is_ok() && worker_name(&"x".repeat(100)).is_ok());
        for wrong in ["", " ", "a\nb", " a", "a\u{2028}b", &"x".repeat(101)] {
            assert!(worker_name(wrong).unwrap_err().starts_with("must have 1 to 100 characters"));
        }
    }

    #[test]
    fn a_request_id_is_printable_ascii_without_blanks() {
        let longest = "~".repeat(200);
        for good in ["!", "4f6c-77", "a/b?c=\"d\"", longest.as_str()] {
            assert_eq!(request_id("request_id", good), Ok(()), "{good}");
        }
        let long = format!("{longest}~");
        for bad in ["", " ", "a b", "a\t", "a\n", "a\0b", "é", "a\u{7f}", "\u{a0}a", &long] {
            assert_eq!(request_id("request_id", bad).unwrap_err().field, "request_id", "{bad:?}");
        }
    }

    #[test]
    fn a_line_holds_nothing_that_leaves_it() {
        assert!(is_one_line("") && is_one_line("Äpfel, 3 kg – “fresh” 🍏"));
        for nasty in ["a\nb", "a\rb", "\0", "\t", "\u{1b}[2J", "\u{85}", "\u{2028}", "\u{2029}"] {
            assert!(!is_one_line(nasty), "{nasty:?}");
        }
    }

    #[test]
    fn only_our_own_notation_of_an_id_is_one() {
        let id = "0198c0de-0000-7000-8000-00000000000a";
        assert!(has_form_of_id(id) && has_form_of_id(&id.to_uppercase()));
        let simple = id.replace('-', "");
        for other in ["", "1001", &simple, &format!("{{{id}}}"), &format!("{id}0"), &id[1..]] {
            assert!(!has_form_of_id(other), "{other}");
        }
    }
}
