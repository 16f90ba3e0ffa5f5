//! Openings between tenants by NetworkPolicies of others: policies add up, so any of them can open a tenant. Pure.

use crate::api::{Direction, Opener};
use crate::names;
use crate::proof::Violation;
use ipnet::IpNet;
use k8s_openapi::api::networking::v1::{IPBlock, NetworkPolicy, NetworkPolicyPeer};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use std::collections::{BTreeMap, BTreeSet};

/// A tenant's namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TenantNamespace {
    pub tenant: String,
    pub labels: BTreeMap<String, String>,
}

/// Targets that policies can open.
pub struct PolicyContext<'a> {
    /// The tenants' namespaces, by name.
    pub tenant_namespaces: &'a BTreeMap<String, TenantNamespace>,
    /// Pairs of tenants that agreed to be connected, both ways.
    pub agreed: &'a BTreeSet<(String, String)>,
    /// The cluster's own addresses.
    pub cluster: &'a [IpNet],
}

fn words(direction: Direction, whom: &str) -> String {
    match direction {
        Direction::Inward => format!("allows ingress from {whom}"),
        Direction::Outward => format!("allows egress to {whom}"),
    }
}

impl PolicyContext<'_> {
    /// Returns the openings by these policies, by the tenant whose namespaces they are in.
    pub fn openings<'p>(&self, policies: impl Iterator<Item = &'p NetworkPolicy>) -> BTreeMap<String, Vec<Violation>> {
        let mut found: BTreeMap<String, Vec<Violation>> = BTreeMap::new();
        for policy in policies {
            let namespace = policy.metadata.namespace.as_deref().unwrap_or_default();
            let Some(home) = self.tenant_namespaces.get(namespace) else {
                continue;
            };
            let name = policy.metadata.name.as_deref().unwrap_or_default();
            for (direction, counterpart, whom) in self.evaluate(&home.tenant, policy) {
                let violation = Violation {
                    direction,
                    // Admission policies keep the tenants' own users within their bounds.
                    opened_by: Opener::Platform,
                    counterpart,
                    message: format!("NetworkPolicy {namespace}/{name} {}", words(direction, &whom)),
                };
                let list = found.entry(home.tenant.clone()).or_default();
                if !list.contains(&violation) {
                    list.push(violation);
                }
            }
        }
        found
    }

    /// Returns the openings by a policy of this tenant's namespaces: direction, other tenant, and words.
    fn evaluate(&self, tenant: &str, policy: &NetworkPolicy) -> Vec<(Direction, String, String)> {
        let Some(spec) = &policy.spec else { return Vec::new() };
        let ingress = spec
            .ingress
            .iter()
            .flatten()
            .map(|rule| (Direction::Inward, rule.from.as_deref()));
        let egress = spec
            .egress
            .iter()
            .flatten()
            .map(|rule| (Direction::Outward, rule.to.as_deref()));
        ingress
            .chain(egress)
            .flat_map(|(direction, peers)| {
                let opened: Vec<(String, String)> = match peers.unwrap_or_default() {
                    [] => vec![(String::new(), "everybody".into())],
                    peers => peers.iter().filter_map(|peer| self.reaches(tenant, peer)).collect(),
                };
                opened
                    .into_iter()
                    .map(move |(counterpart, whom)| (direction, counterpart, whom))
            })
            .collect()
    }

    fn reaches(&self, tenant: &str, peer: &NetworkPolicyPeer) -> Option<(String, String)> {
        if let Some(block) = &peer.ip_block {
            let opened = self.cluster.iter().find(|own| opens(block, own))?;
            let whom = format!("the cluster's own addresses ({} of {opened})", block.cidr);
            return Some((String::new(), whom));
        }
        let selector = peer.namespace_selector.as_ref()?;
        let is_open = |home: &&TenantNamespace| {
            let pair = (tenant.to_string(), home.tenant.clone());
            home.tenant != tenant && !self.agreed.contains(&pair) && selects(selector, &home.labels)
        };
        // Owners may select namespaces only by name: the cost of a look-up does not depend on the number of tenants.
        let others: Vec<&TenantNamespace> = match named(selector) {
            Some(names) => {
                let tenant_namespaces = names.into_iter().filter_map(|name| self.tenant_namespaces.get(name));
                tenant_namespaces.filter(is_open).collect()
            }
            None => self.tenant_namespaces.values().filter(is_open).collect(),
        };
        let others: BTreeSet<&str> = others.iter().map(|home| home.tenant.as_str()).collect();
        let first = (*others.first()?).to_string();
        Some(match others.len() {
            1 => (first.clone(), format!("pods of tenant {first}")),
            count => (
                String::new(),
                format!("pods of {count} other tenants ({first} among them)"),
            ),
        })
    }
}

