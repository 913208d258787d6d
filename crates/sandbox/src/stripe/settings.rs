//! How the fake Stripe behaves.

use super::fault::StripeFaults;
use serde::{Deserialize, Serialize};

const DAY_MS: u32 = 24 * 60 * 60 * 1000;

/// How the fake Stripe behaves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The secret key, sent as a bearer token.
    pub secret_key: String,
    /// What ids are drawn from.
    pub seed: u64,
    /// How long a key is remembered.
    pub key_memory_ms: u32,
    /// How long an authorisation can be captured.
    pub capture_window_ms: u32,
    /// Whether an intent in `processing` can be canceled; at Stripe it rarely can.
    pub cancel_processing: bool,
    /// Whether what is released of an authorisation, by a partial capture or a cancellation, is
    /// shown as refunded on the charge, with a `charge.refunded`. The contract is silent about it.
    pub release_shows_as_refund: bool,
    /// So many GETs a second are answered, the rest with 429.
    pub reads_per_second_max: Option<u32>,
    /// So many POSTs a second are answered, the rest with 429.
    pub writes_per_second_max: Option<u32>,
    /// The version that events are written in.
    pub api_version: String,
    /// Where events are sent: `http://127.0.0.1:PORT/path`. Without, they are only listed.
    pub webhook_url: Option<String>,
    /// What events are signed with; two while a secret is being changed.
    pub webhook_secrets: Vec<String>,
    /// How long an endpoint may take to answer, by the world's clock.
    pub webhook_timeout_ms: u32,
    /// From a failed delivery to the first repeat; each further gap is three times as long.
    pub webhook_gap_ms: u32,
    /// How long a delivery is repeated.
    pub webhook_repeat_ms: u32,
    /// How often a delivery is tried at most; Stripe's test mode has 3.
    pub webhook_tries_max: Option<u32>,
    /// How many deliveries are on their way at once.
    pub webhooks_at_once: u32,
    /// What goes wrong.
    pub faults: StripeFaults,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            secret_key: "sk_test_sandbox".to_owned(),
            seed: 1,
            key_memory_ms: DAY_MS,
            capture_window_ms: 7 * DAY_MS,
            cancel_processing: false,
            release_shows_as_refund: false,
            reads_per_second_max: None,
            writes_per_second_max: None,
            api_version: "2025-04-30.basil".to_owned(),
            webhook_url: None,
            webhook_secrets: vec!["whsec_sandbox".to_owned()],
            webhook_timeout_ms: 10_000,
            webhook_gap_ms: 60_000,
            webhook_repeat_ms: 3 * DAY_MS,
            webhook_tries_max: None,
            webhooks_at_once: 4,
            faults: StripeFaults::none(),
        }
    }
}
