//! The opening handshake, server side (RFC 6455, sections 4.2 and 4.4): is this request one for a
//! WebSocket, and the 101 that answers it. The head is parsed, and `Host`, `Origin`, body and
//! credentials are judged, elsewhere.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

use super::extensions::{self, Agreed, is_token};

/// The subprotocol of this server, compared with case.
pub const PROTOCOL: &str = "fanwire.v1";

/// A subprotocol that starts so carries a token; it is never selected.
const BEARER: &str = "bearer.";

/// What every key is joined with (RFC 6455, section 1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A key: 16 bytes in base64.
const KEY_LEN: usize = 24;

/// A request that may be answered with 101.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Upgrade<'h> {
    /// `Sec-WebSocket-Key`, as sent.
    key: &'h [u8; KEY_LEN],
    /// `fanwire.v1` was offered, so the answer selects it.
    pub protocol: bool,
    /// The token offered as `bearer.<token>`; may be empty.
    pub bearer: Option<&'h str>,
    /// permessage-deflate, where an acceptable offer was made. Set it to `None` to decline.
    pub deflate: Option<Agreed>,
}

/// Why there is no 101.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// 400, 405 or 426.
    pub status: u16,
    /// What is wrong, for a person.
    pub message: &'static str,
}

impl Refusal {
    const fn bad(message: &'static str) -> Self {
        Self { status: 400, message }
    }

    /// Header lines that the answer must have (RFC 9110, sections 15.5.6 and 15.5.22; RFC 6455,
    /// section 4.4), each ending in CR LF.
    pub const fn header_lines(self) -> &'static str {
        match self.status {
            405 => "Allow: GET\r\n",
            426 => "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n",
            _ => "",
        }
    }
}

/// What the header lines say about an upgrade, before it is judged.
#[derive(Default)]
struct Fields<'h> {
    /// Whether `Upgrade` names websocket; `None` where there is no such line.
    websocket: Option<bool>,
    /// Whether `Connection` names upgrade.
    connection: bool,
    keys: usize,
    key: &'h [u8],
    versions: usize,
    version: &'h [u8],
    protocol: bool,
    bearer: Option<&'h str>,
    deflate: Option<Agreed>,
}

/// Judges a request by its method, the minor version of HTTP/1 and its header lines (name and
/// value, in order of appearance).
pub fn check<'h>(
    method: &str,
    minor_version: u8,
    headers: impl IntoIterator<Item = (&'h str, &'h [u8])>,
) -> Result<Upgrade<'h>, Refusal> {
    if method != "GET" {
        return Err(Refusal { status: 405, message: "a WebSocket is opened with GET" });
    }
    let mut fields = Fields::default();
    for (name, value) in headers {
        fields.add(name, value.trim_ascii())?;
    }
    fields.judge(minor_version)
}

impl<'h> Fields<'h> {
    #[inline]
    fn add(&mut self, name: &str, value: &'h [u8]) -> Result<(), Refusal> {
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        // The length tells nearly all names apart.
        match name.len() {
            7 if is("Upgrade") => {
                let named = list(value).any(|one| one.eq_ignore_ascii_case(b"websocket"));
                self.websocket = Some(named || self.websocket == Some(true));
            }
            10 if is("Connection") => {
                self.connection |= list(value).any(|one| one.eq_ignore_ascii_case(b"upgrade"));
            }
            17 if is("Sec-WebSocket-Key") => {
                self.keys += 1;
                self.key = value;
            }
            21 if is("Sec-WebSocket-Version") => {
                self.versions += 1;
                self.version = value;
            }
            22 if is("Sec-WebSocket-Protocol") => self.add_protocols(value)?,
            24 if is("Sec-WebSocket-Extensions") => {
                let agreed = extensions::negotiate(value)
                    .map_err(|_| Refusal::bad("malformed Sec-WebSocket-Extensions"))?;
                self.deflate = self.deflate.or(agreed);
            }
            _ => {}
        }
        Ok(())
    }

