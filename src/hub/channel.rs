//! One channel at its owner: it gives out positions, keeps history, and knows how many subscribers
//! each worker has in each encoding. It never sends: it returns deliveries. Who finds it and when
//! it is forgotten is the shard's business.

use std::sync::Arc;

use super::history::{Bounds, History};
use super::page::Source;
use super::{
    Audience, ConnectionKey, Delivery, Encoding, Epoch, FeedKey, Framer, Frames, Kind, Now,
    Position, Publication, WorkerId, encode,
};

/// One worker's subscribers of one kind.
#[derive(Clone, Copy, Debug)]
pub struct Interest {
    /// Whose, and of which kind.
    pub audience: Audience,
    /// The worker's feed.
    pub feed: FeedKey,
    /// Its Joins less its Leaves; never 0.
    pub count: u32,
    /// A paced group that has everything waits to hear that there is more.
    pub waits: bool,
}

/// What an operator decides about a channel, as far as its owner needs to know. It is read anew for
/// everything that is asked, so that a channel follows when it changes.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// Of its history.
    pub history: Bounds,
    /// Publications of clients that it takes a second; 0: no limit.
    pub publish_rate: u32,
}

/// Who publishes, as far as `publish_rate` asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Publisher {
    /// The backend: as much as it likes.
    Backend,
    /// A client with words: what is too much is refused.
    Client,
    /// A client without words: it is read more slowly, and refused when that does not help.
    Raw,
}

/// A second, in microseconds.
const SECOND_US: u64 = 1_000_000;

/// How far publishers without words may together be ahead of a channel's rate.
const RAW_AHEAD_US: u64 = 2 * SECOND_US;

/// A publication before it has a position.
#[derive(Debug)]
pub struct Draft {
    /// How to understand the payload.
    pub kind: Kind,
    /// The payload, verbatim.
    pub payload: Arc<[u8]>,
    /// The verified user.
    pub from: Option<Box<str>>,
    /// The conflation key.
    pub key: Option<Box<str>>,
    /// The connection that shall not get it live.
    pub skip: Option<ConnectionKey>,
}

/// A channel.
#[derive(Debug)]
pub struct Channel {
    /// Its name.
    pub name: Arc<str>,
    /// Its life.
    pub epoch: Epoch,
    /// Index of the latest publication; 0 before the first.
    pub head: u64,
    /// The latest publications.
    pub history: History,
    /// Who listens.
    pub interests: Vec<Interest>,
    /// When it was last used, monotonic milliseconds.
    pub touched_ms: u64,
    /// When its allowance of clients' publications will be whole again (GCRA), in microseconds.
    allowance_us: u64,
}

impl Channel {
    /// A channel without publications and subscribers.
    pub fn new(name: Arc<str>, epoch: Epoch, now: Now) -> Self {
        Self {
            name,
            epoch,
            head: 0,
            history: History::default(),
            interests: Vec::new(),
            touched_ms: now.mono_ms,
            allowance_us: 0,
        }
    }

    /// Takes a publication of a client from the channel's allowance, which is that of one second
    /// at once. Where there is no room, says in milliseconds how long to wait, and nothing is
    /// taken. But a publisher without words is taken in (`Ok`) and waits before the next, until
    /// such publishers are together so far ahead that they would shut out all others for long.
    pub fn admit(&mut self, publisher: Publisher, publish_rate: u32, now: Now) -> Result<u64, u64> {
        if publish_rate == 0 || publisher == Publisher::Backend {
            return Ok(0);
        }
        let now_us = now.mono_ms * 1000;
        let whole = self.allowance_us.max(now_us) + SECOND_US / u64::from(publish_rate);
        let ahead_us = (whole - now_us).saturating_sub(SECOND_US);
        let wait_ms = ahead_us.div_ceil(1000);
        let most_us = if publisher == Publisher::Raw { RAW_AHEAD_US } else { 0 };
        if ahead_us > most_us {
            return Err(wait_ms);
        }
        self.allowance_us = whole;
        Ok(wait_ms)
    }

