//! Tests of `inflate`.
