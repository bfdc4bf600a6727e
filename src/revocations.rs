//! Tokens that were taken back before their end: by user (all that were issued until then) or by
//! their id. One table for the node, bounded, asked at logins only; while it is empty, that costs
//! no lock. It lives as long as the node. Closing who is connected is the business of
//! `worker::errand`.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock};

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use crate::limits::MAX_REVOCATIONS;
use crate::policy::token::Token;

/// Which tokens are taken back.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Revoked {
    /// Those of a user that were issued before now.
    User(Box<str>),
    /// The one with this id (`jti`).
    Token(Box<str>),
}

/// What was taken back.
#[derive(Debug)]
pub struct Revocations {
    table: RwLock<Table>,
    /// How many entries the table has.
    count: AtomicUsize,
}

#[derive(Debug)]
struct Table {
    users: HashMap<Box<str>, Entry, FixedState>,
    tokens: HashMap<Box<str>, Entry, FixedState>,
}

/// In milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug)]
struct Entry {
    /// Tokens that were issued up to then are meant.
    at_ms: u64,
    /// From then on they are not any more.
    until_ms: u64,
}

impl Revocations {
    /// Nothing is taken back. The seed is secret: users may choose their names.
    pub fn new(seed: u64) -> Self {
        let map = || HashMap::with_hasher(FixedState::with_seed(seed));
        let table = RwLock::new(Table { users: map(), tokens: map() });
        Self { table, count: AtomicUsize::new(0) }
    }

    /// Takes tokens back, until then or for as long as the node lives; who is taken back twice
    /// stays so until the later end. Says whether there was room for it.
    pub fn revoke(&self, revoked: &Revoked, now_ms: u64, until_ms: Option<u64>) -> bool {
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        if table.len() >= MAX_REVOCATIONS {
            table.forget_old(now_ms);
        }
        let full = table.len() >= MAX_REVOCATIONS;
        let (map, name) = match revoked {
            Revoked::User(name) => (&mut table.users, name),
            Revoked::Token(name) => (&mut table.tokens, name),
        };
        let new = Entry { at_ms: now_ms, until_ms: until_ms.unwrap_or(u64::MAX) };
        let known = map.get_mut(name);
        if known.is_none() && full {
            return false;
        }
        match known {
            Some(entry) => {
                entry.at_ms = entry.at_ms.max(new.at_ms);
                entry.until_ms = entry.until_ms.max(new.until_ms);
            }
            None => {
                map.insert(name.clone(), new);
            }
        }
        self.count.store(table.len(), Ordering::Release);
        true
    }

    /// Whether a token was taken back. Issuers count in seconds: what was issued in the second of
    /// the revocation counts as issued before it, and so does what does not say when.
    pub fn check(&self, token: &Token, now_ms: u64) -> bool {
        if self.is_empty() {
            return false;
        }
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        let holds = |entry: &&Entry| now_ms < entry.until_ms;
        let of_user = table.users.get(&*token.user).filter(holds);
        let of_user = of_user
            .is_some_and(|entry| token.issued_ms.is_none_or(|issued_ms| issued_ms <= entry.at_ms));
        let by_id = || token.id.as_ref().and_then(|id| table.tokens.get(id)).filter(holds);
        of_user || by_id().is_some()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Table {
    fn len(&self) -> usize {
        self.users.len() + self.tokens.len()
    }

    fn forget_old(&mut self, now_ms: u64) {
        self.users.retain(|_, entry| now_ms < entry.until_ms);
        self.tokens.retain(|_, entry| now_ms < entry.until_ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(user: &str, id: Option<&str>, issued_ms: Option<u64>) -> Token {
        Token { user: user.into(), id: id.map(Into::into), issued_ms, ..Token::default() }
    }

    #[test]
    fn a_users_tokens_are_taken_back_but_not_the_next() {
        let revocations = Revocations::new(1);
        let old = token("ann", None, Some(4_000));
        assert!(!revocations.check(&old, 5_500));
        assert!(revocations.revoke(&Revoked::User("ann".into()), 5_500, None));
        for (token, revoked) in [
            (old, true),
            (token("ann", None, Some(5_000)), true),
            (token("ann", None, None), true),
            (token("ann", None, Some(6_000)), false),
            (token("bob", None, Some(4_000)), false),
            (token("bob", Some("ann"), Some(4_000)), false),
        ] {
            assert_eq!(revocations.check(&token, 6_500), revoked, "{token:?}");
        }
    }

    #[test]
    fn a_token_is_taken_back_by_its_id() {
        let revocations = Revocations::new(1);
        assert!(revocations.revoke(&Revoked::Token("t1".into()), 5_500, Some(9_000)));
        let one = token("ann", Some("t1"), Some(7_000));
        assert!(revocations.check(&one, 8_999), "whenever it says that it was issued");
        assert!(!revocations.check(&one, 9_000), "it was for so long");
        assert!(!revocations.check(&token("ann", Some("t2"), None), 6_000));
        assert!(!revocations.check(&token("t1", None, None), 6_000));
    }

    #[test]
    fn the_later_end_counts() {
        let revocations = Revocations::new(1);
        let ann = Revoked::User("ann".into());
        let one = token("ann", None, Some(1_000));
        for until_ms in [9_000, 7_000] {
            assert!(revocations.revoke(&ann, 5_000, Some(until_ms)));
        }
        assert!(revocations.check(&one, 8_999) && !revocations.check(&one, 9_000));
        assert_eq!(revocations.len(), 1);
    }

    #[test]
    fn what_has_ended_makes_room() {
        let revocations = Revocations::new(1);
        for number in 0..MAX_REVOCATIONS {
            let name = number.to_string().into_boxed_str();
            let revoked = if number % 2 == 0 { Revoked::User(name) } else { Revoked::Token(name) };
            let until_ms = (number == 7).then_some(2_000);
            assert!(revocations.revoke(&revoked, 1_000, until_ms));
        }
        let late = Revoked::User("late".into());
        assert!(!revocations.revoke(&late, 1_500, None), "full");
        assert!(revocations.revoke(&Revoked::User("4".into()), 1_500, None), "it is there");
        assert_eq!(revocations.len(), MAX_REVOCATIONS);
        assert!(revocations.revoke(&late, 2_000, None), "one has ended");
        assert!(!revocations.revoke(&Revoked::User("later".into()), 2_000, None));
    }
}
