//! The binding of a workload to its tenant's database: variables that refer to the Secret and, by the Service Binding
//! convention, files.

use crate::capability::{Binding, Contributions, Egress, Reach};
use crate::names::{self, BINDINGS};
use k8s_openapi::api::core::v1::{EnvVar, EnvVarSource, SecretKeySelector, SecretVolumeSource, Volume, VolumeMount};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

/// Variables of a container; each is a key of the Secret.
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
/// The NetworkPolicy to the server.
const EGRESS: &str = "allow-database";

/// The connection of a tenant's pods to their database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// The destinations that their network policies allow.
    pub reach: Vec<Reach>,
    pub port: u16,
    /// True where clients verify the server.
    pub verified: bool,
    /// True where the Secret has the oldest version of TLS.
    pub bounds_tls: bool,
    /// The credentials in the Secret; pods that were started with others are replaced. None: there are none yet.
    pub revision: Option<String>,
}

/// Adds the way to the server and, once there are credentials, the binding of pods.
pub fn contribute(attachment: &Attachment, to: &mut Contributions) {
    if !attachment.reach.is_empty() {
        let egress = Egress {
            to: attachment.reach.clone(),
            ports: vec![IntOrString::Int(i32::from(attachment.port))],
        };
        to.egress.insert(EGRESS, vec![egress]);
    }
    if let Some(revision) = &attachment.revision {
        to.bindings.push(Binding {
            volume: volume(),
            mount: mount(),
            env: env(attachment),
            revision: Some(revision.clone()),
        });
    }
}

fn env(attachment: &Attachment) -> Vec<EnvVar> {
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
    let oldest_tls = attachment.bounds_tls.then_some(names::MIN_TLS);
    VARIABLES
        .into_iter()
        .chain(require)
        .chain(oldest_tls)
        .map(variable)
        .collect()
}

fn volume() -> Volume {
    Volume {
        name: names::DATABASE_SECRET.into(),
        secret: Some(SecretVolumeSource {
            secret_name: Some(names::DATABASE_SECRET.into()),
            ..SecretVolumeSource::default()
        }),
        ..Volume::default()
    }
}

fn mount() -> VolumeMount {
    VolumeMount {
        name: names::DATABASE_SECRET.into(),
        mount_path: format!("{BINDINGS}/database"),
        read_only: Some(true),
        ..VolumeMount::default()
    }
}

#[cfg(test)]
#[path = "binding_test.rs"]
mod tests;
