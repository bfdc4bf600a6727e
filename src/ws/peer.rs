//! The other end, for tests: a client that writes frames slowly and obviously, valid or not, and a
//! reading loop that keeps what the events say.

use super::inflate::Inflate;
use super::{Event, Failure, Limits, MessageKind, Partial, Reader};

pub const FIN: u8 = 0x80;
pub const RSV1: u8 = 0x40;
pub const CONTINUATION: u8 = 0x0;
pub const TEXT: u8 = 0x1;
pub const BINARY: u8 = 0x2;
pub const CLOSE: u8 = 0x8;
pub const PING: u8 = 0x9;
pub const PONG: u8 = 0xA;

/// The key of the examples in RFC 6455, section 5.7.
pub const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A client's frame: `first` is the first byte of the header, flags and opcode.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = header(first, payload.len() as u64);
    bytes.extend(payload.iter().zip(KEY.iter().cycle()).map(|(byte, key)| byte ^ key));
    bytes
}

/// The header alone, with the length in its shortest form.
pub fn header(first: u8, len: u64) -> Vec<u8> {
    let mut bytes = vec![first];
    if len < 126 {
        bytes.push(0x80 | len as u8);
    } else if len < 65536 {
        bytes.push(0x80 + 126);
        bytes.extend((len as u16).to_be_bytes());
    } else {
        bytes.push(0x80 + 127);
        bytes.extend(len.to_be_bytes());
    }
    bytes.extend(KEY);
    bytes
}

/// An event that owns what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<(u16, String)>),
    Failed(u16),
}

impl From<Event<'_>> for Heard {
    fn from(event: Event<'_>) -> Self {
        match event {
            Event::Message { kind: MessageKind::Text, payload } => {
                Self::Text(String::from_utf8(payload.to_vec()).expect("text was checked"))
            }
            Event::Message { kind: MessageKind::Binary, payload } => Self::Binary(payload.to_vec()),
            Event::Ping(payload) => Self::Ping(payload.to_vec()),
            Event::Pong(payload) => Self::Pong(payload.to_vec()),
            Event::Close(None) => Self::Close(None),
            Event::Close(Some(said)) => Self::Close(Some((said.code.0, said.reason.into()))),
        }
    }
}

/// The server's end of one connection.
pub struct Listener {
    pub partial: Option<Box<Partial>>,
    pub limits: Limits,
    pub inflate: Inflate,
    /// Whether short messages are echoed; they are then heard as they stand in the answers.
    pub echoes: bool,
    /// Closed or failed.
    pub over: bool,
}

impl Listener {
    pub fn new(max_message_bytes: usize, deflate: bool) -> Self {
        let limits = Limits { max_message_bytes, deflate };
        Self { partial: None, limits, inflate: Inflate::new(), echoes: false, over: false }
    }

    /// Reads one piece of input, as the server's loop does.
    pub fn hear(&mut self, input: &[u8], heard: &mut Vec<Heard>) {
        if self.over {
            return;
        }
        let mut input = input.to_vec();
        let mut reader = Reader::new(&mut input, &mut self.partial, self.limits, &mut self.inflate);
        loop {
            if self.echoes {
                let mut answers = Vec::new();
                let count = reader.echo(&mut answers, usize::MAX);
                let before = heard.len();
                hear_answers(&answers, heard);
                assert_eq!(heard.len() - before, count as usize);
            }
            match reader.next() {
                Ok(Some(event)) => heard.push(event.into()),
                Ok(None) => break,
                Err(Failure { code, .. }) => heard.push(Heard::Failed(code.0)),
            }
            if matches!(heard.last(), Some(Heard::Close(_) | Heard::Failed(_))) {
                assert_eq!(reader.next(), Ok(None), "nothing comes after the end");
                self.over = true;
            }
        }
        assert!(reader.rest().is_empty());
    }
}

/// What a client hears of these answers, whole messages of at most 125 bytes.
fn hear_answers(mut answers: &[u8], heard: &mut Vec<Heard>) {
    while let [first, len, rest @ ..] = answers {
        let (payload, rest) = rest.split_at(usize::from(*len));
        heard.push(match first ^ FIN {
            TEXT => text(std::str::from_utf8(payload).expect("text was checked")),
            BINARY => Heard::Binary(payload.to_vec()),
            other => panic!("no short message: {other}"),
        });
        answers = rest;
    }
}

/// What a server hears of `pieces`, with a limit of `max` bytes a message. Checks that it is the
/// same where messages are echoed.
pub fn hear_within<'a>(
    max: usize,
    deflate: bool,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Vec<Heard> {
    let (mut listener, mut echo) = (Listener::new(max, deflate), Listener::new(max, deflate));
    echo.echoes = true;
    let (mut heard, mut echoed) = (Vec::new(), Vec::new());
    for piece in pieces {
        listener.hear(piece, &mut heard);
        echo.hear(piece, &mut echoed);
    }
    assert_eq!(echoed, heard, "echoed");
    heard
}

/// What a server hears of `input`, which must not depend on how it is cut.
pub fn hear(input: &[u8]) -> Vec<Heard> {
    hear_cut_everywhere(1 << 16, false, input)
}

/// The same with compression agreed on.
pub fn hear_deflated(input: &[u8]) -> Vec<Heard> {
    hear_cut_everywhere(1 << 16, true, input)
}

/// What is heard of the whole input; checks that it is the same byte by byte, and, for short
/// inputs, in two pieces cut at any place.
pub fn hear_cut_everywhere(max: usize, deflate: bool, input: &[u8]) -> Vec<Heard> {
    let whole = hear_within(max, deflate, [input]);
    assert_eq!(hear_within(max, deflate, input.chunks(1)), whole, "byte by byte");
    if input.len() <= 1 << 10 {
        for at in 0..=input.len() {
            let (head, tail) = input.split_at(at);
            assert_eq!(hear_within(max, deflate, [head, tail]), whole, "cut at {at}");
        }
    }
    whole
}

pub fn text(content: &str) -> Heard {
    Heard::Text(content.into())
}
