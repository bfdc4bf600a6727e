//! Tests of `close`.
