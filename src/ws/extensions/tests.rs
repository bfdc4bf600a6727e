//! Tests of `extensions`: checklist 2.2, line by line.

use proptest::prelude::*;

use super::{Agreed, Malformed, negotiate};

const BASE: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

fn plain() -> Agreed {
    Agreed { window_bits: 15, asked: false }
}

fn window(window_bits: u8) -> Agreed {
    Agreed { window_bits, asked: true }
}

fn of(line: &str) -> Result<Option<Agreed>, Malformed> {
    negotiate(line.as_bytes())
}

/// Checklist 2.1: what clients offer by default, measured, and Autobahn's offers.
#[test]
fn meets_what_clients_offer() {
    let table = [
        ("permessage-deflate; client_max_window_bits", plain()),
        ("permessage-deflate", plain()),
        ("permessage-deflate; server_no_context_takeover; client_no_context_takeover", plain()),
        ("permessage-deflate; client_no_context_takeover; client_max_window_bits", plain()),
        (
            "permessage-deflate; client_no_context_takeover; client_max_window_bits; \
            server_no_context_takeover; server_max_window_bits=9",
            window(9),
        ),
        ("permessage-deflate; client_max_window_bits; server_max_window_bits=15", window(15)),
        (
            "permessage-deflate; client_max_window_bits; server_no_context_takeover; \
            server_max_window_bits=9, permessage-deflate; client_max_window_bits; \
            server_no_context_takeover, permessage-deflate; client_max_window_bits",
            window(9),
        ),
    ];
    for (line, agreed) in table {
        assert_eq!(of(line), Ok(Some(agreed)), "{line}");
    }
}

/// Checklist 2.2: each answer, whole; never `client_max_window_bits`; a window that was asked for
/// is in it.
#[test]
fn answers_exactly() {
    assert_eq!(plain().answer(), BASE);
    for bits in 9..=15 {
        let line = format!("permessage-deflate; server_max_window_bits={bits}");
        let agreed = of(&line).unwrap().unwrap();
        assert_eq!(agreed.window_bits, bits);
        assert_eq!(agreed.answer(), format!("{BASE}; server_max_window_bits={bits}"));
    }
}

/// Checklist 2.2: values are 8 to 15 in decimal without leading zeros, quoted or not; 4: bad
/// window bits. A window of 8 is declined, for it cannot be made.
#[test]
fn judges_window_bits() {
    let good = ["9", "10", "15", "\"10\"", "\"1\\0\"", "\"\\1\\5\""];
    let bad = [
        "0", "1", "7", "08", "09", "010", "16", "20", "99", "100", "999", "115", "-1", "+9", "9.0",
        "0x9", "a", "1a", "\"16\"", "\"0\\8\"",
    ];
    for value in good {
        let bits = value.replace(['"', '\\'], "").parse().unwrap();
        let server = format!("permessage-deflate; server_max_window_bits={value}");
        assert_eq!(of(&server), Ok(Some(window(bits))), "{server}");
        let client = format!("permessage-deflate; client_max_window_bits={value}");
        assert_eq!(of(&client), Ok(Some(plain())), "{client}");
    }
    for value in bad {
        for side in ["server", "client"] {
            let offer = format!("permessage-deflate; {side}_max_window_bits={value}");
            assert_eq!(of(&offer), Ok(None), "{offer}");
        }
    }
    assert_eq!(of("permessage-deflate; client_max_window_bits=8"), Ok(Some(plain())));
    for value in ["8", "\"8\"", "\"\\8\""] {
        assert_eq!(of(&format!("permessage-deflate; server_max_window_bits={value}")), Ok(None));
    }
}

/// Checklist 2.2: an offer with something unknown, repeated, bad or surplus is declined, and the
/// next one is looked at.
#[test]
fn declines_what_it_cannot_meet_whole() {
    let declined = [
        "permessage-deflate; unknown",
        "permessage-deflate; unknown=1",
        "permessage-deflate; SERVER_NO_CONTEXT_TAKEOVERS",
        "permessage-deflate; server_no_context_takeover=1",
        "permessage-deflate; client_no_context_takeover=\"true\"",
        "permessage-deflate; server_max_window_bits",
        "permessage-deflate; server_max_window_bits=8",
        "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
        "permessage-deflate; client_no_context_takeover; client_no_context_takeover",
        "permessage-deflate; server_max_window_bits=10; server_max_window_bits=10",
        "permessage-deflate; client_max_window_bits; client_max_window_bits=10",
        "permessage-deflate; server_max_window_bits=8; server_max_window_bits=10",
        "x-webkit-deflate-frame",
        "permessage-bzip2",
        "permessage-deflatex",
        "constructor",
        "__proto__; toString",
    ];
    for line in declined {
        assert_eq!(of(line), Ok(None), "{line}");
        assert_eq!(of(&format!("{line}, permessage-deflate")), Ok(Some(plain())), "{line}");
        let later = format!("{line},{line} , permessage-deflate; server_max_window_bits=11");
        assert_eq!(of(&later), Ok(Some(window(11))), "{later}");
    }
}

