//! A client that says exactly what a test wants it to say, valid or not, in any pieces, and reads
//! what comes back byte for byte: HTTP responses and frames. It never waits without a deadline.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

/// How long anything may take. Far more than is needed, for the machine may be busy.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub const FIN: u8 = 0x80;
pub const RSV1: u8 = 0x40;
pub const CONTINUATION: u8 = 0x0;
pub const TEXT: u8 = 0x1;
pub const BINARY: u8 = 0x2;
pub const CLOSE: u8 = 0x8;
pub const PING: u8 = 0x9;
pub const PONG: u8 = 0xA;

/// The key of the example in RFC 6455, section 1.3, and what it must be answered with.
pub const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
pub const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// The mask of the examples in RFC 6455, section 5.7.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// One connection.
pub struct Wire {
    pub stream: TcpStream,
    /// What was received and not yet looked at, from `at` on.
    buffer: Vec<u8>,
    at: usize,
}

/// What a request was answered.
#[derive(Debug)]
pub struct Response {
    pub status: u16,
    fields: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// A frame from the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The first byte: flags and opcode.
    pub first: u8,
    pub payload: Vec<u8>,
}

impl Wire {
    pub fn connect(port: u16) -> Self {
        Self::on(TcpStream::connect(("127.0.0.1", port)).expect("connect"))
    }

    /// Connects to a unix socket. Bytes go in and out as over TCP.
    pub fn connect_unix(path: &Path) -> Self {
        let stream = UnixStream::connect(path).expect("connect");
        Self::on(TcpStream::from(OwnedFd::from(stream)))
    }

    /// Speaks over a connection that is there.
    pub fn on(stream: TcpStream) -> Self {
        let _ = stream.set_nodelay(true); // which unix sockets do not know
        stream.set_read_timeout(Some(PATIENCE)).expect("read timeout");
        stream.set_write_timeout(Some(PATIENCE)).expect("write timeout");
        Self { stream, buffer: Vec::new(), at: 0 }
    }

    /// Opens a WebSocket.
    pub fn open(port: u16, path: &str) -> Self {
        Self::open_with(port, path, "").0
    }

    /// Opens a WebSocket with more header lines, each ending in CR LF.
    pub fn open_with(port: u16, path: &str, lines: &str) -> (Self, Response) {
        let mut wire = Self::connect(port);
        wire.send(handshake(path, lines));
        let response = wire.head();
        assert_eq!(response.status, 101, "{response:?}");
        (wire, response)
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).expect("send");
    }

    /// Sends in pieces of this size.
    pub fn send_chopped(&mut self, bytes: &[u8], size: usize) {
        for piece in bytes.chunks(size) {
            self.send(piece);
        }
    }

    /// Sends a request and reads the answer.
    pub fn ask(&mut self, request: &str) -> Response {
        self.send(request);
        self.response()
    }

    /// Sends a request without a body, with more header lines, each ending in CR LF.
    pub fn request(&mut self, method: &str, path: &str, lines: &str) -> Response {
        self.ask(&format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n"))
    }

    pub fn post(&mut self, path: &str, lines: &str, body: &[u8]) -> Response {
        let length = body.len();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n{lines}\r\n"
        );
        self.send([head.as_bytes(), body].concat());
        self.response()
    }

    /// From now on the kernel holds little of what is not read: two segments of the loopback, for
    /// with less it would wait for timers.
    pub fn keep_little(&self) {
        let socket = socket2::SockRef::from(&self.stream);
        socket.set_recv_buffer_size(128 << 10).expect("a small buffer");
    }

    /// Says that nothing more will come.
    pub fn fin(&mut self) {
        self.stream.shutdown(Shutdown::Write).expect("shut down");
    }

    /// Reads a head without what follows it.
    pub fn head(&mut self) -> Response {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.byte());
        }
        let head = String::from_utf8(head).expect("a head is ASCII");
        let mut lines = head.trim_end().split("\r\n");
        let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 ")?.get(..3));
        let status = status.and_then(|status| status.parse().ok()).expect("a status line");
        let fields = lines.map(|line| {
            let (name, value) = line.split_once(": ").expect("a field");
            assert!(!line.contains(['\r', '\n']), "a bare CR or LF in {line:?}");
            (name.to_ascii_lowercase(), value.into())
        });
        Response { status, fields: fields.collect(), body: Vec::new() }
    }

    /// Reads a whole response to anything but HEAD.
    pub fn response(&mut self) -> Response {
        let mut response = self.head();
        if response.status != 100 && response.status != 101 {
            let length = response.field("content-length").expect("a length").parse();
            response.body = self.bytes(length.expect("a number"));
        }
        response
    }

    /// Reads the next frame, which must not be masked (RFC 6455, section 5.1), must have a length
    /// in its shortest form (5.2), and must be whole if it is a control frame (5.5).
    pub fn frame(&mut self) -> Frame {
        let first = self.byte();
        let second = self.byte();
        assert_eq!(second & 0x80, 0, "a server never masks");
        let length = match second {
            127 => u64::from_be_bytes(self.bytes(8).try_into().expect("8")),
            126 => u16::from_be_bytes(self.bytes(2).try_into().expect("2")).into(),
            short => short.into(),
        };
        let least = [0, 126, 65_536][usize::from(second.saturating_sub(125))];
        assert!(length >= least, "{length} is not in its shortest form");
        if first & 0x08 != 0 {
            assert!(first & FIN != 0 && length <= 125, "a control frame is whole and short");
        }
        Frame { first, payload: self.bytes(length as usize) }
    }

    /// Reads a text message of one frame.
    pub fn text(&mut self) -> String {
        let Frame { first, payload } = self.frame();
        assert_eq!(first, FIN | TEXT, "{payload:02x?}");
        String::from_utf8(payload).expect("text is UTF-8")
    }

    pub fn json(&mut self) -> Value {
        serde_json::from_str(&self.text()).expect("JSON")
    }

    /// Reads a Close: its code and reason, if it has them.
    pub fn close(&mut self) -> Option<(u16, String)> {
        let Frame { first, payload } = self.frame();
        assert_eq!(first, FIN | CLOSE, "{}", String::from_utf8_lossy(&payload));
        let (code, reason) = payload.split_first_chunk()?;
        let reason = String::from_utf8(reason.to_vec()).expect("a reason is UTF-8");
        Some((u16::from_be_bytes(*code), reason))
    }

    /// Reads the end of the stream: a FIN, not a reset, and nothing before it.
    pub fn end(&mut self) {
        let rest = self.rest();
        assert!(rest.is_empty(), "more than was expected: {:?}", String::from_utf8_lossy(&rest));
    }

    /// Reads everything up to the end of the stream, which must not be a reset.
    pub fn rest(&mut self) -> Vec<u8> {
        let mut rest = self.buffer.split_off(self.at);
        self.buffer.clear();
        self.at = 0;
        self.stream.read_to_end(&mut rest).expect("a FIN, and no reset");
        rest
    }

    fn byte(&mut self) -> u8 {
        while self.at == self.buffer.len() {
            self.buffer.resize(64 << 10, 0);
            self.at = 0;
            let outcome = self.stream.read(&mut self.buffer);
            self.buffer.truncate(*outcome.as_ref().unwrap_or(&0));
            match outcome {
                Ok(0) => panic!("the server has ended"),
                Err(error) if error.kind() == ErrorKind::WouldBlock => panic!("nothing came"),
                outcome => drop(outcome.expect("receive")),
            }
        }
        self.at += 1;
        self.buffer[self.at - 1]
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        let held = (self.buffer.len() - self.at).min(count);
        let mut bytes = self.buffer[self.at..self.at + held].to_vec();
        self.at += held;
        bytes.resize(count, 0);
        self.stream.read_exact(&mut bytes[held..]).expect("all that was announced");
        bytes
    }
}

