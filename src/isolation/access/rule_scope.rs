//! Part of a rule that reaches other tenants, given its scope. Pure.

use super::rbac::Discovered;
use k8s_openapi::api::rbac::v1::PolicyRule;

/// One thing that a rule allows and that reaches beyond a tenant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attempt {
    pub verb: String,
    pub group: String,
    pub resource: String,
    /// Only this object; empty is all.
    pub name: String,
}

impl Attempt {
    /// Returns the attempt as people say it: `get secrets`, `create deployments.apps`.
    pub fn title(&self) -> String {
        let group = match self.group.as_str() {
            "" => String::new(),
            group => format!(".{group}"),
        };
        let name = match self.name.as_str() {
            "" => String::new(),
            name => format!(" {name}"),
        };
        format!("{} {}{group}{name}", self.verb, self.resource)
    }
}

/// Reviews that every user may request about itself.
const SELF: &[(&str, &str)] = &[
    ("authorization.k8s.io", "selfsubjectaccessreviews"),
    ("authorization.k8s.io", "selfsubjectrulesreviews"),
    ("authentication.k8s.io", "selfsubjectreviews"),
];

/// Cluster-scoped resources that tell of tenants, so that even to read them reaches beyond one.
const TELLING: &[(&str, &str)] = &[
    ("", "namespaces"),
    ("", "persistentvolumes"),
    ("", "nodes/proxy"),
    ("", "nodes/log"),
    ("", "nodes/stats"),
    ("certificates.k8s.io", "certificatesigningrequests"),
    ("rbac.authorization.k8s.io", "clusterrolebindings"),
    ("tenant-operator.io", "tenants"),
    ("tenant-operator.io", "databaseservers"),
    ("openreports.io", "clusterreports"),
    ("wgpolicyk8s.io", "clusterpolicyreports"),
];
const READ: &[&str] = &["get", "list", "watch"];

/// Returns the part of a cluster-wide rule that reaches other tenants' namespaces or objects of all tenants.
pub fn everywhere(rule: &PolicyRule, discovered: &Discovered) -> Vec<Attempt> {
    attempts(rule)
        .filter(
            |attempt| match discovered.is_namespaced(&attempt.group, &attempt.resource) {
                _ if SELF.contains(&(&attempt.group, &attempt.resource)) && attempt.verb == "create" => false,
                // Access to a single name counts only where such an object exists; this does not guess names.
                Some(true) => true,
                _ if attempt.group == "*" || attempt.resource.starts_with('*') => true,
                Some(false) => {
                    let reads = READ.contains(&attempt.verb.as_str());
                    !reads || TELLING.contains(&(&attempt.group, &attempt.resource))
                }
                // Impersonation's resources are not discovered, and powers over roles are verbs.
                None => {
                    let verb = attempt.verb.as_str();
                    verb.starts_with("impersonate")
                        || matches!(verb, "escalate" | "bind" | "approve" | "sign" | "break-glass")
                }
            },
        )
        .collect()
}

/// Returns the part of a rule in another tenant's namespace that reaches that tenant: all rights to existing resources.
pub fn inside(rule: &PolicyRule, discovered: &Discovered) -> Vec<Attempt> {
    attempts(rule)
        .filter(|attempt| {
            let namespaced = discovered.is_namespaced(&attempt.group, &attempt.resource);
            // A namespace itself can be read and written from within it.
            let is_itself = attempt.group.is_empty() && attempt.resource.split('/').next() == Some("namespaces");
            attempt.group == "*" || attempt.resource.starts_with('*') || namespaced == Some(true) || is_itself
        })
        .collect()
}

/// A rule without object names applies to all objects.
const ALL_NAMES: &[String] = &[String::new()];

fn attempts(rule: &PolicyRule) -> impl Iterator<Item = Attempt> {
    let groups = rule.api_groups.as_deref().unwrap_or_default();
    let resources = rule.resources.as_deref().unwrap_or_default();
    let named = rule.resource_names.as_deref().unwrap_or_default();
    let names = if named.is_empty() { ALL_NAMES } else { named };
    rule.verbs.iter().flat_map(move |verb| {
        groups.iter().flat_map(move |group| {
            resources.iter().flat_map(move |resource| {
                names.iter().map(move |name| Attempt {
                    verb: verb.clone(),
                    group: group.clone(),
                    resource: resource.clone(),
                    name: name.clone(),
                })
            })
        })
    })
}
