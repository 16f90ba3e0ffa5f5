//! Workloads, of a Tenant and of a tier: one type, so that the rules hold in both.

use crate::harness::Dry;
use anyhow::Result;
use serde_json::{Value, json};

fn with(fields: Value) -> Value {
    let mut workload = json!({"name": "web"});
    crate::support::scene::lay_over(&mut workload, fields);
    json!({"workloads": [workload]})
}

async fn both(what: &str, fields: Value, words: &[&str]) -> Result<()> {
    Dry::tenant().await?.refuses(what, with(fields.clone()), words).await?;
    Dry::tier().await?.refuses(what, with(fields), words).await
}

#[tokio::test]
async fn a_workload_as_pods_have_it_is_accepted() -> Result<()> {
    let whole = json!({
        "image": "executive-service:1.0.0", "imagePullPolicy": "IfNotPresent", "command": ["/server"], "args": ["--port=8080"],
        "replicas": 3,
        "ports": [{"name": "http", "containerPort": 8080}, {"name": "dns", "containerPort": 53, "protocol": "UDP"}],
        "resources": {"requests": {"cpu": "10m"}, "limits": {"memory": "64Mi"}},
        "env": [{"name": "A", "value": "1"}, {"name": "B", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                {"name": "C", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k", "optional": true}}}],
        "envFrom": [{"configMapRef": {"name": "c"}, "prefix": "P_"}],
        "livenessProbe": {"httpGet": {"path": "/healthz", "port": "http"}, "periodSeconds": 5},
        "readinessProbe": {"tcpSocket": {"port": 8080}}, "startupProbe": {"exec": {"command": ["true"]}},
        "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": "1Mi"}}, {"name": "c", "configMap": {"name": "c"}},
                    {"name": "s", "secret": {"secretName": "s"}}, {"name": "d", "downwardAPI": {"items": []}},
                    {"name": "p", "projected": {"sources": []}}, {"name": "v", "persistentVolumeClaim": {"claimName": "x"}}],
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
        "volumeClaims": [{"name": "data", "mountPath": "/data", "storage": "1Gi", "accessModes": ["ReadWriteOnce"]}],
        "podSecurityContext": {"fsGroup": 1000}, "securityContext": {"readOnlyRootFilesystem": true},
        "automountServiceAccountToken": false, "configurationUpdate": "Reload"
    });
    Dry::tenant().await?.accepts("everything", with(whole.clone())).await?;
    Dry::tier().await?.accepts("everything", with(whole)).await?;
    Ok(())
}

#[tokio::test]
async fn names_are_dns_labels_that_start_with_a_letter_and_are_unique() -> Result<()> {
    for bad in ["", "0web", "-web", "web-", "Web", "we.b", &"x".repeat(54)] {
        both(
            &format!("the name {bad:?}"),
            json!({"name": bad}),
            &["workloads[0].name"],
        )
        .await?;
    }
    let twice = json!({"workloads": [{"name": "web"}, {"name": "web"}]});
    Dry::tenant()
        .await?
        .refuses("a name twice", twice.clone(), &["workloads[1]", "Duplicate"])
        .await?;
    Dry::tier()
        .await?
        .refuses("a name twice", twice, &["workloads[1]", "Duplicate"])
        .await
}

#[tokio::test]
async fn replicas_and_autoscaling_exclude_each_other() -> Result<()> {
    let words = ["replicas and autoscaling exclude each other"];
    both(
        "both",
        json!({"replicas": 1, "autoscaling": {"maxReplicas": 3}}),
        &words,
    )
    .await?;
    both("replicas: -1", json!({"replicas": -1}), &["replicas"]).await?;
    both("replicas: 10001", json!({"replicas": 10001}), &["replicas"]).await?;
    Dry::tenant()
        .await?
        .accepts("no replicas", with(json!({"replicas": 0})))
        .await?;
    Ok(())
}

