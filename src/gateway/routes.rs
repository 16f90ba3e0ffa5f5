//! Writes a tenant's routes to the gateway, and reads their state.

use super::api_keys::{self, ApiKeys, Memos};
use super::state::{GatewayState, judge, of_object};
use super::{Attachment, GatewayConfig, ValidGateway, Written, certificates};
use crate::api::GatewayStatus;
use crate::capability::jwks::PublicKeys;
use crate::capability::{Failure, Note, Pass, State, ValidTenant};
use crate::cluster::{Desired, Error, Identity, Live, Store, Writer, diff::difference};
use crate::conditions::reason;
use serde_json::Value;
use std::time::Duration;

/// The message of the condition while all is in force.
pub const ACCEPTED: &str = "the gateway has accepted all current routes and policies";
/// The problem of a Gateway that was not observed yet.
pub const UNSEEN: &str = "the Gateway was not looked at yet";

/// A tenant's way in, as it was found.
#[derive(Clone, Debug)]
pub struct AppliedRoutes {
    pub state: State,
    pub status: GatewayStatus,
    /// The time until the next change.
    pub again: Option<Duration>,
}

/// True where a route asks for credentials.
pub fn is_guarded(to: &Attachment, route: &Live) -> bool {
    to.controller.guard(&route.key, &route.value).is_some()
}

/// The way in of a tenant, on hosts that are its own by now; None where nothing leads to it.
pub fn config(tenant: &ValidTenant, to: &Attachment) -> Option<GatewayConfig> {
    let (gateway, keys) = (tenant.part::<ValidGateway>()?, tenant.part::<PublicKeys>());
    GatewayConfig::of(&tenant.core, gateway, keys, &to.shared_hosts, &to.path)
}

/// The objects of a tenant's way in, and the way in that they were written for.
#[derive(Clone, Debug)]
pub struct PlannedRoutes {
    config: GatewayConfig,
    written: Written,
}

/// Plans the way in; None where nothing leads to the tenant.
pub fn plan(tenant: &ValidTenant, to: &Attachment) -> Option<PlannedRoutes> {
    let config = config(tenant, to)?;
    let written = to.controller.write(&config, to);
    Some(PlannedRoutes { config, written })
}

impl PlannedRoutes {
    pub fn objects(&self) -> &[Desired] {
        &self.written.objects
    }
}

/// The objects that make key sets known which nothing asks for: only a Secret says which these are.
pub fn jwks_preloads(tenant: &ValidTenant, to: &Attachment) -> Vec<Desired> {
    let has_any = tenant
        .part::<PublicKeys>()
        .is_some_and(|keys| !keys.preloaded.is_empty());
    let config = config(tenant, to).filter(|_| has_any);
    config
        .map(|config| to.controller.jwks_preloads(&config, to))
        .unwrap_or_default()
}

/// Blocks these stale routes until their replacements are there: without them requests would take other routes, which may ask for less.
///
/// # Errors
/// The first write that was refused.
pub async fn block_stale(writer: &Writer, owner: &Identity, to: &Attachment, stale: &[Live]) -> Result<(), Error> {
    for live in stale.iter().filter(|live| live.key.kind.is_route()) {
        if is_guarded(to, live) && !to.controller.is_blocked(&live.value) {
            let blocked = to.controller.blocked(live.value.clone());
            writer.ensure(owner, &live.with(blocked)).await?;
        }
    }
    Ok(())
}

/// Answers all requests to the tenant with 503, on its own routes: objects that it shares with others do not know that it is blocked.
///
/// # Errors
/// The first write that was refused; the others are tried all the same.
pub async fn block_all(
    writer: &Writer,
    store: &Store,
    owner: &Identity,
    to: &Attachment,
    why: &str,
) -> Result<(), Error> {
    let mut result = Ok(());
    for live in store.of(&owner.tenant).into_values() {
        if live.key.kind.is_route() && live.belongs_to(owner) && !live.is_terminating() {
            for desired in to.controller.blocked_with_reason(owner, &live, why) {
                tracing::info!(object = %desired.key, "closed");
                result = result.and(writer.ensure(owner, &desired).await.map(|_| ()));
            }
        }
    }
    result
}

