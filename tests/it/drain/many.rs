//! A node that stops under load: thousands of clients, each hearing publications all the while.
//! They are held by one thread and `mio`; nobody sees anything but what the contract says.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token};
use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};
use serde_json::{Value, json};

use crate::server::Server;
use crate::wire::{CLOSE, FIN, PATIENCE, TEXT, Wire, close, handshake, text};

const CLIENTS: usize = 5_000;
/// Publications that are under way at the same time.
const AHEAD: u64 = 4;

/// A client that reads what there is and answers a Close.
#[expect(clippy::struct_excessive_bools, reason = "what happens, in any order")]
struct Listener {
    stream: mio::net::TcpStream,
    bytes: Vec<u8>,
    upgraded: bool,
    subscribed: bool,
    /// The number in the last publication.
    heard: Option<u64>,
    goaway: bool,
    closed: Option<(u16, String)>,
    ended: bool,
}

impl Listener {
    fn connect(port: u16) -> Self {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("connect");
        stream.write_all(handshake("/ws", "").as_bytes()).expect("send");
        stream.set_nonblocking(true).expect("non-blocking");
        Self {
            stream: mio::net::TcpStream::from_std(stream),
            bytes: Vec::new(),
            upgraded: false,
            subscribed: false,
            heard: None,
            goaway: false,
            closed: None,
            ended: false,
        }
    }

    /// Reads everything that is there.
    fn read(&mut self) {
        let mut buffer = [0; 16 << 10];
        while !self.ended {
            match self.stream.read(&mut buffer) {
                Ok(0) => self.ended = true,
                Ok(count) => self.bytes.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => panic!("{error}, after {:?}", self.closed),
            }
            while self.take_one() {}
        }
        assert!(!self.ended || self.closed.is_some(), "an end without a Close");
    }

    /// Takes the next whole thing, if it is there.
    fn take_one(&mut self) -> bool {
        if !self.upgraded {
            let end = self.bytes.windows(4).position(|four| four == b"\r\n\r\n");
            let Some(end) = end else { return false };
            assert!(self.bytes.starts_with(b"HTTP/1.1 101 "));
            self.bytes.drain(..end + 4);
            self.upgraded = true;
        }
        let [first, second, extended @ ..] = &self.bytes[..] else { return false };
        let (start, length) = match (second, extended) {
            (126, [high, low, ..]) => (4, usize::from(u16::from_be_bytes([*high, *low]))),
            (126, _) => return false,
            (short, _) => (2, usize::from(*short)),
        };
        let first = *first;
        if self.bytes.len() < start + length {
            return false;
        }
        let payload: Vec<u8> = self.bytes.drain(..start + length).skip(start).collect();
        assert_eq!(self.closed, None, "something after the Close");
        match first ^ FIN {
            TEXT => self.take_text(&serde_json::from_slice(&payload).expect("JSON")),
            CLOSE => {
                let (code, reason) = payload.split_first_chunk().expect("a code");
                let reason = String::from_utf8(reason.to_vec()).expect("UTF-8");
                self.closed = Some((u16::from_be_bytes(*code), reason));
                // Fails only where the server has cut it off, which shows.
                let _ = self.stream.write_all(&close(1012, ""));
            }
            other => panic!("opcode {other}"),
        }
        true
    }

    fn take_text(&mut self, message: &Value) {
        match message["type"].as_str() {
            Some("connection") => {
                let request = json!({"type": "subscribe", "channel": "room.7"});
                self.stream.write_all(&text(&request.to_string())).expect("there is room");
            }
            Some("ack") => self.subscribed = true,
            Some("message") => {
                let number = message["data"].as_u64().expect("a number");
                if let Some(heard) = self.heard.replace(number) {
                    assert_eq!(number, heard + 1, "in order, and none missing");
                }
            }
            Some("goaway") => {
                assert!(!self.goaway, "it is told once");
                self.goaway = true;
            }
            other => panic!("{other:?}"),
        }
    }
}

