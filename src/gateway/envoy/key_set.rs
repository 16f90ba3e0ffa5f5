//! A tenant's public keys, which the gateway answers with itself.

use super::routes::of_rules;
use super::{POLICIES, class_name, object, security};
use crate::cluster::{Desired, Kind};
use crate::gateway::config::{ClientAccess, GatewayConfig};
use crate::gateway::{Attachment, jwks_route};
use serde_json::json;

/// The class of such a route, which asks for no credentials.
pub const CLASS: &str = "jwks";

pub fn objects(way: &GatewayConfig, to: &Attachment) -> Vec<Desired> {
    let mut objects = Vec::new();
    let Some(set) = way.key_set.as_ref().filter(|_| way.access == ClientAccess::Open) else {
        return objects;
    };
    for entry in &way.entries {
        if let Some(path) = jwks_route::path(way, entry) {
            let answer = json!({
                "type": "ExtensionRef",
                "extensionRef": {"group": "gateway.envoyproxy.io", "kind": "HTTPRouteFilter", "name": class_name(CLASS)},
            });
            let rule = json!({"matches": [{"path": {"type": "Exact", "value": path}}], "filters": [answer]});
            objects.extend(of_rules(way, to, entry, CLASS, &[rule]));
        }
    }
    if !objects.is_empty() {
        objects.extend(security::of_answer(way, CLASS));
        let spec = json!({"directResponse": {
            "statusCode": 200,
            "contentType": "application/json",
            "body": {"type": "Inline", "inline": set.text()},
        }});
        objects.push(object(
            way,
            Kind::HttpRouteFilter,
            POLICIES,
            &class_name(CLASS),
            &[],
            spec,
        ));
    }
    objects
}
