//! Values that the operator's types cannot hold, which the API server must refuse: numbers, and times of claims' templates.

use crate::harness::{Dry, cluster};
use crate::support::{Scene, path};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

/// Kubernetes' own numeric fields of a workload: where each is, and its bounds.
const NUMBERS: [(&str, i64, i64); 17] = [
    ("livenessProbe/httpGet/port", 1, 65_535),
    ("readinessProbe/tcpSocket/port", 1, 65_535),
    ("startupProbe/grpc/port", 1, 65_535),
    ("livenessProbe/initialDelaySeconds", 0, 2_147_483_647),
    ("livenessProbe/timeoutSeconds", 0, 2_147_483_647),
    ("readinessProbe/periodSeconds", 0, 2_147_483_647),
    ("readinessProbe/successThreshold", 0, 2_147_483_647),
    ("startupProbe/failureThreshold", 0, 2_147_483_647),
    ("startupProbe/terminationGracePeriodSeconds", 1, 2_147_483_647),
    ("podSecurityContext/runAsUser", 0, 2_147_483_647),
    ("podSecurityContext/runAsGroup", 0, 2_147_483_647),
    ("podSecurityContext/fsGroup", 0, 2_147_483_647),
    ("podSecurityContext/supplementalGroups/0", 0, 2_147_483_647),
    ("securityContext/runAsUser", 0, 2_147_483_647),
    ("securityContext/runAsGroup", 0, 2_147_483_647),
    ("volumes/0/secret/defaultMode", 0, 0o777),
    ("volumes/0/configMap/items/0/mode", 0, 0o777),
];

/// Returns a workload with this value there, and the required fields beside it.
fn workload(at: &str, value: &Value) -> Value {
    let mut whole = value.clone();
    for step in at.rsplit('/') {
        whole = match step {
            "0" => json!([whole]),
            step => json!({step: whole}),
        };
    }
    let beside = json!({"volumes/0": {"name": "v"}, "configMap": {"name": "c"},
                        "items/0": {"key": "k", "path": "p"}});
    for (place, fields) in beside.as_object().into_iter().flatten() {
        let end = at.find(place).map(|start| start + place.len());
        let found = end
            .and_then(|end| at.get(..end))
            .and_then(|at| whole.pointer_mut(&format!("/{at}")));
        if let Some(found) = found {
            crate::support::scene::lay_over(found, fields.clone());
        }
    }
    whole["name"] = json!("web");
    json!({"workloads": [whole]})
}

#[tokio::test]
async fn numbers_of_workloads_are_bounded_as_kubernetes_bounds_them() -> Result<()> {
    for dry in [Dry::tenant().await?, Dry::tier().await?] {
        for (at, least, most) in NUMBERS {
            for good in [least, most] {
                dry.accepts(&format!("{at} of {good}"), workload(at, &json!(good)))
                    .await?;
            }
            let last = at.rsplit('/').find(|step| *step != "0").unwrap_or_default();
            for bad in [least - 1, most + 1, 3_000_000_000, i64::MAX, i64::MIN] {
                let what = format!("{at} of {bad}");
                dry.refuses(&what, workload(at, &json!(bad)), &["workloads[0]", last])
                    .await?;
            }
        }
        let named = json!("http");
        dry.accepts("a port by name", workload("livenessProbe/httpGet/port", &named))
            .await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_claims_template_has_labels_and_annotations_and_no_times() -> Result<()> {
    let claim = |metadata: Value| {
        let spec = json!({"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}});
        let template = json!({"metadata": metadata, "spec": spec});
        json!({"workloads": [{"name": "web", "volumes": [{"name": "v", "ephemeral": {"volumeClaimTemplate": template}}]}]})
    };
    let dry = Dry::tenant().await?;
    let good = json!({"labels": {"a": "b"}, "annotations": {"c": "d"}});
    dry.accepts("labels and annotations", claim(good)).await?;
    for (field, value) in [
        ("creationTimestamp", Value::Null),
        ("creationTimestamp", json!("9999-12-31T23:59:59Z")),
        ("deletionTimestamp", json!("2026-01-01T00:00:00X5+99:99")),
        ("managedFields", json!([{"time": "9999-12-31T23:59:59Z"}])),
        ("namespace", json!("kube-system")),
    ] {
        dry.refuses(
            field,
            claim(json!({field: value})),
            &["volumeClaimTemplate.metadata", field],
        )
        .await?;
    }
    Ok(())
}

/// A condition is the operator's to write, but others may be allowed to.
#[tokio::test]
async fn a_conditions_time_is_one_that_can_be_read() -> Result<()> {
    let (cluster, scene) = (cluster().await?, Scene::without_operator("times").await?);
    let name = format!("{}-times", scene.name);
    let tenant = json!({"apiVersion": "tenant-operator.io/v1alpha1", "kind": "Tenant", "metadata": {"name": name},
                        "spec": {"tier": "no-such-tier"}});
    cluster.create(&path("tenants", "", ""), &tenant).await?;
    let set = async |time: &str| {
        let condition =
            json!({"type": "Tried", "status": "True", "reason": "Tried", "message": "", "lastTransitionTime": time});
        let status = path("tenants", "", &name) + "/status?dryRun=All";
        cluster
            .patch(&status, &json!({"status": {"conditions": [condition]}}))
            .await
    };
    let tried: Result<()> = async {
        for good in ["2026-01-01T00:00:00Z", "2026-01-01T00:00:00.123456Z"] {
            set(good).await.with_context(|| good.to_string())?;
        }
        for bad in [
            "9999-12-31T23:59:59Z",
            "2026-01-01T00:00:00x5Z",
            "2026-01-01T00:00:00+99:99",
        ] {
            ensure!(set(bad).await.is_err(), "{bad} is accepted");
        }
        Ok(())
    }
    .await;
    cluster.delete(&path("tenants", "", &name)).await?;
    tried
}
