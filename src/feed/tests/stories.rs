//! Single rules of feeds, told as stories.

use super::model::{Op, Pair};

const PUBLISH: Op = Op::Publish { size: 10, large: false, skip: None };

/// A feed in which so many follow, and nobody lags.
fn followed_by(count: u8) -> Pair {
    let mut pair = Pair::new(1 << 20);
    pair.step(Op::Join);
    pair.step(Op::Page { which: 0 });
    for _ in 1..count {
        pair.step(Op::JoinLive);
    }
    pair
}

/// `run` compares with the model at every step, and at the end of each pass.
fn tell(pair: Pair, story: &[Op]) {
    pair.run(story.iter().copied());
}

#[test]
fn the_pass_reaches_all_when_somebody_joins_meanwhile() {
    let some = Op::Pass { visits: 2, room: u16::MAX };
    let rest = Op::Pass { visits: 9, room: u16::MAX };
    for newcomer in [Op::Join, Op::JoinLive] {
        tell(followed_by(3), &[PUBLISH, some, newcomer, PUBLISH, some, newcomer, newcomer, rest]);
        // The newcomer stands where the pass, half way round, has yet to turn.
        tell(followed_by(3), &[PUBLISH, some, PUBLISH, newcomer, rest]);
    }
}

#[test]
fn the_pass_reaches_all_when_somebody_leaves_meanwhile() {
    for visits in 0..4 {
        for which in 0..4 {
            let part = Op::Pass { visits, room: u16::MAX };
            let rest = Op::Pass { visits: 9, room: u16::MAX };
            tell(followed_by(4), &[PUBLISH, part, Op::Leave { which }, rest]);
        }
    }
}

#[test]
fn a_new_epoch_forgets_what_was_to_be_skipped() {
    let skip = |which| Op::Publish { size: 1, large: false, skip: Some(which) };
    let story = [
        Op::Pass { visits: 1, room: 0 },
        PUBLISH,
        PUBLISH,
        skip(0),
        Op::NewEpoch { head: 0 },
        PUBLISH,
        Op::Unblock { which: 0, room: u16::MAX },
        Op::Page { which: 0 },
        // The third one of the new numbering has the index of the one that was skipped.
        PUBLISH,
        PUBLISH,
        Op::Pass { visits: 9, room: u16::MAX },
    ];
    let mut pair = followed_by(1);
    pair.step(PUBLISH);
    tell(pair, &story);
}

#[test]
fn members_are_visited_when_a_page_shows_that_a_delivery_was_lost() {
    let story =
        [Op::Lose { size: 1 }, Op::Join, Op::Page { which: 3 }, Op::Pass { visits: 9, room: 99 }];
    let mut pair = followed_by(3);
    for op in story {
        pair.step(op);
        pair.check();
    }
    // They have been visited, and pull: nothing more needs to be published for that.
    for which in 0..3 {
        pair.step(Op::Page { which });
    }
    assert!(pair.is_read());
}

#[test]
fn a_cut_frame_counts_as_sent_wherever_it_is_cut() {
    for room in 0..40 {
        let pass = Op::Pass { visits: 3, room };
        let large = Op::Publish { size: 20, large: true, skip: None };
        tell(followed_by(2), &[PUBLISH, PUBLISH, PUBLISH, large, PUBLISH, pass, PUBLISH]);
        tell(followed_by(2), &[large, PUBLISH, pass, large, PUBLISH]);
    }
}

#[test]
fn who_skips_still_gets_what_comes_before_and_after() {
    let skip = |which| Op::Publish { size: 3, large: false, skip: Some(which) };
    let large = Op::Publish { size: 20, large: true, skip: Some(1) };
    let pass = Op::Pass { visits: 9, room: u16::MAX };
    tell(followed_by(2), &[skip(0), skip(0), PUBLISH, skip(0), skip(1), large, PUBLISH, pass]);
}
