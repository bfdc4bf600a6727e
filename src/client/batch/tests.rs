//! Batches: every form, and that an error stays where it belongs.

use super::*;

fn codes<'a>(item: &Item<'a>) -> Vec<Result<Cow<'a, str>, Code>> {
    item.channels.iter().map(|c| c.clone().map_err(|fault| fault.code)).collect()
}

/// The results that stand for these names or codes.
fn results(words: &[&'static str]) -> Vec<Result<Cow<'static, str>, Code>> {
    let result = |word: &&'static str| match Code::ALL.into_iter().find(|c| c.as_str() == *word) {
        Some(code) => Err(code),
        None => Ok(Cow::Borrowed(*word)),
    };
    words.iter().map(result).collect()
}

#[test]
fn one_value() {
    for value in ["1.50", "null", "\"a\"", "{\"a\" : [ ] }"] {
        let body = format!(" \r\n\t{value}\n");
        assert_eq!(parse_value(body.as_bytes()).unwrap().bytes, value.as_bytes());
    }
    for broken in [&b""[..], b" ", b"{", b"1 2", b"\"\xff\"", "\u{a0}1".as_bytes(), b"nul"] {
        assert_eq!(parse_value(broken).unwrap_err().code, Code::BadJson, "{broken:?}");
    }
    let nested = |times: usize| format!("{}{}", "[".repeat(times), "]".repeat(times));
    assert!(parse_value(nested(64).as_bytes()).is_ok());
    assert_eq!(parse_value(nested(65).as_bytes()).unwrap_err().code, Code::BadJson);
}

#[test]
fn one_object() {
    let body = r#" {"channel":"a","data":{"x": 1},"key":"k","idempotency_key":"i","new":[]} "#;
    let items = parse_batch(body.as_bytes(), 10).unwrap();
    assert_eq!(
        items,
        [Item {
            channels: vec![Ok("a".into())],
            data: Data { kind: Kind::Json, bytes: b"{\"x\": 1}".into() },
            key: Some("k".into()),
            idempotency_key: Some("i".into()),
        }]
    );
}

#[test]
fn errors_concern_their_item_and_channel() {
    let body = r#"[{"channel":"a","data":1},7,{"channels":["b","c..d","$all",5],"data":"AA==",
        "encoding":"base64"},{"channels":["e","f"]},{"data":1},{"channel":"g","channels":[],
        "data":1},{"channels":[],"data":1},{"channels":7,"data":1},
        {"channel":"h","data":1,"key":1},{"channel":"i","channel":"j","data":1}]"#;
    let items = parse_batch(body.as_bytes(), 100).unwrap();
    let found: Vec<_> = items.iter().map(codes).collect();
    let bad = || results(&["bad_request"]);
    assert_eq!(
        found,
        [
            results(&["a"]),
            bad(),
            results(&["b", "bad_channel", "forbidden", "bad_request"]),
            results(&["bad_request", "bad_request"]),
            bad(),
            bad(),
            bad(),
            bad(),
            bad(),
            bad(),
        ]
    );
    assert_eq!(items[2].data, Data { kind: Kind::Binary, bytes: b"\0".into() });
    let message = |at: usize| items[at].channels[0].as_ref().unwrap_err().message.to_string();
    assert_eq!(message(1), "the message must be an object");
    assert_eq!(message(3), "data: is missing");
    assert_eq!(message(4), "channel: is missing");
    assert_eq!(message(9), "channel: stands there twice");
}

#[test]
fn the_number_of_publications_is_bounded() {
    let item = r#"{"channels":["a","b"],"data":1}"#;
    let list = |count| format!("[{}]", vec![item; count].join(","));
    assert_eq!(parse_batch(list(2).as_bytes(), 4).unwrap().len(), 2);
    for (body, max) in [(list(3), 5), (list(2), 3), (list(6), 5), (item.to_string(), 1)] {
        assert_eq!(parse_batch(body.as_bytes(), max).unwrap_err().code, Code::TooLarge, "{body}");
    }
    assert_eq!(parse_batch(b"[]", 0).unwrap(), []);
}

#[test]
fn what_is_no_list() {
    for (body, code) in [
        ("7", Code::BadRequest),
        ("\"[]\"", Code::BadRequest),
        ("[{}", Code::BadJson),
        ("[{]", Code::BadJson),
        ("{", Code::BadJson),
        ("", Code::BadJson),
        ("[1,]", Code::BadJson),
    ] {
        assert_eq!(parse_batch(body.as_bytes(), 10).unwrap_err().code, code, "{body}");
    }
    let deep = format!("[{{\"channel\":\"a\",\"data\":{}{}}}]", "[".repeat(63), "]".repeat(63));
    assert_eq!(parse_batch(deep.as_bytes(), 10).unwrap_err().code, Code::BadJson);
}
