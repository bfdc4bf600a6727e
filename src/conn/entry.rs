//! One connection at rest: 64 bytes hot (one cache line, all that a delivery touches), 32 bytes
//! cold, 4 bytes of due time (in `table`). No heap block belongs to an idle anonymous connection.

use super::inbox::Inbox;
use super::outbox::Outbox;
use super::session::Session;
use crate::addresses::AddressId;

/// Where a connection is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Phase {
    /// The slot is free.
    Free,
    /// A request head is awaited or on its way.
    Head,
    /// The body of an HTTP request is on its way.
    Body,
    /// An HTTP request waits for its answer; nothing is read.
    Exchange,
    /// The 101 is sent, and the place to begin with is awaited; nothing is read.
    Opening,
    /// A WebSocket.
    Open,
    /// Our Close is queued or sent; the peer's is awaited, and its other frames are discarded.
    Closing,
    /// All is said. When it is sent, our side is shut down, and what comes is discarded until the
    /// peer ends too.
    Lingering,
}

/// What a WebSocket is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Endpoint {
    /// `/ws`: envelopes.
    Envelope,
    /// `/channels/{name}`: bare payloads of one channel.
    Raw,
    /// `/echo`.
    Echo,
}

/// A set of marks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(u32);

impl Flags {
    /// A send came up short: the edge that says there is room again has yet to come.
    pub const BLOCKED: u32 = 1;
    /// It stands in the list of connections with output to send.
    pub const DIRTY: u32 = 1 << 1;
    /// It stands in the list of connections to read from.
    pub const READY: u32 = 1 << 2;
    /// The peer has ended, or the connection failed: read until the end of the stream.
    pub const HANG_UP: u32 = 1 << 3;
    /// It stands in the list of connections to bury.
    pub const DEAD: u32 = 1 << 4;
    /// One of its subscriptions waits for a page.
    pub const PULLING: u32 = 1 << 5;
    /// A ping is out.
    pub const PINGED: u32 = 1 << 6;
    /// Nothing is read until output or pending requests allow it.
    pub const PAUSED: u32 = 1 << 7;
    /// Nothing is read until its rate allows it.
    pub const THROTTLED: u32 = 1 << 8;
    /// Our side is shut down.
    pub const SHUT: u32 = 1 << 9;
    /// It waits for a history, and is not read until that has come.
    pub const HISTORY: u32 = 1 << 10;
    /// It does not want its own publications back (`?self=0`).
    pub const NOT_SELF: u32 = 1 << 11;
    /// It counts among the handshakes under way.
    pub const HANDSHAKE: u32 = 1 << 12;
    /// The end of what it sent has been read.
    pub const ENDED: u32 = 1 << 13;
    /// Its request head has begun to arrive.
    pub const BEGUN: u32 = 1 << 14;
    /// It knows when it is closed.
    pub const TOLD: u32 = 1 << 19;
    /// It is closed as soon as it is served; nothing more is read.
    pub const PARTING: u32 = 1 << 20;

    /// It comes from a trusted proxy: what that says about the client is believed.
    pub const TRUSTED: u32 = 1 << 15;
    /// Its PROXY header is awaited.
    pub const PROXY_HEADER: u32 = 1 << 16;
    /// Its listener has no API.
    pub const NO_API: u32 = 1 << 17;
    /// Its listener has no `WebSockets`.
    pub const NO_SOCKETS: u32 = 1 << 18;
    /// It is a WebSocket, or was one until its last words.
    pub const SOCKET: u32 = 1 << 21;
    /// Something for it found no room: nothing more is said to it, and it will be failed.
    pub const OVERFULL: u32 = 1 << 22;
    /// Its socket was full, and it has not caught up since.
    pub const LAGGED: u32 = 1 << 23;
    /// It has to log in before it hears anything.
    pub const STRANGER: u32 = 1 << 24;
    /// Its token sets a rate of its own.
    pub const SLOWED: u32 = 1 << 25;
    /// Poll tells of room in its socket: it has been full once.
    pub const AWAITS_ROOM: u32 = 1 << 26;
    /// The backend is asked about a message of it; nothing more is read until that is decided.
    pub const PARKED: u32 = 1 << 28;
    /// The backend is told when it ends.
    pub const ANNOUNCED: u32 = 1 << 29;

