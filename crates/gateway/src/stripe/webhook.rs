//! Whether a message is Stripe's, and what it is about. Pure: no clock, no network.
//!
//! Promise:
//! - A message is accepted only if one of its signatures was made with one of our secrets over these
//!   very bytes, and only near the time that it states. // contract 8.1
//! - The signature is judged first and over all candidates, so that neither the answer nor the time
//!   it takes tells a forger which part was wrong.
//! - What [`read_event`] gives is a hint at what to read; see `event`.

use super::event::{self, EventFacts};
use super::strict;
use hmac::{Hmac, KeyInit, Mac};
use orders_core::private::Private;
use sha2::Sha256;

/// The name of the header that [`verify`] reads and [`sign`] writes.
pub const SIGNATURE_HEADER: &str = "stripe-signature";

/// The longest header that is looked at.
const HEADER_BYTES_MAX: usize = 4096;
/// The most signatures that are looked at.
const SIGNATURES_MAX: usize = 10;
/// A SHA-256 in hexadecimal.
const HEX_CHARS: usize = 64;
/// The most digits of a moment that can be one.
const MOMENT_DIGITS_MAX: usize = 19;

/// Why a message is not taken for Stripe's. The sentences tell a forger nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Forged {
    /// There is no header.
    #[error("the signature's header is missing")]
    NoHeader,
    /// The header is too long, or has no one time that could be one, or a part that is none.
    #[error("the signature's header cannot be read")]
    Malformed,
    /// The header has no signature of the scheme that counts.
    #[error("the header holds no signature of a known scheme")]
    NoSignature,
    /// None of the signatures was made with one of our secrets over these bytes.
    #[error("no signature fits the message")]
    WrongSignature,
    /// It was signed, by us or by Stripe, longer ago than the tolerance.
    #[error("the message was signed too long ago")]
    TooOld,
    /// It was signed at a time that lies further ahead than the tolerance: a clock is wrong.
    #[error("the message was signed in the future")]
    TooNew,
}

impl Forged {
    /// A fixed word, for counting.
    pub fn name(self) -> &'static str {
        match self {
            Self::NoHeader => "no_header",
            Self::Malformed => "malformed",
            Self::NoSignature => "no_signature",
            Self::WrongSignature => "wrong_signature",
            Self::TooOld => "too_old",
            Self::TooNew => "too_new",
        }
    }
}

/// Whether these raw bytes are a message of Stripe's, signed near now.
///
/// `secrets` are the whole texts, `whsec_` included; while one is being changed there are two. An
/// empty one never fits. `now_s` is in seconds since 1970; a signature exactly `tolerance_s` old or
/// ahead is accepted.
pub fn verify(
    header: &str,
    body: &[u8],
    secrets: &[Private<String>],
    now_s: i64,
    tolerance_s: i64,
) -> Result<(), Forged> {
    let Parts { time, time_s, signatures } = parts(header)?;
    let mut fits = false;
    for secret in secrets.iter().filter(|secret| !secret.expose().is_empty()) {
        let Some(mac) = mac(secret, time, body) else { continue };
        for signature in &signatures {
            // No early end: how long this takes does not tell which of them fitted.
            fits |= mac.clone().verify_slice(signature).is_ok();
        }
    }
    if !fits {
        return Err(Forged::WrongSignature);
    }
    let (age_s, tolerance_s) = (now_s.saturating_sub(time_s), tolerance_s.max(0));
    match age_s {
        age_s if age_s > tolerance_s => Err(Forged::TooOld),
        age_s if age_s < -tolerance_s => Err(Forged::TooNew),
        _ => Ok(()),
    }
}

/// The header of a message that is signed at `time_s`, in seconds since 1970: what Stripe would send.
pub fn sign(body: &[u8], secret: &Private<String>, time_s: i64) -> String {
    let time = time_s.to_string();
    let signature = mac(secret, &time, body).map(|mac| mac.finalize().into_bytes());
    let hex: String = signature.iter().flatten().flat_map(|byte| hex_of(*byte)).collect();
    format!("t={time},v1={hex}")
}

/// Reads a message whose signature was verified. A text that is no message, or in which a key stands
/// twice, is none.
pub fn read_event(body: &[u8]) -> Option<EventFacts> {
    strict::parse(body).as_ref().and_then(event::event)
}

/// What a header holds.
struct Parts<'a> {
    /// As it stands there: it is part of what was signed.
    time: &'a str,
    time_s: i64,
    signatures: Vec<[u8; HEX_CHARS / 2]>,
}

fn parts(header: &str) -> Result<Parts<'_>, Forged> {
    if header.trim().is_empty() {
        return Err(Forged::NoHeader);
    }
    if header.len() > HEADER_BYTES_MAX {
        return Err(Forged::Malformed);
    }
    let (mut time, mut signed, mut signatures) = (None, false, Vec::new());
    for part in header.split(',') {
        match part.split_once('=').ok_or(Forged::Malformed)? {
            ("t", text) if time.is_some_and(|time| time != text) => return Err(Forged::Malformed),
            ("t", text) => time = Some(text),
            ("v1", hex) => {
                signed = true;
                if signatures.len() < SIGNATURES_MAX {
                    signatures.extend(bytes_of(hex));
                }
            }
            // Other schemes prove nothing.
            _ => {}
        }
    }
    let time = time.ok_or(Forged::Malformed)?;
    let time_s = moment(time).ok_or(Forged::Malformed)?;
    if !signed {
        return Err(Forged::NoSignature);
    }
    if signatures.is_empty() {
        return Err(Forged::Malformed);
    }
    Ok(Parts { time, time_s, signatures })
}

/// Digits only: no sign, no blank.
fn moment(text: &str) -> Option<i64> {
    let digits = (1..=MOMENT_DIGITS_MAX).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

/// The signed text is the time, a point and the raw body.
fn mac(secret: &Private<String>, time: &str, body: &[u8]) -> Option<Hmac<Sha256>> {
    // A key of any length is accepted; the error type has no value in practice.
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes()).ok()?;
    mac.update(time.as_bytes());
    mac.update(b".");
    mac.update(body);
    Some(mac)
}

/// Lower case only, as Stripe writes it: a signature has one spelling.
fn bytes_of(hex: &str) -> Option<[u8; HEX_CHARS / 2]> {
    let digit = |char: u8| match char {
        b'0'..=b'9' => Some(char - b'0'),
        b'a'..=b'f' => Some(char - b'a' + 10),
        _ => None,
    };
    let (pairs, rest) = hex.as_bytes().as_chunks::<2>();
    let mut bytes = [0; HEX_CHARS / 2];
    if pairs.len() != bytes.len() || !rest.is_empty() {
        return None;
    }
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(bytes)
}

fn hex_of(byte: u8) -> [char; 2] {
    let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or('0');
    [digit(byte >> 4), digit(byte & 15)]
}

#[cfg(test)]
mod tests;
