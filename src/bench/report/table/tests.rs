//! Units by tables, and whole tables as they are printed.

use super::*;
use crate::bench::report::Client;

#[test]
fn units() {
    for (ns, text) in [
        (0.0, "0.00 ns"),
        (812.4, "812 ns"),
        (999.0, "999 ns"),
        (1_250.0, "1.25 µs"),
        (34_567.0, "34.6 µs"),
        (99_960.0, "100 µs"),
        (3_400_000.0, "3.40 ms"),
        (10_000_000_000.0, "10.0 s"),
        (6e11, "600 s"),
    ] {
        assert_eq!(time(ns), text, "{ns}");
    }
    for (number, text) in [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.00 KiB"),
        (26_319_257, "25.1 MiB"),
        (5 << 30, "5.00 GiB"),
        (u64::MAX, "17179869184 GiB"),
    ] {
        assert_eq!(bytes(number), text, "{number}");
    }
    for (number, text) in
        [(0, "0"), (999, "999"), (1000, "1,000"), (19_000, "19,000"), (1_234_567, "1,234,567")]
    {
        assert_eq!(count(number), text);
    }
}

fn slice() -> Slice {
    Slice {
        scenario: "fanout".into(),
        dialect: "fanwire".into(),
        url: "ws://127.0.0.1:3003/ws".into(),
        connections: 1000,
        size: 128,
        in_flight: Some(16),
        channels: Some(1),
        processes: 1,
        elapsed_ns: 10_000_000_000,
        published: 5000,
        operations: 5_000_000,
        expected: 5_000_000,
        bytes_received: 1_270_000_000,
        frame_bytes: Some(254),
        latency_ns: Some(Latency {
            count: 5_000_000,
            mean: 1e6,
            min: 100_000,
            p50: 812_000,
            p90: 1_500_000,
            p99: 2_250_000,
            p999: 9_000_000,
            max: 12_000_000,
        }),
        client: Client { cpu_ns: 4_500_000_000, busy: 0.45, limit: false },
        server: Some(Server {
            cpu_ns: 5_000_000_000,
            user_ns: 1_000_000_000,
            system_ns: 4_000_000_000,
            cpu_ns_per_operation: Some(1000.0),
            rss_bytes: 20 << 20,
            pss_bytes: Some(19 << 20),
            rss_growth_bytes: -4096,
            threads: 3,
            switches: 100,
        }),
        syscalls_per_operation: Some(0.0635),
        ..Slice::default()
    }
}

#[test]
fn a_fanout() {
    let expected = "\
fanout, fanwire, ws://127.0.0.1:3003/ws
  connections     1,000
  published       5,000 of 128 B, 16 in flight
  deliveries      5,000,000 in 10.0 s, 500,000 a second
  latency         p50 812 µs  p90 1.50 ms  p99 2.25 ms  p99.9 9.00 ms  max 12.0 ms
  received        1.18 GiB, a frame of 254 B
  client          45 % of a core
  server          50 % of a core, 1.00 µs a delivery, 80 % of it in the kernel
  its memory      20.0 MiB resident, 19.0 MiB proportional, -4.00 KiB
  system calls    0.064 a delivery
Nothing was lost, doubled or out of order.
";
    assert_eq!(table(&slice()), expected);
}

#[test]
fn losses_in_plain_words() {
    let bad = Slice {
        processes: 4,
        channels: Some(10),
        lost: 1200,
        duplicated: 3,
        reordered: 2,
        closed: 1,
        gaps_told: Some(7),
        client: Client { limit: true, busy: 0.99, cpu_ns: 1 },
        ..slice()
    };
    let text = table(&bad);
    assert!(text.contains("  connections     1,000 of 4 processes in 10 channels\n"), "{text}");
    let said = "\
LOST: 1,200 of 5,000,000 deliveries never came.
DOUBLED: 3 messages came again.
OUT OF ORDER: 2 messages came after later ones.
CLOSED: 1 connections ended without being asked to.
Gaps: the server told 7 times that it had to skip.
THE CLIENT WAS THE LIMIT: it used all of its core; the server may be faster. Try --processes.
";
    assert!(text.ends_with(said), "{text}");
}

#[test]
fn storms_and_stalls() {
    let storm = Storm {
        dropped: 19_000,
        retried: 4,
        restored_50_ns: Some(400_000_000),
        restored_99_ns: Some(900_000_000),
        restored_all_ns: None,
        untouched_p99_ns: Some(3_000_000),
        wrong: 5,
    };
    let stalled = Stalled {
        count: 1000,
        received: 5,
        told_in_gaps: 2000,
        missing: 8,
        rss_before_bytes: Some(10 << 20),
        rss_peak_bytes: Some(30 << 20),
        rss_after_bytes: Some(20 << 20),
        sockets_before_bytes: 0,
        sockets_peak_bytes: 1 << 30,
        ..Stalled::default()
    };
    let text = table(&Slice { storm: Some(storm), stalled: Some(stalled), ..slice() });
    for line in [
        "  dropped         19,000 at once, 4 tried again\n",
        "  restored        half after 400 ms  99 % after 900 ms  all after never\n",
        "  the others      p99 3.00 ms\n",
        "  stalled         1,000 connections\n",
        "  they got        5, were told of 2,000 in gaps; 0 were closed\n",
        "  caught up       never\n",
        "  server memory   10.0 MiB before, 30.0 MiB at most, 20.0 MiB after\n",
        "  TCP memory      0 B before, 1.00 GiB at most, 1.02 MiB for each of the stalled\n",
        "WRONG: what connections got and were told is off by 5 messages.\n",
        "MISSING: stalled readers neither got nor were told of 8.\n",
        "The kernel took all that was sent: stall longer, or send more.\n",
    ] {
        assert!(text.contains(line), "{line}{text}");
    }
}

#[test]
fn handshakes_and_echoes() {
    let connect = Slice { scenario: "connect".into(), published: 0, ..slice() };
    let text = table(&connect);
    assert!(text.contains("  handshakes      5,000,000 in 10.0 s"), "{text}");
    assert!(text.contains("1.00 µs a handshake") && text.contains("-4 B a connection"), "{text}");
    let echo = Slice { scenario: "echo".into(), depth: Some(16), published: 0, ..slice() };
    let text = table(&echo);
    let line = "  echoes          5,000,000 in 10.0 s, 500,000 a second, 16 at a time of 128 B\n";
    assert!(text.contains(line), "{text}");
}

#[test]
fn as_json_and_back() {
    let text = serde_json::to_string(&slice()).unwrap();
    assert_eq!(serde_json::from_str::<Slice>(&text).unwrap(), slice());
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    for null in ["rate", "depth", "storm", "stalled", "gaps_told", "histogram"] {
        assert!(value.get(null).is_some_and(serde_json::Value::is_null), "{null} is there: {text}");
    }
}
