//! What must be said of a row before its numbers are believed: something was lost, frames are
//! longer than the floor's, the client had no time left.

use crate::measures::{Quantity, Value};
use crate::results::{ClientTurn, Results};
use crate::work::{Row, Work};

/// Positions grow by a digit now and then, and the envelope with them; nothing else may differ.
const DIGITS: f64 = 8.0;

/// Remarks on one row; none is a good sign.
pub fn marks(results: &Results, work: &Work, row: &Row) -> Vec<String> {
    let of_row = || results.turns.iter().filter(|turn| turn.row == row.name);
    let clients = || of_row().flat_map(|turn| &turn.clients);
    let sum = |field: fn(&ClientTurn) -> u64| -> u64 { clients().map(field).sum() };
    let mut marks = Vec::new();
    for (count, word) in [
        (sum(|client| client.slice.lost), "lost"),
        (sum(|client| client.slice.duplicated), "doubled"),
        (sum(|client| client.slice.reordered), "out of order"),
        (sum(|client| client.slice.closed), "closed"),
    ] {
        if count > 0 {
            marks.push(format!("{count} {word}"));
        }
    }
    let limited = clients().filter(|client| client.slice.client.limit).count();
    if limited > 0 {
        marks
            .push(format!("the client was the limit in {limited} of {} slices", clients().count()));
    }
    marks.extend(row.same_frames.then(|| frames(results, work, row)).flatten());
    let rounds = |name: &str| results.turns.iter().filter(|turn| turn.row == name).count();
    let most = results.about.rows.iter().map(|row| rounds(&row.row)).max().unwrap_or(0);
    if rounds(row.name) < most
        && results.about.absent.iter().any(|words| words.starts_with(row.name))
    {
        marks.push("did not live to the end".into());
    }
    marks
}

fn frames(results: &Results, work: &Work, row: &Row) -> Option<String> {
    let of = |row: &Row| Value::of(Quantity::FrameBytes).series(results, work, row);
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
