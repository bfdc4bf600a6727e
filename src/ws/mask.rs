//! Masking (RFC 6455, section 5.3): every byte of a client's payload is combined by exclusive or
//! with a byte of a 4-byte key, in turn. Nothing else; `message` decides what to unmask.

/// Bytes unmasked at a time: two of the vectors that every x86-64 and `AArch64` has.
const BLOCK: usize = 32;

/// The bits that no ASCII has.
const HIGH: u64 = 0x8080_8080_8080_8080;

/// Unmasks `bytes` in place. `phase` is how many bytes of the same frame came before them. Says
/// whether all of them are ASCII now, which is nearly free to know here.
///
/// The last bytes are unmasked aside, as a whole block or word, and put over what the others have
/// left of it: so there is no rest to go through byte by byte.
pub fn unmask(bytes: &mut [u8], key: [u8; 4], phase: usize) -> bool {
    let key = rotated(key, phase);
    match bytes.len() {
        BLOCK.. => unmask_blocks(bytes, key),
        8.. => unmask_words(bytes, key),
        _ => unmask_bytes(bytes, key),
    }
}

/// The same from one place to another of the same length: one pass, where a copy that is then
/// unmasked takes two.
#[inline]
pub fn unmask_into(plain: &mut [u8], masked: &[u8], key: [u8; 4]) -> bool {
    let Some(last) = masked.last_chunk() else {
        plain.copy_from_slice(masked);
        return unmask(plain, key, 0);
    };
    let mut seen = [0; BLOCK / 4];
    for (plain, block) in plain.as_chunks_mut().0.iter_mut().zip(masked.as_chunks().0) {
        *plain = unmasked(block, key, &mut seen);
    }
    if let Some(end) = plain.last_chunk_mut() {
        *end = unmasked(last, rotated(key, masked.len()), &mut seen);
    }
    are_ascii(seen)
}

/// The key as the byte after `phase` bytes sees it: its first byte is the next one to use.
#[inline]
pub fn rotated(key: [u8; 4], phase: usize) -> [u8; 4] {
    u32::from_le_bytes(key).rotate_right(8 * (phase % 4) as u32).to_le_bytes()
}

/// For at least one block.
#[inline]
fn unmask_blocks(bytes: &mut [u8], key: [u8; 4]) -> bool {
    let mut seen = [0; BLOCK / 4];
    let mut end = [0; BLOCK];
    if let Some(last) = bytes.last_chunk() {
        end = unmasked(last, rotated(key, bytes.len()), &mut seen);
    }
    for block in bytes.as_chunks_mut().0 {
        *block = unmasked(block, key, &mut seen);
    }
    if let Some(last) = bytes.last_chunk_mut() {
        *last = end;
    }
    are_ascii(seen)
}

/// A loop of known length without dependencies, which the compiler turns into vectors.
#[inline]
fn unmasked(block: &[u8; BLOCK], key: [u8; 4], seen: &mut [u32; BLOCK / 4]) -> [u8; BLOCK] {
    let mut plain = *block;
    for (word, seen) in plain.as_chunks_mut().0.iter_mut().zip(seen) {
        let bits = u32::from_ne_bytes(*word) ^ u32::from_ne_bytes(key);
        *word = bits.to_ne_bytes();
        *seen |= bits;
    }
    plain
}

/// Whether all that went into these is. By halves, and only then all in one: as a vector does it.
#[inline]
fn are_ascii(seen: [u32; BLOCK / 4]) -> bool {
    let mut high = [0; 4];
    for words in seen.as_chunks::<4>().0 {
        for (high, word) in high.iter_mut().zip(words) {
            *high |= *word & HIGH as u32;
        }
    }
    high.iter().fold(0, |seen, high| seen | high) == 0
}

/// For at least one word of eight bytes, and less than a block.
#[inline]
fn unmask_words(bytes: &mut [u8], key: [u8; 4]) -> bool {
    let twice = |key| u64::from(u32::from_ne_bytes(key)) * 0x1_0000_0001;
    let mut end = 0;
    if let Some(last) = bytes.last_chunk() {
        end = u64::from_ne_bytes(*last) ^ twice(rotated(key, bytes.len()));
    }
    let mut seen = end;
    for word in bytes.as_chunks_mut().0 {
        let plain = u64::from_ne_bytes(*word) ^ twice(key);
        *word = plain.to_ne_bytes();
        seen |= plain;
    }
    if let Some(last) = bytes.last_chunk_mut() {
        *last = end.to_ne_bytes();
    }
    seen & HIGH == 0
}

/// For less than a word.
#[inline]
fn unmask_bytes(bytes: &mut [u8], [a, b, c, d]: [u8; 4]) -> bool {
    let mut seen = 0u8;
    for (byte, key) in bytes.iter_mut().zip([a, b, c, d, a, b, c]) {
        *byte ^= key;
        seen |= *byte;
    }
    seen.is_ascii()
}

#[cfg(test)]
mod tests;
