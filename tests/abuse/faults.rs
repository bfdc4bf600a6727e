//! Faults: descriptors that run out, connections that are reset or closed in every state, floods of
//! connections, and `slowhttptest`. Somebody well-behaved beside it is served all the while, and
//! afterwards nothing is left.

use std::io::{ErrorKind, Read as _};
use std::net::{Shutdown, TcpStream};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::json;
use socket2::SockRef;

use crate::alone;
use crate::crowd::{connect, distribution};
use crate::server::Server;
use crate::wire::{BINARY, FIN, PATIENCE, TEXT, Wire, close, frame, handshake, header, text};

/// A figure of `/metrics`, by a connection that is there: the sum over its labels.
fn figure(wire: &mut Wire, name: &str) -> u64 {
    let response = wire.request("GET", "/metrics", "");
    assert_eq!(response.status, 200);
    let text = response.text();
    let values = text.lines().filter_map(|line| line.strip_prefix(name)?.rsplit_once(' '));
    values.map(|(_, value)| value.parse::<u64>().expect("a number")).sum()
}

fn set_descriptors(server: &Server, current: u64) {
    let pid = Pid::from_raw(server.pid().cast_signed());
    let maximum = rustix::process::getrlimit(Resource::Nofile).maximum;
    prlimit(pid, Resource::Nofile, Rlimit { current: Some(current), maximum }).expect("prlimit");
}

fn descriptors(server: &Server) -> u64 {
    let open = std::fs::read_dir(format!("/proc/{}/fd", server.pid())).expect("Linux tells");
    open.count() as u64
}

/// Checklist 1.5: `accept` fails for want of descriptors. The server neither spins nor ends, serves
/// those that it has, and lets in those who wait when there are descriptors again.
#[test]
fn descriptors_run_out_at_run_time() {
    const EXHAUSTED: &str = r#"fanwire_limits_total{limit="open_files"}"#;
    const TURNS: &str = "fanwire_worker_turns_total";
    let _alone = alone();
    let server = Server::start(&["--workers", "2", "--messages-per-second", "0"]);
    let mut watch = Wire::connect(server.port);
    let mut peer = Wire::open(server.port, "/echo");
    assert_eq!(figure(&mut watch, EXHAUSTED), 0);
    set_descriptors(&server, descriptors(&server) + 3);
    let mut waiting: Vec<_> =
        (0..100).map(|number| Wire::on(connect(server.port, number))).collect();
    for wire in &mut waiting {
        wire.send("GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n");
    }
    while figure(&mut watch, EXHAUSTED) < 3 {}
    // Each attempt and each question is a few turns, whatever time passes between them.
    let (turns, attempts) = (figure(&mut watch, TURNS), figure(&mut watch, EXHAUSTED));
    let mut questions = 0;
    while figure(&mut watch, EXHAUSTED) < attempts + 10 {
        peer.send(text("still served"));
        assert_eq!(peer.text(), "still served");
        questions += 2;
    }
    let turns = figure(&mut watch, TURNS) - turns;
    println!("{turns} turns for 10 attempts to accept and {questions} questions");
    assert!(turns <= 10 * (10 + questions + 2), "it spins: {turns} turns, {questions} questions");
    set_descriptors(&server, 4_000);
    for (number, wire) in waiting.iter_mut().enumerate() {
        assert_eq!(wire.response().status, 200, "client {number} is let in");
    }
}

