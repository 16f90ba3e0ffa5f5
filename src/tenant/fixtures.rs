//! Tenants and tiers for tests.

use super::{Capabilities, Environment, capabilities};
use crate::api::{Tenant, TenantSpec, TenantTier, TenantTierSpec};
use crate::capability::applications::SharedService;
use crate::capability::peers::named_peers;
use crate::capability::{Invalid, PeerTenant, Platform, ValidTenant, World, namespaces};
use crate::dns::DnsServers;
use crate::gateway::path_template::PathTemplate;
use crate::gateway::{Attachment, Controller, GatewayConfig, Scheme, ValidGateway};
use crate::testing::lay_over;
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use k8s_openapi::api::core::v1::Service;
use kube::Client;
use kube::client::Body;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tower::BoxError;

pub const ID: &str = "3f0c6a52-6a0e-4f6e-9a55-0f6a4f1c2d11";

/// A Tenant called `acme` of tier `plan`, with what is given besides.
pub fn tenant(spec: Value) -> Tenant {
    let mut whole = json!({"tier": "plan", "id": ID});
    lay_over(&mut whole, spec);
    let spec: TenantSpec = serde_json::from_value(whole).expect("a Tenant's spec");
    Tenant::new("acme", spec)
}

/// A tier called `plan`.
pub fn tier(spec: Value) -> TenantTier {
    let spec: TenantTierSpec = serde_json::from_value(spec).expect("a TenantTier's spec");
    TenantTier::new("plan", spec)
}

