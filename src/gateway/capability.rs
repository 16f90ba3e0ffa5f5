//! The way in as a capability of a tenant.

use super::api_keys::{self, ReportedKeys};
use super::backends::has_pods;
use super::config::{CUT_OFF, SUSPENDED};
use super::gateway_watch::{self, Need};
use super::proxies::{Proxies, Served};
use super::routes::{self, ACCEPTED, AppliedRoutes, PlannedRoutes, UNSEEN};
use super::{Attachment, ValidGateway, grants, host_claims, validate};
use crate::api::{Tenant, TenantStatus};
use crate::capability::{
    Asked, Capability, Contributions, Deletion, Description, Invalid, Note, Pass, Planned, Platform, Released, Report,
    Revocation, Stage, State, ValidTenant, Watching, WriteStatus, claim, jwks::KeySets, object_watches::has_routes,
};
use crate::cluster::{Desired, Error, Identity, Key, Kind, Live};
use crate::conditions::{condition, kind, reason};
use async_trait::async_trait;
use futures::FutureExt;
use futures::future::BoxFuture;
use std::sync::{Arc, PoisonError, RwLock};

const DESCRIPTION: Description = Description {
    name: "gateway",
    condition: kind::GATEWAY_READY,
    stage: Stage::Admission,
    rank: 4,
    not_ready: reason::GATEWAY_NOT_READY,
    ready: ACCEPTED,
    suspended: Some("the gateway answers every request with 503"),
    quarantined: Some((
        "False",
        "the gateway answers every request with 503 during the quarantine",
    )),
    awaits: "waiting for the workloads",
    gate: None,
};

/// The file that names the tenant's roles to workloads.
const ROLES: &str = "roles.json";

/// The roles of the tenant's people, as JSON.
#[derive(Clone, Debug)]
struct Roles(String);

/// True where the status calls the routes of the present spec ready.
#[derive(Clone, Copy, Debug)]
struct ReportedReady(bool);

impl ReportedReady {
    fn of(tenant: &Tenant) -> Self {
        let ready = condition(tenant, kind::GATEWAY_READY).filter(|ready| ready.status == "True");
        Self(ready.is_some_and(|ready| ready.observed_generation == tenant.metadata.generation))
    }
}

/// Hosts, routes, their policies, and API keys.
pub struct Gateway {
    /// None where the platform has no gateway to write for.
    to: Option<Attachment>,
    /// The reason why the gateway serves nobody, if it does not.
    problem: RwLock<Option<String>>,
    memos: api_keys::Memos,
    /// None where the operator may not ask them: the controller's word stands.
    proxies: Option<Proxies>,
}

impl Gateway {
    pub fn new(to: Option<Attachment>) -> Self {
        let has_parent = to.as_ref().is_some_and(|to| to.controller.has_parent());
        Self {
            to,
            problem: RwLock::new(has_parent.then(|| UNSEEN.into())),
            memos: api_keys::Memos::default(),
            proxies: None,
        }
    }

    /// Asks these proxies too whether they have a tenant's routes.
    #[must_use]
    pub fn with_proxies(self, proxies: Option<Proxies>) -> Self {
        Self { proxies, ..self }
    }

    /// Holds back the word of the gateway's controller until the proxies have what it accepted.
    async fn confirm(&self, pass: &Pass<'_>, tenant: &ValidTenant, mut outcome: AppliedRoutes) -> AppliedRoutes {
        let (Some(to), Some(proxies), Some(planned)) = (&self.to, &self.proxies, tenant.part::<PlannedRoutes>()) else {
            return outcome;
        };
        let name = &tenant.core.owner.tenant;
        if tenant.core.is_blocked() {
            // The same routes are other ones to the proxies when the tenant comes back.
            proxies.forget(name);
            return outcome;
        }
        if !matches!(outcome.state, State::Ready(_)) {
            return outcome;
        }
        let was_ready = tenant.part::<ReportedReady>().is_some_and(|reported| reported.0);
        let available = has_pods(planned.objects(), |key| pass.store.get(name, key));
        let served = proxies.serve(name, to, planned.objects(), available, was_ready).await;
        if let Served::NotYet(again, words) = served {
            outcome.state = State::Progressing(Note::new(reason::PROGRESSING, words));
            outcome.again = Some(outcome.again.map_or(again, |before| before.min(again)));
        }
        outcome
    }