/// All clients, and what wakes the test for them.
struct Crowd {
    poll: Poll,
    clients: Vec<Listener>,
    /// What all that are still there have heard.
    heard: u64,
    /// Who publishes the next number for each that all have heard.
    publisher: Sender<()>,
}

impl Crowd {
    fn gather(port: u16, publisher: Sender<()>) -> Self {
        let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
        setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).expect("descriptors");
        let poll = Poll::new().expect("poll");
        let mut clients = Vec::with_capacity(CLIENTS);
        for number in 0..CLIENTS {
            let mut client = Listener::connect(port);
            let token = Token(number);
            let registry = poll.registry();
            registry.register(&mut client.stream, token, Interest::READABLE).expect("register");
            clients.push(client);
        }
        Self { poll, clients, heard: 0, publisher }
    }

    /// Lets one more number be published.
    fn permit(&self) {
        // Fails when the publisher was closed.
        let _ = self.publisher.send(());
    }

    /// Permits as many as all have heard since this was asked last.
    fn count(&mut self) {
        let there = self.clients.iter().filter(|client| client.closed.is_none());
        let heard = there.map(|client| client.heard.unwrap_or(0)).min().unwrap_or(self.heard);
        for _ in self.heard..heard {
            self.permit();
        }
        self.heard = self.heard.max(heard);
    }

    /// Reads until this holds for all.
    fn until(&mut self, mut holds: impl FnMut(&Listener) -> bool) {
        let mut events = Events::with_capacity(1024);
        let start = Instant::now();
        while !self.clients.iter().all(&mut holds) {
            assert!(start.elapsed() < 2 * PATIENCE, "it takes too long");
            let _ = self.poll.poll(&mut events, Some(Duration::from_secs(1)));
            for event in &events {
                self.clients[event.token().0].read();
            }
            self.count();
        }
    }
}

/// Publishes numbers, one for each permit, until it is closed. Returns the last that was
/// acknowledged.
fn publish_on(mut wire: Wire, permits: &Receiver<()>) -> u64 {
    let mut acknowledged = 0;
    for (number, ()) in (1..).zip(permits) {
        wire.send(publication(number));
        loop {
            let frame = wire.frame();
            if frame.first == FIN | CLOSE {
                wire.send(close(1012, ""));
                wire.end();
                return acknowledged;
            }
            let answer: Value = serde_json::from_slice(&frame.payload).expect("JSON");
            if answer["type"] == "ack" {
                acknowledged = number;
                break;
            }
        }
    }
    acknowledged
}

fn publication(number: u64) -> Vec<u8> {
    let request = json!({"type": "publish", "channel": "room.7", "data": number});
    text(&request.to_string())
}

#[test]
fn under_load_nobody_sees_anything_but_1012() {
    let flags = ["--drain-time", "15s", "--ping-interval", "0", "--messages-per-second", "0"];
    let server = Server::start(&[&["--workers", "2"], &flags[..]].concat());
    let (permit, permits) = mpsc::channel();
    let mut crowd = Crowd::gather(server.port, permit);
    crowd.until(|client| client.subscribed);
    // The last to come is the last to go.
    let publisher = Wire::open(server.port, "/ws");
    let publisher = thread::spawn(move || publish_on(publisher, &permits));
    for _ in 0..AHEAD {
        crowd.permit();
    }
    crowd.until(|client| client.heard >= Some(3));
    server.signal(Signal::TERM);
    crowd.until(|client| client.ended);
    crowd.permit();
    let acknowledged = publisher.join().expect("it publishes");
    assert!(acknowledged > 3, "it publishes until it is closed");
    for client in &crowd.clients {
        let (code, reason) = client.closed.as_ref().expect("a Close");
        assert_eq!(*code, 1012, "{reason}");
        assert!(reason.starts_with("restart;retry="), "{reason}");
        assert!(client.goaway, "a Close without a goaway");
    }
    let (status, log) = server.ended();
    assert_eq!(status.code(), Some(0), "{log}");
}
