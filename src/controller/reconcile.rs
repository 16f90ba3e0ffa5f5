//! One reconcile of one Tenant: observe, validate, plan, apply, report.

use super::{Context, deletion, metadata, report};
use crate::api::{Tenant, TenantStatus, unread_in};
use crate::capability::tenants::Named;
use crate::capability::{
    Invalid, Pass, Quarantine, ReconcileOutcome, Reports, Revocation, Stage, ValidTenant, identity,
};
use crate::cluster::{Error, Key};
use crate::conditions::reason;
use crate::isolation::quarantine;
use crate::namespaces::are_bounded;
use crate::tenant::provision;
use crate::tenant::{self, revocation};
use futures::FutureExt;
use k8s_openapi::jiff::Timestamp;
use kube::runtime::controller::Action;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tracing::Instrument;

/// The period in which usage is observed although nothing happened.
const RESYNC: Duration = Duration::from_secs(300);
/// The period in which a passing state is observed although nothing happened.
const PROGRESS_REQUEUE: Duration = Duration::from_secs(2);
/// The time for which a passing state is not published: most tenants are Ready by then, and one write suffices.
const STATUS_DEBOUNCE: Duration = Duration::from_secs(4);
/// The time that a tier or a parent may take to come after its tenant: kubectl applies all of one file in the order of their names.
const LATE_GRACE: Duration = Duration::from_secs(3);
/// The period in which a stalled state is observed.
const STALLED_REQUEUE: Duration = Duration::from_secs(30);
/// The time after which an error that passes by itself is reported.
const ERROR_DEBOUNCE: Duration = Duration::from_secs(60);

/// Reconciles one Tenant; its own errors are reported in its status, and returned for backoff and metrics.
///
/// # Errors
/// Whatever kept the environment from being as asked.
pub async fn reconcile(tenant: Arc<Named>, ctx: Arc<Context>) -> Result<Action, Error> {
    let started = Instant::now();
    ctx.caches.objects.synced().await;
    let name = tenant.metadata.name.as_deref().unwrap_or_default();
    ctx.queue.begun(name);
    // As it is now: a change from before that moment does not wake it again.
    let Some(now) = ctx.caches.tenants.get(name) else {
        ctx.is_missing(name);
        return Ok(Action::await_change());
    };
    if let Err(wait) = ctx.pace.take(name) {
        return Ok(Action::requeue(wait));
    }
    let span = tracing::info_span!("reconcile", tenant = name, id = format!("{:08x}", fastrand::u32(..)));
    // A mistake that shows with one tenant must not end the work for all.
    let result = AssertUnwindSafe(one(&now, &ctx)).catch_unwind().instrument(span).await;
    let result = result.unwrap_or_else(|_| Err(Error::Internal("the reconcile of this tenant panicked".into())));
    ctx.metrics
        .reconciled(started.elapsed(), result.as_ref().map(|_| ()).map_err(Error::reason));
    if result.is_ok() {
        ctx.backoff.succeeded(name);
    }
    result
}

async fn one(tenant: &Tenant, ctx: &Context) -> Result<Action, Error> {
    if tenant.metadata.deletion_timestamp.is_some() {
        return deletion::delete(tenant, ctx).await;
    }
    let world = ctx.caches.world(tenant);
    let (owner, tier) = (identity(tenant), ctx.caches.tier(tenant));
    let quarantine = quarantine(tenant, ctx, tenant.status.as_ref());
    let acted = quarantine.as_ref();
    let platform = ctx.platform();
    let pass = ctx.pass(&platform, tenant);
    let revocation = Revocation {
        tenant,
        owner: &owner,
        tier: tier.as_deref(),
        world: &world,
        quarantine: acted,
    };
    let revoked = revocation::revoke(&pass, &revocation).await;
    let mut valid = match judge(&revocation, ctx) {
        Ok(valid) => valid,
        Err((reason, message)) => {
            // What time takes away it takes all the same.
            let expired = revocation::revoke_expired(&pass, &revocation).await;
            let underway = ctx.underway_since(&owner.tenant).elapsed();
            let is_late = [reason::TIER_NOT_FOUND, reason::PARENT_NOT_FOUND].contains(&reason);
            let action = match is_late && underway < LATE_GRACE {
                true => Action::requeue(LATE_GRACE - underway),
                false => {
                    let outcome = ReconcileOutcome::Stalled { reason, message };
                    publish(tenant, &pass, ctx, outcome, acted, None).await?
                }
            };
            expired?;
            return revoked.map(|_| action);
        }
    };
    valid.core.quarantine.clone_from(&quarantine);
    metadata::ensure(tenant, &valid.core.family, ctx).await?;
    let provisioned = provision::provision(&pass, &mut valid).await;
    let mut reports = match provisioned {
        Ok(reports) => reports,
        Err(error) => return fail(tenant, &pass, ctx, error, acted, Some(&valid)).await,
    };
    match revoked {
        Ok(waiting) => reports.wait_for(waiting, quarantine.is_some()),
        Err(error) if error.is_of_one_object() => reports.add_unrevoked(&error),
        Err(error) => return fail(tenant, &pass, ctx, error, acted, Some(&valid)).await,
    }
    let refusal = reports.refusal();
    let outcome = ReconcileOutcome::Planned(reports);
    let action = publish(tenant, &pass, ctx, outcome, acted, Some(&valid)).await?;
    refusal.map_or(Ok(action), Err)
}

