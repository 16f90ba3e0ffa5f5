//! What Pod Security's "restricted" asks of a pod, wherever it does not say otherwise itself.

use k8s_openapi::api::core::v1::{Capabilities, PodSecurityContext, SeccompProfile, SecurityContext};

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
        capabilities: own.capabilities.clone().or_else(|| {
            Some(Capabilities {
                drop: Some(vec!["ALL".into()]),
                add: None,
            })
        }),
        ..own
    }
}

fn runtime_default() -> Option<SeccompProfile> {
    Some(SeccompProfile {
        type_: "RuntimeDefault".into(),
        localhost_profile: None,
    })
}
