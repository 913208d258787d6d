//! Ids that are the same whenever they are made again. // G3
//!
//! Promise: the provider key and the attempt id are functions of (shop secret, order id,
//! generation). A database restored from an old backup makes the lost intent again under the very
//! same key, so that the provider recognises the repeat.

use crate::private::Private;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use uuid::Uuid;

/// The secret of a shop, 32 random bytes, made once by the installer.
pub type ShopSecret = Private<Vec<u8>>;

/// The idempotency key of an attempt: a UUID, because 36 characters is the longest key that the
/// provider is sure to accept.
pub fn provider_key(secret: &ShopSecret, order_id: Uuid, generation: i32) -> Uuid {
    derive(secret, b"provider-key", order_id, generation)
}

/// The id of an attempt, echoed by the provider in the notes that we send along.
pub fn attempt_id(secret: &ShopSecret, order_id: Uuid, generation: i32) -> Uuid {
    derive(secret, b"attempt-id", order_id, generation)
}

/// What tells one account of a provider from another without telling its token: a digest of address
/// and token, keyed by the shop's secret. A key means something to the account that it was sent to. // A1
pub fn account_mark(secret: &ShopSecret, address: &str, token: &str) -> [u8; 32] {
    // As below: a key of any length is accepted.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.expose()) else { return [0; 32] };
    mac.update(b"account");
    // The length keeps the two apart from each other.
    mac.update(&(address.len() as u64).to_be_bytes());
    mac.update(address.as_bytes());
    mac.update(token.as_bytes());
    mac.finalize().into_bytes().into()
}

/// SHA-256 of a request's bytes: what "the same bytes" is compared by. // G4
pub fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// Bytes as lower-case hex digits, for people and for JSON.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut hex, byte| {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

fn derive(secret: &ShopSecret, purpose: &[u8], order_id: Uuid, generation: i32) -> Uuid {
    // A key of any length is accepted by HMAC; the error type has no value in practice.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.expose()) else { return Uuid::nil() };
    mac.update(purpose);
    mac.update(order_id.as_bytes());
    mac.update(&generation.to_be_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&mac.finalize().into_bytes()[..16]);
    Uuid::new_v8(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_stable_across_restarts_and_releases() {
        let secret = Private::new(vec![7; 32]);
        let order = Uuid::from_u128(42);
        // Golden values: a release that changes them would buy twice after a restore.
        assert_eq!(provider_key(&secret, order, 1).to_string(), GOLDEN_KEY);
        assert_eq!(attempt_id(&secret, order, 1).to_string(), GOLDEN_ATTEMPT);
    }

    const GOLDEN_KEY: &str = "fe893dd1-f6d2-8959-a9c0-865a6bb6daeb";
    const GOLDEN_ATTEMPT: &str = "6d755c47-81c6-8d52-9a91-fdfded6be8df";

    #[test]
    fn a_mark_is_of_one_shop_one_address_and_one_token() {
        let (a, b) = (Private::new(vec![7; 32]), Private::new(vec![8; 32]));
        let mark = account_mark(&a, "https://api.zinc.io:443/v1", "token");
        // A release that changed it would refuse to start while orders are open.
        assert_eq!(hex(&mark), GOLDEN_MARK);
        for other in [
            account_mark(&b, "https://api.zinc.io:443/v1", "token"),
            account_mark(&a, "https://api.zinc.io:443/v2", "token"),
            account_mark(&a, "https://api.zinc.io:443/v1", "another"),
            account_mark(&a, "https://api.zinc.io:443/v1t", "oken"),
        ] {
            assert_ne!(mark, other);
        }
    }

    const GOLDEN_MARK: &str = "772481acc1c88aaf579da35eef6e35a7865ffe5d8b688b097b9b35896aa34562";

    #[test]
    fn keys_differ_by_generation_order_purpose_and_shop() {
        let (a, b) = (Private::new(vec![7; 32]), Private::new(vec![8; 32]));
        let (one, two) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let mut all = vec![
            provider_key(&a, one, 1),
            provider_key(&a, one, 2),
            provider_key(&a, two, 1),
            provider_key(&b, one, 1),
            attempt_id(&a, one, 1),
        ];
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 5);
        assert!(all.iter().all(|id| id.to_string().len() == 36));
    }
}
