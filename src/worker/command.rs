//! What clients say, carried out: commands of `fanwire.v1` and raw messages. How often they may is
//! `rate`.

use std::sync::Arc;

use super::Worker;
use super::mail::{Answer, Birth, Content, History, Mail, Publish, Requester, Ticket};
use super::net::Net;
use super::presence::{NO_PRESENCE, parse_cursor, roll};
use crate::client::answer;
use crate::client::code::{Code, Fault};
use crate::client::command::{self, Command, Refusal, Request, RequestId, Start, Wish};
use crate::conn::entry::Flags;
use crate::hub::Kind;
use crate::hub::channel::Draft;
use crate::hub::encode::{ALL, USER};
use crate::hub::shard::{Since, Span};
use crate::limits::OVERLOAD_PACE_MS;
use crate::metrics::{Limit, Over};
use crate::policy::rule::Presence;
use crate::ws::MessageKind;
use crate::ws::close::CloseCode;

impl<N: Net> Worker<N> {
    /// A message on `/ws`.
    pub(super) fn take_command(&mut self, slot: u32, kind: MessageKind, payload: &[u8]) {
        if let Err(pace_ms) = self.allow(slot) {
            return self.refuse_for_rate(slot, payload, pace_ms);
        }
        if self.table.hot(slot).flags.has(Flags::STRANGER) {
            return self.take_first_words(slot, kind, payload);
        }
        if kind == MessageKind::Binary {
            let fault = Fault::new(Code::UnsupportedData, "text messages only");
            return self.say_error(slot, &RequestId::None, None, &fault, None);
        }
        match command::parse(payload) {
            Ok(Request { id, mut command }) => {
                self.name_in_full(slot, &mut command);
                match self.forbidden(slot, &command) {
                    Some((channel, deed)) => self.forbid(slot, id, channel, deed),
                    None => {
                        if let Some((id, command)) = self.ask_first(slot, id, command) {
                            self.carry_out_command(slot, id, command);
                        }
                    }
                }
            }
            Err(refusal) => {
                let fault = refusal.fault;
                self.refuse_in_order(slot, refusal.id, refusal.channel.as_deref(), fault, None);
            }
        }
    }

    /// Answers a message over the rate, once for each channel that it is about; each of these
    /// counts as a message, for each gets an answer.
    fn refuse_for_rate(&mut self, slot: u32, payload: &[u8], pace_ms: u64) {
        let parsed = command::parse(payload);
        let count = match &parsed {
            Ok(Request { command: Command::Subscribe { wishes, .. }, .. }) => wishes.len(),
            _ => 1,
        };
        if self.is_flood(slot, count as u32) {
            return;
        }
        let fault = Fault::new(Code::RateLimited, "more messages than the rate allows");
        match parsed {
            Ok(request) => self.refuse_request(slot, request, &fault, Some(pace_ms)),
            Err(refusal) => {
                let channel = refusal.channel.as_deref();
                self.refuse_in_order(slot, refusal.id, channel, fault, Some(pace_ms));
            }
        }
    }

    /// Refuses a request, whatever it asks for, once for each channel that it is about.
    pub(super) fn refuse_request(
        &mut self,
        slot: u32,
        request: Request<'_>,
        fault: &Fault,
        pace_ms: Option<u64>,
    ) {
        let Request { id, command } = request;
        let mut refuse = |channel: Option<&str>| {
            self.refuse_in_order(slot, id.clone(), channel, fault.clone(), pace_ms);
        };
        let Command::Subscribe { wishes, .. } = command else { return refuse(command.channel()) };
        for wish in wishes {
            match wish {
                Ok(wish) => refuse(Some(&wish.channel)),
                Err(refusal) => refuse(refusal.channel.as_deref()),
            }
        }
    }

