//! What rules come to for a client: may it hear a channel, may it publish there. Whether a name is
//! one at all is the business of `client::name`; what the API's keys may, that of `key`.

use super::Policy;
use super::rule::Who;
use super::token::Token;

/// The channel of everybody.
const ALL: &str = "$all";

impl Policy {
    /// Whether a client may subscribe to a channel and read its history; `token` is what it has
    /// logged in with. `$all` is for everybody who may be here at all.
    pub fn may_hear(&self, token: Option<&Token>, channel: &str) -> bool {
        let named = |token: &Token| token.subscribe.iter().any(|p| p.matches(channel));
        channel == ALL || allows(self.rule(channel).subscribe, token, named)
    }

    /// Whether a client may publish to a channel. Reserved ones are for hearing only.
    pub fn may_publish(&self, token: Option<&Token>, channel: &str) -> bool {
        let named = |token: &Token| token.publish.iter().any(|p| p.matches(channel));
        !channel.starts_with('$') && allows(self.rule(channel).publish, token, named)
    }
}

fn allows(who: Who, token: Option<&Token>, named: impl FnOnce(&Token) -> bool) -> bool {
    match who {
        Who::Anyone => true,
        Who::User => token.is_some(),
        Who::Token => token.is_some_and(named),
        Who::Backend => false,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::pattern::Pattern;
    use super::super::rule::Rule;
    use super::*;

    fn policy(rules: &[(&str, Who, Who)], fallback: Who) -> Policy {
        let rule = |&(pattern, subscribe, publish): &(&str, Who, Who)| {
            let pattern = Pattern::parse(pattern).expect("a pattern");
            Arc::new(Rule { pattern, subscribe, publish, ..Rule::default() })
        };
        let others = Rule { subscribe: fallback, publish: fallback, ..Rule::default() };
        let rules = rules.iter().map(rule).collect();
        Policy { rules, fallback: Arc::new(others), ..Policy::default() }
    }

    #[test]
    fn only_what_is_for_anyone_is_for_an_anonymous_client() {
        let rules = [
            ("news.>", Who::Anyone, Who::Backend),
            ("drop", Who::Backend, Who::Anyone),
            ("mine.*", Who::User, Who::User),
            ("room.*", Who::Token, Who::Token),
        ];
        let policy = policy(&rules, Who::Token);
        for (channel, hear, publish) in [
            ("news.a", true, false),
            ("drop", false, true),
            ("mine.x", false, false),
            ("room.7", false, false),
            ("other", false, false),
        ] {
            assert_eq!(policy.may_hear(None, channel), hear, "{channel}");
            assert_eq!(policy.may_publish(None, channel), publish, "{channel}");
        }
    }

    #[test]
    fn reserved_channels_are_for_hearing_only() {
        for fallback in [Who::Anyone, Who::Token] {
            let policy = policy(&[], fallback);
            assert!(policy.may_hear(None, "$all"));
            assert!(!policy.may_publish(None, "$all") && !policy.may_publish(None, "$user"));
        }
    }
}
