//! A shard: all channels that one worker owns. It finds, creates and forgets channels, and carries
//! out what is asked of them. Pure: the caller hands in time, codec and the seed of its epochs, and
//! carries the deliveries. Where several shards exist, `owner` says which has a channel. What is
//! let go, and when, stands in `upkeep`.

use std::collections::BTreeSet;
use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use slab::Slab;

use super::channel::{Channel, Draft, Publisher, Scratch, Terms};
use super::idempotency::Keys;
use super::order::{Look, Order};
use super::page::{Page, PageKey, Pages, Place, Want};
use super::presence::heard;
use super::{
    Audience, Delivery, Epoch, FeedKey, Framer, GapReason, Mode, Now, Position, Publication,
    WorkerId,
};

mod upkeep;

/// What the names of the channels begin with that probes go through. They are few and short-lived,
/// beyond `max_channels`, and nobody sees them.
pub const PROBE: &str = "$probe.";

/// Which shard owns a channel, and its companion. `seed` is the node's, so that strangers cannot
/// aim at one worker.
pub fn owner(channel: &str, seed: u64, workers: u16) -> WorkerId {
    use std::hash::{BuildHasher as _, Hasher as _};
    if workers <= 1 {
        return 0;
    }
    let channel = heard(channel).unwrap_or(channel);
    let mut hasher = FixedState::with_seed(seed).build_hasher();
    hasher.write(channel.as_bytes());
    (hasher.finish() % u64::from(workers)) as WorkerId
}

/// The bounds of a shard.
#[derive(Clone, Copy, Debug)]
pub struct ShardLimits {
    /// Channels.
    pub max_channels: usize,
    /// Bytes of all histories, last values and idempotency keys.
    pub max_history_bytes: usize,
    /// How long a quiet channel without subscribers is known, in milliseconds; 0: for ever.
    pub position_age_ms: u64,
    /// How long an idempotency key is remembered, in milliseconds.
    pub idempotency_age_ms: u64,
    /// Bytes of a page.
    pub page_bytes: usize,
}

/// Why nothing happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The node has as many channels as it may, all with subscribers.
    TooManyChannels,
    /// The channel takes no more of clients now; it may be tried again after so many milliseconds.
    RateLimited(u64),
}

/// What became of a publication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// Its position.
    pub position: Position,
    /// How many subscribers the channel has.
    pub receivers: u64,
    /// Whether this is the first answer again.
    pub duplicate: bool,
    /// How long its publisher is to be quiet now, in milliseconds, where it has no words for
    /// `rate_limited`.
    pub pause_ms: u64,
}

/// What a new subscriber is told.
#[derive(Debug)]
pub struct Joined {
    /// The channel's head.
    pub position: Position,
    /// Whether everything that was asked for comes.
    pub recovered: bool,
    /// How many are lost, where that is known.
    pub missed: Option<u64>,
    /// What comes first.
    pub page: Page,
}

/// From where a new subscriber wants to hear, and how much.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Since {
    /// After this position, as the client wrote it.
    pub position: Option<Box<str>>,
    /// So many latest: alone, or when the position cannot be met.
    pub last: Option<u64>,
    /// Of everything, or of the newest of every key.
    pub mode: Mode,
}

/// What of a channel's history is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// After this position.
    pub since: Option<Box<str>>,
    /// Before this position.
    pub before: Option<Box<str>>,
    /// At most so many.
    pub limit: usize,
}

/// A part of the history.
#[derive(Debug)]
pub struct Excerpt {
    /// The channel's head.
    pub position: Position,
    /// Oldest first.
    pub messages: Vec<Arc<Publication>>,
    /// Whether there is more in the direction that was asked for.
    pub more: bool,
}

/// What there is to say of a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// Its name.
    pub name: Arc<str>,
    /// Its head; `None` for a channel that does not exist.
    pub position: Option<Position>,
    /// How many subscribe.
    pub subscribers: u64,
    /// Publications in its history.
    pub history: usize,
}

