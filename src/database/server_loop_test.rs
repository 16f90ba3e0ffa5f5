//! What an agent asks the API server for, and tells it, where a tenant's namespace can answer for the server's host.

use super::*;
use crate::api::{DatabaseServer, TlsMode};
use crate::capability::Tenants;
use crate::cluster::{Key, Kind, Queue, Store};
use crate::database::settings::DatabaseSettings;
use crate::dns::DnsSettings;
use crate::names;
use crate::postgres::client::{Address, Server};
use crate::postgres::password::Password;
use crate::postgres::tls::Trust;
use crate::telemetry::metrics::Metrics;
use crate::term::Term;
use http::{Request, Response};
use kube::Client;
use kube::client::Body;
use kube::runtime::reflector;
use kube::runtime::watcher::Event;
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_util::task::AbortOnDropHandle;
use tower::BoxError;

const HOST: &str = "db.atk-x1";

/// An operator that has just begun, in a cluster where tenant `atk` has the namespaces `atk-x1` and `atk-svc`, `svc` another.
struct Scene {
    databases: Arc<Databases>,
    writer: reflector::store::Writer<DatabaseServer>,
    requests: UnboundedReceiver<(String, Value)>,
    woken: Box<dyn FnMut() -> Vec<String>>,
}

fn namespace(name: &str, tenant: &str) -> kube::api::DynamicObject {
    let labels = json!({(names::TENANT): tenant, (names::TENANT_ID): tenant, (names::MANAGED_BY): names::MANAGER});
    let metadata = json!({"name": name, "uid": name, "resourceVersion": "1", "labels": labels});
    serde_json::from_value(json!({"metadata": metadata})).expect("a namespace")
}

fn server(host: &str, tls: &Value) -> DatabaseServer {
    let spec = json!({"host": host, "tls": tls, "database": "tenants", "adminSecretRef": {"name": "admin"}});
    serde_json::from_value(
        json!({"metadata": {"name": "pg", "uid": "1", "resourceVersion": "1", "generation": 1,
                                                "finalizers": [names::FINALIZER]}, "spec": spec}),
    )
    .expect("a DatabaseServer")
}

fn scene(host: &str, tls: &Value) -> Scene {
    let (said, requests) = unbounded_channel();
    // It has nothing.
    let service = tower::service_fn(move |request: Request<Body>| {
        let said = said.clone();
        async move {
            let title = format!("{} {}", request.method(), request.uri().path());
            let body = request.into_body().collect_bytes().await?;
            let _ = said.send((title, serde_json::from_slice(&body).unwrap_or_default()));
            let status =
                json!({"kind": "Status", "status": "Failure", "reason": "NotFound", "code": 404, "message": ""});
            let response = Response::builder()
                .status(404)
                .body(Body::from(status.to_string().into_bytes()));
            Ok::<_, BoxError>(response?)
        }
    });
    let store = Store::default();
    store.put(Kind::Namespace, namespace("atk-x1", "atk"));
    store.put(Kind::Namespace, namespace("svc", "svc"));
    let (servers, mut writer) = reflector::store();
    writer.apply_watcher_event(&Event::Apply(server(host, tls)));
    let metrics = Metrics::new();
    let (queue, mut woken) = Queue::new(metrics.clone());
    let tenants = Tenants::default();
    let settings = DatabaseSettings {
        period: Duration::from_secs(60),
        usage_period: Duration::from_secs(300),
    };
    let databases = Databases::new(
        (Client::new(service, "operator"), Term::unlimited()),
        "operator".into(),
        Arc::new(store),
        tenants,
        servers,
        (queue.clone(), &metrics),
        (settings, DnsSettings::default()),
    );
    let woken = move || {
        let next = || woken.try_recv().ok().inspect(|tenant| queue.begun(&tenant.name));
        std::iter::from_fn(next).map(|tenant| tenant.name).collect()
    };
    Scene {
        databases: Arc::new(databases),
        writer,
        requests,
        woken: Box::new(woken),
    }
}

impl Scene {
    fn begin(&self) -> AbortOnDropHandle<()> {
        for kind in Kind::ALL {
            if kind != Kind::Namespace {
                self.databases.store.observe(kind, Event::Init);
                self.databases.store.observe(kind, Event::InitDone);
            }
        }
        AbortOnDropHandle::new(tokio::spawn(run_server_loop(self.databases.clone(), "pg".into())))
    }

    fn list_namespaces(&self) {
        let store = &self.databases.store;
        store.observe(Kind::Namespace, Event::Init);
        for (name, tenant) in [("atk-x1", "atk"), ("svc", "svc")] {
            store.observe(Kind::Namespace, Event::InitApply(namespace(name, tenant)));
        }
        store.observe(Kind::Namespace, Event::InitDone);
    }

    /// What is asked for until the server's status is written, and `Ready` of that.
    async fn look(&mut self) -> (Vec<String>, Value) {
        let mut asked = Vec::new();
        loop {
            let (title, body) = self.requests.recv().await.expect("a request");
            let status = body
                .as_array()
                .and_then(|patch| patch.iter().find(|step| step["path"] == "/status"));
            if let Some(status) = status {
                return (asked, status["value"]["conditions"][0].clone());
            }
            asked.push(title);
        }
    }
}

fn asks_for_the_login(asked: &[String]) -> bool {
    asked
        .iter()
        .any(|title| title == "GET /api/v1/namespaces/operator/secrets/admin")
}