/// The valid tenant; else a reason and a message.
fn judge(of: &Revocation<'_>, ctx: &Context) -> Result<ValidTenant, (&'static str, String)> {
    if let Some(unread) = unread_in(&of.tenant.spec.unread, "spec") {
        return Err((
            reason::INVALID_SPEC,
            format!("{unread}; existing workloads keep running"),
        ));
    }
    let Some(tier) = of.tier else {
        let (reason, why) = ctx.caches.lacks_tier(of.tenant);
        return Err((reason, format!("spec.tier: {why}; existing workloads keep running")));
    };
    if let Some(why) = of.world.family.lacks() {
        let message = format!("spec.parent: {why}; existing workloads keep running");
        return Err((reason::PARENT_NOT_FOUND, message));
    }
    let invalid = |reasons: &[Invalid]| {
        let message = reasons.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        (reason::INVALID_SPEC, message)
    };
    let valid = tenant::validate_but_quota(&ctx.capabilities, of.tenant, tier, of.world);
    let valid = valid.map_err(|reasons| invalid(&reasons))?;
    // A refusal belongs to its object, but nothing runs in a namespace without bounds.
    match valid.core.quota_faults.is_empty() || are_bounded(&valid.core, &ctx.caches.objects) {
        true => Ok(valid),
        false => Err(invalid(&valid.core.quota_faults)),
    }
}

/// Decides whether the tenant is in quarantine, by its status.
fn quarantine(tenant: &Tenant, ctx: &Context, status: Option<&TenantStatus>) -> Option<Quarantine> {
    let tier = ctx.caches.tier(tenant);
    // Most tiers do not ask for it, and to look into a namespace costs.
    if tier.as_deref().is_some_and(|tier| !quarantine::is_asked_for(tier)) {
        return None;
    }
    let name = tenant.metadata.name.clone().unwrap_or_default();
    let key = Key::namespace(name.clone());
    let first = ctx.caches.objects.get(&name, &key);
    let before = Quarantine::read(first.filter(|live| live.belongs_to(&identity(tenant))).as_ref());
    quarantine::decide(tier.as_deref(), status, before, Timestamp::now())
}

