//! One subscription as its client sees it: where it stands, and whether each thing that it is given
//! or told follows on that.

use fanwire::hub::{Position, Publication};

use crate::oracle::Oracle;

/// A cursor that believes nothing.
#[derive(Debug)]
pub struct Follower {
    channel: String,
    link: u32,
    at: At,
    /// A gap was announced and must come first.
    gap_due: bool,
    /// Everything that was asked for was promised: there can be no gap but by slowness.
    promised: bool,
    /// It asked for no more than so many.
    latest: Option<u64>,
    /// What is superseded need not come: by its mode, or by the rule for slow readers.
    conflates: bool,
}

/// Where a subscription stands.
#[derive(Clone, Copy, Debug)]
enum At {
    /// It has everything up to and with this one.
    Position(Position),
    /// It gets some of the latest up to this head: at most so many.
    Latest(Position, u64),
    /// It may begin anywhere (a raw channel says nothing); the head when it was let in.
    Anywhere(Option<Position>),
}

impl Follower {
    /// Stands behind `position`.
    pub fn at(channel: &str, link: u32, position: Position) -> Self {
        let channel = channel.to_owned();
        let at = At::Position(position);
        Self { channel, link, at, gap_due: false, promised: false, latest: None, conflates: false }
    }

    /// Gets the `count` latest of a channel whose head is `head`.
    pub fn latest(channel: &str, link: u32, head: Position, count: u64) -> Self {
        Self { at: At::Latest(head, count), latest: Some(count), ..Self::at(channel, link, head) }
    }

    /// Begins wherever it begins.
    pub fn anywhere(channel: &str, link: u32, any: Position) -> Self {
        Self { at: At::Anywhere(None), ..Self::at(channel, link, any) }
    }

    /// It was let in: it begins at the head of about now.
    pub fn opened(&mut self, oracle: &Oracle) {
        if let At::Anywhere(head) = &mut self.at {
            *head = oracle.head(&self.channel);
        }
    }

    /// What the ack of a resumption said; `latest` what was asked for beside the position.
    pub fn promise(mut self, recovered: bool, latest: Option<u64>) -> Self {
        (self.gap_due, self.promised, self.latest) = (!recovered, recovered, latest);
        self
    }

    /// It has the newest of every key only, or may have when it is slow.
    pub fn conflated(mut self, conflates: bool) -> Self {
        self.conflates = conflates;
        self
    }

    /// Whether it may go from `after` straight on to `to`.
    fn may_pass(&self, oracle: &Oracle, after: Position, to: Position) -> bool {
        let (channel, link) = (&*self.channel, self.link);
        if self.conflates {
            oracle.may_conflate(channel, after, to, link)
        } else {
            oracle.may_pass(channel, after, to, link)
        }
    }

    /// Whether it may be closed for being slow: several publications have not come.
    pub fn is_slow(&self, oracle: &Oracle) -> bool {
        let head = oracle.head(&self.channel).map_or(0, |head| head.index);
        let behind = match self.at {
            At::Position(at) => head > at.index + 1,
            At::Latest(..) | At::Anywhere(_) => true,
        };
        behind && !self.conflates && oracle.closes(&self.channel)
    }

