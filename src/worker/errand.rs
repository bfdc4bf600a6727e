//! What the backend wants of the connections of a user, wherever they are: closing them, giving and
//! taking subscriptions, ending those whose tokens were taken back. A letter goes to every worker,
//! which looks at a bounded number of connections a turn; the answer is how many it came to.

use std::collections::VecDeque;
use std::sync::Arc;

use super::deliver::refusal;
use super::exchange::refused;
use super::mail::{Answer, Content, Mail, Ticket};
use super::net::Net;
use super::request::check_name;
use super::{Worker, keys};
use crate::client::code::{Code, Fault};
use crate::client::name;
use crate::client::revocation::{Of, Revocation, parse_revocation};
use crate::conn::entry::Phase;
use crate::conn::session::{Ask, Call, Gathered, UserAsk};
use crate::http::Refusal;
use crate::http::head::Head;
use crate::http::routes::Route;
use crate::hub::ConnectionKey;
use crate::hub::encode::{USER, own_channel};
use crate::limits::{ERRAND_VISITS, LIST_VISITS, LISTS, OVERLOAD_PACE_MS};
use crate::metrics::{Counter, Limit};
use crate::policy::authorize::{Caller, Denied};
use crate::revocations::Revoked;
use crate::ws::close::CloseCode;

/// Something to do to connections.
#[derive(Clone, Debug)]
pub struct Errand {
    /// To whose.
    pub to: To,
    /// What.
    pub deed: Deed,
    /// How many it has been done to.
    pub done: u64,
    /// Who waits for the answer.
    pub ticket: Ticket,
}

/// To whose connections something is to be done.
#[derive(Clone, Debug)]
pub enum To {
    /// All that this user has.
    User(Arc<str>),
    /// Of those that the user had, these are left.
    Those(VecDeque<ConnectionKey>),
    /// All that stand in this slot of the worker, or behind it.
    AllFrom(u32),
}

/// What is to be done.
#[derive(Clone, Debug)]
pub enum Deed {
    /// Close them with this code.
    Close(CloseCode),
    /// Close those whose token was taken back.
    CloseRevoked,
    /// Subscribe them.
    Give(Arc<str>),
    /// Unsubscribe them.
    TakeAway(Arc<str>),
}

impl Deed {
    /// The channel, where there is one.
    fn channel(&self) -> Option<&Arc<str>> {
        match self {
            Self::Give(channel) | Self::TakeAway(channel) => Some(channel),
            Self::Close(_) | Self::CloseRevoked => None,
        }
    }

    /// What is counted, as the answer says it.
    fn word(&self) -> &'static str {
        match self {
            Self::Close(_) | Self::CloseRevoked => "disconnected",
            Self::Give(_) => "subscribed",
            Self::TakeAway(_) => "unsubscribed",
        }
    }
}

impl<N: Net> Worker<N> {
    /// What a request about users asks for, owned.
    pub(super) fn ask_for_user(
        &self,
        head: &Head<'_>,
        route: Route<'_>,
        caller: &Caller,
    ) -> Result<Ask, Refusal> {
        if !self.has_users() {
            let message = "there are no users without jwt_keys";
            return Err(Refusal::keeping(403, "not_enabled", message));
        }
        let user = |user: &str| check_name(name::check_user(user)).map(|()| Arc::<str>::from(user));
        let free = |caller: &Caller| {
            if caller.is_held() { Err(keys::refusal(Denied::Channel, None)) } else { Ok(()) }
        };
        let channel = |channel: &str| {
            check_name(name::check_writable(channel))?;
            keys::check_reach(caller, channel).map(|()| Arc::<str>::from(channel))
        };
        let ask = match route {
            Route::PublishToUser { user: whose } => {
                let whose = user(&whose)?;
                keys::check_reach(caller, USER)?;
                return self.publish_ask(head, own_channel(&whose));
            }
            Route::DisconnectUser { user: whose, reconnect } => {
                free(caller)?;
                UserAsk::Disconnect(user(&whose)?, reconnect)
            }
            Route::SubscribeUser { user: whose, channel: what } => {
                UserAsk::Subscribe(user(&whose)?, channel(&what)?)
            }
            Route::UnsubscribeUser { user: whose, channel: what } => {
                UserAsk::Unsubscribe(user(&whose)?, channel(&what)?)
            }
            _ => {
                free(caller)?;
                UserAsk::Revoke
            }
        };
        Ok(Ask::User(ask))
    }

    /// Carries out what was asked for users.
    pub(super) fn carry_out_for_user(&mut self, slot: u32, call: Call, ask: UserAsk, body: &[u8]) {
        match ask {
            UserAsk::Disconnect(user, reconnect) => {
                let code = if reconnect { CloseCode::MOVED } else { CloseCode::DISCONNECTED };
                self.send_errands(slot, call, &To::User(user), &Deed::Close(code));
            }
            UserAsk::Subscribe(user, channel) => {
                self.enlist(slot, call, To::User(user), Deed::Give(channel));
            }
            UserAsk::Unsubscribe(user, channel) => {
                self.send_errands(slot, call, &To::User(user), &Deed::TakeAway(channel));
            }
            UserAsk::Revoke => self.revoke(slot, call, body),
        }
    }

