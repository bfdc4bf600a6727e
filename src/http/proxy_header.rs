//! The PROXY protocol, versions 1 and 2 (haproxy.org, doc/proxy-protocol.txt): what a proxy that
//! does not speak HTTP says first about the client, before the client's own bytes. Pure: bytes in,
//! the source out; the same for whole and for cut input. Who has to say it, and who may not, is
//! decided by the caller.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

#[cfg(test)]
mod tests;

/// Bytes of a line of version 1, its CR LF included.
const MAX_LINE_BYTES: usize = 107;
/// Bytes of a header: of version 2 as they come, with all that proxies add to the addresses.
pub const MAX_BYTES: usize = 4096;

const LINE_START: &[u8] = b"PROXY ";
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, version and command, family, length.
const FIXED_BYTES: usize = 16;

/// Where a connection comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// From this address.
    Address(IpAddr),
    /// From a unix socket of the proxy's machine.
    Unix,
    /// From the proxy itself (LOCAL: it looks whether we are well), or it does not know (UNKNOWN).
    Proxy,
}

/// This is no header, or none that can be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// Reads a header at the start of what has arrived. `None` while more is needed; else the source
/// and the header's length.
pub fn parse(arrived: &[u8]) -> Result<Option<(Source, usize)>, Malformed> {
    let common = |start: &[u8]| arrived.iter().zip(start).all(|(a, b)| a == b);
    if common(LINE_START) {
        return parse_line(arrived);
    }
    if common(SIGNATURE) {
        return parse_binary(arrived);
    }
    Err(Malformed)
}

/// Version 1: one line of text.
fn parse_line(arrived: &[u8]) -> Result<Option<(Source, usize)>, Malformed> {
    let window = arrived.get(..MAX_LINE_BYTES).unwrap_or(arrived);
    let Some(end) = window.iter().position(|&byte| byte == b'\n') else {
        return if arrived.len() < MAX_LINE_BYTES { Ok(None) } else { Err(Malformed) };
    };
    let line = arrived.get(..end).and_then(|line| line.strip_suffix(b"\r")).ok_or(Malformed)?;
    let rest = line.strip_prefix(LINE_START).ok_or(Malformed)?;
    let rest = str::from_utf8(rest).map_err(|_| Malformed)?;
    let mut words = rest.split(' ');
    let source = match words.next() {
        Some("TCP4") => IpAddr::V4(addresses::<Ipv4Addr>(words)?),
        Some("TCP6") => IpAddr::V6(addresses::<Ipv6Addr>(words)?),
        // Whatever follows is to be ignored.
        Some("UNKNOWN") => return Ok(Some((Source::Proxy, end + 1))),
        _ => return Err(Malformed),
    };
    Ok(Some((Source::Address(source.to_canonical()), end + 1)))
}

/// Source and destination, then their ports; the source counts.
fn addresses<'a, A: core::str::FromStr>(
    mut words: impl Iterator<Item = &'a str>,
) -> Result<A, Malformed> {
    let mut word = || words.next().ok_or(Malformed);
    let source = word()?.parse().map_err(|_| Malformed)?;
    word()?.parse::<A>().map_err(|_| Malformed)?;
    for port in [word()?, word()?] {
        let digits = port.bytes().all(|byte| byte.is_ascii_digit());
        if !digits || port.parse::<u16>().is_err() {
            return Err(Malformed);
        }
    }
    if words.next().is_some() { Err(Malformed) } else { Ok(source) }
}

/// Version 2: a fixed part with a length, and so many bytes.
fn parse_binary(arrived: &[u8]) -> Result<Option<(Source, usize)>, Malformed> {
    let Some(fixed) = arrived.get(SIGNATURE.len()..FIXED_BYTES) else { return Ok(None) };
    let &[version_and_command, family, high, low] = fixed else { return Err(Malformed) };
    let length = usize::from(u16::from_be_bytes([high, low]));
    let is_local = match version_and_command {
        0x20 => true,
        0x21 => false,
        _ => return Err(Malformed),
    };
    // Stream sockets only, for nothing else connects to one.
    let address_bytes = match family {
        0x00 => 0,
        0x11 => 12,
        0x21 => 36,
        0x31 => 216,
        _ if is_local => 0,
        _ => return Err(Malformed),
    };
    if length > MAX_BYTES - FIXED_BYTES || !is_local && length < address_bytes {
        return Err(Malformed);
    }
    let Some(rest) = arrived.get(FIXED_BYTES..FIXED_BYTES + length) else { return Ok(None) };
    let source = match family {
        _ if is_local => Source::Proxy,
        0x11 => Source::Address(first::<4>(rest)?.into()),
        0x21 => Source::Address(IpAddr::from(first::<16>(rest)?).to_canonical()),
        0x31 => Source::Unix,
        _ => Source::Proxy,
    };
    // With an unknown family all that follows is the family's own business.
    if !is_local && family != 0x00 {
        check_additions(rest.get(address_bytes..).unwrap_or_default())?;
    }
    Ok(Some((source, FIXED_BYTES + length)))
}

fn first<const N: usize>(bytes: &[u8]) -> Result<[u8; N], Malformed> {
    bytes.first_chunk().copied().ok_or(Malformed)
}

/// What proxies add (TLVs): nothing that we use, but it must end where the header does.
fn check_additions(mut rest: &[u8]) -> Result<(), Malformed> {
    while let [_, high, low, after @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        rest = after.get(length..).ok_or(Malformed)?;
    }
    if rest.is_empty() { Ok(()) } else { Err(Malformed) }
}
