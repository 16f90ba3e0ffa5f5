//! Ways in, one for each thing that can be asked of a gateway: every writer is tried with all of them.

#[path = "cases/limits.rs"]
mod limits;
#[path = "cases/traffic.rs"]
mod traffic;

use serde_json::{Value, json};

/// A tenant that asks for something.
pub struct Case {
    pub name: &'static str,
    /// The Tenant's spec.
    pub spec: Value,
    /// The TenantTier's `gateway`.
    pub tier: Value,
    /// The TenantTier's `roles`.
    pub roles: Value,
    /// The TenantTier's `features`.
    pub features: Value,
}

/// A key set with one key of P-256: that of RFC 7517, appendix A.1, with another use.
pub const ONE_KEY: &str = r#"{"keys":[{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM","use":"sig","kid":"1"}]}"#;

const HOST: &str = "acme.example.com";

fn web(path: &str) -> Value {
    json!({"path": {"type": "PathPrefix", "value": path}, "backend": {"workload": "web"}})
}

fn case(name: &'static str, gateway: Value) -> Case {
    let port = |port: u16| json!([{"name": "http", "containerPort": port}]);
    let mut whole = json!({"hosts": [HOST], "routes": [web("/")]});
    let over = gateway.as_object().cloned().unwrap_or_default();
    for (field, value) in over {
        whole[field] = value;
    }
    Case {
        name,
        spec: json!({
            "network": {"ingress": {"gateway": "Allow"}},
            "workloads": [
                {"name": "web", "image": "web:1", "ports": port(8080)},
                {"name": "api", "image": "api:1", "ports": port(9090)},
            ],
            "gateway": whole,
        }),
        tier: json!({}),
        roles: json!([]),
        features: json!(null),
    }
}

/// Several routes, the more specific of which are not written first.
fn routes() -> Value {
    json!([
        web("/"),
        {"path": {"type": "PathPrefix", "value": "/api/"}, "methods": ["POST", "GET"], "backend": {"workload": "api"}},
        {"path": {"type": "PathPrefix", "value": "/api"}, "backend": {"workload": "web"}},
        {"path": {"type": "Exact", "value": "/api"}, "backend": {"workload": "web"}},
        web("/static"),
    ])
}

fn keys() -> Value {
    json!([{"name": "ci", "roles": ["admin"]}, {"name": "monitoring"}])
}

fn jwt(jwks: &Value) -> Value {
    json!({"issuer": "https://login.example.com/", "audiences": ["orders", "billing"], "jwks": jwks})
}

fn from_uri() -> Value {
    jwt(&json!({"uri": "https://login.example.com/keys"}))
}

fn from_itself() -> Value {
    jwt(&json!({"signingKey": true}))
}

/// A tenant that has a key to sign with.
fn of_its_own(name: &'static str, gateway: Value) -> Case {
    let mut case = case(name, gateway);
    case.spec["credentials"] = json!({"signingKey": {}});
    case
}

/// Routes from the access matrix of a seed, with the roles that each admits.
fn by_role() -> Value {
    json!([
        web("/"),
        {"path": {"type": "PathPrefix", "value": "/admin"}, "backend": {"workload": "api"}, "roles": ["tenant_admin", "super_admin"]},
        {"path": {"type": "PathPrefix", "value": "/nobody"}, "backend": {"workload": "api"}, "roles": ["ghost"]},
        {"path": {"type": "Exact", "value": "/healthz"}, "backend": {"workload": "web"}, "authentication": "None"},
    ])
}

/// A certificate that is there, and one that is issued.
fn certificates() -> Value {
    json!([
        {"hosts": ["acme.example.org"], "secretName": "acme-tls"},
        {"hosts": ["*.shop.example.org", "shop.example.org"], "issuerRef": {"kind": "ClusterIssuer", "name": "letsencrypt"}},
    ])
}

/// A tenant that uses shared applications, and a workload of its own where it has one.
fn shared(name: &'static str, gateway: Value) -> Case {
    let application = |name: &str, namespace: &str, service: &str, port: u16| json!({"name": name, "namespace": namespace, "service": service, "port": port});
    let mut case = case(name, gateway);
    case.tier = json!({"applications": [
        application("crm", "applications", "crm", 80),
        application("crm-admin", "applications", "crm", 8081),
        application("chat", "more-applications", "chat", 8080),
        application("unused", "applications", "unused", 80),
    ]});
    case
}

/// A tenant that has nothing of its own.
fn shared_only(name: &'static str, gateway: Value) -> Case {
    let mut case = shared(name, gateway);
    case.spec["isolation"] = json!({"model": "SharedData"});
    let fields = case.spec.as_object_mut().into_iter();
    fields.for_each(|fields| fields.retain(|field, _| !["workloads", "network"].contains(&field.as_str())));
    case
}

