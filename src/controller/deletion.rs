//! The deletion of a Tenant: its steps, its status, and the finalizer that ends it.

use super::metadata::{self, has_finalizer};
use super::{Context, report};
use crate::api::Tenant;
use crate::capability::{ReconcileOutcome, family, identity};
use crate::cluster::{Error, write::has_code};
use crate::conditions::reason;
use crate::database::release;
use crate::names;
use crate::tenant::cleanup;
use kube::api::Api;
use kube::runtime::controller::Action;
use serde_json::json;
use std::time::Duration;

/// The period in which a deletion is observed; it is reported from then on.
const DELETION_REQUEUE: Duration = Duration::from_secs(1);
/// From when on a deletion that makes no headway is called blocked.
const BLOCKED_AFTER: Duration = Duration::from_secs(60);
/// The most subtenants that a message names.
const MOST_NAMED: usize = 10;

/// Brings a deleted Tenant nearer to its end, and reports what it waits for.
///
/// # Errors
/// Whatever kept the deletion from going on.
pub async fn delete(tenant: &Tenant, ctx: &Context) -> Result<Action, Error> {
    let name = tenant.metadata.name.clone().unwrap_or_default();
    if !has_finalizer(tenant) || !is_there(tenant, ctx).await? {
        return Ok(Action::await_change());
    }
    let deletion = Context::deletion_of(&name);
    let owner = identity(tenant);
    let platform = ctx.platform();
    let pass = ctx.pass(&platform, tenant);
    let children = children(tenant, ctx);
    if let Some(server) = abandoned(tenant).filter(|_| children.is_none()) {
        let given_up = release::abandon(&ctx.databases, &ctx.writer, &owner, server).await?;
        if let Some(placement) = given_up {
            ctx.events.abandoned(tenant, &placement.server).await;
        }
    }
    let step = match children {
        Some(waiting) => Ok(Some(waiting)),
        None => cleanup::cleanup(&pass, &owner).await,
    };
    let step = match step {
        Ok(None) => {
            ctx.arrived(&name);
            ctx.arrived(&deletion);
            remove_finalizer(tenant, ctx).await?;
            return Ok(Action::await_change());
        }
        Ok(Some(waiting)) => Ok(waiting),
        Err(error) => Err(error),
    };
    let since = ctx.underway_since(&deletion).elapsed();
    if let Some(outcome) = outcome(step.as_ref(), since) {
        report::report(ctx, tenant, &outcome, None).await?;
    }
    match step {
        Err(error) if !matches!(error, Error::Terminating(_)) => Err(error),
        _ if since >= BLOCKED_AFTER => Ok(Action::requeue(DELETION_REQUEUE * 5)),
        _ => Ok(Action::requeue(DELETION_REQUEUE)),
    }
}

/// The outcome to report of a deletion that has gone on for so long, if it is worth a write. `step`: a message on what it waits for, or the error that stopped it.
fn outcome(step: Result<&String, &Error>, since: Duration) -> Option<ReconcileOutcome> {
    let is_blocked = since >= BLOCKED_AFTER;
    let (reason, message, debounce) = match step {
        Ok(waiting) => (reason::TERMINATING, waiting.clone(), DELETION_REQUEUE),
        Err(error @ Error::Terminating(_)) => (reason::TERMINATING, error.chain(), DELETION_REQUEUE),
        Err(error) if error.is_stalled() => {
            let (reason, message) = (error.reason(), error.chain());
            return Some(ReconcileOutcome::Stalled { reason, message });
        }
        // A conflict in passing, or an API server that is away for a moment, is not worth a write.
        Err(error) if error.is_transient() => (error.reason(), error.chain(), BLOCKED_AFTER),
        Err(error) => (error.reason(), error.chain(), DELETION_REQUEUE),
    };
    let reason = if is_blocked { reason::DRAIN_BLOCKED } else { reason };
    (since >= debounce).then_some(ReconcileOutcome::Waiting { reason, message })
}

/// Returns true where this very Tenant exists. While the watch lags behind, the store may show one that is gone, and what it had may be
/// that of another Tenant with its id.
async fn is_there(tenant: &Tenant, ctx: &Context) -> Result<bool, Error> {
    let api: Api<Tenant> = Api::all(ctx.writer.client().clone());
    let name = tenant.metadata.name.as_deref().unwrap_or_default();
    let now = api.get_metadata_opt(name).await?;
    Ok(now.is_some_and(|now| now.metadata.uid == tenant.metadata.uid))
}

