//! The traffic that may come in and go out.

use super::ancestors;
use crate::api::{Access, Egress, Ingress, PeerState, TenantSpec, TenantTierSpec};
use crate::capability::{Destination, Invalid, Peering, ValidNetwork, World, applications, cidr};
use ipnet::IpNet;
use std::net::IpAddr;

/// Addresses that no egress rule opens: link-local addresses, where most clouds serve an instance's metadata, and those
/// where Azure (WireServer), Alibaba, and AWS and Google by IPv6 do.
const NEVER: [&str; 6] = [
    "169.254.0.0/16",
    "168.63.129.16/32",
    "100.100.100.200/32",
    "fe80::/10",
    "fd00:ec2::254/128",
    "fd20:ce::254/128",
];
/// The metadata service of most clouds. In some it resolves names too.
const METADATA: &str = "169.254.169.254/32";
/// IPv4 written as IPv6: some enforcers match the IPv4 address by it, past every exception.
const MAPPED: &str = "::ffff:0.0.0.0/96";
/// The cluster's own addresses where nobody named them (RFC 1918, 6598, 4193).
pub const PRIVATE: [&str; 5] = [
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "100.64.0.0/10",
    "fc00::/7",
];

pub fn resolve(
    name: &str,
    spec: &TenantSpec,
    tier: &TenantTierSpec,
    world: &World,
    errors: &mut Vec<Invalid>,
) -> ValidNetwork {
    let split = |network: &Option<crate::api::Network>| {
        let network = network.clone().unwrap_or_default();
        (network.ingress.unwrap_or_default(), network.egress.unwrap_or_default())
    };
    let (own_in, own_out): (Ingress, Egress) = split(&spec.network);
    let (tier_in, tier_out) = split(&tier.network);
    let above = &world.family.ancestors;
    let mut bounded = |field: &str, own: Option<Access>, tier: Option<Access>, denier: Option<String>| {
        let by_tier =
            (tier == Some(Access::Deny)).then(|| "the tier denies it, and a tenant cannot override that".to_string());
        let by_parent = denier.map(|name| format!("Tenant {name} above it has no such access: allow it there first"));
        let is_bounded = by_parent.is_some();
        if let Some(why) = by_tier.or(by_parent).filter(|_| own == Some(Access::Allow)) {
            errors.push(Invalid::new(format!("spec.network.{field}"), why));
        }
        match own.or(tier) {
            Some(access) if !is_bounded => access,
            _ => Access::Deny,
        }
    };
    let gateway = bounded("ingress.gateway", own_in.gateway, tier_in.gateway, None);
    let (internet, api_server) = (ancestors::internet(above), ancestors::api_server(above));
    let internet = bounded("egress.internet", own_out.internet, tier_out.internet, internet);
    let api_server = bounded("egress.apiServer", own_out.api_server, tier_out.api_server, api_server);
    if gateway == Access::Allow && world.lacks_gateway {
        let message = "the operator has no gateway to allow: set network.gatewayNamespace in the chart";
        errors.push(Invalid::new("spec.network.ingress.gateway", message));
    }

    let mut peers: Vec<String> = own_in.tenants.iter().map(|peer| peer.name.clone()).collect();
    peers.sort();
    peers.dedup();
    if peers.iter().any(|peer| peer == name) {
        errors.push(Invalid::new(
            "spec.network.ingress.tenants",
            "names the tenant itself, whose own traffic is always allowed",
        ));
    }
    let mut to = Vec::new();
    for (i, rule) in own_out.to.iter().enumerate() {
        if let Some(name) = ancestors::without_destination(above, rule) {
            let message = format!(
                "Tenant {name} above it does not reach {}: allow it there first",
                rule.cidr
            );
            errors.push(Invalid::new(format!("spec.network.egress.to[{i}].cidr"), message));
        }
    }
    for (origin, rules) in [
        ("spec.network.egress.to", &own_out.to),
        ("spec.tier: the tier's network.egress.to", &tier_out.to),
    ] {
        for (i, rule) in rules.iter().enumerate() {
            match destination(&rule.cidr, world) {
                Ok((cidr, _)) if tier_out.internet == Some(Access::Deny) && is_internet(&cidr) => {
                    let message = "is as wide as the internet, which the tier denies";
                    errors.push(Invalid::new(format!("{origin}[{i}].cidr"), message));
                }
                Ok((cidr, except)) => to.push(Destination {
                    cidr,
                    except,
                    ports: rule.ports.clone(),
                }),
                Err(reason) => errors.push(Invalid::new(format!("{origin}[{i}].cidr"), reason)),
            }
        }
    }
    if internet == Access::Allow {
        to.extend(public_addresses(&world.cluster_cidrs));
    }
    ValidNetwork {
        gateway,
        internet,
        api_server,
        to,
        peers: peers.into_iter().map(|peer| peering(name, peer, world)).collect(),
        applications: applications::named(tier),
    }
}

