//! UTF-8 of text messages (RFC 6455, section 8.1), whole or as far as they have come.

use super::close::Failure;

/// Checks a whole text; else 1007. (Whoever has unmasked it knows whether it is ASCII, and then has
/// no need to ask.)
pub fn check(bytes: &[u8]) -> Result<(), Failure> {
    match simdutf8::basic::from_utf8(bytes) {
        Ok(_) => Ok(()),
        Err(_) => Err(Failure::bad_data("text is not UTF-8")),
    }
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
