//! The needs of workloads by every key that Kubernetes bounds them by.

use super::*;
use crate::capability::Stage;
use crate::tenant::fixtures::{acme, plan, platform};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use serde_json::json;

fn objects() -> Vec<Desired> {
    let web = json!({
        "name": "web", "image": "web:1", "replicas": 3, "ports": [{"name": "http", "containerPort": 80}],
        "resources": {"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"cpu": "1", "memory": "2Gi", "nvidia.com/gpu": 1, "hugepages-2Mi": "4Mi"}},
        "volumeClaims": [{"name": "data", "storage": "5Gi", "mountPath": "/data", "storageClassName": "fast"}],
        "volumes": [{"name": "scratch", "ephemeral": {"volumeClaimTemplate": {"spec": {
            "accessModes": ["ReadWriteOnce"], "storageClassName": "fast", "resources": {"requests": {"storage": "2Gi"}}}}}}],
    });
    let api = json!({"name": "api", "image": "api:1", "autoscaling": {"minReplicas": 2, "maxReplicas": 5}});
    let tenant = acme(json!({"workloads": [web, api], "configuration": {"a": 1}}), json!({}));
    plan(&tenant, &platform()).stage(Stage::Workloads)
}

fn share(key: &str, amount: &str) -> ResourceList {
    ResourceList::from([(key.to_string(), Quantity(amount.to_string()))])
}

#[test]
fn every_key_is_compared_with_what_the_workloads_need_of_it() {
    let objects = objects();
    for (key, fits, lacks, words) in [
        ("pods", "5", "4", "pods: 5 of 4 (web 3, api 2)"),
        ("count/pods", "5", "4", "count/pods: 5 of 4 (web 3, api 2)"),
        (
            "requests.cpu",
            "1700m",
            "1699m",
            "requests.cpu: 1700m of 1699m (web 1500m, api 200m)",
        ),
        ("limits.cpu", "5", "4", "limits.cpu: 5 of 4 (web 3, api 2)"),
        (
            "requests.memory",
            "3328Mi",
            "3Gi",
            "requests.memory: 3328Mi of 3Gi (web 3Gi, api 256Mi)",
        ),
        (
            "limits.memory",
            "7Gi",
            "6Gi",
            "limits.memory: 7Gi of 6Gi (web 6Gi, api 1Gi)",
        ),
        (
            "requests.ephemeral-storage",
            "320Mi",
            "319Mi",
            "requests.ephemeral-storage: 320Mi of 319Mi (web 192Mi, api 128Mi)",
        ),
        (
            "requests.nvidia.com/gpu",
            "3",
            "2",
            "requests.nvidia.com/gpu: 3 of 2 (web 3)",
        ),
        (
            "requests.hugepages-2Mi",
            "12Mi",
            "8Mi",
            "requests.hugepages-2Mi: 12Mi of 8Mi (web 12Mi)",
        ),
        ("hugepages-2Mi", "12Mi", "8Mi", "hugepages-2Mi: 12Mi of 8Mi (web 12Mi)"),
        (
            "requests.storage",
            "11Gi",
            "10Gi",
            "requests.storage: 11Gi of 10Gi (web 11Gi)",
        ),
        (
            "fast.storageclass.storage.k8s.io/requests.storage",
            "11Gi",
            "10Gi",
            "fast.storageclass.storage.k8s.io/requests.storage: 11Gi of 10Gi (web 11Gi)",
        ),
        (
            "fast.storageclass.storage.k8s.io/persistentvolumeclaims",
            "4",
            "3",
            "fast.storageclass.storage.k8s.io/persistentvolumeclaims: 4 of 3 (web 4)",
        ),
        (
            "persistentvolumeclaims",
            "4",
            "3",
            "persistentvolumeclaims: 4 of 3 (web 4)",
        ),
        (
            "count/persistentvolumeclaims",
            "4",
            "3",
            "count/persistentvolumeclaims: 4 of 3 (web 4)",
        ),
        ("services", "1", "0", "services: 1 of 0 (web 1)"),
        ("count/services", "1", "0", "count/services: 1 of 0 (web 1)"),
        (
            "count/serviceaccounts",
            "2",
            "1",
            "count/serviceaccounts: 2 of 1 (api 1, web 1)",
        ),
        (
            "count/deployments.apps",
            "2",
            "1",
            "count/deployments.apps: 2 of 1 (api 1, web 1)",
        ),
        (
            "count/replicasets.apps",
            "2",
            "1",
            "count/replicasets.apps: 2 of 1 (api 1, web 1)",
        ),
        (
            "count/poddisruptionbudgets.policy",
            "2",
            "1",
            "count/poddisruptionbudgets.policy: 2 of 1 (api 1, web 1)",
        ),
        (
            "count/horizontalpodautoscalers.autoscaling",
            "1",
            "0",
            "count/horizontalpodautoscalers.autoscaling: 1 of 0 (api 1)",
        ),
    ] {
        assert_eq!(
            lacking(&needs(&objects, Scale::Least), &share(key, fits)),
            Vec::<String>::new(),
            "{key}"
        );
        assert_eq!(
            lacking(&needs(&objects, Scale::Least), &share(key, lacks)),
            [words],
            "{key}"
        );
    }
    for key in [
        "services.loadbalancers",
        "services.nodeports",
        "count/jobs.batch",
        "secrets",
    ] {
        assert_eq!(unfit(&objects, "acme", &share(key, "0")), None, "{key}");
    }
}

#[test]
fn an_autoscalers_most_is_reckoned_apart() {
    let objects = objects();
    assert_eq!(unfit(&objects, "acme", &share("pods", "8")), None);
    assert_eq!(
        unfit(&objects, "acme", &share("pods", "7")),
        Some(Unfit {
            message: "the workloads need more than namespace acme's share of the quota, once autoscalers start as many pods as they may: pods: 8 of 7 (api 5, web 3)".into(),
            only_scaled: true
        })
    );
    assert!(unfit(&objects, "acme", &share("pods", "4")).is_some_and(|unfit| !unfit.only_scaled));
}

#[test]
fn a_message_names_a_few_keys() {
    let none = [
        "pods",
        "services",
        "requests.cpu",
        "limits.cpu",
        "requests.memory",
        "limits.memory",
    ];
    let share = none.iter().map(|key| (key.to_string(), Quantity("0".into()))).collect();
    let message = unfit(&objects(), "acme", &share).expect("nothing fits").message;
    assert!(message.ends_with("and 2 more keys"), "{message}");
}