/// Traffic flows only while both name each other.
fn peering(name: &str, peer: String, world: &World) -> Peering {
    match world.peers.get(&peer).filter(|other| other.names.contains(name)) {
        Some(other) => Peering {
            name: peer,
            state: PeerState::Agreed,
            namespaces: other.namespaces.clone(),
        },
        None => Peering {
            name: peer,
            state: PeerState::Pending,
            namespaces: Vec::new(),
        },
    }
}

/// A destination and what must be left out of it; an error where nothing would remain.
fn destination(text: &str, world: &World) -> Result<(IpNet, Vec<IpNet>), String> {
    let cluster = &world.cluster_cidrs;
    let cidr = cidr(text)?;
    if constants(&[MAPPED]).any(|mapped| mapped.contains(&cidr)) {
        return Err("is an IPv4 address written as IPv6: write it as IPv4".into());
    }
    let is_dns = |address: &IpAddr| IpNet::from(*address) == cidr;
    let is_metadata = |cidr: &IpNet| constants(&NEVER).chain(constants(&[METADATA])).any(|net| net == *cidr);
    if world.dns_addresses.iter().any(is_dns) && !is_metadata(&cidr) {
        return Ok((cidr, Vec::new()));
    }
    if let Some(forbidden) = constants(&NEVER).find(|net| net.contains(&cidr)) {
        return Err(format!(
            "lies within {forbidden}, the range of the nodes' metadata service, which no tenant may reach"
        ));
    }
    let unknown = cluster.is_empty();
    let own: Vec<IpNet> = if unknown {
        constants(&PRIVATE).collect()
    } else {
        cluster.to_vec()
    };
    if let Some(own) = own.iter().find(|net| net.contains(&cidr)) {
        return Err(if unknown {
            format!(
                "lies within {own}, which may contain the cluster's own addresses: set network.clusterCIDRs in the chart"
            )
        } else {
            format!("lies within the cluster's own {own}: name tenants in spec.network.ingress.tenants instead")
        });
    }
    let except = within(&cidr, own.into_iter().chain(constants(&NEVER)));
    if except.contains(&cidr) {
        return Err("contains only the cluster's own addresses and addresses that no tenant may reach".into());
    }
    Ok((cidr, except))
}

/// Returns true where a range is too wide to be a list of destinations: no single network is larger than a /8 (IPv6: /16).
fn is_internet(cidr: &IpNet) -> bool {
    cidr.prefix_len() < if cidr.addr().is_ipv4() { 8 } else { 16 }
}

/// Everything but private, link-local and the cluster's addresses.
fn public_addresses(cluster: &[IpNet]) -> Vec<Destination> {
    constants(&["0.0.0.0/0", "::/0"])
        .map(|cidr| {
            let except = within(
                &cidr,
                constants(&PRIVATE)
                    .chain(constants(&NEVER))
                    .chain(cluster.iter().copied()),
            );
            Destination {
                cidr,
                except,
                ports: Vec::new(),
            }
        })
        .collect()
}

/// Those that lie strictly within `cidr`, without repetition and in order.
fn within(cidr: &IpNet, nets: impl Iterator<Item = IpNet>) -> Vec<IpNet> {
    let inside: Vec<IpNet> = nets.filter(|net| cidr.contains(net) && net != cidr).collect();
    IpNet::aggregate(&inside)
}

fn constants<'a>(texts: &'a [&str]) -> impl Iterator<Item = IpNet> + 'a {
    texts.iter().filter_map(|text| text.parse().ok())
}