/// All channels of one owner.
#[derive(Debug)]
pub struct Shard {
    limits: ShardLimits,
    names: HashMap<Arc<str>, usize, FixedState>,
    order: Order,
    channels: Slab<Channel>,
    /// Channels without subscribers by the time of their last use: these may be forgotten.
    idle: BTreeSet<(u64, usize)>,
    /// Those of them that have history: it goes first when the total is reached.
    stocked: BTreeSet<(u64, usize)>,
    keys: Keys,
    pages: Pages,
    scratch: Scratch,
    /// Channels of probes.
    probes: usize,
    next_epoch: u64,
    history_bytes: usize,
    /// How often a channel's last values were too many, since that was asked.
    overflows: u64,
}

impl Shard {
    /// An empty shard. `seed` makes its epochs differ from those of earlier lives and other shards.
    pub fn new(limits: ShardLimits, seed: u64) -> Self {
        let hasher = FixedState::with_seed(seed);
        let key_bytes = limits.max_history_bytes / 8;
        let keys = Keys::new(limits.idempotency_age_ms, key_bytes, hasher.clone());
        Self {
            limits,
            names: HashMap::with_hasher(hasher),
            order: Order::default(),
            channels: Slab::new(),
            idle: BTreeSet::new(),
            stocked: BTreeSet::new(),
            keys,
            pages: Pages::default(),
            scratch: Scratch::default(),
            probes: 0,
            next_epoch: seed >> 20,
            history_bytes: 0,
            overflows: 0,
        }
    }

    /// Publishes: gives a position, keeps, and appends the deliveries.
    #[expect(clippy::too_many_arguments, reason = "the fields of one letter")]
    pub fn publish(
        &mut self,
        channel: &str,
        publisher: Publisher,
        idempotency: Option<(&str, &str)>,
        draft: Draft,
        terms: &Terms,
        now: Now,
        framer: &mut impl Framer,
        deliveries: &mut Vec<(WorkerId, Delivery)>,
    ) -> Result<(Published, Option<Arc<Publication>>), Refused> {
        let key = idempotency.map(|(publisher, key)| Keys::name(channel, publisher, key));
        if let Some(position) = key.as_ref().and_then(|key| self.keys.seen(key, now.mono_ms)) {
            let receivers = self.find(channel).map_or(0, Channel::subscribers);
            let (duplicate, pause_ms) = (true, 0);
            return Ok((Published { position, receivers, duplicate, pause_ms }, None));
        }
        let at = self.find_or_create(channel, now)?;
        let entry = &mut self.channels[at];
        let admitted = entry.admit(publisher, terms.publish_rate, now);
        let pause_ms = admitted.map_err(Refused::RateLimited)?;
        let (before, forgotten) = (entry.history.bytes(), entry.history.forgotten());
        let (bounds, scratch) = (&terms.history, &mut self.scratch);
        let publication = entry.publish(draft, now, bounds, framer, scratch, deliveries);
        let receivers = entry.subscribers();
        self.history_bytes = self.history_bytes - before + entry.history.bytes();
        self.overflows += u64::from(entry.history.forgotten() > forgotten);
        self.scratch.rest();
        if let Some(key) = key {
            self.keys.remember(&key, publication.position, now.mono_ms);
        }
        self.shed_history(at);
        self.touch(at, now);
        let position = publication.position;
        let duplicate = false;
        Ok((Published { position, receivers, duplicate, pause_ms }, Some(publication)))
    }

    /// Sees to it that a channel exists.
    pub fn create(&mut self, channel: &str, now: Now) -> Result<(), Refused> {
        let at = self.find_or_create(channel, now)?;
        self.touch(at, now);
        Ok(())
    }

    /// Counts a new subscriber and says where it begins. Where there is no history, it begins with
    /// nothing old, not even last values.
    #[expect(clippy::too_many_arguments, reason = "the fields of one letter")]
    pub fn join(
        &mut self,
        channel: &str,
        audience: Audience,
        feed: FeedKey,
        since: &Since,
        terms: &Terms,
        now: Now,
        framer: &mut impl Framer,
    ) -> Result<Joined, Refused> {
        let at = self.find_or_create(channel, now)?;
        self.busy(at);
        let channel = &mut self.channels[at];
        channel.joined(audience, feed);
        channel.touched_ms = now.mono_ms;
        let place = match since.position.as_deref() {
            None => Place::Head,
            Some(text) => place(channel, Position::parse(text)),
        };
        let (position, last) = (channel.position(), since.last);
        self.expire(at, terms, now);
        let mode = if terms.history.count == 0 { Mode::All } else { since.mode };
        let want = Want { encoding: audience.encoding, mode, until: None };
        let page = self.page(at, place, last, GapReason::Evicted, want, now, framer);
        let gap = page.gap;
        let missed = gap.map_or(Some(0), |gap| gap.missed);
        Ok(Joined { position, recovered: gap.is_none(), missed, page })
    }

