//! Slow readers (checklist 1.5): a tenth of thousands stops reading under a load that fills their
//! kernels' buffers. Memory stays within the formula; the others hear everything in order; who
//! wakes gets everything, or is told exactly what it missed.

use serde_json::json;

use crate::crowd::{Crowd, distribution};
use crate::server::Server;
use crate::wire::Wire;
use crate::{WORKER_BYTES, alone, memory, minutes};

const MIB: u64 = 1 << 20;
const CLIENTS: usize = 5_000;
/// Bytes of one publication to the channel; those to everybody are small.
const BYTES: usize = 16 << 10;
/// Publications while all read, and while a tenth does not: 32 are several times what the kernel
/// and the window hold of one connection, and more than the history keeps.
const QUIET: u64 = 8;
const ROUNDS: u64 = 32;

/// What the node may hold in histories, windows and buffers: all of it is in the settings.
const HISTORY_MIB: u64 = 4;
const WINDOWS_MIB: u64 = 4;
const BUFFERS_MIB: u64 = 48;

/// Publishes to the channel and to everybody, one each at a time, until all readers have it.
fn publish(crowd: &mut Crowd, backend: &mut Wire, numbers: std::ops::RangeInclusive<u64>) {
    for number in numbers {
        for (path, bytes) in [("/channels/ticker", BYTES), ("/broadcast", 100)] {
            let data = crowd.data(number, bytes).to_string();
            assert_eq!(backend.post(path, "", data.as_bytes()).status, 200);
        }
        crowd.until("who reads hears it", |crowd| crowd.readers_are_at(&[number, number]));
    }
}

#[test]
fn a_tenth_stops_reading_and_nothing_is_lost_in_silence() {
    let _alone = alone();
    let mib = |count: u64| format!("{count}MiB");
    let (history, windows, buffers) = (mib(HISTORY_MIB), mib(WINDOWS_MIB), mib(BUFFERS_MIB));
    let mut flags = vec!["--workers", "2", "--stall-timeout", "0", "--ping-interval", "0"];
    flags.extend(["--window-bytes", "32KiB", "--unsent-bytes", "16KiB"]);
    flags.extend(["--history-bytes", "128KiB", "--history-count", "100000"]);
    flags.extend(["--max-history-bytes", &history, "--max-window-bytes", &windows]);
    flags.extend(["--max-buffered-bytes", &buffers]);
    let server = Server::start(&flags);
    let mut backend = Wire::connect(server.port);
    let mut crowd = Crowd::gather(server.port, CLIENTS, &["ticker"]);
    assert_eq!(server.counter("fanwire_subscriptions"), 2 * CLIENTS as u64);
    let before = memory(&server, "VmHWM");
    publish(&mut crowd, &mut backend, 1..=QUIET);
    println!("all read:            {}", distribution(std::mem::take(&mut crowd.delays)));

    for member in crowd.members.iter_mut().step_by(10) {
        member.reads = false;
    }
    let mut end = QUIET + ROUNDS * minutes().map_or(1, |minutes| minutes.clamp(1, 10));
    publish(&mut crowd, &mut backend, QUIET + 1..=end);
    // How much a kernel takes for who does not read differs by what else it holds. When all of them
    // are full, so much more that no history has it.
    let mut full = false;
    while !full {
        assert!(end < QUIET + 100 * ROUNDS, "kernels are never full");
        full = server.counter("fanwire_blocked_connections") >= CLIENTS as u64 / 10;
        publish(&mut crowd, &mut backend, end + 1..=end + ROUNDS);
        end += ROUNDS;
    }
    println!("a tenth reads not:   {}", distribution(std::mem::take(&mut crowd.delays)));
    let buffered = server.counter("fanwire_buffered_bytes");
    assert!(buffered > 0 && buffered <= BUFFERS_MIB * MIB, "{buffered} bytes buffered");
    for member in &crowd.members {
        let heard = member.tracks.iter().all(|track| track.received == end);
        assert_eq!(heard, member.reads, "who reads hears all, who does not cannot");
    }

    crowd.wake();
    crowd.until("who wakes hears, or is told", |crowd| crowd.readers_are_at(&[end, end]));
    let mut told = 0;
    for (number, member) in crowd.members.iter().enumerate() {
        for track in &member.tracks {
            assert_eq!(track.received + track.told, end, "client {number}: {:?}", member.tracks);
        }
        assert_eq!(member.tracks[0].told, 0, "everything to everybody is in history");
        let slow = number.is_multiple_of(10);
        assert_eq!(member.tracks[1].told > 0, slow, "client {number}: {:?}", member.tracks);
        told += member.tracks[1].told;
    }
    assert!(server.counter("fanwire_pulls_total") >= CLIENTS as u64 / 10, "push turned to pull");
    assert!(server.counter(r#"fanwire_gaps_total{reason="slow"}"#) >= CLIENTS as u64 / 10);
    let grown = memory(&server, "VmHWM").saturating_sub(before);
    let bound = (HISTORY_MIB + WINDOWS_MIB + BUFFERS_MIB) * MIB + 2 * WORKER_BYTES;
    println!("{buffered} bytes buffered, {told} publications told, {grown} bytes more at the most");
    assert!(grown <= bound, "{grown} bytes more than before, of {bound} at the most");

    // All follow again, and nothing is left behind.
    publish(&mut crowd, &mut backend, end + 1..=end + 1);
    // What asks is a connection itself.
    server.await_counter("fanwire_buffered_bytes", |bytes| bytes < 1 << 10);
    server.await_counter("fanwire_window_bytes", |bytes| bytes == 0);
    let state = server.read_json("/channels/ticker");
    assert_eq!(state["subscribers"], json!(CLIENTS));
}
