//! Where a request head ends, found while it arrives. Looks at every byte once, however the head is
//! cut, and refuses as early as a rule is broken. Never says what the head means: that is
//! `Head::parse`, called once, when the whole head is there.

use memchr::memchr3;

use super::{MAX_FIELDS, is_token_byte};
use crate::http::Refusal;

/// Empty lines before a request line that are forgiven (RFC 9112, section 2.2 asks for one).
pub const MAX_EMPTY_LINES: u8 = 4;

/// Finds the end of one head. Start a new one for each request.
#[derive(Clone, Copy, Debug, Default)]
pub struct Scanner {
    /// Bytes before this are judged. Only a CR whose LF has not come is looked at twice.
    scanned: usize,
    /// Where the current line begins; never beyond `scanned`.
    line: usize,
    /// Lines ended, from the request line on.
    lines: usize,
    /// Empty lines before the request line.
    empty_lines: u8,
    /// Bytes looked at, for the proof that scanning is linear.
    #[cfg(test)]
    pub(super) visits: usize,
}

impl Scanner {
    /// Looks at what has arrived: `bytes` are all bytes from the beginning of this request, those
    /// seen in earlier calls included. `Some(n)`: the head is `bytes[..n]`. `None`: it goes on.
    ///
    /// Refusals: 414 when the request line alone, 431 when the whole head is longer than
    /// `max_bytes` or has more than `MAX_FIELDS` lines; 400 for a bare CR or LF, NUL, a folded
    /// line, or a beginning that no method has (RFC 9112, sections 2.2, 3, 5.2).
    pub fn scan(&mut self, bytes: &[u8], max_bytes: usize) -> Result<Option<usize>, Refusal> {
        // What the limit forbids is not looked at, so that the answer does not depend on cuts.
        let window = bytes.get(..max_bytes).unwrap_or(bytes);
        loop {
            let rest = window.get(self.scanned..).unwrap_or_default();
            if self.scanned == self.line {
                self.begin_line(rest.first().copied())?;
            }
            let found = memchr3(b'\r', b'\n', 0, rest);
            #[cfg(test)]
            {
                self.visits += found.map_or(rest.len(), |at| at + 1);
            }
            let Some(at) = found else {
                self.scanned += rest.len();
                break;
            };
            self.scanned += at;
            match (rest.get(at), rest.get(at + 1)) {
                (Some(b'\r'), None) => break,
                (Some(b'\r'), Some(b'\n')) => {
                    if self.end_line()? {
                        return Ok(Some(self.scanned));
                    }
                }
                (Some(b'\r'), Some(_)) => return Err(Refusal::malformed("CR without LF")),
                (Some(b'\n'), _) => return Err(Refusal::malformed("LF without CR")),
                _ => return Err(Refusal::malformed("NUL in the request head")),
            }
        }
        if window.len() == max_bytes { Err(self.too_long()) } else { Ok(None) }
    }

    /// Judges a line by its first byte. May be asked twice about the same one.
    fn begin_line(&self, first: Option<u8>) -> Result<(), Refusal> {
        match first {
            // Left to the search, which knows what to say about them.
            None | Some(b'\r' | b'\n' | 0) => Ok(()),
            Some(b' ' | b'\t') if self.lines > 0 => {
                Err(Refusal::malformed("a header line begins with a space (line folding)"))
            }
            Some(byte) if self.lines == 0 && !is_token_byte(byte) => {
                Err(Refusal::malformed("this is not an HTTP request"))
            }
            Some(_) => Ok(()),
        }
    }

    /// Steps over the CRLF at `scanned`. True when it ended the head.
    fn end_line(&mut self) -> Result<bool, Refusal> {
        let empty = self.scanned == self.line;
        self.scanned += 2;
        self.line = self.scanned;
        if empty && self.lines > 0 {
            return Ok(true);
        }
        if empty {
            self.empty_lines += 1;
            if self.empty_lines > MAX_EMPTY_LINES {
                return Err(Refusal::malformed("too many empty lines before the request"));
            }
            return Ok(false);
        }
        self.lines += 1;
        if self.lines > 1 + MAX_FIELDS {
            return Err(Refusal::closing(431, "too_large", "too many header lines"));
        }
        Ok(false)
    }

    fn too_long(&self) -> Refusal {
        if self.lines == 0 {
            Refusal::closing(414, "too_large", "the request line is too long")
        } else {
            Refusal::closing(431, "too_large", "the request head is too long")
        }
    }
}
