//! The header that a delivery is signed with.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt::Write;

/// The value of `Stripe-Signature`: the second, a `v1` for each secret, and a `v0` that proves
/// nothing and must be ignored.
pub(super) fn header(second: i64, secrets: &[String], body: &[u8]) -> String {
    let mut header = format!("t={second}");
    let signed = [second.to_string().as_bytes(), b".", body].concat();
    for secret in secrets {
        // Writing to a String cannot fail.
        let _ = write!(header, ",v1={}", hex(secret, &signed));
    }
    let noise = secrets.first().map(|secret| hex(secret, body)).unwrap_or_default();
    let _ = write!(header, ",v0={noise}");
    header
}

fn hex(secret: &str, text: &[u8]) -> String {
    // A key of any length is one.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else {
        return String::new();
    };
    mac.update(text);
    let mut hex = String::with_capacity(64);
    for byte in mac.finalize().into_bytes() {
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_value_of_the_contract_is_met() {
        let body = br#"{"id":"evt_test_1","object":"event"}"#;
        let header = header(1_767_225_600, &["whsec_unit_test_secret".to_owned()], body);
        let (signed, noise) = header.split_once(",v0=").unwrap();
        let v1 = "0cf6c6bcbb9ffd8f769cb09ae5d0b061563f8042227f558ba73e944340385315";
        assert_eq!(signed, format!("t=1767225600,v1={v1}"));
        assert!(noise.len() == 64 && noise != v1);
    }

    #[test]
    fn two_secrets_give_two_signatures() {
        let secrets = ["whsec_old".to_owned(), "whsec_new".to_owned()];
        let header = header(1, &secrets, b"{}");
        let of = |secret: &str| format!(",v1={}", hex(secret, b"1.{}"));
        assert!(header.starts_with(&format!("t=1{}{}", of("whsec_old"), of("whsec_new"))));
    }
}
