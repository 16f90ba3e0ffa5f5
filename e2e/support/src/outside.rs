//! Addresses outside of every tenant.

use super::{Cluster, cluster, path, text};
use anyhow::{Context, Result};

/// Each as `address:port`.
pub struct Outside {
    pub api_service: String,
    pub api_server: String,
    pub kubelet: String,
    /// None where the cluster has no stand-in for the outside world.
    pub world: Option<World>,
}

/// Stand-ins for the outside world, each as `address:port`.
pub struct World {
    pub metadata: String,
    /// Stands for the internet.
    pub listed: String,
    pub listed_cidr: String,
    pub other: String,
    pub port: u16,
}

impl Outside {
    /// Reads the cluster's own addresses from the cluster. Without stand-ins it says aloud that `test` skips its part about them.
    pub async fn of(cluster: &Cluster, test: &str) -> Result<Self> {
        let world = World::find()?;
        if world.is_none() {
            let why = "this cluster has no stand-in for the internet and the metadata address (CLUSTER=local has)";
            cluster::skipped(&format!("{test}: the outside world"), why);
        }
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
            world,
        })
    }
}

impl World {
    /// Finds the stand-in by the local cluster's env file.
    fn find() -> Result<Option<Self>> {
        let Some(env) = cluster::local() else {
            return Ok(None);
        };
        let value = |key: &str| {
            env.get(key)
                .with_context(|| format!("no {key} in the local cluster's env"))
        };
        let port: u16 = value("OUTSIDE_PORT")?.parse().context("OUTSIDE_PORT")?;
        let at = |key: &str| anyhow::Ok(format!("{}:{port}", value(key)?));
        Ok(Some(Self {
            metadata: at("METADATA_IP")?,
            listed: at("OUTSIDE_LISTED_IP")?,
            listed_cidr: format!("{}/32", value("OUTSIDE_LISTED_IP")?),
            other: at("OUTSIDE_OTHER_IP")?,
            port,
        }))
    }
}
