//! Tests of `deflate`.
