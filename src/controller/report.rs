//! Writes the status, the tenant's own view and events, when they changed.

use super::Context;
use crate::api::{Tenant, TenantStatus};
use crate::capability::{Observation, ReconcileOutcome, ValidTenant, identity};
use crate::cluster::{Error, Key, Kind, Live, decode::Read};
use crate::conditions::{condition, kind, reason};
use crate::names;
use crate::proof::Outcome;
use crate::tenant::status::{self, Observed};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, Patch, PatchParams};
use serde_json::json;
use std::collections::HashMap;

/// Reports an outcome. Returns the status as it now stands.
///
/// # Errors
/// The API server's.
pub async fn report(
    ctx: &Context,
    tenant: &Tenant,
    outcome: &ReconcileOutcome,
    valid: Option<&ValidTenant>,
) -> Result<TenantStatus, Error> {
    let name = tenant.metadata.name.clone().unwrap_or_default();
    let now = Timestamp::now();
    let objects = ctx.caches.objects.of(&name);
    let owner = identity(tenant);
    let ours = || objects.values().filter(|live| live.belongs_to(&owner));
    let namespaces = status::existing_namespaces(&name, ours());
    let usage = status::usage(ours(), now);
    let observed = Observed { namespaces, usage };
    let mut new = status::status(&ctx.capabilities, tenant, outcome, valid, observed, now);
    let check = own_check(ctx, outcome, valid);
    let observation = Observation {
        tenant,
        owner: &owner,
        valid,
        outcome,
        check: check.as_ref(),
        now,
    };
    for capability in &ctx.capabilities {
        capability.observe(&observation, &mut new).await;
    }
    let old = tenant.status.as_ref();
    let worth_writing = status::is_worth_writing(old, &new, now);
    let current = old.filter(|_| !worth_writing).unwrap_or(&new);
    // Before the status, so that whoever sees Ready finds the view. Where the operator's own right is not there yet, or no
    // more, there is nowhere to write it.
    let binding = Key {
        kind: Kind::RoleBinding,
        namespace: name.clone(),
        name: names::NAMESPACE_BINDING.into(),
    };
    let mut viewed = Ok(());
    if current.namespaces.contains(&name) && objects.contains_key(&binding) && !is_ending(&objects, &name) {
        let view = status::view_object(&owner, &status::view(tenant, current));
        viewed = ctx.writer.ensure(&owner, &view).await.map(|_| ());
    }
    if worth_writing {
        write(ctx, &name, tenant.metadata.uid.as_deref(), &new).await?;
        tell(ctx, tenant, &new).await;
    }
    viewed?;
    Ok(current.clone())
}

/// The outcome of the check that a capability made itself; None where none has one.
fn own_check(ctx: &Context, outcome: &ReconcileOutcome, valid: Option<&ValidTenant>) -> Option<Outcome> {
    ctx.capabilities.iter().find_map(|capability| {
        let report = outcome.report(capability.description().condition);
        capability.check(valid, report)
    })
}

/// Returns true where the namespace is terminating, and takes nothing any more.
fn is_ending(objects: &HashMap<Key, Live>, namespace: &str) -> bool {
    let key = Key::namespace(namespace);
    objects.get(&key).is_none_or(Live::is_terminating)
}

async fn write(ctx: &Context, name: &str, uid: Option<&str>, status: &TenantStatus) -> Result<(), Error> {
    let api: Api<Read<Tenant>> = Api::all(ctx.writer.client().clone());
    // A replacement whole, for this very Tenant and no later one of its name.
    let patch: json_patch::Patch = serde_json::from_value(json!([
        {"op": "test", "path": "/metadata/uid", "value": uid},
        {"op": "add", "path": "/status", "value": status},
    ]))
    .map_err(kube::Error::SerdeError)?;
    api.patch_status(name, &PatchParams::default(), &Patch::<Tenant>::Json(patch))
        .await?;
    Ok(())
}

/// Returns the condition that newly tells of a loss of the tenant's data.
fn lost<'a>(tenant: &Tenant, new: &'a TenantStatus) -> Option<&'a Condition> {
    let tells = |condition: &Condition| [reason::SCHEMA_LOST, reason::DATABASE_LOST].contains(&&*condition.reason);
    let found = new.conditions.iter().find(|condition| tells(condition))?;
    let is_told = condition(tenant, &found.type_).is_some_and(|before| before.message == found.message);
    (!is_told).then_some(found)
}

/// An event when readiness changed its reason, unless it only passes through on its way.
async fn tell(ctx: &Context, tenant: &Tenant, new: &TenantStatus) {
    let find = |kind| new.conditions.iter().find(|condition| condition.type_ == kind);
    let before = condition(tenant, kind::READY);
    if let Some(isolated) = find(kind::ISOLATED) {
        let before = condition(tenant, kind::ISOLATED);
        let was_violated = before.is_some_and(|before| before.status == "False");
        let is_violated = isolated.status == "False";
        let is_told = before.is_some_and(|before| before.message == isolated.message);
        if (is_violated && !is_told) || (was_violated && isolated.status == "True") {
            ctx.events.isolation(tenant, isolated).await;
        }
    }
    if let Some(lost) = lost(tenant, new) {
        ctx.events.data_lost(tenant, lost).await;
    }
    let Some(ready) = find(kind::READY) else { return };
    let changed = before.is_none_or(|before| (&before.status, &before.reason) != (&ready.status, &ready.reason));
    let blocked = ready.reason == reason::DRAIN_BLOCKED;
    let warning = blocked || find(kind::STALLED).is_some_and(|stalled| stalled.status == "True");
    let arrived = ready.status == "True" || ready.reason == reason::TERMINATING;
    if changed && (warning || arrived) {
        ctx.events.readiness(tenant, ready, warning).await;
    }
}
