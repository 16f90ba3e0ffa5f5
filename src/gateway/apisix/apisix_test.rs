//! Properties of APISIX's objects that hold in every case; snapshots show the objects word by word.

use super::*;
use crate::gateway::cases::{self, Case};
use crate::gateway::tests::{attachment, way};
use crate::gateway::{Controller, Redis};

pub fn to() -> Attachment {
    attachment(Controller::Apisix)
}

pub fn named(name: &str) -> Case {
    cases::all().into_iter().find(|case| case.name == name).expect(name)
}

/// The rules of every ApisixRoute.
pub fn rules(written: &Written) -> Vec<Value> {
    let routes = written
        .objects
        .iter()
        .filter(|object| object.key.kind == Kind::ApisixRoute);
    routes
        .flat_map(|route| route.value["spec"]["http"].as_array().cloned().expect("rules"))
        .collect()
}

/// The configuration of a plugin, where a rule or a plugin configuration has it.
pub fn config<'a>(of: &'a Value, name: &str) -> Option<&'a Value> {
    let plugins = of["plugins"].as_array()?;
    plugins
        .iter()
        .find(|plugin| plugin["name"] == name)
        .map(|plugin| &plugin["config"])
}

fn shared(written: &Written) -> Value {
    let of_kind = |object: &&Desired| object.key.kind == Kind::ApisixPluginConfig;
    let found = written.objects.iter().find(of_kind);
    found.map(|object| object.value["spec"].clone()).unwrap_or_default()
}

#[test]
fn nobody_comes_in_without_the_credentials_that_are_asked_for() {
    let mut seen = [0; 3];
    for case in cases::all() {
        let way = way(&case);
        for rule in rules(&write(&way, &to())) {
            let name = rule["name"].as_str().expect("a name").to_string();
            let refuses = config(&rule, "mocking").is_some();
            let is_blocked = config(&rule, "mocking").is_some_and(|config| config["response_status"] == 503);
            let says_whose = config(&rule, "consumer-restriction").is_some_and(|config| {
                let whitelist = config["whitelist"].as_array().expect("a list");
                whitelist
                    .iter()
                    .all(|user| user.as_str().is_some_and(|user| user.starts_with("acme_")))
            });
            let by_key = config(&rule, "key-auth").is_some() && (says_whose || refuses);
            let by_token = config(&rule, "openid-connect").is_some_and(|config| {
                let schema = jsonschema::validator_for(&config["claim_schema"]).expect("a schema");
                config["bearer_only"] == true && !schema.is_valid(&json!({}))
            });
            let (i, good) = match &name {
                name if name.contains("-key") => (0, by_key || is_blocked),
                name if name.contains("-token") => (1, by_token || is_blocked),
                _ => (
                    2,
                    way.gateway
                        .routes
                        .iter()
                        .any(|route| route.admits == crate::gateway::config::Admits::Everybody)
                        || refuses,
                ),
            };
            seen[i] += 1;
            assert!(good, "{}: {name} lets anybody in: {rule}", case.name);
        }
    }
    assert!(seen.iter().all(|seen| *seen > 0), "{seen:?}");
}

#[test]
fn the_workload_is_told_whose_request_it_has_and_nothing_that_the_client_says_of_that() {
    for case in cases::all() {
        for rule in rules(&write(&way(&case), &to())) {
            let Some(headers) = config(&rule, "proxy-rewrite").map(|config| &config["headers"]) else {
                assert!(config(&rule, "mocking").is_some(), "{}: {rule}", case.name);
                continue;
            };
            for (name, value) in way(&case).context() {
                assert_eq!(headers["set"][name], value, "{}", case.name);
            }
            let way = way(&case);
            let mut removed = vec!["X-Tenant-Client"];
            removed.extend((!way.gateway.keys.is_empty()).then_some("X-API-Key"));
            removed.extend(way.absent());
            removed.extend(way.claim_headers().iter().map(|sent| sent.header.as_str()));
            assert_eq!(headers["remove"], json!(removed), "{}", case.name);
        }
    }
}

