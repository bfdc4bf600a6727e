//! Commands: every form, every field's wrong types, and what a refusal carries.

use super::*;
use crate::limits::JSON_DEPTH;

fn command(text: &str) -> Command<'_> {
    parse(text.as_bytes()).unwrap_or_else(|refusal| panic!("{text}: {refusal:?}")).command
}

#[track_caller]
fn refused(text: &str, code: Code, words: &str) -> Refusal {
    let refusal = parse(text.as_bytes()).expect_err(text);
    assert_eq!(refusal.fault.code, code, "{text}: {refusal:?}");
    assert!(refusal.fault.message.starts_with(words), "{text}: {refusal:?}");
    refusal
}

fn plain_wish(channel: &str) -> Wish<'_> {
    Wish {
        channel: channel.into(),
        since: None,
        last: None,
        mode: Mode::All,
        max_rate: None,
        presence: false,
    }
}

fn json(data: &str) -> Data<'_> {
    Data { kind: Kind::Json, bytes: data.as_bytes().into() }
}

fn publish<'a>(channel: &'a str, data: Data<'a>) -> Publish<'a> {
    Publish { channel: channel.into(), data, key: None, idempotency_key: None, skip_self: false }
}

#[test]
fn ids() {
    let id = |id: &str| parse(format!(r#"{{"type":"ping","id":{id}}}"#).as_bytes()).map(|r| r.id);
    assert_eq!(parse(br#"{"type":"ping"}"#).unwrap().id, RequestId::None);
    assert_eq!(id("0"), Ok(RequestId::Number(0)));
    assert_eq!(id("9007199254740991"), Ok(RequestId::Number(9_007_199_254_740_991)));
    assert_eq!(id(r#""""#), Ok(RequestId::Text("".into())));
    assert_eq!(id(r#""a\u00e4\"""#), Ok(RequestId::Text("aä\"".into())));
    let longest = "x".repeat(64);
    assert_eq!(id(&format!("\"{longest}\"")), Ok(RequestId::Text(longest.into())));
    let too_long = format!("\"{}\"", "x".repeat(65));
    for wrong in
        ["9007199254740992", "-1", "1.0", "1e3", "-0", "null", "true", "[]", "{}", &too_long]
    {
        let refusal = id(wrong).unwrap_err();
        assert_eq!(refusal.fault.code, Code::BadRequest, "{wrong}");
        assert!(refusal.fault.message.starts_with("id: must be"), "{wrong}");
        assert_eq!(refusal.id, RequestId::None);
    }
}

#[test]
fn echo_says_the_same_data() {
    assert_eq!(
        command(r#"{"type":"echo","data": {"a" : 1.50} }"#),
        Command::Echo { data: Some(r#"{"a" : 1.50}"#) }
    );
    assert_eq!(command(r#"{"type":"echo","data":null}"#), Command::Echo { data: Some("null") });
    assert_eq!(command(r#"{"type":"echo"}"#), Command::Echo { data: None });
    // What belongs to other requests means nothing here.
    assert_eq!(command(r#"{"type":"echo","channel":5,"key":[]}"#), Command::Echo { data: None });
}

#[test]
fn without_a_type_it_is_an_echo() {
    assert_eq!(command(r#"{"data":[1]}"#), Command::Echo { data: Some("[1]") });
    assert_eq!(
        command(r#" {"hello":"world"} "#),
        Command::Echo { data: Some(r#"{"hello":"world"}"#) }
    );
    assert_eq!(command("{}"), Command::Echo { data: Some("{}") });
    assert_eq!(parse(br#"{"id":3,"x":1}"#).unwrap().id, RequestId::Number(3));
}

#[test]
fn ping_ignores_all_else() {
    assert_eq!(command(r#"{"type":"ping","channel":7,"data":{},"new":[]}"#), Command::Ping);
    assert_eq!(command(r#"{"type":"p\u0069ng"}"#), Command::Ping);
}

#[test]
fn publish_passes_data_on_as_it_stands() {
    for data in ["null", "1.50", "\"a\\u00e4\"", "{\"b\" : [ ] }", "\"\\ud800\"", "1e999"] {
        let text = format!(r#"{{"type":"publish","channel":"room.7","data": {data} }}"#);
        let Command::Publish(publish) = command(&text) else { panic!("{text}") };
        assert_eq!(publish.data, json(data));
        assert!(matches!(publish.data.bytes, Cow::Borrowed(_)));
        assert!(matches!(publish.channel, Cow::Borrowed("room.7")));
    }
}

#[test]
fn publish_with_everything() {
    let text = r#"{"skip_self":true,"data":1,"idempotency_key":"i","key":"k\n",
        "channel":"a","type":"publish","id":"x"}"#;
    let request = parse(text.as_bytes()).unwrap();
    assert_eq!(request.id, RequestId::Text("x".into()));
    assert_eq!(
        request.command,
        Command::Publish(Publish {
            key: Some("k\n".into()),
            idempotency_key: Some("i".into()),
            skip_self: true,
            ..publish("a", json("1"))
        })
    );
}

#[test]
fn publish_decodes_text_and_base64() {
    let data = |encoding: &str, data: &str| {
        let text = format!(
            r#"{{"type":"publish","id":1,"channel":"a","encoding":{encoding},"data":{data}}}"#
        );
        parse(text.as_bytes())
            .map(|request| match request.command {
                Command::Publish(publish) => (publish.data.kind, publish.data.bytes.into_owned()),
                other => panic!("{other:?}"),
            })
            .map_err(|refusal| refusal.fault.message)
    };
    assert_eq!(data("\"text\"", r#""a\n\u00e4""#), Ok((Kind::Text, "a\nä".into())));
    assert_eq!(data("\"text\"", r#""plain""#), Ok((Kind::Text, "plain".into())));
    assert_eq!(data("\"base64\"", r#""AP8=""#), Ok((Kind::Binary, vec![0, 255])));
    assert_eq!(data("\"base64\"", r#""""#), Ok((Kind::Binary, vec![])));
    for (encoding, value, words) in [
        ("\"text\"", "1", "data: must be a string"),
        ("\"text\"", r#""\ud800""#, "data: must be a string"),
        ("\"base64\"", "[]", "data: must be a string"),
        ("\"base64\"", r#""AP8""#, "data: must be base64"),
        ("\"base64\"", r#""_-8=""#, "data: must be base64"),
        ("\"base64\"", r#""AP9=""#, "data: must be base64"),
        ("\"hex\"", r#""00""#, "encoding: must be \"base64\" or \"text\""),
        ("\"json\"", "1", "encoding: must be"),
        ("7", r#""00""#, "encoding: must be a string"),
    ] {
        let message = data(encoding, value).unwrap_err();
        assert!(message.starts_with(words), "{encoding} {value}: {message}");
    }
}

#[test]
fn publish_names_what_is_wrong() {
    let long = format!("\"{}\"", "k".repeat(65));
    for (fields, words) in [
        (r#""data":1"#.to_string(), "channel: is missing"),
        (r#""channel":"a""#.to_string(), "data: is missing"),
        (r#""channel":7,"data":1"#.to_string(), "channel: must be a string"),
        (r#""channel":"a","data":1,"key":7"#.to_string(), "key: must be a string"),
        (r#""channel":"a","data":1,"key":"""#.to_string(), "key: must not be empty"),
        (format!(r#""channel":"a","data":1,"key":{long}"#), "key: must be a string of at most 64"),
        (r#""channel":"a","data":1,"idempotency_key":null"#.to_string(), "idempotency_key: must"),
        (format!(r#""channel":"a","data":1,"idempotency_key":{long}"#), "idempotency_key: must"),
        (r#""channel":"a","data":1,"skip_self":1"#.to_string(), "skip_self: must be true or"),
        (r#""channel":"a","data":1,"data":2"#.to_string(), "data: stands there twice"),
    ] {
        refused(&format!(r#"{{"type":"publish",{fields}}}"#), Code::BadRequest, words);
    }
}

#[test]
fn names_of_channels_are_checked() {
    for (kind, name, code) in [
        ("publish", "$all", Code::Forbidden),
        ("publish", "$user", Code::Forbidden),
        ("publish", "$x", Code::Forbidden),
        ("publish", "a..b", Code::BadChannel),
        ("subscribe", "$x", Code::BadChannel),
        ("subscribe", "room.*", Code::BadChannel),
        ("unsubscribe", "", Code::BadChannel),
        ("history", "a b", Code::BadChannel),
        ("presence", "a.", Code::BadChannel),
    ] {
        let text = format!(r#"{{"type":"{kind}","id":1,"channel":"{name}","data":{{}}}}"#);
        let refusal = refused(&text, code, "channel: ");
        assert_eq!(refusal.channel.as_deref(), Some(name));
    }
    for kind in ["subscribe", "unsubscribe", "history", "presence"] {
        for name in ["$all", "$user", "room.7"] {
            command(&format!(r#"{{"type":"{kind}","channel":"{name}"}}"#));
        }
        refused(&format!(r#"{{"type":"{kind}"}}"#), Code::BadRequest, "channel: is missing");
    }
    // An escaped name is the same name.
    assert_eq!(
        command(r#"{"type":"unsubscribe","channel":"\u0061"}"#),
        Command::Unsubscribe { channel: "a".into() }
    );
}

#[test]
fn subscribe_to_one() {
    assert_eq!(
        command(r#"{"type":"subscribe","channel":"a"}"#),
        Command::Subscribe { wishes: vec![Ok(plain_wish("a"))], many: false }
    );
    let text = r#"{"type":"subscribe","channel":"a","data":{"since":"k3:1","last":4294967295,
        "mode":"latest","max_rate":0.5,"presence":true,"token":"later"}}"#;
    assert_eq!(
        command(text),
        Command::Subscribe {
            wishes: vec![Ok(Wish {
                since: Some("k3:1".into()),
                last: Some(u32::MAX),
                mode: Mode::Latest,
                max_rate: Some(0.5),
                presence: true,
                ..plain_wish("a")
            })],
            many: false
        }
    );
}

#[test]
fn subscribe_names_what_is_wrong() {
    let long = format!(r#"{{"since":"{}"}}"#, "1".repeat(65));
    for (data, words) in [
        ("[]", "data: must be an object"),
        ("null", "data: must be an object"),
        (r#"{"since":7}"#, "data.since: must be a string of at most 64 bytes"),
        (&long, "data.since: must be a string of at most 64 bytes"),
        (r#"{"last":-1}"#, "data.last: must be an integer from 0 to 4294967295"),
        (r#"{"last":1.5}"#, "data.last: must be"),
        (r#"{"mode":"newest"}"#, "data.mode: must be \"all\" or \"latest\""),
        (r#"{"mode":1}"#, "data.mode: must be"),
        (r#"{"max_rate":1}"#, "data.max_rate: needs mode \"latest\""),
        (r#"{"mode":"latest","max_rate":0.09}"#, "data.max_rate: must be a number from 0.1 to 50"),
        (r#"{"mode":"latest","max_rate":"1"}"#, "data.max_rate: must be a number"),
        (r#"{"presence":"yes"}"#, "data.presence: must be true or false"),
        (r#"{"since":"a","since":"b"}"#, "data.since: stands there twice"),
        (r#"{"channels":[{"channel":"b"}]}"#, "channel: must not stand beside data.channels"),
    ] {
        let text = format!(r#"{{"type":"subscribe","id":1,"channel":"a","data":{data}}}"#);
        let refusal = refused(&text, Code::BadRequest, words);
        assert_eq!((refusal.id, refusal.channel.as_deref()), (RequestId::Number(1), Some("a")));
    }
}

#[test]
fn subscribe_to_many_answers_for_each() {
    let text = r#"{"type":"subscribe","id":1,"data":{"channels":[{"channel":"a"},
        {"channel":"b","since":"k:1","last":2},{"channel":"c..d"},{"channel":"e","last":"x"}]}}"#;
    let Command::Subscribe { wishes, many } = command(text) else { panic!() };
    assert!(many);
    assert_eq!(wishes[0], Ok(plain_wish("a")));
    let resumed = Wish { since: Some("k:1".into()), last: Some(2), ..plain_wish("b") };
    assert_eq!(wishes[1], Ok(resumed));
    let refusal = wishes[2].as_ref().unwrap_err();
    assert_eq!(refusal.fault.code, Code::BadChannel);
    assert_eq!((&refusal.id, refusal.channel.as_deref()), (&RequestId::Number(1), Some("c..d")));
    let refusal = wishes[3].as_ref().unwrap_err();
    assert_eq!(refusal.channel.as_deref(), Some("e"));
    assert!(refusal.fault.message.starts_with("data.channels.last: must be an integer"));
    assert_eq!(wishes.len(), 4);
}

#[test]
fn subscribe_to_many_needs_a_list_of_channels() {
    let many = |list: &str| format!(r#"{{"type":"subscribe","data":{{"channels":{list}}}}}"#);
    for (list, words) in [
        ("[]", "data.channels: must name at least one channel"),
        ("{}", "data.channels: must be an array"),
        ("null", "data.channels: must be an array"),
        (r#"[{"channel":"a"},7]"#, "data.channels.channel: is missing"),
        (r#"[{"channel":"a"},{}]"#, "data.channels.channel: is missing"),
        (r#"[{"channel":1}]"#, "data.channels.channel: must be a string"),
        (r#"["a"]"#, "data.channels.channel: is missing"),
    ] {
        refused(&many(list), Code::BadRequest, words);
    }
    let list = |count| format!("[{}]", vec![r#"{"channel":"a"}"#; count].join(","));
    let Command::Subscribe { wishes, .. } = command(&many(&list(MAX_WISHES)).leak()[..]) else {
        panic!()
    };
    assert_eq!(wishes.len(), MAX_WISHES);
    refused(&many(&list(MAX_WISHES + 1)), Code::TooLarge, "data.channels: must have at most 1000");
}

#[test]
fn history() {
    let start = |data: &str| {
        let text = format!(r#"{{"type":"history","channel":"a","data":{data}}}"#);
        match parse(text.as_bytes()).map(|request| request.command) {
            Ok(Command::History { start: Start::Head, limit, .. }) => Ok(("head".into(), limit)),
            Ok(Command::History { start: Start::Since(p), limit, .. }) => {
                Ok((format!("since {p}"), limit))
            }
            Ok(Command::History { start: Start::Before(p), limit, .. }) => {
                Ok((format!("before {p}"), limit))
            }
            Ok(other) => panic!("{other:?}"),
            Err(refusal) => Err(refusal.fault.message),
        }
    };
    assert_eq!(start("{}"), Ok(("head".to_string(), 100)));
    assert_eq!(start(r#"{"since":"k:1","limit":1}"#), Ok(("since k:1".to_string(), 1)));
    assert_eq!(start(r#"{"before":"","limit":1000}"#), Ok(("before ".to_string(), 1000)));
    for (data, words) in [
        (r#"{"since":"a","before":"b"}"#, "data.before: must not stand beside data.since"),
        (r#"{"limit":0}"#, "data.limit: must be an integer from 1 to 1000"),
        (r#"{"limit":1001}"#, "data.limit: must be"),
        (r#"{"before":1}"#, "data.before: must be a string"),
        ("7", "data: must be an object"),
    ] {
        assert!(start(data).unwrap_err().starts_with(words), "{data}");
    }
}

#[test]
fn presence_and_auth() {
    assert_eq!(
        command(r#"{"type":"presence","channel":"a","data":{"limit":5,"cursor":"c"}}"#),
        Command::Presence { channel: "a".into(), limit: 5, cursor: Some("c".into()) }
    );
    assert_eq!(
        command(r#"{"type":"presence","channel":"a"}"#),
        Command::Presence { channel: "a".into(), limit: 100, cursor: None }
    );
    assert_eq!(
        command(r#"{"type":"auth","data":{"token":"t.t.t"}}"#),
        Command::Auth { token: "t.t.t".into() }
    );
    refused(r#"{"type":"auth"}"#, Code::BadRequest, "data.token: is missing");
    refused(r#"{"type":"auth","data":{"token":1}}"#, Code::BadRequest, "data.token: must be");
}

#[test]
fn unknown_types() {
    for kind in ["rpc", "resume", "message", "Ping", "", "ping "] {
        let text = format!(r#"{{"type":"{kind}","id":5,"channel":"a"}}"#);
        let refusal = refused(&text, Code::UnknownType, "type: not known");
        assert_eq!((refusal.id, refusal.channel.as_deref()), (RequestId::Number(5), Some("a")));
    }
    for kind in ["7", "null", "[]", r#""\ud800""#] {
        let text = format!(r#"{{"type":{kind},"id":5}}"#);
        refused(&text, Code::BadRequest, "type: must be a string");
    }
}

#[test]
fn a_refusal_carries_what_could_be_read() {
    let broken = r#"{"type":"publish","id":7,"channel":"a","data":{oops}}"#;
    let refusal = refused(broken, Code::BadJson, "not JSON");
    assert_eq!((refusal.id, refusal.channel.as_deref()), (RequestId::Number(7), Some("a")));

    let refusal = refused(r#"{"type":"ping","id":7,"id":8}"#, Code::BadRequest, "id: stands");
    assert_eq!(refusal.id, RequestId::Number(7));

    // An id of a wrong type is none; a name too long to be one is not sent back.
    let long = format!(r#"{{"id":null,"type":"unsubscribe","channel":"{}"}}"#, "x".repeat(129));
    let refusal = refused(&long, Code::BadRequest, "id: ");
    assert_eq!((refusal.id, refusal.channel), (RequestId::None, None));

    assert_eq!(refused("[1]", Code::BadRequest, "the message must be").id, RequestId::None);
    assert_eq!(parse(b"{\"id\":1,\"a\":\"\xff\"}").unwrap_err().fault.code, Code::BadJson);
}

#[test]
fn depth_has_a_limit() {
    let nested = |times: usize| {
        let (open, close) = ("[".repeat(times), "]".repeat(times));
        format!(r#"{{"type":"publish","id":7,"channel":"a","data":{open}{close}}}"#)
    };
    command(&nested(JSON_DEPTH - 1)[..]);
    let refusal = refused(&nested(JSON_DEPTH), Code::BadJson, "nested deeper than 64");
    assert_eq!((refusal.id, refusal.channel.as_deref()), (RequestId::Number(7), Some("a")));
    refused(&nested(1 << 20), Code::BadJson, "nested deeper than 64");
}

#[test]
fn a_request_is_small() {
    assert!(size_of::<Request<'_>>() <= 160, "{}", size_of::<Request<'_>>());
    assert!(size_of::<Refusal>() <= 80, "{}", size_of::<Refusal>());
}

proptest::proptest! {
    /// Cutting, joining and changing bytes of real messages does no harm, and whatever is accepted
    /// is an object of JSON.
    #[test]
    fn any_text_gets_an_answer(
        text in "(\\{|\"(type|id|channel|data|publish|subscribe|channels)\"|[:,\\[\\]{}1\" ]){0,24}"
    ) {
        let object = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&text);
        match parse(text.as_bytes()) {
            Ok(_) => proptest::prop_assert!(object.is_ok()),
            Err(refusal) => {
                let not_json = serde_json::from_str::<serde_json::Value>(&text).is_err();
                proptest::prop_assert_eq!(refusal.fault.code == Code::BadJson, not_json);
            }
        }
    }
}
