use super::{Example, on};
use crate::support::database::Binding;
use crate::support::quantity::number;
use crate::support::{TestTenant, path, pods, refused, text};
use anyhow::{Context, Result, ensure};
use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const ACME: &str = "acme.riscura.example.com";
const ROLES: [&str; 4] = ["super_admin", "tenant_admin", "user", "guest"];
const MATRIX: [(&str, [bool; 4]); 5] = [
    ("/tenants", [true, false, false, false]),
    ("/configuration", [true, true, false, false]),
    ("/ai/query", [true, true, true, false]),
    ("/analytics", [true, true, true, false]),
    ("/billing", [true, true, false, false]),
];

#[tokio::test]
async fn riscura() -> Result<()> {
    on("riscura", lines).await
}

async fn lines(example: &Example) -> Result<()> {
    let acme = example.tenant("riscura-acme");
    example.line(2, async || quota(example).await).await;
    example.line(5, async || matrix(example).await).await;
    example.line(6, async || configuration(example, &acme).await).await;
    example.line(3, async || limits(example).await).await;
    example
        .line(4, async || {
            // The other plans count no more requests in a minute than at once.
            let host = "delta.riscura.example.com";
            let token = token(example, "riscura-delta", "user").await?;
            example.door.serves(host, "/ai/query", &[&token]).await?;
            example.at_once(host, "/ai/query", &token, 100, 101).await
        })
        .await;
    example.line(7, async || schemas(example).await).await;
    example.line(8, async || rotation(&acme).await).await;
    Ok(())
}

async fn quota(example: &Example) -> Result<()> {
    for (tenant, gpus) in [("riscura-acme", "0"), ("riscura-delta", "1")] {
        // The first tenant's quota is divided: its sandbox has a share.
        let shares = example.cluster.list(&path("resourcequotas", "", "")).await?;
        let shares: Vec<&Value> = shares
            .iter()
            .filter(|share| text(&share["metadata"]["labels"]["tenant-operator.io/tenant"]) == tenant)
            .collect();
        for (key, value) in [
            ("requests.cpu", "4"),
            ("requests.memory", "8Gi"),
            ("limits.cpu", "4"),
            ("limits.memory", "8Gi"),
            ("requests.storage", "100Gi"),
            ("requests.nvidia.com/gpu", gpus),
        ] {
            let hard: Vec<f64> = shares
                .iter()
                .map(|share| number(&share["status"]["hard"][key]))
                .collect();
            let is_all = (hard.iter().sum::<f64>() - number(&json!(value))).abs() < 1e-6;
            ensure!(is_all, "{tenant}: {key} is {hard:?} in all, not {value}");
        }
    }
    let mut pod = pods::server("trained");
    pod["spec"]["containers"][0]["resources"] = json!({"limits": {"nvidia.com/gpu": 1}});
    let made = example.cluster.create(&path("pods", "riscura-acme", ""), &pod).await;
    refused("a GPU in Starter", made, &["exceeded quota", "requests.nvidia.com/gpu"])?;
    example
        .cluster
        .create(&path("pods", "riscura-delta", ""), &pod)
        .await
        .context("a GPU in Custom")?;
    pod["metadata"]["name"] = json!("second");
    let made = example.cluster.create(&path("pods", "riscura-delta", ""), &pod).await;
    refused("a second GPU", made, &["exceeded quota", "requests.nvidia.com/gpu"])?;
    example
        .cluster
        .delete(&path("pods", "riscura-delta", "trained"))
        .await?;
    Ok(())
}

async fn token(example: &Example, tenant: &str, role: &str) -> Result<String> {
    example.token(json!({"tid": tenant, "role": role})).await
}