    pub(super) fn carry_out_command(&mut self, slot: u32, id: RequestId, command: Command<'_>) {
        let wall_ms = self.now.wall_ms;
        match command {
            Command::Echo { data } => {
                self.say_text(slot, |out| answer::echo(out, &id, data, wall_ms));
            }
            Command::Ping => self.say_text(slot, |out| answer::pong(out, &id, wall_ms)),
            Command::Publish(publish) => self.publish(slot, id, publish),
            Command::Subscribe { wishes, .. } => {
                for wish in wishes {
                    self.carry_out_wish(slot, id.clone(), wish);
                }
            }
            Command::Unsubscribe { channel } => {
                let (true, position) = self.leave_channel(slot, &channel) else {
                    let fault = Fault::new(Code::BadRequest, "channel is not subscribed to");
                    return self.refuse_in_order(slot, id, Some(&channel), fault, None);
                };
                let ticket = self.client_ticket(slot, id);
                let name: Arc<str> = channel.as_ref().into();
                let content = Content::Left(position);
                let answer = Answer { ticket, channel: Some(name), content };
                self.ask_owner(slot, Mail::Return(Box::new(answer)), &channel);
            }
            Command::History { channel, start, limit } => {
                self.read_history(slot, id, &channel, start, limit);
            }
            Command::Auth { token } => self.authenticate(slot, &id, &token),
            Command::Presence { channel, limit, cursor } => {
                self.read_presence(slot, id, &channel, limit, cursor.as_deref());
            }
        }
    }

    /// One of the channels that a `subscribe` names.
    pub(super) fn carry_out_wish(
        &mut self,
        slot: u32,
        id: RequestId,
        wish: Result<Wish<'_>, Refusal>,
    ) {
        match wish {
            Ok(wish) => self.subscribe(slot, id, wish),
            Err(Refusal { id, channel, fault }) => {
                self.refuse_in_order(slot, id, channel.as_deref(), fault, None);
            }
        }
    }

    fn publish(&mut self, slot: u32, id: RequestId, publish: command::Publish<'_>) {
        let own = self.key(slot);
        let draft = Draft {
            kind: publish.data.kind,
            payload: (&*publish.data.bytes).into(),
            from: self.publishes_as(slot, &publish.channel),
            key: publish.key.map(Into::into),
            skip: publish.skip_self.then_some(own),
        };
        let idempotency = publish.idempotency_key.map(|key| (self.publisher(slot), key.into()));
        if !self.admits(slot, &id, &publish.channel) {
            return;
        }
        let ticket = self.client_ticket(slot, id);
        let birth = self.birth(slot, &publish.channel);
        let channel = publish.channel.as_ref().into();
        let charge = draft.payload.len();
        let letter = Publish { channel, draft, idempotency, ticket, birth, charge };
        self.ask_owner(slot, Mail::Publish(Box::new(letter)), &publish.channel);
    }

    fn read_history(
        &mut self,
        slot: u32,
        id: RequestId,
        channel: &str,
        start: Start<'_>,
        limit: u32,
    ) {
        let (since, before) = match start {
            Start::Head => (None, None),
            Start::Since(position) => (Some(position.into()), None),
            Start::Before(position) => (None, Some(position.into())),
        };
        if !self.admits(slot, &id, channel) {
            return;
        }
        let span = Span { since, before, limit: limit as usize };
        let ticket = self.client_ticket(slot, id);
        // Its answer is long: one at a time.
        self.table.hot_mut(slot).flags.set(Flags::HISTORY);
        let letter = History { channel: channel.into(), span, ticket };
        self.ask_owner(slot, Mail::History(Box::new(letter)), channel);
    }

    fn read_presence(
        &mut self,
        slot: u32,
        id: RequestId,
        channel: &str,
        limit: u32,
        cursor: Option<&str>,
    ) {
        if self.presence_of(channel) == Presence::None {
            return self.not_enabled(slot, id, Some(channel), NO_PRESENCE);
        }
        let after = cursor.map(|cursor| parse_cursor(self.seed, cursor));
        if let Some(None) = after {
            let fault = Fault::new(Code::BadRequest, "data.cursor: is none that was given here");
            return self.refuse_in_order(slot, id, Some(channel), fault, None);
        }
        if !self.admits(slot, &id, channel) {
            return;
        }
        let ticket = self.client_ticket(slot, id);
        // Its answer is long: one at a time.
        self.table.hot_mut(slot).flags.set(Flags::HISTORY);
        let letter = roll(channel, after.flatten(), limit, ticket);
        self.ask_owner(slot, letter, channel);
    }

