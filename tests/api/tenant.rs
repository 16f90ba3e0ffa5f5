//! A Tenant's own fields.

use crate::harness::Dry;
use crate::support::refused;
use anyhow::{Context, Result};
use serde_json::{Value, json};

#[tokio::test]
async fn a_tier_is_required() -> Result<()> {
    let dry = Dry::tenant().await?;
    dry.refuses("no tier", json!({"tier": null}), &["spec.tier", "required"])
        .await?;
    dry.refuses("an empty tier", json!({"tier": ""}), &["spec.tier"]).await
}

#[tokio::test]
async fn a_name_is_a_dns_label_of_53_characters_and_not_kubernetes_own() -> Result<()> {
    let dry = Dry::tenant().await?;
    for good in ["a", "0", "a-b", "0a9", "kube", "kubernetes", &"x".repeat(53)] {
        dry.create(good, json!({}))
            .await
            .with_context(|| format!("the name {good}"))?;
    }
    for bad in [&"x".repeat(54), &"x".repeat(253), "a.b", "a.example.com"] {
        refused(
            &format!("the name {bad}"),
            dry.create(bad, json!({})).await,
            &["DNS label of at most 53 characters"],
        )?;
    }
    for bad in ["kube-system", "kube-public", "kube-anything"] {
        refused(
            &format!("the name {bad}"),
            dry.create(bad, json!({})).await,
            &["must not start with kube-"],
        )?;
    }
    for bad in ["A", "a_b", "-a", "a-", ""] {
        refused(&format!("the name {bad:?}"), dry.create(bad, json!({})).await, &[])?;
    }
    Ok(())
}

#[tokio::test]
async fn an_id_is_a_uuid_in_lower_case() -> Result<()> {
    let dry = Dry::tenant().await?;
    dry.accepts("a UUID", json!({"id": "3f0c6a52-6a0e-4f6e-9a55-0f6a4f1c2d11"}))
        .await?;
    for bad in [
        "3F0C6A52-6A0E-4F6E-9A55-0F6A4F1C2D11",
        "3f0c6a526a0e4f6e9a550f6a4f1c2d11",
        "{3f0c6a52-6a0e-4f6e-9a55-0f6a4f1c2d11}",
        "3f0c6a52-6a0e-4f6e-9a55-0f6a4f1c2d1",
        "3f0c6a52-6a0e-4f6e-9a55-0f6a4f1c2d11\n",
        "tenant-a",
        "",
    ] {
        dry.refuses(&format!("the id {bad:?}"), json!({"id": bad}), &["spec.id"])
            .await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_number_is_a_positive_integer_that_json_can_hold() -> Result<()> {
    let dry = Dry::tenant().await?;
    for good in [1_i64, 9_007_199_254_740_991] {
        dry.accepts(&good.to_string(), json!({"number": good})).await?;
    }
    for bad in [
        json!(0),
        json!(-1),
        json!(9_007_199_254_740_992_i64),
        json!(1.5),
        json!("7"),
    ] {
        dry.refuses(&bad.to_string(), json!({"number": bad}), &["spec.number"])
            .await?;
    }
    Ok(())
}

#[tokio::test]
async fn models_and_policies_are_the_known_ones() -> Result<()> {
    let dry = Dry::tenant().await?;
    for model in [
        "SharedData",
        "SharedApplication",
        "DedicatedApplication",
        "DedicatedNodes",
    ] {
        dry.accepts(model, json!({"isolation": {"model": model}})).await?;
    }
    dry.refuses(
        "another model",
        json!({"isolation": {"model": "Shared"}}),
        &["spec.isolation.model", "Unsupported value"],
    )
    .await?;
    dry.refuses(
        "no model",
        json!({"isolation": {}}),
        &["spec.isolation.model", "required"],
    )
    .await?;
    for policy in ["Retain", "Delete"] {
        dry.accepts(policy, json!({"deletionPolicy": policy})).await?;
    }
    dry.refuses(
        "another policy",
        json!({"deletionPolicy": "Orphan"}),
        &["spec.deletionPolicy"],
    )
    .await?;
    dry.accepts("suspend", json!({"suspend": true})).await?;
    dry.refuses(
        "suspend as a string",
        json!({"suspend": "yes"}),
        &["spec.suspend", "boolean"],
    )
    .await
}

#[tokio::test]
async fn configuration_is_any_object() -> Result<()> {
    let dry = Dry::tenant().await?;
    let any = json!({"deep": {"list": [1, 2.5, "x", null, {"y": []}]}, "": {}, "a.b/c": true, "none": null});
    let whole = json!({"tier": "any", "configuration": any});
    let stored = dry.create_whole("e2e-dry-any-object", whole).await?;
    anyhow::ensure!(
        stored["spec"]["configuration"]["deep"]["list"][1] == 2.5,
        "changed: {stored}"
    );
    // By which a tenant removes a key of its tier.
    let kept = stored["spec"]["configuration"].get("none");
    anyhow::ensure!(kept.is_some_and(Value::is_null), "the null is gone: {stored}");
    for bad in [json!([1]), json!("text"), json!(7), Value::Bool(true)] {
        dry.refuses(
            &format!("configuration {bad}"),
            json!({"configuration": bad}),
            &["spec.configuration", "object"],
        )
        .await?;
    }
    Ok(())
}

#[tokio::test]
async fn an_unknown_field_is_refused() -> Result<()> {
    let dry = Dry::tenant().await?;
    dry.refuses("a misspelt field", json!({"teir": "x"}), &["spec.teir"])
        .await?;
    // Fields of later versions are not accepted and ignored.
    for later in ["retention", "legalHold", "parent"] {
        dry.refuses(later, json!({later: {}}), &[later]).await?;
    }
    let nothing = json!({"gateway": {"listeners": []}});
    dry.refuses("listeners", nothing, &["spec.gateway.listeners"]).await
}
