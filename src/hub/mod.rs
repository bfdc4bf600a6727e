//! The hub: channels, their positions and their history. Pure: publications and requests in,
//! deliveries and pages out; no sockets, clock or threads.
//!
//! This file owns the vocabulary that `client`, `feed` and `worker` share with the hub. The story
//! continues in `shard` (all channels that one worker owns), `channel` and `page`.

use std::fmt;
use std::sync::Arc;

use crate::limits::PACES_MS;

pub mod channel;
pub mod encode;
pub mod history;
pub mod idempotency;
pub mod latest;
pub mod order;
pub mod page;
pub mod presence;
pub mod shard;
#[cfg(test)]
mod tests;

/// Number of a worker in its node, from 0.
pub type WorkerId = u16;

/// The clock as read once per turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Now {
    /// Milliseconds since the worker's node started; never falls.
    pub mono_ms: u64,
    /// The same in microseconds, to measure with; nothing is decided by it.
    pub mono_us: u64,
    /// Milliseconds since the Unix epoch; may jump.
    pub wall_ms: u64,
}

/// A connection, wherever it is. Slots are reused, generations tell the uses apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionKey {
    /// The worker that owns the connection for life.
    pub worker: WorkerId,
    /// Its place in that worker's table.
    pub slot: u32,
    /// Which use of the slot.
    pub generation: u32,
}

/// A feed of some worker, by its place in that worker's slab and the use of that place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FeedKey {
    /// Place in the slab.
    pub index: u32,
    /// Which use of the place.
    pub generation: u32,
}

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

/// The digits of a number in base 36, without a place on the heap.
#[derive(Clone, Copy, Debug)]
pub struct Digits {
    text: [u8; Self::MAX],
    begin: usize,
}

impl Digits {
    /// The most that there can be.
    pub const MAX: usize = 13;

    /// Those of a number.
    pub fn of(number: u64) -> Self {
        let mut digits = Self { text: [0; Self::MAX], begin: Self::MAX };
        let mut rest = number;
        loop {
            digits.begin -= 1;
            digits.text[digits.begin] =
                b"0123456789abcdefghijklmnopqrstuvwxyz"[(rest % 36) as usize];
            rest /= 36;
            if rest == 0 {
                return digits;
            }
        }
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.text[self.begin..]).unwrap_or_default()
    }
}

impl Epoch {
    /// In base 36.
    pub fn digits(self) -> Digits {
        Digits::of(self.0)
    }
}

/// In base 36.
impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.digits().as_str())
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.epoch, self.index)
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
        if !plain(epoch, Digits::MAX, |b| b.is_ascii_digit() || b.is_ascii_lowercase())
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
    /// The payload as it came; shared by the channels of one batch item.
    pub payload: Arc<[u8]>,
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

/// How much of a channel a subscriber wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Every publication.
    #[default]
    All,
    /// Only the newest of every key.
    Latest,
}

/// The period of a paced group: its members get the newest of every key in rounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pace(u16);

impl Pace {
    /// Every pace that there is, the fastest first.
    pub fn all() -> impl Iterator<Item = Self> {
        PACES_MS.into_iter().map(Self)
    }

    /// The fastest pace of at most so many rounds a second.
    pub fn at_most(rounds_per_second: f64) -> Self {
        let period = 1000.0 / rounds_per_second;
        let slowest = Self(PACES_MS[PACES_MS.len() - 1]);
        Self::all().find(|pace| f64::from(pace.0) >= period).unwrap_or(slowest)
    }

    /// From one round to the next, in milliseconds.
    pub fn period_ms(self) -> u64 {
        u64::from(self.0)
    }
}

/// Subscribers that their channel's owner counts together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Audience {
    /// The worker that has them.
    pub worker: WorkerId,
    /// What they read.
    pub encoding: Encoding,
    /// Their paced group; `None` for those who get each publication as it comes.
    pub pace: Option<Pace>,
}

/// Bytes of one or more whole WebSocket frames, ready to send, shared by everyone who needs them.
pub type Frames = Arc<[u8]>;

impl Encoding {
    /// Envelopes, not compressed.
    pub const JSON: Self = Self { format: Format::Json, window_bits: 0 };
    /// Bare payloads, not compressed.
    pub const RAW: Self = Self { format: Format::Raw, window_bits: 0 };
}

/// How a payload becomes WebSocket frames of one encoding: the worker's codec, handed in, for the
/// hub knows neither frames nor deflate.
pub trait Framer {
    /// Appends one whole message with this payload.
    fn append(&mut self, out: &mut Vec<u8>, encoding: Encoding, binary: bool, payload: &[u8]);
}

/// One publication on its way to one feed.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The feed of the receiving worker.
    pub feed: FeedKey,
    /// Where it stands.
    pub position: Position,
    /// Its frame, encoded for that feed. Empty for the feed of a paced group, which is only told
    /// that there is something to ask for.
    pub frames: Frames,
    /// The connection that shall not get it live.
    pub skip: Option<ConnectionKey>,
    /// When its owner accepted it, by `Now::mono_us`.
    pub accepted_us: u64,
}

/// Why positions will not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GapReason {
    /// The reader was too slow for what the history holds.
    Slow,
    /// The history no longer holds what was asked for.
    Evicted,
    /// The channel's numbering started anew.
    Epoch,
}

impl GapReason {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Slow, Self::Evicted, Self::Epoch];

    /// The word of the contract.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Slow => "slow",
            Self::Evicted => "evicted",
            Self::Epoch => "epoch",
        }
    }
}

/// What came after `after`, up to and with `to`, will not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The last one that the reader has, where that can be said.
    pub after: Option<Position>,
    /// Go on from here.
    pub to: Position,
    /// How many are lost, where that is known.
    pub missed: Option<u64>,
    /// Why.
    pub reason: GapReason,
}
