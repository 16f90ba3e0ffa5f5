//! One object that cannot be decoded, of every kind that is watched: what others' objects become is seen at once, and nobody takes
//! it for an object that is not there.

use super::events::Events;
use super::resource_watches;
use crate::api::{DatabaseServer, Tenant, TenantTier};
use crate::capability::{Tenants, Watching};
use crate::cluster::client::watch_config;
use crate::cluster::{Kind, Queue, Store};
use crate::database::Databases;
use crate::database::settings::DatabaseSettings;
use crate::dns::DnsSettings;
use crate::gateway::Controller;
use crate::isolation::access::Watched;
use crate::isolation::cache::Cache;
use crate::isolation::report;
use crate::names;
use crate::proof::Outcome;
use crate::telemetry::metrics::Metrics;
use crate::testing::lay_over;
use futures::{StreamExt, stream};
use http::{Request, Response};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::client::Body;
use kube::runtime::reflector::{self, ObjectRef};
use kube::{Client, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

/// How long a change of another object may take.
const AT_ONCE: Duration = Duration::from_millis(100);
/// How often the object changes that cannot be decoded.
const CHANGES: u64 = 20;
const LAST: &str = "1000";

/// An API server that tells this of every kind whose path ends so, and of no other kind anything.
fn api_server(plural: &str, lines: Vec<String>) -> Client {
    let (plural, lines) = (format!("/{plural}"), Arc::new(lines));
    let service = tower::service_fn(move |request: Request<Body>| {
        let is_first = request
            .uri()
            .query()
            .is_some_and(|query| query.contains("sendInitialEvents=true"));
        let is_asked = request.uri().path().ends_with(&plural) && is_first;
        let lines = if is_asked { lines.to_vec() } else { Vec::new() };
        let lines = stream::iter(lines).map(|line| Ok::<_, std::io::Error>(line + "\n"));
        async move {
            let body = axum::body::Body::from_stream(lines.chain(stream::pending()));
            Ok::<_, tower::BoxError>(Response::new(body))
        }
    });
    Client::new(service, "default")
}

/// What a watch brings: a list of two objects, many changes of the one, and then one of the other.
fn lines(good: &Value, bad: &Value, written_as: impl Fn(String) -> String) -> Vec<String> {
    let line = |kind: &str, object: &Value, version: &str| {
        let mut object = object.clone();
        lay_over(&mut object, json!({"metadata": {"resourceVersion": version}}));
        // The kind first, as Go writes it.
        format!(r#"{{"type":"{kind}","object":{object}}}"#)
    };
    let bad = |kind: &str, version: &str| written_as(line(kind, bad, version));
    let end = json!({"apiVersion": good["apiVersion"], "kind": good["kind"],
                     "metadata": {"annotations": {"k8s.io/initial-events-end": "true"}}});
    let mut lines = vec![bad("ADDED", "1"), line("ADDED", good, "2"), line("BOOKMARK", &end, "3")];
    lines.extend((10..10 + CHANGES).map(|version| bad("MODIFIED", &version.to_string())));
    lines.push(line("MODIFIED", good, LAST));
    lines
}

/// Returns once it is so, which is at once.
async fn takes(what: &str, is_so: impl AsyncFn() -> bool) {
    let start = Instant::now();
    while !is_so().await {
        assert!(start.elapsed() < Duration::from_secs(300), "{what}: never seen");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(start.elapsed() <= AT_ONCE, "{what}: seen after {:?}", start.elapsed());
}

fn spawn(task: impl Future<Output = ()> + Send + 'static) -> AbortOnDropHandle<()> {
    AbortOnDropHandle::new(tokio::spawn(task))
}

/// An object with what keeps it from being decoded.
fn object(kind: &str, namespace: Option<&str>, name: &str, rest: Value) -> Value {
    let group = match kind {
        "NetworkPolicy" => "networking.k8s.io/v1",
        "EndpointSlice" => "discovery.k8s.io/v1",
        kind if kind.contains("Role") => "rbac.authorization.k8s.io/v1",
        _ => "tenant-operator.io/v1alpha1",
    };
    let mut whole = json!({"apiVersion": group, "kind": kind, "metadata": {"name": name, "uid": name}});
    if let Some(namespace) = namespace {
        whole["metadata"]["namespace"] = namespace.into();
    }
    lay_over(&mut whole, rest);
    whole
}

/// Written so that jiff does not read it, as anybody may have it who may write the object.
fn written_in_9999() -> Value {
    json!({"metadata": {"managedFields": [{"manager": "x", "time": "9999-12-31T23:59:59Z"}]}})
}

fn of_version<K: Resource<DynamicType = ()> + Clone>(
    store: &reflector::Store<K>,
    name: &str,
    namespace: Option<&str>,
) -> bool {
    let mut key = ObjectRef::new(name);
    key.namespace = namespace.map(str::to_string);
    let found = store.get(&key);
    found.is_some_and(|object| object.meta().resource_version.as_deref() == Some(LAST))
}

fn probe() -> Value {
    json!([{"name": "web", "livenessProbe": {"httpGet": {"port": 3_000_000_000_u64}}}])
}

#[tokio::test(start_paused = true)]
async fn a_tenant_that_cannot_be_decoded_holds_up_no_other() {
    for (rest, field) in [
        (
            json!({"workloads": probe()}),
            "spec.workloads[0].livenessProbe.httpGet.port",
        ),
        (json!({"configuration": {"deep": "here"}}), "spec.configuration"),
        (json!({"suspend": "yes"}), "spec.suspend"),
    ] {
        let owners = json!([{"kind": "User", "name": "alice", "role": "Admin"}]);
        let good = object("Tenant", None, "good", json!({"spec": {"tier": "gold"}}));
        let mut bad = object(
            "Tenant",
            None,
            "bad",
            json!({"spec": {"tier": "gold", "owners": owners}}),
        );
        lay_over(&mut bad, json!({"spec": rest}));
        let deep = format!("{}1{}", "[".repeat(130), "]".repeat(130));
        let lines = lines(&good, &bad, |line| line.replace(r#""here""#, &deep));
        let (queue, _woken) = Queue::new(Metrics::new());
        let (store, cache) = Tenants::new();
        let _watch = spawn(resource_watches::tenants(
            api_server("tenants", lines),
            (store.clone(), cache),
            queue,
        ));
        takes(field, async || {
            store
                .get("good")
                .is_some_and(|good| good.metadata.resource_version.as_deref() == Some(LAST))
        })
        .await;
        let bad: Arc<Tenant> = store.get("bad").expect("the other one, too");
        assert_eq!(bad.spec.owners[0].name, "alice");
        assert_eq!(
            bad.spec
                .unread
                .iter()
                .map(|unread| unread.field.as_str())
                .collect::<Vec<_>>(),
            [field]
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_tier_or_a_server_that_cannot_be_decoded_holds_up_no_other() {
    let (queue, _woken) = Queue::new(Metrics::new());
    let tenants = Tenants::default();
    let (store, writer) = reflector::store();
    let good = object("TenantTier", None, "good", json!({"spec": {}}));
    let bad = object(
        "TenantTier",
        None,
        "bad",
        json!({"spec": {"maxNamespaces": 3_000_000_000_u64}}),
    );
    let lines_of_tiers = lines(&good, &bad, |line| line);
    let watch = resource_watches::tiers(
        api_server("tenanttiers", lines_of_tiers),
        writer,
        tenants.clone(),
        queue.clone(),
        Arc::new(Events::new(api_server("events", Vec::new()), "test")),
    );
    let _watch = spawn(watch);
    takes("a tier", async || of_version(&store, "good", None)).await;
    let bad: Arc<TenantTier> = store.get(&ObjectRef::new("bad")).expect("the other one, too");
    assert_eq!(bad.spec.unread[0].field, "spec.maxNamespaces");

    let (servers, writer) = reflector::store();
    let spec = json!({"host": "db", "database": "tenants", "adminSecretRef": {"name": "admin"}});
    let good = object("DatabaseServer", None, "good", json!({"spec": spec}));
    let mut bad = object("DatabaseServer", None, "bad", json!({"spec": spec}));
    lay_over(&mut bad, json!({"spec": {"port": 3_000_000_000_u64}}));
    let client = api_server("databaseservers", lines(&good, &bad, |line| line));
    let settings = DatabaseSettings {
        period: Duration::from_secs(60),
        usage_period: Duration::from_secs(300),
    };
    let databases = Arc::new(Databases::new(
        (client.clone(), crate::term::Term::unlimited()),
        "operator".into(),
        Arc::new(Store::default()),
        tenants,
        servers.clone(),
        (queue, &Metrics::new()),
        (settings, DnsSettings::default()),
    ));
    let _watch = spawn(resource_watches::servers(client, writer, databases));
    takes("a server", async || of_version(&servers, "good", None)).await;
    let bad: Arc<DatabaseServer> = servers.get(&ObjectRef::new("bad")).expect("the other one, too");
    assert_eq!(bad.spec.unread[0].field, "spec.port");
}

#[tokio::test(start_paused = true)]
async fn an_object_of_a_tenant_that_cannot_be_decoded_holds_up_no_other() {
    let of_gateways = [Controller::EnvoyGateway, Controller::Apisix]
        .into_iter()
        .flat_map(|controller| controller.kinds().iter().chain(controller.certificate_kinds()));
    let reports = report::KINDS.into_iter();
    for kind in Kind::ALL.into_iter().chain(of_gateways.copied()).chain(reports) {
        let of = |tenant: &str, rest: Value| {
            let (namespace, name) = match kind {
                Kind::Namespace => (None, tenant.to_string()),
                Kind::ReferenceGrant => (Some("applications"), names::grant(tenant)),
                Kind::ClusterReport | Kind::ClusterPolicyReport => (None, names::report(tenant)),
                _ => (Some(tenant), "tenant".into()),
            };
            let mut object = object(kind.as_str(), namespace, &name, rest);
            lay_over(&mut object, json!({"metadata": {"labels": {names::TENANT: tenant}}}));
            object
        };
        for rest in [
            written_in_9999(),
            json!({"metadata": {"generation": "7"}}),
            json!({"deep": "here"}),
        ] {
            let deep = format!("{}1{}", "[".repeat(130), "]".repeat(130));
            let lines = lines(&of("good", json!({})), &of("bad", rest.clone()), |line| {
                line.replace(r#""here""#, &deep)
            });
            let (queue, _woken) = Queue::new(Metrics::new());
            let tenants = Tenants::default();
            let store = Arc::new(Store::default());
            let client = api_server(&kind.resource().plural, lines);
            let watching = Watching {
                client,
                store: store.clone(),
                tenants,
                queue,
                period: Duration::from_secs(1),
            };
            let _watch = spawn(async move { watching.objects(kind).await });
            let is_seen = async || store.of("good").into_values().any(|live| live.resource_version == LAST);
            takes(&format!("{kind} with {rest}"), is_seen).await;
            assert_eq!(store.of("bad").len(), 1, "{kind} with {rest}: the other one, too");
        }
    }
}

/// Follows all objects of a kind that can open a way; how it stands for the tenant whose object cannot be decoded, and for another.
async fn opened<K>(plural: &str, rest: Value) -> [bool; 2]
where
    K: crate::cluster::decode::Readable<DynamicType = ()>
        + Resource<DynamicType = ()>
        + Clone
        + Serialize
        + DeserializeOwned
        + Debug
        + Send
        + Sync
        + 'static,
{
    let kind = K::kind(&()).to_string();
    let lines = lines(
        &object(&kind, Some("good"), "one", json!({})),
        &object(&kind, Some("bad"), "one", rest.clone()),
        |line| line,
    );
    let versions = |objects: &[Arc<K>]| {
        objects
            .iter()
            .any(|object| object.resource_version().as_deref() == Some(LAST))
    };
    let (kept, keeping) = Cache::<K>::new(
        api_server(plural, lines),
        watch_config(),
        (|_| {}, 1 << 20),
        move |objects| {
            let found = versions(objects).then(|| ("seen".to_string(), Vec::new()));
            Ok(found.into_iter().collect())
        },
    );
    let _watch = spawn(keeping);
    let is_seen = async || kept.evaluate().is_ok_and(|found| found.contains_key("seen"));
    takes(&format!("{kind} with {rest}"), is_seen).await;
    ["good", "bad"].map(|name| kept.outcome(name, &[name.to_string()]) == Outcome::Passed)
}

#[tokio::test(start_paused = true)]
async fn what_opens_a_way_and_cannot_be_decoded_holds_up_no_other_and_proves_nothing() {
    let written = written_in_9999();
    assert_eq!(
        opened::<NetworkPolicy>("networkpolicies", written.clone()).await,
        [true, true]
    );
    assert_eq!(opened::<EndpointSlice>("endpointslices", written).await, [true, true]);
    assert_eq!(
        opened::<NetworkPolicy>("networkpolicies", json!({"spec": {"ingress": 7}})).await,
        [true, false]
    );
    let ports = json!({"ports": [{"port": 3_000_000_000_u64}]});
    assert_eq!(opened::<EndpointSlice>("endpointslices", ports).await, [true, false]);
}

#[tokio::test(start_paused = true)]
async fn a_role_or_binding_that_cannot_be_decoded_is_not_taken_for_none() {
    for (plural, kind, is_namespaced, part) in [
        ("roles", "Role", true, "rules"),
        ("clusterroles", "ClusterRole", false, "rules"),
        ("rolebindings", "RoleBinding", true, "subjects"),
        ("clusterrolebindings", "ClusterRoleBinding", false, "subjects"),
    ] {
        for (rest, unread) in [
            (written_in_9999(), false),
            (json!({part: [{"apiGroup": 7, "apiGroups": 7}]}), true),
        ] {
            let namespace = |name: &'static str| is_namespaced.then_some(name);
            let lines = lines(
                &object(kind, namespace("good"), "good", json!({})),
                &object(kind, namespace("bad"), "bad", rest),
                |line| line,
            );
            let (watched, _handles) = Watched::start(&api_server(plural, lines));
            // The list and a change for each line after it.
            let is_seen = async || watched.revision() > 3 + CHANGES;
            takes(kind, is_seen).await;
            let found = tokio::task::spawn_blocking(move || watched.rbac().unread())
                .await
                .expect("what is unread");
            let expected = unread.then(|| namespace("bad").unwrap_or_default().to_string());
            assert_eq!(Vec::from_iter(found), Vec::from_iter(expected), "{kind}");
        }
    }
}
