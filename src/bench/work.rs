//! What all scenarios have in common: everybody arrives, then there are slices, then it is over.
//! `steps` lets another program say when.

use std::time::Duration;

use super::clock::now_ns;
use super::crowd::{Crowd, Wait};
use super::flags::Common;
use super::hearing::Audience;
use super::report::progress::Progress;
use super::report::{Server, Slice};

/// When nothing at all happens for so long while connections open, it is over.
const HOPELESS: Duration = Duration::from_secs(10);

/// Progress is shown so often.
const SHOWN_EVERY_NS: u64 = 250_000_000;

/// A scenario with everybody there.
pub trait Work {
    /// Measures for so long.
    fn slice(&mut self, time: Duration) -> Result<Slice, String>;

    /// Does the same for so long before, unmeasured.
    fn warm_up(&mut self, time: Duration) -> Result<(), String> {
        self.slice(time).map(drop)
    }

    /// Measures while another process publishes, until that has said how many it has published.
    fn heard_slice(
        &mut self,
        published: impl FnMut() -> Result<Option<u64>, String>,
    ) -> Result<Slice, String> {
        let _ = published;
        Err("nobody publishes".into())
    }

    /// Answers and drains for a while, or until somebody wakes the crowd.
    fn rest(&mut self) -> Result<(), String>;

    /// Those who are there.
    fn crowd(&mut self) -> &mut Crowd;

    /// What the server holds now.
    fn server_now(&mut self) -> Result<Option<Server>, String>;
}

/// How long nobody has said anything.
#[derive(Clone, Copy, Debug)]
pub struct Silence {
    since_ns: u64,
    patience: Duration,
}

impl Silence {
    /// None yet; it is borne for so long.
    pub fn of(patience: Duration) -> Self {
        Self { since_ns: now_ns(), patience }
    }

    /// How long to wait at most.
    pub fn wait(&self) -> Wait {
        Wait::AtMost(self.patience)
    }

    /// Whether it has been borne for long enough, after a turn in which somebody spoke or nobody.
    pub fn is_over(&mut self, spoken: bool) -> bool {
        let now_ns = now_ns();
        if spoken {
            self.since_ns = now_ns;
        }
        u128::from(now_ns - self.since_ns) >= self.patience.as_nanos()
    }
}

/// Opens all connections at their rate, and the publisher's first.
pub fn arrive(
    crowd: &mut Crowd,
    common: &Common,
    publishes: bool,
    audience: &mut impl Audience,
) -> Result<(), String> {
    if publishes {
        crowd.open(crowd.talker())?;
        settle(crowd, audience)?;
    }
    let count = crowd.talker();
    let (in_flight, rate) = (common.handshakes_in_flight as usize, u64::from(common.connect_rate));
    let begin_ns = now_ns();
    let (mut next, mut shown_ns) = (0, begin_ns);
    let (mut progress, mut silence) = (Progress::new(), Silence::of(HOPELESS));
    while next < count {
        let now_ns = now_ns();
        let due_ns = begin_ns + (next as u64 * 1_000_000_000).checked_div(rate).unwrap_or(0);
        if crowd.opening >= in_flight {
            if silence.is_over(crowd.turn(silence.wait(), audience)?) {
                return Err(format!("no answer; {next} of {count} connections are open"));
            }
        } else if due_ns > now_ns {
            crowd.turn(Wait::Until(due_ns), audience)?;
        } else {
            crowd.open(next)?;
            silence = Silence::of(HOPELESS);
            next += 1;
        }
        if now_ns - shown_ns > SHOWN_EVERY_NS {
            shown_ns = now_ns;
            progress.show(&format!("{next} of {count} connections"));
        }
    }
    settle(crowd, audience)
}

/// Until nobody is on the way.
pub fn settle(crowd: &mut Crowd, audience: &mut impl Audience) -> Result<(), String> {
    let mut silence = Silence::of(HOPELESS);
    while crowd.opening > 0 {
        if silence.is_over(crowd.turn(silence.wait(), audience)?) {
            return Err(format!("no answer to {} connections", crowd.opening));
        }
    }
    Ok(())
}
