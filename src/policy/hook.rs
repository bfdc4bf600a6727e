//! Hooks: what the backend is asked and told, and where it is reached. Which channel has which is
//! a matter of its rule. How it is called is the business of `hooks`.

use std::fmt;
use std::time::Duration;

/// Something that the backend is asked about, or told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Event {
    /// May this client connect?
    Connect,
    /// May it subscribe?
    Subscribe,
    /// May it publish this?
    Publish,
    /// A client that could connect is gone.
    Disconnect,
    /// A channel has its first subscriber.
    Occupied,
    /// Its last one has left.
    Vacated,
}

impl Event {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Connect,
        Self::Subscribe,
        Self::Publish,
        Self::Disconnect,
        Self::Occupied,
        Self::Vacated,
    ];

    /// The word in settings, calls and metrics.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Subscribe => "subscribe",
            Self::Publish => "publish",
            Self::Disconnect => "disconnect",
            Self::Occupied => "occupied",
            Self::Vacated => "vacated",
        }
    }

    /// Whether somebody waits for the answer.
    pub const fn decides(self) -> bool {
        matches!(self, Self::Connect | Self::Subscribe | Self::Publish)
    }

    /// Whether it is about a channel.
    pub const fn is_of_channel(self) -> bool {
        !matches!(self, Self::Connect | Self::Disconnect)
    }
}

/// Some of the events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Events(u8);

impl Events {
    /// Whether this is one of them.
    pub const fn has(self, event: Event) -> bool {
        self.0 & 1 << event as u8 != 0
    }

    /// Those of them that are about channels.
    #[must_use]
    pub fn of_channels(self) -> Self {
        Event::ALL.into_iter().filter(|event| event.is_of_channel() && self.has(*event)).collect()
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl FromIterator<Event> for Events {
    fn from_iter<T: IntoIterator<Item = Event>>(events: T) -> Self {
        Self(events.into_iter().fold(0, |all, event| all | 1 << event as u8))
    }
}

/// Where the backend is reached, and how patiently.
#[derive(Clone, PartialEq, Eq)]
pub struct Backend {
    /// Its address: `http://...`.
    pub url: String,
    /// What calls are signed with.
    pub secret: Vec<u8>,
    /// How long a call may take, waiting for its turn included.
    pub timeout: Duration,
    /// For how long events are tried again.
    pub retry: Duration,
    /// Bytes of questions that may wait, and of events.
    pub queue_bytes: usize,
}

impl fmt::Debug for Backend {
    /// Without the secret; the address may have one too.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { url: _, secret: _, timeout, retry, queue_bytes } = self;
        f.debug_struct("Backend")
            .field("timeout", timeout)
            .field("retry", retry)
            .field("queue_bytes", queue_bytes)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_of_events() {
        let none = Events::default();
        assert!(none.is_empty() && Event::ALL.iter().all(|event| !none.has(*event)));
        for event in Event::ALL {
            let only = Events::from_iter([event]);
            let found: Vec<_> = Event::ALL.into_iter().filter(|other| only.has(*other)).collect();
            assert_eq!(found, [event]);
            assert_eq!(only.of_channels().is_empty(), !event.is_of_channel());
        }
        let all = Events::from_iter(Event::ALL);
        assert!(all.of_channels().has(Event::Vacated) && !all.of_channels().has(Event::Connect));
    }

    #[test]
    fn no_secret_is_shown() {
        let backend = Backend {
            url: "http://user:word@host/".into(),
            secret: b"0123456789abcdef".into(),
            timeout: Duration::from_secs(2),
            retry: Duration::ZERO,
            queue_bytes: 9,
        };
        let shown = format!("{backend:?}");
        assert!(shown.contains("2s") && !shown.contains("word") && !shown.contains("48, 49"));
    }
}
