//! Reading what one read from a socket brought: whole messages, fragments, a close; and the check
//! of UTF-8 that is part of it. The peers read the same bytes from a stream in memory, which copies
//! them where the kernel would; for ours the same copy is made.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput};
use fanwire::ws::inflate::Inflate;
use fanwire::ws::{Event, Limits, Reader, text};
use fastwebsockets::{FragmentCollector, Role, WebSocket};
use tungstenite::protocol::Role as TungsteniteRole;

use crate::frames::size;
use crate::inputs::{BINARY, CLOSE, Memory, TEXT, at_once, client_frame, fragments, greek, json};

const LIMITS: Limits = Limits { max_message_bytes: 1 << 20, deflate: true };

/// Ours: the buffer of a worker, and what its connections share.
pub struct Ours {
    input: Vec<u8>,
    buffer: Vec<u8>,
    inflate: Inflate,
}

impl Ours {
    pub fn new(input: Vec<u8>) -> Self {
        Self { buffer: input.clone(), input, inflate: Inflate::new() }
    }

    /// Reads it all; `see` looks at each message. `None` for a close.
    #[inline]
    pub fn read(&mut self, mut see: impl FnMut(Option<&[u8]>)) {
        // Reading unmasks in place: the copy stands for the kernel's.
        self.buffer.copy_from_slice(black_box(&self.input));
        let mut partial = None;
        let mut reader = Reader::new(&mut self.buffer, &mut partial, LIMITS, &mut self.inflate);
        while let Some(event) = reader.next().expect("no rule is broken") {
            match event {
                Event::Message { payload, .. } => see(Some(payload)),
                _ => see(None),
            }
        }
    }
}

fn tungstenite(input: &[u8]) -> tungstenite::WebSocket<Memory> {
    let memory = Memory::new(input.to_vec());
    tungstenite::WebSocket::from_raw_socket(memory, TungsteniteRole::Server, None)
}

fn fastwebsockets(input: &[u8]) -> FragmentCollector<Memory> {
    let memory = Memory::new(input.to_vec());
    FragmentCollector::new(WebSocket::after_handshake(memory, Role::Server))
}

/// Measures the reading of `count` messages of `len` bytes that come in one read.
fn compare(c: &mut Criterion, path: &str, name: &str, input: &[u8], count: usize, len: usize) {
    let mut ours = Ours::new(input.to_vec());
    let mut tungstenite = tungstenite(input);
    let mut fastwebsockets = fastwebsockets(input);
    let mut messages = Vec::new();
    ours.read(|message| messages.extend(message.map(<[u8]>::to_vec)));
    assert_eq!(messages.iter().map(Vec::len).collect::<Vec<_>>(), vec![len; count]);
    for message in &messages {
        assert_eq!(tungstenite.read().expect("a message").into_data(), message);
        let theirs = at_once(fastwebsockets.read_frame()).expect("a message");
        assert_eq!(theirs.payload[..], message[..]);
    }
    let mut group = c.benchmark_group(path);
    group.throughput(Throughput::Bytes((count * len) as u64));
    group.bench_function(BenchmarkId::new("fanwire", name), |b| {
        b.iter(|| ours.read(|message| _ = black_box(message)));
    });
    group.bench_function(BenchmarkId::new("tungstenite", name), |b| {
        b.iter(|| {
            for _ in 0..count {
                black_box(tungstenite.read().expect("a message"));
            }
        });
    });
    group.bench_function(BenchmarkId::new("fastwebsockets", name), |b| {
        b.iter(|| {
            for _ in 0..count {
                black_box(&at_once(fastwebsockets.read_frame()).expect("a message").payload);
            }
        });
    });
    let mut buffer = input.to_vec();
    group.bench_function(BenchmarkId::new("memcpy", name), |b| {
        b.iter(|| black_box(&mut buffer).copy_from_slice(black_box(input)));
    });
    group.finish();
}

pub fn messages(c: &mut Criterion) {
    for (kind, first) in [("text", TEXT), ("binary", BINARY)] {
        for (count, len) in [(1, 125), (16, 125), (64, 16), (1, 16 << 10)] {
            let frame = client_frame(first, &vec![b'x'; len]);
            let name = format!("{count} × {} {kind}", size(len));
            compare(c, "messages of one read", &name, &frame.repeat(count), count, len);
        }
    }
    for len in [125, 16 << 10] {
        let frame = client_frame(TEXT, &greek(len));
        let name = format!("1 × {} text, Greek", size(len));
        compare(c, "messages of one read", &name, &frame, 1, len);
    }
    for (count, len) in [(4, 1 << 10), (16, 16 << 10)] {
        let text = json(len);
        let name = format!("{count} fragments, {} text", size(len));
        compare(c, "fragmented message", &name, &fragments(&text, count), 1, text.len());
    }
}

/// tungstenite is done after one close, and so cannot be asked again.
pub fn close(c: &mut Criterion) {
    let input = client_frame(CLOSE, &[&[0x03, 0xE8][..], b"good-bye"].concat());
    let mut ours = Ours::new(input.clone());
    let mut fastwebsockets = fastwebsockets(&input);
    let mut closes = 0;
    ours.read(|message| closes += usize::from(message.is_none()));
    assert_eq!(closes, 1);
    let theirs = at_once(fastwebsockets.read_frame()).expect("a close");
    assert_eq!(theirs.payload[..], b"\x03\xE8good-bye"[..]);
    let mut group = c.benchmark_group("close frame, read");
    group.bench_function(BenchmarkId::new("fanwire", "8 B"), |b| {
        b.iter(|| ours.read(|message| _ = black_box(message)));
    });
    group.bench_function(BenchmarkId::new("fastwebsockets", "8 B"), |b| {
        b.iter(|| _ = black_box(&at_once(fastwebsockets.read_frame()).expect("a close").payload));
    });
    group.finish();
}

/// Of text that is not ASCII: whether it is, is known from unmasking it.
pub fn utf8(c: &mut Criterion) {
    let mut group = c.benchmark_group("UTF-8 check, Greek");
    for len in [16, 125, 1 << 10, 16 << 10] {
        let bytes = greek(len);
        assert!(text::check(&bytes).is_ok() && std::str::from_utf8(&bytes).is_ok());
        assert!(simdutf8::basic::from_utf8(&bytes).is_ok());
        let name = size(len);
        group.throughput(Throughput::Bytes(len as u64));
        group.bench_function(BenchmarkId::new("fanwire", &name), |b| {
            b.iter(|| text::check(black_box(&bytes)).is_ok());
        });
        group.bench_function(BenchmarkId::new("std", &name), |b| {
            b.iter(|| std::str::from_utf8(black_box(&bytes)).is_ok());
        });
        group.bench_function(BenchmarkId::new("simdutf8", &name), |b| {
            b.iter(|| simdutf8::basic::from_utf8(black_box(&bytes)).is_ok());
        });
    }
    group.finish();
}
