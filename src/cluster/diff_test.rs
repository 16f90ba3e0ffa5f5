//! Tests of differences, and of the fields that a replacement keeps. tests/defaults.rs asks an API server about the defaults.

use super::*;
use crate::cluster::{Key, Kind};
use serde_json::json;

const MARKS: [(&str, &str); 2] = [(names::TENANT, "acme"), (names::TENANT_ID, "1")];

fn marked(mut value: Value) -> Value {
    for (label, text) in MARKS {
        value["metadata"]["labels"][label] = json!(text);
    }
    value["metadata"]["annotations"][names::OWNED_BY] = json!("acme/1");
    value
}

fn desired(kind: Kind, value: Value) -> Desired {
    Desired {
        key: key(kind),
        value: marked(value),
        others: Vec::new(),
        takes_over: false,
    }
}

fn key(kind: Kind) -> Key {
    Key {
        kind,
        namespace: "acme".into(),
        name: "web".into(),
    }
}

fn live(kind: Kind, value: Value) -> Live {
    Live {
        key: key(kind),
        uid: "uid-1".into(),
        resource_version: "7".into(),
        value: marked(value),
    }
}

fn compared(kind: Kind, wanted: Value, found: Value) -> Option<String> {
    difference(&desired(kind, wanted), &live(kind, found))
}

/// Returns a Deployment's container, or its pod, as the API server completes it.
fn pod(over: Value, container: Value) -> Value {
    let mut one = json!({"name": "web", "image": "web:1"});
    crate::testing::lay_over(&mut one, container);
    let mut spec = json!({"containers": [one]});
    crate::testing::lay_over(&mut spec, over);
    json!({"spec": {"replicas": 1, "template": {"spec": spec}}})
}

const RESTARTED: &str = "kubectl.kubernetes.io/restartedAt";

/// Kinds with a pod template; a further one needs the same.
#[test]
fn a_restart_stays_when_something_else_is_mended() {
    let restarted = |value: &Value| value.pointer("/spec/template/metadata/annotations").cloned();
    for (ours, all) in [
        (json!(null), json!({RESTARTED: "now"})),
        (json!({"a": "1"}), json!({"a": "1", RESTARTED: "now"})),
    ] {
        let of = |annotations: &Value, replicas: u8| {
            let metadata = match annotations {
                Value::Null => json!({}),
                annotations => json!({"annotations": annotations}),
            };
            json!({"spec": {"replicas": replicas, "template": {"metadata": metadata}}})
        };
        let (wanted, found) = (
            desired(Kind::Deployment, of(&ours, 2)),
            live(Kind::Deployment, of(&all, 9)),
        );
        assert_eq!(difference(&wanted, &found).as_deref(), Some("spec.replicas"));
        let written = replacement(&wanted, &found);
        assert_eq!(
            (restarted(&written), &written["spec"]["replicas"]),
            (Some(all), &json!(2))
        );
        // Where nobody restarted it, nothing is invented.
        let found = live(Kind::Deployment, of(&ours, 9));
        assert_eq!(replacement(&wanted, &found)["spec"], wanted.value["spec"]);
    }
    // Only this annotation, and only on the pod template.
    for other in [
        json!({"template": {"metadata": {"annotations": {"kubectl.kubernetes.io/default-container": "x"}}}}),
        json!({"template": {"metadata": {"annotations": {"restartedAt": "now"}}}}),
        json!({"template": {"metadata": {"labels": {RESTARTED: "now"}}}}),
        json!({"restartedAt": "now"}),
    ] {
        assert!(
            compared(Kind::Deployment, json!({"spec": {}}), json!({"spec": other})).is_some(),
            "{other}"
        );
    }
}

const CONTAINER: &str = "spec.template.spec.containers[0]";

