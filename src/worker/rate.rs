//! Rates of one connection: messages, bytes, channels brought into being. Each is an allowance by
//! the generic cell rate algorithm, which keeps one number: the time at which the allowance will be
//! whole again. Over the rate of messages a client is told so, and in the end closed; where there
//! are no words, and over the rate of bytes, it is just read more slowly.

use super::Worker;
use super::net::Net;
use crate::config::Config;
use crate::conn::entry::{Flags, Phase};
use crate::conn::inbox::Inbox;
use crate::limits::{FLOOD_BURSTS, NEW_CHANNELS_BURST};
use crate::metrics::Limit;
use crate::ws::close::CloseCode;

/// Resolution: 8 microseconds, which wraps after nine hours, and is exact to a few per cent at
/// 10,000 messages a second.
const UNITS_PER_SECOND: u32 = 125_000;

/// No cost, and no burst, is longer than this: an eighth of the clock's round.
const LONGEST: u32 = u32::MAX / 8;

/// Farther ahead than this is the past. Nothing is ever so far ahead, and what is whole is renewed
/// (`renew_rate`) long before it is so far behind.
const FAR: u32 = u32::MAX / 2;

/// How often, at least, an open connection is looked at, so that its allowance is renewed.
pub(super) const RENEWED_MS: u64 = 3_600_000;

/// Longest pause of one connection for the rate of its channel.
const MAX_PAUSE_MS: u64 = 60_000;

fn units(mono_ms: u64) -> u32 {
    (mono_ms * u64::from(UNITS_PER_SECOND) / 1000) as u32
}

/// The rates that the settings give, worked out once. `None` where there is no such rate.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rates {
    messages: Option<Rate>,
    bytes: Option<Rate>,
    channels: Option<Rate>,
}

impl Rates {
    /// Those of these settings. Without a rate of messages new channels have none either.
    pub(super) fn new(config: &Config) -> Self {
        let messages = Rate::new(config.messages_per_second, config.burst);
        let channels = Rate::new(config.new_channels_per_second, NEW_CHANNELS_BURST);
        let bytes = Rate::bytes(config.bytes_per_second);
        Self { messages, bytes, channels: channels.filter(|_| messages.is_some()) }
    }

    /// Whether there is a rate of messages.
    pub(super) fn meters_messages(&self) -> bool {
        self.messages.is_some()
    }
}

/// A rate that a setting gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rate {
    /// How much is allowed a second.
    per_second: u32,
    /// What one adds to the time.
    one: u32,
    /// How far the allowance may be ahead.
    most: u32,
}

impl Rate {
    /// `None` where there is no such rate.
    fn new(per_second: u32, burst: u32) -> Option<Self> {
        let one = UNITS_PER_SECOND.checked_div(per_second)?.max(1);
        Some(Self { per_second, one, most: one.saturating_mul(burst.max(1)).min(LONGEST) })
    }

    /// As many bytes a second, and as many at once.
    fn bytes(per_second: u32) -> Option<Self> {
        let one = UNITS_PER_SECOND.checked_div(per_second)?.max(1);
        Some(Self { per_second, one, most: UNITS_PER_SECOND })
    }

    /// What so many add to the time.
    fn cost(self, count: usize) -> u32 {
        if count == 1 {
            return self.one;
        }
        let cost = (count as u64 * u64::from(UNITS_PER_SECOND)).div_ceil(self.per_second.into());
        cost.min(u64::from(LONGEST)) as u32
    }
}

/// An allowance at one time.
#[derive(Clone, Copy, Debug)]
struct Allowance {
    rate: Rate,
    now: u32,
    /// How far the time at which it will be whole is ahead.
    ahead: u32,
}

impl Allowance {
    fn at(rate: Rate, mono_ms: u64, whole_at: u32) -> Self {
        let now = units(mono_ms);
        let ahead = whole_at.wrapping_sub(now);
        Self { rate, now, ahead: if ahead > FAR { 0 } else { ahead } }
    }

