//! Shared tables: a server that a platform has tables on, and two tenants in them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

pub mod applications;
pub mod drift;
pub mod findings;
pub mod groups;
pub mod members;
pub mod quiet;
pub mod removal;
pub mod subtenants;
pub mod tenants;
pub mod world;
