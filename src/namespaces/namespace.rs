//! A namespace with the marks of ownership, its Pod Security Standard, and what the objects in it may name.

use crate::api::{Allowed, PodSecurity, ServiceType};
use crate::capability::{Quarantine, TenantCore};
use crate::cluster::{Desired, Kind, metadata};
use crate::names;
use k8s_openapi::api::core::v1::Namespace;

pub fn namespace(tenant: &TenantCore, pod_security: PodSecurity, name: &str) -> Desired {
    let mut meta = metadata::meta(&tenant.owner, "", name);
    let labels = meta.labels.get_or_insert_default();
    labels.insert(names::ISOLATION.into(), tenant.isolation.to_string());
    for mode in ["enforce", "audit", "warn"] {
        labels.insert(
            format!("pod-security.kubernetes.io/{mode}"),
            pod_security.as_str().into(),
        );
    }
    labels.insert("pod-security.kubernetes.io/enforce-version".into(), "latest".into());
    let annotations = meta.annotations.get_or_insert_default();
    annotations.extend(allowed(&tenant.allowed));
    annotations.insert(names::ALLOWED_HOSTS.into(), tenant.hosts.join(","));
    let own = tenant.namespaces.iter().map(|namespace| namespace.name.as_str());
    annotations.insert(names::OWN_NAMESPACES.into(), own.collect::<Vec<_>>().join(","));
    annotations.extend(tenant.quarantine.iter().flat_map(Quarantine::annotations));
    metadata::desired(
        Kind::Namespace,
        &meta,
        &Namespace {
            metadata: meta.clone(),
            ..Namespace::default()
        },
    )
}

/// The annotations that admission policies read. An absent one is unbounded, an empty one allows none.
fn allowed(allowed: &Allowed) -> impl Iterator<Item = (String, String)> {
    let join = |list: &Option<Vec<String>>| list.as_ref().map(|list| list.join(","));
    let policies = allowed.image_pull_policies.as_ref();
    let policies = policies.map(|list| {
        list.iter()
            .map(|policy| format!("{policy:?}"))
            .collect::<Vec<_>>()
            .join(",")
    });
    let types = allowed.service_types.iter().flatten().copied();
    let types = types.map(ServiceType::as_str).collect::<Vec<_>>().join(",");
    let entries = [
        (names::ALLOWED_REGISTRIES, join(&allowed.image_registries)),
        (names::ALLOWED_PULL_POLICIES, policies),
        (names::ALLOWED_STORAGE_CLASSES, join(&allowed.storage_classes)),
        (
            names::ALLOWED_VOLUME_ATTRIBUTES_CLASSES,
            join(&allowed.volume_attributes_classes),
        ),
        (names::ALLOWED_INGRESS_CLASSES, join(&allowed.ingress_classes)),
        (names::ALLOWED_PRIORITY_CLASSES, join(&allowed.priority_classes)),
        (names::ALLOWED_RUNTIME_CLASSES, join(&allowed.runtime_classes)),
        (
            names::ALLOWED_CSI_DRIVERS,
            join(&allowed.csi_drivers).filter(|drivers| !drivers.is_empty()),
        ),
        (
            names::ALLOWED_SERVICE_TYPES,
            Some(types).filter(|types| !types.is_empty()),
        ),
        (
            names::ALLOWED_ANNOTATIONS,
            join(&allowed.annotations).filter(|keys| !keys.is_empty()),
        ),
    ];
    entries
        .into_iter()
        .filter_map(|(key, value)| Some((key.to_string(), value?)))
}
