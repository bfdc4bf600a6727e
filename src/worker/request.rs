//! HTTP requests on their way in: heads, guards, routes, bodies. What they ask for is carried out
//! in `exchange`, upgrades in `upgrade`.

use std::borrow::Cow;
use std::sync::Arc;

use super::connections::parse_cursor;
use super::net::Net;
use super::presence::{self, NO_PRESENCE};
use super::{Worker, identity, keys, pages};
use crate::client::code::Code;
use crate::client::name;
use crate::conn::entry::{Flags, Phase};
use crate::conn::session::{Ask, Call, Gathered, PublishAsk};
use crate::conn::wanted::Wanted;
use crate::http::Refusal;
use crate::http::body::BodyReader;
use crate::http::guard::AllowedOrigin;
use crate::http::head::{Body, Head, Method, Room, Scanner};
use crate::http::reply::{self, Circumstances, Reply};
use crate::http::routes::{self, Connections, List, Route, RouteError};
use crate::http::target::{Query, Target};
use crate::hub::encode::ALL;
use crate::hub::shard::Span;
use crate::limits::{MAX_KEY, MAX_POSITION};
use crate::metrics::{End, Limit, Over};
use crate::policy::authorize::{Caller, Denied};
use crate::policy::rule::Presence;

impl<N: Net> Worker<N> {
    /// Takes bytes of a request head. Returns how many belong to it.
    pub(super) fn take_head(&mut self, slot: u32, bytes: &[u8]) -> usize {
        if self.table.hot(slot).flags.has(Flags::PROXY_HEADER) {
            return self.take_proxy_header(slot, bytes);
        }
        let max_bytes = self.config.max_header_bytes;
        let (hot, cold) = self.table.parts(slot);
        let held = hot.inbox.as_mut().map(|inbox| std::mem::take(&mut inbox.held));
        let held = held.unwrap_or_default();
        let (before, head) = if held.is_empty() {
            (0, Cow::Borrowed(bytes))
        } else {
            let mut all = held;
            let before = all.len();
            all.extend_from_slice(bytes);
            (before, Cow::Owned(all))
        };
        let mut fresh = Scanner::default();
        let scanner = cold.session.as_mut().map_or(&mut fresh, |session| &mut session.scanner);
        match scanner.scan(&head, max_bytes) {
            Ok(Some(length)) => {
                if let Some(session) = &mut cold.session {
                    session.scanner = Scanner::default();
                }
                hot.flags.clear(Flags::BEGUN);
                let used = length - before;
                match Head::parse(&head[..length], &mut Room::new()) {
                    Ok(head) => self.take_request(slot, &head),
                    Err(refusal) => self.refuse(slot, &refusal, false),
                }
                used
            }
            Ok(None) => {
                let scanner = std::mem::take(scanner);
                cold.session.get_or_insert_default().scanner = scanner;
                // The first head of a connection has its time from the accept on.
                let later = hot.flags.set(Flags::BEGUN) && !hot.flags.has(Flags::HANDSHAKE);
                self.inbox(slot).held = head.into_owned();
                if later {
                    self.set_deadline(slot, self.config.handshake_timeout);
                }
                bytes.len()
            }
            Err(refusal) => {
                self.refuse(slot, &refusal, false);
                bytes.len()
            }
        }
    }

    /// Takes a whole head: who asks, and for what.
    fn take_request(&mut self, slot: u32, head: &Head<'_>) {
        self.end_handshake(slot);
        if !self.meet_forwarded(slot, head) {
            return;
        }
        let head_only = head.method == Method::Head;
        let admitted = self.check_listener(slot, head).and_then(|()| self.check_sender(slot, head));
        if let Err(refusal) = admitted {
            self.refuse(slot, &refusal, head_only);
            return;
        }
        if self.answer_preflight(slot, head) {
            return;
        }
        let outcome = match routes::route(head.method, &head.target, head.wants_upgrade()) {
            Ok(route @ (Route::Socket { .. } | Route::Echo | Route::Raw(_))) => {
                return self.upgrade(slot, head, route);
            }
            Ok(route) => {
                self.call(slot, head, route).map_err(|refusal| self.refusal_reply(&refusal))
            }
            Err(error) => Err(self.led_nowhere(slot, head, &error)),
        };
        match outcome {
            Ok(call) => self.begin_call(slot, call, head),
            Err(reply) => {
                // A body that nobody reads must not be taken for the next request.
                let close = !head.keep_alive() || !matches!(head.body(), Ok(Body::None));
                self.reply(slot, &reply, Circumstances { head_only, close, ..Default::default() });
            }
        }
    }

