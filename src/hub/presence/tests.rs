//! Presence by stories, and random comings and goings beside a model; the listeners' view is worked
//! out from what they are sent, as a client would.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::*;
use crate::hub::{Format, Frames};

mod model;

const JSON: Encoding = Encoding::JSON;
const RAISED: Encoding = Encoding { format: Format::Json, window_bits: 9 };

/// A frame is its text and a line feed; counts how often something is encoded.
#[derive(Default)]
struct Lines {
    encoded: usize,
}

impl Framer for Lines {
    fn append(&mut self, out: &mut Vec<u8>, _: Encoding, binary: bool, payload: &[u8]) {
        assert!(!binary, "presence is text");
        out.extend_from_slice(payload);
        out.push(b'\n');
        self.encoded += 1;
    }
}

fn audience(worker: u16, encoding: Encoding) -> Audience {
    Audience { worker, encoding, pace: None }
}

fn user(name: &str) -> Who {
    Who::User(name.into())
}

fn guest(slot: u32) -> Who {
    Who::Guest(ConnectionKey { worker: 0, slot, generation: 1 })
}

fn name(_: u64, key: ConnectionKey) -> String {
    format!("n-{:03}", key.slot)
}

/// The presence of one channel, and a clock.
struct Story {
    presences: Presences,
    full: bool,
    framer: Lines,
    now: Now,
}

impl Story {
    fn new(change: impl FnOnce(&mut PresenceLimits)) -> Self {
        let mut limits = PresenceLimits {
            members: 4,
            interval_ms: 1000,
            leave_delay_ms: 10_000,
            max_bytes: 1 << 20,
        };
        change(&mut limits);
        let presences = Presences::new(limits, (name, 0), 7 << 20);
        Self { presences, full: true, framer: Lines::default(), now: Now::default() }
    }

    fn enter(&mut self, who: &Who) {
        self.presences.enter("c", who, None, self.full, self.now);
    }

    fn shows(&mut self, who: &Who, info: &str) {
        self.presences.enter("c", who, Some(info.into()), self.full, self.now);
    }

    fn exit(&mut self, who: &Who) {
        self.presences.exit("c", who, self.now);
    }

    /// What somebody is told who begins to listen.
    fn hear(&mut self, worker: u16) -> Value {
        let feed = FeedKey { index: 0, generation: u32::from(worker) };
        let audience = audience(worker, JSON);
        let page = self.presences.hear("c", audience, feed, self.full, self.now, &mut self.framer);
        assert_eq!((page.gap, page.last), (None, page.head), "it has everything with this");
        data(&page.frames.expect("a snapshot"))
    }

    fn unhear(&mut self, worker: u16) {
        self.presences.unhear("c", audience(worker, JSON));
    }

    /// Time passes; what is told then, once for each worker that listens.
    fn after(&mut self, ms: u64) -> Vec<Value> {
        self.now.mono_ms += ms;
        self.presences.let_go(1000, self.now);
        let mut deliveries = Vec::new();
        while let Some(channel) = self.presences.first_due(self.now) {
            let (full, now) = (self.full, self.now);
            self.presences.tell(&channel, full, now, &mut self.framer, &mut deliveries);
        }
        deliveries.iter().map(|(_, delivery)| data(&delivery.frames)).collect()
    }

    fn list(&self, after: Option<Who>, limit: usize) -> Value {
        let mut out = Vec::new();
        let span = Span { after, limit, bytes: 1 << 20 };
        self.presences.list(&mut out, "c", self.full, &span);
        serde_json::from_slice(&out).expect("JSON")
    }
}

/// What a message of presence says.
fn data(frames: &Frames) -> Value {
    let message: Value = serde_json::from_slice(frames).expect("one message");
    assert_eq!((&message["type"], &message["channel"]), (&json!("presence"), &json!("c")));
    assert_eq!(message.get("id"), None, "nobody resumes presence");
    message["data"].clone()
}

