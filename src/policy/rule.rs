//! A rule: everything that an operator decides about the channels of one pattern.

use std::time::Duration;

use super::hook::Events;
use super::pattern::Pattern;
use crate::limits::UNLIMITED;

/// What holds for the channels of a pattern. Nothing is merged: what a rule leaves out has the
/// value that `settings` gives it, from the mode and the general settings.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Which channels.
    pub pattern: Pattern,
    /// Who may subscribe, and read what the history holds.
    pub subscribe: Who,
    /// Who may publish, besides the backend.
    pub publish: Who,
    /// Publications that a channel keeps; 0: none.
    pub history_count: usize,
    /// Bytes that a channel's history may have.
    pub history_bytes: usize,
    /// Age at which history is forgotten; 0: never.
    pub history_age: Duration,
    /// What is told of who is there.
    pub presence: Presence,
    /// What becomes of a reader that has fallen out of its window.
    pub on_slow: OnSlow,
    /// Most rounds a second of a subscriber in mode `latest`; `None`: as fast as it reads.
    pub max_rate: Option<f64>,
    /// Publications of clients that a channel takes a second; 0: no limit.
    pub publish_rate: u32,
    /// What a payload may be.
    pub payload: Payload,
    /// Whether publications of clients carry the user's name.
    pub from: bool,
    /// What of it the backend is asked about, and told of.
    pub hooks: Events,
}

/// Who may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Every client.
    Anyone,
    /// Those who have logged in.
    User,
    /// Those whose token names the channel.
    Token,
    /// No client: only the backend, by the API.
    Backend,
}

/// What is told of who is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// Nothing.
    None,
    /// How many.
    Count,
    /// Who.
    Full,
}

/// What becomes of a reader that has fallen out of its window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnSlow {
    /// It reads on from history, with a gap where that holds no more.
    Pull,
    /// It gets the newest of every key.
    Latest,
    /// It is closed with 4001.
    Close,
}

/// What a payload may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payload {
    /// Anything.
    Any,
    /// JSON, also on raw channels.
    Json,
}

impl Default for Rule {
    /// What holds in open mode, where no setting says otherwise.
    fn default() -> Self {
        Self {
            pattern: Pattern::all(),
            subscribe: Who::Anyone,
            publish: Who::Anyone,
            history_count: 100,
            history_bytes: 1 << 20,
            history_age: Duration::from_mins(5),
            presence: Presence::Full,
            on_slow: OnSlow::Pull,
            max_rate: None,
            publish_rate: 0,
            payload: Payload::Any,
            from: true,
            hooks: Events::default(),
        }
    }
}

impl Rule {
    /// The bounds of a channel's history: count, bytes, age in milliseconds (0: for ever).
    pub fn history(&self) -> (usize, usize, u64) {
        (self.history_count, self.history_bytes.min(UNLIMITED), self.history_age.as_millis() as u64)
    }
}