#[test]
fn what_an_api_server_writes_differently_is_no_difference() {
    for (case, kind, wanted, found) in [
        (
            "canonical quantities",
            Kind::ResourceQuota,
            json!({"spec": {"hard": {"pods": 100, "limits.cpu": "1000m", "requests.storage": "1024Gi"}}}),
            json!({"spec": {"hard": {"pods": "100", "limits.cpu": "1", "requests.storage": "1Ti"}}}),
        ),
        (
            "defaults of a limit range",
            Kind::LimitRange,
            json!({"spec": {"limits": [{"default": {"cpu": "0.5"}, "defaultRequest": {"cpu": "0.1"}}]}}),
            json!({"spec": {"limits": [{"default": {"cpu": "500m"}, "defaultRequest": {"cpu": "100m"}}]}}),
        ),
        (
            "a container's quantities",
            Kind::Deployment,
            pod(json!({}), json!({"resources": {"limits": {"memory": "1024Mi"}}})),
            pod(json!({}), json!({"resources": {"limits": {"memory": "1Gi"}}})),
        ),
        (
            "an autoscaler's quantities",
            Kind::HorizontalPodAutoscaler,
            json!({"spec": {"metrics": [{"pods": {"target": {"averageValue": "1000m"}}}, {"external": {"target": {"value": 5000}}}],
                            "behavior": {"scaleDown": {"tolerance": "0.5"}}}}),
            json!({"spec": {"metrics": [{"pods": {"target": {"averageValue": "1"}}}, {"external": {"target": {"value": "5k"}}}],
                            "behavior": {"scaleDown": {"tolerance": "500m"}}}}),
        ),
        (
            "a volume's size",
            Kind::Deployment,
            pod(
                json!({"volumes": [{"name": "a", "emptyDir": {"sizeLimit": "1024Mi"}}]}),
                json!({}),
            ),
            pod(
                json!({"volumes": [{"name": "a", "emptyDir": {"sizeLimit": "1Gi"}}]}),
                json!({}),
            ),
        ),
        (
            "an empty variable",
            Kind::Deployment,
            pod(json!({}), json!({"env": [{"name": "A", "value": ""}]})),
            pod(json!({}), json!({"env": [{"name": "A"}]})),
        ),
        (
            "a mount that is written to",
            Kind::Deployment,
            pod(
                json!({}),
                json!({"volumeMounts": [{"name": "a", "mountPath": "/a", "readOnly": false}]}),
            ),
            pod(json!({}), json!({"volumeMounts": [{"name": "a", "mountPath": "/a"}]})),
        ),
        (
            "a probe without delay",
            Kind::Deployment,
            pod(json!({}), json!({"livenessProbe": {"initialDelaySeconds": 0}})),
            pod(json!({}), json!({"livenessProbe": {}})),
        ),
        (
            "a probe of the root",
            Kind::Deployment,
            pod(json!({}), json!({"livenessProbe": {"httpGet": {"port": 1}}})),
            pod(
                json!({}),
                json!({"livenessProbe": {"httpGet": {"port": 1, "path": "/", "scheme": "HTTP"}}}),
            ),
        ),
        (
            "empty lists and objects",
            Kind::NetworkPolicy,
            json!({"spec": {"podSelector": {}, "ingress": [], "policyTypes": ["Ingress"]}}),
            json!({"spec": {"podSelector": {}, "policyTypes": ["Ingress"]}}),
        ),
        (
            "no selector at all",
            Kind::NetworkPolicy,
            json!({"spec": {"podSelector": {}}}),
            json!({"spec": {}}),
        ),
        (
            "status",
            Kind::ResourceQuota,
            json!({"spec": {}}),
            json!({"spec": {}, "status": {"used": {"pods": "1"}}}),
        ),
        (
            "what is the cluster's",
            Kind::Service,
            json!({"spec": {"ports": [{"port": 1}]}}),
            json!({"spec": {"ports": [{"port": 1, "targetPort": 1, "protocol": "TCP"}], "clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"],
                "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack", "type": "ClusterIP", "sessionAffinity": "None", "internalTrafficPolicy": "Cluster"}}),
        ),
        (
            "a restart of a workload",
            Kind::Deployment,
            json!({"spec": {"template": {"spec": {}}}}),
            json!({"spec": {"template": {"metadata": {"annotations": {RESTARTED: "2026-01-02T03:04:05Z"}}, "spec": {}}}}),
        ),
        (
            "a restart beside an annotation of ours",
            Kind::Deployment,
            json!({"spec": {"template": {"metadata": {"annotations": {"a": "1"}}}}}),
            json!({"spec": {"template": {"metadata": {"annotations": {"a": "1", RESTARTED: "2026-01-02T03:04:05Z"}}}}}),
        ),
        (
            "a bound claim",
            Kind::PersistentVolumeClaim,
            json!({"spec": {"storageClassName": "fast"}}),
            json!({"spec": {"storageClassName": "fast", "volumeName": "pv-1", "volumeMode": "Filesystem"}}),
        ),
        (
            "a namespace's finalizer",
            Kind::Namespace,
            json!({}),
            json!({"spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}}),
        ),
        (
            "a token's Secret",
            Kind::ServiceAccount,
            json!({"automountServiceAccountToken": false}),
            json!({"automountServiceAccountToken": false, "secrets": [{"name": "a"}], "imagePullSecrets": [{"name": "b"}]}),
        ),
        (
            "foreign metadata",
            Kind::ConfigMap,
            json!({"metadata": {"labels": {"a": "b"}}}),
            json!({"metadata": {"labels": {"a": "b", "c": "d"}, "annotations": {"e": "f"}, "generation": 3, "finalizers": ["x/y"]}}),
        ),
        (
            "type and version",
            Kind::ConfigMap,
            json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {}}),
            json!({}),
        ),
    ] {
        assert_eq!(compared(kind, wanted, found), None, "{case}");
    }
}

