//! Tables for the files under `/proc`, with what kernels really wrote; stories of threads that come
//! and go; and the account of this very process.

use super::proc::{Stat, Switches, rollup, schedstat, tcp_pages};
use super::*;

const TICK: u64 = 10_000_000;

#[test]
fn stat_lines() {
    let cat = "16715 (cat) R 16708 16708 11285 0 -1 4194304 99 0 0 0 0 0 0 0 20 0 1 0 2333092 \
        3133440 407 18446744073709551615 93872299671552 93872299691433 140725263114240 0 0 0 0 0 0 \
        0 0 0 17 1 0 0 0 0 0 93872299707440 93872299709056 93872304635904 140725263117014 \
        140725263117034 140725263117034 140725263118315 0\n";
    let stat = |parent, ended, user_ticks, system_ticks, threads, rss_pages| {
        Some(Stat { parent, ended, user_ticks, system_ticks, threads, rss_pages })
    };
    let odd = "7 (a) R (b) S 1 7 7 0 -1 0 0 0 0 0 3012 455 9 9 20 0 12 0 5 6 4096 0\n";
    let zombie = "8 (sh) Z 7 8 8 0 -1 4227084 0 0 0 0 1 2 0 0 20 0 1 0 99 0 0 0\n";
    for (text, expected) in [
        (cat, stat(16_708, false, 0, 0, 1, 407)),
        (odd, stat(1, false, 3012, 455, 12, 4096)),
        (zombie, stat(7, true, 1, 2, 1, 0)),
        ("", None),
        ("7 cat R 1", None),
        ("7 (cat) R 1 7 7 0 -1 0 0", None),
        ("7 (cat) R x 7 7 0 -1 0 0 0 0 0 3012 455 9 9 20 0 12 0 5 6 4096 0", None),
    ] {
        assert_eq!(Stat::parse(text), expected, "{text}");
    }
}

#[test]
fn other_files() {
    for (text, expected) in [("49243 1 7\n", Some(49_243)), ("0 49243 1", Some(0)), ("", None)] {
        assert_eq!(schedstat(text), expected, "{text}");
    }
    let status = "Name:\tcat\nvoluntary_ctxt_switches:\t12\nnonvoluntary_ctxt_switches:\t3\n";
    let switches = Switches { voluntary: 12, involuntary: 3 };
    assert_eq!(Switches::parse(status), Some(switches));
    assert_eq!(Switches::parse("Name:\tcat\n"), None);
    let maps = "5650976f0000-7ffcce980000 ---p 00000000 00:00 0                          [rollup]\n\
        Rss:                1696 kB\nPss:                 258 kB\nPss_Dirty:           112 kB\n";
    assert_eq!(rollup(maps), Some((1696 << 10, 258 << 10)));
    assert_eq!(rollup(""), None, "a process on its way out has no maps");
    let sockets = "sockets: used 23\nTCP: inuse 1 orphan 0 tw 0 alloc 1 mem 224\n\
        UDP: inuse 0 mem 0\nFRAG: inuse 0 memory 0\n";
    assert_eq!(tcp_pages(sockets), Some(224));
    assert_eq!(tcp_pages("UDP: inuse 0 mem 7\n"), None);
}

#[test]
fn children_of_children() {
    let parents = [(1, 0), (5, 1), (4, 5), (3, 4), (9, 1), (10, 9)];
    for (roots, family) in
        [(vec![5], vec![3, 4, 5]), (vec![10, 4], vec![3, 4, 10]), (vec![3], vec![3])]
    {
        assert_eq!(Vec::from_iter(descendants(&roots, &parents)), family, "{roots:?}");
    }
}

/// A process whose total is these ticks, with these threads.
fn sample(ticks: u64, threads: &[(u32, u64)]) -> Sample {
    let thread = |&(tid, cpu_ns): &(u32, u64)| (tid, Thread { cpu_ns, switches: 1 });
    let threads = threads.iter().map(thread).collect();
    Sample { user_ns: ticks * TICK, system_ns: 0, threads }
}

