//! Envoy Gateway's objects, validated by its definitions and those of Gateway API. The local cluster keeps them among its own files; `ENVOY_GATEWAY_CRDS` names
//! another folder.

use crate::foreign::{Gateway, takes_every_case};
use anyhow::Result;

#[tokio::test]
async fn its_definitions_take_every_case() -> Result<()> {
    let envoy = Gateway {
        controller: "EnvoyGateway",
        flags: &["--gateway-fallbacks=true", "--gateway-client-traffic-policies=true"],
        route: "HTTPRoute",
        concerns: |_| true,
        kinds: 7,
        groups: &["gateway.networking.k8s.io", "gateway.envoyproxy.io"],
        variable: "ENVOY_GATEWAY_CRDS",
        folder: "target/cluster/gateway/crds",
        files: &[],
    };
    takes_every_case("envoy_gateway::its_definitions_take_every_case", &envoy).await
}
