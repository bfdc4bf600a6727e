//! The rows of the works: which servers are held against which.

use crate::work::Row;

const FLOOR: Row = Row::of("floor");

/// The floor with frames as long as those of the envelope, so that its payload can be compared.
const FLOOR_ENVELOPE: Row = Row {
    server: "floor",
    baseline: "floor",
    as_long_as: Some("fanwire-envelope"),
    ..Row::of("floor-envelope")
};

/// Whom clients load that look at the machine. Its mode is that of the work.
pub const BYSTANDER: Row = FLOOR;

const RAW: Row = Row { same_frames: true, ..Row::of("fanwire-raw") };
const ENVELOPE: Row =
    Row { baseline: "floor-envelope", same_frames: true, ..Row::of("fanwire-envelope") };

/// Those that can send to all.
pub const FANOUT: &[Row] = &[
    FLOOR,
    FLOOR_ENVELOPE,
    RAW,
    ENVELOPE,
    Row::of("bun"),
    Row::of("ws"),
    Row::of("nchan"),
    Row::of("nats"),
    Row::of("tokio-tungstenite"),
    Row::of("axum"),
    Row::of("fastwebsockets"),
    Row::of("sockudo"),
    Row::of("socketio"),
];

/// Those that can echo.
pub const ECHO: &[Row] = &[
    FLOOR,
    Row { same_frames: true, ..Row::of("fanwire") },
    Row::of("bun"),
    Row::of("ws"),
    Row::of("tokio-tungstenite"),
    Row::of("axum"),
    Row::of("fastwebsockets"),
    Row::of("sockudo"),
];

/// Those that a plain WebSocket opens.
pub const HANDSHAKE: &[Row] = &[
    FLOOR,
    Row::of("fanwire"),
    Row::of("fanwire-raw"),
    Row::of("fanwire-envelope"),
    Row::of("bun"),
    Row::of("ws"),
    Row::of("nchan"),
    Row::of("tokio-tungstenite"),
    Row::of("axum"),
    Row::of("fastwebsockets"),
    Row::of("sockudo"),
];

/// Those that can hold connections which hear nothing.
pub const IDLE: &[Row] = &[
    FLOOR,
    alone("fanwire"),
    alone("fanwire-envelope"),
    alone("bun"),
    alone("ws"),
    alone("tokio-tungstenite"),
    alone("axum"),
    alone("fastwebsockets"),
    alone("sockudo"),
];

pub const IDLE_SUBSCRIBED: &[Row] = &[
    FLOOR,
    alone("fanwire-raw"),
    alone("fanwire-envelope"),
    alone("bun"),
    alone("ws"),
    alone("nchan"),
    alone("nats"),
    alone("tokio-tungstenite"),
    alone("axum"),
    alone("fastwebsockets"),
    alone("sockudo"),
    alone("socketio"),
];

/// Those that broadcast and echo in one process.
pub const FAIR: &[Row] = &[
    alone("fanwire-raw"),
    alone("bun"),
    alone("ws"),
    alone("tokio-tungstenite"),
    alone("axum"),
    alone("fastwebsockets"),
    alone("sockudo"),
];

/// Where it is seen that a reader had to come back from behind.
const METRICS: &[&str] = &["--metrics-url", "http://127.0.0.1:{port}/metrics"];

/// Nobody is closed for not reading, so that it is seen what becomes of them.
const PATIENT: &[&str] = &["--stall-timeout", "0", "--ping-interval", "0"];

pub const STALLED: &[Row] = &[
    Row { server_args: PATIENT, client_args: METRICS, ..alone("fanwire-raw") },
    Row { server_args: PATIENT, client_args: METRICS, ..alone("fanwire-envelope") },
    alone("bun"),
    alone("ws"),
    alone("nchan"),
    alone("nats"),
    alone("tokio-tungstenite"),
];

/// Everybody logs in, and so does who comes back.
const TOKENS: Row = Row {
    server: "fanwire-envelope",
    server_args: &["--config", "{conf}/fanwire-tokens.toml"],
    client_args: &["--tokens", "{tokens}"],
    ..alone("fanwire-tokens")
};

pub const RECONNECT: &[Row] = &[
    alone("fanwire-envelope"),
    TOKENS,
    alone("bun"),
    alone("ws"),
    alone("nchan"),
    alone("tokio-tungstenite"),
];

pub const DEFLATE: &[Row] = &[
    alone("fanwire-raw"),
    deflated("fanwire-raw-deflate", "fanwire-raw"),
    alone("fanwire-envelope"),
    deflated("fanwire-envelope-deflate", "fanwire-envelope"),
    alone("bun"),
    deflated("bun-deflate", "bun"),
    alone("ws"),
    deflated("ws-deflate", "ws"),
];

pub const WORKERS: &[Row] = &[
    Row { processes: 2, ..FLOOR },
    Row { processes: 2, ..FLOOR_ENVELOPE },
    Row { server_args: &["--workers", "2"], ..RAW },
    Row { server_args: &["--workers", "2"], ..ENVELOPE },
];

pub const WORKERS_LATENCY: &[Row] = &[
    Row { server: "fanwire-envelope", ..alone("one-worker") },
    Row {
        server: "fanwire-envelope",
        baseline: "one-worker",
        server_args: &["--workers", "2"],
        ..Row::of("two-workers")
    },
];

/// Fanwire takes messages of 64 KiB unless told otherwise.
const LARGE_MESSAGES: &[&str] = &["--max-message-bytes", "2MiB"];

pub const LARGE: &[Row] = &[
    FLOOR,
    FLOOR_ENVELOPE,
    Row { server_args: LARGE_MESSAGES, ..RAW },
    Row { server_args: LARGE_MESSAGES, ..ENVELOPE },
    Row::of("bun"),
    Row::of("ws"),
    Row::of("nats"),
    Row::of("tokio-tungstenite"),
    Row::of("axum"),
];

pub const LONG: &[Row] = &[alone("fanwire-envelope")];

/// A row that is held against itself: another phase, or nothing.
const fn alone(name: &'static str) -> Row {
    Row { baseline: name, ..Row::of(name) }
}

/// A server with permessage-deflate, against itself without.
const fn deflated(name: &'static str, server: &'static str) -> Row {
    Row {
        server,
        baseline: server,
        client_args: &["--compress"],
        env: &[("DEFLATE", "1")],
        ..Row::of(name)
    }
}
