//! Targets of routes: workloads of the tenant, and applications that tenants share.

use super::applications::{self, NotThere};
use crate::api::{Application, GatewayRoute, RateLimit, RouteBackend, Workload};
use crate::capability::{Invalid, World};
use crate::conditions::reason;
use crate::gateway::config::{Backend, Target, Unsupported};

/// Services that routes may lead to.
#[derive(Clone, Copy)]
pub struct Services<'a> {
    pub workloads: &'a [Workload],
    pub applications: &'a [Application],
    /// The tier's limits.
    pub bounds: &'a [RateLimit],
    pub tier: &'a str,
    pub world: &'a World,
}

/// Reasons why a target has no Service.
enum NoBackend {
    /// The tier does not have the application.
    Missing(String),
    /// The field below the target, and its fault.
    Wrong(&'static str, String),
}

/// A target as the spec has it: its field, and its weight.
struct Asked {
    field: String,
    backend: RouteBackend,
    weight: i32,
    is_fallback: bool,
}

/// Returns true where the route leads to a workload.
pub fn has_workload(route: &GatewayRoute) -> bool {
    let one = route.backend.iter().map(|backend| &backend.workload);
    let several = route.backends.iter().map(|backend| &backend.workload);
    one.chain(several).any(Option::is_some)
}

/// Returns the Services behind a route, without those that get no share; None where one of them is wrong.
pub fn targets(
    route: &GatewayRoute,
    field: &str,
    services: Services<'_>,
    errors: &mut Vec<Invalid>,
    unsupported: &mut Vec<Unsupported>,
) -> Option<Vec<Target>> {
    let asked = match asked(route, field) {
        Ok(asked) => asked,
        Err(wrong) => {
            errors.push(wrong);
            return None;
        }
    };
    let before = errors.len();
    let instead = match asked.len() {
        1 => "so the gateway answers the route with 503",
        _ => "so its share of the requests goes to the route's other backends",
    };
    let mut targets: Vec<Target> = Vec::new();
    for asked in asked {
        let Asked {
            field,
            backend,
            weight,
            is_fallback,
        } = asked;
        match resolve(&backend, services, instead) {
            Ok(backend) if targets.iter().any(|other| other.backend == backend) => {
                let message = "leads to the same port as another backend of the route: add their weights up in one";
                errors.push(Invalid::new(field, message));
            }
            Ok(backend) => targets.push(Target {
                backend,
                weight,
                is_fallback,
            }),
            Err(NoBackend::Missing(message)) => {
                let missing = Invalid::new(format!("{field}.application"), message);
                unsupported.push(Unsupported::of(reason::NO_SUCH_APPLICATION, missing));
            }
            Err(NoBackend::Wrong(below, message)) => errors.push(Invalid::new(format!("{field}{below}"), message)),
        }
    }
    targets.retain(|target| target.weight > 0);
    // Without the others it answers all requests.
    if targets.iter().all(|target| target.is_fallback) {
        targets.iter_mut().for_each(|target| target.is_fallback = false);
    }
    (errors.len() == before).then_some(targets)
}

fn asked(route: &GatewayRoute, field: &str) -> Result<Vec<Asked>, Invalid> {
    let several = route.backends.iter().enumerate().map(|(i, backend)| Asked {
        field: format!("{field}.backends[{i}]"),
        backend: backend.target(),
        weight: backend.weight.unwrap_or(1),
        is_fallback: backend.fallback == Some(true),
    });
    let several: Vec<Asked> = several.collect();
    let fallbacks = || several.iter().filter(|asked| asked.is_fallback);
    if let Some(second) = fallbacks().nth(1) {
        let message = "is the second fallback of the route, which may have one";
        return Err(Invalid::new(format!("{}.fallback", second.field), message));
    }
    match (&route.backend, several.as_slice()) {
        (Some(backend), []) => Ok(vec![Asked {
            field: format!("{field}.backend"),
            backend: backend.clone(),
            weight: 1,
            is_fallback: false,
        }]),
        (None, [_, ..]) if several.iter().all(|asked| asked.weight == 0 || asked.is_fallback) => {
            let message = "every weight is 0, or of a fallback: set one above 0";
            Err(Invalid::new(format!("{field}.backends"), message))
        }
        (None, [_, ..]) => Ok(several),
        _ => Err(Invalid::new(field, "needs one of backend and backends")),
    }
}

fn resolve(backend: &RouteBackend, services: Services<'_>, instead: &str) -> Result<Backend, NoBackend> {
    let Services {
        workloads,
        applications,
        tier,
        world,
        ..
    } = services;
    match (&backend.workload, &backend.application) {
        (Some(name), None) => Ok(Backend {
            service: name.clone(),
            namespace: None,
            port: port(name, backend, workloads).map_err(|(below, message)| NoBackend::Wrong(below, message))?,
        }),
        (None, Some(_)) if backend.port.is_some() => Err(NoBackend::Wrong(
            ".port",
            "belongs to a workload: an application has its own".into(),
        )),
        (None, Some(name)) => {
            let found = applications::backend(name, tier, applications, world, instead);
            found.map_err(|why| match why {
                NotThere::Missing(message) => NoBackend::Missing(message),
                NotThere::Misplaced(message) => NoBackend::Wrong(".application", message),
            })
        }
        _ => Err(NoBackend::Wrong("", "needs one of workload and application".into())),
    }
}

/// Returns the port of a target's workload; else the wrong field and its fault.
fn port(name: &str, backend: &RouteBackend, workloads: &[Workload]) -> Result<u16, (&'static str, String)> {
    let Some(workload) = workloads.iter().find(|workload| workload.name == name) else {
        return Err((".workload", format!("there is no workload {name:.80}")));
    };
    let ports = workload.ports.iter().flatten();
    let is_tcp = |port: &&crate::api::WorkloadPort| port.protocol.unwrap_or_default().as_str() == "TCP";
    let ports: Vec<_> = ports.filter(is_tcp).collect();
    let port = match (&backend.port, ports.as_slice()) {
        (Some(wanted), ports) => ports.iter().find(|port| port.name == *wanted).copied(),
        (None, [only]) => Some(*only),
        (None, ports) => {
            let message = format!("workload {name} has {} TCP ports: set port to one of them", ports.len());
            return Err((".port", message));
        }
    };
    let port = port.ok_or_else(|| (".port", format!("workload {name} has no TCP port with this name")))?;
    u16::try_from(port.container_port).map_err(|_| (".port", "is not a port".into()))
}

#[cfg(test)]
#[path = "backends_test.rs"]
mod tests;
