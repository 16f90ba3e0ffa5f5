//! Objects of each gateway in each case, and the features that each gateway does not support.

use super::cases::{self, Case};
use super::*;
use crate::capability::World;
use crate::names;
use crate::tenant::fixtures::{self, gateway_config, tenant, tier, validate, world};
use serde_json::json;

#[path = "permitted_test.rs"]
mod permitted;

/// A case's way in, where the hosts that all share are `api.example.com`.
pub fn way(case: &Case) -> GatewayConfig {
    let world = World {
        shared_hosts: Some(fixtures::attachment().shared_hosts),
        ..world(&[])
    };
    let tier = tier(json!({"gateway": case.tier, "roles": case.roles, "features": case.features}));
    let valid = validate(&tenant(case.spec.clone()), &tier, &world);
    let valid = valid.unwrap_or_else(|errors| panic!("{}: {errors:?}", case.name));
    gateway_config(&valid, &world.shared_hosts.unwrap_or_default())
}

pub fn attachment(controller: Controller) -> Attachment {
    Attachment {
        controller,
        ..fixtures::attachment()
    }
}

fn text(way: &GatewayConfig, controller: Controller) -> String {
    let Written {
        objects,
        unsupported,
        remarks,
    } = controller.write(way, &attachment(controller));
    let values: Vec<Value> = objects.iter().map(|object| object.value.clone()).collect();
    let cannot = unsupported.iter().map(|unsupported| format!("# {unsupported}\n"));
    let remarks = remarks.iter().map(|remark| format!("# {remark}\n"));
    crate::api::yaml(&values).expect("YAML") + &cannot.chain(remarks).collect::<String>()
}

