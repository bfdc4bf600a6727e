//! HTTP requests carried out: some are answered at once, others wait for letters of the owners.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::json;

use super::mail::{
    Answer, Birth, Content, Disconnect, History, List, Mail, Publish, Requester, Ticket,
};
use super::net::{Net, WorkerId};
use super::{Worker, keys, presence};
use crate::client::batch;
use crate::client::code::{Code, Fault};
use crate::conn::session::{Ask, Call, Gathered, Outcome, PublishAsk};
use crate::http::reply::{self, Circumstances, Reply};
use crate::hub::channel::Draft;
use crate::hub::shard::Description;
use crate::hub::{ConnectionKey, Kind, Position};
use crate::limits::{LIVE_MS, OVERLOAD_PACE_MS, READY_TIMEOUT};
use crate::metrics::{Counter, Limit, Over};
use crate::policy::authorize::Denied;
use crate::policy::key::Scope;

/// Why a node that drains is not ready.
const DRAINING: &str = "the server is about to stop";

impl<N: Net> Worker<N> {
    /// Carries a request out. It is in phase `Exchange` until the answer is given.
    pub(super) fn carry_out(&mut self, slot: u32, mut call: Call, body: Vec<u8>) {
        let ask = std::mem::replace(&mut call.ask, Ask::Ready);
        match ask {
            Ask::Publish(ask) => self.publish_body(slot, call, *ask, body),
            Ask::Batch => self.publish_batch(slot, call, &body),
            Ask::Describe(channel) => {
                let ticket = self.ticket(slot, 0);
                let owner = self.owner(&channel);
                self.await_one(slot, call, owner, Mail::Describe(channel, ticket));
            }
            Ask::History(channel, span) => {
                let ticket = self.ticket(slot, 0);
                let owner = self.owner(&channel);
                let letter = History { channel, span, ticket };
                self.await_one(slot, call, owner, Mail::History(Box::new(letter)));
            }
            Ask::Presence { channel, after, limit } => {
                let letter = presence::roll(&channel, after, limit, self.ticket(slot, 0));
                self.await_one(slot, call, self.owner(&channel), letter);
            }
            Ask::Channels { prefix, after, limit } => {
                call.gathered = Gathered::Channels { found: Vec::new(), limit };
                let caller = call.caller.clone();
                self.await_all(slot, call, |ticket| {
                    let (prefix, after, caller) = (prefix.clone(), after.clone(), caller.clone());
                    let (limit, found) = (limit + 1, Vec::new());
                    Mail::List(Box::new(List { prefix, after, limit, caller, found, ticket }))
                });
            }
            Ask::Connections(wanted) => {
                let (first, letter) = self.first_visit(*wanted, self.ticket(slot, 0));
                self.await_one(slot, call, first, letter);
            }
            Ask::Disconnect(wanted, reconnect) => {
                let workers = self.config.workers.max(1);
                let Some(connection) = wanted.filter(|wanted| wanted.worker < workers) else {
                    return self.finish(slot, &call, &counted("disconnected", 0));
                };
                let letter = Disconnect { connection, reconnect, ticket: self.ticket(slot, 0) };
                self.await_one(slot, call, connection.worker, Mail::Disconnect(Box::new(letter)));
            }
            Ask::User(ask) => self.carry_out_for_user(slot, call, ask, &body),
            Ask::Ready if self.stats.drain().began_ms().is_some() => {
                self.finish(slot, &call, &unready("draining", Code::Draining, DRAINING));
            }
            Ask::Ready => {
                call.gathered = Gathered::Probes;
                self.await_all(slot, call, Mail::Probe);
                self.set_deadline(slot, READY_TIMEOUT);
            }
            Ask::Status => {
                let known = call.caller.check(Scope::Read).is_ok();
                self.finish(slot, &call, &self.status(known));
            }
            Ask::Metrics => {
                let text = self.stats.prometheus().into_bytes();
                self.finish(slot, &call, &Reply::new(200, reply::Content::Metrics, text));
            }
            Ask::Live => self.finish(slot, &call, &self.live()),
            Ask::Asset(asset) => {
                self.finish(slot, &call, &Reply::new(asset.status, asset.content, asset.bytes));
            }
            Ask::Refuse(refusal) => self.finish(slot, &call, &self.refusal_reply(&refusal)),
        }
    }

