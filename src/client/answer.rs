//! What the server says to a client: JSON texts, appended to a buffer, without WebSocket frames.
//! The fields stand in one order, so that equal messages have equal bytes: `type`, `id`, `channel`,
//! `data`, `timestamp`. Publications are encoded by the hub, once for everybody.

use super::code::Fault;
use super::command::RequestId;
use crate::hub::{Epoch, Position, encode};

/// What this server can do beyond the first words of v1, told in the welcome.
pub const FEATURES: [&str; 6] = ["history", "raw", "idempotency", "batch", "latest", "presence"];

/// What all welcomes of a node say.
#[derive(Clone, Debug)]
pub struct Host<'a> {
    /// Its name.
    pub node: &'a str,
    /// What remembers idempotency keys: another one has forgotten those of this.
    pub memory: Epoch,
    /// Period of pings; 0 for none.
    pub ping_interval_ms: u64,
    /// How long a pong may take.
    pub pong_timeout_ms: u64,
    /// Period of `update`; 0 for none.
    pub update_interval_ms: u64,
    /// A client's message may have so many bytes.
    pub max_message_bytes: u64,
    /// Back-off of a client that lost its connection: the least and the most.
    pub reconnect_ms: (u64, u64),
}

/// The same as text, written once: fields that stand together in the welcome.
#[derive(Clone, Debug, Default)]
pub struct Greeting {
    server: Vec<u8>,
    terms: Vec<u8>,
    reconnect: Vec<u8>,
}

/// What the welcome of a connection says.
#[derive(Clone, Debug)]
pub struct Welcome<'a> {
    /// Name of the connection, unique in the cluster.
    pub connection: &'a str,
    /// The verified user.
    pub user: Option<&'a str>,
    /// The place in `$all` from which on the connection hears it.
    pub position: Position,
    /// When the token ends, where there is one.
    pub expires_in_ms: Option<u64>,
    /// What everybody is told.
    pub greeting: &'a Greeting,
}

impl Greeting {
    /// Writes it.
    pub fn new(host: &Host<'_>) -> Self {
        let server = Fields::following(|fields| {
            fields.text("server", concat!("fanwire/", env!("CARGO_PKG_VERSION")));
            fields.text("node", host.node);
            fields.epoch("memory", host.memory);
            fields.number("protocol", 1);
            fields.raw("features", features);
        });
        let terms = Fields::following(|fields| {
            fields.number("ping_interval_ms", host.ping_interval_ms);
            fields.number("pong_timeout_ms", host.pong_timeout_ms);
            fields.number("update_interval_ms", host.update_interval_ms);
            fields.number("max_message_bytes", host.max_message_bytes);
        });
        let (min_ms, max_ms) = host.reconnect_ms;
        let reconnect = Fields::following(|fields| {
            fields.raw("reconnect", |out| {
                object(out, |fields| {
                    fields.number("min_ms", min_ms);
                    fields.number("max_ms", max_ms);
                });
            });
        });
        Self { server, terms, reconnect }
    }
}

/// Appends the first message of a connection.
pub fn connection(out: &mut Vec<u8>, welcome: &Welcome<'_>, timestamp: u64) {
    message(out, "connection", &RequestId::None, None, timestamp, |data| {
        object(data, |fields| {
            fields.text("connection", welcome.connection);
            fields.optional_text("user", welcome.user);
            fields.written(&welcome.greeting.server);
            fields.position("position", welcome.position);
            fields.written(&welcome.greeting.terms);
            fields.optional_number("expires_in_ms", welcome.expires_in_ms);
            fields.written(&welcome.greeting.reconnect);
        });
    });
}

fn features(out: &mut Vec<u8>) {
    for (at, feature) in FEATURES.iter().enumerate() {
        out.push(if at == 0 { b'[' } else { b',' });
        encode::string(out, feature);
    }
    out.push(b']');
}

/// Appends an `ack` whose `data` is what `data` appends: one JSON value.
pub fn ack(
    out: &mut Vec<u8>,
    id: &RequestId,
    channel: Option<&str>,
    data: impl FnOnce(&mut Vec<u8>),
    timestamp: u64,
) {
    message(out, "ack", id, channel, timestamp, data);
}

/// Appends the `data` of the `ack` of an `auth`.
pub fn logged_in(out: &mut Vec<u8>, user: &str, expires_in_ms: u64) {
    object(out, |fields| {
        fields.text("user", user);
        fields.number("expires_in_ms", expires_in_ms);
    });
}

