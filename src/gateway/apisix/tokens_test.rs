//! Claims that APISIX asks of a token, as its JSON schema judges them.

use super::super::tests::{config, named, rules, to};
use super::super::write;
use crate::gateway::Written;
use crate::gateway::tests::way;
use serde_json::{Value, json};

fn claims(written: &Written, rule: &str) -> Value {
    let rule = rules(written).into_iter().find(|one| one["name"] == rule).expect(rule);
    config(&rule, "openid-connect").expect("tokens")["claim_schema"].clone()
}

#[test]
fn a_token_must_be_this_tenants() {
    let written = write(&way(&named("roles_of_tokens")), &to());
    let schema = claims(&written, "web-8080-token");
    let takes = |schema: &Value, claims: Value| jsonschema::validator_for(schema).expect("a schema").is_valid(&claims);
    let token = |tenant: &str, aud: Value, roles: Value| json!({"exp": 1_900_000_000, "iss": "https://login.example.com/", "tenant_id": tenant, "aud": aud, "roles": roles});
    let orders = || json!("orders");
    assert!(takes(&schema, token("acme", orders(), json!([]))));
    assert!(takes(
        &schema,
        token(crate::tenant::fixtures::ID, json!(["x", "billing"]), json!(null))
    ));
    for bad in [
        token("other", orders(), json!([])),
        token("acme", json!("x"), json!([])),
        token("acme", json!(["x"]), json!([])),
        token("acme", json!([]), json!([])),
        json!({"exp": 1_900_000_000, "iss": "https://login.example.com/", "tenant_id": "acme"}),
        json!({"exp": 1_900_000_000, "iss": "https://elsewhere.example.com", "tenant_id": "acme", "aud": "orders"}),
        json!({"exp": 1_900_000_000, "iss": "https://login.example.com/", "aud": "orders"}),
        json!({"exp": 1_900_000_000, "iss": "https://login.example.com/", "tenant_id": ["acme"], "aud": "orders"}),
        json!({"iss": "https://login.example.com/", "tenant_id": "acme", "aud": "orders"}),
    ] {
        assert!(!takes(&schema, bad.clone()), "{bad}");
    }
    let admin = rules(&written)
        .into_iter()
        .find(|rule| rule["match"]["paths"][0] == "/admin")
        .expect("/admin");
    let admin = claims(&written, admin["name"].as_str().expect("a name"));
    assert!(takes(&admin, token("acme", orders(), json!(["agent", "super_admin"]))));
    assert!(takes(&admin, token("acme", orders(), json!("super_admin"))));
    for roles in [
        json!([]),
        json!(["agent"]),
        json!("agent"),
        json!([["super_admin"]]),
        json!(null),
        json!({"0": "super_admin"}),
    ] {
        assert!(!takes(&admin, token("acme", orders(), roles.clone())), "{roles}");
    }
    assert!(!takes(&admin, token("other", orders(), json!(["super_admin"]))));
}

#[test]
fn nested_claims_claims_of_uris_and_permissions_count_like_any() {
    let uri = |name: &str| format!("https://example.com/{name}");
    let holder = |case: &str| {
        let written = write(&way(&named(case)), &to());
        let rules = rules(&written).into_iter();
        let is_billing =
            |rule: &Value| rule["match"]["paths"][0] == "/billing" && config(rule, "openid-connect").is_some();
        let billing = rules.filter(is_billing).collect::<Vec<_>>();
        let schema = claims(&written, billing[0]["name"].as_str().expect("a name"));
        jsonschema::validator_for(&schema).expect("a schema")
    };
    let token = |more: Value| {
        let mut token = json!({"exp": 1_900_000_000, "iss": "https://login.example.com/", "aud": "orders"});
        crate::testing::lay_over(&mut token, more);
        token
    };
    let nested = holder("nested_claims");
    for (claims, good) in [
        (
            json!({"tid": "acme", "realm_access": {"roles": ["tenant_admin"]}}),
            true,
        ),
        (json!({"tid": "acme", "realm_access": {"roles": "tenant_admin"}}), true),
        (json!({"tid": "acme", "realm_access": "tenant_admin"}), false),
        (
            json!({"tid": "acme", "realm_access": {"roles": {"tenant_admin": 1}}}),
            false,
        ),
        (json!({"tid": "acme", "realm_access.roles": "tenant_admin"}), false),
        (json!({"tid": "acme", "realm_access": {"roles": "admin"}}), false),
        (
            json!({"tenant_id": "acme", "realm_access": {"roles": "tenant_admin"}}),
            false,
        ),
    ] {
        assert_eq!(nested.is_valid(&token(claims.clone())), good, "{claims}");
    }
    let of_uri = holder("claims_of_uris");
    for (claim, value, good) in [
        ("permissions", json!(["x", "billing:read", "billing:access"]), true),
        ("permissions", json!(["billing:read"]), false),
        ("permissions", json!("billing:read"), false),
        ("permissions", json!({"billing:read": 1, "billing:access": 1}), false),
        ("roles", json!("tenant_admin"), true),
        ("roles", json!("super_admin"), false),
    ] {
        let claims = json!({uri("tenant"): "acme", uri(claim): value});
        assert_eq!(of_uri.is_valid(&token(claims.clone())), good, "{claims}");
        let elsewhere = json!({uri("tenant"): "other", uri(claim): value});
        assert!(!of_uri.is_valid(&token(elsewhere)));
    }
}
