//! The books of quotas: what a tenant was granted, and what each of its namespaces and subtenants has reserved of it.
//!
//! A quota grows in two writes: the book reserves the amount, then the holder's object takes it. It shrinks in two writes: the object gives the amount up, then
//! the book releases it. Each write carries the version that was read before, so of two leaders only one decides:
//!
//! - **Raise**: read the object and the book; write the book with the reservation, even if that is there already; write the object in the version that was
//!   read. A book that changed meanwhile, or an object that did, makes the raise start over.
//! - **Release**: read the book; write the object, so that its version changes even if its amount does not; look at what the object holds still; write the
//!   book in the version that was read first. A raise that was under way meets another version of the object, or has changed the book.
//! - **Recount** of a book that is missing, or that others wrote: seal it, so that nothing is reserved; write each holder's object, so that no write under
//!   way succeeds; look at each; open the book with what they hold, in the sealed version.
//! - A quota is created with nothing of what the book divides. It grows by a raise, so the creation needs no version.
//! - A tenant's book is a holder in its parent's book, as a namespace is. It holds what it was granted, and no controller lags behind it.
//!
//! The first namespace's quota needs no book while its tenant has no other holder: its annotation, which each recount writes, tells that there is a book.
//!
//! `checker_test.rs` walks through all interleavings of these steps.

mod book;
mod object;
mod rules;

pub use book::{Book, NAMESPACES, child, namespace, tenant, title};
pub use object::{Record, create, delete, fetch, is_book, key, known, write};
pub use rules::{Shown, granted, raised};

#[cfg(test)]
mod checker_test;
#[cfg(test)]
mod model_test;
#[cfg(test)]
mod property_test;
