//! The namespaces of a tenant, their quotas, limits and network policies, and the rights of its owners.

mod access;
mod apply;
mod booked;
mod dns_capture;
pub mod drain;
mod granted;
mod grants;
pub mod limits;
mod namespace;
mod network_policy;
pub mod owners;
mod parent;
mod quota;
pub mod quota_keys;
mod quota_status;
mod quotas;
mod revocation;
pub mod shares;

pub use apply::is_enforced;
pub use granted::QuotaGrants;
pub use quota::are_bounded;

use crate::api::{OwnerRole, PodSecurity, TenantStatus};
use crate::books;
use crate::capability::claim::{self, id_claim};
use crate::capability::{
    Asked, Capability, Deletion, Description, Failure, Gate, Invalid, Note, Pass, Planned, Platform, Released, Report,
    Revocation, Stage, State, ValidTenant, Withheld, hardening,
};
use crate::cluster::{Desired, Error, Kind, Live};
use crate::conditions::{kind, reason};
use async_trait::async_trait;
use granted::Shortfalls;
use k8s_openapi::api::rbac::v1::Subject;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const DESCRIPTION: Description = Description {
    name: "",
    condition: kind::NAMESPACES_READY,
    stage: Stage::Namespaces,
    rank: 0,
    not_ready: reason::PROGRESSING,
    ready: "quotas, limits, network policies and access are in place",
    suspended: None,
    quarantined: None,
    awaits: "waiting for the namespaces",
    gate: Some(Gate {
        stage: Stage::Configuration,
        why: "waiting for the namespaces",
    }),
};

/// The time until the holders of a quota are counted again.
const RECOUNT: Duration = Duration::from_secs(3);

/// The namespaces of a tenant as they should be, besides the core.
#[derive(Clone, Debug)]
pub struct ValidNamespaces {
    pub pod_security: PodSecurity,
    /// Its namespaces that answer for foreign hosts, and why they are kept all the same.
    pub captures: Vec<String>,
    pub owners: BTreeMap<OwnerRole, Vec<Subject>>,
}

/// Namespaces, quotas, network policies and access.
pub struct Namespaces;

/// The tier's standard; that of a tenant above where that is stricter.
fn pod_security(asked: &Asked<'_>) -> PodSecurity {
    let above = asked
        .world
        .family
        .ancestors
        .iter()
        .filter_map(|ancestor| ancestor.tier.as_deref());
    let mut standards = above
        .chain([asked.tier])
        .map(|tier| tier.spec.pod_security.unwrap_or_default());
    let is_restricted = standards.any(|standard| standard == PodSecurity::Restricted);
    if is_restricted {
        PodSecurity::Restricted
    } else {
        PodSecurity::Baseline
    }
}

/// The objects outside of these namespaces.
fn open(objects: Vec<Desired>, closed: &BTreeSet<String>) -> impl Iterator<Item = Desired> {
    let is_open = |object: &Desired| !closed.contains(&object.key.namespace);
    objects.into_iter().filter(is_open)
}

