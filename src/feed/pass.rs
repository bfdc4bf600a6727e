//! The pass of a feed over its subscriptions: who is next, and the short way for all who are like
//! most. It owns no bytes and sends nothing itself: the worker is offered runs, and says what
//! became of them. What is unlike goes by `run` and `advance`, in `mod.rs`.

use super::Feed;
use super::window::Spare;

/// What became of a run that was offered to a subscription's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    /// All of it was taken.
    Whole,
    /// It was sent, and not all of it was taken: the caller knows what was, and has to `advance`.
    Short,
    /// Nothing was sent: this one needs a closer look.
    Unfit,
}

/// How far a pass came.
#[derive(Clone, Copy, Debug, Default)]
pub struct Passed {
    /// Subscriptions that were given everything.
    pub whole: usize,
    /// Publications in all that they were given.
    pub deliveries: u64,
    /// The one that took a part, which has been visited.
    pub short: Option<usize>,
}

impl Feed {
    /// The next subscription that the pass has to visit; `None` when the pass is over.
    pub fn visit(&mut self) -> Option<usize> {
        if self.left == 0 || self.lagging == 0 && self.end.is_some() {
            self.left = 0;
            return None;
        }
        let at = self.upcoming();
        self.left -= 1;
        self.next = at + 1;
        Some(at)
    }

    /// Whose turn it is. It may have stood behind one that has left since.
    fn upcoming(&self) -> usize {
        if self.next < self.subscriptions.len() { self.next } else { 0 }
    }

    /// Goes on with the pass, as long as each that it visits is to be sent one run that ends with
    /// the window, and takes it: the usual case, in which all that differs from one to the next is
    /// where it stands. Stops before the first that needs a closer look.
    pub fn pass(
        &mut self,
        spare: &mut Spare,
        mut offer: impl FnMut(u32, &[u8]) -> Offer,
    ) -> Passed {
        let mut passed = Passed::default();
        let Some(end) = self.end else { return passed };
        let (mut from, mut run): (u64, &[u8]) = (end, &[]);
        while self.left > 0 && self.lagging > 0 {
            let at = self.upcoming();
            let subscription = &mut self.subscriptions[at];
            if !subscription.is_plain() || subscription.sent == end {
                break;
            }
            if subscription.sent != from {
                let Some(rest) = self.window.rest(subscription.sent) else { break };
                (from, run) = (subscription.sent, rest);
            }
            let offered = offer(subscription.slot, run);
            if offered == Offer::Unfit {
                break;
            }
            self.left -= 1;
            self.next = at + 1;
            if offered == Offer::Short {
                passed.short = Some(at);
                break;
            }
            subscription.sent = end;
            self.lagging -= 1;
            passed.whole += 1;
            passed.deliveries += end - from;
        }
        self.empty_when_read(spare);
        passed
    }
}
