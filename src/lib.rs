//! tenant-operator: a `Tenant` is the whole description of a customer's environment; the operator makes it real.

pub mod api;
pub mod applications;
pub mod books;
pub mod capability;
pub mod cli;
pub mod cluster;
pub mod conditions;
pub mod controller;
pub mod credentials;
pub mod database;
pub mod dns;
pub mod flags;
pub mod gateway;
pub mod host;
pub mod isolation;
pub mod metering;
pub mod names;
pub mod namespaces;
pub mod postgres;
pub mod proof;
pub mod quantity;
pub mod rotation;
pub mod settings;
pub mod signals;
pub mod syntax;
pub mod telemetry;
pub mod tenant;
pub mod term;
pub mod time;
pub mod workloads;

#[cfg(test)]
mod layers_test;
#[cfg(test)]
mod testing;