    /// What is answered where there is no such route. Who may not ask for a path is told that, and
    /// nothing about its parameters.
    fn led_nowhere(&self, slot: u32, head: &Head<'_>, error: &RouteError) -> Reply<'static> {
        let plain = Target { query: Query::default(), ..head.target };
        if matches!(error, RouteError::BadRequest { .. })
            && let Ok(route) = routes::route(head.method, &plain, head.wants_upgrade())
            && let Err(refusal) = self.caller(slot, head, &route)
        {
            return self.refusal_reply(&refusal);
        }
        error.reply()
    }

    /// Translates a route to what is asked for, owned, since the head is about to go.
    fn call(&self, slot: u32, head: &Head<'_>, route: Route<'_>) -> Result<Call, Refusal> {
        let caller = self.caller(slot, head, &route)?;
        let ask = match self.ask(head, route, &caller) {
            Ok(ask) => ask,
            Err(refusal) => Ask::Refuse(refusal),
        };
        let body = match head.body()? {
            Body::None => None,
            body => Some(BodyReader::new(body, self.config.max_body_bytes)?),
        };
        Ok(Call {
            ask,
            caller,
            body,
            charge: self.ledger.charge(),
            began: self.tick(),
            head_only: head.method == Method::Head,
            close: !head.keep_alive(),
            awaited: 0,
            gathered: Gathered::One,
        })
    }

    fn ask(&self, head: &Head<'_>, route: Route<'_>, caller: &Caller) -> Result<Ask, Refusal> {
        let not_enabled = || Refusal::keeping(403, "not_enabled", "this server does not do that");
        Ok(match route {
            Route::Broadcast => {
                keys::check_reach(caller, ALL)?;
                self.publish_ask(head, ALL.into())?
            }
            Route::Publish { channel } => {
                check_name(name::check_writable(&channel))?;
                keys::check_reach(caller, &channel)?;
                self.publish_ask(head, channel.as_ref().into())?
            }
            Route::PublishBatch => Ask::Batch,
            Route::Describe { channel } => {
                check_name(name::check_one(&channel))?;
                keys::check_reach(caller, &channel)?;
                Ask::Describe(channel.as_ref().into())
            }
            Route::History(wanted) => {
                check_name(name::check_one(&wanted.channel))?;
                keys::check_reach(caller, &wanted.channel)?;
                let (since, before) = (boxed(wanted.since), boxed(wanted.before));
                let span = Span { since, before, limit: wanted.limit as usize };
                Ask::History(wanted.channel.as_ref().into(), span)
            }
            Route::Presence { channel, list } => {
                check_name(name::check_one(&channel))?;
                keys::check_reach(caller, &channel)?;
                self.presence_ask(channel.as_ref().into(), list)?
            }
            Route::Channels { prefix, list } => Ask::Channels {
                prefix: boxed(prefix).unwrap_or_default(),
                after: list.cursor.map(Into::into),
                limit: list.limit as usize,
            },
            Route::Connections(wanted) => Ask::Connections(Box::new(self.wanted(wanted, caller)?)),
            Route::Disconnect { connection, reconnect } => {
                if caller.is_held() {
                    return Err(keys::refusal(Denied::Channel, None));
                }
                Ask::Disconnect(identity::parse(self.seed, &connection), reconnect)
            }
            Route::Status => Ask::Status,
            Route::Metrics => Ask::Metrics,
            Route::Live => Ask::Live,
            Route::Ready { .. } => Ask::Ready,
            Route::Home if !self.has_pages() => Ask::Asset(&pages::NO_PAGES),
            Route::Home => Ask::Asset(&pages::LIVE),
            Route::Demo { file } => self.asset(file)?,
            Route::ApiDescription => Ask::Asset(&pages::DESCRIPTION),
            Route::ClientScript => Ask::Asset(&pages::CLIENT),
            Route::PublishToUser { .. }
            | Route::DisconnectUser { .. }
            | Route::SubscribeUser { .. }
            | Route::UnsubscribeUser { .. }
            | Route::Revoke => self.ask_for_user(head, route, caller)?,
            Route::Socket { .. } | Route::Echo | Route::Raw(_) => {
                return Err(not_enabled());
            }
        })
    }

    /// Which connections are asked for. A key that is held to some channels has to name one.
    fn wanted(&self, route: Connections<'_>, caller: &Caller) -> Result<Wanted, Refusal> {
        let Connections { user, channel, queued, list } = route;
        if let Some(channel) = &channel {
            check_name(name::check_readable(channel))?;
            keys::check_reach(caller, channel)?;
        } else if caller.is_held() {
            return Err(keys::refusal(Denied::Channel, None));
        }
        let after = list.cursor.map(|cursor| {
            let bad = || Refusal::keeping(400, "bad_request", "cursor is none that was given here");
            parse_cursor(self.seed, &cursor).ok_or_else(bad)
        });
        let (after, limit) = (after.transpose()?, list.limit as usize);
        Ok(Wanted { user: boxed(user), channel: boxed(channel), queued, after, limit })
    }

    /// Which members of a channel are asked for.
    fn presence_ask(&self, channel: Arc<str>, list: List<'_>) -> Result<Ask, Refusal> {
        if self.presence_of(&channel) == Presence::None {
            return Err(Refusal::keeping(403, "not_enabled", NO_PRESENCE));
        }
        let after = list.cursor.map(|cursor| {
            let bad = || Refusal::keeping(400, "bad_request", "cursor is none that was given here");
            presence::parse_cursor(self.seed, &cursor).ok_or_else(bad)
        });
        Ok(Ask::Presence { channel, after: after.transpose()?, limit: list.limit })
    }

    fn asset(&self, path: &str) -> Result<Ask, Refusal> {
        let asset = pages::find(path).filter(|_| self.has_pages()).map(Ask::Asset);
        asset.ok_or_else(|| Refusal::keeping(404, "not_found", "there is nothing here"))
    }

    /// Whether there are pages now: a reload may end open mode.
    pub(super) fn has_pages(&self) -> bool {
        self.config.pages.unwrap_or(self.policy.is_open())
    }

    pub(super) fn publish_ask(&self, head: &Head<'_>, channel: Arc<str>) -> Result<Ask, Refusal> {
        let binary = head.text("Content-Type")?.is_some_and(|content_type| {
            let essence = content_type.split(';').next().unwrap_or_default().trim();
            essence.eq_ignore_ascii_case("application/octet-stream")
        });
        let skip = short(head, "Fanwire-Skip", MAX_POSITION)?;
        if skip.as_deref().is_some_and(|name| !identity::is_name(name)) {
            // Whom it means would hear it after all.
            let message = "Fanwire-Skip must be the name of a connection";
            return Err(Refusal::keeping(400, "bad_request", message));
        }
        Ok(Ask::Publish(Box::new(PublishAsk {
            channel,
            binary,
            idempotency_key: short(head, "Idempotency-Key", MAX_KEY)?,
            key: short(head, "Fanwire-Key", MAX_KEY)?,
            skip: skip.and_then(|name| identity::parse(self.seed, &name)),
        })))
    }

    /// Carries a request out, or waits for its body first.
    fn begin_call(&mut self, slot: u32, call: Call, head: &Head<'_>) {
        if call.body.is_none() {
            self.enter(slot, Phase::Exchange, std::time::Duration::ZERO);
            self.carry_out(slot, call, Vec::new());
            return;
        }
        match head.expects_continue() {
            Ok(true) => self.answers.extend_from_slice(reply::CONTINUE),
            Ok(false) => {}
            Err(refusal) => return self.refuse(slot, &refusal, call.head_only),
        }
        self.table.cold_mut(slot).session.get_or_insert_default().call = Some(call);
        self.enter(slot, Phase::Body, self.config.handshake_timeout);
    }

    /// Takes bytes of a body. Returns how many belong to it.
    pub(super) fn take_body(&mut self, slot: u32, bytes: &[u8]) -> usize {
        let session = self.table.cold_mut(slot).session.as_mut();
        let Some(call) = session.and_then(|session| session.call.as_mut()) else {
            debug_assert!(false, "a body belongs to a call");
            self.mark_dead(slot, End::Refused);
            return bytes.len();
        };
        let Some(body) = call.body.as_mut() else {
            debug_assert!(false, "whoever awaits a body has a reader");
            self.mark_dead(slot, End::Refused);
            return bytes.len();
        };
        match body.push(bytes) {
            Ok((used, false)) => {
                let (began, came) = (call.began, body.len());
                if self.settle_body(slot) {
                    self.set_progress_deadline(slot, began, came);
                }
                used
            }
            Ok((used, true)) => {
                self.enter(slot, Phase::Exchange, std::time::Duration::ZERO);
                if let Some(mut call) = self.take_call(slot) {
                    let body = call.body.take().map(BodyReader::take).unwrap_or_default();
                    call.charge.set(0);
                    self.carry_out(slot, call, body);
                }
                used
            }
            Err(refusal) => {
                let head_only = call.head_only;
                self.refuse(slot, &refusal, head_only);
                bytes.len()
            }
        }
    }

    pub(super) fn take_call(&mut self, slot: u32) -> Option<Call> {
        self.table.cold_mut(slot).session.as_mut()?.call.take()
    }

    /// The answer to a request that is refused; here, and only here, its limit is counted.
    pub(super) fn refusal_reply(&self, refusal: &Refusal) -> Reply<'static> {
        match refusal.status {
            413 => self.limited(Limit::BodyBytes),
            414 | 431 => self.limited(Limit::HeaderBytes),
            _ => {}
        }
        Reply::refusal(refusal)
    }

