//! Columns and names of the resources in `kubectl get`.

use crate::database_server::stored_server;
use crate::harness;
use crate::support::{Scene, eventually, kubectl, path, secs};
use anyhow::{Result, ensure};
use serde_json::{Value, json};

#[tokio::test]
async fn short_names_and_the_category_work() -> Result<()> {
    harness::cluster().await?;
    let scene = Scene::without_operator("shown").await?;
    let tier = scene.tier(json!({})).await?;
    for (short, name) in [("tier", tier.as_str()), ("tenanttier", &tier), ("tenanttiers", &tier)] {
        let said = kubectl::run(&["get", short, name, "-o", "name"]).await?;
        ensure!(
            said.trim() == format!("tenanttier.tenant-operator.io/{name}"),
            "kubectl get {short}: {said}"
        );
    }
    kubectl::run(&["get", "tnt"]).await?;
    kubectl::run(&["get", "dbs"]).await?;
    kubectl::run(&["get", "tv", "-A"]).await?;
    let all = kubectl::run(&["get", "tenancy", "-A", "-o", "name"]).await?;
    ensure!(all.contains(&tier), "kubectl get tenancy does not show {tier}:\n{all}");
    Ok(())
}

#[tokio::test]
async fn tenants_have_their_columns() -> Result<()> {
    harness::cluster().await?;
    let scene = Scene::without_operator("shown").await?;
    let tenant = scene.tenant("", "no-such-tier", json!({})).await?;
    let (columns, cells) = scene.cluster.table(&path("tenants", "", ""), &tenant.name).await?;
    ensure!(
        columns
            == [
                "Name",
                "Tier",
                "Isolation",
                "Ready",
                "Reason",
                "Isolated",
                "Database",
                "Namespaces",
                "Age",
                "Server",
                "Parent",
                "Id"
            ],
        "{columns:?}"
    );
    ensure!(
        cells[0] == tenant.name.as_str() && cells[1] == "no-such-tier",
        "{cells:?}"
    );
    Ok(())
}

#[tokio::test]
async fn tiers_show_what_they_give() -> Result<()> {
    harness::cluster().await?;
    let scene = Scene::without_operator("shown").await?;
    let spec = json!({"displayName": "Shown", "podSecurity": "baseline", "isolation": {"default": "SharedData"},
                      "quota": {"requests.cpu": "7", "requests.memory": "9Gi"}});
    let tier = scene.tier(spec).await?;
    let (columns, cells) = scene.cluster.table(&path("tenanttiers", "", ""), &tier).await?;
    ensure!(
        columns
            == [
                "Name",
                "Display Name",
                "Isolation",
                "Pod Security",
                "CPU",
                "Memory",
                "Age"
            ],
        "{columns:?}"
    );
    let expected: [Value; 6] = [
        json!(tier),
        json!("Shown"),
        json!("SharedData"),
        json!("baseline"),
        json!("7"),
        json!("9Gi"),
    ];
    ensure!(cells[..6] == expected, "{cells:?}");
    Ok(())
}

#[tokio::test]
async fn servers_show_how_they_are() -> Result<()> {
    harness::cluster().await?;
    let scene = Scene::without_operator("shown").await?;
    let server = stored_server(&scene).await?;
    let condition = |kind: &str, status: &str| json!({"type": kind, "status": status, "reason": kind, "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"});
    let status = json!({"conditions": [condition("Ready", "True"), condition("Hardened", "False")],
                        "serverVersion": "16.10", "tls": "TLSv1.3", "tenants": 7});
    let expected = [
        json!(server),
        json!("192.0.2.1"),
        json!("True"),
        json!("Ready"),
        json!("False"),
        json!("16.10"),
        json!("TLSv1.3"),
        json!(7),
    ];
    let at = path("databaseservers", "", &server) + "/status";
    // An operator at work has its own view of this server, where nothing answers.
    eventually("the columns to show the status", secs(30), async || {
        scene.cluster.patch(&at, &json!({"status": status})).await?;
        let (columns, cells) = scene.cluster.table(&path("databaseservers", "", ""), &server).await?;
        ensure!(
            columns
                == [
                    "Name", "Host", "Ready", "Reason", "Hardened", "Version", "TLS", "Tenants", "Age"
                ],
            "{columns:?}"
        );
        ensure!(cells[..8] == expected, "{cells:?}");
        Ok(())
    })
    .await
}
