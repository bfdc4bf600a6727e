//! A backend that is called by hooks, made of a listener and threads: each call comes to the test,
//! which answers it as it likes, later, badly or never.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::wire::PATIENCE;

/// What calls are signed with.
pub const SECRET: &str = "0123456789abcdef0123";

/// The backend.
pub struct Backend {
    pub port: u16,
    calls: Receiver<Called>,
}

/// One call. Dropped without an answer, its connection is closed.
pub struct Called {
    pub path: String,
    fields: Vec<(String, String)>,
    /// What it says.
    pub body: Value,
    stream: TcpStream,
    answered: bool,
}

impl Backend {
    pub fn start() -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").expect("a port"))
    }

    /// One that is started where it was to be.
    pub fn on(listener: TcpListener) -> Self {
        let port = listener.local_addr().expect("bound").port();
        let (tell, calls) = mpsc::channel();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, tell) = (stream.expect("a connection"), tell.clone());
                thread::spawn(move || read_calls(&stream, &tell));
            }
        });
        Self { port, calls }
    }

    /// The settings that have it called.
    pub fn flags(&self, hooks: &str) -> Vec<String> {
        flags(self.port, hooks)
    }

    /// The next call, which must come, and must be ours.
    pub fn next(&self) -> Called {
        let called = self.calls.recv_timeout(PATIENCE).expect("a call");
        called.check();
        called
    }

    /// The next question, which must be about this.
    pub fn asked(&self, event: &str) -> Called {
        let called = self.next();
        assert_eq!(called.body["event"], event, "{}", called.body);
        called
    }

    /// The next events that it is told; takes them.
    pub fn told(&self) -> Vec<Value> {
        let called = self.next();
        let events = called.body["events"].as_array().expect("events").clone();
        called.answer(204, "");
        events
    }

    /// Nothing has come that was not looked at.
    pub fn is_quiet(&self) -> bool {
        self.calls.try_recv().is_err()
    }
}

/// The settings that have a backend on this port called.
pub fn flags(port: u16, hooks: &str) -> Vec<String> {
    let url = format!("http://127.0.0.1:{port}/hooks?of=fanwire");
    let secret = format!("--hook-secret={SECRET}");
    vec!["--hook-url".into(), url, secret, format!("--hooks={hooks}")]
}

impl Called {
    pub fn field(&self, name: &str) -> &str {
        let found = self.fields.iter().find(|(field, _)| field == name);
        &found.unwrap_or_else(|| panic!("no {name} in {:?}", self.fields)).1
    }

    fn check(&self) {
        assert_eq!(self.path, "/hooks?of=fanwire");
        assert_eq!(self.field("content-type"), "application/json");
        assert!(self.field("user-agent").starts_with("fanwire/"));
    }

    pub fn answer(mut self, status: u16, body: &str) {
        let length = body.len();
        self.say(
            format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n\r\n{body}").as_bytes(),
        );
        self.answered = true;
    }

    /// Sends these bytes.
    pub fn say(&self, bytes: &[u8]) {
        let _ = (&self.stream).write_all(bytes);
    }

    pub fn allow(self) {
        self.answer(200, r#"{"allow": true}"#);
    }

    pub fn deny(self, message: &str) {
        self.answer(200, &json!({"allow": false, "message": message}).to_string());
    }
}

impl Drop for Called {
    fn drop(&mut self) {
        if !self.answered {
            let _ = self.stream.shutdown(Shutdown::Both);
        }
    }
}

/// Reads the calls of one connection, one at a time.
fn read_calls(stream: &TcpStream, tell: &Sender<Called>) {
    let mut reader = BufReader::new(stream);
    loop {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            match reader.read_line(&mut line) {
                Ok(1..) if line != "\r\n" => lines.push(line.trim_end().to_string()),
                Ok(1..) => break,
                _ => return,
            }
        }
        let path = lines[0].split(' ').nth(1).expect("a path").to_string();
        assert_eq!(lines[0], format!("POST {path} HTTP/1.1"));
        let field = |line: &String| {
            let (name, value) = line.split_once(':').expect("a field");
            (name.to_ascii_lowercase(), value.trim().to_string())
        };
        let fields: Vec<_> = lines[1..].iter().map(field).collect();
        let length = fields.iter().find(|(name, _)| name == "content-length");
        let length = length.expect("a length").1.parse().expect("a number");
        let mut body = vec![0; length];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        check_signature(&fields, &body);
        let (body, stream) = (serde_json::from_slice(&body), stream.try_clone());
        let (body, stream) = (body.expect("JSON"), stream.expect("a handle"));
        if tell.send(Called { path, fields, body, stream, answered: false }).is_err() {
            return;
        }
    }
}

/// As docs/hooks.md says that it is done.
fn check_signature(fields: &[(String, String)], body: &[u8]) {
    let field = |wanted: &str| {
        &fields.iter().find(|(name, _)| name == wanted).unwrap_or_else(|| panic!("{wanted}")).1
    };
    let (id, timestamp) = (field("webhook-id"), field("webhook-timestamp"));
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("a key");
    mac.update(format!("{id}.{timestamp}.").as_bytes());
    mac.update(body);
    let expected = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
    assert_eq!(*field("webhook-signature"), expected);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let age = now.expect("after 1970").as_secs().abs_diff(timestamp.parse().expect("seconds"));
    assert!(age < 60, "{age} s");
}