fn snapshots(controller: Controller, name: &str) {
    for case in cases::all() {
        insta::assert_snapshot!(format!("{name}_{}", case.name), text(&way(&case), controller));
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

/// While the key that a tenant signs with is renewed.
fn renewed(name: &str) -> GatewayConfig {
    let way = way(&named(name));
    let jwt = way.gateway.jwt.as_ref().expect("tokens");
    let asked = jwt.jwks.inline.clone().expect("a key set");
    GatewayConfig {
        preloaded: vec![asked, cases::ONE_KEY.into()],
        ..way
    }
}

#[test]
fn envoy_gateway_is_told_of_sets_beside_while_a_key_is_renewed() {
    insta::assert_snapshot!(
        "envoy_own_key_renewed",
        text(&renewed("own_key"), Controller::EnvoyGateway)
    );
    let way = renewed("own_key");
    let apisix = Controller::Apisix;
    assert_eq!(text(&way, apisix), text(&self::way(&named("own_key")), apisix));
}

#[test]
fn what_carries_a_key_set_asks_for_it_as_routes_do_at_each_of_their_listeners_and_changes_nothing_else() {
    let (controller, name) = (Controller::EnvoyGateway, "own_key_beside_keys");
    let (way, to) = (renewed(name), attachment(controller));
    let before = controller.write(&self::way(&named(name)), &to).objects;
    let (jwks_preloads, others): (Vec<_>, Vec<_>) = controller
        .write(&way, &to)
        .objects
        .into_iter()
        .partition(|object| controller.is_jwks_preload(&object.value));
    let values = |objects: &[Desired]| objects.iter().map(|object| object.value.clone()).collect::<Vec<_>>();
    assert_eq!(values(&others), values(&before));
    assert_eq!(values(&jwks_preloads), values(&controller.jwks_preloads(&way, &to)));

    let of = |objects: &[Desired], kind: Kind| {
        let objects = objects.iter().filter(|object| object.key.kind == kind);
        objects.map(|object| object.value.clone()).collect::<Vec<_>>()
    };
    let places = |routes: &[Value]| {
        let mut places: Vec<String> = routes
            .iter()
            .map(|route| format!("{} {}", route["spec"]["parentRefs"], route["spec"]["hostnames"]))
            .collect();
        places.sort();
        places.dedup();
        places
    };
    let routes = of(&jwks_preloads, Kind::HttpRoute);
    assert_eq!(places(&routes), places(&of(&others, Kind::HttpRoute)));
    for route in &jwks_preloads {
        assert!(controller.guard(&route.key, &route.value).is_none());
    }
    for route in &routes {
        assert!(controller.is_blocked(route), "it leads somewhere");
        let path = route.pointer("/spec/rules/0/matches/0/path").expect("a path");
        assert_eq!(path["type"], "Exact");
        let path = path["value"].as_str().expect("a path");
        assert!(
            path.starts_with(&format!("/.well-known/tenant-operator/{}/", way.owner.id)),
            "{path}"
        );
    }
    let provider = |policy: &Value| policy["spec"]["jwt"]["providers"][0].clone();
    let asked = of(&others, Kind::SecurityPolicy);
    let asked = asked.iter().map(provider).find(|provider| !provider.is_null());
    let [same, other] = of(&jwks_preloads, Kind::SecurityPolicy)
        .try_into()
        .expect("one for each set");
    assert_eq!(Some(provider(&same)), asked, "Envoy Gateway calls it by what is in it");
    assert_ne!(Some(provider(&other)), asked);
    for policy in [same, other] {
        assert_eq!(policy["spec"]["authorization"], json!({"defaultAction": "Deny"}));
        let selected = &policy["spec"]["targetSelectors"][0]["matchLabels"];
        let selects = |route: &&Value| {
            let labels = &route["metadata"]["labels"];
            selected
                .as_object()
                .is_some_and(|all| all.iter().all(|(label, value)| labels[label] == *value))
        };
        assert_eq!(routes.iter().filter(selects).count(), routes.len() / 2);
        assert_eq!(of(&others, Kind::HttpRoute).iter().filter(selects).count(), 0);
    }
}

#[test]
fn nothing_is_carried_where_no_route_asks_for_tokens_or_nobody_is_let_in() {
    let (controller, way) = (Controller::EnvoyGateway, renewed("own_key"));
    let to = attachment(controller);
    assert!(!controller.jwks_preloads(&way, &to).is_empty());
    let closed = GatewayConfig {
        access: config::ClientAccess::Blocked("for now"),
        ..way.clone()
    };
    assert!(controller.jwks_preloads(&closed, &to).is_empty());
    let mut open = way;
    for route in &mut open.gateway.routes {
        route.admits = config::Admits::Everybody;
    }
    assert!(controller.jwks_preloads(&open, &to).is_empty());
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
    let mut valid = validate(&tenant(case.spec), &tier(json!({"gateway": case.tier})), &world(&[])).expect("valid");
    valid.core.hosts = ["acme.example.com", "shop.example.org"].map(String::from).to_vec();
    let way = gateway_config(&valid, &[]);
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

#[test]
fn a_tenant_is_closed_by_its_routes_alone_and_once() {
    for controller in [Controller::Apisix, Controller::EnvoyGateway] {
        for case in cases::all() {
            let (way, to) = (way(&case), attachment(controller));
            let routes = controller.write(&way, &to).objects;
            for route in routes.into_iter().filter(|object| object.key.kind.is_route()) {
                let live = |value: Value| Live {
                    key: route.key.clone(),
                    uid: String::new(),
                    resource_version: String::new(),
                    value,
                };
                let closed = controller.blocked_with_reason(&way.owner, &live(route.value.clone()), "shut");
                let Some(last) = closed.last() else {
                    // It answers by itself.
                    let text = route.value.to_string();
                    let leads =
                        text.contains("backendRefs") || (!text.contains("mocking") && text.contains("backends"));
                    assert!(!leads, "{}: {text}", case.name);
                    continue;
                };
                assert_eq!(last.key, route.key);
                assert!(
                    closed.len() == 1 || closed[0].value.to_string().contains("shut"),
                    "{}",
                    case.name
                );
                let text = last.value.to_string();
                let refuses = match controller {
                    Controller::Apisix => !text.contains("limit-count") && !text.contains("plugin_config_name"),
                    Controller::EnvoyGateway => !text.contains("backendRefs"),
                };
                assert!(refuses, "{}: {text}", case.name);
                let again = controller.blocked_with_reason(&way.owner, &live(last.value.clone()), "shut");
                assert!(again.is_empty(), "{}: {again:?}", case.name);
            }
        }
    }
}

/// Returns the rules of a gateway's routes.
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
            let told = controller.write(&way(&taken), &attachment(controller)).unsupported;
            assert!(told[0].field.starts_with("spec.gateway.routes[1]."), "{told:?}");
            assert_eq!(controller.write(&way(&had), &attachment(controller)).unsupported, []);
        }
    }
}