    fn publish_body(&mut self, slot: u32, call: Call, ask: PublishAsk, body: Vec<u8>) {
        let PublishAsk { channel, binary, idempotency_key, key, skip } = ask;
        let (kind, payload) = if binary {
            (Kind::Binary, Arc::from(body))
        } else {
            match batch::parse_value(&body) {
                Ok(data) => (data.kind, Arc::from(&*data.bytes)),
                Err(fault) => return self.finish(slot, &call, &refused(&fault, None)),
            }
        };
        let draft = Draft { kind, payload, from: None, key, skip };
        let idempotency = idempotency_key.map(|key| (call.caller.publisher(), key));
        let ticket = self.ticket(slot, 0);
        let owner = self.owner(&channel);
        if self.is_crowded(owner) {
            let fault = self.crowded();
            return self.finish(slot, &call, &refused(&fault, Some(OVERLOAD_PACE_MS)));
        }
        let (birth, charge) = (Birth::Free, draft.payload.len());
        let letter = Publish { channel, draft, idempotency, ticket, birth, charge };
        self.await_one(slot, call, owner, Mail::Publish(Box::new(letter)));
    }

    fn publish_batch(&mut self, slot: u32, mut call: Call, body: &[u8]) {
        let items = match batch::parse_batch(body, self.config.max_batch) {
            Ok(items) => items,
            Err(fault) => {
                if fault.code == Code::TooLarge {
                    self.limited(Limit::Batch);
                }
                return self.finish(slot, &call, &refused(&fault, None));
            }
        };
        let mut results = Vec::new();
        let publisher = call.caller.publisher();
        for item in items {
            let payload: Arc<[u8]> = item.data.bytes.as_ref().into();
            let mut charge = payload.len();
            for channel in item.channels {
                let number = results.len() as u32;
                let channel: Arc<str> = match channel {
                    Ok(channel) => channel.as_ref().into(),
                    Err(fault) => {
                        results.push(Some(Err((fault, None))));
                        continue;
                    }
                };
                if !call.caller.reaches(&channel) {
                    let message = keys::wording(Denied::Channel, Some(&channel));
                    let fault = Fault::new(Code::Forbidden, message);
                    results.push(Some(Err((fault, None))));
                    continue;
                }
                let owner = self.owner(&channel);
                if self.is_crowded(owner) {
                    results.push(Some(Err((self.crowded(), Some(OVERLOAD_PACE_MS)))));
                    continue;
                }
                results.push(None);
                call.awaited += 1;
                let key = item.key.as_deref().map(Into::into);
                let payload = Arc::clone(&payload);
                let draft = Draft { kind: item.data.kind, payload, from: None, key, skip: None };
                let idempotency =
                    item.idempotency_key.as_deref().map(|key| (publisher.clone(), key.into()));
                let ticket = self.ticket(slot, number);
                let birth = Birth::Free;
                // What the channels of an item share counts once.
                let charge = std::mem::take(&mut charge);
                let letter = Publish { channel, draft, idempotency, ticket, birth, charge };
                self.letter(owner, Mail::Publish(Box::new(letter)));
            }
        }
        call.gathered = Gathered::Results(results);
        self.keep_or_finish(slot, call);
    }

    pub(super) fn key(&self, slot: u32) -> ConnectionKey {
        let generation = self.table.hot(slot).generation;
        ConnectionKey { worker: self.id, slot, generation }
    }

    pub(super) fn ticket(&self, slot: u32, number: u32) -> Ticket {
        Ticket { connection: self.key(slot), request: Requester::Http(number) }
    }

    fn await_one(&mut self, slot: u32, call: Call, owner: WorkerId, mail: Mail) {
        self.await_answers(slot, call, 1, owner, mail);
    }

    /// Sends one letter, which leads to so many answers.
    pub(super) fn await_answers(
        &mut self,
        slot: u32,
        mut call: Call,
        count: usize,
        owner: WorkerId,
        mail: Mail,
    ) {
        call.awaited = count;
        self.table.cold_mut(slot).session.get_or_insert_default().call = Some(call);
        self.letter(owner, mail);
    }

    pub(super) fn await_all(&mut self, slot: u32, mut call: Call, mail: impl Fn(Ticket) -> Mail) {
        call.awaited = usize::from(self.config.workers.max(1));
        for worker in 0..self.config.workers.max(1) {
            let letter = mail(self.ticket(slot, u32::from(worker)));
            self.letter(worker, letter);
        }
        self.table.cold_mut(slot).session.get_or_insert_default().call = Some(call);
    }

