//! A shard beside a slow obvious model of it: channels by name, histories as plain lists, every
//! page cut anew, every sum added up again. The tests of `hub` run it, and so does the fuzz target
//! `shard`.

mod memory;
mod reads;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use crate::hub::channel::{Draft, Publisher, Terms};
use crate::hub::history::{Bounds, PUBLICATION_OVERHEAD};
pub use crate::hub::page::Place;
use crate::hub::page::{Page, Want};
use crate::hub::shard::{Shard, ShardLimits, Since};
use crate::hub::{
    Audience, Delivery, Encoding, Epoch, FeedKey, Format, Framer, Gap, GapReason, Kind, Mode, Now,
    Pace, Position, Publication, WorkerId, encode,
};

/// Something that is asked of a shard. Numbers are taken modulo what there is.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(fuzzing, derive(arbitrary::Arbitrary))]
pub enum Op {
    /// Publish; `key` is publisher and idempotency key, `conflates` the conflation key.
    Publish { channel: u8, size: u8, key: Option<(u8, u8)>, conflates: u8 },
    /// Subscribe.
    Join { channel: u8, who: Who, since: Option<Start>, last: Option<u8> },
    /// End a subscription.
    Leave { which: u8 },
    /// Pull for a subscription, up to the head or so far before it.
    Pull { which: u8, since: Start, short_of: Option<u8> },
    /// A round of a paced subscription.
    Round { which: u8, since: Start },
    /// The rule changes: so many publications of such an age are kept.
    Rule { count: u8, age_ms: u16 },
    /// Read history.
    History { channel: u8, since: Option<Start>, before: Option<Start>, limit: u8 },
    /// Describe a channel.
    Describe { channel: u8 },
    /// List channels after this one.
    List { after: Option<u8>, limit: u8 },
    /// Time passes.
    Wait { ms: u16 },
    /// Quiet channels are forgotten.
    Sweep,
}

/// A kind of subscriber.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(fuzzing, derive(arbitrary::Arbitrary))]
pub struct Who {
    /// On which worker.
    pub worker: u8,
    /// What it reads.
    pub encoding: u8,
    /// Mode `latest`.
    pub latest: bool,
    /// In rounds.
    pub paced: bool,
}

/// A position that a client might say.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(fuzzing, derive(arbitrary::Arbitrary))]
pub enum Start {
    /// So far behind the head.
    Back(u8),
    /// So far ahead of it.
    Ahead(u8),
    /// One that was given out at some time, for whatever channel.
    Past(u8),
    /// Not a position.
    Nonsense,
}

/// Frames are the payload after its length and kind; it counts them.
#[derive(Debug, Default)]
pub struct Tape {
    /// Messages framed.
    pub frames: usize,
}

impl Framer for Tape {
    fn append(&mut self, out: &mut Vec<u8>, encoding: Encoding, binary: bool, payload: &[u8]) {
        self.frames += 1;
        out.extend_from_slice(&[u8::from(binary), encoding.window_bits]);
        out.extend_from_slice(&(payload.len() as u32).to_be_bytes());
        out.extend_from_slice(payload);
    }
}

const CHANNELS: u8 = 5;
const ENCODINGS: [Encoding; 3] =
    [Encoding::JSON, Encoding::RAW, Encoding { format: Format::Json, window_bits: 12 }];

#[derive(Debug)]
struct Channel {
    epoch: Epoch,
    head: u64,
    /// When each was published, and what.
    held: Vec<(u64, Arc<Publication>)>,
    /// The newest of every key, whether history holds it or not.
    values: BTreeMap<Option<Box<str>>, Arc<Publication>>,
    /// The newest of those that were forgotten.
    forgotten: u64,
    touched: u64,
    /// The paced audiences that wait to hear of more.
    waits: HashSet<Audience>,
}

