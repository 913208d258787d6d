//! HS256 tokens with a role: what Supabase calls its legacy keys and its users' sessions.
//!
//! Promise: one algorithm, fixed here and never read from the token; the roles are an exact list;
//! time is the caller's clock with 30 seconds of tolerance. // D1

use super::auth::{Caller, Role};
use super::fault::Fault;
use super::json::{self, Unreadable};
use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey, crypto};
use orders_core::private::Private;
use serde_json::{Map, Value};

/// How far two clocks may differ.
const TOLERANCE_S: i64 = 30;
/// The shortest secret: a shorter one than the signature can be guessed from a single token, without
/// asking anybody (RFC 7518, section 3.2, demands as much).
const SECRET_BYTES_MIN: usize = 32;

/// The secret of the project's tokens. Whoever knows it is `service_role`, so none is made but by
/// [`JwtSecret::parse`].
#[derive(Debug, Clone)]
pub struct JwtSecret(Private<String>);

/// A secret that somebody could guess.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the secret of the JWTs (ORDERS_JWT_SECRET or --jwt-secret) has {0} bytes, and whoever guesses it \
     may do everything: give the project's own secret of at least {SECRET_BYTES_MIN} bytes (a new \
     one: `openssl rand -hex 32`), or leave it out to accept API keys only"
)]
pub struct WeakSecret(usize);

impl JwtSecret {
    /// The secret that was given; none when it is absent or empty, as an unset variable of a
    /// container's environment is.
    pub fn parse(given: Option<String>) -> Result<Option<Self>, WeakSecret> {
        let Some(given) = given.filter(|text| !text.is_empty()).map(Private::new) else {
            return Ok(None);
        };
        match given.expose().len() {
            length if length < SECRET_BYTES_MIN => Err(WeakSecret(length)),
            _ => Ok(Some(Self(given))),
        }
    }
}

/// Verifies a token and gives its caller. The signature is compared in constant time by the library.
pub(crate) fn caller(token: &str, secret: &JwtSecret, now: Timestamp) -> Result<Caller, Fault> {
    let claims = claims(token, secret)?;
    check_times(&claims, now.as_second())?;
    let role = match claims.get("role") {
        None | Some(Value::Null) => Role::Anon,
        Some(role) => role
            .as_str()
            .and_then(Role::parse)
            .ok_or_else(|| refused("22023", "the role of the JWT does not exist"))?,
    };
    let subject = claims.get("sub").and_then(Value::as_str);
    // It becomes a name in the history and in the keys of idempotency.
    if subject.is_some_and(|sub| sub.contains(char::is_control)) {
        return Err(refused("PGRST303", "the claim sub must not contain control characters"));
    }
    Ok(Caller { role, subject: subject.map(|sub| sub.chars().take(100).collect()) })
}

/// The claims of a token whose signature is good. Nothing of it is read before that but the
/// algorithm, which must be ours.
fn claims(token: &str, secret: &JwtSecret) -> Result<Map<String, Value>, Fault> {
    let unread = || refused("PGRST301", "JWT cannot be read or its signature is wrong");
    let (message, signature) = token.rsplit_once('.').ok_or_else(unread)?;
    let (_, payload) = message.split_once('.').ok_or_else(unread)?;
    let header = jsonwebtoken::decode_header(token).map_err(|_| unread())?;
    let key = DecodingKey::from_secret(secret.0.expose().as_bytes());
    let verified = header.alg == Algorithm::HS256
        && crypto::verify(signature, message.as_bytes(), &key, Algorithm::HS256)
            .map_err(|_| unread())?;
    if !verified {
        return Err(unread());
    }
    let payload = URL_SAFE_NO_PAD.decode(payload).map_err(|_| unread())?;
    match json::read(&payload) {
        Ok(Value::Object(claims)) => Ok(claims),
        Ok(_) | Err(Unreadable::Malformed(..)) => Err(unread()),
        Err(Unreadable::Repeated(claim)) => {
            Err(refused("PGRST303", format!("the claim {claim} stands twice in the JWT")))
        }
    }
}