fn to_applications() -> Value {
    let at = |path: &str, application: &str| json!({"path": {"type": "PathPrefix", "value": path}, "backend": {"application": application}});
    json!([
        at("/", "crm"),
        at("/chat", "chat"),
        at("/chat/old", "chat"),
        at("/admin", "crm-admin")
    ])
}

/// A tenant whose tier lacks, or has lost, roles that some of its routes ask for.
fn role_taken() -> Case {
    let mut case = case(
        "role_taken",
        json!({
            "routes": [
                web("/"),
                {"path": {"type": "PathPrefix", "value": "/billing"}, "backend": {"workload": "api"}, "permissions": ["billing:access"]},
                {"path": {"type": "PathPrefix", "value": "/ai"}, "backend": {"workload": "web"}, "permissions": ["ai:query"]},
            ],
            "authentication": {"apiKeys": [{"name": "ci", "roles": ["user"]}], "jwt": from_uri()},
        }),
    );
    case.roles = json!([{"name": "user", "permissions": ["ai:query"]}]);
    case
}

/// Tokens with these claims, and routes that ask for roles and permissions of them.
fn claims(name: &'static str, over: Value) -> Case {
    let mut jwt = from_uri();
    let over = over.as_object().cloned().unwrap_or_default();
    for (field, value) in over {
        jwt[field] = value;
    }
    let mut routes = by_role();
    routes[2] = json!({"path": {"type": "PathPrefix", "value": "/billing"}, "backend": {"workload": "api"}, "permissions": ["billing:read", "billing:access"]});
    let mut case = case(
        name,
        json!({"routes": routes, "authentication": {"apiKeys": keys(), "jwt": jwt}}),
    );
    case.roles = json!([
        {"name": "tenant_admin", "permissions": ["billing:access", "billing:read"]}, {"name": "super_admin"}, {"name": "admin"},
    ]);
    case
}

/// A tenant with answers of its own, of its tier, and in two languages.
fn error_responses() -> Case {
    let own = json!([
        {"status": 429, "body": "100 % used, come back later"},
        {"status": 503, "body": "<p>We'll be back (soon).</p>", "contentType": "text/html; charset=utf-8"},
        {"status": 503, "body": "<p>Gleich wieder da (100 %).</p>", "contentType": "text/html; charset=utf-8", "language": "de"},
    ]);
    let mut case = case(
        "error_responses",
        json!({"errorResponses": own, "authentication": {"jwt": from_uri()}}),
    );
    case.tier = json!({"errorResponses": [
        {"status": 401, "body": "{\"message\": \"log in\"}", "contentType": "application/json"}, {"status": 429, "body": "no"},
    ]});
    case
}

/// A tenant with some of its tier's features.
fn with_features() -> Case {
    let mut case = case("features", json!({"authentication": {"apiKeys": keys()}}));
    case.features = json!({"default": ["chatAgents", "analytics"], "allowed": ["callRecording"]});
    case.spec["features"] =
        json!([{"name": "callRecording", "enabled": true}, {"name": "analytics", "enabled": false}]);
    case
}

fn to_wiki(path: &str) -> Value {
    json!({"path": {"type": "PathPrefix", "value": path}, "backend": {"application": "wiki"}})
}

/// Every case.
pub fn all() -> Vec<Case> {
    let mut cases = general();
    cases.extend(limits::all());
    cases.extend(traffic::all());
    cases
}

