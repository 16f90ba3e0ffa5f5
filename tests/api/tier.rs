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
