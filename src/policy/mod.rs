//! The policy: who may do what on which channel, and what a channel keeps. Pure, and immutable:
//! a reload hands every worker a new one. Reading it from a file is the business of `settings`.
//!
//! `pattern` says which names a rule is about, `rule` what it decides, `permissions` what rules
//! come to for a client, `token` who clients are, `key` who the backends are, `authorize` who of
//! them asks and may what, `hook` what the backend is asked and told.

use std::sync::Arc;

pub mod authorize;
pub mod hook;
pub mod key;
pub mod pattern;
pub mod permissions;
pub mod rule;
pub mod token;

use hook::{Backend, Event, Events};
use key::ApiKey;
use rule::Rule;
use token::KeySet;

/// Rules and keys, as they are in force at one time.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// In the order of the file: the first that matches decides all.
    pub rules: Vec<Arc<Rule>>,
    /// What holds where no rule matches.
    pub fallback: Arc<Rule>,
    /// Keys of the HTTP API.
    pub keys: Vec<ApiKey>,
    /// Keys that clients' tokens are verified with.
    pub token_keys: Arc<KeySet>,
    /// Whether a client may stay without a token though there are keys for tokens.
    pub anonymous: bool,
    /// Where the backend is called, if it is.
    pub backend: Option<Arc<Backend>>,
    /// Of connections: what it is asked about, and told of.
    pub hooks: Events,
}

impl Policy {
    /// What holds for a channel.
    pub fn rule(&self, channel: &str) -> &Arc<Rule> {
        let name = permissions::in_rules(channel);
        let found = self.rules.iter().find(|rule| rule.pattern.matches(name));
        found.unwrap_or(&self.fallback)
    }

    /// The backend, if it is to be called for this.
    pub fn hook(&self, event: Event, channel: Option<&str>) -> Option<&Arc<Backend>> {
        let backend = self.backend.as_ref()?;
        let hooks = match channel {
            // Reserved channels belong to who connects.
            Some(channel) if channel.starts_with('$') => return None,
            Some(channel) => self.rule(channel).hooks,
            None => self.hooks,
        };
        hooks.has(event).then_some(backend)
    }

    /// Whether everybody who reaches the server may do everything: no key of any kind is
    /// configured.
    pub fn is_open(&self) -> bool {
        self.keys.is_empty() && self.token_keys.is_empty()
    }

    /// Whether a client must log in to stay.
    pub fn needs_token(&self) -> bool {
        !self.anonymous && !self.token_keys.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_rule_that_matches_decides_all() {
        let rule = |pattern: &str, count| {
            let pattern = pattern::Pattern::parse(pattern).expect("a pattern");
            Arc::new(Rule { pattern, history_count: count, ..Rule::default() })
        };
        let policy =
            Policy { rules: vec![rule("room.7", 1), rule("room.*", 2)], ..Policy::default() };
        assert_eq!(policy.rule("room.7").history_count, 1);
        assert_eq!(policy.rule("room.8").history_count, 2);
        assert_eq!(policy.rule("other").history_count, Rule::default().history_count);
        assert!(policy.is_open());
    }
}
