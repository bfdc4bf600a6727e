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
    /// Everybody is connected and silent.
    Connect,
}

/// Where a version is read.
#[derive(Clone, Copy, Debug)]
pub enum Version {
    Fanwire,
    /// The floors are part of this package.
    Floor,
    /// A package in `node/node_modules`.
    Npm(&'static str),
    /// A crate in `Cargo.lock`.
    Crate(&'static str),
    Debian(&'static str),
    /// What `<command> --version` says.
    Command(&'static str),
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
    pub versions: &'static [Version],
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

const fn access(path: &'static str, dialect: &'static str) -> Option<Access> {
    Some(Access { path, dialect, publish: None })
}

/// A server that sends each message of one connection to all others at `/`, and echoes at `/echo`.
const PLAIN: Server = Server {
    name: "",
    serve: None,
    fanout: access("/", "raw"),
    echo: access("/echo", "raw"),
    connect: access("/echo", "raw"),
    versions: &[],
    kib_per_connection: 16,
};

const FANWIRE: Server = Server { versions: &[Version::Fanwire], kib_per_connection: 1, ..PLAIN };

/// All servers.
pub const SERVERS: [Server; 13] = [
    Server {
        name: "floor",
        serve: Some("floor-{mode}"),
        versions: &[Version::Floor],
        kib_per_connection: 1,
        ..PLAIN
    },
    Server { name: "fanwire", fanout: None, ..FANWIRE },
    Server {
        name: "fanwire-raw",
        fanout: access("/channels/{channel}", "raw"),
        connect: access("/channels/{channel}", "raw"),
        ..FANWIRE
    },
    Server {
        name: "fanwire-envelope",
        fanout: access("/ws", "fanwire"),
        connect: access("/ws", "fanwire"),
        echo: None,
        ..FANWIRE
    },
    Server { name: "bun", serve: Some("bun"), versions: &[Version::Npm("bun")], ..PLAIN },
    Server {
        name: "ws",
        serve: Some("ws"),
        versions: &[Version::Npm("ws"), Version::Command("node")],
        ..PLAIN
    },
    Server {
        name: "socketio",
        serve: Some("socket.io"),
        fanout: access(SOCKETIO, "socketio"),
        connect: access(SOCKETIO, "socketio"),
        echo: None,
        versions: &[Version::Npm("socket.io"), Version::Command("node")],
        kib_per_connection: 40,
    },
    Server {
        name: "nchan",
        serve: Some("nchan"),
        fanout: Some(Access { path: "/", dialect: "raw", publish: Some("/pub") }),
        echo: None,
        connect: access("/", "raw"),
        versions: &[Version::Debian("libnginx-mod-nchan"), Version::Debian("nginx")],
        ..PLAIN
    },
    Server {
        name: "nats",
        serve: Some("nats"),
        fanout: access("/", "nats"),
        echo: None,
        connect: access("/", "nats"),
        versions: &[Version::Debian("nats-server")],
        kib_per_connection: 40,
    },
    Server {
        name: "tokio-tungstenite",
        serve: Some("tokio-tungstenite"),
        versions: &[Version::Crate("tokio-tungstenite"), Version::Crate("tokio")],
        kib_per_connection: 150,
        ..PLAIN
    },
    Server {
        name: "axum",
        serve: Some("axum"),
        versions: &[Version::Crate("axum"), Version::Crate("tokio")],
        kib_per_connection: 150,
        ..PLAIN
    },
    Server {
        name: "fastwebsockets",
        serve: Some("fastwebsockets"),
        versions: &[Version::Crate("fastwebsockets"), Version::Crate("tokio")],
        ..PLAIN
    },
    Server {
        name: "sockudo",
        serve: Some("sockudo"),
        versions: &[Version::Crate("sockudo-ws"), Version::Crate("tokio")],
        kib_per_connection: 40,
        ..PLAIN
    },
];

const SOCKETIO: &str = "/socket.io/?EIO=4&transport=websocket";
