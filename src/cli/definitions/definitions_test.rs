use super::*;
use serde_json::json;

fn object(kind: &str, spec: &Value) -> Value {
    json!({"apiVersion": "tenant-operator.io/v1alpha1", "kind": kind, "metadata": {"name": "acme"}, "spec": spec})
}

fn causes(kind: &str, spec: &Value) -> Vec<String> {
    let definitions = Definitions::new().expect("definitions");
    let found = definitions.causes(kind, &object(kind, spec));
    found.iter().map(ToString::to_string).collect()
}

fn workload(fields: Value) -> Value {
    let mut whole = json!({"tier": "plan", "workloads": [{"name": "web"}]});
    let Value::Object(fields) = fields else {
        panic!("fields")
    };
    whole["workloads"][0]
        .as_object_mut()
        .expect("a workload")
        .extend(fields);
    whole
}

/// The expected texts are a real API server's: `tests/api/refusals.rs` compares more of them.
#[test]
fn messages_are_the_api_servers() {
    let unchecked = format!("Invalid value: null: {UNCHECKED}");
    let w = "spec.workloads[0]";
    let key = "spec.gateway.authentication.apiKeys[0]";
    for (spec, expected) in [
        (
            workload(json!({"replicas": -3})),
            vec![format!(
                "{w}.replicas: Invalid value: -3: {w}.replicas in body should be greater than or equal to 0"
            )],
        ),
        (
            workload(json!({"replicas": "1"})),
            vec![
                format!("{w}.replicas: Invalid value: \"string\": {w}.replicas in body must be of type integer: \"string\""),
                unchecked.clone(),
            ],
        ),
        (
            workload(json!({"replicas": 1.5})),
            vec![
                format!("{w}.replicas: Invalid value: \"float64\": {w}.replicas in body must be of type int32: \"float64\""),
                unchecked.clone(),
            ],
        ),
        (
            workload(json!({"replicas": 1, "autoscaling": {"minReplicas": 3, "maxReplicas": 2}})),
            vec![
                format!("{w}: Invalid value: replicas and autoscaling exclude each other"),
                format!("{w}.autoscaling: Invalid value: minReplicas must not exceed maxReplicas"),
            ],
        ),
        (
            workload(json!({"autoscaling": {"maxReplicas": 2, "metrics": [{"type": "Pods", "name": "a", "value": 1}],
                "scaleDownStabilizationWindowSeconds": 1, "behavior": {"scaleDown": {"stabilizationWindowSeconds": 1}}}})),
            vec![
                format!("{w}.autoscaling: Invalid value: scaleDownStabilizationWindowSeconds and behavior.scaleDown.stabilizationWindowSeconds exclude each other"),
                format!("{w}.autoscaling.metrics[0]: Invalid value: value belongs to External metrics: a metric of Pods has an averageValue"),
            ],
        ),
        (
            workload(json!({"imagePullPolicy": null})),
            vec![
                format!(
                    "{w}.imagePullPolicy: Unsupported value: null: supported values: \"Always\", \"IfNotPresent\", \"Never\""
                ),
                unchecked.clone(),
            ],
        ),
        (json!({}), vec!["spec.tier: Required value".to_string(), unchecked.clone()]),
        (json!({"tier": null}), vec!["spec.tier: Required value".to_string(), unchecked.clone()]),
        (
            json!({"tier": "plan", "teir": 1}),
            vec!["strict decoding error: unknown field \"spec.teir\"".to_string()],
        ),
        (
            json!({"tier": "plan", "workloads": [{"name": "a"}, {"name": "a"}, {"name": "a"}]}),
            vec!["spec.workloads[1]: Duplicate value: {\"name\":\"a\"}".to_string()],
        ),
        (
            json!({"tier": "plan", "owners": [{"kind": "User", "name": "u", "namespace": "x", "role": "Admin"}]}),
            vec!["spec.owners[0]: Invalid value: a ServiceAccount, and only a ServiceAccount, has a namespace".to_string()],
        ),
        (
            json!({"tier": "plan", "quota": {"requests.cpu": true}}),
            vec![
                "spec.quota.requests.cpu: Invalid value: \"boolean\": spec.quota.requests.cpu in body must be of type integer,string: \"boolean\"".to_string(),
                unchecked.clone(),
            ],
        ),
        (
            json!({"tier": "plan", "credentials": {"rotationInterval": "10s"}}),
            vec!["spec.credentials.rotationInterval: Invalid value: \"10s\": must be at least 1m".to_string()],
        ),
        (
            json!({"tier": "plan", "credentials": {"rotationInterval": "90d", "overlap": "1w"}}),
            vec![
                "spec.credentials.overlap: Invalid value: \"1w\": spec.credentials.overlap in body should match '^([0-9]{1,5}(h|m|s|ms)){1,4}$'".to_string(),
                "spec.credentials.rotationInterval: Invalid value: \"90d\": spec.credentials.rotationInterval in body should match '^([0-9]{1,5}(h|m|s|ms)){1,4}$'".to_string(),
            ],
        ),
        (
            json!({"tier": "plan", "gateway": {"authentication": {"apiKeys": [{"name": "a", "expiresAt": "2016-12-31T23:59:60Z"}]}}}),
            vec![
                format!("{key}.expiresAt: Invalid value: \"2016-12-31T23:59:60Z\": {key}.expiresAt in body must be of type date-time: \"2016-12-31T23:59:60Z\""),
                unchecked.clone(),
            ],
        ),
        (
            json!({"tier": "plan", "owners": null, "suspend": null, "quota": {"pods": null}, "configuration": {"a": null}}),
            vec![],
        ),
        (
            json!({"tier": "plan", "workloads": [{"name": "a", "autoscaling": {"maxReplicas": 2, "minReplicas": null}}]}),
            vec![],
        ),
    ] {
        assert_eq!(causes("Tenant", &spec), expected, "{spec}");
    }
}

#[test]
fn metadata_has_its_own_rules() {
    let definitions = Definitions::new().expect("definitions");
    let name = |name: &str| {
        let mut tier = object("TenantTier", &json!({}));
        tier["metadata"] = json!({"name": name, "labels": {"a b": "c d"}, "nmae": 1});
        let found = definitions.causes("TenantTier", &tier);
        found.into_iter().map(|cause| cause.to_string()).collect::<Vec<_>>()
    };
    let found = name("A_b");
    for (start, field) in [
        (
            "metadata.name: Invalid value: \"A_b\": a lowercase RFC 1123 subdomain",
            "name",
        ),
        ("metadata.labels: Invalid value: \"a b\": name part", "key"),
        ("metadata.labels: Invalid value: \"c d\": a valid label", "value"),
        ("strict decoding error: unknown field \"metadata.nmae\"", "unknown"),
    ] {
        assert!(found.iter().any(|cause| cause.starts_with(start)), "{field}: {found:?}");
    }
    assert!(name("").contains(&"metadata.name: Required value: name or generateName is required".to_string()));
}

#[test]
fn every_sample_is_accepted() {
    let definitions = Definitions::new().expect("definitions");
    for spec in [
        json!({"tier": "plan"}),
        workload(json!({"ports": [{"name": "http", "containerPort": 8080}]})),
    ] {
        assert_eq!(definitions.causes("Tenant", &object("Tenant", &spec)), []);
    }
}
