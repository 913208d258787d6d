//! HS256 tokens with a role: what Supabase calls its legacy keys and its users' sessions.
//!
//! Promise: one algorithm, fixed here and never read from the token; the roles are an exact list;
//! time is the caller's clock with 30 seconds of tolerance. // D1

use super::auth::{Caller, Role};
use super::fault::Fault;
use axum::http::StatusCode;
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use orders_core::private::Private;
use serde_json::{Map, Value};

/// How far two clocks may differ.
const TOLERANCE_S: i64 = 30;

/// Verifies a token and gives its caller. The signature is compared in constant time by the library.
pub(crate) fn caller(
    token: &str,
    secret: &Private<String>,
    now: Timestamp,
) -> Result<Caller, Fault> {
    let mut rules = Validation::new(Algorithm::HS256);
    // Times are judged below, on the clock that was passed in; an audience is nobody's business.
    rules.required_spec_claims.clear();
    rules.validate_exp = false;
    rules.validate_nbf = false;
    rules.validate_aud = false;
    let key = DecodingKey::from_secret(secret.expose().as_bytes());
    let claims = jsonwebtoken::decode::<Map<String, Value>>(token, &key, &rules)
        .map_err(|_| refused("PGRST301", "JWT cannot be read or its signature is wrong"))?
        .claims;
    check_times(&claims, now.as_second())?;
    let role = match claims.get("role") {
        None | Some(Value::Null) => Role::Anon,
        Some(role) => role
            .as_str()
            .and_then(Role::parse)
            .ok_or_else(|| refused("22023", "the role of the JWT does not exist"))?,
    };
    let subject = claims.get("sub").and_then(Value::as_str);
    Ok(Caller { role, subject: subject.map(|sub| sub.chars().take(100).collect()) })
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

fn refused(code: &'static str, message: &'static str) -> Fault {
    Fault::new(StatusCode::UNAUTHORIZED, code, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jsonwebtoken::{EncodingKey, Header};
    use serde_json::json;

    const NOW: i64 = 1_800_000_000;

    fn judge(header: &Header, claims: &Value, secret: &str) -> Result<Role, String> {
        let key = EncodingKey::from_secret(secret.as_bytes());
        let token = jsonwebtoken::encode(header, claims, &key).unwrap();
        let ours = Private::new("the shop's own secret, long enough".to_owned());
        caller(&token, &ours, Timestamp::from_second(NOW).unwrap())
            .map(|caller| caller.role)
            .map_err(|fault| fault.code.to_string())
    }

    fn of(claims: &Value) -> Result<Role, String> {
        judge(&Header::new(Algorithm::HS256), claims, "the shop's own secret, long enough")
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
        let ours = "the shop's own secret, long enough";
        for algorithm in [Algorithm::HS384, Algorithm::HS512] {
            assert_eq!(judge(&Header::new(algorithm), &claims, ours), Err("PGRST301".into()));
        }
        // {"alg":"none"} . {"role":"service_role"} . nothing
        let none = "eyJhbGciOiJub25lIn0.eyJyb2xlIjoic2VydmljZV9yb2xlIn0.";
        let secret = Private::new(ours.to_owned());
        for token in [none, "", "a.b.c", "a.b"] {
            let fault = caller(token, &secret, Timestamp::from_second(NOW).unwrap()).unwrap_err();
            assert_eq!(fault.code, "PGRST301", "{token}");
        }
    }
}