/// Appends what tells a client to send its next token.
pub fn expiring(out: &mut Vec<u8>, expires_in_ms: u64, timestamp: u64) {
    message(out, "expiring", &RequestId::None, None, timestamp, |data| {
        object(data, |fields| fields.number("expires_in_ms", expires_in_ms));
    });
}

/// Appends the `data` of the `ack` of a `subscribe`. `missed` is how many publications are lost for
/// good, where that is known.
pub fn subscribed(out: &mut Vec<u8>, position: Position, recovered: bool, missed: Option<u64>) {
    object(out, |fields| {
        fields.position("position", position);
        fields.flag("recovered", recovered);
        fields.optional_number("missed", missed);
    });
}

/// Appends the `data` of the `ack` of an `unsubscribe`; without a position where it had none yet.
pub fn unsubscribed(out: &mut Vec<u8>, position: Option<Position>) {
    object(out, |fields| match position {
        Some(position) => fields.position("position", position),
        None => fields.optional_text("position", None),
    });
}

/// Appends what begins a subscription that the backend has made.
pub fn given(out: &mut Vec<u8>, channel: &str, position: Position, timestamp: u64) {
    message(out, "subscribed", &RequestId::None, Some(channel), timestamp, |data| {
        object(data, |fields| fields.position("position", position));
    });
}

/// Appends what ends a subscription without the client's asking. `position`: the last one that it
/// was given, where that can be said.
pub fn ended(
    out: &mut Vec<u8>,
    channel: &str,
    reason: &str,
    position: Option<Position>,
    timestamp: u64,
) {
    message(out, "unsubscribed", &RequestId::None, Some(channel), timestamp, |data| {
        object(data, |fields| {
            fields.text("reason", reason);
            match position {
                Some(position) => fields.position("position", position),
                None => fields.optional_text("position", None),
            }
        });
    });
}

/// Appends the `data` of the `ack` of a `publish`.
pub fn published(out: &mut Vec<u8>, position: Position, duplicate: bool) {
    object(out, |fields| {
        fields.position("id", position);
        if duplicate {
            fields.flag("duplicate", true);
        }
    });
}

/// Appends the `data` of the `ack` of a `history`, or the body of the same over HTTP. Each of
/// `messages` is a publication's whole message.
pub fn history<'m>(
    out: &mut Vec<u8>,
    messages: impl IntoIterator<Item = &'m [u8]>,
    more: bool,
    position: Position,
) {
    object(out, |fields| {
        fields.raw("messages", |out| {
            out.push(b'[');
            for (at, message) in messages.into_iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                out.extend_from_slice(message);
            }
            out.push(b']');
        });
        fields.flag("more", more);
        fields.position("position", position);
    });
}

/// Appends an `error`.
pub fn error(
    out: &mut Vec<u8>,
    id: &RequestId,
    channel: Option<&str>,
    fault: &Fault,
    retry_after_ms: Option<u64>,
    timestamp: u64,
) {
    message(out, "error", id, channel, timestamp, |data| fault_object(data, fault, retry_after_ms));
}

/// Appends `{code, message, temporary, retry_after_ms?}`.
fn fault_object(out: &mut Vec<u8>, fault: &Fault, retry_after_ms: Option<u64>) {
    let Fault { code, message } = fault;
    object(out, |fields| {
        fields.text("code", code.as_str());
        fields.text("message", message);
        fields.flag("temporary", code.temporary());
        if let Some(pace) = retry_after_ms {
            fields.number("retry_after_ms", pace);
        }
    });
}

/// Appends an `echo` of a JSON value, as it stood in the request.
pub fn echo(out: &mut Vec<u8>, id: &RequestId, data: Option<&str>, timestamp: u64) {
    match data {
        Some(data) => message(out, "echo", id, None, timestamp, |out| {
            out.extend_from_slice(data.as_bytes());
        }),
        None => bare_message(out, "echo", id, timestamp),
    }
}

/// Appends the answer to `ping`.
pub fn pong(out: &mut Vec<u8>, id: &RequestId, timestamp: u64) {
    bare_message(out, "pong", id, timestamp);
}

