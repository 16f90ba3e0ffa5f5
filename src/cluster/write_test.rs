//! The writes against an API server that has a bad day. Time is simulated.

use super::*;
use crate::cluster::client::CallLayer;
use crate::term::Term;
use crate::testing::lay_over;
use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use kube::client::{Body, ClientBuilder};
use serde_json::{Value, json};
use std::collections::VecDeque;
use tokio::time::Instant;

const OWNER: (&str, &str) = ("acme", "id-1");

fn owner() -> Identity {
    Identity {
        tenant: OWNER.0.into(),
        id: OWNER.1.into(),
    }
}

fn key() -> Key {
    Key {
        kind: Kind::ConfigMap,
        namespace: "acme".into(),
        name: "a".into(),
    }
}

/// The object as it should be.
fn wanted() -> Desired {
    let value = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {
            "name": "a", "namespace": "acme",
            "labels": {names::TENANT: OWNER.0, names::TENANT_ID: OWNER.1, names::MANAGED_BY: names::MANAGER},
            "annotations": {names::OWNED_BY: owner().annotation()},
        },
        "data": {"key": "wanted"},
    });
    Desired {
        key: key(),
        value,
        others: Vec::new(),
        takes_over: false,
    }
}

/// The object as the API server has it.
fn stored(uid: &str, version: u64, over: Value) -> Value {
    let mut value = wanted().value;
    lay_over(
        &mut value,
        json!({"metadata": {"uid": uid, "resourceVersion": version.to_string()}}),
    );
    lay_over(&mut value, over);
    value
}

fn drifted(uid: &str, version: u64) -> Value {
    stored(uid, version, json!({"data": {"key": "drifted"}}))
}

fn foreign(labels: Value) -> Value {
    let mut value = drifted("u9", 5);
    value["metadata"]["labels"] = labels;
    value["metadata"]["annotations"] = json!({});
    value
}

fn status(code: u16, reason: &str, message: &str) -> (u16, Value) {
    (
        code,
        json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": message}),
    )
}

fn exists() -> (u16, Value) {
    status(409, "AlreadyExists", "configmaps \"a\" already exists")
}

fn conflict() -> (u16, Value) {
    status(409, "Conflict", "the object has been modified")
}

fn gone() -> (u16, Value) {
    status(404, "NotFound", "configmaps \"a\" not found")
}

fn forbidden() -> (u16, Value) {
    let message = r#"configmaps is forbidden: User "system:serviceaccount:o:o" cannot create resource "configmaps" in API group "" in the namespace "acme""#;
    status(403, "Forbidden", message)
}

/// Requests: verb and body.
type Asked = Vec<(String, Value)>;

struct Scene {
    writer: Writer,
    store: Arc<Store>,
    asked: Arc<Mutex<Asked>>,
    start: Instant,
}

/// A server that gives these answers in turn, and repeats the last one.
fn scene(answers: impl IntoIterator<Item = (u16, Value)>) -> Scene {
    let script: Arc<Mutex<VecDeque<(u16, Value)>>> = Arc::new(Mutex::new(answers.into_iter().collect()));
    let asked: Arc<Mutex<Asked>> = Arc::default();
    let log = asked.clone();
    let server = tower::service_fn(
        move |request: Request<Body>| -> BoxFuture<'static, Result<_, tower::BoxError>> {
            let (script, log) = (script.clone(), log.clone());
            Box::pin(async move {
                let verb = request.method().to_string();
                let body = request.into_body().collect().await?.to_bytes();
                log.lock()
                    .expect("no panic")
                    .push((verb, serde_json::from_slice(&body).unwrap_or(Value::Null)));
                let (code, body) = {
                    let mut script = script.lock().expect("no panic");
                    if script.len() > 1 {
                        script.pop_front()
                    } else {
                        script.front().cloned()
                    }
                    .ok_or("no answer is left")?
                };
                let response = Response::builder().status(StatusCode::from_u16(code)?);
                Ok(response.body(Full::new(Bytes::from(body.to_string())))?)
            })
        },
    );
    let store = Arc::new(Store::default());
    let client = Client::new(server, "default");
    let writer = Writer::new(client, store.clone(), Metrics::new());
    Scene {
        writer,
        store,
        asked,
        start: Instant::now(),
    }
}

impl Scene {
    /// Objects from the watch.
    fn knows(self, object: Value) -> Self {
        self.store
            .put(Kind::ConfigMap, serde_json::from_value(object).expect("an object"));
        self
    }

