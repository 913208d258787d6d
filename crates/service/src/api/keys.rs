//! Callers' API keys: 256 random bits, kept as their SHA-256 only. // D1
//!
//! A key is not compared with a secret: its digest is looked up. What timing could tell of that is
//! about digests of random numbers, from which no key can be guessed.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use orders_core::private::Private;
use orders_store::{Error, Store, access};
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// How every key begins, so that it can be searched for in logs and repositories.
const MARK: &str = "aok_";
/// The mark and 32 bytes as base64url.
const KEY_CHARS: usize = MARK.len() + 43;
/// How much of a key may be shown to people.
const PREFIX_CHARS: usize = 12;
/// How long a revoked key may still work.
const TRUSTED_FOR: Duration = Duration::from_secs(5);
/// The most keys remembered; more callers than that cost a look-up each.
const REMEMBERED_MAX: usize = 1024;

type Digest = [u8; 32];

/// A new key from 32 random bytes: the key itself, shown once; its digest, to be stored; and its
/// prefix, by which people tell keys apart.
pub fn new_api_key(chance: [u8; 32]) -> (Private<String>, [u8; 32], String) {
    let key = format!("{MARK}{}", URL_SAFE_NO_PAD.encode(chance));
    let (digest, prefix) = (digest(&key), prefix(&key));
    (Private::new(key), digest, prefix)
}

/// Whether a text has the form of a key; what has not never reaches the database.
pub(crate) fn is_key(text: &str) -> bool {
    text.len() == KEY_CHARS
        && text.strip_prefix(MARK).is_some_and(|rest| {
            rest.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        })
}

/// Whether a text says that it is one of our keys.
pub(crate) fn has_mark(text: &str) -> bool {
    text.starts_with(MARK)
}

/// What may be shown of a key.
pub(crate) fn prefix(key: &str) -> String {
    key.chars().take(PREFIX_CHARS).collect()
}

fn digest(key: &str) -> Digest {
    Sha256::digest(key.as_bytes()).into()
}

/// The most look-ups at once: a flood of wrong keys must not take every connection to the database.
const LOOK_UPS_MAX: usize = 4;

/// Keys that were found a moment ago.
pub(crate) struct Known {
    found: Mutex<HashMap<Digest, (String, Instant)>>,
    look_ups: Semaphore,
}

impl Default for Known {
    fn default() -> Self {
        Self { found: Mutex::default(), look_ups: Semaphore::new(LOOK_UPS_MAX) }
    }
}

impl Known {
    /// The role of a key, from memory or from the database.
    pub(crate) async fn role(&self, store: &Store, key: &str) -> Result<Option<String>, Error> {
        let digest = digest(key);
        if let Some(role) = self.remembered(&digest, Instant::now()) {
            return Ok(Some(role));
        }
        // The semaphore is never closed; a failure would only lift the bound.
        let _turn = self.look_ups.acquire().await.ok();
        if let Some(role) = self.remembered(&digest, Instant::now()) {
            return Ok(Some(role));
        }
        let role = access::role_of_key(store, &digest).await?;
        if let Some(role) = &role {
            self.remember(digest, role, Instant::now());
        }
        Ok(role)
    }

    fn remembered(&self, digest: &Digest, now: Instant) -> Option<String> {
        let known = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(digest).filter(|(_, at)| is_fresh(*at, now)).map(|(role, _)| role.clone())
    }

    fn remember(&self, digest: Digest, role: &str, now: Instant) {
        let mut known = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED_MAX {
            known.retain(|_, (_, at)| is_fresh(*at, now));
        }
        if known.len() < REMEMBERED_MAX {
            known.insert(digest, (role.to_owned(), now));
        }
    }
}

fn is_fresh(at: Instant, now: Instant) -> bool {
    now.saturating_duration_since(at) < TRUSTED_FOR
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_key_has_the_form_that_is_accepted() {
        let (key, digest, prefix) = new_api_key([7; 32]);
        assert!(is_key(key.expose()), "{}", key.expose());
        assert_eq!(digest, <Digest>::from(Sha256::digest(key.expose().as_bytes())));
        assert!(key.expose().starts_with(&prefix) && prefix.len() == PREFIX_CHARS);
        for other in ["", "aok_", "aok_x", &key.expose()[1..], &format!("{}x", key.expose())] {
            assert!(!is_key(other), "{other}");
        }
    }

    #[test]
    fn the_memory_of_keys_is_bounded_and_short() {
        let (known, now) = (Known::default(), Instant::now());
        for number in 0..2 * REMEMBERED_MAX {
            known.remember(digest(&number.to_string()), "service_role", now);
        }
        assert_eq!(known.found.lock().unwrap().len(), REMEMBERED_MAX);
        assert!(known.remembered(&digest("0"), now).is_some());
        let later = now + TRUSTED_FOR;
        assert!(known.remembered(&digest("0"), later).is_none());
        known.remember(digest("new"), "service_role", later);
        assert_eq!(known.found.lock().unwrap().len(), 1);
    }
}
