//! Tokens that have been verified, for the whole node: in a storm of reconnects nobody's is checked
//! twice. A token is known by its SHA-256 together with the keys that it was checked against, so
//! that new keys know none of the old ones. Shards under locks, touched once for each login. Also
//! here: which code and which close code a refused token gets. How one is checked: `policy::token`.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use sha2::{Digest as _, Sha256};

use crate::client::code::Code;
use crate::limits::{KNOWN_TOKENS_BYTES, MAX_TOKEN};
use crate::policy::token::{Invalid, KeySet, Token};
use crate::ws::close::CloseCode;

const SHARDS: usize = 16;

/// What an entry takes beside what its token says.
const ENTRY_BYTES: usize = 256;

/// A token's SHA-256, and that of the keys.
type Digest = [u8; 32];

/// The verified tokens of a node.
#[derive(Debug)]
pub struct Tokens {
    shards: [Mutex<Shard>; SHARDS],
}

/// Two tables, of which the older is dropped when the newer is full: what was asked for lately
/// stays, and forgetting costs nothing.
#[derive(Debug)]
struct Shard {
    newer: HashMap<Digest, Arc<Token>, FixedState>,
    older: HashMap<Digest, Arc<Token>, FixedState>,
    /// About what the newer one takes.
    bytes: usize,
}

impl Tokens {
    /// None is known.
    pub fn new(seed: u64) -> Self {
        let table = || HashMap::with_hasher(FixedState::with_seed(seed));
        let shard = |_| Mutex::new(Shard { newer: table(), older: table(), bytes: 0 });
        Self { shards: std::array::from_fn(shard) }
    }

    /// Verifies a token, or finds that it was verified with the same keys before. Time is that of
    /// the wall, in milliseconds since the Unix epoch.
    pub fn verify(&self, keys: &KeySet, token: &str, now_ms: u64) -> Result<Arc<Token>, Invalid> {
        if token.len() > MAX_TOKEN {
            return keys.verify(token, now_ms).map(Arc::new);
        }
        let digest = Sha256::new().chain_update(keys.digest()).chain_update(token).finalize();
        let digest: Digest = digest.into();
        if let Some(known) = self.shard(&digest).find(&digest) {
            return if keys.is_over(&known, now_ms) { Err(Invalid::Expired) } else { Ok(known) };
        }
        // Not under the lock: others need not wait for the signature.
        let verified = Arc::new(keys.verify(token, now_ms)?);
        self.shard(&digest).keep(digest, &verified, ENTRY_BYTES + 2 * token.len());
        Ok(verified)
    }

    /// How many are known.
    pub fn len(&self) -> usize {
        let count = |shard: &Mutex<Shard>| {
            let shard = lock(shard);
            shard.newer.len() + shard.older.len()
        };
        self.shards.iter().map(count).sum()
    }

    /// Whether none is known.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn shard(&self, digest: &Digest) -> MutexGuard<'_, Shard> {
        lock(&self.shards[usize::from(digest[0]) % SHARDS])
    }
}

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    // A panic ends the process; whoever sees the lock poisoned is a test.
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shard {
    fn find(&self, digest: &Digest) -> Option<Arc<Token>> {
        self.newer.get(digest).or_else(|| self.older.get(digest)).cloned()
    }

    /// Keeps a token, of about so many bytes.
    fn keep(&mut self, digest: Digest, token: &Arc<Token>, bytes: usize) {
        if self.bytes + bytes > KNOWN_TOKENS_BYTES / SHARDS / 2 {
            mem::swap(&mut self.newer, &mut self.older);
            self.newer.clear();
            self.bytes = 0;
        }
        self.bytes += bytes;
        self.newer.insert(digest, Arc::clone(token));
    }
}

impl Invalid {
    /// The word for programs.
    pub const fn code(self) -> Code {
        match self {
            Self::Expired => Code::TokenExpired,
            Self::Revoked => Code::TokenRevoked,
            _ => Code::Unauthorized,
        }
    }

