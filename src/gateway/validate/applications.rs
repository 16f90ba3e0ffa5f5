//! Shared applications: the platform's, in namespaces that belong to no tenant.

use crate::api::Application;
use crate::capability::World;
use crate::gateway::config::Backend;

/// Reasons why no route leads to an application.
#[derive(Debug)]
pub enum NotThere {
    /// The tier has no application of this name: its routes are closed.
    Missing(String),
    /// It is nowhere that routes may lead.
    Misplaced(String),
}

/// The Service of an application of this name; else why routes do not lead there. `instead`: what happens to its requests.
pub fn backend(name: &str, tier: &str, all: &[Application], world: &World, instead: &str) -> Result<Backend, NotThere> {
    let Some(application) = all.iter().find(|application| application.name == name) else {
        let known: Vec<&str> = all.iter().map(|application| application.name.as_str()).collect();
        let known = match known.as_slice() {
            [] => "it has no gateway.applications".into(),
            known => format!("its applications are {}", known.join(", ")),
        };
        return Err(NotThere::Missing(format!(
            "tier {tier} has no application {name:.80}, {instead}; {known}"
        )));
    };
    let Application {
        name,
        namespace,
        service,
        port,
    } = application;
    if let Some(why) = misplaced(namespace, world) {
        return Err(NotThere::Misplaced(format!(
            "application {name} of tier {tier} is in namespace {namespace}, {why}"
        )));
    }
    let port = u16::try_from(*port).ok().filter(|port| *port > 0);
    Ok(Backend {
        service: service.clone(),
        namespace: Some(namespace.clone()),
        port: port
            .ok_or_else(|| NotThere::Misplaced(format!("application {name} of tier {tier} has no valid TCP port")))?,
    })
}

/// Returns the reason why a namespace holds no shared application. A mistake in a tier must lead no request to another tenant, nor into the platform.
fn misplaced(namespace: &str, world: &World) -> Option<String> {
    if let Some(whose) = world.reserved.get(namespace) {
        return Some(format!("which is the namespace of {whose}"));
    }
    if namespace.starts_with("kube-") {
        return Some("which belongs to Kubernetes".into());
    }
    match world.application_namespaces.get(namespace) {
        None => Some("which gateway.applicationNamespaces of the chart does not name".into()),
        Some(Some(tenant)) => Some(format!("which belongs to tenant {tenant}")),
        Some(None) => None,
    }
}

#[cfg(test)]
#[path = "applications_test.rs"]
mod tests;
