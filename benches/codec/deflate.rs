//! permessage-deflate of 1 KiB of JSON by window size, beside the library that does it, used
//! directly with the same level, window and flush.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput};
use fanwire::ws::deflate::{Deflate, LEVEL};
use flate2::{Compress, Decompress, FlushCompress, FlushDecompress};

use crate::inputs::{DEFLATED_TEXT, client_frame, json};
use crate::messages::Ours;

const WINDOWS: [u8; 4] = [9, 11, 13, 15];

/// What a message's stream ends with, and its frame leaves out.
const TAIL: [u8; 4] = [0x00, 0x00, 0xFF, 0xFF];

pub fn deflate(c: &mut Criterion) {
    let mut group = c.benchmark_group("deflate 1 KiB of JSON");
    let payload = json(1 << 10);
    let mut ours = Deflate::new();
    let mut out = Vec::with_capacity(2 << 10);
    group.throughput(Throughput::Bytes(payload.len() as u64));
    for bits in WINDOWS {
        let name = format!("window 2^{bits}");
        let mut alone = Compress::new_with_window_bits(LEVEL, false, bits);
        assert!(ours.compress(bits, &payload, &mut out));
        let mut theirs = Vec::with_capacity(2 << 10);
        deflate_alone(&mut alone, &payload, &mut theirs);
        assert_eq!(theirs, [&out[..], &TAIL].concat());
        group.bench_function(BenchmarkId::new("fanwire", &name), |b| {
            b.iter(|| {
                out.clear();
                ours.compress(bits, black_box(&payload), &mut out)
            });
        });
        out.clear();
        group.bench_function(BenchmarkId::new("flate2", &name), |b| {
            b.iter(|| deflate_alone(&mut alone, black_box(&payload), &mut theirs));
        });
    }
    group.finish();
}

fn deflate_alone(alone: &mut Compress, payload: &[u8], out: &mut Vec<u8>) {
    out.clear();
    alone.reset();
    alone.compress_vec(payload, out, FlushCompress::Sync).expect("there is room");
}

pub fn inflate(c: &mut Criterion) {
    let mut group = c.benchmark_group("inflate 1 KiB of JSON");
    let payload = json(1 << 10);
    group.throughput(Throughput::Bytes(payload.len() as u64));
    for bits in WINDOWS {
        let name = format!("window 2^{bits}");
        let mut compressed = Vec::new();
        assert!(Deflate::new().compress(bits, &payload, &mut compressed));
        let mut ours = Ours::new(client_frame(DEFLATED_TEXT, &compressed));
        ours.read(|message| assert_eq!(message, Some(&payload[..])));
        let stream = [&compressed[..], &TAIL].concat();
        let mut alone = Decompress::new(false);
        let mut out = Vec::with_capacity(2 << 10);
        inflate_alone(&mut alone, &stream, &mut out);
        assert_eq!(out, payload);
        group.bench_function(BenchmarkId::new("fanwire", &name), |b| {
            b.iter(|| ours.read(|message| _ = black_box(message)));
        });
        group.bench_function(BenchmarkId::new("flate2", &name), |b| {
            b.iter(|| inflate_alone(&mut alone, black_box(&stream), &mut out));
        });
    }
    group.finish();
}

fn inflate_alone(alone: &mut Decompress, stream: &[u8], out: &mut Vec<u8>) {
    out.clear();
    alone.reset(false);
    alone.decompress_vec(stream, out, FlushDecompress::None).expect("it is whole");
}
