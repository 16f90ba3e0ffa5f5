//! Targets of EndpointSlices that no Service's selector made: somebody can write slices that lead to other tenants' pods (CVE-2021-25740). Pure.

use crate::api::{Direction, Opener};
use crate::proof::Violation;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The controller that makes the slices of Services with a selector, for pods of their own namespace only.
const CONTROLLER: &str = "endpointslice-controller.k8s.io";
const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";

/// Targets that slices can lead to.
pub struct EndpointContext<'a> {
    /// The tenant of each namespace; the operator's own and similar namespaces have none.
    pub homes: &'a BTreeMap<String, String>,
    /// Namespaces with Secrets that give access to every tenant: the operator's own.
    pub operator_namespaces: &'a [String],
    /// Pairs of tenants that agreed to be connected, both ways.
    pub agreed: &'a BTreeSet<(String, String)>,
}

impl EndpointContext<'_> {
    /// Returns the openings by these slices, by tenant.
    pub fn openings<'s>(
        &self,
        slices: impl Iterator<Item = &'s EndpointSlice> + Clone,
    ) -> BTreeMap<String, Vec<Violation>> {
        let (made, written): (Vec<_>, Vec<_>) = slices.partition(|slice| is_made(slice));
        let mut found: BTreeMap<String, Vec<Violation>> = BTreeMap::new();
        if written.is_empty() {
            return found;
        }
        // In which namespace is the pod that has an address.
        let mut pods: HashMap<&str, &str> = HashMap::new();
        for slice in made {
            let addresses = slice.endpoints.iter().flat_map(|endpoint| &endpoint.addresses);
            pods.extend(addresses.map(|address| (address.as_str(), namespace(slice))));
        }
        for slice in written {
            let Some(tenant) = self.homes.get(namespace(slice)) else {
                continue;
            };
            for endpoint in &slice.endpoints {
                let target = endpoint.target_ref.as_ref();
                let named = target.and_then(|target| {
                    target
                        .namespace
                        .as_deref()
                        .filter(|_| target.kind.as_deref() == Some("Pod"))
                });
                let meant = endpoint.addresses.iter().filter_map(|address| {
                    let there = pods.get(address.as_str()).copied().or(named)?;
                    Some((address, there))
                });
                for (address, there) in meant {
                    self.say(&mut found, tenant, slice, address, there);
                }
            }
        }
        found
    }

    fn say(
        &self,
        found: &mut BTreeMap<String, Vec<Violation>>,
        tenant: &str,
        slice: &EndpointSlice,
        address: &str,
        there: &str,
    ) {
        let (other, whom) = match self.homes.get(there) {
            Some(other) if other == tenant || self.agreed.contains(&(tenant.into(), other.clone())) => return,
            Some(other) => (other.as_str(), format!("a pod of tenant {other}")),
            None if self.operator_namespaces.iter().any(|namespace| namespace == there) => {
                ("", "the operator's pod".to_string())
            }
            // The platform decides about access to its own services.
            None => return,
        };
        let name = slice.metadata.name.as_deref().unwrap_or_default();
        let message = format!("EndpointSlice {}/{name} leads to {whom} ({address})", namespace(slice));
        let mut tell = |tenant: &str, direction: Direction, counterpart: &str| {
            let violation = Violation {
                direction,
                // No tenant's people may write one.
                opened_by: Opener::Platform,
                counterpart: counterpart.to_string(),
                message: message.clone(),
            };
            let list = found.entry(tenant.to_string()).or_default();
            if !list.contains(&violation) {
                list.push(violation);
            }
        };
        tell(tenant, Direction::Outward, other);
        if !other.is_empty() {
            tell(other, Direction::Inward, tenant);
        }
    }
}

fn is_made(slice: &EndpointSlice) -> bool {
    let labels = slice.metadata.labels.as_ref();
    labels
        .and_then(|labels| labels.get(MANAGED_BY))
        .is_some_and(|by| by == CONTROLLER)
}

fn namespace(slice: &EndpointSlice) -> &str {
    slice.metadata.namespace.as_deref().unwrap_or_default()
}

/// Removes the fields that the operator never reads.
pub fn trim(slice: &mut EndpointSlice) {
    slice.ports = None;
    slice.metadata.annotations = None;
    slice.metadata.owner_references = None;
    if let Some(labels) = &mut slice.metadata.labels {
        labels.retain(|key, _| key == MANAGED_BY);
    }
    for endpoint in &mut slice.endpoints {
        endpoint.conditions = None;
        endpoint.hints = None;
        endpoint.node_name = None;
        endpoint.zone = None;
        endpoint.hostname = None;
    }
}

