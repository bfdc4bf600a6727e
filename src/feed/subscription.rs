//! One subscription: a cursor of 16 bytes. A publication never touches it; it says how far its
//! connection has been given the feed.

use std::ops::BitOr;

use crate::hub::Mode;

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
    /// What makes it differ from most.
    pub marks: Marks,
}

/// What is true of a subscription. Most have none of these.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks(u8);

impl Marks {
    /// There are publications ahead that it shall not get.
    pub const SKIPS: Self = Self(1);
    /// It wants the newest of every key only.
    pub const LATEST: Self = Self(1 << 1);
    /// Its last page ended before what the window held: it has not been slow in the window yet.
    pub const BEHIND: Self = Self(1 << 2);
    /// It was too slow, and gets the newest of every key until it has caught up (`on_slow`).
    pub const CONFLATED: Self = Self(1 << 3);

    /// Its channel's owner has been told that its connection is there.
    pub const PRESENT: Self = Self(1 << 4);
    /// Its connection hears who is there.
    pub const HEARS: Self = Self(1 << 5);

    /// Whether it has none that matters to what it is sent.
    pub fn is_none(self) -> bool {
        self.0 & !(Self::PRESENT.0 | Self::HEARS.0) == 0
    }

    /// Whether it has one of these.
    pub fn any(self, marks: Self) -> bool {
        self.0 & marks.0 != 0
    }

    /// Sets or clears marks.
    pub fn set(&mut self, marks: Self, on: bool) {
        self.0 = if on { self.0 | marks.0 } else { self.0 & !marks.0 };
    }
}

impl BitOr for Marks {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl Subscription {
    /// A subscription that waits for its first page.
    pub fn joining(slot: u32, serial: u16, mode: Mode) -> Self {
        let marks = if mode == Mode::Latest { Marks::LATEST } else { Marks::default() };
        Self { sent: 0, slot, serial, state: State::Joining, marks }
    }

    /// Whether it follows like most do.
    pub fn is_plain(&self) -> bool {
        self.state == State::Following && self.marks.is_none()
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_subscription_is_16_bytes() {
        assert_eq!(size_of::<super::Subscription>(), 16);
    }
}