/// Returns true where a block, without its exceptions, shares addresses with these.
fn opens(block: &IPBlock, own: &IpNet) -> bool {
    let Ok(cidr) = block.cidr.parse::<IpNet>() else {
        return false;
    };
    let common = match (cidr.contains(own), own.contains(&cidr)) {
        (true, _) => own,
        (_, true) => &cidr,
        _ => return false,
    };
    let mut cut = block
        .except
        .iter()
        .flatten()
        .filter_map(|cut| cut.parse::<IpNet>().ok());
    !cut.any(|cut| cut.contains(common))
}

/// The namespaces that a selector names, where it names any: it selects no others. Kubernetes labels each with its name.
fn named(selector: &LabelSelector) -> Option<BTreeSet<&str>> {
    let labels = selector.match_labels.as_ref();
    if let Some(name) = labels.and_then(|labels| labels.get(names::NAMESPACE_NAME)) {
        return Some(BTreeSet::from([name.as_str()]));
    }
    let mut asked = selector.match_expressions.iter().flatten();
    let listed = asked.find(|asked| asked.key == names::NAMESPACE_NAME && asked.operator == "In")?;
    Some(listed.values.iter().flatten().map(String::as_str).collect())
}

/// Kubernetes' own rule; an operator that it does not know selects, to be on the safe side.
fn selects(selector: &LabelSelector, labels: &BTreeMap<String, String>) -> bool {
    let mut equal = selector.match_labels.iter().flatten();
    let mut asked = selector.match_expressions.iter().flatten();
    equal.all(|(key, value)| labels.get(key) == Some(value))
        && asked.all(|asked| {
            let found = labels.get(&asked.key);
            let is_listed = found.is_some_and(|value| asked.values.iter().flatten().any(|other| other == value));
            match asked.operator.as_str() {
                "In" => is_listed,
                "NotIn" => !is_listed,
                "Exists" => found.is_some(),
                "DoesNotExist" => found.is_none(),
                _ => true,
            }
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn tenant_namespaces() -> BTreeMap<String, TenantNamespace> {
        [("a", "a"), ("a-more", "a"), ("b", "b"), ("c", "c")]
            .map(|(namespace, tenant)| {
                let label = |key: &str, value: &str| (key.to_string(), value.to_string());
                let mut labels = BTreeMap::from([label(names::NAMESPACE_NAME, namespace), label("tenant", tenant)]);
                labels.extend((tenant == "c").then(|| label("team", "x")));
                let home = TenantNamespace {
                    tenant: tenant.into(),
                    labels,
                };
                (namespace.to_string(), home)
            })
            .into()
    }

    fn judged(namespace: &str, spec: Value) -> Vec<(String, String)> {
        let (tenant_namespaces, agreed) = (
            tenant_namespaces(),
            BTreeSet::from([("a".to_string(), "b".to_string())]),
        );
        let cluster = [
            "10.244.0.0/16".parse().expect("cidr"),
            "fd00::/48".parse().expect("cidr"),
        ];
        let context = PolicyContext {
            tenant_namespaces: &tenant_namespaces,
            agreed: &agreed,
            cluster: &cluster,
        };
        let policy: NetworkPolicy =
            serde_json::from_value(json!({"metadata": {"namespace": namespace, "name": "p"}, "spec": spec}))
                .expect("a policy");
        let mut found = context.openings(std::iter::once(&policy));
        assert!(found.len() <= 1, "{found:?}");
        let found = found.pop_first().map(|(_, found)| found).unwrap_or_default();
        found
            .into_iter()
            .map(|violation| (violation.counterpart, violation.message))
            .collect()
    }

    fn peer(way: &str, peer: &Value) -> Value {
        match way {
            "in" => json!({"podSelector": {}, "ingress": [{"from": [{"podSelector": {}}, peer]}]}),
            _ => json!({"podSelector": {}, "egress": [{"to": [peer], "ports": [{"port": 80}]}]}),
        }
    }

    #[test]
    fn what_stays_within_the_tenant_opens_nothing() {
        let name = names::NAMESPACE_NAME;
        let fine = [
            json!({"podSelector": {"matchLabels": {"app": "web"}}}),
            json!({"namespaceSelector": {"matchLabels": {name: "a-more"}}}),
            json!({"namespaceSelector": {"matchExpressions": [{"key": name, "operator": "In", "values": ["a", "b", "monitoring"]}]}}),
            json!({"namespaceSelector": {"matchLabels": {name: "c", "team": "monitoring"}}}),
            json!({"namespaceSelector": {"matchLabels": {"team": "monitoring"}}}),
            json!({"namespaceSelector": {"matchExpressions": [{"key": "tenant", "operator": "DoesNotExist"}]}}),
            json!({"ipBlock": {"cidr": "192.0.2.0/24"}}),
            json!({"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8"]}}),
        ];
        for way in ["in", "out"] {
            for allowed in &fine {
                assert_eq!(judged("a", peer(way, allowed)), vec![], "{allowed}");
            }
        }
        assert_eq!(
            judged("a", json!({"podSelector": {}, "policyTypes": ["Ingress", "Egress"]})),
            vec![]
        );
        // Not a tenant's namespace.
        assert_eq!(
            judged("monitoring", json!({"podSelector": {}, "ingress": [{}]})),
            vec![]
        );
    }

    #[test]
    fn whatever_goes_beyond_is_named() {
        let name = names::NAMESPACE_NAME;
        let wide = [
            (
                json!({"namespaceSelector": {"matchLabels": {name: "c"}}}),
                "c",
                "pods of tenant c",
            ),
            (
                json!({"namespaceSelector": {"matchLabels": {"team": "x"}}}),
                "c",
                "pods of tenant c",
            ),
            (
                json!({"namespaceSelector": {"matchExpressions": [{"key": name, "operator": "In", "values": ["a", "c"]}]}}),
                "c",
                "pods of tenant c",
            ),
            (json!({"namespaceSelector": {}}), "c", "pods of tenant c"),
            (
                json!({"namespaceSelector": {"matchExpressions": [{"key": name, "operator": "NotIn", "values": ["b"]}]}}),
                "c",
                "pods of tenant c",
            ),
            (
                json!({"namespaceSelector": {"matchExpressions": [{"key": "team", "operator": "Exists"}]}}),
                "c",
                "pods of tenant c",
            ),
            (
                json!({"namespaceSelector": {"matchExpressions": [{"key": "tenant", "operator": "Like"}]}}),
                "c",
                "pods of tenant c",
            ),
            (
                json!({"ipBlock": {"cidr": "0.0.0.0/0"}}),
                "",
                "the cluster's own addresses (0.0.0.0/0 of 10.244.0.0/16)",
            ),
            (json!({"ipBlock": {"cidr": "10.244.3.0/24"}}), "", "10.244.3.0/24"),
            (
                json!({"ipBlock": {"cidr": "::/0", "except": ["fd00::/64"]}}),
                "",
                "fd00::/48",
            ),
        ];
        for (way, words) in [("in", "allows ingress from "), ("out", "allows egress to ")] {
            for (open, counterpart, whom) in &wide {
                let found = judged("a", peer(way, open));
                assert_eq!(found.len(), 1, "{open}: {found:?}");
                assert_eq!(found[0].0, *counterpart, "{open}");
                assert!(
                    found[0].1.starts_with(&format!("NetworkPolicy a/p {words}")) && found[0].1.contains(whom),
                    "{found:?}"
                );
            }
        }
        // b agreed with nobody from its own side: the pair is of a's.
        let both = judged("b", peer("in", &json!({"namespaceSelector": {}})));
        assert!(both[0].1.contains("pods of 2 other tenants (a among them)"), "{both:?}");
        for everybody in [
            json!({"ingress": [{}]}),
            json!({"egress": [{"to": []}]}),
            json!({"ingress": [{"ports": [{"port": 80}]}]}),
        ] {
            let found = judged("a-more", everybody);
            assert!(found.len() == 1 && found[0].1.contains("everybody"), "{found:?}");
        }
    }
}
