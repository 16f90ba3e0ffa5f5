//! The addresses of the API server, as pods see it: its Service, and the endpoints behind it.

use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::{Api, ListParams};
use std::net::IpAddr;

/// Reads the addresses and ports of the API server.
///
/// # Errors
/// The API server's refusal.
pub async fn addresses(client: kube::Client) -> Result<Vec<(IpAddr, u16)>, kube::Error> {
    let api: Api<EndpointSlice> = Api::namespaced(client, "default");
    let slices = api
        .list(&ListParams::default().labels("kubernetes.io/service-name=kubernetes"))
        .await?;
    let mut found: Vec<(IpAddr, u16)> = service().into_iter().collect();
    for slice in slices {
        let ports = slice
            .ports
            .iter()
            .flatten()
            .filter_map(|port| u16::try_from(port.port?).ok());
        for port in ports {
            let addresses = slice.endpoints.iter().flat_map(|endpoint| &endpoint.addresses);
            found.extend(
                addresses
                    .filter_map(|address| address.parse().ok())
                    .map(|address| (address, port)),
            );
        }
    }
    found.sort();
    found.dedup();
    Ok(found)
}

/// The Service's own address, which kubelet tells every pod.
fn service() -> Option<(IpAddr, u16)> {
    let address = std::env::var("KUBERNETES_SERVICE_HOST").ok()?.parse().ok()?;
    let port = std::env::var("KUBERNETES_SERVICE_PORT").ok()?.parse().ok()?;
    Some((address, port))
}