    /// Notes why the gateway serves nobody. Returns true where that changed.
    pub fn note_problem(&self, problem: Option<String>) -> bool {
        let mut noted = self.problem.write().unwrap_or_else(PoisonError::into_inner);
        let is_new = *noted != problem;
        *noted = problem;
        is_new
    }

    fn problem(&self) -> Option<String> {
        self.problem.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl Capability for Gateway {
    fn description(&self) -> &'static Description {
        &DESCRIPTION
    }

    async fn revoke(&self, pass: &Pass<'_>, of: &Revocation<'_>) -> Result<Option<String>, Error> {
        let why = match of.is_suspended() {
            true => Some(SUSPENDED),
            false => of.quarantine.map(|_| CUT_OFF),
        };
        let blocked = match (why, &self.to) {
            (Some(why), Some(to)) => routes::block_all(pass.writer, pass.store, of.owner, to, why).await,
            _ => Ok(()),
        };
        if let (Some(_), Some(proxies)) = (why, &self.proxies) {
            proxies.forget(&of.owner.tenant);
        }
        let keys = api_keys::revoke_keys(pass.writer, of.tenant, of.owner, &self.memos).await;
        blocked.and(keys).map(|()| None)
    }

    async fn revoke_expired(&self, pass: &Pass<'_>, of: &Revocation<'_>) -> Result<(), Error> {
        api_keys::revoke_expired_keys(pass.writer, of.tenant, of.owner, &self.memos).await
    }

    fn validate(&self, asked: &Asked<'_>, tenant: &mut ValidTenant, reasons: &mut Vec<Invalid>) {
        if let Some(gateway) = validate::resolve(asked, tenant, reasons) {
            tenant.set(gateway);
        }
        if let Some(roles) = validate::roles(&tenant.core.tier, &asked.tier.spec.roles) {
            tenant.set(Roles(roles));
        }
        tenant.set(ReportedKeys::of(asked.tenant));
        tenant.set(ReportedReady::of(asked.tenant));
    }

    async fn prepare(&self, pass: &Pass<'_>, tenant: &mut ValidTenant) -> Result<Option<Error>, Error> {
        let (hosts, refusal) = host_claims::take_hosts(pass, &tenant.core).await?;
        tenant.core.hosts = hosts;
        Ok(refusal)
    }

    fn contribute(&self, tenant: &ValidTenant, to: &mut Contributions) {
        if let Some(Roles(roles)) = tenant.part() {
            to.files.insert(ROLES, roles.clone());
        }
    }

    fn plan(&self, tenant: &mut ValidTenant, platform: &Platform) -> Vec<Planned> {
        let core = &tenant.core;
        let claims = core
            .hosts
            .iter()
            .map(|host| claim::host_claim(&core.owner, host, platform));
        let mut planned: Vec<Planned> = claims.map(|claim| Planned::new(Stage::Claims, claim.object)).collect();
        if let Some(routes) = self.to.as_ref().and_then(|to| routes::plan(tenant, to)) {
            let stage = |object: &Desired| match object.key.kind.is_route() {
                true => Stage::Routes,
                false => Stage::Admission,
            };
            let objects = routes.objects().iter();
            planned.extend(objects.map(|object| Planned::new(stage(object), object.clone())));
            tenant.set(routes);
        }
        planned
    }

    async fn block_stale(&self, pass: &Pass<'_>, owner: &Identity, stale: &[Live]) -> Result<(), Error> {
        match &self.to {
            Some(to) => routes::block_stale(pass.writer, owner, to, stale).await,
            None => Ok(()),
        }
    }

    async fn apply(&self, pass: &Pass<'_>, tenant: &mut ValidTenant, _: Vec<Planned>) -> Result<Option<Report>, Error> {
        let (to, problem) = (self.to.as_ref(), self.problem());
        let outcome = routes::reconcile(pass, tenant, to, problem, &self.memos).await?;
        Ok(match outcome {
            Some(outcome) => Some(report(self.confirm(pass, tenant, outcome).await)),
            None => None,
        })
    }

    fn concerns(&self, tenant: Option<&ValidTenant>, status: &TenantStatus, is_over: bool) -> bool {
        let is_asked = tenant.is_some_and(|tenant| tenant.part::<ValidGateway>().is_some());
        // Keys in the status are forgotten only when a pass has come to an end without any.
        is_asked || (status.gateway.is_some() && (!is_over || tenant.is_none()))
    }

    fn clear(&self, status: &mut TenantStatus) {
        status.gateway = None;
        if let Some(usage) = &mut status.usage {
            usage.gateway = None;
        }
    }

    fn forget(&self, tenant: &str) {
        self.memos.forget(tenant);
        if let Some(proxies) = &self.proxies {
            proxies.forget(tenant);
        }
    }

    async fn delete(&self, pass: &Pass<'_>, of: &Deletion<'_>) -> Result<Option<String>, Error> {
        // No route is left that would need them: the namespaces' turn was before.
        grants::delete(pass.writer, of.owner, self.to.as_ref()).await?;
        Ok(None)
    }

    async fn release(&self, pass: &Pass<'_>, of: &Deletion<'_>, as_is: Released) -> Result<(), Error> {
        if as_is.has_namespace {
            // A tenant that returns gets other keys.
            api_keys::delete_keys(pass.writer, of.owner).await?;
        }
        host_claims::release_hosts(pass, of.owner).await
    }

    fn admits(&self, live: &Live) -> bool {
        match (live.key.kind, &self.to) {
            (Kind::ApisixConsumer | Kind::ListenerSet, _) => true,
            // A guarded route goes when others are in its place; a preload, when the gateway no longer needs its key set.
            (kind, Some(to)) if kind.is_route() => !routes::is_guarded(to, live) && !self.is_jwks_preload(live),
            (kind, _) => kind.is_route(),
        }
    }

    fn still_needs(&self, tenant: &ValidTenant, live: &Live) -> bool {
        let jwks_preloads = self.jwks_preloads(tenant);
        jwks_preloads.iter().any(|preload| preload.key == live.key)
    }

    fn replaces(&self, live: &Live) -> bool {
        self.kinds().contains(&live.key.kind)
    }

    fn writes_at(&self, key: &Key) -> Option<bool> {
        let namespaces = grants::namespaces(self.to.as_ref());
        (key.kind == Kind::ReferenceGrant).then(|| namespaces.contains(&key.namespace))
    }

    fn loops(self: Arc<Self>, watching: &Watching) -> Vec<BoxFuture<'static, ()>> {
        let are_single = self.to.as_ref().is_some_and(|to| to.controller.wants_single_keys());
        let secrets = api_keys::secrets(are_single).into_iter();
        let mut loops: Vec<BoxFuture<'static, ()>> =
            secrets.map(|name| watching.clone().secrets(name).boxed()).collect();
        let Some(to) = self.to.clone() else {
            return loops;
        };
        let needed = std::iter::once((to.controller.kinds(), Need::Always));
        let needed = needed.chain(to.optional_kinds().into_iter().map(|kinds| (kinds, Need::ForSome)));
        loops.extend(needed.map(|needed| gateway_watch::follow(watching.clone(), needed).boxed()));
        if to.controller.has_parent() {
            let wakes = watching.clone();
            let note = move |problem: Option<String>| {
                if self.note_problem(problem.clone()) {
                    tracing::info!(problem, "the Gateway's conditions changed");
                    wakes.wake_all(has_routes);
                }
            };
            loops.push(gateway_watch::follow_parent(watching.client.clone(), to, note).boxed());
        }
        loops
    }

    fn key_sets(&self) -> Option<&dyn KeySets> {
        self.to.is_some().then_some(self)
    }
}

impl KeySets for Gateway {
    fn kinds(&self) -> &[Kind] {
        self.to.as_ref().map_or(&[], |to| to.controller.kinds())
    }

    fn is_jwks_preload(&self, live: &Live) -> bool {
        self.to
            .as_ref()
            .is_some_and(|to| to.controller.is_jwks_preload(&live.value))
    }

    fn asked(&self, live: &Live) -> Option<String> {
        self.to.as_ref()?.controller.asked(&live.key, &live.value)
    }

    fn jwks_preloads(&self, tenant: &ValidTenant) -> Vec<Desired> {
        self.to
            .as_ref()
            .map(|to| routes::jwks_preloads(tenant, to))
            .unwrap_or_default()
    }
}

fn report(outcome: AppliedRoutes) -> Report {
    let AppliedRoutes { state, status, again } = outcome;
    let write: WriteStatus = Arc::new(move |to: &mut TenantStatus| to.gateway = Some(status.clone()));
    Report {
        status: Some(write),
        again,
        ..Report::new(&DESCRIPTION, state)
    }
}
