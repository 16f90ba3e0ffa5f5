//! Names that hosts end in. A pod's resolver tries `db.example.com` as `db.example.com.svc.cluster.local` first, so that a namespace
//! called `com` answers for it, with its Service `example`.

use crate::flags::{self, items};
use clap::Args;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Labels of the cluster's own names in any cluster domain.
const CLUSTER: [&str; 2] = ["svc", "pod"];

/// Suffixes that the chart's policy refuses too, which has no list of top-level domains. IANA's Special-Use Domain Names: `arpa` (`home.arpa`), `alt` (RFC
/// 9476), `example`, `invalid`, `localhost` and `test` (RFC 6761), `local` (RFC 6762), `onion` (RFC 7686). Suffixes that private networks use: RFC 6762,
/// appendix G; ICANN's `internal`, and `corp`, `home` and `mail`, which it delegates to nobody; Consul's own.
const PRIVATE: [&str; 17] = [
    "alt",
    "arpa",
    "consul",
    "corp",
    "example",
    "home",
    "internal",
    "intranet",
    "invalid",
    "lan",
    "local",
    "localdomain",
    "localhost",
    "mail",
    "onion",
    "private",
    "test",
];

/// The servers that resolve names for the cluster's pods.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct DnsServers {
    /// Namespace of the cluster's DNS.
    #[arg(long, env = "DNS_NAMESPACE", default_value = "kube-system")]
    pub dns_namespace: String,

    /// Labels of the cluster's DNS pods, `key=value`, comma separated.
    #[arg(long, env = "DNS_POD_LABELS", default_value = "k8s-app=kube-dns", value_parser = flags::labels)]
    pub dns_pod_labels: BTreeMap<String, String>,

    /// Addresses of DNS servers besides those pods, comma separated: a cache on each node, a resolver outside of the cluster.
    // A plain `Vec` would make clap split by itself, and refuse the empty string that an unset chart value gives.
    #[arg(long, env = "DNS_ADDRESSES", default_value = "", value_parser = addresses, hide_default_value = true)]
    pub dns_addresses: std::vec::Vec<IpAddr>,

    /// Ports on which all these servers listen, comma separated.
    #[arg(long, env = "DNS_PORTS", default_value = "53", value_parser = ports)]
    pub dns_ports: std::collections::BTreeSet<u16>,
}

impl Default for DnsServers {
    fn default() -> Self {
        Self {
            dns_namespace: "kube-system".into(),
            dns_pod_labels: BTreeMap::from([("k8s-app".into(), "kube-dns".into())]),
            dns_addresses: Vec::new(),
            dns_ports: BTreeSet::from([53]),
        }
    }
}

/// Settings for the cluster's DNS.
#[derive(Args, Clone, Debug)]
pub struct DnsSettings {
    /// Domain of the cluster's names.
    #[arg(long, env = "CLUSTER_DOMAIN", default_value = "cluster.local", value_parser = domain)]
    pub cluster_domain: String,

    /// Further suffixes of hosts that the cluster's pods resolve, comma separated: no tenant's namespace may have such a name.
    // A plain `Vec` would make clap split by itself, and refuse the empty string that an unset chart value gives.
    #[arg(long, env = "DNS_SUFFIXES", default_value = "", value_parser = labels, hide_default_value = true)]
    pub dns_suffixes: std::collections::BTreeSet<String>,

    /// Top-level domains that tenants' namespaces may be called all the same, comma separated.
    #[arg(long, env = "DNS_EXEMPT_SUFFIXES", default_value = "", value_parser = labels, hide_default_value = true)]
    pub dns_exempt_suffixes: std::collections::BTreeSet<String>,
}

impl Default for DnsSettings {
    fn default() -> Self {
        Self {
            cluster_domain: "cluster.local".into(),
            dns_suffixes: BTreeSet::new(),
            dns_exempt_suffixes: BTreeSet::new(),
        }
    }
}

