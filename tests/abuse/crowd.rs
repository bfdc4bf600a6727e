//! Thousands of clients of `/ws` in one thread. Each checks all that it hears: positions come in
//! order, every frame is byte for byte what the others got, and what is missed was told. Who shall
//! not read does not. It never waits without a deadline.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use mio::event::Source as _;
use mio::{Events, Interest, Poll, Token};
use serde_json::{Value, json};
use socket2::{Domain, Socket, Type};

use crate::wire::{CLOSE, FIN, PATIENCE, PING, PONG, TEXT, frame, handshake, text};

/// Ports of one source address that are used before the next one is.
const PER_SOURCE: usize = 5_000;

/// A connection to the server from a source of its own choice, for one has 28,000 ports.
pub fn connect(port: u16, number: usize) -> TcpStream {
    let source = Ipv4Addr::new(127, 0, 0, 2 + (number / PER_SOURCE) as u8);
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::from((source, 0)).into()).expect("a source address");
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    socket.connect(&address.into()).expect("connects");
    socket.into()
}

/// What one client knows of one channel.
#[derive(Clone, Copy, Debug, Default)]
pub struct Track {
    /// The last position that it received or was told to have missed.
    pub at: u64,
    /// How many publications it received.
    pub received: u64,
    /// How many it was told to have missed.
    pub told: u64,
}

/// One client.
pub struct Member {
    stream: mio::net::TcpStream,
    /// The beginning of a frame, or of the head.
    partial: Vec<u8>,
    open: bool,
    acks: usize,
    /// Whether it reads at all.
    pub reads: bool,
    /// Of each channel, `$all` first.
    pub tracks: Vec<Track>,
}

/// A publication as the first one to get it got it, and when it was sent off.
#[derive(Default)]
struct Known {
    frame: Vec<u8>,
    sent_us: u64,
}

/// All of them.
pub struct Crowd {
    poll: Poll,
    events: Events,
    buffer: Vec<u8>,
    channels: Vec<String>,
    known: Vec<Vec<Known>>,
    start: Instant,
    progress: Instant,
    /// From sending off to arrival, in microseconds, of each delivery to who reads.
    pub delays: Vec<u32>,
    /// The clients.
    pub members: Vec<Member>,
}

impl Crowd {
    /// So many clients, each subscribed to these channels and to `$all`.
    pub fn gather(port: u16, count: usize, channels: &[&str]) -> Self {
        let names = ["$all"].iter().chain(channels).map(|&name| name.to_owned()).collect();
        let mut crowd = Self {
            poll: Poll::new().expect("a poll"),
            events: Events::with_capacity(1024),
            buffer: vec![0; 256 << 10],
            channels: names,
            known: (0..=channels.len()).map(|_| Vec::new()).collect(),
            start: Instant::now(),
            progress: Instant::now(),
            delays: Vec::new(),
            members: Vec::with_capacity(count),
        };
        let mut greeting = handshake("/ws", "").into_bytes();
        for channel in channels {
            let subscribe = json!({"type": "subscribe", "id": 1, "channel": channel});
            greeting.extend(text(&subscribe.to_string()));
        }
        for number in 0..count {
            crowd.join(connect(port, number), &greeting);
            if number % 500 == 499 {
                crowd.until("all are greeted", Self::is_subscribed);
            }
        }
        crowd.until("all are subscribed", Self::is_subscribed);
        crowd
    }

    fn join(&mut self, mut stream: TcpStream, greeting: &[u8]) {
        stream.write_all(greeting).expect("a greeting");
        stream.set_nonblocking(true).expect("non-blocking");
        let mut stream = mio::net::TcpStream::from_std(stream);
        let token = Token(self.members.len());
        stream.register(self.poll.registry(), token, Interest::READABLE).expect("registers");
        self.members.push(Member {
            stream,
            partial: Vec::new(),
            open: false,
            acks: 0,
            reads: true,
            tracks: vec![Track::default(); self.channels.len()],
        });
    }

    fn is_subscribed(&self) -> bool {
        let wanted = self.channels.len() - 1;
        self.members.iter().all(|member| member.open && member.acks == wanted)
    }

    /// Microseconds since the crowd began to gather.
    pub fn now_us(&self) -> u64 {
        self.start.elapsed().as_micros() as u64
    }

    /// The data of a publication: its number, when it was sent off, and something to carry.
    pub fn data(&self, number: u64, bytes: usize) -> Value {
        json!([number, self.now_us(), "x".repeat(bytes)])
    }

    /// Reads whatever has come, for at most a tenth of a second.
    pub fn turn(&mut self) {
        if let Err(error) = self.poll.poll(&mut self.events, Some(Duration::from_millis(100))) {
            assert_eq!(error.kind(), ErrorKind::Interrupted);
        }
        let ready: Vec<_> = self.events.iter().map(|event| event.token().0).collect();
        for at in ready {
            self.read(at);
        }
    }

