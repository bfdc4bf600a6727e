//! Frames as a client reads and writes them (RFC 6455). They are read in place, out of the one
//! buffer that everybody receives into; between two reads a connection keeps at most the header and
//! the first `PEEK` bytes of a frame that was cut. Knows nothing of what a frame says.

use crate::ws::frame::Opcode;

/// So much of a payload is shown at once; what comes behind is only passed by.
pub const PEEK: usize = 512;

/// The longest header of a server's frame.
const MAX_HEADER: usize = 10;

/// The header of a server's frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Bytes of the header itself.
    pub size: u8,
    /// The last (or only) frame of its message.
    pub fin: bool,
    /// The message is compressed.
    pub rsv1: bool,
    /// What it is.
    pub opcode: Opcode,
    /// Bytes of the payload.
    pub len: u32,
}

impl Header {
    /// Bytes of the whole frame.
    pub const fn frame_bytes(self) -> u64 {
        self.size as u64 + self.len as u64
    }
}

/// Why a server is not understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed(pub &'static str);

/// Who is told what a read has brought.
pub trait Sink {
    /// A frame has begun. `payload` is all of it that is there, `PEEK` bytes if it is so long.
    fn begin(&mut self, header: Header, payload: &[u8]);
    /// More of its payload.
    fn rest(&mut self, payload: &[u8]);
    /// It is whole.
    fn end(&mut self, fin: bool);
}

/// What a connection keeps of a frame that was cut, and of what the kernel would not take.
#[derive(Debug, Default)]
pub struct Cut {
    /// The beginning of a frame, too short to be shown.
    pub held: Vec<u8>,
    /// What is still to be sent.
    pub unsent: Vec<u8>,
}

/// Where a connection is in its input.
#[derive(Debug, Default)]
pub struct Place {
    /// Made when it is first needed, and kept.
    pub cut: Option<Box<Cut>>,
    /// Bytes of the payload that are still to come, of a frame that has begun.
    pub skip: u32,
    /// Whether that frame is the last of its message.
    fin: bool,
}

impl Place {
    /// What was cut, which there may be none of yet.
    pub fn cut(&mut self) -> &mut Cut {
        self.cut.get_or_insert_default()
    }

    /// Reads what has come. Every frame is begun once and ended once, wherever it is cut.
    #[inline]
    pub fn read(&mut self, mut bytes: &[u8], sink: &mut impl Sink) -> Result<(), Malformed> {
        if self.cut.as_ref().is_some_and(|cut| !cut.held.is_empty()) {
            bytes = self.resume(bytes, sink)?;
        }
        loop {
            if self.skip > 0 {
                bytes = self.pass(bytes, sink);
            }
            if bytes.is_empty() {
                return Ok(());
            }
            let whole = decode(bytes)?.and_then(|header| {
                let payload = &bytes[usize::from(header.size)..];
                (payload.len() >= PEEK.min(header.len as usize)).then_some((header, payload))
            });
            let Some((header, payload)) = whole else {
                self.cut().held.extend_from_slice(bytes);
                return Ok(());
            };
            let there = payload.len().min(header.len as usize);
            let (payload, rest) = payload.split_at(there);
            self.begin(header, payload, sink);
            bytes = rest;
        }
    }

    #[inline]
    fn begin(&mut self, header: Header, payload: &[u8], sink: &mut impl Sink) {
        sink.begin(header, payload);
        self.skip = header.len - payload.len() as u32;
        self.fin = header.fin;
        if self.skip == 0 {
            sink.end(header.fin);
        }
    }

    /// Passes by what belongs to the frame under way.
    fn pass<'a>(&mut self, bytes: &'a [u8], sink: &mut impl Sink) -> &'a [u8] {
        let (mine, rest) = bytes.split_at(bytes.len().min(self.skip as usize));
        if !mine.is_empty() {
            sink.rest(mine);
            self.skip -= mine.len() as u32;
            if self.skip == 0 {
                sink.end(self.fin);
            }
        }
        rest
    }

    /// Goes on with a frame whose beginning is held.
    #[cold]
    fn resume<'a>(&mut self, bytes: &'a [u8], sink: &mut impl Sink) -> Result<&'a [u8], Malformed> {
        let mut held = std::mem::take(&mut self.cut().held);
        let before = held.len();
        let room = (MAX_HEADER + PEEK).saturating_sub(before);
        held.extend_from_slice(&bytes[..bytes.len().min(room)]);
        let mut taken = held.len() - before;
        let mut whole = false;
        if let Some(header) = decode(&held)? {
            let size = usize::from(header.size);
            let shown = size + PEEK.min(header.len as usize);
            whole = held.len() >= shown;
            if whole {
                taken = shown - before;
                self.begin(header, &held[size..shown], sink);
            }
        }
        if whole {
            held.clear();
        }
        self.cut().held = held;
        Ok(&bytes[taken..])
    }
}

