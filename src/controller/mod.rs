//! The run loop: what is watched, what a change wakes, and what is done with each result.

pub mod admission_proof;
pub mod api_server;
pub mod context;
mod deletion;
pub mod events;
pub mod lead;
mod metadata;
pub mod missing_tenants;
pub mod rate_limit;
pub mod reconcile;
pub mod report;
pub mod resource_watches;
pub mod run;
pub mod terms;

pub use context::Context;

#[cfg(test)]
#[path = "undecodable_test.rs"]
mod undecodable;
