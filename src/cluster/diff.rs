//! Comparison of an object with its desired state, without a request.
//!
//! Everything outside of `metadata` and others' `status` must be exactly as desired: what others added is a difference too.
//! Defaults of the API server are no difference; [`is_default`] has their names and values.

use super::{Desired, Live};
use crate::names;
use crate::quantity::Amount;
use serde_json::{Map, Value, json};

/// The path of the first difference, or nothing where the object is as desired.
pub fn difference(desired: &Desired, live: &Live) -> Option<String> {
    metadata(&desired.value, &live.value).or_else(|| {
        let mut wanted = desired.value.clone();
        let mut found = live.value.clone();
        for path in desired.unmanaged() {
            prune(&mut wanted, path);
            prune(&mut found, path);
        }
        for value in [&mut wanted, &mut found] {
            for field in ["/metadata", "/apiVersion", "/kind"] {
                remove(value, field);
            }
            if !desired.key.kind.has_written_status() {
                remove(value, "/status");
            }
        }
        compare(&wanted, &found, &mut String::new())
    })
}

/// Returns the object to PUT in the place of `live`: the desired one, with the parts that belong to others.
pub fn replacement(desired: &Desired, live: &Live) -> Value {
    let mut value = desired.value.clone();
    for path in desired.unmanaged() {
        match live.value.pointer(path) {
            Some(kept) => insert(&mut value, path, kept.clone()),
            None => {
                remove(&mut value, path);
            }
        }
    }
    let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) else {
        return value;
    };
    for section in ["labels", "annotations"] {
        let theirs = live
            .value
            .pointer(&format!("/metadata/{section}"))
            .and_then(Value::as_object);
        let foreign = theirs.into_iter().flatten().filter(|(key, _)| is_kept(key));
        let mut merged: Map<String, Value> = foreign.map(|(k, v)| (k.clone(), v.clone())).collect();
        if let Some(Value::Object(ours)) = metadata.remove(section) {
            merged.extend(ours);
        }
        if !merged.is_empty() {
            metadata.insert(section.into(), Value::Object(merged));
        }
    }
    for field in ["finalizers", "ownerReferences"] {
        let kept = live.value.pointer(&format!("/metadata/{field}"));
        if let Some(kept) = kept.filter(|_| !metadata.contains_key(field)) {
            metadata.insert(field.into(), kept.clone());
        }
    }
    metadata.insert("uid".into(), json!(live.uid));
    metadata.insert("resourceVersion".into(), json!(live.resource_version));
    value
}

/// Labels and annotations: ours must be there with our values, and none under our prefix besides. Owners only where we name some.
fn metadata(desired: &Value, live: &Value) -> Option<String> {
    let owners = |value: &Value| value.pointer("/metadata/ownerReferences").cloned();
    if owners(desired).is_some_and(|wanted| owners(live) != Some(wanted)) {
        return Some("metadata.ownerReferences".into());
    }
    for section in ["labels", "annotations"] {
        let pointer = format!("/metadata/{section}");
        let wanted = desired.pointer(&pointer).and_then(Value::as_object);
        let found = live.pointer(&pointer).and_then(Value::as_object);
        for (key, value) in wanted.into_iter().flatten() {
            if found.and_then(|f| f.get(key)) != Some(value) {
                return Some(format!("metadata.{section}.{key}"));
            }
        }
        for key in found.into_iter().flat_map(Map::keys).filter(|key| !is_kept(key)) {
            if wanted.is_none_or(|w| !w.contains_key(key)) {
                return Some(format!("metadata.{section}.{key}"));
            }
        }
    }
    None
}

/// Returns true for a label or annotation that stays where nothing else is desired: others', and the one that tells of a book.
fn is_kept(key: &str) -> bool {
    !key.starts_with(names::PREFIX) || key == names::QUOTA_BOOK
}

/// Returns true where two values differ in more than defaults of the API server.
pub fn differ(desired: &Value, live: &Value) -> bool {
    compare(desired, live, &mut String::new()).is_some()
}

fn compare(desired: &Value, live: &Value, path: &mut String) -> Option<String> {
    match (desired, live) {
        (Value::Object(wanted), Value::Object(found)) => {
            for (key, value) in wanted {
                let result = match found.get(key) {
                    Some(live) => within(path, key, |path| compare(value, live, path)),
                    None if is_empty(value) || is_zero(key, value) => None,
                    None => Some(join(path, key)),
                };
                if result.is_some() {
                    return result;
                }
            }
            found
                .iter()
                .find(|(key, value)| {
                    !wanted.contains_key(*key) && !is_empty(value) && !is_default(path, key, value, wanted)
                })
                .map(|(key, _)| join(path, key))
        }
        (Value::Array(wanted), Value::Array(found)) => {
            if wanted.len() != found.len() {
                return Some(path.clone());
            }
            wanted
                .iter()
                .zip(found)
                .enumerate()
                .find_map(|(i, (wanted, found))| within(path, &format!("[{i}]"), |path| compare(wanted, found, path)))
        }
        _ if desired == live || same_quantity(desired, live, path) || (is_empty(desired) && is_empty(live)) => None,
        _ => Some(path.clone()),
    }
}

/// Runs `f` with `key` appended to the path, which is restored afterwards.
fn within<T>(path: &mut String, key: &str, f: impl FnOnce(&mut String) -> T) -> T {
    let length = path.len();
    *path = join(path, key);
    let result = f(path);
    path.truncate(length);
    result
}

