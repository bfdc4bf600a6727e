//! Times in buckets of fixed bounds, one writer each, recorded without a search tree or a lock.

use super::Number;

/// The bounds of the buckets: microseconds, and seconds as they are shown.
pub(super) const BOUNDS: [(u64, &str); 16] = [
    (50, "0.00005"),
    (100, "0.0001"),
    (250, "0.00025"),
    (500, "0.0005"),
    (1_000, "0.001"),
    (2_500, "0.0025"),
    (5_000, "0.005"),
    (10_000, "0.01"),
    (25_000, "0.025"),
    (50_000, "0.05"),
    (100_000, "0.1"),
    (250_000, "0.25"),
    (500_000, "0.5"),
    (1_000_000, "1"),
    (2_500_000, "2.5"),
    (10_000_000, "10"),
];

/// Times of one worker.
#[derive(Debug, Default)]
pub(super) struct Histogram {
    /// How many fell into each bucket alone; the last is for those beyond all bounds.
    counts: [Number; BOUNDS.len() + 1],
    sum_us: Number,
}

impl Histogram {
    /// Records one time.
    pub(super) fn record(&self, us: u64) {
        let bucket = BOUNDS.partition_point(|&(bound, _)| bound < us);
        self.counts[bucket].add(1);
        self.sum_us.add(us);
    }

    /// Adds these counts and their sum to a total.
    pub(super) fn add_to(&self, total: &mut Totals) {
        for (sum, count) in total.counts.iter_mut().zip(&self.counts) {
            *sum += count.value();
        }
        total.sum_us += self.sum_us.value();
    }
}

/// Times of all workers.
#[derive(Debug, Default)]
pub(super) struct Totals {
    /// By bucket.
    pub counts: [u64; BOUNDS.len() + 1],
    /// Of all times.
    pub sum_us: u64,
}
