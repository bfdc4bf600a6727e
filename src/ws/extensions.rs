//! Negotiating permessage-deflate (RFC 7692, sections 5 and 7.1) from `Sec-WebSocket-Extensions`
//! (RFC 6455, section 9.1). What was agreed is kept by `inflate` and `deflate`.
//!
//! The first offer that can be met whole is taken. An offer that cannot is declined, which is no
//! error; a field that does not follow the grammar is. The parser goes once from left to right and
//! allocates nothing, whatever the field looks like.

/// The parameters of permessage-deflate on one connection. Neither side keeps its window from
/// message to message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// The server's window is 2 to this power, 9 to 15.
    pub window_bits: u8,
    /// The client asked for a window, so it must be told.
    asked: bool,
}

impl Agreed {
    /// The value of the answer's `Sec-WebSocket-Extensions`. `client_max_window_bits` is never in
    /// it: the client may use any window.
    pub const fn answer(self) -> &'static str {
        macro_rules! answer {
            ($($more:literal)?) => {
                concat!(
                    "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
                    $("; server_max_window_bits=", $more)?
                )
            };
        }
        match (self.asked, self.window_bits) {
            (false, _) => answer!(),
            (true, 9) => answer!("9"),
            (true, 10) => answer!("10"),
            (true, 11) => answer!("11"),
            (true, 12) => answer!("12"),
            (true, 13) => answer!("13"),
            (true, 14) => answer!("14"),
            (true, _) => answer!("15"),
        }
    }
}

/// The field does not follow the grammar of RFC 6455, section 9.1: to be answered with 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// Reads one line of offers. Several lines are one list, in order: the first line that has an
/// acceptable offer decides, and all must follow the grammar.
pub fn negotiate(line: &[u8]) -> Result<Option<Agreed>, Malformed> {
    let mut rest = Cursor { bytes: line };
    let mut agreed = None;
    loop {
        rest.skip_blanks();
        // Empty elements of a list are to be ignored (RFC 9110, section 5.6.1.2).
        if !rest.is_at(b',') && !rest.is_empty() {
            let offer = rest.offer()?;
            agreed = agreed.or(offer);
        }
        if rest.is_empty() {
            return Ok(agreed);
        }
        rest.expect(b',')?;
    }
}

/// What is left of the line.
struct Cursor<'a> {
    bytes: &'a [u8],
}

/// A parameter's value, its quotes taken off but its escapes still in it. A token once unescaped.
#[derive(Clone, Copy)]
struct Value<'a>(&'a [u8]);

/// The parameters of one offer, as far as they are known to be acceptable.
#[derive(Default)]
struct Offer {
    server_max_window_bits: Option<u8>,
    client_max_window_bits: bool,
    server_no_context_takeover: bool,
    client_no_context_takeover: bool,
}

impl<'a> Cursor<'a> {
    /// `extension = token *( ";" param )`, and whether it can be met.
    fn offer(&mut self) -> Result<Option<Agreed>, Malformed> {
        let name = self.token()?;
        let mut offer = name.eq_ignore_ascii_case(b"permessage-deflate").then(Offer::default);
        loop {
            self.skip_blanks();
            if !self.is_at(b';') {
                break;
            }
            self.expect(b';')?;
            self.skip_blanks();
            let (name, value) = self.parameter()?;
            offer = offer.and_then(|offer| offer.with(name, value));
        }
        Ok(offer.map(|offer| Agreed {
            window_bits: offer.server_max_window_bits.unwrap_or(15),
            asked: offer.server_max_window_bits.is_some(),
        }))
    }

    /// `param = token [ "=" ( token | quoted-string ) ]`.
    fn parameter(&mut self) -> Result<(&'a [u8], Option<Value<'a>>), Malformed> {
        let name = self.token()?;
        self.skip_blanks();
        if !self.is_at(b'=') {
            return Ok((name, None));
        }
        self.expect(b'=')?;
        self.skip_blanks();
        let value = if self.is_at(b'"') { self.quoted()? } else { Value(self.token()?) };
        Ok((name, Some(value)))
    }

    fn token(&mut self) -> Result<&'a [u8], Malformed> {
        let len = self.bytes.iter().take_while(|byte| is_token(**byte)).count();
        let (token, rest) = self.bytes.split_at(len);
        self.bytes = rest;
        if token.is_empty() { Err(Malformed) } else { Ok(token) }
    }

    /// A quoted string, whose content must be a token once it is unescaped.
    fn quoted(&mut self) -> Result<Value<'a>, Malformed> {
        self.expect(b'"')?;
        let mut len = 0;
        let mut escaped = false;
        for byte in self.bytes {
            match byte {
                b'"' if !escaped => break,
                b'\\' if !escaped => escaped = true,
                byte if is_token(*byte) => escaped = false,
                _ => return Err(Malformed),
            }
            len += 1;
        }
        let (value, rest) = self.bytes.split_at(len);
        self.bytes = rest;
        self.expect(b'"')?;
        if value.is_empty() { Err(Malformed) } else { Ok(Value(value)) }
    }

    fn skip_blanks(&mut self) {
        while let [b' ' | b'\t', rest @ ..] = self.bytes {
            self.bytes = rest;
        }
    }

    fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    fn is_at(&self, byte: u8) -> bool {
        self.bytes.first() == Some(&byte)
    }

    fn expect(&mut self, byte: u8) -> Result<(), Malformed> {
        match self.bytes {
            [first, rest @ ..] if *first == byte => {
                self.bytes = rest;
                Ok(())
            }
            _ => Err(Malformed),
        }
    }
}

impl Offer {
    /// The offer with one more parameter; `None` if it must be declined: the parameter is unknown
    /// or repeated, or its value is missing, surplus or bad.
    fn with(mut self, name: &[u8], value: Option<Value<'_>>) -> Option<Self> {
        let once = |flag: &mut bool| !std::mem::replace(flag, true);
        let good = match (name, value) {
            (b"server_no_context_takeover", None) => once(&mut self.server_no_context_takeover),
            (b"client_no_context_takeover", None) => once(&mut self.client_no_context_takeover),
            (b"client_max_window_bits", None) => once(&mut self.client_max_window_bits),
            (b"client_max_window_bits", Some(value)) => {
                value.window_bits().is_some() && once(&mut self.client_max_window_bits)
            }
            (b"server_max_window_bits", Some(value)) => {
                // zlib cannot make raw deflate with a window of 2^8: such an offer is not met.
                let bits = value.window_bits().filter(|bits| *bits > 8);
                bits.is_some() && self.server_max_window_bits.replace(bits?).is_none()
            }
            _ => false,
        };
        good.then_some(self)
    }
}

impl Value<'_> {
    /// A decimal from 8 to 15 without leading zeros.
    fn window_bits(self) -> Option<u8> {
        let mut digits = self.unescaped();
        let (first, second) = (digits.next()?, digits.next());
        match (first, second, digits.next()) {
            (b'8' | b'9', None, None) => Some(first - b'0'),
            (b'1', Some(second @ b'0'..=b'5'), None) => Some(10 + second - b'0'),
            _ => None,
        }
    }

    /// A backslash can only be an escape, for it is not a token character itself.
    fn unescaped(self) -> impl Iterator<Item = u8> {
        self.0.iter().copied().filter(|byte| *byte != b'\\')
    }
}

/// Characters of a token (RFC 9110, section 5.6.2).
pub(super) const fn is_token(byte: u8) -> bool {
    matches!(byte, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'0'..=b'9' | b'A'..=b'Z'
        | b'^'..=b'z' | b'|' | b'~')
}

#[cfg(test)]
mod tests;
