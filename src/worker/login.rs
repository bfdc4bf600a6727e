//! Who a client is: the token of a handshake, the request `auth`, and what time does to both. A bad
//! token is told of after the 101, for a browser cannot see a refused handshake. Where clients must
//! log in, a stranger may `auth` and `ping`, in small messages and for a short time, and hears
//! nothing else. Which of several tokens of a handshake counts is `http::credentials`, whether one
//! is good `policy::token`, what it allows `rights`.

use std::sync::Arc;

use super::Worker;
use super::hooks::Begin;
use super::net::{self, Net};
use super::sweep::ticks;
use crate::client::answer;
use crate::client::code::{Code, Fault};
use crate::client::command::{self, Command, Request, RequestId};
use crate::conn::entry::{Endpoint, Flags, NEVER};
use crate::conn::session::Login;
use crate::http::Refusal;
use crate::http::credentials::{self, Credential, Places};
use crate::http::head::Head;
use crate::hub::shard::Since;
use crate::limits::TICK_MS;
use crate::metrics::{Counter, Limit};
use crate::policy::token::{Invalid, Token};
use crate::ws::MessageKind;
use crate::ws::close::CloseCode;

/// Who opens a WebSocket.
#[derive(Debug)]
pub(super) enum Visitor {
    /// Nobody in particular, and may stay that.
    Anonymous,
    /// Nobody yet, where one has to be somebody.
    Stranger,
    /// Somebody.
    Known(Arc<Token>),
    /// Somebody whose token is no good.
    Refused(Invalid),
}

impl<N: Net> Worker<N> {
    /// Who sends this handshake. A server without keys for tokens looks at none.
    pub(super) fn visitor(
        &self,
        head: &Head<'_>,
        subprotocol: Option<&str>,
    ) -> Result<Visitor, Refusal> {
        if self.policy.token_keys.is_empty() {
            return Ok(Visitor::Anonymous);
        }
        let config = &self.config;
        let places = Places { cookie: config.jwt_cookie.as_deref(), query: config.token_in_query };
        Ok(match credentials::find(head, subprotocol, places)? {
            None if self.policy.needs_token() => Visitor::Stranger,
            None => Visitor::Anonymous,
            Some(Credential::None(what)) => Visitor::Refused(Invalid::Malformed(what)),
            Some(Credential::Token(token)) => {
                self.verify(&token).map_or_else(Visitor::Refused, Visitor::Known)
            }
        })
    }

    fn verify(&self, token: &str) -> Result<Arc<Token>, Invalid> {
        let token = self.node.tokens.verify(&self.policy.token_keys, token, self.now.wall_ms)?;
        if self.is_revoked(&token) { Err(Invalid::Revoked) } else { Ok(token) }
    }

    /// From now on this is who the client is. What it follows and may not follow any more is the
    /// caller's to end; and the connection itself, with this code, where its user has too many.
    pub(super) fn log_in(&mut self, slot: u32, token: Arc<Token>) -> Result<(), CloseCode> {
        self.count_one(Counter::Logins);
        let left_ms = token.expires_ms.saturating_sub(self.now.wall_ms);
        let ends_ms = self.now.mono_ms.saturating_add(left_ms);
        let tick = |ms: u64| u32::try_from(ms.div_ceil(TICK_MS)).unwrap_or(NEVER);
        // A token that does not live for twice as long would ask for the next one at once, and so
        // for ever: half of its life is left to its client.
        let notice_ms = (self.config.token_notice.as_millis() as u64).min(left_ms / 2);
        let notice = if notice_ms == 0 { NEVER } else { tick(ends_ms - notice_ms) };
        let over = tick(ends_ms).saturating_add(ticks(self.config.token_grace));
        self.keep_pace(slot, token.limits.messages_per_second);
        let session = self.table.cold_mut(slot).session.get_or_insert_default();
        session.login = Some(Login { token, ends_ms, notice, over });
        self.schedule(slot);
        self.enter_user(slot)?;
        // Whoever took the token back since it was verified may have looked for its connections
        // before this one had its seat.
        let revoked = self.token(slot).is_some_and(|token| self.is_revoked(token));
        if revoked { Err(CloseCode::REVOKED) } else { Ok(()) }
    }

    /// A client that has to log in first: it has its time for that.
    pub(super) fn await_login(&mut self, slot: u32, since: Option<&str>) {
        self.table.hot_mut(slot).flags.set(Flags::STRANGER);
        let cold = self.table.cold_mut(slot);
        cold.update = NEVER;
        if since.is_some() {
            cold.session.get_or_insert_default().resumes = since.map(Into::into);
        }
        self.set_deadline(slot, self.config.auth_timeout);
    }

    /// A stranger has not logged in in time.
    pub(super) fn stranger_is_late(&mut self, slot: u32) {
        self.limited(Limit::Auth);
        self.close(slot, CloseCode::TOO_LATE);
    }

