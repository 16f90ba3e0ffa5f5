//! Quantities, wherever they stand.

use crate::harness::Dry;
use anyhow::{Result, ensure};
use serde_json::{Value, json};

const GOOD: [&str; 14] = [
    "0", "1", "0.5", ".5", "5.", "100m", "1Gi", "1Ti", "2k", "1e3", "1E3", "12e-2", "+3", "64Mi",
];
const BAD: [&str; 14] = [
    "", "-1", "-1Gi", "1GiB", "1 Gi", "one", "1,5", "0x10", "1gi", "1e", "Gi", ".", "1Gi\n", "NaN",
];

#[tokio::test]
async fn a_quota_takes_quantities_and_integers() -> Result<()> {
    let dry = Dry::tenant().await?;
    for good in GOOD.iter().map(|text| json!(text)).chain([json!(0), json!(100)]) {
        let stored = dry
            .accepts(&format!("quantity {good}"), json!({"quota": {"requests.cpu": good}}))
            .await?;
        ensure!(
            stored["spec"]["quota"]["requests.cpu"] == good,
            "{good} was rewritten: {stored}"
        );
    }
    for bad in BAD {
        dry.refuses(
            &format!("quantity {bad:?}"),
            json!({"quota": {"requests.cpu": bad}}),
            &["spec.quota.requests.cpu"],
        )
        .await?;
    }
    for bad in [json!(1.5), json!(true), json!({}), json!([1])] {
        dry.refuses(
            &format!("quantity {bad}"),
            json!({"quota": {"pods": bad}}),
            &["spec.quota.pods"],
        )
        .await?;
    }
    Ok(())
}

#[tokio::test]
async fn the_same_holds_wherever_a_quantity_stands() -> Result<()> {
    let tenant = Dry::tenant().await?;
    let tier = Dry::tier().await?;
    let bad = "1 Gi";
    let workload = |fields: Value| json!({"workloads": [fields]});
    let list = json!({"memory": bad});
    tenant
        .refuses(
            "a namespace's share",
            json!({"namespaces": [{"name": "a", "quota": list}]}),
            &["namespaces[0].quota"],
        )
        .await?;
    tenant
        .refuses(
            "a request",
            workload(json!({"name": "w", "resources": {"requests": list}})),
            &["requests.memory"],
        )
        .await?;
    tenant
        .refuses(
            "a limit",
            workload(json!({"name": "w", "resources": {"limits": list}})),
            &["limits.memory"],
        )
        .await?;
    let claim = json!({"name": "c", "mountPath": "/data", "storage": bad});
    tenant
        .refuses(
            "a claim",
            workload(json!({"name": "w", "volumeClaims": [claim]})),
            &["volumeClaims[0].storage"],
        )
        .await?;
    tier.refuses("a tier's quota", json!({"quota": list}), &["spec.quota.memory"])
        .await?;
    tier.refuses(
        "a default",
        json!({"containerDefaults": {"limits": list}}),
        &["containerDefaults.limits"],
    )
    .await
}

#[tokio::test]
async fn a_negative_integer_is_refused() -> Result<()> {
    let dry = Dry::tenant().await?;
    dry.refuses("pods: -1", json!({"quota": {"pods": -1}}), &["spec.quota.pods"])
        .await
}

#[tokio::test]
async fn a_list_has_at_most_64_keys() -> Result<()> {
    let dry = Dry::tenant().await?;
    let keys = |count: u32| {
        (0..count)
            .map(|i| (format!("count/k{i}.example.com"), json!(1)))
            .collect::<serde_json::Map<_, _>>()
    };
    dry.accepts("64 keys", json!({"quota": keys(64)})).await?;
    dry.refuses("65 keys", json!({"quota": keys(65)}), &["spec.quota", "64"])
        .await
}