/// Brings the way in one step, or all the way, nearer to the plan; None where nothing should lead in. `problem`: the reason why the gateway serves nobody.
///
/// # Errors
/// The first write that was refused.
pub async fn reconcile(
    pass: &Pass<'_>,
    tenant: &ValidTenant,
    to: Option<&Attachment>,
    problem: Option<String>,
    memos: &Memos,
) -> Result<Option<AppliedRoutes>, Error> {
    let (writer, store, owner) = (pass.writer, pass.store, &tenant.core.owner);
    let Some((to, mut config)) = to.and_then(|to| Some((to, config(tenant, to)?))) else {
        // Without hosts no route leads in; clients keep their keys for the next one.
        if tenant.part::<ValidGateway>().is_none() {
            api_keys::reconcile(writer, tenant, &[], false, memos).await?;
        }
        return Ok(None);
    };
    let wants_single = to.controller.wants_single_keys();
    let ApiKeys { status, slots, again } =
        api_keys::reconcile(writer, tenant, &config.gateway.keys, wants_single, memos).await?;
    for key in &mut config.gateway.keys {
        key.slot = slots.get(&key.name).copied().unwrap_or(key.slot);
    }
    let status = GatewayStatus {
        endpoints: to.endpoints(&config),
        api_keys: status,
        certificates: certificates::status(&config, |key| store.get(&owner.tenant, key)),
    };
    let done = |state: State| AppliedRoutes {
        state,
        status: status.clone(),
        again,
    };
    let missing = to.controller.kinds().iter().find(|kind| !store.has_listed(**kind));
    if let Some(missing) = missing {
        let message = format!("the cluster's {missing}s are not known yet: it may lack that kind");
        return Ok(Some(done(GatewayState::Waiting(message).into())));
    }
    // Secrets may have changed since the plan.
    let planned = tenant
        .part::<PlannedRoutes>()
        .filter(|planned| planned.config == config);
    let mut written = match planned {
        Some(planned) => planned.written.clone(),
        None => to.controller.write(&config, to),
    };
    let unknown = unknown(store, &mut written.objects);
    let (routes, others): (Vec<Desired>, Vec<Desired>) = written
        .objects
        .iter()
        .cloned()
        .partition(|object| object.key.kind.is_route());
    // Policies must exist before the routes that they guard.
    let mut failures = held(pass, owner, &others).await?;
    let (routes, blocked) = block_unguarded(store, tenant, to, routes);
    failures.extend(apply_routes(pass, tenant, to, routes).await?);
    Failure::check(failures)?;
    let judge = || {
        judge(to, &written.objects, &written.unsupported, |key| {
            store.get(&owner.tenant, key)
        })
    };
    let state = match (unknown.unwrap_or_else(judge), problem, blocked) {
        (GatewayState::Ready | GatewayState::Waiting(_), Some(message), _) => match message == UNSEEN {
            true => GatewayState::Waiting(message),
            false => GatewayState::Refused {
                reason: reason::GATEWAY_NOT_PROGRAMMED,
                message,
            },
        },
        (GatewayState::Ready, None, Some(_)) => GatewayState::not_yet(),
        (state, ..) => state,
    };
    let mut state = State::from(state);
    if !written.remarks.is_empty() {
        let message = format!("{ACCEPTED}; {}", written.remarks.join("; "));
        state.remark(Note::new(reason::READY, message));
    }
    Ok(Some(done(state)))
}

/// Writes the routes so that no request that must show credentials ever takes a route that asks for none. First come routes with credentials, which still keep
/// the matches that they will give up; then all others; then the first ones without those matches.
async fn apply_routes(
    pass: &Pass<'_>,
    tenant: &ValidTenant,
    to: &Attachment,
    routes: Vec<Desired>,
) -> Result<Vec<Failure>, Error> {
    let owner = &tenant.core.owner;
    let planned: Vec<&Value> = routes.iter().map(|route| &route.value).collect();
    let is_guarded = |route: &&Desired| to.controller.guard(&route.key, &route.value).is_some();
    let mut transitional = Vec::new();
    let mut released = Vec::new();
    for route in routes.iter().filter(is_guarded) {
        let live = pass.store.get(&owner.tenant, &route.key);
        let before = live.filter(|live| live.belongs_to(owner) && difference(route, live).is_some());
        let value = before.map(|before| to.controller.transitional(&before.value, &route.value, &planned));
        match value.filter(|value| *value != route.value) {
            Some(value) => {
                transitional.push(Desired { value, ..route.clone() });
                released.push(route.clone());
            }
            None => transitional.push(route.clone()),
        }
    }
    let others: Vec<Desired> = routes.iter().filter(|route| !is_guarded(route)).cloned().collect();
    let mut failures = Vec::new();
    for step in [transitional, others, released] {
        failures.extend(held(pass, owner, &step).await?);
    }
    Ok(failures)
}

