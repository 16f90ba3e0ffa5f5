//! `spec.gateway` of a Tenant.

use crate::harness::Dry;
use anyhow::Result;
use serde_json::{Value, json};

fn hosts(list: &[&str]) -> Value {
    json!({"gateway": {"hosts": list}})
}

#[tokio::test]
async fn hosts_are_written_in_one_way_only() -> Result<()> {
    let dry = Dry::tenant().await?;
    for good in [
        "tenant-a.api.example.com",
        "*.example.com",
        "xn--bcher-kva.example",
        "1.example.com",
    ] {
        dry.accepts(good, hosts(&[good])).await?;
    }
    let long = format!("{}.example.com", "a".repeat(64));
    for bad in [
        "Tenant-A.example.com",
        "example.com.",
        "*.com",
        "*",
        "localhost",
        "a.*.example.com",
        "*a.example.com",
        "-a.example.com",
        "a..example.com",
        "a_b.example.com",
        "https://example.com",
        "example.com:443",
        " example.com",
        "bücher.example",
        &long,
    ] {
        dry.refuses(bad, hosts(&[bad]), &["spec.gateway.hosts"]).await?;
    }
    dry.refuses("twice", hosts(&["a.example.com", "a.example.com"]), &["Duplicate"])
        .await?;
    let many: Vec<String> = (0..65).map(|number| format!("h{number}.example.com")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    dry.accepts("64", hosts(&many[..64])).await?;
    dry.refuses("65", hosts(&many), &["spec.gateway.hosts", "64"]).await
}

/// A good way in, with this laid over it.
fn way(over: Value) -> Value {
    let mut gateway = json!({"hosts": ["a.example.com"], "routes": [{"backend": {"workload": "web", "port": "http"}}]});
    crate::support::scene::lay_over(&mut gateway, over);
    json!({"gateway": gateway})
}

fn route(over: Value) -> Value {
    let mut route = json!({"backend": {"workload": "web"}});
    crate::support::scene::lay_over(&mut route, over);
    way(json!({"routes": [route]}))
}

#[tokio::test]
async fn a_way_in_has_one_meaning() -> Result<()> {
    let dry = Dry::tenant().await?;
    let jwt = |jwks: Value| json!({"authentication": {"jwt": {"issuer": "https://id.example.com", "jwks": jwks}}});
    for (what, spec) in [
        ("the least", way(json!({}))),
        (
            "a path",
            route(json!({"path": {"type": "PathPrefix", "value": "/api/v1"}, "methods": ["GET", "POST"]})),
        ),
        (
            "roles",
            route(json!({"roles": ["tenant_admin"], "authentication": "Required"})),
        ),
        (
            "permissions",
            route(json!({"permissions": ["calls:read", "ai.query/v1"]})),
        ),
        (
            "an application",
            route(json!({"backend": {"workload": null, "application": "crm"}})),
        ),
        (
            "shares",
            route(
                json!({"backend": null, "backends": [{"workload": "web", "weight": 9}, {"application": "crm"}, {"workload": "api", "fallback": true}]}),
            ),
        ),
        (
            "all identifications",
            way(json!({"identification": ["Host", "Path", "Header"]})),
        ),
        (
            "limits",
            way(json!({"rateLimits": [{"requests": 1, "unit": "Second", "burst": 5}, {"requests": 9, "unit": "Day"}]})),
        ),
        (
            "a unit once for each per",
            way(json!({"rateLimits": [
                {"requests": 3, "unit": "Day"}, {"requests": 2, "unit": "Day", "per": "Client"}, {"requests": 1, "unit": "Day", "per": "Key"},
            ]})),
        ),
        (
            "limits of a route",
            route(
                json!({"rateLimits": [{"requests": 9, "unit": "Day"}, {"requests": 1, "unit": "Day", "per": "Key"}]}),
            ),
        ),
        (
            "keys",
            way(json!({"authentication": {"apiKeys": [{"name": "ci", "expiresAt": "2027-01-31T00:00:00Z"}]}})),
        ),
        ("fetched keys", way(jwt(json!({"uri": "https://id.example.com/jwks"})))),
        ("keys at hand", way(jwt(json!({"inline": "{}"})))),
        ("keys of its own", way(jwt(json!({"signingKey": true})))),
        (
            "traffic",
            way(json!({"traffic": {"requestTimeout": "15s", "retries": 0, "loadBalancing": "LeastRequest"}})),
        ),
        (
            "versions of TLS",
            way(json!({"tls": [{"hosts": ["a.example.com"], "secretName": "a", "minVersion": "1.3"}]})),
        ),
        (
            "bandwidth",
            way(json!({"bandwidthLimit": {"request": "10M", "response": 125_000_000}})),
        ),
        (
            "sessions",
            way(json!({"traffic": {"sessionPersistence": {"type": "Cookie", "absoluteTimeout": "8h"}}})),
        ),
    ] {
        dry.accepts(what, spec).await?;
    }
    let path = |value: &str| route(json!({"path": {"type": "PathPrefix", "value": value}}));
    for (what, spec, word) in [
        ("a path without a slash", path("api"), "path.value"),
        ("a path with a query", path("/a?b"), "path.value"),
        ("a path upwards", path("/a/../b"), "no . or .."),
        ("a path upwards at its end", path("/a/.."), "no . or .."),
        ("a path with an empty part", path("/a//b"), "no empty parts"),
        ("an escape", path("/a%2e"), "path.value"),
        ("an unknown method", route(json!({"methods": ["BREW"]})), "methods"),
        (
            "permissions of everybody",
            route(json!({"permissions": ["calls:read"], "authentication": "None"})),
            "permissions need authentication",
        ),
        (
            "roles and permissions",
            route(json!({"roles": ["a"], "permissions": ["calls:read"]})),
            "roles or permissions, not both",
        ),
        (
            "a permission's name",
            route(json!({"permissions": ["calls read"]})),
            "permissions",
        ),
        (
            "a workload and an application",
            route(json!({"backend": {"workload": "web", "application": "crm"}})),
            "one of workload and application",
        ),
        (
            "no backend",
            route(json!({"backend": {"workload": null}})),
            "one of workload and application",
        ),
        (
            "one backend and several",
            route(json!({"backends": [{"workload": "web"}]})),
            "one of backend and backends",
        ),
        (
            "neither one backend nor several",
            route(json!({"backend": null, "backends": []})),
            "one of backend and backends",
        ),
        (
            "a fallback with a weight",
            route(
                json!({"backend": null, "backends": [{"workload": "web"}, {"workload": "api", "weight": 1, "fallback": true}]}),
            ),
            "a fallback has no weight",
        ),
        (
            "a fallback alone",
            route(json!({"backend": null, "backends": [{"workload": "web", "fallback": true}]})),
            "that is no fallback",
        ),
        (
            "nothing to share",
            route(json!({"backend": null, "backends": [{"workload": "web", "weight": 0}]})),
            "a weight above 0",
        ),
        (
            "an application's port",
            route(json!({"backend": {"workload": null, "application": "crm", "port": "http"}})),
            "port belongs to a workload",
        ),
        (
            "roles of everybody",
            route(json!({"roles": ["a"], "authentication": "None"})),
            "roles need authentication",
        ),
        (
            "a unit twice",
            way(json!({"rateLimits": [{"requests": 1, "unit": "Day"}, {"requests": 2, "unit": "Day"}]})),
            "unit twice",
        ),
        (
            "a unit of keys twice",
            way(
                json!({"rateLimits": [{"requests": 1, "unit": "Day", "per": "Key"}, {"requests": 2, "unit": "Day", "per": "Key"}]}),
            ),
            "unit twice",
        ),
        (
            "a route's unit twice",
            route(
                json!({"rateLimits": [{"requests": 1, "unit": "Day"}, {"requests": 2, "unit": "Day", "per": "Tenant"}]}),
            ),
            "unit twice",
        ),
        (
            "a route's burst",
            route(json!({"rateLimits": [{"requests": 1, "unit": "Second", "burst": 1}]})),
            "no burst",
        ),
        (
            "no requests",
            way(json!({"rateLimits": [{"requests": 0, "unit": "Day"}]})),
            "requests",
        ),
        (
            "an unknown unit",
            way(json!({"rateLimits": [{"requests": 1, "unit": "Month"}]})),
            "unit",
        ),
        (
            "an old version of TLS",
            way(json!({"tls": [{"hosts": ["a.example.com"], "secretName": "a", "minVersion": "1.2"}]})),
            "minVersion",
        ),
        (
            "a bandwidth without a unit",
            way(json!({"bandwidthLimit": {"request": "fast"}})),
            "bandwidthLimit.request",
        ),
        (
            "sessions by no header",
            way(json!({"traffic": {"sessionPersistence": {"type": "Header"}}})),
            "needs sessionName",
        ),
        (
            "two choices of a pod",
            way(json!({"traffic": {"loadBalancing": "Random", "sessionPersistence": {"type": "Cookie"}}})),
            "not both",
        ),
        (
            "no identification",
            way(json!({"identification": []})),
            "identification",
        ),
        (
            "a key twice",
            way(json!({"authentication": {"apiKeys": [{"name": "a"}, {"name": "a"}]}})),
            "Duplicate",
        ),
        (
            "a key's name",
            way(json!({"authentication": {"apiKeys": [{"name": "A b"}]}})),
            "name",
        ),
        (
            "an end that is no time",
            way(json!({"authentication": {"apiKeys": [{"name": "a", "expiresAt": "soon"}]}})),
            "expiresAt",
        ),
        (
            "tokens by plain HTTP",
            way(jwt(json!({"uri": "http://id.example.com/jwks"}))),
            "uri",
        ),
        (
            "no keys for tokens",
            way(jwt(json!({}))),
            "one of uri, inline and signingKey",
        ),
        (
            "keys twice over",
            way(jwt(json!({"uri": "https://a.example.com", "inline": "{}"}))),
            "one of uri, inline and signingKey",
        ),
        (
            "keys at hand and of its own",
            way(jwt(json!({"inline": "{}", "signingKey": true}))),
            "one of uri, inline and signingKey",
        ),
        (
            "no keys of its own",
            way(jwt(json!({"signingKey": false}))),
            "one of uri, inline and signingKey",
        ),
        (
            "a time that is none",
            way(json!({"traffic": {"requestTimeout": "15"}})),
            "requestTimeout",
        ),
    ] {
        dry.refuses(what, spec, &[word]).await?;
    }
    let tier = Dry::tier().await?;
    let limits =
        |units: [&str; 2]| json!({"gateway": {"rateLimits": units.map(|unit| json!({"requests": 1, "unit": unit}))}});
    tier.accepts("a plan's limits", limits(["Minute", "Day"])).await?;
    tier.refuses("a plan's unit twice", limits(["Day", "Day"]), &["unit twice"])
        .await?;
    let applications = |over: Value, count: usize| {
        let mut one = json!({"namespace": "crm", "service": "web", "port": 80});
        crate::support::scene::lay_over(&mut one, over);
        let named = (0..count).map(|i| {
            let mut one = one.clone();
            if one.get("name").is_none() {
                one["name"] = json!(format!("crm-{i}"));
            }
            one
        });
        json!({"gateway": {"applications": named.collect::<Vec<_>>()}})
    };
    tier.accepts("applications", applications(json!({}), 16)).await?;
    for (what, over, count, word) in [
        ("17 applications", json!({}), 17, "applications"),
        ("an application twice", json!({"name": "crm"}), 2, "Duplicate"),
        ("no port", json!({"port": null}), 1, "port"),
        ("port 0", json!({"port": 0}), 1, "port"),
        (
            "a Service by its whole name",
            json!({"service": "web.crm"}),
            1,
            "service",
        ),
        (
            "that Kubernetes reserves",
            json!({"namespace": "kube-system"}),
            1,
            "that Kubernetes reserves",
        ),
        ("a namespace that is none", json!({"namespace": "a/b"}), 1, "namespace"),
    ] {
        tier.refuses(what, applications(over, count), &[word]).await?;
    }
    let roles = |roles: Value| json!({"roles": roles});
    tier.accepts(
        "roles",
        roles(json!([{"name": "a", "permissions": ["calls:read"]}, {"name": "b"}])),
    )
    .await?;
    for (what, bad, word) in [
        ("a role twice", json!([{"name": "a"}, {"name": "a"}]), "Duplicate"),
        ("a role's name", json!([{"name": "a b"}]), "name"),
        (
            "a permission twice",
            json!([{"name": "a", "permissions": ["x", "x"]}]),
            "Duplicate",
        ),
    ] {
        tier.refuses(what, roles(bad), &[word]).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_certificate_comes_from_one_place() -> Result<()> {
    let dry = Dry::tenant().await?;
    let tls = |over: Value| {
        let mut tls = json!({"hosts": ["a.example.com"]});
        crate::support::scene::lay_over(&mut tls, over);
        way(json!({"tls": [tls]}))
    };
    let issuer = |kind: &str, name: &str| tls(json!({"issuerRef": {"kind": kind, "name": name}}));
    for (what, spec) in [
        ("a Secret", tls(json!({"secretName": "a-tls"}))),
        ("an issuer", issuer("Issuer", "own")),
        ("the platform's issuer", issuer("ClusterIssuer", "letsencrypt.staging")),
    ] {
        dry.accepts(what, spec).await?;
    }
    for (what, spec, word) in [
        ("neither", tls(json!({})), "one of secretName and issuerRef"),
        (
            "both",
            tls(json!({"secretName": "a", "issuerRef": {"kind": "Issuer", "name": "own"}})),
            "one of secretName and issuerRef",
        ),
        (
            "a Secret elsewhere",
            tls(json!({"secretName": "other/a"})),
            "secretName",
        ),
        ("another kind of issuer", issuer("Vault", "own"), "issuerRef.kind"),
        ("an issuer elsewhere", issuer("Issuer", "other/own"), "issuerRef.name"),
        ("no hosts", tls(json!({"hosts": [], "secretName": "a"})), "hosts"),
        (
            "a host twice",
            tls(json!({"hosts": ["a.example.com", "a.example.com"], "secretName": "a"})),
            "Duplicate",
        ),
    ] {
        dry.refuses(what, spec, &[word]).await?;
    }
    Ok(())
}
