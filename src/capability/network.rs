//! The network of a tenant, as spec and tier agree.

use super::applications::ServiceName;
use crate::api::{Access, NetworkPort, PeerState};
use ipnet::IpNet;
use std::collections::BTreeMap;

/// The traffic that may come in and go out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidNetwork {
    pub gateway: Access,
    pub internet: Access,
    pub api_server: Access,
    pub to: Vec<Destination>,
    pub peers: Vec<Peering>,
    /// Shared applications that its tier opens to its pods, by name.
    pub applications: BTreeMap<String, ServiceName>,
}

/// Addresses outside the cluster, without what lies within them and is never opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    pub cidr: IpNet,
    pub except: Vec<IpNet>,
    /// Empty: every port.
    pub ports: Vec<NetworkPort>,
}

/// A tenant that this one named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peering {
    pub name: String,
    pub state: PeerState,
    /// Empty unless agreed.
    pub namespaces: Vec<String>,
}

/// A destination of a NetworkPolicy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    Addresses(IpNet),
    Namespace(String),
    /// The pods with these labels in a namespace.
    Pods(String, BTreeMap<String, String>),
}
