//! Isolation between tenants: the checks, their outcomes, and the reports.

pub mod access;
pub mod admission;
pub mod cache;
mod capability;
pub mod check_schedule;
pub mod condition;
pub mod inventory;
pub mod memory_limit;
pub mod metrics;
pub mod network;
pub mod quarantine;
pub mod report;
pub mod report_queue;
pub mod report_writer;
pub mod settings;
mod shared_values;
mod start;
pub mod verifier;

pub use capability::Isolation;
pub use inventory::Inventory;
pub use start::{Started, Surroundings, start};

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks a mutex, even after a panic of a holder: each of ours is consistent between two statements.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
