//! Certificates of a tenant's own hosts, and their cert-manager objects. Pure.

use super::config::{GatewayConfig, Unsupported};
use crate::api::{CertificateStatus, IssuerRef, TlsVersion};
use crate::cluster::{Desired, Key, Kind, Live, metadata};
use crate::host;
use crate::names;
use crate::time;
use serde_json::{Value, json};

/// A certificate, and the hosts that are served with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    pub hosts: Vec<String>,
    /// A Secret of the tenant's first namespace.
    pub secret: String,
    /// The issuer; None where somebody else provides the Secret.
    pub issuer: Option<IssuerRef>,
    /// The oldest version of TLS for its hosts; None for the gateway's own.
    pub min_version: Option<TlsVersion>,
}

/// Returns the certificates restricted to the tenant's own hosts. The gateway must not serve, nor cert-manager issue, one for another tenant's host.
pub fn for_hosts(certificates: &[Certificate], hosts: &[String]) -> Vec<Certificate> {
    let has = |name: &String| hosts.iter().any(|own| own == name || host::covers(own, name));
    let of = |certificate: &Certificate| Certificate {
        hosts: certificate.hosts.iter().filter(|name| has(name)).cloned().collect(),
        ..certificate.clone()
    };
    let covered = certificates.iter().map(of);
    covered.filter(|certificate| !certificate.hosts.is_empty()).collect()
}

/// Every host that is served with a certificate of its own, with that.
pub fn by_host(way: &GatewayConfig) -> impl Iterator<Item = (&str, &Certificate)> {
    let certificates = way.gateway.certificates.iter();
    certificates.flat_map(|certificate| certificate.hosts.iter().map(move |name| (name.as_str(), certificate)))
}

/// Returns a cert-manager Certificate for each certificate with an issuer, with the name of its Secret.
pub fn requests(way: &GatewayConfig) -> Vec<Desired> {
    let request = |certificate: &Certificate| {
        let issuer = certificate.issuer.as_ref()?;
        let meta = metadata::meta(&way.owner, &way.owner.tenant, &certificate.secret);
        let object = json!({
            "apiVersion": "cert-manager.io/v1",
            "kind": Kind::Certificate.as_str(),
            "metadata": meta,
            "spec": {
                "secretName": certificate.secret,
                "dnsNames": certificate.hosts,
                "issuerRef": {"group": "cert-manager.io", "kind": issuer.kind.as_str(), "name": issuer.name},
                // A renewed certificate gets a new private key.
                "privateKey": {"rotationPolicy": "Always"},
                // The tenant's own users must not replace it: the gateway distributes it to every proxy.
                "secretTemplate": {"annotations": {(names::OWNED_BY): way.owner.annotation()}},
            },
        });
        Some(metadata::desired(Kind::Certificate, &meta, &object))
    };
    way.gateway.certificates.iter().filter_map(request).collect()
}

/// Returns the certificates' status, with cert-manager's report on those that it has issued.
pub fn status(way: &GatewayConfig, live: impl Fn(&Key) -> Option<Live>) -> Vec<CertificateStatus> {
    let of = |certificate: &Certificate| {
        let key = Key {
            kind: Kind::Certificate,
            namespace: way.owner.tenant.clone(),
            name: certificate.secret.clone(),
        };
        let issued = certificate.issuer.as_ref().and_then(|_| live(&key));
        let time = |field: &str| {
            let text = issued.as_ref()?.value.pointer(field)?.as_str()?;
            Some(time::parse(text)?.to_string())
        };
        CertificateStatus {
            hosts: certificate.hosts.clone(),
            secret_name: certificate.secret.clone(),
            not_after: time("/status/notAfter"),
            renewal_time: time("/status/renewalTime"),
        }
    };
    way.gateway.certificates.iter().map(of).collect()
}

/// Reports a kind that this object needs and the cluster lacks.
pub fn lacking(kind: Kind) -> Unsupported {
    let (field, what) = match kind {
        Kind::Certificate => ("spec.gateway.tls[].issuerRef", "cert-manager, or set secretName"),
        Kind::ListenerSet => ("spec.gateway.tls", "Gateway API 1.5 or later"),
        Kind::ClientTrafficPolicy => ("spec.gateway.tls[].minVersion", "Envoy Gateway 1.9"),
        Kind::Backend => ("spec.gateway.routes[].backends[].fallback", "Envoy Gateway 1.9"),
        _ => ("spec.gateway.tls", "the CRDs of the gateway's ingress controller"),
    };
    let message = format!(
        "the cluster has no {kind}s ({}): install {what}",
        kind.resource().api_version
    );
    Unsupported::feature(field, message)
}

/// Returns true where the gateway programs an object only after certificates are issued.
pub fn hangs_on_issue(object: &Desired) -> bool {
    let parents = object.value.pointer("/spec/parentRefs").and_then(Value::as_array);
    let is_listened = |parent: &Value| parent["kind"] == Kind::ListenerSet.as_str();
    matches!(object.key.kind, Kind::ListenerSet | Kind::ApisixTls) || parents.into_iter().flatten().any(is_listened)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::IssuerKind;

    fn certificate(hosts: &[&str]) -> Certificate {
        Certificate {
            hosts: hosts.iter().map(ToString::to_string).collect(),
            secret: "shop".into(),
            issuer: Some(IssuerRef {
                kind: IssuerKind::Issuer,
                name: "own".into(),
            }),
            min_version: None,
        }
    }

    #[test]
    fn a_certificate_is_for_hosts_that_the_tenant_has_and_no_others() {
        let own = ["*.example.com".to_string(), "shop.example.org".to_string()];
        let asked = [
            certificate(&["*.example.com", "lost.example.org"]),
            certificate(&["a.example.com", "shop.example.org"]),
            certificate(&["example.com"]),
            certificate(&["*.example.org"]),
        ];
        let found = for_hosts(&asked, &own);
        let hosts: Vec<&[String]> = found.iter().map(|certificate| certificate.hosts.as_slice()).collect();
        assert_eq!(
            hosts,
            [
                &["*.example.com".to_string()][..],
                &["a.example.com".to_string(), "shop.example.org".to_string()]
            ]
        );
        assert!(for_hosts(&asked, &[]).is_empty());
    }
}