/// Writes objects on which others depend. Returns those that are being deleted, and until then do what they are for.
async fn held(pass: &Pass<'_>, owner: &Identity, objects: &[Desired]) -> Result<Vec<Failure>, Error> {
    let failures = pass.apply_each(owner, objects).await?;
    let (in_force, others): (Vec<_>, Vec<_>) = failures.into_iter().partition(|failure| failure.is_in_force);
    Failure::check(others).map(|()| in_force)
}

/// Removes objects of kinds that the cluster lacks, which only certificates need. Returns the state of the missing kinds.
fn unknown(store: &Store, objects: &mut Vec<Desired>) -> Option<GatewayState> {
    let unknown = objects.extract_if(.., |object| !store.has_listed(object.key.kind));
    let unknown: Vec<Desired> = unknown.collect();
    let kind = unknown.first()?.key.kind;
    Some(match store.is_lacking(kind) {
        true => GatewayState::without(&[certificates::lacking(kind)]),
        false => GatewayState::Waiting(format!("whether the cluster has {kind}s is not known yet")),
    })
}

/// Blocks a route with credentials until the gateway has reported that it asks for them, since it accepts routes and policies one by one. Returns the routes as
/// they should be now, and the name of one that is not open yet.
fn block_unguarded(
    store: &Store,
    tenant: &ValidTenant,
    to: &Attachment,
    routes: Vec<Desired>,
) -> (Vec<Desired>, Option<String>) {
    let mut blocked = None;
    let routes = routes.into_iter().map(|route| {
        let Some(guard) = to.controller.guard(&route.key, &route.value) else {
            return route;
        };
        let live = store.get(&tenant.core.owner.tenant, &route.key);
        let is_serving = live.is_some_and(|live| !to.controller.is_blocked(&live.value));
        let guard = store.get(&tenant.core.owner.tenant, &guard);
        let is_guarded = guard.is_some_and(|guard| of_object(to, &guard).is_ok());
        match is_serving || is_guarded {
            true => route,
            false => {
                blocked.get_or_insert(route.key.to_string());
                Desired {
                    value: to.controller.blocked(route.value),
                    ..route
                }
            }
        }
    });
    (routes.collect(), blocked)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::{Key, Kind};
    use kube::runtime::watcher::Event;
    use serde_json::Value;

    #[test]
    fn what_the_cluster_has_no_kind_for_is_left_out_and_told() {
        let store = Store::default();
        store.observe(Kind::HttpRoute, Event::InitDone);
        let objects = || {
            [Kind::Certificate, Kind::ListenerSet, Kind::HttpRoute].map(|kind| Desired {
                key: Key {
                    kind,
                    namespace: "acme".into(),
                    name: "tenant".into(),
                },
                value: Value::Null,
                others: Vec::new(),
                takes_over: false,
            })
        };
        let left = |store: &Store| {
            let mut objects = objects().to_vec();
            let state = unknown(store, &mut objects);
            let kinds: Vec<Kind> = objects.iter().map(|object| object.key.kind).collect();
            (state, kinds)
        };
        let (state, kinds) = left(&store);
        assert!(matches!(state, Some(GatewayState::Waiting(_))), "{state:?}");
        assert_eq!(kinds, [Kind::HttpRoute]);
        store.note_lacking(&[Kind::Certificate], &[Kind::Certificate]);
        let Some(GatewayState::Refused { reason, message }) = left(&store).0 else {
            panic!("{:?}", left(&store));
        };
        assert_eq!(reason, "Unsupported");
        assert!(
            message.starts_with("spec.gateway.tls[].issuerRef: ") && message.contains("cert-manager"),
            "{message}"
        );
        store.observe(Kind::Certificate, Event::InitDone);
        store.observe(Kind::ListenerSet, Event::InitDone);
        assert_eq!(
            left(&store),
            (None, vec![Kind::Certificate, Kind::ListenerSet, Kind::HttpRoute])
        );
    }
}
