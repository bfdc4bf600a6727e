//! Compressing what the server sends (RFC 7692, section 7.2.1). The window starts empty with every
//! message, so one compressed form serves all receivers that agreed on the same window, and a
//! worker needs one compressor per window size for all its connections.

use flate2::{Compress, Compression, FlushCompress, Status};

/// Shorter payloads are sent as they are. JSON of 80 bytes gets a tenth shorter, of 110 bytes a
/// fifth, which is less than the headers of the packet that carries it.
pub const MIN_PAYLOAD: usize = 128;

/// zlib's level. 1 knows only the fixed code, which gains nothing on text without repetitions; 2
/// makes a code for each block, and what 6 adds to that is a few bytes in a hundred for twice the
/// time.
pub const LEVEL: Compression = Compression::new(2);

/// The smallest window that raw deflate can be made with.
const MIN_BITS: u8 = 9;

/// What a flushed stream ends with and a message leaves out.
const TAIL: &[u8] = &[0x00, 0x00, 0xFF, 0xFF];

/// A worker's compressors, each made when it is first needed.
#[derive(Default)]
pub struct Deflate {
    by_bits: [Option<Compress>; 7],
}

impl Deflate {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends the compressed form of a message, for a frame with RSV1 set, that looks back no
    /// farther than 2 to the power of `window_bits` (9 to 15). False, with nothing appended, when
    /// the message is better sent as it is.
    pub fn compress(&mut self, window_bits: u8, payload: &[u8], out: &mut Vec<u8>) -> bool {
        if payload.len() < MIN_PAYLOAD {
            return false;
        }
        let Some(slot) = self.by_bits.get_mut(usize::from(window_bits.wrapping_sub(MIN_BITS)))
        else {
            return false;
        };
        let compressor =
            slot.get_or_insert_with(|| Compress::new_with_window_bits(LEVEL, false, window_bits));
        compressor.reset();
        let start = out.len();
        // Room for the worst result (zlib's deflateBound), so that the compressor gets rid of all.
        out.reserve(payload.len() + payload.len() / 8 + payload.len() / 64 + 64);
        let step = compressor.compress_vec(payload, out, FlushCompress::Sync);
        let done = matches!(step, Ok(Status::Ok))
            && compressor.total_in() == payload.len() as u64
            && out.len() < out.capacity()
            && out[start..].ends_with(TAIL);
        if !done {
            // zlib-rs keeps the place of its pending bytes over a reset, and panics when places
            // run out: one that did not get rid of all is not used again.
            *slot = None;
        }
        let len = out.len().saturating_sub(TAIL.len());
        let pays = done && len - start < payload.len();
        out.truncate(if pays { len } else { start });
        pays
    }
}

#[cfg(test)]
mod tests;
