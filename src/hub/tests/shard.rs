//! Single rules of shards, told as stories. All of them together: the model.

use std::collections::HashSet;
use std::sync::Arc;

use super::at;
use super::model::Tape;
use crate::hub::channel::{Draft, Publisher, Terms};
use crate::hub::history::{Bounds, PUBLICATION_OVERHEAD};
use crate::hub::page::Want;
use crate::hub::shard::{Published, Refused, Shard, ShardLimits, Since, Span, owner};
use crate::hub::{
    Audience, ConnectionKey, Delivery, Encoding, FeedKey, Kind, Mode, Position, WorkerId,
};
use crate::limits::LIST_VISITS;

const FEED: FeedKey = FeedKey { index: 1, generation: 1 };

fn shard(change: impl FnOnce(&mut ShardLimits)) -> Shard {
    let mut limits = ShardLimits {
        max_channels: 100,
        max_history_bytes: 1 << 20,
        position_age_ms: 1000,
        idempotency_age_ms: 1000,
        page_bytes: 1 << 16,
    };
    change(&mut limits);
    Shard::new(limits, 1 << 40)
}

const TERMS: Terms =
    Terms { history: Bounds { count: 100, bytes: 1 << 20, age_ms: 0 }, publish_rate: 0 };

fn audience(worker: WorkerId, encoding: Encoding) -> Audience {
    Audience { worker, encoding, pace: None }
}

fn draft() -> Draft {
    Draft { kind: Kind::Json, payload: b"1".as_slice().into(), from: None, key: None, skip: None }
}

fn try_publish(shard: &mut Shard, channel: &str, ms: u64) -> Result<Published, Refused> {
    let (mut tape, mut out) = (Tape::default(), Vec::new());
    let backend = Publisher::Backend;
    let done = shard.publish(channel, backend, None, draft(), &TERMS, at(ms), &mut tape, &mut out);
    done.map(|(done, _)| done)
}

fn publish(shard: &mut Shard, channel: &str, ms: u64) -> Position {
    try_publish(shard, channel, ms).expect("there is room").position
}

fn join(shard: &mut Shard, channel: &str, worker: WorkerId, encoding: Encoding, ms: u64) {
    let (since, mut tape) = (Since::default(), Tape::default());
    let joined =
        shard.join(channel, audience(worker, encoding), FEED, &since, &TERMS, at(ms), &mut tape);
    assert_eq!(joined.map(|joined| joined.recovered), Ok(true));
}

fn names(shard: &Shard) -> Vec<String> {
    shard.list("", None, 100, |_| true).0.iter().map(|listed| listed.name.to_string()).collect()
}

#[test]
fn positions_are_dense_and_epochs_distinct() {
    let mut shard = shard(|limits| limits.max_channels = 3);
    let mut epochs = HashSet::new();
    for life in 0..20 {
        let channel = format!("room.{}", life % 5);
        for index in 1..=4 {
            let position = publish(&mut shard, &channel, life);
            assert_eq!(position.index, index);
            assert_eq!(epochs.insert(position.epoch), index == 1);
        }
    }
    assert_eq!(shard.len(), 3);
}

#[test]
fn a_frame_is_encoded_once_for_each_encoding() {
    let mut shard = shard(|_| {});
    for worker in 0..4 {
        for _ in 0..3 {
            join(&mut shard, "room", worker, Encoding::JSON, 0);
        }
        join(&mut shard, "room", worker, Encoding::RAW, 0);
    }
    let (mut tape, mut out) = (Tape::default(), Vec::new());
    let skip = Some(ConnectionKey { worker: 2, slot: 0, generation: 0 });
    let draft = Draft { skip, ..draft() };
    let done =
        shard.publish("room", Publisher::Backend, None, draft, &TERMS, at(0), &mut tape, &mut out);
    let (done, _) = done.expect("room");
    assert_eq!((done.receivers, out.len(), tape.frames), (16, 8, 2));
    let shared = |(_, delivery): &&(WorkerId, Delivery)| {
        std::sync::Arc::ptr_eq(&delivery.frames, &out[0].1.frames)
    };
    assert_eq!(out.iter().filter(shared).count(), 4);
    for (worker, delivery) in &out {
        assert_eq!(delivery.skip, skip.filter(|_| *worker == 2));
    }
}

