//! `tests/api/pods.rs` compares these rules with an API server's; here are those that Kubernetes lacks.

use super::*;
use serde_json::{Value, json};

fn said(fields: Value) -> Vec<String> {
    let mut whole = json!({"name": "web", "image": "web:1"});
    crate::testing::lay_over(&mut whole, fields);
    let workload: Workload = serde_json::from_value(whole).expect("a workload");
    faults(&workload)
        .into_iter()
        .map(|(part, message)| format!("{part}: {message}"))
        .collect()
}

#[test]
fn a_probe_names_a_port_of_the_workload() {
    let with = |port: &str| {
        json!({"ports": [{"name": "http", "containerPort": 80}], "livenessProbe": {"httpGet": {"port": port}},
               "readinessProbe": {"tcpSocket": {"port": port}}})
    };
    assert_eq!(said(with("http")), Vec::<String>::new());
    assert_eq!(
        said(with("https")),
        [
            ".livenessProbe.httpGet.port: the workload has no port https",
            ".readinessProbe.tcpSocket.port: the workload has no port https"
        ]
    );
}

#[test]
fn a_number_is_there_once_for_each_protocol() {
    let ports = json!({"ports": [{"name": "http", "containerPort": 80}, {"name": "metrics", "containerPort": 80, "protocol": "TCP"},
                                 {"name": "dns", "containerPort": 80, "protocol": "UDP"}]});
    assert_eq!(
        said(ports),
        [".ports[1].containerPort: TCP 80 is also the port http: a Service has each number once for a protocol"]
    );
}

#[test]
fn a_claim_and_a_mount_need_two_paths() {
    let twice = json!({"volumeClaims": [{"name": "data", "mountPath": "/data", "storage": "1Gi"}],
                       "volumeMounts": [{"name": "data", "mountPath": "/data", "subPath": "a"}]});
    assert_eq!(said(twice), [".volumeMounts[0].mountPath: /data is there twice"]);
    let class = json!({"volumeClaims": [{"name": "data", "mountPath": "/data", "storage": "1Gi", "storageClassName": "A_",
                                         "accessModes": ["ReadWriteOncePod", "ReadWriteOnce"]}]});
    assert_eq!(said(class).len(), 2);
}

#[test]
fn a_target_of_a_metric_is_above_zero_and_has_a_name() {
    let metric = |fields: Value| {
        let mut whole = json!({"type": "Pods", "name": "requests", "averageValue": "100m"});
        crate::testing::lay_over(&mut whole, fields);
        json!({"autoscaling": {"maxReplicas": 3, "metrics": [whole]}})
    };
    assert_eq!(said(metric(json!({}))), Vec::<String>::new());
    for (fields, words) in [
        (json!({"averageValue": "0"}), "averageValue: must be above zero"),
        (
            json!({"averageValue": "many"}),
            "averageValue: is not a quantity such as 500m, 2 or 10Gi",
        ),
        (json!({"averageValue": null, "value": "0"}), "value: must be above zero"),
        (
            json!({"name": ".."}),
            "name: \"..\" is no name of a metric: it must not be `.` or `..`, nor contain `/` or `%`",
        ),
    ] {
        assert_eq!(said(metric(fields)), [format!(".autoscaling.metrics[0].{words}")]);
    }
    let tolerance = json!({"autoscaling": {"maxReplicas": 3, "behavior": {"scaleUp": {"tolerance": "half"}}}});
    let path = ".autoscaling.behavior.scaleUp.tolerance";
    assert_eq!(
        said(tolerance),
        [format!("{path}: is not a quantity such as 500m, 2 or 10Gi")]
    );
}

#[test]
fn an_image_has_no_space_around_it() {
    assert_eq!(said(json!({"image": " web"})).len(), 1);
}
