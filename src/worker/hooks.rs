//! Hooks on the side of the worker: what the backend has to be asked about waits here, and goes on
//! when the verdict has come by mail. One message of a connection waits at a time, and nothing more
//! is read from it meanwhile; so the order of its requests is kept, and who floods a slow backend
//! only slows down. What waits here lives exactly as long as its questions do: when a connection
//! dies, it is dropped when they are answered. How the backend is called is `crate::hooks`.

use std::collections::VecDeque;
use std::sync::Arc;

use serde_json::value::RawValue;

use super::net::{self, Net};
use super::{Worker, identity};
use crate::client::code::{Code, Fault};
use crate::client::command::{Command, Refusal, RequestId, Wish};
use crate::conn::entry::{Endpoint, Flags, Phase};
use crate::hooks::words::Story;
use crate::hooks::{Call, Ticket, Verdict};
use crate::http::routes::Raw;
use crate::hub::shard::Since;
use crate::hub::{ConnectionKey, Kind};
use crate::limits::OVERLOAD_PACE_MS;
use crate::metrics::Limit;
use crate::policy::hook::Event;
use crate::ws::MessageKind;
use crate::ws::close::CloseCode;

/// A message that waits for verdicts.
#[derive(Debug)]
pub(super) struct Parked {
    connection: ConnectionKey,
    deed: Deed,
    /// Questions without a verdict.
    open: usize,
}

