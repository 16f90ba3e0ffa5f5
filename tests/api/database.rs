//! Databases and credentials in a Tenant and a tier.

use crate::harness::Dry;
use anyhow::{Result, ensure};
use serde_json::{Value, json};

const MODELS: [&str; 4] = ["SharedTable", "Schema", "Database", "Server"];

fn database(fields: Value) -> Value {
    json!({"database": fields})
}

#[tokio::test]
async fn they_are_stored_as_written() -> Result<()> {
    let credentials = json!({"rotationInterval": "2160h", "overlap": "24h"});
    let tenant = json!({"database": {"model": "Schema", "connectionLimit": 50, "extensions": ["pgcrypto"]},
                        "credentials": credentials});
    let stored = Dry::tenant().await?.accepts("a Tenant", tenant.clone()).await?;
    for field in ["database", "credentials"] {
        ensure!(stored["spec"][field] == tenant[field], "{field}: {}", stored["spec"]);
    }
    let tier = json!({
        "database": {"model": "Schema", "allowed": ["Schema", "Database"],
            "serverSelector": {"matchLabels": {"region": "eu"}, "matchExpressions": [{"key": "tier", "operator": "Exists"}]},
            "connectionLimit": 50, "statementTimeout": "30s", "lockTimeout": "500ms",
            "idleInTransactionSessionTimeout": "1m30s", "workMem": "16Mi", "maxStorage": "10Gi",
            "onStorageLimit": "ReadOnly"},
        "credentials": credentials
    });
    let stored = Dry::tier().await?.accepts("a tier", tier.clone()).await?;
    ensure!(stored["spec"] == tier, "{}", stored["spec"]);
    for dry in [Dry::tenant().await?, Dry::tier().await?] {
        let empty = json!({"database": {}, "credentials": {}});
        let stored = dry.accepts("nothing said", empty).await?;
        ensure!(
            stored["spec"]["database"] == json!({}) && stored["spec"]["credentials"] == json!({}),
            "{}",
            stored["spec"]
        );
    }
    Ok(())
}

#[tokio::test]
async fn there_are_four_models() -> Result<()> {
    let tier = Dry::tier().await?;
    for dry in [&Dry::tenant().await?, &tier] {
        for model in MODELS {
            dry.accepts(model, database(json!({"model": model}))).await?;
        }
        for bad in ["schema", "SharedSchema", ""] {
            let words = ["spec.database.model", "Unsupported value"];
            dry.refuses(&format!("the model {bad:?}"), database(json!({"model": bad})), &words)
                .await?;
        }
    }
    tier.accepts("all", database(json!({"allowed": MODELS}))).await?;
    tier.accepts("none", database(json!({"model": "Schema", "allowed": []})))
        .await?;
    for (bad, words) in [
        (json!({"allowed": ["Table"]}), ["spec.database.allowed", "Unsupported"]),
        (json!({"allowed": vec!["Schema"; 5]}), ["spec.database.allowed", "4"]),
        (
            json!({"model": "Schema", "allowed": ["Database"]}),
            ["spec.database", "model must be one of allowed"],
        ),
    ] {
        tier.refuses(&bad.to_string(), database(bad.clone()), &words).await?;
    }
    Ok(())
}

#[tokio::test]
async fn what_is_the_tiers_is_not_the_tenants() -> Result<()> {
    let dry = Dry::tenant().await?;
    for (field, value) in [
        ("allowed", json!(["Schema"])),
        ("serverSelector", json!({})),
        ("server", json!("pg-1")),
        ("statementTimeout", json!("30s")),
        ("workMem", json!("16Mi")),
        ("maxStorage", json!("1Gi")),
        ("onStorageLimit", json!("Report")),
    ] {
        dry.refuses(field, database(json!({field: value})), &[field]).await?;
    }
    Dry::tier()
        .await?
        .refuses(
            "extensions",
            database(json!({"extensions": ["pgcrypto"]})),
            &["extensions"],
        )
        .await
}

#[tokio::test]
async fn connections_and_extensions_are_bounded() -> Result<()> {
    let tenant = Dry::tenant().await?;
    for dry in [&tenant, &Dry::tier().await?] {
        for good in [1, 10_000] {
            dry.accepts(&good.to_string(), database(json!({"connectionLimit": good})))
                .await?;
        }
        for bad in [json!(0), json!(-1), json!(10_001), json!("20")] {
            let what = format!("connectionLimit {bad}");
            dry.refuses(
                &what,
                database(json!({"connectionLimit": bad})),
                &["spec.database.connectionLimit"],
            )
            .await?;
        }
    }
    let names = |count: u32| (0..count).map(|i| json!(format!("e{i}"))).collect::<Vec<_>>();
    tenant
        .accepts("32 extensions", database(json!({"extensions": names(32)})))
        .await?;
    for (bad, words) in [
        (json!(names(33)), ["spec.database.extensions", "32"]),
        (json!(["a", "a"]), ["spec.database.extensions[1]", "Duplicate"]),
        (json!([""]), ["spec.database.extensions[0]", ""]),
        (json!(["x".repeat(64)]), ["spec.database.extensions[0]", "63"]),
    ] {
        tenant
            .refuses(&words.join(" "), database(json!({"extensions": bad})), &words)
            .await?;
    }
    Ok(())
}

