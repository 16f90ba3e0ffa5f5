//! Whom watches wake, and that none acts on a list before it is whole.

use super::*;
use crate::capability::object_watches::{follow_objects, follow_secrets};
use crate::capability::tenants::Named;
use crate::cluster::watch::player::{Player, object, watch as played};
use crate::cluster::{Kind, Store};
use crate::conditions::{kind, reason};
use crate::database::settings::DatabaseSettings;
use crate::dns::DnsSettings;
use crate::gateway::Controller;
use crate::names;
use crate::telemetry::metrics::Metrics;
use http::{Request, Response};
use kube::api::DynamicObject;
use kube::client::Body;
use kube::runtime::reflector;
use serde_json::{Value, json};
use std::sync::Mutex;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;
use tower::BoxError;

/// A queue, and who was woken.
struct Woken {
    queue: Queue,
    receiver: Mutex<UnboundedReceiver<ObjectRef<Named>>>,
}

impl Woken {
    fn new() -> Self {
        let (queue, receiver) = Queue::new(Metrics::new());
        Self {
            queue,
            receiver: Mutex::new(receiver),
        }
    }

    /// Who was woken since the last call, by name.
    fn take(&self) -> Vec<String> {
        let mut names = Vec::new();
        while let Ok(tenant) = self.receiver.lock().expect("the queue").try_recv() {
            self.queue.begun(&tenant.name);
            names.push(tenant.name.clone());
        }
        names.sort();
        names
    }

    fn nobody(&self) {
        assert_eq!(self.take(), [""; 0], "a list was acted on before it was whole");
    }
}

fn tenant(name: &str, version: u64, rest: Value) -> Tenant {
    let mut whole = json!({"apiVersion": "tenant-operator.io/v1alpha1", "kind": "Tenant", "spec": {"tier": "plan"}});
    crate::testing::lay_over(&mut whole, rest);
    object(name, name, version, whole)
}

fn naming(peer: &str) -> Value {
    json!({"spec": {"network": {"ingress": {"tenants": [{"name": peer}]}}}})
}

#[tokio::test(start_paused = true)]
async fn tenants_are_woken_when_the_store_has_them_all_and_again_at_each_list() {
    let woken = Arc::new(Woken::new());
    let (store, cache) = Tenants::new();
    let (player, events) = played();
    let (queue, tenants) = (woken.queue.clone(), store.clone());
    tokio::spawn(async move { follow_tenants(events, (&tenants, cache), &queue).await });
    let stored = || store.all_names().len();

    let first = [tenant("acme", 1, json!({})), tenant("globex", 2, json!({}))];
    player
        .list(first, || {
            woken.nobody();
            assert_eq!(stored(), 0);
        })
        .await;
    assert_eq!(woken.take(), ["acme", "globex"]);

    // While there was no watch, one was deleted, one was made, and one changed that another names.
    let second = [
        tenant("globex", 3, json!({})),
        tenant("initech", 4, naming("globex")),
        tenant("umbrella", 5, json!({})),
    ];
    player
        .list(second, || {
            woken.nobody();
            assert_eq!(stored(), 2);
        })
        .await;
    assert_eq!(woken.take(), ["acme", "globex", "initech", "umbrella"]);

    // Nothing changed, but all may have failed.
    let third = [
        tenant("globex", 3, json!({})),
        tenant("initech", 4, naming("globex")),
        tenant("umbrella", 5, json!({})),
    ];
    player.list(third, || woken.nobody()).await;
    assert_eq!(woken.take(), ["globex", "initech", "umbrella"]);

    player.play(Event::Apply(tenant("globex", 6, json!({})))).await;
    assert_eq!(woken.take(), ["globex", "initech"], "itself and whoever names it");
    player.play(Event::Delete(tenant("globex", 7, json!({})))).await;
    assert_eq!(woken.take(), ["globex", "initech"]);
}

