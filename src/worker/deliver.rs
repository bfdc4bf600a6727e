//! Mail: what other workers (and this one) ask of the channels owned here, and what owners send to
//! the feeds and connections here. Nothing is sent to sockets: that is `flush`.

use std::sync::Arc;

use super::Worker;
use super::mail::{
    Answer, Birth, Content, History, Join, JoinAnswer, Leave, List, Mail, PageLetter, Publish,
    Pull, Requester, Ticket,
};
use super::net::{Fault as Planted, Net};
use crate::client::answer;
use crate::client::code::{Code, Fault};
use crate::client::command::RequestId;
use crate::conn::entry::{Flags, Phase};
use crate::feed::Appended;
use crate::hub::channel::Publisher;
use crate::hub::presence::COMPANION;
use crate::hub::shard::{Joined, PROBE, Refused};
use crate::hub::{ConnectionKey, Delivery, encode};
use crate::limits::{HISTORY_ANSWER_BYTES, LISTS, OVERLOAD_PACE_MS};
use crate::metrics::{Counter, Limit};
use crate::policy::hook::Event;

impl<N: Net> Worker<N> {
    /// Takes all mail that has arrived, then what this worker has posted to itself, and goes on
    /// with one of the lists that take several turns.
    pub(super) fn deliver(&mut self) {
        let mut arrived = std::mem::take(&mut self.arrived);
        self.counters().add(Counter::Letters, arrived.len() as u64);
        for mail in arrived.drain(..) {
            self.open_letter(mail, false);
        }
        self.arrived = arrived;
        for pull in std::mem::take(&mut self.deferred) {
            self.owner_pull(pull);
        }
        if let Some(mail) = self.later.pop_front() {
            self.open_letter(mail, true);
        }
        while let Some(mail) = self.local.pop_front() {
            let backlog = &mut self.backlogs[usize::from(self.id)];
            *backlog = backlog.saturating_sub(mail.weight());
            self.open_letter(mail, false);
        }
    }

    /// Does what a letter says. `is_due`: it has waited for its step among those that take several.
    fn open_letter(&mut self, mail: Mail, is_due: bool) {
        match mail {
            Mail::Join(join) => self.owner_join(*join),
            Mail::Leave(leave) => self.owner_leave(&leave),
            Mail::Pull(pull) => self.owner_pull(*pull),
            Mail::Round(round) => self.owner_round(&round),
            Mail::Publish(publish) => self.owner_publish(*publish),
            Mail::History(history) => self.owner_history(*history),
            Mail::Attend(letter) => self.owner_attend(*letter),
            Mail::Roll(roll) => self.owner_roll(*roll),
            Mail::Describe(channel, ticket) => {
                let description = self.shard.describe(&channel, &self.terms(&channel), self.now);
                self.answer(ticket, Some(channel), Content::Described(description));
            }
            Mail::List(list) if !is_due => {
                let ticket = list.ticket.clone();
                self.begin_list(ticket, Mail::List(list));
            }
            Mail::List(list) => self.owner_list(list),
            Mail::Census(census) if !is_due => {
                let ticket = census.ticket.clone();
                self.begin_list(ticket, Mail::Census(census));
            }
            Mail::Census(census) => self.visit(census),
            Mail::Disconnect(letter) => self.disconnect(*letter),
            Mail::Replaced(connection) => self.replaced(connection),
            Mail::Errand(errand) => self.run(errand),
            Mail::Enlist(errand) => self.owner_enlist(&errand),
            Mail::Probe(ticket) => self.begin_probe(ticket),
            Mail::Return(answer) => {
                self.letter(answer.ticket.connection.worker, Mail::Answer(answer));
            }
            Mail::Created(key) => {
                if self.table.same(key.slot, key.generation).is_some() {
                    self.created(key.slot);
                }
            }
            Mail::Page(letter) => self.take_page(*letter),
            Mail::RoundPage(letter) => self.take_round(*letter),
            Mail::Deliver(delivery) => self.append(&delivery),
            Mail::Answer(answer) => self.open_answer(*answer),
            Mail::Verdict(ticket, verdict) => self.take_verdict(ticket, *verdict),
            Mail::Policy(policy) => self.put_in_force(policy),
        }
    }

