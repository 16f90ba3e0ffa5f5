//! Routes to a tenant, and invalid ones.

use super::*;
use crate::api::RateLimit;
use crate::gateway::config::{Backend, Target, Whom};
use crate::tenant::fixtures::{tenant, tier, validate};
use serde_json::{Value, json};

const HOST: &str = "acme.example.com";

fn world(shared: Option<&[&str]>) -> World {
    World {
        shared_hosts: shared.map(|hosts| hosts.iter().map(ToString::to_string).collect()),
        ..crate::tenant::fixtures::world(&[])
    }
}

fn spec(gateway: Value) -> Value {
    json!({
        "network": {"ingress": {"gateway": "Allow"}},
        "workloads": [
            {"name": "web", "image": "web:1", "ports": [{"name": "http", "containerPort": 8080}]},
            {"name": "many", "image": "web:1", "ports": [
                {"name": "http", "containerPort": 8080}, {"name": "admin", "containerPort": 9090},
                {"name": "dns", "containerPort": 53, "protocol": "UDP"},
            ]},
        ],
        "gateway": gateway,
    })
}

fn route(over: Value) -> Value {
    let mut route = json!({"backend": {"workload": "web"}});
    crate::testing::lay_over(&mut route, over);
    route
}

fn resolved(gateway: Value, plan: Value) -> Result<Option<ValidGateway>, Vec<String>> {
    let plan = tier(json!({"gateway": plan}));
    let valid = validate(&tenant(spec(gateway)), &plan, &world(Some(&["api.example.org"])));
    let reasons = |reasons: Vec<Invalid>| reasons.iter().map(ToString::to_string).collect();
    valid.map(|valid| valid.part().cloned()).map_err(reasons)
}

fn good(gateway: Value) -> ValidGateway {
    resolved(gateway, json!({})).expect("valid").expect("a way in")
}

/// The one reason.
fn refusal(gateway: Value, plan: Value) -> String {
    let reasons = resolved(gateway, plan).expect_err("refused");
    assert_eq!(reasons.len(), 1, "{reasons:?}");
    reasons[0].clone()
}

#[test]
fn routes_go_to_ports_of_workloads() {
    let way = good(json!({"hosts": [HOST], "routes": [route(json!({}))]}));
    let web = Target {
        backend: Backend {
            service: "web".into(),
            namespace: None,
            port: 8080,
        },
        weight: 1,
        is_fallback: false,
    };
    assert_eq!(way.routes[0].targets, [web]);
    assert_eq!(way.routes[0].path.value, "/");
    assert_eq!(way.routes[0].admits, Admits::Everybody);
    assert_eq!(way.identification, [Identification::Host]);
    for (backend, reason) in [
        (
            json!({"workload": "none"}),
            "backend.workload: there is no workload none",
        ),
        (
            json!({"workload": "web", "port": "grpc"}),
            "backend.port: workload web has no TCP port",
        ),
        (
            json!({"workload": "many"}),
            "backend.port: workload many has 2 TCP ports",
        ),
        (
            json!({"workload": "many", "port": "dns"}),
            "backend.port: workload many has no TCP port",
        ),
    ] {
        let said = refusal(json!({"hosts": [HOST], "routes": [{"backend": backend}]}), json!({}));
        assert!(said.starts_with(&format!("spec.gateway.routes[0].{reason}")), "{said}");
    }
}

#[test]
fn the_more_specific_route_comes_first_whatever_the_order_of_the_spec() {
    let at = |type_: &str, value: &str| route(json!({"path": {"type": type_, "value": value}}));
    let mut only = at("PathPrefix", "/api");
    only["methods"] = json!(["POST", "GET", "POST"]);
    let routes = [
        at("PathPrefix", "/"),
        at("PathPrefix", "/api/"),
        only,
        at("Exact", "/x"),
        at("PathPrefix", "/api/v1"),
    ];
    let way = good(json!({"hosts": [HOST], "routes": routes}));
    let order: Vec<(&str, usize)> = way
        .routes
        .iter()
        .map(|r| (r.path.value.as_str(), r.methods.len()))
        .collect();
    assert_eq!(order, [("/x", 0), ("/api/v1", 0), ("/api", 2), ("/api", 0), ("/", 0)]);
}

