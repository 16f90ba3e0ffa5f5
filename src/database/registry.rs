//! The tenants that share tables on a server, as rows of the registry there.

use super::server_state::ServerState;
use super::servers::Databases;
use crate::api::{DatabaseModel, MAX_DEPTH, Tenant};
use crate::capability::{TenantCore, identity};
use crate::cluster::Identity;
use crate::host;
use crate::names;
use crate::postgres::Names;
use crate::postgres::shared::{Details, RegistryRow, RowSeen, Settings, TenantDetails};
use crate::time::seconds;
use std::sync::Arc;

/// The ids of a subtenant's parent, of the topmost tenant, and of itself with the tenants below it.
type Place = (Option<String>, Option<String>, Vec<String>);

/// A row of a registry, as a pass wrote it or found it written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enrolled {
    pub number: Option<i64>,
    tenant: String,
    place: Place,
    tier: String,
    asked_for: Option<i64>,
    details: Details,
}

impl Enrolled {
    /// The row that is to be written. Its number is not known yet.
    pub fn of(row: &RegistryRow) -> Self {
        Self {
            number: None,
            tenant: row.name.clone(),
            place: (row.parent.clone(), row.root.clone(), row.members.clone()),
            tier: row.tier.clone(),
            asked_for: row.number,
            details: row.details.as_ref().map(TenantDetails::written).unwrap_or_default(),
        }
    }

    /// Returns true where it is this row.
    pub fn is_as(&self, wanted: &Self) -> bool {
        let number = self.number;
        *self
            == Self {
                number,
                ..wanted.clone()
            }
    }
}

/// Returns the tenants that share the platform's tables on this server. Only a tenant's own pass knows its details.
pub(super) fn rows(databases: &Databases, server: &str) -> Vec<RegistryRow> {
    let placed = databases.placements().into_iter();
    let shared = placed
        .filter(|(_, place)| place.server == server && place.model == DatabaseModel::SharedTable && !place.retained);
    shared.map(|(owner, _)| family_row(databases, &owner)).collect()
}

fn family_row(databases: &Databases, owner: &Identity) -> RegistryRow {
    let tenant = databases.tenants.get(&owner.tenant);
    let (parent, root, members) = tenant
        .as_deref()
        .map(|tenant| place(databases, tenant))
        .unwrap_or_default();
    RegistryRow {
        parent,
        root,
        members,
        ..row(owner, tenant.as_deref())
    }
}

/// The place of a tenant in its family: as the operator accepted it, else by names.
fn place(databases: &Databases, tenant: &Tenant) -> Place {
    let Some(named) = &tenant.spec.parent else {
        return Place::default();
    };
    let accepted = tenant.status.as_ref().and_then(|status| status.parent.as_ref());
    let (parent, root) = match accepted {
        Some(parent) => (Some(parent.id.clone()), Some(parent.root_id.clone())),
        None => {
            let above = |tenant: &Arc<Tenant>| databases.tenants.get(tenant.spec.parent.as_ref()?);
            let ancestors = std::iter::successors(databases.tenants.get(named), above).take(MAX_DEPTH);
            let ids: Vec<String> = ancestors.map(|ancestor| identity(&ancestor).id).collect();
            (ids.first().cloned(), ids.last().cloned())
        }
    };
    let owner = identity(tenant);
    let below = databases.tenants.below(&owner.tenant).into_iter();
    let below = below.filter_map(|name| Some(identity(&*databases.tenants.get(&name)?).id));
    let mut members: Vec<String> = below.chain([owner.id]).collect();
    members.sort();
    (parent, root, members)
}

fn row(owner: &Identity, tenant: Option<&Tenant>) -> RegistryRow {
    RegistryRow {
        id: owner.id.clone(),
        number: tenant.and_then(|tenant| tenant.spec.number),
        name: owner.tenant.clone(),
        parent: None,
        root: None,
        members: Vec::new(),
        tier: tenant.map(|tenant| tenant.spec.tier.clone()).unwrap_or_default(),
        owner_role: Names::of(&owner.id).owner,
        details: None,
    }
}

/// Returns a valid tenant as applications see it.
pub(super) fn complete_row(databases: &Databases, core: &TenantCore) -> RegistryRow {
    let tenant = databases.tenants.get(&core.owner.tenant);
    let settings = core.configuration.as_ref().map(|json| Settings {
        json: json.clone(),
        digest: names::sha256(json),
    });
    let details = TenantDetails {
        settings,
        ..tenant
            .as_deref()
            .map(|tenant| details(tenant, core))
            .unwrap_or_default()
    };
    RegistryRow {
        details: Some(details),
        parent: core.family.parent().map(|parent| parent.id.clone()),
        root: core.family.root().map(|root| root.id.clone()),
        ..family_row(databases, &core.owner)
    }
}

fn details(tenant: &Tenant, core: &TenantCore) -> TenantDetails {
    let created_at = tenant.metadata.creation_timestamp.as_ref();
    // The first in the spec's order that no other tenant has.
    let is_own = |name: &&String| core.hosts.iter().any(|own| own == *name || host::covers(own, name));
    let mut hosts = tenant.spec.gateway.iter().flat_map(|gateway| &gateway.hosts);
    TenantDetails {
        display_name: tenant.spec.display_name.clone(),
        domain: hosts.find(is_own).cloned(),
        created_at: created_at.map(|time| seconds(time.0).to_string()),
        settings: None,
    }
}

/// Forgets enrolled tenants whose rows somebody else changed. Returns their names.
pub(super) fn changed(server_state: &ServerState, seen: &[RowSeen]) -> Vec<String> {
    let mut snapshot = server_state.snapshot();
    let differs = |row: &&RowSeen| {
        snapshot
            .enrolled
            .get(&row.id)
            .is_some_and(|known| known.details != row.details)
    };
    let ids: Vec<String> = seen.iter().filter(differs).map(|row| row.id.clone()).collect();
    ids.iter()
        .filter_map(|id| Some(snapshot.enrolled.remove(id)?.tenant))
        .collect()
}