    pub(super) fn answer(&mut self, ticket: Ticket, channel: Option<Arc<str>>, content: Content) {
        let to = ticket.connection.worker;
        self.letter(to, Mail::Answer(Box::new(Answer { ticket, channel, content })));
    }

    fn owner_join(&mut self, join: Join) {
        if join.channel.starts_with(COMPANION) {
            return self.owner_hear(join);
        }
        let Join { audience, channel, feed, reader, since, request, birth } = join;
        let births = self.shard.births();
        let (terms, now) = (self.terms(&channel), self.now);
        let vacant = self.is_vacant(&channel);
        let outcome = if self.is_stillborn(birth, &channel) {
            Err(Code::RateLimited)
        } else {
            self.shard
                .join(&channel, audience, feed, &since, &terms, now, &mut self.codec)
                .map_err(|refused| refusal(refused).0.code)
        };
        if vacant && outcome.is_ok() {
            self.inform_of_channel(Event::Occupied, &channel);
        }
        let Some(reader) = reader else {
            debug_assert!(outcome.is_ok(), "a live feed's channel exists");
            return;
        };
        self.note_birth(birth, births, reader.connection);
        let (page, joined) = match outcome {
            Ok(Joined { position, recovered, missed, page }) => {
                let position = Some(position);
                (Ok(page), JoinAnswer { request, position, recovered, missed, channel, audience })
            }
            Err(refused) => {
                self.limited(match refused {
                    Code::RateLimited => Limit::NewChannels,
                    _ => Limit::Channels,
                });
                let (position, recovered, missed) = (None, false, None);
                let nothing =
                    JoinAnswer { request, position, recovered, missed, channel, audience };
                (Err(refused), nothing)
            }
        };
        let charge = page.as_ref().map_or(0, PageLetter::charge);
        let letter = PageLetter { feed, reader, page, joined: Some(joined), charge };
        self.letter(audience.worker, Mail::Page(Box::new(letter)));
    }

    fn owner_leave(&mut self, leave: &Leave) {
        if leave.channel.starts_with(COMPANION) {
            return self.owner_unhear(leave);
        }
        self.shard.leave(&leave.channel, leave.audience, self.now);
        if self.is_vacant(&leave.channel) {
            self.inform_of_channel(Event::Vacated, &leave.channel);
        }
        if leave.channel.starts_with(PROBE) {
            self.shard.forget_probe(&leave.channel);
        }
    }

    fn owner_pull(&mut self, pull: Pull) {
        if self.is_crowded(pull.reader.connection.worker) {
            // It lags anyhow, and has nothing else under way: it waits until there is room.
            return self.deferred.push(pull);
        }
        if pull.channel.starts_with(COMPANION) {
            return self.owner_pull_presence(&pull);
        }
        let Pull { channel, feed, reader, since, want } = pull;
        let (terms, now) = (self.terms(&channel), self.now);
        let page = self.shard.pull(&channel, since, want, &terms, now, &mut self.codec);
        // Without the channel the reader has left too: its Leave came before this.
        let Some(page) = page else { return };
        let charge = PageLetter::charge(&page);
        let letter = PageLetter { feed, reader, page: Ok(page), joined: None, charge };
        self.letter(reader.connection.worker, Mail::Page(Box::new(letter)));
    }

