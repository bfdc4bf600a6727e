//! A client's WebSocket and HTTP codec (RFC 6455, 7692, 9112), written apart from the server's so
//! that an error in one is seen by the other. What the server may never send is a panic here.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};

use crate::world::random::Random;

/// Opcodes of RFC 6455, section 5.2.
pub mod opcode {
    pub const TEXT: u8 = 1;
    pub const BINARY: u8 = 2;
    pub const CLOSE: u8 = 8;
    pub const PING: u8 = 9;
    pub const PONG: u8 = 10;
}

/// Something whole that the server said.
#[derive(Debug, PartialEq, Eq)]
pub enum Item {
    /// A response that opens a WebSocket.
    Opened,
    /// An HTTP response: status and body.
    Response(u16, Vec<u8>),
    /// A WebSocket message or control frame, inflated.
    Message(u8, Vec<u8>),
}

/// Puts together what arrives in pieces.
#[derive(Debug, Default)]
pub struct Reader {
    bytes: Vec<u8>,
    open: bool,
    deflate: bool,
    partial: Option<(u8, bool, Vec<u8>)>,
}

impl Reader {
    /// Adds bytes as they came.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Whether permessage-deflate was agreed on.
    pub fn deflates(&self) -> bool {
        self.deflate
    }

    /// The next whole thing.
    pub fn next(&mut self) -> Option<Item> {
        if self.open { self.next_message() } else { self.next_response() }
    }

    fn next_response(&mut self) -> Option<Item> {
        let end = self.bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
        let head = String::from_utf8(self.bytes[..end].to_vec()).expect("a head is ASCII");
        let field = |name: &str| {
            head.lines().find_map(|line| {
                let (key, value) = line.split_once(':')?;
                key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
            })
        };
        let status = head.get(9..12).and_then(|s| s.parse().ok()).expect("a status line");
        assert!(head.starts_with("HTTP/1.1 "), "a status line: {head}");
        if status == 101 {
            assert_eq!(field("upgrade").as_deref(), Some("websocket"));
            assert_eq!(field("sec-websocket-accept").as_deref(), Some(ACCEPT));
            assert_eq!(field("content-length"), None);
            let extensions = field("sec-websocket-extensions").unwrap_or_default();
            self.deflate = extensions.starts_with("permessage-deflate");
            if self.deflate {
                assert!(extensions.contains("server_no_context_takeover"), "{extensions}");
            }
            self.open = true;
            self.bytes.drain(..end);
            return Some(Item::Opened);
        }
        let length = field("content-length").map_or(0, |text| text.parse().expect("a length"));
        if self.bytes.len() < end + length {
            return None;
        }
        let body = self.bytes[end..end + length].to_vec();
        self.bytes.drain(..end + length);
        Some(Item::Response(status, body))
    }

    fn next_message(&mut self) -> Option<Item> {
        loop {
            let (head, payload) = self.next_frame()?;
            let (fin, rsv, code) = (head & 0x80 != 0, head & 0x70, head & 15);
            if code >= 8 {
                assert!(fin && rsv == 0 && payload.len() <= 125, "control frame {head:#x}");
                assert!((8..=10).contains(&code), "opcode {code}");
                return Some(Item::Message(code, payload));
            }
            assert!(rsv == 0 || (rsv == 0x40 && self.deflate && code != 0), "RSV {head:#x}");
            let (kind, packed, message) = match (code, self.partial.take()) {
                (0, Some((kind, packed, mut begun))) => {
                    begun.extend_from_slice(&payload);
                    (kind, packed, begun)
                }
                (1 | 2, None) => (code, rsv == 0x40, payload),
                (code, partial) => panic!("opcode {code} within {partial:?}"),
            };
            if fin {
                let message = if packed { inflate(message) } else { message };
                return Some(Item::Message(kind, message));
            }
            self.partial = Some((kind, packed, message));
        }
    }

    fn next_frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let (&head, &second) = (self.bytes.first()?, self.bytes.get(1)?);
        assert!(second < 128, "a server never masks");
        let (start, length) = match second {
            126 => {
                let length = u16::from_be_bytes(self.bytes.get(2..4)?.try_into().unwrap());
                assert!(length >= 126, "not the shortest form: {length}");
                (4, usize::from(length))
            }
            127 => {
                let length = u64::from_be_bytes(self.bytes.get(2..10)?.try_into().unwrap());
                assert!(length > 0xffff && length < 1 << 24, "length {length}");
                (10, length as usize)
            }
            short => (2, usize::from(short)),
        };
        let payload = self.bytes.get(start..start + length)?.to_vec();
        self.bytes.drain(..start + length);
        Some((head, payload))
    }
}

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
/// The answer to `KEY`, both from RFC 6455, section 1.3.
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// The request that opens a WebSocket.
pub fn handshake(path: &str, extensions: Option<&str>) -> String {
    let offer =
        extensions.map(|e| format!("Sec-WebSocket-Extensions: {e}\r\n")).unwrap_or_default();
    format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n{offer}\r\n"
    )
}

