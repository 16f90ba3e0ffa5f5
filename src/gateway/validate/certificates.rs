//! Assignment of certificates to a tenant's hosts.

use crate::api::{GatewayTls, Identification, TenantGateway};
use crate::capability::Invalid;
use crate::gateway::certificates::Certificate;
use crate::host;
use crate::names;

pub fn resolve(own: &TenantGateway, errors: &mut Vec<Invalid>) -> Vec<Certificate> {
    let by_host = own
        .identification
        .as_ref()
        .is_none_or(|by| by.contains(&Identification::Host));
    if !own.tls.is_empty() && (own.routes.is_empty() || !by_host) {
        let message = "no route has identification Host, which certificates need";
        errors.push(Invalid::new("spec.gateway.tls", message));
    }
    let mut certificates = Vec::new();
    for (i, tls) in own.tls.iter().enumerate() {
        let field = format!("spec.gateway.tls[{i}]");
        for (j, name) in tls.hosts.iter().enumerate() {
            let before = || own.tls[..i].iter().flat_map(|tls| &tls.hosts).chain(&tls.hosts[..j]);
            if let Some(message) = refusal(own, name, before().any(|other| other == name)) {
                errors.push(Invalid::new(format!("{field}.hosts[{j}]"), message));
            }
        }
        match secret(tls) {
            Ok(secret) => certificates.push(Certificate {
                hosts: tls.hosts.clone(),
                secret,
                issuer: tls.issuer_ref.clone(),
                min_version: tls.min_version,
            }),
            Err((below, message)) => errors.push(Invalid::new(format!("{field}{below}"), message)),
        }
    }
    certificates
}

/// Returns the reason why a host cannot have a certificate.
fn refusal(own: &TenantGateway, name: &String, is_named: bool) -> Option<String> {
    if !own.hosts.contains(name) {
        return Some(format!("{name:.253} is not among spec.gateway.hosts"));
    }
    if is_named {
        return Some(format!("{name} already has a certificate"));
    }
    // By the wildcard it would be served without TLS too.
    let is_secure = |host: &String| own.tls.iter().any(|tls| tls.hosts.contains(host));
    let mut above = own.hosts.iter().filter(|other| host::covers(other, name));
    let open = above.find(|other| !is_secure(other))?;
    Some(format!(
        "{open} covers {name} too and has no certificate: add one for it"
    ))
}

/// Returns the certificate's Secret; else the wrong field and its fault.
fn secret(tls: &GatewayTls) -> Result<String, (&'static str, String)> {
    match (&tls.secret_name, &tls.issuer_ref) {
        (Some(name), None) if names::is_own_secret(name) => Err((
            ".secretName",
            format!("{name} is the name of a Secret that the operator uses"),
        )),
        (Some(name), None) => Ok(name.clone()),
        (None, Some(_)) => match tls.hosts.first() {
            Some(first) => Ok(names::certificate_secret(first)),
            None => Err((".hosts", "is empty".into())),
        },
        _ => Err(("", "needs one of secretName and issuerRef".into())),
    }
}

#[cfg(test)]
mod tests {
    use crate::tenant::fixtures::{tenant, tier, validate, world};
    use crate::testing::lay_over;
    use serde_json::{Value, json};

    /// The reasons against a way in at three hosts, with this laid over it.
    fn reasons(over: Value) -> Vec<String> {
        let mut gateway = json!({
            "hosts": ["acme.example.com", "*.shop.example.org", "a.shop.example.org"],
            "routes": [{"backend": {"workload": "web"}}],
        });
        lay_over(&mut gateway, over);
        let spec = json!({
            "network": {"ingress": {"gateway": "Allow"}},
            "workloads": [{"name": "web", "image": "web:1", "ports": [{"name": "http", "containerPort": 8080}]}],
            "gateway": gateway,
        });
        let errors = validate(&tenant(spec), &tier(json!({})), &world(&[])).err();
        errors.into_iter().flatten().map(|error| error.to_string()).collect()
    }

    fn of_secret(hosts: &[&str], name: &str) -> Value {
        json!({"hosts": hosts, "secretName": name})
    }

    #[test]
    fn a_host_has_one_certificate_and_is_the_tenants() {
        let issued = json!({"hosts": ["acme.example.com"], "issuerRef": {"kind": "Issuer", "name": "own"}});
        for good in [
            json!([of_secret(&["acme.example.com"], "acme")]),
            json!([issued]),
            json!([
                of_secret(&["*.shop.example.org"], "shop"),
                of_secret(&["a.shop.example.org"], "a")
            ]),
        ] {
            assert_eq!(reasons(json!({"tls": good})), Vec::<String>::new());
        }
        let none = json!({"hosts": ["acme.example.com"]});
        let mut both = issued.clone();
        both["secretName"] = json!("acme");
        for (bad, reason) in [
            (
                json!([of_secret(&["globex.example.com"], "x")]),
                "spec.gateway.tls[0].hosts[0]: globex.example.com is not among spec.gateway.hosts",
            ),
            (
                json!([of_secret(&["acme.example.com"], "x"), issued]),
                "spec.gateway.tls[1].hosts[0]: acme.example.com already has a certificate",
            ),
            (
                json!([of_secret(&["a.shop.example.org"], "x")]),
                "spec.gateway.tls[0].hosts[0]: *.shop.example.org covers a.shop.example.org too",
            ),
            (json!([none]), "spec.gateway.tls[0]: needs one of"),
            (json!([both]), "spec.gateway.tls[0]: needs one of"),
        ] {
            let said = reasons(json!({"tls": bad}));
            assert!(said.len() == 1 && said[0].starts_with(reason), "{said:?}");
        }
    }

    #[test]
    fn a_secret_of_the_operators_is_no_certificate() {
        for name in [
            "tenant-database",
            "tenant-api-keys",
            "tenant-api-key-16-former",
            "tenant-certificate-0123",
        ] {
            let said = reasons(json!({"tls": [of_secret(&["acme.example.com"], name)]}));
            assert!(
                said.len() == 1 && said[0].starts_with("spec.gateway.tls[0].secretName"),
                "{said:?}"
            );
        }
    }

    #[test]
    fn without_routes_by_host_there_is_nothing_to_show_a_certificate_at() {
        let tls = json!([of_secret(&["acme.example.com"], "acme")]);
        for without in [json!({"routes": []}), json!({"identification": ["Path"]})] {
            let mut gateway = without;
            gateway["tls"] = tls.clone();
            let said = reasons(gateway);
            assert!(said.len() == 1 && said[0].starts_with("spec.gateway.tls: "), "{said:?}");
        }
    }
}
