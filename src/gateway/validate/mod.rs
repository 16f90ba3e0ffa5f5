//! Validation of the routes to a tenant, and of the clients that they admit.

mod applications;
mod backends;
mod bandwidth;
mod bodies;
mod certificates;
mod limits;
mod roles;
mod sessions;
mod tokens;

use super::config::{Admits, Route, Unsupported, ValidApiKey, ValidGateway, ValidTraffic, by_precedence};
use super::error_responses;
use crate::api::{
    Access, GatewayAuthentication, GatewayRoute, Identification, Role, RouteAuthentication, RoutePath, TenantGateway,
    TenantSpec, TenantTierSpec, Traffic,
};
use crate::capability::{Asked, Invalid, TenantCore, ValidTenant, World, duration};
use crate::host;
use crate::time;
use backends::Services;
use roles::Table;
use std::collections::BTreeSet;

/// The tenant's way in, where it asks for one.
pub fn resolve(asked: &Asked<'_>, tenant: &ValidTenant, errors: &mut Vec<Invalid>) -> Option<ValidGateway> {
    let Asked { world, .. } = *asked;
    let (spec, tier) = (&asked.tenant.spec, &asked.tier.spec);
    let gateway = resolve_own(spec, tier, &tenant.core, world, errors);
    tokens::has_signing_key(spec, gateway.as_ref(), tenant, errors);
    gateway
}

/// The roles of the tier as a file for workloads, if it has any.
pub fn roles(tier: &str, roles: &[Role]) -> Option<String> {
    Table::new(tier, roles).text()
}

fn resolve_own(
    spec: &TenantSpec,
    tier: &TenantTierSpec,
    core: &TenantCore,
    world: &World,
    errors: &mut Vec<Invalid>,
) -> Option<ValidGateway> {
    let (gateway, workloads) = (core.network.gateway, core.workloads.as_slice());
    let own = spec.gateway.clone().unwrap_or_default();
    let plan = tier.gateway.clone().unwrap_or_default();
    hosts_are_free(&own, world, errors);
    let certificates = certificates::resolve(&own, errors);
    if own.routes.is_empty() {
        return None;
    }
    if world.shared_hosts.is_none() {
        let message = "the operator has no gateway to configure: set gateway.controller in the chart";
        errors.push(Invalid::new("spec.gateway.routes", message));
    } else if gateway == Access::Deny && own.routes.iter().any(backends::has_workload) {
        let message = "network.ingress.gateway denies the gateway: set it to Allow";
        errors.push(Invalid::new("spec.gateway.routes", message));
    }
    let authentication = GatewayAuthentication {
        jwt: own
            .authentication
            .as_ref()
            .and_then(|own| own.jwt.clone())
            .or(plan.jwt.clone()),
        ..own.authentication.clone().unwrap_or_default()
    };
    if let Some(jwt) = &authentication.jwt {
        tokens::claim_headers(&own, jwt, errors);
    }
    let identification = identification(&own, &authentication, world, errors);
    let services = Services {
        workloads,
        applications: &plan.applications,
        bounds: &plan.rate_limits,
        tier: &spec.tier,
        world,
    };
    limits::have_keys(
        own.rate_limits.iter().flatten(),
        "spec.gateway",
        &authentication,
        errors,
    );
    let table = Table::new(&spec.tier, &tier.roles);
    let mut unsupported = Vec::new();
    Some(ValidGateway {
        identification,
        routes: routes(&own.routes, &authentication, services, table, errors, &mut unsupported),
        keys: keys(&authentication, table, errors, &mut unsupported),
        certificates,
        rate_limits: limits::rate_limits(&own, &plan, &spec.tier, errors),
        concurrent_requests: limits::concurrent_requests(&own, &plan, &spec.tier, errors),
        bandwidth: bandwidth::resolve(
            own.bandwidth_limit.as_ref(),
            plan.bandwidth_limit.as_ref(),
            &spec.tier,
            errors,
        ),
        traffic: traffic(
            own.traffic.unwrap_or_default(),
            plan.traffic.unwrap_or_default(),
            errors,
        ),
        error_responses: error_responses::resolve(&own.error_responses, &plan.error_responses, errors),
        jwt: authentication.jwt,
        unsupported,
    })
}

