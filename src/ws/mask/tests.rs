//! Tests of `mask`.
