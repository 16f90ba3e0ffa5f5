//! What is open while a tenant lives, and what is closed when it may not go on.

use super::*;
use crate::api::{DeletionPolicy, Tenant, TenantTier};
use crate::capability::{Quarantine, World};
use crate::cluster::{Writer, metadata};
use crate::telemetry::metrics::Metrics;
use crate::tenant::fixtures::{ID, opening, plan as planned, platform, tenant, tier, validate, world_with_services};
use http::{Request, Response};
use kube::Client;
use kube::client::Body;
use serde_json::json;
use std::sync::Mutex;
use tower::BoxError;

fn known() -> World {
    let service = |name: &str| json!({"selector": {"app": name}, "ports": [{"port": 80}]});
    world_with_services(&[("models", service("models")), ("orders", service("orders"))])
}

fn owner() -> Identity {
    Identity {
        tenant: "acme".into(),
        id: ID.into(),
    }
}

const OUT: &str = "acme/tenant-operator-allow-applications";
const MODELS: &str = "applications/tenant-operator-acme.models";
const ORDERS: &str = "applications/tenant-operator-acme.orders";

/// A store with the policies of a tenant that reached both applications, one of another tenant, and one of the platform.
fn store() -> Store {
    let store = Store::with_shared(vec!["applications".into()]);
    let put = |owner: &Identity, place: &str| {
        let (namespace, name) = place.split_once('/').expect("a place");
        let meta = metadata::meta(owner, namespace, name);
        let mut value = json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": meta, "spec": {"podSelector": {}}});
        value["metadata"]["uid"] = json!(place);
        value["metadata"]["resourceVersion"] = json!("1");
        store.put(Kind::NetworkPolicy, serde_json::from_value(value).expect("an object"));
    };
    for place in [
        OUT,
        MODELS,
        ORDERS,
        "acme/tenant-operator-deny-all",
        "elsewhere/tenant-operator-acme.models",
    ] {
        put(&owner(), place);
    }
    let globex = Identity {
        tenant: "globex".into(),
        id: "another".into(),
    };
    put(&globex, "applications/tenant-operator-globex.models");
    store
}

/// An API server that notes what is deleted.
fn api_server(deleted: Arc<Mutex<Vec<String>>>) -> Client {
    let server = tower::service_fn(move |request: Request<Body>| {
        let path = request.uri().path().to_string();
        assert_eq!(request.method(), "DELETE", "{path}");
        let parts: Vec<&str> = path.split('/').collect();
        let place = format!("{}/{}", parts[5], parts[7]);
        deleted.lock().expect("notes").push(place);
        let body = json!({"kind": "Status", "apiVersion": "v1", "status": "Success"});
        let response = Response::new(Body::from(body.to_string().into_bytes()));
        std::future::ready(Ok::<_, BoxError>(response))
    });
    Client::new(server, "default")
}

