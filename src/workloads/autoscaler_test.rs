//! The targets of autoscalers, and the rules of both directions.

use super::*;
use crate::tenant::fixtures::acme;
use serde_json::{Value, json};

fn spec(autoscaling: Value) -> Value {
    let workload = json!({"name": "web", "image": "web:1", "autoscaling": autoscaling});
    let tenant = acme(json!({"workloads": [workload]}), json!({}));
    let object = autoscaler(&tenant.core, &tenant.core.workloads[0]).expect("an autoscaler");
    object.value["spec"].clone()
}

fn of_resource(name: &str, percent: i32) -> Value {
    json!({"type": "Resource", "resource": {"name": name, "target": {"type": "Utilization", "averageUtilization": percent}}})
}

#[test]
fn each_target_becomes_a_metric() {
    let requests = json!({"type": "Pods", "name": "http_requests_per_second", "averageValue": "100"});
    let as_metric = json!({"type": "Pods", "pods": {"metric": {"name": "http_requests_per_second"}, "target": {"type": "AverageValue", "averageValue": "100"}}});
    let queue = json!({"type": "External", "name": "queue_length", "selector": {"matchLabels": {"queue": "calls"}}, "value": 30});
    let as_external = json!({"type": "External", "external": {"metric": {"name": "queue_length", "selector": {"matchLabels": {"queue": "calls"}}},
                                                              "target": {"type": "Value", "value": "30"}}});
    let cpu = ("targetCPUUtilizationPercentage", json!(70));
    let memory = ("targetMemoryUtilizationPercentage", json!(75));
    let metrics = ("metrics", json!([requests, queue]));
    for (fields, wanted) in [
        (vec![], vec![of_resource("cpu", 80)]),
        (vec![&cpu], vec![of_resource("cpu", 70)]),
        (vec![&memory], vec![of_resource("memory", 75)]),
        (
            vec![&cpu, &memory],
            vec![of_resource("cpu", 70), of_resource("memory", 75)],
        ),
        (vec![&metrics], vec![as_metric.clone(), as_external.clone()]),
        (
            vec![&cpu, &metrics],
            vec![of_resource("cpu", 70), as_metric, as_external],
        ),
    ] {
        let mut autoscaling = json!({"maxReplicas": 3});
        for (field, value) in &fields {
            autoscaling[*field] = value.clone();
        }
        assert_eq!(spec(autoscaling)["metrics"], Value::from(wanted), "{fields:?}");
    }
}

#[test]
fn rules_are_kubernetes_own_where_none_are_given() {
    let percent = |value: i32, seconds: i32| json!({"type": "Percent", "value": value, "periodSeconds": seconds});
    let pods = |value: i32, seconds: i32| json!({"type": "Pods", "value": value, "periodSeconds": seconds});
    let down = json!({"policies": [percent(100, 15)], "selectPolicy": "Max", "stabilizationWindowSeconds": 300});
    let up =
        json!({"policies": [pods(4, 15), percent(100, 15)], "selectPolicy": "Max", "stabilizationWindowSeconds": 0});
    assert_eq!(
        spec(json!({"maxReplicas": 3}))["behavior"],
        json!({"scaleUp": up, "scaleDown": down})
    );

    let short = spec(
        json!({"maxReplicas": 3, "scaleDownStabilizationWindowSeconds": 60, "behavior": {"scaleDown": {"tolerance": "500m"}}}),
    );
    let wanted = json!({"policies": [percent(100, 15)], "selectPolicy": "Max", "stabilizationWindowSeconds": 60, "tolerance": "500m"});
    assert_eq!(short["behavior"], json!({"scaleUp": up, "scaleDown": wanted}));

    let own = spec(json!({"maxReplicas": 3, "behavior": {
        "scaleUp": {"stabilizationWindowSeconds": 30, "selectPolicy": "Min", "policies": [pods(1, 60), percent(50, 60)]},
        "scaleDown": {"stabilizationWindowSeconds": 0, "selectPolicy": "Disabled"},
    }}));
    let up =
        json!({"policies": [pods(1, 60), percent(50, 60)], "selectPolicy": "Min", "stabilizationWindowSeconds": 30});
    let down = json!({"policies": [percent(100, 15)], "selectPolicy": "Disabled", "stabilizationWindowSeconds": 0});
    assert_eq!(own["behavior"], json!({"scaleUp": up, "scaleDown": down}));
}

#[test]
fn a_target_in_percent_needs_a_request() {
    let defaults = |cpu: &str, memory: &str| -> ContainerResources {
        serde_json::from_value(
            json!({"requests": {"cpu": cpu, "memory": memory}, "limits": {"cpu": "1", "memory": "1Gi"}}),
        )
        .expect("resources")
    };
    let reasons = |defaults: &ContainerResources, autoscaling: Value, resources: Value| -> Vec<String> {
        let workload = json!({"name": "web", "autoscaling": autoscaling, "resources": resources});
        let workload = serde_json::from_value(workload).expect("a workload");
        let mut errors = Vec::new();
        check(defaults, &[workload], &mut errors);
        errors.iter().map(ToString::to_string).collect()
    };
    let memory = json!({"maxReplicas": 3, "targetMemoryUtilizationPercentage": 80});
    let none: [&str; 0] = [];
    assert_eq!(
        reasons(&defaults("100m", "128Mi"), memory.clone(), json!({})),
        none,
        "the tier's"
    );
    assert_eq!(
        reasons(
            &defaults("0", "0"),
            memory.clone(),
            json!({"requests": {"memory": "1Mi"}})
        ),
        none,
        "its own"
    );
    assert_eq!(
        reasons(
            &defaults("0", "128Mi"),
            memory.clone(),
            json!({"limits": {"memory": "1Mi"}})
        ),
        none,
        "the limit"
    );
    let custom = json!({"maxReplicas": 3, "metrics": [{"type": "Pods", "name": "requests", "averageValue": 1}]});
    assert_eq!(reasons(&defaults("0", "0"), custom, json!({})), none, "no percent");
    let message = |resource: &str| {
        format!(
            "spec.workloads: web: autoscaling by {resource} is in percent of the request, which is 0: set resources.requests.{resource}, or another target"
        )
    };
    assert_eq!(
        reasons(&defaults("0", "0"), memory.clone(), json!({})),
        [message("memory")]
    );
    assert_eq!(
        reasons(&defaults("100m", "128Mi"), memory, json!({"requests": {"memory": "0"}})),
        [message("memory")]
    );
    assert_eq!(
        reasons(&defaults("0", "128Mi"), json!({"maxReplicas": 3}), json!({})),
        [message("cpu")]
    );
}