    fn owner_publish(&mut self, publish: Publish) {
        let Publish { channel, mut draft, idempotency, ticket, birth, .. } = publish;
        if let Some((fault, pace_ms)) = self.not_admitted(birth, &channel) {
            return self.answer(ticket, Some(channel), Content::Refused(fault, Some(pace_ms)));
        }
        let rule = Arc::clone(self.policy.rule(&channel));
        if let Err(fault) = super::terms::judge_payload(&rule, &mut draft, &ticket) {
            return self.answer(ticket, Some(channel), Content::Refused(fault, None));
        }
        let publisher = match ticket.request {
            Requester::Client(_) => Publisher::Client,
            Requester::Http(_) | Requester::Probe | Requester::Nobody => Publisher::Backend,
            Requester::Raw => Publisher::Raw,
        };
        let (terms, now) = (super::terms::of(&rule), self.now);
        let births = self.shard.births();
        let idempotency = idempotency.as_ref().map(|(publisher, key)| (&**publisher, &**key));
        let mut deliveries = std::mem::take(&mut self.deliveries);
        let outcome = self.shard.publish(
            &channel,
            publisher,
            idempotency,
            draft,
            &terms,
            now,
            &mut self.codec,
            &mut deliveries,
        );
        for (worker, delivery) in deliveries.drain(..) {
            self.letter(worker, Mail::Deliver(Box::new(delivery)));
        }
        self.deliveries = deliveries;
        self.note_birth(birth, births, ticket.connection);
        let content = match outcome {
            Ok((published, publication)) => {
                let probe = matches!(ticket.request, Requester::Probe);
                if let Some(publication) = publication.filter(|_| !probe) {
                    self.count_one(Counter::Publications);
                    self.net.admitted(&channel, &publication);
                }
                Content::Published(published)
            }
            Err(refused) => {
                self.limited(match refused {
                    Refused::TooManyChannels => Limit::Channels,
                    Refused::RateLimited(_) => Limit::PublishRate,
                });
                let (fault, pace_ms) = refusal(refused);
                Content::Refused(fault, pace_ms)
            }
        };
        self.answer(ticket, Some(channel), content);
    }

    /// Why a publication is refused before it has a position.
    fn not_admitted(&self, birth: Birth, channel: &str) -> Option<(Fault, u64)> {
        if self.is_stillborn(birth, channel) {
            self.limited(Limit::NewChannels);
            let message = "this connection has brought too many channels into being";
            return Some((Fault::new(Code::RateLimited, message), self.new_channel_pace_ms()));
        }
        // Deliveries are never dropped: where they would pile up, there shall be none.
        if self.is_any_crowded()
            && self.shard.interested(channel).any(|worker| self.is_crowded(worker))
        {
            return Some((self.crowded(), OVERLOAD_PACE_MS));
        }
        None
    }

    /// Whether a channel would have to come into being, and may not.
    fn is_stillborn(&self, birth: Birth, channel: &str) -> bool {
        birth == Birth::Refused && !self.shard.knows(channel)
    }

    /// Tells a connection's worker that its request has brought a channel into being.
    fn note_birth(&mut self, birth: Birth, births: u64, connection: ConnectionKey) {
        if birth == Birth::Counted && self.shard.births() > births {
            self.letter(connection.worker, Mail::Created(connection));
        }
    }