#[test]
fn one_path_has_one_route() {
    let api = |methods: Value| route(json!({"path": {"type": "PathPrefix", "value": "/api"}, "methods": methods}));
    good(json!({"hosts": [HOST], "routes": [api(json!(["GET"])), api(json!(["POST"])), api(json!([]))]}));
    for twice in [json!([]), json!(["GET"])] {
        let routes = [api(twice.clone()), api(twice)];
        let said = refusal(json!({"hosts": [HOST], "routes": routes}), json!({}));
        assert_eq!(said, "spec.gateway.routes[1].path: PathPrefix /api is there twice");
    }
}

#[test]
fn a_tenant_without_routes_has_no_way_in() {
    assert_eq!(resolved(json!({"hosts": [HOST]}), json!({})).expect("valid"), None);
    let bare = validate(&tenant(json!({})), &tier(json!({})), &world(None)).expect("valid");
    assert_eq!(bare.part::<ValidGateway>(), None);
}

#[test]
fn routes_need_a_gateway_that_is_let_in_and_a_host() {
    let routes = json!([route(json!({}))]);
    let asks = tenant(spec(json!({"hosts": [HOST], "routes": routes})));
    let reasons = validate(&asks, &tier(json!({})), &world(None)).expect_err("no gateway");
    assert!(
        reasons[0].to_string().contains("set gateway.controller in the chart"),
        "{reasons:?}"
    );
    let mut shut = spec(json!({"hosts": [HOST], "routes": routes}));
    shut["network"]["ingress"]["gateway"] = json!("Deny");
    let reasons = validate(&tenant(shut), &tier(json!({})), &world(Some(&[]))).expect_err("shut");
    assert!(
        reasons[0]
            .to_string()
            .contains("network.ingress.gateway denies the gateway"),
        "{reasons:?}"
    );
    let said = refusal(json!({"routes": routes}), json!({}));
    assert!(said.starts_with("spec.gateway.hosts: is empty"), "{said}");
}

#[test]
fn hosts_that_all_share_are_nobodys() {
    for host in ["api.example.org", "*.example.org"] {
        let said = refusal(json!({"hosts": [host]}), json!({}));
        assert!(said.contains("which all tenants share"), "{said}");
    }
}

#[test]
fn a_header_alone_opens_nothing() {
    let open = json!({"identification": ["Header"], "routes": [route(json!({}))]});
    let said = refusal(open.clone(), json!({}));
    assert!(said.contains("with Header every route needs authentication"), "{said}");
    let mut closed = open;
    closed["authentication"] = json!({"apiKeys": [{"name": "ci"}]});
    assert_eq!(good(closed).identification, [Identification::Header]);
    let without = validate(
        &tenant(spec(json!({"identification": ["Path"], "routes": [route(json!({}))]}))),
        &tier(json!({})),
        &world(Some(&[])),
    );
    let reasons = without.expect_err("no shared host");
    assert!(
        reasons[0].to_string().contains("set gateway.sharedHosts"),
        "{reasons:?}"
    );
}

#[test]
fn who_is_asked_for_credentials() {
    let keys = json!({"apiKeys": [{"name": "ci"}]});
    let admits = |authentication: Value, over: Value| {
        let gateway = json!({"hosts": [HOST], "authentication": authentication, "routes": [route(over)]});
        good(gateway).routes[0].admits.clone()
    };
    assert_eq!(admits(keys.clone(), json!({})), Admits::Authenticated(Whom::All));
    assert_eq!(
        admits(keys.clone(), json!({"authentication": "None"})),
        Admits::Everybody
    );
    assert_eq!(
        admits(keys, json!({"roles": ["user", "admin", "user"]})),
        Admits::Authenticated(Whom::AnyOf(vec!["admin".into(), "user".into()]))
    );
    for over in [json!({"authentication": "Required"}), json!({"roles": ["admin"]})] {
        let said = refusal(json!({"hosts": [HOST], "routes": [route(over)]}), json!({}));
        assert!(said.contains("the tenant has no authentication"), "{said}");
    }
}

