//! How a workload comes to its tenant's database: by reference to the Secret, as variables and, by the Service Binding
//! convention, as files.

use super::own_keys;
use crate::names;
use crate::tenant::ValidTenant;
use k8s_openapi::api::core::v1::{EnvVar, EnvVarSource, SecretKeySelector, SecretVolumeSource, Volume, VolumeMount};

use names::BINDINGS as ROOT;
/// Names a workload's own volume must leave alone.
pub const VOLUME: &str = names::DATABASE_SECRET;
/// What a container is told as variables; each is a key of the Secret.
pub const VARIABLES: [&str; 8] = [
    "DATABASE_URL",
    "PGHOST",
    "PGPORT",
    "PGDATABASE",
    "PGUSER",
    "PGPASSWORD",
    "PGSSLMODE",
    "PGSSLROOTCERT",
];

/// Which credentials are in the Secret, if there is one.
pub fn revision(tenant: &ValidTenant) -> Option<&str> {
    tenant.attachment.as_ref()?.revision.as_deref()
}

pub fn env(tenant: &ValidTenant) -> Vec<EnvVar> {
    let Some(attachment) = tenant.attachment.as_ref().filter(|to| to.revision.is_some()) else {
        return Vec::new();
    };
    let variable = |name: &str| EnvVar {
        name: name.into(),
        value_from: Some(EnvVarSource {
            secret_key_ref: Some(SecretKeySelector {
                name: names::DATABASE_SECRET.into(),
                key: name.into(),
                // Where no authority is verified there is none.
                optional: (name == "PGSSLROOTCERT").then_some(true),
            }),
            ..EnvVarSource::default()
        }),
        ..EnvVar::default()
    };
    // Elsewhere it would but replace every pod.
    let require = (!attachment.verified).then_some(names::REQUIRE_AUTH);
    VARIABLES.into_iter().chain(require).map(variable).collect()
}

/// Where all bindings are, if there is any.
pub fn root(tenant: &ValidTenant) -> Option<EnvVar> {
    let has_any = revision(tenant).is_some() || own_keys::has_any(tenant);
    has_any.then(|| EnvVar {
        name: "SERVICE_BINDING_ROOT".into(),
        value: Some(ROOT.into()),
        ..EnvVar::default()
    })
}

pub fn volume(tenant: &ValidTenant) -> Option<Volume> {
    revision(tenant)?;
    Some(Volume {
        name: VOLUME.into(),
        secret: Some(SecretVolumeSource {
            secret_name: Some(names::DATABASE_SECRET.into()),
            ..SecretVolumeSource::default()
        }),
        ..Volume::default()
    })
}

pub fn mount(tenant: &ValidTenant) -> Option<VolumeMount> {
    revision(tenant)?;
    Some(VolumeMount {
        name: VOLUME.into(),
        mount_path: format!("{ROOT}/database"),
        read_only: Some(true),
        ..VolumeMount::default()
    })
}

#[cfg(test)]
#[path = "binding_test.rs"]
mod tests;
