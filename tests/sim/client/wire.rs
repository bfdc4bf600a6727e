//! The JSON that a server says, read with `serde_json`, and that which clients say.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fanwire::hub::{Kind, Publication};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::oracle::Intent;

/// Any message of the server.
#[derive(Debug, Deserialize)]
pub struct Envelope<'a> {
    #[serde(rename = "type", borrow)]
    pub kind: Cow<'a, str>,
    #[serde(borrow)]
    pub id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub channel: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub from: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub key: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub encoding: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub data: Option<&'a RawValue>,
    pub timestamp: u64,
}

/// `data` of answers: those fields that somebody looks at.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Answer {
    pub id: Option<String>,
    pub duplicate: bool,
    pub position: Option<String>,
    pub recovered: Option<bool>,
    pub missed: Option<u64>,
    pub code: Option<String>,
    pub message: Option<String>,
    pub temporary: Option<bool>,
    pub after: Option<String>,
    pub to: Option<String>,
    pub reason: Option<String>,
    pub error: Option<Box<Answer>>,
}

/// `data` of the answer to `history`.
#[derive(Debug, Deserialize)]
pub struct Messages<'a> {
    #[serde(borrow)]
    pub messages: Vec<&'a RawValue>,
    pub position: Option<String>,
}

impl<'a> Envelope<'a> {
    /// Reads a message; the server's JSON is always right.
    pub fn read(text: &'a [u8]) -> Self {
        serde_json::from_slice(text)
            .unwrap_or_else(|error| panic!("{error} in {}", String::from_utf8_lossy(text)))
    }

    /// Its `data`, as far as it is an answer.
    pub fn answer(&self) -> Answer {
        let data = self.data.map_or("{}", RawValue::get);
        serde_json::from_str(data).unwrap_or_else(|error| panic!("{error} in {data}"))
    }

    /// Whether this is that publication, whole.
    pub fn check(&self, publication: &Publication) {
        let position = publication.position;
        let data = self.data.expect("a publication has data").get();
        let same = match (publication.kind, self.encoding.as_deref()) {
            (Kind::Json, None) => data.as_bytes() == &publication.payload[..],
            (Kind::Text, Some("text")) => {
                let text: String = serde_json::from_str(data).expect("text is a string");
                text.as_bytes() == &publication.payload[..]
            }
            (Kind::Binary, Some("base64")) => {
                let text: &str = serde_json::from_str(data).expect("base64 is a string");
                STANDARD.decode(text).expect("valid base64")[..] == publication.payload[..]
            }
            (kind, encoding) => panic!("{position} is {kind:?} and came as {encoding:?}"),
        };
        assert!(same, "{position} came as {data}");
        assert_eq!(self.timestamp, publication.timestamp, "the timestamp of {position}");
        assert_eq!(self.key.as_deref(), publication.key.as_deref(), "key of {position}");
        assert_eq!(self.from.as_deref(), publication.from.as_deref(), "from of {position}");
    }
}

/// The fields that carry an intent's payload in a request.
pub fn data_fields(intent: &Intent) -> String {
    match intent.kind {
        Kind::Json => format!("\"data\":{}", std::str::from_utf8(&intent.payload).expect("JSON")),
        Kind::Text => {
            let text = std::str::from_utf8(&intent.payload).expect("text");
            format!("\"encoding\":\"text\",\"data\":{}", serde_json::to_string(text).unwrap())
        }
        Kind::Binary => {
            let text = STANDARD.encode(&intent.payload);
            format!("\"encoding\":\"base64\",\"data\":\"{text}\"")
        }
    }
}
