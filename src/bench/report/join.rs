//! One slice of those of several processes. What is counted is added, what lasted is the longest,
//! and percentiles are those of all latencies together, not of percentiles.

use super::{Client, Latency, Slice, histogram};

/// Joins what processes say of the same slice. What the server took belongs to nobody of them and
/// is left to who measured it.
///
/// # Errors
/// When there are none, or a histogram cannot be read.
pub fn join(slices: &[Slice]) -> Result<Slice, String> {
    let (first, rest) = slices.split_first().ok_or("no process said anything")?;
    let mut joined = Slice { server: None, syscalls_per_operation: None, ..first.clone() };
    for slice in rest {
        add(&mut joined, slice);
    }
    joined.client = client(slices);
    let mut all = histogram::empty()?;
    let texts = slices.iter().filter_map(|slice| slice.histogram.as_deref());
    let mut any = false;
    for text in texts {
        all.add(histogram::decode(text)?).map_err(|error| format!("histogram: {error}"))?;
        any = true;
    }
    joined.latency_ns = Latency::of(&all);
    joined.histogram = if any { Some(histogram::encode(&all)?) } else { None };
    Ok(joined)
}

fn add(sum: &mut Slice, slice: &Slice) {
    sum.connections += slice.connections;
    sum.processes += slice.processes;
    sum.elapsed_ns = sum.elapsed_ns.max(slice.elapsed_ns);
    sum.published += slice.published;
    sum.operations += slice.operations;
    sum.expected += slice.expected;
    sum.lost += slice.lost;
    sum.duplicated += slice.duplicated;
    sum.reordered += slice.reordered;
    sum.closed += slice.closed;
    sum.bytes_received += slice.bytes_received;
    sum.gaps_told = [sum.gaps_told, slice.gaps_told].into_iter().flatten().reduce(|a, b| a + b);
    sum.frame_bytes = sum.frame_bytes.max(slice.frame_bytes);
}

/// Each process has a core of its own, so the busiest says whether they were the limit.
fn client(slices: &[Slice]) -> Client {
    let each = || slices.iter().map(|slice| &slice.client);
    Client {
        cpu_ns: each().map(|client| client.cpu_ns).sum(),
        busy: each().map(|client| client.busy).fold(0.0, f64::max),
        limit: each().any(|client| client.limit),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::report::Server;

    fn slice(latencies: std::ops::Range<u64>) -> Slice {
        let mut all = histogram::empty().unwrap();
        latencies.clone().for_each(|value| all.saturating_record(value));
        Slice {
            scenario: "fanout".into(),
            connections: 10,
            processes: 1,
            operations: latencies.count() as u64,
            histogram: Some(histogram::encode(&all).unwrap()),
            latency_ns: Latency::of(&all),
            ..Slice::default()
        }
    }

    #[test]
    fn of_one_it_is_the_same() {
        let one = slice(1..500);
        assert_eq!(join(std::slice::from_ref(&one)), Ok(one));
        assert!(join(&[]).is_err());
    }

    #[test]
    fn percentiles_are_those_of_all() {
        let parts = [slice(1..300), slice(300..301), slice(301..2000)];
        let whole = slice(1..2000);
        let joined = join(&parts).unwrap();
        assert_eq!(joined.latency_ns, whole.latency_ns);
        assert_eq!(joined.histogram, whole.histogram);
        assert_eq!((joined.operations, joined.connections, joined.processes), (1999, 30, 3));
    }

    #[test]
    fn sums_and_maxima() {
        let one = Slice {
            elapsed_ns: 5,
            published: 3,
            expected: 30,
            lost: 1,
            duplicated: 2,
            reordered: 3,
            closed: 4,
            bytes_received: 100,
            rate: Some(10.0),
            gaps_told: Some(2),
            client: Client { cpu_ns: 4, busy: 0.8, limit: false },
            server: Some(Server::default()),
            syscalls_per_operation: Some(1.0),
            ..Slice::default()
        };
        let other = Slice {
            elapsed_ns: 7,
            frame_bytes: Some(130),
            gaps_told: None,
            published: 0,
            client: Client { cpu_ns: 7, busy: 0.97, limit: true },
            ..one.clone()
        };
        let joined = join(&[one, other]).unwrap();
        assert_eq!((joined.elapsed_ns, joined.published, joined.expected), (7, 3, 60));
        assert_eq!((joined.lost, joined.duplicated, joined.reordered), (2, 4, 6));
        assert_eq!((joined.closed, joined.bytes_received), (8, 200));
        assert_eq!((joined.gaps_told, joined.frame_bytes), (Some(2), Some(130)));
        assert_eq!(joined.client, Client { cpu_ns: 11, busy: 0.97, limit: true });
        assert_eq!((joined.rate, joined.latency_ns, joined.histogram), (Some(10.0), None, None));
        assert_eq!((joined.server, joined.syscalls_per_operation), (None, None));
    }

    #[test]
    fn nonsense_is_refused() {
        let bad = Slice { histogram: Some("nonsense".into()), ..Slice::default() };
        assert!(join(&[bad]).unwrap_err().starts_with("histogram"));
    }
}