#[test]
fn no_key_is_written_but_where_it_is() {
    let written = write(&way(&named("key")), &to());
    let consumers: Vec<&Desired> = written
        .objects
        .iter()
        .filter(|object| object.key.kind == Kind::ApisixConsumer)
        .collect();
    let secrets: Vec<&Value> = consumers
        .iter()
        .map(|consumer| &consumer.value["spec"]["authParameter"]["keyAuth"]["secretRef"]["name"])
        .collect();
    assert_eq!(
        secrets,
        [
            "tenant-api-key-1",
            "tenant-api-key-1-former",
            "tenant-api-key-2",
            "tenant-api-key-2-former"
        ]
    );
    for consumer in consumers {
        assert!(!consumer.value.to_string().contains("\"value\""), "{}", consumer.value);
        let user = format!("acme_{}", consumer.key.name);
        assert!(
            user.len() - "acme".len() + crate::names::MAX_TENANT_NAME <= 100,
            "{user} is too long for APISIX"
        );
    }
}

/// An APISIX that asks for a client secret does not check claims of tokens that it verifies itself; it must not take such a route.
#[test]
fn an_apisix_that_would_not_look_at_claims_refuses_the_route() {
    for name in ["jwt", "jwt_with_its_key", "key_or_jwt"] {
        let written = write(&way(&named(name)), &to());
        let rules = rules(&written);
        let tokens: Vec<&Value> = rules.iter().filter_map(|rule| config(rule, "openid-connect")).collect();
        assert!(!tokens.is_empty(), "{name}");
        for tokens in tokens {
            assert_eq!(tokens.get("client_secret"), None, "{name}");
        }
    }
}