    /// Takes in an answer that an HTTP request waits for.
    pub(super) fn take_answer(&mut self, slot: u32, number: u32, answer: Answer) {
        let Some(mut call) = self.take_call(slot) else { return };
        call.awaited = call.awaited.saturating_sub(1);
        match (&mut call.gathered, answer.content) {
            (Gathered::One, content) => {
                let reply = single(answer.channel.as_deref(), content);
                return self.finish(slot, &call, &reply);
            }
            (Gathered::Results(results), content) => {
                if let Some(result) = results.get_mut(number as usize) {
                    *result = Some(match content {
                        Content::Published(published) => Ok(published),
                        Content::Refused(fault, pace_ms) => Err((fault, pace_ms)),
                        _ => {
                            let fault = Fault::new(Code::Internal, "an answer to something else");
                            Err((fault, None))
                        }
                    });
                }
            }
            (Gathered::Channels { found, .. }, Content::Listed(listed)) => found.extend(listed),
            (Gathered::Done { count, .. }, Content::Done(done)) => *count += done,
            (
                Gathered::Channels { .. } | Gathered::Done { .. },
                Content::Refused(fault, pace_ms),
            ) => {
                // Closing, for other workers' answers are still to come.
                return self.finish(slot, &call, &refused(&fault, pace_ms).closing());
            }
            (Gathered::Probes, Content::Refused(fault, _)) => {
                let reply = unready(fault.code.as_str(), fault.code, &fault.message).closing();
                return self.finish(slot, &call, &reply);
            }
            (Gathered::Channels { .. } | Gathered::Done { .. } | Gathered::Probes, _) => {}
        }
        self.keep_or_finish(slot, call);
    }

    /// Answers when everything has come, else waits on.
    fn keep_or_finish(&mut self, slot: u32, mut call: Call) {
        if call.awaited > 0 {
            self.table.cold_mut(slot).session.get_or_insert_default().call = Some(call);
            return;
        }
        let reply = match std::mem::replace(&mut call.gathered, Gathered::One) {
            Gathered::Results(results) => {
                let refused = results.iter().flatten().filter_map(|result| result.as_ref().err());
                for (fault, _) in refused {
                    self.refused(Over::Http, fault.code);
                }
                let results: Vec<_> = results.into_iter().map(batch_result).collect();
                Reply::json(200, json!({ "results": results }).to_string().into_bytes())
            }
            Gathered::Channels { found, limit } => channel_list(found, limit),
            Gathered::Done { word, count } => counted(word, count),
            Gathered::One | Gathered::Probes => Reply::json(200, &br#"{"status":"ok"}"#[..]),
        };
        self.finish(slot, &call, &reply);
    }

    pub(super) fn finish(&mut self, slot: u32, call: &Call, reply: &Reply<'_>) {
        let (head_only, close) = (call.head_only, call.close);
        self.reply(slot, reply, Circumstances { head_only, close, ..Default::default() });
    }

    /// How the node is: a little for everybody, more for who may read.
    fn status(&self, known: bool) -> Reply<'static> {
        let draining = self.stats.drain().began_ms().is_some();
        let word = if draining { "draining" } else { "ok" };
        let mut status = json!({ "status": word, "uptime_ms": self.now.mono_ms });
        if known {
            status["version"] = env!("CARGO_PKG_VERSION").into();
            status["node"] = self.config.node_name.as_str().into();
            status["workers"] = self.config.workers.into();
            status["engine"] = "memory".into();
            for (name, counter) in [
                ("websockets", Counter::Open),
                ("subscriptions", Counter::Subscriptions),
                ("channels", Counter::Channels),
                ("publications", Counter::Publications),
                ("deliveries", Counter::Deliveries),
                ("messages_received", Counter::MessagesIn),
            ] {
                status[name] = self.stats.sum(counter).into();
            }
        }
        if known && !self.policy.is_open() || self.config.public_counts {
            status["connections"] = self.stats.connections().into();
        }
        Reply::json(200, status.to_string().into_bytes())
    }

