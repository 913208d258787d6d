//! What may stand in an id, a word, a currency and a moment of Stripe's.
//!
//! Promise: what passes here can stand in a path, a log and a column as it is.

use serde_json::Value;

/// What was read is not what may stand there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Odd;

/// The longest id that Stripe gives out.
const ID_CHARS_MAX: usize = 255;
/// The longest word of a closed list: a status, a reason, the name of a kind of object.
pub(super) const WORD_CHARS_MAX: usize = 60;
/// The last second that a timestamp of ours can hold, in the year 9999.
const MOMENT_S_MAX: i64 = 253_402_207_199;

/// An id goes into a path as it is, so it may hold nothing that means something there.
pub(super) fn is_id(id: &str) -> bool {
    (1..=ID_CHARS_MAX).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// A word as Stripe writes them: `requires_capture`, `charge.dispute.created`.
pub(super) fn is_word(word: &str, chars_max: usize) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    (1..=chars_max).contains(&word.len())
        && word.bytes().all(|byte| plain(byte) || matches!(byte, b'_' | b'.'))
}

/// A status or a reason that may be absent; a text that is no word makes the object unreadable.
pub(super) fn optional(word: Option<String>) -> Result<Option<String>, Odd> {
    match word {
        Some(word) if !is_word(&word, WORD_CHARS_MAX) => Err(Odd),
        word => Ok(word),
    }
}

/// Seconds since 1970 that a timestamp can hold.
pub(super) fn is_moment(seconds: i64) -> bool {
    (0..=MOMENT_S_MAX).contains(&seconds)
}

/// An ISO code as we write it, in upper case.
pub(super) fn currency(code: &str) -> Option<String> {
    let fits = code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_alphabetic());
    fits.then(|| code.to_ascii_uppercase())
}

/// A reference to another object: absent, or its id. What is neither makes the object unreadable.
pub(super) fn reference(value: &Value) -> Result<Option<String>, Odd> {
    match value {
        Value::Null => Ok(None),
        Value::String(id) if is_id(id) => Ok(Some(id.clone())),
        _ => Err(Odd),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_id_that_could_change_the_path_is_no_id() {
        assert!(is_id("pi_3Abc"));
        for id in ["", "pi_1/../x", "pi_1?x=1", "pi 1", "pi_ä", "pi-1", &"x".repeat(256)] {
            assert!(!is_id(id), "{id:?}");
        }
    }

    #[test]
    fn a_word_is_lower_case_and_short() {
        assert!(is_word("charge.dispute.created", 22) && is_word("3d_secure", 60));
        for word in ["", "Lost", "a b", "a-b", "a\n", "ä", "charge.dispute.created"] {
            assert!(!is_word(word, 21), "{word:?}");
        }
        assert_eq!(optional(None), Ok(None));
        assert_eq!(optional(Some("a b".into())), Err(Odd));
    }

    #[test]
    fn a_reference_is_absent_or_an_id() {
        assert_eq!(reference(&Value::Null), Ok(None));
        assert_eq!(reference(&json!("pi_1")), Ok(Some("pi_1".into())));
        for value in [json!("pi/1"), json!({"id": "pi_1"}), json!(1), json!("")] {
            assert_eq!(reference(&value), Err(Odd), "{value}");
        }
    }

    #[test]
    fn a_currency_is_three_letters_and_a_moment_fits_a_timestamp() {
        assert_eq!(currency("gbp").as_deref(), Some("GBP"));
        for code in ["", "gb", "gbpp", "g1p", "gb "] {
            assert_eq!(currency(code), None);
        }
        assert!(is_moment(0) && is_moment(1_767_225_600));
        assert!(!is_moment(-1) && !is_moment(i64::MAX));
        assert!(jiff::Timestamp::from_second(MOMENT_S_MAX).is_ok());
    }
}
