//! One connection of the crowd: its socket, where it is in its input, and what it has heard so far.
//! Small, for there are many. Decides nothing about what is measured.

use std::io::{self, ErrorKind, Write as _};

use mio::net::TcpStream;

use super::codec::Place;
use super::stamp::Stamp;

/// Bytes that may wait for a server which does not take them.
const MAX_UNSENT: usize = 256 << 20;

/// How far a connection has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// There is none.
    #[default]
    Free,
    /// TCP is connecting.
    Connecting,
    /// The request is sent, the 101 is awaited.
    Upgrading,
    /// The server is to speak first.
    Greeting,
    /// Hello is said, its answer is awaited.
    Joining,
    /// It is there, and subscribed if it is to be.
    Open,
    /// It speaks HTTP: requests out, answers in.
    Http,
}

/// What became of a message, by its sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noted {
    /// New, after so many that are missing.
    New {
        /// Those between the last one and this.
        missing: u64,
    },
    /// One that was missing.
    Late,
    /// One that was here before.
    Again,
}

/// One connection.
#[derive(Debug, Default)]
pub struct Line {
    pub(super) place: Place,
    /// The stamp of the message under way; its sequence is 0 where there is none.
    pub(super) pending: Stamp,
    /// The highest sequence heard.
    pub last: u64,
    /// Which of the 32 up to `last` were heard, the lowest bit being `last` itself.
    pub seen: u32,
    /// How many messages it was told will not come, of those that have not been missed yet.
    pub told: u32,
    /// A moment that a scenario remembers; of an opening connection, when it began.
    pub mark: u64,
    pub(super) stream: Option<TcpStream>,
    pub(super) phase: Phase,
    /// It publishes, and does not count.
    pub(super) talks: bool,
    /// It is not read.
    pub(super) stalled: bool,
}

impl Line {
    /// Whether it is there, and subscribed if it is to be.
    pub fn is_open(&self) -> bool {
        self.phase == Phase::Open
    }

    /// Whether it is not on its way: there, or ended.
    pub fn is_settled(&self) -> bool {
        matches!(self.phase, Phase::Free | Phase::Open | Phase::Http)
    }

    /// Whether it was told not to read.
    pub fn is_stalled(&self) -> bool {
        self.stalled
    }

    /// Notes that a message came.
    #[inline]
    pub fn note(&mut self, sequence: u64) -> Noted {
        if sequence > self.last {
            let steps = sequence - self.last;
            self.last = sequence;
            self.seen = if steps < 32 { self.seen << steps | 1 } else { 1 };
            return Noted::New { missing: steps - 1 };
        }
        let back = self.last - sequence;
        let bit = if back < 32 { 1u32 << back } else { 0 };
        if bit != 0 && self.seen & bit == 0 {
            self.seen |= bit;
            return Noted::Late;
        }
        Noted::Again
    }

    /// Goes on from this sequence: what is below and not here yet is missing. Says how many.
    pub fn skip_to(&mut self, sequence: u64) -> u64 {
        let missing = sequence.saturating_sub(self.last);
        if missing > 0 {
            self.seen = if missing < 32 { self.seen << missing } else { 0 };
            self.last = sequence;
        }
        missing
    }

    /// Begins with what comes after this sequence.
    pub fn start_at(&mut self, sequence: u64) {
        (self.last, self.seen, self.told) = (sequence, u32::MAX, 0);
    }

    /// Has the kernel delay its ACKs (`tcp(7)`, `TCP_QUICKACK`). Whether it does by itself depends
    /// on what either side has sent before, and when: alike connections differ, and what the server
    /// pays for each send differs with them by half.
    pub fn delay_acks(&self) -> io::Result<()> {
        let stream = self.stream.as_ref();
        stream.map_or(Ok(()), |stream| socket2::SockRef::from(stream).set_tcp_quickack(false))
    }

    /// Sends, or keeps for later what the kernel does not take.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some(stream) = &mut self.stream else { return Ok(()) };
        let waits = self.place.cut.as_ref().is_some_and(|cut| !cut.unsent.is_empty());
        let sent = if waits { 0 } else { write(stream, bytes)? };
        if sent < bytes.len() {
            let unsent = &mut self.place.cut().unsent;
            if unsent.len() + bytes.len() - sent > MAX_UNSENT {
                return Err(io::Error::other("the server does not take what it is sent"));
            }
            unsent.extend_from_slice(&bytes[sent..]);
        }
        Ok(())
    }

    /// Sends what was kept.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        let Self { place, stream: Some(stream), .. } = self else { return Ok(()) };
        let Some(cut) = &mut place.cut else { return Ok(()) };
        if !cut.unsent.is_empty() {
            let sent = write(stream, &cut.unsent)?;
            cut.unsent.drain(..sent);
        }
        Ok(())
    }
}

/// Writes until the kernel takes no more.
fn write(stream: &mut TcpStream, bytes: &[u8]) -> io::Result<usize> {
    let mut sent = 0;
    while sent < bytes.len() {
        match stream.write(&bytes[sent..]) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(count) => sent += count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(sent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_small() {
        assert!(size_of::<Line>() <= 64 + size_of::<Option<TcpStream>>());
    }

    #[test]
    fn acks_are_delayed_when_that_is_asked_for() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let line = Line { stream: Some(stream), ..Line::default() };
        listener.accept().unwrap();
        let socket = socket2::SockRef::from(line.stream.as_ref().unwrap());
        socket.set_tcp_quickack(true).unwrap();
        assert!(socket.tcp_quickack().unwrap());
        line.delay_acks().unwrap();
        assert!(!socket.tcp_quickack().unwrap());
        Line::default().delay_acks().unwrap();
    }

    #[test]
    fn sequences() {
        let mut line = Line::default();
        line.start_at(10);
        let mut hear = |sequence| line.note(sequence);
        assert_eq!(hear(11), Noted::New { missing: 0 });
        assert_eq!(hear(11), Noted::Again);
        assert_eq!(hear(14), Noted::New { missing: 2 });
        assert_eq!(hear(12), Noted::Late);
        assert_eq!(hear(12), Noted::Again);
        assert_eq!(hear(10), Noted::Again);
        assert_eq!(hear(46), Noted::New { missing: 31 });
        assert_eq!(hear(13), Noted::Again, "too long ago to know");
        assert_eq!(hear(45), Noted::Late);
        assert_eq!(line.skip_to(46), 0);
        assert_eq!(line.skip_to(48), 2);
        assert_eq!(line.note(47), Noted::Late);
        assert_eq!(line.note(46), Noted::Again);
        assert_eq!(line.note(49), Noted::New { missing: 0 });
    }
}