#[test]
fn a_storm_of_readers_is_answered_by_one_page() {
    let mut shard = shard(|_| {});
    join(&mut shard, "room", 0, Encoding::JSON, 0);
    let first = publish(&mut shard, "room", 0);
    for _ in 0..9 {
        publish(&mut shard, "room", 0);
    }
    let (mut tape, want) = (Tape::default(), Want::all(Encoding::JSON));
    let pull = |shard: &mut Shard, tape: &mut Tape| {
        let page = shard.pull("room", Some(first), want, &TERMS, at(0), tape).expect("there");
        page.frames.expect("nine")
    };
    let page = pull(&mut shard, &mut tape);
    for _ in 0..50 {
        assert!(std::sync::Arc::ptr_eq(&page, &pull(&mut shard, &mut tape)));
    }
    assert_eq!(tape.frames, 9);
    // A moment later it is not kept any more.
    shard.sweep(at(1));
    assert_eq!(page, pull(&mut shard, &mut tape));
    assert_eq!(tape.frames, 18);
}

#[test]
fn a_storm_of_newcomers_who_want_the_latest_is_answered_by_one_page() {
    for mode in [Mode::All, Mode::Latest] {
        let mut shard = shard(|_| {});
        for _ in 0..9 {
            publish(&mut shard, "room", 0);
        }
        let since = Since { last: Some(5), mode, ..Since::default() };
        let audience = audience(0, Encoding::JSON);
        let mut tape = Tape::default();
        let mut page = |shard: &mut Shard| {
            let joined =
                shard.join("room", audience, FEED, &since, &TERMS, at(0), &mut tape).expect("room");
            (joined.page.last, joined.page.frames.expect("some"))
        };
        let (last, first) = page(&mut shard);
        for _ in 0..50 {
            let (also, shared) = page(&mut shard);
            assert!(last == 9 && also == 9 && std::sync::Arc::ptr_eq(&first, &shared));
        }
        publish(&mut shard, "room", 0);
        let (last, other) = page(&mut shard);
        assert!(last == 10 && other != first, "it begins elsewhere now");
    }
}

#[test]
fn the_oldest_idle_channel_makes_room_and_others_do_not() {
    let mut shard = shard(|limits| limits.max_channels = 3);
    publish(&mut shard, "a", 1);
    publish(&mut shard, "b", 2);
    publish(&mut shard, "c", 3);
    publish(&mut shard, "a", 4);
    join(&mut shard, "c", 0, Encoding::JSON, 5);
    publish(&mut shard, "d", 6);
    assert_eq!(names(&shard), ["a", "c", "d"]);
    for channel in ["a", "d"] {
        join(&mut shard, channel, 0, Encoding::JSON, 7);
    }
    assert_eq!(try_publish(&mut shard, "e", 8), Err(Refused::TooManyChannels));
    let (since, mut tape) = (Since::default(), Tape::default());
    let refused =
        shard.join("e", audience(0, Encoding::JSON), FEED, &since, &TERMS, at(8), &mut tape);
    assert_eq!(refused.map(|_| ()), Err(Refused::TooManyChannels));
    shard.leave("c", audience(0, Encoding::JSON), at(9));
    publish(&mut shard, "e", 10);
    assert_eq!(names(&shard), ["a", "d", "e"]);
}

#[test]
fn a_quiet_channel_is_known_for_position_age() {
    let mut shard = shard(|_| {});
    let position = publish(&mut shard, "quiet", 0);
    publish(&mut shard, "heard", 0);
    join(&mut shard, "heard", 0, Encoding::JSON, 0);
    shard.sweep(at(1000));
    assert_eq!(shard.describe("quiet", &TERMS, at(1000)).position, Some(position));
    shard.sweep(at(1001));
    assert_eq!(names(&shard), ["heard"]);
    assert_ne!(publish(&mut shard, "quiet", 1002).epoch, position.epoch);
    shard.leave("heard", audience(0, Encoding::JSON), at(2000));
    shard.sweep(at(3000));
    assert_eq!(names(&shard), ["heard"]);
}

