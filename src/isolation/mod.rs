//! The proof that no tenant reaches another: checks, how they came out, and what to tell of it.

pub mod access;
pub mod admission;
pub mod check;
pub mod database;
pub mod network;
mod proof;
pub mod ration;
pub mod report;
pub mod reported;
pub mod turns;

pub use proof::{Outcome, Proof, Violation};

use std::sync::{Mutex, MutexGuard, PoisonError};

/// What a mutex holds, also after whoever held it panicked: each of ours is whole between two statements.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
