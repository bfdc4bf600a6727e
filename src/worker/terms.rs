//! What the rule of a channel means for who publishes to it: its terms for the owner, what a
//! payload may be, and what a publisher without words hears of a refusal. The rule in force is
//! looked up for each publication, so that a new policy holds at once and nobody has to walk over
//! the channels.

use super::Worker;
use super::mail::{Content, Requester, Ticket};
use super::net::Net;
use crate::client::batch;
use crate::client::code::{Code, Fault};
use crate::hub::Kind;
use crate::hub::channel::{Draft, Terms};
use crate::hub::history::Bounds;
use crate::policy::rule::{Payload, Rule};
use crate::ws::close::CloseCode;

/// What the owner of a channel has to know of its rule.
pub(super) fn of(rule: &Rule) -> Terms {
    let (count, bytes, age_ms) = rule.history();
    Terms { history: Bounds { count, bytes, age_ms }, publish_rate: rule.publish_rate }
}

/// Refuses a payload that the rule of its channel does not take. The text of a raw message becomes
/// JSON where that is what it takes.
pub(super) fn judge_payload(rule: &Rule, draft: &mut Draft, ticket: &Ticket) -> Result<(), Fault> {
    let any = rule.payload == Payload::Any;
    if any || draft.kind == Kind::Json || matches!(ticket.request, Requester::Probe) {
        return Ok(());
    }
    if draft.kind == Kind::Text && matches!(ticket.request, Requester::Raw) {
        batch::parse_value(&draft.payload)?;
        draft.kind = Kind::Json;
        return Ok(());
    }
    Err(Fault::new(Code::UnsupportedData, "this channel takes JSON only"))
}

impl<N: Net> Worker<N> {
    /// What the owner has to know of the rule for a channel.
    pub(super) fn terms(&self, channel: &str) -> Terms {
        of(self.policy.rule(channel))
    }

    /// What a raw message came to. There are no words: what may not be said closes, what is too
    /// much is read more slowly.
    pub(super) fn take_raw_answer(&mut self, slot: u32, content: &Content) {
        match content {
            Content::Published(published) if published.pause_ms > 0 => {
                self.pause_for_channel(slot, published.pause_ms);
            }
            // It must not get lost in silence.
            Content::Refused(fault, _) => {
                let code = match fault.code {
                    Code::UnsupportedData => CloseCode::UNSUPPORTED,
                    Code::BadJson => CloseCode::BAD_DATA,
                    _ => CloseCode::OVERLOADED,
                };
                self.fail(slot, code);
            }
            _ => {}
        }
    }
}
