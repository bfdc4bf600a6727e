//! What the real network adds in user space to what a worker does: `worker/mio.rs` with the parts
//! of the libraries below it, over unix sockets. The kernel's part is no instruction of ours.

use std::hint::black_box;
use std::time::Duration;

use fanwire::clock::Clock;
use fanwire::worker::mio::MioNet;
use fanwire::worker::net::Net as _;
use socket2::{Domain, Socket, Type};

/// Sockets that something is done to, one after the other.
pub const SOCKETS: usize = 64;
const BYTES: [u8; 128] = [b'x'; 128];

/// What a worker asks of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Border {
    /// To send.
    Send,
    /// To receive.
    Receive,
    /// To tell of an event, one of many.
    Event,
    /// What each turn asks: whether there is an event, or mail, and what the time is.
    Turn,
}

impl Border {
    /// Does it, twice: once for what is made once, and once measured.
    pub fn run(self) {
        let nets = MioNet::connected(1, Vec::new(), 0, Clock::start());
        let mut net = nets.expect("a poll").pop().expect("of one worker");
        let pair = |_| Socket::pair(Domain::UNIX, Type::STREAM, None).expect("two sockets");
        let (ours, theirs): (Vec<_>, Vec<_>) = (0..SOCKETS).map(pair).unzip();
        for (slot, socket) in ours.iter().enumerate() {
            socket.set_nonblocking(true).expect("a socket that does not block");
            net.register(socket, slot as u32).expect("a place in the poll");
        }
        let mut buffer = [0; 2 * BYTES.len()];
        for turn in [settle, measured] {
            let mut events = Vec::with_capacity(SOCKETS);
            if self != Self::Event {
                net.poll(Some(Duration::ZERO), &mut events);
                events.clear();
            }
            for socket in theirs.iter().filter(|_| matches!(self, Self::Receive | Self::Event)) {
                socket.send(&BYTES).expect("it fits");
            }
            if self == Self::Receive {
                net.poll(Some(Duration::ZERO), &mut events);
            }
            turn(self, &mut net, &ours, &mut events, &mut buffer);
        }
    }
}

type Events = Vec<fanwire::worker::net::Event>;

#[inline(never)]
fn settle(what: Border, net: &mut MioNet, on: &[Socket], events: &mut Events, into: &mut [u8]) {
    match what {
        Border::Send => {
            for socket in on {
                assert_eq!(net.send(socket, &BYTES).ok(), Some(BYTES.len()));
            }
        }
        Border::Receive => {
            for socket in on {
                assert_eq!(net.recv(socket, into).ok(), Some(BYTES.len()));
            }
        }
        Border::Event => {
            net.poll(Some(Duration::ZERO), events);
            assert_eq!(events.len(), SOCKETS);
        }
        Border::Turn => {
            for _ in 0..SOCKETS {
                net.poll(Some(Duration::ZERO), events);
                black_box(net.now());
                net.collect(&mut Vec::new());
                net.take_placed(&mut Vec::new());
            }
            assert!(events.is_empty());
        }
    }
}

/// The same, counted. What follows keeps it from being the same function.
#[inline(never)]
fn measured(what: Border, net: &mut MioNet, on: &[Socket], events: &mut Events, into: &mut [u8]) {
    settle(what, net, on, events, into);
    black_box(events.len());
}