    fn subscribe(&mut self, slot: u32, id: RequestId, wish: Wish<'_>) {
        let channel = wish.channel.as_ref();
        if !self.may_hear(slot, channel) {
            return self.forbid(slot, id, channel, "subscribe to it");
        }
        if wish.presence && self.presence_of(channel) == Presence::None {
            return self.not_enabled(slot, id, Some(channel), NO_PRESENCE);
        }
        if self.follows(slot, channel) {
            let fault = Fault::new(Code::AlreadySubscribed, "this connection follows it already");
            return self.refuse_in_order(slot, id, Some(channel), fault, None);
        }
        if channel != ALL && self.has_all_subscriptions(slot) {
            self.limited(Limit::Subscriptions);
            let message = "this connection has all the subscriptions that it may have";
            let fault = Fault::new(Code::TooManySubscriptions, message);
            return self.refuse_in_order(slot, id, Some(channel), fault, None);
        }
        let channel: Arc<str> = channel.into();
        let mode = wish.mode;
        let pace = self.pace_of(&channel, mode, wish.max_rate);
        let (position, last) = (wish.since.map(Into::into), wish.last.map(u64::from));
        if position.is_none()
            && last.is_none()
            && self.table.hot(slot).pending == 0
            && let Some(position) = self.join_live(slot, &channel, pace, mode)
        {
            let wall_ms = self.now.wall_ms;
            let data = |out: &mut Vec<u8>| answer::subscribed(out, position, true, Some(0));
            self.say_text(slot, |out| answer::ack(out, &id, Some(&channel), data, wall_ms));
        } else {
            self.table.hot_mut(slot).pending += 1;
            let since = Since { position, last, mode };
            self.join(slot, Arc::clone(&channel), pace, since, id);
        }
        if wish.presence {
            self.wants_presence(slot, &channel);
        }
    }

    /// A message on a raw channel is a publication.
    pub(super) fn take_raw(&mut self, slot: u32, kind: MessageKind, payload: &[u8]) {
        self.throttle(slot);
        let hot = self.table.hot(slot);
        let Some(reference) = hot.references().next() else { return };
        let channel = Arc::clone(&self.feeds[reference.feed as usize].channel);
        if !self.may_publish(slot, &channel) {
            return self.close(slot, CloseCode::FORBIDDEN);
        }
        if !self.ask_about_raw(slot, &channel, kind, payload) {
            self.publish_raw(slot, channel, kind, payload);
        }
    }

    /// The same, decided.
    pub(super) fn publish_raw(
        &mut self,
        slot: u32,
        channel: Arc<str>,
        kind: MessageKind,
        payload: &[u8],
    ) {
        let hot = self.table.hot(slot);
        let skip = hot.flags.has(Flags::NOT_SELF).then_some(self.key(slot));
        let kind = match kind {
            MessageKind::Text => Kind::Text,
            MessageKind::Binary => Kind::Binary,
        };
        let payload = payload.into();
        let from = self.publishes_as(slot, &channel);
        let draft = Draft { kind, payload, from, key: None, skip };
        let ticket = Ticket { connection: self.key(slot), request: Requester::Raw };
        let name = Arc::clone(&channel);
        if self.is_crowded(self.owner(&name)) {
            // There are no words here, and it must not get lost in silence.
            self.limited(Limit::MailBytes);
            return self.fail(slot, CloseCode::OVERLOADED);
        }
        let birth = self.birth(slot, &name);
        let charge = draft.payload.len();
        let letter = Publish { channel, draft, idempotency: None, ticket, birth, charge };
        self.ask_owner(slot, Mail::Publish(Box::new(letter)), &name);
    }

    /// Whether a channel's owner may be sent a request; else says so.
    fn admits(&mut self, slot: u32, id: &RequestId, channel: &str) -> bool {
        let admits = !self.is_crowded(self.owner(channel));
        if !admits {
            let fault = self.crowded();
            let pace_ms = Some(OVERLOAD_PACE_MS);
            self.refuse_in_order(slot, id.clone(), Some(channel), fault, pace_ms);
        }
        admits
    }

    /// Whether a request of this connection may bring its channel into being.
    pub(super) fn birth(&self, slot: u32, channel: &str) -> Birth {
        if channel.starts_with('$') || !self.counts_channels() {
            Birth::Free
        } else if self.may_create(slot) {
            Birth::Counted
        } else {
            Birth::Refused
        }
    }

    /// Sends a letter to a channel's owner, who will answer.
    fn ask_owner(&mut self, slot: u32, mail: Mail, channel: &str) {
        self.table.hot_mut(slot).pending += 1;
        let owner = self.owner(channel);
        self.letter(owner, mail);
    }

    fn client_ticket(&self, slot: u32, id: RequestId) -> Ticket {
        Ticket { connection: self.key(slot), request: Requester::Client(id) }
    }

