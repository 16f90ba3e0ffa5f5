//! What is known of names that hosts end in.

use super::*;
use crate::api::DatabaseServerSpec;
use crate::cluster::Kind;
use crate::names;
use crate::tenant::fixtures::{ID, tenant};
use kube::runtime::watcher::Event;
use serde_json::json;

fn server(name: &str, host: &str) -> DatabaseServer {
    let spec = DatabaseServerSpec {
        host: host.into(),
        ..DatabaseServerSpec::default()
    };
    DatabaseServer::new(name, spec)
}

fn known(namespaces: &[(&str, &str, &str)], servers: Vec<DatabaseServer>) -> Caches {
    let (servers_known, mut writer) = reflector::store();
    for server in servers {
        writer.apply_watcher_event(&Event::Apply(server));
    }
    let objects = Store::default();
    for (name, tenant, id) in namespaces {
        let namespace = json!({"metadata": {
            "name": name, "uid": name, "resourceVersion": "1", "labels": {
                (names::TENANT): tenant, (names::TENANT_ID): id, (names::MANAGED_BY): names::MANAGER,
            },
        }});
        objects.put(Kind::Namespace, serde_json::from_value(namespace).expect("a namespace"));
    }
    Caches {
        tenants: Tenants::default(),
        tiers: reflector::store().0,
        servers: servers_known,
        objects: Arc::new(objects),
        cluster_cidrs: Vec::new(),
        dns: DnsSettings::default(),
        dns_addresses: Vec::new(),
        reserved: BTreeMap::new(),
        lacks_gateway: false,
        shared_hosts: None,
        application_namespaces: Vec::new(),
        shared_services: None,
        namespace: "operator".into(),
    }
}

#[test]
fn only_what_is_the_tenants_already_is_kept() {
    let mut tenant = tenant(json!({"namespaces": [{"name": "tld"}, {"name": "b"}]}));
    tenant.metadata.name = Some("com".into());
    let servers = vec![
        server("pg", "PG.databases.com-TLD"),
        server("by-address", "10.0.0.5"),
        server("of-a-tenant", "PG.Shop.svc"),
    ];
    let another = "00000000-0000-4000-8000-000000000000";
    for (namespaces, kept) in [
        (vec![], vec![]),
        (vec![("com", "com", ID), ("com-b", "com", ID)], vec!["com"]),
        (vec![("com", "com", ID), ("com-tld", "com", ID)], vec!["com", "com-tld"]),
        // Another tenant of that name, which is gone, left it.
        (vec![("com", "com", another)], vec![]),
        (vec![("com", "other", ID)], vec![]),
    ] {
        let world = known(&namespaces, servers.clone()).world(&tenant);
        let found: Vec<&str> = world.capturing_namespaces.iter().map(String::as_str).collect();
        assert_eq!(found, kept, "{namespaces:?}");
        let parts = [("com-tld", "pg"), ("shop", "of-a-tenant"), ("svc", "of-a-tenant")];
        let parts = parts.map(|(part, server)| (part.to_string(), server.to_string()));
        assert_eq!(world.server_suffixes, BTreeMap::from(parts));
    }
}
