//! NetworkPolicies: one denies all traffic, the others allow some. Namespaces are selected by Kubernetes' own name label, which
//! nobody can give to another namespace.

use crate::api::Access;
use crate::capability::{Destination, Egress, Platform, Reach, ValidTenant};
use crate::cluster::{Desired, Kind, metadata};
use crate::names;
use ipnet::IpNet;
use k8s_openapi::api::networking::v1::{
    IPBlock, NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicyPort,
    NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use std::net::IpAddr;

/// The traffic that one policy allows.
#[derive(Default)]
struct Rules {
    ingress: Option<Vec<NetworkPolicyIngressRule>>,
    egress: Option<Vec<NetworkPolicyEgressRule>>,
}

/// The policies of one namespace.
pub fn policies(tenant: &ValidTenant, namespace: &str, platform: &Platform) -> Vec<Desired> {
    let network = &tenant.core.network;
    let own: Vec<String> = tenant
        .core
        .namespaces
        .iter()
        .map(|namespace| namespace.name.clone())
        .collect();
    let agreed: Vec<String> = network.peers.iter().flat_map(|peer| peer.namespaces.clone()).collect();
    let mut policies = vec![
        (
            "deny-all",
            Rules {
                ingress: Some(Vec::new()),
                egress: Some(Vec::new()),
            },
        ),
        ("allow-same-tenant", both_ways(&own)),
        (
            "allow-dns",
            Rules {
                egress: Some(vec![dns(platform)]),
                ..Rules::default()
            },
        ),
    ];
    if !agreed.is_empty() {
        policies.push(("allow-peers", both_ways(&agreed)));
    }
    if let (Access::Allow, Some(gateway)) = (network.gateway, &platform.gateway_namespace) {
        policies.push((
            "allow-gateway",
            Rules {
                ingress: Some(vec![from(std::slice::from_ref(gateway))]),
                ..Rules::default()
            },
        ));
    }
    if network.api_server == Access::Allow && !platform.api_server.is_empty() {
        policies.push((
            "allow-api-server",
            Rules {
                egress: Some(api_server(platform)),
                ..Rules::default()
            },
        ));
    }
    if !network.to.is_empty() {
        let egress = network.to.iter().map(destination).collect();
        policies.push((
            "allow-egress",
            Rules {
                egress: Some(egress),
                ..Rules::default()
            },
        ));
    }
    for (name, egress) in &tenant.contributions.egress {
        let rules = Rules {
            egress: Some(egress.iter().map(contributed).collect()),
            ..Rules::default()
        };
        policies.push((name, rules));
    }
    // In quarantine only the first is left, which denies all.
    if tenant.core.quarantine.is_some() {
        policies.truncate(1);
    }
    policies
        .into_iter()
        .map(|(name, rules)| policy(tenant, namespace, name, rules))
        .collect()
}

fn policy(tenant: &ValidTenant, namespace: &str, name: &str, rules: Rules) -> Desired {
    let meta = metadata::meta(&tenant.core.owner, namespace, &format!("{}-{name}", names::MANAGER));
    let types = [
        rules.ingress.as_ref().map(|_| "Ingress"),
        rules.egress.as_ref().map(|_| "Egress"),
    ];
    let object = NetworkPolicy {
        metadata: meta.clone(),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(LabelSelector::default()),
            policy_types: Some(types.into_iter().flatten().map(String::from).collect()),
            ingress: rules.ingress.filter(|rules| !rules.is_empty()),
            egress: rules.egress.filter(|rules| !rules.is_empty()),
        }),
    };
    metadata::desired(Kind::NetworkPolicy, &meta, &object)
}

fn both_ways(namespaces: &[String]) -> Rules {
    let egress = NetworkPolicyEgressRule {
        to: Some(vec![by_name(namespaces)]),
        ports: None,
    };
    Rules {
        ingress: Some(vec![from(namespaces)]),
        egress: Some(vec![egress]),
    }
}

fn from(namespaces: &[String]) -> NetworkPolicyIngressRule {
    NetworkPolicyIngressRule {
        from: Some(vec![by_name(namespaces)]),
        ports: None,
    }
}

fn by_name(namespaces: &[String]) -> NetworkPolicyPeer {
    let mut names = namespaces.to_vec();
    names.sort();
    names.dedup();
    let requirement = LabelSelectorRequirement {
        key: names::NAMESPACE_NAME.into(),
        operator: "In".into(),
        values: Some(names),
    };
    NetworkPolicyPeer {
        namespace_selector: Some(LabelSelector {
            match_expressions: Some(vec![requirement]),
            match_labels: None,
        }),
        ..NetworkPolicyPeer::default()
    }
}

