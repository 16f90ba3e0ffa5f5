//! The hosts of a tenant.

use crate::api::TenantSpec;
use crate::host;

/// The hosts of the spec, in order, without those that another of them covers. Their form is seen to by the API server; whose they are
/// is decided by claims.
pub fn resolve(spec: &TenantSpec) -> Vec<String> {
    let named = spec.gateway.iter().flat_map(|gateway| &gateway.hosts);
    let mut hosts: Vec<String> = named.cloned().collect();
    hosts.sort();
    hosts.dedup();
    let all = hosts.clone();
    hosts.retain(|name| !all.iter().any(|other| host::covers(other, name)));
    hosts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tenant::fixtures::tenant;
    use serde_json::json;

    #[test]
    fn what_ones_own_wildcard_covers_needs_no_name_of_its_own() {
        let hosts = ["b.org", "*.example.com", "a.example.com", "example.com"];
        let spec = tenant(json!({"gateway": {"hosts": hosts}})).spec;
        assert_eq!(resolve(&spec), ["*.example.com", "b.org", "example.com"]);
        assert!(resolve(&tenant(json!({})).spec).is_empty());
    }
}
