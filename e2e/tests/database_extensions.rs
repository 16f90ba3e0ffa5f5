//! Extensions: those that require others, and those that cannot be installed.

use crate::support::database::Site;
use crate::support::{Scene, secs, server_workload};
use anyhow::{Context, Result, ensure};
use serde_json::json;

#[tokio::test]
async fn extensions_come_in_order_and_one_that_cannot_be_installed_holds_up_nothing() -> Result<()> {
    let Some(site) = Site::find("extensions_come_in_order_and_one_that_cannot_be_installed_holds_up_nothing") else {
        return Ok(());
    };
    let scene = Scene::new("dbext").await?;
    // The second requires the first, and a superuser; the last one's files are not there.
    let allowed = json!({"extensions": ["cube", "earthdistance", "pgcrypto", "no_such"]});
    let server = site.server(&scene, "pg", &scene.name, allowed).await?;
    server.ready().await?;
    let selector = json!({"matchLabels": {"e2e": scene.name}});
    let database = json!({"allowed": ["Schema", "Database"], "model": "Schema", "serverSelector": selector});
    let tier = scene.tier(json!({"database": database})).await?;
    for model in ["Schema", "Database"] {
        let asked = ["hstore", "earthdistance", "cube", "no_such", "pgcrypto"];
        let spec = json!({"database": {"model": model, "extensions": asked}, "workloads": [server_workload("web")]});
        let tenant = scene.tenant(&model.to_lowercase(), &tier, spec).await?;
        let words = [
            "hstore is not among",
            "no_such: the server does not have",
            "earthdistance",
            "42501",
        ];
        tenant.database_fails(secs(20), "ExtensionNotAllowed", &words).await?;
        tenant.condition("WorkloadsAvailable", "True", &[]).await?;
        let session = site.log_in(&tenant.binding().await?).await?;
        session.works("SELECT cube(1), digest('a', 'sha256')").await?;

        let spec = json!({"database": {"extensions": ["cube", "no_such"]}});
        tenant.patch(spec).await?;
        let words = ["no_such: the server does not have"];
        let failed = tenant.database_fails(secs(20), "ExtensionNotInstalled", &words).await?;
        ensure!(!crate::support::summary(&failed).contains("42501"), "{failed}");
        tenant.patch(json!({"database": {"extensions": ["cube"]}})).await?;
        let binding = tenant.with_database().await.context("all can be installed")?;
        site.log_in(&binding).await?.works("SELECT cube(1)").await?;
    }
    Ok(())
}
