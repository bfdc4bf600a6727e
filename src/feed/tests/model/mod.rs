//! A feed beside a slow obvious model of it: every frame of the numbering is kept, every reader is
//! an index, every answer is worked out anew. The model also plays the owner, who cuts pages, and
//! the worker, who sends. The tests of `feed` run it, and so does the fuzz target of that name.

mod owner;

use owner::Numbering;

use crate::feed::Feed;
use crate::feed::pass::Offer;
use crate::feed::subscription::State;
use crate::feed::window::{FRAME_OVERHEAD, LARGE_FRAME, Rest, Run, Spare};
use crate::hub::{Audience, Encoding, Epoch, Frames, Mode, Position};

const AUDIENCE: Audience = Audience { worker: 0, encoding: Encoding::JSON, pace: None };

/// Something that happens to a feed. `which` counts around those that are there.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(fuzzing, derive(arbitrary::Arbitrary))]
pub enum Op {
    /// The owner publishes; `skip` chooses a subscription that shall not get it.
    Publish { size: u16, large: bool, skip: Option<u8> },
    /// The owner publishes, and the delivery is lost.
    Lose { size: u16 },
    /// The owner begins a new numbering after `head`.
    NewEpoch { head: u8 },
    /// Somebody subscribes, and waits for a page.
    Join,
    /// Somebody subscribes from the end on, where that is known.
    JoinLive,
    /// A subscription ends.
    Leave { which: u8 },
    /// The page comes for which a subscription waits.
    Page { which: u8 },
    /// A part of the pass: so many visits, each socket with so much room.
    Pass { visits: u8, room: u16 },
    /// A full socket has room again.
    Unblock { which: u8, room: u16 },
    /// The window is dropped.
    Drop,
}

/// One subscription as the model sees it.
#[derive(Debug)]
struct Reader {
    slot: u32,
    state: State,
    /// The index of the last one that it has; `None` when its numbering has ended.
    place: Option<u64>,
    /// Where its pull said that it stands.
    since: Option<Position>,
    skips: Vec<u64>,
    blocked: bool,
}

impl Reader {
    fn stand_at(&mut self, place: u64) {
        self.place = Some(place);
        while let Some(place) = &mut self.place
            && self.skips.contains(&(*place + 1))
        {
            *place += 1;
        }
    }
}

/// A feed and its model.
#[derive(Debug)]
pub struct Pair {
    feed: Feed,
    spare: Spare,
    window_bytes: usize,
    /// All numberings, by epoch less one; the owner is at the last.
    numberings: Vec<Numbering>,
    /// What the feed has seen of that.
    seen: Epoch,
    end: Option<u64>,
    /// Index of the first frame that the window holds; after `end` when it is empty.
    first: u64,
    /// Whether the worker has the feed on its list.
    hot: bool,
    readers: Vec<Reader>,
    next_slot: u32,
}

impl Pair {
    /// Nothing, in a feed whose window holds so many bytes.
    pub fn new(window_bytes: usize) -> Self {
        Self {
            feed: Feed::new("room".into(), 0, AUDIENCE, 1),
            spare: Spare::default(),
            window_bytes,
            numberings: vec![Numbering::after(0)],
            seen: Epoch(0),
            end: None,
            first: 1,
            hot: false,
            readers: Vec::new(),
            next_slot: 0,
        }
    }

    /// Runs the script, then lets everybody read to the end.
    pub fn run(mut self, script: impl IntoIterator<Item = Op>) {
        for op in script {
            self.step(op);
            self.check();
        }
        self.finish();
    }

    /// Lets one thing happen.
    pub fn step(&mut self, op: Op) {
        match op {
            Op::Publish { size, large, skip } => self.publish(size, large, skip),
            Op::Lose { size } => self.admit(size, false),
            Op::NewEpoch { head } => self.numberings.push(Numbering::after(head.into())),
            Op::Join => self.join(State::Joining),
            Op::JoinLive if self.end.is_some() => self.join(State::Following),
            Op::JoinLive => {}
            Op::Leave { which } => self.leave(which),
            Op::Page { which } => self.page(which),
            Op::Pass { visits, room } => self.pass(visits.into(), room.into()),
            Op::Unblock { which, room } => self.unblock(which, room.into()),
            Op::Drop => {
                self.feed.drop_window(&mut self.spare);
                self.empty_window();
            }
        }
    }

    /// Compares everything that can be seen.
    pub fn check(&self) {
        let end = self.end.map(|index| Position { epoch: self.seen, index });
        assert_eq!(self.feed.position(), end);
        assert_eq!(self.feed.lagging(), self.lagging());
        assert_eq!(self.feed.subscriptions().len(), self.readers.len());
        let bytes: usize = self.window().map(|index| self.cost(index)).sum();
        assert_eq!((self.feed.window_bytes(), self.spare.bytes()), (bytes, bytes));
        for (at, reader) in self.readers.iter().enumerate() {
            let subscription = self.feed.subscriptions()[at];
            assert_eq!((subscription.slot, subscription.state), (reader.slot, reader.state));
            if reader.state != State::Joining {
                let place = reader.place.map(|index| Position { epoch: self.seen, index });
                assert_eq!(self.feed.place_of(at), place);
            }
            self.check_run(at);
        }
    }

