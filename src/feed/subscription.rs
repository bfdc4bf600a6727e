//! One subscription: a cursor of 16 bytes. A publication never touches it; it says how far its
//! connection has been given the feed.

/// What a subscription waits for. That it is behind is not recorded: the cursor is the position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum State {
    /// Its first page: it has no place yet.
    Joining,
    /// Nothing: it is sent the window, or pulls when its place has fallen out of it.
    Following,
    /// The page that it asked for.
    Pulling,
}

/// A cursor into a feed.
#[derive(Clone, Copy, Debug)]
pub struct Subscription {
    /// The last publication that was given whole to the kernel, queued in the connection's one
    /// page, told as a gap, or not meant for it. It never falls within an epoch; `NOWHERE` when
    /// its epoch has ended.
    pub sent: u64,
    /// The connection.
    pub slot: u32,
    /// Tells the page that was asked for from those of earlier uses.
    pub serial: u16,
    /// What it waits for.
    pub state: State,
    /// There are publications ahead that it shall not get.
    pub skips: bool,
}

impl Subscription {
    /// A subscription that waits for its first page.
    pub fn joining(slot: u32, serial: u16) -> Self {
        Self { sent: 0, slot, serial, state: State::Joining, skips: false }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_subscription_is_16_bytes() {
        assert_eq!(size_of::<super::Subscription>(), 16);
    }
}