    /// Whether all of these marks are set.
    pub fn has(self, marks: u32) -> bool {
        self.0 & marks == marks
    }

    /// Whether any of these marks is set.
    pub fn any(self, marks: u32) -> bool {
        self.0 & marks != 0
    }

    /// Sets marks; says whether one of them was new.
    pub fn set(&mut self, marks: u32) -> bool {
        let new = self.0 & marks != marks;
        self.0 |= marks;
        new
    }

    /// Clears marks.
    pub fn clear(&mut self, marks: u32) {
        self.0 &= !marks;
    }
}

/// A subscription as its connection knows it: which feed, and where in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The feed's place in the worker's slab; `NO_FEED` for none.
    pub feed: u32,
    /// The subscription's place in the feed.
    pub at: u32,
}

/// The feed of an empty reference.
pub const NO_FEED: u32 = u32::MAX;

impl Reference {
    const NONE: Self = Self { feed: NO_FEED, at: 0 };
}

/// What a delivery or a message touches.
#[derive(Debug)]
pub struct Hot<S> {
    /// The socket; `None` in a free slot.
    pub socket: Option<S>,
    /// Which use of the slot this is.
    pub generation: u32,
    /// Marks.
    pub flags: Flags,
    /// When its message allowance will be whole again (GCRA), in the wrapping units of
    /// `worker/command.rs`.
    pub rate: u32,
    /// The first two subscriptions, for most connections have no more.
    references: [Reference; 2],
    /// Further subscriptions.
    #[expect(clippy::box_collection, reason = "8 bytes instead of 24 in every connection")]
    more: Option<Box<Vec<Reference>>>,
    /// What waits to be sent to this connection alone.
    pub outbox: Option<Box<Outbox>>,
    /// What has come and is not finished.
    pub inbox: Option<Box<Inbox>>,
    /// Tick of the last byte received.
    pub seen: u32,
    /// Requests that wait for their answer.
    pub pending: u16,
    /// Where it is in its life.
    pub phase: Phase,
    /// What it is for, and the deflate window in the low four bits (0: none).
    kind: u8,
}

/// A tick that does not come: nothing is waited for.
pub const NEVER: u32 = u32::MAX;

/// What only rare events touch.
#[derive(Debug)]
pub struct Cold {
    /// What only some connections need.
    pub session: Option<Box<Session>>,
    /// Tick at which it was accepted; later, that of its last message.
    pub opened: u32,
    /// Tick at which its phase must be over. That of an open WebSocket: when it is told to go, and
    /// then, when it is closed.
    pub deadline: u32,
    /// Tick of the next `update`.
    pub update: u32,
    /// Tick at which its output was blocked.
    pub blocked: u32,
    /// Tick of the ping that is out.
    pub pinged: u32,
    /// Where the node's table of addresses has its client's.
    pub address: Option<AddressId>,
}

impl Default for Cold {
    /// Of a connection that has just come. Nothing is due: what comes at once would have the times
    /// of all connections looked through.
    fn default() -> Self {
        let (deadline, update) = (NEVER, NEVER);
        Self { session: None, opened: 0, deadline, update, blocked: 0, pinged: 0, address: None }
    }
}

impl<S> Hot<S> {
    /// A free slot.
    pub fn free(generation: u32) -> Self {
        Self {
            socket: None,
            generation,
            flags: Flags::default(),
            rate: 0,
            references: [Reference::NONE; 2],
            more: None,
            outbox: None,
            inbox: None,
            seen: 0,
            pending: 0,
            phase: Phase::Free,
            kind: 0,
        }
    }

    /// What it is for.
    pub fn endpoint(&self) -> Endpoint {
        match self.kind >> 4 {
            0 => Endpoint::Envelope,
            1 => Endpoint::Raw,
            _ => Endpoint::Echo,
        }
    }

    /// The deflate window of what is sent to it; 0 for none.
    pub fn window_bits(&self) -> u8 {
        self.kind & 15
    }

    /// Becomes a WebSocket.
    pub fn open(&mut self, endpoint: Endpoint, window_bits: u8) {
        self.kind = (endpoint as u8) << 4 | window_bits & 15;
    }

