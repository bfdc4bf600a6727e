//! What it costs to read a client's message, by three parsers, for three sizes. Each leaves the
//! same: the type, the channel, and a payload that can be passed on. The two others set the scale:
//!
//! * `serde_json into a struct` is what one would write first; its payload is a `RawValue`.
//! * `simd-json into a struct` unescapes in place, so that it needs its input twice: the message is
//!   copied first, which counts, since the payload must be passed on as it came and simd-json
//!   cannot say where in the text a value stood. Its buffers are reused.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

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

fn envelope(c: &mut Criterion) {
    let mut group = c.benchmark_group("envelope");
    for (size, message) in messages() {
        let bytes = message.as_bytes();
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function(BenchmarkId::new("client::command", &size), |b| {
            b.iter(|| black_box(fanwire::client::command::parse(black_box(bytes))).is_ok());
        });
        group.bench_function(BenchmarkId::new("serde_json into a struct", &size), |b| {
            b.iter(|| {
                let plain: Plain<'_> = serde_json::from_slice(black_box(bytes)).expect("JSON");
                black_box((plain.r#type, plain.channel, plain.data));
            });
        });
        group.bench_function(BenchmarkId::new("simd-json into a struct", &size), |b| {
            let mut copy = Vec::with_capacity(bytes.len());
            let mut buffers = simd_json::Buffers::new(bytes.len());
            b.iter(|| {
                copy.clear();
                copy.extend_from_slice(black_box(bytes));
                let simd: Simd<'_> =
                    simd_json::serde::from_slice_with_buffers(&mut copy, &mut buffers)
                        .expect("JSON");
                black_box((simd.r#type, simd.channel));
            });
        });
    }
    group.finish();
}

/// A ping of a game, a message of a chat, a document; the last both as one text and as many values.
fn messages() -> Vec<(String, String)> {
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
        ("text", publish(&text)),
        ("values", publish(&values)),
    ];
    all.map(|(name, text)| (format!("{name}, {} B", text.len()), text)).into()
}

criterion_group!(benches, envelope);
criterion_main!(benches);
