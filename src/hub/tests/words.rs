//! Positions and the JSON of publications and gaps.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::publication;
use crate::hub::{Epoch, Gap, GapReason, Kind, Position, Publication, encode};

fn at(epoch: u64, index: u64) -> Position {
    Position { epoch: Epoch(epoch), index }
}

fn envelope(channel: &str, publication: &Publication) -> Value {
    let mut out = Vec::new();
    encode::envelope(&mut out, channel, publication);
    serde_json::from_slice(&out).expect("JSON")
}

#[test]
fn ones_own_channel_has_one_name_for_everybody() {
    let own = encode::own_channel("ann@x.org, Zoë");
    assert_eq!(encode::shown(&own), "$user");
    assert_ne!(own, encode::own_channel("ann@x.org"));
    for other in ["$all", "$user", "room.7", "$probe.1", "user.ann"] {
        assert_eq!(encode::shown(other), other);
    }
    assert_eq!(envelope(&own, &publication(at(1, 1), b"7"))["channel"], "$user");
    let gap = Gap { after: None, to: at(1, 2), missed: None, reason: GapReason::Epoch };
    let mut out = Vec::new();
    encode::gap(&mut out, &own, &gap, 1);
    let gap: Value = serde_json::from_slice(&out).expect("JSON");
    assert_eq!(gap["channel"], "$user");
}

#[test]
fn positions_are_written_in_base_36_and_decimal() {
    let longest = at(u64::MAX, u64::MAX).to_string();
    assert_eq!(longest, "3w5e11264sgsf:18446744073709551615");
    assert_eq!(longest.len(), 34);
    for (position, text) in [(at(0, 0), "0:0"), (at(35, 9), "z:9"), (at(36, 10), "10:10")] {
        assert_eq!(position.to_string(), text);
        assert_eq!(Position::parse(text), Some(position));
    }
    assert_eq!(Position::parse(&longest), Some(at(u64::MAX, u64::MAX)));
}

/// Publications have a way of their own to write them.
#[test]
fn positions_in_messages_are_written_alike() {
    for position in [at(0, 0), at(35, 9), at(36, 10), at(u64::MAX, u64::MAX)] {
        let mut out = Vec::new();
        encode::quoted(&mut out, position);
        assert_eq!(out, format!("\"{position}\"").into_bytes());
    }
}

#[test]
fn what_is_not_written_so_is_no_position() {
    let wrong = [
        "",
        ":",
        "1",
        "1:",
        ":1",
        "1:1:1",
        "01:1",
        "1:01",
        "00:0",
        "0:00",
        "A:1",
        "1:a",
        "+1:1",
        "1:+1",
        "-1:1",
        "1:-1",
        " 1:1",
        "1:1 ",
        "1: 1",
        "é:1",
        "1:１",
        "3w5e11264sgsg:1",
        "zzzzzzzzzzzzz:1",
        "10000000000000:1",
        "1:18446744073709551616",
        "1:100000000000000000000",
        "1:1\0",
        "\0:1",
        "1.5:1",
    ];
    for text in wrong {
        assert_eq!(Position::parse(text), None, "{text:?}");
    }
}

#[test]
fn a_publication_says_what_it_has_and_no_more() {
    let mut publication = publication(at(36, 5), br#"{"b": 1,  "a":[]}"#);
    let json = json!({"type": "message", "id": "10:5", "channel": "room",
        "data": {"b": 1, "a": []}, "timestamp": 1});
    assert_eq!(envelope("room", &publication), json);
    publication.from = Some("a\"n".into());
    publication.key = Some("k\u{1}".into());
    let json = json!({"type": "broadcast", "id": "10:5", "from": "a\"n", "key": "k\u{1}",
        "data": {"b": 1, "a": []}, "timestamp": 1});
    assert_eq!(envelope("$all", &publication), json);
    // JSON is passed on unchanged, spaces included.
    let mut out = Vec::new();
    encode::envelope(&mut out, "room", &publication);
    let text = String::from_utf8(out).expect("UTF-8");
    assert!(text.contains(r#","data":{"b": 1,  "a":[]},"#));
}

#[test]
fn a_gap_says_from_where_to_where() {
    let gap = |after, missed, reason| {
        let gap = Gap { after, to: at(1, 9), missed, reason };
        let mut out = Vec::new();
        encode::gap(&mut out, "ro\"om", &gap, 42);
        serde_json::from_slice::<Value>(&out).expect("JSON")
    };
    let json = |data| json!({"type": "gap", "channel": "ro\"om", "data": data, "timestamp": 42});
    assert_eq!(
        gap(Some(at(1, 4)), Some(5), GapReason::Slow),
        json(json!({"after": "1:4", "to": "1:9", "missed": 5, "reason": "slow"}))
    );
    assert_eq!(
        gap(None, None, GapReason::Epoch),
        json(json!({"after": null, "to": "1:9", "reason": "epoch"}))
    );
}

proptest! {
    #[test]
    fn positions_survive_the_trip(epoch: u64, index: u64) {
        let position = at(epoch, index);
        prop_assert_eq!(Position::parse(&position.to_string()), Some(position));
    }

    #[test]
    fn only_what_would_be_written_is_read(text in "[0-9a-z:+ -]{0,16}") {
        if let Some(position) = Position::parse(&text) {
            prop_assert_eq!(position.to_string(), text);
        }
    }

    #[test]
    fn strings_are_json(text in prop_oneof![
        "\\PC{0,100}",
        "[\\x00-\\x7f\"\\\\é\u{2028}😀]{0,100}",
    ]) {
        let mut out = Vec::new();
        encode::string(&mut out, &text);
        let back: String = serde_json::from_slice(&out).expect("JSON");
        prop_assert_eq!(back, text);
    }

    #[test]
    fn every_payload_can_be_had_back(bytes in prop::collection::vec(any::<u8>(), 0..70)) {
        use base64::Engine as _;
        let mut publication = publication(at(1, 1), &bytes);
        publication.kind = Kind::Binary;
        let said = envelope("room", &publication);
        prop_assert_eq!(&said["encoding"], "base64");
        let text = said["data"].as_str().expect("a string");
        prop_assert_eq!(text, base64::engine::general_purpose::STANDARD.encode(&bytes));
        let text = String::from_utf8_lossy(&bytes).into_owned();
        publication.kind = Kind::Text;
        publication.payload = text.as_bytes().into();
        let said = envelope("room", &publication);
        prop_assert_eq!(&said["encoding"], "text");
        prop_assert_eq!(said["data"].as_str(), Some(&*text));
    }
}
