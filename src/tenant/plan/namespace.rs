//! A namespace with the marks of ownership and its Pod Security Standard.

use super::meta;
use crate::cluster::{Desired, Kind};
use crate::names;
use crate::tenant::ValidTenant;
use k8s_openapi::api::core::v1::Namespace;

pub fn namespace(tenant: &ValidTenant, name: &str) -> Desired {
    let mut meta = meta::meta(&tenant.owner, "", name);
    let labels = meta.labels.get_or_insert_default();
    labels.insert(names::ISOLATION.into(), tenant.isolation.to_string());
    for mode in ["enforce", "audit", "warn"] {
        labels.insert(
            format!("pod-security.kubernetes.io/{mode}"),
            tenant.pod_security.as_str().into(),
        );
    }
    labels.insert("pod-security.kubernetes.io/enforce-version".into(), "latest".into());
    meta::desired(
        Kind::Namespace,
        &meta,
        &Namespace {
            metadata: meta.clone(),
            ..Namespace::default()
        },
    )
}