/// No tenant's host is one that all share.
fn hosts_are_free(own: &TenantGateway, world: &World, errors: &mut Vec<Invalid>) {
    let shared = world.shared_hosts.iter().flatten();
    for shared in shared {
        for (i, name) in own.hosts.iter().enumerate() {
            if host::overlap(name, shared) {
                let message = format!("{name} overlaps with {shared}, which all tenants share");
                errors.push(Invalid::new(format!("spec.gateway.hosts[{i}]"), message));
            }
        }
    }
}

fn identification(
    own: &TenantGateway,
    authentication: &GatewayAuthentication,
    world: &World,
    errors: &mut Vec<Invalid>,
) -> Vec<Identification> {
    let named = own.identification.clone().unwrap_or_else(|| vec![Identification::Host]);
    let named: BTreeSet<Identification> = named.into_iter().collect();
    let mut refuse = |field: &str, message: &str| errors.push(Invalid::new(field, message));
    if named.contains(&Identification::Host) && own.hosts.is_empty() {
        refuse(
            "spec.gateway.hosts",
            "is empty, and identification Host needs a host: add one, or choose another identification",
        );
    }
    let shares = named.iter().any(|by| *by != Identification::Host);
    if shares && world.shared_hosts.as_ref().is_some_and(Vec::is_empty) {
        let message = "Path and Header need hosts that all tenants share: set gateway.sharedHosts in the chart";
        refuse("spec.gateway.identification", message);
    }
    let is_open = |route: &GatewayRoute| is_open(route, authentication);
    if named.contains(&Identification::Header) && own.routes.iter().any(is_open) {
        let message = "any client can send the header: with Header every route needs authentication";
        refuse("spec.gateway.identification", message);
    }
    named.into_iter().collect()
}

fn has_any(authentication: &GatewayAuthentication) -> bool {
    !authentication.api_keys.is_empty() || authentication.jwt.is_some()
}

/// Returns true where the route admits everybody.
fn is_open(route: &GatewayRoute, authentication: &GatewayAuthentication) -> bool {
    match route.authentication {
        Some(RouteAuthentication::None) => true,
        Some(RouteAuthentication::Required) => false,
        None => !has_any(authentication) && route.roles.is_empty() && route.permissions.is_empty(),
    }
}

fn routes(
    asked: &[GatewayRoute],
    authentication: &GatewayAuthentication,
    services: Services<'_>,
    table: Table<'_>,
    errors: &mut Vec<Invalid>,
    unsupported: &mut Vec<Unsupported>,
) -> Vec<Route> {
    let mut routes: Vec<Route> = Vec::new();
    for (i, route) in asked.iter().enumerate() {
        let field = format!("spec.gateway.routes[{i}]");
        if !is_open(route, authentication) && !has_any(authentication) {
            let message = "requires credentials, but the tenant has no authentication: set apiKeys or jwt";
            errors.push(Invalid::new(&field, message));
        }
        if is_open(route, authentication) && !(route.roles.is_empty() && route.permissions.is_empty()) {
            let message = "roles and permissions need authentication: set it to Required";
            errors.push(Invalid::new(format!("{field}.authentication"), message));
        }
        let jwt = authentication.jwt.as_ref();
        let have_permissions = jwt.is_some_and(|jwt| jwt.permissions_claim.is_some());
        let whom = table.admitted(route, &field, have_permissions, errors, unsupported);
        let Some(targets) = backends::targets(route, &field, services, errors, unsupported) else {
            continue;
        };
        let path = path(route);
        let mut methods = route.methods.clone();
        methods.sort();
        methods.dedup();
        let meets = |other: &Route| {
            let shares_method =
                other.methods.is_empty() && methods.is_empty() || other.methods.iter().any(|m| methods.contains(m));
            other.path == path && shares_method
        };
        if routes.iter().any(meets) {
            let message = format!("{} {} is there twice", path.type_.as_str(), path.value);
            errors.push(Invalid::new(format!("{field}.path"), message));
            continue;
        }
        routes.push(Route {
            path,
            methods,
            targets,
            admits: match is_open(route, authentication) {
                true => Admits::Everybody,
                false => Admits::Authenticated(whom),
            },
            rate_limits: limits::of_route(&route.rate_limits, &field, authentication, services, errors),
            request_schema: bodies::schema(route, &field, errors),
        });
    }
    by_precedence(&mut routes);
    routes
}

