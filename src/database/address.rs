//! The addresses of a DatabaseServer: the hosts that the operator connects to, and the destinations of tenants' pods.

use super::servers::Databases;
use crate::api::{DatabaseServerSpec, DatabaseTlsVersion, TlsMode, unread_in};
use crate::capability::{Reach, cidr};
use crate::postgres::client;
use ipnet::IpNet;
use std::collections::BTreeMap;

/// The port where the spec names none.
const PORT: u16 = 5432;

impl Databases {
    /// Returns the namespaces of tenants that a host leads to in the cluster, and the tenant of each.
    pub fn captors(&self, host: &str) -> BTreeMap<String, String> {
        let of = |namespace: String| Some((self.store.holder_of_namespace(&namespace)?, namespace));
        let found = self.dns.namespaces(host).into_iter().filter_map(of);
        found.map(|(tenant, namespace)| (namespace, tenant)).collect()
    }

    /// Returns the names to connect to, the best one first: the whole name where there is one, then the host as written. Where the certificate is not
    /// verified against the name, the list lacks each name for which a tenant's Service could answer with a certificate of the same authority.
    ///
    /// # Errors
    /// Names the tenants that can answer, where no name remains.
    pub fn hosts(&self, spec: &DatabaseServerSpec) -> Result<Vec<String>, client::Error> {
        let mut hosts: Vec<String> = self.dns.whole(&spec.host).into_iter().collect();
        hosts.push(spec.host.clone());
        if tls_mode(spec) == TlsMode::VerifyFull {
            return Ok(hosts);
        }
        hosts.retain(|host| self.captors(host).is_empty());
        if hosts.is_empty() {
            let captors = self.captors(&spec.host);
            let whose = captors
                .iter()
                .map(|(namespace, tenant)| format!("{namespace} of tenant {tenant}"));
            return Err(client::Error::Captured(format!(
                "in the cluster the host {} leads to namespace {}, whose Service would answer: the operator does not connect. \
                 Set spec.tls.mode to VerifyFull, name the server by an address or by another host, or remove the namespace",
                spec.host,
                whose.collect::<Vec<_>>().join(" and "),
            )));
        }
        Ok(hosts)
    }
}

/// Returns the unreadable part of a server's resource, except in the status that the operator itself writes.
pub fn unread(spec: &DatabaseServerSpec) -> Option<String> {
    let mut fields = ["spec", "status.serverId"].into_iter();
    fields.find_map(|field| unread_in(&spec.unread, field))
}

/// Returns the addresses of a server that are no networks, with a remedy.
pub fn invalid_addresses(spec: &DatabaseServerSpec) -> Option<String> {
    let reasons = spec.addresses.iter().enumerate().filter_map(|(i, text)| {
        let reason = cidr(text).err()?;
        Some(format!("spec.addresses[{i}]: {reason}"))
    });
    let reasons: Vec<String> = reasons.collect();
    (!reasons.is_empty()).then(|| reasons.join("; "))
}

/// The port of a server.
pub fn port(spec: &DatabaseServerSpec) -> u16 {
    spec.port.and_then(|port| u16::try_from(port).ok()).unwrap_or(PORT)
}

/// The verification of a server.
pub fn tls_mode(spec: &DatabaseServerSpec) -> TlsMode {
    spec.tls.as_ref().and_then(|tls| tls.mode).unwrap_or_default()
}

/// The oldest version of TLS to a server, where the spec has one.
pub fn oldest_tls(spec: &DatabaseServerSpec) -> Option<DatabaseTlsVersion> {
    spec.tls.as_ref().and_then(|tls| tls.min_version)
}

/// Returns true if clients verify the server.
pub fn is_verified(spec: &DatabaseServerSpec) -> bool {
    tls_mode(spec).is_verified()
}

/// Returns the destinations of tenants' pods for their network policies: the addresses in the spec, the host if it is an
/// address, or the namespace of a Service.
pub fn reach(spec: &DatabaseServerSpec) -> Vec<Reach> {
    if !spec.addresses.is_empty() {
        let cidrs = spec.addresses.iter().filter_map(|cidr| cidr.parse::<IpNet>().ok());
        return cidrs.map(Reach::Addresses).collect();
    }
    if let Ok(address) = spec.host.parse::<std::net::IpAddr>() {
        return vec![Reach::Addresses(IpNet::from(address))];
    }
    let mut labels = spec.host.split('.').skip(1);
    match (labels.next(), labels.next()) {
        (Some(namespace), Some("svc")) => vec![Reach::Namespace(namespace.into())],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_within_a_network_is_refused_with_both_readings() {
        let invalid = |addresses: &[&str]| {
            invalid_addresses(&DatabaseServerSpec {
                addresses: addresses.iter().map(ToString::to_string).collect(),
                ..DatabaseServerSpec::default()
            })
        };
        assert_eq!(invalid(&["10.1.0.0/28", "10.1.0.5/32", "2001:db8::/64"]), None);
        let reason = invalid(&["10.1.0.0/28", "10.1.0.5/28"]).expect("a reason");
        let expected =
            "spec.addresses[1]: 10.1.0.5/28 is an address within a network: write 10.1.0.0/28 or 10.1.0.5/32";
        assert_eq!(reason, expected);
    }

    #[test]
    fn pods_reach_a_server_by_what_its_host_says() {
        let reach = |host: &str, addresses: &[&str]| {
            reach(&DatabaseServerSpec {
                host: host.into(),
                addresses: addresses.iter().map(ToString::to_string).collect(),
                ..DatabaseServerSpec::default()
            })
        };
        let cidr = |text: &str| Reach::Addresses(text.parse().expect("a CIDR"));
        assert_eq!(reach("10.0.0.5", &[]), [cidr("10.0.0.5/32")]);
        assert_eq!(reach("2001:db8::5", &[]), [cidr("2001:db8::5/128")]);
        let namespace = Reach::Namespace("databases".into());
        assert_eq!(reach("pg.databases.svc", &[]), std::slice::from_ref(&namespace));
        assert_eq!(reach("pg.databases.svc.cluster.local", &[]), [namespace]);
        assert_eq!(reach("pg.example.com", &["10.1.0.0/28"]), [cidr("10.1.0.0/28")]);
        assert_eq!(reach("pg.example.com", &[]), []);
    }
}
