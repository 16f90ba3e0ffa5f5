//! Security contexts.

use super::Faults;
use crate::api::Workload;
use k8s_openapi::api::core::v1::{AppArmorProfile, SeccompProfile};

pub fn check(workload: &Workload, faults: &mut Faults) {
    if let Some(pod) = &workload.pod_security_context {
        let at = ".podSecurityContext";
        let changes = ["OnRootMismatch", "Always"];
        faults.word(
            format!("{at}.fsGroupChangePolicy"),
            pod.fs_group_change_policy.as_deref(),
            &changes,
        );
        let merges = ["Merge", "Strict"];
        faults.word(
            format!("{at}.supplementalGroupsPolicy"),
            pod.supplemental_groups_policy.as_deref(),
            &merges,
        );
        seccomp(at, pod.seccomp_profile.as_ref(), faults);
        app_armor(at, pod.app_armor_profile.as_ref(), faults);
        let mut names: Vec<&str> = Vec::new();
        for (i, sysctl) in pod.sysctls.iter().flatten().enumerate() {
            let part = format!("{at}.sysctls[{i}].name");
            match sysctl.name.as_str() {
                "" => faults.say(part, "is missing"),
                name if names.contains(&name) => faults.say(part, format!("{name:.80} is there twice")),
                name if !is_sysctl(name) => faults.say(part, format!("{name:.80?} is no name of a sysctl")),
                name => names.push(name),
            }
        }
    }
    if let Some(own) = &workload.security_context {
        let at = ".securityContext";
        faults.word(
            format!("{at}.procMount"),
            own.proc_mount.as_deref(),
            &["Default", "Unmasked"],
        );
        seccomp(at, own.seccomp_profile.as_ref(), faults);
        app_armor(at, own.app_armor_profile.as_ref(), faults);
        if own.allow_privilege_escalation == Some(false) {
            let added = own.capabilities.iter().flat_map(|all| all.add.iter().flatten());
            if own.privileged == Some(true) {
                faults.say(
                    at,
                    "cannot set `allowPrivilegeEscalation` to false and `privileged` to true",
                );
            }
            if added.into_iter().any(|capability| capability == "CAP_SYS_ADMIN") {
                faults.say(
                    at,
                    "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN",
                );
            }
        }
    }
}

/// Returns true for parts of small letters, digits, dashes and underscores, between dots or slashes.
fn is_sysctl(name: &str) -> bool {
    let is_outer = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let is_part = |part: &str| {
        let inner = |c: char| is_outer(c) || c == '-' || c == '_';
        part.starts_with(is_outer) && part.ends_with(is_outer) && part.chars().all(inner)
    };
    name.len() <= 253 && name.split(['.', '/']).all(is_part)
}

fn seccomp(at: &str, profile: Option<&SeccompProfile>, faults: &mut Faults) {
    if let Some(profile) = profile {
        let at = format!("{at}.seccompProfile");
        local(&at, &profile.type_, profile.localhost_profile.as_deref(), faults);
    }
}

fn app_armor(at: &str, profile: Option<&AppArmorProfile>, faults: &mut Faults) {
    if let Some(profile) = profile {
        let at = format!("{at}.appArmorProfile");
        local(&at, &profile.type_, profile.localhost_profile.as_deref(), faults);
    }
}

/// Checks a profile of the node, which only the type `Localhost` has.
fn local(at: &str, kind: &str, profile: Option<&str>, faults: &mut Faults) {
    match kind {
        "" => faults.say(format!("{at}.type"), "is missing"),
        kind => faults.word(
            format!("{at}.type"),
            Some(kind),
            &["Localhost", "RuntimeDefault", "Unconfined"],
        ),
    }
    match (kind, profile.filter(|profile| !profile.is_empty())) {
        ("Localhost", None) => faults.say(format!("{at}.localhostProfile"), "is missing"),
        ("Localhost", Some(_)) | (_, None) => {}
        _ => faults.say(
            format!("{at}.localhostProfile"),
            "can only be set with the type Localhost",
        ),
    }
}
