//! What must be said of a row before its numbers are believed: something was lost, frames are
//! longer than the floor's, the client had no time left.

use crate::measures::{Quantity, Value};
use crate::results::{ClientTurn, Results};
use crate::work::{Row, Work};

/// Positions grow by a digit now and then, and the envelope with them; nothing else may differ.
const DIGITS: f64 = 8.0;

/// Remarks on one row; none is a good sign.
pub fn marks(results: &Results, work: &Work, row: &Row) -> Vec<String> {
    let mut marks = faults(results, work, row);
    let closed: u64 = clients(results, row).map(|client| client.slice.closed).sum();
    marks.extend((closed > 0).then(|| format!("{closed} closed")));
    let count = clients(results, row).count();
    let limited = clients(results, row).filter(|client| client.slice.client.limit).count();
    let words = format!("the client was the limit in {limited} of {count} slices");
    marks.extend((limited > 0).then_some(words));
    let failed = |words: &String| words.starts_with(&format!("{}: ", row.name));
    if count > 0 && results.about.absent.iter().any(failed) {
        marks.push("did not live to the end".into());
    }
    marks
}

/// Those that do not depend on how busy the machine is.
pub fn faults(results: &Results, work: &Work, row: &Row) -> Vec<String> {
    let sum = |field: fn(&ClientTurn) -> u64| -> u64 { clients(results, row).map(field).sum() };
    let counts = [
        (sum(|client| client.slice.lost), "lost"),
        (sum(|client| client.slice.duplicated), "doubled"),
        (sum(|client| client.slice.reordered), "out of order"),
    ];
    let counted = counts.into_iter().filter(|(count, _)| *count > 0);
    let words = counted.map(|(count, word)| format!("{count} {word}"));
    words.chain(row.same_frames.then(|| frames(results, work, row)).flatten()).collect()
}

fn clients<'a>(results: &'a Results, row: &'a Row) -> impl Iterator<Item = &'a ClientTurn> {
    results.turns.iter().filter(|turn| turn.row == row.name).flat_map(|turn| &turn.clients)
}

fn frames(results: &Results, work: &Work, row: &Row) -> Option<String> {
    let of = |row: &Row| Value::of(Quantity::FrameBytes).series(results, work, row).concat();
    let baseline = of(work.row(row.baseline)?);
    let pairs = of(row).into_iter().zip(&baseline);
    let (own, floor) = pairs.into_iter().find(|(own, floor)| (own - *floor).abs() > DIGITS)?;
    Some(format!("frames of {own} bytes, the floor's of {floor}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::{About, Turn};
    use crate::works::work;

    fn turn(round: u32, row: &str, frame_bytes: u64) -> Turn {
        let mut client = ClientTurn::default();
        client.slice.frame_bytes = Some(frame_bytes);
        let phase = "load".into();
        Turn { round, row: row.into(), phase, clients: vec![client], ..Turn::default() }
    }

    fn marks_of(row: &str, turns: Vec<Turn>) -> Vec<String> {
        let work = work("fanout-1k").expect("it is in the table");
        let results = Results { about: About::default(), turns };
        marks(&results, work, work.row(row).expect("it takes part"))
    }

    #[test]
    fn a_clean_row_has_none() {
        let turns = vec![turn(0, "floor", 132), turn(0, "fanwire-raw", 132)];
        assert!(marks_of("fanwire-raw", turns).is_empty());
    }

    #[test]
    fn losses_and_limits_are_told() {
        let mut bad = turn(0, "bun", 132);
        bad.clients[0].slice.lost = 3;
        bad.clients[0].slice.reordered = 1;
        bad.clients[0].slice.client.limit = true;
        let words = marks_of("bun", vec![bad, turn(1, "bun", 132)]);
        let limit = "the client was the limit in 1 of 2 slices";
        assert_eq!(words, ["3 lost", "1 out of order", limit]);
    }

    #[test]
    fn frames_must_be_as_long_as_the_floor_s_where_that_is_promised() {
        let turns = |own| vec![turn(0, "floor", 132), turn(0, "fanwire-raw", own)];
        let words = "frames of 164 bytes, the floor's of 132";
        assert_eq!(marks_of("fanwire-raw", turns(164)), [words]);
        assert!(marks_of("fanwire-raw", turns(134)).is_empty());
        let longer = vec![turn(0, "floor", 132), turn(0, "socketio", 164)];
        assert!(marks_of("socketio", longer).is_empty());
    }
}