/// Where a connection may stand when it breaks off.
fn begin(server: &Server, state: usize) -> Wire {
    let post = "POST /channels/broken HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n";
    let mut wire = Wire::connect(server.port);
    match state {
        0 => {}
        1 => wire.send("GET /ws HT"),
        2 => wire.send(format!("{post}12")),
        3 => wire.send(format!("{post}12345")),
        4 => wire.send(handshake("/ws", "")),
        5 => wire.send("GET / HTTP/1.1\r\nHost:\r\n\r\n and more"),
        _ => {
            wire =
                Wire::open(server.port, if state == 6 { "/ws?since=x:1" } else { "/channels/b" });
            match state {
                7 => wire.send(&text("half")[..7]),
                8 => wire.send(header(BINARY, 9_000)),
                9 => wire.send([text("a publication"), close(1000, "")].concat()),
                10 => wire.send(frame(FIN | 0x20 | TEXT, "a violation")),
                // What it follows fills its buffers.
                11 => wire.keep_little(),
                _ => {}
            }
        }
    }
    wire
}
const STATES: usize = 12;

/// How it breaks off.
fn break_off((wire, how): (Wire, usize)) {
    match how {
        0 => SockRef::from(&wire.stream).set_linger(Some(Duration::ZERO)).expect("a reset"),
        1 => drop(wire.stream.shutdown(Shutdown::Write)),
        2 => drop(wire.stream.shutdown(Shutdown::Both)),
        _ => {}
    }
}

/// Checklist 4, close races: resets, half-closes and closes in each state, thousands of times,
/// while everybody is sent to. Who stays hears everything in order; all counts return.
#[test]
fn connections_break_off_in_every_state() {
    let _alone = alone();
    let server = Server::start(&[
        "--workers",
        "2",
        "--messages-per-second",
        "0",
        "--close-timeout",
        "500ms",
        "--handshake-timeout",
        "500ms",
    ]);
    let mut stays = Wire::open(server.port, "/channels/stays");
    server.await_counter("fanwire_subscriptions", |count| count == 1);
    let data = json!("x".repeat(4_000)).to_string();
    let mut held = Vec::new();
    for round in 0..40 {
        for state in 0..STATES {
            held.push((begin(&server, state), (round + state) % 4));
        }
        for channel in ["b", "stays"] {
            assert_eq!(server.post(&format!("/channels/{channel}"), "", &data).status, 200);
        }
        assert_eq!(stays.text(), data);
        if round % 3 == 0 {
            held.drain(..).for_each(break_off);
        }
    }
    held.drain(..).for_each(break_off);
    server.await_counter("fanwire_websockets", |open| open == 1);
    server.await_counter("fanwire_subscriptions", |count| count == 1);
    // What asks is a connection itself.
    server.await_counter("fanwire_connections", |count| count <= 2);
    server.await_counter("fanwire_buffered_bytes", |bytes| bytes < 1 << 10);
}

/// Design 4, `max_connections`, under a flood: who is refused reads why, whole; who is one too many
/// to be told is closed; who is there is served.
#[test]
fn a_flood_of_connections_reads_why() {
    let _alone = alone();
    let server = Server::start(&["--max-connections", "20", "--workers", "2"]);
    let mut peer = Wire::open(server.port, "/echo");
    let crowd: Vec<_> = (0..19).map(|_| Wire::open(server.port, "/ws")).collect();
    for number in 0..300 {
        let mut wire = Wire::on(connect(server.port, number));
        wire.send(handshake("/ws", ""));
        let response = wire.response();
        assert_eq!((response.status, response.code()), (503, "overloaded".into()));
        assert!(response.field("retry-after").is_some());
        wire.end();
    }
    let (mut told, mut closed) = (0, 0);
    for _ in 0..10 {
        let flood: Vec<_> = (0..300).map(|number| connect(server.port, number)).collect();
        peer.send(text("here"));
        assert_eq!(peer.text(), "here");
        for stream in flood {
            stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
            match last_words(stream) {
                words if words.is_empty() => closed += 1,
                words => {
                    assert!(words.starts_with("HTTP/1.1 503 ") && words.ends_with('}'), "{words}");
                    told += 1;
                }
            }
        }
    }
    println!("of 3,000 at once {told} were told why, {closed} were closed");
    assert!(told > 0);
    drop(crowd);
}