impl Response {
    /// The value of a field that stands once.
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut values = self.fields.iter().filter(|field| field.0 == name);
        let value = values.next().map(|field| &*field.1);
        assert!(values.next().is_none(), "{name} stands more than once: {self:?}");
        value
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("UTF-8")
    }

    pub fn json(&self) -> Value {
        assert_eq!(self.field("content-type"), Some("application/json"), "{self:?}");
        serde_json::from_slice(&self.body).expect("JSON")
    }

    /// The word of an error.
    pub fn code(&self) -> String {
        let json = self.json();
        assert!(json["error"]["message"].is_string(), "an error says why: {json}");
        assert!(json["error"]["temporary"].is_boolean(), "an error says for how long: {json}");
        json["error"]["code"].as_str().expect("a code").into()
    }

    /// Whether the server has announced the end of the connection.
    pub fn closes(&self) -> bool {
        let options = self.field("connection").unwrap_or_default();
        options.split(',').any(|option| option.trim() == "close")
    }
}

/// A handshake that is as it should be, with more header lines, each ending in CR LF.
pub fn handshake(path: &str, lines: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
         Connection: Upgrade\r\nSec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n\
         {lines}\r\n"
    )
}

/// A client's frame: `first` is the first byte, flags and opcode.
pub fn frame(first: u8, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let payload = payload.as_ref();
    let mut bytes = header(first, payload.len() as u64);
    bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, key)| byte ^ key));
    bytes
}

/// A client's header alone, with the length in its shortest form.
pub fn header(first: u8, length: u64) -> Vec<u8> {
    let mut bytes = vec![first];
    match length {
        0..126 => bytes.push(0x80 | length as u8),
        126..65_536 => {
            bytes.push(0x80 | 0x7e);
            bytes.extend((length as u16).to_be_bytes());
        }
        _ => {
            bytes.push(0x80 | 0x7f);
            bytes.extend(length.to_be_bytes());
        }
    }
    bytes.extend(MASK);
    bytes
}

/// A text message.
pub fn text(content: &str) -> Vec<u8> {
    frame(FIN | TEXT, content)
}

/// A Close.
pub fn close(code: u16, reason: &str) -> Vec<u8> {
    frame(FIN | CLOSE, [&code.to_be_bytes(), reason.as_bytes()].concat())
}