    /// Reads until something is true.
    pub fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        self.progress = Instant::now();
        while !done(self) {
            assert!(self.progress.elapsed() < 2 * PATIENCE, "nothing comes any more: {what}");
            self.turn();
        }
    }

    /// Lets those that did not read read again.
    pub fn wake(&mut self) {
        for at in 0..self.members.len() {
            if !self.members[at].reads {
                self.members[at].reads = true;
                self.read(at);
            }
        }
    }

    /// Whether every reader knows of everything up to these positions, one for each channel.
    pub fn readers_are_at(&self, heads: &[u64]) -> bool {
        self.members
            .iter()
            .filter(|member| member.reads)
            .all(|member| member.tracks.iter().zip(heads).all(|(track, &head)| track.at >= head))
    }

    fn read(&mut self, at: usize) {
        if !self.members[at].reads {
            return;
        }
        let mut buffer = std::mem::take(&mut self.buffer);
        loop {
            match self.members[at].stream.read(&mut buffer) {
                Ok(0) => panic!("client {at}: the server has ended"),
                Ok(count) => self.take(at, &buffer[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => panic!("client {at}: {error}"),
            }
        }
        self.buffer = buffer;
    }

    fn take(&mut self, at: usize, bytes: &[u8]) {
        self.progress = Instant::now();
        let mut held = std::mem::take(&mut self.members[at].partial);
        let whole = if held.is_empty() {
            bytes
        } else {
            held.extend_from_slice(bytes);
            &held
        };
        let mut rest = whole;
        if !self.members[at].open {
            let Some(end) = rest.windows(4).position(|bytes| bytes == b"\r\n\r\n") else {
                self.members[at].partial = rest.to_vec();
                return;
            };
            let head = String::from_utf8_lossy(&rest[..end]);
            assert!(rest.starts_with(b"HTTP/1.1 101 "), "client {at}: {head}");
            self.members[at].open = true;
            rest = &rest[end + 4..];
        }
        while let Some((first, payload, next)) = split_frame(rest) {
            self.hear(at, first, payload);
            rest = next;
        }
        self.members[at].partial = rest.to_vec();
    }

    fn hear(&mut self, at: usize, first: u8, payload: &[u8]) {
        if first == FIN | PING {
            let pong = frame(FIN | PONG, payload);
            self.members[at].stream.write_all(&pong).expect("a pong fits");
            return;
        }
        assert_ne!(first, FIN | CLOSE, "client {at} was closed: {payload:?}");
        assert_eq!(first, FIN | TEXT, "client {at}");
        for (track, known) in self.members[at].tracks.iter_mut().zip(&self.known) {
            let Some(next) = known.get(track.at as usize) else { continue };
            if next.frame == payload {
                track.at += 1;
                track.received += 1;
                let delay = self.start.elapsed().as_micros() as u64 - next.sent_us;
                self.delays.push(delay as u32);
                return;
            }
        }
        self.hear_news(at, payload);
    }

    /// What is not a known publication that comes next.
    fn hear_news(&mut self, at: usize, payload: &[u8]) {
        let said: Value = serde_json::from_slice(payload).expect("JSON");
        let channel = match said["type"].as_str() {
            Some("broadcast") => 0,
            Some("message" | "gap") => {
                let name = |name: &String| said["channel"] == **name;
                self.channels.iter().position(name).expect("a channel that was asked for")
            }
            Some("ack") => {
                self.members[at].acks += 1;
                return;
            }
            Some("connection") => return,
            _ => panic!("client {at}: {said}"),
        };
        let track = &mut self.members[at].tracks[channel];
        if said["type"] == "gap" {
            let gap = &said["data"];
            let to = index(&gap["to"]);
            assert_eq!(index(&gap["after"]), track.at, "client {at}: the last it had: {said}");
            assert_eq!(gap["missed"], to - track.at, "client {at}: {said}");
            track.told += to - track.at;
            track.at = to;
            return;
        }
        let position = index(&said["id"]);
        assert_eq!(position, track.at + 1, "client {at}: an untold gap: {}", said["channel"]);
        assert_eq!(said["data"][0], position, "what was published under this number");
        let known = &mut self.known[channel];
        if known.len() < position as usize {
            known.resize_with(position as usize, Known::default);
        }
        let entry = &mut known[position as usize - 1];
        assert!(entry.frame.is_empty(), "client {at}: not the same bytes as for others");
        let sent_us = said["data"][1].as_u64().expect("a time");
        *entry = Known { frame: payload.to_vec(), sent_us };
        (track.at, track.received) = (position, track.received + 1);
    }
}

/// The number in a position, 0 for none.
fn index(position: &Value) -> u64 {
    let Some(text) = position.as_str() else { return 0 };
    let (_, index) = text.split_once(':').expect("a position");
    index.parse().expect("a number")
}

/// The first frame: its first byte, its payload, and what comes after it.
pub fn split_frame(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (header, length) = match *bytes.get(1)? {
        127 => (10, u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?) as usize),
        126 => (4, u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?).into()),
        short => (2, short.into()),
    };
    let payload = bytes.get(header..header + length)?;
    Some((bytes[0], payload, &bytes[header + length..]))
}

/// The distribution of some durations in microseconds, as one line.
pub fn distribution(mut micros: Vec<u32>) -> String {
    micros.sort_unstable();
    let Some(&max) = micros.last() else { return "nothing was measured".into() };
    let at = |permille: usize| f64::from(micros[micros.len() * permille / 1000]) / 1000.0;
    let [p50, p90, p99, p999] = [500, 900, 990, 999].map(at);
    let (max, count) = (f64::from(max) / 1000.0, micros.len());
    format!(
        "p50 {p50:.2}, p90 {p90:.2}, p99 {p99:.2}, p99.9 {p999:.2}, max {max:.2} ms, of {count}"
    )
}