    /// The answers did not come in time.
    pub(super) fn give_up(&mut self, slot: u32) {
        self.limited(Limit::Answer);
        let message = "a worker does not answer";
        let probes = self.take_call(slot).filter(|call| matches!(call.gathered, Gathered::Probes));
        let reply = match probes {
            Some(_) => {
                let began = |worker: &crate::metrics::WorkerStats| worker.has_begun();
                let all = self.stats.workers().iter().all(began);
                let word = if all { "stuck" } else { "starting" };
                unready(word, Code::Overloaded, "a probe did not come through in time")
            }
            None => reply::error("overloaded", 503, message, true, Some(OVERLOAD_PACE_MS)),
        };
        // Closing, for what still comes must not be taken for the answer to a next request.
        self.reply(slot, &reply.closing(), Circumstances::default());
    }

    fn live(&self) -> Reply<'static> {
        let stuck =
            |worker: &&crate::metrics::WorkerStats| !worker.is_live(self.now.mono_ms, LIVE_MS);
        match self.stats.workers().iter().filter(stuck).count() {
            0 => Reply::json(200, &br#"{"status":"ok"}"#[..]),
            count => {
                let message = format!("{count} workers are stuck");
                reply::error("overloaded", 503, &message, true, Some(OVERLOAD_PACE_MS))
            }
        }
    }
}

/// The answer of `/ready` when it is not: the reason in one word beside the error.
fn unready(word: &str, code: Code, message: &str) -> Reply<'static> {
    let error = json!({
        "code": code.as_str(), "message": message, "temporary": true,
        "retry_after_ms": OVERLOAD_PACE_MS,
    });
    let body = json!({ "status": word, "error": error });
    let mut reply = Reply::json(503, body.to_string().into_bytes());
    reply.code = Some(code.as_str());
    reply.retry_after_ms(OVERLOAD_PACE_MS)
}

pub(super) fn refused(fault: &Fault, pace_ms: Option<u64>) -> Reply<'static> {
    let code = fault.code;
    reply::error(code.as_str(), code.status(), &fault.message, code.temporary(), pace_ms)
}

/// The answer to a request for one thing.
fn single(channel: Option<&str>, content: Content) -> Reply<'static> {
    match content {
        Content::Published(published) => {
            let mut body = json!({
                "id": published.position.to_string(),
                "receivers": published.receivers,
            });
            if published.duplicate {
                body["duplicate"] = true.into();
            }
            Reply::json(200, body.to_string().into_bytes())
        }
        Content::History(json) | Content::Members(json) | Content::Connections(json) => {
            Reply::json(200, json)
        }
        Content::Disconnected(count) => counted("disconnected", count),
        Content::Described(description) => {
            Reply::json(200, describe(&description).to_string().into_bytes())
        }
        Content::Refused(fault, pace_ms) | Content::NoHistory(fault, pace_ms) => {
            refused(&fault, pace_ms)
        }
        Content::Listed(_)
        | Content::Done(_)
        | Content::Probed
        | Content::Left(_)
        | Content::Ended(_) => {
            let what = channel.unwrap_or("this");
            refused(&Fault::new(Code::Internal, format!("no answer for {what}")), None)
        }
    }
}

fn counted(word: &'static str, count: u64) -> Reply<'static> {
    Reply::json(200, json!({ word: count }).to_string().into_bytes())
}

fn describe(description: &Description) -> serde_json::Value {
    json!({
        "channel": &*description.name,
        "position": description.position.map(|position: Position| position.to_string()),
        "subscribers": description.subscribers,
        "history": description.history,
    })
}

fn batch_result(result: Option<Outcome>) -> serde_json::Value {
    match result {
        Some(Ok(published)) if published.duplicate => {
            json!({ "id": published.position.to_string(), "duplicate": true })
        }
        Some(Ok(published)) => json!({ "id": published.position.to_string() }),
        Some(Err((Fault { code, message }, pace_ms))) => {
            let mut error = json!({
                "code": code.as_str(), "message": message, "temporary": code.temporary(),
            });
            if let Some(pace_ms) = pace_ms {
                error["retry_after_ms"] = pace_ms.into();
            }
            json!({ "error": error })
        }
        None => json!(null),
    }
}

fn channel_list(mut found: Vec<Description>, limit: usize) -> Reply<'static> {
    found.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| more).map(|last| Cow::from(last.name.to_string()));
    let channels: Vec<_> = found.iter().map(describe).collect();
    Reply::json(200, json!({ "channels": channels, "next": next }).to_string().into_bytes())
}
