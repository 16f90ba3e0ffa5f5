//! Shared applications that a tenant's pods reach without the gateway: by NetworkPolicies on both sides, as the tenant's tier says.

mod policy;
mod resolve;
pub mod settings;
mod watch;

pub use resolve::ValidApplications;

use crate::api::TenantStatus;
use crate::capability::{
    Asked, Capability, Contributions, Deletion, Description, Invalid, Note, Pass, Planned, Platform, Report,
    Revocation, SharedServices, Stage, State, ValidTenant, Watching,
};
use crate::cluster::{Error, Identity, Key, Kind, Live, Store};
use crate::conditions::{kind, reason};
use crate::names;
use async_trait::async_trait;
use futures::FutureExt;
use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

const DESCRIPTION: Description = Description {
    name: "applications",
    condition: kind::APPLICATIONS_READY,
    stage: Stage::Configuration,
    rank: 2,
    not_ready: reason::APPLICATIONS_NOT_READY,
    ready: "the tenant's pods reach all applications that its tier opens",
    suspended: Some("no pod of the tenant reaches an application"),
    quarantined: Some((
        "False",
        "no pod of the tenant reaches an application during the quarantine",
    )),
    awaits: "waiting for the namespaces",
    gate: None,
};
/// The time that a Service may take to come after the tenants that reach it.
const GRACE: Duration = Duration::from_secs(5);

/// Applications that a tenant's pods reach.
#[derive(Default)]
pub struct Applications {
    services: SharedServices,
    /// The namespaces in which the operator may write policies.
    namespaces: Vec<String>,
}

impl Applications {
    /// The capability in a cluster, with the namespaces of shared applications, if the chart lets the operator open them.
    pub fn new(services: SharedServices, namespaces: Vec<String>) -> Self {
        Self { services, namespaces }
    }

    fn is_ingress_policy(&self, key: &Key) -> bool {
        key.kind == Kind::NetworkPolicy && self.namespaces.contains(&key.namespace)
    }

    /// The policies by which the tenant's pods are let in.
    fn ingress_policies(&self, store: &Store, owner: &Identity) -> Vec<Live> {
        let all = store.of(&owner.tenant).into_values();
        let ours = |live: &Live| self.is_ingress_policy(&live.key) && live.belongs_to(owner) && !live.is_terminating();
        all.filter(ours).collect()
    }
}

