//! A tenant's pod as a client of its database, with libpq and only the given variables.

use super::database::tier;
use crate::support::database::Site;
use crate::support::{Scene, TestTenant, kubectl};
use anyhow::{Result, ensure};
use serde_json::{Value, json};

/// A shell and `psql`; see e2e/cluster/psql-image.sh.
const IMAGE: &str = "e2e.example.com/psql:e2e";

fn client() -> Value {
    json!({"workloads": [{"name": "client", "image": IMAGE, "imagePullPolicy": "IfNotPresent",
        "command": ["/bin/sh", "-c", "trap 'exit 0' TERM; sleep 1000000 & wait"],
        "resources": {"requests": {"cpu": "5m", "memory": "16Mi"}}}]})
}

/// Returns the output of `psql` in the tenant's pod. It gets no parameters: libpq reads its variables.
async fn psql(tenant: &TestTenant, arguments: &[&str]) -> Result<String> {
    let pod = tenant.pods("client", 1).await?.remove(0);
    let words = [&["/bin/psql", "-X", "-A", "-t", "-v", "ON_ERROR_STOP=1"], arguments].concat();
    Ok(kubectl::exec(&tenant.name, &pod, &words).await?.trim().to_owned())
}

async fn refused(tenant: &TestTenant, arguments: &[&str], words: &str) -> Result<()> {
    match psql(tenant, arguments).await {
        Ok(answer) => anyhow::bail!("{arguments:?} was answered: {answer}"),
        Err(error) => ensure!(
            format!("{error:#}").contains(words),
            "{arguments:?}: {error:#} lacks {words}"
        ),
    }
    Ok(())
}

#[tokio::test]
async fn a_pod_writes_and_reads_its_own_and_nothing_of_its_neighbours() -> Result<()> {
    let Some(_) = Site::find("a_pod_writes_and_reads_its_own_and_nothing_of_its_neighbours") else {
        return Ok(());
    };
    let scene = Scene::new("dbclient").await?;
    for (suffix, model) in [("s", "Schema"), ("d", "Database")] {
        let tier = tier(&scene, json!({"model": model})).await?;
        let mine = scene.tenant(&format!("{suffix}a"), &tier, client()).await?;
        let neighbour = scene.tenant(&format!("{suffix}b"), &tier, client()).await?;
        let (own, others) = (mine.with_database().await?, neighbour.with_database().await?);
        for tenant in [&mine, &neighbour] {
            let make = format!(
                "CREATE TABLE secrets (what text); INSERT INTO secrets VALUES ('of {}')",
                tenant.name
            );
            psql(tenant, &["-c", &make]).await?;
            let read = psql(tenant, &["-c", "SELECT what FROM secrets"]).await?;
            ensure!(read == format!("of {}", tenant.name), "{model}: {read}");
        }
        let encrypted = psql(&mine, &["-c", "\\conninfo"]).await?;
        ensure!(
            encrypted.contains("SSL connection"),
            "{model}: the connection is not encrypted"
        );
        let (theirs, words) = match model {
            "Schema" => (vec![], "permission denied for schema"),
            _ => (vec!["-d", others.get("database")], "permission denied for database"),
        };
        let schema = others.get("schema").to_owned();
        let read = format!("SELECT what FROM {schema}.secrets");
        refused(&mine, &[&theirs[..], &["-c", &read]].concat(), words).await?;
        psql(&neighbour, &["-c", &read]).await?;
        let become_them = format!("SET ROLE {}", others.owner());
        refused(&mine, &["-c", &become_them], "permission denied to set role").await?;
        ensure!(own.user() != others.user(), "{model}: one login for two");
    }
    Ok(())
}
