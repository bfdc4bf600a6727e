//! What calls say, and what the backend may answer. Pure.

use std::borrow::Cow;
use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use super::Verdict;
use crate::hub::Kind;
use crate::limits::HOOK_MESSAGE_BYTES;

/// One story for the backend. What does not belong to the event is left out.
#[derive(Debug, Default, Serialize)]
pub struct Story<'a> {
    /// Its word.
    pub event: &'static str,
    /// When, in milliseconds since the Unix epoch.
    pub timestamp: u64,
    /// Where.
    pub node: &'a str,
    /// Whose connection it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection: Option<&'a str>,
    /// Who has logged in there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<&'a str>,
    /// From where; of IPv6 the first address of the /64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// What the token says of the user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub info: Option<&'a RawValue>,
    /// The channel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<&'a str>,
    /// The conflation key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<&'a str>,
    /// How to understand `data`, where it is not JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoding: Option<&'static str>,
    /// The payload.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<Cow<'a, RawValue>>,
}

impl<'a> Story<'a> {
    /// With this payload.
    #[must_use]
    pub fn with_payload(self, kind: Kind, bytes: &'a [u8]) -> Self {
        let text = |text: &str| to_raw_value(text).ok().map(Cow::Owned);
        let (encoding, data) = match kind {
            Kind::Json => (None, serde_json::from_slice(bytes).ok().map(Cow::Borrowed)),
            Kind::Text => (Some("text"), text(&String::from_utf8_lossy(bytes))),
            Kind::Binary => (Some("base64"), text(&STANDARD.encode(bytes))),
        };
        Self { encoding, data, ..self }
    }

    /// The body of its call.
    pub fn write(&self) -> Vec<u8> {
        // All of it can be written; if not, nobody would say yes to nothing.
        serde_json::to_vec(self).unwrap_or_default()
    }
}

/// The body of a call that tells these stories, and how many others it can never tell.
pub(super) fn batch(stories: &[&[u8]], lost: u64) -> Vec<u8> {
    let mut body = br#"{"events":["#.to_vec();
    for (at, story) in stories.iter().enumerate() {
        if at > 0 {
            body.push(b',');
        }
        body.extend_from_slice(story);
    }
    body.push(b']');
    if lost > 0 {
        body.extend_from_slice(format!(r#","lost":{lost}"#).as_bytes());
    }
    body.push(b'}');
    body
}

#[derive(Deserialize)]
struct Answer<'a> {
    allow: bool,
    #[serde(borrow)]
    message: Option<Cow<'a, str>>,
}

/// What an answer says; nothing, when it is not one.
pub(super) fn verdict(status: u16, body: &[u8]) -> Option<Verdict> {
    let answer: Answer<'_> = serde_json::from_slice(body).ok().filter(|_| status == 200)?;
    if answer.allow {
        return Some(Verdict::Allowed);
    }
    let message = answer.message.map(|message| {
        let end = message.floor_char_boundary(HOOK_MESSAGE_BYTES);
        message[..end].into()
    });
    Some(Verdict::Denied(message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(story: &Story<'_>) -> String {
        String::from_utf8(story.write()).expect("JSON")
    }

    #[test]
    fn stories() {
        let story = Story { event: "vacated", timestamp: 7, node: "n", ..Story::default() };
        let expected = r#"{"event":"vacated","timestamp":7,"node":"n"}"#;
        assert_eq!(written(&story), expected);
        let one = story.write();
        assert_eq!(batch(&[&one], 0), format!(r#"{{"events":[{expected}]}}"#).as_bytes());
        let two = format!(r#"{{"events":[{expected},{expected}],"lost":3}}"#);
        assert_eq!(batch(&[&one, &one], 3), two.as_bytes());
    }

    #[test]
    fn payloads_are_passed_on_as_they_are() {
        for (kind, payload, expected) in [
            (Kind::Json, &br#"{"a": [1.50, null]}"#[..], r#""data":{"a": [1.50, null]}}"#),
            (Kind::Json, b"null", r#""data":null}"#),
            (Kind::Text, b"a\"\n", r#""encoding":"text","data":"a\"\n"}"#),
            (Kind::Binary, &[0, 255], r#""encoding":"base64","data":"AP8="}"#),
        ] {
            let written = written(&Story::default().with_payload(kind, payload));
            assert!(written.ends_with(expected), "{written}");
        }
    }

    #[test]
    fn answers() {
        let said = |status, body: &str| verdict(status, body.as_bytes());
        assert_eq!(said(200, r#"{"allow": true}"#), Some(Verdict::Allowed));
        assert_eq!(said(200, r#"{"allow": true, "more": [1]}"#), Some(Verdict::Allowed));
        assert_eq!(said(200, r#"{"allow": false}"#), Some(Verdict::Denied(None)));
        let denied = Some(Verdict::Denied(Some("no \"guests\"".into())));
        assert_eq!(said(200, r#"{"allow": false, "message": "no \"guests\""}"#), denied);
        let long = format!(r#"{{"allow": false, "message": "{}"}}"#, "é".repeat(400));
        let Some(Verdict::Denied(Some(message))) = said(200, &long) else { panic!("denied") };
        assert_eq!(*message, *"é".repeat(128));
        for (status, body) in [
            (200, ""),
            (200, "true"),
            (200, "{}"),
            (200, r#"{"allow": "true"}"#),
            (200, r#"{"allow": 1}"#),
            (200, r#"{"allow": true, "allow": true}"#),
            (200, r#"{"allow": false, "message": 7}"#),
            (200, r#"{"allow": true} and more"#),
            (200, "<html>"),
            (201, r#"{"allow": true}"#),
            (204, ""),
            (302, r#"{"allow": true}"#),
            (403, r#"{"allow": true}"#),
            (500, r#"{"allow": true}"#),
        ] {
            assert_eq!(said(status, body), None, "{status} {body}");
        }
    }
}