/// One resource of `tests/fixtures`, the one of this name where a file has several.
pub fn fixture<K: DeserializeOwned>(path: &str, name: &str) -> K {
    let path = format!("{}/tests/fixtures/{path}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).expect(&path);
    serde_yaml::Deserializer::from_str(&text)
        .map(|document| <Value as serde::Deserialize>::deserialize(document).expect("YAML"))
        .find(|value| value["metadata"]["name"] == name)
        .map(|value| serde_json::from_value(value).expect(name))
        .expect(name)
}

/// What the chart would tell the operator.
pub fn platform() -> Platform {
    Platform {
        namespace: "tenant-operator-system".into(),
        service_account: "tenant-operator".into(),
        dns: DnsServers::default(),
        gateway_namespace: Some("gateway".into()),
        api_server: vec![
            ("10.96.0.1".parse().expect("an address"), 443),
            ("2001:db8::1".parse().expect("an address"), 6443),
        ],
        examiner: true,
    }
}

/// The Gateway that the chart would name.
pub fn attachment() -> Attachment {
    Attachment {
        controller: Controller::EnvoyGateway,
        namespace: "gateway-system".into(),
        name: "platform".into(),
        shared_hosts: vec!["api.example.com".into()],
        path: PathTemplate::default(),
        scheme: Scheme::Https,
        application_namespaces: vec!["applications".into(), "more-applications".into()],
        fallbacks: false,
        cluster_domain: "cluster.local".into(),
        client_traffic_policies: false,
        redis: None,
        proxies: 1,
    }
}

/// All capabilities of an operator without a cluster.
pub fn all_capabilities() -> Capabilities {
    capabilities::offline(Some(attachment()))
}

/// Judges a Tenant.
pub fn validate(tenant: &Tenant, tier: &TenantTier, world: &World) -> Result<ValidTenant, Vec<Invalid>> {
    super::validate(&all_capabilities(), tenant, tier, world)
}

/// Plans a tenant's environment.
pub fn plan(tenant: &ValidTenant, platform: &Platform) -> Environment {
    super::plan(&all_capabilities(), &mut tenant.clone(), platform)
}

/// The way in of a tenant that has one.
pub fn gateway_config(tenant: &ValidTenant, shared_hosts: &[String]) -> GatewayConfig {
    let gateway = tenant.part::<ValidGateway>().expect("a way in");
    GatewayConfig::of(
        &tenant.core,
        gateway,
        tenant.part(),
        shared_hosts,
        &PathTemplate::default(),
    )
    .expect("a way in")
}

/// A part of a tenant.
pub fn part<T: std::any::Any + Send + Sync>(tenant: &ValidTenant) -> &T {
    tenant.part().expect("the part")
}

/// The tenant with another part.
pub fn with<T: std::any::Any + Send + Sync>(mut tenant: ValidTenant, part: T) -> ValidTenant {
    tenant.set(part);
    tenant
}

/// A world with these other tenants, each with the namespaces of its spec, in a cluster that knows its addresses.
pub fn world(others: &[&Tenant]) -> World {
    let peers = others.iter().map(|tenant| {
        let name = tenant.metadata.name.clone().unwrap_or_default();
        let peer = PeerTenant {
            names: named_peers(tenant),
            namespaces: namespaces(tenant),
        };
        (name, peer)
    });
    World {
        cluster_cidrs: ["10.244.0.0/16", "10.96.0.0/12", "192.168.0.0/24", "fd00:10::/48"]
            .map(|cidr| cidr.parse().expect("a CIDR"))
            .to_vec(),
        peers: peers.collect(),
        shared_hosts: Some(vec!["api.example.com".into()]),
        application_namespaces: [("applications".into(), None), ("more-applications".into(), None)].into(),
        ..World::default()
    }
}

/// The same, where shared applications have these Services, in namespace `applications`. Policies of the platform restrict their pods.
pub fn world_with_services(services: &[(&str, Value)]) -> World {
    let service = |(name, spec): &(&str, Value)| {
        let service: Service = serde_json::from_value(json!({"spec": spec})).expect("a Service");
        let shared = SharedService {
            is_restricted: true,
            ..SharedService::of(&service)
        };
        (("applications".to_string(), name.to_string()), shared)
    };
    World {
        shared_services: Some(services.iter().map(service).collect()),
        ..world(&[])
    }
}

/// A tier that opens these applications of namespace `applications`, each with its Service of the same name, at port 80.
pub fn opening(names: &[&str]) -> Value {
    let application = |name: &&str| json!({"name": name, "namespace": "applications", "service": name, "port": 80});
    let applications: Vec<Value> = names.iter().map(application).collect();
    json!({"network": {"egress": {"applications": names}}, "gateway": {"applications": applications}})
}

/// Judged to be valid, in [`world`] alone.
pub fn valid(tenant: &Tenant, tier: &TenantTier) -> ValidTenant {
    validate(tenant, tier, &world(&[])).expect("a valid Tenant")
}

/// The same, with these capabilities.
pub fn acme_of(capabilities: &Capabilities, spec: Value, plan: Value) -> ValidTenant {
    super::validate(capabilities, &tenant(spec), &tier(plan), &world(&[])).expect("a valid Tenant")
}

/// `acme` with this spec, of a tier with that one.
pub fn acme(spec: Value, plan: Value) -> ValidTenant {
    valid(&tenant(spec), &tier(plan))
}

/// An API server that accepts whatever is created, but for the kinds and names that it refuses. It has no pods, and its quota controller is quick. It
/// keeps quotas and books.
pub fn api_server(refuses: impl Fn(&str, &str) -> bool + Clone + Send + 'static) -> Client {
    api_server_with(refuses, |_| None)
}

/// The same with what it finds at a path.
pub fn api_server_with(
    refuses: impl Fn(&str, &str) -> bool + Clone + Send + 'static,
    finds: impl Fn(&str) -> Option<Value> + Clone + Send + 'static,
) -> Client {
    let known: Arc<Mutex<BTreeMap<String, Value>>> = Arc::default();
    let server = tower::service_fn(move |request: Request<Body>| {
        let (refuses, finds, known) = (refuses.clone(), finds.clone(), known.clone());
        async move {
            let is_create = request.method() == Method::POST;
            let is_update = request.method() == Method::PUT;
            let path = request.uri().path().to_string();
            let body = request.into_body().collect().await?.to_bytes();
            let status = |code: StatusCode, reason: &str, message: String| {
                let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code.as_u16(), "reason": reason, "message": message});
                (code, status)
            };
            let mut known = known.lock().expect("no panic");
            let (code, object) = if is_update && let Some(former) = known.get(&path) {
                let mut object: Value = serde_json::from_slice(&body)?;
                let version = former["metadata"]["resourceVersion"].as_str().unwrap_or_default();
                object["metadata"]["resourceVersion"] = json!(format!("{version}1"));
                object["status"]["hard"] = object["spec"]["hard"].clone();
                known.insert(path, object.clone());
                (StatusCode::OK, object)
            } else if is_create {
                let mut object: Value = serde_json::from_slice(&body)?;
                let [kind, name] = [&object["kind"], &object["metadata"]["name"]];
                let [kind, name] = [kind, name].map(|text| text.as_str().unwrap_or_default().to_string());
                object["metadata"]["uid"] = json!(format!("{kind} {name}"));
                object["metadata"]["resourceVersion"] = json!("1");
                object["status"]["hard"] = object["spec"]["hard"].clone();
                match refuses(&kind, &name) {
                    true => status(
                        StatusCode::UNPROCESSABLE_ENTITY,
                        "Invalid",
                        format!("{name} is invalid"),
                    ),
                    false => {
                        // Grants of a quota read and write these again.
                        if kind == "ResourceQuota" || name.starts_with("claim-quota-") {
                            known.insert(format!("{path}/{name}"), object.clone());
                        }
                        (StatusCode::CREATED, object)
                    }
                }
            } else if let Some(found) = finds(&path).or(known.get(&path).cloned()) {
                (StatusCode::OK, found)
            } else if path.ends_with("/pods") {
                let none = json!({"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": {}, "items": []});
                (StatusCode::OK, none)
            } else {
                status(StatusCode::NOT_FOUND, "NotFound", "not found".into())
            };
            let response = Response::builder().status(code);
            Ok::<_, BoxError>(response.body(Body::from(object.to_string().into_bytes()))?)
        }
    });
    Client::new(server, "default")
}