fn story(newborn: bool, samples: &[Sample]) -> Vec<u64> {
    let mut process = Process::meet(&samples[0], newborn);
    let readings = samples.iter().map(|sample| {
        process.update(sample.clone(), TICK);
        process.usage().cpu_ns
    });
    readings.collect()
}

#[test]
fn threads_that_stay_are_exact() {
    // A second before the account was opened somebody ran for a second and ended.
    let samples = [
        sample(103, &[(1, 15_000_001), (2, 20_000_000)]),
        sample(105, &[(1, 15_000_002), (2, 40_000_000)]),
        sample(110, &[(1, 65_000_002), (2, 40_000_000), (3, 5)]),
    ];
    assert_eq!(story(false, &samples), [35_000_001, 55_000_002, 105_000_007]);
}

#[test]
fn what_ended_threads_ran_unread_is_proven_by_the_total() {
    let samples = [
        sample(10, &[(1, 50_000_000), (2, 50_000_000)]),
        // Thread 2 ran 200 ms more and ended: two ticks are not proven.
        sample(30, &[(1, 50_000_000)]),
        sample(31, &[(1, 60_000_000)]),
        // A thread came, ran half a second and went.
        sample(81, &[(1, 60_000_000)]),
    ];
    let expected = [100_000_000, 280_000_000, 290_000_000, 790_000_000];
    assert_eq!(story(false, &samples), expected);
}

#[test]
fn of_a_newborn_everything_counts() {
    let samples = [sample(50, &[(1, 10_000_000)]), sample(50, &[(1, 10_000_000)])];
    assert_eq!(story(true, &samples), [480_000_000; 2]);
    assert_eq!(story(false, &samples), [10_000_000; 2]);
}

#[test]
fn who_has_ended_keeps_what_was_read() {
    let samples = sample(10, &[(1, 50_000_000), (2, 50_000_000)]);
    let mut process = Process::meet(&samples, false);
    process.update(samples, TICK);
    process.end();
    let usage = process.usage();
    assert_eq!((usage.cpu_ns, usage.user_ns, usage.switches), (100_000_000, 100_000_000, 2));
}

#[test]
fn differences() {
    let early = Usage { cpu_ns: 5, user_ns: 3, system_ns: 2, switches: 1 };
    let late = Usage { cpu_ns: 9, user_ns: 5, system_ns: 2, switches: 8 };
    assert_eq!(late.since(&early), Usage { cpu_ns: 4, user_ns: 2, system_ns: 0, switches: 7 });
}

/// Whatever a machine does meanwhile: work shows, and memory is there.
#[test]
fn this_process() {
    let mut account = Account::open(&[std::process::id()], true).expect("we are there");
    account.begin().expect("we are there");
    let own = own_cpu_ns();
    let work = || (0..3_000_000_u64).fold(1, |x, n| std::hint::black_box(x ^ n));
    std::thread::spawn(work).join().expect("it works");
    work();
    assert!(own_cpu_ns() > own);
    let (server, calls) = account.end(10).expect("we are there");
    assert!(server.cpu_ns > 0 && server.cpu_ns_per_operation.is_some());
    assert!(server.rss_bytes >= server.pss_bytes.expect("our own"));
    assert!(server.rss_bytes > 100_000 && server.threads >= 1);
    // Not everywhere may perf count; a thread cannot come and go without a system call.
    assert!(calls.is_none_or(|calls| calls > 0.0));
    assert!(account.pids().expect("we are there").contains(&std::process::id()));
    assert!(socket_memory().is_ok());
}

#[test]
fn who_is_not_there() {
    let error = Account::open(&[u32::MAX], false).expect_err("no such process");
    assert_eq!(error.to_string(), "process 4294967295 is not there");
}

#[test]
fn a_child_that_ends() {
    let sleep = || std::process::Command::new("cat").stdin(std::process::Stdio::piped()).spawn();
    let mut child = sleep().expect("cat starts");
    let mut account = Account::open(&[child.id()], false).expect("it is there");
    child.kill().expect("it ends");
    child.wait().expect("it has ended");
    let error = account.usage().expect_err("it is gone");
    assert_eq!(error.to_string(), format!("process {} has ended", child.id()));
}