#[test]
fn every_drift_is_a_difference_and_named() {
    let quota = |hard: Value| json!({"spec": {"hard": hard}});
    let policy = |spec: Value| json!({"spec": spec});
    for (kind, wanted, found, path) in [
        (
            Kind::ResourceQuota,
            quota(json!({"pods": "10"})),
            quota(json!({"pods": "11"})),
            "spec.hard.pods",
        ),
        (
            Kind::ResourceQuota,
            quota(json!({"pods": "10"})),
            quota(json!({})),
            "spec.hard.pods",
        ),
        (
            Kind::ResourceQuota,
            quota(json!({"pods": "10", "secrets": "1"})),
            quota(json!({"pods": "10"})),
            "spec.hard.secrets",
        ),
        (
            Kind::ResourceQuota,
            quota(json!({"pods": "10"})),
            quota(json!({"pods": "10", "secrets": "1"})),
            "spec.hard.secrets",
        ),
        (
            Kind::ResourceQuota,
            quota(json!({"pods": "10"})),
            json!({"spec": {"hard": {"pods": "10"}, "scopes": ["BestEffort"]}}),
            "spec.scopes",
        ),
        (
            Kind::ConfigMap,
            json!({"data": {"a": "1k"}}),
            json!({"data": {"a": "1000"}}),
            "data.a",
        ),
        (
            Kind::ConfigMap,
            json!({"data": {"a": "1"}}),
            json!({"data": {"a": "1"}, "binaryData": {"b": "MQ=="}}),
            "binaryData",
        ),
        (
            Kind::ConfigMap,
            json!({"data": {"a": "1"}}),
            json!({"data": {"a": "1"}, "immutable": true}),
            "immutable",
        ),
        (
            Kind::NetworkPolicy,
            policy(json!({"podSelector": {}})),
            policy(json!({"podSelector": {"matchLabels": {"a": "b"}}})),
            "spec.podSelector.matchLabels",
        ),
        (
            Kind::NetworkPolicy,
            policy(json!({"policyTypes": ["Ingress", "Egress"]})),
            policy(json!({"policyTypes": ["Ingress"]})),
            "spec.policyTypes",
        ),
        (
            Kind::NetworkPolicy,
            policy(json!({})),
            policy(json!({"ingress": [{}]})),
            "spec.ingress",
        ),
        (
            Kind::RoleBinding,
            json!({"subjects": [{"name": "a"}]}),
            json!({"subjects": [{"name": "a"}, {"name": "b"}]}),
            "subjects",
        ),
        (
            Kind::RoleBinding,
            json!({"subjects": [{"name": "a"}]}),
            json!({"subjects": [{"name": "b"}]}),
            "subjects[0].name",
        ),
        (
            Kind::ServiceAccount,
            json!({"automountServiceAccountToken": false}),
            json!({"automountServiceAccountToken": true}),
            "automountServiceAccountToken",
        ),
        (
            Kind::ServiceAccount,
            json!({"automountServiceAccountToken": false}),
            json!({}),
            "automountServiceAccountToken",
        ),
        (
            Kind::Service,
            json!({"spec": {"ports": [{"port": 1}]}}),
            json!({"spec": {"ports": [{"port": 1, "nodePort": 30000}]}}),
            "spec.ports[0].nodePort",
        ),
        (
            Kind::Service,
            json!({"spec": {}}),
            json!({"spec": {"type": "NodePort"}}),
            "spec.type",
        ),
        (
            Kind::Service,
            json!({"spec": {}}),
            json!({"spec": {"externalIPs": ["1.2.3.4"]}}),
            "spec.externalIPs",
        ),
        (
            Kind::Service,
            json!({"spec": {"ports": [{"port": 1}]}}),
            json!({"spec": {"ports": [{"port": 1, "targetPort": 2}]}}),
            "spec.ports[0].targetPort",
        ),
        (
            Kind::PersistentVolumeClaim,
            json!({"spec": {"resources": {"requests": {"storage": "1Gi"}}}}),
            json!({"spec": {"resources": {"requests": {"storage": "2Gi"}}}}),
            "spec.resources.requests.storage",
        ),
        (
            Kind::Deployment,
            json!({"spec": {"replicas": 0}}),
            json!({"spec": {"replicas": 3}}),
            "spec.replicas",
        ),
        (
            Kind::Deployment,
            json!({"spec": {}}),
            json!({"spec": {"paused": true}}),
            "spec.paused",
        ),
        (
            Kind::Deployment,
            json!({"spec": {}}),
            json!({"spec": {"strategy": {"type": "Recreate"}}}),
            "spec.strategy",
        ),
    ] {
        assert_eq!(compared(kind, wanted, found).as_deref(), Some(path), "{kind}");
    }
    let sidecar = json!({"spec": {"replicas": 1, "template": {"spec": {"containers": [{"name": "web", "image": "web:1"}, {"name": "spy"}]}}}});
    assert_eq!(
        compared(Kind::Deployment, pod(json!({}), json!({})), sidecar).as_deref(),
        Some("spec.template.spec.containers")
    );
    for (field, value) in [
        ("hostNetwork", json!(true)),
        ("hostPID", json!(true)),
        ("nodeName", json!("node-1")),
        ("initContainers", json!([{"name": "spy"}])),
        ("serviceAccount", json!("default")),
        ("restartPolicy", json!("Never")),
        ("dnsPolicy", json!("Default")),
        ("schedulerName", json!("mine")),
        ("terminationGracePeriodSeconds", json!(0)),
        ("tolerations", json!([{"operator": "Exists"}])),
    ] {
        let found = compared(
            Kind::Deployment,
            pod(json!({}), json!({})),
            pod(json!({field: value}), json!({})),
        );
        assert_eq!(found, Some(format!("spec.template.spec.{field}")));
    }
    for (wanted, found, path) in [
        (json!({}), json!({"image": "evil:1"}), "image"),
        (json!({}), json!({"imagePullPolicy": "Never"}), "imagePullPolicy"),
        (json!({}), json!({"command": ["sh"]}), "command"),
        (
            json!({}),
            json!({"securityContext": {"privileged": true}}),
            "securityContext",
        ),
        (
            json!({"securityContext": {"allowPrivilegeEscalation": false}}),
            json!({"securityContext": {}}),
            "securityContext.allowPrivilegeEscalation",
        ),
        (
            json!({"env": [{"name": "A", "value": "1k"}]}),
            json!({"env": [{"name": "A", "value": "1000"}]}),
            "env[0].value",
        ),
        (
            json!({"env": [{"name": "A", "value": ""}]}),
            json!({"env": [{"name": "A", "value": "x"}]}),
            "env[0].value",
        ),
        (
            json!({"env": [{"name": "A", "value": "x"}]}),
            json!({"env": [{"name": "A"}]}),
            "env[0].value",
        ),
        (
            json!({"resources": {"limits": {"cpu": "1"}}}),
            json!({"resources": {"limits": {"cpu": "2"}}}),
            "resources.limits.cpu",
        ),
        (json!({"resources": {"limits": {"cpu": "1"}}}), json!({}), "resources"),
        (
            json!({"livenessProbe": {"httpGet": {"port": 1}}}),
            json!({"livenessProbe": {"httpGet": {"port": 1, "path": "/x"}}}),
            "livenessProbe.httpGet.path",
        ),
        (
            json!({"livenessProbe": {"periodSeconds": 5}}),
            json!({"livenessProbe": {}}),
            "livenessProbe.periodSeconds",
        ),
        (
            json!({"livenessProbe": {}}),
            json!({"livenessProbe": {"initialDelaySeconds": 9}}),
            "livenessProbe",
        ),
        (
            json!({"volumeMounts": [{"readOnly": true}]}),
            json!({"volumeMounts": [{}]}),
            "volumeMounts[0].readOnly",
        ),
    ] {
        let found = compared(Kind::Deployment, pod(json!({}), wanted), pod(json!({}), found));
        let found = found.unwrap_or_else(|| panic!("{path}: nothing found"));
        assert!(found.starts_with(&format!("{CONTAINER}.{path}")), "{path}: {found}");
    }
}

