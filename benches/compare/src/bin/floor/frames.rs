//! As much of RFC 6455 as a length needs: where a client's frame ends, and the server's frame with
//! the same opcode and payload. Nothing is unmasked, for the clients of a floor mask with zeros;
//! nothing is validated. `main.rs` says what is done with it.

const MASK: usize = 4;
const CONTROL: u8 = 0x08;
const CLOSE: u8 = 0x08;
const OPCODE: u8 = 0x0f;

/// What one look at received bytes gave.
#[derive(Default)]
pub struct Taken {
    /// So many bytes were whole frames; the rest is the start of one.
    pub bytes: usize,
    /// A Close was among them; what came after it was not looked at.
    pub closed: bool,
}

/// Calls `each` with every whole data frame at the front of `bytes`: the first two bytes and the
/// extended length as a server sends them, then the payload. Control frames are passed over.
pub fn take(bytes: &[u8], mut each: impl FnMut(&[u8], &[u8])) -> Taken {
    let mut taken = Taken::default();
    loop {
        let rest = &bytes[taken.bytes..];
        let Some((head, length)) = lengths(rest) else { return taken };
        let start = head + MASK;
        let Some(end) = start.checked_add(length).filter(|end| *end <= rest.len()) else {
            return taken;
        };
        taken.bytes += end;
        if rest[0] & OPCODE == CLOSE {
            return Taken { closed: true, ..taken };
        }
        if rest[0] & CONTROL == 0 {
            let mut header = [0; 10];
            header[..head].copy_from_slice(&rest[..head]);
            header[1] &= 0x7f;
            each(&header[..head], &rest[start..end]);
        }
    }
}

/// Bytes of the header without its masking key, and of the payload.
fn lengths(bytes: &[u8]) -> Option<(usize, usize)> {
    let [_, second, rest @ ..] = bytes else { return None };
    match second & 0x7f {
        126 => Some((4, usize::from(u16::from_be_bytes(*rest.first_chunk()?)))),
        127 => Some((10, usize::try_from(u64::from_be_bytes(*rest.first_chunk()?)).ok()?)),
        length => Some((2, usize::from(length))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A client's frame, masked with zeros.
    fn client(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = match payload.len() {
            length @ ..126 => vec![first, 0x80 | length as u8],
            length @ ..65_536 => [&[first, 0xfe], &(length as u16).to_be_bytes()[..]].concat(),
            length => [&[first, 0xff], &(length as u64).to_be_bytes()[..]].concat(),
        };
        frame.extend_from_slice(&[0; MASK]);
        frame.extend_from_slice(payload);
        frame
    }

    fn taken(bytes: &[u8]) -> (Taken, Vec<(Vec<u8>, usize)>) {
        let mut frames = Vec::new();
        let taken = take(bytes, |header, payload| frames.push((header.to_vec(), payload.len())));
        (taken, frames)
    }

    #[test]
    fn headers_are_those_of_a_server() {
        for (length, header) in [
            (0, vec![0x81, 0]),
            (125, vec![0x81, 125]),
            (126, vec![0x81, 126, 0, 126]),
            (65_536, vec![0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] {
            let frame = client(0x81, &vec![b'x'; length]);
            let (taken, frames) = taken(&frame);
            assert_eq!((taken.bytes, frames), (frame.len(), vec![(header, length)]));
        }
    }

    #[test]
    fn a_cut_frame_waits() {
        let whole = client(0x82, &[b'x'; 300]);
        let bytes = [&whole[..], &whole[..]].concat();
        for cut in whole.len()..bytes.len() {
            let (taken, frames) = taken(&bytes[..cut]);
            assert_eq!((taken.bytes, frames.len()), (whole.len(), 1), "cut at {cut}");
        }
    }

    #[test]
    fn control_frames_are_no_messages() {
        let (ping, text, close) = (client(0x89, b"?"), client(0x81, b"!"), client(0x88, &[3, 232]));
        let (taken, frames) = taken(&[ping, text, close].concat());
        assert!(taken.closed);
        assert_eq!(frames, [(vec![0x81, 1], 1)]);
    }
}
