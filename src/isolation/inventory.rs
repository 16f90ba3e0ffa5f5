//! The tenants and objects that the checks read.

use crate::api::Tenant;
use crate::cluster::Store;
use ipnet::IpNet;
use kube::runtime::reflector;
use std::sync::Arc;

/// The tenants and objects that the checks read, and the addresses and namespace of the platform itself.
#[derive(Clone)]
pub struct Inventory {
    pub tenants: reflector::Store<Tenant>,
    pub objects: Arc<Store>,
    /// The addresses of the cluster itself.
    pub cluster_cidrs: Vec<IpNet>,
    /// The operator's own namespace.
    pub namespace: String,
}
