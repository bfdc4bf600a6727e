//! What a publication costs before it is sent: envelope and frame, once for everybody; then the
//! append to a feed's window, and the pass over those who read it.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use fanwire::feed::Feed;
use fanwire::feed::window::{Run, Spare};
use fanwire::hub::{
    Audience, Delivery, Encoding, Epoch, FeedKey, Framer, Kind, Mode, Position, Publication, encode,
};
use fanwire::ws::frame::{self, Opcode};

/// Frames without compression.
struct Plain;

impl Framer for Plain {
    fn append(&mut self, out: &mut Vec<u8>, _: Encoding, binary: bool, payload: &[u8]) {
        let opcode = if binary { Opcode::Binary } else { Opcode::Text };
        frame::encode(out, opcode, false, payload);
    }
}

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

fn encode(c: &mut Criterion) {
    let mut group = c.benchmark_group("encode");
    group.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    for kind in [Kind::Json, Kind::Text, Kind::Binary] {
        for size in [100, 10_000] {
            let publication = publication(kind, size);
            let (mut out, mut text) = (Vec::new(), Vec::new());
            group.throughput(Throughput::Bytes(size as u64));
            group.bench_function(BenchmarkId::new(format!("{kind:?}"), size), |b| {
                b.iter(|| {
                    out.clear();
                    let publication = black_box(&publication);
                    let encoding = Encoding::JSON;
                    encode::frame(&mut out, &mut text, encoding, "room.7", publication, &mut Plain);
                    black_box(out.len())
                });
            });
        }
    }
    group.finish();
}

/// A feed that so many follow.
fn feed(readers: u32) -> (Feed, Spare) {
    let audience = Audience { worker: 0, encoding: Encoding::JSON, pace: None };
    let mut feed = Feed::new("room.7".into(), 0, audience, 1);
    let mut spare = Spare::default();
    let first = feed.join(0, 1, Mode::All);
    feed.turn_page(first, Epoch(1), 0, 0, &mut spare);
    for slot in 1..readers {
        feed.join_live(slot, Mode::All);
    }
    (feed, spare)
}

/// One publication after the other, each read by all before the next comes.
fn append_and_pass(c: &mut Criterion) {
    let mut group = c.benchmark_group("append and pass, without sending");
    group.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    for readers in [1, 100, 10_000] {
        let (mut feed, mut spare) = feed(readers);
        let frames: Arc<[u8]> = vec![0; 250].into();
        let mut index = 0;
        group.throughput(Throughput::Elements(readers.into()));
        group.bench_function(BenchmarkId::from_parameter(readers), |b| {
            b.iter(|| {
                index += 1;
                let position = Position { epoch: Epoch(1), index };
                let key = FeedKey { index: 0, generation: 1 };
                let frames = Arc::clone(&frames);
                let delivery = Delivery { feed: key, position, frames, skip: None, accepted_us: 0 };
                feed.append(&delivery, None, 256 << 10, &mut spare);
                while let Some(at) = feed.visit() {
                    let Run::Frames(bytes) = feed.run(at) else { continue };
                    let taken = black_box(bytes).len();
                    feed.advance(at, taken, &mut spare);
                }
                assert_eq!(feed.lagging(), 0);
            });
        });
    }
    group.finish();
}

criterion_group!(benches, encode, append_and_pass);
criterion_main!(benches);