#[derive(Debug)]
struct Remembered {
    at: u64,
    name: (String, String, String),
    position: Position,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Subscriber {
    channel: String,
    audience: Audience,
    mode: Mode,
}

/// A shard and its model.
#[derive(Debug)]
pub struct Pair {
    shard: Shard,
    limits: ShardLimits,
    terms: Terms,
    now: Now,
    channels: BTreeMap<String, Channel>,
    keys: Vec<Remembered>,
    subscribers: Vec<Subscriber>,
    epochs: HashSet<Epoch>,
    past: Vec<Position>,
}

impl Pair {
    /// Tight limits, so that all of them are reached.
    pub fn new(max_history_bytes: usize) -> Self {
        let history = Bounds { count: 6, bytes: 1200, age_ms: 3000 };
        let limits = ShardLimits {
            max_channels: 4,
            max_history_bytes,
            position_age_ms: 9000,
            idempotency_age_ms: 1000,
            page_bytes: 400,
        };
        Self {
            shard: Shard::new(limits, 1 << 40),
            limits,
            terms: Terms { history, publish_rate: 0 },
            now: Now::default(),
            channels: BTreeMap::new(),
            keys: Vec::new(),
            subscribers: Vec::new(),
            epochs: HashSet::new(),
            past: Vec::new(),
        }
    }

    /// Runs the script.
    pub fn run(mut self, script: impl IntoIterator<Item = Op>) {
        for op in script {
            // No two at the same time, so that "the oldest" is one.
            self.now.mono_ms += 1;
            self.step(op);
            self.check();
        }
    }

    fn step(&mut self, op: Op) {
        match op {
            Op::Publish { channel, size, key, conflates } => {
                self.publish(&name(channel), size, key, conflates);
            }
            Op::Join { channel, who, since, last } => {
                let encoding = ENCODINGS[usize::from(who.encoding) % ENCODINGS.len()];
                let pace = who.paced.then(|| Pace::at_most(2.0));
                let audience = Audience { worker: u16::from(who.worker % 3), encoding, pace };
                let mode = if who.latest || who.paced { Mode::Latest } else { Mode::All };
                let subscriber = Subscriber { channel: name(channel), audience, mode };
                self.join(subscriber, since, last.map(u64::from));
            }
            Op::Leave { which } => self.leave(which),
            Op::Pull { which, since, short_of } => self.pull(which, since, short_of),
            Op::Round { which, since } => self.round(which, since),
            Op::Rule { count, age_ms } => {
                self.terms.history.count = usize::from(count % 8);
                self.terms.history.age_ms = age_ms.into();
            }
            Op::History { channel, since, before, limit } => {
                self.history(&name(channel), since, before, limit.into());
            }
            Op::Describe { channel } => self.describe(&name(channel)),
            Op::List { after, limit } => self.list(after.map(name).as_deref(), limit.into()),
            Op::Wait { ms } => self.now.mono_ms += u64::from(ms),
            Op::Sweep => self.sweep(),
        }
    }