/// Two that must be found to lead from one namespace to another; they are written nowhere.
pub fn planted(from: &str, to: &str) -> [EndpointSlice; 2] {
    let slice = |namespace: &str, by: Option<&str>| {
        let mut slice = EndpointSlice::default();
        slice.metadata.namespace = Some(namespace.into());
        slice.metadata.labels = by.map(|by| BTreeMap::from([(MANAGED_BY.to_string(), by.to_string())]));
        slice.endpoints = vec![k8s_openapi::api::discovery::v1::Endpoint {
            addresses: vec!["192.0.2.1".into()],
            ..Default::default()
        }];
        slice
    };
    [slice(from, None), slice(to, Some(CONTROLLER))]
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn slice(namespace: &str, managed: bool, endpoints: Value) -> EndpointSlice {
        let labels = json!({MANAGED_BY: if managed { CONTROLLER } else { "somebody" }, "other": "x"});
        serde_json::from_value(
            json!({"addressType": "IPv4", "endpoints": endpoints, "ports": [{"port": 80}],
            "metadata": {"name": "s", "namespace": namespace, "labels": labels}}),
        )
        .expect("an EndpointSlice")
    }

    fn at(address: &str) -> Value {
        json!([{"addresses": [address]}])
    }

    fn found(slices: &[EndpointSlice]) -> Vec<String> {
        let homes = [
            ("acme", "acme"),
            ("acme-test", "acme"),
            ("globex", "globex"),
            ("friend", "friend"),
        ];
        let homes = homes
            .map(|(namespace, tenant)| (namespace.to_string(), tenant.to_string()))
            .into();
        let context = EndpointContext {
            homes: &homes,
            operator_namespaces: &["operator".to_string()],
            agreed: &BTreeSet::from([("acme".to_string(), "friend".to_string())]),
        };
        let openings = context.openings(slices.iter());
        let found = openings.iter().flat_map(|(tenant, list)| {
            list.iter().map(move |found| {
                format!(
                    "{tenant} {:?} {:?}: {}",
                    found.direction, found.counterpart, found.message
                )
            })
        });
        found.collect()
    }

    #[test]
    fn what_somebody_wrote_must_not_lead_to_other_tenants() {
        let theirs = slice("globex", true, at("10.0.0.7"));
        let expected = [
            "acme Outward \"globex\": EndpointSlice acme/s leads to a pod of tenant globex (10.0.0.7)",
            "globex Inward \"acme\": EndpointSlice acme/s leads to a pod of tenant globex (10.0.0.7)",
        ];
        assert_eq!(found(&[slice("acme", false, at("10.0.0.7")), theirs.clone()]), expected);
        // By the pod that it names, where no Service of theirs tells the address.
        let named =
            json!([{"addresses": ["10.0.0.7"], "targetRef": {"kind": "Pod", "namespace": "globex", "name": "p"}}]);
        assert_eq!(found(&[slice("acme", false, named)]), expected);
        let operators = slice("operator", true, at("10.0.0.9"));
        assert_eq!(
            found(&[slice("acme", false, at("10.0.0.9")), operators]),
            ["acme Outward \"\": EndpointSlice acme/s leads to the operator's pod (10.0.0.9)"]
        );
    }

    #[test]
    fn what_stays_with_the_tenant_or_its_peers_is_its_own_matter() {
        for (from, there, to) in [
            ("acme", "acme-test", "10.0.0.7"),
            ("acme", "friend", "10.0.0.7"),
            ("acme", "platform", "10.0.0.7"),
            ("acme", "globex", "203.0.113.1"),
            ("platform", "globex", "10.0.0.7"),
        ] {
            let slices = [slice(from, false, at(to)), slice(there, true, at("10.0.0.7"))];
            assert_eq!(found(&slices), Vec::<String>::new(), "{from} {there} {to}");
        }
        // The controller follows the Service's own selector.
        let made = [
            slice("acme", true, at("10.0.0.7")),
            slice("globex", true, at("10.0.0.7")),
        ];
        assert_eq!(found(&made), Vec::<String>::new());
    }

    #[test]
    fn nothing_that_is_judged_is_trimmed() {
        let mut slices = [
            slice("acme", false, at("10.0.0.7")),
            slice("globex", true, at("10.0.0.7")),
        ];
        let before = found(&slices);
        slices.iter_mut().for_each(trim);
        assert_eq!(found(&slices), before);
        assert_eq!((slices[0].ports.is_none(), before.len()), (true, 2));
        let [from, to] = planted("acme", "globex");
        assert_eq!(found(&[from, to]).len(), 2);
    }
}