    /// Counts one subscriber less.
    pub fn leave(&mut self, channel: &str, audience: Audience, now: Now) {
        let Some(&at) = self.names.get(channel) else {
            debug_assert!(false, "a channel with subscribers is never forgotten");
            return;
        };
        self.channels[at].left(audience);
        self.touch(at, now);
    }

    /// The next page of a reader that lags. It subscribes, so the channel is there.
    pub fn pull(
        &mut self,
        channel: &str,
        since: Option<Position>,
        want: Want,
        terms: &Terms,
        now: Now,
        framer: &mut impl Framer,
    ) -> Option<Page> {
        let &at = self.names.get(channel)?;
        self.expire(at, terms, now);
        let place = place(&self.channels[at], since);
        Some(self.page(at, place, None, GapReason::Slow, want, now, framer))
    }

    /// The next round of a paced group. Where that has everything now, it is told when there is
    /// more.
    #[expect(clippy::too_many_arguments, reason = "the fields of one letter")]
    pub fn round(
        &mut self,
        channel: &str,
        audience: Audience,
        feed: FeedKey,
        since: Option<Position>,
        terms: &Terms,
        now: Now,
        framer: &mut impl Framer,
    ) -> Option<Page> {
        let want = Want::latest(audience.encoding, None);
        let page = self.pull(channel, since, want, terms, now, framer)?;
        if page.last == page.head {
            let &at = self.names.get(channel)?;
            self.channels[at].rests(audience, feed);
        }
        Some(page)
    }

    /// A part of a channel's history. A channel that is not there has none.
    pub fn history(
        &mut self,
        channel: &str,
        span: &Span,
        terms: &Terms,
        now: Now,
    ) -> Option<Excerpt> {
        let &at = self.names.get(channel)?;
        self.expire(at, terms, now);
        let channel = &self.channels[at];
        let after = match span.since.as_deref() {
            None => 0,
            Some(text) => match place(channel, Position::parse(text)) {
                Place::At(index) => index,
                Place::Head | Place::Elsewhere(_) => channel.head,
            },
        };
        let before = match span.before.as_deref().map(Position::parse) {
            Some(Some(position)) if position.epoch == channel.epoch => position.index,
            Some(_) => 0,
            None => u64::MAX,
        };
        // What is held is dense, so that the range is known before anything is touched.
        let history = &channel.history;
        let first = history.first().unwrap_or(channel.head + 1).max(after.saturating_add(1));
        let end = before.min(channel.head + 1);
        let count = usize::try_from(end.saturating_sub(first)).unwrap_or(usize::MAX);
        let (taken, more) = (count.min(span.limit), count > span.limit);
        let from = if span.since.is_some() { first } else { end.saturating_sub(taken as u64) };
        let messages = history.from(from).take(taken).cloned().collect();
        Some(Excerpt { position: channel.position(), messages, more })
    }

    /// What there is to say of one channel.
    pub fn describe(&mut self, name: &str, terms: &Terms, now: Now) -> Description {
        let Some(&at) = self.names.get(name) else {
            return Description { name: name.into(), position: None, subscribers: 0, history: 0 };
        };
        self.expire(at, terms, now);
        describe(&self.channels[at])
    }

