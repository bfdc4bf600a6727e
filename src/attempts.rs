//! How the API keys of each address have done, for the whole node: who brings ones that do not
//! exist has to wait. An address from which a good key came lately is heard in any case, so that
//! nobody locks out a backend from behind the same NAT; there only failures are answered with 429.
//! Touched once for each request with a key, never by clients. What a key is worth: `policy`.

use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use crate::limits::{KEY_ADDRESSES, KEY_FAILURE_PACE_MS, KEY_FAILURES, KEY_TRUST_MS};

/// What of an address's allowance may be used up while it is still heard.
const BURST_MS: u64 = (KEY_FAILURES - 1) * KEY_FAILURE_PACE_MS;

/// An address; `None` is everybody without one, on unix sockets.
type Place = Option<IpAddr>;

/// The attempts of all addresses. Both tables are bounded: one of failures gives way to newer ones,
/// and the other only holders of keys can fill.
#[derive(Debug)]
pub struct Attempts(Mutex<Tables>);

#[derive(Debug)]
struct Tables {
    /// When all failures of an address will be forgiven (GCRA), in milliseconds.
    bad: HashMap<Place, u64, FixedState>,
    /// When a good key last came from it.
    good: HashMap<Place, u64, FixedState>,
    /// When those that are forgiven were last taken out.
    swept_ms: u64,
}

impl Attempts {
    /// Nobody has tried. The seed is secret: addresses are chosen by strangers.
    pub fn new(seed: u64) -> Self {
        let table = || HashMap::with_hasher(FixedState::with_seed(seed));
        Self(Mutex::new(Tables { bad: table(), good: table(), swept_ms: 0 }))
    }

    /// Whether a key from this address is looked at; else how long to wait, in milliseconds.
    pub fn check(&self, place: Place, now_ms: u64) -> Result<(), u64> {
        let tables = self.tables();
        let Some(wait_ms) = tables.wait_ms(place, now_ms) else { return Ok(()) };
        let since = tables.good.get(&place).map(|then| now_ms.saturating_sub(*then));
        if since.is_some_and(|since| since <= KEY_TRUST_MS) { Ok(()) } else { Err(wait_ms) }
    }

    /// A key from this address was good.
    pub fn succeeded(&self, place: Place, now_ms: u64) {
        let mut tables = self.tables();
        make_room(&mut tables.good, place);
        tables.good.insert(place, now_ms);
    }

    /// A key from this address does not exist. Fails with the time to wait, in milliseconds, when
    /// there had been too many already.
    pub fn failed(&self, place: Place, now_ms: u64) -> Result<(), u64> {
        let mut tables = self.tables();
        let outcome = tables.wait_ms(place, now_ms).map_or(Ok(()), Err);
        if now_ms.saturating_sub(tables.swept_ms) >= KEY_FAILURE_PACE_MS {
            tables.swept_ms = now_ms;
            tables.bad.retain(|_, forgiven_ms| *forgiven_ms > now_ms);
        }
        make_room(&mut tables.bad, place);
        let forgiven_ms = tables.bad.entry(place).or_insert(now_ms);
        *forgiven_ms = (*forgiven_ms).max(now_ms) + KEY_FAILURE_PACE_MS;
        // Who goes on while it has to wait does not wait longer.
        *forgiven_ms = (*forgiven_ms).min(now_ms + BURST_MS + KEY_FAILURE_PACE_MS);
        outcome
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        // A panic ends the process; whoever sees the lock poisoned is a test.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tables {
    fn wait_ms(&self, place: Place, now_ms: u64) -> Option<u64> {
        let used_ms = self.bad.get(&place)?.saturating_sub(now_ms);
        used_ms.checked_sub(BURST_MS).filter(|wait_ms| *wait_ms > 0)
    }
}

/// Makes room for a place in a full table, at the cost of any other.
fn make_room(table: &mut HashMap<Place, u64, FixedState>, place: Place) {
    if table.len() >= KEY_ADDRESSES
        && !table.contains_key(&place)
        && let Some(&any) = table.keys().next()
    {
        table.remove(&any);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Place = Some(IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1)));
    const OTHER: Place = Some(IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2)));

    #[test]
    fn failures_are_forgiven_at_a_pace() {
        let attempts = Attempts::new(1);
        for _ in 0..KEY_FAILURES {
            assert_eq!(attempts.check(ONE, 1_000), Ok(()));
            assert_eq!(attempts.failed(ONE, 1_000), Ok(()));
        }
        assert_eq!(attempts.check(ONE, 1_000), Err(KEY_FAILURE_PACE_MS));
        assert_eq!(attempts.check(OTHER, 1_000), Ok(()), "others are not meant");
        assert_eq!(attempts.check(None, 1_000), Ok(()));
        let later = 1_000 + KEY_FAILURE_PACE_MS;
        assert_eq!(attempts.check(ONE, later - 1), Err(1));
        assert_eq!(attempts.check(ONE, later), Ok(()));
        assert_eq!(attempts.failed(ONE, later), Ok(()));
        assert_eq!(attempts.check(ONE, later), Err(KEY_FAILURE_PACE_MS));
    }

    #[test]
    fn where_a_good_key_came_from_only_failures_are_refused() {
        let attempts = Attempts::new(1);
        attempts.succeeded(ONE, 0);
        for _ in 0..KEY_FAILURES {
            assert_eq!(attempts.failed(ONE, 0), Ok(()));
        }
        for _ in 0..1000 {
            assert_eq!(attempts.check(ONE, 0), Ok(()));
            assert_eq!(attempts.failed(ONE, 0), Err(KEY_FAILURE_PACE_MS));
        }
        attempts.succeeded(ONE, KEY_TRUST_MS);
        for _ in 0..=KEY_FAILURES {
            let _ = attempts.failed(ONE, 2 * KEY_TRUST_MS + 1);
        }
        assert!(attempts.check(ONE, 2 * KEY_TRUST_MS + 1).is_err(), "long ago");
    }

    #[test]
    fn the_tables_are_bounded() {
        let attempts = Attempts::new(1);
        for number in 0..3 * KEY_ADDRESSES as u32 {
            let place = Some(IpAddr::V4(number.into()));
            assert_eq!(attempts.failed(place, 5), Ok(()));
            attempts.succeeded(place, 5);
        }
        let tables = attempts.tables();
        assert_eq!((tables.bad.len(), tables.good.len()), (KEY_ADDRESSES, KEY_ADDRESSES));
        drop(tables);
        let _ = attempts.failed(None, 5 + KEY_FAILURE_PACE_MS);
        assert_eq!(attempts.tables().bad.len(), 1, "what is forgiven is forgotten");
    }
}