#[test]
fn nobody_is_told_of_a_closed_way_in_what_its_routes_lack() {
    let mut case = named("role_taken");
    case.spec["suspend"] = json!(true);
    for controller in [Controller::Apisix, Controller::EnvoyGateway] {
        let written = controller.write(&way(&case), &attachment(controller));
        assert_eq!(written.unsupported, [], "{controller:?}");
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
fn no_token_opens_for_good() {
    let mut seen = [0; 2];
    for case in cases::all() {
        let envoy = Controller::EnvoyGateway.write(&way(&case), &attachment(Controller::EnvoyGateway));
        for policy in envoy
            .objects
            .iter()
            .filter(|object| object.value["spec"].get("jwt").is_some())
        {
            let rules = policy
                .value
                .pointer("/spec/authorization/rules")
                .and_then(Value::as_array);
            for rule in rules.into_iter().flatten().filter(|rule| rule["action"] != "Deny") {
                seen[0] += 1;
                let asks = rule["cel"].as_str().is_some_and(|cel| cel.ends_with("['exp'] >= 1.0"));
                assert!(asks && rule["action"] == "Allow", "{}: {rule}", case.name);
            }
        }
        for rule in rules(&case, Controller::Apisix) {
            let plugins = rule["plugins"].as_array().cloned().unwrap_or_default();
            for plugin in plugins.iter().filter(|plugin| plugin["name"] == "openid-connect") {
                seen[1] += 1;
                let all = plugin["config"]["claim_schema"]["allOf"].as_array().expect("claims");
                let claim = all
                    .iter()
                    .find(|claim| claim["required"] == json!(["exp"]))
                    .expect("when it ends");
                let schema = jsonschema::validator_for(claim).expect("a schema");
                for (claims, good) in [
                    (json!({"exp": 1_700_000_000}), true),
                    (json!({}), false),
                    (json!({"exp": null}), false),
                    (json!({"exp": 0}), false),
                    (json!({"exp": "1700000000"}), false),
                ] {
                    assert_eq!(schema.is_valid(&claims), good, "{}: {claims}", case.name);
                }
            }
        }
    }
    assert!(seen.iter().all(|seen| *seen > 3), "{seen:?}");
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

#[test]
fn the_number_of_a_tenant_is_told_once_it_is_known() {
    for controller in [Controller::Apisix, Controller::EnvoyGateway] {
        let told = |number: Option<i64>| {
            let way = GatewayConfig {
                number,
                ..way(&named("key_or_jwt"))
            };
            let objects = controller.write(&way, &attachment(controller)).objects;
            let routes = objects.iter().filter(|object| object.key.kind.is_route());
            let text: String = routes.map(|route| route.value.to_string()).collect();
            let set = text.matches(r#""name":"X-Tenant-Number","value":"1234""#).count()
                + text.matches(r#""X-Tenant-Number":"1234""#).count();
            (set, text.matches("X-Tenant-Number").count())
        };
        let (set, all) = told(Some(1234));
        assert!(set > 0 && set == all, "{controller:?}: {set} of {all}");
        let (set, removed) = told(None);
        assert!(
            set == 0 && removed == all,
            "{controller:?}: a client's own stays in {} rules",
            all - removed
        );
    }
}
