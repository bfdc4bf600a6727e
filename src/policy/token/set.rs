//! All keys, with what they ask of every token. Immutable: a reload makes another one. How a token
//! is checked against it: `verify`.

use std::fmt;

use sha2::{Digest as _, Sha256};

use super::key::Key;
use super::{Token, claims};

/// What is asked of every token, whoever has signed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Who may have issued it (`iss`); none: anybody who has a key.
    pub issuers: Vec<Box<str>>,
    /// Whom it may be meant for (`aud`); none: tokens that name nobody.
    pub audiences: Vec<Box<str>>,
    /// How far the clocks of issuers may be off, in milliseconds.
    pub leeway_ms: u64,
    /// The claim that holds `subscribe`, `publish`, `limits` and `info`; none: they stand at the
    /// top.
    pub place: Option<Box<str>>,
}

impl Default for Terms {
    fn default() -> Self {
        Self { issuers: Vec::new(), audiences: Vec::new(), leeway_ms: 10_000, place: None }
    }
}

/// The keys that tokens are verified with, and what is asked of tokens.
#[derive(Clone)]
pub struct KeySet {
    pub(super) keys: Vec<Key>,
    pub(super) terms: Terms,
    digest: [u8; 32],
}

impl fmt::Debug for KeySet {
    /// Without the digest, which could be tried against.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { keys, terms, digest: _ } = self;
        f.debug_struct("KeySet").field("keys", keys).field("terms", terms).finish_non_exhaustive()
    }
}

impl Default for KeySet {
    /// No keys: no token is good.
    fn default() -> Self {
        Self::new(Vec::new(), Terms::default())
    }
}

impl KeySet {
    /// These keys. Issuers and audiences hold for all of them.
    pub fn new(keys: Vec<Key>, terms: Terms) -> Self {
        let mut digest = Sha256::new();
        for key in &keys {
            key.add_to(&mut digest);
        }
        digest.update(format!("{terms:?}"));
        Self { keys, terms, digest: digest.finalize().into() }
    }

    /// Whether there are no keys.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Number of keys.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// The keys.
    pub fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// What is asked of tokens.
    pub fn terms(&self) -> &Terms {
        &self.terms
    }

    /// Whether the time of a token that these keys have verified is over.
    pub fn is_over(&self, token: &Token, now_ms: u64) -> bool {
        claims::is_over(token.expires_ms, &self.terms, now_ms)
    }

    /// What tells this set from any other that judges tokens differently.
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }
}