/// Reports the outcome and returns the time of the next look. `acted` is the quarantine that the pass has acted on.
async fn publish(
    tenant: &Tenant,
    pass: &Pass<'_>,
    ctx: &Context,
    mut outcome: ReconcileOutcome,
    acted: Option<&Quarantine>,
    valid: Option<&ValidTenant>,
) -> Result<Action, Error> {
    let name = tenant.metadata.name.as_deref().unwrap_or_default();
    let is_quarantined = acted.is_some();
    let underway = if outcome.is_passing(is_quarantined) {
        ctx.underway_since(name).elapsed()
    } else {
        ctx.arrived(name);
        Duration::MAX
    };
    let debounce = if is_new_spec(tenant) {
        STATUS_DEBOUNCE / 4
    } else {
        STATUS_DEBOUNCE
    };
    if underway < debounce {
        let reports = outcome.reports().into_iter().flat_map(|reports| &reports.all);
        let due = reports.filter_map(|report| report.again).min();
        let rest = debounce - underway;
        return Ok(Action::requeue(due.map_or(rest, |due| due.min(rest))));
    }
    if let (ReconcileOutcome::Planned(reports), Some(valid)) = (&mut outcome, valid) {
        diagnose(pass, valid, reports).await;
    }
    let problem = outcome.reports().and_then(|reports| reports.problem(is_quarantined));
    let grace = problem
        .filter(|report| report.state.is_stalled())
        .and_then(|report| report.grace);
    if let Some(grace) = grace.filter(|grace| underway < *grace) {
        return Ok(Action::requeue(grace));
    }
    let again = match (&outcome, problem) {
        (ReconcileOutcome::Waiting { .. }, _) => PROGRESS_REQUEUE,
        (ReconcileOutcome::Stalled { .. }, _) | (_, None) => RESYNC,
        (_, Some(report)) if report.state.is_stalled() => STALLED_REQUEUE,
        (_, Some(report)) => match (report.description.stage, report.grace) {
            (Stage::Namespaces, _) => PROGRESS_REQUEUE,
            (_, Some(_)) => PROGRESS_REQUEUE * 2,
            // A capability that goes on by itself says when to look again, or wakes its tenants.
            (_, None) => STALLED_REQUEUE,
        },
    };
    let status = report::report(ctx, tenant, &outcome, valid).await?;
    let reports = outcome.reports().into_iter().flat_map(|reports| &reports.all);
    let due = reports.filter_map(|report| report.again).min().unwrap_or(again);
    let until_change = quarantine_due(tenant, ctx, acted, &status);
    Ok(Action::requeue(again.min(due).min(until_change.unwrap_or(again))))
}

/// Adds to the reports what only those should pay for that are about to be published.
async fn diagnose(pass: &Pass<'_>, valid: &ValidTenant, reports: &mut Reports) {
    // A refusal says all there is to say.
    for report in reports.all.iter_mut().filter(|report| report.because.is_none()) {
        let condition = report.description.condition;
        let mut capabilities = pass.capabilities.iter();
        if let Some(capability) = capabilities.find(|capability| capability.description().condition == condition) {
            *report = capability.diagnose(pass, valid, report.clone()).await;
        }
    }
}

/// Returns the time until a quarantine begins, changes or ends, by the status that was just reported.
fn quarantine_due(
    tenant: &Tenant,
    ctx: &Context,
    acted: Option<&Quarantine>,
    status: &TenantStatus,
) -> Option<Duration> {
    let tier = ctx.caches.tier(tenant)?;
    let now = quarantine(tenant, ctx, Some(status));
    if acted != now.as_ref() {
        // It is acted on once the status is seen.
        return Some(PROGRESS_REQUEUE / 2);
    }
    let left = now?.until(&tier)?.duration_since(Timestamp::now());
    Some(Duration::try_from(left).unwrap_or_default() + PROGRESS_REQUEUE / 2)
}

/// Returns true where the status still describes an earlier spec, on which somebody may rely.
fn is_new_spec(tenant: &Tenant) -> bool {
    let observed = tenant.status.as_ref().and_then(|status| status.observed_generation);
    observed.is_some() && observed != tenant.metadata.generation
}

/// Reports an error where somebody can act on it, and passes it on for backoff.
async fn fail(
    tenant: &Tenant,
    pass: &Pass<'_>,
    ctx: &Context,
    error: Error,
    acted: Option<&Quarantine>,
    valid: Option<&ValidTenant>,
) -> Result<Action, Error> {
    let outcome = match &error {
        Error::Terminating(_) if !error.is_stalled() => {
            let outcome = ReconcileOutcome::Waiting {
                reason: reason::PROGRESSING,
                message: error.to_string(),
            };
            return publish(tenant, pass, ctx, outcome, acted, valid).await;
        }
        error if error.is_stalled() => ReconcileOutcome::Stalled {
            reason: error.reason(),
            message: error.chain(),
        },
        error => ReconcileOutcome::Waiting {
            reason: error.reason(),
            message: error.chain(),
        },
    };
    // A conflict in passing, or an API server that is away for a moment, is not worth a write.
    let name = tenant.metadata.name.as_deref().unwrap_or_default();
    if !outcome.is_passing(acted.is_some()) || ctx.underway_since(name).elapsed() >= ERROR_DEBOUNCE {
        report::report(ctx, tenant, &outcome, valid).await?;
    }
    Err(error)
}