    pub(super) fn refuse(&mut self, slot: u32, refusal: &Refusal, head_only: bool) {
        let reply = self.refusal_reply(refusal);
        self.reply(slot, &reply, Circumstances { head_only, ..Default::default() });
    }

    /// Answers an HTTP request. The connection is ready for the next one, or ends.
    pub(super) fn reply(&mut self, slot: u32, reply: &Reply<'_>, circumstances: Circumstances<'_>) {
        self.counters().replies(reply.status);
        if let Some(word) = reply.code {
            let code = Code::of(word);
            debug_assert!(code.is_some(), "{word} is in the table");
            self.refused(Over::Http, code.unwrap_or(Code::Internal));
        }
        let config = Arc::clone(&self.config);
        let session = self.table.cold(slot).session.as_ref();
        let cors = session.and_then(|session| config.cors_origins.get(session.cors? as usize));
        let circumstances = Circumstances {
            close: circumstances.close || self.is_leaving(),
            wall_ms: Some(self.now.wall_ms),
            cors: cors.map(AllowedOrigin::as_str),
            ..circumstances
        };
        let mut bytes = Vec::with_capacity(512);
        let close = reply.write(circumstances, &mut bytes);
        self.say(slot, &bytes);
        if close {
            self.linger(slot);
            return;
        }
        self.table.cold_mut(slot).session = None;
        self.forget_client(slot);
        self.enter(slot, Phase::Head, crate::limits::KEEP_ALIVE);
        self.table.hot_mut(slot).flags.clear(Flags::PAUSED | Flags::BEGUN);
        self.mark_ready(slot);
    }
}

fn boxed(text: Option<Cow<'_, str>>) -> Option<Box<str>> {
    text.map(std::convert::Into::into)
}

/// A field of at most `max` bytes of visible text.
fn short(head: &Head<'_>, field: &'static str, max: usize) -> Result<Option<Box<str>>, Refusal> {
    let Some(text) = head.text(field)? else { return Ok(None) };
    let visible = text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
    if text.is_empty() || text.len() > max || !visible {
        let message = format!("{field} must have 1 to {max} visible bytes");
        return Err(Refusal::keeping(400, "bad_request", message));
    }
    Ok(Some(text.into()))
}

pub(super) fn check_name(checked: Result<(), crate::client::code::Fault>) -> Result<(), Refusal> {
    checked
        .map_err(|fault| Refusal::keeping(fault.code.status(), fault.code.as_str(), fault.message))
}
