//! The access matrix of the seed riscura, cell by cell, as a tier's roles and as the gateway's objects.

use super::*;
use crate::gateway::config::{Admits, GatewayConfig, Whom};
use crate::gateway::{Attachment, Controller};
use crate::tenant::fixtures::{attachment, gateway_config, tenant, tier, validate, world};
use serde_json::Value;

const ROLES: [&str; 4] = ["super_admin", "tenant_admin", "user", "guest"];

/// A permission, and which of these roles hold it.
const MATRIX: [(&str, [bool; 4]); 5] = [
    ("tenants:create", [true, false, false, false]),
    ("ai:configure", [true, true, false, false]),
    ("ai:query", [true, true, true, false]),
    ("analytics:view", [true, true, true, false]),
    ("billing:access", [true, true, false, false]),
];

fn table() -> Value {
    let held = |column: usize| -> Vec<&str> {
        let rows = MATRIX.iter().filter(|(_, cells)| cells[column]);
        rows.map(|(permission, _)| *permission).collect()
    };
    let roles = ROLES.iter().enumerate();
    json!(
        roles
            .map(|(column, role)| json!({"name": role, "permissions": held(column)}))
            .collect::<Vec<_>>()
    )
}

/// A tenant of a tier with these roles, with this route and this key besides.
fn spec(route: &Value, key_roles: &[&str]) -> Value {
    let jwt = json!({"issuer": "https://login.example.com", "jwks": {"uri": "https://login.example.com/keys"}});
    let mut whole = json!({"backend": {"workload": "web"}});
    crate::testing::lay_over(&mut whole, route.clone());
    json!({
        "network": {"ingress": {"gateway": "Allow"}},
        "workloads": [{"name": "web", "image": "web:1", "ports": [{"name": "http", "containerPort": 8080}]}],
        "gateway": {
            "hosts": ["acme.example.com"],
            "routes": [whole],
            "authentication": {"apiKeys": [{"name": "ci", "roles": key_roles}], "jwt": jwt},
        },
    })
}