    fn owner_history(&mut self, history: History) {
        let History { channel, span, ticket } = history;
        if self.is_crowded(ticket.connection.worker) {
            let content = Content::NoHistory(self.crowded(), Some(OVERLOAD_PACE_MS));
            return self.answer(ticket, Some(channel), content);
        }
        let mut json = Vec::new();
        match self.shard.history(&channel, &span, &self.terms(&channel), self.now) {
            None => json.extend_from_slice(br#"{"messages":[],"more":false,"position":null}"#),
            Some(excerpt) => {
                let mut texts: Vec<Vec<u8>> = Vec::new();
                let (mut bytes, mut more) = (0, excerpt.more);
                // What does not fit is left out on the side that the next request continues from.
                let forward = span.since.is_some();
                let count = excerpt.messages.len();
                for number in 0..count {
                    let at = if forward { number } else { count - 1 - number };
                    let mut text = Vec::new();
                    encode::envelope(&mut text, &channel, &excerpt.messages[at]);
                    bytes += text.len();
                    if bytes > HISTORY_ANSWER_BYTES && !texts.is_empty() {
                        more = true;
                        break;
                    }
                    texts.push(text);
                }
                if !forward {
                    texts.reverse();
                }
                let texts = texts.iter().map(Vec::as_slice);
                answer::history(&mut json, texts, more, excerpt.position);
            }
        }
        self.answer(ticket, Some(channel), Content::History(json));
    }

    /// Has a list made in the turns to come. However many are asked for at once, one look is taken
    /// a turn; so that those whose askers have gone do not pile up, they are only so many.
    fn begin_list(&mut self, ticket: Ticket, list: Mail) {
        if self.later.len() < LISTS {
            self.later.push_back(list);
            return;
        }
        self.limited(Limit::Lists);
        let fault = Fault::new(Code::Overloaded, "too many lists are being made");
        self.answer(ticket, None, Content::Refused(fault, Some(OVERLOAD_PACE_MS)));
    }

    /// Lists channels, as many as may be looked at in one turn; then it goes on in another.
    fn owner_list(&mut self, mut list: Box<List>) {
        let List { prefix, after, limit, caller, found, .. } = &mut *list;
        let wanted = |name: &str| caller.reaches(name);
        let left = limit.saturating_sub(found.len());
        let (channels, rest) = self.shard.list(prefix, after.as_deref(), left, wanted);
        found.extend(channels);
        if rest.is_some() && found.len() < *limit {
            *after = rest;
            let ticket = list.ticket.clone();
            return self.begin_list(ticket, Mail::List(list));
        }
        let List { found, ticket, .. } = *list;
        self.answer(ticket, None, Content::Listed(found));
    }

    /// Appends a publication to a feed, and makes it hot. No subscriber is touched.
    fn append(&mut self, delivery: &Delivery) {
        if self.net.plants(Planted::LostDelivery) {
            return;
        }
        let index = delivery.feed.index;
        let Some(feed) = self.feeds.get_mut(index as usize) else { return };
        if feed.generation != delivery.feed.generation {
            return;
        }
        if feed.paced.is_some() {
            return self.ring(index);
        }
        let skip = delivery.skip.filter(|skip| skip.worker == self.id);
        let skip = skip.and_then(|key| {
            self.table.same(key.slot, key.generation).and_then(|hot| hot.reference(index))
        });
        let window_bytes = self.config.window_bytes;
        match feed.append(delivery, skip, window_bytes, &mut self.spare) {
            Appended::Hot | Appended::Reset if !feed.hot => {
                feed.hot = true;
                self.hot.push_back(index);
            }
            Appended::Hot | Appended::Reset | Appended::Early => {}
        }
        self.hold_windows(index);
    }

    /// Holds the total of all windows after one has grown: they are caches, and who has not read a
    /// dropped one pulls. They go in turn, so that no feed pays for another one again and again.
    pub(super) fn hold_windows(&mut self, grown: u32) {
        if self.feeds[grown as usize].lists_window() {
            self.windows.insert(grown);
        }
        let share = self.config.max_window_bytes / usize::from(self.config.workers.max(1));
        while self.spare.bytes() > share {
            let mut next = self.windows.range(self.next_window..);
            let Some(index) = next.next().or(self.windows.first()).copied() else { return };
            self.windows.remove(&index);
            self.next_window = index + 1;
            self.feeds[index as usize].drop_window(&mut self.spare);
        }
    }

    fn open_answer(&mut self, answer: Answer) {
        let key = answer.ticket.connection;
        let Some(hot) = self.table.same(key.slot, key.generation) else { return };
        let (slot, phase) = (key.slot, hot.phase);
        match (&answer.ticket.request, phase) {
            (Requester::Client(id), Phase::Open) => {
                let id = id.clone();
                if answer.content.is_long() {
                    hot.flags.clear(Flags::HISTORY);
                }
                self.answered(slot);
                self.take_client_answer(slot, &id, answer);
            }
            (Requester::Raw, Phase::Open) => {
                self.answered(slot);
                self.take_raw_answer(slot, &answer.content);
            }
            (Requester::Probe, _) => {
                if let Content::Refused(fault, _) = answer.content {
                    self.probe_ended(Err(fault.code));
                }
            }
            (Requester::Nobody, Phase::Open) => {
                self.answered(slot);
                self.take_client_answer(slot, &RequestId::None, answer);
            }
            (Requester::Http(number), Phase::Exchange) => {
                let number = *number;
                self.take_answer(slot, number, answer);
            }
            // It is closing: nobody waits any more.
            _ => {}
        }
    }
}

/// What a refusal is called, and when it may be tried again, where there is a pace.
pub(super) fn refusal(refused: Refused) -> (Fault, Option<u64>) {
    match refused {
        Refused::TooManyChannels => {
            let message = "the node has as many channels as it may";
            (Fault::new(Code::TooManyChannels, message), Some(OVERLOAD_PACE_MS))
        }
        Refused::RateLimited(pace_ms) => {
            let message = "the channel takes no more publications now";
            (Fault::new(Code::RateLimited, message), Some(pace_ms))
        }
    }
}
