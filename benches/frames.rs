//! What the codec costs per frame, per message and per handshake. Throughput is in payload bytes.
//!
//! `cargo bench --bench frames`

use std::fmt::Write;
use std::hint::black_box;
use std::time::Duration;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use fanwire::ws::deflate::Deflate;
use fanwire::ws::frame::{self, Opcode};
use fanwire::ws::inflate::Inflate;
use fanwire::ws::{Event, Limits, Reader, handshake, mask};

/// A client's frame of `payload`, with the key of RFC 6455, section 5.7.
fn client_frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = frame::header(Opcode::Text, false, payload.len()).to_vec();
    bytes[0] = first;
    bytes[1] |= 0x80;
    let key = [0x37, 0xfa, 0x21, 0x3d];
    bytes.extend(key);
    let start = bytes.len();
    bytes.extend(payload);
    mask::unmask(&mut bytes[start..], key, 0);
    bytes
}

/// JSON as clients send it, of about `len` bytes.
fn json(len: usize) -> Vec<u8> {
    let mut text = String::from(r#"{"type":"broadcast","id":"k3:1042","data":[0"#);
    for i in 1.. {
        if text.len() + 2 >= len {
            break;
        }
        let _ = write!(text, ",{}", i * 7919 % 1000);
    }
    text.push_str("]}");
    text.into_bytes()
}

fn headers(c: &mut Criterion) {
    let mut group = c.benchmark_group("header");
    for (name, len) in [("short", 100), ("16-bit", 1000), ("64-bit", 100_000)] {
        let bytes = client_frame(0x81, &vec![b'x'; len]);
        group.bench_function(name, |b| {
            b.iter(|| frame::decode(black_box(&bytes[..14]), false));
        });
    }
    group.finish();
}

fn unmask(c: &mut Criterion) {
    let mut group = c.benchmark_group("unmask");
    for len in [16, 125, 1 << 10, 16 << 10] {
        let mut bytes = vec![0; len];
        group.throughput(Throughput::Bytes(len as u64));
        group.bench_function(BenchmarkId::from_parameter(len), |b| {
            b.iter(|| mask::unmask(black_box(&mut bytes), black_box([1, 2, 3, 4]), 0));
        });
    }
    group.finish();
}

/// Reads all messages of `input` and touches each.
fn read(input: &mut [u8], limits: Limits, inflate: &mut Inflate) -> usize {
    let mut partial = None;
    let mut reader = Reader::new(input, &mut partial, limits, inflate);
    let mut seen = 0;
    while let Ok(Some(event)) = reader.next() {
        if let Event::Message { payload, .. } = event {
            seen += black_box(payload).len();
        }
    }
    seen
}

fn messages(c: &mut Criterion) {
    let mut group = c.benchmark_group("text message");
    let mut inflate = Inflate::new();
    let mut bench = |name: &str, one: &[u8], times: usize, payload: usize, deflate: bool| {
        let input = one.repeat(times);
        let limits = Limits { max_message_bytes: 64 << 10, deflate };
        let mut buffer = input.clone();
        assert_eq!(read(&mut buffer, limits, &mut inflate), payload * times);
        group.throughput(Throughput::Bytes((payload * times) as u64));
        group.bench_function(name, |b| {
            b.iter(|| {
                // Reading unmasks in place: the copy stands for the kernel's.
                buffer.copy_from_slice(&input);
                read(black_box(&mut buffer), limits, &mut inflate)
            });
        });
    };
    let (small, large) = (json(125), json(16 << 10));
    bench("125 B", &client_frame(0x81, &small), 1, small.len(), false);
    bench("16 of 125 B in a read", &client_frame(0x81, &small), 16, small.len(), false);
    bench("16 KiB", &client_frame(0x81, &large), 1, large.len(), false);
    for payload in [&small, &large] {
        let mut compressed = Vec::new();
        if Deflate::new().compress(15, payload, &mut compressed) {
            let name = format!("{} B, deflated", payload.len());
            bench(&name, &client_frame(0xC1, &compressed), 1, payload.len(), true);
        }
    }
    group.finish();
}

fn deflate(c: &mut Criterion) {
    let mut group = c.benchmark_group("deflate");
    let mut deflate = Deflate::new();
    let mut out = Vec::new();
    for len in [64, 128, 512, 4 << 10] {
        let payload = json(len);
        group.throughput(Throughput::Bytes(payload.len() as u64));
        for bits in [9, 15] {
            group.bench_function(format!("{len} B broadcast, window 2^{bits}"), |b| {
                b.iter(|| {
                    out.clear();
                    deflate.compress(bits, black_box(&payload), &mut out)
                });
            });
        }
    }
    group.finish();
}

fn handshakes(c: &mut Criterion) {
    let lines: [(&str, &[u8]); 12] = [
        ("Host", b"localhost:3003"),
        ("Connection", b"Upgrade"),
        ("Pragma", b"no-cache"),
        ("Cache-Control", b"no-cache"),
        ("User-Agent", b"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36"),
        ("Upgrade", b"websocket"),
        ("Origin", b"http://localhost:3003"),
        ("Sec-WebSocket-Version", b"13"),
        ("Accept-Encoding", b"gzip, deflate, br, zstd"),
        ("Sec-WebSocket-Key", b"dGhlIHNhbXBsZSBub25jZQ=="),
        ("Sec-WebSocket-Extensions", b"permessage-deflate; client_max_window_bits"),
        ("Sec-WebSocket-Protocol", b"fanwire.v1"),
    ];
    let mut group = c.benchmark_group("handshake");
    group.bench_function("check", |b| b.iter(|| handshake::check("GET", 1, black_box(lines))));
    group.bench_function("check and answer", |b| {
        b.iter_batched_ref(
            || Vec::with_capacity(512),
            |out| {
                if let Ok(upgrade) = handshake::check("GET", 1, black_box(lines)) {
                    handshake::encode_response(out, &upgrade);
                }
            },
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    targets = headers, unmask, messages, deflate, handshakes
}
criterion_main!(benches);
