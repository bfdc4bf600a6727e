//! What must be true. The oracle hears of each publication from its owner, at the instant in which
//! it gets its position, and never from an answer; clients ask it whether what they got is right.
//! A violation is a panic that says what is wrong.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fanwire::hub::{Kind, Position, Publication};
use fanwire::policy::Policy;
use fanwire::policy::rule::OnSlow;

use crate::client::payload;
use crate::rights::{Rights, Stamp};
use crate::world::Admission;
use crate::world::backend::number_in;
use crate::world::tally::Tally;

/// Everything that was meant to be published and everything that was.
#[derive(Debug, Default)]
pub struct Oracle {
    channels: BTreeMap<String, Log>,
    intents: Vec<Intent>,
    /// How many publications each history holds, where nothing but the count bounds it: then it is
    /// known what may be told as a gap.
    exact_history: Option<u64>,
    /// Idempotency keys have so little room that they may be forgotten.
    forgetful: bool,
    /// How often somebody was not given what was superseded.
    pub superseded: Cell<u64>,
    /// Who is in each channel when nothing happens any more: how many, and those whose names are
    /// known.
    pub present: BTreeMap<String, (u64, BTreeSet<String>)>,
    /// The rules in force.
    pub policy: Arc<Policy>,
    /// What tokens and rules allow at which time.
    pub rights: Rights,
    /// The heads of all channels at a moment that was marked.
    marked: Option<BTreeMap<String, Position>>,
    /// How often something happened.
    pub tally: Tally,
}

/// All lives of one channel, the last one is the present.
#[derive(Debug, Default)]
struct Log {
    lives: Vec<Vec<Publication>>,
}

/// A publication that somebody wants. Its number stands in the payload.
#[derive(Debug)]
pub struct Intent {
    /// The channel.
    pub channel: String,
    /// How the payload is to be understood.
    pub kind: Kind,
    /// What is published.
    pub payload: Vec<u8>,
    /// The links on which it is published, if the subscriptions of those shall not get it.
    pub skip: Vec<u32>,
    /// Set when the server said that it did not happen.
    refused: bool,
    /// It was said before, and nobody knows what became of that.
    repeated: bool,
    admitted: Option<Position>,
}

impl Oracle {
    /// An oracle that has heard nothing yet.
    pub fn new(exact_history: Option<u64>, forgetful: bool) -> Self {
        Self { exact_history, forgetful, ..Self::default() }
    }

    /// Notes that somebody is about to publish; `payload` gets the number to put in.
    pub fn intend(
        &mut self,
        channel: &str,
        kind: Kind,
        skip: Option<u32>,
        payload: impl FnOnce(usize) -> Vec<u8>,
    ) -> usize {
        let number = self.intents.len();
        let payload = payload(number);
        debug_assert_eq!(number_in(&payload), Some(number));
        let (channel, skip) = (channel.to_owned(), skip.into_iter().collect());
        self.intents.push(Intent {
            channel,
            kind,
            payload,
            skip,
            refused: false,
            repeated: false,
            admitted: None,
        });
        number
    }

    /// What was intended under this number.
    pub fn intent(&self, number: usize) -> &Intent {
        &self.intents[number]
    }

    /// It is published again, on another link; where its own subscriptions did not want it, those
    /// of this link do not either.
    pub fn repeat(&mut self, number: usize, link: u32) {
        let intent = &mut self.intents[number];
        intent.repeated = true;
        if !intent.skip.is_empty() {
            intent.skip.push(link);
        }
        self.tally.count("publishes repeated");
    }

    /// The owner has given a position.
    pub fn admit(&mut self, admission: Admission, stamp: Stamp) {
        let Admission { channel, publication } = admission;
        let position = publication.position;
        self.rights.admitted(&channel, position, stamp);
        let number = number_in(&publication.payload).expect("a payload of ours");
        let intent = &mut self.intents[number];
        assert_eq!(intent.channel, channel, "{number} is in another channel");
        assert_eq!(intent.kind, publication.kind, "{number} changed its kind");
        assert_eq!(intent.payload[..], publication.payload[..], "{number} changed");
        assert!(!intent.refused, "{number} was refused and is now admitted as {position}");
        let again = intent.admitted.is_some() && !(self.forgetful && intent.repeated);
        assert!(!again, "{number} is admitted again as {position}: {intent:?}");
        if let Some(key) = &publication.key {
            assert_eq!(Some(&**key), payload::key(number).as_deref(), "the key of {number}");
        }
        intent.admitted = Some(position);
        let log = self.channels.entry(channel.clone()).or_default();
        match log.lives.last_mut() {
            Some(life) if life[0].position.epoch == position.epoch => {
                let last = life.last().expect("a life has publications").position.index;
                assert_eq!(position.index, last + 1, "positions of {channel} are dense");
                life.push(publication);
            }
            other => {
                if other.is_some() {
                    self.tally.count("channels with a second life");
                }
                assert_eq!(position.index, 1, "a life of {channel} begins with 1");
                let old = log.lives.iter().find(|life| life[0].position.epoch == position.epoch);
                assert!(old.is_none(), "an epoch of {channel} comes again");
                log.lives.push(vec![publication]);
            }
        }
    }

