//! The border between a worker and the world: everything that a worker asks of sockets, clock and
//! other workers, as one trait. `worker/mio.rs` is the real one; `tests/sim` has a fake one with
//! seeded faults. A worker never touches the world but through this.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use super::mail::Mail;
use crate::hooks::Call;
use crate::hub::Publication;
pub use crate::hub::{Now, WorkerId};

/// What poll says about one registration. Spurious, stale and repeated events are allowed: they may
/// only cost time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// The token of the registration.
    pub token: Token,
    /// There may be bytes to receive, or an end of stream.
    pub readable: bool,
    /// There may be room to send.
    pub writable: bool,
    /// The peer shut down its sending side, or the connection failed: with edge triggering bytes
    /// and FIN may come as this one event, so a reader must read until the end of stream.
    pub hang_up: bool,
}

/// What a registration is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token {
    /// Listener number n.
    Listener(usize),
    /// The connection in this slot. (Slots are reused: an event may be stale, hence harmless.)
    Connection(u32),
}

/// What became of an attempt to accept.
#[derive(Debug)]
pub enum Accept<S> {
    /// A new connection and its peer.
    Connection(S, Peer),
    /// None is waiting.
    Empty,
    /// Out of descriptors (EMFILE, ENFILE) or kernel memory: try again later.
    Exhausted,
}

/// The other end of a connection, and where it knocked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Peer {
    /// Its address; none on a unix socket.
    pub address: Option<IpAddr>,
    /// What the listener serves.
    pub serves: Serves,
}

/// What a listener serves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Serves {
    /// Everything: no `api_listen` is set.
    #[default]
    Everything,
    /// Upgrades: `listen`, where `api_listen` is set.
    Sockets,
    /// API, metrics and pages: `api_listen`.
    Api,
}

/// The world as one worker sees it.
///
/// `recv` and `send` behave like non-blocking sockets: `Err(WouldBlock)` when nothing can be done
/// now, `Ok(0)` from `recv` at the end of the stream, short counts at any time. Readiness is
/// edge-triggered: after `WouldBlock` (or a short count) an event will come when that changes; for
/// `send`, once it was asked for by `await_room`.
pub trait Net {
    /// A connected socket, 4 bytes in the real world.
    type Socket;

    /// Reads the clock.
    fn now(&mut self) -> Now;

    /// Waits for events, mail or the timeout (`None`: for ever), and appends at most 256 events.
    fn poll(&mut self, timeout: Option<Duration>, events: &mut Vec<Event>);

    /// Accepts one connection from listener `listener`. The socket is non-blocking.
    fn accept(&mut self, listener: usize) -> Accept<Self::Socket>;

    /// Stops listening on all listeners.
    fn stop_listening(&mut self);

    /// Asks for events of this socket, under the token `Connection(slot)`: of input and its end,
    /// not of room.
    fn register(&mut self, socket: &Self::Socket, slot: u32) -> io::Result<()>;

    /// Asks for events of room too, from now on. Room that is there already is such an event.
    fn await_room(&mut self, socket: &Self::Socket, slot: u32) -> io::Result<()>;

    /// Receives into `buffer`.
    fn recv(&mut self, socket: &Self::Socket, buffer: &mut [u8]) -> io::Result<usize>;

    /// Sends from `bytes`.
    fn send(&mut self, socket: &Self::Socket, bytes: &[u8]) -> io::Result<usize>;

    /// Shuts down the sending side: the peer reads an end of stream after what was sent.
    fn shutdown(&mut self, socket: &Self::Socket);

    /// Closes the socket.
    fn close(&mut self, socket: Self::Socket);

    /// Gives a new connection to another worker.
    fn place(&mut self, to: WorkerId, socket: Self::Socket, peer: Peer);

    /// Takes the connections that worker 0's door has placed here.
    fn take_placed(&mut self, into: &mut Vec<(Self::Socket, Peer)>);

    /// Posts a batch to another worker (never to oneself), emptying it. Batches of one pair arrive
    /// in order. The receiver is woken if it sleeps.
    fn post(&mut self, to: WorkerId, batch: &mut Vec<Mail>);

    /// Bytes of letters (`Mail::weight`) that were posted to a worker and not taken yet. An
    /// estimate is enough, which one's own posts make larger at once.
    fn backlog(&self, of: WorkerId) -> usize;

    /// Takes all mail that has arrived.
    fn collect(&mut self, into: &mut Vec<Mail>);

    /// Has the backend called, beside the loop: a question is answered by mail. False when there is
    /// no room for it; without hooks there is none.
    fn call(&mut self, call: Call) -> bool {
        drop(call);
        false
    }

    /// Told of every publication at the instant in which the owner gives it its position. For the
    /// simulation's oracle; the real one does nothing.
    fn admitted(&mut self, channel: &str, publication: &Publication) {
        let _ = (channel, publication);
    }

    /// Whether this fault shall be made here. Only the simulation ever says yes, to show that its
    /// oracle would notice.
    fn plants(&mut self, fault: Fault) -> bool {
        let _ = fault;
        false
    }
}

/// Faults that the simulation plants in the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A reader goes on from the channel's head instead of from where its page ended.
    LateAdd,
    /// A reader that has fallen out of the window goes on from the head without a gap.
    SilentEviction,
    /// A worker does not take a publication into its feeds.
    LostDelivery,
    /// A cursor moves over what the kernel did not take.
    CursorPastShortWrite,
    /// A flush sends as long as there is something to send.
    GreedyFlush,
    /// A draining worker closes a connection that has not been given everything.
    CloseUnserved,
    /// An owner is not told that somebody has left its channel.
    LostExit,
    /// What a round brings is lost.
    StaleRound,
    /// A token that has ended ends nothing.
    EndlessToken,
    /// A new token ends no subscription.
    StaleRights,
    /// What the backend does not allow is done all the same.
    IgnoredVerdict,
    /// The backend is not told of an end.
    SilentEnd,
}