/// What `act` deletes, in order of its name.
async fn deleted(act: impl AsyncFnOnce(&Applications, &Pass<'_>)) -> Vec<String> {
    let notes: Arc<Mutex<Vec<String>>> = Arc::default();
    let store = Arc::new(store());
    let writer = Writer::new(api_server(notes.clone()), store.clone(), Metrics::new());
    let platform = platform();
    let pass = Pass {
        writer: &writer,
        store: &store,
        platform: &platform,
        capabilities: &[],
        policy: DeletionPolicy::Retain,
    };
    let applications = Applications::new(SharedServices::default(), vec!["applications".into()]);
    act(&applications, &pass).await;
    let mut deleted = notes.lock().expect("notes").clone();
    deleted.sort();
    deleted
}

async fn revoked(
    tenant: Tenant,
    tier: Option<TenantTier>,
    world: World,
    quarantine: Option<Quarantine>,
) -> Vec<String> {
    deleted(async |applications, pass| {
        let of = Revocation {
            tenant: &tenant,
            owner: &owner(),
            tier: tier.as_ref(),
            world: &world,
            quarantine: quarantine.as_ref(),
        };
        applications.revoke(pass, &of).await.expect("revoked");
    })
    .await
}

#[tokio::test]
async fn what_the_tier_or_the_cluster_takes_away_is_closed_first() {
    let of = |names: &[&str]| Some(tier(opening(names)));
    // Whatever else is wrong with the spec.
    let wrong = || tenant(json!({"quota": {"pods": "none"}}));
    let nothing = [""; 0];
    assert_eq!(
        revoked(wrong(), of(&["models", "orders"]), known(), None).await,
        nothing
    );
    assert_eq!(revoked(wrong(), of(&["models"]), known(), None).await, [ORDERS]);
    assert_eq!(revoked(wrong(), of(&[]), known(), None).await, [OUT, MODELS, ORDERS]);
    // A tier that is not there keeps everything as it is.
    assert_eq!(revoked(wrong(), None, known(), None).await, nothing);
    let mut lacking = known();
    lacking
        .shared_services
        .as_mut()
        .expect("Services")
        .remove(&("applications".into(), "models".into()));
    assert_eq!(
        revoked(wrong(), of(&["models", "orders"]), lacking, None).await,
        [MODELS]
    );
    let mut moved = known();
    moved.application_namespaces.clear();
    assert_eq!(
        revoked(wrong(), of(&["models", "orders"]), moved, None).await,
        [OUT, MODELS, ORDERS]
    );
}

#[tokio::test]
async fn a_tenant_that_is_closed_reaches_nothing() {
    let both = || Some(tier(opening(&["models", "orders"])));
    let suspended = || tenant(json!({"suspend": true}));
    assert_eq!(revoked(suspended(), both(), known(), None).await, [OUT, MODELS, ORDERS]);
    assert_eq!(revoked(suspended(), None, known(), None).await, [OUT, MODELS, ORDERS]);
    let quarantine = Quarantine {
        since: "2026-01-01T12:00:00Z".parse().expect("a time"),
        found_by: "network-access".into(),
        clean_since: None,
    };
    assert_eq!(
        revoked(tenant(json!({})), both(), known(), Some(quarantine)).await,
        [OUT, MODELS, ORDERS]
    );
    let mut closed = validate(&suspended(), &tier(opening(&["models"])), &known()).expect("valid");
    assert!(!planned_for_applications(&closed));
    closed.core.suspend = false;
    assert!(planned_for_applications(&closed));
}

fn planned_for_applications(tenant: &ValidTenant) -> bool {
    let environment = planned(tenant, &platform());
    let mut keys = environment.objects().map(|object| object.key.to_string());
    keys.any(|key| key.ends_with(OUT) || key.ends_with(MODELS))
}

#[tokio::test]
async fn a_deleted_tenant_leaves_nothing_at_the_applications() {
    let deleted = deleted(async |applications, pass| {
        let of = Deletion {
            owner: &owner(),
            policy: DeletionPolicy::Retain,
            namespaces: &[],
        };
        let waiting = applications.delete(pass, &of).await.expect("deleted");
        assert_eq!(waiting, None);
    })
    .await;
    assert_eq!(deleted, [MODELS, ORDERS]);
}

#[test]
fn the_condition_names_every_application_that_is_closed() {
    let world = world_with_services(&[]);
    let valid = validate(&tenant(json!({})), &tier(opening(&["models", "orders"])), &world).expect("valid");
    let State::Stalled(note) = state(valid.part().expect("a part")) else {
        panic!("ready");
    };
    assert_eq!(note.reason, "NoSuchService");
    assert!(
        ["applications/models", "applications/orders"]
            .iter()
            .all(|name| note.message.contains(name)),
        "{}",
        note.message
    );
    let status = TenantStatus::default();
    let applications = Applications::default();
    assert!(applications.concerns(Some(&valid), &status, true));
    let plain = validate(&tenant(json!({})), &tier(json!({})), &world).expect("valid");
    assert!(!applications.concerns(Some(&plain), &status, true));
    assert!(!applications.concerns(None, &status, true));
}
