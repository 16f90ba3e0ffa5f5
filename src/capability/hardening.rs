//! Defaults that satisfy Pod Security's "restricted", and the drop of NET_RAW, which a pod cannot undo.

use crate::cluster::{Desired, Identity, Kind, metadata};
use k8s_openapi::api::core::v1::{Capabilities, PodSecurityContext, SeccompProfile, SecurityContext, ServiceAccount};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

pub fn pod(own: Option<PodSecurityContext>) -> PodSecurityContext {
    let own = own.unwrap_or_default();
    PodSecurityContext {
        run_as_non_root: own.run_as_non_root.or(Some(true)),
        seccomp_profile: own.seccomp_profile.clone().or_else(runtime_default),
        ..own
    }
}

pub fn container(own: Option<SecurityContext>) -> SecurityContext {
    let own = own.unwrap_or_default();
    SecurityContext {
        allow_privilege_escalation: own.allow_privilege_escalation.or(Some(false)),
        capabilities: Some(capabilities(own.capabilities.clone())),
        ..own
    }
}

/// The policy `tenant-operator-raw-sockets` refuses a container that keeps NET_RAW.
fn capabilities(own: Option<Capabilities>) -> Capabilities {
    let Some(mut own) = own else {
        return Capabilities {
            drop: Some(vec!["ALL".into()]),
            add: None,
        };
    };
    let drop = own.drop.get_or_insert_default();
    if !drop.iter().any(|name| name == "ALL" || name == "NET_RAW") {
        drop.push("NET_RAW".into());
    }
    own
}

fn runtime_default() -> Option<SeccompProfile> {
    Some(SeccompProfile {
        type_: "RuntimeDefault".into(),
        localhost_profile: None,
    })
}

/// The ServiceAccount of pods that name none. Kubernetes may create it first.
pub fn default_service_account(owner: &Identity, namespace: &str) -> Desired {
    Desired {
        takes_over: true,
        ..service_account(&metadata::meta(owner, namespace, "default"), false)
    }
}

/// A ServiceAccount that hands out no token by itself, unless it is asked to.
pub fn service_account(meta: &ObjectMeta, automount: bool) -> Desired {
    let object = ServiceAccount {
        metadata: meta.clone(),
        automount_service_account_token: Some(automount),
        ..ServiceAccount::default()
    };
    metadata::desired(Kind::ServiceAccount, meta, &object)
}