#[async_trait]
impl Capability for Namespaces {
    fn description(&self) -> &'static Description {
        &DESCRIPTION
    }

    async fn revoke(&self, pass: &Pass<'_>, of: &Revocation<'_>) -> Result<Option<String>, Error> {
        revocation::revoke(pass, of).await
    }

    fn validate(&self, asked: &Asked<'_>, tenant: &mut ValidTenant, reasons: &mut Vec<Invalid>) {
        let names: Vec<String> = tenant.core.namespaces.iter().map(|own| own.name.clone()).collect();
        let part = ValidNamespaces {
            pod_security: pod_security(asked),
            captures: dns_capture::captures(&names, asked.world, reasons),
            owners: owners::subjects(&asked.tenant.spec.owners, &names, asked.world, reasons),
        };
        tenant.set(part);
    }

    async fn prepare(&self, pass: &Pass<'_>, tenant: &mut ValidTenant) -> Result<Option<Error>, Error> {
        match claim::take_id(pass.writer, &tenant.core.owner, pass.platform).await {
            // While it is being deleted, it is still this tenant's.
            Err(error @ Error::Terminating(_)) => Ok(Some(error)),
            result => result.map(|()| None),
        }
    }

    fn plan(&self, tenant: &mut ValidTenant, platform: &Platform) -> Vec<Planned> {
        let core = &tenant.core;
        let owner = &core.owner;
        let mut planned = vec![Planned::new(Stage::Claims, id_claim(owner, platform).object)];
        let Some(part) = tenant.part::<ValidNamespaces>() else {
            return planned;
        };
        for own in &core.namespaces {
            let name = &own.name;
            let bounds = [quota::quota(core, own), limits::limits(core, name)]
                .into_iter()
                .chain(network_policy::policies(tenant, name, platform))
                .chain([hardening::default_service_account(owner, name)]);
            let access = access::owners(owner, &part.owners, name).chain(access::examiner(owner, name, platform));
            planned.push(Planned::new(
                Stage::Namespaces,
                namespace::namespace(core, part.pod_security, name),
            ));
            planned.push(Planned::new(Stage::Bindings, access::operator(owner, name, platform)));
            planned.extend(bounds.map(|object| Planned::new(Stage::Bounds, object)));
            planned.extend(access.map(|object| Planned::new(Stage::Access, object)));
        }
        planned
    }

    async fn apply(
        &self,
        pass: &Pass<'_>,
        tenant: &mut ValidTenant,
        planned: Vec<Planned>,
    ) -> Result<Option<Report>, Error> {
        let (bounds, others) = Planned::split(planned, Stage::Bounds);
        let bounds = quota::as_they_are(&tenant.core, pass.store, bounds);
        let (access, _) = Planned::split(others, Stage::Access);
        let mut closed = tenant.part().map(Withheld::namespaces).unwrap_or_default();
        let (leaving, mut failures) = apply::leave(pass, &tenant.core).await?;
        let mut report = Report::new(&DESCRIPTION, State::default());
        let progressing = |message: String| State::Progressing(Note::new(reason::PROGRESSING, message));
        let applied = apply::bounds(pass, &tenant.core, bounds, &mut closed).await?;
        tenant.set(Shortfalls {
            all: applied.shortfalls,
            squeezed: applied.squeezed,
            quota: applied.quota,
        });
        failures.extend(applied.failures);
        report.again = applied.is_sealed.then_some(RECOUNT);
        let is_closed = applied.unenforced.is_some() || closed.contains(tenant.name());
        report.gate = DESCRIPTION.gate.filter(|_| is_closed);
        if applied.unenforced.is_none() {
            let access: Vec<Desired> = open(access, &closed).collect();
            failures.extend(pass.apply_each(&tenant.core.owner, &access).await?);
        }
        let withheld = tenant.part::<Withheld>().map_or(&[][..], |withheld| &withheld.failures);
        if let Some(refused) = Failure::report(&DESCRIPTION, withheld.iter().chain(&failures)) {
            let (gate, again) = (report.gate, refused.again.or(report.again));
            return Ok(Some(Report { gate, again, ..refused }));
        }
        if let Some(waiting) = applied.unenforced {
            report.state = progressing(waiting);
            return Ok(Some(report));
        }
        if let Some(faults) = quota::faults(&tenant.core) {
            report.state = State::Stalled(Note::new(reason::INVALID_SPEC, faults));
            report.because = Some(reason::INVALID_SPEC);
            return Ok(Some(report));
        }
        let captures = tenant.part::<ValidNamespaces>().map(|part| part.captures.as_slice());
        match (leaving, captures) {
            (Some(waiting), _) => report.state = progressing(waiting),
            (None, Some([])) | (None, None) => {}
            (None, Some(captures)) => report
                .state
                .remark(Note::new(reason::CAPTURES_NAMES, captures.join("; "))),
        }
        Ok(Some(report))
    }

    fn concerns(&self, _: Option<&ValidTenant>, _: &TenantStatus, _: bool) -> bool {
        true
    }

    async fn delete(&self, pass: &Pass<'_>, of: &Deletion<'_>) -> Result<Option<String>, Error> {
        let (mut waiting, mut result) = (Vec::new(), Ok(()));
        for namespace in of.namespaces {
            match drain::drain(pass, of.owner, namespace, of.policy).await {
                Ok(message) => waiting.extend(message),
                // The others go all the same.
                Err(error) => result = result.and(Err(error)),
            }
        }
        result.map(|()| (!waiting.is_empty()).then(|| waiting.join("; ")))
    }

    async fn release(&self, pass: &Pass<'_>, of: &Deletion<'_>, as_is: Released) -> Result<(), Error> {
        parent::end(pass, of.owner).await?;
        claim::release_id(pass, of, as_is).await
    }

    fn is_kept(&self, live: &Live) -> bool {
        books::is_book(live)
    }

    fn admits(&self, live: &Live) -> bool {
        matches!(live.key.kind, Kind::RoleBinding | Kind::NetworkPolicy)
    }
}

#[cfg(test)]
mod quota_fixtures;
