//! Last values and paces, told as stories. With everything else: the model.

use std::sync::Arc;

use super::publication;
use crate::hub::channel::{Channel, Publisher};
use crate::hub::history::{Bounds, History};
use crate::hub::page::{Place, Source};
use crate::hub::{Epoch, GapReason, Now, Pace, Position};
use crate::limits::LAST_VALUES;

/// A history of publications with these keys, one after the other, `""` for none.
fn history(keys: &[&str], bounds: &Bounds) -> History {
    let mut history = History::default();
    for (at, key) in keys.iter().enumerate() {
        let position = Position { epoch: Epoch(1), index: at as u64 + 1 };
        let mut publication = publication(position, b"1");
        publication.key = (!key.is_empty()).then(|| (*key).into());
        history.push(Arc::new(publication), 0, bounds);
    }
    history
}

fn newest(history: &History, from: u64) -> Vec<u64> {
    history.newest(from).map(|publication| publication.position.index).collect()
}

#[test]
fn the_last_value_of_every_key_outlives_the_history() {
    let keys = ["a", "b", "", "a", "c", "", "c", "c"];
    for count in 0..=9 {
        let history = history(&keys, &Bounds { count, bytes: 1 << 20, age_ms: 0 });
        assert_eq!(newest(&history, 0), [2, 4, 6, 8], "{count} held");
        assert_eq!(newest(&history, 5), [6, 8]);
        assert_eq!((history.len(), history.forgotten()), (count.min(8), 0));
    }
}

#[test]
fn too_many_keys_are_forgotten_oldest_first_and_told() {
    let keys: Vec<String> = (0..LAST_VALUES + 3).map(|key| key.to_string()).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let history = history(&keys, &Bounds { count: 5, bytes: 1 << 30, age_ms: 0 });
    assert_eq!((newest(&history, 0).len(), history.forgotten()), (LAST_VALUES, 3));
    let head = keys.len() as u64;
    let source = Source { name: "room", epoch: Epoch(1), head, history: &history };
    let resume = |index| source.resume_latest(Place::At(index), None, GapReason::Slow);
    assert_eq!(resume(3), (None, 4));
    let (gap, next) = resume(2);
    let gap = gap.expect("the third is lost");
    assert_eq!((gap.to.index, gap.missed, next), (3, None, 4));
}

#[test]
fn a_pace_is_never_faster_than_what_was_asked() {
    let periods: Vec<u64> = Pace::all().map(Pace::period_ms).collect();
    assert!(periods.is_sorted() && periods.len() == 16);
    for (rate, period) in [(50.0, 20), (49.0, 40), (2.0, 500), (3.0, 334), (0.1, 10_000)] {
        assert_eq!(Pace::at_most(rate).period_ms(), period, "{rate} a second");
    }
    for hundredths in 10..=5000 {
        let rate = f64::from(hundredths) / 100.0;
        assert!(Pace::at_most(rate).period_ms() as f64 >= 1000.0 / rate, "{rate} a second");
    }
}

#[test]
fn a_channel_takes_a_second_of_its_rate_at_once() {
    let mut channel = Channel::new("room".into(), Epoch(1), Now::default());
    let mut admit =
        |publisher, mono_ms| channel.admit(publisher, 10, Now { mono_ms, ..Now::default() });
    for _ in 0..10 {
        assert_eq!(admit(Publisher::Client, 0), Ok(0));
    }
    assert_eq!(admit(Publisher::Client, 0), Err(100), "in 100 ms there is room for one");
    assert_eq!(admit(Publisher::Backend, 0), Ok(0), "the backend has no rate");
    assert_eq!(admit(Publisher::Client, 100), Ok(0));
    // Who has no words is taken in, and waits for its own and for those before it.
    assert_eq!(admit(Publisher::Raw, 100), Ok(100));
    assert_eq!(admit(Publisher::Raw, 100), Ok(200));
    assert_eq!(admit(Publisher::Client, 200), Err(200));
}

#[test]
fn publishers_without_words_are_two_seconds_ahead_at_most() {
    for rate in [1, 5, 10, 1000] {
        let mut channel = Channel::new("room".into(), Epoch(1), Now::default());
        let mut admit =
            |publisher, mono_ms| channel.admit(publisher, rate, Now { mono_ms, ..Now::default() });
        let taken = (0..100_000).filter(|_| admit(Publisher::Raw, 0).is_ok()).count();
        assert_eq!(taken, 3 * rate as usize, "a second's worth at once, and two ahead");
        let wait_ms = admit(Publisher::Raw, 0).expect_err("no more");
        assert!((2_001..=3_000).contains(&wait_ms), "{wait_ms} at {rate} a second");
        assert!(admit(Publisher::Client, 1_999).is_err());
        assert_eq!(admit(Publisher::Client, 3_000), Ok(0), "others wait no longer than that");
    }
}
