//! From frames to messages with stamps, to words, to answers: what is heard on one connection
//! during one read. Nothing is allocated for a message. `codec` finds the frames, `dialect` knows
//! the words, whoever measures is an `Audience`.

use std::collections::HashMap;

use super::codec::{Header, Sink, encode};
use super::dialect::{Dialect, Word};
use super::flags::DialectName;
use super::inflate::Inflater;
use super::line::{Line, Phase};
use super::stamp::Stamp;
use crate::ws::frame::Opcode;

/// Whom a crowd tells what happens. `at` is the number of the connection.
pub trait Audience {
    /// The 101 came.
    fn upgraded(&mut self, at: usize, line: &mut Line, now_ns: u64) {
        let _ = (at, line, now_ns);
    }

    /// It is there, and subscribed if it is to be.
    fn joined(&mut self, at: usize, line: &mut Line, now_ns: u64) {
        let _ = (at, line, now_ns);
    }

    /// A message with a stamp has begun: its payload, as far as it is there.
    fn begun(&mut self, at: usize, header: Header, payload: &[u8]) {
        let _ = (at, header, payload);
    }

    /// More of a payload.
    fn rest(&mut self, payload: &[u8]) {
        let _ = payload;
    }

    /// A message with a stamp has come whole.
    fn heard(&mut self, at: usize, line: &mut Line, stamp: Stamp, now_ns: u64);

    /// Something else was said; `text` may be only its beginning.
    fn word(&mut self, at: usize, line: &mut Line, word: Word, text: &[u8]) {
        let _ = (at, line, word, text);
    }

    /// That was all that one read brought.
    fn paused(&mut self, at: usize, line: &mut Line, now_ns: u64) {
        let _ = (at, line, now_ns);
    }

    /// The connection has ended, without being asked to. `line.is_open` says whether it was there.
    fn ended(&mut self, at: usize, line: &mut Line) {
        let _ = (at, line);
    }

    /// The position from which this connection is to go on.
    fn since(&self, at: usize, line: &Line) -> Option<String> {
        let _ = (at, line);
        None
    }
}

/// What all connections share in hearing.
pub(super) struct Ear {
    pub dialect: Dialect,
    /// Where the last stamp was.
    pub offset: usize,
    /// The whole frame of the last message.
    pub frame_bytes: u64,
    /// What is to be answered, in frames, when the read is over.
    pub replies: Vec<u8>,
    pub inflater: Inflater,
    /// Ends of streams of lines that were cut, of NATS.
    pub tails: HashMap<usize, Vec<u8>>,
    /// What makes it pointless to go on.
    pub problem: Option<String>,
    /// Why the server closed the first that it closed.
    pub last_words: Option<String>,
}

impl Ear {
    pub fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            offset: 0,
            frame_bytes: 0,
            replies: Vec::new(),
            inflater: Inflater::new(),
            tails: HashMap::new(),
            problem: None,
            last_words: None,
        }
    }
}

/// One read of one connection.
pub(super) struct Hearing<'a, A> {
    pub at: usize,
    pub line: &'a mut Line,
    pub ear: &'a mut Ear,
    pub audience: &'a mut A,
    /// What to say to a greeting, for this connection.
    pub channel: Option<&'a str>,
    pub now_ns: u64,
    /// The server has sent its Close.
    pub closed: bool,
}

impl<A: Audience> Sink for Hearing<'_, A> {
    #[inline]
    fn begin(&mut self, header: Header, payload: &[u8]) {
        match header.opcode {
            Opcode::Text | Opcode::Binary => {}
            Opcode::Continuation => return self.rest(payload),
            control => return self.control(control, payload),
        }
        if self.ear.dialect.name == DialectName::Nats {
            self.ear.frame_bytes = header.frame_bytes();
            return self.stream(payload);
        }
        if header.rsv1 {
            return self.deflated(header, payload);
        }
        if self.line.phase == Phase::Open
            && let Some(stamp) = Stamp::find(payload, &mut self.ear.offset)
        {
            self.stamped(header, stamp);
            self.audience.begun(self.at, header, payload);
        } else {
            self.text(payload);
        }
    }

    fn rest(&mut self, payload: &[u8]) {
        if self.ear.dialect.name == DialectName::Nats {
            self.stream(payload);
        } else if self.line.pending.sequence != 0 {
            self.audience.rest(payload);
        }
    }

    #[inline]
    fn end(&mut self, fin: bool) {
        if fin && self.line.pending.sequence != 0 {
            let stamp = std::mem::take(&mut self.line.pending);
            self.heard(stamp);
        }
    }
}

