//! Resident memory of idle connections: the slope from 1,000 to 19,000, not subscribed and
//! subscribed to one channel. Prints numbers; `docs` and ARCHITECTURE.md quote them.
//!
//! `cargo bench --bench idle`

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

const FEW: usize = 1_000;
const MANY: usize = 19_000;

fn main() {
    println!("{:<24} {:>14} {:>14}", "bytes per connection", "resident", "proportional");
    for (name, subscribed) in [("not subscribed", false), ("subscribed to one", true)] {
        let server = Server::start();
        let mut connections = Vec::with_capacity(MANY);
        grow(&mut connections, FEW, server.port, subscribed);
        let before = server.memory();
        grow(&mut connections, MANY, server.port, subscribed);
        let after = server.memory();
        let slope = |at: usize| (after[at] - before[at]) as f64 * 1024.0 / (MANY - FEW) as f64;
        println!("{name:<24} {:>14.1} {:>14.1}", slope(0), slope(1));
    }
}

struct Server {
    child: Child,
    port: u16,
}

impl Server {
    fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_fanwire"))
            .args(["--listen", "127.0.0.1:0", "--workers", "1", "--ping-interval", "0"])
            .args(["--update-interval", "0"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let mut text = Vec::new();
        let stdout = child.stdout.as_mut().expect("it is piped");
        let port = loop {
            let mut byte = [0];
            assert_eq!(stdout.read(&mut byte).expect("it says where it listens"), 1);
            text.push(byte[0]);
            let line = String::from_utf8_lossy(&text);
            let address = line.split_once("http://127.0.0.1:").map(|(_, rest)| rest);
            if let Some((port, _)) = address.and_then(|rest| rest.split_once(' ')) {
                break port.parse().expect("a port");
            }
        };
        Self { child, port }
    }

    /// Resident and proportional kilobytes.
    fn memory(&self) -> [u64; 2] {
        let path = format!("/proc/{}/smaps_rollup", self.child.id());
        let text = std::fs::read_to_string(path).expect("the server runs");
        ["Rss:", "Pss:"].map(|name| {
            let line = text.lines().find(|line| line.starts_with(name)).expect(name);
            line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).expect("a number")
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Connects until there are so many. Sources are spread, for one address has 28,000 ports.
fn grow(connections: &mut Vec<TcpStream>, count: usize, port: u16, subscribed: bool) {
    while connections.len() < count {
        let source = Ipv4Addr::new(127, 0, 0, 2 + (connections.len() / 5_000) as u8);
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.bind(&SocketAddr::from((source, 0)).into()).expect("a source address");
        socket.connect(&SocketAddr::from(([127, 0, 0, 1], port)).into()).expect("connects");
        let mut stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
        stream
            .write_all(
                b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n\
                Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
            )
            .expect("sends");
        wait_for(&mut stream, b"\"connection\"");
        if subscribed {
            let text = br#"{"type":"subscribe","id":1,"channel":"room.7"}"#;
            let mut frame = vec![0x81, 0x80 | text.len() as u8, 0, 0, 0, 0];
            frame.extend_from_slice(text);
            stream.write_all(&frame).expect("sends");
            wait_for(&mut stream, b"\"ack\"");
        }
        connections.push(stream);
    }
}

fn wait_for(stream: &mut TcpStream, what: &[u8]) {
    let mut seen = Vec::new();
    let mut buffer = [0; 2048];
    while !seen.windows(what.len()).any(|window| window == what) {
        let count = stream.read(&mut buffer).expect("an answer in time");
        assert!(count > 0, "the server stays");
        seen.extend_from_slice(&buffer[..count]);
    }
}
