//! UTF-8 of text messages (RFC 6455, section 8.1), whole or as far as they have come.

use super::close::Failure;

/// Up to here it pays to look first whether there is anything but ASCII: SIMD validation spends
/// more on the beginning and the end than on so few bytes.
const SHORT: usize = 128;

/// Checks a whole text; else 1007.
#[inline]
pub fn check(bytes: &[u8]) -> Result<(), Failure> {
    let valid = if bytes.len() <= SHORT {
        is_ascii(bytes) || std::str::from_utf8(bytes).is_ok()
    } else {
        simdutf8::basic::from_utf8(bytes).is_ok()
    };
    if valid { Ok(()) } else { Err(Failure::bad_data("text is not UTF-8")) }
}

/// The same as the standard library's, but without a way out in the middle, and so without
/// branches: for short texts that is faster.
#[inline]
fn is_ascii(bytes: &[u8]) -> bool {
    let (words, tail) = bytes.as_chunks::<8>();
    let words = words.iter().fold(0, |seen, word| seen | u64::from_ne_bytes(*word));
    let tail = tail.iter().fold(0, |seen, byte| seen | byte);
    (words | u64::from(tail)) & 0x8080_8080_8080_8080 == 0
}

/// Checks the beginning of a text: how many of its bytes are whole characters. The rest, at most 3
/// bytes, may still become one; a byte that cannot is 1007 at once.
pub(super) fn whole_characters(bytes: &[u8]) -> Result<usize, Failure> {
    match simdutf8::compat::from_utf8(bytes) {
        Ok(_) => Ok(bytes.len()),
        Err(error) if error.error_len().is_none() => Ok(error.valid_up_to()),
        Err(_) => Err(Failure::bad_data("text is not UTF-8")),
    }
}

#[cfg(test)]
mod tests;
