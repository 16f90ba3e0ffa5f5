//! No pod and no owner before the bounds: read from the audit log.

use crate::support::audit::{Audit, Write};
use crate::support::{Scene, eventually, operator, secs, server_workload};
use anyhow::{Context, Result, ensure};
use serde_json::json;

#[tokio::test]
async fn bounds_come_before_access_and_pods() -> Result<()> {
    if !Audit::is_kept("bounds_come_before_access_and_pods") {
        return Ok(());
    }
    let scene = Scene::new("order").await?;
    let log = Audit::now()?;
    let tier = scene.tier(json!({})).await?;
    let spec = json!({"owners": [{"kind": "User", "name": "someone", "role": "Admin"}], "namespaces": [{"name": "more"}],
                      "workloads": [server_workload("web")]});
    let tenant = scene.tenant("", &tier, spec).await?;
    tenant.ready().await?;
    for namespace in [tenant.name.clone(), format!("{}-more", tenant.name)] {
        let writes = eventually("the log to hold the pods", secs(10), async || {
            let all: Vec<_> = log
                .writes()?
                .into_iter()
                .filter(|w| w.namespace == namespace && w.code < 300)
                .collect();
            ensure!(
                namespace != tenant.name || all.iter().any(|w| w.resource == "pods"),
                "there is none"
            );
            Ok(all)
        })
        .await?;
        check(&namespace, &writes).with_context(|| format!("{namespace}: {}", listing(&writes)))?;
    }
    Ok(())
}

fn check(namespace: &str, writes: &[Write]) -> Result<()> {
    let made = |resource: &'static str| {
        writes
            .iter()
            .filter(move |w| w.resource == resource && w.subresource.is_empty())
    };
    let ours = |w: &&Write| w.user == operator::USER;
    // Quota admission compares with the status, and an empty one admits everything.
    let counted = writes
        .iter()
        .find(|w| w.resource == "resourcequotas" && w.subresource == "status");
    let counted = counted.context("the quota was never counted")?;
    let mut bounds = vec![counted];
    for resource in ["resourcequotas", "limitranges", "networkpolicies"] {
        let first: Vec<_> = made(resource).filter(ours).collect();
        ensure!(!first.is_empty(), "the operator made no {resource} in {namespace}");
        bounds.extend(
            first
                .into_iter()
                .filter(|w| matches!(w.verb.as_str(), "create" | "patch")),
        );
    }
    let owners = made("rolebindings").filter(|w| w.name.starts_with("tenant-operator-tenant-"));
    let later: Vec<_> = owners
        .chain(made("deployments").filter(ours))
        .chain(made("pods").filter(|w| w.verb == "create"))
        .collect();
    ensure!(!later.is_empty(), "nothing came after the bounds");
    for bound in bounds {
        for event in &later {
            ensure!(
                bound.at <= event.at,
                "{} {} at {} came before {} {} at {}",
                event.resource,
                event.name,
                event.at,
                bound.resource,
                bound.name,
                bound.at
            );
        }
    }
    Ok(())
}

fn listing(writes: &[Write]) -> String {
    let line = |w: &Write| format!("\n  {} {} {}/{} {}", w.at, w.verb, w.resource, w.subresource, w.name);
    writes.iter().map(line).collect()
}
