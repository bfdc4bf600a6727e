//! Medians, quartiles and the bootstrap interval of a median. Pure: randomness comes from a seed.
//! What is fed to it stands in `measures`.

use fastrand::Rng;

/// How often a sample is drawn anew for an interval.
pub const RESAMPLES: usize = 2_000;

/// The seed of every resampling: the same results always give the same document.
const SEED: u64 = 42;

/// A sample in few numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    /// How many values.
    pub count: usize,
    /// The first of them, in the order in which they were measured.
    pub first: f64,
    /// The last of them.
    pub last: f64,
    /// First quartile, median, third quartile.
    pub quartiles: [f64; 3],
    /// Where the median lies, with 95 % confidence, by resampling.
    pub interval: [f64; 2],
}

impl Summary {
    /// Of the values of some sittings, in which those of one may be alike. None for an empty
    /// sample, or one with a value that is no number.
    pub fn of(sittings: &[Vec<f64>]) -> Option<Self> {
        let mut values = sittings.concat();
        if values.iter().any(|value| !value.is_finite()) {
            return None;
        }
        let (first, last) = (*values.first()?, *values.last()?);
        values.sort_by(f64::total_cmp);
        let quartiles = [0.25, 0.5, 0.75].map(|part| quantile(&values, part));
        Some(Self { count: values.len(), first, last, quartiles, interval: interval(sittings) })
    }

    pub fn median(&self) -> f64 {
        self.quartiles[1]
    }
}

/// The value below which `part` of a sorted sample lies, between neighbours in proportion.
fn quantile(sorted: &[f64], part: f64) -> f64 {
    let place = part * (sorted.len() - 1) as f64;
    let (below, above) = (place.floor() as usize, place.ceil() as usize);
    sorted[below] + (sorted[above] - sorted[below]) * (place - place.floor())
}

/// The 95 % interval of the median, by the percentiles of the medians of resamples. Whole sittings
/// are drawn: what a process has kept for its life is no new evidence in each round.
fn interval(sittings: &[Vec<f64>]) -> [f64; 2] {
    let mut rng = Rng::with_seed(SEED);
    let mut medians: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            let drawn = (0..sittings.len()).map(|_| &sittings[rng.usize(..sittings.len())]);
            let mut resample: Vec<f64> = drawn.flatten().copied().collect();
            resample.sort_by(f64::total_cmp);
            quantile(&resample, 0.5)
        })
        .collect();
    medians.sort_by(f64::total_cmp);
    [quantile(&medians, 0.025), quantile(&medians, 0.975)]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each value in a sitting of its own.
    fn each(values: &[f64]) -> Vec<Vec<f64>> {
        values.iter().map(|value| vec![*value]).collect()
    }

    #[test]
    fn quartiles_of_known_samples() {
        let quartiles = |values: &[f64]| Summary::of(&each(values)).map(|found| found.quartiles);
        assert_eq!(quartiles(&[]), None);
        assert_eq!(quartiles(&[7.0]), Some([7.0; 3]));
        assert_eq!(quartiles(&[4.0, 1.0, 3.0, 2.0]), Some([1.75, 2.5, 3.25]));
        assert_eq!(quartiles(&[5.0, 1.0, 3.0, 2.0, 4.0]), Some([2.0, 3.0, 4.0]));
        assert_eq!(quartiles(&[1.0, f64::NAN]), None);
    }

    #[test]
    fn first_and_last_are_in_the_order_of_time() {
        let summary = Summary::of(&each(&[3.0, 1.0, 2.0])).expect("it is not empty");
        assert_eq!((summary.first, summary.last, summary.count), (3.0, 2.0, 3));
    }

    #[test]
    fn an_interval_holds_the_median_and_is_always_the_same() {
        let values: Vec<f64> = (0..30).map(|n| 1.0 + f64::from(n * 7 % 30) / 100.0).collect();
        let summary = Summary::of(&each(&values)).expect("it is not empty");
        assert!(summary.interval[0] < summary.median() && summary.median() < summary.interval[1]);
        assert!(summary.interval[0] >= 1.0 && summary.interval[1] <= 1.29);
        assert_eq!(Summary::of(&each(&values)), Some(summary));
    }

    /// Ten processes with three equal values each say no more than ten values do.
    #[test]
    fn what_is_alike_in_a_sitting_makes_no_interval_narrower() {
        let one: Vec<f64> = (0..10).map(|n| 1.0 + f64::from(n) / 100.0).collect();
        let three: Vec<Vec<f64>> = one.iter().map(|value| vec![*value; 3]).collect();
        let [alone, alike] = [each(&one), three.clone()].map(|sittings| {
            let [low, high] = Summary::of(&sittings).expect("it is not empty").interval;
            high - low
        });
        let [low, high] = Summary::of(&each(&three.concat())).expect("it is not empty").interval;
        assert!((alike - alone).abs() < 0.01 && high - low < alike, "{alone} {alike}");
    }

    /// The interval is meant to miss the truth once in twenty: of 100 samples of a known
    /// distribution, 5 misses are expected, and a wrong interval gives far fewer or far more.
    #[test]
    fn an_interval_covers_the_truth_about_as_often_as_it_says() {
        let mut rng = Rng::with_seed(1);
        let missed = (0..100)
            .filter(|_| {
                let values: Vec<f64> = (0..30).map(|_| rng.f64()).collect();
                let [low, high] = Summary::of(&each(&values)).expect("it is not empty").interval;
                0.5 < low || high < 0.5
            })
            .count();
        assert!((1..=14).contains(&missed), "{missed} of 100");
    }

    #[test]
    fn a_constant_has_no_spread() {
        let summary = Summary::of(&each(&[1.5; 30])).expect("it is not empty");
        assert_eq!((summary.quartiles, summary.interval), ([1.5; 3], [1.5; 2]));
    }
}