    /// How long there is no room for so many more.
    fn wait(self, count: usize) -> Option<u32> {
        let ahead = self.ahead.saturating_add(self.rate.cost(count));
        ahead.checked_sub(self.rate.most).filter(|&wait| wait > 0)
    }

    /// When it will be whole after so many more.
    fn after(self, count: usize) -> u32 {
        let ahead = self.ahead.saturating_add(self.rate.cost(count));
        self.now.wrapping_add(ahead.min(2 * LONGEST))
    }

    fn is_whole(self) -> bool {
        self.ahead == 0
    }
}

impl<N: Net> Worker<N> {
    /// Takes one message from a connection's allowance; else says when there will be one, in
    /// milliseconds.
    pub(super) fn allow(&mut self, slot: u32) -> Result<(), u64> {
        let Some(allowance) = self.messages(slot) else { return Ok(()) };
        if let Some(wait) = allowance.wait(1) {
            return Err((u64::from(wait) * 1000).div_ceil(u64::from(UNITS_PER_SECOND)));
        }
        let hot = self.table.hot_mut(slot);
        hot.rate = allowance.after(1);
        if let Some(inbox) = hot.inbox.as_mut().filter(|_| allowance.is_whole()) {
            inbox.pace.refused = 0;
        }
        Ok(())
    }

    /// Notes messages that were refused for their rate. Says whether that is a flood: ten bursts
    /// refused without a pause, which closes the connection.
    pub(super) fn is_flood(&mut self, slot: u32, count: u32) -> bool {
        self.limited(Limit::Messages);
        let most = self.config.burst.saturating_mul(FLOOD_BURSTS);
        let pace = &mut self.inbox(slot).pace;
        pace.refused = pace.refused.saturating_add(count);
        if pace.refused < most {
            return false;
        }
        self.fail(slot, CloseCode::FLOOD);
        true
    }

    /// Takes one message from a connection's allowance. Where there are no words for
    /// `rate_limited`, reading pauses when no more are left.
    pub(super) fn throttle(&mut self, slot: u32) {
        let Some(allowance) = self.messages(slot) else { return };
        let most = allowance.now.wrapping_add(allowance.rate.most);
        let full = allowance.wait(1).is_some();
        self.table.hot_mut(slot).rate = if full { most } else { allowance.after(1) };
        if self.messages(slot).is_some_and(|left| left.wait(1).is_some()) {
            self.limited(Limit::Messages);
            self.pause_for_rate(slot);
        }
    }

    /// Takes received bytes from a connection's allowance; reading pauses when it is overdrawn.
    pub(super) fn take_bytes(&mut self, slot: u32, count: usize) {
        let Some(rate) = self.rates.bytes else { return };
        if self.table.hot(slot).phase != Phase::Open {
            return;
        }
        let mono_ms = self.now.mono_ms;
        let pace = &mut self.inbox(slot).pace;
        let whole_at = pace.bytes.unwrap_or_else(|| units(mono_ms));
        let allowance = Allowance::at(rate, mono_ms, whole_at);
        pace.bytes = Some(allowance.after(count));
        if allowance.wait(count).is_some() {
            self.limited(Limit::Bytes);
            self.pause_for_rate(slot);
        }
    }

    /// Reads nothing from a connection for so long: its channel takes no more. It is as if the
    /// connection itself had said so much at once.
    pub(super) fn pause_for_channel(&mut self, slot: u32, pause_ms: u64) {
        self.limited(Limit::PublishRate);
        let most = self.messages(slot).map_or(0, |allowance| allowance.rate.most);
        let ahead = most.saturating_add(units(pause_ms.min(MAX_PAUSE_MS)));
        let now = units(self.now.mono_ms);
        self.table.hot_mut(slot).rate = now.wrapping_add(ahead);
        self.pause_for_rate(slot);
    }

    fn pause_for_rate(&mut self, slot: u32) {
        self.table.hot_mut(slot).flags.set(Flags::THROTTLED);
        self.schedule(slot);
    }

