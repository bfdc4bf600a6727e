//! What is said to a server, and what its words mean, by dialect. Pure: a table of texts; who says
//! them, and when, is told by `crowd`.

use memchr::memmem;
use serde::Deserialize;

use super::flags::DialectName;
use super::stamp::STAMP;
use crate::ws::frame::Opcode;

/// What a server has said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// That it is there: say hello.
    Greeted,
    /// That hello was heard: whoever subscribed will receive.
    Joined,
    /// That it wants an answer: this one.
    Asked(&'static [u8]),
    /// That so many messages will not come.
    Gap(u64),
    /// That it will not do what it was asked.
    Refused,
    /// Something else.
    Other,
}

/// One way of speaking.
#[derive(Clone, Copy, Debug)]
pub struct Dialect {
    /// Which.
    pub name: DialectName,
    /// What its frames are.
    pub opcode: Opcode,
    /// Whether a connection is there only after words, and not with the 101.
    pub greets: bool,
    /// Where it is spoken, unless told otherwise; `{channel}` stands for the channel.
    pub url: &'static str,
}

impl Dialect {
    /// The dialect of this name.
    pub const fn of(name: DialectName) -> Self {
        let (opcode, greets, url) = match name {
            DialectName::Fanwire => (Opcode::Text, true, "ws://127.0.0.1:3003/ws"),
            DialectName::Raw => (Opcode::Text, false, "ws://127.0.0.1:3003/channels/{channel}"),
            DialectName::Nats => (Opcode::Binary, true, "ws://127.0.0.1:8080/"),
            DialectName::Socketio => {
                (Opcode::Text, true, "ws://127.0.0.1:3000/socket.io/?EIO=4&transport=websocket")
            }
        };
        Self { name, opcode, greets, url }
    }

    /// What is answered to a greeting, in one frame; with no channel, by who only publishes.
    pub fn hello(&self, channel: Option<&str>, since: Option<&str>) -> Option<String> {
        match (self.name, channel) {
            (DialectName::Raw, _) | (DialectName::Fanwire, None) => None,
            (DialectName::Fanwire, Some(channel)) => {
                let data = since.map(|since| format!(r#","data":{{"since":"{since}"}}"#));
                let data = data.unwrap_or_default();
                Some(format!(r#"{{"type":"subscribe","id":1,"channel":"{channel}"{data}}}"#))
            }
            (DialectName::Nats, channel) => {
                let connect = r#"CONNECT {"verbose":false,"pedantic":false,"echo":false}"#;
                let subscribe = channel.map(|channel| format!("SUB {channel} 1\r\n"));
                Some(format!("{connect}\r\n{}PING\r\n", subscribe.unwrap_or_default()))
            }
            (DialectName::Socketio, _) => Some("40".into()),
        }
    }

    /// The text of one publication up to its stamp, and what comes behind it, so that its data has
    /// `size` bytes on the wire.
    pub fn publication(&self, channel: &str, size: usize) -> (String, String) {
        let quoted = "x".repeat(size - STAMP - 2);
        match self.name {
            DialectName::Fanwire => (
                format!(r#"{{"type":"publish","channel":"{channel}","data":""#),
                format!("{quoted}\"}}"),
            ),
            DialectName::Socketio => (r#"42["m",""#.into(), format!("{quoted}\"]")),
            DialectName::Raw => (String::new(), quoted + "xx"),
            DialectName::Nats => (format!("PUB {channel} {size}\r\n"), quoted + "xx\r\n"),
        }
    }

    /// What a text that has no stamp means, by its beginning.
    pub fn word(&self, text: &[u8]) -> Word {
        match self.name {
            DialectName::Fanwire => envelope(text),
            DialectName::Raw => Word::Other,
            DialectName::Nats => line(text),
            DialectName::Socketio => packet(text),
        }
    }
}

/// A message of `fanwire.v1`.
fn envelope(text: &[u8]) -> Word {
    const TYPE: &[u8] = br#""type":""#;
    let Some(at) = memmem::find(text, TYPE) else { return Word::Other };
    let mut rest = text[at + TYPE.len()..].splitn(2, |byte| *byte == b'"');
    match rest.next() {
        Some(b"connection") => Word::Greeted,
        Some(b"ack") => Word::Joined,
        Some(b"error") => Word::Refused,
        Some(b"gap") => Word::Gap(missed(text)),
        _ => Word::Other,
    }
}

/// How many messages a gap is about; 0 where that is not known.
fn missed(text: &[u8]) -> u64 {
    #[derive(Deserialize)]
    struct Gap {
        data: Data,
    }
    #[derive(Deserialize)]
    struct Data {
        missed: Option<u64>,
    }
    let gap = serde_json::from_slice::<Gap>(text).ok();
    gap.and_then(|gap| gap.data.missed).unwrap_or_default()
}

/// A packet of engine.io with one of socket.io in it.
fn packet(text: &[u8]) -> Word {
    match text {
        [b'0', ..] => Word::Greeted,
        [b'2', ..] => Word::Asked(b"3"),
        [b'4', b'0', ..] => Word::Joined,
        [b'4', b'4', ..] | [b'1', ..] => Word::Refused,
        _ => Word::Other,
    }
}

/// A line of NATS.
fn line(text: &[u8]) -> Word {
    match text {
        [b'I', b'N', b'F', b'O', ..] => Word::Greeted,
        [b'P', b'I', b'N', b'G', ..] => Word::Asked(b"PONG\r\n"),
        [b'P', b'O', b'N', b'G', ..] => Word::Joined,
        [b'-', b'E', b'R', b'R', ..] => Word::Refused,
        _ => Word::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_has_its_size() {
        let data = |name, size| {
            let (before, after) = Dialect::of(name).publication("c", size);
            before + &"s".repeat(STAMP) + &after
        };
        assert_eq!(data(DialectName::Raw, 40).len(), 40);
        let text = data(DialectName::Fanwire, 40);
        let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(json["data"].to_string().len(), 40);
        let text = data(DialectName::Socketio, 40);
        let json: serde_json::Value = serde_json::from_str(&text[2..]).expect("JSON");
        assert_eq!(json[1].to_string().len(), 40);
        assert_eq!(data(DialectName::Nats, 40).len(), "PUB c 40\r\n".len() + 40 + 2);
    }

    #[test]
    fn words() {
        let fanwire = Dialect::of(DialectName::Fanwire);
        for (text, word) in [
            (r#"{"type":"connection","data":{}}"#, Word::Greeted),
            (r#"{"id":1,"type":"ack"}"#, Word::Joined),
            (r#"{"type":"error","data":{"code":"rate_limited"}}"#, Word::Refused),
            (r#"{"type":"gap","channel":"c","data":{"after":null,"missed":7}}"#, Word::Gap(7)),
            (r#"{"type":"gap","channel":"c","data":{"after":null}}"#, Word::Gap(0)),
            (r#"{"type":"message","data":"ack"}"#, Word::Other),
            ("{}", Word::Other),
        ] {
            assert_eq!(fanwire.word(text.as_bytes()), word, "{text}");
        }
    }
}