async fn matrix(example: &Example) -> Result<()> {
    let user = token(example, "riscura-acme", "user").await?;
    example.door.serves(ACME, "/ai/query", &[&user]).await?;
    for (column, role) in ROLES.iter().enumerate() {
        let token = token(example, "riscura-acme", role).await?;
        for (route, cells) in MATRIX {
            let status = if cells[column] { 200 } else { 403 };
            example.door.answers(status, ACME, route, &[&token]).await?;
        }
    }
    // The tenant's claim is `tid` and no other.
    let elsewhere = example
        .token(json!({"tenant_id": "riscura-acme", "role": "user"}))
        .await?;
    example.door.answers(403, ACME, "/ai/query", &[&elsewhere]).await?;
    example
        .door
        .answers(403, "beta.riscura.example.com", "/ai/query", &[&user])
        .await?;
    Ok(())
}

async fn limits(example: &Example) -> Result<()> {
    for (name, limit) in [("acme", Some(100)), ("beta", Some(500)), ("delta", None)] {
        let host = format!("{name}.riscura.example.com");
        let token = token(example, &format!("riscura-{name}"), "user").await?;
        example.door.serves(&host, "/ai/query", &[&token]).await?;
        match limit {
            Some(limit) => example.limit(&host, "/ai/query", &token, limit).await?,
            None => {
                let found = example.send(&host, "/ai/query", &token, 1500).await?;
                ensure!(found == BTreeMap::from([(200, 1500)]), "{name}: {found:?}");
            }
        }
    }
    Ok(())
}

async fn configuration(example: &Example, acme: &TestTenant) -> Result<()> {
    let defaults = json!({
        "temperature": 0.7, "maxTokens": 2048, "topP": 1, "frequencyPenalty": 0, "presencePenalty": 0,
        "safetySettings": {"contentFiltering": true, "piiDetection": true, "toxicityFiltering": true, "safetyThreshold": 0.8},
    });
    let mut own = defaults.clone();
    own["temperature"] = json!(0.2);
    own["provider"] = json!("openai");
    for (name, wanted) in [("gamma", defaults), ("acme", own)] {
        let token = token(example, &format!("riscura-{name}"), "user").await?;
        let seen = example
            .whoami(&format!("{name}.riscura.example.com"), "/ai/query", &[&token])
            .await?;
        let model = &seen["files"]["configuration.json"]["model"];
        ensure!(*model == wanted, "{name}: {model} instead of {wanted}");
    }
    let with = |temperature: f64| json!({"configuration": {"model": {"temperature": temperature}}});
    acme.patch(with(3.0)).await?;
    acme.not_ready(&["InvalidSpec"], &["spec.configuration", "temperature"])
        .await?;
    acme.patch(with(0.7)).await?;
    acme.ready().await?;
    Ok(())
}

async fn schemas(example: &Example) -> Result<()> {
    let (acme, beta) = ("riscura-acme", "riscura-beta");
    let (acme, beta) = tokio::try_join!(Binding::of(&example.cluster, acme), Binding::of(&example.cluster, beta))?;
    ensure!(
        acme.get("schema") != beta.get("schema"),
        "both have {}",
        acme.get("schema")
    );
    let theirs = example.site.log_in(&beta).await?;
    theirs
        .works("CREATE TABLE IF NOT EXISTS conversation (text text)")
        .await?;
    let ours = example.site.log_in(&acme).await?;
    ours.refused(&format!("SELECT * FROM {}.conversation", beta.get("schema")))
        .await?;
    let pid = ours.one("SELECT pg_backend_pid()").await?;
    let server = example.site.superuser("postgres").await?;
    let tls = server
        .one(&format!("SELECT ssl FROM pg_stat_ssl WHERE pid = {pid}"))
        .await?;
    ensure!(tls == "t", "ssl is {tls}");
    Ok(())
}

async fn rotation(acme: &TestTenant) -> Result<()> {
    let status = acme.get().await?["status"].clone();
    let parse = |value: &Value| {
        text(value)
            .parse::<Timestamp>()
            .with_context(|| format!("{value} in {status}"))
    };
    let next = parse(&status["database"]["nextRotationAt"])?;
    let begun = parse(&acme.get().await?["metadata"]["creationTimestamp"])?;
    let hours = (next.as_second() - begun.as_second()) / 3600;
    ensure!((2159..=2161).contains(&hours), "the next rotation is after {hours} h");
    Ok(())
}
