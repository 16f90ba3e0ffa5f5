//! ReferenceGrants: which Services of other namespaces the tenant's HTTPRoutes may lead to. One for each namespace of shared applications, and in it.

use super::ROUTES;
use crate::cluster::{Desired, Kind, metadata};
use crate::gateway::config::GatewayConfig;
use crate::names;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Those that the tenant's routes need; a tenant that is closed keeps them.
pub fn grants(way: &GatewayConfig) -> Vec<Desired> {
    let mut services: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for backend in way.backends() {
        if let Some(namespace) = &backend.namespace {
            services.entry(namespace).or_default().insert(&backend.service);
        }
    }
    let grants = services.into_iter();
    grants
        .map(|(namespace, services)| grant(way, namespace, &services))
        .collect()
}

fn grant(way: &GatewayConfig, namespace: &str, services: &BTreeSet<&str>) -> Desired {
    let meta = metadata::meta(&way.owner, namespace, &names::grant(&way.owner.tenant));
    let to: Vec<Value> = services
        .iter()
        .map(|service| json!({"group": "", "kind": "Service", "name": service}))
        .collect();
    let object = json!({
        "apiVersion": ROUTES,
        "kind": Kind::ReferenceGrant.as_str(),
        "metadata": meta,
        "spec": {
            "from": [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "namespace": way.owner.tenant}],
            "to": to,
        },
    });
    metadata::desired(Kind::ReferenceGrant, &meta, &object)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tenant::fixtures::{acme, attachment, gateway_config};

    fn granted(spec: Value) -> Vec<(String, Value)> {
        let application = |name: &str, namespace: &str, service: &str, port: u16| json!({"name": name, "namespace": namespace, "service": service, "port": port});
        let tier = json!({"gateway": {"applications": [
            application("crm", "applications", "crm", 80),
            application("crm-admin", "applications", "crm", 8081),
            application("wiki", "applications", "wiki", 80),
            application("chat", "more-applications", "chat", 80),
            application("unused", "applications", "unused", 80),
        ]}});
        let to = attachment();
        let way = gateway_config(&acme(spec, tier), &to.shared_hosts);
        let grants = grants(&way).into_iter();
        let meaning = |grant: Desired| {
            assert_eq!(grant.key.name, "tenant-operator-acme");
            assert_eq!(grant.value["spec"]["from"].as_array().map(Vec::len), Some(1));
            assert_eq!(grant.value["spec"]["from"][0]["namespace"], "acme");
            let to = grant.value["spec"]["to"].as_array().cloned().unwrap_or_default();
            (grant.key.namespace, to.iter().map(|to| to["name"].clone()).collect())
        };
        grants.map(meaning).collect()
    }

    fn leads_to(applications: &[&str]) -> Value {
        let route = |(i, name): (usize, &&str)| json!({"path": {"type": "PathPrefix", "value": format!("/{i}")}, "backend": {"application": name}});
        let routes: Vec<Value> = applications.iter().enumerate().map(route).collect();
        json!({"gateway": {"hosts": ["acme.example.com"], "routes": routes}})
    }

    #[test]
    fn a_tenant_is_granted_the_services_that_its_routes_lead_to_and_no_others() {
        let all = granted(leads_to(&["wiki", "crm", "crm-admin", "chat"]));
        let expected = [
            ("applications".to_string(), json!(["crm", "wiki"])),
            ("more-applications".to_string(), json!(["chat"])),
        ];
        assert_eq!(all, expected);
        assert_eq!(granted(leads_to(&["chat"])), expected[1..]);
        // The tier lacks, or has lost, the first application.
        assert_eq!(granted(leads_to(&["taken", "chat"])), expected[1..]);
    }

    #[test]
    fn a_closed_tenant_keeps_its_grants() {
        let mut spec = leads_to(&["chat"]);
        spec["suspend"] = json!(true);
        assert_eq!(granted(spec).len(), 1);
    }
}
