//! Who asks the HTTP API, and what that one may: credentials to a key, a key to yes or no. Pure:
//! how refusals are worded and which route wants which scope is the business of `worker::keys`;
//! how often an address may fail is `attempts`.

use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::Policy;
use super::key::{ApiKey, Scope};
use crate::limits::MAX_SECRET;

/// Whom the idempotency keys of an open server's API belong to. No user is called so, and no key.
const BACKEND: &str = "\0\0backend";

/// Who asks. It holds on to the policy that it was looked up in: a request that is under way when
/// the keys change ends as it began.
#[derive(Clone, Debug)]
pub struct Caller {
    policy: Arc<Policy>,
    /// Which of its keys; `None` for a stranger.
    key: Option<usize>,
}

/// Why a request is not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// A key is needed, and none came.
    NoKey,
    /// What came is none of the keys.
    BadKey,
    /// The key lacks this scope.
    Scope(Scope),
    /// The key is held to other channels.
    Channel,
}

impl Caller {
    /// Somebody without a key, who may do what needs none: in open mode everything.
    pub fn stranger(policy: &Arc<Policy>) -> Self {
        Self { policy: Arc::clone(policy), key: None }
    }

    /// Looks a secret up. Every key is compared, each in constant time, so that the time tells
    /// nothing about any of them.
    pub fn with_secret(policy: &Arc<Policy>, secret: &[u8]) -> Result<Self, Denied> {
        if secret.is_empty() || secret.len() > MAX_SECRET {
            return Err(Denied::BadKey);
        }
        let digest = Sha256::digest(secret);
        let mut found = None;
        for (at, key) in policy.keys.iter().enumerate() {
            if bool::from(digest.as_slice().ct_eq(&key.digest)) {
                found = Some(at);
            }
        }
        let key = Some(found.ok_or(Denied::BadKey)?);
        Ok(Self { policy: Arc::clone(policy), key })
    }

    /// Whether it may do what needs this scope.
    pub fn check(&self, scope: Scope) -> Result<(), Denied> {
        match self.key() {
            _ if self.policy.is_open() => Ok(()),
            None => Err(Denied::NoKey),
            Some(key) if key.allows(scope) => Ok(()),
            Some(_) => Err(Denied::Scope(scope)),
        }
    }

    /// Whether its key, where it has one, may touch this channel.
    pub fn reaches(&self, channel: &str) -> bool {
        self.key().is_none_or(|key| key.reaches(channel))
    }

    /// Whether its key is held to some channels.
    pub fn is_held(&self) -> bool {
        self.key().is_some_and(|key| !key.channels.is_empty())
    }

    /// Whom the idempotency keys of its requests belong to. Keys of the API are told from users,
    /// whose names have no control characters.
    pub fn publisher(&self) -> Box<str> {
        match self.key() {
            Some(key) => format!("\0{}", key.name).into(),
            None => BACKEND.into(),
        }
    }

    /// The name of its key, for logs.
    pub fn name(&self) -> Option<&str> {
        self.key().map(|key| &*key.name)
    }

    fn key(&self) -> Option<&ApiKey> {
        self.key.and_then(|at| self.policy.keys.get(at))
    }
}

#[cfg(test)]
mod tests {
    use super::super::pattern::Pattern;
    use super::*;

    fn key(name: &str, secret: &str, scopes: &[Scope], channels: &[&str]) -> ApiKey {
        let pattern = |text: &&str| Pattern::parse(text).expect("a pattern");
        ApiKey {
            name: name.into(),
            digest: Sha256::digest(secret).into(),
            scopes: scopes.to_vec(),
            channels: channels.iter().map(pattern).collect(),
        }
    }

    fn policy() -> Arc<Policy> {
        let keys = vec![
            key("shop", "secret-of-the-shop", &[Scope::Publish], &["orders.>", "$all"]),
            key("eye", "secret-of-the-eye", &[Scope::Read, Scope::Metrics], &[]),
            key("root", "secret-of-the-root", &[Scope::Admin], &[]),
        ];
        Arc::new(Policy { keys, ..Policy::default() })
    }

    #[test]
    fn a_key_is_found_by_its_whole_secret_only() {
        let policy = policy();
        for (name, secret) in [
            ("shop", "secret-of-the-shop"),
            ("eye", "secret-of-the-eye"),
            ("root", "secret-of-the-root"),
        ] {
            let caller = Caller::with_secret(&policy, secret.as_bytes()).expect("a key");
            assert_eq!(caller.name(), Some(name));
            assert_eq!(*caller.publisher(), *format!("\0{name}"));
        }
        let long = "x".repeat(MAX_SECRET + 1);
        for bad in ["", "secret-of-the-sho", "secret-of-the-shop ", "shop", &long] {
            let outcome = Caller::with_secret(&policy, bad.as_bytes());
            assert_eq!(outcome.err(), Some(Denied::BadKey), "{bad}");
        }
    }

    #[test]
    fn scopes() {
        let policy = policy();
        let all = [Scope::Publish, Scope::Read, Scope::Metrics, Scope::Admin];
        for (secret, allowed) in [
            ("secret-of-the-shop", &all[..1]),
            ("secret-of-the-eye", &all[1..3]),
            ("secret-of-the-root", &all[..]),
        ] {
            let caller = Caller::with_secret(&policy, secret.as_bytes()).expect("a key");
            for scope in all {
                let denied = Err(Denied::Scope(scope));
                let expected = if allowed.contains(&scope) { Ok(()) } else { denied };
                assert_eq!(caller.check(scope), expected, "{secret} {scope:?}");
            }
        }
        assert_eq!(Caller::stranger(&policy).check(Scope::Read), Err(Denied::NoKey));
    }

    #[test]
    fn channels() {
        let policy = policy();
        let shop = Caller::with_secret(&policy, b"secret-of-the-shop").expect("a key");
        assert!(shop.is_held());
        for (channel, reached) in
            [("orders.7", true), ("$all", true), ("orders", false), ("$user", false)]
        {
            assert_eq!(shop.reaches(channel), reached, "{channel}");
        }
        let root = Caller::with_secret(&policy, b"secret-of-the-root").expect("a key");
        assert!(root.reaches("$all") && root.reaches("anything") && !root.is_held());
    }

    #[test]
    fn in_open_mode_everybody_may() {
        let caller = Caller::stranger(&Arc::default());
        for scope in [Scope::Publish, Scope::Read, Scope::Metrics, Scope::Admin] {
            assert_eq!(caller.check(scope), Ok(()));
        }
        assert!(caller.reaches("$all") && !caller.is_held());
        assert_eq!((&*caller.publisher(), caller.name()), (BACKEND, None));
    }
}
