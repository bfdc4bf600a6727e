//! Random abuse at full speed beside a thousand well-behaved clients, each of whose messages
//! arrives in order. Afterwards all gauges are what they were after the first part, and so are the
//! heap in use and resident memory, but for the larger of 2 % and 1 MiB. `FANWIRE_SEED` replays the
//! choices of the abusers.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use socket2::SockRef;

use crate::crowd::{Crowd, connect, distribution};
use crate::server::Server;
use crate::wire::{
    BINARY, CONTINUATION, FIN, PING, RSV1, TEXT, Wire, close, frame, handshake, header, text,
};
use crate::{alone, memory, minutes};

const CLIENTS: usize = 1_000;
const ABUSERS: u64 = 3;
const MIB: u64 = 1 << 20;
/// jemalloc gives back what nobody has used for ten seconds.
const GIVEN_BACK: Duration = Duration::from_secs(15);
/// Abusers come from sources of their own.
const PORTS: usize = 20_000;

/// A generator as simple as can be (Knuth's), for choices that can be replayed.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }
}

/// One act of abuse: what is said after the handshake, or instead of it.
fn abuse(random: &mut Random) -> Vec<u8> {
    let open = |path: &str| {
        let offer = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
        handshake(path, offer).into_bytes()
    };
    let path = ["/ws", "/echo", "/channels/abuse", "/ws?since=x:1"][random.below(4)];
    let channel = format!("abuse.{}", random.below(50));
    let request = |kind: &str| {
        text(&json!({"type": kind, "id": 1, "channel": channel, "data": {}}).to_string())
    };
    let post = "POST /channels/abuse HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n1";
    let more = match random.below(16) {
        0 => return b"GET /ws HTTP/1.1\r\nX-Never: ended".to_vec(),
        1 => return (0..random.below(4_000)).map(|_| random.below(256) as u8).collect(),
        2 => return post.into(),
        3 => return format!("GET / HTTP/1.1\r\nX-Long: {}", "x".repeat(20_000)).into(),
        4 => frame(FIN | PING, [7; 125]).repeat(2_000),
        5 => [frame(TEXT, ""), frame(CONTINUATION, "").repeat(20_000)].concat(),
        6 => frame(FIN | RSV1 | BINARY, crate::bomb()),
        7 => header(BINARY, 1 << 62),
        8 => frame(FIN | TEXT, b"\xff\xfe"),
        9 => frame(FIN | TEXT, vec![b'x'; 60_000])[..30_000].to_vec(),
        10 => text(&json!({"type": "echo", "data": "y".repeat(5_000)}).to_string()).repeat(100),
        11 => [request("subscribe"), request("publish")].concat(),
        12 => request("unsubscribe").repeat(300),
        13 => close(1000, "")[..3].to_vec(),
        14 => vec![FIN | BINARY, 3, 1, 2, 3],
        _ => [request("subscribe"), close(4_000, "enough")].concat(),
    };
    [open(path), more].concat()
}

/// Abuses until it is told to stop. A few connections are kept for a while and never read.
fn abuser(port: u16, seed: u64, stop: &AtomicBool, acts: &AtomicU64) {
    let mut random = Random(seed);
    let mut kept: Vec<TcpStream> = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let mut stream = connect(port, PORTS + random.below(PORTS));
        stream.set_nonblocking(true).expect("non-blocking");
        // What is not taken at once is not said: a message or a frame that ends anywhere.
        let _ = stream.write(&abuse(&mut random));
        if random.below(2) == 0 {
            let _ = stream.read(&mut [0; 4096]);
        }
        acts.fetch_add(1, Ordering::Relaxed);
        match random.below(6) {
            0 => SockRef::from(&stream).set_linger(Some(Duration::ZERO)).expect("a reset"),
            1 => drop(stream.shutdown(Shutdown::Write)),
            2 | 3 => kept.push(stream),
            _ => {}
        }
        if kept.len() > 100 {
            kept.swap_remove(random.below(100));
        }
    }
}

/// What must come back to what it was. (Connections do too, but who asks for them is one, and the
/// one that asked before may not be buried yet.)
fn gauges(server: &Server) -> [u64; 3] {
    ["websockets", "subscriptions", "feeds"].map(|name| server.counter(&format!("fanwire_{name}")))
}