#[test]
fn where_tokens_cannot_be_checked_nobody_comes_in_by_them() {
    let with = |issuer: &str, jwks: Value| {
        let mut case = named("key_or_jwt");
        case.spec["gateway"]["authentication"]["jwt"] = json!({"issuer": issuer, "jwks": jwks});
        write(&way(&case), &to())
    };
    for (issuer, jwks) in [
        ("login", json!({"uri": "https://login.example.com/keys"})),
        (
            "http://login.example.com",
            json!({"uri": "https://login.example.com/keys"}),
        ),
        ("login", json!({"inline": r#"{"keys":[]}"#})),
    ] {
        let written = with(issuer, jwks);
        let fields: Vec<&str> = written.unsupported.iter().map(|cannot| cannot.field.as_str()).collect();
        assert_eq!(fields, ["spec.gateway.authentication.jwt.jwks"], "{issuer}");
        let rules = rules(&written);
        let of = |class: &str| {
            rules
                .iter()
                .filter(|rule| rule["name"].as_str().is_some_and(|name| name.contains(class)))
                .collect::<Vec<_>>()
        };
        assert_eq!(of("-token").len(), 1);
        assert_eq!(
            config(of("-token")[0], "mocking").expect("refused")["response_status"],
            503
        );
        assert!(config(of("-key")[0], "mocking").is_none(), "keys open as ever");
    }
    let good = with("login", json!({"inline": cases::ONE_KEY}));
    assert_eq!(good.unsupported, [], "an issuer may be any word where its key is given");
}

#[test]
fn the_more_specific_of_one_path_wins() {
    let rules = rules(&write(&way(&named("host")), &to()));
    let at = |path: &str| -> Vec<(i64, Value)> {
        let of_path = rules.iter().filter(|rule| {
            rule["match"]["paths"]
                .as_array()
                .is_some_and(|all| all.contains(&json!(path)))
        });
        let mut found: Vec<_> = of_path
            .map(|rule| (rule["priority"].as_i64().expect("a number"), rule["name"].clone()))
            .collect();
        found.sort_by_key(|(priority, _)| std::cmp::Reverse(*priority));
        found
    };
    let names = |path: &str| at(path).into_iter().map(|(_, name)| name).collect::<Vec<_>>();
    assert_eq!(
        names("/api"),
        ["web-8080-open-exact", "api-9090-open-get-post", "web-8080-open"]
    );
    let priorities: std::collections::BTreeSet<i64> = at("/api").iter().map(|(priority, _)| *priority).collect();
    assert_eq!(priorities.len(), 3, "no two are alike");
    assert_eq!(names("/static/*"), ["web-8080-open"]);
    assert_eq!(
        rules.len(),
        3,
        "routes that differ in their paths only are counted together"
    );
}

#[test]
fn another_limit_is_another_group_and_the_same_the_same() {
    let group = |requests: u32| {
        let mut case = named("limit_minute");
        case.spec["gateway"]["rateLimits"][0]["requests"] = json!(requests);
        let written = write(&way(&case), &to());
        config(&shared(&written), "limit-count").expect("a limit")["group"].clone()
    };
    assert_eq!(group(100), group(100));
    assert_ne!(group(100), group(200), "APISIX refuses a group that is not what it was");
    assert!(
        group(100)
            .as_str()
            .is_some_and(|group| group.starts_with(crate::tenant::fixtures::ID))
    );
}

#[test]
fn several_windows_are_counted_together_only_where_apisix_can() {
    let one = write(&way(&named("limits_of_one_route")), &to());
    assert_eq!(one.unsupported, []);
    let counted = shared(&one);
    let rules = config(&counted, "limit-count").expect("limits")["rules"]
        .as_array()
        .expect("several")
        .clone();
    let windows: Vec<&Value> = rules.iter().map(|rule| &rule["time_window"]).collect();
    assert_eq!(windows, [60, 3600, 86400]);
    let keys: std::collections::BTreeSet<String> = rules.iter().map(|rule| rule["key"].to_string()).collect();
    assert_eq!(keys.len(), 3, "APISIX refuses two windows with one key");
    assert!(
        config(&counted, "limit-count").expect("limits").get("group").is_none(),
        "APISIX refuses both"
    );

    let several = write(&way(&named("limits_of_several_routes")), &to());
    let fields: Vec<&str> = several.unsupported.iter().map(|cannot| cannot.field.as_str()).collect();
    assert_eq!(fields, ["spec.gateway.rateLimits"]);
    assert_eq!(
        config(&shared(&several), "limit-count").expect("a limit")["time_window"],
        60
    );
}

#[test]
fn requests_under_way_never_exceed_the_bound_together() {
    for (case, most) in [("concurrency", 50), ("traffic", 200)] {
        let rules = rules(&write(&way(&named(case)), &to()));
        let each = rules.iter().map(|rule| {
            config(rule, "limit-conn").expect("a bound")["conn"]
                .as_i64()
                .expect("a number")
        });
        let together: i64 = each.sum();
        assert!(together <= most && together > most / 2, "{case}: {together}");
    }
}

#[test]
fn fewer_requests_under_way_than_routes_are_said_to_be_too_few() {
    for (most, cannot) in [(2, 1), (3, 0)] {
        let mut case = named("concurrency");
        case.spec["gateway"]["concurrentRequests"] = json!(most);
        assert_eq!(
            write(&way(&case), &to()).unsupported.len(),
            cannot,
            "{most} for three routes"
        );
    }
}

#[test]
fn all_instances_count_in_one_redis_where_there_is_one() {
    let redis = Redis {
        host: "redis.gateway".into(),
        port: 6380,
    };
    let to = Attachment {
        redis: Some(redis),
        ..to()
    };
    for (case, plugin) in [
        ("limit_minute", "limit-count"),
        ("burst", "limit-req"),
        ("concurrency", "limit-conn"),
    ] {
        let written = write(&way(&named(case)), &to);
        let shared = shared(&written);
        let rules = rules(&written);
        let found = config(&shared, plugin)
            .or_else(|| config(&rules[0], plugin))
            .expect(plugin);
        assert_eq!(
            [&found["policy"], &found["redis_host"]],
            ["redis", "redis.gateway"],
            "{plugin}"
        );
        assert_eq!(found["redis_port"], 6380);
    }
}

#[test]
fn it_is_for_the_ingress_controller_that_is_named() {
    let case = named("limit_minute");
    let classes = |name: &str| -> Vec<Value> {
        let to = Attachment {
            name: name.into(),
            ..to()
        };
        let objects = write(&way(&case), &to).objects;
        objects
            .iter()
            .map(|object| object.value["spec"]["ingressClassName"].clone())
            .collect()
    };
    assert_eq!(classes("apisix"), ["apisix", "apisix"]);
    assert_eq!(classes(""), [Value::Null, Value::Null]);
}