    /// The server said that this was published at `position`.
    pub fn acknowledge(&mut self, number: usize, position: Position, duplicate: bool) {
        let intent = &self.intents[number];
        assert_eq!(intent.admitted, Some(position), "{number} is acknowledged as {position}");
        self.tally.count(if duplicate { "duplicates acknowledged" } else { "publishes" });
    }

    /// Whether this was published again, on another link.
    pub fn is_repeated(&self, number: usize) -> bool {
        self.intents[number].repeated
    }

    /// The server said that this was not published.
    pub fn refuse(&mut self, number: usize) {
        let intent = &mut self.intents[number];
        if !intent.repeated {
            assert_eq!(intent.admitted, None, "{number} was refused, but admitted");
            intent.refused = true;
        }
    }

    /// Whether this has a position.
    pub fn admitted(&self, number: usize) -> Option<Position> {
        self.intents[number].admitted
    }

    /// The publication at a position.
    pub fn publication(&self, channel: &str, position: Position) -> &Publication {
        let life = self
            .channels
            .get(channel)
            .and_then(|log| log.lives.iter().find(|life| life[0].position.epoch == position.epoch));
        life.and_then(|life| life.get((position.index as usize).wrapping_sub(1)))
            .unwrap_or_else(|| panic!("{position} of {channel} was never admitted"))
    }

    /// The latest position of a channel that ever had one.
    pub fn head(&self, channel: &str) -> Option<Position> {
        let life = self.channels.get(channel)?.lives.last()?;
        life.last().map(|publication| publication.position)
    }

    /// Whether a subscription on `link` may go from `after` straight on to `to`: the same, or
    /// everything behind `after` up to and with `to` was not meant for it.
    pub fn may_pass(&self, channel: &str, after: Position, to: Position, link: u32) -> bool {
        after.epoch == to.epoch
            && after.index <= to.index
            && (after.index + 1..=to.index).all(|index| {
                let publication = self.publication(channel, Position { index, ..to });
                let number = number_in(&publication.payload).expect("checked when admitted");
                self.intents[number].skip.contains(&link)
            })
    }

    /// The same for a reader of the newest of every key, for whom what is superseded need not come.
    pub fn may_conflate(&self, channel: &str, after: Position, to: Position, link: u32) -> bool {
        after.epoch == to.epoch
            && after.index <= to.index
            && (after.index + 1..=to.index).all(|index| {
                let position = Position { index, ..to };
                let before = Position { index: index - 1, ..to };
                self.is_superseded(channel, position)
                    || self.may_pass(channel, before, position, link)
            })
    }

    /// Whether something newer has the same key.
    fn is_superseded(&self, channel: &str, position: Position) -> bool {
        let key = &self.publication(channel, position).key;
        let Some(log) = self.channels.get(channel) else { return false };
        let life = log.lives.iter().find(|life| life[0].position.epoch == position.epoch);
        let newer = life.map_or(&[][..], |life| &life[position.index as usize..]);
        newer.iter().any(|publication| publication.key == *key)
    }

    /// Whether slow readers of everything get the newest of every key of this channel.
    pub fn conflates(&self, channel: &str) -> bool {
        self.policy.rule(channel).on_slow == OnSlow::Latest
    }

    /// Whether slow readers of this channel are closed.
    pub fn closes(&self, channel: &str) -> bool {
        self.policy.rule(channel).on_slow == OnSlow::Close
    }

    /// Somebody was closed with 4001: because it read too slowly, which its place must show, or
    /// else because it did not end a message; how many those are is known at the end.
    pub fn was_slow(&mut self, reads: bool) {
        self.tally.count(if reads { "closed: slow" } else { "closed: slow sender" });
    }

    /// Marks this moment: a node that stops owes everybody what was published before it.
    pub fn mark(&mut self) {
        let heads = self.channels.keys().filter_map(|name| Some((name.clone(), self.head(name)?)));
        self.marked = Some(heads.collect());
    }

    /// Whether a moment is marked.
    pub fn is_marked(&self) -> bool {
        self.marked.is_some()
    }

    /// The head that a channel had at the marked moment.
    pub fn marked(&self, channel: &str) -> Option<Position> {
        self.marked.as_ref()?.get(channel).copied()
    }

    /// How many publications a history holds for certain.
    pub fn kept_for_certain(&self) -> Option<u64> {
        self.exact_history
    }

    /// Whether history may have lost everything up to and with `to`, and so that a gap of it is
    /// true; `latest`: the reader wanted no more than so many.
    pub fn may_be_lost(&self, channel: &str, to: Position, latest: Option<u64>) -> bool {
        let (Some(count), Some(head)) = (self.exact_history, self.head(channel)) else {
            return true;
        };
        let kept = latest.map_or(count, |latest| latest.min(count));
        head.epoch != to.epoch || to.index + kept <= head.index
    }
}

/// Reads a position as the contract writes it.
pub fn position(text: &str) -> Position {
    Position::parse(text).unwrap_or_else(|| panic!("not a position: {text}"))
}
