//! The backend that hooks call, as a model: it takes its time, says yes, no or nothing, and
//! believes what it is told. What it believes must be true: who it let in is told of when gone,
//! once, and a channel is occupied and vacated in turns.

use std::collections::{BTreeMap, BTreeSet};

use fanwire::hooks::{Call, Ticket, Verdict};
use fanwire::policy::hook::Event;
use serde_json::Value;

use super::random::Random;
use super::tally::Tally;

/// What it has been asked and told.
#[derive(Debug, Default)]
pub struct Backend {
    /// Questions, each with the time of its answer.
    open: Vec<(u64, Question)>,
    /// Connections that it has let in, or may have.
    present: BTreeSet<String>,
    /// Channels with subscribers.
    occupied: BTreeSet<String>,
    /// What it said to publications, by their number.
    said: BTreeMap<usize, bool>,
    /// It never says no or nothing.
    kind: bool,
}

#[derive(Debug)]
struct Question {
    event: Event,
    connection: String,
    ticket: Ticket,
    verdict: Verdict,
    /// The number of the publication.
    number: Option<usize>,
}

impl Backend {
    /// From now on it allows everything, soon.
    pub fn calm_down(&mut self) {
        self.kind = true;
    }

    /// Takes a call, or has no room for it.
    pub fn call(
        &mut self,
        call: &Call,
        now_ms: u64,
        random: &mut Random,
        tally: &mut Tally,
    ) -> bool {
        let body: Value = serde_json::from_slice(&call.body).expect("JSON");
        assert_eq!(body["event"], call.event.word());
        let text = |field: &str| body[field].as_str().unwrap_or_default().to_owned();
        let (connection, channel) = (text("connection"), text("channel"));
        let Some(ticket) = call.ticket else {
            self.take_event(call.event, &connection, channel, tally);
            return true;
        };
        // One message of a connection at a time; only a subscribe has more than one question.
        let mut others = self.open.iter().filter(|(_, other)| other.connection == connection);
        let same = |other: &Question| {
            let both = (other.event, call.event) == (Event::Subscribe, Event::Subscribe);
            both && other.ticket.parked == ticket.parked
        };
        assert!(others.all(|(_, other)| same(other)), "{connection} asks while it waits");
        let verdict = match random.below(25) {
            _ if self.kind => Verdict::Allowed,
            0 => return false,
            1 => Verdict::Silent,
            2 | 3 => Verdict::Denied((random.below(2) == 0).then(|| "no".into())),
            _ => Verdict::Allowed,
        };
        let delay_ms = if random.chance(100) { random.below(400) } else { random.below(20) };
        let number = (call.event == Event::Publish).then(|| publication(&body));
        let question = Question { event: call.event, connection, ticket, verdict, number };
        self.open.push((now_ms + delay_ms as u64, question));
        true
    }

    fn take_event(&mut self, event: Event, connection: &str, channel: String, tally: &mut Tally) {
        match event {
            Event::Disconnect => {
                assert!(self.present.remove(connection), "{connection} was never here");
                tally.count("disconnects told");
            }
            Event::Occupied => {
                assert!(self.occupied.insert(channel), "occupied twice");
                tally.count("channels occupied");
            }
            Event::Vacated => {
                assert!(self.occupied.remove(&channel), "{channel} was vacant");
                tally.count("channels vacated");
            }
            other => panic!("{other:?} is a question"),
        }
    }

    /// When the next answer is due.
    pub fn due_ms(&self) -> Option<u64> {
        self.open.iter().map(|(due_ms, _)| *due_ms).min()
    }

    /// The answers that are due by now.
    pub fn answers(&mut self, now_ms: u64, tally: &mut Tally) -> Vec<(Ticket, Verdict)> {
        let due: Vec<_> = self.open.extract_if(.., |(due_ms, _)| *due_ms <= now_ms).collect();
        let answer = |(_, question): (u64, Question)| {
            let Question { event, connection, ticket, verdict, number } = question;
            tally.count(match verdict {
                Verdict::Allowed => "questions allowed",
                Verdict::Denied(_) => "questions denied",
                Verdict::Silent | Verdict::Crowded => "questions without an answer",
            });
            if event == Event::Connect && !matches!(verdict, Verdict::Denied(_)) {
                self.present.insert(connection);
            }
            if let Some(number) = number {
                // One that is repeated may have happened already.
                *self.said.entry(number).or_default() |= verdict == Verdict::Allowed;
            }
            (ticket, verdict)
        };
        due.into_iter().map(answer).collect()
    }

    /// Something that was published: if it was asked about, then with success.
    pub fn check_published(&self, payload: &[u8]) {
        let said = number_in(payload).and_then(|number| self.said.get(&number));
        assert_ne!(said, Some(&false), "it was not allowed: {payload:?}");
    }

    /// Whether it has allowed a publication.
    pub fn has_allowed(&self, number: usize) -> bool {
        self.said.get(&number) == Some(&true)
    }

    /// Everybody has gone.
    pub fn check_empty(&self) {
        assert!(self.open.is_empty(), "{:?}", self.open);
        assert!(self.present.is_empty(), "gone, and not told: {:?}", self.present);
        assert!(self.occupied.is_empty(), "vacated, and not told: {:?}", self.occupied);
    }
}

fn publication(body: &Value) -> usize {
    use base64::Engine as _;
    let data = body["data"].to_string();
    let bytes = match body["encoding"].as_str() {
        Some("base64") => {
            let text = body["data"].as_str().expect("base64");
            base64::engine::general_purpose::STANDARD.decode(text).expect("base64")
        }
        _ => data.into_bytes(),
    };
    number_in(&bytes).expect("a payload of ours")
}

/// The number that stands in a payload: the digits behind the first `#`.
pub fn number_in(payload: &[u8]) -> Option<usize> {
    let start = payload.iter().position(|byte| *byte == b'#')? + 1;
    let length = payload[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    std::str::from_utf8(&payload[start..start + length]).ok()?.parse().ok()
}
