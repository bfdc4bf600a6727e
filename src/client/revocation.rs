//! What the backend says to take tokens back: the body of `POST /revocations`. What becomes of it
//! is the business of `worker::errand`.

use std::borrow::Cow;

use super::code::{Code, Fault};
use super::json::{self, Field, Members};
use super::name;
use crate::limits::MAX_TOKEN_ID;

/// Tokens to take back.
#[derive(Debug, PartialEq)]
pub struct Revocation<'a> {
    /// Whose, or which.
    pub of: Of<'a>,
    /// For how long that has to be remembered, in milliseconds since the Unix epoch.
    pub until_ms: Option<u64>,
}

/// Which tokens.
#[derive(Debug, PartialEq)]
pub enum Of<'a> {
    /// All of a user's that were issued before now.
    User(Cow<'a, str>),
    /// The one with this id.
    Token(Cow<'a, str>),
}

/// Takes the body of `POST /revocations`.
///
/// # Errors
/// `bad_json`; `bad_request` that names the field.
pub fn parse_revocation(body: &[u8], now_ms: u64) -> Result<Revocation<'_>, Fault> {
    const NAMES: [&str; 3] = ["user", "token_id", "until"];
    let mut members = Members::new("", &NAMES);
    members.read(json::utf8(body)?)?;
    let [user, token_id, until] = members.fields();
    let of = match (user.raw(), token_id.raw()) {
        (Some(_), Some(_)) => return Err(token_id.fault("must not stand beside user")),
        (None, None) => return Err(Fault::new(Code::BadRequest, "user or token_id is missing")),
        (Some(_), None) => {
            let name = user.any_text()?;
            name::check_user(&name)?;
            Of::User(name)
        }
        (None, Some(_)) => match token_id.required_text(MAX_TOKEN_ID)? {
            id if id.is_empty() => return Err(token_id.fault("must not be empty")),
            id => Of::Token(id),
        },
    };
    Ok(Revocation { of, until_ms: end(until, now_ms)? })
}

/// When a revocation ends: not before it begins, for then somebody has counted in seconds.
fn end(until: Field<'_>, now_ms: u64) -> Result<Option<u64>, Fault> {
    let Some(raw) = until.raw() else { return Ok(None) };
    match raw.parse() {
        Ok(until_ms) if until_ms > now_ms => Ok(Some(until_ms)),
        _ => Err(until.fault("must be a time to come, in milliseconds since the Unix epoch")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_understood() {
        for (body, of, until_ms) in [
            (r#"{"user":"ann"}"#, Of::User("ann".into()), None),
            (r#" {"token_id":"7","until":2001} "#, Of::Token("7".into()), Some(2001)),
            (r#"{"user":"Zo\u00eb Ö/…","x":[1]}"#, Of::User("Zoë Ö/…".into()), None),
        ] {
            let expected = Revocation { of, until_ms };
            assert_eq!(parse_revocation(body.as_bytes(), 2000), Ok(expected), "{body}");
        }
    }

    #[test]
    fn what_is_not() {
        let long = format!(r#"{{"user":"{}"}}"#, "x".repeat(129));
        let long_id = format!(r#"{{"token_id":"{}"}}"#, "x".repeat(MAX_TOKEN_ID + 1));
        for (body, code, word) in [
            ("", Code::BadJson, ""),
            ("[]", Code::BadRequest, "object"),
            ("{}", Code::BadRequest, "user or token_id"),
            (r#"{"user":"a","token_id":"b"}"#, Code::BadRequest, "token_id"),
            (r#"{"user":"a","user":"b"}"#, Code::BadRequest, "user"),
            (r#"{"user":7}"#, Code::BadRequest, "user"),
            (r#"{"user":""}"#, Code::BadRequest, "user"),
            (r#"{"user":"a\u0000"}"#, Code::BadRequest, "user"),
            (&long, Code::BadRequest, "user"),
            (r#"{"token_id":""}"#, Code::BadRequest, "token_id"),
            (&long_id, Code::BadRequest, "token_id"),
            (r#"{"user":"a","until":2000}"#, Code::BadRequest, "until"),
            (r#"{"user":"a","until":3e3}"#, Code::BadRequest, "until"),
            (r#"{"user":"a","until":"2030-01-01"}"#, Code::BadRequest, "until"),
            (r#"{"user":"a","until":null}"#, Code::BadRequest, "until"),
        ] {
            let fault = parse_revocation(body.as_bytes(), 2000).unwrap_err();
            assert_eq!(fault.code, code, "{body}");
            assert!(fault.message.contains(word), "{body}: {}", fault.message);
        }
    }
}
