//! Parser of Envoy's counters of requests (<https://www.envoyproxy.io/docs/envoy/latest/configuration/upstream/cluster_manager/cluster_stats>), in Prometheus'
//! text format. Pure.

use super::Counted;
use std::collections::HashMap;

/// The path of an Envoy's statistics under Envoy Gateway: only the used counters that this module reads.
pub const PATH: &str = concat!(
    "/stats/prometheus?usedonly&filter=%5Ecluster%5C.httproute%2F%5B%5E.%5D*%5C.",
    "(upstream_rq_completed%7Cratelimit%5C.over_limit%7Cupstream_cx_%5Brt%5Dx_bytes_total)%24"
);

/// One of Envoy's clusters that leads from a rule of an HTTPRoute: `httproute/<namespace>/<name>/rule/<number>`, as Envoy Gateway calls it. While one backend of a
/// rule has no pod, each has a cluster of its own, with `/backend/<number>` at its end.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Source(String);

impl Source {
    /// The HTTPRoute's namespace.
    pub fn namespace(&self) -> &str {
        self.0.split('/').nth(1).unwrap_or_default()
    }
}

/// Returns the counts of each rule. Skips all other lines.
pub fn read(text: &str) -> HashMap<Source, Counted> {
    let mut all: HashMap<Source, Counted> = HashMap::new();
    for line in text.lines() {
        let Some((name, source, value)) = sample(line) else {
            continue;
        };
        let counted = all.entry(source).or_default();
        match name {
            "envoy_cluster_upstream_rq_completed" => counted.requests = value,
            "envoy_cluster_ratelimit_over_limit" => counted.limited = value,
            "envoy_cluster_upstream_cx_tx_bytes_total" => counted.received_bytes = value,
            "envoy_cluster_upstream_cx_rx_bytes_total" => counted.sent_bytes = value,
            _ => {}
        }
    }
    all
}

fn sample(line: &str) -> Option<(&str, Source, u64)> {
    let (name, rest) = line.split_once('{')?;
    let (labels, value) = rest.rsplit_once('}')?;
    let (_, cluster) = labels.split_once("envoy_cluster_name=\"")?;
    let (cluster, _) = cluster.split_once('"')?;
    let parts = cluster.strip_prefix("httproute/")?.split('/').count();
    let is_route = [4, 6].contains(&parts);
    let value = value.split_whitespace().next()?.parse().ok()?;
    is_route.then(|| (name, Source(cluster.into()), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_envoy_says_is_read_by_rule_and_namespace() {
        let text = r#"# TYPE envoy_cluster_external_upstream_rq_completed counter
envoy_cluster_external_upstream_rq_completed{envoy_cluster_name="httproute/acme/tenant-host-open/rule/0"} 90
envoy_cluster_ratelimit_over_limit{envoy_cluster_name="httproute/acme/tenant-host-open/rule/0"} 240
envoy_cluster_upstream_cx_rx_bytes_total{envoy_cluster_name="httproute/acme/tenant-host-open/rule/0"} 16094
envoy_cluster_upstream_cx_tx_bytes_total{envoy_cluster_name="httproute/acme/tenant-host-open/rule/0"} 29250
# TYPE envoy_cluster_upstream_rq_completed counter
envoy_cluster_upstream_rq_completed{envoy_cluster_name="httproute/acme/tenant-host-open/rule/0"} 330
envoy_cluster_upstream_rq_completed{envoy_cluster_name="httproute/globex/own/rule/1"} 7
envoy_cluster_upstream_rq_completed{envoy_cluster_name="httproute/globex/own/rule/2/backend/1"} 5
envoy_cluster_upstream_rq_completed{envoy_cluster_name="xds_cluster"} 9
envoy_cluster_upstream_rq_completed{envoy_cluster_name="httproute/acme"} 9
envoy_cluster_upstream_rq_completed{envoy_cluster_name="httproute/broken/own/rule/1"} many
envoy_server_live 1
"#;
        let mut read: Vec<_> = read(text)
            .into_iter()
            .map(|(source, counted)| (source.namespace().to_string(), counted))
            .collect();
        read.sort_by(|a, b| (&a.0, b.1.requests).cmp(&(&b.0, a.1.requests)));
        let acme = Counted {
            requests: 330,
            limited: 240,
            received_bytes: 29250,
            sent_bytes: 16094,
        };
        let globex = |requests: u64| {
            let counted = Counted {
                requests,
                ..Counted::default()
            };
            ("globex".to_string(), counted)
        };
        assert_eq!(read, [("acme".to_string(), acme), globex(7), globex(5)]);
    }
}
