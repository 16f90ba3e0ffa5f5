//! Volumes, their mounts, and claims.

use super::environment::{container_resource, file_field};
use super::{Faults, any};
use crate::api::{AccessMode, Workload, WorkloadVolume};
use crate::names;
use crate::quantity::Amount;
use crate::syntax::{Check, dns_label, dns_subdomain, label_value, path_within, qualified_name};
use k8s_openapi::api::core::v1::{
    DownwardAPIVolumeFile, KeyToPath, PersistentVolumeClaimTemplate, VolumeMount, VolumeProjection,
};

/// Volumes that the operator adds to pods.
const OWN: [&str; 4] = [
    names::CONFIGURATION,
    names::DATABASE_SECRET,
    names::SIGNING_KEY_SECRET,
    names::ENCRYPTION_KEY_SECRET,
];

const ALONE: &str = "may not use ReadWriteOncePod with other access modes";

pub fn check(workload: &Workload, faults: &mut Faults) {
    let volumes: Vec<_> = workload.volumes.iter().flatten().collect();
    for (i, volume) in volumes.iter().enumerate() {
        let at = format!(".volumes[{i}]");
        faults.name(format!("{at}.name"), &volume.name, dns_label);
        if volumes[..i].iter().any(|other| other.name == volume.name) {
            faults.say(format!("{at}.name"), format!("{:.80} is there twice", volume.name));
        }
        source(&at, volume, faults);
    }
    claims(workload, faults);
    mounts(workload, faults);
}

fn claims(workload: &Workload, faults: &mut Faults) {
    for (i, claim) in workload.volume_claims.iter().flatten().enumerate() {
        let at = format!(".volumeClaims[{i}]");
        if let Some(class) = claim.storage_class_name.as_deref().filter(|class| !class.is_empty()) {
            faults.name(format!("{at}.storageClassName"), class, dns_subdomain);
        }
        let modes = claim.access_modes.as_deref().unwrap_or_default();
        if modes.len() > 1 && modes.contains(&AccessMode::ReadWriteOncePod) {
            faults.say(format!("{at}.accessModes"), ALONE);
        }
    }
}

fn mounts(workload: &Workload, faults: &mut Faults) {
    let claims: Vec<_> = workload.volume_claims.iter().flatten().collect();
    let volumes = || workload.volumes.iter().flatten().map(|volume| volume.name.as_str());
    let mut paths: Vec<&str> = Vec::new();
    for (i, claim) in claims.iter().enumerate() {
        unique(
            &format!(".volumeClaims[{i}].mountPath"),
            &claim.mount_path,
            &mut paths,
            faults,
        );
    }
    for (i, mount) in workload.volume_mounts.iter().flatten().enumerate() {
        let at = format!(".volumeMounts[{i}]");
        let mut known = claims
            .iter()
            .map(|claim| claim.name.as_str())
            .chain(volumes())
            .chain(OWN);
        match mount.name.is_empty() {
            true => faults.say(format!("{at}.name"), "is missing"),
            false if known.any(|name| name == mount.name) => {}
            false => faults.say(
                format!("{at}.name"),
                format!("the workload has no volume {:.80}", mount.name),
            ),
        }
        match mount.mount_path.is_empty() {
            true => faults.say(format!("{at}.mountPath"), "is missing"),
            false => unique(&format!("{at}.mountPath"), &mount.mount_path, &mut paths, faults),
        }
        let given = |path: &Option<String>| path.clone().filter(|path| !path.is_empty());
        for (part, path) in [
            ("subPath", given(&mount.sub_path)),
            ("subPathExpr", given(&mount.sub_path_expr)),
        ] {
            if let Some(path) = path {
                faults.name(format!("{at}.{part}"), &path, path_within);
            }
        }
        if given(&mount.sub_path).is_some() && given(&mount.sub_path_expr).is_some() {
            faults.say(
                format!("{at}.subPathExpr"),
                "subPathExpr and subPath are mutually exclusive",
            );
        }
        propagation(workload, &at, mount, faults);
    }
}

