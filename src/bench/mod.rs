//! The load generator behind `fanwire bench`.

pub mod account;
