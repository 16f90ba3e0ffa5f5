//! A tenant's public keys, which the gateway answers with itself.

use super::{plugin, routes};
use crate::gateway::config::{Entry, GatewayConfig};
use crate::gateway::jwks_route;
use serde_json::{Value, json};

pub fn http(way: &GatewayConfig, entry: &Entry) -> Option<Value> {
    let (path, set) = (jwks_route::path(way, entry)?, way.key_set.as_ref()?);
    // APISIX has no route to nowhere.
    let route = way.gateway.routes.first()?;
    let mut http = json!({
        "name": "jwks",
        "match": {"hosts": entry.hosts(), "paths": [path]},
        "plugins": [plugin("mocking", json!({
            "response_status": 200,
            "content_type": "application/json;charset=utf8",
            "response_example": set.text(),
            "with_mock_header": false,
        }))],
    });
    routes::lead_to(&mut http, &route.targets);
    Some(http)
}
