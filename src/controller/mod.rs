//! The run loop: what is watched, what a change wakes, and what is done with each result.

pub mod admission_proof;
pub mod api_server;
pub mod backoff;
pub mod context;
pub mod events;
pub mod examiner;
pub mod gateway;
mod holders;
mod kept;
pub mod meter;
mod missing;
pub mod pace;
pub mod probes;
pub mod prover;
pub mod queue;
pub mod reconcile;
pub mod report;
pub mod reports;
pub mod run;
pub mod slices;
pub mod surveyor;
pub mod walls;
pub mod watches;

pub use context::Context;
pub use queue::Queue;
