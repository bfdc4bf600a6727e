//! Who is measured: a table of programs, where they answer, and how their version is learned. How
//! they are started stands in `children`, in which work they take part in `works`.

/// Where a client finds a server, and the dialect it speaks there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Access {
    /// `{channel}` stands for the channel of the client.
    pub path: &'static str,
    pub dialect: &'static str,
    /// Where it publishes, when that is another path.
    pub publish: Option<&'static str>,
}

/// The parts that a server can take.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Role {
    /// Everybody hears what is published.
    Fanout,
    /// Everybody hears itself.
    Echo,
    /// Everybody is connected, and hears nothing where that can be.
    Connect,
}

/// One server of the table.
#[derive(Debug)]
pub struct Server {
    /// Its name in commands and results.
    pub name: &'static str,
    /// What the script `serve` calls it, with the mode of the work for `{mode}`; none: Fanwire.
    pub serve: Option<&'static str>,
    pub fanout: Option<Access>,
    pub echo: Option<Access>,
    pub connect: Option<Access>,
    /// What it is made of, by the names of `install --versions`.
    pub versions: &'static [&'static str],
    /// The file that opens with what is to be said of it.
    pub head: Option<&'static str>,
    /// About how much memory a connection takes, to know how many servers fit side by side.
    pub kib_per_connection: u64,
}

impl Server {
    pub fn access(&self, role: Role) -> Option<Access> {
        match role {
            Role::Fanout => self.fanout,
            Role::Echo => self.echo,
            Role::Connect => self.connect,
        }
    }
}

pub fn server(name: &str) -> &'static Server {
    SERVERS.iter().find(|server| server.name == name).expect("`works` names only these")
}

const fn access(path: &'static str, dialect: &'static str) -> Access {
    Access { path, dialect, publish: None }
}

/// A server that sends each message of one connection to all others at `/`, and echoes at `/echo`.
const PLAIN: Server = Server {
    name: "",
    serve: None,
    fanout: Some(access("/", "raw")),
    echo: Some(access("/echo", "raw")),
    connect: Some(access("/echo", "raw")),
    versions: &[],
    head: None,
    kib_per_connection: 16,
};

const FANWIRE: Server = Server { versions: &["fanwire"], kib_per_connection: 1, ..PLAIN };

/// All servers.
pub const SERVERS: [Server; 13] = [
    Server {
        name: "floor",
        serve: Some("floor-{mode}"),
        versions: &["floor"],
        kib_per_connection: 1,
        ..PLAIN
    },
    Server { name: "fanwire", fanout: None, ..FANWIRE },
    Server {
        name: "fanwire-raw",
        fanout: Some(access("/channels/{channel}", "raw")),
        connect: Some(access("/channels/{channel}", "raw")),
        ..FANWIRE
    },
    Server {
        name: "fanwire-envelope",
        fanout: Some(access("/ws", "fanwire")),
        connect: Some(access("/ws", "raw")),
        echo: None,
        ..FANWIRE
    },
    Server {
        name: "bun",
        serve: Some("bun"),
        versions: &["bun"],
        head: Some(include_str!("../node/bun.ts")),
        ..PLAIN
    },
    Server {
        name: "ws",
        serve: Some("ws"),
        versions: &["ws", "node"],
        head: Some(include_str!("../node/ws.mjs")),
        ..PLAIN
    },
    Server {
        name: "socketio",
        serve: Some("socket.io"),
        fanout: Some(access(SOCKETIO, "socketio")),
        connect: Some(access(SOCKETIO, "socketio")),
        echo: None,
        versions: &["socket.io", "node"],
        head: Some(include_str!("../node/socketio.mjs")),
        kib_per_connection: 40,
    },
    Server {
        name: "nchan",
        serve: Some("nchan"),
        fanout: Some(Access { path: "/", dialect: "raw", publish: Some("/pub") }),
        echo: None,
        connect: Some(access("/", "raw")),
        versions: &["libnginx-mod-nchan", "nginx"],
        head: Some(include_str!("../conf/nginx.conf")),
        ..PLAIN
    },
    Server {
        name: "nats",
        serve: Some("nats"),
        fanout: Some(access("/", "nats")),
        echo: None,
        connect: None,
        versions: &["nats-server"],
        head: Some(include_str!("../conf/nats.conf")),
        kib_per_connection: 40,
    },
    Server {
        name: "tokio-tungstenite",
        serve: Some("tokio-tungstenite"),
        versions: &["tokio-tungstenite", "tokio"],
        head: Some(include_str!("bin/peer_tokio_tungstenite.rs")),
        kib_per_connection: 32,
        ..PLAIN
    },
    Server {
        name: "axum",
        serve: Some("axum"),
        versions: &["axum", "tokio"],
        head: Some(include_str!("bin/peer_axum.rs")),
        kib_per_connection: 32,
        ..PLAIN
    },
    Server {
        name: "fastwebsockets",
        serve: Some("fastwebsockets"),
        versions: &["fastwebsockets", "tokio"],
        head: Some(include_str!("bin/peer_fastwebsockets.rs")),
        ..PLAIN
    },
    Server {
        name: "sockudo",
        serve: Some("sockudo"),
        versions: &["sockudo-ws", "tokio"],
        head: Some(include_str!("bin/peer_sockudo.rs")),
        kib_per_connection: 40,
        ..PLAIN
    },
];

const SOCKETIO: &str = "/socket.io/?EIO=4&transport=websocket";
