//! The seeds' own figures.

use crate::dedicated_nodes::{KEY, taint};
use crate::support::quantity::ensure_hard;
use crate::support::{Scene, eventually, path, secs, text};
use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::{Value, json};

/// The quota of agentic-apisix' tenant A.
pub const SEVEN_FIGURES: [(&str, &str); 7] = [
    ("requests.cpu", "20"),
    ("requests.memory", "100Gi"),
    ("limits.cpu", "40"),
    ("limits.memory", "200Gi"),
    ("pods", "100"),
    ("persistentvolumeclaims", "50"),
    ("requests.storage", "1Ti"),
];

fn fixture(file: &str) -> Result<Vec<Value>> {
    let path = format!("{}/tests/fixtures/{file}", env!("CARGO_MANIFEST_DIR"));
    let read = std::fs::read_to_string(&path).with_context(|| path.clone())?;
    let documents = serde_yaml::Deserializer::from_str(&read).map(Value::deserialize);
    let mut documents = documents.collect::<Result<Vec<_>, _>>().with_context(|| path)?;
    documents.retain(|d| !d.is_null());
    Ok(documents)
}

#[tokio::test]
async fn tenant_a_gets_its_quota_and_three_replicas_on_its_nodes() -> Result<()> {
    let scene = Scene::new("agentic").await?;
    let test = "tenant_a_gets_its_quota_and_three_replicas_on_its_nodes";
    let Some(node) = scene.node(test, json!({KEY: scene.name}), taint(&scene.name)).await? else {
        return Ok(());
    };
    let tier = &fixture("agentic-apisix/tier.yaml")?[0];
    let tier = scene.tier(tier["spec"].clone()).await?;
    let mut spec = fixture("agentic-apisix/tenant-a.yaml")?[0]["spec"].clone();
    // The seed's id is for one tenant only, and this may not be the only run.
    spec["id"] = Value::Null;
    spec["tier"] = json!(tier);
    let tenant = scene.tenant("", &tier, spec).await?;
    tenant.ready().await?;
    let quota = scene
        .cluster
        .get(&path("resourcequotas", &tenant.name, "tenant"))
        .await?;
    ensure_hard(&quota, &SEVEN_FIGURES)?;
    for pod in tenant.pods("executive-service", 3).await? {
        let pod = scene.cluster.get(&path("pods", &tenant.name, &pod)).await?;
        ensure!(
            text(&pod["spec"]["nodeName"]) == node,
            "it is not on the tenant's node: {}",
            pod["spec"]
        );
        let env = pod["spec"]["containers"][0]["env"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        ensure!(env.iter().any(|e| e["name"] == "TENANT_ID"), "no TENANT_ID in {env:?}");
    }
    Ok(())
}

#[tokio::test]
async fn the_three_plans_give_4_cpu_8_gi_and_100_gi() -> Result<()> {
    let scene = Scene::new("plans").await?;
    let configuration = fixture("riscura/tenant.yaml")?[0]["spec"]["configuration"].clone();
    for plan in fixture("riscura/tiers.yaml")? {
        let name = text(&plan["metadata"]["name"]);
        // Without what scenes' tiers have besides.
        let tier = scene.tier(json!({"quota": null, "containerDefaults": null})).await?;
        let at = path("tenanttiers", "", &tier);
        scene
            .cluster
            .patch(&at, &json!({"spec": plan["spec"]}))
            .await
            .context("the plan")?;
        let tenant = scene
            .tenant(&name, &tier, json!({"configuration": configuration}))
            .await?;
        // The operator may have seen the tenant before the tier's change.
        eventually(&format!("the plan {name} to be in effect"), secs(20), async || {
            let effective = tenant.ready().await?["status"]["effective"].clone();
            ensure!(
                effective["isolation"] == plan["spec"]["isolation"]["default"],
                "{effective}"
            );
            Ok(())
        })
        .await?;
        let quota = scene
            .cluster
            .get(&path("resourcequotas", &tenant.name, "tenant"))
            .await?;
        let figures = [
            ("requests.cpu", "4"),
            ("requests.memory", "8Gi"),
            ("requests.storage", "100Gi"),
        ];
        ensure_hard(&quota, &figures).context(name)?;
    }
    Ok(())
}
