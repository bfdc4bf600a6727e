//! One channel at its owner: it gives out positions, keeps history, and knows how many subscribers
//! each worker has in each encoding. It never sends: it returns deliveries. Who finds it and when
//! it is forgotten is the shard's business.

use std::sync::Arc;

use super::history::{Bounds, History};
use super::page::Source;
use super::{
    ConnectionKey, Delivery, Encoding, Epoch, FeedKey, Framer, Frames, Kind, Now, Position,
    Publication, WorkerId, encode,
};

/// One worker's subscribers of one encoding.
#[derive(Clone, Copy, Debug)]
pub struct Interest {
    /// Whose.
    pub worker: WorkerId,
    /// What they read.
    pub encoding: Encoding,
    /// The worker's feed.
    pub feed: FeedKey,
    /// Its Joins less its Leaves; never 0.
    pub count: u32,
}

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
        }
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
        for interest in &self.interests {
            let encoding = interest.encoding;
            let frames = scratch.frames(encoding, &self.name, &publication, framer);
            let skip = skip.filter(|connection| connection.worker == interest.worker);
            let delivery =
                Delivery { feed: interest.feed, position, frames, skip, accepted_us: now.mono_us };
            deliveries.push((interest.worker, delivery));
        }
        self.history.push(Arc::clone(&publication), now.mono_ms, bounds);
        publication
    }

    /// Counts one more subscriber. A worker that has made a new feed is followed there.
    pub fn joined(&mut self, worker: WorkerId, encoding: Encoding, feed: FeedKey) {
        let same = |i: &&mut Interest| i.worker == worker && i.encoding == encoding;
        match self.interests.iter_mut().find(same) {
            Some(interest) => {
                interest.count += 1;
                interest.feed = feed;
            }
            None => self.interests.push(Interest { worker, encoding, feed, count: 1 }),
        }
    }

    /// Counts one less.
    pub fn left(&mut self, worker: WorkerId, encoding: Encoding) {
        let same = |i: &Interest| i.worker == worker && i.encoding == encoding;
        let Some(at) = self.interests.iter().position(same) else {
            debug_assert!(false, "a Leave has a Join");
            return;
        };
        self.interests[at].count -= 1;
        if self.interests[at].count == 0 {
            self.interests.swap_remove(at);
        }
    }
}

/// Buffers that encoding reuses.
#[derive(Debug, Default)]
pub struct Scratch {
    encoded: Vec<(Encoding, Frames)>,
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