/// The server on which a deleted tenant's data is given up, if somebody said so.
fn abandoned(tenant: &Tenant) -> Option<&str> {
    let annotations = tenant.metadata.annotations.as_ref()?;
    annotations.get(names::ABANDON).map(String::as_str)
}

async fn remove_finalizer(tenant: &Tenant, ctx: &Context) -> Result<(), Error> {
    let mut finalizers = tenant.metadata.finalizers.clone().unwrap_or_default();
    finalizers.retain(|finalizer| finalizer != names::FINALIZER);
    match metadata::patch(tenant, ctx, json!({"finalizers": finalizers})).await {
        Err(Error::Api(error)) if has_code(&error, 404) => Ok(()),
        result => result,
    }
}

/// Returns a message with the subtenants that must end before their parent. Tenants in a circle have nothing, and wait for none.
fn children(tenant: &Tenant, ctx: &Context) -> Option<String> {
    let name = tenant.metadata.name.as_deref().unwrap_or_default();
    let children = ctx.caches.tenants.children(name);
    if children.is_empty() || family::observe(tenant, &ctx.caches).circle.is_some() {
        return None;
    }
    Some(names_children(&children))
}

fn names_children(children: &[String]) -> String {
    let shown = children[..children.len().min(MOST_NAMED)].join(", ");
    let rest = match children.len().saturating_sub(MOST_NAMED) {
        0 => String::new(),
        rest => format!(" and {rest} more"),
    };
    let (number, them) = if children.len() == 1 {
        ("subtenant", "it")
    } else {
        ("subtenants", "them")
    };
    format!("waiting for the end of {number} {shown}{rest}: delete {them} first")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::Key;
    use kube::core::Status;

    fn api(code: u16) -> Error {
        let answer = Status::failure("namespaces \"acme-b\" not found", "NotFound").with_code(code);
        Error::write(&Key::namespace("acme-b"), kube::Error::Api(answer.boxed()))
    }

    fn said(step: Result<&str, Error>, seconds: u64) -> Option<(&'static str, bool)> {
        let step = step.map(str::to_owned);
        match outcome(step.as_ref(), Duration::from_secs(seconds))? {
            ReconcileOutcome::Stalled { reason, message } => {
                assert!(message.contains("acme-b"), "{message}");
                Some((reason, true))
            }
            ReconcileOutcome::Waiting { reason, message } => {
                assert!(message.contains("acme-b"), "{message}");
                Some((reason, false))
            }
            ReconcileOutcome::Planned(_) => panic!("a deletion plans nothing"),
        }
    }

    #[test]
    fn a_deletion_that_does_not_go_on_says_so() {
        let waits = || Ok("2 pods terminating in namespace acme-b");
        for (step, seconds, reported) in [
            (waits(), 0, None),
            (waits(), 1, Some((reason::TERMINATING, false))),
            (waits(), 60, Some((reason::DRAIN_BLOCKED, false))),
            // Nobody knows why: it is said soon, and is blocked after a minute.
            (Err(api(404)), 0, None),
            (Err(api(404)), 2, Some((reason::API_OTHER, false))),
            (Err(api(404)), 60, Some((reason::DRAIN_BLOCKED, false))),
            (Err(api(503)), 2, None),
            (Err(api(503)), 60, Some((reason::DRAIN_BLOCKED, false))),
            (Err(api(403)), 0, Some((reason::API_FORBIDDEN, true))),
        ] {
            let what = format!("{step:?} after {seconds} s");
            assert_eq!(said(step, seconds), reported, "{what}");
        }
    }

    #[test]
    fn a_parent_that_is_deleted_names_its_subtenants() {
        let names = |count: usize| (1..=count).map(|i| format!("a{i}")).collect::<Vec<_>>();
        let message = |count| names_children(&names(count));
        assert_eq!(message(1), "waiting for the end of subtenant a1: delete it first");
        assert_eq!(
            message(2),
            "waiting for the end of subtenants a1, a2: delete them first"
        );
        assert!(message(12).contains("a10 and 2 more"), "{}", message(12));
    }
}
