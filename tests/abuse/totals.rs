//! The bounds of the node (design 4, node totals) under the worst mix: clients that send half a
//! message, half a body or requests whose answers they never read, beside channels full of history
//! and publications that nobody takes. No total is ever exceeded, who was refused was told so, and
//! somebody new is served.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;

use serde_json::json;

use crate::crowd::{connect, split_frame};
use crate::server::Server;
use crate::wire::{FIN, TEXT, Wire, frame, handshake, text};
use crate::{WORKER_BYTES, alone, memory, minutes};

const MIB: u64 = 1 << 20;
const HISTORY: u64 = 16 * MIB;
const WINDOWS: u64 = 4 * MIB;
const BUFFERS: u64 = 16 * MIB;

/// Connections, subscriptions and channels in tables (ARCHITECTURE.md, memory), by their most, with
/// what the allocator and growing tables add.
const CONNECTION_BYTES: u64 = 512;
const CHANNEL_BYTES: u64 = 1024;

/// What a client does and never takes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sin {
    HalfMessage,
    HalfBody,
    NoReading,
}

/// Half of what it announces; the rest never comes.
const HALF: usize = 30_000;

fn sin(number: usize) -> Sin {
    [Sin::HalfMessage, Sin::HalfMessage, Sin::HalfBody, Sin::NoReading][number % 4]
}

/// What a client says. It follows one of a hundred channels, too, if it can.
fn words(number: usize) -> Vec<u8> {
    let channel = format!("storm.{}", number % 100);
    let subscribe = json!({"type": "subscribe", "channel": channel}).to_string();
    let mut words = [handshake("/ws", "").into_bytes(), text(&subscribe)].concat();
    match sin(number) {
        Sin::HalfMessage => {
            words.extend_from_slice(&frame(FIN | TEXT, vec![b'x'; 2 * HALF])[..HALF]);
        }
        Sin::HalfBody => {
            let head = "POST /channels/half HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60000";
            words = [head.as_bytes(), b"\r\n\r\n", &vec![b'1'; HALF]].concat();
        }
        Sin::NoReading => {
            let data = "y".repeat(8_000);
            let echo = text(&json!({"type": "echo", "data": data}).to_string());
            words.extend(echo.repeat(60));
        }
    }
    words
}

/// Sends as much as the server takes.
fn send(stream: &mut TcpStream, mut words: &[u8]) {
    while !words.is_empty() {
        match stream.write(words) {
            Ok(count) => words = &words[count..],
            // It does not read on, or has closed after its last words.
            Err(_) => return,
        }
    }
}

/// How a connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    Ended,
    /// What the server's kernel had not sent by then is lost.
    Reset,
}

/// Everything that is there to be read, and what comes after it.
fn heard(stream: &mut TcpStream) -> (Vec<u8>, State) {
    let mut bytes = Vec::new();
    let state = match stream.read_to_end(&mut bytes) {
        Ok(_) => State::Ended,
        Err(error) if error.kind() == ErrorKind::WouldBlock => State::Open,
        Err(_) => State::Reset,
    };
    (bytes, state)
}

/// No total is exceeded at this moment.
fn check_totals(server: &Server, when: &str) {
    for (name, most) in [
        ("fanwire_history_bytes", HISTORY),
        ("fanwire_window_bytes", WINDOWS),
        ("fanwire_buffered_bytes", BUFFERS),
    ] {
        let held = server.counter(name);
        println!("{when}: {name} {held} of {most}");
        assert!(held <= most, "{when}: {name} is {held} of {most}");
    }
}

/// Fills channels, a thousand publications a request.
fn fill(server: &Server, channels: usize) {
    let mut backend = Wire::connect(server.port);
    for round in 0..4 {
        for first in (0..channels).step_by(1000) {
            let item =
                |n| json!({"channel": format!("full.{n}"), "data": [round, "z".repeat(300)]});
            let items: Vec<_> = (first..channels.min(first + 1000)).map(item).collect();
            let response = backend.post("/publish", "", json!(items).to_string().as_bytes());
            assert_eq!(response.status, 200);
        }
    }
}

/// Publishes to those who do not read, and to everybody. The backend, too, may hear that there is
/// no room for the half of its body that came first.
fn storm(server: &Server) {
    let mut published = 0;
    let mut backend = Wire::connect(server.port);
    for number in 0..40 {
        let data = json!([number, "w".repeat(8_000)]).to_string();
        for channel in 0..101 {
            let path = format!("/channels/storm.{channel}");
            let path = if channel == 100 { "/broadcast" } else { &path };
            let response = backend.post(path, "", data.as_bytes());
            match response.status {
                200 => published += 1,
                503 => backend = Wire::connect(server.port),
                _ => panic!("{response:?}"),
            }
        }
    }
    println!("{published} of 4040 publications had room");
    assert!(published > 2020, "most bodies come whole, and need no room");
}

