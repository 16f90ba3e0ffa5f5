//! Optional kinds that a cluster has.

use super::Kind;
use kube::Client;

/// Those of these kinds that the API server serves, in their order.
///
/// # Errors
/// The API server's.
pub async fn served(client: &Client, kinds: &[Kind]) -> Result<Vec<Kind>, kube::Error> {
    let groups = client.list_api_groups().await?.groups;
    let mut served = Vec::new();
    for kind in kinds {
        let resource = kind.resource();
        // To ask for a group that is not there would be answered 404 again and again.
        let mut versions = groups.iter().flat_map(|group| &group.versions);
        if !versions.any(|version| version.group_version == resource.api_version) {
            continue;
        }
        let list = client.list_api_group_resources(&resource.api_version).await?;
        if list.resources.iter().any(|one| one.name == resource.plural) {
            served.push(*kind);
        }
    }
    Ok(served)
}
