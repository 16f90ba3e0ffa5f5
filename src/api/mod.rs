//! The custom resources of `tenant-operator.io/v1alpha1`: the only source of `crds/*.yaml`.

pub mod allowed;
pub mod autoscaling;
pub mod common;
mod crds;
pub mod credentials;
pub mod database;
pub mod database_server;
pub mod features;
pub mod gateway;
mod quota_status;
pub mod role;
mod schema;
pub mod status;
pub mod subtenants;
pub mod tenant;
pub mod tier;
pub mod view;
pub mod workload;

pub use allowed::*;
pub use autoscaling::*;
pub use common::*;
pub use crds::{crds, yaml};
pub use credentials::*;
pub use database::*;
pub use database_server::*;
pub use features::*;
pub use gateway::*;
pub use quota_status::*;
pub use role::*;
pub use status::*;
pub use subtenants::*;
pub use tenant::*;
pub use tier::*;
pub use view::*;
pub use workload::*;
