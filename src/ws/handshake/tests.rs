//! Tests of `handshake`: checklist 1.1, line by line, each as a change to a request that is good.

use proptest::prelude::*;

use super::{Refusal, Upgrade, check, encode_response};

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// A good request's header lines.
const GOOD: [(&str, &str); 7] = [
    ("Host", "127.0.0.1:3003"),
    ("User-Agent", "test"),
    ("Upgrade", "websocket"),
    ("Connection", "keep-alive, Upgrade"),
    ("Sec-WebSocket-Key", KEY),
    ("Sec-WebSocket-Version", "13"),
    ("Cookie", "a=b"),
];

fn check_lines<'h>(lines: &[(&'h str, &'h str)]) -> Result<Upgrade<'h>, Refusal> {
    check("GET", 1, lines.iter().map(|(name, value)| (*name, value.as_bytes())))
}

/// The good request without its lines of this name, and with these values instead.
fn with<'h>(name: &'h str, values: &[&'h str]) -> Result<Upgrade<'h>, Refusal> {
    let mut lines: Vec<_> = GOOD.into_iter().filter(|(known, _)| *known != name).collect();
    lines.extend(values.iter().map(|value| (name, *value)));
    check_lines(&lines)
}

fn status(outcome: Result<Upgrade<'_>, Refusal>) -> u16 {
    outcome.map_or_else(|refusal| refusal.status, |_| 101)
}

fn response(upgrade: &Upgrade<'_>) -> String {
    let mut out = Vec::new();
    encode_response(&mut out, upgrade);
    String::from_utf8(out).unwrap()
}

/// RFC 6455, section 1.3: the example; no length, no coding, no body, no offer taken up unasked.
#[test]
fn answers_the_example_of_the_rfc() {
    let upgrade = check_lines(&GOOD).unwrap();
    assert_eq!(
        response(&upgrade),
        "HTTP/1.1 101 Switching Protocols\r\n\
        Upgrade: websocket\r\n\
        Connection: Upgrade\r\n\
        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
        \r\n"
    );
}

/// Checklist 1.1: method, exactly; HTTP/1.0 is refused; later minor versions are not.
#[test]
fn judges_method_and_version() {
    let of = |method, minor| {
        status(check(method, minor, GOOD.map(|(name, value)| (name, value.as_bytes()))))
    };
    assert_eq!(of("GET", 1), 101);
    assert_eq!(of("GET", 2), 101);
    assert_eq!(of("GET", 0), 400);
    for method in ["get", "Get", "POST", "HEAD", "OPTIONS", "CONNECT", "GETX", ""] {
        assert_eq!(of(method, 1), 405, "{method}");
    }
}

/// Checklist 1.1: names without regard to case, in any order, among others.
#[test]
fn names_have_no_case_and_no_order() {
    for shift in 0..GOOD.len() {
        let mut lines = GOOD;
        lines.rotate_left(shift);
        assert_eq!(status(check_lines(&lines)), 101);
    }
    let lower = GOOD.map(|(name, value)| (name.to_ascii_lowercase(), value));
    let upper = GOOD.map(|(name, value)| (name.to_ascii_uppercase(), value));
    for lines in [lower, upper] {
        let lines: Vec<_> = lines.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        assert_eq!(status(check_lines(&lines)), 101);
    }
}

/// Checklist 1.1: `Upgrade`, a list over several lines. Without the field the request is plain
/// HTTP: 426, which says what to do.
#[test]
fn judges_upgrade() {
    let table: [(&[&str], u16); 15] = [
        (&["websocket"], 101),
        (&["WebSocket"], 101),
        (&["WEBSOCKET"], 101),
        (&["  websocket\t"], 101),
        (&["h2c, websocket"], 101),
        (&["h2c", "websocket"], 101),
        (&["websocket", "h2c"], 101),
        (&[",websocket,"], 101),
        (&[], 426),
        (&[""], 400),
        (&["websocketx"], 400),
        (&["xwebsocket"], 400),
        (&["web socket"], 400),
        (&["h2c"], 400),
        (&["websocket/13"], 400),
    ];
    for (values, expected) in table {
        assert_eq!(status(with("Upgrade", values)), expected, "{values:?}");
    }
}

/// Checklist 1.1: `Connection`, a token list over several lines.
#[test]
fn judges_connection() {
    let table: [(&[&str], u16); 10] = [
        (&["Upgrade"], 101),
        (&["upgrade"], 101),
        (&["keep-alive, Upgrade"], 101),
        (&["keep-alive,upgrade,close"], 101),
        (&["keep-alive", "Upgrade"], 101),
        (&[], 400),
        (&[""], 400),
        (&["keep-alive"], 400),
        (&["Upgraded"], 400),
        (&["keep-alive Upgrade"], 400),
    ];
    for (values, expected) in table {
        assert_eq!(status(with("Connection", values)), expected, "{values:?}");
    }
}

/// Checklist 1.1: exactly one key, of 24 characters ending in `==`, trimmed.
#[test]
fn judges_the_key() {
    let table: [(&[&str], u16); 15] = [
        (&[KEY], 101),
        (&[" \tdGhlIHNhbXBsZSBub25jZQ== "], 101),
        (&["AAAAAAAAAAAAAAAAAAAAAA=="], 101),
        (&["++//++//++//++//++//++=="], 101),
        (&[], 400),
        (&[""], 400),
        (&[KEY, KEY], 400),
        (&["dGhlIHNhbXBsZSBub25jZQ="], 400),
        (&["dGhlIHNhbXBsZSBub25jZQ"], 400),
        (&["dGhlIHNhbXBsZSBub25jZQ==="], 400),
        (&["dGhlIHNhbXBsZSBub25jZSE="], 400),
        (&["dGhlIHNhbXBsZSBub25j=Q=="], 400),
        (&["dGhlIHNhbXBsZSBub25j-_=="], 400),
        (&["dGhlIHNhbXBs ZSBub25jQ=="], 400),
        (&["dGhlIHNhbXBsZSBub25jZQ==, dGhlIHNhbXBsZSBub25jZQ=="], 400),
    ];
    for (values, expected) in table {
        assert_eq!(status(with("Sec-WebSocket-Key", values)), expected, "{values:?}");
    }
    let spaced = with("Sec-WebSocket-Key", &["\t dGhlIHNhbXBsZSBub25jZQ== "]).unwrap();
    assert!(response(&spaced).contains(": s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
}

/// Checklist 1.1: exactly one version, 13; another is 426 with the fields that 426 needs.
#[test]
fn judges_the_version() {
    let table: [(&[&str], u16); 11] = [
        (&["13"], 101),
        (&[" 13 "], 101),
        (&["8"], 426),
        (&["7"], 426),
        (&["0"], 426),
        (&["14"], 426),
        (&["013"], 426),
        (&["13, 8"], 426),
        (&[""], 426),
        (&[], 426),
        (&["13", "13"], 400),
    ];
    for (values, expected) in table {
        assert_eq!(status(with("Sec-WebSocket-Version", values)), expected, "{values:?}");
    }
    let lines = with("Sec-WebSocket-Version", &["8"]).unwrap_err().header_lines();
    assert!(lines.contains("Sec-WebSocket-Version: 13\r\n"));
    assert!(lines.contains("Upgrade: websocket\r\n"));
    assert!(lines.contains("Connection: Upgrade\r\n"));
    assert_eq!(Refusal { status: 405, message: "" }.header_lines(), "Allow: GET\r\n");
    assert_eq!(Refusal { status: 400, message: "" }.header_lines(), "");
}

/// Checklist 1.1: subprotocols. One offered value, with case, or none; never the bearer.
#[test]
fn selects_a_subprotocol() {
    let table: [(&[&str], bool, Option<&str>); 12] = [
        (&[], false, None),
        (&["fanwire.v1"], true, None),
        (&["chat"], false, None),
        (&["Fanwire.v1"], false, None),
        (&["fanwire.v10"], false, None),
        (&["chat, fanwire.v1"], true, None),
        (&["chat", "fanwire.v1"], true, None),
        (&["fanwire.v1", "fanwire.v1"], true, None),
        (&["fanwire.v1, bearer.a.b-c_d"], true, Some("a.b-c_d")),
        (&["bearer.xyz", "fanwire.v1"], true, Some("xyz")),
        (&["fanwire.v1,bearer.one,bearer.two"], true, Some("one")),
        (&["fanwire.v1,bearer."], true, Some("")),
    ];
    for (values, protocol, bearer) in table {
        let upgrade = with("Sec-WebSocket-Protocol", values).unwrap();
        assert_eq!((upgrade.protocol, upgrade.bearer), (protocol, bearer), "{values:?}");
        let response = response(&upgrade);
        let line = "Sec-WebSocket-Protocol: fanwire.v1\r\n";
        assert_eq!(response.matches(line).count(), usize::from(protocol));
        assert_eq!(response.matches("Sec-WebSocket-Protocol").count(), usize::from(protocol));
        assert!(!response.contains("bearer"));
    }
}

/// Checklist 1.1: empty or non-token elements are 400; design, section 2: so is a bearer alone.
#[test]
fn refuses_malformed_subprotocols() {
    let table: [&[&str]; 12] = [
        &[""],
        &[","],
        &["fanwire.v1,"],
        &[",fanwire.v1"],
        &["fanwire.v1,,chat"],
        &["fanwire.v1", ""],
        &["fan wire"],
        &["fanwire.v1;q=1"],
        &["\"fanwire.v1\""],
        &["fanwire.v1, b\u{e4}rer"],
        &["bearer.token"],
        &["chat, bearer.token"],
    ];
    for values in table {
        assert_eq!(status(with("Sec-WebSocket-Protocol", values)), 400, "{values:?}");
    }
}

/// Checklist 1.1 and 2.2: several lines of extensions are one list; one line in the answer.
#[test]
fn negotiates_over_several_lines() {
    let name = "Sec-WebSocket-Extensions";
    let answered = |values: &[&'static str]| response(&with(name, values).unwrap());
    let line = "\r\nSec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; \
        client_no_context_takeover\r\n";
    assert!(answered(&["foo", "permessage-deflate", "permessage-deflate"]).contains(line));
    assert_eq!(answered(&["permessage-deflate", "permessage-deflate"]).matches(name).count(), 1);
    let strict_first = ["permessage-deflate; server_max_window_bits=9", "permessage-deflate"];
    assert!(answered(&strict_first).contains("; server_max_window_bits=9\r\n"));
    assert!(!answered(&["permessage-deflate; nonsense"]).contains(name));
    assert!(!answered(&["constructor, x; y=\"a\""]).contains(name));
    assert_eq!(status(with(name, &["permessage-deflate;"])), 400);
    assert_eq!(status(with(name, &["permessage-deflate", "a b"])), 400);

    let mut declined = with(name, &["permessage-deflate"]).unwrap();
    declined.deflate = None;
    assert!(!response(&declined).contains(name), "the caller may decline");
}

proptest! {
    /// Checklist 1.1 (header injection): whatever is offered, the answer has only lines of ours.
    #[test]
    fn nothing_of_the_request_gets_into_the_answer_but_the_digest(
        protocols in "[ -~\r\n]{0,40}|fanwire\\.v1, bearer\\.[a-z\r\n]{0,9}",
        extensions in "[ -~\r\n]{0,40}|permessage-deflate; server_max_window_bits=[0-9\r\n\"]{1,4}",
    ) {
        let mut lines = GOOD.to_vec();
        lines.push(("Sec-WebSocket-Protocol", &protocols));
        lines.push(("Sec-WebSocket-Extensions", &extensions));
        if let Ok(upgrade) = check_lines(&lines) {
            let response = response(&upgrade);
            let mut lines: Vec<_> = response.split("\r\n").collect();
            lines.retain(|line| !line.starts_with("Sec-WebSocket-Extensions: permessage-"));
            lines.retain(|line| *line != "Sec-WebSocket-Protocol: fanwire.v1");
            prop_assert_eq!(lines, [
                "HTTP/1.1 101 Switching Protocols",
                "Upgrade: websocket",
                "Connection: Upgrade",
                "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
                "",
                "",
            ]);
        }
    }

    /// Any header values at all: no panic.
    #[test]
    fn takes_any_bytes(
        name in prop::sample::select(vec![
            "Upgrade", "Connection", "Sec-WebSocket-Key", "Sec-WebSocket-Version",
            "Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions",
        ]),
        value in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let lines = GOOD.map(|(name, value)| (name, value.as_bytes()));
        let _ = check("GET", 1, lines.into_iter().chain([(name, &value[..])]));
    }
}
