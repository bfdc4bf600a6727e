//! Clients as models: they speak the protocol with a codec of their own and believe nothing that
//! they are not shown. What they get is checked against the oracle the moment it arrives.

pub mod codec;
pub mod envelope;
pub mod follower;
pub mod http;
pub mod line;
pub mod member;
pub mod payload;
pub mod raw;
pub mod wire;

use crate::oracle::Oracle;
use crate::world::World;

/// What a client sees of the stage when it acts.
pub struct Scene<'a> {
    /// Sockets, chance and time.
    pub world: &'a mut World,
    /// What is true.
    pub oracle: &'a mut Oracle,
    /// Names of the channels in play.
    pub channels: &'a [String],
    /// Steps since the start.
    pub step: u64,
    /// Payloads are long.
    pub fat: bool,
    /// Nobody begins anything new, stalls or dawdles.
    pub calm: bool,
    /// Set when something was received or begun.
    pub moved: bool,
}

impl Scene<'_> {
    /// One of the channels.
    pub fn channel(&mut self) -> String {
        self.world.random.pick(self.channels).clone()
    }
}

/// A client of any sort.
pub trait Client {
    /// Takes a turn: sends, receives, checks; begins something new unless the scene is calm.
    fn act(&mut self, scene: &mut Scene);

    /// All is quiet: checks that nothing that should have come is missing.
    fn check_settled(&self, oracle: &Oracle);

    /// Publishes to this channel, if it can; says whether.
    fn tell(&mut self, _scene: &mut Scene, _channel: &str) -> bool {
        false
    }

    /// The channels that it follows, and its name, where it knows that.
    fn present(&self) -> Vec<(String, Option<String>)> {
        Vec::new()
    }

    /// Leaves for good, politely or not.
    fn leave(&mut self, scene: &mut Scene);

    /// Whether it has a connection.
    fn connected(&self) -> bool;
}