    /// Its subscriptions.
    pub fn references(&self) -> impl Iterator<Item = Reference> + '_ {
        let more = self.more.iter().flat_map(|more| more.iter());
        let all = self.references.iter().chain(more);
        all.copied().filter(|reference| reference.feed != NO_FEED)
    }

    /// Number of its subscriptions.
    pub fn subscriptions(&self) -> usize {
        let inline = self.references.iter().filter(|reference| reference.feed != NO_FEED).count();
        inline + self.more.as_ref().map_or(0, |more| more.len())
    }

    /// Whether it has no subscription but this feed's.
    pub fn only(&self, feed: u32) -> bool {
        self.more.is_none() && self.references.iter().all(|r| r.feed == feed || r.feed == NO_FEED)
    }

    /// Its subscription to this feed.
    pub fn reference(&self, feed: u32) -> Option<usize> {
        self.references().find(|reference| reference.feed == feed).map(|r| r.at as usize)
    }

    /// Adds a subscription.
    pub fn refer(&mut self, feed: u32, at: usize) {
        let reference = Reference { feed, at: at as u32 };
        match self.references.iter_mut().find(|reference| reference.feed == NO_FEED) {
            Some(free) => *free = reference,
            None => self.more.get_or_insert_default().push(reference),
        }
    }

    /// Notes that its subscription to this feed has moved there.
    pub fn moved(&mut self, feed: u32, at: usize) {
        let more = self.more.iter_mut().flat_map(|more| more.iter_mut());
        if let Some(reference) =
            self.references.iter_mut().chain(more).find(|reference| reference.feed == feed)
        {
            reference.at = at as u32;
        }
    }

    /// Puts its subscription to this feed behind the others.
    pub fn put_last(&mut self, feed: u32) {
        let more = self.more.iter_mut().flat_map(|more| more.iter_mut());
        let all = self.references.iter_mut().chain(more);
        let mut from = all.skip_while(|reference| reference.feed != feed);
        let Some(mut at) = from.next() else { return };
        for next in from {
            std::mem::swap(at, next);
            at = next;
        }
    }

    /// Takes out its subscription to this feed.
    pub fn forget(&mut self, feed: u32) {
        if let Some(inline) = self.references.iter_mut().find(|r| r.feed == feed) {
            *inline = self.more.as_mut().and_then(|more| more.pop()).unwrap_or(Reference::NONE);
        } else if let Some(more) = &mut self.more {
            more.retain(|reference| reference.feed != feed);
        }
        if self.more.as_ref().is_some_and(|more| more.is_empty()) {
            self.more = None;
        }
    }

    /// Bytes that wait to be sent to it alone.
    pub fn queued(&self) -> usize {
        self.outbox.as_ref().map_or(0, |outbox| outbox.bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::num::NonZeroU32;

    #[test]
    fn a_connection_is_64_bytes_hot_and_32_cold() {
        assert_eq!(size_of::<Hot<NonZeroU32>>(), 64);
        assert_eq!(size_of::<Hot<socket2::Socket>>(), 64);
        assert_eq!(size_of::<Cold>(), 32);
    }

    #[test]
    fn references_come_and_go() {
        let mut hot: Hot<NonZeroU32> = Hot::free(0);
        for feed in 0..5 {
            hot.refer(feed, 10 + feed as usize);
        }
        assert_eq!(hot.subscriptions(), 5);
        hot.moved(4, 99);
        hot.forget(1);
        assert_eq!(hot.reference(1), None);
        assert_eq!(hot.reference(4), Some(99));
        for feed in [0, 2, 3, 4] {
            assert!(hot.reference(feed).is_some());
            hot.forget(feed);
        }
        assert_eq!((hot.subscriptions(), hot.more.is_none()), (0, true));
    }

    #[test]
    fn who_had_its_turn_goes_behind_the_others() {
        let mut hot: Hot<NonZeroU32> = Hot::free(0);
        let order = |hot: &Hot<NonZeroU32>| hot.references().map(|r| r.feed).collect::<Vec<_>>();
        for feed in 0..4 {
            hot.refer(feed, feed as usize);
        }
        hot.put_last(0);
        assert_eq!(order(&hot), [1, 2, 3, 0]);
        hot.put_last(3);
        assert_eq!(order(&hot), [1, 2, 0, 3]);
        for absent in [3, 9] {
            hot.put_last(absent);
            assert_eq!(order(&hot), [1, 2, 0, 3]);
        }
        assert_eq!((hot.reference(1), hot.reference(3)), (Some(1), Some(3)));
    }
}
