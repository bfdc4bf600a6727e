//! Frames (RFC 6455, section 5.2): reading the header of a client's frame, writing a server's.
//!
//! What one header alone can tell is judged here, before any payload is awaited. What depends on
//! the frames before it, or on a limit, is the business of `message`.

use std::ops::Deref;

use super::close::Failure;

/// The shortest header of a client's frame: 2 bytes, 4 of key.
pub const MIN_CLIENT_HEADER: usize = 6;

/// The longest header of a client's frame: 2 bytes, 8 of length, 4 of key.
pub const MAX_CLIENT_HEADER: usize = 14;

/// The longest payload of a control frame, and the longest that needs no extended length.
const MAX_SHORT: u64 = 125;

/// What a frame is (RFC 6455, section 11.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Opcode {
    /// A further fragment of a message.
    Continuation = 0x0,
    /// A text message, or its first fragment.
    Text = 0x1,
    /// A binary message, or its first fragment.
    Binary = 0x2,
    /// The last frame of a side.
    Close = 0x8,
    /// Asks for a pong.
    Ping = 0x9,
    /// Answers a ping.
    Pong = 0xA,
}

impl Opcode {
    /// The opcode in the low four bits; reserved ones are `None`.
    #[inline]
    pub const fn from_bits(bits: u8) -> Option<Self> {
        Some(match bits & 0x0F {
            0x0 => Self::Continuation,
            0x1 => Self::Text,
            0x2 => Self::Binary,
            0x8 => Self::Close,
            0x9 => Self::Ping,
            0xA => Self::Pong,
            _ => return None,
        })
    }

    /// Close, ping and pong: never fragmented, never compressed, at most 125 bytes.
    #[inline]
    pub const fn is_control(self) -> bool {
        self as u8 & 0x8 != 0
    }
}

/// The header of a client's frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientHeader {
    /// Bytes of the header itself.
    pub size: usize,
    /// The last (or only) frame of its message.
    pub fin: bool,
    /// The message is compressed; only on the first frame of a data message.
    pub rsv1: bool,
    /// What it is.
    pub opcode: Opcode,
    /// Bytes of the payload, as declared: at most 2^63 - 1, by a stranger.
    pub len: u64,
    /// The masking key.
    pub key: [u8; 4],
}

/// Reads the header at the start of `bytes`; `None` if it is not all there. `deflate` says whether
/// permessage-deflate was agreed on, which gives RSV1 its meaning.
///
/// Fails with 1002 as early as the bytes that are there allow.
#[inline]
pub fn decode(bytes: &[u8], deflate: bool) -> Result<Option<ClientHeader>, Failure> {
    let [first, second, rest @ ..] = bytes else { return Ok(None) };
    let fin = first & 0x80 != 0;
    let rsv1 = first & 0x40 != 0;
    if first & 0x30 != 0 {
        return Err(Failure::protocol("RSV2 or RSV3 is set"));
    }
    let Some(opcode) = Opcode::from_bits(*first) else {
        return Err(Failure::protocol("reserved opcode"));
    };
    if rsv1 && !(deflate && matches!(opcode, Opcode::Text | Opcode::Binary)) {
        return Err(Failure::protocol("RSV1 is set where it means nothing"));
    }
    if second & 0x80 == 0 {
        return Err(Failure::protocol("frame is not masked"));
    }
    let short = u64::from(second & 0x7F);
    if opcode.is_control() && !(fin && short <= MAX_SHORT) {
        return Err(Failure::protocol("control frame is fragmented or too long"));
    }
    let Some((len, rest)) = length(short, rest)? else { return Ok(None) };
    let Some((key, rest)) = rest.split_first_chunk() else { return Ok(None) };
    let size = bytes.len() - rest.len();
    Ok(Some(ClientHeader { size, fin, rsv1, opcode, len, key: *key }))
}

