//! The applications that a tier opens to its tenants' pods: those that can be opened now, and what the others lack. Pure.

use crate::api::TenantTier;
use crate::capability::applications::{ServiceName, SharedService, names, opened};
use crate::capability::{Invalid, Note, World};
use crate::conditions::reason;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use std::collections::BTreeMap;

/// The applications that the tier opens.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ValidApplications {
    /// The Services whose pods are open to the tenant's pods.
    pub open: BTreeMap<ServiceName, OpenService>,
    /// The faults of the applications that stay closed.
    pub closed: Vec<Note>,
}

/// The pods of a Service, and their open ports.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OpenService {
    pub labels: BTreeMap<String, String>,
    /// By the Service's own port.
    pub ports: BTreeMap<u16, IntOrString>,
}

/// Returns the tier's applications; None where it opens none.
pub fn resolve(tier: &TenantTier, world: &World, reasons: &mut Vec<Invalid>) -> Option<ValidApplications> {
    let names = names(&tier.spec);
    if names.is_empty() {
        return None;
    }
    let of_tier = "spec.tier: the tier's network.egress.applications";
    let Some(services) = &world.shared_services else {
        let message = "the operator may open no application to pods: set network.applicationPolicies in the chart";
        reasons.push(Invalid::new(of_tier, message));
        return None;
    };
    let mut valid = ValidApplications::default();
    for (i, name) in names.iter().enumerate() {
        let field = format!("{of_tier}[{i}]");
        let Some(application) = opened(&tier.spec).find(|one| one.name == *name) else {
            reasons.push(Invalid::new(
                field,
                format!("{name:.80} is none of the tier's gateway.applications"),
            ));
            continue;
        };
        let namespace = &application.namespace;
        if let Some(why) = world.why_not_shared(namespace) {
            let message = format!("application {name} is in namespace {namespace}, {why}");
            reasons.push(Invalid::new(field, message));
            continue;
        }
        let key = (namespace.clone(), application.service.clone());
        match open(services.get(&key), application.port) {
            Ok(service) => {
                let open = valid.open.entry(key).or_default();
                open.labels = service.labels;
                open.ports.extend(service.ports);
            }
            Err((reason, what)) => {
                let (namespace, service) = key;
                let message = format!("application {name}: Service {namespace}/{service} {what}");
                valid.closed.push(Note::new(reason, message));
            }
        }
    }
    Some(valid)
}

/// Returns a Service with one open port; else a reason, and what it lacks.
fn open(service: Option<&SharedService>, port: i32) -> Result<OpenService, (&'static str, String)> {
    let Some(service) = service else {
        return Err((reason::NO_SUCH_SERVICE, "does not exist: create it".into()));
    };
    let unsuitable = |what: String| (reason::UNSUITABLE_SERVICE, what);
    if service.selector.is_empty() {
        let what = "has no selector, so that no NetworkPolicy can name its pods: give it one";
        return Err(unsuitable(what.into()));
    }
    let number = u16::try_from(port).ok();
    let found = number.and_then(|number| service.ports.get_key_value(&number));
    let Some((number, target)) = found else {
        return Err(unsuitable(format!(
            "has no TCP port {port}: add it, or correct the tier's port"
        )));
    };
    if !service.is_restricted {
        let what = "has pods that admit all traffic, which a policy for tenants would cut off: restrict their ingress by a NetworkPolicy that admits their \
                    other clients";
        return Err((reason::UNRESTRICTED_PODS, what.into()));
    }
    Ok(OpenService {
        labels: service.selector.clone(),
        ports: [(*number, target.clone())].into(),
    })
}

#[cfg(test)]
#[path = "resolve_test.rs"]
mod tests;
