//! The play of tokens: members log in, bring other tokens, forget to; rules change, and with them
//! who may be anonymous. Nothing is heard that the token and the rules of that time do not allow,
//! and a user is one member of a channel, over all of this, however many connections it has.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fanwire::config::Config;
use fanwire::policy::Policy;
use fanwire::policy::key::{ApiKey, Scope};
use fanwire::policy::pattern::Pattern;
use fanwire::policy::rule::{Rule, Who};
use fanwire::policy::token::key::{Algorithm, Key};
use fanwire::policy::token::{KeySet, Terms};
use fanwire::worker::mail::Mail;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::client::codec::API_SECRET;
use crate::plan::{self, Plan};
use crate::stage::{Outcome, Stage};
use crate::world::random::Random;

/// Users among which the members are divided.
pub const USERS: usize = 3;

const SECRET: &[u8] = b"the secret that all of them are signed with";

/// Signs claims: a JWT by HS256.
pub fn sign(claims: &Value) -> String {
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let header = encode(br#"{"alg":"HS256"}"#);
    let message = format!("{header}.{}", encode(claims.to_string().as_bytes()));
    let pad = |with: u8| {
        let mut block = [with; 64];
        block.iter_mut().zip(SECRET).for_each(|(byte, key)| *byte ^= key);
        block
    };
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(&message).finalize();
    let signature = Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize();
    format!("{message}.{}", encode(&signature))
}

/// Plays one plan with members instead of its clients.
pub fn play(plan: &Plan, tracing: bool) -> Outcome {
    let mut random = Random::new(plan.seed ^ 0x7e_4e45);
    let config = config(&mut random, plan);
    let plan = Plan {
        members: random.between(4, 12),
        envelopes: 0,
        raws: 0,
        config: Arc::new(config),
        fat: false,
        leaps: *random.pick(&[1, 4, 10]),
        reloads: *random.pick(&[0, 2, 6]),
        ..plan.clone()
    };
    let mut stage = Stage::new(&plan, tracing);
    if plan.faults.jump == 0 {
        stage.oracle.rights.users = (0..USERS).map(|number| format!("u{number}")).collect();
    }
    stage.perform(&plan);
    stage.settle(3_000);
    stage.last_words();
    stage.settle(3_000);
    stage.check_settled();
    stage.leave();
    stage.settle(120_000);
    stage.check_empty();
    stage.outcome()
}

/// No limit but those of time: what is not heard was not allowed.
fn config(random: &mut Random, plan: &Plan) -> Config {
    let secret = Key::secret(Algorithm::HS256, SECRET).expect("long enough");
    let fallback = Rule { history_count: 100_000, history_bytes: 64 << 20, ..Rule::default() };
    let policy = Policy {
        keys: vec![ApiKey {
            name: "backend".into(),
            digest: Sha256::digest(API_SECRET).into(),
            scopes: vec![Scope::Admin],
            channels: Vec::new(),
        }],
        token_keys: Arc::new(KeySet::new(vec![secret], Terms::default())),
        anonymous: random.chance(500),
        fallback: Arc::new(fallback),
        ..Policy::default()
    };
    let milliseconds = Duration::from_millis;
    Config {
        workers: plan.config.workers,
        compression: plan.config.compression,
        policy: Arc::new(rules(random, &plan.channels, &policy)),
        messages_per_second: 0,
        token_notice: milliseconds(*random.pick(&[0, 300, 2_000])),
        token_grace: milliseconds(*random.pick(&[0, 500, 3_000])),
        auth_timeout: milliseconds(*random.pick(&[400, 5_000])),
        presence_leave_delay: milliseconds(*random.pick(&[0, 0, 400, 2_000])),
        presence_members: *random.pick(&[0, 2, 200]),
        ..Config::default()
    }
}

/// Each channel may be for anyone, for users, for whose token names it, or for nobody.
fn rules(random: &mut Random, channels: &[String], policy: &Policy) -> Policy {
    let random = RefCell::new(random);
    let kinds = [Who::Anyone, Who::User, Who::Token, Who::Token, Who::Backend];
    let who = || *random.borrow_mut().pick(&kinds);
    let rule = |channel: &String| {
        let pattern = Pattern::parse(channel).expect("a channel");
        let (subscribe, publish) = (who(), who());
        let presence = plan::presence(&mut random.borrow_mut());
        let others = Rule::clone(&policy.fallback);
        Arc::new(Rule { pattern, subscribe, publish, presence, ..others })
    };
    let rules = channels.iter().map(rule).collect();
    Policy { rules, ..Policy::clone(policy) }
}

impl Stage {
    /// Other rules, and perhaps others who may be anonymous.
    pub fn reload_rights(&mut self) {
        let mut world = self.world.borrow_mut();
        let mut policy = rules(&mut world.random, &self.channels, &self.policy);
        policy.anonymous ^= world.random.chance(200);
        self.policy = Arc::new(policy);
        self.oracle.rights.put_in_force(&self.policy);
        world.post_to_all(|| Mail::Policy(Arc::clone(&self.policy)));
        world.tally.count("reloads");
    }
}