    /// A publication came.
    pub fn message<'o>(&mut self, oracle: &'o Oracle, position: Position) -> &'o Publication {
        let channel = &self.channel;
        let publication = oracle.publication(channel, position);
        assert!(!self.gap_due, "{position} of {channel} before the gap that was announced");
        match self.at {
            At::Anywhere(_) => {}
            At::Position(at) => {
                assert!(
                    position.epoch == at.epoch && position.index > at.index,
                    "{position} of {channel} after {at}"
                );
                let before = Position { index: position.index - 1, ..position };
                assert!(
                    self.may_pass(oracle, at, before),
                    "{position} of {channel} after {at}: an untold gap"
                );
                if !oracle.may_pass(channel, at, before, self.link) {
                    oracle.superseded.set(oracle.superseded.get() + 1);
                }
            }
            At::Latest(..) if self.conflates => {}
            At::Latest(head, count) => self.check_first(oracle, head, count, position),
        }
        self.at = At::Position(position);
        publication
    }

    /// The first of the latest: as many as were asked for, or as there are.
    fn check_first(&self, oracle: &Oracle, head: Position, count: u64, first: Position) {
        let channel = &self.channel;
        let least = head.index - count.min(head.index);
        let kept = oracle.kept_for_certain().unwrap_or(u64::MAX);
        let before = least.max(head.index.saturating_sub(kept));
        // Behind the head, publications of its own may be missing.
        let passed = (oracle.kept_for_certain().is_none() && first.index > least + 1)
            .then_some(first.index.min(head.index + 1) - 1);
        let start = Position { index: passed.unwrap_or(before), ..head };
        let index = first.index.wrapping_sub(1);
        assert!(
            oracle.may_pass(channel, start, Position { index, ..first }, self.link),
            "{first} of {channel} is the first of {count} up to {head}"
        );
    }

    /// A gap was told.
    pub fn gap(&mut self, oracle: &Oracle, after: Option<Position>, to: Position, told: &Told) {
        let channel = &self.channel;
        let at = match self.at {
            At::Position(at) | At::Latest(at, _) => at,
            At::Anywhere(_) => panic!("a raw channel has no words"),
        };
        if let Some(after) = after {
            assert!(
                after == at || self.may_pass(oracle, at, after),
                "a gap of {channel} after {after}, but it stands at {at}"
            );
        }
        let new_epoch = told.reason == "epoch";
        if new_epoch {
            let beyond = oracle.head(channel).is_none_or(|head| at.index > head.index);
            assert!(to.epoch != at.epoch || beyond, "a new epoch of {channel} at {at}");
        } else {
            assert!(to.epoch == at.epoch && to.index > at.index, "a gap to {to} at {at}");
            assert!(
                oracle.may_be_lost(channel, to, self.latest),
                "a gap of {channel} to {to} at {at}, but history holds it"
            );
            if let Some(missed) = told.missed {
                let after = after.expect("a counted gap says where it begins");
                assert_eq!(missed, to.index - after.index, "lost after {after} up to {to}");
            }
        }
        let slow = told.reason == "slow";
        assert!(slow || !self.promised, "{} gap of {channel} in spite of `recovered`", told.reason);
        if to.index > 0 {
            oracle.publication(channel, to);
        }
        self.gap_due = false;
        self.promised = true;
        self.latest = None;
        self.at = At::Position(to);
    }

    /// Everything was sent: nothing may be missing.
    pub fn check_complete(&self, oracle: &Oracle) {
        let Some(head) = oracle.head(&self.channel) else { return };
        match self.at {
            At::Position(at) | At::Latest(at, _) => assert!(
                self.may_pass(oracle, at, head),
                "{} ends at {at}, but its head is {head}",
                self.channel
            ),
            // Where it stands may have been asked after it was let in: a few may have passed.
            At::Anywhere(began) => {
                let near =
                    |began: Position| began.epoch == head.epoch && began.index + 3 >= head.index;
                let near = began.map_or(head.index <= 3, near);
                assert!(near, "{} never began; its head is {head}", self.channel);
            }
        }
    }

    /// Everything was sent that was published before the marked moment.
    pub fn check_marked(&self, oracle: &Oracle) {
        let Some(marked) = oracle.marked(&self.channel) else { return };
        // Whoever may begin anywhere may have come later.
        let (At::Position(at) | At::Latest(at, _)) = self.at else { return };
        let later = at.epoch != marked.epoch || at.index > marked.index;
        assert!(
            later || self.may_pass(oracle, at, marked),
            "{} ends at {at}, but {marked} was published before",
            self.channel
        );
    }

    /// The server says that it has given everything up to and with `position`.
    pub fn check_left(&self, oracle: &Oracle, position: Position) {
        if let At::Position(at) = self.at {
            assert!(
                at == position || self.may_pass(oracle, at, position),
                "{} was left at {position}, but stands at {at}",
                self.channel
            );
        }
    }
}

/// What else a gap says.
#[derive(Debug)]
pub struct Told {
    /// Why.
    pub reason: String,
    /// How many.
    pub missed: Option<u64>,
}