    /// How a connection ends that came with it.
    pub const fn close(self) -> CloseCode {
        match self {
            Self::Expired => CloseCode::EXPIRED,
            Self::Revoked => CloseCode::REVOKED,
            _ => CloseCode::BAD_TOKEN,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::policy::token::Terms;
    use crate::policy::token::key::{Algorithm, Key};

    const NOW_MS: u64 = 1_790_000_000_000;

    fn key(byte: u8) -> Key {
        Key::secret(Algorithm::HS256, &[byte; 32]).expect("a key")
    }

    fn keys(byte: u8) -> KeySet {
        KeySet::new(vec![key(byte)], Terms { leeway_ms: 0, ..Terms::default() })
    }

    /// A token that the secret of this byte has signed.
    fn token(byte: u8, user: &str, filler: usize) -> String {
        use base64::Engine as _;
        let encode = |text: String| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
        let claims = json!({"sub": user, "exp": NOW_MS / 1000 + 60, "filler": "x".repeat(filler)});
        let message =
            format!("{}.{}", encode(r#"{"alg":"HS256"}"#.into()), encode(claims.to_string()));
        let signature = key(byte).sign(&message).expect("a signature");
        format!("{message}.{signature}")
    }

    #[test]
    fn who_comes_back_is_known() {
        let (tokens, keys) = (Tokens::new(1), keys(1));
        let text = token(1, "ann", 0);
        let first = tokens.verify(&keys, &text, NOW_MS).expect("good");
        assert_eq!((&*first.user, tokens.len()), ("ann", 1));
        let again = tokens.verify(&keys, &text, NOW_MS + 59_999).expect("good");
        assert!(Arc::ptr_eq(&first, &again), "not verified once more");
        let over = tokens.verify(&keys, &text, NOW_MS + 60_000);
        assert_eq!(over, Err(Invalid::Expired), "though it is known");
    }

    #[test]
    fn new_keys_know_none_of_the_old_ones() {
        let tokens = Tokens::new(1);
        let text = token(1, "ann", 0);
        assert!(tokens.verify(&keys(1), &text, NOW_MS).is_ok());
        assert_eq!(tokens.verify(&keys(2), &text, NOW_MS), Err(Invalid::Signature));
        let strict = Terms { issuers: vec!["i".into()], ..Terms::default() };
        let strict = KeySet::new(vec![key(1)], strict);
        assert_eq!(tokens.verify(&strict, &text, NOW_MS), Err(Invalid::Issuer));
    }

    #[test]
    fn what_is_refused_is_not_kept() {
        let (tokens, keys) = (Tokens::new(1), keys(1));
        let long = "x".repeat(MAX_TOKEN + 1);
        for bad in ["", "a.b.c", &token(2, "ann", 0), &long] {
            assert!(tokens.verify(&keys, bad, NOW_MS).is_err());
        }
        assert!(tokens.is_empty());
    }

    #[test]
    fn what_is_known_is_bounded() {
        let (tokens, keys) = (Tokens::new(1), keys(1));
        let filler = 11_000;
        let bytes = ENTRY_BYTES + 2 * token(1, "0000", filler).len();
        let most = KNOWN_TOKENS_BYTES / bytes;
        let mut last = String::new();
        for number in 0..2 * most {
            last = token(1, &format!("{number:04}"), filler);
            tokens.verify(&keys, &last, NOW_MS).expect("good");
            assert!(tokens.len() <= most + SHARDS, "{} of {most}", tokens.len());
        }
        assert!(tokens.len() > most / 3, "{} of {most}", tokens.len());
        let known = tokens.len();
        tokens.verify(&keys, &last, NOW_MS).expect("good");
        assert_eq!(tokens.len(), known, "the last one is known");
    }

    #[test]
    fn words_and_close_codes() {
        for (invalid, code, close) in [
            (Invalid::Expired, "token_expired", 4101),
            (Invalid::Revoked, "token_revoked", 4103),
            (Invalid::Signature, "unauthorized", 4102),
            (Invalid::NotYet, "unauthorized", 4102),
            (Invalid::Malformed("x"), "unauthorized", 4102),
        ] {
            assert_eq!((invalid.code().as_str(), invalid.close().0), (code, close));
        }
    }
}
