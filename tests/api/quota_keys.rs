//! The operator accepts the keys of a quota that Kubernetes counts, and no others.

use crate::support::{Scene, eventually, path, secs};
use anyhow::{Result, ensure};
use serde_json::{Map, Value, json};
use tenant_operator::namespaces::quota_keys::{COUNTED, KEYS, is_counted};

/// A ResourceQuota with these keys.
fn quota(name: &str, keys: &[String]) -> Value {
    let hard: Map<String, Value> = keys.iter().map(|key| (key.clone(), json!("1000"))).collect();
    json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": name}, "spec": {"hard": hard}})
}

#[tokio::test]
async fn a_key_is_accepted_if_kubernetes_counts_it() -> Result<()> {
    let scene = Scene::without_operator("keys").await?;
    let namespace = scene.namespace("ns").await?;
    let others = [
        "requests.nvidia.com/gpu",
        "hugepages-2Mi",
        "requests.hugepages-1Gi",
        "gold.storageclass.storage.k8s.io/requests.storage",
        "gold.storageclass.storage.k8s.io/persistentvolumeclaims",
    ];
    let good: Vec<String> = KEYS.into_iter().chain(others).map(String::from).collect();
    let good: Vec<String> = good
        .into_iter()
        .chain(COUNTED.map(|kind| format!("count/{kind}")))
        .collect();
    let bad: Vec<String> = [
        "nvidia.com/gpu",
        "limits.nvidia.com/gpu",
        "requests.kubernetes.io/gpu",
        "count/deployments",
        "count/deployment.apps",
        "count/ingresses",
        "count/ingresses.extensions",
        "count/events",
        "gold.storageclass.storage.k8s.io/limits.storage",
    ]
    .map(String::from)
    .to_vec();
    for (name, keys) in [("good", &good), ("bad", &bad)] {
        scene
            .cluster
            .create(&path("resourcequotas", &namespace, ""), &quota(name, keys))
            .await?;
    }
    for (name, keys, counted) in [("good", &good, true), ("bad", &bad, false)] {
        let at = path("resourcequotas", &namespace, name);
        let status = eventually("the quota controller", secs(60), async || {
            let live = scene.cluster.get(&at).await?;
            ensure!(
                live["status"]["hard"] == live["spec"]["hard"],
                "it does not know the quota {name}"
            );
            Ok(live["status"].clone())
        })
        .await?;
        for key in keys {
            ensure!(
                status["used"].get(key).is_some() == counted,
                "Kubernetes: {key} in {status}"
            );
            ensure!(is_counted(key) == counted, "the operator: {key}");
        }
    }
    Ok(())
}