/// What nearly all clients send nearly always: a message that is one frame of at most 125 bytes,
/// not compressed. If it is wholly there at the start of `bytes`: text or binary, its key, its
/// payload.
/// `None` is no verdict: that is for `decode`.
#[inline]
pub fn short_message(bytes: &mut [u8]) -> Option<(Opcode, [u8; 4], &mut [u8])> {
    let [first, second, a, b, c, d, rest @ ..] = bytes else { return None };
    let opcode = match first {
        0x81 => Opcode::Text,
        0x82 => Opcode::Binary,
        _ => return None,
    };
    // Without the mask bit, this is above all lengths.
    let len = *second ^ 0x80;
    if u64::from(len) > MAX_SHORT {
        return None;
    }
    Some((opcode, [*a, *b, *c, *d], rest.get_mut(..usize::from(len))?))
}

/// The payload's length from the 7-bit one and what follows, and what comes after it. It must be
/// written in the shortest form, its top bit 0.
#[inline]
fn length(short: u64, rest: &[u8]) -> Result<Option<(u64, &[u8])>, Failure> {
    let (len, rest, least) = match short {
        0..=MAX_SHORT => return Ok(Some((short, rest))),
        126 => {
            let Some((bytes, rest)) = rest.split_first_chunk() else { return Ok(None) };
            (u64::from(u16::from_be_bytes(*bytes)), rest, MAX_SHORT + 1)
        }
        _ => {
            let Some((bytes, rest)) = rest.split_first_chunk() else { return Ok(None) };
            (u64::from_be_bytes(*bytes), rest, 1 << 16)
        }
    };
    if len < least {
        return Err(Failure::protocol("length is not in its shortest form"));
    }
    if len > i64::MAX as u64 {
        return Err(Failure::protocol("length has its top bit set"));
    }
    Ok(Some((len, rest)))
}

/// The header of a server's frame: 2, 4 or 10 bytes.
#[derive(Clone, Copy, Debug)]
pub struct ServerHeader {
    bytes: [u8; 10],
    size: u8,
}

impl Deref for ServerHeader {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.size)]
    }
}

/// The header of a frame that the server sends: whole (FIN), not masked, in the shortest form.
/// `rsv1` says that the payload of `len` bytes is a compressed message.
#[inline]
pub fn header(opcode: Opcode, rsv1: bool, len: usize) -> ServerHeader {
    debug_assert!(!opcode.is_control() || (!rsv1 && len as u64 <= MAX_SHORT));
    let mut bytes = [0; 10];
    bytes[0] = 0x80 | u8::from(rsv1) << 6 | opcode as u8;
    let size = if len as u64 <= MAX_SHORT {
        bytes[1] = len as u8;
        2
    } else if let Ok(len) = u16::try_from(len) {
        bytes[1] = 126;
        bytes[2..4].copy_from_slice(&len.to_be_bytes());
        4
    } else {
        bytes[1] = 127;
        bytes[2..].copy_from_slice(&(len as u64).to_be_bytes());
        10
    };
    ServerHeader { bytes, size }
}

/// Appends a whole frame. Control frames take at most 125 bytes of payload.
#[inline]
pub fn encode(out: &mut Vec<u8>, opcode: Opcode, rsv1: bool, payload: &[u8]) {
    let ServerHeader { bytes, size } = header(opcode, rsv1, payload.len());
    out.reserve(bytes.len() + payload.len());
    // Copied at full length, which is known, and cut to size: cheaper than a copy of few bytes.
    let end = out.len() + usize::from(size);
    out.extend_from_slice(&bytes);
    out.truncate(end);
    out.extend_from_slice(payload);
}

/// Appends a whole frame of at most 125 bytes of payload, which is lent out to be filled.
#[inline]
pub fn encode_short(out: &mut Vec<u8>, opcode: Opcode, len: usize) -> &mut [u8] {
    debug_assert!(len as u64 <= MAX_SHORT);
    let start = out.len() + 2;
    let mut longest = [0; 2 + MAX_SHORT as usize];
    longest[..2].copy_from_slice(&[0x80 | opcode as u8, len as u8]);
    out.extend_from_slice(&longest);
    out.truncate(start + len);
    &mut out[start..]
}

#[cfg(test)]
mod tests;
