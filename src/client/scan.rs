//! Walks over JSON text (RFC 8259) in one pass, checks the grammar and the depth, and says where
//! values begin and end. It builds nothing, allocates nothing and does not recurse: the open
//! arrays and objects are the bits of one integer. Numbers keep their digits and strings their
//! escapes, of which the grammar allows halves of surrogate pairs, too.

use super::code::{Code, Fault};
use crate::limits::JSON_DEPTH;

const _: () = assert!(JSON_DEPTH <= u64::BITS as usize, "one bit for each open array or object");

/// Why a text is refused. As small as can be, since every step may end in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    /// Not JSON.
    Grammar,
    /// Nested too deeply.
    Depth,
}

/// A place in a text.
pub(super) struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    /// At the beginning.
    pub fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// The refusal for a flaw that was met here.
    pub fn fault(&self, flaw: Flaw) -> Fault {
        let message = match flaw {
            Flaw::Grammar => format!("not JSON, from byte {} on", self.at),
            Flaw::Depth => format!("nested deeper than {JSON_DEPTH}"),
        };
        Fault::new(Code::BadJson, message)
    }

    /// Passes `bracket` if it comes next.
    pub fn opens(&mut self, bracket: u8) -> bool {
        self.skip_whitespace();
        self.takes(bracket)
    }

    /// Passes `bracket` if it comes next: the array or object that was opened is empty.
    pub fn closes(&mut self, bracket: u8) -> bool {
        self.opens(bracket)
    }

    /// Passes a comma, or the `bracket` that ends the array or object; says whether it goes on.
    #[inline]
    pub fn continues(&mut self, bracket: u8) -> Result<bool, Flaw> {
        self.skip_whitespace();
        if self.takes(b',') {
            return Ok(true);
        }
        if self.takes(bracket) { Ok(false) } else { Err(Flaw::Grammar) }
    }

    /// Passes the name of a member and its colon. The name comes as it stands, with its quotes.
    pub fn name(&mut self) -> Result<&'a str, Flaw> {
        self.skip_whitespace();
        let start = self.at;
        self.string()?;
        let name = self.passed(start);
        self.skip_whitespace();
        if self.takes(b':') { Ok(name) } else { Err(Flaw::Grammar) }
    }

    /// Passes a value that stands `depth` deep, and gives it as it stands.
    pub fn value(&mut self, depth: usize) -> Result<&'a str, Flaw> {
        self.skip_whitespace();
        let start = self.at;
        self.walk(depth)?;
        Ok(self.passed(start))
    }

    /// Nothing but whitespace may be left.
    pub fn end(&mut self) -> Result<(), Flaw> {
        self.skip_whitespace();
        if self.at == self.text.len() { Ok(()) } else { Err(Flaw::Grammar) }
    }

    /// Passes one value with everything in it. `objects` has a bit for each open bracket of this
    /// value, the innermost lowest: 1 for an object, 0 for an array.
    fn walk(&mut self, outside: usize) -> Result<(), Flaw> {
        let (mut objects, mut inside) = (0u64, 0usize);
        loop {
            // A value begins here, behind any whitespace.
            match self.peek() {
                Some(bracket @ (b'{' | b'[')) => {
                    self.at += 1;
                    let is_object = bracket == b'{';
                    if outside + inside == JSON_DEPTH {
                        return Err(Flaw::Depth);
                    }
                    (objects, inside) = (objects << 1 | u64::from(is_object), inside + 1);
                    // Two more than each bracket is the one that closes it.
                    if !self.closes(bracket + 2) {
                        if is_object {
                            self.name()?;
                        }
                        self.skip_whitespace();
                        continue;
                    }
                    (objects, inside) = (objects >> 1, inside - 1);
                }
                Some(b'"') => self.string()?,
                Some(b'-' | b'0'..=b'9') => self.number()?,
                Some(b't') => self.word("true")?,
                Some(b'f') => self.word("false")?,
                Some(b'n') => self.word("null")?,
                _ => return Err(Flaw::Grammar),
            }
            // A value ended here, and perhaps what it stands in.
            loop {
                if inside == 0 {
                    return Ok(());
                }
                let is_object = objects & 1 == 1;
                if self.continues(if is_object { b'}' } else { b']' })? {
                    if is_object {
                        self.name()?;
                    }
                    self.skip_whitespace();
                    break;
                }
                (objects, inside) = (objects >> 1, inside - 1);
            }
        }
    }

    /// Passes a string.
    fn string(&mut self) -> Result<(), Flaw> {
        if !self.takes(b'"') {
            return Err(Flaw::Grammar);
        }
        loop {
            self.at += plain_length(self.rest());
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => self.escape()?,
                _ => return Err(Flaw::Grammar),
            }
        }
    }

    /// Passes a backslash and what it escapes.
    fn escape(&mut self) -> Result<(), Flaw> {
        let length = match self.rest() {
            [_, b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => 2,
            [_, b'u', a, b, c, d, ..] if [a, b, c, d].iter().all(|x| x.is_ascii_hexdigit()) => 6,
            _ => return Err(Flaw::Grammar),
        };
        self.at += length;
        Ok(())
    }

    /// Passes a number.
    fn number(&mut self) -> Result<(), Flaw> {
        self.takes(b'-');
        if !self.takes(b'0') {
            self.digits()?;
        }
        if self.takes(b'.') {
            self.digits()?;
        }
        if self.takes(b'e') || self.takes(b'E') {
            if !self.takes(b'-') {
                self.takes(b'+');
            }
            self.digits()?;
        }
        Ok(())
    }

    /// Passes one digit or more.
    #[inline]
    fn digits(&mut self) -> Result<(), Flaw> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        if self.at > start { Ok(()) } else { Err(Flaw::Grammar) }
    }

    fn word(&mut self, word: &str) -> Result<(), Flaw> {
        if !self.rest().starts_with(word.as_bytes()) {
            return Err(Flaw::Grammar);
        }
        self.at += word.len();
        Ok(())
    }

    #[inline]
    fn skip_whitespace(&mut self) {
        // One comparison where there is none, as nearly always.
        while let Some(byte) = self.peek()
            && byte <= b' '
            && matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
        {
            self.at += 1;
        }
    }

    #[inline]
    fn takes(&mut self, byte: u8) -> bool {
        if self.peek() != Some(byte) {
            return false;
        }
        self.at += 1;
        true
    }

    /// The text from `start` to here. Both are beside ASCII, hence never inside of a character.
    #[inline]
    fn passed(&self, start: usize) -> &'a str {
        self.text.get(start..self.at).unwrap_or_default()
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    #[inline]
    fn rest(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }
}

/// How many bytes stand for themselves at the beginning of what is in a string.
fn plain_length(text: &[u8]) -> usize {
    // Short strings are the rule; behind them memchr is many times faster.
    const SHORT: usize = 24;
    let is_special = |byte: u8| SPECIAL[usize::from(byte)];
    for (at, &byte) in text.iter().enumerate() {
        if is_special(byte) {
            return at;
        }
        if at == SHORT {
            break;
        }
    }
    let quote = memchr::memchr2(b'"', b'\\', text).unwrap_or(text.len());
    let plain = &text[..quote];
    // A minimum has no early exit, so that the compiler makes it a vector loop.
    let clean = plain.iter().fold(u8::MAX, |least, &byte| least.min(byte)) >= 0x20;
    if clean { quote } else { plain.iter().position(|&byte| byte < 0x20).unwrap_or(quote) }
}

/// Which bytes do not stand for themselves in a string.
static SPECIAL: [bool; 256] = {
    let mut special = [false; 256];
    let mut control = 0;
    while control < 0x20 {
        special[control] = true;
        control += 1;
    }
    special[b'"' as usize] = true;
    special[b'\\' as usize] = true;
    special
};

#[cfg(test)]
mod tests;
