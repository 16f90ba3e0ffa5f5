//! Namespaces and users of each tenant, for the checks.

use super::reach::TenantSubjects;
use crate::api::Tenant;
use crate::cluster::Store;
use kube::runtime::reflector::{self, ObjectRef};
use std::collections::BTreeMap;

/// One tenant, as it is now.
pub fn one(tenants: &reflector::Store<Tenant>, objects: &Store, tenant: &str) -> TenantSubjects {
    let spec = tenants.get(&ObjectRef::new(tenant));
    let mut namespaces = objects.namespaces_of(tenant);
    namespaces.sort();
    TenantSubjects {
        name: tenant.to_string(),
        namespaces,
        owners: spec.map(|tenant| tenant.spec.owners.clone()).unwrap_or_default(),
    }
}

/// Returns all tenants, and former ones that still have namespaces.
pub fn all(tenants: &reflector::Store<Tenant>, objects: &Store) -> BTreeMap<String, TenantSubjects> {
    let mut holders: BTreeMap<String, TenantSubjects> = BTreeMap::new();
    for tenant in tenants.state() {
        let name = tenant.metadata.name.clone().unwrap_or_default();
        let holder = TenantSubjects {
            name: name.clone(),
            namespaces: Vec::new(),
            owners: tenant.spec.owners.clone(),
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
