//! JSON: each rule, and properties against `serde_json::Value` as the oracle.

use proptest::prelude::*;

use super::*;
use crate::hub::encode;

const NAMES: [&str; 3] = ["type", "id", "data"];

fn read(text: &str) -> (Result<(), Fault>, [Option<&str>; 3]) {
    let mut members = Members::new("", &NAMES);
    let outcome = members.read(text);
    (outcome, members.fields().map(|field| field.raw()))
}

fn field(raw: &str) -> Field<'_> {
    Field { scope: "data.", name: "x", raw: Some(raw) }
}

const ABSENT: Field<'static> = Field { scope: "data.", name: "x", raw: None };

#[test]
fn members_are_left_as_they_stand() {
    let text = r#" { "id" : 7 , "other":{"type":1}, "data": [1,  2.50, "\u00e4"] } "#;
    let (outcome, values) = read(text);
    assert_eq!(outcome, Ok(()));
    assert_eq!(values, [None, Some("7"), Some(r#"[1,  2.50, "\u00e4"]"#)]);
}

#[test]
fn names_may_be_escaped() {
    assert_eq!(read(r#"{"\u0074ype":1}"#).1, [Some("1"), None, None]);
}

#[test]
fn what_stands_before_an_error_is_kept() {
    for broken in [r#"{"id":7,"data":{x}}"#, r#"{"id":7,"#, r#"{"id":7} {}"#, r#"{"id":7"#] {
        let (outcome, values) = read(broken);
        assert_eq!(outcome.unwrap_err().code, Code::BadJson, "{broken}");
        assert_eq!(values[1], Some("7"), "{broken}");
    }
}

#[test]
fn other_values_are_not_objects() {
    for value in ["1", "\"x\"", "null", "true", "[]", "[{\"id\":1}]", "-0.5e3"] {
        let fault = read(value).0.unwrap_err();
        assert_eq!(fault.code, Code::BadRequest, "{value}");
        assert_eq!(fault.message, "the message must be an object");
    }
    for broken in ["", " ", "[1", "nul", "{", "01", "[1,]", "\u{feff}{}", "{\"a\":1,}", "'a'"] {
        assert_eq!(read(broken).0.unwrap_err().code, Code::BadJson, "{broken}");
    }
}

#[test]
fn a_known_member_stands_once() {
    let (outcome, values) = read(r#"{"id":1,"data":2,"id":3}"#);
    let fault = outcome.unwrap_err();
    assert_eq!((fault.code, &*fault.message), (Code::BadRequest, "id: stands there twice"));
    assert_eq!(values[1], Some("1"));
    assert_eq!(read(r#"{"x":1,"x":2}"#).0, Ok(()));
}

#[test]
fn strings() {
    assert_eq!(string(r#""""#).as_deref(), Some(""));
    assert!(matches!(string(r#""plain""#), Some(Cow::Borrowed("plain"))));
    assert_eq!(string(r#""a\"\\\n\u00e4\ud83d\ude00""#).as_deref(), Some("a\"\\\nä😀"));
    for other in ["1", "null", r#"["a"]"#, r#""\ud800""#, r#""\udc00\ud800""#, "\""] {
        assert_eq!(string(other), None, "{other}");
    }
}

#[test]
fn fields_hold_what_they_must() {
    assert_eq!(field("\"abc\"").text(3).unwrap().as_deref(), Some("abc"));
    assert_eq!(ABSENT.text(3), Ok(None));
    assert_eq!(
        field("\"abcd\"").text(3).unwrap_err().message,
        "data.x: must be a string of at most 3 bytes"
    );
    assert_eq!(field("null").text(3).unwrap_err().code, Code::BadRequest);
    assert_eq!(ABSENT.required_text(3).unwrap_err().message, "data.x: is missing");
    assert_eq!(ABSENT.any_text().unwrap_err().message, "data.x: is missing");
    assert_eq!(field("7").any_text().unwrap_err().message, "data.x: must be a string");

    assert_eq!(field("true").flag(), Ok(true));
    assert_eq!(field("false").flag(), Ok(false));
    assert_eq!(ABSENT.flag(), Ok(false));
    for other in ["1", "null", "\"true\""] {
        assert_eq!(field(other).flag().unwrap_err().message, "data.x: must be true or false");
    }

    assert_eq!(field("1").integer(1..=9), Ok(Some(1)));
    assert_eq!(field("9").integer(1..=9), Ok(Some(9)));
    assert_eq!(ABSENT.integer(1..=9), Ok(None));
    for other in ["0", "10", "-1", "1.0", "1e0", "\"1\"", "null", "99999999999999999999"] {
        let fault = field(other).integer(1..=9).unwrap_err();
        assert_eq!(fault.message, "data.x: must be an integer from 1 to 9", "{other}");
    }

    assert_eq!(field("0.1").number(0.1..=50.0), Ok(Some(0.1)));
    assert_eq!(field("5e1").number(0.1..=50.0), Ok(Some(50.0)));
    assert_eq!(ABSENT.number(0.1..=50.0), Ok(None));
    for other in ["0", "50.1", "1e999", "\"1\"", "null"] {
        let fault = field(other).number(0.1..=50.0).unwrap_err();
        assert_eq!(fault.message, "data.x: must be a number from 0.1 to 50", "{other}");
    }
}

#[test]
fn arrays() {
    let array = field(r#"[1, "a,b]" ,{"c":[2]}]"#);
    assert_eq!(array.elements(3), Ok(Some(vec!["1", "\"a,b]\"", "{\"c\":[2]}"])));
    assert_eq!(array.elements(2).unwrap_err().code, Code::TooLarge);
    assert_eq!(field("[]").elements(0), Ok(Some(vec![])));
    assert_eq!(ABSENT.elements(3), Ok(None));
    assert_eq!(field("{}").elements(3).unwrap_err().message, "data.x: must be an array");
}

#[test]
fn reading_does_not_recurse() {
    let bomb = format!(r#"{{"id":7,"data":{}"#, "[".repeat(1 << 20));
    let (outcome, values) = read(&bomb);
    assert_eq!(outcome.unwrap_err().code, Code::BadJson);
    assert_eq!(values[1], Some("7"));
}

/// JSON texts with all sorts of values, brackets and quotes inside of strings included.
fn any_json() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::Value;
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[\\[\\]{}\"\\\\a-zä\n\u{1}\u{7f}]{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(60, 200, 2, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..2).prop_map(Value::from),
            prop::collection::hash_map("[a-c\"]{0,2}", inner, 0..2)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_written_reads_back(text in any::<String>(), number in any::<u64>()) {
        let mut out = Vec::new();
        encode::string(&mut out, &text);
        let written = std::str::from_utf8(&out).unwrap();
        prop_assert_eq!(&serde_json::from_str::<String>(written).unwrap(), &text);
        let read = string(written);
        prop_assert_eq!(read.as_deref(), Some(&*text));
        out.clear();
        encode::number(&mut out, number);
        prop_assert_eq!(serde_json::from_slice::<u64>(&out).unwrap(), number);
    }

    #[test]
    fn members_are_those_of_the_tree(value in any_json(), other in any_json()) {
        let text = serde_json::json!({ "data": value, "z": other, "id": other }).to_string();
        let (outcome, values) = read(&text);
        prop_assert_eq!(outcome, Ok(()));
        prop_assert_eq!(values[2].unwrap(), value.to_string());
        prop_assert_eq!(values[1].unwrap(), other.to_string());
    }

    #[test]
    fn any_bytes_do_no_harm(text in "[\\[\\]{}\",:\\\\a1 ]{0,40}") {
        let valid = serde_json::from_str::<serde_json::Value>(&text).is_ok();
        prop_assert_eq!(is_json(&text).is_ok(), valid);
        let _ = (read(&text), string(&text), elements(&text, 3));
    }
}