fn propagation(workload: &Workload, at: &str, mount: &VolumeMount, faults: &mut Faults) {
    let mode = mount.mount_propagation.as_deref();
    faults.word(
        format!("{at}.mountPropagation"),
        mode,
        &["None", "HostToContainer", "Bidirectional"],
    );
    let privileged = workload
        .security_context
        .as_ref()
        .and_then(|context| context.privileged);
    if mode == Some("Bidirectional") && privileged != Some(true) {
        let message = "Bidirectional mount propagation is available only to privileged containers";
        faults.say(format!("{at}.mountPropagation"), message);
    }
    let at = format!("{at}.recursiveReadOnly");
    let recursive = mount.recursive_read_only.as_deref();
    faults.word(&at, recursive, &["Disabled", "Enabled", "IfPossible"]);
    if matches!(recursive, Some("Enabled" | "IfPossible")) {
        if mount.read_only != Some(true) {
            faults.say(&at, "may only be specified when readOnly is true");
        }
        if !matches!(mode, None | Some("" | "None")) {
            faults.say(
                &at,
                "may only be specified when mountPropagation is None or not specified",
            );
        }
    }
}

fn unique<'a>(at: &str, path: &'a str, paths: &mut Vec<&'a str>, faults: &mut Faults) {
    match paths.contains(&path) {
        true => faults.say(at, format!("{path:.120} is there twice")),
        false => paths.push(path),
    }
}

fn source(at: &str, volume: &WorkloadVolume, faults: &mut Faults) {
    if let Some(map) = &volume.config_map {
        faults.required(format!("{at}.configMap.name"), &map.name, any);
        items(&format!("{at}.configMap"), map.items.as_deref(), faults);
    }
    if let Some(secret) = &volume.secret {
        let name = secret.secret_name.as_deref().unwrap_or_default();
        faults.required(format!("{at}.secret.secretName"), name, any);
        items(&format!("{at}.secret"), secret.items.as_deref(), faults);
    }
    if let Some(claim) = &volume.persistent_volume_claim {
        faults.required(format!("{at}.persistentVolumeClaim.claimName"), &claim.claim_name, any);
    }
    let limit = volume.empty_dir.as_ref().and_then(|empty| empty.size_limit.as_ref());
    if limit.is_some_and(|limit| Amount::parse(&limit.0).is_ok_and(Amount::is_negative)) {
        faults.say(format!("{at}.emptyDir.sizeLimit"), "must not be below zero");
    }
    if let Some(downward) = &volume.downward_api {
        files(&format!("{at}.downwardAPI"), downward.items.as_deref(), faults);
    }
    for (i, source) in volume
        .projected
        .iter()
        .flat_map(|all| all.sources.iter().flatten())
        .enumerate()
    {
        projection(&format!("{at}.projected.sources[{i}]"), source, faults);
    }
    if let Some(ephemeral) = &volume.ephemeral {
        let at = format!("{at}.ephemeral.volumeClaimTemplate");
        match &ephemeral.volume_claim_template {
            None => faults.say(at, "is missing"),
            Some(template) => claim_template(&at, template, faults),
        }
    }
}

fn projection(at: &str, source: &VolumeProjection, faults: &mut Faults) {
    let kinds = [
        source.config_map.is_some(),
        source.secret.is_some(),
        source.downward_api.is_some(),
        source.service_account_token.is_some(),
        source.cluster_trust_bundle.is_some(),
    ];
    if kinds.iter().filter(|is_there| **is_there).count() > 1 {
        faults.say(at, "may not specify more than 1 volume type per source");
    }
    if let Some(map) = &source.config_map {
        faults.required(format!("{at}.configMap.name"), &map.name, any);
        items(&format!("{at}.configMap"), map.items.as_deref(), faults);
    }
    if let Some(secret) = &source.secret {
        faults.required(format!("{at}.secret.name"), &secret.name, any);
        items(&format!("{at}.secret"), secret.items.as_deref(), faults);
    }
    if let Some(downward) = &source.downward_api {
        files(&format!("{at}.downwardAPI"), downward.items.as_deref(), faults);
    }
    if let Some(token) = &source.service_account_token {
        faults.required(format!("{at}.serviceAccountToken.path"), &token.path, path_within);
    }
}

