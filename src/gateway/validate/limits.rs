//! Limits of a tenant's requests, within the tier's.

use super::Services;
use crate::api::{GatewayAuthentication, RateLimit, RateLimitPer, TenantGateway, TierGateway};
use crate::capability::Invalid;

/// The tenant's rate limits; those that it does not name are the tier's.
pub fn rate_limits(own: &TenantGateway, plan: &TierGateway, tier: &str, errors: &mut Vec<Invalid>) -> Vec<RateLimit> {
    let mut limits = plan.rate_limits.clone();
    for (i, limit) in own.rate_limits.iter().flatten().enumerate() {
        let Some(bound) = limits.iter_mut().find(|bound| is_same(bound, limit)) else {
            limits.push(limit.clone());
            continue;
        };
        is_within(limit, bound, &format!("spec.gateway.rateLimits[{i}]"), tier, errors);
        *bound = limit.clone();
    }
    limits.sort_by_key(|limit| (limit.unit, limit.per()));
    limits
}

/// A route's rate limits.
pub fn of_route(
    own: &[RateLimit],
    field: &str,
    authentication: &GatewayAuthentication,
    services: Services<'_>,
    errors: &mut Vec<Invalid>,
) -> Vec<RateLimit> {
    have_keys(own.iter(), field, authentication, errors);
    for (i, limit) in own.iter().enumerate() {
        let field = format!("{field}.rateLimits[{i}]");
        if let Some(bound) = services.bounds.iter().find(|bound| is_same(bound, limit)) {
            is_within(limit, bound, &field, services.tier, errors);
        }
        if limit.burst.is_some() {
            let message = "is for the tenant's limits only: a route's limit has no burst";
            errors.push(Invalid::new(format!("{field}.burst"), message));
        }
        if own[..i].iter().any(|other| is_same(other, limit)) {
            let message = format!(
                "there is another one for a {}: a unit has one for each per",
                limit.unit.as_str()
            );
            errors.push(Invalid::new(field, message));
        }
    }
    let mut limits = own.to_vec();
    limits.sort_by_key(|limit| (limit.unit, limit.per()));
    limits
}

/// Reports limits of API keys where there are no keys.
pub fn have_keys<'a>(
    limits: impl Iterator<Item = &'a RateLimit>,
    field: &str,
    authentication: &GatewayAuthentication,
    errors: &mut Vec<Invalid>,
) {
    let wrong =
        |(_, limit): &(usize, &RateLimit)| limit.per() == RateLimitPer::Key && authentication.api_keys.is_empty();
    for (i, _) in limits.enumerate().filter(wrong) {
        let message =
            "counts the requests of each API key, but the tenant has none: set authentication.apiKeys, or another per";
        errors.push(Invalid::new(format!("{field}.rateLimits[{i}].per"), message));
    }
}

pub fn concurrent_requests(
    own: &TenantGateway,
    plan: &TierGateway,
    tier: &str,
    errors: &mut Vec<Invalid>,
) -> Option<i64> {
    if let (Some(own), Some(most)) = (own.concurrent_requests, plan.concurrent_requests)
        && own > most
    {
        let message = format!("{own} are more than the {most} of tier {tier}");
        errors.push(Invalid::new("spec.gateway.concurrentRequests", message));
    }
    own.concurrent_requests.or(plan.concurrent_requests)
}

/// Returns true where both count the same requests in the same unit.
fn is_same(a: &RateLimit, b: &RateLimit) -> bool {
    (a.unit, a.per()) == (b.unit, b.per())
}

fn is_within(limit: &RateLimit, bound: &RateLimit, field: &str, tier: &str, errors: &mut Vec<Invalid>) {
    if limit.requests > bound.requests {
        let message = format!("{} are more than the {} of tier {tier}", limit.words(), bound.requests);
        errors.push(Invalid::new(format!("{field}.requests"), message));
    }
    if limit.burst > bound.burst {
        let message = format!("is more than the {} of tier {tier}", bound.burst.unwrap_or(0));
        errors.push(Invalid::new(format!("{field}.burst"), message));
    }
}
