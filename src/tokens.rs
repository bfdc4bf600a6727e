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