#[tokio::test]
async fn autoscaling_has_bounds_in_order() -> Result<()> {
    let scaling = |fields: Value| json!({"autoscaling": fields});
    let dry = Dry::tenant().await?;
    let whole = json!({
        "minReplicas": 2, "maxReplicas": 2, "targetCPUUtilizationPercentage": 70, "targetMemoryUtilizationPercentage": 80,
        "scaleDownStabilizationWindowSeconds": 0,
        "metrics": [{"type": "Pods", "name": "requests", "averageValue": "500m", "selector": {"matchLabels": {"a": "b"}}},
                    {"type": "External", "name": "queue_length", "value": 30}, {"type": "External", "name": "queue_length", "averageValue": 3}],
        "behavior": {"scaleUp": {"stabilizationWindowSeconds": 3600, "selectPolicy": "Disabled", "tolerance": "0"},
                     "scaleDown": {"tolerance": "1.5", "policies": [{"type": "Percent", "value": 10, "periodSeconds": 1800}]}}
    });
    dry.accepts("equal bounds", with(scaling(whole))).await?;
    both(
        "min above max",
        scaling(json!({"minReplicas": 3, "maxReplicas": 2})),
        &["minReplicas must not exceed maxReplicas"],
    )
    .await?;
    both(
        "no max",
        scaling(json!({"minReplicas": 3})),
        &["maxReplicas", "required"],
    )
    .await?;
    both(
        "min 0",
        scaling(json!({"minReplicas": 0, "maxReplicas": 2})),
        &["minReplicas"],
    )
    .await?;
    let target = |n: i32| scaling(json!({"maxReplicas": 2, "targetCPUUtilizationPercentage": n}));
    both("target 0", target(0), &["targetCPUUtilizationPercentage"]).await?;
    both("target 1001", target(1001), &["targetCPUUtilizationPercentage"]).await?;
    let window = scaling(json!({"maxReplicas": 2, "scaleDownStabilizationWindowSeconds": 3601}));
    both("a long window", window, &["scaleDownStabilizationWindowSeconds"]).await?;
    let memory = scaling(json!({"maxReplicas": 2, "targetMemoryUtilizationPercentage": 0}));
    both("memory 0", memory, &["targetMemoryUtilizationPercentage"]).await
}

#[tokio::test]
async fn autoscaling_has_metrics_and_rules() -> Result<()> {
    let metric = |fields: Value| {
        let mut whole = json!({"type": "Pods", "name": "requests"});
        crate::support::scene::lay_over(&mut whole, fields);
        json!({"autoscaling": {"maxReplicas": 2, "metrics": [whole]}})
    };
    for (what, fields, words) in [
        ("no target", json!({}), "needs one of averageValue and value"),
        (
            "two targets",
            json!({"type": "External", "averageValue": 1, "value": 1}),
            "needs one of averageValue and value",
        ),
        (
            "a value of pods",
            json!({"value": 1}),
            "a metric of Pods has an averageValue",
        ),
        (
            "a metric of objects",
            json!({"type": "Object", "value": 1}),
            "metrics[0].type",
        ),
        (
            "a path as a name",
            json!({"name": "a/b", "averageValue": 1}),
            "metrics[0].name",
        ),
        (
            "a target below zero",
            json!({"averageValue": "-1"}),
            "metrics[0].averageValue",
        ),
    ] {
        both(what, metric(fields), &[words]).await?;
    }
    let rules = |fields: Value| {
        let mut whole = json!({"maxReplicas": 2});
        crate::support::scene::lay_over(&mut whole, fields);
        json!({"autoscaling": whole})
    };
    for (what, fields, words) in [
        (
            "two windows",
            json!({"scaleDownStabilizationWindowSeconds": 1, "behavior": {"scaleDown": {"stabilizationWindowSeconds": 1}}}),
            "exclude each other",
        ),
        (
            "a long window",
            json!({"behavior": {"scaleUp": {"stabilizationWindowSeconds": 3601}}}),
            "stabilizationWindowSeconds",
        ),
        (
            "another choice",
            json!({"behavior": {"scaleUp": {"selectPolicy": "Some"}}}),
            "selectPolicy",
        ),
        (
            "a tolerance below zero",
            json!({"behavior": {"scaleUp": {"tolerance": -1}}}),
            "tolerance",
        ),
        (
            "a long period",
            json!({"behavior": {"scaleUp": {"policies": [{"type": "Pods", "value": 1, "periodSeconds": 1801}]}}}),
            "periodSeconds",
        ),
    ] {
        both(what, rules(fields), &[words]).await?;
    }
    Ok(())
}

