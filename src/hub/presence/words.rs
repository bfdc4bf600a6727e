//! The JSON of presence: the `data` of `presence` messages, and lists of members. What is told, and
//! when, is decided elsewhere.

use std::collections::BTreeSet;

use super::members::Members;
use super::{Naming, Span, Who};
use crate::hub::encode;

/// Appends what a listener is told first: how many there are, and who, where that is told.
pub(super) fn snapshot(out: &mut Vec<u8>, count: u64, members: Option<&Members>, naming: Naming) {
    out.extend_from_slice(br#"{"snapshot":true,"count":"#);
    encode::number(out, count);
    if let Some(members) = members {
        out.extend_from_slice(br#","members":["#);
        all(out, members.told(), naming);
        out.push(b']');
    }
    out.push(b'}');
}

/// Appends what has changed.
pub(super) fn difference(
    out: &mut Vec<u8>,
    count: u64,
    changes: &BTreeSet<Who>,
    members: &Members,
    naming: Naming,
) {
    let (joined, left): (Vec<_>, Vec<_>) = changes.iter().partition(|who| members.state(who).0);
    out.extend_from_slice(br#"{"count":"#);
    encode::number(out, count);
    out.extend_from_slice(br#","joined":["#);
    all(out, joined.into_iter().map(|who| (who.clone(), members.info(who))), naming);
    out.extend_from_slice(br#"],"left":["#);
    all(out, left.into_iter().map(|who| (who.clone(), None)), naming);
    out.extend_from_slice(b"]}");
}

/// Appends how many there are.
pub(super) fn count(out: &mut Vec<u8>, count: u64) {
    out.extend_from_slice(br#"{"count":"#);
    encode::number(out, count);
    out.push(b'}');
}

/// Appends a part of the list of members: all of it is null where not everybody can be named.
pub(super) fn list(
    out: &mut Vec<u8>,
    members: Option<&Members>,
    full: bool,
    span: &Span,
    naming: Naming,
) {
    out.extend_from_slice(br#"{"count":"#);
    encode::number(out, members.map_or(0, Members::count));
    out.extend_from_slice(br#","members":"#);
    let mut next = None;
    if full && members.is_none_or(Members::are_known) {
        out.push(b'[');
        let start = out.len();
        let mut last = None;
        let all = members.into_iter().flat_map(|members| members.all(span.after.as_ref()));
        for (taken, (who, info)) in all.enumerate() {
            let full = out.len() - start >= span.bytes && taken > 0;
            if taken == span.limit || full {
                next = last;
                break;
            }
            if taken > 0 {
                out.push(b',');
            }
            member(out, &who, info, naming);
            last = Some(who);
        }
        out.push(b']');
    } else {
        out.extend_from_slice(b"null");
    }
    out.extend_from_slice(br#","next":"#);
    match next {
        Some(who) => encode::string(out, &cursor(&who, naming)),
        None => out.extend_from_slice(b"null"),
    }
    out.push(b'}');
}

/// A member as the cursor of a list says it.
fn cursor(who: &Who, (name, seed): Naming) -> String {
    match who {
        Who::User(user) => format!("u:{user}"),
        Who::Guest(key) => format!("c:{}", name(seed, *key)),
    }
}

fn all<'m>(
    out: &mut Vec<u8>,
    members: impl Iterator<Item = (Who, Option<&'m str>)>,
    naming: Naming,
) {
    for (at, (who, info)) in members.enumerate() {
        if at > 0 {
            out.push(b',');
        }
        member(out, &who, info, naming);
    }
}

fn member(out: &mut Vec<u8>, who: &Who, info: Option<&str>, (name, seed): Naming) {
    match who {
        Who::User(user) => {
            out.extend_from_slice(br#"{"user":"#);
            encode::string(out, user);
        }
        Who::Guest(key) => {
            out.extend_from_slice(br#"{"connection":"#);
            encode::string(out, &name(seed, *key));
        }
    }
    if let Some(info) = info {
        out.extend_from_slice(br#","info":"#);
        out.extend_from_slice(info.as_bytes());
    }
    out.push(b'}');
}