#[test]
fn a_snapshot_comes_first_then_what_changes_at_once_and_then_gathered() {
    let mut story = Story::new(|_| {});
    story.shows(&user("ann"), r#"{"name":"Ann"}"#);
    let ann = json!({"user": "ann", "info": {"name": "Ann"}});
    assert_eq!(story.hear(0), json!({"snapshot": true, "count": 1, "members": [ann]}));
    assert_eq!(story.after(0), [] as [Value; 0], "it knows all");
    story.enter(&guest(7));
    let joined = json!({"count": 2, "joined": [{"connection": "n-007"}], "left": []});
    assert_eq!(story.after(0), [joined], "the first after a quiet time comes at once");
    story.enter(&user("bob"));
    story.exit(&guest(7));
    assert_eq!(story.after(999), [] as [Value; 0]);
    let told = story.after(1);
    let difference =
        json!({"count": 2, "joined": [{"user": "bob"}], "left": [{"connection": "n-007"}]});
    assert_eq!(told, [difference]);
    assert_eq!(story.after(5000), [] as [Value; 0], "nothing has changed");
}

#[test]
fn who_comes_and_goes_within_an_interval_is_not_told() {
    let mut story = Story::new(|_| {});
    story.enter(&guest(1));
    story.hear(0);
    story.enter(&guest(2));
    assert_eq!(story.after(0).len(), 1);
    story.enter(&guest(3));
    story.exit(&guest(3));
    story.exit(&guest(2));
    story.enter(&guest(2));
    assert_eq!(story.after(1000), [] as [Value; 0]);
    assert_eq!(story.presences.named(), 2);
}

#[test]
fn a_user_with_three_tabs_is_one_member() {
    let mut story = Story::new(|limits| limits.leave_delay_ms = 0);
    let ann = user("ann");
    (0..3).for_each(|_| story.enter(&ann));
    assert_eq!(story.hear(0)["count"], 1);
    story.exit(&ann);
    story.exit(&ann);
    assert_eq!(story.after(1000), [] as [Value; 0]);
    story.exit(&ann);
    assert_eq!(story.after(1000), [json!({"count": 0, "joined": [], "left": [{"user": "ann"}]})]);
}

#[test]
fn a_reconnect_of_a_user_is_not_seen() {
    let mut story = Story::new(|_| {});
    let ann = user("ann");
    story.enter(&ann);
    story.hear(0);
    story.exit(&ann);
    assert_eq!(story.after(9_999), [] as [Value; 0]);
    assert_eq!(story.list(None, 9)["count"], 1, "it is still there");
    story.enter(&ann);
    assert_eq!(story.after(60_000), [] as [Value; 0]);
    story.exit(&ann);
    let left = json!({"count": 0, "joined": [], "left": [{"user": "ann"}]});
    assert_eq!(story.after(10_000), [left]);
    assert_eq!((story.presences.named(), story.presences.bytes()), (0, 0));
}

#[test]
fn what_a_user_shows_anew_is_told_as_if_it_joined() {
    let mut story = Story::new(|_| {});
    let ann = user("ann");
    story.shows(&ann, "1");
    story.hear(0);
    story.shows(&ann, "2");
    story.exit(&ann);
    let joined = json!({"count": 1, "joined": [{"user": "ann", "info": 2}], "left": []});
    assert_eq!(story.after(0), [joined]);
    story.shows(&ann, "3");
    story.exit(&ann);
    story.exit(&ann);
    let left = json!({"count": 0, "joined": [], "left": [{"user": "ann"}]});
    assert_eq!(story.after(11_000), [left], "who had been told is told to have left");
}

#[test]
fn a_large_channel_turns_to_counts_and_back_when_a_quarter_has_left() {
    let mut story = Story::new(|_| {});
    (0..4).for_each(|n| story.enter(&guest(n)));
    assert_eq!(story.hear(0)["members"].as_array().unwrap().len(), 4);
    story.enter(&guest(4));
    assert_eq!(story.after(0), [json!({"count": 5})]);
    assert_eq!(story.hear(1), json!({"snapshot": true, "count": 5}));
    story.exit(&guest(4));
    assert_eq!(story.after(1000), vec![json!({"count": 4}); 2], "both workers");
    story.exit(&guest(3));
    let told = story.after(1000);
    let three: Vec<_> = (0..3).map(|n| json!({"connection": name(0, key(n))})).collect();
    assert_eq!(told[0], json!({"snapshot": true, "count": 3, "members": three}));
    assert!(story.presences.take_crowd() && !story.presences.take_crowd());
    assert!(!story.presences.take_overflow());
    story.enter(&guest(3));
    assert_eq!(story.after(1000)[0]["joined"], json!([{"connection": "n-003"}]));
}

fn key(slot: u32) -> ConnectionKey {
    ConnectionKey { worker: 0, slot, generation: 1 }
}

#[test]
fn where_only_counts_are_told_guests_have_no_names_and_users_still_count_once() {
    let mut story = Story::new(|limits| limits.leave_delay_ms = 0);
    story.full = false;
    for who in &[guest(1), guest(2), user("ann"), user("ann")] {
        story.enter(who);
    }
    assert_eq!(story.hear(0), json!({"snapshot": true, "count": 3}));
    assert_eq!(story.presences.named(), 1);
    assert_eq!(story.list(None, 9), json!({"count": 3, "members": null, "next": null}));
    for who in &[guest(1), user("ann")] {
        story.exit(who);
    }
    assert_eq!(story.after(0), [json!({"count": 2})]);
    for who in &[guest(2), user("ann")] {
        story.exit(who);
    }
    assert_eq!(story.after(1000), [json!({"count": 0})]);
}

#[test]
fn without_room_for_names_all_are_counted() {
    let most = members::cost(&user("ann"), None) + members::cost(&guest(1), None);
    let mut story = Story::new(|limits| {
        limits.max_bytes = most;
        limits.leave_delay_ms = 0;
    });
    story.enter(&user("ann"));
    story.enter(&guest(1));
    story.hear(0);
    assert!(!story.presences.take_overflow());
    story.enter(&user("bob"));
    assert!(story.presences.take_overflow());
    story.enter(&user("ann"));
    story.enter(&guest(2));
    assert!(!story.presences.take_crowd(), "it is not too many");
    assert_eq!(story.after(0), [json!({"count": 4})], "not all of them have names");
    assert_eq!(story.list(None, 9)["members"], Value::Null);
    story.exit(&user("ann"));
    story.exit(&user("ann"));
    // There would be room, but one of the connections that are only counted may be hers.
    story.enter(&user("ann"));
    story.exit(&user("ann"));
    story.exit(&user("bob"));
    story.exit(&guest(2));
    let members = [json!({"connection": "n-001"})];
    let told = json!({"snapshot": true, "count": 1, "members": members});
    assert_eq!(story.after(1000), [told]);
    story.exit(&guest(1));
    story.unhear(0);
    assert_eq!((story.presences.named(), story.presences.bytes()), (0, 0));
    assert_eq!(story.presences.rosters().count(), 0, "nothing is left");
}

#[test]
fn a_new_snapshot_stands_for_whatever_a_slow_listener_has_missed() {
    let mut story = Story::new(|_| {});
    story.enter(&guest(1));
    story.hear(0);
    story.enter(&guest(2));
    story.after(0);
    story.enter(&guest(3));
    let page = story.presences.pull("c", JSON, story.now, &mut story.framer).unwrap();
    assert_eq!((page.gap, page.last, page.head), (None, 1, 1));
    let told = data(&page.frames.unwrap());
    let two = [json!({"connection": "n-001"}), json!({"connection": "n-002"})];
    assert_eq!(told, json!({"snapshot": true, "count": 2, "members": two}), "up to its head");
    assert_eq!(story.after(1000)[0]["joined"], json!([{"connection": "n-003"}]));
    assert!(story.presences.pull("d", JSON, story.now, &mut story.framer).is_none());
}

#[test]
fn a_difference_is_encoded_once_per_encoding_and_a_snapshot_for_all_who_ask() {
    let mut story = Story::new(|limits| limits.members = 1000);
    story.enter(&guest(0));
    let feed = FeedKey { index: 0, generation: 0 };
    for worker in 0..3 {
        for encoding in [JSON, RAISED] {
            let audience = audience(worker, encoding);
            story.presences.hear("c", audience, feed, true, story.now, &mut story.framer);
        }
    }
    assert_eq!(std::mem::take(&mut story.framer.encoded), 2, "a snapshot in each encoding");
    (1..500).for_each(|slot| story.enter(&guest(slot)));
    assert_eq!(story.after(0).len(), 6);
    assert_eq!(std::mem::take(&mut story.framer.encoded), 2);
    (500..600).for_each(|slot| {
        story.enter(&guest(slot));
        story.hear(1);
    });
    assert_eq!(story.framer.encoded, 1, "what has been told is the same for all of them");
}

#[test]
fn what_is_put_off_is_gathered_with_what_comes_meanwhile() {
    let mut story = Story::new(|_| {});
    story.enter(&guest(1));
    story.hear(3);
    story.enter(&guest(2));
    let channel = story.presences.first_due(story.now).unwrap();
    assert_eq!(story.presences.interested(&channel).collect::<Vec<_>>(), [3]);
    story.presences.put_off(&channel, 500, story.now);
    story.enter(&guest(3));
    assert_eq!(story.presences.next_ms(), 500);
    assert_eq!(story.after(499), [] as [Value; 0]);
    assert_eq!(story.after(1)[0]["joined"].as_array().unwrap().len(), 2);
}

#[test]
fn lists_come_in_parts() {
    let mut story = Story::new(|_| {});
    for who in [guest(2), guest(1), user("bob"), user("ann \"\u{e4}\"")] {
        story.enter(&who);
    }
    let ann = json!({"user": "ann \"\u{e4}\""});
    let list = story.list(None, 2);
    assert_eq!(list, json!({"count": 4, "members": [ann, {"user": "bob"}], "next": "u:bob"}));
    let list = story.list(Some(user("bob")), 1);
    assert_eq!(list["members"], json!([{"connection": "n-001"}]));
    assert_eq!(list["next"], "c:n-001");
    let list = story.list(Some(guest(1)), 1);
    assert_eq!((&list["members"][0]["connection"], &list["next"]), (&json!("n-002"), &Value::Null));
    let none = json!({"count": 0, "members": [], "next": null});
    let mut out = Vec::new();
    story.presences.list(&mut out, "d", true, &Span { after: None, limit: 5, bytes: 100 });
    assert_eq!(serde_json::from_slice::<Value>(&out).unwrap(), none);
    out.clear();
    story.presences.list(&mut out, "c", true, &Span { after: None, limit: 5, bytes: 20 });
    let list: Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(list["members"].as_array().unwrap().len(), 1, "bytes are bounded too");
}

#[test]
fn a_new_rule_is_looked_at_though_nobody_comes_or_goes() {
    let mut story = Story::new(|_| {});
    story.enter(&guest(1));
    story.hear(0);
    story.full = false;
    assert_eq!(story.after(5000), [] as [Value; 0]);
    story.presences.reconsider(story.now);
    assert_eq!(story.after(0), [json!({"count": 1})]);
    story.full = true;
    story.presences.reconsider(story.now);
    assert_eq!(story.after(1000)[0]["members"], json!([{"connection": "n-001"}]));
}

#[test]
fn a_companion_is_at_the_owner_of_its_channel() {
    use crate::hub::shard::owner;
    assert_eq!(heard(&companion("room.7")), Some("room.7"));
    assert_eq!(heard("room.7"), None);
    for number in 0..100 {
        let channel = format!("room.{number}");
        assert_eq!(owner(&channel, 42, 7), owner(&companion(&channel), 42, 7));
    }
}
