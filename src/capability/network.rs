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

/// Parses a CIDR of a spec. Stricter than [`IpNet`] itself, which takes `010.0.0.0/8`, eight to some and ten to others, and `203.0.113.7/24`, whose
/// author may mean one address.
///
/// # Errors
/// The fault, with a remedy.
pub fn cidr(text: &str) -> Result<IpNet, String> {
    let parts = text.split_once('/');
    let parsed = parts.and_then(|(address, length)| IpNet::new(address.parse().ok()?, length.parse().ok()?).ok());
    let cidr = parsed.ok_or("is not a CIDR such as 203.0.113.0/24")?;
    match cidr.trunc() {
        network if network == cidr => Ok(cidr),
        network => Err(format!(
            "{cidr} is an address within a network: write {network} or {}/{}",
            cidr.addr(),
            cidr.max_prefix_len()
        )),
    }
}
