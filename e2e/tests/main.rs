//! End to end: the operator installed in a real cluster, tenants whose pods run in a real kubelet, traffic between them.
//!
//! `cargo test --test e2e`, after `make up`. Every test makes tenants of its own under random names, so that all run side by side; `E2E_KEEP=1` keeps them.
//! `e2e/disruptive` has the tests that disturb the operator.

use e2e_support as support;

mod admission;
mod applications;
mod backends;
mod bandwidth;
mod benchmark;
mod bursts;
mod certificates;
mod certificates_issued;
mod configuration;
mod conflicts;
mod database;
mod database_client;
mod database_drift;
mod database_extensions;
mod database_life;
mod database_rotation;
mod database_servers;
mod database_shared;
mod dedicated_nodes;
mod deletion;
mod drift;
mod drift_of_bounds;
mod egress;
mod examples;
mod gateway;
mod hostile_admin;
mod hostile_admin_acts;
mod hosts;
mod identity;
mod invalid;
mod invalid_workloads;
mod leaving;
mod mutation;
mod operators_token;
mod order;
mod own_keys;
mod owners;
mod owners_acts;
mod peering;
mod provisioning;
mod quarantine;
mod quota;
mod quota_books;
mod retention;
mod roles;
mod route_credentials;
mod routes;
mod seeds;
mod sessions;
mod shared_applications;
mod subtenants;
mod suspension;
mod terminating;
mod tiers;
mod tls_versions;
mod traffic;
mod undecodable;
mod usage;
mod view;
mod workloads;
