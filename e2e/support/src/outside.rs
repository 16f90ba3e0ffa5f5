//! Addresses outside of every tenant.

use super::{Cluster, cluster, path, text};
use anyhow::{Context, Result};
use std::collections::HashMap;

/// Each as `address:port`.
pub struct Outside {
    pub api_service: String,
    pub api_server: String,
    pub kubelet: String,
    pub metadata: String,
    /// Stands for the internet.
    pub listed: String,
    pub listed_cidr: String,
    pub other: String,
    pub port: u16,
}

impl Outside {
    /// The stand-ins of the test cluster, as its env file names them; the cluster's own addresses as it says itself.
    pub async fn of(cluster: &Cluster) -> Result<Self> {
        let file = cluster::folder().join("env");
        let env = std::fs::read_to_string(&file).unwrap_or_default();
        let env: HashMap<_, _> = env
            .lines()
            .filter_map(|line| line.split_once('='))
            .map(|(k, v)| (k, v.trim_matches('\'')))
            .collect();
        let value = |key: &str, otherwise: &str| env.get(key).copied().unwrap_or(otherwise).to_owned();
        let port: u16 = value("OUTSIDE_PORT", "8080").parse().context("OUTSIDE_PORT")?;
        let with_port = |address: String| format!("{address}:{port}");
        let listed = value("OUTSIDE_LISTED_IP", "203.0.113.10");

        let service = cluster
            .get(&path("services", "default", "kubernetes"))
            .await
            .context("the kubernetes Service")?;
        let slice = cluster.list(&path("endpointslices", "default", "")).await?;
        let slice = slice
            .iter()
            .find(|s| s["metadata"]["labels"]["kubernetes.io/service-name"] == "kubernetes");
        let slice = slice.context("no endpoints of the API server")?;
        let server = text(&slice["endpoints"][0]["addresses"][0]);
        let nodes = cluster
            .list(&(path("nodes", "", "") + "?labelSelector=type!%3Dkwok"))
            .await?;
        let addresses = nodes
            .iter()
            .flat_map(|n| n["status"]["addresses"].as_array().cloned().unwrap_or_default());
        let node = addresses
            .into_iter()
            .find(|a| a["type"] == "InternalIP")
            .context("no node with an address")?;
        Ok(Self {
            api_service: format!("{}:443", text(&service["spec"]["clusterIP"])),
            api_server: format!("{server}:{}", slice["ports"][0]["port"]),
            kubelet: format!("{}:10250", text(&node["address"])),
            metadata: with_port(value("METADATA_IP", "169.254.169.254")),
            listed_cidr: format!("{listed}/32"),
            listed: with_port(listed),
            other: with_port(value("OUTSIDE_OTHER_IP", "198.51.100.10")),
            port,
        })
    }
}
