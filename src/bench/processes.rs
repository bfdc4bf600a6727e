//! The parent of `--processes`: starts itself so many times with `--steps`, splits connections,
//! joins what they say. Measures nothing itself.

use super::flags::Plan;

/// Runs the plan by children.
pub fn run(_plan: &Plan) -> Result<(), String> {
    Err("--processes: only 1".into())
}