/// Reads a header; `None` if it is not all there.
#[inline]
fn decode(bytes: &[u8]) -> Result<Option<Header>, Malformed> {
    let [first, second, rest @ ..] = bytes else { return Ok(None) };
    let Some(opcode) = Opcode::from_bits(*first) else {
        return Err(Malformed("a reserved opcode"));
    };
    if first & 0x30 != 0 || second & 0x80 != 0 {
        return Err(Malformed("a reserved bit, or a mask"));
    }
    let (size, len) = match second & 0x7F {
        126 => {
            let Some(len) = rest.first_chunk() else { return Ok(None) };
            (4, u64::from(u16::from_be_bytes(*len)))
        }
        127 => {
            let Some(len) = rest.first_chunk() else { return Ok(None) };
            (10, u64::from_be_bytes(*len))
        }
        short => (2, u64::from(short)),
    };
    let Ok(len) = u32::try_from(len) else { return Err(Malformed("a frame of 4 GiB or more")) };
    if opcode.is_control() && size > 2 {
        return Err(Malformed("a long control frame"));
    }
    let (fin, rsv1) = (first & 0x80 != 0, first & 0x40 != 0);
    Ok(Some(Header { size, fin, rsv1, opcode, len }))
}

/// Appends a client's frame. Its mask is all zeros, which is as valid as any: what is measured is
/// not to be the client's masking.
pub fn encode(out: &mut Vec<u8>, opcode: Opcode, payload: &[u8]) {
    out.push(0x80 | opcode as u8);
    if payload.len() <= 125 {
        out.push(0x80 | payload.len() as u8);
    } else if let Ok(len) = u16::try_from(payload.len()) {
        out.push(0x80 | 0x7E);
        out.extend_from_slice(&len.to_be_bytes());
    } else {
        out.push(0x80 | 0x7F);
        out.extend_from_slice(&(payload.len() as u64).to_be_bytes());
    }
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(payload);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ws::frame;

    /// Writes down what it is told, and that everything is shown that should be.
    #[derive(Default, PartialEq, Debug)]
    struct Told {
        frames: Vec<(Header, Vec<u8>)>,
        ended: usize,
    }

    impl Sink for Told {
        fn begin(&mut self, header: Header, payload: &[u8]) {
            assert_eq!(self.ended, self.frames.len(), "the one before has ended");
            assert!(payload.len() >= PEEK.min(header.len as usize));
            self.frames.push((header, payload.to_vec()));
        }

        fn rest(&mut self, payload: &[u8]) {
            self.frames.last_mut().expect("one has begun").1.extend_from_slice(payload);
        }

        fn end(&mut self, fin: bool) {
            let (header, payload) = &self.frames[self.ended];
            assert_eq!(payload.len(), header.len as usize);
            assert_eq!(fin, header.fin);
            self.ended += 1;
        }
    }

    fn stream() -> Vec<u8> {
        let mut bytes = Vec::new();
        for len in [0, 1, 125, 126, PEEK - 1, PEEK, PEEK + 1, 2000, 65_536] {
            let payload: Vec<u8> = (0..len).map(|at| at as u8).collect();
            frame::encode(&mut bytes, Opcode::Text, false, &payload);
        }
        frame::encode(&mut bytes, Opcode::Ping, false, b"are you there");
        frame::encode(&mut bytes, Opcode::Binary, true, b"deflated");
        frame::encode(&mut bytes, Opcode::Close, false, b"\x03\xe8bye");
        bytes
    }

    fn read(pieces: &[&[u8]]) -> Told {
        let (mut place, mut told) = (Place::default(), Told::default());
        for piece in pieces {
            place.read(piece, &mut told).expect("well-formed");
        }
        assert_eq!(told.ended, told.frames.len());
        assert_eq!(place.skip, 0);
        told
    }

    #[test]
    fn cut_anywhere_is_the_same() {
        let bytes = stream();
        let whole = read(&[&bytes]);
        assert_eq!(whole.frames.len(), 12);
        for at in 0..bytes.len() {
            let (left, right) = bytes.split_at(at);
            assert_eq!(read(&[left, right]), whole, "cut at {at}");
        }
        for size in [1, 2, 3, 7, 100, PEEK, PEEK + 11, 5000] {
            let pieces: Vec<&[u8]> = bytes.chunks(size).collect();
            assert_eq!(read(&pieces), whole, "in pieces of {size}");
        }
    }

    #[test]
    fn what_no_server_may_send() {
        for bytes in [
            &[0x83, 0][..],
            &[0x81, 0x80],
            &[0xA1, 0],
            &[0x89, 126, 0, 200],
            &[0x82, 127, 0, 0, 0, 1, 0, 0, 0, 0],
        ] {
            let (mut place, mut told) = (Place::default(), Told::default());
            assert!(place.read(bytes, &mut told).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn a_frame_is_what_a_server_reads() {
        for len in [0, 125, 126, 65_535, 65_536] {
            let payload = vec![b'x'; len];
            let mut bytes = Vec::new();
            encode(&mut bytes, Opcode::Text, &payload);
            let header = frame::decode(&bytes, false).expect("valid").expect("whole");
            assert_eq!((header.len, header.key), (len as u64, [0; 4]));
            assert_eq!(&bytes[header.size..], payload);
        }
    }
}