    /// The channels whose names begin with `prefix`, stand after `after` and are `wanted`, in order
    /// of names, at most `limit`; and the name up to which was looked, where there may be more.
    pub fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
        wanted: impl Fn(&str) -> bool,
    ) -> (Vec<Description>, Option<Arc<str>>) {
        let Look { names, rest } = self.order.look(prefix, after, limit, wanted);
        let channels = names.into_iter().filter_map(|name| self.find(name)).map(describe);
        (channels.collect(), rest.map(Arc::clone))
    }

    /// Whether a channel exists.
    pub fn knows(&self, channel: &str) -> bool {
        self.names.contains_key(channel)
    }

    /// How many channels have come into being so far.
    pub fn births(&self) -> u64 {
        self.next_epoch
    }

    /// The workers that have subscribers of a channel.
    pub fn interested(&self, channel: &str) -> impl Iterator<Item = WorkerId> + '_ {
        let interests = self.find(channel).map(|channel| channel.interests.iter());
        interests.into_iter().flatten().map(|interest| interest.audience.worker)
    }

    /// Number of channels.
    pub fn len(&self) -> usize {
        self.channels.len() - self.probes
    }

    /// Whether there are no channels.
    pub fn is_empty(&self) -> bool {
        self.channels.is_empty()
    }

    /// Bytes of histories, last values and idempotency keys.
    pub fn history_bytes(&self) -> usize {
        self.history_bytes + self.keys.bytes()
    }

    /// How often last values were forgotten because a channel had too many, since the last call.
    pub fn take_overflows(&mut self) -> u64 {
        std::mem::take(&mut self.overflows)
    }

    /// All channels, for audits.
    pub fn channels(&self) -> impl Iterator<Item = &Channel> {
        self.channels.iter().map(|(_, channel)| channel)
    }

    fn find(&self, channel: &str) -> Option<&Channel> {
        self.names.get(channel).map(|&at| &self.channels[at])
    }

    fn find_or_create(&mut self, name: &str, now: Now) -> Result<usize, Refused> {
        if let Some(&at) = self.names.get(name) {
            return Ok(at);
        }
        if name.starts_with(PROBE) {
            self.probes += 1;
        } else if self.len() >= self.limits.max_channels {
            let &(_, oldest) = self.idle.first().ok_or(Refused::TooManyChannels)?;
            self.forget(oldest);
        }
        self.next_epoch += 1;
        let name: Arc<str> = name.into();
        let channel = Channel::new(Arc::clone(&name), Epoch(self.next_epoch), now);
        let at = self.channels.insert(channel);
        self.order.insert(Arc::clone(&name));
        self.names.insert(name, at);
        self.idle.insert((now.mono_ms, at));
        Ok(at)
    }

    #[expect(clippy::too_many_arguments, reason = "place and purpose of one page")]
    fn page(
        &mut self,
        at: usize,
        place: Place,
        last: Option<u64>,
        reason: GapReason,
        want: Want,
        now: Now,
        framer: &mut impl Framer,
    ) -> Page {
        let source = self.channels[at].source();
        let ((gap, next), head) = match want.mode {
            Mode::All => (source.resume(place, last, reason), 0),
            Mode::Latest => (source.resume_latest(place, last, reason), source.head),
        };
        let since = match place {
            Place::At(index) => index,
            // As for one that has everything before the latest few.
            Place::Head if next <= source.head => next - 1,
            Place::Head | Place::Elsewhere(_) => {
                return source.cut(gap, next, &want, framer, self.limits.page_bytes, now.wall_ms);
            }
        };
        let key = PageKey { epoch: source.epoch, since, next, want, head };
        if let Some(page) = self.pages.find(&key, source.head)
            && page.gap == gap
        {
            return page;
        }
        let page = source.cut(gap, next, &want, framer, self.limits.page_bytes, now.wall_ms);
        if page.frames.is_some() {
            self.pages.keep(key, &page);
        }
        page
    }
}

/// Where a reader with this position stands in this channel.
fn place(channel: &Channel, position: Option<Position>) -> Place {
    match position {
        Some(Position { epoch, index }) if epoch == channel.epoch && index <= channel.head => {
            Place::At(index)
        }
        other => Place::Elsewhere(other),
    }
}

fn describe(channel: &Channel) -> Description {
    Description {
        name: Arc::clone(&channel.name),
        position: Some(channel.position()),
        subscribers: channel.subscribers(),
        history: channel.history.len(),
    }
}
