//! The JSON that a channel's subscribers receive: publications and gaps. It writes text; framing
//! and compression are the `Framer`'s. What answers requests is written by `client::answer`.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::presence::heard;
use super::{Encoding, Format, Framer, Gap, Kind, Position, Publication};

/// The channel that every `/ws` connection follows; its publications are `broadcast`.
pub const ALL: &str = "$all";

/// What the names of users' own channels begin with; the user's id follows. To clients and backends
/// such a channel is [`USER`].
const OF_USER: &str = "$user.";

/// One's own channel, as its user knows it.
pub const USER: &str = "$user";

/// The name of a user's own channel among all channels of the node.
pub fn own_channel(user: &str) -> Arc<str> {
    [OF_USER, user].concat().into()
}

/// The name of a channel as clients and backends know it.
pub fn shown(channel: &str) -> &str {
    if channel.starts_with(OF_USER) { USER } else { channel }
}

/// Appends the envelope of a publication: `message`, or `broadcast` for [`ALL`]. It holds nothing
/// that differs by receiver.
pub fn envelope(out: &mut Vec<u8>, channel: &str, publication: &Publication) {
    if channel == ALL {
        out.extend_from_slice(br#"{"type":"broadcast","id":""#);
        position(out, publication.position);
        out.push(b'"');
    } else {
        out.extend_from_slice(br#"{"type":"message","id":""#);
        position(out, publication.position);
        out.extend_from_slice(br#"","channel":"#);
        string(out, shown(channel));
    }
    if let Some(from) = &publication.from {
        out.extend_from_slice(br#","from":"#);
        string(out, from);
    }
    if let Some(key) = &publication.key {
        out.extend_from_slice(br#","key":"#);
        string(out, key);
    }
    data(out, publication);
    out.extend_from_slice(br#","timestamp":"#);
    number(out, publication.timestamp);
    out.push(b'}');
}

/// Appends what those who hear the presence of a channel are told. Their place needs no name: who
/// lags gets a snapshot.
fn presence(out: &mut Vec<u8>, channel: &str, publication: &Publication) {
    out.extend_from_slice(br#"{"type":"presence","channel":"#);
    string(out, channel);
    data(out, publication);
    out.extend_from_slice(br#","timestamp":"#);
    number(out, publication.timestamp);
    out.push(b'}');
}

/// Appends the text of a `gap`.
pub fn gap(out: &mut Vec<u8>, channel: &str, gap: &Gap, wall_ms: u64) {
    out.extend_from_slice(br#"{"type":"gap","channel":"#);
    string(out, shown(channel));
    out.extend_from_slice(br#","data":{"after":"#);
    match gap.after {
        Some(after) => quoted(out, after),
        None => out.extend_from_slice(b"null"),
    }
    out.extend_from_slice(br#","to":"#);
    quoted(out, gap.to);
    if let Some(missed) = gap.missed {
        out.extend_from_slice(br#","missed":"#);
        number(out, missed);
    }
    out.extend_from_slice(br#","reason":""#);
    out.extend_from_slice(gap.reason.as_str().as_bytes());
    out.extend_from_slice(br#""},"timestamp":"#);
    number(out, wall_ms);
    out.push(b'}');
}

/// Appends the publication as one WebSocket message of this encoding. `text` is scratch.
pub fn frame(
    out: &mut Vec<u8>,
    text: &mut Vec<u8>,
    encoding: Encoding,
    channel: &str,
    publication: &Publication,
    framer: &mut impl Framer,
) {
    match encoding.format {
        Format::Json => {
            text.clear();
            match heard(channel) {
                Some(channel) => presence(text, channel, publication),
                None => envelope(text, channel, publication),
            }
            framer.append(out, encoding, false, text);
        }
        Format::Raw => {
            let binary = publication.kind == Kind::Binary;
            framer.append(out, encoding, binary, &publication.payload);
        }
    }
}

/// Appends a JSON string.
pub fn string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    loop {
        let (plain, special) = rest.split_at(plain_bytes(rest));
        out.extend_from_slice(plain);
        let [byte, after @ ..] = special else { break };
        rest = after;
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', *byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            _ => {
                let hex = |nibble: u8| b"0123456789abcdef"[usize::from(nibble)];
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&[hex(byte >> 4), hex(byte & 15)]);
            }
        }
    }
    out.push(b'"');
}

/// How many bytes come before the first that must be escaped. Sixteen are asked at once, without a
/// way out in their middle, which the compiler does with a vector.
fn plain_bytes(bytes: &[u8]) -> usize {
    let special = |byte: &u8| *byte < 0x20 || *byte == b'"' || *byte == b'\\';
    let (chunks, _) = bytes.as_chunks::<16>();
    let plain = |chunk: &&[u8; 16]| !chunk.iter().fold(false, |seen, byte| seen | special(byte));
    let passed = 16 * chunks.iter().take_while(plain).count();
    bytes[passed..].iter().position(special).map_or(bytes.len(), |at| passed + at)
}

/// Appends an integer.
pub fn number(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Appends a position as a JSON string.
pub fn quoted(out: &mut Vec<u8>, place: Position) {
    out.push(b'"');
    position(out, place);
    out.push(b'"');
}

/// Appends what `Display` writes, which is in the way of every publication.
fn position(out: &mut Vec<u8>, place: Position) {
    out.extend_from_slice(place.epoch.digits().as_str().as_bytes());
    out.push(b':');
    number(out, place.index);
}

fn data(out: &mut Vec<u8>, publication: &Publication) {
    match publication.kind {
        Kind::Json => {
            out.extend_from_slice(br#","data":"#);
            out.extend_from_slice(&publication.payload);
        }
        Kind::Text => {
            out.extend_from_slice(br#","encoding":"text","data":"#);
            string(out, std::str::from_utf8(&publication.payload).unwrap_or_default());
        }
        Kind::Binary => {
            out.extend_from_slice(br#","encoding":"base64","data":""#);
            let start = out.len();
            let length = publication.payload.len().div_ceil(3) * 4;
            out.resize(start + length, 0);
            let written = STANDARD.encode_slice(&publication.payload, &mut out[start..]);
            debug_assert_eq!(written, Ok(length), "the length was computed");
            out.push(b'"');
        }
    }
}