#[test]
fn marks_that_were_stripped_changed_or_added_are_differences() {
    let wanted = desired(
        Kind::ConfigMap,
        json!({"metadata": {"labels": {names::MANAGED_BY: names::MANAGER}}}),
    );
    let change = |pointer: &str, key: &str, value: Option<&str>| {
        let mut found = live(Kind::ConfigMap, wanted.value.clone());
        let map = found
            .value
            .pointer_mut(pointer)
            .and_then(Value::as_object_mut)
            .expect("a map");
        match value {
            Some(text) => map.insert(key.into(), json!(text)),
            None => map.remove(key),
        };
        difference(&wanted, &found)
    };
    let (labels, annotations) = ("/metadata/labels", "/metadata/annotations");
    assert_eq!(change(labels, names::TENANT, Some("acme")), None, "the control");
    for (pointer, key, value) in [
        (labels, names::TENANT, None),
        (labels, names::TENANT_ID, Some("2")),
        (labels, names::MANAGED_BY, Some("Helm")),
        (labels, names::RETAINED, Some("true")),
        (annotations, names::OWNED_BY, None),
        (annotations, "tenant-operator.io/anything", Some("else")),
    ] {
        let section = pointer.trim_start_matches("/metadata/");
        assert_eq!(change(pointer, key, value), Some(format!("metadata.{section}.{key}")));
    }
    let mut bare = live(Kind::ConfigMap, json!({}));
    bare.value = json!({"metadata": {"name": "web"}});
    assert!(difference(&wanted, &bare).is_some(), "no labels at all");
}

