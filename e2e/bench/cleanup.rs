//! Removes the bench's objects in any state.

use crate::cluster::{Cluster, WORKERS, gone, has_code};
use crate::spec::{FLEET, FLOOR, LABEL, TIER};
use crate::timing::{patience, until};
use crate::{application, database, load, operator, say};
use anyhow::{Context, Result};
use futures::{StreamExt, TryStreamExt, stream};
use kube::ResourceExt;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use serde_json::json;
use std::time::{Duration, Instant};
use tenant_operator::cluster::Kind;
use tenant_operator::names;

const PAUSE: Duration = Duration::from_millis(500);

/// Removes all runs, their tiers and the tenants' shared objects, and restores the operator's replicas.
pub async fn everything(cluster: &Cluster, replicas: i32) -> Result<()> {
    if operator::replicas(cluster).await? != replicas {
        operator::scale(cluster, replicas).await?;
    }
    by_operator(cluster, FLEET, 0).await?;
    load::remove(cluster).await?;
    by_force(cluster, FLOOR).await?;
    by_force(cluster, FLEET).await?;
    gone(cluster.tiers().delete(TIER, &DeleteParams::default()).await)?;
    application::remove(cluster).await?;
    database::remove(cluster).await
}

/// Lets the operator remove all tenants of a run but the first. Returns how long it took.
pub async fn by_operator(cluster: &Cluster, run: &str, keep: usize) -> Result<Duration> {
    let started = Instant::now();
    let ours = ListParams::default().labels(&format!("{LABEL}={run}"));
    let mut tenants = cluster.tenants().list_metadata(&ours).await?.items;
    tenants.sort_by_key(ResourceExt::name_any);
    let tenants = tenants.get(keep..).unwrap_or_default();
    let count = tenants.len();
    if count == 0 {
        return Ok(Duration::ZERO);
    }
    say(format_args!("removing {count} tenants"));
    let deletions = tenants.iter().map(|tenant| async {
        gone(
            cluster
                .tenants()
                .delete(&tenant.name_any(), &DeleteParams::default())
                .await,
        )
    });
    stream::iter(deletions)
        .buffer_unordered(WORKERS)
        .try_collect::<()>()
        .await?;
    until(
        "the operator to remove its tenants",
        patience(count * 2),
        PAUSE,
        async || {
            let left = cluster.tenants().list_metadata(&ours).await?.items.len();
            Ok((left <= keep).then(|| started.elapsed()))
        },
    )
    .await
}

/// Removes a run's tenants, namespaces and claims without the operator's help.
pub async fn by_force(cluster: &Cluster, run: &str) -> Result<()> {
    let tenants = cluster
        .tenants()
        .list_metadata(&ListParams::default().labels(&format!("{LABEL}={run}")))
        .await?
        .items;
    let removals = tenants.iter().map(|tenant| async {
        let name = tenant.name_any();
        gone(cluster.tenants().delete(&name, &DeleteParams::default()).await)?;
        let patch = Patch::Merge(json!({"metadata": {"finalizers": null}}));
        gone(
            cluster
                .tenants()
                .patch_metadata(&name, &PatchParams::default(), &patch)
                .await,
        )
    });
    stream::iter(removals)
        .buffer_unordered(WORKERS)
        .try_collect::<()>()
        .await
        .context("remove tenants")?;

    let found = marked(cluster, Kind::Namespace, "", run).await?;
    let claims = marked(cluster, Kind::ConfigMap, operator::NAMESPACE, run).await?;
    let grants = marked(cluster, Kind::ReferenceGrant, application::NAMESPACE, run).await?;
    if found.is_empty() && claims.is_empty() && grants.is_empty() {
        return Ok(());
    }
    say(format_args!("removing {} namespaces of {run}", found.len()));
    for (kind, namespace, names) in [
        (Kind::Namespace, "", &found),
        (Kind::ConfigMap, operator::NAMESPACE, &claims),
        (Kind::ReferenceGrant, application::NAMESPACE, &grants),
    ] {
        let api = cluster.api(kind, namespace);
        let deletions = names
            .iter()
            .map(|name| async { gone(api.delete(name, &DeleteParams::default()).await) });
        stream::iter(deletions)
            .buffer_unordered(WORKERS)
            .try_collect::<()>()
            .await
            .context("remove namespaces")?;
    }
    until("namespaces to go", patience(found.len() * 2), PAUSE, async || {
        Ok(marked(cluster, Kind::Namespace, "", run)
            .await?
            .is_empty()
            .then_some(()))
    })
    .await
}

/// Returns the names of objects with the mark of one of the run's tenants.
async fn marked(cluster: &Cluster, kind: Kind, namespace: &str, run: &str) -> Result<Vec<String>> {
    let listed = cluster
        .api(kind, namespace)
        .list_metadata(&ListParams::default().labels(names::TENANT))
        .await;
    let objects = match listed {
        // Not every cluster has all kinds.
        Err(error) if has_code(&error, 404) => Vec::new(),
        listed => listed?.items,
    };
    let of_run = |tenant: &String| {
        let number = tenant.strip_prefix(run).and_then(|rest| rest.strip_prefix('-'));
        number.is_some_and(|number| number.len() >= 4 && number.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let ours = objects
        .iter()
        .filter(|object| object.labels().get(names::TENANT).is_some_and(of_run));
    Ok(ours.map(ResourceExt::name_any).collect())
}
