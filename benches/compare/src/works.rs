//! The works: a table of what is compared, with which load, and what should be reached. What its
//! parts mean stands in `work`; the rows in `works/rows`, the columns in `works/columns`.

use crate::servers::Role;
use crate::work::{Client, Target, Work};

mod columns;
mod rows;

pub use rows::BYSTANDER;

/// The work of a name.
pub fn work(name: &str) -> Option<&'static Work> {
    WORKS.iter().find(|work| work.name == name)
}

const RAW_AND_ENVELOPE: &[&str] = &["fanwire-raw", "fanwire-envelope"];

const CPU_TARGET: Target =
    Target { column: "CPU to the floor", rows: RAW_AND_ENVELOPE, at_most: 1.05 };

const CLIENT: Client = Client {
    name: "fanout",
    scenario: "fanout",
    role: Role::Fanout,
    connections: 1_000,
    size: Some(128),
    args: &["--in-flight", "1"],
    phases: &[],
    elsewhere: false,
    first_on_core: false,
    comes_late: false,
};

const ECHO_CLIENT: Client = Client {
    name: "echo",
    scenario: "echo",
    role: Role::Echo,
    connections: 100,
    size: Some(125),
    args: &["--depth", "1"],
    ..CLIENT
};

/// Looks how long an answer takes.
const PROBER: Client = Client {
    name: "prober",
    connections: 16,
    args: &["--depth", "1", "--rate", "500"],
    first_on_core: true,
    ..ECHO_CLIENT
};

const IDLE_CLIENT: Client = Client {
    name: "few",
    scenario: "connect",
    role: Role::Connect,
    size: None,
    args: &[],
    comes_late: true,
    ..CLIENT
};

const FANOUT: Work = Work {
    name: "fanout-1k",
    title: "Fan-out to 1,000",
    about: "One publisher, 1,000 subscribers, messages of 128 bytes, the next one when everybody \
            has the one before. What the server computes for each delivery, kernel included.",
    unfair: &[],
    mode: "fanout",
    fresh: false,
    rounds: 30,
    sitting: 3,
    slice_ms: 500,
    phases: &["load"],
    clients: &[CLIENT],
    rows: rows::FANOUT,
    columns: columns::FANOUT,
    targets: &[Target { at_most: 1.04, ..CPU_TARGET }],
    only_on_request: false,
};

const ECHO: Work = Work {
    name: "echo-1",
    title: "Echo, one at a time",
    about: "100 connections, each sends 125 bytes and waits until they are back. What the server \
            computes for each echo, kernel included.",
    mode: "echo",
    clients: &[ECHO_CLIENT],
    rows: rows::ECHO,
    columns: columns::ECHO,
    targets: &[Target { rows: &["fanwire"], at_most: 1.02, ..CPU_TARGET }],
    ..FANOUT
};

const IDLE: Work = Work {
    name: "idle",
    title: "Idle connections",
    about: "1,000 connections that are open and hear nothing, then 18,000 more. What the server \
            grows by for each of these.",
    unfair: &[
        "The kernel's bytes are those of both ends of a connection and of everything else on the \
         machine that lives in its slabs; they are no part of the bytes of a server.",
        "Who asks the system for memory in large steps is measured by them.",
    ],
    mode: "idle",
    fresh: true,
    rounds: 5,
    slice_ms: 500,
    phases: &["few", "more"],
    clients: &[
        IDLE_CLIENT,
        Client { name: "more", connections: 18_000, phases: &["more"], ..IDLE_CLIENT },
    ],
    rows: rows::IDLE,
    columns: columns::IDLE,
    targets: &[Target { column: "resident bytes", rows: &["fanwire-envelope"], at_most: 140.0 }],
    ..FANOUT
};

const LARGE: Work = Work {
    name: "large-64k",
    title: "Messages of 64 KiB",
    about: "One publisher, 1,000 subscribers, messages of 64 KiB, one at a time. What the server \
            computes for each delivery, and what it holds at the end.",
    unfair: &["Nearly all of it is the kernel's copying, which is the same for everybody."],
    slice_ms: 1_000,
    clients: &[Client { size: Some(65_536), ..CLIENT }],
    rows: rows::LARGE,
    columns: columns::LARGE,
    targets: &[Target { at_most: 1.03, ..CPU_TARGET }],
    ..FANOUT
};

