//! Frames: the header of a client's, unmasking, and what a server writes.

use std::hint::black_box;
use std::io::Cursor;

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput};
use fanwire::ws::frame::{self, Opcode};
use fanwire::ws::{CloseCode, close, mask};
use fastwebsockets::{Frame, OpCode, Payload};
use tungstenite::protocol::CloseFrame;
use tungstenite::protocol::frame as tungstenite_frame;
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{
    CloseCode as TungsteniteCode, Data, OpCode as TungsteniteOpCode,
};

use crate::inputs::{BINARY, KEY, client_frame};

pub fn headers(c: &mut Criterion) {
    let mut group = c.benchmark_group("frame header");
    for (name, len) in [("7-bit length", 100), ("16-bit length", 1000), ("64-bit length", 100_000)]
    {
        let bytes = client_frame(BINARY, &vec![b'x'; len]);
        let bytes = &bytes[..14];
        let theirs = FrameHeader::parse(&mut Cursor::new(bytes)).expect("a header");
        let (theirs, their_len) = theirs.expect("it is whole");
        let ours = frame::decode(bytes, false).expect("a header").expect("it is whole");
        assert_eq!((ours.len, ours.fin, Some(ours.key)), (their_len, theirs.is_final, theirs.mask));
        group.bench_function(BenchmarkId::new("fanwire", name), |b| {
            b.iter(|| frame::decode(black_box(bytes), false));
        });
        group.bench_function(BenchmarkId::new("tungstenite", name), |b| {
            b.iter(|| FrameHeader::parse(&mut Cursor::new(black_box(bytes))));
        });
    }
    group.finish();
}

/// Payloads begin where headers end, hence nowhere in particular.
const OFFSET: usize = 6;

/// tungstenite's loop is fastwebsockets' (same code), and cannot be called alone.
pub fn unmask(c: &mut Criterion) {
    let mut group = c.benchmark_group("unmask");
    for len in [16, 125, 1 << 10, 16 << 10, 64 << 10] {
        let plain: Vec<u8> = (0..len).map(|at| at as u8).collect();
        let (mut ours, mut theirs) = (plain.clone(), plain.clone());
        mask::unmask(&mut ours, KEY, 0);
        fastwebsockets_unmask(&mut theirs);
        assert_eq!(ours, theirs);
        let mut buffer = vec![0; OFFSET + len];
        let name = size(len);
        group.throughput(Throughput::Bytes(len as u64));
        group.bench_function(BenchmarkId::new("fanwire", &name), |b| {
            b.iter(|| mask::unmask(black_box(&mut buffer[OFFSET..]), black_box(KEY), 0));
        });
        group.bench_function(BenchmarkId::new("fastwebsockets", &name), |b| {
            b.iter(|| fastwebsockets_unmask(black_box(&mut buffer[OFFSET..])));
        });
        group.bench_function(BenchmarkId::new("memcpy", &name), |b| {
            b.iter(|| black_box(&mut buffer[OFFSET..]).copy_from_slice(black_box(&plain)));
        });
    }
    group.finish();
}

fn fastwebsockets_unmask(bytes: &mut [u8]) {
    Frame::new(true, OpCode::Binary, Some(black_box(KEY)), Payload::BorrowedMut(bytes)).unmask();
}

/// A length for people.
pub fn size(len: usize) -> String {
    if len >= 1 << 10 && len.is_multiple_of(1 << 10) {
        format!("{} KiB", len >> 10)
    } else {
        format!("{len} B")
    }
}

pub fn encode(c: &mut Criterion) {
    let mut group = c.benchmark_group("frame encoding");
    for len in [16, 125, 1 << 10, 64 << 10] {
        let payload = Bytes::from(vec![b'x'; len]);
        let mut out = Vec::with_capacity(len + 14);
        frame::encode(&mut out, Opcode::Binary, false, &payload);
        let mut theirs = Vec::with_capacity(len + 14);
        tungstenite_encode(&mut theirs, &payload);
        assert_eq!(out, theirs);
        let mut buffer = Vec::with_capacity(len + 14);
        assert_eq!(out, Frame::binary(Payload::Borrowed(&payload)).write(&mut buffer));
        let name = size(len);
        group.throughput(Throughput::Bytes(len as u64));
        group.bench_function(BenchmarkId::new("fanwire", &name), |b| {
            b.iter(|| {
                out.clear();
                frame::encode(&mut out, Opcode::Binary, false, black_box(&payload));
                black_box(out.len())
            });
        });
        group.bench_function(BenchmarkId::new("tungstenite", &name), |b| {
            b.iter(|| {
                out.clear();
                tungstenite_encode(&mut out, black_box(&payload));
                black_box(out.len())
            });
        });
        group.bench_function(BenchmarkId::new("fastwebsockets", &name), |b| {
            b.iter(|| {
                let payload = Payload::Borrowed(black_box(&payload));
                black_box(Frame::binary(payload).write(&mut buffer).len())
            });
        });
        group.bench_function(BenchmarkId::new("memcpy", &name), |b| {
            b.iter(|| {
                out.clear();
                out.extend_from_slice(black_box(&payload));
                black_box(out.len())
            });
        });
    }
    group.finish();
}

fn tungstenite_encode(out: &mut Vec<u8>, payload: &Bytes) {
    let opcode = TungsteniteOpCode::Data(Data::Binary);
    let frame = tungstenite_frame::Frame::message(payload.clone(), opcode, true);
    frame.format(out).expect("a Vec takes everything");
}

pub fn close(c: &mut Criterion) {
    const REASON: &str = "restart;retry=500-5000";
    let ours = |out: &mut Vec<u8>| close::encode(out, CloseCode::RESTART, black_box(REASON));
    let tungstenite = |out: &mut Vec<u8>| {
        let said = CloseFrame { code: TungsteniteCode::Restart, reason: black_box(REASON).into() };
        tungstenite_frame::Frame::close(Some(said)).format(out).expect("a Vec takes everything");
    };
    let (mut out, mut buffer) = (Vec::new(), Vec::new());
    ours(&mut out);
    tungstenite(&mut buffer);
    assert_eq!(out, buffer);
    assert_eq!(out, Frame::close(1012, REASON.as_bytes()).write(&mut buffer));
    let mut group = c.benchmark_group("close frame, written");
    let name = size(REASON.len());
    group.bench_function(BenchmarkId::new("fanwire", &name), |b| {
        b.iter(|| {
            out.clear();
            ours(&mut out);
            black_box(out.len())
        });
    });
    group.bench_function(BenchmarkId::new("tungstenite", &name), |b| {
        b.iter(|| {
            out.clear();
            tungstenite(&mut out);
            black_box(out.len())
        });
    });
    group.bench_function(BenchmarkId::new("fastwebsockets", &name), |b| {
        b.iter(|| {
            let mut frame = Frame::close(1012, black_box(REASON).as_bytes());
            black_box(frame.write(&mut buffer).len())
        });
    });
    group.finish();
}
