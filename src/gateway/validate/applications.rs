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
        database_role: _,
    } = application;
    if let Some(why) = world.why_not_shared(namespace) {
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

#[cfg(test)]
#[path = "applications_test.rs"]
mod tests;