fn general() -> Vec<Case> {
    let secure = ["acme.example.org", "*.shop.example.org", "shop.example.org"];
    let mut suspended_with_certificates = case(
        "suspended_with_certificates",
        json!({"hosts": secure, "tls": certificates()}),
    );
    suspended_with_certificates.spec["suspend"] = json!(true);
    let mut suspended = case(
        "suspended",
        json!({"identification": ["Host", "Path", "Header"], "authentication": {"apiKeys": keys()}}),
    );
    suspended.spec["suspend"] = json!(true);
    let mut shared_suspended = shared_only("shared_suspended", json!({"routes": to_applications()}));
    shared_suspended.spec["suspend"] = json!(true);
    let mut beside = to_applications();
    beside[0] = web("/");
    vec![
        case(
            "host",
            json!({"hosts": [HOST, "*.shop.example.org"], "routes": routes()}),
        ),
        case(
            "path",
            json!({"hosts": [], "identification": ["Path"], "routes": routes()}),
        ),
        case(
            "header",
            json!({"hosts": [], "identification": ["Header"], "authentication": {"apiKeys": keys()}}),
        ),
        case(
            "every_identification",
            json!({"identification": ["Header", "Path", "Host"], "authentication": {"apiKeys": keys()}}),
        ),
        case("key", json!({"authentication": {"apiKeys": keys()}})),
        case("jwt", json!({"authentication": {"jwt": from_uri()}})),
        case(
            "jwt_with_its_key",
            json!({"authentication": {"jwt": jwt(&json!({"inline": ONE_KEY}))}}),
        ),
        case(
            "key_or_jwt",
            json!({"authentication": {"apiKeys": keys(), "jwt": from_uri()}}),
        ),
        case(
            "roles_of_keys",
            json!({"routes": by_role(), "authentication": {"apiKeys": [
                {"name": "ci", "roles": ["tenant_admin", "agent"]}, {"name": "monitoring", "roles": ["viewer"]},
            ]}}),
        ),
        case(
            "roles_of_tokens",
            json!({"routes": by_role(), "authentication": {"jwt": from_uri()}}),
        ),
        claims(
            "nested_claims",
            json!({"tenantClaim": "tid", "rolesClaim": "realm_access.roles"}),
        ),
        claims(
            "claims_of_uris",
            json!({
                "tenantClaim": "https://example.com/tenant", "rolesClaim": "https://example.com/roles",
                "permissionsClaim": "https://example.com/permissions",
                "claimHeaders": [{"claim": "https://example.com/team", "header": "X-Team"}],
            }),
        ),
        claims(
            "permissions_of_tokens",
            json!({
                "rolesClaim": "role", "permissionsClaim": "permissions",
                "claimHeaders": [
                    {"claim": "sub", "header": "X-User-ID"}, {"claim": "role", "header": "X-Tenant-Role"},
                    {"claim": "context.subtenant", "header": "X-Subtenant-ID"},
                ],
            }),
        ),
        of_its_own("own_key", json!({"authentication": {"jwt": from_itself()}})),
        of_its_own(
            "own_key_beside_keys",
            json!({"identification": ["Host", "Path", "Header"], "authentication": {"apiKeys": keys(), "jwt": from_itself()}}),
        ),
        of_its_own(
            "key_set_of_the_workload",
            json!({"routes": [web("/"), {"path": {"type": "Exact", "value": "/.well-known/jwks.json"}, "backend": {"workload": "api"}}]}),
        ),
        case(
            "traffic",
            json!({"routes": routes(), "traffic": {
                "requestTimeout": "1m15s500ms", "retries": 2, "loadBalancing": "LeastRequest",
                "circuitBreaker": {"maxConnections": 100, "maxPendingRequests": 10},
                "outlierDetection": {"consecutiveErrors": 5, "ejectionTime": "30s"},
            }}),
        ),
        case(
            "traffic_by_address",
            json!({"traffic": {"retries": 0, "loadBalancing": "SourceIP"}}),
        ),
        case(
            "traffic_at_random",
            json!({"traffic": {
                "loadBalancing": "Random", "outlierDetection": {"consecutiveErrors": 1000, "ejectionTime": "500ms"},
            }}),
        ),
        error_responses(),
        case(
            "odd_paths",
            json!({"routes": [web("/"), {"path": {"type": "Exact", "value": "/a*b"}, "backend": {"workload": "api"}}]}),
        ),
        suspended,
        case("certificates", json!({"hosts": secure, "tls": certificates()})),
        case(
            "certificates_of_some_hosts",
            json!({
                "hosts": [HOST, secure[0], secure[1], secure[2]],
                "tls": certificates(),
                "authentication": {"apiKeys": keys()},
            }),
        ),
        suspended_with_certificates,
        shared_only(
            "shared",
            json!({
                "identification": ["Host", "Path"],
                "routes": to_applications(),
                "authentication": {"apiKeys": keys()},
            }),
        ),
        shared(
            "shared_beside_a_workload",
            json!({
                "routes": beside,
                "traffic": {
                    "retries": 2, "loadBalancing": "LeastRequest", "circuitBreaker": {"maxConnections": 100},
                    "outlierDetection": {"consecutiveErrors": 5, "ejectionTime": "30s"},
                },
            }),
        ),
        shared_suspended,
        role_taken(),
        with_features(),
        shared(
            "application_taken",
            json!({"identification": ["Host", "Path"], "routes": [web("/"), to_wiki("/wiki")], "authentication": {"apiKeys": keys()}}),
        ),
        shared_only("application_taken_alone", json!({"routes": [to_wiki("/wiki")]})),
    ]
}