fn items(at: &str, items: Option<&[KeyToPath]>, faults: &mut Faults) {
    for (i, item) in items.unwrap_or_default().iter().enumerate() {
        faults.required(format!("{at}.items[{i}].key"), &item.key, any);
        faults.required(format!("{at}.items[{i}].path"), &item.path, file_path);
    }
}

fn files(at: &str, items: Option<&[DownwardAPIVolumeFile]>, faults: &mut Faults) {
    for (i, file) in items.unwrap_or_default().iter().enumerate() {
        let at = format!("{at}.items[{i}]");
        faults.required(format!("{at}.path"), &file.path, file_path);
        let kinds = [file.field_ref.is_some(), file.resource_field_ref.is_some()];
        faults.exactly_one(&at, &kinds, "fieldRef and resourceFieldRef");
        if let Some(field) = &file.field_ref {
            file_field(&format!("{at}.fieldRef"), field, faults);
        }
        if let Some(resource) = &file.resource_field_ref {
            container_resource(&format!("{at}.resourceFieldRef"), resource, faults);
            if resource.container_name.as_ref().is_none_or(String::is_empty) {
                faults.say(format!("{at}.resourceFieldRef.containerName"), "is missing");
            }
        }
    }
}

/// Kubernetes keeps names with two dots for itself.
fn file_path(path: &str) -> Check {
    match path.starts_with("..") {
        true => Err("must not start with '..'"),
        false => path_within(path),
    }
}

fn claim_template(at: &str, template: &PersistentVolumeClaimTemplate, faults: &mut Faults) {
    let spec = &template.spec;
    let modes = spec.access_modes.as_deref().unwrap_or_default();
    if modes.is_empty() {
        faults.say(format!("{at}.spec.accessModes"), "at least 1 access mode is required");
    }
    let known = ["ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod"];
    for (i, mode) in modes.iter().enumerate() {
        faults.word(format!("{at}.spec.accessModes[{i}]"), Some(mode), &known);
    }
    if modes.len() > 1 && modes.iter().any(|mode| mode == "ReadWriteOncePod") {
        faults.say(format!("{at}.spec.accessModes"), ALONE);
    }
    let requests = spec
        .resources
        .as_ref()
        .and_then(|resources| resources.requests.as_ref());
    match requests.and_then(|requests| requests.get("storage")) {
        None => faults.say(format!("{at}.spec.resources.requests.storage"), "is missing"),
        Some(storage) if Amount::parse(&storage.0).is_ok_and(|amount| amount > Amount::ZERO) => {}
        Some(_) => faults.say(
            format!("{at}.spec.resources.requests.storage"),
            "must be greater than zero",
        ),
    }
    if let Some(class) = spec.storage_class_name.as_deref().filter(|class| !class.is_empty()) {
        faults.name(format!("{at}.spec.storageClassName"), class, dns_subdomain);
    }
    let metadata = template.metadata.as_ref();
    for (key, value) in metadata.iter().flat_map(|metadata| metadata.labels.iter().flatten()) {
        faults.name(format!("{at}.metadata.labels"), key, qualified_name);
        faults.name(format!("{at}.metadata.labels"), value, label_value);
    }
    for key in metadata
        .iter()
        .flat_map(|metadata| metadata.annotations.iter().flat_map(|all| all.keys()))
    {
        faults.name(
            format!("{at}.metadata.annotations"),
            &key.to_lowercase(),
            qualified_name,
        );
    }
}