fn dns(platform: &Platform) -> NetworkPolicyEgressRule {
    let servers = &platform.dns;
    let pods = LabelSelector {
        match_labels: Some(servers.dns_pod_labels.clone()),
        match_expressions: None,
    };
    let pods = NetworkPolicyPeer {
        pod_selector: Some(pods),
        ..by_name(std::slice::from_ref(&servers.dns_namespace))
    };
    let ports = servers
        .dns_ports
        .iter()
        .flat_map(|number| ["UDP", "TCP"].map(|protocol| port(i32::from(*number), None, protocol)));
    NetworkPolicyEgressRule {
        to: Some(
            std::iter::once(pods)
                .chain(servers.dns_addresses.iter().map(host))
                .collect(),
        ),
        ports: Some(ports.collect()),
    }
}

/// A single address.
fn host(address: &IpAddr) -> NetworkPolicyPeer {
    let block = IPBlock {
        cidr: IpNet::from(*address).to_string(),
        except: None,
    };
    NetworkPolicyPeer {
        ip_block: Some(block),
        ..NetworkPolicyPeer::default()
    }
}

fn api_server(platform: &Platform) -> Vec<NetworkPolicyEgressRule> {
    platform
        .api_server
        .iter()
        .map(|(address, number)| NetworkPolicyEgressRule {
            to: Some(vec![host(address)]),
            ports: Some(vec![port(i32::from(*number), None, "TCP")]),
        })
        .collect()
}

fn destination(destination: &Destination) -> NetworkPolicyEgressRule {
    let except: Vec<String> = destination.except.iter().map(ToString::to_string).collect();
    let block = IPBlock {
        cidr: destination.cidr.to_string(),
        except: (!except.is_empty()).then_some(except),
    };
    let ports: Vec<NetworkPolicyPort> = destination
        .ports
        .iter()
        .map(|rule| port(rule.port, rule.end_port, rule.protocol.unwrap_or_default().as_str()))
        .collect();
    NetworkPolicyEgressRule {
        to: Some(vec![NetworkPolicyPeer {
            ip_block: Some(block),
            ..NetworkPolicyPeer::default()
        }]),
        ports: (!ports.is_empty()).then_some(ports),
    }
}

fn contributed(egress: &Egress) -> NetworkPolicyEgressRule {
    let peers = egress.to.iter().map(|reach| match reach {
        Reach::Namespace(namespace) => by_name(std::slice::from_ref(namespace)),
        Reach::Pods(namespace, labels) => NetworkPolicyPeer {
            pod_selector: Some(LabelSelector {
                match_labels: Some(labels.clone()),
                match_expressions: None,
            }),
            ..by_name(std::slice::from_ref(namespace))
        },
        Reach::Addresses(cidr) => NetworkPolicyPeer {
            ip_block: Some(IPBlock {
                cidr: cidr.to_string(),
                except: None,
            }),
            ..NetworkPolicyPeer::default()
        },
    });
    NetworkPolicyEgressRule {
        to: Some(peers.collect()),
        ports: Some(egress.ports.iter().map(tcp).collect()),
    }
}

fn tcp(port: &IntOrString) -> NetworkPolicyPort {
    NetworkPolicyPort {
        port: Some(port.clone()),
        end_port: None,
        protocol: Some("TCP".into()),
    }
}

fn port(number: i32, end_port: Option<i32>, protocol: &str) -> NetworkPolicyPort {
    NetworkPolicyPort {
        port: Some(IntOrString::Int(number)),
        end_port,
        protocol: Some(protocol.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::DnsServers;
    use crate::tenant::fixtures::platform;
    use serde_json::json;

    #[test]
    fn pods_reach_every_server_of_the_clusters_dns() {
        let peer = |platform: &Platform| serde_json::to_value(dns(platform)).expect("JSON");
        let pods = json!({
            "namespaceSelector": {"matchExpressions": [{"key": names::NAMESPACE_NAME, "operator": "In", "values": ["kube-system"]}]},
            "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
        });
        let on = |port: u16| ["UDP", "TCP"].map(|protocol| json!({"port": port, "protocol": protocol}));
        assert_eq!(peer(&platform()), json!({"to": [pods], "ports": on(53)}));
        let several = Platform {
            dns: DnsServers {
                dns_addresses: ["169.254.20.10", "fd00::a"]
                    .map(|address| address.parse().expect("an address"))
                    .into(),
                dns_ports: [53, 5353].into(),
                ..DnsServers::default()
            },
            ..platform()
        };
        let blocks = ["169.254.20.10/32", "fd00::a/128"].map(|cidr| json!({"ipBlock": {"cidr": cidr}}));
        let both = [on(53), on(5353)].concat();
        let expected = json!({"to": [pods, blocks[0], blocks[1]], "ports": both});
        assert_eq!(peer(&several), expected);
    }
}
