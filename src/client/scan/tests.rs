//! The grammar, rule by rule, and `serde_json` as the oracle for any text.

use proptest::prelude::*;
use serde_json::value::RawValue;

use super::*;

/// The value that `text` is, as it stands there.
fn value(text: &str) -> Result<&str, Flaw> {
    let mut scan = Scanner::new(text);
    let value = scan.value(0)?;
    scan.end()?;
    Ok(value)
}

#[test]
fn what_is_json() {
    for text in [
        "0",
        "-0",
        "7",
        "-12",
        "1.5",
        "0.0",
        "10",
        "1e5",
        "1E+5",
        "1.5e-05",
        "-0.1e1",
        "true",
        "false",
        "null",
        r#""""#,
        r#""a""#,
        r#""\"\\\/\b\f\n\r\t""#,
        r#""\u00Ff\ud800""#,
        "\"ä😀\u{7f}\"",
        "[]",
        "[ ]",
        "{}",
        "{ }",
        "[1]",
        "[[],{}]",
        r#"{"a":1}"#,
        r#"{"a":[1,{"b":null}],"":"}"}"#,
        "[1 , 2\t,\r\n3]",
        "{ \"a\" : 1 , \"b\" : 2 }",
    ] {
        assert_eq!(value(text), Ok(text));
        assert_eq!(value(&format!(" \t\r\n{text}\n ")), Ok(text));
    }
}

#[test]
fn what_is_not() {
    for text in [
        "",
        " ",
        "01",
        "-",
        "+1",
        "1.",
        ".5",
        "1e",
        "1e+",
        "-a",
        "0x1",
        "1_0",
        "NaN",
        "Infinity",
        "tru",
        "truely",
        "nul",
        "True",
        "\"",
        "\"a",
        "\"\\\"",
        "\"\\x\"",
        "\"\\u12g4\"",
        "\"\\u12",
        "\"\\",
        "\"\n\"",
        "\"\u{1f}\"",
        "'a'",
        "[",
        "]",
        "[1",
        "[1,",
        "[1,]",
        "[,1]",
        "[1 2]",
        "[1}",
        "{",
        "}",
        "{1:2}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{\"a\" 1}",
        "{\"a\":1]",
        "{,}",
        "{\"a\":1 \"b\":2}",
        "1 2",
        "[] []",
        "\u{feff}1",
        "\u{a0}1",
        "/**/1",
        "[1]//",
    ] {
        assert_eq!(value(text), Err(Flaw::Grammar), "{text}");
    }
}

#[test]
fn control_characters_are_found_anywhere_in_a_string() {
    for length in [0, 1, 23, 24, 25, 60, 200] {
        for at in 0..=length {
            for (byte, legal) in [("\0", false), ("\u{1f}", false), (" ", true), ("ä", true)] {
                let text = format!("\"{}{byte}{}\"", "a".repeat(at), "b".repeat(length - at));
                assert_eq!(value(&text).is_ok(), legal, "{text:?}");
            }
        }
    }
}

#[test]
fn depth_has_a_limit() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let nested = |times: usize| format!("{}1{}", open.repeat(times), close.repeat(times));
        let fits = nested(JSON_DEPTH);
        assert_eq!(value(&fits), Ok(&*fits));
        assert_eq!(value(&nested(JSON_DEPTH + 1)), Err(Flaw::Depth));
        assert_eq!(value(&nested(1 << 20)), Err(Flaw::Depth));
        assert!(Scanner::new(&nested(JSON_DEPTH - 1)).value(1).is_ok());
        assert!(Scanner::new(&nested(JSON_DEPTH)).value(1).is_err());
    }
    let empty = format!("{}[]{}", "[".repeat(JSON_DEPTH), "]".repeat(JSON_DEPTH));
    assert!(value(&empty).is_err());
    let mixed = format!("{}1{}", "[{\"a\":".repeat(32), "}]".repeat(32));
    assert_eq!(value(&mixed), Ok(&*mixed));
}

#[test]
fn width_is_not_depth() {
    let wide = format!("[{}1]", "[{\"a\":[]},{}],".repeat(1000));
    assert_eq!(value(&wide), Ok(&*wide));
}

#[test]
fn brackets_close_their_like() {
    // Every text of six brackets and ones, of which most are wrong in some depth.
    let alphabet = ["[", "]", "{\"a\":", "}", ",", "1"];
    for mut number in 0..6usize.pow(6) {
        let mut text = String::new();
        for _ in 0..6 {
            text += alphabet[number % 6];
            number /= 6;
        }
        let oracle = serde_json::from_str::<&RawValue>(&text).is_ok();
        assert_eq!(value(&text).is_ok(), oracle, "{text}");
    }
}

/// Whether the oracle takes `text` for JSON, and what of it is the value.
fn oracle(text: &str) -> Option<&str> {
    serde_json::from_str::<&RawValue>(text).ok().map(RawValue::get)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn agrees_with_serde_json(text in "[\\[\\]{}\":,0-9eE.+\\-\\\\/untrfalse \n\u{1}ä]{0,12}") {
        prop_assert_eq!(value(&text).ok(), oracle(&text));
    }

    #[test]
    fn agrees_on_tokens(
        tokens in prop::collection::vec(prop::sample::select(TOKENS), 0..16)
    ) {
        let text = tokens.concat();
        prop_assert_eq!(value(&text).ok(), oracle(&text));
    }

    #[test]
    fn agrees_on_strings(
        inner in "([a-zä]{0,30}(\\\\[\"\\\\/bfnrtux]|\\\\u[0-9a-gA-G]{3,4}|\n)?){0,3}"
    ) {
        let text = format!("\"{inner}\"");
        prop_assert_eq!(value(&text).ok(), oracle(&text));
    }

    #[test]
    fn agrees_on_numbers(text in "-?[0-9]{0,3}(\\.[0-9]{0,2})?([eE][+-]?[0-9]{0,2})?") {
        prop_assert_eq!(value(&text).ok(), oracle(&text));
    }
}

const TOKENS: &[&str] = &[
    "[", "]", "{", "}", ":", ",", "\"a\"", "\"\"", "1", "-0.5e3", "true", "false", "null", " ",
    "\"a\":", "\"b\" :", "[1,", "{\"c\":", "[]", "{}",
];
