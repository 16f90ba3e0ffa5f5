//! The workloads of a tenant: their Deployments, Services, claims, and the files that they find.

mod allowed;
mod autoscaler;
pub mod availability;
mod configuration;
mod deployment;
mod diagnosis;
mod disruption_budget;
pub mod fit;
mod labels;
pub mod merge;
mod pod;
mod remarks;
mod rules;
mod service;
mod service_account;
mod volume_claim;

use crate::api::TenantStatus;
use crate::capability::{
    Asked, Capability, Contributions, Description, Failure, Invalid, Note, Pass, Planned, Platform, Report, Stage,
    State, TenantCore, ValidTenant,
};
use crate::cluster::{Desired, Error, Identity, Key, Kind, Store};
use crate::conditions::{are, kind, reason};
use async_trait::async_trait;
use availability::Unavailable;
use remarks::Remarks;
use serde_json::{Value, json};
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

/// The file that lists the tenant's features to workloads.
const FEATURES: &str = "features.json";

/// The tenant's features as JSON, where the tier has features.
#[derive(Clone, Debug)]
struct Features(String);

/// Deployments and what belongs to them.
pub struct Workloads;

#[async_trait]
impl Capability for Workloads {
    fn description(&self) -> &'static Description {
        &DESCRIPTION
    }

    fn validate(&self, asked: &Asked<'_>, tenant: &mut ValidTenant, reasons: &mut Vec<Invalid>) {
        let core = &tenant.core;
        allowed::check(&core.allowed, &core.workloads, &core.scheduling, reasons);
        if let Some(largest) = core.largest_volume {
            volume_claim::check_sizes(largest, &core.workloads, reasons);
        }
        autoscaler::check(&core.container_defaults, &core.workloads, reasons);
        if asked.tier.spec.features.is_some() {
            tenant.set(Features(json!(core.features).to_string()));
        }
    }

    fn contribute(&self, tenant: &ValidTenant, to: &mut Contributions) {
        if let Some(Features(features)) = tenant.part() {
            to.files.insert(FEATURES, features.clone());
        }
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
        let mut failures = pass.apply_each(&core.owner, &files).await?;
        if failures.iter().all(|failure| failure.is_in_force) {
            let workloads = wake(pass.store, &core.owner, workloads.clone(), core.suspend);
            failures.extend(pass.apply_each(&core.owner, &workloads).await?);
        }
        if let Some(refused) = Failure::report(&DESCRIPTION, &failures) {
            return Ok(Some(refused));
        }
        let remarks = Remarks::of(core, &workloads, pass.store);
        let report = report(unavailable(pass.store, core).as_ref(), core.workloads.len(), &remarks);
        tenant.set(remarks);
        Ok(Some(report))
    }

    async fn diagnose(&self, pass: &Pass<'_>, tenant: &ValidTenant, report: Report) -> Report {
        let is_problem = report.state.problem().is_some();
        let unavailable = unavailable(pass.store, &tenant.core).filter(|_| is_problem);
        match (unavailable, tenant.part::<Remarks>()) {
            (Some(unavailable), Some(remarks)) => {
                let unavailable = diagnosis::diagnose(pass.writer, tenant.name(), unavailable).await;
                self::report(Some(&unavailable), tenant.core.workloads.len(), remarks)
            }
            _ => report,
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

/// The report on the workloads: the first that is not available, what keeps them from being as declared, and what else is to be known.
fn report(unavailable: Option<&Unavailable>, workloads: usize, remarks: &Remarks) -> Report {
    let problem = unavailable.map(|unavailable| {
        let message = format!("workload {}: {}", unavailable.workload, unavailable.message);
        (Note::new(reason::WORKLOADS_UNAVAILABLE, message), unavailable.stuck)
    });
    let (note, stuck) = match problem {
        Some((note, stuck)) => (note, Some(stuck)),
        None => (available(workloads), None),
    };
    let unfit = remarks.unfit.as_ref().map(|unfit| {
        // What an autoscaler may start one day keeps nothing from running now.
        let keeps = !unfit.only_scaled;
        (Note::new(reason::QUOTA_TOO_SMALL, unfit.message.clone()), keeps)
    });
    let fixed = remarks
        .fixed()
        .map(|message| (Note::new(reason::IMMUTABLE, message), true));
    let kept = remarks
        .kept()
        .map(|message| (Note::new(reason::CLAIM_KEPT, message), false));
    let is_fixed = fixed.is_some();
    let all: Vec<(Note, bool)> = [fixed, unfit, kept].into_iter().flatten().collect();
    let keeps = all.iter().any(|(_, keeps)| *keeps);
    // The remark that says the most gives the reason: one that keeps pods from running, or any where all run.
    let first = all.iter().find(|(_, keeps)| *keeps || stuck.is_none());
    let reason = first.map_or(note.reason, |(first, _)| first.reason);
    let messages = std::iter::once(note.message).chain(all.iter().map(|(note, _)| note.message.clone()));
    let note = Note::new(reason, messages.collect::<Vec<_>>().join("; "));
    let state = match stuck {
        Some(stuck) if stuck || keeps => State::Stalled(note),
        Some(_) => State::Progressing(note),
        None if is_fixed => State::Stalled(note),
        None => State::Ready(Some(note)),
    };
    let grace = state.problem().is_some().then_some(GRACE);
    Report {
        grace,
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

#[cfg(test)]
#[path = "report_test.rs"]
mod tests;