    /// Compares everything that the shard holds.
    fn check(&self) {
        let mut seen = 0;
        for channel in self.shard.channels() {
            let model = &self.channels[&*channel.name];
            seen += 1;
            assert_eq!((channel.epoch, channel.head), (model.epoch, model.head));
            let held = channel.history.from(0);
            assert!(held.eq(model.held.iter().map(|(_, publication)| publication)));
            let values = channel.history.newest(0).map(|p| p.position.index);
            assert!(values.eq(model.values().iter().map(|p| p.position.index)));
            assert_eq!(channel.history.forgotten(), model.forgotten);
            assert_eq!(channel.history.bytes(), model.bytes());
            let mine = |s: &&Subscriber| s.channel == *channel.name;
            assert_eq!(channel.subscribers(), self.subscribers.iter().filter(mine).count() as u64);
        }
        assert_eq!((seen, self.shard.len()), (self.channels.len(), self.channels.len()));
        assert_eq!(self.shard.history_bytes(), self.bytes());
        assert!(self.bytes() <= self.limits.max_history_bytes);
    }
}

/// What is asked.
impl Pair {
    fn publish(&mut self, channel: &str, size: u8, key: Option<(u8, u8)>, conflates: u8) {
        let conflates = conflates % 4;
        let conflation: Option<Box<str>> = (conflates > 0).then(|| format!("c{conflates}").into());
        let from: Option<Box<str>> = size.is_multiple_of(3).then(|| "ann".into());
        let payload = vec![b'0' + size % 10; usize::from(size)];
        let kind = if size.is_multiple_of(2) { Kind::Binary } else { Kind::Text };
        let (payload, key_of) = (payload.into(), conflation.clone());
        let draft = Draft { kind, payload, from: from.clone(), key: key_of, skip: None };
        let named = key.map(|(who, key)| (format!("user{}", who % 2), format!("k{}", key % 4)));
        let idempotency = named.as_ref().map(|(who, key)| (&**who, &**key));
        let (mut tape, mut out) = (Tape::default(), Vec::new());
        let (publisher, terms, now) = (Publisher::Client, self.terms, self.now);
        let outcome = self.shard.publish(
            channel,
            publisher,
            idempotency,
            draft,
            &terms,
            now,
            &mut tape,
            &mut out,
        );
        let named = named.map(|(who, key)| (channel.to_string(), who, key));
        if let Some(named) = &named {
            self.expire_keys();
            if let Some(known) = self.keys.iter().find(|known| known.name == *named) {
                let (published, publication) = outcome.expect("nothing is created");
                assert!(published.duplicate && publication.is_none() && out.is_empty());
                assert_eq!(published.position, known.position);
                return;
            }
        }
        let (published, publication) = match outcome {
            Ok((published, publication)) => (published, publication.expect("it is new")),
            Err(refused) => return self.is_refused(channel, refused),
        };
        assert!(!published.duplicate);
        self.create(channel, published.position.epoch);
        let model = self.channels.get_mut(channel).expect("created");
        model.head += 1;
        assert_eq!(published.position, Position { epoch: model.epoch, index: model.head });
        assert_eq!((publication.position, &publication.from), (published.position, &from));
        self.past.push(published.position);
        self.check_deliveries(channel, &publication, &out, tape.frames);
        let model = self.channels.get_mut(channel).expect("created");
        model.touched = self.now.mono_ms;
        model.values.insert(conflation, Arc::clone(&publication));
        model.held.push((self.now.mono_ms, publication));
        self.hold(channel);
        if let Some(name) = named {
            let (at, position) = (self.now.mono_ms, published.position);
            self.keys.push(Remembered { at, name, position });
            while self.key_bytes() > self.limits.max_history_bytes / 8 {
                self.keys.remove(0);
            }
        }
        self.shed(channel);
    }

    /// One delivery for each worker and encoding, framed once for each encoding.
    fn check_deliveries(
        &mut self,
        channel: &str,
        publication: &Publication,
        deliveries: &[(WorkerId, Delivery)],
        framed: usize,
    ) {
        let rung = std::mem::take(&mut self.channels.get_mut(channel).expect("it is there").waits);
        let mine = self.subscribers.iter().filter(|s| s.channel == channel);
        let mine = mine.filter(|s| s.audience.pace.is_none() || rung.contains(&s.audience));
        let mut wanted: Vec<_> = mine.map(|s| (s.audience, feed(s.audience).index)).collect();
        wanted.sort_unstable();
        wanted.dedup();
        let mut found = Vec::new();
        for (worker, delivery) in deliveries {
            let whose = |(audience, feed): &&(Audience, u32)| {
                audience.worker == *worker && *feed == delivery.feed.index
            };
            let &(audience, index) = wanted.iter().find(whose).expect("somebody listens");
            assert_eq!(delivery.position, publication.position);
            let frame = frame(audience.encoding, channel, publication);
            let rings = audience.pace.is_some();
            assert_eq!(*delivery.frames, *if rings { Vec::new() } else { frame });
            found.push((audience, index));
        }
        found.sort_unstable();
        assert_eq!(found, wanted);
        wanted.retain(|(audience, _)| audience.pace.is_none());
        let encodings: HashSet<_> = wanted.iter().map(|(audience, _)| audience.encoding).collect();
        assert_eq!(framed, encodings.len());
    }