    /// Its head as a position.
    pub fn position(&self) -> Position {
        Position { epoch: self.epoch, index: self.head }
    }

    /// Number of subscribers.
    pub fn subscribers(&self) -> u64 {
        self.interests.iter().map(|interest| u64::from(interest.count)).sum()
    }

    /// Its part that pages are cut from.
    pub fn source(&self) -> Source<'_> {
        Source { name: &self.name, epoch: self.epoch, head: self.head, history: &self.history }
    }

    /// Gives the draft its position and appends one delivery per interest. The frame is encoded
    /// once per encoding. `scratch` is reused between calls.
    pub fn publish(
        &mut self,
        draft: Draft,
        now: Now,
        bounds: &Bounds,
        framer: &mut impl Framer,
        scratch: &mut Scratch,
        deliveries: &mut Vec<(WorkerId, Delivery)>,
    ) -> Arc<Publication> {
        self.head += 1;
        let position = self.position();
        let Draft { kind, payload, from, key, skip } = draft;
        let timestamp = now.wall_ms;
        let publication = Arc::new(Publication { position, kind, timestamp, from, key, payload });
        scratch.encoded.clear();
        for interest in &mut self.interests {
            let Audience { worker, encoding, pace } = interest.audience;
            let frames = match pace {
                None => scratch.frames(encoding, &self.name, &publication, framer),
                Some(_) if std::mem::take(&mut interest.waits) => Arc::clone(&scratch.nothing),
                Some(_) => continue,
            };
            let skip = skip.filter(|connection| connection.worker == worker);
            let (feed, accepted_us) = (interest.feed, now.mono_us);
            deliveries.push((worker, Delivery { feed, position, frames, skip, accepted_us }));
        }
        self.history.push(Arc::clone(&publication), now.mono_ms, bounds);
        publication
    }

    /// Counts one more subscriber. A worker that has made a new feed is followed there.
    pub fn joined(&mut self, audience: Audience, feed: FeedKey) {
        match self.interests.iter_mut().find(|interest| interest.audience == audience) {
            Some(interest) => {
                interest.count += 1;
                interest.feed = feed;
            }
            None => self.interests.push(Interest { audience, feed, count: 1, waits: false }),
        }
    }

    /// Counts one less.
    pub fn left(&mut self, audience: Audience) {
        let Some(at) = self.interests.iter().position(|i| i.audience == audience) else {
            debug_assert!(false, "a Leave has a Join");
            return;
        };
        self.interests[at].count -= 1;
        if self.interests[at].count == 0 {
            self.interests.swap_remove(at);
        }
    }

    /// A paced group has everything up to the head: its feed is told when there is more.
    pub fn rests(&mut self, audience: Audience, feed: FeedKey) {
        let waits = |i: &&mut Interest| i.audience == audience && i.feed == feed;
        if let Some(interest) = self.interests.iter_mut().find(waits) {
            interest.waits = true;
        }
    }
}

/// Buffers that encoding reuses.
#[derive(Debug, Default)]
pub struct Scratch {
    encoded: Vec<(Encoding, Frames)>,
    nothing: Frames,
    text: Vec<u8>,
    frame: Vec<u8>,
}

impl Scratch {
    fn frames(
        &mut self,
        encoding: Encoding,
        channel: &str,
        publication: &Publication,
        framer: &mut impl Framer,
    ) -> Frames {
        if let Some((_, frames)) = self.encoded.iter().find(|(known, _)| *known == encoding) {
            return Arc::clone(frames);
        }
        self.frame.clear();
        encode::frame(&mut self.frame, &mut self.text, encoding, channel, publication, framer);
        let frames: Frames = self.frame.as_slice().into();
        self.encoded.push((encoding, Arc::clone(&frames)));
        frames
    }

    /// Gives back what large messages have made of the buffers, and the references to their frames.
    pub fn rest(&mut self) {
        self.encoded.clear();
        self.text.shrink_to(64 << 10);
        self.frame.shrink_to(64 << 10);
    }
}
