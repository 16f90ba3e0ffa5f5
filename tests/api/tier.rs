//! A tier's own fields.

use crate::harness::Dry;
use anyhow::Result;
use serde_json::json;

#[tokio::test]
async fn an_empty_tier_is_a_tier() -> Result<()> {
    Dry::tier().await?.accepts("nothing", json!({})).await?;
    Ok(())
}

#[tokio::test]
async fn pod_security_is_restricted_or_baseline() -> Result<()> {
    let dry = Dry::tier().await?;
    for standard in ["restricted", "baseline"] {
        dry.accepts(standard, json!({"podSecurity": standard})).await?;
    }
    for bad in ["privileged", "Restricted", ""] {
        dry.refuses(
            &format!("{bad:?}"),
            json!({"podSecurity": bad}),
            &["spec.podSecurity", "Unsupported value"],
        )
        .await?;
    }
    Ok(())
}

#[tokio::test]
async fn the_default_model_is_among_the_allowed() -> Result<()> {
    let dry = Dry::tier().await?;
    dry.accepts(
        "one of two",
        json!({"isolation": {"default": "DedicatedNodes", "allowed": ["SharedData", "DedicatedNodes"]}}),
    )
    .await?;
    dry.accepts("only a default", json!({"isolation": {"default": "SharedData"}}))
        .await?;
    dry.accepts("only allowed ones", json!({"isolation": {"allowed": ["SharedData"]}}))
        .await?;
    let other = json!({"isolation": {"default": "SharedData", "allowed": ["DedicatedNodes"]}});
    dry.refuses("another", other, &["spec.isolation", "default must be one of allowed"])
        .await?;
    dry.refuses(
        "an unknown one",
        json!({"isolation": {"allowed": ["Solo"]}}),
        &["spec.isolation.allowed"],
    )
    .await?;
    let five = ["SharedData"; 5];
    dry.refuses(
        "five",
        json!({"isolation": {"allowed": five}}),
        &["spec.isolation.allowed"],
    )
    .await
}

#[tokio::test]
async fn the_number_of_namespaces_is_from_1_to_33() -> Result<()> {
    let dry = Dry::tier().await?;
    for good in [1, 33] {
        dry.accepts(&good.to_string(), json!({"maxNamespaces": good})).await?;
    }
    for bad in [0, 34, -1] {
        dry.refuses(&bad.to_string(), json!({"maxNamespaces": bad}), &["spec.maxNamespaces"])
            .await?;
    }
    Ok(())
}

#[tokio::test]
async fn features_are_names_that_a_header_can_list() -> Result<()> {
    let dry = Dry::tier().await?;
    let most: Vec<String> = (0..32).map(|i| format!("f{i}")).collect();
    for (case, good) in [
        (
            "of any style",
            json!({"default": ["callRecording", "advanced_analytics"], "allowed": ["custom-models", "callRecording"]}),
        ),
        ("32 each", json!({"default": most, "allowed": most})),
        ("none", json!({})),
    ] {
        dry.accepts(case, json!({"features": good})).await?;
    }
    for (case, bad) in [
        ("twice", json!({"default": ["a", "a"]})),
        ("a comma", json!({"default": ["a,b"]})),
        ("an empty name", json!({"default": [""]})),
        ("too long", json!({"default": ["x".repeat(64)]})),
        ("a number", json!({"default": [1]})),
        ("33", json!({"default": ([most.clone(), vec!["f32".into()]].concat())})),
    ] {
        dry.refuses(case, json!({"features": bad}), &["spec.features.default"])
            .await?;
    }
    let dry = Dry::tenant().await?;
    let one = |name: &str| json!({"name": name, "enabled": true});
    dry.accepts("one", json!({"features": [one("callRecording")]})).await?;
    for (case, bad) in [
        ("twice", json!([one("a"), one("a")])),
        ("a comma", json!([one("a,b")])),
        ("neither on nor off", json!([{"name": "a"}])),
    ] {
        dry.refuses(case, json!({"features": bad}), &["spec.features"]).await?;
    }
    Ok(())
}