    async fn ensure(&self) -> Result<Applied, Error> {
        self.writer.ensure(&owner(), &wanted()).await
    }

    fn verbs(&self) -> Vec<String> {
        self.asked
            .lock()
            .expect("no panic")
            .iter()
            .map(|(verb, _)| verb.clone())
            .collect()
    }

    fn body(&self, at: usize) -> Value {
        self.asked.lock().expect("no panic")[at].1.clone()
    }

    fn known(&self) -> Option<Live> {
        self.store.get(OWNER.0, &key())
    }
}

fn updated() -> Applied {
    Applied::Updated("data.key".into())
}

#[tokio::test(start_paused = true)]
async fn what_is_not_there_is_created_and_known_at_once() {
    let scene = scene([(201, stored("u1", 1, json!({})))]);
    assert_eq!(scene.ensure().await.expect("created"), Applied::Created);
    assert_eq!(scene.known().expect("known").uid, "u1");
    assert_eq!(scene.ensure().await.expect("unchanged"), Applied::Unchanged);
    assert_eq!(scene.verbs(), ["POST"]);
    assert_eq!(scene.body(0), wanted().value);
}

#[tokio::test(start_paused = true)]
async fn what_is_as_it_should_be_costs_no_request() {
    let scene = scene([exists()]).knows(stored("u1", 1, json!({})));
    assert_eq!(scene.ensure().await.expect("unchanged"), Applied::Unchanged);
    assert!(scene.verbs().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_exists_already_and_is_ours_is_left_or_mended() {
    let same = scene([exists(), (200, stored("u1", 4, json!({})))]);
    assert_eq!(same.ensure().await.expect("unchanged"), Applied::Unchanged);
    assert_eq!(same.verbs(), ["POST", "GET"]);
    assert_eq!(same.known().expect("known").resource_version, "4");

    let other = scene([exists(), (200, drifted("u1", 4)), (200, stored("u1", 5, json!({})))]);
    assert_eq!(other.ensure().await.expect("mended"), updated());
    assert_eq!(other.verbs(), ["POST", "GET", "PUT"]);
    let metadata = &other.body(2)["metadata"];
    assert_eq!(
        (&metadata["uid"], &metadata["resourceVersion"]),
        (&json!("u1"), &json!("4")),
        "nothing unseen is overwritten"
    );
    assert_eq!(other.known().expect("known").resource_version, "5");

    // Labels stripped: the annotation still tells whose it is, and the marks come back.
    let mut bare = drifted("u1", 4);
    bare["metadata"]["labels"] = json!({});
    let stripped = scene([exists(), (200, bare), (200, stored("u1", 5, json!({})))]);
    assert!(matches!(stripped.ensure().await, Ok(Applied::Updated(_))));
    assert_eq!(stripped.body(2)["metadata"]["labels"][names::TENANT_ID], OWNER.1);
}

#[tokio::test(start_paused = true)]
async fn what_is_foreign_is_never_written() {
    for (case, labels, tenant) in [
        ("nobody's", json!({}), None),
        (
            "another tenant's",
            json!({names::TENANT: "globex", names::TENANT_ID: "id-2"}),
            Some("globex"),
        ),
        (
            "an earlier tenant's of the name",
            json!({names::TENANT: OWNER.0, names::TENANT_ID: "id-0"}),
            Some(OWNER.0),
        ),
        ("half marked", json!({names::TENANT: OWNER.0}), Some(OWNER.0)),
        ("marked by the id alone", json!({names::TENANT_ID: OWNER.1}), None),
    ] {
        let scene = scene([exists(), (200, foreign(labels))]);
        match scene.ensure().await {
            Err(Error::Foreign {
                key: of, tenant: found, ..
            }) => {
                assert_eq!((of, found.as_deref()), (key(), tenant), "{case}");
            }
            other => panic!("{case}: {other:?}"),
        }
        assert_eq!(scene.verbs(), ["POST", "GET"], "{case}");
    }
    let takes_over = Desired {
        takes_over: true,
        ..wanted()
    };
    let unmarked = scene([exists(), (200, foreign(json!({}))), (200, stored("u9", 6, json!({})))]);
    assert!(matches!(
        unmarked.writer.ensure(&owner(), &takes_over).await,
        Ok(Applied::Updated(_))
    ));
    let theirs = scene([
        exists(),
        (200, foreign(json!({names::TENANT: "globex", names::TENANT_ID: "id-2"}))),
    ]);
    assert!(matches!(
        theirs.writer.ensure(&owner(), &takes_over).await,
        Err(Error::Foreign { .. })
    ));
    assert_eq!(theirs.verbs(), ["POST", "GET"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_being_deleted_is_waited_for() {
    let terminating = stored(
        "u1",
        4,
        json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}),
    );
    let scene = scene([exists()]).knows(terminating);
    assert!(matches!(scene.ensure().await, Err(Error::Terminating(of)) if of.key == key()));
    assert!(scene.verbs().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_the_watch_does_not_follow_is_never_known() {
    let relabelled = json!({"metadata": {"labels": {names::MANAGED_BY: "Helm"}}});
    let scene = self::scene([(200, stored("u1", 7, relabelled.clone()))]).knows(drifted("u1", 4));
    let found = scene
        .writer
        .fetch(&key())
        .await
        .expect("an answer")
        .expect("it is there");
    assert!(found.belongs_to(&owner()), "by its other marks");
    assert!(scene.known().is_none(), "nobody would say when it is gone");

    // Something writes the label back each time.
    let written = (200, stored("u1", 8, relabelled.clone()));
    let scene = self::scene([exists(), (200, stored("u1", 7, relabelled)), written]);
    scene.ensure().await.expect("written");
    assert_eq!(scene.verbs(), ["POST", "GET", "PUT"]);
    assert!(scene.known().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_namespace_that_is_gone_is_forgotten_with_everything_in_it() {
    let labels = wanted().value["metadata"]["labels"].clone();
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace",
                           "metadata": {"name": "acme", "uid": "n", "resourceVersion": "3", "labels": labels}});
    let mut other = stored("u2", 3, json!({"metadata": {"name": "b"}}));
    other["metadata"]["labels"] = labels;
    let lost = || status(404, "NotFound", "namespaces \"acme\" not found");
    let knowing = |answers: [(u16, Value); 2]| {
        let scene = scene(answers).knows(other.clone());
        let namespace = serde_json::from_value(namespace.clone()).expect("a namespace");
        scene.store.put(Kind::Namespace, namespace);
        scene
    };
    let scene = knowing([lost(), lost()]);
    assert!(scene.ensure().await.is_err());
    assert_eq!(scene.verbs(), ["POST", "GET"]);
    assert!(scene.store.of(OWNER.0).is_empty());

    let there = knowing([lost(), (200, namespace.clone())]);
    assert!(there.ensure().await.is_err());
    assert_eq!(
        there.store.of(OWNER.0).len(),
        2,
        "the kind is not served, and the namespace is there"
    );
}

#[tokio::test(start_paused = true)]
async fn a_conflict_is_looked_into_and_tried_again() {
    let scene = scene([conflict(), (200, drifted("u1", 7)), (200, stored("u1", 8, json!({})))]).knows(drifted("u1", 4));
    assert_eq!(scene.ensure().await.expect("mended"), updated());
    assert_eq!(scene.verbs(), ["PUT", "GET", "PUT"]);
    assert_eq!(scene.body(0)["metadata"]["resourceVersion"], "4");
    assert_eq!(scene.body(2)["metadata"]["resourceVersion"], "7");
}

#[tokio::test(start_paused = true)]
async fn a_conflict_with_somebody_who_did_our_work_ends_there() {
    let scene = scene([conflict(), (200, stored("u1", 7, json!({})))]).knows(drifted("u1", 4));
    assert_eq!(scene.ensure().await.expect("nothing left to do"), Applied::Unchanged);
    assert_eq!(scene.verbs(), ["PUT", "GET"]);
}

#[tokio::test(start_paused = true)]
async fn a_conflict_with_a_thief_is_told() {
    let scene = scene([
        conflict(),
        (200, foreign(json!({names::TENANT: "globex", names::TENANT_ID: "id-2"}))),
    ])
    .knows(drifted("u1", 4));
    assert!(matches!(scene.ensure().await, Err(Error::Foreign { .. })));
    assert_eq!(scene.verbs(), ["PUT", "GET"]);
}

#[tokio::test(start_paused = true)]
async fn conflicts_without_end_are_given_up() {
    let rounds = (0..100).flat_map(|i| [conflict(), (200, drifted("u1", 10 + i))]);
    let scene = scene(rounds).knows(drifted("u1", 4));
    let error = scene.ensure().await.expect_err("contended");
    assert!(matches!(&error, Error::Contended(of) if *of == key()));
    assert!(error.is_transient());
    assert_eq!(scene.verbs().iter().filter(|verb| *verb == "PUT").count(), CONFLICTS);
}

#[tokio::test(start_paused = true)]
async fn what_vanished_before_it_could_be_replaced_is_made_anew() {
    let scene = scene([gone(), gone(), (201, stored("u2", 9, json!({})))]).knows(drifted("u1", 4));
    assert_eq!(scene.ensure().await.expect("made anew"), Applied::Created);
    assert_eq!(scene.verbs(), ["PUT", "GET", "POST"]);
    assert_eq!(scene.body(2)["metadata"].get("uid"), None);
    assert_eq!(scene.known().expect("known").uid, "u2");
}

#[tokio::test(start_paused = true)]
async fn what_vanished_after_it_was_in_the_way_is_made_after_all() {
    let scene = scene([exists(), gone(), (201, stored("u2", 9, json!({})))]);
    assert_eq!(scene.ensure().await.expect("made"), Applied::Created);
    assert_eq!(scene.verbs(), ["POST", "GET", "POST"]);
}

#[tokio::test(start_paused = true)]
async fn a_right_that_is_not_known_everywhere_yet_is_waited_for() {
    let scene = scene([forbidden(), forbidden(), forbidden(), (201, stored("u1", 1, json!({})))]);
    assert_eq!(scene.ensure().await.expect("created"), Applied::Created);
    assert_eq!(scene.verbs(), ["POST"; 4]);
    assert!(scene.start.elapsed() < Duration::from_millis(200));
}

#[tokio::test(start_paused = true)]
async fn a_right_that_does_not_come_is_given_up_within_three_seconds() {
    let scene = scene([forbidden()]);
    let error = scene.ensure().await.expect_err("forbidden");
    assert_eq!((error.reason(), error.is_stalled()), ("ApiForbidden", true));
    assert!(error.to_string().starts_with("ConfigMap acme/a: "), "{error}");
    assert_eq!(scene.verbs().len(), RIGHTS_DELAYS.len() + 1);
    let took = scene.start.elapsed();
    assert!(
        took > Duration::from_secs(2) && took <= Duration::from_secs(3),
        "{took:?}"
    );
}

/// The API server learns of a namespace's hosts a moment after they were written there.
#[tokio::test(start_paused = true)]
async fn what_the_hosts_on_the_namespace_do_not_yet_allow_is_tried_again() {
    let message = format!(
        "httproutes \"a\" is forbidden: ValidatingAdmissionPolicy '{0}' with binding '{0}' denied request: not: a.example.com",
        names::GATEWAY_CONFINEMENT
    );
    let scene = scene([status(403, "Forbidden", &message), (201, stored("u1", 1, json!({})))]);
    assert_eq!(scene.ensure().await.expect("created"), Applied::Created);
    assert_eq!(scene.verbs(), ["POST", "POST"]);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_by_quota_policy_or_namespace_is_final() {
    for message in [
        "configmaps \"a\" is forbidden: exceeded quota: tenant, requested: configmaps=1, used: configmaps=9, limited: configmaps=9",
        "configmaps \"a\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: a tenant cannot have this",
        "configmaps \"a\" is forbidden: unable to create new content in namespace acme because it is being terminated",
    ] {
        let scene = scene([status(403, "Forbidden", message), gone()]);
        let error = scene.ensure().await.expect_err(message);
        assert!(error.to_string().contains(message), "{error}");
        assert_eq!(scene.verbs(), ["POST", "GET"], "{message}");
        assert_eq!(scene.start.elapsed(), Duration::ZERO);
    }
}

#[tokio::test(start_paused = true)]
async fn what_exists_is_found_although_a_full_quota_is_asked_first() {
    let full = || {
        status(
            403,
            "Forbidden",
            "configmaps \"a\" is forbidden: exceeded quota: tenant",
        )
    };
    let same = scene([full(), (200, stored("u1", 4, json!({})))]);
    assert_eq!(same.ensure().await.expect("unchanged"), Applied::Unchanged);
    let other = scene([full(), (200, drifted("u1", 4)), (200, stored("u1", 5, json!({})))]);
    assert_eq!(other.ensure().await.expect("mended"), updated());
    let theirs = scene([full(), (200, foreign(json!({})))]);
    assert!(matches!(theirs.ensure().await, Err(Error::Foreign { .. })));
    assert_eq!(theirs.verbs(), ["POST", "GET"]);
}

#[tokio::test(start_paused = true)]
async fn other_refusals_are_told_and_not_repeated() {
    for (code, reason) in [
        (422, "ApiInvalid"),
        (400, "ApiInvalid"),
        (500, "ApiUnavailable"),
        (429, "ApiThrottled"),
    ] {
        let scene = scene([status(code, "Because", "of this")]).knows(drifted("u1", 4));
        let error = scene.ensure().await.expect_err(reason);
        assert_eq!(error.reason(), reason);
        assert_eq!(error.to_string(), format!("ConfigMap acme/a: of this (Because {code})"));
        assert_eq!(scene.verbs(), ["PUT"]);
        assert_eq!(scene.known().expect("as it was").resource_version, "4");
    }
}

#[tokio::test(start_paused = true)]
async fn silence_ends_with_a_timeout() {
    let metrics = Metrics::new();
    let silent =
        tower::service_fn(|_: Request<Body>| std::future::pending::<Result<Response<Full<Bytes>>, tower::BoxError>>());
    let client = ClientBuilder::new(silent, "default")
        .with_layer(&CallLayer {
            metrics: metrics.clone(),
            term: Term::unlimited(),
        })
        .build();
    let writer = Writer::new(client, Arc::default(), metrics);
    let start = Instant::now();
    let late = writer
        .ensure(&owner(), &wanted())
        .await
        .expect_err("nothing was answered");
    assert_eq!(
        (late.reason(), late.is_transient(), late.is_stalled()),
        ("ApiTimeout", true, false)
    );
    assert!(late.chain().starts_with("ConfigMap acme/a: "), "{}", late.chain());
    assert!(late.chain().contains("did not answer in time"), "{}", late.chain());
    assert!(start.elapsed() < Duration::from_secs(60));
}

#[tokio::test(start_paused = true)]
async fn a_replacement_that_changes_nothing_is_not_repeated_but_drift_is_still_mended() {
    // The API server keeps `drifted` after every write.
    let scene = scene([(200, drifted("u1", 4))]).knows(drifted("u1", 4));
    assert_eq!(scene.ensure().await.expect("tried"), Applied::Unchanged);
    for _ in 0..3 {
        assert_eq!(scene.ensure().await.expect("known to be undone"), Applied::Unchanged);
    }
    assert_eq!(scene.verbs(), ["PUT"]);
    // Its status moves, and with it its version.
    let mut moved = drifted("u1", 5);
    moved["status"] = json!({"phase": "Ready"});
    let scene = scene.knows(moved);
    assert_eq!(scene.ensure().await.expect("still undone"), Applied::Unchanged);
    // Somebody changes it, at the same path or another.
    let scene = scene.knows(stored("u1", 6, json!({"data": {"key": "drifted further"}})));
    assert_eq!(scene.ensure().await.expect("mended"), updated());
    let scene = scene.knows(stored("u1", 7, json!({"data": {"key": "drifted", "other": "x"}})));
    assert_eq!(scene.ensure().await.expect("mended"), updated());
    // And the tenant asks for something else.
    let scene = scene.knows(drifted("u1", 8));
    let mut other = wanted();
    other.value["data"]["key"] = json!("something else");
    assert_eq!(scene.writer.ensure(&owner(), &other).await.expect("asked"), updated());
    assert_eq!(scene.verbs(), ["PUT"; 4]);
}

/// The tenants that are woken within this time, and after how many seconds.
async fn woken(writer: &Writer, seconds: u64) -> Vec<(u64, String)> {
    let (begun, woken) = (Instant::now(), Mutex::new(Vec::new()));
    let wake = |tenant: &str| {
        let after = begun.elapsed().as_secs();
        woken.lock().expect("no panic").push((after, tenant.to_owned()));
    };
    let end = tokio::time::timeout(Duration::from_secs(seconds), writer.follow_others(wake));
    end.await.expect_err("it never ends");
    woken.into_inner().expect("no panic")
}

#[tokio::test(start_paused = true)]
async fn what_a_mutation_took_away_is_put_back_when_the_mutation_has_gone() {
    let kept = || (200, drifted("u1", 4));
    let scene = scene([kept(), kept(), (200, stored("u1", 5, json!({})))]).knows(drifted("u1", 4));
    assert_eq!(scene.ensure().await.expect("tried"), Applied::Unchanged);
    for (tries, outcome) in [(2, Applied::Unchanged), (3, updated())] {
        assert_eq!(scene.ensure().await.expect("known"), Applied::Unchanged);
        assert_eq!(woken(&scene.writer, 16).await, [(15, OWNER.0.to_owned())]);
        assert_eq!(scene.ensure().await.expect("tried again"), outcome);
        assert_eq!(scene.verbs().len(), tries);
    }
    assert_eq!(woken(&scene.writer, 3600).await, []);
    assert_eq!(scene.ensure().await.expect("no write is needed"), Applied::Unchanged);
    assert_eq!(scene.verbs(), ["PUT"; 3]);
}

#[tokio::test(start_paused = true)]
async fn an_object_that_others_touch_under_a_mutation_is_not_written_for_ever() {
    let touched = |version: u64| {
        let note =
            json!({"metadata": {"annotations": {"example.com/note": version.to_string()}}, "data": {"key": "drifted"}});
        stored("u1", version, note)
    };
    let scene = scene([(200, touched(5))]);
    for second in 0..300 {
        let object = serde_json::from_value(touched(100 + second)).expect("an object");
        scene.store.put(Kind::ConfigMap, object);
        scene.ensure().await.expect("tried");
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    let writes = scene.verbs().len();
    assert!((5..20).contains(&writes), "{writes} writes in five minutes");
}

#[tokio::test(start_paused = true)]
async fn a_name_that_becomes_free_wakes_the_tenant_whatever_its_kind() {
    for kind in Kind::ALL {
        let taken = || (200, foreign(json!({})));
        let scene = scene([exists(), taken(), taken(), taken(), gone()]);
        let desired = Desired {
            key: Key { kind, ..key() },
            ..wanted()
        };
        let error = scene.writer.ensure(&owner(), &desired).await.expect_err("it is taken");
        assert!(matches!(error, Error::Foreign { .. }), "{kind}: {error}");
        assert_eq!(woken(&scene.writer, 60).await, [(3, OWNER.0.to_owned())], "{kind}");
        assert_eq!(
            scene.verbs(),
            ["POST", "GET", "GET", "GET", "GET"],
            "{kind}: nobody asks any more"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_secret_whose_name_becomes_free_wakes_the_tenant() {
    let mut taken = foreign(json!({}));
    taken["data"] = json!({});
    taken["kind"] = json!("Secret");
    let scene = scene([(200, taken), gone()]);
    let read = crate::cluster::secret::read(&scene.writer, &owner(), "a").await;
    assert!(matches!(read, Err(Error::Foreign { .. })), "{read:?}");
    assert_eq!(woken(&scene.writer, 60).await, [(1, OWNER.0.to_owned())]);
}

fn live() -> Live {
    Live {
        key: key(),
        uid: "u1".into(),
        resource_version: "4".into(),
        value: drifted("u1", 4),
    }
}

#[tokio::test(start_paused = true)]
async fn a_deletion_names_the_object_it_means() {
    let scene = scene([(200, json!({"kind": "Status", "status": "Success"}))]).knows(drifted("u1", 4));
    scene.writer.delete(&live()).await.expect("deleted");
    assert_eq!(scene.verbs(), ["DELETE"]);
    assert_eq!(
        scene.body(0)["preconditions"],
        json!({"uid": "u1"}),
        "whatever happened to it since"
    );
    assert_eq!(scene.body(0)["propagationPolicy"], "Background");
}

#[tokio::test(start_paused = true)]
async fn a_successor_is_never_deleted() {
    let refused = status(
        409,
        "Conflict",
        "the UID in the precondition (u1) does not match the UID in record (u2)",
    );
    let scene = scene([refused, (200, stored("u2", 9, json!({})))]).knows(drifted("u1", 4));
    scene.writer.delete(&live()).await.expect("nothing to do");
    assert_eq!(scene.verbs(), ["DELETE", "GET"]);
    assert_eq!(scene.known().expect("the successor").uid, "u2");
}

#[tokio::test(start_paused = true)]
async fn what_is_gone_need_not_be_deleted() {
    let scene = scene([gone()]).knows(drifted("u1", 4));
    scene.writer.delete(&live()).await.expect("gone");
    assert!(scene.known().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_deletion_that_is_refused_is_told() {
    let scene = scene([status(403, "Forbidden", "denied by a policy")]).knows(drifted("u1", 4));
    let error = scene.writer.delete(&live()).await.expect_err("refused");
    assert!(error.to_string().contains("denied by a policy"), "{error}");
    assert!(scene.known().is_some());
}

/// The tenant's files, which nobody can change any more.
fn immutable_files() -> (Desired, Value) {
    let mut files = wanted();
    files.key.name = names::CONFIGURATION.into();
    files.value["metadata"]["name"] = json!(names::CONFIGURATION);
    let over = json!({"metadata": {"name": names::CONFIGURATION}, "immutable": true, "data": {"key": "drifted"}});
    (files, stored("u1", 4, over))
}

#[tokio::test(start_paused = true)]
async fn what_can_never_be_changed_back_is_replaced() {
    let (files, immutable) = immutable_files();
    let deleted = (200, json!({"kind": "Status", "apiVersion": "v1", "status": "Success"}));
    let mut created = stored("u2", 6, json!({"metadata": {"name": names::CONFIGURATION}}));
    created["immutable"] = Value::Null;
    let scene = scene([deleted.clone(), (201, created)]).knows(immutable.clone());
    let outcome = scene.writer.ensure(&owner(), &files).await;
    assert_eq!(outcome.expect("replaced"), Applied::Created);
    assert_eq!(scene.verbs(), ["DELETE", "POST"]);
    assert_eq!(scene.body(0)["preconditions"]["uid"], "u1", "this one and no other");
    assert_eq!(scene.body(1), files.value);
    assert_eq!(scene.store.get(OWNER.0, &files.key).expect("the new one").uid, "u2");

    // One that a finalizer keeps is waited for.
    let mut terminating = immutable.clone();
    terminating["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    terminating["metadata"]["resourceVersion"] = json!("5");
    let kept = self::scene([deleted, exists(), (200, terminating)]).knows(immutable.clone());
    let outcome = kept.writer.ensure(&owner(), &files).await;
    assert!(matches!(outcome, Err(Error::Terminating(_))), "{outcome:?}");
    assert_eq!(kept.verbs(), ["DELETE", "POST", "GET"]);

    // Somebody else's is left alone.
    let mut theirs = foreign(json!({}));
    theirs["immutable"] = json!(true);
    let foreign = self::scene([exists(), (200, theirs)]);
    let outcome = foreign.writer.ensure(&owner(), &files).await;
    assert!(matches!(outcome, Err(Error::Foreign { .. })), "{outcome:?}");
    assert_eq!(foreign.verbs(), ["POST", "GET"]);
}

#[tokio::test(start_paused = true)]
async fn a_record_that_cannot_be_changed_is_reported_without_a_request() {
    let immutable = stored("u1", 4, json!({"immutable": true, "data": {"key": "drifted"}}));
    let scene = scene([exists()]).knows(immutable);
    let error = scene.ensure().await.expect_err("it cannot be changed");
    assert_eq!((error.reason(), error.is_stalled()), ("Immutable", true));
    assert_eq!(
        error.to_string(),
        "ConfigMap acme/a cannot be changed: save its data, delete it, and create it again without `immutable`"
    );
    assert!(scene.verbs().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_state_that_was_derived_from_the_known_one_is_written_on_that_alone() {
    let scene = scene([conflict(), (200, drifted("u1", 5))]).knows(drifted("u1", 4));
    let result = scene.writer.ensure_as_known(&owner(), &wanted()).await;
    assert!(matches!(result, Err(Error::Contended(_))), "{result:?}");
    assert_eq!(scene.verbs(), ["PUT", "GET"]);
    assert_eq!(scene.known().expect("as it is now").resource_version, "5");

    let there = self::scene([exists(), (200, drifted("u1", 5))]);
    let result = there.writer.ensure_as_known(&owner(), &wanted()).await;
    assert!(matches!(result, Err(Error::Contended(_))), "{result:?}");
    assert_eq!(there.verbs(), ["POST", "GET"]);

    let same = self::scene([exists(), (200, stored("u1", 5, json!({})))]);
    let result = same.writer.ensure_as_known(&owner(), &wanted()).await;
    assert_eq!(result.expect("as wanted"), Applied::Unchanged);

    let theirs = self::scene([exists(), (200, foreign(json!({})))]);
    let result = theirs.writer.ensure_as_known(&owner(), &wanted()).await;
    assert!(matches!(result, Err(Error::Foreign { .. })), "{result:?}");
}
