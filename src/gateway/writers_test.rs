//! What each gateway is told in each case, and what it is found not to be able to.

use super::cases::{self, Case};
use super::*;
use crate::names;
use crate::tenant::ValidTenant;
use crate::tenant::fixtures::{platform, tenant, tier, world};
use crate::tenant::validate::{World, validate};
use serde_json::json;

/// A case's way in, where the hosts that all share are `api.example.com`.
pub fn way(case: &Case) -> Way {
    let world = World {
        shared_hosts: platform().gateway.map(|to| to.shared_hosts),
        ..world(&[])
    };
    let tier = tier(json!({"gateway": case.tier, "roles": case.roles}));
    let valid = validate(&tenant(case.spec.clone()), &tier, &world);
    let valid = valid.unwrap_or_else(|errors| panic!("{}: {errors:?}", case.name));
    Way::of(&valid, &world.shared_hosts.unwrap_or_default()).expect(case.name)
}

pub fn attachment(controller: Controller) -> Attachment {
    Attachment {
        controller,
        ..platform().gateway.expect("a gateway")
    }
}

fn text(case: &Case, controller: Controller) -> String {
    let Written { objects, unmet } = controller.write(&way(case), &attachment(controller));
    let values: Vec<Value> = objects.iter().map(|object| object.value.clone()).collect();
    let cannot = unmet.iter().map(|unmet| format!("# {unmet}\n"));
    crate::api::yaml(&values).expect("YAML") + &cannot.collect::<String>()
}

fn snapshots(controller: Controller, name: &str) {
    for case in cases::all() {
        insta::assert_snapshot!(format!("{name}_{}", case.name), text(&case, controller));
    }
}

#[test]
fn apisix_is_told() {
    snapshots(Controller::Apisix, "apisix");
}

#[test]
fn envoy_gateway_is_told() {
    snapshots(Controller::EnvoyGateway, "envoy");
}

#[test]
fn every_object_is_of_a_kind_that_is_watched_and_has_a_name_of_its_own() {
    for controller in [Controller::Apisix, Controller::EnvoyGateway] {
        for case in cases::all() {
            let objects = controller.write(&way(&case), &attachment(controller)).objects;
            let kinds: Vec<Kind> = objects.iter().map(|object| object.key.kind).collect();
            let watched = [controller.kinds(), controller.certificate_kinds()].concat();
            assert!(
                kinds.iter().all(|kind| watched.contains(kind)),
                "{}: {kinds:?}",
                case.name
            );
            let mut keys: Vec<&Key> = objects.iter().map(|object| &object.key).collect();
            keys.sort();
            keys.dedup();
            assert_eq!(keys.len(), objects.len(), "{}: a name is there twice", case.name);
        }
    }
}

fn named(name: &str) -> Case {
    cases::all().into_iter().find(|case| case.name == name).expect(name)
}

#[test]
fn hosts_with_certificates_are_told_of_by_tls_whatever_the_scheme_of_the_others() {
    let to = Attachment {
        scheme: Scheme::Http,
        ..attachment(Controller::EnvoyGateway)
    };
    assert_eq!(
        to.endpoints(&way(&named("certificates_of_some_hosts"))),
        [
            "http://acme.example.com",
            "https://*.shop.example.org",
            "https://acme.example.org",
            "https://shop.example.org",
        ]
    );
}

