//! The table of docs/permissions.md, a test for each of its cells: who somebody is, what a rule
//! says, and what that one may then do.

use std::sync::Arc;

use super::super::pattern::Pattern;
use super::super::rule::Rule;
use super::*;

const ANYONE: Who = Who::Anyone;
const USERS: Who = Who::User;
const TOKEN: Who = Who::Token;
const BACKEND: Who = Who::Backend;

fn patterns(texts: &[&str]) -> Vec<Pattern> {
    texts.iter().map(|text| Pattern::parse(text).expect("a pattern")).collect()
}

fn policy(rules: &[(&str, Who, Who)], fallback: Who) -> Policy {
    let rule = |&(pattern, subscribe, publish): &(&str, Who, Who)| {
        let pattern = Pattern::parse(pattern).expect("a pattern");
        Arc::new(Rule { pattern, subscribe, publish, ..Rule::default() })
    };
    let others = Rule { subscribe: fallback, publish: fallback, ..Rule::default() };
    let rules = rules.iter().map(rule).collect();
    Policy { rules, fallback: Arc::new(others), ..Policy::default() }
}

fn token(user: &str, subscribe: &[&str], publish: &[&str]) -> Token {
    let (subscribe, publish) = (patterns(subscribe), patterns(publish));
    Token { user: user.into(), subscribe, publish, ..Token::default() }
}

/// Nobody, a user whose token names nothing, one whose token names the channel, and one whose
/// token names another, for hearing and for publishing.
#[test]
fn every_role_and_every_word() {
    let (nobody, plain) = (None, Some(token("ann", &[], &[])));
    let named = Some(token("ann", &["room.*"], &["room.7"]));
    let other = Some(token("ann", &["hall.>"], &["room.8"]));
    for (word, may) in [
        (ANYONE, [true, true, true, true]),
        (USERS, [false, true, true, true]),
        (TOKEN, [false, false, true, false]),
        (BACKEND, [false, false, false, false]),
    ] {
        for (hears, publishes) in [(word, BACKEND), (BACKEND, word), (word, word)] {
            let policy = policy(&[("room.>", hears, publishes)], BACKEND);
            for (role, allowed) in [&nobody, &plain, &named, &other].into_iter().zip(may) {
                let hear = (hears == word && allowed, policy.may_hear(role.as_ref(), "room.7"));
                assert_eq!(hear.0, hear.1, "hear: {word:?} {role:?}");
                let publish = publishes == word && allowed;
                let outcome = policy.may_publish(role.as_ref(), "room.7");
                assert_eq!(publish, outcome, "publish: {word:?} {role:?}");
            }
        }
    }
}

#[test]
fn what_a_token_names_counts_only_where_tokens_are_asked() {
    let keen = token("ann", &[">", "$all", "$user"], &[">", "$all", "$user"]);
    let policy = policy(&[("news.>", BACKEND, BACKEND), ("room.>", TOKEN, BACKEND)], BACKEND);
    for (channel, hear) in [("news.1", false), ("room.1", true), ("other", false)] {
        assert_eq!(policy.may_hear(Some(&keen), channel), hear, "{channel}");
        assert!(!policy.may_publish(Some(&keen), channel), "{channel}");
    }
}

/// In a rule about `{user}` the word `user` means that one; the other words mean what they always
/// mean.
#[test]
fn ones_own_channels() {
    let rules = [("user.{user}.>", USERS, USERS), ("wall.{user}", ANYONE, USERS)];
    let policy = policy(&rules, BACKEND);
    let (ann, odd) = (token("ann", &[], &[]), token("a.b*", &[], &[]));
    for (token, channel, hear, publish) in [
        (Some(&ann), "user.ann.inbox", true, true),
        (Some(&ann), "user.bob.inbox", false, false),
        (Some(&ann), "user.ann", false, false),
        (Some(&odd), "user.a~2Eb~2A.inbox", true, true),
        (Some(&odd), "user.a.b.inbox", false, false),
        (None, "user.ann.inbox", false, false),
        (Some(&ann), "wall.ann", true, true),
        (Some(&ann), "wall.bob", true, false),
        (None, "wall.ann", true, false),
    ] {
        assert_eq!(policy.may_hear(token, channel), hear, "{channel}");
        assert_eq!(policy.may_publish(token, channel), publish, "{channel}");
    }
}

/// A token's `{user}` is its own user, whatever that one is called.
#[test]
fn users_in_the_patterns_of_tokens() {
    let policy = policy(&[], TOKEN);
    for (user, own) in [("ann", "user.ann.x"), (">", "user.~3E.x"), ("*", "user.~2A.x")] {
        let token = token(user, &["user.{user}.*"], &[]);
        assert!(policy.may_hear(Some(&token), own), "{user}");
        for channel in ["user.bob.x", "user.x", "user.ann.x.y", "other"] {
            assert!(!policy.may_hear(Some(&token), channel), "{user} {channel}");
        }
    }
}

#[test]
fn reserved_channels_are_for_hearing_only() {
    let ann = token("ann", &[], &["$all", "$user"]);
    for fallback in [ANYONE, TOKEN, BACKEND] {
        let policy = policy(&[], fallback);
        for token in [None, Some(&ann)] {
            assert!(policy.may_hear(token, "$all"));
            assert_eq!(policy.may_hear(token, "$user"), token.is_some());
            assert!(!policy.may_publish(token, "$all") && !policy.may_publish(token, "$user"));
        }
    }
}

/// `$user`, named in full, is that user's and nobody else's, whatever rules and tokens say; but
/// what it keeps is decided by the rule for `$user`.
#[test]
fn the_reserved_channel_of_a_user() {
    let policy = policy(&[("$user", BACKEND, ANYONE), (">", ANYONE, ANYONE)], ANYONE);
    let (ann, odd) = (token("ann", &["$user.odd", ">"], &[">"]), token("a.b/*", &[], &[]));
    for (token, channel, hear) in [
        (Some(&ann), "$user.ann", true),
        (Some(&ann), "$user.odd", false),
        (Some(&ann), "$user.ann.", false),
        (Some(&ann), "$user.", false),
        (Some(&odd), "$user.a.b/*", true),
        (None, "$user.ann", false),
    ] {
        assert_eq!(policy.may_hear(token, channel), hear, "{channel}");
        assert!(!policy.may_publish(token, channel), "{channel}");
        assert_eq!(policy.hearers(channel), Hearers::Some, "{channel}");
        assert!(Arc::ptr_eq(policy.rule(channel), &policy.rules[0]), "{channel}");
    }
}

#[test]
fn who_hears_a_channel_at_all() {
    let rules = [("a", ANYONE, BACKEND), ("b", USERS, ANYONE), ("c", TOKEN, ANYONE)];
    let policy = policy(&rules, BACKEND);
    for (channel, hearers) in [
        ("$all", Hearers::Everybody),
        ("$user", Hearers::Some),
        ("a", Hearers::Everybody),
        ("b", Hearers::Some),
        ("c", Hearers::Some),
        ("d", Hearers::Nobody),
        ("$probe.1", Hearers::Everybody),
    ] {
        assert_eq!(policy.hearers(channel), hearers, "{channel}");
    }
}