    /// A message of a stranger. Who asks for anything else has no token to give, and is told to
    /// stop.
    pub(super) fn take_first_words(&mut self, slot: u32, kind: MessageKind, payload: &[u8]) {
        let none = RequestId::None;
        if kind == MessageKind::Binary {
            let fault = Fault::new(Code::UnsupportedData, "text messages only");
            return self.say_error(slot, &none, None, &fault, None);
        }
        match command::parse(payload) {
            Ok(Request { id, command: Command::Auth { token } }) => {
                self.authenticate(slot, &id, &token);
            }
            Ok(Request { id, command: Command::Ping }) => {
                let wall_ms = self.now.wall_ms;
                self.say_text(slot, |out| answer::pong(out, &id, wall_ms));
            }
            Ok(request) => {
                let message = "a token is needed here: send auth, or bring one with the handshake";
                let fault = Fault::new(Code::Unauthorized, message);
                self.refuse_request(slot, request, &fault, None);
                self.close(slot, CloseCode::TOKEN_NEEDED);
            }
            Err(refusal) => {
                let channel = refusal.channel.as_deref();
                self.say_error(slot, &refusal.id, channel, &refusal.fault, None);
            }
        }
    }

    /// `auth`: a client logs in, or brings its next token.
    pub(super) fn authenticate(&mut self, slot: u32, id: &RequestId, token: &str) {
        if self.policy.token_keys.is_empty() {
            let fault = Fault::new(Code::NotEnabled, "this server has no keys for tokens");
            return self.say_error(slot, id, None, &fault, None);
        }
        let token = match self.verify(token) {
            Ok(token) => token,
            Err(invalid) => return self.refuse_token(slot, id, invalid),
        };
        if self.token(slot).is_some_and(|old| old.user != token.user) {
            let message = "data.token: is another user's; connect anew to be somebody else";
            let fault = Fault::new(Code::Forbidden, message);
            return self.say_error(slot, id, None, &fault, None);
        }
        let before = self.who(slot);
        let outcome = self.log_in(slot, token);
        self.reappear(slot, &before);
        if let Err(code) = outcome {
            return self.close(slot, code);
        }
        self.say_logged_in(slot, id);
        if self.table.hot(slot).flags.has(Flags::STRANGER) {
            self.let_in(slot);
        } else {
            self.review_connection(slot);
        }
    }

    /// Tells a client what is wrong with its token. Whoever has a better one keeps that; all others
    /// are closed, for nobody shall take them for what they are not.
    pub(super) fn refuse_token(&mut self, slot: u32, id: &RequestId, invalid: Invalid) {
        if self.table.hot(slot).endpoint() == Endpoint::Envelope {
            let fault = Fault::new(invalid.code(), invalid.to_string());
            self.say_error(slot, id, None, &fault, None);
        }
        if self.token(slot).is_none() {
            self.close(slot, invalid.close());
        }
    }

    /// A stranger is one no more: now it hears what everybody does.
    fn let_in(&mut self, slot: u32) {
        self.table.hot_mut(slot).flags.clear(Flags::STRANGER);
        let session = self.table.cold_mut(slot).session.as_mut();
        let position = session.and_then(|session| session.resumes.take());
        self.begin_rounds(slot);
        self.begin(slot, Begin::Envelope(Since { position, ..Since::default() }));
        self.send_off_late(slot);
    }

    fn say_logged_in(&mut self, slot: u32, id: &RequestId) {
        let wall_ms = self.now.wall_ms;
        let Some((user, expires_in_ms)) = self.told_of_login(slot) else { return };
        let data = |out: &mut Vec<u8>| answer::logged_in(out, &user, expires_in_ms);
        self.say_text(slot, |out| answer::ack(out, id, None, data, wall_ms));
    }

    /// What a client is told of its login: the user, and when the token ends.
    pub(super) fn told_of_login(&self, slot: u32) -> Option<(Arc<str>, u64)> {
        let login = self.login(slot)?;
        let expires_in_ms = login.ends_ms.saturating_sub(self.now.mono_ms);
        Some((Arc::clone(&login.token.user), expires_in_ms))
    }

    /// Does what is due for the token of an open WebSocket. False when that ends it.
    pub(super) fn tend_login(&mut self, slot: u32, now: u32) -> bool {
        let session = self.table.cold_mut(slot).session.as_mut();
        let Some(login) = session.and_then(|session| session.login.as_mut()) else { return true };
        if now >= login.over && !self.net.plants(net::Fault::EndlessToken) {
            self.close(slot, CloseCode::EXPIRED);
            return false;
        }
        if now >= login.notice {
            login.notice = NEVER;
            let expires_in_ms = login.ends_ms.saturating_sub(self.now.mono_ms);
            // Where there are no words there is no `auth` either.
            if self.table.hot(slot).endpoint() == Endpoint::Envelope {
                let wall_ms = self.now.wall_ms;
                self.say_text(slot, |out| answer::expiring(out, expires_in_ms, wall_ms));
            }
        }
        true
    }
}