#[tokio::test]
async fn ports_are_named_and_in_range() -> Result<()> {
    let ports = |ports: Value| json!({"ports": ports});
    both("no name", ports(json!([{"containerPort": 80}])), &["name"]).await?;
    both(
        "a long name",
        ports(json!([{"name": "x".repeat(16), "containerPort": 80}])),
        &["ports[0].name"],
    )
    .await?;
    both(
        "a bad name",
        ports(json!([{"name": "HTTP", "containerPort": 80}])),
        &["ports[0].name"],
    )
    .await?;
    both(
        "port 0",
        ports(json!([{"name": "http", "containerPort": 0}])),
        &["ports[0].containerPort"],
    )
    .await?;
    both(
        "port 65536",
        ports(json!([{"name": "http", "containerPort": 65536}])),
        &["ports[0].containerPort"],
    )
    .await?;
    let twice = json!([{"name": "http", "containerPort": 80}, {"name": "http", "containerPort": 81}]);
    both("a name twice", ports(twice), &["ports[1]", "Duplicate"]).await
}

#[tokio::test]
async fn a_volume_is_of_exactly_one_permitted_kind() -> Result<()> {
    let volume = |fields: Value| json!({"volumes": [fields]});
    let words = ["exactly one kind of volume must be given"];
    both("no kind", volume(json!({"name": "v"})), &words).await?;
    both(
        "two kinds",
        volume(json!({"name": "v", "emptyDir": {}, "configMap": {"name": "c"}})),
        &words,
    )
    .await?;
    both(
        "a hostPath",
        volume(json!({"name": "v", "hostPath": {"path": "/"}})),
        &["hostPath"],
    )
    .await?;
    both(
        "NFS",
        volume(json!({"name": "v", "nfs": {"server": "s", "path": "/"}})),
        &["nfs"],
    )
    .await
}

#[tokio::test]
async fn claims_are_complete_and_mounted_absolutely() -> Result<()> {
    let claim = |fields: Value| {
        let mut claim = json!({"name": "data", "mountPath": "/data", "storage": "1Gi"});
        crate::support::scene::lay_over(&mut claim, fields);
        json!({"volumeClaims": [claim]})
    };
    both("no storage", claim(json!({"storage": null})), &["storage", "required"]).await?;
    both("no path", claim(json!({"mountPath": null})), &["mountPath", "required"]).await?;
    both("a relative path", claim(json!({"mountPath": "data"})), &["mountPath"]).await?;
    both("a bad name", claim(json!({"name": "Data"})), &["volumeClaims[0].name"]).await?;
    both(
        "another mode",
        claim(json!({"accessModes": ["ReadWrite"]})),
        &["accessModes"],
    )
    .await?;
    both("no mode", claim(json!({"accessModes": []})), &["accessModes"]).await
}

#[tokio::test]
async fn words_with_a_meaning_are_the_known_ones() -> Result<()> {
    both(
        "a pull policy",
        json!({"imagePullPolicy": "Sometimes"}),
        &["imagePullPolicy", "Unsupported value"],
    )
    .await?;
    both(
        "an update",
        json!({"configurationUpdate": "Rollout"}),
        &["configurationUpdate", "Unsupported value"],
    )
    .await?;
    both("an empty image", json!({"image": ""}), &["image"]).await?;
    both(
        "a field of a pod that is not offered",
        json!({"hostNetwork": true}),
        &["hostNetwork"],
    )
    .await?;
    both("a sidecar", json!({"containers": []}), &["containers"]).await
}