    /// Takes tokens back: first in the table, so that nobody comes in with them from now on, then
    /// who is here goes.
    fn revoke(&mut self, slot: u32, call: Call, body: &[u8]) {
        let wall_ms = self.now.wall_ms;
        let Revocation { of, until_ms } = match parse_revocation(body, wall_ms) {
            Ok(revocation) => revocation,
            Err(fault) => return self.finish(slot, &call, &refused(&fault, None)),
        };
        let (revoked, to) = match of {
            Of::User(user) => (Revoked::User(user.as_ref().into()), To::User(user.into())),
            Of::Token(id) => (Revoked::Token(id.into()), To::AllFrom(0)),
        };
        if !self.node.users.revocations().revoke(&revoked, wall_ms, until_ms) {
            self.limited(Limit::Revocations);
            let message = "the node remembers as many revocations as it may";
            let fault = Fault::new(Code::Overloaded, message);
            return self.finish(slot, &call, &refused(&fault, Some(OVERLOAD_PACE_MS)));
        }
        self.count_one(Counter::Revocations);
        self.send_errands(slot, call, &to, &Deed::CloseRevoked);
    }

    fn send_errands(&mut self, slot: u32, mut call: Call, to: &To, deed: &Deed) {
        call.gathered = Gathered::Done { word: deed.word(), count: 0 };
        self.await_all(slot, call, |ticket| {
            let (to, deed) = (to.clone(), deed.clone());
            Mail::Errand(Box::new(Errand { to, deed, done: 0, ticket }))
        });
    }

    /// Before connections are subscribed, the owner of the channel is asked whether it may be.
    fn enlist(&mut self, slot: u32, mut call: Call, to: To, deed: Deed) {
        call.gathered = Gathered::Done { word: deed.word(), count: 0 };
        let Some(owner) = deed.channel().map(|channel| self.owner(channel)) else { return };
        let ticket = self.ticket(slot, 0);
        let errand = Errand { to, deed, done: 0, ticket };
        let awaited = usize::from(self.config.workers.max(1));
        self.await_answers(slot, call, awaited, owner, Mail::Enlist(Box::new(errand)));
    }

    /// As the owner of a channel: sees to it that there is one, then sends everybody there.
    pub(super) fn owner_enlist(&mut self, errand: &Errand) {
        let Some(channel) = errand.deed.channel() else { return };
        if let Err(refused) = self.shard.create(channel, self.now) {
            self.limited(Limit::Channels);
            let (fault, pace_ms) = refusal(refused);
            let (ticket, channel) = (errand.ticket.clone(), Some(Arc::clone(channel)));
            return self.answer(ticket, channel, Content::Refused(fault, pace_ms));
        }
        for worker in 0..self.config.workers.max(1) {
            self.letter(worker, Mail::Errand(Box::new(errand.clone())));
        }
    }

    /// Does it to some of the connections here; then to the others in another turn, or it is done.
    /// Where too much waits for other turns already, it is all done in this one.
    pub(super) fn run(&mut self, mut errand: Box<Errand>) {
        if let To::User(user) = &errand.to {
            errand.to = To::Those(self.node.users.connections(user, self.id));
        }
        while self.visit_some(&mut errand) {
            if self.later.len() < LISTS {
                return self.later.push_back(Mail::Errand(errand));
            }
        }
        let Errand { deed, done, ticket, .. } = *errand;
        let channel = deed.channel().map(Arc::clone);
        let owner = channel.as_deref().map(|channel| self.owner(channel));
        let answer = Box::new(Answer { channel, content: Content::Done(done), ticket });
        match owner {
            // By way of the owner, behind the subscriptions: who has the answer may count on them.
            Some(owner) => self.letter(owner, Mail::Return(answer)),
            None => self.letter(answer.ticket.connection.worker, Mail::Answer(answer)),
        }
    }

    /// Whether there are more.
    fn visit_some(&mut self, errand: &mut Errand) -> bool {
        let (deed, done) = (&errand.deed, &mut errand.done);
        match &mut errand.to {
            To::User(_) => false,
            To::Those(left) => {
                let count = left.len().min(ERRAND_VISITS);
                for key in left.drain(..count) {
                    let is_there = self.table.same(key.slot, key.generation).is_some();
                    *done += u64::from(is_there && self.visit_for(key.slot, deed));
                }
                !left.is_empty()
            }
            To::AllFrom(next) => {
                let slots = self.table.slots() as u32;
                let end = next.saturating_add(LIST_VISITS as u32).min(slots);
                for slot in *next..end {
                    *done += u64::from(self.visit_for(slot, deed));
                }
                *next = end;
                end < slots
            }
        }
    }

    /// Does it to one connection. Says whether it came to something.
    fn visit_for(&mut self, slot: u32, deed: &Deed) -> bool {
        let is_socket = matches!(self.table.hot(slot).phase, Phase::Opening | Phase::Open);
        let code = match deed {
            _ if !is_socket => return false,
            Deed::Give(channel) => return self.give(slot, channel),
            Deed::TakeAway(channel) => return self.take_away(slot, channel),
            Deed::CloseRevoked if !self.token(slot).is_some_and(|token| self.is_revoked(token)) => {
                return false;
            }
            Deed::CloseRevoked => CloseCode::REVOKED,
            Deed::Close(code) => *code,
        };
        self.close(slot, code);
        true
    }
}
