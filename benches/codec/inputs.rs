//! What the codec is measured on: frames as clients send them, a browser's request, JSON; and the
//! stream in memory from which the peers read. No measuring here.

use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use fanwire::ws::frame::{self, Opcode};
use fanwire::ws::mask;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The key of the examples in RFC 6455, section 5.7.
pub const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// First bytes of frames.
pub const TEXT: u8 = 0x81;
pub const BINARY: u8 = 0x82;
pub const DEFLATED_TEXT: u8 = 0xC1;
pub const CLOSE: u8 = 0x88;

/// A client's frame of `payload`; `first` is the first byte of its header.
pub fn client_frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = frame::header(Opcode::Binary, false, payload.len()).to_vec();
    bytes[0] = first;
    bytes[1] |= 0x80;
    bytes.extend(KEY);
    let start = bytes.len();
    bytes.extend(payload);
    mask::unmask(&mut bytes[start..], KEY, 0);
    bytes
}

/// A text message in so many fragments, as a client sends it.
pub fn fragments(payload: &[u8], count: usize) -> Vec<u8> {
    let pieces = payload.chunks(payload.len().div_ceil(count));
    let last = pieces.len() - 1;
    let frame = |(at, piece)| {
        let fin = if at == last { 0x80 } else { 0 };
        let opcode = if at == 0 { Opcode::Text } else { Opcode::Continuation };
        client_frame(fin | opcode as u8, piece)
    };
    pieces.enumerate().flat_map(frame).collect()
}

/// JSON as clients send it, of about `len` bytes.
pub fn json(len: usize) -> Vec<u8> {
    let mut text = String::from(r#"{"type":"broadcast","id":"k3:1042","data":[0"#);
    for i in 1.. {
        if text.len() + 2 >= len {
            break;
        }
        let _ = write!(text, ",{}", i * 7919 % 1000);
    }
    text.push_str("]}");
    text.into_bytes()
}

/// Greek, of `len` bytes: two bytes a letter, and spaces.
pub fn greek(len: usize) -> Vec<u8> {
    let mut text = String::new();
    let mut words = "μῆνιν ἄειδε θεὰ Πηληϊάδεω Ἀχιλῆος ".chars().cycle();
    while text.len() < len {
        text.extend(words.next().filter(|c| text.len() + c.len_utf8() <= len).or(Some('.')));
    }
    text.into_bytes()
}

/// What a browser asks with.
pub const BROWSER: &str = "GET /ws?v=1 HTTP/1.1\r\n\
    Host: localhost:3003\r\n\
    Connection: Upgrade\r\n\
    Pragma: no-cache\r\n\
    Cache-Control: no-cache\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)\r\n\
    Upgrade: websocket\r\n\
    Origin: http://localhost:3003\r\n\
    Sec-WebSocket-Version: 13\r\n\
    Accept-Encoding: gzip, deflate, br, zstd\r\n\
    Accept-Language: en-GB,en;q=0.9\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\
    Sec-WebSocket-Protocol: fanwire.v1\r\n\r\n";

/// What a program asks with.
pub const PROGRAM: &str = "GET /ws HTTP/1.1\r\n\
    Host: localhost:3003\r\n\
    Connection: Upgrade\r\n\
    Upgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// A connection that brings the same bytes again and again: each time a read gives what is left of
/// them, and never bytes of two times. It takes whatever is written.
pub struct Memory {
    bytes: Vec<u8>,
    at: usize,
}

impl Memory {
    pub fn new(bytes: Vec<u8>) -> Self {
        Self { bytes, at: 0 }
    }

    fn next(&mut self, most: usize) -> &[u8] {
        if self.at == self.bytes.len() {
            self.at = 0;
        }
        let rest = &self.bytes[self.at..];
        let read = &rest[..most.min(rest.len())];
        self.at += read.len();
        read
    }
}

impl Read for Memory {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.next(buffer.len());
        buffer[..read.len()].copy_from_slice(read);
        Ok(read.len())
    }
}

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsyncRead for Memory {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let most = buffer.remaining();
        buffer.put_slice(self.get_mut().next(most));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Memory {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, b: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(b.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// The outcome of what never has to wait.
pub fn at_once<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => outcome,
        Poll::Pending => panic!("memory is always ready"),
    }
}