fn check_times(claims: &Map<String, Value>, now: i64) -> Result<(), Fault> {
    let time = |name: &str| match claims.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => {
            let whole = value.as_i64().or_else(|| value.as_f64().and_then(whole));
            whole.map(Some).ok_or_else(|| refused("PGRST303", "a time of the JWT is no number"))
        }
    };
    if time("exp")?.is_some_and(|exp| exp.saturating_add(TOLERANCE_S) <= now) {
        return Err(refused("PGRST303", "JWT expired"));
    }
    if time("nbf")?.is_some_and(|nbf| nbf > now.saturating_add(TOLERANCE_S)) {
        return Err(refused("PGRST303", "JWT not yet valid"));
    }
    if time("iat")?.is_some_and(|iat| iat > now.saturating_add(TOLERANCE_S)) {
        return Err(refused("PGRST303", "JWT issued at future"));
    }
    Ok(())
}

/// Some issuers write times with fractions.
#[expect(clippy::cast_possible_truncation, reason = "the cast saturates, which is what is wanted")]
fn whole(seconds: f64) -> Option<i64> {
    seconds.is_finite().then_some(seconds.floor() as i64)
}

fn refused(code: &'static str, message: impl Into<String>) -> Fault {
    Fault::new(StatusCode::UNAUTHORIZED, code, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jsonwebtoken::{EncodingKey, Header};
    use serde_json::json;

    const NOW: i64 = 1_800_000_000;
    const SECRET: &str = "the shop's own secret, long enough";

    fn ours() -> JwtSecret {
        JwtSecret::parse(Some(SECRET.to_owned())).unwrap().unwrap()
    }

    /// What becomes of a token: the role, or the code.
    fn role(token: &str) -> Result<Role, String> {
        caller(token, &ours(), Timestamp::from_second(NOW).unwrap())
            .map(|caller| caller.role)
            .map_err(|fault| fault.code.to_string())
    }

    fn judge(header: &Header, claims: &Value, secret: &str) -> Result<Role, String> {
        let key = EncodingKey::from_secret(secret.as_bytes());
        role(&jsonwebtoken::encode(header, claims, &key).unwrap())
    }

    fn of(claims: &Value) -> Result<Role, String> {
        judge(&Header::new(Algorithm::HS256), claims, SECRET)
    }

    /// A token with exactly these bytes as its header and claims.
    fn signed(header: &str, claims: &str) -> String {
        let message =
            format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let key = EncodingKey::from_secret(SECRET.as_bytes());
        let signature = crypto::sign(message.as_bytes(), &key, Algorithm::HS256).unwrap();
        format!("{message}.{signature}")
    }

    #[test]
    fn an_empty_secret_is_none_and_a_short_one_is_refused_in_words() {
        assert!(JwtSecret::parse(None).unwrap().is_none());
        assert!(JwtSecret::parse(Some(String::new())).unwrap().is_none());
        for short in ["x", " ", "0123456789012345678901234567890"] {
            let said = JwtSecret::parse(Some(short.to_owned())).unwrap_err().to_string();
            assert!(said.contains(&format!("has {} bytes", short.len())), "{said}");
            assert!(said.contains("ORDERS_JWT_SECRET") && said.contains("at least 32"), "{said}");
        }
        assert!(
            JwtSecret::parse(Some("01234567890123456789012345678901".into())).unwrap().is_some()
        );
    }

    #[test]
    fn a_good_token_gives_exactly_its_role() {
        assert_eq!(of(&json!({"role": "service_role", "exp": NOW + 60})), Ok(Role::Service));
        assert_eq!(of(&json!({"role": "authenticated"})), Ok(Role::Authenticated));
        assert_eq!(of(&json!({"role": "anon"})), Ok(Role::Anon));
        assert_eq!(of(&json!({"sub": "7"})), Ok(Role::Anon));
        for role in [json!("postgres"), json!("SERVICE_ROLE"), json!(["service_role"]), json!("")] {
            assert_eq!(of(&json!({"role": role})), Err("22023".into()));
        }
    }

    #[test]
    fn times_are_judged_with_thirty_seconds_of_tolerance() {
        let at = |name: &str, time: Value| of(&json!({"role": "service_role", name: time}));
        assert_eq!(at("exp", json!(NOW - 29)), Ok(Role::Service));
        assert_eq!(at("exp", json!(NOW - 30)), Err("PGRST303".into()));
        for name in ["nbf", "iat"] {
            assert_eq!(at(name, json!(NOW + 30)), Ok(Role::Service));
            assert_eq!(at(name, json!(NOW + 31)), Err("PGRST303".into()));
        }
        assert_eq!(at("exp", json!("tomorrow")), Err("PGRST303".into()));
        assert_eq!(at("exp", json!(1.5)), Err("PGRST303".into()));
    }

    #[test]
    fn another_secret_or_algorithm_is_refused() {
        let claims = json!({"role": "service_role"});
        let hs256 = Header::new(Algorithm::HS256);
        assert_eq!(judge(&hs256, &claims, "another secret"), Err("PGRST301".into()));
        for algorithm in [Algorithm::HS384, Algorithm::HS512] {
            assert_eq!(judge(&Header::new(algorithm), &claims, SECRET), Err("PGRST301".into()));
        }
        // {"alg":"none"} . {"role":"service_role"} . nothing
        let none = "eyJhbGciOiJub25lIn0.eyJyb2xlIjoic2VydmljZV9yb2xlIn0.";
        for token in [none, "", ".", "..", "a.b.c", "a.b", "a.b.c.d"] {
            assert_eq!(role(token), Err("PGRST301".into()), "{token}");
        }
        let header = r#"{"alg":"HS256"}"#;
        let good = signed(header, r#"{"role":"service_role"}"#);
        assert_eq!(role(&good), Ok(Role::Service));
        assert_eq!(role(&good[..good.len() - 1]), Err("PGRST301".into()));
        assert_eq!(role(&format!("x.{good}")), Err("PGRST301".into()));
        for claims in ["", "[]", "7", "{"] {
            assert_eq!(role(&signed(header, claims)), Err("PGRST301".into()), "{claims}");
        }
        let none = signed(r#"{"alg":"none"}"#, r#"{"role":"service_role"}"#);
        assert_eq!(role(&none), Err("PGRST301".into()));
    }

    #[test]
    fn a_claim_that_stands_twice_is_refused_by_its_name() {
        let header = r#"{"alg":"HS256","typ":"JWT"}"#;
        for (claims, name) in [
            (r#"{"role":"anon","role":"service_role"}"#, "role"),
            (r#"{"role":"service_role","exp":1,"exp":9999999999}"#, "exp"),
            (r#"{"role":"service_role","app":{"a":1,"a":2}}"#, "a"),
        ] {
            let now = Timestamp::from_second(NOW).unwrap();
            let fault = caller(&signed(header, claims), &ours(), now).unwrap_err();
            assert_eq!((fault.status.as_u16(), fault.code.as_ref()), (401, "PGRST303"), "{claims}");
            assert_eq!(fault.message, format!("the claim {name} stands twice in the JWT"));
        }
        let twice = signed(r#"{"alg":"none","alg":"HS256"}"#, r#"{"role":"service_role"}"#);
        assert_eq!(role(&twice), Err("PGRST301".into()));
    }

    #[test]
    fn a_subject_with_control_characters_is_refused() {
        for sub in ["a\0b", "a\nb", "\u{85}"] {
            assert_eq!(of(&json!({"role": "service_role", "sub": sub})), Err("PGRST303".into()));
        }
    }
}
