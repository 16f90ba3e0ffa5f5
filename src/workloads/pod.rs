//! The pods of a workload: hardened, told whose they are, and placed where their tenant's pods belong.

use super::{configuration, labels};
use crate::api::{ConfigurationUpdate, ContainerResources, ResourceList, Workload, WorkloadVolume};
use crate::capability::placement::{Placement, placement};
use crate::capability::{ValidTenant, hardening};
use crate::names;
use crate::quantity::Amount;
use k8s_openapi::api::core::v1::{
    ConfigMapVolumeSource, Container, ContainerPort, EnvVar, PersistentVolumeClaimVolumeSource, PodSpec,
    PodTemplateSpec, ResourceRequirements, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use std::collections::BTreeMap;

pub fn template(tenant: &ValidTenant, workload: &Workload) -> PodTemplateSpec {
    let restarts = workload.configuration_update != Some(ConfigurationUpdate::Reload);
    let mut annotations = BTreeMap::new();
    if let Some(digest) = configuration::digest(tenant).filter(|_| restarts) {
        annotations.insert(names::CONFIGURATION_DIGEST.to_string(), digest);
    }
    let bindings = &tenant.contributions.bindings;
    let revisions = bindings.iter().filter_map(|binding| binding.revision.as_deref());
    let revisions: Vec<&str> = revisions.filter(|_| restarts).collect();
    if !revisions.is_empty() {
        annotations.insert(names::CREDENTIALS_REVISION.to_string(), revisions.join(","));
    }
    let mut labels = labels::selector(&tenant.core, workload);
    labels.insert(names::TENANT_ID.into(), tenant.core.owner.id.clone());
    let Placement {
        node_selector,
        tolerations,
        affinity,
        runtime_class_name,
        priority_class_name,
    } = placement(&tenant.core);
    PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: Some(labels),
            annotations: (!annotations.is_empty()).then_some(annotations),
            ..ObjectMeta::default()
        }),
        spec: Some(PodSpec {
            service_account_name: Some(workload.name.clone()),
            automount_service_account_token: Some(workload.automount_service_account_token.unwrap_or_default()),
            enable_service_links: Some(false),
            security_context: Some(hardening::pod(workload.pod_security_context.clone())),
            priority_class_name,
            runtime_class_name,
            node_selector,
            tolerations,
            affinity,
            volumes: some(volumes(tenant, workload)),
            containers: vec![container(tenant, workload)],
            ..PodSpec::default()
        }),
    }
}

fn container(tenant: &ValidTenant, workload: &Workload) -> Container {
    let identity = [
        ("TENANT_ID", &tenant.core.owner.id),
        ("TENANT_NAME", &tenant.core.owner.tenant),
    ];
    let identity = identity.map(|(name, value)| EnvVar {
        name: name.into(),
        value: Some(value.clone()),
        ..EnvVar::default()
    });
    let bindings = &tenant.contributions.bindings;
    let ports = workload.ports.iter().flatten().map(|port| ContainerPort {
        name: Some(port.name.clone()),
        container_port: port.container_port,
        protocol: Some(port.protocol.unwrap_or_default().as_str().into()),
        ..ContainerPort::default()
    });
    Container {
        name: workload.name.clone(),
        image: workload.image.clone(),
        image_pull_policy: workload.image_pull_policy.map(|policy| format!("{policy:?}")),
        command: workload.command.clone().filter(|command| !command.is_empty()),
        args: workload.args.clone().filter(|args| !args.is_empty()),
        env: Some(
            identity
                .into_iter()
                .chain(bindings.iter().flat_map(|binding| binding.env.clone()))
                .chain((!bindings.is_empty()).then(binding_root))
                .chain(workload.env.clone().unwrap_or_default())
                .collect(),
        ),
        env_from: workload.env_from.clone().and_then(some),
        ports: some(ports.collect()),
        resources: Some(resources(workload.resources.as_ref(), &tenant.core.container_defaults)),
        liveness_probe: workload.liveness_probe.clone(),
        readiness_probe: workload.readiness_probe.clone(),
        startup_probe: workload.startup_probe.clone(),
        security_context: Some(hardening::container(workload.security_context.clone())),
        volume_mounts: some(mounts(tenant, workload)),
        ..Container::default()
    }
}

