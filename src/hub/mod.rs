//! The hub: channels, their positions and their history. Pure: publications and requests in,
//! deliveries and pages out; no sockets, clock or threads.
//!
//! This file owns the vocabulary that `client`, `feed` and `worker` share with the hub. The story
//! continues in `shard` (all channels that one worker owns), `channel` and `page`.

use std::fmt;
use std::sync::Arc;

/// The life of a channel's numbering. Positions of different epochs cannot be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Epoch(pub u64);

/// The place of a publication in its channel: opaque to clients, who compare it for equality only.
/// Written as `<epoch in base 36>:<index in decimal>`, at most 34 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Position {
    /// The life of the channel in which `index` counts.
    pub epoch: Epoch,
    /// Dense, from 1; 0 is the place before the first publication.
    pub index: u64,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut digits = [0u8; 13];
        let mut at = digits.len();
        let mut rest = self.epoch.0;
        loop {
            at -= 1;
            digits[at] = b"0123456789abcdefghijklmnopqrstuvwxyz"[(rest % 36) as usize];
            rest /= 36;
            if rest == 0 {
                break;
            }
        }
        f.write_str(std::str::from_utf8(&digits[at..]).unwrap_or_default())?;
        write!(f, ":{}", self.index)
    }
}

impl Position {
    /// Reads what `Display` writes; anything else is `None` (and treated as an unknown epoch).
    pub fn parse(text: &str) -> Option<Self> {
        let (epoch, index) = text.split_once(':')?;
        let plain = |part: &str, max: usize, digits: fn(&u8) -> bool| {
            !part.is_empty()
                && part.len() <= max
                && part.bytes().all(|b| digits(&b))
                && (part.len() == 1 || !part.starts_with('0'))
        };
        if !plain(epoch, 13, |b| b.is_ascii_digit() || b.is_ascii_lowercase())
            || !plain(index, 20, u8::is_ascii_digit)
        {
            return None;
        }
        let epoch = Epoch(u64::from_str_radix(epoch, 36).ok()?);
        Some(Self { epoch, index: index.parse().ok()? })
    }
}

/// How a publication's payload is to be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A JSON value, passed on verbatim.
    Json,
    /// UTF-8 text that need not be JSON (sent on a raw channel, or with `"encoding": "text"`).
    Text,
    /// Bytes.
    Binary,
}

/// A payload with its position: what a channel's history consists of. Shared, never changed.
#[derive(Debug, PartialEq, Eq)]
pub struct Publication {
    /// Where it stands.
    pub position: Position,
    /// How to understand `payload`.
    pub kind: Kind,
    /// When it was accepted, in milliseconds since the Unix epoch.
    pub timestamp: u64,
    /// The verified user of a client's publication.
    pub from: Option<Box<str>>,
    /// The conflation key.
    pub key: Option<Box<str>>,
    /// The payload as it came.
    pub payload: Box<[u8]>,
}

/// What a subscriber's frames look like on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Format {
    /// Envelopes: `{"type":"message",...}` in text messages.
    Json,
    /// The bare payload, text or binary.
    Raw,
}

/// A format and the deflate window that the connection has agreed on (RFC 7692, section 7.1.2.1).
/// All subscribers of one encoding get the same bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Encoding {
    /// Envelope or bare payload.
    pub format: Format,
    /// 0 for no compression, else 9 to 15.
    pub window_bits: u8,
}

/// Bytes of one or more whole WebSocket frames, ready to send, shared by everyone who needs them.
pub type Frames = Arc<[u8]>;