#[test]
fn the_plans_tokens_open_where_the_tenant_names_none() {
    let jwt = |issuer: &str| json!({"issuer": issuer, "jwks": {"uri": "https://id.example.org/jwks"}});
    let plan = json!({"jwt": jwt("https://plan.example.org")});
    let gateway = |own: Value| json!({"hosts": [HOST], "routes": [route(json!({}))], "authentication": own});
    let issuer = |own: Value| {
        let way = resolved(gateway(own), plan.clone()).expect("valid").expect("a way in");
        way.jwt.map(|jwt| jwt.issuer)
    };
    assert_eq!(issuer(json!({})).as_deref(), Some("https://plan.example.org"));
    let own = json!({"jwt": jwt("https://own.example.org")});
    assert_eq!(issuer(own).as_deref(), Some("https://own.example.org"));
}

#[test]
fn limits_stay_within_the_plans_unit_by_unit() {
    let plan = json!({
        "rateLimits": [{"requests": 100, "unit": "Minute"}, {"requests": 1000, "unit": "Hour", "burst": 5}],
        "concurrentRequests": 50,
    });
    let asks = |own: Value| json!({"hosts": [HOST], "routes": [route(json!({}))], "rateLimits": own});
    let limits = |own: Value| {
        let way = resolved(asks(own), plan.clone()).expect("valid").expect("a way in");
        let limits = way
            .rate_limits
            .iter()
            .map(|limit| (limit.unit.as_str(), limit.requests));
        (limits.collect::<Vec<_>>(), way.concurrent_requests)
    };
    let of_plan = vec![("Minute", 100), ("Hour", 1000)];
    assert_eq!(limits(json!(null)), (of_plan.clone(), Some(50)));
    assert_eq!(limits(json!([])), (of_plan, Some(50)), "no list lifts the plan's");
    let own = json!([{"requests": 10, "unit": "Second"}, {"requests": 60, "unit": "Minute"}]);
    assert_eq!(limits(own).0, [("Second", 10), ("Minute", 60), ("Hour", 1000)]);
    let said = refusal(asks(json!([{"requests": 101, "unit": "Minute"}])), plan.clone());
    assert_eq!(
        said,
        "spec.gateway.rateLimits[0].requests: 101 a Minute are more than the 100 of tier plan"
    );
    let said = refusal(asks(json!([{"requests": 1, "unit": "Hour", "burst": 6}])), plan.clone());
    assert!(
        said.starts_with("spec.gateway.rateLimits[0].burst: is more than the 5"),
        "{said}"
    );
    // A limit of each client is another one, and does not lift that of all.
    let each = |requests: i64| json!([{"requests": requests, "unit": "Minute", "per": "Client"}]);
    assert_eq!(limits(each(500)).0, [("Minute", 100), ("Minute", 500), ("Hour", 1000)]);
    let mut bounded = plan.clone();
    bounded["rateLimits"] = each(20);
    let said = refusal(asks(each(21)), bounded);
    assert_eq!(
        said,
        "spec.gateway.rateLimits[0].requests: 21 a Minute of each client are more than the 20 of tier plan"
    );
    let mut many = asks(json!(null));
    many["concurrentRequests"] = json!(51);
    let said = refusal(many, plan);
    assert!(
        said.starts_with("spec.gateway.concurrentRequests: 51 are more than the 50"),
        "{said}"
    );
}

