//! Answers: the exact bytes of each, and that they are JSON whatever stands in them.

use super::super::code::Code;
use super::*;
use crate::hub::Epoch;

const TIME: u64 = 1_790_000_000_000;
const AT: Position = Position { epoch: Epoch(723), index: 1042 };

fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = b"before".to_vec();
    write(&mut out);
    let text = String::from_utf8(out).unwrap();
    text.strip_prefix("before").expect("only appends").to_string()
}

/// A message from its two halves.
fn whole(head: &str, data: &str) -> String {
    format!("{{{head},\"data\":{data},\"timestamp\":{TIME}}}")
}

fn number(id: u64) -> RequestId {
    RequestId::Number(id)
}

#[test]
fn what_the_backend_has_done() {
    let own = encode::own_channel("ann");
    for (channel, shown) in [("room.7", "room.7"), (&own, "$user")] {
        assert_eq!(
            written(|out| given(out, channel, AT, TIME)),
            whole(
                &format!(r#""type":"subscribed","channel":"{shown}""#),
                r#"{"position":"k3:1042"}"#
            )
        );
        assert_eq!(
            written(|out| ended(out, channel, "backend", Some(AT), TIME)),
            whole(
                &format!(r#""type":"unsubscribed","channel":"{shown}""#),
                r#"{"reason":"backend","position":"k3:1042"}"#
            )
        );
    }
}

#[test]
fn acks() {
    let channel = Some("room.7");
    assert_eq!(
        written(|out| ack(out, &number(7), channel, |d| subscribed(d, AT, true, Some(0)), TIME)),
        whole(
            r#""type":"ack","id":7,"channel":"room.7""#,
            r#"{"position":"k3:1042","recovered":true,"missed":0}"#
        )
    );
    let text = RequestId::Text("a\"\u{1}ä".into());
    assert_eq!(
        written(|out| ack(out, &text, channel, |d| subscribed(d, AT, false, None), TIME)),
        whole(
            r#""type":"ack","id":"a\"\u0001ä","channel":"room.7""#,
            r#"{"position":"k3:1042","recovered":false,"missed":null}"#
        )
    );
    assert_eq!(
        written(|out| ack(out, &RequestId::None, None, |d| unsubscribed(d, Some(AT)), TIME)),
        whole(r#""type":"ack""#, r#"{"position":"k3:1042"}"#)
    );
    assert_eq!(written(|out| published(out, AT, false)), r#"{"id":"k3:1042"}"#);
    assert_eq!(written(|out| published(out, AT, true)), r#"{"id":"k3:1042","duplicate":true}"#);
    assert_eq!(
        written(|out| history(out, [&b"{\"a\":1}"[..], b"{}"], true, AT)),
        r#"{"messages":[{"a":1},{}],"more":true,"position":"k3:1042"}"#
    );
    assert_eq!(
        written(|out| history(out, [], false, AT)),
        r#"{"messages":[],"more":false,"position":"k3:1042"}"#
    );
}

#[test]
fn errors() {
    let fault = Fault::new(Code::Forbidden, "no \"entry\"");
    assert_eq!(
        written(|out| error(out, &number(7), Some("room.7"), &fault, None, TIME)),
        whole(
            r#""type":"error","id":7,"channel":"room.7""#,
            r#"{"code":"forbidden","message":"no \"entry\"","temporary":false}"#
        )
    );
    let fault = Fault::new(Code::RateLimited, "too fast");
    assert_eq!(
        written(|out| error(out, &RequestId::None, None, &fault, Some(500), TIME)),
        whole(
            r#""type":"error""#,
            r#"{"code":"rate_limited","message":"too fast","temporary":true,"retry_after_ms":500}"#
        )
    );
}

#[test]
fn echo_and_pong() {
    assert_eq!(
        written(|out| echo(out, &number(1), Some("{\"a\" : 1.50}"), TIME)),
        whole(r#""type":"echo","id":1"#, r#"{"a" : 1.50}"#)
    );
    assert_eq!(
        written(|out| echo(out, &RequestId::None, None, TIME)),
        r#"{"type":"echo","timestamp":1790000000000}"#
    );
    assert_eq!(
        written(|out| pong(out, &number(0), TIME)),
        r#"{"type":"pong","id":0,"timestamp":1790000000000}"#
    );
}

#[test]
fn the_welcome() {
    let greeting = Greeting::new(&Host {
        node: "host\\1",
        memory: Epoch(20 * 36 + 7),
        ping_interval_ms: 25_000,
        pong_timeout_ms: 10_000,
        update_interval_ms: 30_000,
        max_message_bytes: 65_536,
        reconnect_ms: (500, 20_000),
    });
    let welcome = Welcome {
        connection: "c1",
        user: None,
        position: AT,
        expires_in_ms: None,
        greeting: &greeting,
    };
    let expected = concat!(
        r#"{"type":"connection","data":{"connection":"c1","user":null,"server":"fanwire/"#,
        env!("CARGO_PKG_VERSION"),
        r#"","node":"host\\1","memory":"k7","protocol":1,"#,
        r#""features":["history","raw","idempotency","batch","latest","presence"],"#,
        r#""position":"k3:1042","ping_interval_ms":25000,"pong_timeout_ms":10000,"#,
        r#""update_interval_ms":30000,"max_message_bytes":65536,"expires_in_ms":null,"#,
        r#""reconnect":{"min_ms":500,"max_ms":20000}},"timestamp":1790000000000}"#
    );
    assert_eq!(written(|out| connection(out, &welcome, TIME)), expected);
    let known = Welcome { user: Some("ann"), expires_in_ms: Some(5), ..welcome };
    let text = written(|out| connection(out, &known, TIME));
    assert!(text.contains(r#""user":"ann""#) && text.contains(r#""expires_in_ms":5"#), "{text}");
}

#[test]
fn updates() {
    assert_eq!(
        written(|out| update(out, Some(3), TIME)),
        whole(r#""type":"update""#, r#"{"time":1790000000000,"connections":3}"#)
    );
    assert_eq!(
        written(|out| update(out, None, TIME)),
        whole(r#""type":"update""#, r#"{"time":1790000000000}"#)
    );
}

#[test]
fn goaways() {
    assert_eq!(
        written(|out| goaway(out, Away::Restart, 7_001, TIME)),
        whole(
            r#""type":"goaway""#,
            r#"{"reason":"restart","reconnect_after_ms":[3500,7001],"closes_in_ms":7001}"#,
        )
    );
    assert_eq!(
        written(|out| goaway(out, Away::Age, 0, TIME)),
        whole(
            r#""type":"goaway""#,
            r#"{"reason":"age","reconnect_after_ms":[0,0],"closes_in_ms":0}"#,
        )
    );
}

#[test]
fn an_object_may_be_empty() {
    assert_eq!(written(|out| object(out, |_| {})), "{}");
}