/// All works, in the order of the document.
pub const WORKS: [Work; 19] = [
    FANOUT,
    Work {
        name: "fanout-10k",
        title: "Fan-out to 10,000",
        about: "One publisher, 10,000 subscribers, messages of 128 bytes, the next one when \
                everybody has the one before. More connections than caches hold.",
        clients: &[Client { connections: 10_000, ..CLIENT }],
        ..FANOUT
    },
    Work {
        name: "burst-128",
        title: "Bursts of 16, 128 bytes",
        about: "1,000 subscribers, 16 messages of 128 bytes published in one write, the next 16 \
                when everybody has all. The floor sends 16 frames by one call.",
        unfair: BURST_ACKS,
        mode: "burst",
        clients: &[BURST],
        targets: &[CPU_TARGET],
        ..FANOUT
    },
    Work {
        name: "burst-1k",
        title: "Bursts of 16, 1 KiB",
        about: "1,000 subscribers, 16 messages of 1 KiB published in one write, the next 16 when \
                everybody has all. The floor sends 16 frames by one call.",
        unfair: BURST_ACKS,
        mode: "burst",
        clients: &[Client { size: Some(1_024), ..BURST }],
        targets: &[CPU_TARGET],
        ..FANOUT
    },
    ECHO,
    Work {
        name: "echo-16",
        title: "Echo, 16 at a time",
        about: "100 connections, each sends 16 messages of 125 bytes in one write and waits until \
                all are back. The floor answers a read by one send.",
        clients: &[Client { args: &["--depth", "16"], ..ECHO_CLIENT }],
        targets: &[Target { rows: &["fanwire"], ..CPU_TARGET }],
        ..ECHO
    },
    Work {
        name: "handshake",
        title: "Handshakes",
        about: "1,000 connections that are replaced as fast as the server answers. What it \
                computes for each that comes and goes; the floor answers a fixed 101.",
        unfair: &["Fanwire checks limits, route and origin, joins the channel (raw) and says \
                   welcome (envelope); the floor answers without looking."],
        mode: "handshake",
        clients: &[Client {
            args: &["--churn", "max", "--sources", "8"],
            name: "connect",
            comes_late: false,
            ..IDLE_CLIENT
        }],
        rows: rows::HANDSHAKE,
        columns: columns::HANDSHAKE,
        targets: &[Target { rows: &["fanwire", "fanwire-raw", "fanwire-envelope"], ..CPU_TARGET }],
        ..FANOUT
    },
    Work {
        name: "paced",
        title: "Ten messages a second to 10,000",
        about: "10,000 subscribers, messages of 128 bytes at 10 a second. Latency of every \
                delivery from the instant at which its message was due.",
        unfair: &["Ten thousand deliveries of one message leave one after the other: the median \
                   is the middle of a queue, not a trip."],
        slice_ms: 2_000,
        clients: &[Client { connections: 10_000, args: &["--rate", "10"], ..CLIENT }],
        columns: columns::PACED,
        targets: &[
            Target { column: "p50 to the floor", ..CPU_TARGET },
            Target { column: "p99 to the floor", ..CPU_TARGET },
        ],
        ..FANOUT
    },
    IDLE,
    Work {
        name: "idle-subscribed",
        title: "Idle subscribers",
        about: "1,000 connections that are subscribed to one channel and hear nothing, then \
                18,000 more. What the server grows by for each of these.",
        clients: &[
            Client { role: Role::Fanout, ..IDLE_CLIENT },
            Client {
                name: "more",
                role: Role::Fanout,
                connections: 18_000,
                phases: &["more"],
                ..IDLE_CLIENT
            },
        ],
        rows: rows::IDLE_SUBSCRIBED,
        targets: &[Target { column: "resident bytes", rows: RAW_AND_ENVELOPE, at_most: 190.0 }],
        ..IDLE
    },
    Work {
        name: "storm-fair",
        title: "Echoes during a broadcast",
        about: "19,000 subscribers get a message of 128 bytes five times a second, while a client \
                in a process of its own has messages echoed by the same server. Round trips with \
                and without the broadcast; and, at the same time, those of a second such client \
                to an idle server, elsewhere, which has nothing to do with the broadcast.",
        unfair: &[
            "Two cores for servers, probers and 19,000 receivers: a part of the wait is the \
                   machine's, for everybody; what it is, the columns on the right say.",
            "Where it is permitted the probers run before all others on their core (`chrt`), \
                   so that their own wait for one is not counted. No server does.",
        ],
        mode: "echo",
        slice_ms: 5_000,
        phases: &["quiet", "loaded"],
        clients: &[
            PROBER,
            Client { name: "elsewhere", elsewhere: true, ..PROBER },
            Client {
                name: "broadcast",
                connections: 19_000 - 100,
                args: &["--rate", "5"],
                phases: &["loaded"],
                ..CLIENT
            },
        ],
        rows: rows::FAIR,
        columns: columns::FAIR,
        targets: &[Target {
            column: "p99 more than quiet",
            rows: &["fanwire-raw"],
            at_most: 2_000_000.0,
        }],
        ..FANOUT
    },
    Work {
        name: "stalled",
        title: "Stalled readers",
        about: "10,000 subscribers, 8 KiB ten times a second for a minute: once all read, then a \
                tenth of them stops. What the others notice, and what it costs the server.",
        unfair: &[
            "A server that closes stalled readers, or drops what they miss without a word, is \
             quick here: the columns on the right say which.",
            "The client's kernel is told to delay its ACKs (`--delay-acks`), as with bursts. It \
             may stop that for a while, as it does not delay them for the first messages of a \
             connection, and a server then has more to do for each send.",
        ],
        fresh: true,
        rounds: 3,
        slice_ms: 60_000,
        phases: &["healthy", "stalled"],
        clients: &[
            Client {
                name: "all",
                args: &["--rate", "10", "--delay-acks", "--stalled-share", "0"],
                phases: &["healthy"],
                ..STALLED_CLIENT
            },
            STALLED_CLIENT,
        ],
        rows: rows::STALLED,
        columns: columns::STALLED,
        targets: &[Target { column: "healthy p99, ratio", rows: RAW_AND_ENVELOPE, at_most: 1.1 }],
        ..FANOUT
    },
    Work {
        name: "reconnect",
        title: "All come back at once",
        about: "99 of 100 of 19,000 connections under traffic are dropped at one moment and come \
                back, those of Fanwire with the position that they had. Time until they are \
                subscribed again and have what they missed, beside that of the first connect. With \
                tokens, each is checked as the user that it says.",
        unfair: &["Only Fanwire gives what was missed meanwhile; the others only connect again."],
        fresh: true,
        rounds: 5,
        slice_ms: 8_000,
        clients: &[Client {
            name: "storm",
            scenario: "storm",
            connections: 19_000 - 100,
            args: &["--rate", "5", "--drop-share", "0.99"],
            ..CLIENT
        }],
        rows: rows::RECONNECT,
        columns: columns::RECONNECT,
        targets: &[],
        ..FANOUT
    },
    Work {
        name: "deflate",
        title: "Compressed broadcast",
        about: "10,000 subscribers with permessage-deflate, messages of 1 KiB, one at a time, \
                against the same without compression.",
        unfair: &["The filler of a message compresses far better than anything real: what is \
                   compared is the work, not the ratio of compression."],
        clients: &[Client { connections: 10_000, size: Some(1_024), ..CLIENT }],
        rows: rows::DEFLATE,
        columns: columns::DEFLATE,
        targets: &[Target {
            column: "CPU to uncompressed",
            rows: &["fanwire-raw-deflate", "fanwire-envelope-deflate"],
            at_most: 1.1,
        }],
        ..FANOUT
    },
    Work {
        name: "workers",
        title: "Two workers",
        about: "Two publishers, 5,000 subscribers each, messages of 128 bytes one at a time: \
                Fanwire with two workers, whose subscribers are spread over both, against two \
                processes of the floor that know nothing of each other.",
        unfair: &["Two servers and two clients share two cores, so nobody is alone on one."],
        clients: &[
            Client { name: "first", connections: 5_000, ..CLIENT },
            Client { name: "second", connections: 5_000, ..CLIENT },
        ],
        rows: rows::WORKERS,
        targets: &[CPU_TARGET],
        ..FANOUT
    },
    Work {
        name: "workers-latency",
        title: "From worker to worker",
        about: "64 channels with one subscriber each, 200 messages a second, publisher, owner and \
                subscriber wherever chance has put them. What a second worker adds to the trip.",
        unfair: &["Only some of the trips change workers; an idle worker has to be woken."],
        slice_ms: 1_000,
        clients: &[Client {
            connections: 64,
            args: &["--rate", "200", "--channels", "64"],
            ..CLIENT
        }],
        rows: rows::WORKERS_LATENCY,
        columns: columns::WORKERS_LATENCY,
        targets: &[Target { column: "p50 more", rows: &["two-workers"], at_most: 100_000.0 }],
        ..FANOUT
    },
    LARGE,
    Work {
        name: "large-1m",
        title: "Messages of 1 MiB",
        about: "One publisher, 1,000 subscribers, messages of 1 MiB, one at a time. What the \
                server computes for each delivery, and what it holds at the end.",
        slice_ms: 2_000,
        clients: &[Client { size: Some(1_048_576), ..CLIENT }],
        ..LARGE
    },
    Work {
        name: "long",
        title: "Half an hour",
        about: "5,000 connections of which 200 a second are replaced, and 1,000 subscribers with \
                20 messages a second, for half an hour. What the server holds at the end.",
        sitting: 0,
        slice_ms: 60_000,
        clients: &[
            Client {
                name: "churn",
                connections: 5_000,
                args: &["--churn", "200", "--sources", "8"],
                comes_late: false,
                ..IDLE_CLIENT
            },
            Client { args: &["--rate", "20"], ..CLIENT },
        ],
        rows: rows::LONG,
        columns: columns::LONG,
        targets: &[Target {
            column: "resident to the first minute",
            rows: &["fanwire-envelope"],
            at_most: 1.02,
        }],
        only_on_request: true,
        ..FANOUT
    },
];

const BURST_ACKS: &[&str] = &["The client's kernel is told to delay its ACKs (`--delay-acks`). \
    Left alone it does so or not by what went over a connection before, which differs between the \
    envelope, whose clients have asked for something, and the floor, whose clients have not: the \
    same sends cost a server up to twice as much. It may stop delaying them: a server well below \
    its floor had a client that did, and is no quicker than the floor."];

const BURST: Client = Client { args: &["--in-flight", "16", "--delay-acks"], ..CLIENT };

const STALLED_CLIENT: Client = Client {
    name: "slow",
    scenario: "slow",
    connections: 10_000,
    size: Some(8_192),
    args: &["--rate", "10", "--delay-acks", "--stalled-share", "0.1"],
    phases: &["stalled"],
    comes_late: true,
    ..CLIENT
};