#[test]
fn limits_of_keys_and_of_routes_have_what_they_count_and_stay_within_the_plans() {
    let plan =
        json!({"rateLimits": [{"requests": 100, "unit": "Minute"}, {"requests": 10, "unit": "Second", "per": "Key"}]});
    let of_key = json!([{"requests": 10, "unit": "Second", "per": "Key"}]);
    let asks = |own: Value, of_route: Value, keys: Value| {
        let routes = [route(json!({"rateLimits": of_route}))];
        json!({"hosts": [HOST], "routes": routes, "rateLimits": own, "authentication": {"apiKeys": keys}})
    };
    let ci = || json!([{"name": "ci"}]);
    let valid = asks(
        of_key.clone(),
        json!([{"requests": 5, "unit": "Minute"}, {"requests": 1, "unit": "Second"}]),
        ci(),
    );
    let way = resolved(valid, plan.clone()).expect("valid").expect("a way in");
    let limits = |all: &[RateLimit]| all.iter().map(RateLimit::words).collect::<Vec<_>>();
    assert_eq!(limits(&way.rate_limits), ["10 a Second of each key", "100 a Minute"]);
    assert_eq!(limits(&way.routes[0].rate_limits), ["1 a Second", "5 a Minute"]);
    // The plan's limit of keys does no harm where there are none.
    assert!(resolved(asks(json!([]), json!([]), json!([])), plan.clone()).is_ok());
    let second = |requests: i64, per: &str| json!({"requests": requests, "unit": "Second", "per": per});
    for (own, of_route, keys, said) in [
        (
            of_key.clone(),
            json!([]),
            json!([]),
            "spec.gateway.rateLimits[0].per: counts the requests of each API key",
        ),
        (
            json!([]),
            of_key,
            json!([]),
            "spec.gateway.routes[0].rateLimits[0].per: counts the requests of each API key",
        ),
        (
            json!([]),
            json!([second(11, "Key")]),
            ci(),
            "spec.gateway.routes[0].rateLimits[0].requests: 11 a Second of each key are more than the 10",
        ),
        (
            json!([]),
            json!([second(1, "Client"), second(2, "Client")]),
            ci(),
            "spec.gateway.routes[0].rateLimits[1]: there is another one for a Second",
        ),
    ] {
        let refused = refusal(asks(own, of_route, keys), plan.clone());
        assert!(refused.starts_with(said), "{refused}");
    }
}

#[test]
fn an_api_key_has_a_name_of_its_own_and_an_end_that_is_a_time() {
    let asks =
        |keys: Value| json!({"hosts": [HOST], "routes": [route(json!({}))], "authentication": {"apiKeys": keys}});
    let way = good(asks(json!([{"name": "ci", "expiresAt": "2027-01-31T00:00:00Z"}])));
    assert!(way.keys[0].expires_at.is_some());
    let way = good(asks(json!([{"name": "ci", "expiresAt": "9999-12-31T23:59:59Z"}])));
    assert!(way.keys[0].expires_at > Some(k8s_openapi::jiff::Timestamp::now()));
    let said = refusal(asks(json!([{"name": "ci"}, {"name": "ci"}])), json!({}));
    assert_eq!(said, "spec.gateway.authentication.apiKeys[1].name: ci is there twice");
    let said = refusal(asks(json!([{"name": "ci", "expiresAt": "tomorrow"}])), json!({}));
    assert!(
        said.starts_with("spec.gateway.authentication.apiKeys[0].expiresAt: is not a time"),
        "{said}"
    );
}

#[test]
fn traffic_is_as_the_tenant_says_then_as_the_plan() {
    let plan = json!({"traffic": {"requestTimeout": "15s", "retries": 2, "circuitBreaker": {"maxConnections": 9}}});
    let own = json!({"retries": 0, "outlierDetection": {"consecutiveErrors": 5, "ejectionTime": "30s"}});
    let gateway = json!({"hosts": [HOST], "routes": [route(json!({}))], "traffic": own});
    let traffic = resolved(gateway, plan).expect("valid").expect("a way in").traffic;
    assert_eq!(traffic.request_timeout.map(|time| time.as_secs()), Some(15));
    assert_eq!((traffic.retries, traffic.max_connections), (Some(0), Some(9)));
    assert_eq!(
        traffic.outliers.map(|(errors, time)| (errors, time.as_secs())),
        Some((5, 30))
    );
    let zero = json!({"hosts": [HOST], "routes": [route(json!({}))], "traffic": {"requestTimeout": "0s"}});
    assert_eq!(
        refusal(zero, json!({})),
        "spec.gateway.traffic.requestTimeout: must not be zero"
    );
}
