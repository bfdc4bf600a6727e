//! The clients' addresses, once each for the whole node: how many connections an address has, and
//! what a connection's four bytes stand for. An address of IPv6 counts as its /64, which is what
//! one customer has. Shards under locks, touched when a connection comes and when it goes, never
//! by a message. There are never more entries than connections.

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard, PoisonError};

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use slab::Slab;

use crate::attempts::Attempts;

const SHARD_BITS: u32 = 4;
const SHARDS: usize = 1 << SHARD_BITS;

/// What a connection knows its client's address by, until it leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressId(NonZeroU32);

/// The addresses of all connections of a node.
#[derive(Debug)]
pub struct Addresses {
    shards: [Mutex<Shard>; SHARDS],
    hasher: FixedState,
    attempts: Attempts,
}

#[derive(Debug)]
struct Shard {
    entries: Slab<Entry>,
    places: HashMap<IpAddr, usize, FixedState>,
}

#[derive(Debug)]
struct Entry {
    address: IpAddr,
    connections: usize,
}

impl Addresses {
    /// An empty table. The seed is secret: addresses are chosen by strangers.
    pub fn new(seed: u64) -> Self {
        let hasher = FixedState::with_seed(seed);
        let shard = |_| {
            let places = HashMap::with_hasher(hasher.clone());
            Mutex::new(Shard { entries: Slab::new(), places })
        };
        Self { shards: std::array::from_fn(shard), hasher, attempts: Attempts::new(seed) }
    }

    /// How their API keys have done.
    pub fn attempts(&self) -> &Attempts {
        &self.attempts
    }

    /// Counts one more connection of this address. `None` when it has `limit` already.
    pub fn enter(&self, address: IpAddr, limit: usize) -> Option<AddressId> {
        let address = network(address);
        let number = std::hash::BuildHasher::hash_one(&self.hasher, address) as usize % SHARDS;
        let mut shard = self.shard(number);
        let Shard { entries, places } = &mut *shard;
        let place = match places.get(&address) {
            Some(&place) => place,
            None if limit == 0 => return None,
            None => {
                let place = entries.insert(Entry { address, connections: 0 });
                places.insert(address, place);
                place
            }
        };
        let entry = &mut entries[place];
        if entry.connections >= limit {
            return None;
        }
        entry.connections += 1;
        // Connections are fewer than 2^28, for each has a descriptor.
        let id = (place as u32) << SHARD_BITS | number as u32;
        NonZeroU32::new(id + 1).map(AddressId)
    }

    /// A connection that has entered is gone.
    pub fn leave(&self, id: AddressId) {
        let (number, place) = split(id);
        let mut shard = self.shard(number);
        let Some(entry) = shard.entries.get_mut(place) else {
            debug_assert!(false, "who leaves has entered");
            return;
        };
        entry.connections -= 1;
        if entry.connections == 0 {
            let Entry { address, .. } = shard.entries.remove(place);
            shard.places.remove(&address);
        }
    }

    /// The address, for IPv6 the first of its /64.
    pub fn address(&self, id: AddressId) -> Option<IpAddr> {
        let (number, place) = split(id);
        self.shard(number).entries.get(place).map(|entry| entry.address)
    }

    /// Number of different addresses.
    pub fn len(&self) -> usize {
        (0..SHARDS).map(|number| self.shard(number).entries.len()).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn shard(&self, number: usize) -> MutexGuard<'_, Shard> {
        // A panic ends the process; whoever sees the lock poisoned is a test.
        self.shards[number].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What an address is counted as: itself, or its /64; IPv4 in IPv6 is IPv4.
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let prefix = u128::from(v6) >> 64 << 64;
            IpAddr::V6(Ipv6Addr::from(prefix))
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

fn split(AddressId(id): AddressId) -> (usize, usize) {
    let id = id.get() - 1;
    (id as usize % SHARDS, (id >> SHARD_BITS) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn an_id_is_four_bytes() {
        assert_eq!(size_of::<Option<AddressId>>(), 4);
    }

    #[test]
    fn a_slash_64_is_one_client_and_so_is_ipv4_in_ipv6() {
        for (one, other, same) in [
            ("10.0.0.1", "10.0.0.1", true),
            ("10.0.0.1", "10.0.0.2", false),
            ("::ffff:10.0.0.1", "10.0.0.1", true),
            ("2001:db8:0:1::1", "2001:db8:0:1:ffff:ffff:ffff:ffff", true),
            ("2001:db8:0:1::1", "2001:db8:0:2::1", false),
        ] {
            let addresses = Addresses::new(1);
            assert!(addresses.enter(address(one), 1).is_some());
            assert_eq!(addresses.enter(address(other), 1).is_none(), same, "{one} {other}");
        }
    }

    #[test]
    fn entries_are_counted_and_freed() {
        let addresses = Addresses::new(7);
        let all: Vec<IpAddr> = (0..1000u32).map(|n| IpAddr::V4((n + (1 << 24)).into())).collect();
        let mut ids = Vec::new();
        for &one in &all {
            assert_eq!(addresses.enter(one, 0), None);
            let (first, second) = (addresses.enter(one, 2), addresses.enter(one, 2));
            assert_eq!(first, second);
            assert_eq!(addresses.enter(one, 2), None, "two are the limit");
            ids.push((first.expect("an id"), one));
        }
        assert_eq!(addresses.len(), 1000);
        for &(id, one) in &ids {
            assert_eq!(addresses.address(id), Some(one));
            addresses.leave(id);
            assert_eq!(addresses.enter(one, 2), Some(id), "there is room again");
            addresses.leave(id);
            addresses.leave(id);
        }
        assert!(addresses.is_empty());
    }
}