/// Checklist 1.1: the grammar, with blanks where they may be; names of extensions and parameters
/// are tokens. Empty elements are skipped (RFC 9110, section 5.6.1.2).
#[test]
fn follows_the_grammar() {
    let good = [
        "permessage-deflate;server_max_window_bits=10",
        "permessage-deflate ;\tserver_max_window_bits = 10 ",
        ", permessage-deflate; server_max_window_bits=\"10\" , ,",
        "a;b=c;d=\"e\", permessage-deflate; server_max_window_bits=10, z",
        "PerMessage-Deflate; server_max_window_bits=10",
    ];
    for line in good {
        assert_eq!(of(line), Ok(Some(window(10))), "{line}");
    }
    for line in ["", " ", ",", " , ,\t"] {
        assert_eq!(of(line), Ok(None), "{line:?}");
    }
    let malformed = [
        ";",
        "=",
        "permessage-deflate;",
        "permessage-deflate; ;client_max_window_bits",
        "permessage-deflate; =10",
        "permessage-deflate; server_max_window_bits=",
        "permessage-deflate; server_max_window_bits=,",
        "permessage-deflate; server_max_window_bits=\"",
        "permessage-deflate; server_max_window_bits=\"\"",
        "permessage-deflate; server_max_window_bits=\"10",
        "permessage-deflate; server_max_window_bits=\"10\\\"",
        "permessage-deflate; server_max_window_bits=\"1 0\"",
        "permessage-deflate; server_max_window_bits=\"10\"1",
        "permessage-deflate; server_max_window_bits=1 0",
        "permessage-deflate server_no_context_takeover",
        "permessage-deflate, a b",
        "permessage-deflate, b\u{e4}r",
        "permessage-deflate\r\nX: y",
        "\"permessage-deflate\"",
        "a=b",
        "a; b=c=d",
        "a; b=\"\\\"\"",
    ];
    for line in malformed {
        assert_eq!(of(line), Err(Malformed), "{line}");
    }
}

/// Checklist 4: a quoted value that looks like another offer must not switch compression on.
#[test]
fn a_quoted_comma_is_no_separator() {
    assert_eq!(of("x; y=\",permessage-deflate,\""), Err(Malformed));
    assert_eq!(of("x; y=\"permessage-deflate\""), Ok(None));
}

/// Checklist 4 (CVE-2020-7662, CVE-2021-32640): long runs of blanks, unclosed quotes and escapes
/// take linear time. A square of these lengths would not end within the hour.
#[test]
fn takes_linear_time_on_hostile_lists() {
    let long = |unit: &str| unit.repeat((1 << 20) / unit.len());
    assert_eq!(of(&format!("a{}b", long(" "))), Err(Malformed));
    assert_eq!(of(&format!("a; b=\"{}", long("\\c"))), Err(Malformed));
    assert_eq!(of(&format!("a; b=\"{}", long("\\\\"))), Err(Malformed));
    assert_eq!(of(&long(",")), Ok(None));
    assert_eq!(of(&long("a,")), Ok(None));
    assert_eq!(of(&long("permessage-deflate; x=\"y\",")), Ok(None));
    let repeated = long("; server_no_context_takeover");
    assert_eq!(of(&format!("permessage-deflate{repeated}")), Ok(None));
}

proptest! {
    /// Any bytes: no panic; and what is agreed on is always one of seven windows.
    #[test]
    fn takes_any_bytes(
        line in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..60),
            "(permessage-deflate|;|,|=| |\"|\\\\|9|1|server_max_window_bits|[a-c]){0,14}"
                .prop_map(String::into_bytes),
        ],
    ) {
        if let Ok(Some(agreed)) = negotiate(&line) {
            prop_assert!((9..=15).contains(&agreed.window_bits));
        }
    }
}