#[tokio::test(start_paused = true)]
async fn a_host_that_a_tenant_can_answer_for_is_not_connected_to() {
    let mode = |mode: &str| json!({"mode": mode, "caSecretRef": {"name": "ca"}});
    let unverified = ["Disable", "Require", "VerifyCA"].map(mode);
    let captured = [
        HOST,
        "DB.Atk-X1",
        "pod-0.db.atk-x1",
        "db.atk-x1.svc",
        "db.atk-x1.svc.cluster.local",
        "db.atk-x1.svc.cluster.local.",
        "10-0-0-5.atk-x1.pod",
        "10-0-0-5.atk-x1.pod.cluster.local",
    ];
    // The whole name of the last is asked for instead, which `svc` cannot answer for.
    let free = [
        "10.0.0.5",
        "db",
        "db.atk-x1.",
        "db.atk-x2",
        "db.atk-x1.svc.example.com",
        "db.databases.svc",
    ];
    let captured = captured
        .iter()
        .flat_map(|host| unverified.iter().map(move |tls| (*host, tls.clone(), true)));
    let free = free
        .iter()
        .flat_map(|host| unverified.iter().map(move |tls| (*host, tls.clone(), false)));
    let verified = [HOST, "db.atk-x1.svc"].map(|host| [(host, mode("VerifyFull"), false), (host, json!({}), false)]);
    for (host, tls, is_captured) in captured.chain(free).chain(verified.into_iter().flatten()) {
        let mut scene = scene(host, &tls);
        let _agent = scene.begin();
        scene.list_namespaces();
        let (asked, ready) = scene.look().await;
        let case = format!("{host} {tls}: {asked:?}, {ready}");
        assert_eq!(ready["status"], "False", "{case}");
        assert_eq!(ready["reason"] == "HostCaptured", is_captured, "{case}");
        let asks = asked.iter().any(|title| title.contains("/secrets/"));
        assert_eq!(asks, !is_captured, "{case}");
        if is_captured {
            let message = ready["message"].as_str().expect("a message");
            let words = [
                host,
                "namespace atk-x1 of tenant atk",
                "VerifyFull",
                "remove the namespace",
            ];
            assert!(words.iter().all(|word| message.contains(word)), "{case}");
            assert!((scene.woken)().contains(&"atk".to_string()), "{case}");
            let Health::Away { reason, message } = scene.databases.server_state("pg").snapshot().health.clone() else {
                panic!("{case}");
            };
            assert!(reason == reason::HOST_CAPTURED && !message.contains("atk"), "{message}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn whose_namespaces_are_whose_is_known_before_anything_is_asked() {
    let mut scene = scene(HOST, &json!({"mode": "Require"}));
    scene.databases.store.forget(&Key::namespace("atk-x1"));
    let _agent = scene.begin();
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert!(scene.requests.try_recv().is_err(), "it asked before");
    scene.list_namespaces();
    assert_eq!(scene.look().await.1["reason"], "HostCaptured");
}

#[tokio::test(start_paused = true)]
async fn a_host_that_is_captured_later_is_given_up_at_once_and_taken_up_at_once() {
    let mut scene = scene(HOST, &json!({"mode": "Require"}));
    let _agent = scene.begin();
    scene.list_namespaces();
    let store = scene.databases.store.clone();
    assert_eq!(scene.look().await.1["reason"], "HostCaptured");
    (scene.woken)();
    for _ in 0..3 {
        // The tenant goes.
        let before = tokio::time::Instant::now();
        store.forget(&Key::namespace("atk-x1"));
        let (asked, ready) = scene.look().await;
        assert!(
            asks_for_the_login(&asked) && ready["reason"] == "InvalidServer",
            "{asked:?} {ready}"
        );
        assert_eq!((scene.woken)(), ["atk"]);
        // It is connected to when the tenant comes.
        let address = Address {
            host: HOST.into(),
            port: 5432,
            trust: Some(Trust::Anyone),
            oldest_tls: None,
            user: "operator".into(),
            password: Password::from_secret("hunter2"),
            database: "tenants".into(),
            connections: 3,
        };
        let connection = Arc::new(Connection {
            server: Server::new(address.clone(), Term::unlimited()).expect("settings"),
            address,
            tls: TlsMode::Require,
            ca: None,
        });
        scene.databases.server_state("pg").snapshot().connection = Some(connection.clone());
        store.put(Kind::Namespace, namespace("atk-x1", "atk"));
        let (asked, ready) = scene.look().await;
        assert!(
            !asks_for_the_login(&asked) && ready["reason"] == "HostCaptured",
            "{asked:?} {ready}"
        );
        assert!(before.elapsed() < RETRY.0, "found by polling: {:?}", before.elapsed());
        assert!(
            scene.databases.server_state("pg").snapshot().connection.is_none(),
            "it is still used"
        );
        let refused = connection.server.connect_to("tenants").await.expect_err("closed");
        assert!(matches!(refused, Error::Unreachable(_)), "{refused}");
        assert_eq!((scene.woken)(), ["atk"]);
    }
    // A namespace of somebody else's does not matter.
    store.put(Kind::Namespace, namespace("other", "other"));
    tokio::time::sleep(RETRY.0).await;
    assert!(scene.requests.try_recv().is_err() && (scene.woken)().is_empty());
    // The host changes, which the watch of servers says.
    let changed = server("10.0.0.5", &json!({"mode": "Require"}));
    scene.writer.apply_watcher_event(&Event::Apply(changed));
    scene.databases.server_state("pg").notify.notify_one();
    assert_eq!(scene.look().await.1["reason"], "InvalidServer");
    assert_eq!((scene.woken)(), ["atk"]);
}