#[test]
fn what_is_somebody_elses_is_not_compared_and_kept() {
    let mut wanted = desired(Kind::Deployment, json!({"spec": {"replicas": 2, "paused": false}}));
    let found = live(Kind::Deployment, json!({"spec": {"replicas": 5, "paused": false}}));
    assert_eq!(difference(&wanted, &found).as_deref(), Some("spec.replicas"));
    wanted.others = vec!["/spec/replicas"];
    assert_eq!(difference(&wanted, &found), None);
    assert_eq!(replacement(&wanted, &found)["spec"]["replicas"], 5);
}

#[test]
fn a_replacement_keeps_what_is_others_and_drops_what_is_stale() {
    let wanted = desired(
        Kind::Service,
        json!({"metadata": {"name": "web", "namespace": "acme", "labels": {names::MANAGED_BY: names::MANAGER}},
               "spec": {"ports": [{"port": 1}]}}),
    );
    let found = live(
        Kind::Service,
        json!({
            "metadata": {
                "name": "web", "namespace": "acme", "uid": "uid-1", "resourceVersion": "6", "generation": 4,
                "labels": {"theirs": "kept", "tenant-operator.io/stale": "gone", names::MANAGED_BY: "Helm"},
                "annotations": {"theirs": "kept", names::RECLAIM: "gone"},
                "finalizers": ["theirs/kept"],
                "ownerReferences": [{"name": "theirs"}],
            },
            "spec": {"ports": [{"port": 2}], "clusterIP": "10.0.0.9", "clusterIPs": ["10.0.0.9"], "ipFamilies": ["IPv4"],
                     "ipFamilyPolicy": "SingleStack", "type": "NodePort", "externalIPs": ["1.2.3.4"]},
            "status": {"loadBalancer": {}},
        }),
    );
    let mut expected = marked(json!({
        "metadata": {
            "name": "web", "namespace": "acme", "uid": "uid-1", "resourceVersion": "7",
            "labels": {"theirs": "kept", names::MANAGED_BY: names::MANAGER},
            "annotations": {"theirs": "kept"},
            "finalizers": ["theirs/kept"],
            "ownerReferences": [{"name": "theirs"}],
        },
        "spec": {"ports": [{"port": 1}], "clusterIP": "10.0.0.9", "clusterIPs": ["10.0.0.9"], "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack"},
    }));
    assert_eq!(replacement(&wanted, &found), expected);
    // Replacing leaves nothing to replace.
    expected["status"] = json!({"loadBalancer": {}});
    let after = Live {
        value: expected,
        ..found
    };
    assert_eq!(difference(&wanted, &after), None);
}

