//! Namespaces and users of each tenant, for the checks.

use super::reach::TenantSubjects;
use crate::api::Owner;
use crate::capability::Tenants;
use crate::cluster::Store;
use serde::Deserialize;
use std::collections::BTreeMap;

/// What is read of each tenant.
#[derive(Deserialize)]
struct Part {
    spec: Owners,
}

#[derive(Deserialize)]
struct Owners {
    #[serde(default)]
    owners: Vec<Owner>,
}

/// One tenant, as it is now.
pub fn one(tenants: &Tenants, objects: &Store, tenant: &str) -> TenantSubjects {
    let spec = tenants.get(tenant);
    let mut namespaces = objects.namespaces_of(tenant);
    namespaces.sort();
    TenantSubjects {
        name: tenant.to_string(),
        namespaces,
        owners: spec.map(|tenant| tenant.spec.owners.clone()).unwrap_or_default(),
    }
}

/// Returns all tenants, and former ones that still have namespaces.
pub fn all(tenants: &Tenants, objects: &Store) -> BTreeMap<String, TenantSubjects> {
    let mut holders: BTreeMap<String, TenantSubjects> = BTreeMap::new();
    for (name, part) in tenants.parts::<Part>() {
        let holder = TenantSubjects {
            name: name.clone(),
            namespaces: Vec::new(),
            owners: part.spec.owners,
        };
        holders.insert(name, holder);
    }
    for (tenant, namespace) in objects.namespaces() {
        // A retained namespace is its former tenant's still.
        let holder = holders.entry(tenant.clone()).or_insert_with(|| TenantSubjects {
            name: tenant,
            ..TenantSubjects::default()
        });
        holder.namespaces.push(namespace);
    }
    holders.values_mut().for_each(|holder| holder.namespaces.sort());
    holders
}
