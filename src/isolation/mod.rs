//! The proof that no tenant reaches another: checks, how they came out, and what to tell of it.

pub mod access;
pub mod check;
pub mod database;
pub mod network;
mod proof;

pub use proof::{Outcome, Proof, Violation};
