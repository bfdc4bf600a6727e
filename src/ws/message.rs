//! Reading what a client sends: frames joined to messages, control frames between them, every
//! check of RFC 6455 that needs more than one header.
//!
//! The loop reads into one buffer that serves all its connections, and a [`Reader`] works in it in
//! place: a message that is wholly there is handed out as a slice of it, without a copy. What is
//! unfinished when the input ends goes to [`Partial`], and the next reader goes on from there, with
//! the same result wherever the input was cut. What to do with an event is the caller's business.

use std::ops::Range;

use super::close::{self, CloseFrame, Failure};
use super::content::Content;
use super::frame::{self, ClientHeader, MIN_CLIENT_HEADER, Opcode};
use super::inflate::Inflate;
use super::mask;
use super::partial::{OpenMessage, Partial};
use super::text;

/// What one connection may send.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of a message after inflation; one more is 1009.
    pub max_message_bytes: usize,
    /// Whether permessage-deflate was agreed on.
    pub deflate: bool,
}

/// The two types of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageKind {
    /// UTF-8, checked.
    Text,
    /// Bytes.
    Binary,
}

impl MessageKind {
    /// What its first frame is marked with.
    #[inline]
    pub const fn opcode(self) -> Opcode {
        match self {
            Self::Text => Opcode::Text,
            Self::Binary => Opcode::Binary,
        }
    }
}

