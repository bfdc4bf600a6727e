//! Where a reader goes on, and what it is given.

use std::sync::Arc;

use super::model::{Place, Tape, resume};
use super::publication;
use crate::hub::history::{Bounds, History};
use crate::hub::page::{Page, PageKey, Pages, Source, Want};
use crate::hub::{Encoding, Epoch, GapReason, Position};

const EPOCH: Epoch = Epoch(3);

fn at(index: u64) -> Position {
    Position { epoch: EPOCH, index }
}

/// What is left of `head` publications of so many bytes when `count` are held.
fn history(head: u64, count: usize, size: usize) -> History {
    let bounds = Bounds { count, bytes: usize::MAX, age_ms: 0 };
    let mut history = History::default();
    for index in 1..=head {
        history.push(Arc::new(publication(at(index), &vec![b'1'; size])), 0, &bounds);
    }
    history
}

fn source(head: u64, history: &History) -> Source<'_> {
    Source { name: "room", epoch: EPOCH, head, history }
}

#[test]
fn every_case_of_since_and_last() {
    let elsewhere = Position { epoch: Epoch(9), index: 2 };
    for (head, count) in (0..7).flat_map(|head| (0..=7).map(move |count| (head, count))) {
        let history = history(head, count, 1);
        let held: Vec<u64> = history.from(0).map(|p| p.position.index).collect();
        let places = (0..=head).map(Place::At);
        let others = [Place::Head, Place::Elsewhere(None), Place::Elsewhere(Some(elsewhere))];
        for place in places.chain(others) {
            for last in [None, Some(0), Some(1), Some(3), Some(7), Some(u64::MAX >> 1)] {
                let source = source(head, &history);
                let (gap, next) = source.resume(place, last, GapReason::Evicted);
                let (lost, given) = resume(&held, head, place, last);
                let about = format!("{place:?}, last {last:?}, {held:?} of {head}");
                assert_eq!((next..=head).collect::<Vec<_>>(), given, "{about}");
                let missed = gap.and_then(|gap| gap.missed).unwrap_or(0);
                assert_eq!(missed, lost.len() as u64, "{about}");
                let Some(gap) = gap else {
                    assert!(lost.is_empty() && !matches!(place, Place::Elsewhere(_)), "{about}");
                    continue;
                };
                assert_eq!(gap.to, at(next - 1), "{about}");
                let (after, reason) = match place {
                    Place::At(index) => (Some(at(index)), GapReason::Evicted),
                    Place::Elsewhere(after) => (after, GapReason::Epoch),
                    Place::Head => panic!("the head has no gap: {about}"),
                };
                assert_eq!((gap.after, gap.reason), (after, reason), "{about}");
            }
        }
    }
}

#[test]
fn the_cases_by_name() {
    let history = history(10, 4, 1);
    let source = source(10, &history);
    let gap = |place, last| {
        let (gap, next) = source.resume(place, last, GapReason::Slow);
        (gap.map(|gap| (gap.to.index, gap.missed)), next)
    };
    // Everything is held that comes after 6; of what comes after 5, 6 is lost.
    assert_eq!(gap(Place::At(6), None), (None, 7));
    assert_eq!(gap(Place::At(5), None), (Some((6, Some(1))), 7));
    assert_eq!(gap(Place::At(10), None), (None, 11));
    // `last` decides only when the position cannot be met.
    assert_eq!(gap(Place::At(6), Some(1)), (None, 7));
    assert_eq!(gap(Place::At(5), Some(1)), (Some((9, Some(4))), 10));
    assert_eq!(gap(Place::Head, None), (None, 11));
    assert_eq!(gap(Place::Head, Some(2)), (None, 9));
    assert_eq!(gap(Place::Elsewhere(None), None), (Some((10, None)), 11));
    assert_eq!(gap(Place::Elsewhere(None), Some(2)), (Some((8, None)), 9));
}

#[test]
fn a_page_is_at_most_its_bytes_or_one_frame() {
    let size = 20;
    let history = history(10, 10, size);
    let (source, raw) = (source(10, &history), Want::all(Encoding::RAW));
    // The tape adds 6 bytes to each.
    for page_bytes in [0, 1, 26, 27, 51, 52, 53, 130, 10_000] {
        let mut next = 1;
        let mut read = 0;
        while next <= 10 {
            let page = source.cut(None, next, &raw, &mut Tape::default(), page_bytes, 0);
            let bytes = page.frames.expect("it has some").len();
            assert_eq!(bytes as u64, (page.last - next + 1) * 26);
            assert!(bytes <= page_bytes.max(26));
            let full = bytes + 26 > page_bytes;
            assert!(full || page.last == 10, "{bytes} of {page_bytes}");
            read += page.last - next + 1;
            next = page.last + 1;
        }
        assert_eq!(read, 10);
    }
}

#[test]
fn a_page_at_the_head_is_empty() {
    let history = history(3, 2, 1);
    let mut tape = Tape::default();
    let want = Want::all(Encoding::JSON);
    let page = source(3, &history).cut(None, 4, &want, &mut tape, 100, 0);
    assert_eq!((page.last, page.head, page.frames, tape.frames), (3, 3, None, 0));
}

#[test]
fn a_raw_page_has_no_words_for_its_gap() {
    let history = history(10, 4, 1);
    let source = source(10, &history);
    let (gap, next) = source.resume(Place::At(1), None, GapReason::Slow);
    let cut =
        |encoding| source.cut(gap, next, &Want::all(encoding), &mut Tape::default(), 1 << 20, 0);
    let (raw, json) = (cut(Encoding::RAW), cut(Encoding::JSON));
    assert_eq!((raw.gap, raw.last), (gap, 10));
    assert_eq!(raw.frames.expect("four").len(), 4 * 7);
    let json = json.frames.expect("a gap and four");
    assert!(json[6..].starts_with(br#"{"type":"gap","channel":"room""#));
}

#[test]
fn kept_pages_are_given_only_where_a_new_one_would_be_the_same() {
    let want = Want::all(Encoding::RAW);
    let key = |since, next| PageKey { epoch: EPOCH, since, next, want, head: 0 };
    let page = |last, head| Page { epoch: EPOCH, gap: None, last, head, frames: None };
    let mut pages = Pages::default();
    pages.keep(key(3, 4), &page(8, 8));
    assert!(pages.find(&key(3, 4), 8).is_some());
    assert!(pages.find(&key(2, 4), 8).is_none());
    assert!(pages.find(&key(3, 5), 8).is_none());
    // It reached the head, which has moved on.
    assert!(pages.find(&key(3, 4), 9).is_none());
    // It was full, and says the new head.
    pages.keep(key(3, 4), &page(6, 8));
    assert_eq!(pages.find(&key(3, 4), 9).map(|page| (page.last, page.head)), Some((6, 9)));
    for since in 10..26 {
        pages.keep(key(since, since + 1), &page(since + 1, 90));
    }
    assert!(pages.find(&key(3, 4), 9).is_none(), "the oldest has gone");
    assert!(pages.find(&key(10, 11), 90).is_some());
}
