//! Keys of the HTTP API: a name, a secret of which only the SHA-256 is kept, scopes, and the
//! channels that it is held to. Reading them from settings is the business of `settings`.

use super::pattern::Pattern;

/// What a key allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Publish.
    Publish,
    /// Read channels, histories, connections.
    Read,
    /// Read `/metrics`.
    Metrics,
    /// Everything, and disconnect.
    Admin,
}

impl Scope {
    /// As settings and refusals write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::Read => "read",
            Self::Metrics => "metrics",
            Self::Admin => "admin",
        }
    }
}

/// One key.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Its name, for logs; it is also whom the idempotency keys of its requests belong to.
    pub name: Box<str>,
    /// SHA-256 of its secret.
    pub digest: [u8; 32],
    /// What it allows.
    pub scopes: Vec<Scope>,
    /// The channels that it is held to; none: all.
    pub channels: Vec<Pattern>,
}

impl std::fmt::Debug for ApiKey {
    /// Without the digest: secrets never reach a log line, nor what could be tried against them.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { name, digest: _, scopes, channels } = self;
        f.debug_struct("ApiKey")
            .field("name", name)
            .field("scopes", scopes)
            .field("channels", channels)
            .finish_non_exhaustive()
    }
}

impl ApiKey {
    /// Whether it allows this.
    pub fn allows(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope) || self.scopes.contains(&Scope::Admin)
    }

    /// Whether it may touch this channel.
    pub fn reaches(&self, channel: &str) -> bool {
        self.channels.is_empty() || self.channels.iter().any(|pattern| pattern.matches(channel))
    }
}
