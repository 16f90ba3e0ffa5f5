//! What a change of a tier takes away from its tenants: a part of their environment, or a bound that protected them. Pure.

use crate::api::TenantTierSpec;
use serde_json::Value;

/// Values that close or protect something: another value in their place takes that away.
const PROTECTING: [&str; 3] = ["Deny", "Quarantine", "restricted"];

/// Returns the fields that the former tier has and the new one lacks, and the protecting values that it no longer has.
pub fn removals(former: &TenantTierSpec, new: &TenantTierSpec) -> Vec<String> {
    let json = |spec: &TenantTierSpec| serde_json::to_value(spec).unwrap_or_default();
    let mut found = Vec::new();
    compare("", &json(former), &json(new), &mut found);
    found
}

/// The beginning of fields whose values may be confidential.
const CONFIGURATION: &str = "configuration.";

fn compare(path: &str, former: &Value, new: &Value, found: &mut Vec<String>) {
    match (former, new) {
        // Absent and null are the same, and say nothing.
        (Value::Null, _) => {}
        (Value::Object(former), Value::Object(new)) => {
            for (field, value) in former {
                let path = match path {
                    "" => field.clone(),
                    path => format!("{path}.{field}"),
                };
                compare(&path, value, new.get(field).unwrap_or(&Value::Null), found);
            }
        }
        (_, new) if path.starts_with(CONFIGURATION) => found.extend(new.is_null().then(|| path.to_string())),
        (Value::Array(former), Value::Array(new)) => {
            for item in former {
                match (name(item), new.iter().find(|other| is_same(item, other))) {
                    (Some(name), Some(other)) => compare(&format!("{path}[{name}]"), item, other, found),
                    (Some(name), None) => found.push(format!("{path}[{name}]")),
                    (None, Some(_)) => {}
                    (None, None) => found.push(format!("{path}: {}", text(item))),
                }
            }
        }
        (Value::Array(_) | Value::Object(_), Value::Null) => found.push(path.into()),
        (former, Value::Null) => found.push(format!("{path}: {}", text(former))),
        (former, new) if former != new && PROTECTING.iter().any(|value| former == value) => {
            found.push(format!("{path}: {}", text(former)));
        }
        _ => {}
    }
}

/// The name by which a list knows its items.
fn name(item: &Value) -> Option<&str> {
    item.get("name")?.as_str()
}

fn is_same(item: &Value, other: &Value) -> bool {
    match name(item) {
        Some(wanted) => name(other) == Some(wanted),
        None => item == other,
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), String::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(former: Value, new: Value) -> Vec<String> {
        let spec = |value| serde_json::from_value::<TenantTierSpec>(value).expect("a tier");
        removals(&spec(former), &spec(new))
    }

    #[test]
    fn whatever_is_gone_is_named() {
        let former = json!({
            "displayName": "Gold",
            "quota": {"pods": 10, "requests.cpu": "4"},
            "containerDefaults": {"limits": {"cpu": "1"}},
            "podSecurity": "restricted",
            "network": {"ingress": {"gateway": "Deny"}, "egress": {"internet": "Deny", "to": [{"cidr": "203.0.113.0/24"}]}},
            "isolation": {"onViolation": "Quarantine"},
            "workloads": [{"name": "web", "image": "web:1", "replicas": 2}, {"name": "worker", "image": "worker:1"}],
            "database": {"model": "Schema", "connectionLimit": 5},
            "configuration": {"model": {"temperature": 0.7, "access": "Deny"}, "stops": ["a"], "plan": "secret"},
        });
        assert_eq!(of(former.clone(), former.clone()), [""; 0]);
        let fewer = json!({
            "displayName": "Gold",
            "quota": {"pods": 5},
            "podSecurity": "baseline",
            "network": {"ingress": {"gateway": "Allow"}, "egress": {"to": []}},
            "isolation": {"onViolation": "Report"},
            "workloads": [{"name": "web", "image": "web:2"}],
            "configuration": {"model": {"access": "Allow"}, "stops": []},
        });
        assert_eq!(
            of(former, fewer),
            [
                "configuration.model.temperature",
                "configuration.plan",
                "containerDefaults",
                "database",
                "isolation.onViolation: Quarantine",
                "network.egress.internet: Deny",
                "network.egress.to",
                "network.ingress.gateway: Deny",
                "podSecurity: restricted",
                "quota.requests.cpu: 4",
                "workloads[web].replicas: 2",
                "workloads[worker]",
            ]
        );
    }

    #[test]
    fn whatever_is_new_or_tighter_takes_nothing() {
        let former =
            json!({"quota": {"pods": 10}, "network": {"egress": {"internet": "Allow"}}, "podSecurity": "baseline"});
        let new = json!({
            "quota": {"pods": 5, "requests.cpu": "4"},
            "network": {"egress": {"internet": "Deny"}},
            "podSecurity": "restricted",
            "database": {"model": "Schema"},
        });
        assert_eq!(of(former, new), [""; 0]);
    }
}
