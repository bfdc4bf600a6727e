//! How long publications take: of each feed one is watched at a time, from its owner until the pass
//! has been to every follower. What comes meanwhile rides along unwatched, so that nothing is
//! counted per delivery. Pure; the worker has the clock and the histogram.

/// The publication of a feed that is being watched.
#[derive(Clone, Copy, Debug, Default)]
pub struct Flight {
    accepted_us: u64,
    /// Followers that the pass has yet to visit; 0: none is watched.
    left: usize,
}

impl Flight {
    /// A publication was appended, for so many followers.
    pub fn begin(&mut self, accepted_us: u64, followers: usize) {
        if self.left == 0 {
            *self = Self { accepted_us, left: followers };
        }
    }

    /// So many followers were visited, and the pass is over or not. Returns when the publication
    /// was accepted that has now been to all of them.
    pub fn visited(&mut self, followers: usize, over: bool) -> Option<u64> {
        if self.left == 0 {
            return None;
        }
        self.left = if over { 0 } else { self.left.saturating_sub(followers) };
        (self.left == 0).then_some(self.accepted_us)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_until_all_were_visited() {
        let mut flight = Flight::default();
        assert_eq!(flight.visited(5, true), None);
        flight.begin(100, 10);
        flight.begin(200, 10);
        assert_eq!(flight.visited(6, false), None);
        flight.begin(300, 10);
        assert_eq!(flight.visited(4, false), Some(100));
        assert_eq!(flight.visited(6, true), None);
        flight.begin(400, 10);
        assert_eq!(flight.visited(1, true), Some(400), "the others needed nothing");
    }
}