#[test]
fn the_total_is_shed_from_idle_channels_first() {
    let each = PUBLICATION_OVERHEAD + 1;
    let mut shard = shard(|limits| limits.max_history_bytes = 4 * each);
    let held = |shard: &mut Shard, channel| shard.describe(channel, &TERMS, at(9)).history;
    publish(&mut shard, "idle.1", 1);
    publish(&mut shard, "idle.2", 2);
    join(&mut shard, "busy.1", 0, Encoding::JSON, 3);
    join(&mut shard, "busy.2", 0, Encoding::JSON, 3);
    publish(&mut shard, "busy.1", 4);
    publish(&mut shard, "busy.2", 5);
    publish(&mut shard, "busy.2", 6);
    assert_eq!((held(&mut shard, "idle.1"), held(&mut shard, "idle.2")), (0, 1));
    publish(&mut shard, "busy.2", 7);
    assert_eq!(held(&mut shard, "idle.2"), 0);
    // Nobody else can give: it gives its own oldest.
    publish(&mut shard, "busy.2", 8);
    assert_eq!((held(&mut shard, "busy.1"), held(&mut shard, "busy.2")), (1, 3));
    assert_eq!(shard.history_bytes(), 4 * each);
}

#[test]
fn the_total_holds_when_only_keys_can_give() {
    let each = PUBLICATION_OVERHEAD + 1;
    let mut shard = shard(|limits| limits.max_history_bytes = 9 * each);
    join(&mut shard, "full", 0, Encoding::JSON, 1);
    join(&mut shard, "late", 0, Encoding::JSON, 1);
    for ms in 2..11 {
        publish(&mut shard, "full", ms);
    }
    assert_eq!(shard.history_bytes(), 9 * each);
    let (mut tape, mut out) = (Tape::default(), Vec::new());
    let key = Some(("ann", "k"));
    let published =
        shard.publish("late", Publisher::Client, key, draft(), &TERMS, at(11), &mut tape, &mut out);
    assert!(published.is_ok());
    assert_eq!(shard.history_bytes(), 9 * each, "neither the publication nor its key is kept");
}

#[test]
fn a_repeat_gets_the_first_answer() {
    let mut shard = shard(|_| {});
    let mut repeat = |channel: &str, who: &str, key: &str, ms| {
        let (mut tape, mut out) = (Tape::default(), Vec::new());
        let keyed = Some((who, key));
        let done = shard.publish(
            channel,
            Publisher::Client,
            keyed,
            draft(),
            &TERMS,
            at(ms),
            &mut tape,
            &mut out,
        );
        let (published, publication) = done.expect("there is room");
        assert_eq!(published.duplicate, publication.is_none());
        (published.position.index, published.duplicate)
    };
    assert_eq!(repeat("a", "ann", "1", 0), (1, false));
    assert_eq!(repeat("a", "ann", "1", 1000), (1, true));
    assert_eq!(repeat("a", "bob", "1", 1000), (2, false));
    assert_eq!(repeat("a", "ann", "2", 1000), (3, false));
    assert_eq!(repeat("b", "ann", "1", 1000), (1, false));
    assert_eq!(repeat("a", "ann", "1", 1001), (4, false));
}

