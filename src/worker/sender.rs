//! Who sends: the client's address, which is counted from the moment it is known until the
//! connection is gone.

use std::net::IpAddr;

use super::Worker;
use super::net::Net;
use crate::limits::REFUSALS;
use crate::metrics::Limit;

/// Why a connection is not served.
pub(super) const ADDRESS_FULL: &str = "this address has too many connections";

/// What becomes of a connection of some address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// It is served.
    Entered,
    /// Its address has as many as it may: it is told so.
    Full,
    /// And so many that are being told already that this one is not.
    Flood,
}

impl<N: Net> Worker<N> {
    /// The address of the client in this slot, for IPv6 the first of its /64. None for those on
    /// unix sockets, and for those whose proxy has not told yet.
    pub(super) fn client_address(&self, slot: u32) -> Option<IpAddr> {
        self.addresses.address(self.table.cold(slot).address?)
    }

    /// Counts this connection as one of that address. Those beyond the limit are told so as long
    /// as they are few; they count too, else one address could fill the node with refusals.
    pub(super) fn enter_address(&mut self, slot: u32, address: IpAddr) -> Entry {
        self.leave_address(slot);
        let limit = self.config.max_connections_per_address;
        let id = &mut self.table.cold_mut(slot).address;
        *id = self.addresses.enter(address, limit);
        if id.is_some() {
            return Entry::Entered;
        }
        *id = self.addresses.enter(address, limit + REFUSALS as usize);
        let entry = if id.is_some() { Entry::Full } else { Entry::Flood };
        self.limited(Limit::Address);
        entry
    }

    /// This connection is no longer one of its address.
    pub(super) fn leave_address(&mut self, slot: u32) {
        if let Some(id) = self.table.cold_mut(slot).address.take() {
            self.addresses.leave(id);
        }
    }
}
