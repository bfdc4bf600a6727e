//! What a broadcast to very many does to those who ask something meanwhile: echo round trips,
//! measured by a process of its own on the same worker, quiet and while a broadcast goes to 19,000
//! (or as many as the limit of descriptors allows) five times a second. Prints distributions.
//!
//! `cargo bench --bench fair`

use std::env;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::{Domain, Socket, Type};

const LISTENERS: u64 = 19_000;
const ROUND_TRIPS: usize = 5_000;
const PERIOD: Duration = Duration::from_millis(200);

fn main() {
    if let Some(port) = env::args().skip_while(|argument| argument != "echo").nth(1) {
        return measure(port.parse().expect("a port"));
    }
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).expect("up to the hard one");
    let count = LISTENERS.min(maximum.unwrap_or(u64::MAX).saturating_sub(200));
    let server = Server::start();
    let (stop, heard) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        let mut crowd: Vec<_> = (0..count).map(|number| listener(server.port, number)).collect();
        println!("{count} listeners, one worker, echo round trips");
        println!("{:<10} {}", "quiet", measured(server.port));
        let (stop, heard) = (&stop, &heard);
        scope.spawn(move || listen(&mut crowd, stop, heard));
        scope.spawn(move || broadcast(server.port, stop));
        println!("{:<10} {}", "loaded", measured(server.port));
        stop.store(true, Ordering::Relaxed);
    });
    println!("{} kilobytes were heard meanwhile", heard.into_inner() / 1000);
}

/// The line that a process of its own measures.
fn measured(port: u16) -> String {
    let program = env::current_exe().expect("this program");
    let output = Command::new(program).args(["echo", &port.to_string()]).output();
    String::from_utf8(output.expect("it runs").stdout).expect("text").trim_end().to_owned()
}

/// The process of its own: asks, waits for the answer and a millisecond or so, asks again.
fn measure(port: u16) {
    let mut stream = connect(port, 0);
    stream.write_all(head("/echo").as_bytes()).expect("sends");
    wait_for(&mut stream, b"\r\n\r\n");
    let mut micros: Vec<u128> = (0..ROUND_TRIPS)
        .map(|number| {
            // The pauses differ, so as not to fall in with the broadcasts.
            thread::sleep(Duration::from_micros(500 + number as u64 % 1_000));
            let start = Instant::now();
            stream.write_all(&[0x82, 0x84, 0, 0, 0, 0, 1, 2, 3, 4]).expect("sends");
            stream.read_exact(&mut [0; 6]).expect("the echo");
            start.elapsed().as_micros()
        })
        .collect();
    micros.sort_unstable();
    let at = |permille: usize| micros[micros.len() * permille / 1000] as f64 / 1000.0;
    let [p50, p90, p99, p999] = [500, 900, 990, 999].map(at);
    let max = *micros.last().expect("some") as f64 / 1000.0;
    println!("p50 {p50:.3}, p90 {p90:.3}, p99 {p99:.3}, p99.9 {p999:.3}, max {max:.3} ms");
}

fn listener(port: u16, number: u64) -> mio::net::TcpStream {
    let mut stream = connect(port, number);
    stream.write_all(head("/ws").as_bytes()).expect("sends");
    wait_for(&mut stream, b"\"connection\"");
    stream.set_nonblocking(true).expect("non-blocking");
    mio::net::TcpStream::from_std(stream)
}

fn listen(crowd: &mut [mio::net::TcpStream], stop: &AtomicBool, heard: &AtomicU64) {
    let mut poll = Poll::new().expect("a poll");
    for (at, stream) in crowd.iter_mut().enumerate() {
        poll.registry().register(stream, Token(at), Interest::READABLE).expect("registers");
    }
    let mut events = Events::with_capacity(1024);
    let mut buffer = vec![0; 64 << 10];
    while !stop.load(Ordering::Relaxed) {
        poll.poll(&mut events, Some(PERIOD)).expect("polls");
        for event in &events {
            while let Ok(count) = crowd[event.token().0].read(&mut buffer) {
                assert!(count > 0, "the server stays");
                heard.fetch_add(count as u64, Ordering::Relaxed);
            }
        }
    }
}

fn broadcast(port: u16, stop: &AtomicBool) {
    let mut stream = connect(port, 0);
    let body = format!("\"{}\"", "x".repeat(200));
    let length = body.len();
    let request = format!(
        "POST /broadcast HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    while !stop.load(Ordering::Relaxed) {
        stream.write_all(request.as_bytes()).expect("sends");
        wait_for(&mut stream, b"\"receivers\"");
        thread::sleep(PERIOD);
    }
}

/// Sources are spread, for one address has 28,000 ports.
fn connect(port: u16, number: u64) -> TcpStream {
    let source = Ipv4Addr::new(127, 0, 0, 2 + (number / 5_000) as u8);
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::from((source, 0)).into()).expect("a source address");
    socket.connect(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into()).expect("connects");
    socket.set_tcp_nodelay(true).expect("no delay");
    socket.into()
}

fn head(path: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
}

fn wait_for(stream: &mut TcpStream, what: &[u8]) {
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout");
    let mut seen = Vec::new();
    let mut buffer = [0; 2048];
    while !seen.windows(what.len()).any(|window| window == what) {
        let count = stream.read(&mut buffer).expect("an answer in time");
        assert!(count > 0, "the server stays");
        seen.extend_from_slice(&buffer[..count]);
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
            .args(["--update-interval", "0", "--messages-per-second", "0"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let port = lines.find_map(|line| {
            let line = line.expect("it says where it listens");
            let (_, address) = line.split_once("http://127.0.0.1:")?;
            address.split(' ').next()?.parse().ok()
        });
        // Held open for as long as it says things: this program ends before it would mind.
        thread::spawn(move || lines.for_each(drop));
        Self { child, port: port.expect("a port") }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
