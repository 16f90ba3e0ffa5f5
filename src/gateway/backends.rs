//! The tenant's own workloads behind its routes. Pure.

use crate::cluster::{Desired, Key, Kind, Live};
use serde_json::Value;
use std::collections::BTreeSet;

/// Returns true if every workload of the tenant behind these routes has a pod that serves. `deployment` finds one by its key.
pub fn has_pods(planned: &[Desired], deployment: impl Fn(&Key) -> Option<Live>) -> bool {
    let routes = planned.iter().filter(|object| object.key.kind == Kind::HttpRoute);
    let rules = routes.flat_map(|route| {
        let rules = route.value.pointer("/spec/rules").and_then(Value::as_array);
        rules.into_iter().flatten().map(|rule| (&route.key.namespace, rule))
    });
    let backends = rules.flat_map(|(namespace, rule)| {
        let backends = rule["backendRefs"].as_array().into_iter().flatten();
        backends
            .filter(|backend| is_own(backend))
            .filter_map(|backend| Some((namespace.clone(), backend["name"].as_str()?.to_owned())))
    });
    let names: BTreeSet<(String, String)> = backends.collect();
    names.into_iter().all(|(namespace, name)| {
        let found = deployment(&Key {
            kind: Kind::Deployment,
            namespace,
            name,
        });
        let available = |live: &Live| live.value.pointer("/status/availableReplicas").and_then(Value::as_i64);
        found.is_some_and(|live| available(&live).is_some_and(|pods| pods > 0))
    })
}

/// Returns true if only workloads of the tenant are behind a rule of a route.
pub fn are_own(rule: &Value) -> bool {
    rule["backendRefs"].as_array().into_iter().flatten().all(is_own)
}

/// Returns true for the Service of a workload of the tenant. Behind a Backend the gateway knows a Service, and no pods.
fn is_own(backend: &Value) -> bool {
    backend["namespace"].is_null() && backend["kind"] != Kind::Backend.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_workload_of_the_tenant_behind_a_route_must_have_a_pod() {
        let rule = |backend: Value| json!({"backendRefs": [backend]});
        let own = |name: &str| rule(json!({"name": name}));
        let shared = rule(json!({"name": "crm", "namespace": "applications"}));
        let planned = |rules: Value| {
            [Desired {
                key: Key {
                    kind: Kind::HttpRoute,
                    namespace: "acme".into(),
                    name: "tenant".into(),
                },
                value: json!({"spec": {"rules": rules}}),
                others: Vec::new(),
                takes_over: false,
            }]
        };
        let deployment = |key: &Key| {
            let status = match key.name.as_str() {
                "api" => json!({"availableReplicas": 1}),
                "web" => json!({"availableReplicas": 0}),
                _ => return None,
            };
            Some(Live {
                key: key.clone(),
                uid: String::new(),
                resource_version: String::new(),
                value: json!({"status": status}),
            })
        };
        for (rules, wanted) in [
            (json!([own("api"), shared.clone(), {"filters": []}]), true),
            (json!([own("api"), own("web")]), false),
            (json!([own("none")]), false),
            (json!([rule(json!({"kind": "Backend", "name": "none"}))]), true),
        ] {
            assert_eq!(has_pods(&planned(rules.clone()), deployment), wanted, "{rules}");
        }
        assert!(are_own(&own("api")) && !are_own(&shared));
        assert!(!are_own(&rule(json!({"kind": "Backend", "name": "api"}))));
    }
}
