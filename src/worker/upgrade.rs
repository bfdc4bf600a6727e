//! Upgrades: a request becomes a WebSocket, and gets its first words.

use std::sync::Arc;

use super::hooks::Begin;
use super::login::Visitor;
use super::net::Net;
use super::{Worker, identity};
use crate::client::answer::{self, Greeting, Host, Welcome};
use crate::client::command::RequestId;
use crate::client::name;
use crate::config::Config;
use crate::conn::entry::{Endpoint, Flags, Phase};
use crate::http::Refusal;
use crate::http::head::{Body, Head, Method, Version};
use crate::http::reply::{self, Circumstances, Reply};
use crate::http::routes::{Raw, Route};
use crate::hub::encode::{ALL, USER};
use crate::hub::shard::Since;
use crate::hub::{Encoding, Format, Mode, Position};
use crate::limits::RECONNECT_MS;
use crate::metrics::Counter;
use crate::ws::close::CloseCode;
use crate::ws::handshake;

impl<N: Net> Worker<N> {
    /// Judges an upgrade and carries it out.
    pub(super) fn upgrade(&mut self, slot: u32, head: &Head<'_>, route: Route<'_>) {
        if let Err(reply) = self.try_upgrade(slot, head, route) {
            self.reply(slot, &reply, Circumstances { close: true, ..Default::default() });
        }
    }

