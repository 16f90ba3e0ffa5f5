//! `spec.namespaces`.

use crate::harness::Dry;
use anyhow::Result;
use serde_json::json;

#[tokio::test]
async fn a_namespace_has_a_name_that_is_a_dns_label_and_unique() -> Result<()> {
    let dry = Dry::tenant().await?;
    for good in ["staging", "0", "a-1"] {
        dry.accepts(good, json!({"namespaces": [{"name": good}]})).await?;
    }
    for bad in ["", "-a", "a-", "A", "a.b", "a_b", &"x".repeat(62)] {
        dry.refuses(
            &format!("namespace {bad:?}"),
            json!({"namespaces": [{"name": bad}]}),
            &["spec.namespaces[0].name"],
        )
        .await?;
    }
    dry.refuses("no name", json!({"namespaces": [{"quota": {"pods": 1}}]}), &["name"])
        .await?;
    dry.refuses(
        "twice",
        json!({"namespaces": [{"name": "a"}, {"name": "a"}]}),
        &["spec.namespaces[1]", "Duplicate"],
    )
    .await
}

#[tokio::test]
async fn there_are_at_most_32_further_namespaces() -> Result<()> {
    let dry = Dry::tenant().await?;
    let named = |count: u32| (0..count).map(|i| json!({"name": format!("n{i}")})).collect::<Vec<_>>();
    dry.accepts("32 namespaces", json!({"namespaces": named(32)})).await?;
    dry.refuses(
        "33 namespaces",
        json!({"namespaces": named(33)}),
        &["spec.namespaces", "32"],
    )
    .await
}