/// The variable that names the folder of all bindings.
fn binding_root() -> EnvVar {
    EnvVar {
        name: "SERVICE_BINDING_ROOT".into(),
        value: Some(names::BINDINGS.into()),
        ..EnvVar::default()
    }
}

/// The workload's own figures, and the tier's where it has none; never a request above its limit.
pub fn resources(own: Option<&ContainerResources>, defaults: &ContainerResources) -> ResourceRequirements {
    let own = own.cloned().unwrap_or_default();
    let amount = |list: &ResourceList, key: &str| list.get(key).and_then(|quantity| Amount::parse(&quantity.0).ok());
    let mut requests = defaults.requests.clone();
    requests.retain(
        |key, _| match (amount(&own.limits, key), amount(&defaults.requests, key)) {
            // Left out, Kubernetes sets a request to the limit.
            (Some(limit), Some(request)) => request <= limit,
            _ => true,
        },
    );
    let mut limits = defaults.limits.clone();
    limits.retain(
        |key, _| match (amount(&own.requests, key), amount(&defaults.limits, key)) {
            (Some(request), Some(limit)) => request <= limit,
            _ => true,
        },
    );
    for (key, quantity) in own
        .requests
        .iter()
        .filter(|(key, _)| defaults.limits.contains_key(*key))
    {
        limits.entry(key.clone()).or_insert_with(|| quantity.clone());
    }
    for (key, quantity) in own
        .limits
        .iter()
        .filter(|(key, _)| defaults.requests.contains_key(*key))
    {
        requests.entry(key.clone()).or_insert_with(|| quantity.clone());
    }
    requests.extend(own.requests);
    limits.extend(own.limits);
    ResourceRequirements {
        requests: Some(requests),
        limits: Some(limits),
        claims: None,
    }
}

fn volumes(tenant: &ValidTenant, workload: &Workload) -> Vec<Volume> {
    let configuration = configuration::is_any(tenant).then(|| Volume {
        name: names::CONFIGURATION.into(),
        config_map: Some(ConfigMapVolumeSource {
            name: names::CONFIGURATION.into(),
            ..ConfigMapVolumeSource::default()
        }),
        ..Volume::default()
    });
    let claims = workload.volume_claims.iter().flatten().map(|claim| Volume {
        name: claim.name.clone(),
        persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource {
            claim_name: format!("{}-{}", workload.name, claim.name),
            read_only: None,
        }),
        ..Volume::default()
    });
    let bindings = tenant.contributions.bindings.iter();
    let own = workload.volumes.iter().flatten().cloned().map(volume);
    configuration
        .into_iter()
        .chain(bindings.map(|binding| binding.volume.clone()))
        .chain(claims)
        .chain(own)
        .collect()
}

fn volume(volume: WorkloadVolume) -> Volume {
    let WorkloadVolume {
        name,
        config_map,
        secret,
        empty_dir,
        projected,
        downward_api,
        persistent_volume_claim,
        ephemeral,
    } = volume;
    Volume {
        name,
        config_map,
        secret,
        empty_dir,
        projected,
        downward_api,
        persistent_volume_claim,
        ephemeral,
        ..Volume::default()
    }
}

fn mounts(tenant: &ValidTenant, workload: &Workload) -> Vec<VolumeMount> {
    let configuration = configuration::is_any(tenant).then(|| VolumeMount {
        name: names::CONFIGURATION.into(),
        mount_path: configuration::MOUNT.into(),
        read_only: Some(true),
        ..VolumeMount::default()
    });
    let claims = workload.volume_claims.iter().flatten().map(|claim| VolumeMount {
        name: claim.name.clone(),
        mount_path: claim.mount_path.clone(),
        ..VolumeMount::default()
    });
    let bindings = tenant.contributions.bindings.iter();
    configuration
        .into_iter()
        .chain(bindings.map(|binding| binding.mount.clone()))
        .chain(claims)
        .chain(workload.volume_mounts.clone().unwrap_or_default())
        .collect()
}

/// An empty list is left out, as the API server would.
fn some<T>(items: Vec<T>) -> Option<Vec<T>> {
    (!items.is_empty()).then_some(items)
}