    /// Reads again from a connection that was over a rate, when it is not any more.
    pub(super) fn unthrottle(&mut self, slot: u32) {
        if !self.table.hot(slot).flags.has(Flags::THROTTLED) {
            return;
        }
        let messages = match self.messages(slot) {
            Some(allowance) => allowance.wait(1).is_some(),
            None => self.is_paused(slot),
        };
        let bytes = self.bytes(slot).is_some_and(|allowance| allowance.wait(0).is_some());
        if !messages && !bytes {
            self.table.hot_mut(slot).flags.clear(Flags::THROTTLED);
            self.resume(slot);
        }
    }

    /// A connection begins with a whole allowance.
    pub(super) fn begin_rate(&mut self, slot: u32) {
        self.table.hot_mut(slot).rate = units(self.now.mono_ms);
    }

    /// Whether its channel has told a connection to pause, where messages have no rate.
    fn is_paused(&self, slot: u32) -> bool {
        let ahead = self.table.hot(slot).rate.wrapping_sub(units(self.now.mono_ms));
        (1..=units(MAX_PAUSE_MS)).contains(&ahead)
    }

    /// Whether a connection may bring one more channel into being now.
    pub(super) fn may_create(&self, slot: u32) -> bool {
        self.channels(slot).is_none_or(|allowance| allowance.wait(1).is_none())
    }

    /// Whether channels that a connection brings into being are counted.
    pub(super) fn counts_channels(&self) -> bool {
        self.rates.channels.is_some()
    }

    /// When one more channel may come into being, in milliseconds.
    pub(super) fn new_channel_pace_ms(&self) -> u64 {
        1000u64.div_ceil(u64::from(self.config.new_channels_per_second.max(1)))
    }

    /// A connection has brought a channel into being.
    pub(super) fn created(&mut self, slot: u32) {
        let Some(allowance) = self.channels(slot) else { return };
        self.inbox(slot).pace.channels = Some(allowance.after(1));
    }

    /// Renews the rate of messages before the clock has gone half round, if it is whole.
    pub(super) fn renew_rate(&mut self, slot: u32) {
        if self.messages(slot).is_none_or(Allowance::is_whole) && !self.is_paused(slot) {
            self.begin_rate(slot);
        }
    }

    /// Forgets rates that are whole again; the inbox goes when nothing is left in it.
    pub(super) fn rest(&mut self, slot: u32) {
        if self.table.hot(slot).inbox.is_none() {
            return;
        }
        let whole = |allowance: Option<Allowance>| allowance.is_none_or(Allowance::is_whole);
        let (bytes, channels) = (whole(self.bytes(slot)), whole(self.channels(slot)));
        let messages = whole(self.messages(slot));
        let hot = self.table.hot_mut(slot);
        let Some(inbox) = &mut hot.inbox else { return };
        if bytes {
            inbox.pace.bytes = None;
        }
        if channels {
            inbox.pace.channels = None;
        }
        if messages {
            inbox.pace.refused = 0;
        }
        if inbox.is_empty() {
            hot.inbox = None;
        }
    }

    /// A token may set a rate of messages that is lower than everybody's.
    pub(super) fn keep_pace(&mut self, slot: u32, messages_per_second: Option<u32>) {
        let usual = self.config.messages_per_second;
        let slower = messages_per_second.is_some_and(|rate| usual == 0 || rate < usual);
        let flags = &mut self.table.hot_mut(slot).flags;
        if slower {
            flags.set(Flags::SLOWED);
        } else {
            flags.clear(Flags::SLOWED);
        }
    }

    fn messages(&self, slot: u32) -> Option<Allowance> {
        let hot = self.table.hot(slot);
        let own = hot.flags.has(Flags::SLOWED);
        let rate = if own { self.rate_of_token(slot) } else { self.rates.messages }?;
        Some(Allowance::at(rate, self.now.mono_ms, hot.rate))
    }

    /// The burst is everybody's: who comes back subscribes to everything at once.
    fn rate_of_token(&self, slot: u32) -> Option<Rate> {
        let per_second = self.token(slot)?.limits.messages_per_second?;
        Rate::new(per_second, self.config.burst)
    }

