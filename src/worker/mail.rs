//! (placeholder)

/// One letter from worker to worker.
#[derive(Debug)]
pub enum Mail {}