#[test]
fn nothing_listens_and_nothing_is_issued_for_a_host_that_the_tenant_has_not() {
    let case = named("certificates_of_some_hosts");
    let valid = validate(&tenant(case.spec), &tier(json!({"gateway": case.tier})), &world(&[])).expect("valid");
    let held = ["acme.example.com", "shop.example.org"].map(String::from).to_vec();
    let way = Way::of(&ValidTenant { hosts: held, ..valid }, &[]).expect("a way in");
    for controller in [Controller::Apisix, Controller::EnvoyGateway] {
        let objects = controller.write(&way, &attachment(controller)).objects;
        let text =
            serde_json::to_string(&objects.iter().map(|object| &object.value).collect::<Vec<_>>()).expect("JSON");
        assert!(text.contains(r#""dnsNames":["shop.example.org"]"#), "{text}");
        for lost in ["*.shop.example.org", "acme.example.org", "acme-tls"] {
            assert!(!text.contains(lost), "{lost}: {text}");
        }
    }
}

#[test]
fn the_secret_of_a_certificate_is_called_the_same_whatever_becomes_of_the_others() {
    let secrets = |tls: &Value| {
        let mut case = named("certificates");
        case.spec["gateway"]["tls"] = tls.clone();
        let certificates = way(&case).gateway.certificates.into_iter();
        certificates.map(|certificate| certificate.secret).collect::<Vec<_>>()
    };
    let all = named("certificates").spec["gateway"]["tls"].clone();
    let issued = secrets(&json!([all[1]]));
    assert_eq!(secrets(&all), ["acme-tls".to_string(), issued[0].clone()]);
    assert!(names::is_own_secret(&issued[0]), "{issued:?}");
}

/// The rules by which a gateway is told where requests go.
fn rules(case: &Case, controller: Controller) -> Vec<Value> {
    let objects = controller.write(&way(case), &attachment(controller)).objects;
    let all = objects.iter().filter(|object| object.key.kind.is_route());
    let rules = all.filter_map(|route| route.value["spec"].get("rules").or(route.value["spec"].get("http")));
    rules.filter_map(Value::as_array).flatten().cloned().collect()
}

#[test]
fn what_a_tier_takes_away_changes_no_route_but_those_that_need_it() {
    for (name, gone) in [("role_taken", "/billing"), ("application_taken", "/wiki")] {
        let taken = named(name);
        let mut had = named(name);
        match name {
            "role_taken" => had.roles[0]["permissions"] = json!(["ai:query", "billing:access"]),
            _ => had.tier["applications"][0]["name"] = json!("wiki"),
        }
        for controller in [Controller::Apisix, Controller::EnvoyGateway] {
            let (before, after) = (rules(&had, controller), rules(&taken, controller));
            let parted = |rules: Vec<Value>| -> (Vec<Value>, Vec<Value>) {
                rules.into_iter().partition(|rule| rule.to_string().contains(gone))
            };
            let ((opened, others), (closed, left)) = (parted(before), parted(after));
            assert!(
                !others.is_empty() && opened.len() == closed.len(),
                "{controller:?} {name}"
            );
            assert_eq!(others, left, "{controller:?} {name}");
            let told = controller.write(&way(&taken), &attachment(controller)).unmet;
            assert!(told[0].field.starts_with("spec.gateway.routes[1]."), "{told:?}");
            assert_eq!(controller.write(&way(&had), &attachment(controller)).unmet, []);
        }
    }
}

#[test]
fn nobody_is_told_of_a_closed_way_in_what_its_routes_lack() {
    let mut case = named("role_taken");
    case.spec["suspend"] = json!(true);
    for controller in [Controller::Apisix, Controller::EnvoyGateway] {
        let written = controller.write(&way(&case), &attachment(controller));
        assert_eq!(written.unmet, [], "{controller:?}");
    }
}

#[test]
fn whoever_has_credentials_is_not_let_in_where_nobody_is() {
    let case = named("role_taken");
    let envoy = Controller::EnvoyGateway.write(&way(&case), &attachment(Controller::EnvoyGateway));
    for (name, asked) in [("tenant-key-nobody", "apiKeyAuth"), ("tenant-token-nobody", "jwt")] {
        let policy = envoy.objects.iter().find(|object| object.key.name == name).expect(name);
        assert!(policy.value["spec"].get(asked).is_some(), "{}", policy.value);
        let authorization = &policy.value["spec"]["authorization"];
        assert_eq!(*authorization, json!({"defaultAction": "Deny", "rules": []}), "{name}");
    }
    let apisix = rules(&case, Controller::Apisix);
    for (class, asked) in [("-key-nobody", "key-auth"), ("-token-nobody", "openid-connect")] {
        let named = |rule: &&Value| rule["name"].as_str().is_some_and(|name| name.contains(class));
        let plugins = apisix.iter().find(named).expect(class)["plugins"].as_array().cloned();
        let config = |name: &str| {
            let plugins = plugins.iter().flatten();
            plugins
                .clone()
                .find(|plugin| plugin["name"] == name)
                .map(|plugin| plugin["config"].clone())
        };
        assert!(config(asked).is_some(), "{plugins:?}");
        assert_eq!(config("mocking").expect("a refusal")["response_status"], 403, "{class}");
    }
}

#[test]
fn what_leads_nowhere_is_answered_by_the_gateway_itself() {
    for name in ["application_taken", "application_taken_alone"] {
        for rule in rules(&named(name), Controller::EnvoyGateway) {
            let leads = rule.get("backendRefs").is_some();
            assert_eq!(leads, !rule.to_string().contains("/wiki"), "{name}: {rule}");
            assert_eq!(leads, !rule.to_string().contains("tenant-closed"), "{name}: {rule}");
        }
        for controller in [Controller::Apisix, Controller::EnvoyGateway] {
            let objects = controller.write(&way(&named(name)), &attachment(controller)).objects;
            let has = |kind: Kind, name: &str| {
                let mut keys = objects.iter().map(|object| &object.key);
                keys.any(|key| key.kind == kind && key.name == name)
            };
            let answers = match controller {
                Controller::Apisix => has(Kind::ApisixUpstream, "nowhere.invalid"),
                Controller::EnvoyGateway => has(Kind::HttpRouteFilter, "tenant-closed"),
            };
            assert!(answers, "{controller:?} {name}");
        }
    }
}
