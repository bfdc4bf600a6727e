//! The real worker over a network that only counts: what a publication costs for 10,000 connections
//! beside the kernel's part, and what a handshake costs. A fake socket takes everything at once.

mod counting;

use std::sync::Arc;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group};
use fanwire::config::Config;
use fanwire::metrics::Stats;
use fanwire::node::Node;
use fanwire::worker::{Setup, Worker};

use counting::{Counting, message, run};

const CONNECTIONS: usize = 10_000;

/// A worker with so many clients, welcomed.
fn worker(connections: usize) -> Worker<Counting> {
    let config = Config {
        max_handshakes: connections,
        messages_per_second: 0,
        // Nothing is due: time stands still.
        ping_interval: Duration::ZERO,
        update_interval: Duration::ZERO,
        ..Config::default()
    };
    let stats = Arc::new(Stats::new(1));
    let node = Arc::new(Node::new(7));
    let setup = Setup { id: 0, config: Arc::new(config), stats, node, seed: 7 };
    let mut worker = Worker::new(setup, Counting::default());
    worker.net().connect(connections);
    run(&mut worker);
    worker
}

/// One client publishes; each of the others is sent once what came together.
fn fanout(c: &mut Criterion) {
    let mut group = c.benchmark_group("a publication to 10,000 connections");
    group.sample_size(20).warm_up_time(Duration::from_millis(500));
    group.measurement_time(Duration::from_secs(2));
    let mut worker = worker(CONNECTIONS + 1);
    let subscribe = message(r#"{"type":"subscribe","channel":"room.7"}"#);
    for socket in 0..CONNECTIONS {
        worker.net().say(socket, Some(&subscribe));
    }
    run(&mut worker);
    let publisher = CONNECTIONS;
    for count in [1, 16] {
        let publish =
            format!(r#"{{"type":"publish","channel":"room.7","data":"{}"}}"#, "x".repeat(100));
        let burst = message(&publish).repeat(count);
        let before = worker.net().sends;
        worker.net().say(publisher, Some(&burst));
        run(&mut worker);
        let sends = worker.net().sends - before;
        let expected = CONNECTIONS as u64..=(CONNECTIONS + count) as u64;
        assert!(expected.contains(&sends), "{sends} sends");
        group.throughput(Throughput::Elements((CONNECTIONS * count) as u64));
        group.bench_function(BenchmarkId::new("in flight", count), |b| {
            b.iter(|| {
                worker.net().say(publisher, Some(&burst));
                run(&mut worker);
            });
        });
    }
    group.finish();
}

/// From accept to the welcome, and the end of the connection.
fn handshake(c: &mut Criterion) {
    let mut group = c.benchmark_group("a connection from accept to burial");
    group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    // One stays, so that the feed of `$all` does.
    let mut worker = worker(1);
    group.throughput(Throughput::Elements(1));
    group.bench_function("through the worker", |b| {
        b.iter(|| {
            worker.net().connect(1);
            run(&mut worker);
            worker.net().say(1, None);
            run(&mut worker);
            assert_eq!(worker.net().free, [1]);
        });
    });
    group.finish();
}

criterion_group!(benches, fanout, handshake);

fn main() {
    benches();
    Criterion::default().configure_from_args().final_summary();
}