/// Appends the periodic update. `connections` where everybody may know the number.
pub fn update(out: &mut Vec<u8>, connections: Option<u64>, timestamp: u64) {
    message(out, "update", &RequestId::None, None, timestamp, |data| {
        object(data, |fields| {
            fields.number("time", timestamp);
            if let Some(connections) = connections {
                fields.number("connections", connections);
            }
        });
    });
}

/// Why a client is asked to leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Away {
    /// The node is about to stop.
    Restart,
    /// The connection has been there for long.
    Age,
}

/// Appends `goaway`: leave in the second half of this time, at a random moment, or be closed.
pub fn goaway(out: &mut Vec<u8>, why: Away, closes_in_ms: u64, timestamp: u64) {
    message(out, "goaway", &RequestId::None, None, timestamp, |data| {
        object(data, |fields| {
            fields.text(
                "reason",
                match why {
                    Away::Restart => "restart",
                    Away::Age => "age",
                },
            );
            fields.raw("reconnect_after_ms", |out| {
                out.push(b'[');
                encode::number(out, closes_in_ms / 2);
                out.push(b',');
                encode::number(out, closes_in_ms);
                out.push(b']');
            });
            fields.number("closes_in_ms", closes_in_ms);
        });
    });
}

fn message(
    out: &mut Vec<u8>,
    kind: &str,
    id: &RequestId,
    channel: Option<&str>,
    timestamp: u64,
    data: impl FnOnce(&mut Vec<u8>),
) {
    object(out, |fields| {
        fields.text("type", kind);
        fields.id(id);
        if let Some(channel) = channel {
            fields.text("channel", encode::shown(channel));
        }
        fields.raw("data", data);
        fields.number("timestamp", timestamp);
    });
}

fn bare_message(out: &mut Vec<u8>, kind: &str, id: &RequestId, timestamp: u64) {
    object(out, |fields| {
        fields.text("type", kind);
        fields.id(id);
        fields.number("timestamp", timestamp);
    });
}

/// Appends an object with the fields that `fill` writes.
fn object(out: &mut Vec<u8>, fill: impl FnOnce(&mut Fields<'_>)) {
    let mut fields = Fields { out, before: b'{' };
    fill(&mut fields);
    if fields.before == b'{' {
        out.push(b'{');
    }
    out.push(b'}');
}

/// Writes the fields of one object. Names are ours and need no escaping.
struct Fields<'o> {
    out: &'o mut Vec<u8>,
    before: u8,
}

impl Fields<'_> {
    /// Fields that follow others, as text.
    fn following(fill: impl FnOnce(&mut Fields<'_>)) -> Vec<u8> {
        let mut out = Vec::new();
        fill(&mut Fields { out: &mut out, before: b',' });
        out
    }

    /// Fields of which the text is there.
    fn written(&mut self, following: &[u8]) {
        debug_assert_eq!(self.before, b',', "they follow others");
        self.out.extend_from_slice(following);
    }

    fn name(&mut self, name: &str) -> &mut Vec<u8> {
        self.out.extend_from_slice(&[self.before, b'"']);
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
        self.before = b',';
        self.out
    }

    fn raw(&mut self, name: &str, value: impl FnOnce(&mut Vec<u8>)) {
        value(self.name(name));
    }

    fn text(&mut self, name: &str, text: &str) {
        encode::string(self.name(name), text);
    }

    fn number(&mut self, name: &str, number: u64) {
        encode::number(self.name(name), number);
    }

    fn flag(&mut self, name: &str, flag: bool) {
        let word: &[u8] = if flag { b"true" } else { b"false" };
        self.name(name).extend_from_slice(word);
    }

    fn optional_text(&mut self, name: &str, text: Option<&str>) {
        match text {
            Some(text) => self.text(name, text),
            None => self.name(name).extend_from_slice(b"null"),
        }
    }

    fn optional_number(&mut self, name: &str, number: Option<u64>) {
        match number {
            Some(number) => self.number(name, number),
            None => self.name(name).extend_from_slice(b"null"),
        }
    }

    fn position(&mut self, name: &str, position: Position) {
        encode::quoted(self.name(name), position);
    }

    fn epoch(&mut self, name: &str, epoch: Epoch) {
        encode::string(self.name(name), epoch.digits().as_str());
    }

    fn id(&mut self, id: &RequestId) {
        match id {
            RequestId::None => {}
            RequestId::Number(number) => self.number("id", *number),
            RequestId::Text(text) => self.text("id", text),
        }
    }
}

#[cfg(test)]
mod tests;
