//! The custom resources on a real API server: what it takes, what it refuses and with which words.
//!
//! `cargo test --test api`, with a cluster that `KUBECONFIG` names or `make up` brought up. Almost all requests are dry
//! runs, so the tests do not mind an operator at work.

use e2e_support as support;

mod apisix;
mod bounds;
mod cert_manager;
mod connection;
mod crds;
mod database;
mod database_server;
mod defaults;
mod envoy_gateway;
mod explain;
mod foreign;
mod gateway;
mod harness;
mod identity;
mod leader;
mod namespaces;
mod network;
mod owners;
mod pods;
mod quantities;
mod quota_keys;
mod refusals;
mod samples;
mod shown;
mod sizes;
mod subtenants;
mod tenant;
mod tier;
mod view;
mod workload;