    fn try_upgrade(
        &mut self,
        slot: u32,
        head: &Head<'_>,
        route: Route<'_>,
    ) -> Result<(), Reply<'static>> {
        if self.is_leaving() {
            return Err(self.refuse_newcomer());
        }
        if !matches!(head.body(), Ok(Body::None)) {
            let refusal = Refusal::malformed("an upgrade has no body");
            return Err(self.refusal_reply(&refusal));
        }
        let method = if head.method == Method::Get { "GET" } else { "" };
        let minor = u8::from(head.version == Version::Http11);
        let mut upgrade =
            handshake::check(method, minor, head.fields()).map_err(handshake_refused)?;
        if !self.config.compression {
            upgrade.deflate = None;
        }
        let endpoint = match &route {
            Route::Echo if self.has_pages() => Endpoint::Echo,
            Route::Echo => {
                let message = "there is nothing here";
                return Err(reply::error("not_found", 404, message, false, None));
            }
            Route::Raw(raw) => {
                let checked = name::check_readable(&raw.channel);
                checked.map_err(|fault| {
                    reply::error(fault.code.as_str(), 400, &fault.message, false, None)
                })?;
                Endpoint::Raw
            }
            _ => Endpoint::Envelope,
        };
        let visitor = match endpoint {
            Endpoint::Echo => Visitor::Anonymous,
            _ => self
                .visitor(head, upgrade.bearer)
                .map_err(|refusal| self.refusal_reply(&refusal))?,
        };
        handshake::encode_response(&mut self.answers, &upgrade);
        let window_bits = upgrade.deflate.map_or(0, |agreed| agreed.window_bits);
        self.open(slot, endpoint, window_bits);
        if !self.let_in_as(slot, visitor, &route) {
            return Ok(());
        }
        match route {
            Route::Socket { since } => {
                let since = Since { position: since.map(Into::into), ..Since::default() };
                self.begin(slot, Begin::Envelope(since));
            }
            Route::Raw(raw) => self.begin(slot, Begin::Raw(raw)),
            _ => {}
        }
        Ok(())
    }

    /// Whether a visitor begins at once with what it has come for; else it is told why not, or
    /// awaited.
    fn let_in_as(&mut self, slot: u32, visitor: Visitor, route: &Route<'_>) -> bool {
        match visitor {
            Visitor::Anonymous => return true,
            Visitor::Known(token) => match self.log_in(slot, token) {
                Ok(()) => return true,
                Err(code) => self.close(slot, code),
            },
            Visitor::Refused(invalid) => self.refuse_token(slot, &RequestId::None, invalid),
            Visitor::Stranger => match route {
                Route::Socket { since } => self.await_login(slot, since.as_deref()),
                // Here nobody can log in later.
                _ => self.close(slot, CloseCode::TOKEN_NEEDED),
            },
        }
        false
    }

    fn open(&mut self, slot: u32, endpoint: Endpoint, window_bits: u8) {
        self.count_one(Counter::Upgrades);
        self.count_one(Counter::Open);
        let tick = self.tick();
        let (hot, cold) = self.table.parts(slot);
        hot.open(endpoint, window_bits);
        hot.flags.set(Flags::SOCKET);
        hot.phase = Phase::Open;
        cold.session = None;
        cold.opened = tick;
        self.begin_rate(slot);
        self.begin_rounds(slot);
    }

    /// A client of `fanwire.v1` follows `$all` from its welcome. Where this worker's feed knows the
    /// place, the welcome is said at once; else the owner is asked, and nothing is read meanwhile.
    pub(super) fn begin_envelope(&mut self, slot: u32, since: Since) {
        let channel: Arc<str> = ALL.into();
        if since == Since::default()
            && let Some(position) = self.join_live(slot, &channel, None, Mode::All)
        {
            self.say_welcome(slot, position);
            return;
        }
        self.enter(slot, Phase::Opening, std::time::Duration::ZERO);
        self.join(slot, channel, None, since, RequestId::default());
    }

    pub(super) fn begin_raw(&mut self, slot: u32, raw: Raw<'_>) {
        let channel: Arc<str> = self.full_name(slot, &raw.channel).as_ref().into();
        if matches!(&*channel, ALL | USER) {
            // A browser cannot see a refused handshake, so it is told by a Close.
            self.close(slot, CloseCode::POLICY);
            return;
        }
        if !self.may_hear(slot, &channel) {
            self.close(slot, CloseCode::FORBIDDEN);
            return;
        }
        if !raw.own {
            self.table.hot_mut(slot).flags.set(Flags::NOT_SELF);
        }
        let mode = if raw.latest { Mode::Latest } else { Mode::All };
        let (position, last) = (raw.since.map(Into::into), raw.last.map(u64::from));
        let pace = self.pace_of(&channel, mode, None);
        let plain = position.is_none() && last.is_none();
        if plain && self.join_live(slot, &channel, pace, mode).is_some() {
            return;
        }
        let since = Since { position, last, mode };
        self.enter(slot, Phase::Opening, std::time::Duration::ZERO);
        self.join(slot, channel, pace, since, RequestId::default());
    }

    /// The place to begin with has come.
    pub(super) fn opened(&mut self, slot: u32, position: Position) {
        self.table.hot_mut(slot).phase = Phase::Open;
        if self.probe.is_reader(slot) {
            return self.publish_probe(slot);
        }
        self.begin_rounds(slot);
        if self.table.hot(slot).endpoint() == Endpoint::Envelope {
            self.say_welcome(slot, position);
        }
        self.send_off_late(slot);
        self.resume(slot);
    }

    /// The first message of a client's connection.
    fn say_welcome(&mut self, slot: u32, position: Position) {
        let name = identity::name(self.seed, self.key(slot));
        let login = self.told_of_login(slot);
        let greeting = std::mem::take(&mut self.greeting);
        let welcome = Welcome {
            connection: &name,
            user: login.as_ref().map(|(user, _)| &**user),
            position,
            expires_in_ms: login.as_ref().map(|&(_, expires_in_ms)| expires_in_ms),
            greeting: &greeting,
        };
        let wall_ms = self.now.wall_ms;
        self.say_text(slot, |out| answer::connection(out, &welcome, wall_ms));
        self.greeting = greeting;
    }

    /// What this connection's subscriptions read.
    pub(super) fn encoding(&self, slot: u32) -> Encoding {
        let hot = self.table.hot(slot);
        let format = match hot.endpoint() {
            Endpoint::Raw => Format::Raw,
            Endpoint::Envelope | Endpoint::Echo => Format::Json,
        };
        Encoding { format, window_bits: hot.window_bits() }
    }
}

/// What everybody is told who is welcomed.
pub(super) fn greeting(config: &Config, seed: u64) -> Greeting {
    let milliseconds = |time: std::time::Duration| time.as_millis() as u64;
    Greeting::new(&Host {
        node: &config.node_name,
        // The memory engine's ends with the program.
        memory: identity::life(seed),
        ping_interval_ms: milliseconds(config.ping_interval),
        pong_timeout_ms: milliseconds(config.pong_timeout),
        update_interval_ms: milliseconds(config.update_interval),
        max_message_bytes: config.max_message_bytes as u64,
        reconnect_ms: RECONNECT_MS,
    })
}

fn handshake_refused(refusal: handshake::Refusal) -> Reply<'static> {
    let reply = reply::error("bad_request", refusal.status, refusal.message, false, None).closing();
    match refusal.status {
        405 => reply.allow("GET"),
        426 => reply.upgrade_to_websocket(),
        _ => reply,
    }
}
