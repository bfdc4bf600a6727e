//! Random comings and goings: whoever listens knows in the end exactly who is there, and on the way
//! each difference fits what was told before.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

#[derive(Clone, Copy, Debug)]
enum Op {
    Enter(u8),
    Exit(u8),
    Listen(u8),
    Leave(u8),
    Pull(u8),
    Wait(u16),
    Rule(bool),
}

fn op() -> impl Strategy<Value = Op> {
    let n = any::<u8>;
    prop_oneof![
        8 => n().prop_map(Op::Enter),
        7 => n().prop_map(Op::Exit),
        2 => (0u8..3).prop_map(Op::Listen),
        1 => (0u8..3).prop_map(Op::Leave),
        1 => (0u8..3).prop_map(Op::Pull),
        4 => (0u16..3000).prop_map(Op::Wait),
        1 => any::<bool>().prop_map(Op::Rule),
    ]
}

/// What a client makes of the messages.
#[derive(Clone, Debug, Default)]
struct View {
    count: u64,
    /// Nothing is known of names.
    counts: bool,
    members: BTreeSet<String>,
}

impl View {
    fn take(&mut self, data: &Value) {
        self.count = data["count"].as_u64().expect("it always comes");
        let names = |field: &str| {
            let list = data.get(field)?.as_array().expect("a list");
            Some(list.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        let snapshot = data.get("snapshot").is_some();
        match (names("members"), names("joined"), names("left")) {
            (Some(members), None, None) if snapshot => {
                (self.counts, self.members) = (false, members.into_iter().collect());
            }
            (None, Some(joined), Some(left)) if !snapshot => {
                assert!(!self.counts, "a difference to what?");
                for name in left {
                    assert!(self.members.remove(&name), "{name} left, but was not there");
                }
                for name in joined {
                    assert!(self.members.insert(name.clone()), "{name} is there already");
                }
            }
            (None, None, None) => (self.counts, self.members) = (true, BTreeSet::new()),
            _ => panic!("{data}"),
        }
        assert!(self.counts || self.members.len() as u64 == self.count, "{data}");
    }
}

/// The slow and obvious one: connections, and users that are away.
struct Model {
    story: Story,
    /// By connection; the first half are of three users.
    there: BTreeSet<u8>,
    away: BTreeMap<String, u64>,
    views: BTreeMap<u8, View>,
}

fn who(connection: u8) -> Who {
    match connection % 16 {
        n @ 0..8 => user(&format!("u{}", n % 3)),
        n => guest(n.into()),
    }
}

impl Model {
    fn members(&self) -> BTreeSet<Who> {
        let away = self.away.keys().map(|name| user(name));
        self.there.iter().map(|&connection| who(connection)).chain(away).collect()
    }

    fn step(&mut self, op: Op) {
        let delay_ms = self.story.presences.limits.leave_delay_ms;
        match op {
            Op::Enter(connection) if self.there.insert(connection % 16) => {
                let who = who(connection);
                if let Who::User(name) = &who {
                    self.away.remove(&**name);
                }
                self.story.enter(&who);
            }
            Op::Exit(connection) if self.there.remove(&(connection % 16)) => {
                let who = who(connection);
                self.story.exit(&who);
                if let Who::User(name) = &who
                    && delay_ms > 0
                    && !self.members().contains(&who)
                {
                    self.away.insert(name.to_string(), self.story.now.mono_ms + delay_ms);
                }
            }
            Op::Listen(worker) if !self.views.contains_key(&worker) => {
                let mut view = View::default();
                view.take(&self.story.hear(worker.into()));
                self.views.insert(worker, view);
            }
            Op::Leave(worker) if self.views.remove(&worker).is_some() => {
                self.story.unhear(worker.into());
            }
            Op::Pull(worker) if self.views.contains_key(&worker) => {
                let (now, framer) = (self.story.now, &mut self.story.framer);
                let page = self.story.presences.pull("c", JSON, now, framer).expect("it listens");
                let mut view = View::default();
                view.take(&data(&page.frames.expect("a snapshot")));
                let known = &self.views[&worker];
                assert_eq!((&view.members, view.count), (&known.members, known.count));
            }
            Op::Wait(ms) => self.wait(ms.into()),
            Op::Rule(full) => {
                self.story.full = full;
                self.story.presences.reconsider(self.story.now);
            }
            _ => {}
        }
        self.check();
    }

    fn wait(&mut self, ms: u64) {
        let told = self.story.after(ms);
        let now_ms = self.story.now.mono_ms;
        self.away.retain(|_, leave_ms| *leave_ms > now_ms);
        let listeners = self.views.len();
        assert!(told.is_empty() || told.len() == listeners, "one message for each worker");
        for view in self.views.values_mut() {
            told.iter().take(1).for_each(|data| view.take(data));
        }
    }

    /// What the owner knows of itself is right at any time.
    fn check(&self) {
        let members = self.members();
        for Attendance { count, members: named, .. } in self.story.presences.rosters() {
            let known = named.iter().all(|who| members.contains(who));
            assert!(known, "{named:?} of {members:?}");
            let least = self.there.iter().map(|&connection| who(connection));
            let least = least.collect::<BTreeSet<_>>().len() as u64;
            assert!(count >= least, "who has no name counts by connections, and has no delay");
        }
        let presences = &self.story.presences;
        assert!(presences.bytes() <= presences.limits.max_bytes);
        let rosters = presences.rosters.iter();
        let sums = rosters.map(|(_, roster)| (roster.members.named(), roster.members.bytes()));
        let (named, bytes) = sums.fold((0, 0), |(n, b), (named, bytes)| (n + named, b + bytes));
        assert_eq!((named, bytes), (presences.named(), presences.bytes()));
    }

    /// After a quiet time everybody knows everything.
    fn settle(&mut self, roomy: bool) {
        for _ in 0..20 {
            self.wait(1000);
        }
        let members = self.members();
        for view in self.views.values().filter(|_| roomy) {
            assert_eq!(view.count, members.len() as u64);
            let names = members.iter().map(|who| match who {
                Who::User(name) => json!({"user": **name}).to_string(),
                Who::Guest(key) => json!({"connection": name(0, *key)}).to_string(),
            });
            assert!(view.counts || view.members == names.collect(), "{view:?}: {members:?}");
        }
        for connection in std::mem::take(&mut self.there) {
            self.story.exit(&who(connection));
        }
        for worker in std::mem::take(&mut self.views).into_keys() {
            self.story.unhear(worker.into());
        }
        self.wait(60_000);
        let presences = &self.story.presences;
        assert_eq!((presences.named(), presences.bytes()), (0, 0));
        assert_eq!((presences.rosters().count(), presences.next_ms()), (0, u64::MAX));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn whoever_listens_knows_who_is_there(
        most in 0usize..12,
        delay_ms in prop_oneof![Just(0u64), Just(1500)],
        max_bytes in prop_oneof![3 => Just(1usize << 20), 1 => 0usize..800],
        script in prop::collection::vec(op(), 0..150),
    ) {
        let story = Story::new(|limits| {
            (limits.members, limits.leave_delay_ms) = (most, delay_ms);
            limits.max_bytes = max_bytes;
        });
        let (there, away, views) = Default::default();
        let mut model = Model { story, there, away, views };
        for op in script {
            model.step(op);
        }
        model.settle(max_bytes == 1 << 20);
    }
}
