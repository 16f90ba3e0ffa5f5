//! The tenants that share tables on a server, as rows of the registry there.

use super::servers::Databases;
use crate::postgres::Names;
use crate::postgres::shared::RegistryRow;

/// Returns the tenants that share the platform's tables on this server, as applications see them.
pub(super) fn rows(databases: &Databases, server: &str) -> Vec<RegistryRow> {
    let placed = databases.placements().into_iter();
    let shared = placed.filter(|(_, place)| {
        place.server == server && place.model == crate::api::DatabaseModel::SharedTable && !place.retained
    });
    shared.map(|(owner, _)| row(databases, &owner)).collect()
}

/// Returns one tenant as applications see it.
pub fn row(databases: &Databases, owner: &crate::cluster::Identity) -> RegistryRow {
    let tenant = databases.tenants.get(&owner.tenant);
    RegistryRow {
        id: owner.id.clone(),
        name: owner.tenant.clone(),
        parent: None,
        tier: tenant.map(|tenant| tenant.spec.tier.clone()).unwrap_or_default(),
        owner_role: Names::of(&owner.id).owner,
    }
}