impl<A: Audience> Hearing<'_, A> {
    fn stamped(&mut self, header: Header, stamp: Stamp) {
        self.ear.frame_bytes = header.frame_bytes();
        self.line.pending = stamp;
    }

    #[inline]
    fn heard(&mut self, stamp: Stamp) {
        if !self.line.talks {
            self.audience.heard(self.at, self.line, stamp, self.now_ns);
        }
    }

    /// A compressed message, inflated as far as it is shown.
    fn deflated(&mut self, header: Header, payload: &[u8]) {
        let mut inflater = std::mem::take(&mut self.ear.inflater);
        let text = inflater.inflate(payload);
        let stamp = Stamp::find(text, &mut self.ear.offset);
        match stamp.filter(|_| self.line.phase == Phase::Open) {
            Some(stamp) => self.stamped(header, stamp),
            None => self.text(text),
        }
        self.ear.inflater = inflater;
    }

    #[cold]
    fn control(&mut self, opcode: Opcode, payload: &[u8]) {
        match opcode {
            Opcode::Ping => encode(&mut self.ear.replies, Opcode::Pong, payload),
            Opcode::Close => {
                encode(&mut self.ear.replies, Opcode::Close, &payload[..payload.len().min(2)]);
                self.ear.last_words.get_or_insert_with(|| match payload {
                    [high, low, reason @ ..] => {
                        let code = u16::from_be_bytes([*high, *low]);
                        format!("{code} {}", String::from_utf8_lossy(reason))
                    }
                    _ => "a Close without a code".into(),
                });
                self.closed = true;
            }
            _ => {}
        }
    }

    /// A text without a stamp.
    #[cold]
    fn text(&mut self, text: &[u8]) {
        let word = self.ear.dialect.word(text);
        match word {
            Word::Greeted if self.line.phase == Phase::Greeting => self.say_hello(),
            Word::Joined if self.line.phase == Phase::Joining => self.open(),
            Word::Asked(answer) => {
                encode(&mut self.ear.replies, self.ear.dialect.opcode, answer);
            }
            Word::Refused if self.line.talks || self.line.phase != Phase::Open => {
                let who = if self.line.talks { "the publisher" } else { "a subscriber" };
                let text = String::from_utf8_lossy(text);
                self.ear.problem.get_or_insert_with(|| format!("the server refuses {who}: {text}"));
            }
            _ => {}
        }
        if !self.line.talks {
            self.audience.word(self.at, self.line, word, text);
        }
    }

    fn say_hello(&mut self) {
        let subscribes = !self.line.talks;
        let since = subscribes.then(|| self.audience.since(self.at, self.line)).flatten();
        match self.ear.dialect.hello(self.channel, since.as_deref()) {
            Some(hello) => {
                encode(&mut self.ear.replies, self.ear.dialect.opcode, hello.as_bytes());
                self.line.phase = Phase::Joining;
            }
            None => self.open(),
        }
    }

    /// The connection is there.
    pub fn open(&mut self) {
        self.line.phase = Phase::Open;
        if !self.line.talks {
            self.audience.joined(self.at, self.line, self.now_ns);
        }
    }

    /// Bytes of NATS, whose messages begin and end anywhere in frames.
    fn stream(&mut self, bytes: &[u8]) {
        let tail = self.ear.tails.remove(&self.at);
        let joined = tail.map(|mut tail| {
            tail.extend_from_slice(bytes);
            tail
        });
        let mut rest = joined.as_deref().unwrap_or(bytes);
        while let Some(end) = memchr::memchr(b'\n', rest) {
            let mut size = end + 1;
            if rest.starts_with(b"MSG ") {
                let digits = rest[..end].trim_ascii_end().rsplit(|byte| *byte == b' ').next();
                let number = digits.and_then(|digits| str::from_utf8(digits).ok()?.parse().ok());
                size += 2 + number.unwrap_or(0usize);
                if rest.len() < size {
                    break;
                }
                if let Some(stamp) = Stamp::read(&rest[end + 1..])
                    && self.line.phase == Phase::Open
                {
                    self.heard(stamp);
                }
            } else {
                self.text(&rest[..end]);
            }
            rest = &rest[size..];
        }
        if !rest.is_empty() {
            self.ear.tails.insert(self.at, rest.to_vec());
        }
    }
}
