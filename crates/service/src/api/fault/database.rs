//! What the database or the way to it refused, as a fault: the contract's status for each SQLSTATE,
//! our own sentence.
//!
//! Promise: words of the database's own never pass. What passes is raised by our functions, under
//! codes that they alone give; a constraint is answered by what its breach means, or not named. // G34

use super::Fault;
use axum::http::StatusCode;
use orders_store::Error;
use orders_store::door::Misuse;

/// What the breach of a unique constraint means to a caller, whether the database says it by itself
/// or a function of ours with the constraint's name: the constraint, the code, the sentence, what to
/// do instead.
const TAKEN: [(&str, &str, &str, &str); 2] = [
    (
        "payments_pkey",
        "payment_taken",
        "this PaymentIntent pays another order",
        "One PaymentIntent pays one order.",
    ),
    (
        "orders_pkey",
        "order_id_taken",
        "another order has this id",
        "Leave options.order_id out, or choose a new id.",
    ),
];

const REPEAT: &str = "The outcome of this call is unknown. Repeat it with the same arguments: every function is safe to repeat.";

/// The HTTP status of a SQLSTATE, as PostgREST has it (contract, section 3).
fn status_of(sqlstate: &str) -> StatusCode {
    if let Some(digits) = sqlstate.strip_prefix("PT") {
        return digits
            .parse()
            .ok()
            .and_then(|number| StatusCode::from_u16(number).ok())
            .filter(|status| status.as_u16() >= 400)
            .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    }
    let number = match sqlstate {
        "42501" => 403,
        "42883" | "42P01" => 404,
        "23505" | "23503" => 409,
        "25006" => 405,
        "53400" => 500,
        _ => match sqlstate.get(..2).unwrap_or_default() {
            "28" | "0L" | "0P" => 403,
            "40" | "57" | "55" | "54" | "25" | "XX" => 500,
            "53" | "08" => 503,
            _ => 400,
        },
    };
    StatusCode::from_u16(number).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// Whether our functions raise this code, so that its sentence was written for callers.
fn is_ours(sqlstate: &str) -> bool {
    sqlstate == "22023" || sqlstate == "P0001" || sqlstate.starts_with("PT")
}

/// Our sentence for what the database says by itself.
fn sentence(sqlstate: &str) -> &'static str {
    match sqlstate {
        "23505" => "the call collides with something that stands already",
        "25006" => "a function that changes something cannot be called so",
        "42501" => "the database does not permit this call",
        "55P03" => "another transaction holds what this call needs",
        "57014" => "the statement took too long",
        _ => match sqlstate.get(..2).unwrap_or_default() {
            "22" => "a value has another form or size than its place needs",
            "23" => "a value breaks a rule of its place",
            "40" => "another transaction came in between",
            "53" => "the database has no room or no connection left",
            _ => "the database refused the call",
        },
    }
}

/// What the database refused.
fn refusal(
    what: &'static str,
    code: String,
    message: String,
    hint: Option<String>,
    constraint: Option<&str>,
) -> Fault {
    let is_taken = matches!(code.as_str(), "23505" | "PT409");
    if let Some(one) = TAKEN.iter().find(|one| is_taken && constraint == Some(one.0)) {
        return Fault::new(StatusCode::CONFLICT, one.1, one.2).hint(one.3);
    }
    let status = status_of(&code);
    if is_ours(&code) {
        let mut fault = Fault::new(status, code, message);
        fault.hint = hint;
        return fault;
    }
    // The message may hold values of a person's; the name of a rule does not.
    tracing::warn!(what, code, constraint, "the database refused");
    let message = sentence(&code);
    Fault::new(status, code, message)
}

impl From<Misuse> for Fault {
    fn from(misuse: Misuse) -> Self {
        Self::new(StatusCode::BAD_REQUEST, misuse.code, misuse.to_string())
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        match error {
            Error::Database { what, code, message, hint, constraint, .. } => {
                refusal(what, code, message, hint, constraint.as_deref())
            }
            Error::Unreachable { .. } => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "PGRST000",
                "the database cannot be reached in time",
            )
            .hint(REPEAT),
            Error::TimedOut { .. } => {
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "57014", sentence("57014"))
                    .hint(REPEAT)
            }
            Error::Interrupted { .. } => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "08006",
                "the connection to the database broke",
            )
            .hint(REPEAT),
            Error::Inconsistent { .. } | Error::BadGround(_) | Error::Address => Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal",
                "the service found its database other than it must be",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Surface;
    use super::*;

    #[test]
    fn a_sqlstate_has_the_status_of_the_contract() {
        for (code, status) in [
            ("P0001", 400),
            ("PT409", 409),
            ("PT422", 422),
            ("PTabc", 500),
            ("PT200", 500),
            ("42501", 403),
            ("42883", 404),
            ("42P01", 404),
            ("23505", 409),
            ("23503", 409),
            ("22P02", 400),
            ("23502", 400),
            ("23514", 400),
            ("25006", 405),
            ("28000", 403),
            ("0L000", 403),
            ("40001", 500),
            ("40P01", 500),
            ("57014", 500),
            ("55P03", 500),
            ("54000", 500),
            ("25001", 500),
            ("XX000", 500),
            ("53400", 500),
            ("53300", 503),
            ("08006", 503),
        ] {
            assert_eq!(status_of(code).as_u16(), status, "{code}");
        }
    }

    fn said(code: &str, constraint: Option<&str>) -> Fault {
        Fault::from(Error::Database {
            what: "x",
            code: code.into(),
            message: "insert or update of \"recipient\" with \"12 Elm Street\"".into(),
            detail: None,
            hint: Some("select * from orders".into()),
            constraint: constraint.map(Into::into),
        })
    }

    #[test]
    fn the_words_of_an_unknown_database_error_are_not_shown() {
        for code in [
            "42703", "42501", "42883", "22P02", "22021", "22003", "23502", "23514", "25006",
            "40001", "53300", "55P03", "57014", "XX000", "0A000",
        ] {
            let fault = said(code, Some("orders_total_covers_goods"));
            assert_eq!((fault.code.as_ref(), fault.status), (code, status_of(code)));
            for surface in [Surface::Rest, Surface::Functions, Surface::Problem] {
                let shown = fault.body(surface, "c").to_string();
                for word in ["recipient", "Elm", "insert", "select", "orders_"] {
                    assert!(!shown.contains(word), "{code}: {shown}");
                }
            }
        }
    }

    #[test]
    fn what_our_functions_raise_is_shown_with_its_hint() {
        for code in ["22023", "P0001", "PT404", "PT422"] {
            let fault = said(code, None);
            assert!(fault.message.contains("Elm") && fault.hint.is_some(), "{code}");
        }
    }

    #[test]
    fn a_broken_uniqueness_is_told_by_its_meaning() {
        for (constraint, code) in [
            (Some("payments_pkey"), "payment_taken"),
            (Some("orders_pkey"), "order_id_taken"),
            (Some("orders_request_id_unique"), "23505"),
            (None, "23505"),
        ] {
            let fault = said("23505", constraint);
            assert_eq!((fault.status.as_u16(), fault.code.as_ref()), (409, code));
            assert!(!fault.body(Surface::Rest, "c").to_string().contains("_pkey"));
        }
        assert_eq!(said("23505", None).body(Surface::Problem, "c")["code"], "conflict");
        // One of our functions may say it with the constraint's name.
        assert_eq!(said("PT409", Some("orders_pkey")).code, "order_id_taken");
        // The name means nothing under another code.
        assert_eq!(said("23514", Some("orders_pkey")).code, "23514");
    }
}