#[test]
fn lists_by_prefix_cursor_and_limit() {
    let mut shard = shard(|_| {});
    for name in ["b.1", "b.3", "a", "b", "$all", "c", "b.2", "b.10"] {
        publish(&mut shard, name, 0);
    }
    let list = |prefix: &str, after: Option<&str>, limit| {
        let listed = shard.list(prefix, after, limit, |_| true).0;
        listed.iter().map(|listed| listed.name.to_string()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(list("", None, 100), "a b b.1 b.10 b.2 b.3 c");
    assert_eq!(list("b.", None, 100), "b.1 b.10 b.2 b.3");
    assert_eq!(list("b.", None, 3), "b.1 b.10 b.2");
    assert_eq!(list("b.", Some("b.2"), 3), "b.3");
    assert_eq!(list("", Some("b.11"), 2), "b.2 b.3");
    assert_eq!(list("$", None, 9), "");
    assert_eq!(list("", None, 0), "");
    assert_eq!(list("x", None, 9), "");
}

/// However many channels there are, one look is bounded, and the looks together see each once.
#[test]
fn a_list_of_many_channels_takes_several_looks() {
    let mut shard = shard(|limits| limits.max_channels = 20_000);
    let mut names: Vec<String> = (0..10_000).map(|n| format!("many.{n}")).collect();
    for name in names.iter().map(String::as_str).chain(["$all", "a", "z"]) {
        publish(&mut shard, name, 0);
    }
    names.sort();
    for (limit, wanted) in [(1000, 7), (1, 9999), (5, 1), (100_000, 3)] {
        let visited = std::cell::Cell::new(0);
        let is_wanted = |name: &str| {
            visited.set(visited.get() + 1);
            name.trim_start_matches("many.").parse::<u32>().is_ok_and(|n| n % wanted == 0)
        };
        let (mut found, mut after, mut looks) = (Vec::new(), None::<Arc<str>>, 0);
        while looks == 0 || after.is_some() {
            let (listed, rest) = shard.list("many.", after.as_deref(), limit, is_wanted);
            assert!(listed.len() <= limit && visited.take() <= LIST_VISITS);
            found.extend(listed.iter().map(|listed| listed.name.to_string()));
            (after, looks) = (rest, looks + 1);
            // Names that come and go elsewhere change nothing.
            publish(&mut shard, "many", looks);
        }
        let expected: Vec<_> = names.iter().filter(|name| is_wanted(name)).cloned().collect();
        assert_eq!(found, expected);
        assert!(looks > 9);
    }
}

#[test]
fn history_is_read_in_both_directions() {
    let mut shard = shard(|_| {});
    let terms = Terms { history: Bounds { count: 6, ..TERMS.history }, ..TERMS };
    let positions: Vec<_> = (1..=10).map(|ms| publish(&mut shard, "room", ms)).collect();
    let mut read = |since: Option<u64>, before: Option<u64>, limit| {
        let text = |index: u64| {
            let epoch = positions[0].epoch;
            Position { epoch, index }.to_string().into()
        };
        let span = Span { since: since.map(text), before: before.map(text), limit };
        let excerpt = shard.history("room", &span, &terms, at(11)).expect("it is there");
        assert_eq!(excerpt.position, positions[9]);
        let indices = excerpt.messages.iter().map(|message| message.position.index);
        (indices.collect::<Vec<_>>(), excerpt.more)
    };
    assert_eq!(read(None, None, 3), (vec![8, 9, 10], true));
    assert_eq!(read(None, None, 6), (vec![5, 6, 7, 8, 9, 10], false));
    assert_eq!(read(Some(6), None, 2), (vec![7, 8], true));
    assert_eq!(read(Some(8), None, 2), (vec![9, 10], false));
    assert_eq!(read(Some(1), None, 2), (vec![5, 6], true));
    assert_eq!(read(Some(10), None, 2), (vec![], false));
    assert_eq!(read(Some(11), None, 2), (vec![], false));
    assert_eq!(read(None, Some(9), 2), (vec![7, 8], true));
    assert_eq!(read(None, Some(6), 2), (vec![5], false));
    assert_eq!(read(None, Some(5), 2), (vec![], false));
    assert_eq!(read(None, None, 0), (vec![], true));
    let span = Span { since: None, before: None, limit: 1 };
    assert!(shard.history("nobody", &span, &terms, at(11)).is_none());
}

#[test]
fn every_worker_owns_its_share_and_a_channel_has_one_owner() {
    let mut owned = [0; 4];
    for number in 0..4000 {
        let channel = format!("room.{number}");
        let worker = owner(&channel, 9, 4);
        assert_eq!(worker, owner(&channel, 9, 4));
        assert_eq!(owner(&channel, 9, 1), 0);
        owned[usize::from(worker)] += 1;
    }
    assert!(owned.iter().all(|&count| (850..1150).contains(&count)), "{owned:?}");
    let moved = (0..100).filter(|n| owner(&format!("{n}"), 1, 4) != owner(&format!("{n}"), 2, 4));
    assert!(moved.count() > 50, "the seed decides");
}
