//! The members of one channel, and what listeners have been told of each. Who comes and goes before
//! that was told leaves no trace. When something is told, and to whom, is `listeners`.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use super::Who;
use crate::hub::ConnectionKey;

/// What a guest takes, and a user besides its name and `info`, for the bound on their bytes.
const GUEST_BYTES: usize = 32;
const USER_BYTES: usize = 160;

/// What somebody takes who is known by name.
pub(super) fn cost(who: &Who, info: Option<&str>) -> usize {
    match who {
        Who::User(user) => USER_BYTES + user.len() + info.map_or(0, str::len),
        Who::Guest(_) => GUEST_BYTES,
    }
}

/// What listeners know of a user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Told {
    /// Nothing.
    #[default]
    No,
    /// That it is there, with another `info`.
    Outdated,
    /// That it is there.
    Yes,
}

#[derive(Debug, Default)]
struct User {
    info: Option<Arc<str>>,
    connections: u32,
    /// When it leaves: it has no connection any more.
    leave_ms: Option<u64>,
    told: Told,
}

impl User {
    fn is_there(&self) -> bool {
        self.connections > 0 || self.leave_ms.is_some()
    }
}

#[derive(Clone, Copy, Debug)]
struct Guest {
    there: bool,
    told: bool,
}

/// As what somebody has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entered {
    /// A new member.
    Named,
    /// One more of those who are only counted.
    Unnamed,
    /// It is known; the time at which it would have left.
    Back(Option<u64>),
}

/// The members of one channel.
#[derive(Debug, Default)]
pub(super) struct Members {
    users: BTreeMap<Arc<str>, User>,
    guests: BTreeMap<ConnectionKey, Guest>,
    /// How many of both are there no more, which listeners have yet to be told.
    gone: usize,
    /// Connections of users, and guests, that are only counted. While there are such users no new
    /// one gets a name: so all connections of one are here, or none.
    unnamed_users: u64,
    unnamed_guests: u64,
    bytes: usize,
}

impl Members {
    /// How many are there.
    pub(super) fn count(&self) -> u64 {
        (self.named() - self.gone) as u64 + self.unnamed_users + self.unnamed_guests
    }

    /// How many are known by name.
    pub(super) fn named(&self) -> usize {
        self.users.len() + self.guests.len()
    }

    /// What they take.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether nobody is there, and nobody has to be told of.
    pub(super) fn is_empty(&self) -> bool {
        self.named() == 0 && self.count() == 0
    }

    /// Whether everybody who is there is known by name.
    pub(super) fn are_known(&self) -> bool {
        self.unnamed_users + self.unnamed_guests == 0
    }

    /// Whether they are known, and not too many to be told by name.
    pub(super) fn fit(&self, most: usize) -> bool {
        self.are_known() && self.count() <= most as u64
    }

    /// A connection of `who` has come. `nameable`: where it is not known it may become so.
    pub(super) fn enter(&mut self, who: &Who, info: Option<Arc<str>>, nameable: bool) -> Entered {
        let cost = cost(who, info.as_deref());
        match who {
            Who::User(name) => {
                if let Some(user) = self.users.get_mut(name) {
                    self.gone -= usize::from(!user.is_there());
                    user.connections += 1;
                    if user.info != info {
                        self.bytes -= user.info.as_deref().map_or(0, str::len);
                        self.bytes += info.as_deref().map_or(0, str::len);
                        user.info = info;
                        if user.told == Told::Yes {
                            user.told = Told::Outdated;
                        }
                    }
                    return Entered::Back(user.leave_ms.take());
                }
                if !nameable || self.unnamed_users > 0 {
                    self.unnamed_users += 1;
                    return Entered::Unnamed;
                }
                let user = User { info, connections: 1, ..User::default() };
                self.users.insert(Arc::clone(name), user);
            }
            Who::Guest(key) => {
                if let Some(guest) = self.guests.get_mut(key) {
                    debug_assert!(!guest.there, "a connection comes to a channel once");
                    guest.there = true;
                    self.gone -= 1;
                    return Entered::Back(None);
                }
                if !nameable {
                    self.unnamed_guests += 1;
                    return Entered::Unnamed;
                }
                self.guests.insert(*key, Guest { there: true, told: false });
            }
        }
        self.bytes += cost;
        Entered::Named
    }

    /// A connection of `who` has left. A user's last one: it leaves at `leave_ms`, which is
    /// returned, or where there is none, now.
    pub(super) fn exit(&mut self, who: &Who, leave_ms: Option<u64>) -> Option<u64> {
        match who {
            Who::User(name) => {
                let known = self.users.get_mut(name).filter(|user| user.connections > 0);
                let Some(user) = known else {
                    debug_assert!(self.unnamed_users > 0, "one exit per entry");
                    self.unnamed_users = self.unnamed_users.saturating_sub(1);
                    return None;
                };
                user.connections -= 1;
                if user.connections > 0 {
                    return None;
                }
                user.leave_ms = leave_ms;
                if leave_ms.is_none() {
                    self.gone += 1;
                    self.drop_untold(who);
                }
                leave_ms
            }
            Who::Guest(key) => {
                if let Some(guest) = self.guests.get_mut(key).filter(|guest| guest.there) {
                    guest.there = false;
                    self.gone += 1;
                    self.drop_untold(who);
                } else {
                    debug_assert!(self.unnamed_guests > 0, "one exit per entry");
                    self.unnamed_guests = self.unnamed_guests.saturating_sub(1);
                }
                None
            }
        }
    }

