//! Environment variables and their sources.

use super::Faults;
use crate::api::Workload;
use crate::syntax::{config_key, dns_subdomain, label_value, qualified_name, variable_name};
use k8s_openapi::api::core::v1::{EnvVarSource, ObjectFieldSelector, ResourceFieldSelector};

/// The fields of a pod that a variable may have.
const FIELDS: [&str; 9] = [
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];
/// The fields of a pod that a file may have.
const FILE_FIELDS: [&str; 5] = [
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "metadata.labels",
    "metadata.annotations",
];
/// The resources of a container that a variable or file may have, without `limits.` and `requests.`.
const RESOURCES: [&str; 3] = ["cpu", "memory", "ephemeral-storage"];

pub fn check(workload: &Workload, faults: &mut Faults) {
    for (i, variable) in workload.env.iter().flatten().enumerate() {
        let at = format!(".env[{i}]");
        faults.required(format!("{at}.name"), &variable.name, variable_name);
        let Some(source) = &variable.value_from else { continue };
        if variable.value.as_ref().is_some_and(|value| !value.is_empty()) {
            faults.say(
                format!("{at}.valueFrom"),
                "may not be specified when `value` is not empty",
            );
        }
        from(&format!("{at}.valueFrom"), source, faults);
    }
    for (i, source) in workload.env_from.iter().flatten().enumerate() {
        let at = format!(".envFrom[{i}]");
        if let Some(prefix) = source.prefix.as_deref().filter(|prefix| !prefix.is_empty()) {
            faults.name(format!("{at}.prefix"), prefix, variable_name);
        }
        let kinds = [source.config_map_ref.is_some(), source.secret_ref.is_some()];
        faults.exactly_one(&at, &kinds, "configMapRef and secretRef");
        if let Some(map) = &source.config_map_ref {
            faults.required(format!("{at}.configMapRef.name"), &map.name, dns_subdomain);
        }
        if let Some(secret) = &source.secret_ref {
            faults.required(format!("{at}.secretRef.name"), &secret.name, dns_subdomain);
        }
    }
}

fn from(at: &str, source: &EnvVarSource, faults: &mut Faults) {
    let kinds = [
        source.field_ref.is_some(),
        source.resource_field_ref.is_some(),
        source.config_map_key_ref.is_some(),
        source.secret_key_ref.is_some(),
    ];
    faults.exactly_one(
        at,
        &kinds,
        "fieldRef, resourceFieldRef, configMapKeyRef and secretKeyRef",
    );
    if let Some(field) = &source.field_ref {
        pod_field(&format!("{at}.fieldRef"), field, &FIELDS, faults);
    }
    if let Some(resource) = &source.resource_field_ref {
        container_resource(&format!("{at}.resourceFieldRef"), resource, faults);
    }
    for (kind, name, key) in [
        (
            "configMapKeyRef",
            source.config_map_key_ref.as_ref().map(|of| (&of.name, &of.key)),
        ),
        (
            "secretKeyRef",
            source.secret_key_ref.as_ref().map(|of| (&of.name, &of.key)),
        ),
    ]
    .into_iter()
    .filter_map(|(kind, of)| of.map(|(name, key)| (kind, name, key)))
    {
        faults.required(format!("{at}.{kind}.name"), name, dns_subdomain);
        faults.required(format!("{at}.{kind}.key"), key, config_key);
    }
}

/// Checks the field of a file.
pub fn file_field(at: &str, field: &ObjectFieldSelector, faults: &mut Faults) {
    pod_field(at, field, &FILE_FIELDS, faults);
}

fn pod_field(at: &str, field: &ObjectFieldSelector, known: &[&str], faults: &mut Faults) {
    let at = format!("{at}.fieldPath");
    let path = field.field_path.as_str();
    let subscript = path.strip_suffix("']").and_then(|path| path.split_once("['"));
    match subscript {
        Some(("metadata.labels", key)) => faults.name(at, key, qualified_name),
        Some(("metadata.annotations", key)) => faults.name(at, &key.to_lowercase(), qualified_name),
        _ if known.contains(&path) => {}
        _ => faults.say(
            at,
            format!("{path:.80?} is no field of a pod that Kubernetes offers here"),
        ),
    }
}

/// Checks the resource of a variable or file.
pub fn container_resource(at: &str, resource: &ResourceFieldSelector, faults: &mut Faults) {
    let at = format!("{at}.resource");
    let name = resource.resource.as_str();
    let of = name.strip_prefix("limits.").or_else(|| name.strip_prefix("requests."));
    let is_known = of.is_some_and(|of| RESOURCES.contains(&of) || of.starts_with("hugepages-"));
    match name.is_empty() {
        true => faults.say(at, "is missing"),
        false if is_known && label_value(name).is_ok() => {}
        false => faults.say(at, format!("{name:.80?} is no resource that Kubernetes offers here")),
    }
}
