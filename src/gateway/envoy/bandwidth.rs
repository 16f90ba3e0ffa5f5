//! The limit of bandwidth. Envoy counts for each host and match of a route apart.

use super::leading;
use crate::cluster::Desired;
use crate::gateway::config::{GatewayConfig, LEAST_BANDWIDTH, Unsupported, divided};
use serde_json::{Value, json};

/// Returns the number of places where Envoy counts: each match of these HTTPRoutes at each of their hosts, if it leads anywhere.
pub fn places(objects: &[Desired]) -> usize {
    let of = |route: &Desired| {
        let hosts = route.value.pointer("/spec/hostnames").and_then(Value::as_array);
        let matches = leading(&route.value).map(|rule| rule["matches"].as_array().map_or(0, Vec::len));
        hosts.map_or(0, Vec::len) * matches.sum::<usize>()
    };
    objects.iter().map(of).sum()
}

/// Returns the `bandwidthLimit` of the tenant's policy, divided among these places: together these do not exceed it.
pub fn limit(way: &GatewayConfig, places: usize) -> Option<Value> {
    let mut limit = json!({});
    for (direction, bytes) in directions(way) {
        let bytes = divided(bytes, places).max(LEAST_BANDWIDTH);
        limit[direction] = json!({"limit": {"value": bytes.to_string(), "unit": "Second"}});
    }
    (limit != json!({})).then_some(limit)
}

/// Reports limits that are too low to be divided.
pub fn too_low(way: &GatewayConfig, places: usize) -> Vec<Unsupported> {
    let low = directions(way).filter(|(_, bytes)| divided(*bytes, places) < LEAST_BANDWIDTH);
    low.map(|(direction, bytes)| {
        let message = format!(
            "Envoy counts at least {LEAST_BANDWIDTH} bytes a second, for each host and match of a route: {bytes} are too few for {places} of them"
        );
        Unsupported::feature(format!("spec.gateway.bandwidthLimit.{direction}"), message)
    })
    .collect()
}

fn directions(way: &GatewayConfig) -> impl Iterator<Item = (&'static str, i64)> + use<> {
    let limit = way.gateway.bandwidth;
    let directions = [("request", limit.request), ("response", limit.response)];
    directions
        .into_iter()
        .filter_map(|(direction, bytes)| Some((direction, bytes?)))
}

#[cfg(test)]
mod tests {
    use crate::cluster::Kind;
    use crate::gateway::envoy::write;
    use crate::tenant::fixtures::{acme, attachment, gateway_config};
    use serde_json::json;

    #[test]
    fn a_limit_is_shared_out_among_hosts_and_matches_and_too_low_a_one_is_said() {
        let with = |bytes: i64| {
            let spec = json!({
                "network": {"ingress": {"gateway": "Allow"}},
                "workloads": [{"name": "web", "image": "web:1", "ports": [{"name": "http", "containerPort": 8080}]}],
                "gateway": {"hosts": ["acme.example.com", "acme.example.org"], "bandwidthLimit": {"request": bytes}, "routes": [
                    {"backend": {"workload": "web"}, "methods": ["GET", "POST"]},
                    {"path": {"type": "Exact", "value": "/a"}, "backend": {"workload": "web"}},
                ]},
            });
            let to = attachment();
            let way = gateway_config(&acme(spec, json!({})), &to.shared_hosts);
            let written = write(&way, &to);
            let mut objects = written.objects.iter();
            let policy = objects.find(|object| object.key.kind == Kind::BackendTrafficPolicy);
            let limit = policy.expect("a policy").value.pointer("/spec/bandwidthLimit").cloned();
            let said: Vec<String> = written
                .unsupported
                .iter()
                .map(|unsupported| unsupported.field.clone())
                .collect();
            (limit, said)
        };
        let limit = |bytes: &str| Some(json!({"request": {"limit": {"value": bytes, "unit": "Second"}}}));
        assert_eq!(with(60_000), (limit("10000"), Vec::<String>::new()));
        let field = "spec.gateway.bandwidthLimit.request".to_string();
        assert_eq!(with(6_000), (limit("1024"), vec![field]));
    }
}