impl DnsSettings {
    /// Returns the kind of hosts that end in this name, if any do.
    pub fn suffix(&self, name: &str) -> Option<&'static str> {
        if CLUSTER.contains(&name) || self.cluster_domain.split('.').any(|label| label == name) {
            return Some("the names of the cluster's own Services and pods");
        }
        if self.dns_suffixes.contains(name) {
            return Some("hosts that the chart's network.dns.suffixes names");
        }
        let is_public = tld::exist(name) || PRIVATE.contains(&name);
        (is_public && !self.dns_exempt_suffixes.contains(name)).then_some("the hosts of a top-level domain")
    }

    /// Returns the namespaces whose Services and pods a resolver in the cluster can find under a host. One comes from the host's end by the search list. The
    /// other stands before `svc` or `pod`, followed by as much of the cluster's domain as a node's own search list may complete.
    pub fn namespaces(&self, host: &str) -> BTreeSet<String> {
        let host = host.to_ascii_lowercase();
        let Some(last) = last_label(&host) else {
            return BTreeSet::new();
        };
        let labels: Vec<&str> = host.trim_end_matches('.').split('.').collect();
        let domain: Vec<&str> = self.cluster_domain.split('.').collect();
        let is_end = |i: &usize| CLUSTER.contains(&labels[*i]) && domain.starts_with(&labels[i + 1..]);
        let ends: Vec<usize> = (2..labels.len()).filter(is_end).collect();
        let is_whole = host.ends_with('.') || ends.iter().any(|i| labels[i + 1..] == domain);
        let searched = (!is_whole).then_some(last);
        let named = ends.iter().map(|i| labels[i - 1]);
        searched.into_iter().chain(named).map(String::from).collect()
    }

    /// Returns a Service's fully qualified host for `service.namespace.svc`: no search list makes another Service's name of it.
    pub fn whole(&self, host: &str) -> Option<String> {
        let is_service = host.ends_with(".svc") && host.matches('.').count() >= 2;
        is_service.then(|| format!("{host}.{}", self.cluster_domain))
    }
}

/// The namespace that a resolver's search list makes of a host's end; none where the host is an address.
pub fn last_label(host: &str) -> Option<&str> {
    let host = host.strip_suffix('.').unwrap_or(host);
    let is_address = host.parse::<std::net::IpAddr>().is_ok();
    host.rsplit('.').next().filter(|_| !is_address && host.contains('.'))
}

fn is_label(label: &str) -> bool {
    crate::syntax::is_dns_label(label)
}

/// Parses the addresses of servers.
fn addresses(text: &str) -> Result<Vec<IpAddr>, String> {
    let address = |item: &str| match item.parse::<IpAddr>() {
        Err(_) => Err(format!("{item} is not an address such as 169.254.20.10")),
        Ok(IpAddr::V6(v6)) if v6.to_ipv4_mapped().is_some() => {
            Err(format!("{item} is an IPv4 address written as IPv6: write it as IPv4"))
        }
        Ok(address) if address.is_unspecified() || address.is_loopback() || address.is_multicast() => {
            Err(format!("{item} is not the address of a server that pods reach"))
        }
        Ok(address) => Ok(address),
    };
    items(text).map(address).collect()
}

fn ports(text: &str) -> Result<BTreeSet<u16>, String> {
    let port = |item: &str| item.parse::<u16>().ok().filter(|port| *port > 0);
    let ports = items(text).map(|item| port(item).ok_or(format!("{item} is not a port")));
    let ports: BTreeSet<u16> = ports.collect::<Result<_, _>>()?;
    match ports.is_empty() {
        true => Err("needs at least one port".into()),
        false => Ok(ports),
    }
}

fn domain(text: &str) -> Result<String, String> {
    let domain = text.trim().trim_matches('.').to_ascii_lowercase();
    match domain.split('.').all(is_label) {
        true => Ok(domain),
        false => Err("not a domain such as cluster.local".into()),
    }
}