#[tokio::test(start_paused = true)]
async fn relatives_are_woken_by_what_concerns_them_and_not_by_each_status() {
    let woken = Arc::new(Woken::new());
    let (store, cache) = Tenants::new();
    let (player, events) = played();
    let (queue, tenants) = (woken.queue.clone(), store.clone());
    tokio::spawn(async move { follow_tenants(events, (&tenants, cache), &queue).await });
    let below = |parent: &str| json!({"spec": {"parent": parent}, "metadata": {"generation": 1}});
    let of_list = [
        tenant("a1", 1, below("a")),
        tenant("a11", 2, below("a1")),
        tenant("a2", 3, below("a")),
        tenant("flat", 4, json!({})),
    ];
    player.list(of_list, || woken.nobody()).await;
    woken.take();

    player
        .play(Event::Apply(tenant("a", 5, json!({"metadata": {"generation": 1}}))))
        .await;
    assert_eq!(
        woken.take(),
        ["a", "a1", "a11", "a2"],
        "the parent that was missing comes"
    );
    let counted = json!({"metadata": {"generation": 1}, "status": {"namespaceCount": 1}});
    player.play(Event::Apply(tenant("a", 6, counted))).await;
    assert_eq!(woken.take(), ["a"], "a status concerns nobody else");
    let suspended = json!({"metadata": {"generation": 2}, "spec": {"suspend": true}});
    player.play(Event::Apply(tenant("a", 7, suspended))).await;
    assert_eq!(woken.take(), ["a", "a1", "a11", "a2"]);
    let mut edited = below("a");
    edited["metadata"]["generation"] = json!(2);
    player.play(Event::Apply(tenant("a1", 8, edited.clone()))).await;
    assert_eq!(
        woken.take(),
        ["a", "a1", "a11"],
        "a child's edit concerns its parent and its own children"
    );
    player.play(Event::Delete(tenant("a1", 9, edited))).await;
    assert_eq!(woken.take(), ["a", "a1", "a11", "a2"], "a sibling takes its place");
    player
        .play(Event::Apply(tenant("flat", 10, json!({"metadata": {"generation": 2}}))))
        .await;
    assert_eq!(woken.take(), ["flat"]);
}

#[tokio::test(start_paused = true)]
async fn tiers_wake_their_tenants_when_the_store_has_them_all() {
    let woken = Arc::new(Woken::new());
    let tenants = Tenants::of(
        ["gold", "silver", "bronze"].map(|tier| tenant(&format!("of-{tier}"), 1, json!({"spec": {"tier": tier}}))),
    );
    let (store, writer) = reflector::store::<TenantTier>();
    let (player, events) = played();
    let queue = woken.queue.clone();
    let published: Arc<Mutex<Vec<String>>> = Arc::default();
    let notes = || std::mem::take(&mut *published.lock().expect("the notes"));
    let publish = {
        let published = published.clone();
        move |tier: Arc<TenantTier>, note: String| {
            let note = format!("{}: {note}", tier.name_any());
            published.lock().expect("the notes").push(note);
        }
    };
    tokio::spawn(async move { follow_tiers(events, writer, &tenants, &queue, publish).await });
    let tier_of = |name: &str, version, spec: Value| {
        let rest = json!({"apiVersion": "tenant-operator.io/v1alpha1", "kind": "TenantTier", "spec": spec});
        object::<TenantTier>(name, name, version, rest)
    };
    let tier = |name: &str, version| tier_of(name, version, json!({}));
    player
        .list([tier("gold", 1), tier("silver", 2)], || {
            woken.nobody();
            assert_eq!(store.state().len(), 0);
        })
        .await;
    assert_eq!(woken.take(), ["of-gold", "of-silver"]);
    // While there was no watch, gold was deleted and bronze was made.
    player
        .list([tier("silver", 2), tier("bronze", 3)], || {
            woken.nobody();
            assert_eq!(store.state().len(), 2);
        })
        .await;
    assert_eq!(woken.take(), ["of-bronze", "of-gold"]);

    // Only what takes something from somebody is published.
    let spec = json!({"database": {"model": "Schema"}, "quota": {"pods": 3}});
    player.play(Event::Apply(tier_of("silver", 4, spec.clone()))).await;
    player.play(Event::Apply(tier_of("nobodys", 5, spec))).await;
    assert_eq!(notes(), [""; 0]);
    for name in ["silver", "nobodys"] {
        let spec = json!({"quota": {"pods": 2}});
        player.play(Event::Apply(tier_of(name, 6, spec))).await;
    }
    assert_eq!(notes(), ["silver: the change takes from 1 tenant: database"]);
}

/// Which agents began and ended.
#[derive(Clone, Default)]
struct Agents(Arc<Mutex<Vec<String>>>);

struct Agent(Agents, String);

impl Drop for Agent {
    fn drop(&mut self) {
        self.0.note(format!("{} ends", self.1));
    }
}

impl Agents {
    fn note(&self, what: String) {
        self.0.lock().expect("agents").push(what);
    }