/// What the last whole frame says, and whether the beginning of another one follows it.
fn last_frame(bytes: &[u8]) -> (&[u8], bool) {
    let head = bytes.windows(4).position(|four| four == b"\r\n\r\n").map_or(0, |at| at + 4);
    let (mut last, mut rest) = (&bytes[..0], &bytes[head..]);
    while let Some((_, payload, next)) = split_frame(rest) {
        (last, rest) = (payload, next);
    }
    (last, !rest.is_empty())
}

/// Reads what the refused were told. Returns how many saw 1013, and how many 503.
fn told(clients: &mut [TcpStream]) -> (u64, u64) {
    let (mut closed, mut refused) = (0, 0);
    for (number, stream) in clients.iter_mut().enumerate() {
        let (bytes, state) = heard(stream);
        if state == State::Open {
            continue;
        }
        if sin(number) == Sin::HalfBody {
            let answer = String::from_utf8_lossy(&bytes);
            assert!(answer.starts_with("HTTP/1.1 503 "), "client {number}: {answer}");
            assert!(answer.to_lowercase().contains("retry-after: "), "client {number}: {answer}");
            refused += 1;
            continue;
        }
        let (last, cut) = last_frame(&bytes);
        let overloaded = [&1013_u16.to_be_bytes()[..], b"overloaded"].concat();
        let said = last.starts_with(&overloaded);
        // In the midst of a frame nothing else can be said, and then the end is a reset.
        assert!(
            said || cut || state == State::Reset,
            "client {number}: {}",
            String::from_utf8_lossy(last)
        );
        closed += u64::from(said);
    }
    (closed, refused)
}

#[test]
fn the_totals_of_the_node_hold_under_the_worst_mix() {
    let _alone = alone();
    let (count, channels) = if minutes().is_some() { (19_000, 100_000) } else { (4_000, 20_000) };
    let [history, windows, buffers] = [HISTORY, WINDOWS, BUFFERS].map(|bytes| bytes.to_string());
    let mut flags = vec!["--workers", "2", "--stall-timeout", "0", "--ping-interval", "0"];
    flags.extend(["--handshake-timeout", "10m", "--close-timeout", "10m"]);
    flags.extend(["--window-bytes", "32KiB", "--unsent-bytes", "16KiB"]);
    flags.extend(["--max-history-bytes", &history, "--max-window-bytes", &windows]);
    flags.extend(["--max-buffered-bytes", &buffers, "--max-handshakes", "0"]);
    let server = Server::start(&flags);
    let before = memory(&server, "VmHWM");
    fill(&server, channels);
    check_totals(&server, "channels are full");
    let mut clients = Vec::with_capacity(count);
    for number in 0..count {
        let mut stream = connect(server.port, number);
        stream.set_nonblocking(true).expect("non-blocking");
        send(&mut stream, &words(number));
        clients.push(stream);
        if number % 1000 == 999 {
            check_totals(&server, &format!("{} clients", number + 1));
        }
    }
    storm(&server);
    check_totals(&server, "after the storm");

    let refused = server.counter(r#"fanwire_limits_total{limit="max_buffered_bytes"}"#);
    assert!(refused > 0, "the buffers were never full: the test is too small");
    let grown = memory(&server, "VmHWM").saturating_sub(before);
    let tables = count as u64 * CONNECTION_BYTES + channels as u64 * CHANNEL_BYTES;
    let bound = HISTORY + WINDOWS + BUFFERS + tables + 2 * WORKER_BYTES;
    println!("{refused} refused; {grown} bytes more at the most, of {bound}");
    assert!(grown <= bound, "{grown} bytes more than before, of {bound} at the most");

    // Somebody new is served as if nothing were.
    let mut wire = Wire::open(server.port, "/ws");
    assert_eq!(wire.json()["type"], "connection");
    for request in [
        json!({"type": "subscribe", "id": 1, "channel": "new"}),
        json!({"type": "publish", "id": 2, "channel": "other", "data": 2}),
        json!({"type": "echo", "id": 3, "data": 3}),
    ] {
        wire.send(text(&request.to_string()));
        let answer = wire.json();
        assert_eq!(answer["id"], request["id"], "{answer}");
        assert_ne!(answer["type"], "error", "{answer}");
    }
    let (closed, unavailable) = told(&mut clients);
    println!("{closed} were told 1013, {unavailable} were told 503");
    assert!(closed > 0 && unavailable > 0, "both words were heard");
    drop(clients);
    server.await_counter("fanwire_websockets", |open| open == 1);
    server.await_counter("fanwire_buffered_bytes", |bytes| bytes < 1 << 10);
    server.await_counter("fanwire_window_bytes", |bytes| bytes == 0);
}