    /// A user has been away for too long.
    pub(super) fn let_go(&mut self, who: &Who) {
        let Who::User(name) = who else { return };
        let Some(user) = self.users.get_mut(name) else { return };
        if user.leave_ms.take().is_some() {
            self.gone += 1;
            self.drop_untold(who);
        }
    }

    /// Whether somebody is there, and whether listeners have to be told so, or of the contrary.
    pub(super) fn state(&self, who: &Who) -> (bool, bool) {
        match who {
            Who::User(name) => self.users.get(name).map_or((false, false), |user| {
                let there = user.is_there();
                (there, user.told != if there { Told::Yes } else { Told::No })
            }),
            Who::Guest(key) => self
                .guests
                .get(key)
                .map_or((false, false), |guest| (guest.there, guest.there != guest.told)),
        }
    }

    /// What a user shows of itself.
    pub(super) fn info(&self, who: &Who) -> Option<&str> {
        match who {
            Who::User(name) => self.users.get(name)?.info.as_deref(),
            Who::Guest(_) => None,
        }
    }

    /// Listeners are told now how it is with somebody.
    pub(super) fn tell(&mut self, who: &Who) {
        let (there, _) = self.state(who);
        match who {
            Who::User(name) => {
                if let Some(user) = self.users.get_mut(name) {
                    user.told = if there { Told::Yes } else { Told::No };
                }
            }
            Who::Guest(key) => {
                if let Some(guest) = self.guests.get_mut(key) {
                    guest.told = there;
                }
            }
        }
        if !there {
            self.drop_untold(who);
        }
    }

    /// Listeners are told of all who are there, and so that the others are not.
    pub(super) fn tell_all(&mut self) {
        self.untell_all();
        self.users.values_mut().for_each(|user| user.told = Told::Yes);
        self.guests.values_mut().for_each(|guest| guest.told = true);
    }

    /// Nobody knows anything of them any more.
    pub(super) fn untell_all(&mut self) {
        let bytes = &mut self.bytes;
        self.users.retain(|name, user| {
            user.told = Told::No;
            let there = user.is_there();
            if !there {
                let info = user.info.as_deref().map_or(0, str::len);
                *bytes -= USER_BYTES + name.len() + info;
            }
            there
        });
        self.guests.retain(|_, guest| {
            guest.told = false;
            if !guest.there {
                *bytes -= GUEST_BYTES;
            }
            guest.there
        });
        self.gone = 0;
    }

    /// Everybody who is there and known by name, in order, behind `after`.
    pub(super) fn all(
        &self,
        after: Option<&Who>,
    ) -> impl Iterator<Item = (Who, Option<&str>)> + '_ {
        let (users, guests) = match after {
            None => (Some(Bound::Unbounded), Bound::Unbounded),
            Some(Who::User(name)) => (Some(Bound::Excluded(&**name)), Bound::Unbounded),
            Some(Who::Guest(key)) => (None, Bound::Excluded(*key)),
        };
        let users = users.map(|from| self.users.range::<str, _>((from, Bound::Unbounded)));
        let users = users.into_iter().flatten().filter(|(_, user)| user.is_there());
        let guests = self.guests.range((guests, Bound::Unbounded));
        let guests = guests.filter(|(_, guest)| guest.there);
        users
            .map(|(name, user)| (Who::User(Arc::clone(name)), user.info.as_deref()))
            .chain(guests.map(|(key, _)| (Who::Guest(*key), None)))
    }

    /// Everybody of whom listeners have been told, in order.
    pub(super) fn told(&self) -> impl Iterator<Item = (Who, Option<&str>)> + '_ {
        let users = self.users.iter().filter(|(_, user)| user.told != Told::No);
        let guests = self.guests.iter().filter(|(_, guest)| guest.told);
        users
            .map(|(name, user)| (Who::User(Arc::clone(name)), user.info.as_deref()))
            .chain(guests.map(|(key, _)| (Who::Guest(*key), None)))
    }

    /// Takes out somebody who is not there any more, if nobody has been told that it was.
    fn drop_untold(&mut self, who: &Who) {
        let (there, differs) = self.state(who);
        if there || differs {
            return;
        }
        let info = self.info(who).map(str::len).unwrap_or_default();
        let found = match who {
            Who::User(name) => self.users.remove(name).is_some(),
            Who::Guest(key) => self.guests.remove(key).is_some(),
        };
        if found {
            self.gone -= 1;
            self.bytes -= cost(who, None) + info;
        }
    }
}