/// The labels of each domain of a list: the last one is captured as it is, each other one where nodes search the rest.
fn labels(text: &str) -> Result<BTreeSet<String>, String> {
    let labels = items(text).flat_map(|item| item.trim_matches('.').split('.'));
    labels
        .map(|label| match is_label(label) {
            true => Ok(label.to_string()),
            false => Err(format!("{label} is not a part of a host's name, in lower case")),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> DnsSettings {
        DnsSettings {
            cluster_domain: domain("k8s.Example.net.").expect("a domain"),
            dns_suffixes: labels("rt-tld, ad.acme-corp").expect("labels"),
            dns_exempt_suffixes: labels("app,svc,rt-tld").expect("labels"),
        }
    }

    #[test]
    fn names_that_hosts_end_in() {
        let cluster = DnsSettings::default();
        for name in [
            "svc", "pod", "cluster", "local", "com", "de", "dev", "app", "xn--p1ai", "arpa",
        ] {
            assert!(cluster.suffix(name).is_some(), "{name}");
        }
        for name in PRIVATE {
            assert!(cluster.suffix(name).is_some(), "{name}");
        }
        for name in ["acme", "com-acme", "svc-acme", "rt-tld", "k8s", "", "COM"] {
            assert_eq!(cluster.suffix(name), None, "{name}");
        }
        let own = settings();
        for name in [
            "k8s",
            "example",
            "net",
            "rt-tld",
            "ad",
            "acme-corp",
            "svc",
            "pod",
            "dev",
        ] {
            assert!(own.suffix(name).is_some(), "{name}");
        }
        for name in ["app", "cluster", "acme"] {
            assert_eq!(own.suffix(name), None, "{name}");
        }
    }

    #[test]
    fn the_charts_policy_has_the_same_names() {
        let path = format!("{}/config/admission/names.yaml", env!("CARGO_MANIFEST_DIR"));
        let policy = std::fs::read_to_string(path).expect("the policy");
        let list = policy.split("n in ['").nth(1).and_then(|rest| rest.split("']").next());
        let named: BTreeSet<&str> = list.expect("a list").split("', '").collect();
        let ours = PRIVATE
            .iter()
            .chain(&CLUSTER)
            .copied()
            .chain("cluster.local".split('.'));
        assert_eq!(named, ours.collect());
    }

    #[test]
    fn a_services_whole_name() {
        let own = settings();
        assert_eq!(
            own.whole("pg.databases.svc").as_deref(),
            Some("pg.databases.svc.k8s.example.net")
        );
        for host in [
            "pg.databases",
            "pg.databases.svc.k8s.example.net",
            "pg.svc",
            "pg.example.com",
            "10.0.0.5",
            "pg.databases.svc.",
        ] {
            assert_eq!(own.whole(host), None, "{host}");
        }
    }

    #[test]
    fn the_namespaces_that_a_host_leads_to() {
        let (cluster, own) = (DnsSettings::default(), settings());
        for (host, here, there) in [
            ("db.acme", "acme", "acme"),
            ("DB.Acme", "acme", "acme"),
            ("pod-0.db.acme", "acme", "acme"),
            ("_5432._tcp.db.acme", "acme", "acme"),
            ("a.b.c.d.e.f.acme", "acme", "acme"),
            ("db.acme.svc", "acme svc", "acme svc"),
            ("pod-0.db.acme.svc", "acme svc", "acme svc"),
            ("db.svc.svc", "svc", "svc"),
            // Nodes search parts of the domain as well.
            ("db.acme.svc.cluster", "acme cluster", "cluster"),
            ("db.acme.svc.k8s.example", "example", "acme example"),
            // Resolvers do not append search domains to a fully qualified name.
            ("db.acme.svc.cluster.local", "acme", "local"),
            ("db.acme.svc.CLUSTER.local.", "acme", ""),
            ("pod-0.db.acme.svc.cluster.local", "acme", "local"),
            ("db.acme.svc.k8s.example.net", "net", "acme"),
            ("1-2-3-4.acme.pod", "acme pod", "acme pod"),
            ("1-2-3-4.acme.pod.cluster.local", "acme", "local"),
            ("1-2-3-4.db.acme.svc.cluster.local", "acme", "local"),
            ("2001-db8--5.acme.pod.cluster.local", "acme", "local"),
            ("db.example.com", "com", "com"),
            ("db.example.com.", "", ""),
            ("db.acme.", "", ""),
            // Neither names a Service.
            ("acme.svc", "svc", "svc"),
            ("acme.svc.cluster.local", "local", "local"),
            ("db.svc.example.com", "com", "com"),
            ("db", "", ""),
            ("db.", "", ""),
            ("10.0.0.5", "", ""),
            ("2001:db8::5", "", ""),
            ("", "", ""),
        ] {
            for (dns, wanted) in [(&cluster, here), (&own, there)] {
                let found: Vec<String> = dns.namespaces(host).into_iter().collect();
                assert_eq!(found.join(" "), wanted, "{host} in {}", dns.cluster_domain);
            }
        }
    }

    #[test]
    fn the_namespace_that_a_search_list_makes_of_a_host() {
        for (host, last) in [
            ("pg-eu-1.databases.rt-tld", Some("rt-tld")),
            ("pg.databases.svc.", Some("svc")),
            ("pg", None),
            ("10.0.0.5", None),
            ("2001:db8::5", None),
        ] {
            assert_eq!(last_label(host), last, "{host}");
        }
    }

    #[test]
    fn what_a_chart_may_not_pass() {
        assert!(domain("").is_err() && domain("a..b").is_err() && domain("a_b").is_err());
        assert!(labels("Corp").is_err() && labels("a..b").is_err());
        assert_eq!(labels(" , ").expect("none"), BTreeSet::new());
    }
}
