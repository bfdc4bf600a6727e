//! Why a token is refused, in words that a person understands and that tell nothing about a key.
//! Which code and which close code that is stands in `tokens`.

use std::fmt;

/// Why a token is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invalid {
    /// Not a signed JWT; what is wrong with its form.
    Malformed(&'static str),
    /// No key is known under its `kid`, or none at all.
    UnknownKey,
    /// None of the keys that it may be meant for is for its `alg`.
    Algorithm,
    /// No key has signed it.
    Signature,
    /// It asks for something that must be understood, and is not (`crit`).
    Critical,
    /// Its time is over.
    Expired,
    /// Its time has not come, or it says that it was issued in the future.
    NotYet,
    /// Somebody else has issued it.
    Issuer,
    /// It is meant for somebody else.
    Audience,
    /// A claim is missing or has a wrong value: its name, and what it must be.
    Claim(&'static str, &'static str),
    /// It was taken back.
    Revoked,
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed(what) => return write!(f, "the token is malformed: {what}"),
            Self::UnknownKey => "no key is known for the token",
            Self::Algorithm => "the token's algorithm is not the one of its key",
            Self::Signature => "the token's signature is wrong",
            Self::Critical => "the token has a critical header, and none is understood",
            Self::Expired => "the token has expired",
            Self::NotYet => "the token is not valid yet",
            Self::Issuer => "the token is from another issuer",
            Self::Audience => "the token is for another audience",
            Self::Claim(name, what) => return write!(f, "the token's {name} {what}"),
            Self::Revoked => "the token has been revoked",
        })
    }
}

impl std::error::Error for Invalid {}
