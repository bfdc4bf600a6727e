//! The claims of a token whose signature is right: whether they hold now and here, and what they
//! say. Times are seconds since the Unix epoch, perhaps with a fraction (RFC 7519, section 2).

use std::sync::Arc;

use serde::Deserialize;

use super::members::{Members, WrongType};
use super::{Invalid, Terms, Token, TokenLimits};
use crate::limits::{MAX_TOKEN_ID, MAX_TOKEN_INFO, MAX_TOKEN_PATTERNS, MAX_USER};
use crate::policy::pattern::Pattern;

/// The last second of the year 9999. What is later was counted in milliseconds.
const LAST_SECOND: f64 = 253_402_300_799.0;

/// One or several, as issuers write audiences.
#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

/// Reads the claims, and checks those that say whether the token counts.
pub(super) fn read(text: &str, terms: &Terms, now_ms: u64) -> Result<Token, Invalid> {
    const BAD: Invalid = Invalid::Malformed(
        "its claims are not an object, nested too deeply, or say something twice",
    );
    let claims = Members::read(text).ok_or(BAD)?;
    let expires_ms = time(&claims, "exp")?.ok_or(Invalid::Claim("exp", "is missing"))?;
    let not_before_ms = time(&claims, "nbf")?;
    let issued_ms = time(&claims, "iat")?;
    if is_over(expires_ms, terms, now_ms) {
        return Err(Invalid::Expired);
    }
    let latest_ms = now_ms.saturating_add(terms.leeway_ms);
    if [not_before_ms, issued_ms].into_iter().flatten().any(|begin_ms| begin_ms > latest_ms) {
        return Err(Invalid::NotYet);
    }
    check_parties(&claims, terms)?;
    let user = user(&claims)?;
    let id = id(&claims)?;
    let place = match &terms.place {
        None => claims,
        Some(place) => match claims.raw(place) {
            None => return Ok(Token { user, id, issued_ms, expires_ms, ..Token::default() }),
            Some(text) => Members::read(text)
                .ok_or(Invalid::Claim("claim of jwt_claims", "must be an object"))?,
        },
    };
    let subscribe = patterns(&place, "subscribe")?;
    let publish = patterns(&place, "publish")?;
    let (limits, info) = (limits(&place)?, info(&place)?);
    Ok(Token { user, id, issued_ms, expires_ms, subscribe, publish, limits, info })
}

/// Whether a token that ends then is over.
pub(super) fn is_over(expires_ms: u64, terms: &Terms, now_ms: u64) -> bool {
    now_ms >= expires_ms.saturating_add(terms.leeway_ms)
}

const STRING: &str = "must be a string";

fn time(claims: &Members<'_>, name: &'static str) -> Result<Option<u64>, Invalid> {
    let wrong = Invalid::Claim(name, "must be seconds since 1970");
    let Some(seconds) = claims.value::<f64>(name).map_err(|WrongType| wrong)? else {
        return Ok(None);
    };
    if !(0.0..=LAST_SECOND).contains(&seconds) {
        return Err(wrong);
    }
    // In range, and rounded towards zero.
    #[expect(clippy::cast_sign_loss, reason = "not negative")]
    Ok(Some((seconds * 1000.0) as u64))
}

/// Who has issued it, and for whom. Who is meant, but not we, must refuse (RFC 7519, section
/// 4.1.3).
fn check_parties(claims: &Members<'_>, terms: &Terms) -> Result<(), Invalid> {
    if !terms.issuers.is_empty() {
        let issuer = claims.value::<Box<str>>("iss").unwrap_or(None).ok_or(Invalid::Issuer)?;
        if !terms.issuers.contains(&issuer) {
            return Err(Invalid::Issuer);
        }
    }
    let meant = match claims.value::<OneOrMore>("aud").map_err(|_| Invalid::Audience)? {
        None => terms.audiences.is_empty(),
        Some(OneOrMore::One(one)) => terms.audiences.iter().any(|ours| **ours == *one),
        Some(OneOrMore::More(all)) => {
            all.iter().any(|one| terms.audiences.iter().any(|ours| **ours == **one))
        }
    };
    if meant { Ok(()) } else { Err(Invalid::Audience) }
}

/// Its name, by which it can be taken back: one that could not be is not taken in.
fn id(claims: &Members<'_>) -> Result<Option<Box<str>>, Invalid> {
    let id = claims.value::<Box<str>>("jti").map_err(|_| Invalid::Claim("jti", STRING))?;
    match id {
        Some(id) if !(1..=MAX_TOKEN_ID).contains(&id.len()) => {
            Err(Invalid::Claim("jti", "must be 1 to 256 bytes"))
        }
        id => Ok(id),
    }
}

fn user(claims: &Members<'_>) -> Result<Arc<str>, Invalid> {
    const WHAT: &str = "must be 1 to 128 bytes without control characters";
    let user: Option<Arc<str>> =
        claims.value::<Box<str>>("sub").map_err(|_| Invalid::Claim("sub", STRING))?.map(Into::into);
    let user = user.ok_or(Invalid::Claim("sub", "is missing"))?;
    let sound = (1..=MAX_USER).contains(&user.len()) && !user.chars().any(char::is_control);
    if sound { Ok(user) } else { Err(Invalid::Claim("sub", WHAT)) }
}

/// Channels that the token names.
fn patterns(place: &Members<'_>, name: &'static str) -> Result<Vec<Pattern>, Invalid> {
    let texts: Option<Vec<Box<str>>> = place
        .value(name)
        .map_err(|_| Invalid::Claim(name, "must be an array of channel patterns"))?;
    let texts = texts.unwrap_or_default();
    if texts.len() > MAX_TOKEN_PATTERNS {
        return Err(Invalid::Claim(name, "has more than 256 patterns"));
    }
    let pattern = |text: &str| {
        Pattern::parse(text).ok_or(Invalid::Claim(name, "has something that is no channel pattern"))
    };
    texts.iter().map(|text| pattern(text)).collect()
}

fn limits(place: &Members<'_>) -> Result<TokenLimits, Invalid> {
    const OBJECT: Invalid = Invalid::Claim("limits", "must be an object");
    const COUNT: Invalid = Invalid::Claim("limits", "must be integers, 1 or more");
    let Some(text) = place.raw("limits") else { return Ok(TokenLimits::default()) };
    let limits = Members::read(text).ok_or(OBJECT)?;
    let limit = |name| match limits.value::<u32>(name) {
        Ok(Some(0)) | Err(WrongType) => Err(COUNT),
        Ok(limit) => Ok(limit),
    };
    let connections = limit("connections")?;
    let messages_per_second = limit("messages_per_second")?;
    Ok(TokenLimits { connections, messages_per_second })
}

/// What is shown of the user, as it stands in the token.
fn info(place: &Members<'_>) -> Result<Option<Arc<str>>, Invalid> {
    let Some(text) = place.raw("info").filter(|text| *text != "null") else { return Ok(None) };
    if text.len() > MAX_TOKEN_INFO {
        return Err(Invalid::Claim("info", "is longer than 1 KiB"));
    }
    Ok(Some(text.into()))
}