    /// One line of `1#token`.
    fn add_protocols(&mut self, value: &'h [u8]) -> Result<(), Refusal> {
        for one in list(value) {
            if one.is_empty() || !one.iter().all(|byte| is_token(*byte)) {
                return Err(Refusal::bad("malformed Sec-WebSocket-Protocol"));
            }
            // Tokens are ASCII.
            let one = std::str::from_utf8(one).unwrap_or_default();
            if one == PROTOCOL {
                self.protocol = true;
            } else if let Some(token) = one.strip_prefix(BEARER) {
                self.bearer = self.bearer.or(Some(token));
            }
        }
        Ok(())
    }

    fn judge(self, minor_version: u8) -> Result<Upgrade<'h>, Refusal> {
        let Some(websocket) = self.websocket else {
            return Err(Refusal { status: 426, message: "this is a WebSocket" });
        };
        if minor_version < 1 {
            return Err(Refusal::bad("a WebSocket needs HTTP/1.1"));
        }
        if !websocket {
            return Err(Refusal::bad("Upgrade does not name websocket"));
        }
        if !self.connection {
            return Err(Refusal::bad("Connection does not name upgrade"));
        }
        if self.versions > 1 {
            return Err(Refusal::bad("more than one Sec-WebSocket-Version"));
        }
        if self.version != b"13" {
            return Err(Refusal { status: 426, message: "Sec-WebSocket-Version must be 13" });
        }
        if self.keys != 1 {
            return Err(Refusal::bad("there must be one Sec-WebSocket-Key"));
        }
        let key: Option<&[u8; KEY_LEN]> = self.key.try_into().ok();
        let Some(key) = key.filter(|key| is_key(key)) else {
            return Err(Refusal::bad("Sec-WebSocket-Key is not 16 bytes in base64"));
        };
        if self.bearer.is_some() && !self.protocol {
            return Err(Refusal::bad("bearer.<token> must be offered beside fanwire.v1"));
        }
        let Self { protocol, bearer, deflate, .. } = self;
        Ok(Upgrade { key, protocol, bearer, deflate })
    }
}

/// The elements of a comma-separated list, trimmed.
fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii)
}

/// Whether these are the characters of 16 bytes in base64.
fn is_key(key: &[u8; KEY_LEN]) -> bool {
    let (digits, end) = key.split_at(KEY_LEN - 2);
    end == b"==" && digits.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/'))
}

/// Appends the whole 101.
pub fn encode_response(out: &mut Vec<u8>, upgrade: &Upgrade<'_>) {
    out.extend_from_slice(
        b"HTTP/1.1 101 Switching Protocols\r\n\
        Upgrade: websocket\r\n\
        Connection: Upgrade\r\n\
        Sec-WebSocket-Accept: ",
    );
    out.extend_from_slice(&accept(upgrade.key));
    if upgrade.protocol {
        out.extend_from_slice(b"\r\nSec-WebSocket-Protocol: ");
        out.extend_from_slice(PROTOCOL.as_bytes());
    }
    if let Some(agreed) = upgrade.deflate {
        out.extend_from_slice(b"\r\nSec-WebSocket-Extensions: ");
        out.extend_from_slice(agreed.answer().as_bytes());
    }
    out.extend_from_slice(b"\r\n\r\n");
}

/// `Sec-WebSocket-Accept`: the SHA-1 of key and GUID, in base64.
pub fn accept(key: &[u8; KEY_LEN]) -> [u8; 28] {
    let digest = Sha1::new().chain_update(key).chain_update(GUID).finalize();
    let mut accept = [0; 28];
    let written = STANDARD.encode_slice(digest, &mut accept);
    debug_assert_eq!(written, Ok(accept.len()), "20 bytes are 28 characters");
    accept
}

#[cfg(test)]
mod tests;