/// What a client said. Borrowed from the reader: to be dealt with before the next one.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A whole message.
    Message {
        /// Its type.
        kind: MessageKind,
        /// All of it: fragments joined, unmasked, inflated. Free to be changed in place.
        payload: &'a mut [u8],
    },
    /// To be answered by a pong with the same payload, of at most 125 bytes.
    Ping(&'a [u8]),
    /// A pong, asked for or not.
    Pong(&'a [u8]),
    /// The client's last frame: nothing comes after it.
    Close(Option<CloseFrame<'a>>),
}

/// Reads events out of what one read from the socket brought.
pub struct Reader<'a> {
    input: &'a mut [u8],
    /// Bytes of `input` that are dealt with.
    at: usize,
    partial: &'a mut Option<Box<Partial>>,
    limits: Limits,
    inflate: &'a mut Inflate,
    /// A payload that came in pieces, complete now: lent out until the next call.
    joined: Vec<u8>,
}

/// A frame or message that is complete, and where its payload is.
struct Found {
    /// Text or binary for a whole message, or the control frame's.
    opcode: Opcode,
    place: Place,
}

enum Place {
    Input(Range<usize>),
    Joined,
    Inflated,
}

impl<'a> Reader<'a> {
    /// A reader of `input`, which comes right after what earlier readers of this connection have
    /// seen. `partial` is the connection's own, `inflate` shared by all of a worker.
    pub fn new(
        input: &'a mut [u8],
        partial: &'a mut Option<Box<Partial>>,
        limits: Limits,
        inflate: &'a mut Inflate,
    ) -> Self {
        Self { input, at: 0, partial, limits, inflate, joined: Vec::new() }
    }

    /// The next event. `None` when all input is used; what is unfinished is then in `partial`.
    ///
    /// On a failure the connection must be closed with its code. All events before it have been
    /// handed out; after it, as after a close, there is nothing more.
    #[expect(
        clippy::inline_always,
        reason = "a message handed over in memory takes twice the time"
    )]
    #[inline(always)]
    #[expect(clippy::should_implement_trait, reason = "an Iterator cannot lend")]
    pub fn next(&mut self) -> Result<Option<Event<'_>>, Failure> {
        match self.find_short() {
            Some((kind, place)) => {
                Ok(Some(Event::Message { kind, payload: &mut self.input[place] }))
            }
            None if self.at == self.input.len() => Ok(None),
            None => self.next_of_any_kind(),
        }
    }

    /// What `find_short` leaves.
    #[inline(never)]
    fn next_of_any_kind(&mut self) -> Result<Option<Event<'_>>, Failure> {
        let found = match self.find() {
            Ok(Some(found)) => found,
            Ok(None) => return Ok(None),
            Err(failure) => {
                self.stop();
                return Err(failure);
            }
        };
        if found.opcode == Opcode::Close {
            self.stop();
        }
        let payload = match found.place {
            Place::Input(range) => &mut self.input[range],
            Place::Joined => &mut self.joined[..],
            Place::Inflated => self.inflate.last(),
        };
        Ok(Some(match found.opcode {
            Opcode::Text => Event::Message { kind: MessageKind::Text, payload },
            Opcode::Binary | Opcode::Continuation => {
                Event::Message { kind: MessageKind::Binary, payload }
            }
            Opcode::Ping => Event::Ping(payload),
            Opcode::Pong => Event::Pong(payload),
            Opcode::Close => Event::Close(close::parse(payload)?),
        }))
    }

    /// Answers the messages that come next by the same, appended to `out` as a server's frames, as
    /// long as they are short ones. Anything else, and all once `out` is longer than `most`, is
    /// left for `next`. Returns how many were answered.
    #[inline(never)] // Among the variables of a caller, its own would not stay in registers.
    pub fn echo(&mut self, out: &mut Vec<u8>, most: usize) -> u64 {
        let mut count = 0;
        while out.len() <= most && self.echo_short(out).is_some() {
            count += 1;
        }
        count
    }

    /// The input that has not been looked at: another reader may be given it later.
    pub fn rest(&self) -> &[u8] {
        &self.input[self.at..]
    }

    /// Nothing more is read from this connection.
    #[cold]
    fn stop(&mut self) {
        self.at = self.input.len();
        *self.partial = None;
    }

    /// The shortest way, for the most frequent: see `frame::short_message`. What is not in order is
    /// left as it came, to be judged by those that judge everything.
    #[inline]
    fn find_short(&mut self) -> Option<(MessageKind, Range<usize>)> {
        let (opcode, key, payload) = self.short()?;
        let len = payload.len();
        let is_ascii = mask::unmask(payload, key, 0);
        if opcode == Opcode::Text && !is_ascii && text::check(payload).is_err() {
            mask::unmask(payload, key, 0); // which masks it again
            return None;
        }
        let start = self.at + MIN_CLIENT_HEADER;
        self.at = start + len;
        Some((kind_of(opcode), start..self.at))
    }

    /// The same, unmasked straight into an answer.
    #[inline]
    fn echo_short(&mut self, out: &mut Vec<u8>) -> Option<()> {
        let (opcode, key, masked) = self.short()?;
        let len = masked.len();
        let before = out.len();
        let plain = frame::encode_short(out, opcode, len);
        let is_ascii = mask::unmask_into(plain, masked, key);
        if opcode == Opcode::Text && !is_ascii && text::check(plain).is_err() {
            out.truncate(before);
            return None;
        }
        self.at += MIN_CLIENT_HEADER + len;
        Some(())
    }

    /// A short message that comes next, still masked: its opcode, key and payload.
    #[inline]
    fn short(&mut self) -> Option<(Opcode, [u8; 4], &mut [u8])> {
        if self.partial.is_some() {
            return None;
        }
        let most = self.limits.max_message_bytes;
        frame::short_message(self.input.get_mut(self.at..)?).filter(|found| found.2.len() <= most)
    }

    #[inline]
    fn find(&mut self) -> Result<Option<Found>, Failure> {
        if self.partial.is_none()
            && let Some(found) = self.find_whole()?
        {
            return Ok(Some(found));
        }
        self.find_by_pieces()
    }

    /// The way that nearly all others go: with nothing unfinished before it, a frame that is
    /// complete by itself and wholly there. Any other is left untouched for `find_by_pieces`.
    #[inline]
    fn find_whole(&mut self) -> Result<Option<Found>, Failure> {
        let rest = &mut self.input[self.at..];
        let Some(header) = frame::decode(rest, self.limits.deflate)? else { return Ok(None) };
        let ClientHeader { size, opcode, len, key, .. } = header;
        if !header.fin || opcode == Opcode::Continuation || len > (rest.len() - size) as u64 {
            return Ok(None);
        }
        let len = len as usize; // no more than there is
        if !opcode.is_control() && len > self.limits.most_in_frame(header.rsv1) {
            return Err(Failure::too_large("message is too long"));
        }
        let payload = &mut rest[size..size + len];
        let is_ascii = mask::unmask(payload, key, 0);
        let start = self.at + size;
        self.at = start + len;
        if header.rsv1 {
            let kind = kind_of(opcode);
            self.inflate.message(kind, payload, self.limits.max_message_bytes)?;
            return Ok(Some(Found { opcode, place: Place::Inflated }));
        }
        if opcode == Opcode::Text && !is_ascii {
            text::check(payload)?;
        }
        Ok(Some(Found { opcode, place: Place::Input(start..self.at) }))
    }

    /// The way of everything else: header, payload and message may each have begun in an earlier
    /// read, and may go on in a later one. Every step uses up at least a byte.
    #[cold]
    #[inline(never)]
    fn find_by_pieces(&mut self) -> Result<Option<Found>, Failure> {
        self.joined = Vec::new();
        while self.at < self.input.len() {
            let mut partial = self.partial.take().unwrap_or_default();
            let found = if partial.frame.is_some() || self.read_header(&mut partial)? {
                self.read_payload(&mut partial)?
            } else {
                None
            };
            if !partial.is_empty() {
                *self.partial = Some(partial);
            }
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// Reads a header, or as much of it as there is; whether it is complete, and its frame open.
    fn read_header(&mut self, partial: &mut Partial) -> Result<bool, Failure> {
        let deflate = self.limits.deflate;
        if partial.head().is_empty() {
            let rest = &self.input[self.at..];
            let Some(header) = frame::decode(rest, deflate)? else {
                partial.extend_head(rest);
                self.at = self.input.len();
                return Ok(false);
            };
            self.at += header.size;
            self.open(partial, &header)?;
            return Ok(true);
        }
        while let Some(byte) = self.input.get(self.at) {
            partial.extend_head(&[*byte]);
            self.at += 1;
            if let Some(header) = frame::decode(partial.head(), deflate)? {
                self.open(partial, &header)?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Judges a header by what came before it and by the limits (RFC 6455, section 5.4).
    fn open(&mut self, partial: &mut Partial, header: &ClientHeader) -> Result<(), Failure> {
        let mut most = usize::MAX;
        match (header.opcode, &partial.message) {
            (Opcode::Text | Opcode::Binary, None) => {
                let content = Content::new(kind_of(header.opcode), Vec::new());
                let inflater = header.rsv1.then(|| self.inflate.take());
                most = self.limits.most_in_frame(header.rsv1);
                partial.message = Some(OpenMessage { content, inflater });
            }
            (Opcode::Text | Opcode::Binary, Some(_)) => {
                return Err(Failure::protocol("new message inside a fragmented one"));
            }
            (Opcode::Continuation, None) => {
                return Err(Failure::protocol("continuation of no message"));
            }
            (Opcode::Continuation, Some(message)) => {
                most = self.limits.most_in_frame(message.inflater.is_some());
                if message.inflater.is_none() {
                    most -= message.content.bytes.len(); // which never exceed the limit
                }
            }
            (Opcode::Close | Opcode::Ping | Opcode::Pong, _) => {}
        }
        match usize::try_from(header.len) {
            Ok(len) if len <= most => partial.open(header, len),
            _ => return Err(Failure::too_large("message is too long")),
        }
        Ok(())
    }

    /// Reads the open frame's payload, or as much of it as there is.
    fn read_payload(&mut self, partial: &mut Partial) -> Result<Option<Found>, Failure> {
        let Some(frame) = &mut partial.frame else { return Ok(None) };
        let start = self.at;
        self.at += frame.left.min(self.input.len() - start);
        let piece = &mut self.input[start..self.at];
        frame.unmask(piece);
        let (opcode, fin, ended) = (frame.opcode, frame.fin, frame.left == 0);
        if ended {
            partial.frame = None;
        }
        if opcode.is_control() {
            if ended && partial.control.is_empty() {
                return Ok(Some(Found { opcode, place: Place::Input(start..self.at) }));
            }
            partial.control.extend_from_slice(piece);
            if !ended {
                return Ok(None);
            }
            self.joined = std::mem::take(&mut partial.control);
            return Ok(Some(Found { opcode, place: Place::Joined }));
        }
        let Some(message) = &mut partial.message else { return Ok(None) };
        message.push(piece, self.limits.max_message_bytes)?;
        if !(ended && fin) {
            return Ok(None);
        }
        let Some(message) = partial.message.take() else { return Ok(None) };
        let content = message.finish(self.limits.max_message_bytes, self.inflate)?;
        let opcode = content.kind.opcode();
        self.joined = content.bytes;
        Ok(Some(Found { opcode, place: Place::Joined }))
    }
}

impl Limits {
    /// The longest payload that a frame may declare. What a compressed one holds is only known
    /// once it is inflated, but no deflate stream with a purpose is twice as long as its content.
    #[inline]
    fn most_in_frame(self, compressed: bool) -> usize {
        if compressed {
            self.max_message_bytes.saturating_mul(2).saturating_add(64)
        } else {
            self.max_message_bytes
        }
    }
}

#[inline]
fn kind_of(opcode: Opcode) -> MessageKind {
    if opcode == Opcode::Text { MessageKind::Text } else { MessageKind::Binary }
}

#[cfg(test)]
mod tests;