#[test]
fn a_claims_volume_and_class_stay_with_it() {
    let mut wanted = desired(
        Kind::PersistentVolumeClaim,
        json!({"spec": {"resources": {"requests": {"storage": "2Gi"}}}}),
    );
    wanted.others = vec!["/spec/storageClassName"];
    let found = live(
        Kind::PersistentVolumeClaim,
        json!({"spec": {"resources": {"requests": {"storage": "1Gi"}}, "volumeName": "pv", "volumeMode": "Filesystem", "storageClassName": "standard"}}),
    );
    assert_eq!(
        difference(&wanted, &found).as_deref(),
        Some("spec.resources.requests.storage")
    );
    let spec = &replacement(&wanted, &found)["spec"];
    assert_eq!(
        (&spec["volumeName"], &spec["volumeMode"], &spec["storageClassName"]),
        (&json!("pv"), &json!("Filesystem"), &json!("standard"))
    );
    assert_eq!(spec["resources"]["requests"]["storage"], "2Gi");
}

#[test]
fn what_is_others_and_not_there_yet_is_not_invented() {
    let wanted = desired(Kind::Service, json!({"spec": {"clusterIP": "10.0.0.1", "ports": []}}));
    let found = live(Kind::Service, json!({"spec": {"ports": []}}));
    assert_eq!(replacement(&wanted, &found)["spec"].get("clusterIP"), None);
}

#[test]
fn owners_are_as_we_name_them_and_else_whoevers() {
    let owned = |owners: serde_json::Value| json!({"metadata": {"ownerReferences": owners}, "source": "ours"});
    let ours = json!([{"name": "acme", "uid": "uid-1"}]);
    let wanted = desired(Kind::ClusterReport, owned(ours.clone()));
    for others in [json!(null), json!([]), json!([{"name": "acme", "uid": "uid-2"}])] {
        let found = live(Kind::ClusterReport, owned(others.clone()));
        assert_eq!(
            difference(&wanted, &found).as_deref(),
            Some("metadata.ownerReferences"),
            "{others}"
        );
        assert_eq!(
            replacement(&wanted, &found)["metadata"]["ownerReferences"],
            ours,
            "{others}"
        );
    }
    assert_eq!(
        difference(&wanted, &live(Kind::ClusterReport, owned(ours.clone()))),
        None
    );
    let unnamed = desired(Kind::ConfigMap, json!({"data": {}}));
    let found = live(
        Kind::ConfigMap,
        json!({"metadata": {"ownerReferences": ours}, "data": {}}),
    );
    assert_eq!(difference(&unnamed, &found), None);
}

#[test]
fn the_status_counts_where_the_operator_itself_writes_it() {
    let conditions = json!([{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}]);
    let said = |tier: &str| json!({"status": {"tier": tier, "conditions": conditions}});
    let mut found = marked(said("gold"));
    crate::cluster::object::trim(Kind::TenantView, &mut found);
    assert_eq!(compared(Kind::TenantView, said("gold"), found.clone()), None);
    let difference = compared(Kind::TenantView, said("silver"), found);
    assert_eq!(difference.as_deref(), Some("status.tier"));
    // One from before, which had a spec.
    let former = json!({"spec": {"tier": "gold"}});
    assert!(compared(Kind::TenantView, said("gold"), former).is_some());
    assert_eq!(compared(Kind::Deployment, json!({}), said("gold")), None);
}
