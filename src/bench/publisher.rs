//! Who publishes: its messages are made once, and only their stamps are written anew. Knows nothing
//! of who receives.

use super::codec::encode;
use super::crowd::Crowd;
use super::script::Script;
use super::stamp::{STAMP, Stamp};
use super::upgrade;

/// Bytes that are made ready at most.
const MAX_BATCH: usize = 256 << 20;

/// The messages of one write: for each of a round, one to every channel.
#[derive(Debug)]
pub struct Publisher {
    batch: Vec<u8>,
    /// Where each ends, and where its stamp stands.
    messages: Vec<(usize, usize)>,
    channels: usize,
}

impl Publisher {
    /// Makes the messages ready: so many for each channel.
    pub fn new(script: &Script, each: usize, size: usize) -> Result<Self, String> {
        let channels = script.channels();
        if (each * channels.len()).saturating_mul(size + 256) > MAX_BATCH {
            return Err(format!("a round has more than {MAX_BATCH} bytes"));
        }
        let mut batch = Vec::new();
        let mut messages = Vec::new();
        for _ in 0..each {
            for index in 0..channels.len() {
                append(&mut batch, script, index, size);
                let blank = memchr::memmem::rfind(&batch, &BLANK).expect("there is one in each");
                messages.push((batch.len(), blank));
            }
        }
        Ok(Self { batch, messages, channels: channels.len() })
    }

    /// The channels, in whose order messages stand.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Messages of one round.
    pub fn round(&self) -> usize {
        self.messages.len()
    }

    /// Publishes messages of a round in one write; `stamp` says what each is stamped with.
    pub fn publish(
        &mut self,
        crowd: &mut Crowd,
        messages: std::ops::Range<usize>,
        mut stamp: impl FnMut(usize) -> Stamp,
    ) -> Result<(), String> {
        let begin = messages.start.checked_sub(1).map_or(0, |before| self.messages[before].0);
        let end = self.messages[messages.end - 1].0;
        for index in messages {
            let at = self.messages[index].1;
            stamp(index).write(&mut self.batch[at..at + STAMP]);
        }
        crowd.send(crowd.talker(), &self.batch[begin..end])
    }
}

/// What stands where a stamp is to be written: no name of a channel has such bytes.
const BLANK: [u8; STAMP] = [0; STAMP];

fn append(batch: &mut Vec<u8>, script: &Script, channel: usize, size: usize) {
    let blank = "\0".repeat(STAMP);
    if let Some(post) = script.posts.get(channel) {
        let filler = "x".repeat(size - STAMP - 2);
        batch.extend_from_slice(upgrade::post(post, size).as_bytes());
        batch.extend_from_slice(format!("\"{blank}{filler}\"").as_bytes());
        return;
    }
    let (before, after) = script.dialect.publication(&script.channels()[channel], size);
    encode(batch, script.dialect.opcode, [before, blank, after].concat().as_bytes());
}
