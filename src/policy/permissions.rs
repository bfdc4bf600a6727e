//! What rules come to for a client: may it hear a channel, may it publish there. Whether a name is
//! one at all is the business of `client::name`; what the API's keys may, that of `key`.

use super::Policy;
use super::rule::{Rule, Who};
use super::token::Token;

#[cfg(test)]
mod tests;

/// The channel of everybody.
const ALL: &str = "$all";
/// The channel of one's own.
const USER: &str = "$user";
/// What its name in full begins with; the user follows.
const OWN: &str = "$user.";

/// The name under which a rule may speak of a channel.
pub(super) fn in_rules(channel: &str) -> &str {
    if channel.starts_with(OWN) { USER } else { channel }
}

impl Policy {
    /// Whether a client may subscribe to a channel and read its history; `token` is what it has
    /// logged in with. `$all` is for everybody who may be here at all, `$user` for who is somebody.
    pub fn may_hear(&self, token: Option<&Token>, channel: &str) -> bool {
        match channel {
            ALL => true,
            USER => token.is_some(),
            _ if in_rules(channel) == USER => {
                token.is_some_and(|token| channel.strip_prefix(OWN) == Some(&token.user))
            }
            _ => {
                let rule = self.rule(channel);
                let named = |token: &Token| {
                    token.subscribe.iter().any(|p| p.matches_for(&token.user, channel))
                };
                allows(rule, rule.subscribe, token, channel, named)
            }
        }
    }

    /// Whether a client may publish to a channel. Reserved ones are for hearing only.
    pub fn may_publish(&self, token: Option<&Token>, channel: &str) -> bool {
        let rule = self.rule(channel);
        let named =
            |token: &Token| token.publish.iter().any(|p| p.matches_for(&token.user, channel));
        !channel.starts_with('$') && allows(rule, rule.publish, token, channel, named)
    }

    /// Who may hear a channel, as far as that can be said without looking at tokens. Channels that
    /// the server has for itself are not for rules: their owner asks before it lets somebody in.
    pub fn hearers(&self, channel: &str) -> Hearers {
        match in_rules(channel) {
            ALL => Hearers::Everybody,
            USER => Hearers::Some,
            _ if channel.starts_with('$') => Hearers::Everybody,
            _ => match self.rule(channel).subscribe {
                Who::Anyone => Hearers::Everybody,
                Who::User | Who::Token => Hearers::Some,
                Who::Backend => Hearers::Nobody,
            },
        }
    }
}

/// Who may hear a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hearers {
    /// Every client.
    Everybody,
    /// Some: their tokens decide.
    Some,
    /// No client.
    Nobody,
}

/// Whether a word of a rule lets a client in. Where the rule's pattern says `{user}`, `user` is the
/// one whose channel it is, and nobody else.
fn allows(
    rule: &Rule,
    who: Who,
    token: Option<&Token>,
    channel: &str,
    named: impl FnOnce(&Token) -> bool,
) -> bool {
    match (who, token) {
        (Who::Anyone, _) => true,
        (Who::User, Some(token)) => rule.pattern.matches_for(&token.user, channel),
        (Who::Token, Some(token)) => named(token),
        (Who::User | Who::Token, None) | (Who::Backend, _) => false,
    }
}
