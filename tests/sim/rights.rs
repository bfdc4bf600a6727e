//! What clients may hear at which time: every policy that was ever in force, and for each
//! publication which of them may still have been so somewhere when it was admitted, and whose tokens had surely
//! ended by then. The server's own table of rules is believed (it has tests of its own), its sense
//! of time is not.

use std::collections::BTreeMap;
use std::sync::Arc;

use fanwire::hub::Position;
use fanwire::policy::Policy;
use fanwire::policy::token::Token;

/// The clock's grain: a tick of the token's end, and one of its grace.
pub const GRAIN_MS: u64 = 200;

/// The policies and the moments of a play.
#[derive(Debug, Default)]
pub struct Rights {
    policies: Vec<Arc<Policy>>,
    /// Which of them each worker has in force, and has looked at everything under.
    reviewed: Vec<usize>,
    stamps: BTreeMap<(String, String), Stamp>,
    moment: u64,
    /// Whose tokens may be taken back; nobody's, where the wall clock jumps.
    pub users: Vec<String>,
    revocations: Vec<Revocation>,
}

/// All tokens of a user up to then are taken back.
#[derive(Debug)]
struct Revocation {
    user: String,
    asked_ms: u64,
    /// The moment by which the server had said that it was so.
    done: Option<u64>,
}

/// The moment at which a publication was admitted.
#[derive(Clone, Copy, Debug)]
pub struct Stamp {
    moment: u64,
    /// The oldest policy that somebody may still have gone by.
    floor: usize,
    /// Every worker had looked for tokens that had ended by then.
    swept_ms: u64,
}

/// What a client has been somebody with, or nobody.
#[derive(Clone, Debug)]
pub struct Grant {
    /// `None`: anonymous.
    pub token: Option<Token>,
    /// When it can have begun to count, at the earliest.
    pub sent_ms: u64,
    /// When it ended, with its grace: at the earliest, and at the latest.
    pub over_ms: Option<(u64, u64)>,
    /// The moment by which another had taken its place.
    pub until: Option<u64>,
}

impl Rights {
    /// Begins with this policy everywhere.
    pub fn new(workers: usize, policy: &Arc<Policy>) -> Self {
        let policies = vec![Arc::clone(policy)];
        Self { policies, reviewed: vec![0; workers], ..Self::default() }
    }

    /// A new policy is on its way to the workers.
    pub fn put_in_force(&mut self, policy: &Arc<Policy>) {
        self.policies.push(Arc::clone(policy));
    }

    /// A worker goes by this policy and has looked at everything.
    pub fn has_reviewed(&mut self, worker: usize, policy: &Arc<Policy>) {
        let at = self.policies.iter().rposition(|known| Arc::ptr_eq(known, policy));
        self.reviewed[worker] = at.expect("a policy of ours");
    }

    /// The present, as far as publications that are admitted now are concerned.
    pub fn stamp(&mut self, swept_ms: u64) -> Stamp {
        self.moment += 1;
        let floor = self.reviewed.iter().copied().min().unwrap_or(0);
        Stamp { moment: self.moment, floor, swept_ms }
    }

    /// A publication was admitted.
    pub fn admitted(&mut self, channel: &str, position: Position, stamp: Stamp) {
        self.stamps.insert((channel.to_owned(), position.to_string()), stamp);
    }

    /// Somebody asks to take back the tokens of this user. Returns the number of the wish.
    pub fn revoke(&mut self, user: &str, asked_ms: u64) -> usize {
        self.revocations.push(Revocation { user: user.into(), asked_ms, done: None });
        self.revocations.len() - 1
    }

    /// They are taken back.
    pub fn revoked(&mut self, number: usize) {
        self.revocations[number].done = Some(self.moment);
    }

    /// Whether the tokens of this user were ever to be taken back.
    pub fn may_be_revoked(&self, user: &str) -> bool {
        self.revocations.iter().any(|revocation| revocation.user == user)
    }

    /// Whether a grant had surely been taken back by that moment.
    fn is_revoked(&self, grant: &Grant, stamp: Stamp) -> bool {
        let Some(token) = &grant.token else { return false };
        self.revocations.iter().any(|revocation| {
            *revocation.user == *token.user
                && grant.sent_ms <= revocation.asked_ms
                && revocation.done.is_some_and(|done| done < stamp.moment)
        })
    }

    /// The present moment: what ends now does not cover what is admitted later.
    pub fn moment(&self) -> u64 {
        self.moment
    }

    /// Whether somebody who was all of these, one after the other, may hear this publication.
    pub fn check(&self, channel: &str, position: Position, grants: &[Grant]) {
        let stamp = self.stamps[&(channel.to_owned(), position.to_string())];
        let covers = |grant: &&Grant| {
            let replaced = grant.until.is_some_and(|until| until < stamp.moment);
            let over = grant.over_ms.is_some_and(|(_, over_ms)| over_ms < stamp.swept_ms);
            !replaced && !over && !self.is_revoked(grant, stamp)
        };
        let allowed = |grant: &Grant| {
            self.policies[stamp.floor..].iter().any(|policy| {
                let token = grant.token.as_ref();
                policy.may_hear(token, channel) && (token.is_some() || !policy.needs_token())
            })
        };
        assert!(
            grants.iter().filter(covers).any(allowed),
            "{position} of {channel} was heard without a right: {stamp:?} {grants:#?}"
        );
    }
}
