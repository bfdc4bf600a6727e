//! What one seed decides before the curtain rises: settings, faults, and who is there.

use std::sync::Arc;
use std::time::Duration;

use fanwire::config::Config;
use fanwire::policy::Policy;
use fanwire::policy::hook::{Backend, Event, Events};
use fanwire::policy::pattern::Pattern;
use fanwire::policy::rule::{OnSlow, Presence, Rule};

use crate::world::random::Random;
use crate::world::{Faults, Sabotage};

/// Everything that differs from seed to seed.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The seed.
    pub seed: u64,
    /// Steps until everybody calms down.
    pub steps: u64,
    /// Settings of the node.
    pub config: Arc<Config>,
    /// What goes wrong.
    pub faults: Faults,
    /// What is wrong with the world.
    pub sabotage: Sabotage,
    /// Names of the channels.
    pub channels: Vec<String>,
    /// Clients of `/ws`.
    pub envelopes: usize,
    /// Clients of raw channels.
    pub raws: usize,
    /// Clients that log in.
    pub members: usize,
    /// Backends.
    pub backends: usize,
    /// How often time leaps, in permille of steps.
    pub leaps: u32,
    /// How often the rules change, in permille of steps.
    pub reloads: u32,
    /// Payloads are so long that a history does not fit into one page.
    pub fat: bool,
}

impl Plan {
    /// The plan of a seed.
    pub fn new(seed: u64, workers: u16) -> Self {
        let mut random = Random::new(seed ^ 0x00fa_71e5);
        let fat = random.chance(150);
        let channels = if fat { random.between(1, 2) } else { random.between(4, 8) };
        let channels = (0..channels).map(|n| format!("c.{n}")).collect();
        let faults = Faults {
            short_read: *random.pick(&[0, 50, 300]),
            short_write: *random.pick(&[0, 50, 300]),
            spurious: *random.pick(&[0, 20, 100]),
            partial: *random.pick(&[0, 100, 500]),
            exhausted: *random.pick(&[0, 50, 300]),
            jump: *random.pick(&[0, 50]),
            meanwhile: *random.pick(&[0, 50, 300]),
            lazy_edges: random.chance(500),
        };
        let leaps = if random.chance(300) { 6 } else { 1 };
        Self {
            seed,
            steps: random.between(2_500, 4_500) as u64,
            config: Arc::new(config(&mut random, workers, fat)),
            faults,
            sabotage: Sabotage::None,
            channels,
            envelopes: random.between(4, 14),
            raws: random.between(1, 4),
            members: 0,
            backends: random.between(1, 3),
            leaps,
            reloads: if random.chance(300) { 4 } else { 0 },
            fat,
        }
    }

    /// How many publications each history holds, where nothing but the count bounds it.
    pub fn exact_history(&self) -> Option<u64> {
        let (config, rule) = (&*self.config, &*self.config.policy.fallback);
        let exact = rule.history_age.is_zero()
            && rule.history_bytes >= 1 << 20
            && config.max_history_bytes >= 64 << 20
            && config.max_channels > 1_000;
        exact.then_some(rule.history_count as u64)
    }

    /// Whether idempotency keys have too little room.
    pub fn forgets_keys(&self) -> bool {
        self.config.max_history_bytes < 1 << 20
    }
}

/// What is told of who is in a channel.
pub fn presence(random: &mut Random) -> Presence {
    *random.pick(&[Presence::Full, Presence::Full, Presence::Full, Presence::Count, Presence::None])
}

/// Each channel has a way with slow readers, and some have a pace.
fn policy(random: &mut Random, fallback: &Rule) -> Policy {
    let mut rule = |number: usize| {
        let ways = [OnSlow::Pull, OnSlow::Pull, OnSlow::Pull, OnSlow::Latest, OnSlow::Close];
        Arc::new(Rule {
            pattern: Pattern::parse(&format!("c.{number}")).expect("a pattern"),
            on_slow: *random.pick(&ways),
            max_rate: random.chance(200).then_some(5.0),
            presence: presence(random),
            ..fallback.clone()
        })
    };
    let rules = (0..8).map(&mut rule).collect();
    let policy = Policy { rules, fallback: Arc::new(fallback.clone()), ..Policy::default() };
    let hooks = fallback.hooks;
    let backend = (!hooks.is_empty()).then(|| Arc::new(backend()));
    Policy { hooks, backend, ..policy }
}

/// What a backend is asked and told, if there is one. Whoever it may let in, it is told of.
fn hooks(random: &mut Random) -> Events {
    use Event::{Connect, Disconnect, Occupied, Publish, Subscribe, Vacated};
    let there = random.chance(300);
    let some = [[Connect, Disconnect], [Occupied, Vacated], [Subscribe; 2], [Publish; 2]];
    some.into_iter().filter(|_| there && random.chance(700)).flatten().collect()
}

/// Where the world is called nobody looks at this.
fn backend() -> Backend {
    Backend {
        url: String::new(),
        secret: Vec::new(),
        timeout: Duration::ZERO,
        retry: Duration::ZERO,
        queue_bytes: 0,
    }
}

/// Settings with limits so small that they are met.
fn config(random: &mut Random, workers: u16, fat: bool) -> Config {
    let usual = Config::default();
    let rarely = |random: &mut Random| !fat && random.chance(150);
    let few_channels = random.between(2, 8);
    let some = random.between(if fat { 30 } else { 5 }, 50);
    let fallback = Rule {
        history_count: if rarely(random) { 0 } else { some },
        history_bytes: if rarely(random) { random.between(500, 8_000) } else { 1 << 20 },
        history_age: Duration::from_secs(u64::from(rarely(random))),
        hooks: hooks(random),
        ..Rule::default()
    };
    Config {
        workers,
        open: true,
        policy: Arc::new(policy(random, &fallback)),
        max_history_bytes: if rarely(random) { 40_000 } else { 64 << 20 },
        position_age: Duration::from_secs(if rarely(random) { 2 } else { 24 * 3600 }),
        max_channels: if rarely(random) { few_channels } else { 1_000_000 },
        window_bytes: random.between(256, 8_192),
        max_window_bytes: if rarely(random) { 4_096 } else { 64 << 20 },
        max_buffered_bytes: if rarely(random) { random.between(2_000, 60_000) } else { 64 << 20 },
        presence_members: if random.chance(300) { random.between(2, 6) } else { 200 },
        presence_interval: Duration::from_millis(*random.pick(&[0, 300, 1000])),
        max_presence_bytes: if rarely(random) { random.between(0, 400) } else { 64 << 20 },
        max_mail_bytes: if rarely(random) { random.between(500, 20_000) } else { 64 << 20 },
        new_channels_per_second: if rarely(random) { 1 } else { 10 },
        max_pending: random.between(2, 12) as u16,
        max_handshakes: if rarely(random) { 3 } else { 1_000 },
        max_subscriptions: if rarely(random) { 3 } else { 128 },
        messages_per_second: if rarely(random) { random.between(20, 60) as u32 } else { 0 },
        burst: random.between(5, 40) as u32,
        update_interval: Duration::from_secs(if rarely(random) { 1 } else { 30 }),
        compression: random.chance(700),
        max_connection_age: Duration::from_secs(if rarely(random) { 2 } else { 0 }),
        ..usual
    }
}
