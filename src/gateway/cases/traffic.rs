//! Ways in that decide where a request goes, and how fast.

use super::{Case, case, routes, shared, web};
use serde_json::json;

pub fn all() -> Vec<Case> {
    let mut bandwidth = case(
        "bandwidth",
        json!({"routes": routes(), "bandwidthLimit": {"request": "1M"}}),
    );
    bandwidth.tier = json!({"bandwidthLimit": {"request": "10M", "response": "125M"}});
    let host = "acme.example.org";
    let secure = json!({"hosts": [host], "tls": [{"hosts": [host], "secretName": "acme-tls", "minVersion": "1.3"}]});
    let fallback = json!({"outlierDetection": {"consecutiveErrors": 5, "ejectionTime": "30s"}});
    let fallbacks = json!({"traffic": fallback, "routes": [
        web("/"),
        {"path": {"type": "PathPrefix", "value": "/ai"}, "backends": [
            {"workload": "api", "weight": 3}, {"workload": "web", "weight": 1}, {"application": "crm", "fallback": true},
        ]},
    ]});
    let action = json!({"type": "object", "required": ["action"], "properties": {"action": {"type": "string"}}});
    let mut checked = web("/api/actions");
    checked["methods"] = json!(["POST"]);
    checked["requestSchema"] = action;
    vec![
        case("request_schema", json!({"routes": [web("/"), checked]})),
        shared("fallback", fallbacks),
        case("min_version", secure),
        bandwidth,
        shared(
            "weights",
            json!({"routes": [
                {"backends": [{"workload": "web", "weight": 90}, {"workload": "api", "weight": 10}]},
                {"path": {"type": "PathPrefix", "value": "/crm"}, "backends": [
                    {"application": "crm", "weight": 3}, {"workload": "api"}, {"workload": "web", "weight": 0},
                ]},
            ], "concurrentRequests": 50, "traffic": {"circuitBreaker": {"maxConnections": 100}}}),
        ),
        case(
            "session_by_cookie",
            json!({"traffic": {"sessionPersistence": {"type": "Cookie", "absoluteTimeout": "8h"}}}),
        ),
        shared(
            "session_by_header",
            json!({
                "routes": [web("/"), {"path": {"type": "PathPrefix", "value": "/crm"}, "backend": {"application": "crm"}}],
                "traffic": {"sessionPersistence": {"type": "Header", "sessionName": "X-Session-ID"}},
            }),
        ),
    ]
}