/// All that comes up to the end; a reset ends it too.
fn last_words(mut stream: TcpStream) -> String {
    let mut bytes = Vec::new();
    let outcome = stream.read_to_end(&mut bytes);
    let reset = outcome.is_err_and(|error| error.kind() != ErrorKind::ConnectionReset);
    assert!(!reset, "the server neither answers nor ends");
    String::from_utf8(bytes).expect("an answer is text")
}

/// `slowhttptest`, a well-known tool: slow heads, slow bodies, slow reading, hundreds at a time.
#[test]
fn slowhttptest_does_not_hold_the_server_up() {
    let _alone = alone();
    for (mode, path) in [("-H", ""), ("-B", "channels/slow"), ("-X", "")] {
        let server = Server::start(&[
            "--handshake-timeout",
            "1s",
            "--stall-timeout",
            "1s",
            "--messages-per-second",
            "0",
        ]);
        let url = format!("http://127.0.0.1:{}/{path}", server.port);
        let mut tool = Command::new("slowhttptest");
        tool.args(["-c", "300", "-r", "300", "-i", "1", "-l", "4", "-p", "3", "-u", &url, mode]);
        if mode == "-X" {
            tool.args(["-w", "512", "-y", "1024", "-n", "1", "-z", "32", "-k", "3"]);
        }
        let mut tool = tool
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("slowhttptest is there: scripts/need slowhttptest");
        let mut peer = Wire::open(server.port, "/echo");
        let mut answered = 0;
        while tool.try_wait().expect("its state").is_none() {
            peer.send(text("beside it"));
            assert_eq!(peer.text(), "beside it");
            answered += 1;
            assert_eq!(server.read("/live").status, 200, "somebody new is served, too");
        }
        println!("slowhttptest {mode}: {answered} echoes beside it");
        let accepted = server.counter("fanwire_connections_accepted_total");
        assert!(accepted > answered + 200, "{mode}: it attacked");
        if mode != "-X" {
            let ended = server.counter(r#"fanwire_limits_total{limit="handshake_timeout"}"#);
            assert!(ended > 200, "{mode}: {ended} deadlines were hit");
        }
        server.await_counter("fanwire_connections", |count| count <= 2);
        server.await_counter("fanwire_buffered_bytes", |bytes| bytes < 1 << 10);
    }
}

/// Who sends at full speed gets what is left over: each neighbour asks as often as it likes and is
/// answered. That a connection is read once a turn, and no more, is checked in `tests/sim`.
#[test]
fn full_speed_does_not_starve_the_neighbours() {
    let _alone = alone();
    let server = Server::start(&["--workers", "1", "--messages-per-second", "0"]);
    let mut peer = Wire::open(server.port, "/ws");
    assert_eq!(peer.json()["type"], "connection");
    let mut round_trips = |count: usize| {
        let request = text(&json!({"type": "ping", "id": 1}).to_string());
        let micros = (0..count).map(|_| {
            let start = Instant::now();
            peer.send(&request);
            assert_eq!(peer.json()["type"], "pong");
            start.elapsed().as_micros() as u32
        });
        distribution(micros.collect())
    };
    println!("quiet:             {}", round_trips(2_000));
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| flood(&server, &stop));
        }
        println!("beside 3 floods:   {}", round_trips(2_000));
        stop.store(true, Ordering::Relaxed);
    });
    let received = server.counter("fanwire_messages_received_total");
    assert!(received > 10_000, "the floods were none: {received} messages");
}

/// Echoes small messages as fast as it can, and reads them.
fn flood(server: &Server, stop: &AtomicBool) {
    let mut wire = Wire::open(server.port, "/echo");
    let many = frame(FIN | BINARY, [7; 100]).repeat(500);
    while !stop.load(Ordering::Relaxed) {
        wire.send(&many);
        (0..500).for_each(|_| assert_eq!(wire.frame().payload.len(), 100));
    }
}
