//! UTF-8 of text messages (RFC 6455, section 8.1), whole or as far as they have come.

use super::close::Failure;

/// Up to here the standard library is as fast as SIMD.
const SHORT: usize = 64;

/// Checks a whole text; else 1007.
#[inline]
pub(super) fn check(bytes: &[u8]) -> Result<(), Failure> {
    let valid = if bytes.len() <= SHORT {
        std::str::from_utf8(bytes).is_ok()
    } else {
        simdutf8::basic::from_utf8(bytes).is_ok()
    };
    if valid { Ok(()) } else { Err(Failure::bad_data("text is not UTF-8")) }
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
