//! Namespaces whose names are ends of hosts.

use crate::capability::{Invalid, World, namespace_field};

/// Namespaces that are called like what hosts end in: `db.example.com` is tried as a name of the namespace `com` before it is tried as it is. One that
/// the tenant has is kept, and told of; a new one is refused.
pub fn captures(namespaces: &[String], world: &World, errors: &mut Vec<Invalid>) -> Vec<String> {
    let mut kept = Vec::new();
    for (i, name) in namespaces.iter().enumerate() {
        let server = world.server_suffixes.get(name);
        let server = server.map(|server| format!("a part of the host of DatabaseServer {server}"));
        let end = world.dns.suffix(name).map(|hosts| format!("the end of {hosts}"));
        let Some(part) = end.or(server) else {
            continue;
        };
        let message = format!("{name} is {part}: a namespace of this name answers for it when other tenants ask");
        if world.capturing_namespaces.contains(name) {
            kept.push(format!(
                "namespace {message}; the operator keeps it, since it exists already"
            ));
            continue;
        }
        let remedy = "choose another name, or add the top-level domain to the chart's network.dns.exempt if nothing in the cluster resolves it";
        errors.push(Invalid::new(namespace_field(i), format!("{message}; {remedy}")));
    }
    kept
}
