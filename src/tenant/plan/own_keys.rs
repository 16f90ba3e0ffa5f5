//! How a workload comes to its tenant's own keys: as files, which the kubelet brings up to date; no pod is replaced for that.

use crate::credentials::signing;
use crate::names::{BINDINGS, ENCRYPTION_KEY_SECRET, SIGNING_KEY_SECRET};
use crate::tenant::ValidTenant;
use k8s_openapi::api::core::v1::{KeyToPath, SecretVolumeSource, Volume, VolumeMount};

/// Whether there are any.
pub fn has_any(tenant: &ValidTenant) -> bool {
    tenant.signing_key.is_some() || tenant.encryption_key
}

pub fn volumes(tenant: &ValidTenant) -> Vec<Volume> {
    let volume = |name: &str, items: Option<Vec<KeyToPath>>| Volume {
        name: name.into(),
        secret: Some(SecretVolumeSource {
            secret_name: Some(name.into()),
            items,
            ..SecretVolumeSource::default()
        }),
        ..Volume::default()
    };
    // Not the key to come, which nothing is to be signed with.
    let entries = signing::ENTRIES.map(|entry| KeyToPath {
        key: entry.into(),
        path: entry.into(),
        mode: None,
    });
    let signing = tenant.signing_key.as_ref();
    let signing = signing.map(|_| volume(SIGNING_KEY_SECRET, Some(entries.to_vec())));
    let encryption = tenant.encryption_key.then(|| volume(ENCRYPTION_KEY_SECRET, None));
    signing.into_iter().chain(encryption).collect()
}

pub fn mounts(tenant: &ValidTenant) -> Vec<VolumeMount> {
    let mount = |name: &str, folder: &str| VolumeMount {
        name: name.into(),
        mount_path: format!("{BINDINGS}/{folder}"),
        read_only: Some(true),
        ..VolumeMount::default()
    };
    let signing = tenant.signing_key.as_ref();
    let signing = signing.map(|_| mount(SIGNING_KEY_SECRET, "signing-key"));
    let encryption = tenant
        .encryption_key
        .then(|| mount(ENCRYPTION_KEY_SECRET, "encryption-key"));
    signing.into_iter().chain(encryption).collect()
}

#[cfg(test)]
mod tests {
    use crate::tenant::fixtures::acme;
    use serde_json::{Value, json};

    fn pod(credentials: Value) -> Value {
        let tenant = acme(
            json!({"credentials": credentials, "workloads": [{"name": "web", "image": "web:1"}]}),
            json!({}),
        );
        let template = super::super::pod::template(&tenant, &tenant.workloads[0]);
        serde_json::to_value(template.spec).expect("JSON")
    }

    #[test]
    fn workloads_have_the_keys_that_are_asked_for_as_files() {
        let spec = pod(json!({"signingKey": {}, "encryptionKey": {}}));
        let container = &spec["containers"][0];
        let mount = |name: &str, path: &str| json!({"name": name, "mountPath": path, "readOnly": true});
        assert_eq!(
            container["volumeMounts"],
            json!([
                mount("tenant-signing-key", "/bindings/signing-key"),
                mount("tenant-encryption-key", "/bindings/encryption-key"),
            ])
        );
        let env = container["env"].as_array().expect("variables");
        assert!(
            env.contains(&json!({"name": "SERVICE_BINDING_ROOT", "value": "/bindings"})),
            "{env:?}"
        );
        assert_eq!(
            spec["volumes"][1]["secret"],
            json!({"secretName": "tenant-encryption-key"})
        );
        let secret = &spec["volumes"][0]["secret"];
        assert_eq!(secret["secretName"], "tenant-signing-key");
        let entries = secret["items"]
            .as_array()
            .expect("entries")
            .iter()
            .map(|item| &item["key"]);
        let entries: Vec<&Value> = entries.collect();
        assert!(entries.contains(&&json!("private-key.pem")), "{entries:?}");
        assert!(
            !entries.iter().any(|entry| entry.to_string().contains("next")),
            "{entries:?}"
        );

        let spec = pod(json!({}));
        assert_eq!(spec["volumes"], Value::Null);
        assert!(!spec["containers"][0].to_string().contains("SERVICE_BINDING_ROOT"));
    }
}
