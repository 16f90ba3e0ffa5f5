//! Validation of the tokens that a tenant accepts.

use super::super::config::ValidGateway;
use crate::api::{ClaimHeader, JwtAuthentication, RESERVED_MESSAGE, TenantGateway, TenantSpec, is_reserved_header};
use crate::capability::jwks::PublicKeys;
use crate::capability::{Invalid, ValidTenant};

/// Nobody trusts a key that there is not.
pub fn has_signing_key(
    spec: &TenantSpec,
    gateway: Option<&ValidGateway>,
    tenant: &ValidTenant,
    errors: &mut Vec<Invalid>,
) {
    let jwt = gateway.and_then(|gateway| gateway.jwt.as_ref());
    if jwt.is_some_and(|jwt| jwt.jwks.is_own()) && tenant.part::<PublicKeys>().is_none() {
        let own = spec.gateway.as_ref().and_then(|own| own.authentication.as_ref());
        let field = match own.is_some_and(|own| own.jwt.is_some()) {
            true => "spec.gateway.authentication.jwt.jwks.signingKey",
            false => "spec.tier: the tier's gateway.jwt.jwks.signingKey",
        };
        let message = "the tenant has no signing key: request one by spec.credentials.signingKey";
        errors.push(Invalid::new(field, message));
    }
}

/// No claim sets a header that is not its own.
pub fn claim_headers(own: &TenantGateway, jwt: &JwtAuthentication, errors: &mut Vec<Invalid>) {
    let is_own = own.authentication.as_ref().is_some_and(|own| own.jwt.is_some());
    let field = match is_own {
        true => "spec.gateway.authentication.jwt.claimHeaders",
        false => "spec.tier: the tier's gateway.jwt.claimHeaders",
    };
    for (i, ClaimHeader { header, .. }) in jwt.claim_headers.iter().enumerate() {
        let mut refuse = |message: String| errors.push(Invalid::new(format!("{field}[{i}].header"), message));
        if is_reserved_header(header) {
            refuse(RESERVED_MESSAGE.into());
        }
        let mut former = jwt.claim_headers[..i].iter();
        if former.any(|other| other.header.eq_ignore_ascii_case(header)) {
            refuse(format!("{header} is there twice"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{RESERVED_HEADERS, RESERVED_PREFIXES, crds};
    use serde_json::{Value, json};

    fn faults(headers: &[&str]) -> Vec<String> {
        let claim_header = |header: &&str| ClaimHeader {
            claim: "sub".into(),
            header: header.to_string(),
        };
        let jwt = JwtAuthentication {
            claim_headers: headers.iter().map(claim_header).collect(),
            ..JwtAuthentication::default()
        };
        let mut errors = Vec::new();
        claim_headers(&TenantGateway::default(), &jwt, &mut errors);
        errors.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_claim_sets_no_header_of_somebody_else() {
        assert_eq!(
            faults(&["X-User-ID", "X-Tenant-Role", "X-Subtenant-ID", "Accept-Language"]),
            [""; 0]
        );
        for header in [
            "X-Tenant-ID",
            "x-tenant-client",
            "HOST",
            "Authorization",
            "Transfer-Encoding",
            "X-Envoy-Retry-On",
            "Content-Length",
        ] {
            let field = "spec.tier: the tier's gateway.jwt.claimHeaders[1].header";
            assert_eq!(
                faults(&["X-User-ID", header]),
                [format!("{field}: {RESERVED_MESSAGE}")],
                "{header}"
            );
        }
        assert_eq!(
            faults(&["X-User-ID", "x-user-id"]),
            ["spec.tier: the tier's gateway.jwt.claimHeaders[1].header: x-user-id is there twice"]
        );
    }

    #[test]
    fn the_headers_of_the_operator_are_reserved_and_the_api_server_knows_all_of_them() {
        use crate::gateway::config::{API_KEY, TENANT_CLIENT, TENANT_ID, TENANT_NAME, TENANT_TIER};
        for own in [API_KEY, TENANT_CLIENT, TENANT_ID, TENANT_NAME, TENANT_TIER] {
            assert!(is_reserved_header(own), "{own}");
        }
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/charts/tenant-operator/templates/_helpers.tpl"
        );
        let chart = std::fs::read_to_string(path).expect(path);
        let (names, prefixes) = (RESERVED_HEADERS.join("|"), RESERVED_PREFIXES.join("|"));
        assert!(
            chart.contains(&format!("\n^({names}|({prefixes}).*)$\n")),
            "the chart knows other headers"
        );
        let schemas = json!(crds());
        let mut seen = 0;
        let mut left = vec![&schemas];
        while let Some(value) = left.pop() {
            match value {
                Value::Object(fields) => {
                    if value["message"] == RESERVED_MESSAGE {
                        let rule = value["rule"].as_str().expect("a rule");
                        let all = RESERVED_HEADERS.iter().chain(&RESERVED_PREFIXES);
                        assert!(all.clone().all(|name| rule.contains(name)), "{rule}");
                        seen += 1;
                    }
                    left.extend(fields.values());
                }
                Value::Array(values) => left.extend(values),
                _ => {}
            }
        }
        // Of Tenants and of their tiers.
        assert_eq!(seen, 2);
    }
}