/// Heap in use, and resident memory, of a server at rest: the least of many looks, each of which
/// asks a question that takes some heap itself, over the time in which the allocator gives back.
fn at_rest(server: &Server, crowd: &mut Crowd) -> (u64, u64) {
    let (start, mut looks) = (Instant::now(), Vec::new());
    while start.elapsed() < GIVEN_BACK {
        crowd.turn();
        looks.push((server.counter("fanwire_heap_bytes"), memory(server, "VmRSS")));
    }
    let least = |of: fn(&(u64, u64)) -> u64| looks.iter().map(of).min().expect("there were looks");
    (least(|look| look.0), least(|look| look.1))
}

/// Publishes to the thousand for so long, while they are beside abusers. Returns how many messages
/// each of them has had by then.
fn soak(server: &Server, crowd: &mut Crowd, from: u64, time: Duration, seed: u64) -> u64 {
    let (stop, acts) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut number = from;
    thread::scope(|scope| {
        for abuser_number in 0..ABUSERS {
            let (stop, acts) = (&stop, &acts);
            scope.spawn(move || abuser(server.port, seed + abuser_number, stop, acts));
        }
        let mut backend = Wire::connect(server.port);
        let start = Instant::now();
        while start.elapsed() < time {
            number += 1;
            for path in ["/channels/healthy", "/broadcast"] {
                let data = crowd.data(number, 500).to_string();
                assert_eq!(backend.post(path, "", data.as_bytes()).status, 200);
            }
            crowd.until("the healthy hear it", |crowd| crowd.readers_are_at(&[number, number]));
        }
        stop.store(true, Ordering::Relaxed);
    });
    let delays = distribution(std::mem::take(&mut crowd.delays));
    println!("{} acts of abuse, {} messages each: {delays}", acts.into_inner(), number - from);
    // Who was abandoned by the abusers is ended by a deadline, or by the end that was read.
    server.await_counter("fanwire_connections", |count| count <= CLIENTS as u64 + 1);
    server.await_counter("fanwire_buffered_bytes", |bytes| bytes < 4 << 10);
    server.await_counter("fanwire_window_bytes", |bytes| bytes == 0);
    number
}

#[test]
fn random_abuse_beside_a_thousand() {
    let _alone = alone();
    let seed = std::env::var("FANWIRE_SEED").ok().map_or(1, |text| text.parse().expect("a number"));
    let (first, rest) = match minutes() {
        Some(minutes) => (Duration::from_mins(3), Duration::from_mins(minutes)),
        None => (Duration::from_secs(10), Duration::from_secs(10)),
    };
    let mut flags = vec!["--workers", "2", "--handshake-timeout", "2s", "--stall-timeout", "2s"];
    flags.extend(["--close-timeout", "1s", "--max-channels", "100", "--max-handshakes", "0"]);
    flags.extend(["--max-history-bytes", "4MiB", "--idempotency-age", "1s"]);
    flags.extend(["--max-buffered-bytes", "32MiB", "--max-connections", "4000"]);
    let server = Server::start(&flags);
    let mut crowd = Crowd::gather(server.port, CLIENTS, &["healthy"]);
    let number = soak(&server, &mut crowd, 0, first, seed);
    let (before, (heap, resident)) = (gauges(&server), at_rest(&server, &mut crowd));
    let number = soak(&server, &mut crowd, number, rest, seed + ABUSERS);
    let (after, (heap_after, resident_after)) = (gauges(&server), at_rest(&server, &mut crowd));
    assert_eq!(before, after, "websockets, subscriptions, feeds");
    for member in &crowd.members {
        assert!(member.tracks.iter().all(|track| (track.received, track.told) == (number, 0)));
    }
    println!("heap: {heap} bytes after the first part, {heap_after} at the end");
    println!("resident: {resident} bytes after the first part, {resident_after} at the end");
    // A short run has not met its worst mix in the first part: it may still double what it holds.
    let most = |before: u64| {
        if minutes().is_some() { before + MIB.max(before / 50) } else { 2 * before }
    };
    assert!(resident_after <= most(resident), "{resident_after} bytes, {resident} before");
    assert!(heap_after <= most(heap), "{heap_after} bytes, {heap} before");
}
