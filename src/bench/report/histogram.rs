//! Latencies: an `HdrHistogram` in nanoseconds, what is told of it, and its form in text, so that
//! those of several processes can be joined without loss.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer, V2Serializer};

use super::Latency;

/// The longest latency that is told from longer ones: 100 s.
pub const LONGEST_NS: u64 = 100_000_000_000;
/// Digits that are kept of each.
pub const DIGITS: u8 = 3;

/// An empty one, of the range and precision of all.
///
/// # Errors
/// Never: the bounds above are valid ones.
pub fn empty() -> Result<Histogram<u64>, String> {
    Histogram::new_with_bounds(1, LONGEST_NS, DIGITS).map_err(|error| format!("latencies: {error}"))
}

/// As text: V2, in base64.
///
/// # Errors
/// When it is too large for the form.
pub fn encode(histogram: &Histogram<u64>) -> Result<String, String> {
    let mut bytes = Vec::new();
    let written = V2Serializer::new().serialize(histogram, &mut bytes);
    written.map_err(|error| format!("histogram: {error:?}"))?;
    Ok(BASE64_STANDARD.encode(bytes))
}

/// From text.
///
/// # Errors
/// When it is not one.
pub fn decode(text: &str) -> Result<Histogram<u64>, String> {
    let bytes = BASE64_STANDARD.decode(text).map_err(|error| format!("histogram: {error}"))?;
    let read = Deserializer::new().deserialize(&mut bytes.as_slice());
    read.map_err(|error| format!("histogram: {error:?}"))
}

impl Latency {
    /// What is told of these; nothing where there are none.
    pub fn of(histogram: &Histogram<u64>) -> Option<Self> {
        (!histogram.is_empty()).then(|| Self {
            count: histogram.len(),
            mean: histogram.mean(),
            min: histogram.min(),
            p50: histogram.value_at_quantile(0.5),
            p90: histogram.value_at_quantile(0.9),
            p99: histogram.value_at_quantile(0.99),
            p999: histogram.value_at_quantile(0.999),
            max: histogram.max(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: impl Iterator<Item = u64>) -> Histogram<u64> {
        let mut histogram = empty().unwrap();
        values.for_each(|value| histogram.saturating_record(value));
        histogram
    }

    #[test]
    fn through_text_and_back() {
        for values in [0..0, 1..2, 5..100_000] {
            let histogram = of(values.clone());
            assert_eq!(decode(&encode(&histogram).unwrap()).unwrap(), histogram, "{values:?}");
        }
        for bad in ["", "AAAA", "?", "HISTFAAA"] {
            assert!(decode(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_told() {
        assert_eq!(Latency::of(&of(0..0)), None);
        let latency = Latency::of(&of(1..=1000)).unwrap();
        assert_eq!((latency.count, latency.min, latency.max), (1000, 1, 1000));
        assert_eq!((latency.p50, latency.p90, latency.p99, latency.p999), (500, 900, 990, 999));
        let late = Latency::of(&of([u64::MAX].into_iter())).unwrap();
        assert!(late.max >= LONGEST_NS, "later than anything is the longest");
    }
}