    fn join(&mut self, subscriber: Subscriber, start: Option<Start>, last: Option<u64>) {
        let Subscriber { channel, audience, mode } = subscriber.clone();
        let position = start.map(|start| self.say(&channel, start).into());
        let since = Since { position, last, mode };
        let (feed, terms, now) = (feed(audience), self.terms, self.now);
        let tape = &mut Tape::default();
        let joined = match self.shard.join(&channel, audience, feed, &since, &terms, now, tape) {
            Ok(joined) => joined,
            Err(refused) => return self.is_refused(&channel, refused),
        };
        self.create(&channel, joined.position.epoch);
        self.subscribers.push(subscriber);
        self.channels.get_mut(&channel).expect("created").touched = now.mono_ms;
        let place = match since.position {
            None => Place::Head,
            Some(text) => self.place(&channel, Position::parse(&text)),
        };
        let mode = if terms.history.count == 0 { Mode::All } else { mode };
        let want = Want { encoding: audience.encoding, mode, until: None };
        let gap = self.check_page(&channel, want, place, last, GapReason::Evicted, &joined.page);
        assert_eq!(joined.recovered, gap.is_none());
        assert_eq!(joined.missed, gap.map_or(Some(0), |gap| gap.missed));
        assert_eq!(joined.position.index, self.channels[&channel].head);
    }

    fn leave(&mut self, which: u8) {
        let Some(at) = self.pick(which) else { return };
        let Subscriber { channel, audience, .. } = self.subscribers.swap_remove(at);
        self.shard.leave(&channel, audience, self.now);
        let same = |s: &Subscriber| s.channel == channel && s.audience == audience;
        let last = !self.subscribers.iter().any(same);
        let model = self.channels.get_mut(&channel).expect("it has subscribers");
        model.touched = self.now.mono_ms;
        if last {
            model.waits.remove(&audience);
        }
    }

    fn pull(&mut self, which: u8, since: Start, short_of: Option<u8>) {
        let Some(at) = self.pick(which) else { return };
        let Subscriber { channel, audience, mode } = self.subscribers[at].clone();
        let since = Position::parse(&self.say(&channel, since));
        let head = self.channels[&channel].head;
        let until = short_of.filter(|_| mode == Mode::Latest);
        let until = until.map(|by| head.saturating_sub(u64::from(by % 8)));
        let want = Want { encoding: audience.encoding, mode, until };
        let (terms, now) = (self.terms, self.now);
        let page = self.shard.pull(&channel, since, want, &terms, now, &mut Tape::default());
        let page = page.expect("it has subscribers");
        let place = self.place(&channel, since);
        self.check_page(&channel, want, place, None, GapReason::Slow, &page);
    }

    fn round(&mut self, which: u8, since: Start) {
        let Some(at) = self.pick(which) else { return };
        let Subscriber { channel, audience, .. } = self.subscribers[at].clone();
        if audience.pace.is_none() {
            return;
        }
        let since = Position::parse(&self.say(&channel, since));
        let (feed, terms, now) = (feed(audience), self.terms, self.now);
        let tape = &mut Tape::default();
        let page = self.shard.round(&channel, audience, feed, since, &terms, now, tape);
        let page = page.expect("it has subscribers");
        let (want, place) = (Want::latest(audience.encoding, None), self.place(&channel, since));
        self.check_page(&channel, want, place, None, GapReason::Slow, &page);
        if page.last == page.head {
            self.channels.get_mut(&channel).expect("it is there").waits.insert(audience);
        }
    }

