//! The handshake from the client's side (RFC 6455, section 4.1), and the answers to HTTP requests.
//! The key is the same for all connections, so a server that computes nothing can be measured too.

use std::fmt::Write as _;

use super::codec::Place;
use super::target::Target;

/// The key of the example in RFC 6455, section 1.3, and what it must be answered with.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &[u8] = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// Longer heads are not read.
const MAX_HEAD: usize = 16 << 10;

/// The request for a WebSocket, all but the line that ends it.
pub fn request(target: &Target, compress: bool) -> Vec<u8> {
    let mut head = format!(
        "GET {} HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n",
        target.path, target.host
    );
    if compress {
        head.push_str(
            "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; \
             client_no_context_takeover\r\n",
        );
    }
    head.into_bytes()
}

/// Ends a request, with the token that it shows.
pub fn end(request: &[u8], token: Option<&str>) -> Vec<u8> {
    match token {
        Some(token) => [request, b"Authorization: Bearer ", token.as_bytes(), b"\r\n\r\n"].concat(),
        None => [request, b"\r\n"].concat(),
    }
}

/// The head of a request that publishes.
pub fn post(target: &Target, body_bytes: usize) -> String {
    let mut head = format!("POST {} HTTP/1.1\r\nHost: {}\r\n", target.path, target.host);
    let _ = write!(head, "Content-Type: application/json\r\nContent-Length: {body_bytes}\r\n\r\n");
    head
}

/// Reads the answer to `request`: how long its head is, `None` if it is not all there.
pub fn accepted(bytes: &[u8], compress: bool) -> Result<Option<usize>, String> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut headers);
    let size = match response.parse(bytes) {
        Ok(httparse::Status::Complete(size)) => size,
        Ok(httparse::Status::Partial) if bytes.len() <= MAX_HEAD => return Ok(None),
        Ok(httparse::Status::Partial) => return Err("the head of the answer is too long".into()),
        Err(error) => return Err(format!("the answer is no HTTP: {error}")),
    };
    let status = response.code.unwrap_or_default();
    if status != 101 {
        let body = String::from_utf8_lossy(&bytes[size..]);
        let body = body.chars().take(200).collect::<String>();
        return Err(format!("refused with {status} {}", body.trim()));
    }
    let value = |name: &str| {
        let header = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
        header.map(|header| header.value)
    };
    if value("Sec-WebSocket-Accept") != Some(ACCEPT) {
        return Err("the 101 has a wrong Sec-WebSocket-Accept".into());
    }
    let extensions = value("Sec-WebSocket-Extensions").unwrap_or_default();
    let agreed = memchr::memmem::find(extensions, b"permessage-deflate").is_some();
    let forgets = memchr::memmem::find(extensions, b"server_no_context_takeover").is_some();
    match (compress, agreed, forgets) {
        (true, false, _) => Err("the server does not agree to compress".into()),
        (true, true, false) => {
            Err("the server compresses with context takeover, which is not read here".into())
        }
        (false, true, _) => Err("the server compresses without being asked".into()),
        _ => Ok(Some(size)),
    }
}

/// Reads answers to requests, one behind the other, and their bodies. A refusal is an error.
pub fn answers(place: &mut Place, mut bytes: &[u8]) -> Result<(), String> {
    loop {
        let body = bytes.len().min(place.skip as usize);
        place.skip -= body as u32;
        bytes = &bytes[body..];
        if bytes.is_empty() {
            return Ok(());
        }
        let mut head = std::mem::take(&mut place.cut().held);
        let before = head.len();
        head.extend_from_slice(&bytes[..bytes.len().min(MAX_HEAD)]);
        match answer(&head)? {
            Some((size, length)) => {
                place.skip = length;
                bytes = &bytes[size - before..];
                head.clear();
            }
            None if head.len() > MAX_HEAD => return Err("the head of an answer is too long".into()),
            None => bytes = &[],
        }
        place.cut().held = head;
    }
}

/// The length of an answer's head, and of its body.
fn answer(bytes: &[u8]) -> Result<Option<(usize, u32)>, String> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut headers);
    let parsed = response.parse(bytes).map_err(|error| format!("no HTTP: {error}"))?;
    let httparse::Status::Complete(size) = parsed else { return Ok(None) };
    let status = response.code.unwrap_or_default();
    if !(200..300).contains(&status) {
        let body = String::from_utf8_lossy(&bytes[size..]);
        return Err(format!("answered with {status} {}", body.trim()));
    }
    let mut headers = response.headers.iter();
    let length = headers.find(|header| header.name.eq_ignore_ascii_case("Content-Length"));
    let length = match length {
        Some(length) => str::from_utf8(length.value).ok().and_then(|text| text.parse().ok()),
        None if status == 204 => Some(0),
        None => None,
    };
    let length = length.ok_or("an answer without a Content-Length is not read here")?;
    Ok(Some((size, length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\
                        sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";

    #[test]
    fn a_101_is_looked_at() {
        let good = format!("{GOOD}\r\n\x01");
        assert_eq!(accepted(good.as_bytes(), false), Ok(Some(good.len() - 1)));
        for at in 0..good.len() - 1 {
            assert_eq!(accepted(&good.as_bytes()[..at], false), Ok(None));
        }
        let extended = |value: &str| format!("{GOOD}Sec-WebSocket-Extensions: {value}\r\n\r\n");
        let agreed = extended("permessage-deflate; server_no_context_takeover");
        assert_eq!(accepted(agreed.as_bytes(), true), Ok(Some(agreed.len())));
        for (bad, compress) in [
            (agreed, false),
            (good, true),
            (extended("permessage-deflate"), true),
            ("HTTP/1.1 503 Full\r\n\r\nfull".into(), false),
            ("HTTP/1.1 101 No\r\nSec-WebSocket-Accept: x\r\n\r\n".into(), false),
            ("SSH-2.0\r\n".into(), false),
        ] {
            assert!(accepted(bad.as_bytes(), compress).is_err(), "{bad}");
        }
    }

    #[test]
    fn answers_cut_anywhere() {
        let one = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n{\"a\"}";
        let bytes = [one, "HTTP/1.1 204 Nothing\r\n\r\n", one].concat();
        for at in 0..=bytes.len() {
            let mut place = Place::default();
            let (left, right) = bytes.as_bytes().split_at(at);
            answers(&mut place, left).expect("fine");
            answers(&mut place, right).expect("fine");
            assert_eq!((place.skip, place.cut().held.len()), (0, 0), "cut at {at}");
        }
        let mut place = Place::default();
        answers(&mut place, b"HTTP/1.1 429 Slow\r\nContent-Length: 0\r\n\r\n").expect_err("429");
    }
}