    /// What a command wants of a channel whose rule does not allow it. (Each wish of a subscribe is
    /// judged alone.)
    pub(super) fn forbidden<'c>(
        &self,
        slot: u32,
        command: &'c Command<'_>,
    ) -> Option<(&'c str, &'static str)> {
        let (channel, allowed, deed) = match command {
            Command::Publish(publish) => {
                let channel = &publish.channel;
                (channel, self.may_publish(slot, channel), "publish to it")
            }
            Command::History { channel, .. } => {
                (channel, self.may_hear(slot, channel), "read its history")
            }
            Command::Presence { channel, .. } => {
                (channel, self.may_hear(slot, channel), "see who is there")
            }
            _ => return None,
        };
        (!allowed).then_some((channel, deed))
    }

    /// Refuses what the channel's rule does not allow.
    pub(super) fn forbid(&mut self, slot: u32, id: RequestId, channel: &str, deed: &str) {
        if channel == USER && !self.has_users() {
            return self.not_enabled(
                slot,
                id,
                Some(channel),
                "there are no users without jwt_keys",
            );
        }
        let message = format!("channel: the rules here do not let you {deed}");
        self.refuse_in_order(slot, id, Some(channel), Fault::new(Code::Forbidden, message), None);
    }

    fn not_enabled(&mut self, slot: u32, id: RequestId, channel: Option<&str>, why: &'static str) {
        self.refuse_in_order(slot, id, channel, Fault::new(Code::NotEnabled, why), None);
    }

    /// Refuses a request. Where others of this connection wait for the channel's owner, the refusal
    /// goes there and back, for answers of one channel keep their order.
    pub(super) fn refuse_in_order(
        &mut self,
        slot: u32,
        id: RequestId,
        channel: Option<&str>,
        fault: Fault,
        pace_ms: Option<u64>,
    ) {
        let channel = channel.map(|channel| self.full_name(slot, channel));
        let channel = channel.as_deref();
        match channel.filter(|_| self.table.hot(slot).pending > 0) {
            None => self.say_error(slot, &id, channel, &fault, pace_ms),
            Some(channel) => {
                let ticket = self.client_ticket(slot, id);
                let content = Content::Refused(fault, pace_ms);
                let answer = Answer { ticket, channel: Some(channel.into()), content };
                self.ask_owner(slot, Mail::Return(Box::new(answer)), channel);
            }
        }
    }

    /// Says an `error`.
    pub(super) fn say_error(
        &mut self,
        slot: u32,
        id: &RequestId,
        channel: Option<&str>,
        fault: &Fault,
        pace_ms: Option<u64>,
    ) {
        self.refused(Over::WebSocket, fault.code);
        let wall_ms = self.now.wall_ms;
        self.say_text(slot, |out| answer::error(out, id, channel, fault, pace_ms, wall_ms));
    }

    /// Takes in an answer that a client waits for.
    pub(super) fn take_client_answer(&mut self, slot: u32, id: &RequestId, answer: Answer) {
        let channel = answer.channel.as_deref();
        let wall_ms = self.now.wall_ms;
        let ack = |worker: &mut Self, data: &dyn Fn(&mut Vec<u8>)| {
            worker.say_text(slot, |out| {
                answer::ack(out, id, channel, |out: &mut Vec<u8>| data(out), wall_ms);
            });
        };
        match answer.content {
            Content::Published(published) => ack(self, &|out| {
                answer::published(out, published.position, published.duplicate);
            }),
            Content::History(json) | Content::Members(json) => {
                ack(self, &|out| out.extend_from_slice(&json));
            }
            Content::Left(position) => ack(self, &|out| answer::unsubscribed(out, position)),
            Content::Ended(reason) => {
                self.say_ended(slot, channel.unwrap_or_default(), reason, None);
            }
            Content::Refused(fault, pace_ms) | Content::NoHistory(fault, pace_ms) => {
                self.say_error(slot, id, channel, &fault, pace_ms);
            }
            Content::Described(_)
            | Content::Listed(_)
            | Content::Connections(_)
            | Content::Disconnected(_)
            | Content::Done(_)
            | Content::Probed => {
                debug_assert!(false, "clients do not ask for these");
            }
        }
    }

    /// Says one text to a client.
    pub(super) fn say_text(&mut self, slot: u32, write: impl FnOnce(&mut Vec<u8>)) {
        let mut text = std::mem::take(&mut self.text);
        text.clear();
        write(&mut text);
        self.frame_text(slot, &text);
        text.shrink_to(64 << 10);
        self.text = text;
    }
}
