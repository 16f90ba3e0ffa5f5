//! Ways in with limits.

use super::{Case, by_role, case, from_uri, keys, of_its_own, routes, web};
use serde_json::{Value, json};

fn limit(requests: u32, unit: &str) -> Value {
    json!({"requests": requests, "unit": unit})
}

/// Limits of each key where routes admit clients without one.
fn limits_beside_keys() -> Case {
    of_its_own(
        "limits_of_each_key_beside_tokens",
        json!({
            "routes": by_role(),
            "rateLimits": [{"requests": 20, "unit": "Minute", "per": "Key"}],
            "authentication": {"apiKeys": keys(), "jwt": from_uri()},
        }),
    )
}

/// Routes with limits of their own, one of which is below the other.
fn limited_routes() -> Value {
    let mut routes = json!([web("/"), web("/api"), {"path": {"type": "Exact", "value": "/api/export"}, "methods": ["POST"], "backend": {"workload": "api"}}]);
    routes[0]["rateLimits"] = json!([limit(100, "Minute")]);
    routes[2]["rateLimits"] = json!([{"requests": 1, "unit": "Second", "per": "Key"}, limit(10, "Hour")]);
    routes
}

pub fn all() -> Vec<Case> {
    let mut of_the_tier = case("limits_of_the_tier", json!({"rateLimits": [limit(50, "Minute")]}));
    of_the_tier.tier = json!({"rateLimits": [limit(100, "Minute"), limit(1000, "Hour")], "concurrentRequests": 20});
    vec![
        case("limit_second", json!({"rateLimits": [limit(10, "Second")]})),
        case("limit_minute", json!({"rateLimits": [limit(100, "Minute")]})),
        case("limit_hour", json!({"rateLimits": [limit(1000, "Hour")]})),
        case("limit_day", json!({"rateLimits": [limit(10000, "Day")]})),
        case(
            "limits_of_one_route",
            json!({"rateLimits": [limit(10000, "Day"), limit(100, "Minute"), limit(1000, "Hour")]}),
        ),
        case(
            "limits_of_several_routes",
            json!({"routes": routes(), "rateLimits": [limit(100, "Minute"), limit(1000, "Hour")]}),
        ),
        case(
            "limit_of_each_client",
            json!({"rateLimits": [{"requests": 20, "unit": "Minute", "per": "Client"}]}),
        ),
        case(
            "limits_of_each_client_and_of_all",
            json!({"rateLimits": [{"requests": 20, "unit": "Minute", "per": "Client"}, limit(100, "Minute"), limit(10, "Second")]}),
        ),
        case(
            "limits_of_each_key",
            json!({
                "rateLimits": [{"requests": 20, "unit": "Minute", "per": "Key"}, limit(100, "Minute")],
                "authentication": {"apiKeys": keys()},
            }),
        ),
        limits_beside_keys(),
        case(
            "limits_of_routes",
            json!({"routes": limited_routes(), "authentication": {"apiKeys": keys()}}),
        ),
        of_the_tier,
        case(
            "burst",
            json!({"rateLimits": [{"requests": 500, "unit": "Second", "burst": 50}, limit(20000, "Minute")]}),
        ),
        case(
            "burst_of_several_routes",
            json!({"routes": routes(), "rateLimits": [{"requests": 500, "unit": "Second", "burst": 50}]}),
        ),
        case(
            "burst_of_a_minute",
            json!({"rateLimits": [{"requests": 500, "unit": "Minute", "burst": 50}]}),
        ),
        case(
            "burst_of_each_key",
            json!({
                "rateLimits": [{"requests": 20, "unit": "Second", "burst": 5, "per": "Key"}],
                "concurrentRequests": 10,
                "authentication": {"apiKeys": keys()},
            }),
        ),
        case("concurrency", json!({"routes": routes(), "concurrentRequests": 50})),
        case(
            "concurrency_by_role",
            json!({
                "routes": [
                    web("/"),
                    {"path": {"type": "PathPrefix", "value": "/admin"}, "methods": ["GET", "POST"], "backend": {"workload": "web"}, "roles": ["admin"]},
                    {"path": {"type": "Exact", "value": "/reports"}, "backend": {"workload": "web"}, "roles": ["viewer", "admin"]},
                ],
                "concurrentRequests": 50,
                "authentication": {"apiKeys": keys(), "jwt": from_uri()},
            }),
        ),
    ]
}
