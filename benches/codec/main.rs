//! What the codec costs, path by path, beside those who do the same: tungstenite, fastwebsockets,
//! httparse, `serde_json`, simd-json, simdutf8, flate2, and `memcpy` where memory is the limit.
//! Every comparison has the same input, and before it is timed, that the outcome is the same is
//! asserted.
//!
//! `cargo bench --bench codec [-- FILTER]` prints a table of what ran. With `FANWIRE_WRITE=1`
//! (`make bench-codec`) it is also written to `benches/compare/results/`: `codec.json`, and
//! `codec.md` for docs/benchmarks.md.
//!
//! A group is a path, a function within it somebody who goes it (`fanwire`, or a peer's name), a
//! parameter the input: `table` relies on that.

mod deflate;
mod envelopes;
mod frames;
mod head;
mod inputs;
mod messages;
mod table;

use std::path::Path;
use std::time::{Duration, SystemTime};

use criterion::Criterion;

fn main() {
    let began = SystemTime::now();
    let measurements = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("criterion");
    let mut criterion = Criterion::default()
        .output_directory(&measurements)
        .warm_up_time(Duration::from_millis(150))
        .measurement_time(Duration::from_millis(500))
        .sample_size(40)
        .nresamples(5000)
        .without_plots()
        .configure_from_args();
    for measure in [
        head::heads,
        head::accept_key,
        head::upgrades,
        frames::headers,
        frames::unmask,
        messages::utf8,
        messages::messages,
        messages::close,
        frames::encode,
        frames::close,
        envelopes::publications,
        envelopes::commands,
        deflate::deflate,
        deflate::inflate,
    ] {
        measure(&mut criterion);
    }
    let rows = table::rows(table::measured(&measurements, began));
    if rows.is_empty() {
        return; // listed or tried out, not measured
    }
    let text = table::markdown(&rows);
    println!("\n{text}");
    if std::env::var_os("FANWIRE_WRITE").is_some() {
        table::write(&rows, &text);
    }
}