    fn begin(&self, name: String) -> AbortOnDropHandle<()> {
        self.note(format!("{name} begins"));
        let agent = Agent(self.clone(), name);
        AbortOnDropHandle::new(tokio::spawn(async move {
            let _agent = agent;
            std::future::pending::<()>().await;
        }))
    }

    fn take(&self) -> String {
        std::mem::take(&mut *self.0.lock().expect("agents")).join(", ")
    }
}

fn no_api_server() -> Client {
    let service = tower::service_fn(|_: Request<Body>| async {
        Err::<Response<Body>, BoxError>("there is no API server".into())
    });
    Client::new(service, "default")
}

#[tokio::test(start_paused = true)]
async fn servers_have_agents_while_the_store_has_them() {
    let (woken, metrics, agents) = (Arc::new(Woken::new()), Metrics::new(), Agents::default());
    let on = |name: &str, server: &str| {
        let database = json!({"server": server, "model": "Schema", "database": ""});
        tenant(name, 1, json!({"status": {"database": database}}))
    };
    let tenants = Tenants::of([on("on-one", "one"), on("on-two", "two"), on("on-three", "three")]);
    let (servers, writer) = reflector::store();
    let databases = Arc::new(Databases::new(
        (no_api_server(), crate::term::Term::unlimited()),
        "operator".into(),
        Arc::new(Store::default()),
        tenants,
        servers.clone(),
        (woken.queue.clone(), &metrics),
        (
            DatabaseSettings {
                period: Duration::from_secs(60),
                usage_period: Duration::from_secs(300),
            },
            DnsSettings::default(),
        ),
    ));
    let (player, events) = played();
    let (begins, of) = (agents.clone(), databases.clone());
    tokio::spawn(async move { follow_servers(events, writer, &of, |name| begins.begin(name)).await });
    let server = |name: &str, uid: &str, version| {
        let spec = json!({"host": "db", "database": "postgres", "adminSecretRef": {"name": "admin"}});
        let rest = json!({"apiVersion": "tenant-operator.io/v1alpha1", "kind": "DatabaseServer", "spec": spec,
                          "metadata": {"generation": 1}});
        object::<DatabaseServer>(name, uid, version, rest)
    };
    let check = |count| {
        woken.nobody();
        assert_eq!(agents.take(), "");
        assert_eq!(servers.state().len(), count);
    };
    player
        .list([server("one", "1", 1), server("two", "2", 2)], || check(0))
        .await;
    assert_eq!(agents.take(), "one begins, two begins");
    assert_eq!(woken.take(), ["on-one", "on-two"]);

    // While there was no watch, one was deleted and made anew, two was deleted, three was made.
    for name in ["one", "two"] {
        databases.metrics.record_server(name, 1, 1, true);
    }
    let before = databases.server_state("two");
    player
        .list([server("one", "3", 3), server("three", "4", 4)], || check(2))
        .await;
    assert_eq!(agents.take(), "one ends, two ends, one begins, three begins");
    assert_eq!(woken.take(), ["on-one", "on-three", "on-two"]);
    assert!(!metrics.encode().contains(r#"server="two""#), "its metrics are left");
    assert!(
        !Arc::ptr_eq(&before, &databases.server_state("two")),
        "its state is left"
    );

    // Only its status moved.
    player.play(Event::Apply(server("three", "4", 5))).await;
    assert_eq!((agents.take(), woken.take()), (String::new(), Vec::new()));
    player.play(Event::Delete(server("three", "4", 6))).await;
    assert_eq!(agents.take(), "three ends");
    assert_eq!(woken.take(), ["on-three"]);
}

/// Follows objects of a kind, in a cluster with one tenant that waits for another's name, one with routes and one with neither.
fn objects_of(kind: Kind, woken: &Arc<Woken>) -> (Player<DynamicObject>, Arc<Store>) {
    let conflict = json!({"type": kind::READY, "status": "False", "reason": reason::CONFLICT, "message": "",
                          "lastTransitionTime": "2026-01-01T00:00:00Z"});
    let routes = json!([{"backend": {"workload": "web"}}]);
    let tenants = Tenants::of([
        tenant("waiting", 1, json!({"status": {"conditions": [conflict]}})),
        tenant("routed", 2, json!({"spec": {"gateway": {"routes": routes}}})),
        tenant("plain", 3, json!({})),
    ]);
    let store = Arc::new(Store::default());
    let (player, events) = played();
    let (queue, into) = (woken.queue.clone(), store.clone());
    tokio::spawn(async move { follow_objects(events, kind, into, &tenants, &queue).await });
    (player, store)
}

#[tokio::test(start_paused = true)]
async fn objects_of_every_kind_wake_when_their_list_is_whole() {
    let of_gateways = [Controller::EnvoyGateway, Controller::Apisix]
        .into_iter()
        .flat_map(|controller| controller.kinds().iter().chain(controller.certificate_kinds()));
    for kind in Kind::ALL.into_iter().chain(of_gateways.copied()) {
        let woken = Arc::new(Woken::new());
        let (player, store) = objects_of(kind, &woken);
        let own = |tenant: &str, version| {
            let (namespace, name) = match kind {
                Kind::Namespace => (None, tenant.to_string()),
                Kind::ReferenceGrant => (Some("applications"), names::grant(tenant)),
                _ => (Some(tenant), "tenant".into()),
            };
            let labels = json!({"metadata": {"namespace": namespace, "labels": {names::TENANT: tenant}}});
            object::<DynamicObject>(&name, tenant, version, labels)
        };
        // At each list, those are looked at who may wait for what it brings or has no more.
        let always: &[&str] = match kind {
            Kind::Namespace | Kind::ConfigMap => &["waiting"],
            kind if Kind::ALL.contains(&kind) => &[],
            _ => &["routed"],
        };
        let with = |tenants: &[&str]| {
            let mut all: Vec<String> = tenants.iter().chain(always).map(ToString::to_string).collect();
            all.sort();
            all
        };
        player.list([own("acme", 1), own("globex", 2)], || woken.nobody()).await;
        assert_eq!(woken.take(), with(&["acme", "globex"]), "{kind}");
        // While there was no watch, one went and one came.
        player
            .list([own("acme", 1), own("initech", 3)], || woken.nobody())
            .await;
        assert_eq!(woken.take(), with(&["globex", "initech"]), "{kind}");
        assert!(store.of("globex").is_empty(), "{kind}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_name_is_woken_after_it_is_free() {
    let woken = Arc::new(Woken::new());
    let (player, store) = objects_of(Kind::Namespace, &woken);
    let namespace = |version| {
        let labels = json!({"metadata": {"labels": {names::TENANT: "acme"}}});
        object::<DynamicObject>("acme-shop", "1", version, labels)
    };
    player.list([namespace(1)], || woken.nobody()).await;
    assert_eq!(woken.take(), ["acme", "waiting"]);
    player.play(Event::Delete(namespace(2))).await;
    assert_eq!(store.holder_of_namespace("acme-shop"), None);
    assert_eq!(woken.take(), ["acme", "waiting"]);
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_others_change_wakes_its_tenant() {
    let woken = Arc::new(Woken::new());
    let tenants = Tenants::of(["acme", "globex"].map(|name| tenant(name, 1, json!({}))));
    let store = Arc::new(Store::default());
    let (player, events) = played();
    let (queue, into) = (woken.queue.clone(), store.clone());
    tokio::spawn(async move { follow_secrets(events, names::DATABASE_SECRET.into(), into, &tenants, &queue).await });
    let secret = |namespace: &str, version| {
        let namespace = json!({"metadata": {"namespace": namespace}});
        object::<DynamicObject>(names::DATABASE_SECRET, "1", version, namespace)
    };
    let is_none_in = |namespace: &str| store.secrets.shows(namespace, names::DATABASE_SECRET, None);
    player
        .list([secret("acme", 1), secret("globex", 2), secret("elsewhere", 3)], || {
            woken.nobody();
        })
        .await;
    assert_eq!(woken.take(), [""; 0], "each tenant's first pass reads it");
    player.play(Event::Apply(secret("acme", 4))).await;
    player.play(Event::Apply(secret("elsewhere", 5))).await;
    assert_eq!(woken.take(), ["acme"]);
    player.play(Event::Delete(secret("globex", 6))).await;
    assert_eq!(woken.take(), ["globex"]);
    assert!(is_none_in("globex"));

    // While there was no watch, one was deleted.
    player
        .list([secret("elsewhere", 5)], || {
            woken.nobody();
            assert!(!is_none_in("globex"), "nothing is certain without a watch");
        })
        .await;
    assert_eq!(woken.take(), ["acme"]);
    assert!(is_none_in("acme") && is_none_in("globex"));
}
