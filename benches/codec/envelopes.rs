//! The client protocol's JSON: the envelope of a publication written, a client's message read.
//!
//! Each reader leaves the same: the type, the channel, and a payload that can be passed on as it
//! stood. The two others set the scale:
//!
//! * `serde_json` into a struct is what one would write first; its payload is a `RawValue`.
//! * `simd-json` into a struct unescapes in place, so that it needs its input twice: the message is
//!   copied first, which counts, since the payload must be passed on as it came and simd-json
//!   cannot say where in the text a value stood. Its buffers are reused.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput};
use fanwire::client::command;
use fanwire::hub::{Epoch, Kind, Position, Publication, encode};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::frames::size;

fn publication(kind: Kind, size: usize) -> Publication {
    let payload = match kind {
        Kind::Json => format!("\"{}\"", "x".repeat(size - 2)).into_bytes(),
        Kind::Text | Kind::Binary => vec![b'x'; size],
    };
    let position = Position { epoch: Epoch(0x1234_5678_9abc), index: 1042 };
    let (from, key) = (Some("ann".into()), None);
    let timestamp = 1_790_000_000_000;
    Publication { position, kind, timestamp, from, key, payload: payload.into() }
}

/// The same envelope, as one would write it first.
#[derive(Serialize)]
struct Envelope<'a> {
    r#type: &'a str,
    #[serde(serialize_with = "as_text")]
    id: Position,
    channel: &'a str,
    from: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    encoding: Option<&'a str>,
    data: Payload<'a>,
    timestamp: u64,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Payload<'a> {
    Json(&'a RawValue),
    Text(&'a str),
}

fn as_text<S: Serializer>(position: &Position, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(position)
}

fn by_serde_json(out: &mut Vec<u8>, publication: &Publication, json: Option<&RawValue>) {
    let text = || str::from_utf8(&publication.payload).expect("it is ASCII");
    let envelope = Envelope {
        r#type: "message",
        id: publication.position,
        channel: "room.7",
        from: publication.from.as_deref(),
        encoding: json.is_none().then_some("text"),
        data: json.map_or_else(|| Payload::Text(text()), Payload::Json),
        timestamp: publication.timestamp,
    };
    serde_json::to_writer(out, &envelope).expect("a Vec takes everything");
}

pub fn publications(c: &mut Criterion) {
    let mut group = c.benchmark_group("publication's envelope");
    for kind in [Kind::Json, Kind::Text] {
        for len in [128, 1 << 10, 16 << 10] {
            let publication = publication(kind, len);
            // Known to be JSON since it was accepted: made once.
            let raw = (kind == Kind::Json).then(|| {
                let text = String::from_utf8(publication.payload.to_vec()).expect("it is ASCII");
                RawValue::from_string(text).expect("it is JSON")
            });
            let (mut out, mut theirs) = (Vec::new(), Vec::new());
            encode::envelope(&mut out, "room.7", &publication);
            by_serde_json(&mut theirs, &publication, raw.as_deref());
            assert_eq!(out, theirs);
            let name = format!("{}, {kind:?}", size(len));
            group.throughput(Throughput::Bytes(len as u64));
            group.bench_function(BenchmarkId::new("fanwire", &name), |b| {
                b.iter(|| {
                    out.clear();
                    encode::envelope(&mut out, black_box("room.7"), black_box(&publication));
                    black_box(out.len())
                });
            });
            group.bench_function(BenchmarkId::new("serde_json", &name), |b| {
                b.iter(|| {
                    theirs.clear();
                    by_serde_json(&mut theirs, black_box(&publication), raw.as_deref());
                    black_box(theirs.len())
                });
            });
            group.bench_function(BenchmarkId::new("memcpy", &name), |b| {
                b.iter(|| {
                    out.clear();
                    out.extend_from_slice(black_box(&publication.payload));
                    black_box(out.len())
                });
            });
        }
    }
    group.finish();
}

#[derive(Deserialize)]
struct Plain<'a> {
    r#type: &'a str,
    channel: Option<&'a str>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Simd<'a> {
    r#type: &'a str,
    channel: Option<&'a str>,
    #[serde(rename = "data")]
    _data: Option<IgnoredAny>,
}

/// simd-json and what it reuses.
struct Copying {
    copy: Vec<u8>,
    buffers: simd_json::Buffers,
}

impl Copying {
    fn parse(&mut self, bytes: &[u8]) -> Simd<'_> {
        self.copy.clear();
        self.copy.extend_from_slice(bytes);
        let Self { copy, buffers } = self;
        simd_json::serde::from_slice_with_buffers(copy, buffers).expect("it is JSON")
    }
}

/// All three find the same channel, and those that can the same data.
fn assert_same_commands(bytes: &[u8], simd: &mut Copying) {
    let ours = command::parse(bytes).expect("it is a request");
    let plain: Plain<'_> = serde_json::from_slice(bytes).expect("it is JSON");
    let simd = simd.parse(bytes);
    assert_eq!((ours.command.channel(), plain.r#type), (plain.channel, simd.r#type));
    assert_eq!(plain.channel, simd.channel);
    let data = plain.data.map(RawValue::get);
    match ours.command {
        command::Command::Publish(publish) => {
            assert_eq!(Some(&*publish.data.bytes), data.map(str::as_bytes));
        }
        command::Command::Echo { data: ours } => assert_eq!(ours, data),
        other => panic!("no such input: {other:?}"),
    }
}

pub fn commands(c: &mut Criterion) {
    let mut group = c.benchmark_group("client's message");
    for (name, message) in inputs() {
        let bytes = message.as_bytes();
        let buffers = simd_json::Buffers::new(bytes.len());
        let mut simd = Copying { copy: Vec::with_capacity(bytes.len()), buffers };
        assert_same_commands(bytes, &mut simd);
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function(BenchmarkId::new("fanwire", &name), |b| {
            b.iter(|| black_box(command::parse(black_box(bytes))).is_ok());
        });
        group.bench_function(BenchmarkId::new("serde_json", &name), |b| {
            b.iter(|| {
                let plain: Plain<'_> = serde_json::from_slice(black_box(bytes)).expect("JSON");
                black_box((plain.r#type, plain.channel, plain.data));
            });
        });
        group.bench_function(BenchmarkId::new("simd-json", &name), |b| {
            b.iter(|| {
                let simd = simd.parse(black_box(bytes));
                black_box((simd.r#type, simd.channel));
            });
        });
    }
    group.finish();
}

/// A ping of a game, a message of a chat, a document; the last both as one text and as many values.
fn inputs() -> Vec<(String, String)> {
    let publish =
        |data: &str| format!(r#"{{"type":"publish","id":17,"channel":"room.7","data":{data}}}"#);
    let chat = format!(
        r#"{{"text":"{}","author":{{"name":"ann","id":1234567}},"tags":["a","b"],"ok":true}}"#,
        "lorem ipsum dolor sit amet ".repeat(9)
    );
    let text = format!("\"{}\"", "lorem ipsum dolor sit amet ".repeat(600));
    let values = vec![r#"{"x":12.5,"y":-3,"name":"a point"}"#; 460].join(",");
    let values = format!("[{values}]");
    let all = [
        ("echo", r#"{"type":"echo","id":1,"data":{"n":12345}}"#.to_string()),
        ("chat", publish(&chat)),
        ("one text", publish(&text)),
        ("many values", publish(&values)),
    ];
    all.map(|(name, text)| (format!("{name}, {} B", text.len()), text)).into()
}
