//! Who connects to where and asks for what, worked out once from the plan. Speaks to nobody.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use super::dialect::Dialect;
use super::flags::{DialectName, Plan, Publish};
use super::target::{Target, sources};
use super::upgrade;

/// What connections go by.
#[derive(Debug)]
pub struct Script {
    pub(super) dialect: Dialect,
    /// Where the server is.
    pub(super) address: SocketAddr,
    /// Where the publisher speaks to.
    pub(super) talk_to: SocketAddr,
    /// Where to publish: in a request for each channel, or nowhere else.
    pub(super) posts: Vec<Target>,
    /// The publisher speaks HTTP.
    pub(super) by_http: bool,
    pub(super) compress: bool,
    /// Where connections come from, in turn.
    pub(super) sources: Vec<Option<SocketAddr>>,
    channels: Vec<String>,
    /// Requests for a WebSocket, without their ends: one for each channel where the URL names it,
    /// else one; and the publisher's at the end.
    requests: Vec<Vec<u8>>,
    /// What connections log in with, in turn; none where nobody does.
    tokens: Vec<String>,
    first_connection: usize,
}

impl Script {
    /// The script for a plan.
    pub fn of(plan: &Plan) -> Result<Self, String> {
        let common = &plan.common;
        let publishing = plan.publishing();
        let count = publishing.map_or(1, |publishing| publishing.channels);
        let channels: Vec<String> = match count {
            1 => vec![common.channel.clone()],
            _ => (0..count).map(|number| format!("{}.{number}", common.channel)).collect(),
        };
        let dialect = Dialect::of(plan.dialect());
        if common.compress && dialect.name == DialectName::Nats {
            return Err("--compress: not with the dialect nats".into());
        }
        let url = plan.url();
        let by_channel = url.contains(PLACE);
        let named = if by_channel { &channels[..] } else { &channels[..1] };
        let targets: Vec<Target> = named
            .iter()
            .map(|name| Target::of(&url.replace(PLACE, name)))
            .collect::<Result<_, _>>()?;
        let by_http = publishing.is_some_and(|publishing| publishing.publish == Publish::Http);
        if dialect.name == DialectName::Raw && count > 1 && !by_http {
            return Err("--channels: to raw channels it is published with --publish http".into());
        }
        let talker = match publishing.and_then(|publishing| publishing.publish_to.as_ref()) {
            Some(url) => Target::of(&url.replace(PLACE, &channels[0]))?,
            None => deaf(&targets[0], dialect.name),
        };
        let posts = match publishing.filter(|_| by_http) {
            None => Vec::new(),
            Some(publishing) => {
                let post = |name: &String| match &publishing.publish_url {
                    Some(url) => Target::of(&url.replace(PLACE, name)),
                    None => Ok(targets[0].at(&format!("/channels/{name}"))),
                };
                channels.iter().map(post).collect::<Result<_, _>>()?
            }
        };
        let requests = targets.iter().chain([&talker]);
        let address = targets[0].address;
        Ok(Self {
            dialect,
            address,
            talk_to: posts.first().map_or(talker.address, |post| post.address),
            by_http,
            compress: common.compress,
            sources: sources(address, common.first_source, common.sources, common.connections),
            requests: requests.map(|to| upgrade::request(to, common.compress)).collect(),
            tokens: common.tokens.as_deref().map_or(Ok(Vec::new()), tokens)?,
            first_connection: common.first_connection as usize,
            posts,
            channels,
        })
    }

    /// The channels.
    pub fn channels(&self) -> &[String] {
        &self.channels
    }

    /// The channel of a connection.
    pub(super) fn channel(&self, at: usize) -> &str {
        &self.channels[at % self.channels.len()]
    }

    /// What a connection asks for.
    pub(super) fn request(&self, at: usize, talks: bool) -> Vec<u8> {
        let subscribers = self.requests.len() - 1;
        let request = &self.requests[if talks { subscribers } else { at % subscribers }];
        let line = (self.first_connection + at).checked_rem(self.tokens.len());
        let token = line.map(|line| &*self.tokens[line]);
        upgrade::end(request, token)
    }
}

/// Stands in a URL for the channel.
const PLACE: &str = "{channel}";

/// The lines of a file.
fn tokens(path: &Path) -> Result<Vec<String>, String> {
    let wrong = |reason: &str| format!("--tokens: {}: {reason}", path.display());
    let text = fs::read_to_string(path).map_err(|error| wrong(&error.to_string()))?;
    let tokens: Vec<String> = text.split_whitespace().map(Into::into).collect();
    if tokens.is_empty() { Err(wrong("there is no token in it")) } else { Ok(tokens) }
}

/// Where the publisher connects: as everybody, but not to hear itself, where that can be said.
fn deaf(target: &Target, dialect: DialectName) -> Target {
    let raw_channel = dialect == DialectName::Raw && target.path.starts_with("/channels/");
    match target.path.contains('?') {
        false if raw_channel => target.at(&format!("{}?self=0", target.path)),
        true if raw_channel => target.at(&format!("{}&self=0", target.path)),
        _ => target.clone(),
    }
}