    /// Cuts the page anew and compares. Returns its gap.
    fn check_page(
        &mut self,
        name: &str,
        want: Want,
        place: Place,
        last: Option<u64>,
        reason: GapReason,
        page: &Page,
    ) -> Option<Gap> {
        self.hold(name);
        let channel = &self.channels[name];
        let (gap, mut given) = match want.mode {
            Mode::All => channel.all(place, last, reason),
            Mode::Latest => channel.latest(place, last, reason),
        };
        let to = gap.map_or(channel.begins(place, &given), |gap| gap.to.index);
        let end = want.until.unwrap_or(u64::MAX).min(channel.head);
        given.retain(|publication| publication.position.index <= end);
        let mut bytes = Vec::new();
        if let Some(gap) = gap.filter(|_| want.encoding.format == Format::Json) {
            let mut text = Vec::new();
            encode::gap(&mut text, name, &gap, self.now.wall_ms);
            Tape::default().append(&mut bytes, want.encoding, false, &text);
        }
        let mut reached = None;
        let mut whole = true;
        for publication in &given {
            let frame = frame(want.encoding, name, publication);
            if bytes.len() + frame.len() > self.limits.page_bytes && reached.is_some() {
                whole = false;
                break;
            }
            bytes.extend_from_slice(&frame);
            reached = Some(publication.position.index);
        }
        assert_eq!((page.epoch, page.head, page.gap), (channel.epoch, channel.head, gap));
        assert_eq!(page.frames.as_deref().unwrap_or_default(), bytes);
        let reached = if whole { to.max(end) } else { reached.unwrap_or(to) };
        assert_eq!(page.last, reached);
        gap
    }

    fn sweep(&mut self) {
        self.shard.sweep(self.now);
        self.expire_keys();
        let (now, age) = (self.now.mono_ms, self.limits.position_age_ms);
        let subscribers = &self.subscribers;
        self.channels.retain(|name, channel| {
            now - channel.touched <= age || subscribers.iter().any(|s| s.channel == *name)
        });
    }
}

/// What a reader at `place` loses, and what it gets, of what lies between its place and `head`.
pub fn resume(held: &[u64], head: u64, place: Place, last: Option<u64>) -> (Vec<u64>, Vec<u64>) {
    let newest = |count: u64| -> Vec<u64> {
        held.iter().copied().filter(|index| index + count > head).collect()
    };
    let Place::At(place) = place else {
        return (Vec::new(), last.map(newest).unwrap_or_default());
    };
    let wanted: Vec<u64> = (place + 1..=head).collect();
    if wanted.iter().all(|index| held.contains(index)) {
        return (Vec::new(), wanted);
    }
    let given = last.map_or(held.to_vec(), newest);
    let lost = wanted.into_iter().filter(|index| !given.contains(index)).collect();
    (lost, given)
}

fn name(channel: u8) -> String {
    match channel % (CHANNELS + 1) {
        CHANNELS => "$all".into(),
        number => format!("room.{number}"),
    }
}

/// A feed for each audience.
fn feed(audience: Audience) -> FeedKey {
    let encoding = ENCODINGS.iter().position(|known| *known == audience.encoding);
    let paced = usize::from(audience.pace.is_some()) * ENCODINGS.len();
    FeedKey { index: (encoding.unwrap_or_default() + paced) as u32, generation: 1 }
}

fn frame(encoding: Encoding, channel: &str, publication: &Publication) -> Vec<u8> {
    let (mut out, mut text, mut tape) = (Vec::new(), Vec::new(), Tape::default());
    encode::frame(&mut out, &mut text, encoding, channel, publication, &mut tape);
    out
}

fn cost(publication: &Publication) -> usize {
    let from = publication.from.as_ref().map_or(0, |from| from.len());
    let key = publication.key.as_ref().map_or(0, |key| key.len());
    PUBLICATION_OVERHEAD + publication.payload.len() + from + key
}
