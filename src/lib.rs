//! tenant-operator: a `Tenant` is the whole description of a customer's environment; the operator makes it real.

pub mod api;
pub mod names;
