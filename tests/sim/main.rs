//! A deterministic simulation of the server.

#![allow(clippy::unwrap_used)]

mod world;
