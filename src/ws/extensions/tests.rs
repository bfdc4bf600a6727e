//! Tests of `extensions`.