#[async_trait]
impl Capability for Applications {
    fn description(&self) -> &'static Description {
        &DESCRIPTION
    }

    async fn revoke(&self, pass: &Pass<'_>, of: &Revocation<'_>) -> Result<Option<String>, Error> {
        let is_blocked = of.is_suspended() || of.quarantine.is_some();
        let Some(kept) = kept(of, is_blocked) else {
            return Ok(None);
        };
        let mut result = Ok(());
        let mut closed = self.ingress_policies(pass.store, of.owner);
        closed.retain(|live| !kept.contains(&live.key));
        if kept.is_empty() {
            closed.extend(egress_policies(pass.store, of.owner));
        }
        for live in closed {
            tracing::info!(object = %live.key, "revoked");
            result = result.and(pass.writer.delete(&live).await);
        }
        result.map(|()| None)
    }

    fn validate(&self, asked: &Asked<'_>, tenant: &mut ValidTenant, reasons: &mut Vec<Invalid>) {
        if let Some(applications) = resolve::resolve(asked.tier, asked.world, reasons) {
            tenant.set(applications);
        }
    }

    fn contribute(&self, tenant: &ValidTenant, to: &mut Contributions) {
        let open = tenant.part::<ValidApplications>().filter(|_| !tenant.core.is_blocked());
        let egress = open.map(policy::egress).unwrap_or_default();
        if !egress.is_empty() {
            to.egress.insert(policy::EGRESS, egress);
        }
    }

    fn plan(&self, tenant: &mut ValidTenant, _: &Platform) -> Vec<Planned> {
        let open = tenant.part::<ValidApplications>().filter(|_| !tenant.core.is_blocked());
        let policies = open.map(|open| policy::ingress(tenant, open)).unwrap_or_default();
        let planned = policies.into_iter();
        planned.map(|policy| Planned::new(DESCRIPTION.stage, policy)).collect()
    }

    async fn apply(
        &self,
        pass: &Pass<'_>,
        tenant: &mut ValidTenant,
        planned: Vec<Planned>,
    ) -> Result<Option<Report>, Error> {
        let Some(applications) = tenant.part::<ValidApplications>() else {
            return Ok(None);
        };
        let (policies, _) = Planned::split(planned, DESCRIPTION.stage);
        pass.apply(&tenant.core.owner, &policies).await?;
        let state = match tenant.core.is_blocked() {
            true => State::default(),
            false => state(applications),
        };
        Ok(Some(Report {
            grace: Some(GRACE),
            ..Report::new(&DESCRIPTION, state)
        }))
    }

    fn concerns(&self, tenant: Option<&ValidTenant>, status: &TenantStatus, _: bool) -> bool {
        match tenant {
            Some(tenant) => tenant.part::<ValidApplications>().is_some(),
            None => status
                .effective
                .as_ref()
                .is_some_and(|effective| !effective.network.applications.is_empty()),
        }
    }

    fn forget(&self, tenant: &str) {
        self.services.forget(tenant);
    }

    async fn delete(&self, pass: &Pass<'_>, of: &Deletion<'_>) -> Result<Option<String>, Error> {
        for live in self.ingress_policies(pass.store, of.owner) {
            pass.writer.delete(&live).await?;
        }
        Ok(None)
    }

    fn writes_at(&self, key: &Key) -> Option<bool> {
        self.is_ingress_policy(key).then_some(true)
    }

    fn loops(self: Arc<Self>, watching: &Watching) -> Vec<BoxFuture<'static, ()>> {
        let follow = |namespace: &String| {
            let place = || (watching.clone(), self.services.clone(), namespace.clone());
            let (watched, services, namespace) = place();
            let of_services = watch::follow::<Service>(watched, services, namespace).boxed();
            let (watched, services, namespace) = place();
            [
                of_services,
                watch::follow::<NetworkPolicy>(watched, services, namespace).boxed(),
            ]
        };
        self.namespaces.iter().flat_map(follow).collect()
    }
}

/// The policies at applications that may stay; None where the tier is not known, and everything stays as it is.
fn kept(of: &Revocation<'_>, is_blocked: bool) -> Option<BTreeSet<Key>> {
    if is_blocked {
        return Some(BTreeSet::new());
    }
    // The validation reports its reasons.
    let open = resolve::resolve(of.tier?, of.world, &mut Vec::new())
        .unwrap_or_default()
        .open;
    let key = |(namespace, service): &(String, String)| Key {
        kind: Kind::NetworkPolicy,
        namespace: namespace.clone(),
        name: names::application_policy(&of.owner.tenant, service),
    };
    Some(open.keys().map(key).collect())
}

/// The policies in the tenant's namespaces that let its pods out to applications.
fn egress_policies(store: &Store, owner: &Identity) -> Vec<Live> {
    let name = format!("{}-{}", names::MANAGER, policy::EGRESS);
    let all = store.of(&owner.tenant).into_values();
    let is_one = |live: &Live| live.key.kind == Kind::NetworkPolicy && live.key.name == name;
    all.filter(|live| is_one(live) && live.belongs_to(owner) && !live.is_terminating())
        .collect()
}

fn state(applications: &ValidApplications) -> State {
    match applications.closed.as_slice() {
        [] => State::default(),
        [first, ..] => {
            let messages: Vec<&str> = applications.closed.iter().map(|note| note.message.as_str()).collect();
            State::Stalled(Note::new(first.reason, messages.join("; ")))
        }
    }
}

#[cfg(test)]
#[path = "capability_test.rs"]
mod tests;