/// The path, as gateways compare it: a prefix has no slash at its end.
fn path(route: &GatewayRoute) -> RoutePath {
    let mut path = route.path.clone().unwrap_or_else(|| RoutePath {
        value: "/".into(),
        ..RoutePath::default()
    });
    if path.type_ == crate::api::PathType::PathPrefix && path.value.len() > 1 {
        path.value = path.value.trim_end_matches('/').to_string();
    }
    if path.value.is_empty() {
        path.value = "/".into();
    }
    path
}

fn keys(
    authentication: &GatewayAuthentication,
    table: Table<'_>,
    errors: &mut Vec<Invalid>,
    unsupported: &mut Vec<Unsupported>,
) -> Vec<ValidApiKey> {
    let mut keys = Vec::new();
    for (i, key) in authentication.api_keys.iter().enumerate() {
        let field = format!("spec.gateway.authentication.apiKeys[{i}]");
        if authentication.api_keys[..i].iter().any(|other| other.name == key.name) {
            errors.push(Invalid::new(
                format!("{field}.name"),
                format!("{} is there twice", key.name),
            ));
        }
        table.check_key(&key.roles, &field, unsupported);
        let expires_at = key.expires_at.as_deref().map(time::parse);
        match expires_at {
            Some(None) => {
                let message = "is not a time such as 2027-01-31T00:00:00Z";
                errors.push(Invalid::new(format!("{field}.expiresAt"), message));
            }
            expires_at => keys.push(ValidApiKey {
                name: key.name.clone(),
                roles: key.roles.clone(),
                expires_at: expires_at.flatten(),
                slot: i + 1,
            }),
        }
    }
    keys
}

fn traffic(own: Traffic, plan: Traffic, errors: &mut Vec<Invalid>) -> ValidTraffic {
    let (load_balancing, session) = sessions::choice(&own, &plan, errors);
    let mut time = |field: &str, text: &str| {
        let field = format!("spec.gateway.traffic.{field}");
        let time = duration(&field, text, errors)?;
        if time.is_zero() {
            errors.push(Invalid::new(field, "must not be zero"));
        }
        Some(time)
    };
    let request_timeout = own.request_timeout.or(plan.request_timeout);
    let outliers = own.outlier_detection.or(plan.outlier_detection);
    let breaker = own.circuit_breaker.unwrap_or_default();
    let bounds = plan.circuit_breaker.unwrap_or_default();
    ValidTraffic {
        request_timeout: request_timeout.and_then(|text| time("requestTimeout", &text)),
        retries: own.retries.or(plan.retries),
        max_connections: breaker.max_connections.or(bounds.max_connections),
        max_pending_requests: breaker.max_pending_requests.or(bounds.max_pending_requests),
        outliers: outliers.and_then(|outliers| {
            let time = time("outlierDetection.ejectionTime", &outliers.ejection_time)?;
            Some((outliers.consecutive_errors, time))
        }),
        load_balancing,
        session,
    }
}

#[cfg(test)]
#[path = "gateway_test.rs"]
mod tests;