#[tokio::test]
async fn only_a_tier_opens_applications_and_only_its_own() -> Result<()> {
    let dry = Dry::tier().await?;
    let all = ["models", "orders"].map(|name| json!({"name": name, "namespace": "ai", "service": name, "port": 80}));
    let opening =
        |names: &[&str]| json!({"gateway": {"applications": all}, "network": {"egress": {"applications": names}}});
    dry.accepts("one", opening(&["models"])).await?;
    dry.accepts("all", opening(&["models", "orders"])).await?;
    dry.accepts("none", opening(&[])).await?;
    for (case, spec, words) in [
        (
            "another",
            opening(&["crm"]),
            "must be the name of one of gateway.applications",
        ),
        (
            "without any",
            json!({"network": {"egress": {"applications": ["models"]}}}),
            "must be the name of one of gateway.applications",
        ),
        ("twice", opening(&["models", "models"]), "Duplicate"),
        ("an empty name", opening(&[""]), "applications[0]"),
    ] {
        dry.refuses(case, spec, &[words]).await?;
    }
    let dry = Dry::tenant().await?;
    let own = |names: &[&str]| json!({"network": {"egress": {"applications": names}}});
    dry.accepts("a tenant without", own(&[])).await?;
    dry.refuses("a tenant", own(&["models"]), &["spec", "belongs to the TenantTier"])
        .await
}

/// They stand in annotations, comma separated.
#[tokio::test]
async fn what_is_allowed_is_named_as_it_is_matched() -> Result<()> {
    let dry = Dry::tier().await?;
    let good = json!({"imageRegistries": ["docker.io", "registry.example.com:5000/team/a_b", "localhost"], "imagePullPolicies": ["Always"],
        "storageClasses": [], "csiDrivers": ["secrets-store.csi.k8s.io"], "ingressClasses": ["public.example"], "serviceTypes": ["NodePort", "LoadBalancer"],
        "annotations": ["prometheus.io/*", "example.com/Some_note.x"]});
    dry.accepts("lists", json!({"allowed": good})).await?;
    for bad in [
        "",
        "a,b",
        "https://ghcr.io",
        "ghcr.io/",
        "GHCR.io",
        "ghcr.io/*",
        "ghcr.io/acme@sha256:0",
    ] {
        let allowed = json!({"allowed": {"imageRegistries": [bad]}});
        dry.refuses(bad, allowed, &["spec.allowed.imageRegistries[0]"]).await?;
    }
    for bad in [
        "",
        "*",
        "a",
        "/x",
        "example.com/",
        "example.com/a*",
        "*/x",
        "Example.com/x",
        "example.com/a,b",
        "example.com/a/b",
    ] {
        dry.refuses(bad, json!({"allowed": {"annotations": [bad]}}), &["annotations"])
            .await?;
    }
    for field in [
        "storageClasses",
        "ingressClasses",
        "priorityClasses",
        "runtimeClasses",
        "csiDrivers",
    ] {
        for bad in ["", "a,b", "A"] {
            dry.refuses(bad, json!({"allowed": {field: [bad]}}), &[field]).await?;
        }
    }
    dry.refuses(
        "a type",
        json!({"allowed": {"serviceTypes": ["ExternalName"]}}),
        &["serviceTypes"],
    )
    .await
}

#[tokio::test]
async fn scheduling_and_schema_are_taken_as_they_are() -> Result<()> {
    let dry = Dry::tier().await?;
    let scheduling = json!({"priorityClassName": "high", "runtimeClassName": "sandboxed", "nodeSelector": {"disk": "ssd"},
        "tolerations": [{"key": "k", "operator": "Exists", "effect": "NoSchedule"}]});
    dry.accepts("scheduling", json!({"scheduling": scheduling})).await?;
    // A schema's own `default` is data here.
    let schema = json!({"type": "object", "properties": {"a": {"type": "string", "default": "x"}}, "required": ["a"]});
    let stored = dry.accepts("a schema", json!({"configurationSchema": schema})).await?;
    anyhow::ensure!(stored["spec"]["configurationSchema"] == schema, "changed: {stored}");
    dry.refuses(
        "a schema that is no object",
        json!({"configurationSchema": "any"}),
        &["configurationSchema"],
    )
    .await
}
