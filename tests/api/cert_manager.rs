//! cert-manager's objects, validated by its definitions. The local cluster keeps them among its own files; `CERT_MANAGER_CRDS` names another folder, as
//! `deploy/crds` of the Go module `github.com/cert-manager/cert-manager`.

use crate::foreign::{Gateway, takes_every_case};
use anyhow::Result;

#[tokio::test]
async fn its_definitions_take_every_case() -> Result<()> {
    let cert_manager = Gateway {
        controller: "EnvoyGateway",
        flags: &[],
        route: "Certificate",
        concerns: |case| case.name.contains("certificates"),
        kinds: 1,
        groups: &["cert-manager.io"],
        variable: "CERT_MANAGER_CRDS",
        folder: "target/cluster/cert-manager/crds",
        files: &[],
    };
    takes_every_case("cert_manager::its_definitions_take_every_case", &cert_manager).await
}
