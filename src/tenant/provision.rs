//! Makes a planned environment real, stage by stage: nothing of a stage is written before the one before it holds.

use super::plan::{self, Environment};
use crate::capability::claim::holder;
use crate::capability::{Capability, Pass, Report, Reports, Stage, ValidTenant, Withheld};
use crate::cluster::{Error, Identity, Key, Kind, Live, Store, Writer};
use crate::names;
use std::collections::HashSet;
use std::sync::Arc;

/// Brings the environment one step, or all the way, nearer to what was planned.
///
/// # Errors
/// Errors of the API server, and an id that another tenant holds. A refused object is in the report of its capability instead.
pub async fn provision(pass: &Pass<'_>, tenant: &mut ValidTenant) -> Result<Reports, Error> {
    // What another has is missing, and nothing else.
    let mut claimed = Vec::new();
    for capability in pass.capabilities {
        let refusal = capability.prepare(pass, tenant).await?;
        claimed.extend(refusal.map(|error| Report::refused(capability.description(), &error)));
    }
    let mut reports = apply(pass, tenant).await?;
    for report in claimed {
        reports.add_claimed(report);
    }
    Ok(reports)
}

async fn apply(pass: &Pass<'_>, tenant: &mut ValidTenant) -> Result<Reports, Error> {
    let environment = plan::plan(pass.capabilities, tenant, pass.platform);
    let owner = tenant.core.owner.clone();
    let withheld = withhold(pass, &owner, &environment).await?;
    tenant.set(withheld);
    // What is no longer asked for goes first: a refusal further on must not keep anyone's former rights alive, and what a
    // namespace gives back must be free before another gets it.
    let stale = stale(pass.store, &owner, &environment, pass.capabilities);
    let admits = |live: &Live| pass.capabilities.iter().any(|capability| capability.admits(live));
    let (permissive, stale): (Vec<_>, Vec<_>) = stale.into_iter().partition(admits);
    prune(pass.writer, permissive).await?;
    for capability in pass.capabilities {
        capability.block_stale(pass, &owner, &stale).await?;
    }
    let reports = report(pass, tenant, environment).await?;
    if reports.gate().is_none() {
        // Last what the former workloads stood on, now that none of them needs it. What a refused object was to replace stays.
        let is_needed = |live: &Live| {
            let mut capabilities = pass.capabilities.iter();
            capabilities.any(|capability| {
                let refused = reports.of(capability.description().condition);
                let is_refused = refused.is_some_and(|report| report.because.is_some());
                capability.still_needs(tenant, live) || (is_refused && capability.replaces(live))
            })
        };
        prune(pass.writer, stale.into_iter().filter(|live| !is_needed(live))).await?;
    }
    Ok(reports)
}

/// Applies the namespaces, and the operator's right in each. Where one of these fails, only its namespace is withheld.
async fn withhold(pass: &Pass<'_>, owner: &Identity, environment: &Environment) -> Result<Withheld, Error> {
    let mut withheld = Withheld::default();
    for stage in [Stage::Namespaces, Stage::Bindings] {
        let mut objects = environment.stage(stage);
        let closed = withheld.namespaces();
        objects.retain(|object| !closed.contains(&object.key.namespace));
        withheld.failures.extend(pass.apply_each(owner, &objects).await?);
    }
    Ok(withheld)
}

/// Applies each capability's objects in turn, up to the first gate that is closed.
async fn report(pass: &Pass<'_>, tenant: &mut ValidTenant, environment: Environment) -> Result<Reports, Error> {
    let mut reports = Reports::default();
    let before = tenant.contributions.clone();
    for (capability, planned) in pass.capabilities.iter().zip(environment.planned) {
        let stage = capability.description().stage;
        if reports.gate().is_some_and(|gate| gate.stage <= stage) {
            continue;
        }
        // Capabilities before it may contribute something else since it was planned.
        tenant.contributions = plan::contributions(pass.capabilities, tenant);
        let planned = match tenant.contributions == before {
            true => planned,
            false => capability.plan(tenant, pass.platform),
        };
        let report = match capability.apply(pass, tenant, planned).await {
            // A refusal belongs to its object: what does not depend on it goes on.
            Err(error) if error.is_of_one_object() => Some(Report::refused(capability.description(), &error)),
            result => result?,
        };
        reports.all.extend(report);
    }
    Ok(reports)
}

/// The tenant's objects that are no longer planned. Namespaces are drained instead; claims on volumes are data.
fn stale(
    store: &Store,
    owner: &Identity,
    environment: &Environment,
    capabilities: &[Arc<dyn Capability>],
) -> Vec<Live> {
    let planned = environment.keys();
    let objects = store.of(&owner.tenant);
    let holds_data = |id: Option<&str>| {
        let mut namespaces = objects.values().filter(|live| live.key.kind == Kind::Namespace);
        namespaces.any(|namespace| namespace.label(names::TENANT_ID) == id)
    };
    let is_stale = |live: &Live| {
        // A claim on an id that this tenant gave up, and under which nothing is kept.
        let former = holder(live) == Some(&owner.tenant)
            && live.label(names::CLAIM).is_some()
            && !holds_data(live.label(names::TENANT_ID));
        (live.belongs_to(owner) || former)
            && !capabilities.iter().any(|capability| capability.is_kept(live))
            && !planned.contains(&live.key)
            && !live.is_terminating()
            && !matches!(
                live.key.kind,
                Kind::Namespace | Kind::PersistentVolumeClaim | Kind::TenantView
            )
            && is_within_reach(&live.key, &planned, capabilities)
    };
    let mut stale: Vec<Live> = objects.values().filter(|live| is_stale(live)).cloned().collect();
    // What leads somewhere goes before what lets it.
    stale.sort_by_key(|live| !live.key.kind.is_route());
    stale
}

/// Returns true where the operator writes such objects: where a capability says so, or where others are planned.
fn is_within_reach(key: &Key, planned: &HashSet<Key>, capabilities: &[Arc<dyn Capability>]) -> bool {
    let said = |key: &Key| capabilities.iter().find_map(|capability| capability.writes_at(key));
    said(key).unwrap_or_else(|| {
        let mut others = planned.iter().filter(|planned| said(planned).is_none());
        others.any(|planned| planned.namespace == key.namespace)
    })
}

async fn prune(writer: &Writer, stale: impl IntoIterator<Item = Live>) -> Result<(), Error> {
    for live in stale {
        tracing::info!(object = %live.key, "no longer asked for: deleted");
        writer.delete(&live).await?;
    }
    Ok(())
}

#[cfg(test)]
#[path = "provision_test.rs"]
mod tests;
