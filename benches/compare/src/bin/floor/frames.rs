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