/// Durations as Go reads them: it knows no days.
#[tokio::test]
async fn durations_are_hours_minutes_and_seconds() -> Result<()> {
    let tenant = Dry::tenant().await?;
    let tier = Dry::tier().await?;
    const BAD: [&str; 14] = [
        "30d",
        "1w",
        "",
        "1",
        "h",
        "1.5h",
        "-1h",
        "+1h",
        "1h ",
        "1H",
        "100000h",
        "P30D",
        "1h1m1s1ms1h",
        "30 s",
    ];
    for dry in [&tenant, &tier] {
        for field in ["rotationInterval", "overlap"] {
            let of = |value: &str| json!({"credentials": {field: value}});
            for good in ["1m", "60s", "90000ms", "2160h", "1h30m", "99999h99999h99999h99999h"] {
                dry.accepts(good, of(good)).await?;
            }
            let at = format!("spec.credentials.{field}");
            for bad in BAD {
                dry.refuses(&format!("{field} {bad:?}"), of(bad), &[&at]).await?;
            }
        }
        for keys in [
            json!({"signingKey": {}, "encryptionKey": {}}),
            json!({"signingKey": {"algorithm": "ES256"}}),
        ] {
            let stored = dry.accepts("keys of its own", json!({"credentials": keys})).await?;
            anyhow::ensure!(stored["spec"]["credentials"] == keys, "changed: {stored}");
        }
        let symmetric = json!({"credentials": {"signingKey": {"algorithm": "HS256"}}});
        dry.refuses("a shared secret", symmetric, &["signingKey.algorithm"])
            .await?;
    }
    for field in ["statementTimeout", "lockTimeout", "idleInTransactionSessionTimeout"] {
        let of = |value: &str| database(json!({field: value}));
        for good in ["0s", "500ms", "30s", "1m30s", "596h"] {
            tier.accepts(good, of(good)).await?;
        }
        let at = format!("spec.database.{field}");
        for bad in BAD {
            tier.refuses(&format!("{field} {bad:?}"), of(bad), &[&at]).await?;
        }
        tier.refuses(
            &format!("{field} of more milliseconds than PostgreSQL counts"),
            of("597h"),
            &[&at, "at most 596h"],
        )
        .await?;
    }
    Ok(())
}

#[tokio::test]
async fn credentials_overlap_within_an_interval_of_a_minute_or_more() -> Result<()> {
    for dry in [Dry::tenant().await?, Dry::tier().await?] {
        let of =
            |interval: &str, overlap: &str| json!({"credentials": {"rotationInterval": interval, "overlap": overlap}});
        for (interval, overlap) in [("24h", "24h"), ("1h", "60m"), ("1m", "0s")] {
            dry.accepts(&format!("{overlap} in {interval}"), of(interval, overlap))
                .await?;
        }
        for (interval, overlap) in [("24h", "25h"), ("1h", "61m"), ("1m", "60001ms")] {
            let words = ["spec.credentials", "overlap must not exceed rotationInterval"];
            dry.refuses(&format!("{overlap} in {interval}"), of(interval, overlap), &words)
                .await?;
        }
        for bad in ["59s", "0h", "59999ms"] {
            let words = ["spec.credentials.rotationInterval", "at least 1m"];
            dry.refuses(bad, json!({"credentials": {"rotationInterval": bad}}), &words)
                .await?;
        }
        dry.refuses("days", json!({"credentials": {"days": 90}}), &["days"])
            .await?;
    }
    Ok(())
}

#[tokio::test]
async fn memory_and_storage_are_quantities() -> Result<()> {
    let dry = Dry::tier().await?;
    for field in ["workMem", "maxStorage"] {
        let at = format!("spec.database.{field}");
        for good in [json!("16Mi"), json!("1e9"), json!(1_048_576)] {
            dry.accepts(field, database(json!({field: good}))).await?;
        }
        for bad in [
            json!("16MB"),
            json!("-1Gi"),
            json!(""),
            json!(1.5),
            json!("1".repeat(33)),
        ] {
            dry.refuses(&format!("{field} {bad}"), database(json!({field: bad})), &[&at])
                .await?;
        }
    }
    for action in ["Report", "ReadOnly"] {
        dry.accepts(action, database(json!({"onStorageLimit": action}))).await?;
    }
    dry.refuses(
        "another action",
        database(json!({"onStorageLimit": "Delete"})),
        &["spec.database.onStorageLimit", "Unsupported value"],
    )
    .await
}

#[tokio::test]
async fn a_selector_is_as_kubernetes_writes_them() -> Result<()> {
    let dry = Dry::tier().await?;
    for good in [
        json!({}),
        json!({"matchLabels": {"region": "eu"}}),
        json!({"matchExpressions": [{"key": "region", "operator": "In", "values": ["eu", "us"]}]}),
    ] {
        dry.accepts(&good.to_string(), database(json!({"serverSelector": good})))
            .await?;
    }
    for (bad, word) in [
        (json!({"region": "eu"}), "region"),
        (json!({"matchLabels": {"region": 1}}), "region"),
        (json!({"matchExpressions": [{"key": "region"}]}), "operator"),
    ] {
        dry.refuses(&bad.to_string(), database(json!({"serverSelector": bad})), &[word])
            .await?;
    }
    Ok(())
}