fn join(path: &str, key: &str) -> String {
    match path {
        "" => key.to_string(),
        _ if key.starts_with('[') => format!("{path}{key}"),
        _ => format!("{path}.{key}"),
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(map) => map.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

/// Returns true if the API server leaves `key` out where it is `value`: Go's `omitempty`. Elsewhere a zero means something, such
/// as `automountServiceAccountToken: false`.
fn is_zero(key: &str, value: &Value) -> bool {
    match value {
        Value::String(text) => text.is_empty(),
        Value::Bool(false) => key == "readOnly",
        Value::Number(number) => key == "initialDelaySeconds" && number.as_i64() == Some(0),
        _ => false,
    }
}

/// Quantities are equal when their amounts are; only where a quantity stands, since `1k` and `1000` differ elsewhere.
fn same_quantity(desired: &Value, live: &Value, path: &str) -> bool {
    const MAPS: [&str; 8] = [
        "hard.",
        "limits.",
        "requests.",
        "default.",
        "defaultRequest.",
        "max.",
        "min.",
        "capacity.",
    ];
    const QUANTITIES: [&str; 5] = [
        "sizeLimit",
        "divisor",
        "target.averageValue",
        "target.value",
        "tolerance",
    ];
    let stands_here = MAPS.iter().any(|map| {
        path.rsplit_once(map)
            .is_some_and(|(before, _)| before.is_empty() || before.ends_with('.'))
    }) || QUANTITIES.iter().any(|field| path.ends_with(field));
    let amount = |value: &Value| match value {
        Value::String(text) => Amount::parse(text).ok(),
        Value::Number(number) => Amount::parse(&number.to_string()).ok(),
        _ => None,
    };
    stands_here && amount(desired).is_some_and(|wanted| amount(live) == Some(wanted))
}

/// Returns true if the API server sets `key` to `value` by itself where it is left out (Kubernetes 1.33 to 1.36).
fn is_default(path: &str, key: &str, value: &Value, siblings: &Map<String, Value>) -> bool {
    let parent = path.rsplit('.').next().unwrap_or(path);
    let is = |expected: Value| *value == expected;
    match key {
        "protocol" => is(json!("TCP")),
        "terminationMessagePath" => is(json!("/dev/termination-log")),
        "terminationMessagePolicy" => is(json!("File")),
        "imagePullPolicy" => is(json!("IfNotPresent")) || is(json!("Always")),
        "dnsPolicy" => is(json!("ClusterFirst")),
        "restartPolicy" => is(json!("Always")),
        "schedulerName" => is(json!("default-scheduler")),
        "terminationGracePeriodSeconds" => is(json!(30)),
        "serviceAccount" => Some(value) == siblings.get("serviceAccountName"),
        "successThreshold" => is(json!(1)),
        "failureThreshold" => is(json!(3)),
        "periodSeconds" => is(json!(10)),
        "timeoutSeconds" => is(json!(1)),
        "scheme" => is(json!("HTTP")),
        "path" if parent == "httpGet" => is(json!("/")),
        "service" if parent == "grpc" => is(json!("")),
        "apiVersion" if parent == "fieldRef" => is(json!("v1")),
        "divisor" => is(json!("0")),
        "defaultMode" => is(json!(420)),
        "expirationSeconds" => is(json!(3600)),
        "recursiveReadOnly" => is(json!("Disabled")),
        "progressDeadlineSeconds" => is(json!(600)),
        "revisionHistoryLimit" => is(json!(10)),
        "replicas" => is(json!(1)),
        "strategy" => {
            is(json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"}}))
        }
        "type" if path == "spec" => is(json!("ClusterIP")),
        "internalTrafficPolicy" => is(json!("Cluster")),
        "sessionAffinity" => is(json!("None")),
        "targetPort" => Some(value) == siblings.get("port"),
        "storageClassName" | "volumeMode" => path == "spec" || path.ends_with("volumeClaimTemplate.spec"),
        "resources" => false,
        // A limit stands in for a request that is left out.
        "requests" => siblings.get("limits").is_some_and(|limits| limits == value),
        // The name of the API group that a subject of a RoleBinding has.
        "apiGroup" => is(json!("rbac.authorization.k8s.io")) || is(json!("")),
        "unhealthyPodEvictionPolicy" => is(json!("IfHealthyBudget")),
        "selectPolicy" => is(json!("Max")),
        "creationTimestamp" => value.is_null(),
        _ => false,
    }
}

/// The pointer to an object, and the field in it that a pointer names.
fn split(pointer: &str) -> (&str, String) {
    let (parent, field) = pointer.rsplit_once('/').unwrap_or(("", pointer));
    (parent, field.replace("~1", "/").replace("~0", "~"))
}

/// Removes a value. Returns true where there was one.
fn remove(value: &mut Value, pointer: &str) -> bool {
    let (parent, field) = split(pointer);
    let map = value.pointer_mut(parent).and_then(Value::as_object_mut);
    map.is_some_and(|map| map.remove(&field).is_some())
}

/// Removes a value, and the objects around it that it leaves empty.
fn prune(value: &mut Value, pointer: &str) {
    let is_removed = remove(value, pointer);
    let (parent, _) = split(pointer);
    if is_removed && !parent.is_empty() && value.pointer(parent).is_some_and(is_empty) {
        prune(value, parent);
    }
}

/// Inserts a value, with the objects on the way to it that are missing.
fn insert(value: &mut Value, pointer: &str, inserted: Value) {
    let (parent, field) = split(pointer);
    if value.pointer(parent).is_none_or(Value::is_null) && !parent.is_empty() {
        insert(value, parent, Value::Object(Map::new()));
    }
    if let Some(Value::Object(map)) = value.pointer_mut(parent) {
        map.insert(field, inserted);
    }
}

#[cfg(test)]
#[path = "diff_test.rs"]
mod tests;
