//! What a client of `/ws` makes of presence: who it believes is in a channel, and whether each
//! message fits what it was told before.

use std::collections::BTreeSet;

use serde_json::Value;

use super::EnvelopeClient;
use crate::client::Scene;
use crate::client::wire::Envelope;
use crate::oracle::Oracle;

/// What is known of who is in a channel. Nothing until the snapshot has come.
#[derive(Debug, Default)]
pub struct Heard {
    told: bool,
    count: u64,
    /// Unknown where only the number is told.
    names: Option<BTreeSet<String>>,
}

impl EnvelopeClient {
    pub(super) fn presence(&mut self, scene: &mut Scene, envelope: &Envelope) {
        let channel = envelope.channel.as_deref().expect("presence is of a channel");
        assert!(self.follows.contains_key(channel), "presence of {channel}: not subscribed");
        let heard = self.hears.get_mut(channel);
        let heard = heard.unwrap_or_else(|| panic!("presence of {channel}: not asked for"));
        let data: Value = serde_json::from_str(envelope.data.expect("data").get()).expect("JSON");
        let what = heard.take(&data);
        scene.oracle.tally.count(what);
    }
}

impl EnvelopeClient {
    /// A list of who is there has come: each of them once.
    pub(super) fn listed(scene: &mut Scene, envelope: &Envelope) {
        let data: Value = serde_json::from_str(envelope.data.expect("data").get()).expect("JSON");
        let count = data["count"].as_u64().expect("it is always counted");
        if let Some(members) = data["members"].as_array() {
            let names: BTreeSet<_> = members.iter().map(Value::to_string).collect();
            assert_eq!(names.len(), members.len(), "somebody is listed twice: {data}");
            let all = names.len() as u64 == count;
            assert!(all || data["next"].is_string() && names.len() as u64 <= count, "{data}");
        }
        scene.oracle.tally.count("presence: lists");
    }
}

impl Heard {
    /// Takes a message in; says what it was.
    fn take(&mut self, data: &Value) -> &'static str {
        let list = |field: &str| -> Option<Vec<String>> {
            Some(data.get(field)?.as_array()?.iter().map(Value::to_string).collect())
        };
        let first = !self.told;
        assert!(!first || data["snapshot"] == true, "a snapshot comes first: {data}");
        self.told = true;
        self.count = data["count"].as_u64().expect("it is always counted");
        let what = match (list("members"), list("joined"), list("left")) {
            (Some(members), None, None) => {
                self.names = Some(members.into_iter().collect());
                if first { "presence: first snapshots" } else { "presence: new snapshots" }
            }
            (None, Some(joined), Some(left)) => {
                let names = self.names.as_mut().expect("a difference to what?");
                for name in left {
                    assert!(names.remove(&name), "{name} has left, but was not there");
                }
                for name in joined {
                    assert!(names.insert(name), "somebody is there already: {data}");
                }
                "presence: differences"
            }
            (None, None, None) => {
                self.names = None;
                "presence: counts"
            }
            _ => panic!("{data}"),
        };
        let named = self.names.as_ref().map(BTreeSet::len);
        assert!(named.is_none_or(|named| named as u64 == self.count), "{data}");
        what
    }

    /// Nothing happens any more: it knows exactly who is there.
    pub(super) fn check(&self, oracle: &Oracle, channel: &str) {
        assert!(self.told, "no snapshot of {channel}");
        let (there, named) = oracle.present.get(channel).cloned().unwrap_or_default();
        assert_eq!(self.count, there, "members of {channel}: {named:?}");
        if let Some(names) = &self.names {
            let missing: Vec<_> = named.difference(names).collect();
            assert!(missing.is_empty(), "{missing:?} are in {channel} too, beside {names:?}");
        }
    }
}
