//! Masking (RFC 6455, section 5.3): every byte of a client's payload is combined by exclusive or
//! with a byte of a 4-byte key, in turn. Nothing else; `message` decides what to unmask.

/// Unmasks `bytes` in place. `phase` is how many bytes of the same frame came before them.
///
/// Eight bytes at a time in a loop without dependencies, which the compiler widens to vectors.
#[inline]
pub fn unmask(bytes: &mut [u8], key: [u8; 4], phase: usize) {
    let [a, b, c, d] = rotated(key, phase);
    let word = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, tail) = bytes.as_chunks_mut::<8>();
    for chunk in words {
        *chunk = (u64::from_ne_bytes(*chunk) ^ word).to_ne_bytes();
    }
    for (byte, key) in tail.iter_mut().zip([a, b, c, d, a, b, c]) {
        *byte ^= key;
    }
}

/// The key as the byte after `phase` bytes sees it: its first byte is the next one to use.
#[inline]
pub fn rotated(mut key: [u8; 4], phase: usize) -> [u8; 4] {
    key.rotate_left(phase % 4);
    key
}

#[cfg(test)]
mod tests;
