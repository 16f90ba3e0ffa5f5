//! The tenants and objects that the checks read.

use crate::capability::{SharedServices, Tenants};
use crate::cluster::Store;
use ipnet::IpNet;
use std::sync::Arc;

/// The tenants and objects that the checks read, and the addresses and namespace of the platform itself.
#[derive(Clone)]
pub struct Inventory {
    pub tenants: Tenants,
    pub objects: Arc<Store>,
    /// The addresses of the cluster itself.
    pub cluster_cidrs: Vec<IpNet>,
    /// Services of shared applications, which only those tenants reach whose tiers open them.
    pub services: SharedServices,
    /// The operator's own namespace.
    pub namespace: String,
}
