//! The workloads of a tenant: their Deployments, Services, claims, and the files that they find.

mod allowed;
mod autoscaler;
pub mod availability;
mod configuration;
mod deployment;
mod diagnosis;
mod disruption_budget;
mod labels;
pub mod merge;
mod pod;
mod schema;
mod service;
mod service_account;
mod volume_claim;

use crate::api::TenantStatus;
use crate::capability::{
    Asked, Capability, Description, Invalid, Note, Pass, Planned, Platform, Report, Stage, State, TenantCore,
    ValidTenant,
};
use crate::cluster::{Desired, Error, Identity, Key, Kind, Store};
use crate::conditions::{are, kind, reason};
use async_trait::async_trait;
use availability::Unavailable;
use serde_json::Value;
use std::time::Duration;

const DESCRIPTION: Description = Description {
    name: "",
    condition: kind::WORKLOADS_AVAILABLE,
    stage: Stage::Workloads,
    rank: 2,
    not_ready: reason::WORKLOADS_UNAVAILABLE,
    ready: "the tenant has no workloads",
    suspended: Some("the tenant is suspended"),
    quarantined: Some(("Unknown", "existing workloads keep running, without network access")),
    awaits: "waiting for the namespaces",
    gate: None,
};
/// The time in which a workload that is refused its pods may still come right: caches lag behind what was just made.
const GRACE: Duration = Duration::from_secs(5);

/// The part of a tenant's workloads that only their pods need.
#[derive(Clone, Debug)]
pub struct ValidWorkloads {
    /// As written by serde_json: keys in order, so that the same configuration has the same digest.
    pub configuration: Option<String>,
}

/// Deployments and what belongs to them.
pub struct Workloads;

#[async_trait]
impl Capability for Workloads {
    fn description(&self) -> &'static Description {
        &DESCRIPTION
    }

    fn validate(&self, asked: &Asked<'_>, tenant: &mut ValidTenant, reasons: &mut Vec<Invalid>) {
        let (spec, tier) = (&asked.tenant.spec, &asked.tier.spec);
        let core = &tenant.core;
        allowed::check(&core.allowed, &core.workloads, &core.scheduling, reasons);
        let configuration = schema::check(spec.configuration.as_ref(), tier.configuration_schema.as_ref(), reasons);
        tenant.set(ValidWorkloads { configuration });
    }

    fn plan(&self, tenant: &mut ValidTenant, _: &Platform) -> Vec<Planned> {
        let files = configuration::config_map(tenant).map(|object| Planned::new(Stage::Configuration, object));
        let mut planned: Vec<Planned> = files.into_iter().collect();
        let core = &tenant.core;
        for workload in &core.workloads {
            let objects = [service_account::of_workload(core, workload)]
                .into_iter()
                .chain(volume_claim::claims(core, workload))
                .chain(service::service(core, workload))
                .chain(disruption_budget::disruption_budget(core, workload))
                .chain([deployment::deployment(tenant, workload)])
                .chain(autoscaler::autoscaler(core, workload));
            planned.extend(objects.map(|object| Planned::new(Stage::Workloads, object)));
        }
        planned
    }

    async fn apply(
        &self,
        pass: &Pass<'_>,
        tenant: &mut ValidTenant,
        planned: Vec<Planned>,
    ) -> Result<Option<Report>, Error> {
        let core = &tenant.core;
        let (files, others) = Planned::split(planned, Stage::Configuration);
        let (workloads, _) = Planned::split(others, Stage::Workloads);
        pass.apply(&core.owner, &files).await?;
        let workloads = wake(pass.store, &core.owner, workloads, core.suspend);
        pass.apply(&core.owner, &workloads).await?;
        Ok(Some(match unavailable(pass.store, core) {
            Some(unavailable) => found(&unavailable),
            None => Report::new(&DESCRIPTION, State::Ready(Some(available(core.workloads.len())))),
        }))
    }

    async fn diagnose(&self, pass: &Pass<'_>, tenant: &ValidTenant, report: Report) -> Report {
        match unavailable(pass.store, &tenant.core).filter(|_| report.state.problem().is_some()) {
            Some(unavailable) => found(&diagnosis::diagnose(pass.writer, tenant.name(), unavailable).await),
            None => report,
        }
    }

    fn concerns(&self, _: Option<&ValidTenant>, _: &TenantStatus, _: bool) -> bool {
        true
    }
}

/// The first workload that is not available.
fn unavailable(store: &Store, tenant: &TenantCore) -> Option<Unavailable> {
    let deployments = tenant.workloads.iter().map(|workload| {
        let key = Key {
            kind: Kind::Deployment,
            namespace: tenant.name().into(),
            name: workload.name.clone(),
        };
        (workload.name.clone(), store.get(tenant.name(), &key))
    });
    availability::judge(deployments)
}

fn available(workloads: usize) -> Note {
    match workloads {
        0 => Note::new(reason::NO_WORKLOADS, DESCRIPTION.ready),
        n => Note::new(reason::READY, format!("{} available", are(n, "workload"))),
    }
}

/// The report on workloads of which one is not available.
fn found(unavailable: &Unavailable) -> Report {
    let message = format!("workload {}: {}", unavailable.workload, unavailable.message);
    let note = Note::new(reason::WORKLOADS_UNAVAILABLE, message);
    let state = match unavailable.stuck {
        true => State::Stalled(note),
        false => State::Progressing(note),
    };
    Report {
        grace: Some(GRACE),
        ..Report::new(&DESCRIPTION, state)
    }
}

/// Sets the replicas of autoscaled Deployments that stand at zero: an autoscaler never touches these, and a suspension may
/// have put them there.
fn wake(store: &Store, owner: &Identity, workloads: Vec<Desired>, suspended: bool) -> Vec<Desired> {
    let asleep = |desired: &Desired| {
        let live = store.get(&owner.tenant, &desired.key);
        live.is_some_and(|live| live.value.pointer("/spec/replicas").and_then(Value::as_i64) == Some(0))
    };
    workloads
        .into_iter()
        .map(
            |desired| match !desired.others.is_empty() && desired.key.kind == Kind::Deployment {
                true if suspended || asleep(&desired) => Desired {
                    others: Vec::new(),
                    ..desired
                },
                _ => desired,
            },
        )
        .collect()
}