fn way(route: &Value, roles: &Value) -> Result<GatewayConfig, Vec<String>> {
    let valid = validate(&tenant(spec(route, &[])), &tier(json!({"roles": roles})), &world(&[]));
    let valid = valid.map_err(|reasons| reasons.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    Ok(gateway_config(&valid, &[]))
}

fn refusal(route: &Value, roles: &Value) -> String {
    let reasons = way(route, roles).expect_err("refused");
    assert_eq!(reasons.len(), 1, "{reasons:?}");
    reasons[0].clone()
}

/// Returns the message about a route that admits nobody.
fn shut(route: &Value, roles: &Value) -> Vec<String> {
    let way = way(route, roles).expect("valid");
    assert_eq!(
        way.gateway.routes[0].admits,
        Admits::Authenticated(Whom::Nobody),
        "{route}"
    );
    let unsupported = way.gateway.unsupported.iter();
    assert!(
        unsupported
            .clone()
            .all(|unsupported| unsupported.reason == "NobodyAdmitted"),
        "{unsupported:?}"
    );
    for controller in [Controller::EnvoyGateway, Controller::Apisix] {
        assert_eq!(told(controller, &way), [""; 0], "{controller:?}: {route}");
    }
    unsupported.map(ToString::to_string).collect()
}

/// Returns the clients that a route admits by its permissions.
fn admitted(permissions: &[&str]) -> Vec<String> {
    let way = way(&json!({"permissions": permissions}), &table()).expect("valid");
    match &way.gateway.routes[0].admits {
        Admits::Authenticated(Whom::AnyOf(roles)) => roles.clone(),
        other => panic!("{permissions:?} let in {other:?}"),
    }
}

/// Returns the roles that a gateway accepts in a token.
fn told(controller: Controller, way: &GatewayConfig) -> Vec<String> {
    let to = Attachment {
        controller,
        ..attachment()
    };
    let written = controller.write(way, &to);
    let values = written.objects.iter().map(|object| &object.value);
    let list = |value: &Value| serde_json::from_value::<Vec<String>>(value.clone()).expect("roles");
    match controller {
        Controller::EnvoyGateway => {
            let rules = values
                .filter_map(|value| value.pointer("/spec/authorization/rules")?.as_array())
                .flatten();
            let claims = rules.filter_map(|rule| rule.pointer("/principal/jwt/claims")?.as_array());
            let of_type = |type_: &str| -> Vec<String> {
                let mut claims = claims.clone().flatten();
                let found = claims.find(|claim| claim["name"] == "roles" && claim["valueType"] == type_);
                found.map(|claim| list(&claim["values"])).unwrap_or_default()
            };
            let (one, listed) = (of_type("String"), of_type("StringArray"));
            assert_eq!(one, listed, "a role counts as a string and in a list");
            listed
        }
        Controller::Apisix => {
            let rules = values
                .filter_map(|value| value.pointer("/spec/http")?.as_array())
                .flatten();
            let plugins = rules.filter_map(|rule| rule["plugins"].as_array()).flatten();
            let schemas = plugins.filter_map(|plugin| plugin.pointer("/config/claim_schema/allOf")?.as_array());
            let roles = schemas
                .flatten()
                .filter_map(|one| one.pointer("/properties/roles/anyOf"));
            let roles = roles.map(|roles| {
                let listed = roles.pointer("/1/not/items/not/enum").map(&list).unwrap_or_default();
                assert_eq!(
                    list(&roles[0]["enum"]),
                    listed,
                    "a role counts as a string and in a list"
                );
                listed
            });
            roles.flatten().collect()
        }
    }
}

#[test]
fn each_role_is_let_in_where_the_matrix_says_and_nowhere_else() {
    for (permission, cells) in MATRIX {
        let way = way(&json!({"permissions": [permission]}), &table()).expect("valid");
        let admitted = admitted(&[permission]);
        for (role, is_allowed) in ROLES.iter().zip(cells) {
            let is_in = |roles: &[String]| roles.iter().any(|one| one == role);
            assert_eq!(is_in(&admitted), is_allowed, "{role} {permission}");
            for controller in [Controller::EnvoyGateway, Controller::Apisix] {
                let told = told(controller, &way);
                assert_eq!(is_in(&told), is_allowed, "{controller:?}: {role} {permission} {told:?}");
            }
        }
    }
}

#[test]
fn one_role_must_hold_all_that_a_route_asks_for() {
    assert_eq!(
        admitted(&["ai:query", "billing:access"]),
        ["super_admin", "tenant_admin"]
    );
    assert_eq!(admitted(&["ai:query", "tenants:create"]), ["super_admin"]);
    let apart = json!([{"name": "reader", "permissions": ["read"]}, {"name": "writer", "permissions": ["write"]}]);
    assert_eq!(
        shut(&json!({"permissions": ["read", "write"]}), &apart),
        [
            "spec.gateway.routes[0].permissions: no role of tier plan has read and write, so the route admits nobody; \
             its roles are reader, writer"
        ]
    );
}

#[test]
fn what_a_tier_does_not_know_lets_nobody_in_and_is_told() {
    assert_eq!(
        shut(&json!({"permissions": ["ai:train"]}), &table()),
        [
            "spec.gateway.routes[0].permissions: no role of tier plan has ai:train, so the route admits nobody; \
             its roles are super_admin, tenant_admin, user, guest"
        ]
    );
    assert_eq!(
        shut(&json!({"permissions": ["ai:query"]}), &json!([])),
        [
            "spec.gateway.routes[0].permissions: no role of tier plan has ai:query, so the route admits nobody; \
             it has no roles"
        ]
    );
    assert_eq!(
        shut(&json!({"roles": ["ghost"]}), &table()),
        [
            "spec.gateway.routes[0].roles[0]: tier plan has no role ghost, so the route admits nobody; \
          its roles are super_admin, tenant_admin, user, guest"
        ]
    );
    // Those that it has let in as before.
    let some = way(&json!({"roles": ["user", "ghost"]}), &table()).expect("valid");
    let admits = &some.gateway.routes[0].admits;
    assert_eq!(*admits, Admits::Authenticated(Whom::AnyOf(vec!["user".into()])));
    let told: Vec<String> = some
        .gateway
        .unsupported
        .iter()
        .map(|unsupported| format!("{} {unsupported}", unsupported.reason))
        .collect();
    assert_eq!(
        told,
        [
            "NoSuchRole spec.gateway.routes[0].roles[1]: tier plan has no role ghost, so it grants no access; \
             its roles are super_admin, tenant_admin, user, guest"
        ]
    );
    // A tier without roles bounds none.
    let way = way(&json!({"roles": ["ghost"]}), &json!([])).expect("valid");
    assert_eq!(
        way.gateway.routes[0].admits,
        Admits::Authenticated(Whom::AnyOf(vec!["ghost".into()]))
    );
    assert_eq!(way.gateway.unsupported, []);
}

/// A token may have permissions of its own, and a role of the tier that holds them; a key has roles only.
#[test]
fn a_permission_of_a_token_counts_like_one_of_its_role() {
    let admitted = |permissions: &[&str], roles: &Value| {
        let mut spec = spec(&json!({"permissions": permissions}), &["user"]);
        spec["gateway"]["authentication"]["jwt"]["permissionsClaim"] = json!("permissions");
        let valid = validate(&tenant(spec), &tier(json!({"roles": roles})), &world(&[])).expect("valid");
        let way = gateway_config(&valid, &[]);
        assert_eq!(way.gateway.unsupported, []);
        way.gateway.routes[0].admits.clone()
    };
    let holding = |roles: &[&str], permissions: &[&str]| {
        let owned = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        Admits::Authenticated(Whom::Holding {
            roles: owned(roles),
            permissions: owned(permissions),
        })
    };
    assert_eq!(
        admitted(&["billing:access", "ai:query"], &table()),
        holding(&["super_admin", "tenant_admin"], &["ai:query", "billing:access"])
    );
    // No role has it, but a token may.
    assert_eq!(admitted(&["ai:train"], &table()), holding(&[], &["ai:train"]));
    assert_eq!(admitted(&["ai:train"], &json!([])), holding(&[], &["ai:train"]));
}

#[test]
fn a_role_that_the_tier_does_not_have_opens_nothing_for_a_key() {
    let unsupported = |roles: Value| {
        let route = json!({"permissions": ["ai:query"]});
        let keyed = tenant(spec(&route, &["user", "ghost"]));
        let valid = validate(&keyed, &tier(json!({"roles": roles})), &world(&[])).expect("valid");
        let way = gateway_config(&valid, &[]);
        let Admits::Authenticated(whom) = &way.gateway.routes[0].admits else {
            panic!("{:?}", way.gateway.routes);
        };
        assert!(!whom.includes(&["ghost".to_string()]), "{whom:?}");
        let unsupported = way.gateway.unsupported.into_iter();
        unsupported
            .map(|unsupported| (unsupported.reason, unsupported.field))
            .collect::<Vec<_>>()
    };
    let field = "spec.gateway.authentication.apiKeys[0].roles[1]".to_string();
    assert_eq!(unsupported(table()), [("NoSuchRole", field)]);
    let mut all = table();
    let ghost = json!({"name": "ghost"});
    all.as_array_mut().expect("roles").push(ghost);
    assert_eq!(unsupported(all), []);
}

#[test]
fn a_route_asks_for_roles_or_permissions_and_for_credentials_with_either() {
    let both = json!({"roles": ["user"], "permissions": ["ai:query"]});
    assert_eq!(
        refusal(&both, &table()),
        "spec.gateway.routes[0]: has roles and permissions: set only one of them"
    );
    for asked in [json!({"roles": ["user"]}), json!({"permissions": ["ai:query"]})] {
        let mut open = asked.clone();
        open["authentication"] = json!("None");
        let said = refusal(&open, &table());
        assert!(said.starts_with("spec.gateway.routes[0].authentication: "), "{said}");
        let mut bare = spec(&asked, &[]);
        bare["gateway"]["authentication"] = json!({});
        let reasons = validate(&tenant(bare), &tier(json!({"roles": table()})), &world(&[])).expect_err("refused");
        assert!(
            reasons[0].to_string().contains("the tenant has no authentication"),
            "{reasons:?}"
        );
    }
}

#[test]
fn workloads_read_the_table_in_one_order() {
    let roles = json!([{"name": "user", "permissions": ["b", "a", "b"]}, {"name": "guest"}]);
    let text = |roles: Value| {
        let tier = tier(json!({"roles": roles}));
        Table::new("plan", &tier.spec.roles).text()
    };
    assert_eq!(text(roles).as_deref(), Some(r#"{"guest":[],"user":["a","b"]}"#));
    assert_eq!(text(json!([])), None);
}