    /// Whether everybody has everything.
    pub fn is_read(&self) -> bool {
        self.readers.iter().all(|reader| reader.place == Some(self.head()))
    }

    /// Compares what a subscription is to be sent next.
    fn check_run(&self, at: usize) {
        let reader = &self.readers[at];
        let run = self.feed.run(at);
        if reader.state != State::Following {
            assert!(matches!(run, Run::Waiting), "{run:?}");
            return;
        }
        let (Some(place), Some(end)) = (reader.place, self.end) else {
            assert!(matches!(run, Run::Fallen), "{run:?}");
            return;
        };
        let next = place + 1;
        match run {
            Run::Waiting => panic!("it follows"),
            Run::CaughtUp => assert_eq!(place, end),
            Run::Fallen => assert!(place < end && next < self.first),
            Run::Large(frames) => {
                assert!(next >= self.first && frames == self.frame(next));
                assert!(self.is_large(next));
            }
            Run::Frames(bytes) => {
                assert!(next >= self.first);
                let wanted = |&index: &u64| !self.is_large(index) && !reader.skips.contains(&index);
                let expected = (next..=end).take_while(wanted).map(|index| self.frame(index));
                let expected: Vec<u8> = expected.flat_map(|frame| frame.iter().copied()).collect();
                assert!(!bytes.is_empty() && bytes == expected, "frames after {place}");
            }
        }
    }

    /// After this everybody has everything, by nothing but what a worker does.
    fn finish(mut self) {
        self.step(Op::Publish { size: 1, large: false, skip: None });
        for _ in 0..200 + self.readers.len() {
            for which in (0..=u8::MAX).take(self.readers.len()) {
                self.step(Op::Unblock { which, room: u16::MAX });
                self.step(Op::Page { which });
            }
            self.step(Op::Pass { visits: u8::MAX, room: u16::MAX });
            self.check();
            let waits = |reader: &Reader| reader.blocked || reader.state != State::Following;
            if !self.hot && !self.readers.iter().any(waits) {
                break;
            }
        }
        assert!(self.is_read(), "{:?}", self.readers);
        assert_eq!((self.feed.lagging(), self.spare.bytes()), (0, 0));
    }
}

/// What the worker does.
impl Pair {
    fn join(&mut self, state: State) {
        let slot = self.next_slot;
        self.next_slot += 1;
        let (at, place) = match state {
            State::Joining => (self.feed.join(slot, 7, Mode::All), None),
            _ => (self.feed.join_live(slot, Mode::All), self.end),
        };
        assert_eq!(at, self.readers.len());
        let (since, skips) = (None, Vec::new());
        self.readers.push(Reader { slot, state, place, since, skips, blocked: false });
    }

    fn leave(&mut self, which: u8) {
        let Some(at) = self.pick(which) else { return };
        let (gone, moved) = self.feed.leave(at, &mut self.spare);
        assert_eq!(gone.slot, self.readers.swap_remove(at).slot);
        assert_eq!(moved, self.readers.get(at).map(|reader| reader.slot));
        self.tidy_window();
        if self.readers.is_empty() {
            self.check();
            self.feed = Feed::new("room".into(), 0, AUDIENCE, 1);
            (self.seen, self.end, self.hot) = (Epoch(0), None, false);
        }
    }

    fn page(&mut self, which: u8) {
        let Some(at) = self.pick(which) else { return };
        let reader = &self.readers[at];
        if reader.state == State::Following {
            return;
        }
        let (epoch, head) = (self.epoch(), self.head());
        let last = self.cut(reader.since, reader.state == State::Joining);
        self.hot |= self.feed.turn_page(at, epoch, last, head, &mut self.spare);
        if (self.seen, self.end) != (epoch, Some(head)) {
            self.see(epoch, Some(head));
        }
        let reader = &mut self.readers[at];
        reader.state = State::Following;
        reader.stand_at(last);
        self.tidy_window();
        if !self.readers[at].blocked {
            self.read(at, 1000);
        }
    }

    fn pass(&mut self, visits: usize, room: usize) {
        let mut left = visits;
        while left > 0 && self.hot {
            // Half of all passes try the short way first; both ways must come to the same.
            if room % 2 == 1 {
                left -= self.pass_alike(left, room);
            }
            if left == 0 {
                return;
            }
            left -= 1;
            match self.feed.visit() {
                Some(at) if self.readers[at].blocked => {}
                Some(at) => self.read(at, room),
                None => {
                    self.hot = false;
                    self.check_pass();
                }
            }
        }
    }

    /// When a pass is over, only full sockets and outstanding pages keep anybody.
    fn check_pass(&self) {
        for (at, reader) in self.readers.iter().enumerate().filter(|(_, reader)| !reader.blocked) {
            let run = self.feed.run(at);
            let done = matches!(run, Run::CaughtUp | Run::Waiting);
            assert!(done, "the pass has left out slot {}: {run:?}", reader.slot);
        }
    }

