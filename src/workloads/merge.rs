//! The tier's workloads and the tenant's, merged.

use super::rules;
use crate::api::{IsolationModel, TenantSpec, TenantTierSpec, Workload};
use crate::capability::{Invalid, amounts};
use crate::names;
use crate::quantity::Amount;
use std::collections::BTreeMap;

/// Variables that a workload is told by the operator alone.
const RESERVED: [&str; 2] = ["TENANT_ID", "TENANT_NAME"];

pub fn merge(
    spec: &TenantSpec,
    tier: &TenantTierSpec,
    isolation: IsolationModel,
    errors: &mut Vec<Invalid>,
) -> Vec<Workload> {
    if !isolation.has_workloads() {
        if !spec.workloads.is_empty() {
            let message = format!(
                "the isolation model {isolation} has no workloads of its own: choose DedicatedApplication or DedicatedNodes"
            );
            errors.push(Invalid::new("spec.workloads", message));
        }
        return Vec::new();
    }
    let mut merged: Vec<(String, Workload)> = tier
        .workloads
        .iter()
        .map(|workload| {
            (
                format!("spec.tier: the tier's workload {}", workload.name),
                workload.clone(),
            )
        })
        .collect();
    for (i, workload) in spec.workloads.iter().enumerate() {
        let field = format!("spec.workloads[{i}]");
        if spec.workloads[..i].iter().any(|other| other.name == workload.name) {
            errors.push(Invalid::new(
                format!("{field}.name"),
                format!("{:.80} is there twice", workload.name),
            ));
            continue;
        }
        match merged.iter_mut().find(|(_, other)| other.name == workload.name) {
            Some((at, base)) => {
                *at = field;
                *base = overlay(base, workload);
            }
            None => merged.push((field, workload.clone())),
        }
    }
    merged.sort_by(|(_, a), (_, b)| a.name.cmp(&b.name));
    for (field, workload) in &merged {
        check(field, workload, errors);
    }
    claims_are_distinct(&merged, errors);
    merged.into_iter().map(|(_, workload)| workload).collect()
}

/// The base with every field that `over` sets in its place.
fn overlay(base: &Workload, over: &Workload) -> Workload {
    let (base, over) = (base.clone(), over.clone());
    // Naming one way to scale takes the other way back.
    let scaling = over.replicas.is_some() || over.autoscaling.is_some();
    Workload {
        name: over.name,
        image: over.image.or(base.image),
        image_pull_policy: over.image_pull_policy.or(base.image_pull_policy),
        command: over.command.or(base.command),
        args: over.args.or(base.args),
        replicas: if scaling { over.replicas } else { base.replicas },
        autoscaling: if scaling { over.autoscaling } else { base.autoscaling },
        ports: over.ports.or(base.ports),
        resources: over.resources.or(base.resources),
        env: over.env.or(base.env),
        env_from: over.env_from.or(base.env_from),
        liveness_probe: over.liveness_probe.or(base.liveness_probe),
        readiness_probe: over.readiness_probe.or(base.readiness_probe),
        startup_probe: over.startup_probe.or(base.startup_probe),
        volumes: over.volumes.or(base.volumes),
        volume_mounts: over.volume_mounts.or(base.volume_mounts),
        volume_claims: over.volume_claims.or(base.volume_claims),
        pod_security_context: over.pod_security_context.or(base.pod_security_context),
        security_context: over.security_context.or(base.security_context),
        automount_service_account_token: over
            .automount_service_account_token
            .or(base.automount_service_account_token),
        configuration_update: over.configuration_update.or(base.configuration_update),
    }
}

/// Two workloads may come to the same name of a claim: `a` with `b-c`, and `a-b` with `c`.
fn claims_are_distinct(workloads: &[(String, Workload)], errors: &mut Vec<Invalid>) {
    let mut holders: BTreeMap<String, &str> = BTreeMap::new();
    for (field, workload) in workloads {
        for claim in workload.volume_claims.iter().flatten() {
            let name = format!("{}-{}", workload.name, claim.name);
            if let Some(holder) = holders.insert(name.clone(), &workload.name) {
                let message = format!("{name:.80} is also the name of a claim of workload {holder:.80}");
                errors.push(Invalid::new(format!("{field}.volumeClaims"), message));
            }
        }
    }
}

fn check(field: &str, workload: &Workload, errors: &mut Vec<Invalid>) {
    let mut say = |part: &str, message: String| errors.push(Invalid::new(format!("{field}{part}"), message));
    if workload.image.is_none() {
        say(
            ".image",
            "is missing, and the tier has no workload of this name to take it from".into(),
        );
    }
    let begins_well = workload.name.starts_with(|c: char| c.is_ascii_lowercase());
    if !crate::syntax::is_dns_label(&workload.name) || workload.name.len() > names::MAX_TENANT_NAME || !begins_well {
        say(
            ".name",
            "is not a DNS label of at most 53 characters that begins with a letter".into(),
        );
    }
    if workload.name == "default" {
        say(".name", "is the name of the namespace's own ServiceAccount".into());
    }
    for variable in workload.env.iter().flatten() {
        if RESERVED.contains(&variable.name.as_str()) {
            say(".env", format!("{} is set by the operator", variable.name));
        }
    }
    for (part, message) in rules::faults(workload) {
        say(&part, message);
    }
    for claim in workload.volume_claims.iter().flatten() {
        let name = format!("{}-{}", workload.name, claim.name);
        if !crate::syntax::is_dns_label(&name) {
            say(
                ".volumeClaims",
                format!("the name {name:.120} is not a DNS label of at most 63 characters"),
            );
        }
        if workload
            .volumes
            .iter()
            .flatten()
            .any(|volume| volume.name == claim.name)
        {
            say(
                ".volumeClaims",
                format!("{:.80} is also the name of a volume", claim.name),
            );
        }
        match Amount::parse(&claim.storage.0) {
            Err(reason) => say(".volumeClaims", format!("storage of {:.80} {reason}", claim.name)),
            Ok(amount) if amount <= Amount::ZERO => {
                say(
                    ".volumeClaims",
                    format!("storage of {:.80} must be above zero", claim.name),
                );
            }
            Ok(_) => {}
        }
    }
    let claims_and_volumes = || {
        let claims = workload.volume_claims.iter().flatten().map(|claim| &claim.name);
        let volumes = workload.volumes.iter().flatten().map(|volume| &volume.name);
        claims.chain(volumes)
    };
    if claims_and_volumes().any(|name| name == names::CONFIGURATION) {
        let message = format!("{} is the volume of the tenant's configuration", names::CONFIGURATION);
        say(".volumes", message);
    }
    if claims_and_volumes().any(|name| name == names::DATABASE_SECRET) {
        say(
            ".volumes",
            format!("{} is the volume of the database's credentials", names::DATABASE_SECRET),
        );
    }
    for reserved in [names::SIGNING_KEY_SECRET, names::ENCRYPTION_KEY_SECRET] {
        if claims_and_volumes().any(|name| name == reserved) {
            say(".volumes", format!("{reserved} is the volume of a key of the tenant's"));
        }
    }
    if let Some(resources) = &workload.resources {
        let requests = amounts(&resources.requests, &format!("{field}.resources.requests"), errors);
        let limits = amounts(&resources.limits, &format!("{field}.resources.limits"), errors);
        for (key, request) in &requests {
            if let Some(limit) = limits.get(key).filter(|limit| request > limit) {
                let message = format!("{request} is more than the limit of {limit}");
                errors.push(Invalid::new(format!("{field}.resources.requests.{key}"), message));
            }
        }
    }
}
