//! Tests of `close`: the code table, both ways.

use super::{CloseCode, CloseFrame, MAX_REASON, Pace, encode, encode_echo, encode_word, parse};

fn payload(code: u16, reason: &[u8]) -> Vec<u8> {
    [&code.to_be_bytes()[..], reason].concat()
}

/// Checklist 1.4: the table of codes, every one of the 65536.
#[test]
fn judges_every_received_code() {
    let valid = |code| {
        let by_rfc_6455 = (1000..=1011).contains(&code) && ![1004, 1005, 1006].contains(&code);
        let by_iana = [1012, 1013, 1014].contains(&code);
        let registered_or_private = code / 1000 == 3 || code / 1000 == 4;
        by_rfc_6455 || by_iana || registered_or_private
    };
    for code in 0..=u16::MAX {
        let payload = payload(code, b"why");
        match parse(&payload) {
            Ok(said) => {
                assert!(valid(code), "{code} was accepted");
                assert_eq!(said, Some(CloseFrame { code: CloseCode(code), reason: "why" }));
            }
            Err(failure) => {
                assert!(!valid(code), "{code} was refused");
                assert_eq!(failure.code, CloseCode::PROTOCOL);
            }
        }
    }
}

/// Checklist 1.4 (empty, one byte) and 1.3 (the reason is UTF-8, else 1007).
#[test]
fn judges_the_body() {
    assert_eq!(parse(b""), Ok(None));
    assert_eq!(parse(b"\x03").unwrap_err().code, CloseCode::PROTOCOL);
    let plain = CloseFrame { code: CloseCode::NORMAL, reason: "" };
    assert_eq!(parse(b"\x03\xe8"), Ok(Some(plain)));
    let longest = payload(1000, &[b'x'; MAX_REASON]);
    assert_eq!(parse(&longest).unwrap().unwrap().reason.len(), MAX_REASON);
    for bad in [&b"\xff"[..], b"ok\xce", b"\xed\xa0\x80"] {
        assert_eq!(parse(&payload(1000, bad)).unwrap_err().code, CloseCode::BAD_DATA);
    }
    let both = payload(1005, b"\xff");
    assert_eq!(parse(&both).unwrap_err().code, CloseCode::PROTOCOL, "the code comes first");
}

/// Design, section 2: the codes that are sent, with their words.
#[test]
fn sends_the_codes_of_the_contract() {
    let table = [
        (1000, ""),
        (1002, "protocol"),
        (1003, "unsupported"),
        (1007, "bad_data"),
        (1008, "policy"),
        (1009, "too_large"),
        (1011, "internal"),
        (1012, "restart"),
        (1013, "overloaded"),
        (4001, "slow"),
        (4002, "no_pong"),
        (4003, "too_late"),
        (4004, "flood"),
        (4005, "idle"),
        (4006, "lost"),
        (4007, "moved"),
        (4101, "expired"),
        (4102, "bad_token"),
        (4103, "revoked"),
        (4401, "token_needed"),
        (4403, "forbidden"),
        (4409, "replaced"),
        (4410, "disconnected"),
        (4429, "too_many"),
    ];
    let sent: Vec<_> = CloseCode::ALL.iter().map(|code| (code.0, code.word())).collect();
    assert_eq!(sent, table);
    assert!(CloseCode::ALL.iter().all(|code| code.is_allowed_in_frame()));
    assert_eq!(CloseCode(3000).word(), "");
}

/// Checklist 1.4: "Our own close reason: ≤123 bytes, cut at a character boundary".
#[test]
fn cuts_the_reason_between_characters() {
    for (reason, expected) in [
        (String::new(), 0),
        ("x".repeat(123), 123),
        ("x".repeat(124), 123),
        ("é".repeat(100), 122),
        ("x".to_owned() + &"é".repeat(100), 123),
        ("€".repeat(41), 123),
        ("xx".to_owned() + &"😀".repeat(50), 122),
        ("xxx".to_owned() + &"😀".repeat(50), 123),
    ] {
        let mut out = Vec::new();
        encode(&mut out, CloseCode::POLICY, &reason);
        assert_eq!(out[..4], [0x88, 2 + expected as u8, 0x03, 0xf0]);
        assert_eq!(out[4..], reason.as_bytes()[..expected]);
        assert!(parse(&out[2..]).is_ok());
    }
}

#[test]
fn a_reason_is_a_word_and_a_pace() {
    let mut out = Vec::new();
    encode_word(&mut out, CloseCode::RESTART, Some(Pace { min_ms: 500, max_ms: 5000 }));
    assert_eq!(out, b"\x88\x18\x03\xf4restart;retry=500-5000");
    out.clear();
    encode_word(&mut out, CloseCode::SLOW, None);
    assert_eq!(out, b"\x88\x06\x0f\xa1slow");
    out.clear();
    encode_word(&mut out, CloseCode::NORMAL, None);
    assert_eq!(out, b"\x88\x02\x03\xe8");
}

/// Checklist 1.4: a received close is answered with the same code, or no body.
#[test]
fn echoes_the_code_or_nothing() {
    let mut out = Vec::new();
    encode_echo(&mut out, None);
    assert_eq!(out, b"\x88\x00");
    out.clear();
    encode_echo(&mut out, Some(CloseFrame { code: CloseCode(4321), reason: "private" }));
    assert_eq!(out, b"\x88\x02\x10\xe1");
}