    fn bytes(&self, slot: u32) -> Option<Allowance> {
        let rate = self.rates.bytes?;
        let whole_at = self.table.hot(slot).inbox.as_ref()?.pace.bytes?;
        Some(Allowance::at(rate, self.now.mono_ms, whole_at))
    }

    fn channels(&self, slot: u32) -> Option<Allowance> {
        let rate = self.rates.channels?;
        let inbox = self.table.hot(slot).inbox.as_ref();
        let whole_at = inbox.and_then(|inbox| inbox.pace.channels);
        let whole_at = whole_at.unwrap_or_else(|| units(self.now.mono_ms));
        Some(Allowance::at(rate, self.now.mono_ms, whole_at))
    }

    /// The inbox of a connection, which gets one if it has none.
    pub(super) fn inbox(&mut self, slot: u32) -> &mut Inbox {
        let ledger = &self.ledger;
        let inbox = &mut self.table.hot_mut(slot).inbox;
        inbox.get_or_insert_with(|| Box::new(Inbox::new(ledger)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowance(rate: Rate, mono_ms: u64, whole_at: u32) -> Allowance {
        Allowance::at(rate, mono_ms, whole_at)
    }

    #[test]
    fn a_burst_then_the_rate() {
        let rate = Rate::new(100, 200).expect("a rate");
        let mut whole_at = 0;
        for _ in 0..200 {
            let now = allowance(rate, 1_000, whole_at);
            assert_eq!(now.wait(1), None);
            whole_at = now.after(1);
        }
        let wait = allowance(rate, 1_000, whole_at).wait(1);
        assert_eq!(wait, Some(UNITS_PER_SECOND / 100), "the next one in 10 ms");
        assert_eq!(allowance(rate, 1_010, whole_at).wait(1), None);
        assert!(allowance(rate, 3_000, whole_at).is_whole());
        assert_eq!(Rate::new(0, 200), None);
    }

    #[test]
    fn bytes_may_be_overdrawn_once() {
        let rate = Rate::bytes(1_000).expect("a rate");
        let now = allowance(rate, 0, 0);
        assert_eq!(now.wait(1_000), None);
        let whole_at = now.after(5_000);
        assert!(allowance(rate, 3_999, whole_at).wait(0).is_some());
        assert_eq!(allowance(rate, 4_000, whole_at).wait(0), None, "one second may be ahead");
        let slow = Rate::bytes(1).expect("a rate");
        assert!(slow.cost(usize::MAX >> 20) <= LONGEST, "no cost reaches the past");
        const { assert!(2 * LONGEST < FAR, "nor do two") };
    }

    #[test]
    fn the_clock_may_wrap() {
        let rate = Rate::new(10, 10).expect("a rate");
        let wraps_ms = (u64::from(u32::MAX) + 1) * 1000 / u64::from(UNITS_PER_SECOND);
        let before = allowance(rate, wraps_ms - 50, units(wraps_ms - 50));
        let whole_at = before.after(1);
        assert!(!allowance(rate, wraps_ms - 1, whole_at).is_whole());
        assert!(!allowance(rate, wraps_ms + 1, whole_at).is_whole());
        assert!(allowance(rate, wraps_ms + 100, whole_at).is_whole());
    }

    #[test]
    fn the_clock_goes_round() {
        for per_second in [1, 10, 100, 10_000] {
            let rate = Rate::new(per_second, 200).expect("a rate");
            // Two rounds of the clock, in steps in which a connection is looked at.
            for step in 0..20 {
                let now_ms = step * RENEWED_MS;
                let fresh = allowance(rate, now_ms, units(now_ms));
                assert!(fresh.is_whole(), "{per_second}: at {now_ms} ms");
                let later = allowance(rate, now_ms + RENEWED_MS, fresh.after(1));
                assert!(later.is_whole(), "{per_second}: an hour after {now_ms} ms");
            }
        }
    }
}
