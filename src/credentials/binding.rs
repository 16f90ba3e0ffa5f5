//! The files of a workload with its tenant's own keys: the kubelet brings them up to date, and no pod is replaced for that.

use super::{ValidCredentials, signing};
use crate::capability::{Binding, Contributions};
use crate::names::{BINDINGS, ENCRYPTION_KEY_SECRET, SIGNING_KEY_SECRET};
use k8s_openapi::api::core::v1::{KeyToPath, SecretVolumeSource, Volume, VolumeMount};

/// Adds a binding for each kind of key.
pub fn contribute(keys: &ValidCredentials, to: &mut Contributions) {
    // Not the key to come, which nothing is to be signed with.
    let entries = signing::ENTRIES.map(|entry| KeyToPath {
        key: entry.into(),
        path: entry.into(),
        mode: None,
    });
    if keys.signing_key {
        to.bindings
            .push(binding(SIGNING_KEY_SECRET, "signing-key", Some(entries.to_vec())));
    }
    if keys.encryption_key {
        to.bindings.push(binding(ENCRYPTION_KEY_SECRET, "encryption-key", None));
    }
}

fn binding(secret: &str, folder: &str, items: Option<Vec<KeyToPath>>) -> Binding {
    Binding {
        volume: Volume {
            name: secret.into(),
            secret: Some(SecretVolumeSource {
                secret_name: Some(secret.into()),
                items,
                ..SecretVolumeSource::default()
            }),
            ..Volume::default()
        },
        mount: VolumeMount {
            name: secret.into(),
            mount_path: format!("{BINDINGS}/{folder}"),
            read_only: Some(true),
            ..VolumeMount::default()
        },
        env: Vec::new(),
        // The kubelet brings the files up to date.
        revision: None,
    }
}

#[cfg(test)]
mod tests {
    use crate::capability::Stage;
    use crate::cluster::Kind;
    use crate::tenant::fixtures::{acme, plan, platform};
    use serde_json::{Value, json};

    fn pod(credentials: Value) -> Value {
        let tenant = acme(
            json!({"credentials": credentials, "workloads": [{"name": "web", "image": "web:1"}]}),
            json!({}),
        );
        let deployments = plan(&tenant, &platform()).stage(Stage::Workloads).into_iter();
        let mut deployments = deployments.filter(|object| object.key.kind == Kind::Deployment);
        deployments.next().expect("a Deployment").value["spec"]["template"]["spec"].clone()
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