/// What is done when the backend says yes.
#[derive(Debug)]
enum Deed {
    /// A new WebSocket begins. What is told of its end is kept, for it may come first.
    Connect(Begin<'static>, Option<Arc<str>>),
    /// A raw channel begins.
    Listen(Raw<'static>),
    /// A request is carried out.
    Request(RequestId, Command<'static>),
    /// Several, in their order.
    Wishes(RequestId, Wishes),
    /// A raw message is published.
    Publish(MessageKind, Vec<u8>),
}

/// The channels of a `subscribe` that wait.
#[derive(Debug)]
struct Wishes {
    waiting: VecDeque<(Result<Wish<'static>, Refusal>, Option<Verdict>)>,
    /// The number of the first.
    first: u32,
}

/// What a new WebSocket begins with.
#[derive(Debug)]
pub(super) enum Begin<'a> {
    /// `/ws`: with `$all`, from here on.
    Envelope(Since),
    /// One raw channel.
    Raw(Raw<'a>),
}

impl Parked {
    /// Whether this connection said it.
    pub(super) fn belongs_to(&self, connection: ConnectionKey) -> bool {
        self.connection == connection
    }
}

impl<N: Net> Worker<N> {
    /// Whoever is at the other end of a new WebSocket is known now: it begins, when it may.
    pub(super) fn begin(&mut self, slot: u32, begin: Begin<'_>) {
        if self.policy.hook(Event::Connect, None).is_none() {
            return self.begin_admitted(slot, begin);
        }
        let begin = match begin {
            Begin::Envelope(since) => Begin::Envelope(since),
            Begin::Raw(raw) => Begin::Raw(raw.into_owned()),
        };
        let body = self.tell_of(slot, Event::Connect, Story::default());
        let user = self.token(slot).map(|token| Arc::clone(&token.user));
        self.enter(slot, Phase::Opening, std::time::Duration::ZERO);
        self.park(slot, Event::Connect, body, 0, Deed::Connect(begin, user));
    }

    fn begin_admitted(&mut self, slot: u32, begin: Begin<'_>) {
        if self.policy.hook(Event::Disconnect, None).is_some() {
            self.table.hot_mut(slot).flags.set(Flags::ANNOUNCED);
        }
        match begin {
            Begin::Envelope(since) => self.begin_envelope(slot, since),
            Begin::Raw(raw)
                if self.policy.hook(Event::Subscribe, Some(&raw.channel)).is_some()
                    && self.may_hear(slot, &raw.channel) =>
            {
                let story = Story { channel: Some(&raw.channel), ..Story::default() };
                let body = self.tell_of(slot, Event::Subscribe, story);
                self.enter(slot, Phase::Opening, std::time::Duration::ZERO);
                self.park(slot, Event::Subscribe, body, 0, Deed::Listen(raw.into_owned()));
            }
            Begin::Raw(raw) => self.begin_raw(slot, raw),
        }
    }

    /// Asks the backend about a request, where it wants to be asked. Else gives the request back.
    pub(super) fn ask_first<'c>(
        &mut self,
        slot: u32,
        id: RequestId,
        command: Command<'c>,
    ) -> Option<(RequestId, Command<'c>)> {
        if self.policy.backend.is_none() {
            return Some((id, command));
        }
        let (event, channel) = match &command {
            Command::Subscribe { .. } => {
                let Command::Subscribe { wishes, .. } = command else { return None };
                self.ask_about_wishes(slot, id, wishes);
                return None;
            }
            Command::Publish(publish) => (Event::Publish, &publish.channel),
            // Who may subscribe may read: the same question, unless it was answered.
            Command::History { channel, .. } | Command::Presence { channel, .. } => {
                (Event::Subscribe, channel)
            }
            _ => return Some((id, command)),
        };
        let known = event == Event::Subscribe && self.follows(slot, channel);
        if known || self.policy.hook(event, Some(channel)).is_none() {
            return Some((id, command));
        }
        let story = Story { channel: Some(channel), ..Story::default() };
        let (story, held) = match &command {
            Command::Publish(publish) => {
                let key = publish.key.as_deref();
                let bytes = &publish.data.bytes;
                (Story { key, ..story }.with_payload(publish.data.kind, bytes), bytes.len())
            }
            _ => (story, 0),
        };
        let body = self.tell_of(slot, event, story);
        self.park(slot, event, body, held, Deed::Request(id, command.into_owned()));
        None
    }

    /// Asks about a raw message. False when it may be published at once.
    pub(super) fn ask_about_raw(
        &mut self,
        slot: u32,
        channel: &str,
        kind: MessageKind,
        payload: &[u8],
    ) -> bool {
        if self.policy.hook(Event::Publish, Some(channel)).is_none() {
            return false;
        }
        let as_kind = match kind {
            MessageKind::Text => Kind::Text,
            MessageKind::Binary => Kind::Binary,
        };
        let story = Story { channel: Some(channel), ..Story::default() };
        let body = self.tell_of(slot, Event::Publish, story.with_payload(as_kind, payload));
        let deed = Deed::Publish(kind, payload.into());
        self.park(slot, Event::Publish, body, payload.len(), deed);
        true
    }

    /// Asks about those channels of a `subscribe` about which the backend wants to be asked; the
    /// others go on at once, but for those behind the first that waits.
    fn ask_about_wishes(
        &mut self,
        slot: u32,
        id: RequestId,
        wishes: Vec<Result<Wish<'_>, Refusal>>,
    ) {
        let mut waiting = VecDeque::new();
        let mut questions = Vec::new();
        for wish in wishes {
            let asks = wish.as_ref().is_ok_and(|wish| self.asks_to_follow(slot, &wish.channel));
            if !asks && waiting.is_empty() {
                self.carry_out_wish(slot, id.clone(), wish);
                continue;
            }
            if asks && let Ok(wish) = &wish {
                let story = Story { channel: Some(&wish.channel), ..Story::default() };
                let body = self.tell_of(slot, Event::Subscribe, story);
                questions.push((waiting.len() as u32, body));
            }
            let verdict = (!asks).then_some(Verdict::Allowed);
            waiting.push_back((wish.map(Wish::into_owned), verdict));
        }
        if waiting.is_empty() {
            return;
        }
        // The first question answers for all that waits with it.
        let mut held = waiting.len() * (size_of_val(&waiting[0]) + crate::limits::MAX_CHANNEL_NAME);
        let wishes = Wishes { waiting, first: 0 };
        let hot = self.table.hot_mut(slot);
        hot.pending += wishes.waiting.len() as u16;
        hot.flags.set(Flags::PARKED);
        let (connection, open) = (self.key(slot), questions.len());
        let deed = Deed::Wishes(id, wishes);
        let at = self.parked.insert(Parked { connection, deed, open });
        for (item, body) in questions {
            let ticket = Ticket { worker: self.id, parked: at as u32, item };
            let call = Call { event: Event::Subscribe, body, ticket: Some(ticket), held };
            if self.net.call(call) {
                held = 0;
            } else {
                self.limited(Limit::HookQueue);
                self.take_verdict(ticket, Verdict::Crowded);
            }
        }
    }

    fn asks_to_follow(&self, slot: u32, channel: &str) -> bool {
        self.policy.hook(Event::Subscribe, Some(channel)).is_some()
            && self.may_hear(slot, channel)
            && !self.follows(slot, channel)
    }

    /// Lets one message wait for the answer to one question.
    fn park(&mut self, slot: u32, event: Event, body: Vec<u8>, held: usize, deed: Deed) {
        let hot = self.table.hot_mut(slot);
        hot.pending += 1;
        hot.flags.set(Flags::PARKED);
        let at = self.parked.insert(Parked { connection: self.key(slot), deed, open: 1 });
        let ticket = Ticket { worker: self.id, parked: at as u32, item: 0 };
        if !self.net.call(Call { event, body, ticket: Some(ticket), held }) {
            self.limited(Limit::HookQueue);
            self.take_verdict(ticket, Verdict::Crowded);
        }
    }

    /// The backend has said something, or has not.
    pub(super) fn take_verdict(&mut self, ticket: Ticket, verdict: Verdict) {
        let ignored = self.net.plants(net::Fault::IgnoredVerdict);
        let verdict = if ignored { Verdict::Allowed } else { verdict };
        let at = ticket.parked as usize;
        let Some(parked) = self.parked.get_mut(at) else {
            debug_assert!(false, "what waits lives as long as its questions");
            return;
        };
        parked.open -= 1;
        let (key, over) = (parked.connection, parked.open == 0);
        let hot = self.table.same(key.slot, key.generation);
        if hot.is_none_or(|hot| !matches!(hot.phase, Phase::Opening | Phase::Open)) {
            if over {
                let parked = self.parked.remove(at);
                if let Deed::Connect(_, user) = &parked.deed {
                    self.take_back(key, user.as_deref(), &verdict);
                }
            }
            return;
        }
        if let Deed::Wishes(_, wishes) = &mut parked.deed {
            if let Some((_, answer)) = wishes.waiting.get_mut((ticket.item - wishes.first) as usize)
            {
                *answer = Some(verdict);
            }
            return self.go_on_with_wishes(key.slot, at);
        }
        let parked = self.parked.remove(at);
        self.table.hot_mut(key.slot).flags.clear(Flags::PARKED);
        self.answered(key.slot);
        self.go_on(key.slot, parked.deed, verdict);
    }

    /// Carries out what waits no longer, in its order.
    fn go_on_with_wishes(&mut self, slot: u32, at: usize) {
        while let Deed::Wishes(id, wishes) = &mut self.parked[at].deed {
            let Some((_, Some(_))) = wishes.waiting.front() else { break };
            let Some((wish, Some(verdict))) = wishes.waiting.pop_front() else { break };
            wishes.first += 1;
            let id = id.clone();
            self.answered(slot);
            let refused = wish.as_ref().ok().zip(fault(verdict));
            match refused.map(|(wish, fault)| (wish.channel.clone(), fault)) {
                Some((channel, (fault, pace_ms))) => {
                    self.refuse_in_order(slot, id, Some(&channel), fault, pace_ms);
                }
                None => self.carry_out_wish(slot, id, wish),
            }
            if self.table.hot(slot).phase != Phase::Open {
                break;
            }
        }
        let parked = &self.parked[at];
        let done = matches!(&parked.deed, Deed::Wishes(_, wishes) if wishes.waiting.is_empty());
        if parked.open == 0 {
            debug_assert!(done || self.table.hot(slot).phase != Phase::Open);
            self.parked.remove(at);
            self.table.hot_mut(slot).flags.clear(Flags::PARKED);
            self.resume(slot);
        }
    }

    fn go_on(&mut self, slot: u32, deed: Deed, verdict: Verdict) {
        let denied = verdict != Verdict::Allowed;
        match deed {
            Deed::Connect(_, user) if denied => {
                self.take_back(self.key(slot), user.as_deref(), &verdict);
                self.turn_away(slot, verdict);
            }
            Deed::Listen(_) if denied => self.turn_away(slot, verdict),
            Deed::Connect(begin, _) => {
                self.reopen(slot);
                self.begin_admitted(slot, begin);
                self.has_begun(slot);
            }
            Deed::Listen(raw) => {
                self.reopen(slot);
                self.begin_raw(slot, raw);
                self.has_begun(slot);
            }
            Deed::Request(id, command) => match (fault(verdict), self.forbidden(slot, &command)) {
                (Some((fault, pace_ms)), _) => {
                    self.refuse_in_order(slot, id, command.channel(), fault, pace_ms);
                }
                // The rules may have changed meanwhile.
                (None, Some((channel, deed))) => self.forbid(slot, id, channel, deed),
                (None, None) => self.carry_out_command(slot, id, command),
            },
            Deed::Publish(kind, payload) => self.go_on_raw(slot, kind, &payload, &verdict),
            Deed::Wishes(..) => debug_assert!(false, "they go on one by one"),
        }
    }

    fn go_on_raw(&mut self, slot: u32, kind: MessageKind, payload: &[u8], verdict: &Verdict) {
        let Some(reference) = self.table.hot(slot).references().next() else { return };
        let channel = Arc::clone(&self.feeds[reference.feed as usize].channel);
        match verdict {
            Verdict::Allowed if self.may_publish(slot, &channel) => {
                self.publish_raw(slot, channel, kind, payload);
            }
            Verdict::Allowed | Verdict::Denied(_) => self.close(slot, CloseCode::FORBIDDEN),
            // There are no words here, and it must not get lost in silence.
            Verdict::Silent | Verdict::Crowded => self.fail(slot, CloseCode::OVERLOADED),
        }
    }

    /// It is as it was before the backend was asked.
    fn reopen(&mut self, slot: u32) {
        self.table.hot_mut(slot).phase = Phase::Open;
        self.begin_rounds(slot);
    }

    /// A WebSocket whose beginning had to wait has begun, unless it waits for more.
    fn has_begun(&mut self, slot: u32) {
        if self.table.hot(slot).phase == Phase::Open {
            self.send_off_late(slot);
            self.resume(slot);
        }
    }

    /// Closes a WebSocket that may not begin; who speaks in envelopes is told why.
    fn turn_away(&mut self, slot: u32, verdict: Verdict) {
        let code = match verdict {
            Verdict::Denied(_) => CloseCode::FORBIDDEN,
            _ => CloseCode::OVERLOADED,
        };
        if let Some((fault, pace_ms)) = fault(verdict)
            && self.table.hot(slot).endpoint() == Endpoint::Envelope
        {
            self.say_error(slot, &RequestId::None, None, &fault, pace_ms);
        }
        self.close(slot, code);
    }

    /// Somebody does not get in whom the backend has let in, or may think that it has.
    fn take_back(&mut self, key: ConnectionKey, user: Option<&str>, verdict: &Verdict) {
        if matches!(verdict, Verdict::Allowed | Verdict::Silent) {
            self.inform_of_disconnect(key, user);
        }
    }

    /// A connection ends of which the backend has heard.
    pub(super) fn inform_of_end(&mut self, slot: u32) {
        let hot = self.table.hot_mut(slot);
        if hot.flags.has(Flags::ANNOUNCED) {
            hot.flags.clear(Flags::ANNOUNCED);
            let user = self.token(slot).map(|token| Arc::clone(&token.user));
            self.inform_of_disconnect(self.key(slot), user.as_deref());
        }
    }

    fn inform_of_disconnect(&mut self, key: ConnectionKey, user: Option<&str>) {
        let hooked = self.policy.hook(Event::Disconnect, None).is_some();
        if !hooked || self.net.plants(net::Fault::SilentEnd) {
            return;
        }
        let name = identity::name(self.seed, key);
        let story = Story { connection: Some(&name), user, ..self.story(Event::Disconnect) };
        let body = story.write();
        self.inform(Event::Disconnect, body);
    }

    /// Whether nobody follows a channel that is owned here, where anybody wants to know that.
    pub(super) fn is_vacant(&self, channel: &str) -> bool {
        self.policy.backend.is_some() && self.shard.interested(channel).next().is_none()
    }

    /// A channel that is owned here has its first subscriber, or none any more.
    pub(super) fn inform_of_channel(&mut self, event: Event, channel: &str) {
        if self.policy.hook(event, Some(channel)).is_some() {
            let body = Story { channel: Some(channel), ..self.story(event) }.write();
            self.inform(event, body);
        }
    }

    fn inform(&mut self, event: Event, body: Vec<u8>) {
        if !self.net.call(Call { event, body, ticket: None, held: 0 }) {
            self.limited(Limit::HookQueue);
        }
    }

    /// A story about this connection.
    fn tell_of(&self, slot: u32, event: Event, story: Story<'_>) -> Vec<u8> {
        let name = identity::name(self.seed, self.key(slot));
        let token = self.token(slot);
        let info = token.and_then(|token| token.info.as_deref());
        let info: Option<&RawValue> = info.filter(|_| event == Event::Connect).and_then(|info| {
            // It stood in a token as JSON.
            serde_json::from_str(info).ok()
        });
        let Story { timestamp, node, event, .. } = self.story(event);
        Story {
            event,
            timestamp,
            node,
            connection: Some(&name),
            user: token.map(|token| &*token.user),
            address: self.client_address(slot),
            info,
            ..story
        }
        .write()
    }

    fn story(&self, event: Event) -> Story<'_> {
        let (timestamp, node) = (self.now.wall_ms, &*self.config.node_name);
        Story { event: event.word(), timestamp, node, ..Story::default() }
    }
}

/// What whoever asked is told, unless the backend has said yes.
fn fault(verdict: Verdict) -> Option<(Fault, Option<u64>)> {
    match verdict {
        Verdict::Allowed => None,
        Verdict::Denied(Some(message)) => {
            Some((Fault::new(Code::Forbidden, String::from(message)), None))
        }
        Verdict::Denied(None) => {
            let message = "the backend does not allow this";
            Some((Fault::new(Code::Forbidden, message), None))
        }
        Verdict::Silent => {
            let message = "the backend decides about this, and did not";
            Some((Fault::new(Code::BackendUnavailable, message), Some(OVERLOAD_PACE_MS)))
        }
        Verdict::Crowded => {
            let message = "too much waits for the backend, which decides about this";
            Some((Fault::new(Code::Overloaded, message), Some(OVERLOAD_PACE_MS)))
        }
    }
}
