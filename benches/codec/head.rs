//! Requests: the head, the accept key, and all of it up to the 101.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput};
use fanwire::http::head::{Head, MAX_FIELDS, Room, Scanner};
use fanwire::ws::handshake;
use tungstenite::handshake::derive_accept_key;
use tungstenite::handshake::machine::TryParse as _;
use tungstenite::handshake::server::{self, Request};

use crate::inputs::{BROWSER, PROGRAM};

const INPUTS: [(&str, &str); 2] = [("5 lines", PROGRAM), ("13 lines", BROWSER)];

/// Up to so many bytes of a head.
const MAX_BYTES: usize = 16 << 10;

/// The head of a request that is wholly there.
fn head<'a, 'b: 'a>(bytes: &'b [u8], room: &'a mut Room<'b>) -> Head<'a> {
    let end = Scanner::default().scan(bytes, MAX_BYTES).expect("no rule is broken");
    Head::parse(&bytes[..end.expect("it is whole")], room).expect("it is well-formed")
}

/// The same by httparse alone, with as many lines allowed.
fn httparse_alone<T>(bytes: &[u8], then: impl FnOnce(&httparse::Request<'_, '_>) -> T) -> T {
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let mut request = httparse::Request::new(&mut fields);
    assert!(request.parse(bytes).expect("it is well-formed").is_complete());
    then(&request)
}

fn tungstenite_request(bytes: &[u8]) -> Request {
    Request::try_parse(bytes).expect("it is well-formed").expect("it is whole").1
}

/// All three read the same names and values.
fn assert_same_heads(bytes: &[u8]) {
    let lower = |name: &str, value: &[u8]| (name.to_ascii_lowercase(), value.to_vec());
    let mut room = Room::new();
    let mut ours: Vec<_> =
        head(bytes, &mut room).fields().map(|(name, value)| lower(name, value)).collect();
    let alone = httparse_alone(bytes, |request| {
        let fields = request.headers.iter();
        fields.map(|field| lower(field.name, field.value)).collect::<Vec<_>>()
    });
    assert_eq!(ours, alone);
    let request = tungstenite_request(bytes);
    let fields = request.headers().iter();
    let mut theirs: Vec<_> = fields.map(|(k, v)| lower(k.as_str(), v.as_bytes())).collect();
    ours.sort();
    theirs.sort();
    assert_eq!(ours, theirs);
}

pub fn heads(c: &mut Criterion) {
    let mut group = c.benchmark_group("request head");
    for (name, text) in INPUTS {
        let bytes = text.as_bytes();
        assert_same_heads(bytes);
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function(BenchmarkId::new("fanwire", name), |b| {
            b.iter(|| black_box(&head(black_box(bytes), &mut Room::new())).fields().count());
        });
        group.bench_function(BenchmarkId::new("httparse", name), |b| {
            b.iter(|| httparse_alone(black_box(bytes), |head| black_box(head).headers.len()));
        });
        group.bench_function(BenchmarkId::new("tungstenite", name), |b| {
            b.iter(|| black_box(&tungstenite_request(black_box(bytes))).headers().len());
        });
    }
    group.finish();
}

pub fn accept_key(c: &mut Criterion) {
    let key = b"dGhlIHNhbXBsZSBub25jZQ==";
    assert_eq!(handshake::accept(key), derive_accept_key(key).as_bytes());
    let mut group = c.benchmark_group("accept key");
    group.bench_function(BenchmarkId::new("fanwire", "24 B"), |b| {
        b.iter(|| handshake::accept(black_box(key)));
    });
    group.bench_function(BenchmarkId::new("tungstenite", "24 B"), |b| {
        b.iter(|| derive_accept_key(black_box(key)));
    });
    group.finish();
}

/// The answer to an upgrade, from the bytes of the request on.
fn upgrade(bytes: &[u8], out: &mut Vec<u8>) {
    let mut room = Room::new();
    let head = head(bytes, &mut room);
    let upgrade = handshake::check("GET", 1, head.fields()).expect("it is an upgrade");
    handshake::encode_response(out, &upgrade);
}

fn tungstenite_upgrade(bytes: &[u8], out: &mut Vec<u8>) {
    let request = tungstenite_request(bytes);
    let response = server::create_response(&request).expect("it is an upgrade");
    server::write_response(out, &response).expect("a Vec takes everything");
}

pub fn upgrades(c: &mut Criterion) {
    let mut group = c.benchmark_group("request to 101");
    let mut out = Vec::with_capacity(1 << 10);
    let mut answer = |by: fn(&[u8], &mut Vec<u8>), text: &str| {
        out.clear();
        by(text.as_bytes(), &mut out);
        String::from_utf8(out.clone()).expect("the answer is ASCII")
    };
    for (_, text) in INPUTS {
        for by in [upgrade, tungstenite_upgrade] {
            let answer = answer(by, text).to_ascii_lowercase();
            assert!(answer.starts_with("http/1.1 101 "));
            assert!(answer.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=\r\n"));
        }
    }
    for (name, text) in INPUTS {
        for (who, by) in
            [("fanwire", upgrade as fn(&[u8], &mut Vec<u8>)), ("tungstenite", tungstenite_upgrade)]
        {
            group.bench_function(BenchmarkId::new(who, name), |b| {
                b.iter(|| {
                    out.clear();
                    by(black_box(text.as_bytes()), &mut out);
                    black_box(out.len())
                });
            });
        }
    }
    group.finish();
}
