//! The keys that a tenant asks for.

use crate::api::{Credentials, CredentialsStatus, Tenant, TenantSpec, TenantTierSpec};
use crate::names;
use std::collections::BTreeSet;

fn asks(spec: &TenantSpec, tier: &TenantTierSpec, of: impl Fn(&Credentials) -> bool) -> bool {
    [&spec.credentials, &tier.credentials].into_iter().flatten().any(of)
}

/// Returns true where the tenant or its tier asks for a key to sign with.
pub fn has_signing_key(spec: &TenantSpec, tier: &TenantTierSpec) -> bool {
    asks(spec, tier, |credentials| credentials.signing_key.is_some())
}

/// Returns true where the tenant or its tier asks for keys to encrypt with.
pub fn has_encryption_key(spec: &TenantSpec, tier: &TenantTierSpec) -> bool {
    asks(spec, tier, |credentials| credentials.encryption_key.is_some())
}

/// Returns the encryption keys that nobody needs any more.
pub fn abandoned(tenant: &Tenant) -> BTreeSet<String> {
    let text = tenant
        .metadata
        .annotations
        .as_ref()
        .and_then(|all| all.get(names::ABANDON_KEYS));
    let ids = text.into_iter().flat_map(|text| text.split(','));
    ids.map(str::trim)
        .filter(|id| !id.is_empty())
        .map(String::from)
        .collect()
}

/// Returns the tenant's own keys in its status.
pub fn reported(tenant: &Tenant) -> CredentialsStatus {
    let status = tenant.status.as_ref().and_then(|status| status.credentials.clone());
    status.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use crate::credentials::ValidCredentials;
    use crate::tenant::fixtures::{acme, part, tenant, tier, validate, world};
    use serde_json::{Value, json};

    #[test]
    fn a_tenant_has_the_keys_that_it_or_its_plan_asks_for() {
        let has = |spec: Value, plan: Value| {
            let valid = acme(json!({"credentials": spec}), json!({"credentials": plan}));
            let keys: &ValidCredentials = part(&valid);
            (keys.signing_key, keys.encryption_key)
        };
        let (signing, encryption) = (
            json!({"signingKey": {"algorithm": "ES256"}}),
            json!({"encryptionKey": {}}),
        );
        assert_eq!(has(json!({}), json!({})), (false, false));
        assert_eq!(has(signing.clone(), json!({})), (true, false));
        assert_eq!(has(encryption.clone(), signing), (true, true));
        assert_eq!(has(json!({}), encryption), (false, true));
    }

    #[test]
    fn a_gateway_cannot_trust_a_key_that_there_is_not() {
        let jwt = json!({"issuer": "acme", "jwks": {"signingKey": true}});
        let with = |own: Value, plan: Value, credentials: Value| {
            let spec = json!({
                "credentials": credentials,
                "network": {"ingress": {"gateway": "Allow"}},
                "workloads": [{"name": "web", "image": "web:1", "ports": [{"name": "http", "containerPort": 8080}]}],
                "gateway": {"hosts": ["acme.example.com"], "routes": [{"backend": {"workload": "web"}}], "authentication": own},
            });
            let judged = validate(&tenant(spec), &tier(json!({"gateway": plan})), &world(&[]));
            judged
                .err()
                .map(|reasons| reasons.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
        };
        let (none, own, plan) = (json!({}), json!({"jwt": jwt}), json!({"jwt": jwt}));
        let refused = with(own.clone(), none.clone(), none.clone()).expect("refused");
        assert!(
            refused.starts_with("spec.gateway.authentication.jwt.jwks.signingKey: the tenant has no"),
            "{refused}"
        );
        let refused = with(none.clone(), plan.clone(), none.clone()).expect("refused");
        assert!(refused.starts_with("spec.tier: the tier's gateway.jwt"), "{refused}");
        for (own, plan) in [(own, none.clone()), (none, plan)] {
            assert_eq!(with(own, plan, json!({"signingKey": {}})), None);
        }
    }

    #[test]
    fn keys_are_given_up_by_name() {
        let mut tenant = tenant(json!({}));
        let annotations = [(crate::names::ABANDON_KEYS.to_string(), " 1f, 2e,,".to_string())];
        tenant.metadata.annotations = Some(annotations.into());
        let abandoned: Vec<String> = super::abandoned(&tenant).into_iter().collect();
        assert_eq!(abandoned, ["1f", "2e"]);
    }
}
