//! What a publication costs between its encoding and its sending: the append to a feed's window,
//! and the pass over those who read it. (The encoding is measured in `codec`.)

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use fanwire::feed::Feed;
use fanwire::feed::window::{Run, Spare};
use fanwire::hub::{Audience, Delivery, Encoding, Epoch, FeedKey, Mode, Position};

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

criterion_group!(benches, append_and_pass);
criterion_main!(benches);