/// The same with these lines, each ending in CR LF.
pub fn handshake_with(path: &str, lines: &str) -> String {
    let plain = handshake(path, None);
    format!("{}{lines}\r\n", plain.strip_suffix("\r\n").expect("a head has an end"))
}

/// What backends ask with, where they need anything.
pub const API_SECRET: &str = "0123456789abcdef";

/// An HTTP request.
pub fn request(method: &str, path: &str, fields: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let own = fields.contains("Authorization");
    let key = if own { String::new() } else { format!("Authorization: Bearer {API_SECRET}\r\n") };
    let mut bytes = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\n{key}{fields}\
         Content-Length: {length}\r\n\r\n"
    )
    .into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// One message, masked, whole or in fragments, deflated or not.
pub fn message(random: &mut Random, code: u8, payload: &[u8], deflate: bool) -> Vec<u8> {
    let packed = deflate && code < 8 && random.chance(500);
    let payload = if packed { self::deflate(payload) } else { payload.to_vec() };
    let mut out = Vec::with_capacity(payload.len() + 14);
    let mut rest = &payload[..];
    let mut first = true;
    while code < 8 && !rest.is_empty() && random.chance(100) {
        let (part, after) = rest.split_at(random.between(0, rest.len()));
        let head = if first { code | if packed { 0x40 } else { 0 } } else { 0 };
        frame(&mut out, random, head, part);
        (rest, first) = (after, false);
    }
    let head = if first { code | if packed { 0x40 } else { 0 } } else { 0 };
    frame(&mut out, random, 0x80 | head, rest);
    out
}

fn frame(out: &mut Vec<u8>, random: &mut Random, head: u8, payload: &[u8]) {
    out.push(head);
    match payload.len() {
        length @ 0..126 => out.push(0x80 | length as u8),
        length @ 126..0x1_0000 => {
            out.push(0x80 | 0x7e);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            out.push(0x80 | 0x7f);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    let mask = (random.bits() as u32).to_be_bytes();
    out.extend_from_slice(&mask);
    out.extend(payload.iter().enumerate().map(|(at, byte)| byte ^ mask[at % 4]));
}

fn deflate(payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(payload.len() + 64);
    let mut compress = Compress::new(Compression::fast(), false);
    compress.compress_vec(payload, &mut out, FlushCompress::Sync).expect("room for everything");
    assert!(out.ends_with(&[0, 0, 255, 255]), "deflated into {} bytes", out.len());
    out.truncate(out.len() - 4);
    out
}

fn inflate(mut packed: Vec<u8>) -> Vec<u8> {
    packed.extend_from_slice(&[0, 0, 255, 255]);
    let mut decompress = Decompress::new(false);
    let mut out = Vec::with_capacity(packed.len() * 4 + 64);
    loop {
        let used = decompress.total_in() as usize;
        let rest = &packed[used..];
        decompress.decompress_vec(rest, &mut out, FlushDecompress::Sync).expect("valid deflate");
        if decompress.total_in() as usize == packed.len() && out.len() < out.capacity() {
            return out;
        }
        out.reserve(out.capacity());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_deflated_inflates() {
        for length in [0, 1, 5, 100, 5_000, 70_000] {
            let payload: Vec<u8> = (0..7).cycle().take(length).collect();
            assert_eq!(inflate(deflate(&payload)), payload);
        }
    }

    #[test]
    fn a_reader_puts_pieces_together() {
        let mut reader = Reader::default();
        let bytes =
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhiHTTP/1.1 101 Switching Protocols\r\n\
            Upgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n\
            \x01\x02ab\x89\x01!\x80\x01c\x88\x02\x03\xe8";
        let mut items = Vec::new();
        for byte in bytes {
            reader.feed(&[*byte]);
            items.extend(reader.next());
        }
        let message = |code, payload: &[u8]| Item::Message(code, payload.to_vec());
        assert_eq!(
            items,
            [
                Item::Response(200, b"hi".to_vec()),
                Item::Opened,
                message(opcode::PING, b"!"),
                message(opcode::TEXT, b"abc"),
                message(opcode::CLOSE, &[3, 232]),
            ]
        );
    }
}