    fn unblock(&mut self, which: u8, room: usize) {
        let Some(at) = self.pick(which) else { return };
        if std::mem::take(&mut self.readers[at].blocked) {
            self.read(at, room);
        }
    }

    /// Lets the feed pass over those who are like most, up to `most`. Returns how many it visited.
    fn pass_alike(&mut self, most: usize, room: usize) -> usize {
        let mut offers: Vec<(u32, Vec<u8>)> = Vec::new();
        let readers = &self.readers;
        let passed = self.feed.pass(&mut self.spare, |slot, run| {
            let blocked = readers.iter().any(|reader| reader.slot == slot && reader.blocked);
            if blocked || offers.len() == most {
                return Offer::Unfit;
            }
            offers.push((slot, run.to_vec()));
            if room < run.len() { Offer::Short } else { Offer::Whole }
        });
        let visited = offers.len();
        assert_eq!(visited, passed.whole + usize::from(passed.short.is_some()));
        let mut deliveries = 0;
        for (slot, run) in offers {
            let at = self.readers.iter().position(|reader| reader.slot == slot).expect("offered");
            let place = self.readers[at].place.expect("who is like most has a place");
            let end = self.end.expect("what is offered has an end");
            let owed = (place + 1..=end).flat_map(|index| self.frame(index).to_vec());
            assert_eq!(run, owed.collect::<Vec<u8>>());
            if passed.short == Some(at) {
                self.take(at, room);
                self.readers[at].blocked = true;
            } else {
                deliveries += end - place;
                self.readers[at].stand_at(end);
            }
        }
        assert_eq!(deliveries, passed.deliveries);
        self.tidy_window();
        visited
    }

    /// Gives a socket with so much room what there is for it.
    fn read(&mut self, at: usize, mut room: usize) {
        loop {
            self.check_run(at);
            let length = match self.feed.run(at) {
                Run::Waiting | Run::CaughtUp => return,
                Run::Fallen => return self.pull(at),
                Run::Frames(bytes) => bytes.len(),
                Run::Large(frames) => frames.len(),
            };
            let taken = room.min(length);
            room -= taken;
            self.take(at, taken);
            if taken < length {
                self.readers[at].blocked = true;
                return;
            }
        }
    }

    /// Moves a reader over so many bytes, frame by frame.
    fn take(&mut self, at: usize, taken: usize) {
        let rest = self.feed.advance(at, taken, &mut self.spare);
        let Some(mut place) = self.readers[at].place else { return };
        let mut left = taken;
        let mut cut: &[u8] = &[];
        while left > 0 {
            place += 1;
            let frame = self.frame(place);
            cut = &frame[left.min(frame.len())..];
            left = left.saturating_sub(frame.len());
        }
        match &rest {
            Rest::None => assert!(cut.is_empty()),
            Rest::Small(bytes) => assert!(!bytes.is_empty() && bytes == cut),
            Rest::Large(frames, from) => {
                assert!(*from < frames.len() && frames[*from..] == *cut);
            }
        }
        self.readers[at].stand_at(place);
        self.tidy_window();
    }

    fn pull(&mut self, at: usize) {
        let since = self.feed.pull(at, 8);
        let reader = &mut self.readers[at];
        reader.state = State::Pulling;
        reader.since = reader.place.map(|index| Position { epoch: self.seen, index });
        assert_eq!(since, reader.since);
    }
}

/// What the feed is to remember.
impl Pair {
    fn pick(&self, which: u8) -> Option<usize> {
        usize::from(which).checked_rem(self.readers.len())
    }

    /// A frame of the numbering that the feed has seen.
    fn frame(&self, index: u64) -> &Frames {
        let numbering = &self.numberings[self.seen.0 as usize - 1];
        &numbering.frames[(index - numbering.base - 1) as usize]
    }

    fn is_large(&self, index: u64) -> bool {
        self.frame(index).len() >= LARGE_FRAME
    }

    fn cost(&self, index: u64) -> usize {
        self.frame(index).len() + FRAME_OVERHEAD
    }

    /// Indices of the frames in the window.
    fn window(&self) -> std::ops::Range<u64> {
        self.first..self.end.map_or(self.first, |end| end + 1)
    }

    fn empty_window(&mut self) {
        self.first = self.end.map_or(0, |end| end + 1);
    }

    /// Nobody lags: nothing is kept.
    fn tidy_window(&mut self) {
        if self.lagging() == 0 {
            self.empty_window();
        }
    }

    /// What has left the window comes by a page, and that comes whole.
    fn forget_skips(&mut self) {
        for reader in &mut self.readers {
            reader.skips.retain(|&skip| skip >= self.first);
        }
    }

    fn lagging(&self) -> usize {
        let Some(end) = self.end else { return 0 };
        let lags = |reader: &&Reader| reader.state != State::Joining && reader.place != Some(end);
        self.readers.iter().filter(lags).count()
    }

    /// The feed begins anew; in another numbering all places are void.
    fn see(&mut self, epoch: Epoch, end: Option<u64>) {
        if epoch != self.seen {
            for reader in &mut self.readers {
                reader.place = None;
                reader.skips.clear();
            }
        }
        (self.seen, self.end) = (epoch, end);
        self.empty_window();
    }
}
