//! APISIX's objects, validated by the definitions of its ingress controller. They are not part of this repository: `APISIX_CRDS` names a folder with them, else
//! the tests look for them beside it.

use crate::foreign::{Gateway, takes_every_case};
use anyhow::Result;

#[tokio::test]
async fn its_definitions_take_every_case() -> Result<()> {
    let apisix = Gateway {
        controller: "APISIX",
        flags: &[],
        route: "ApisixRoute",
        concerns: |_| true,
        kinds: 5,
        groups: &["apisix.apache.org"],
        variable: "APISIX_CRDS",
        folder: "../shared/crds/apisix",
        files: &["examples/agentic-apisix/apisix.yaml"],
    };
    takes_every_case("apisix::its_definitions_take_every_case", &apisix).await
}
