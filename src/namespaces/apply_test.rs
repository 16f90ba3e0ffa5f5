//! Quotas and their book against an API server whose controller is slow, and with a store that lags behind.

use super::super::quota_fixtures::{BOOK, Scene, lock, waits, writes};
use super::*;
use crate::books::Book;
use crate::capability::Amounts;
use crate::cluster::Identity;
use crate::quantity::Amount;
use crate::tenant::fixtures::ID;
use serde_json::{Value, json};

#[tokio::test(start_paused = true)]
async fn the_quota_of_a_lone_namespace_needs_no_book() {
    let scene = Scene::new(json!([]));
    let (written, applied) = scene.pass().await;
    assert_eq!(written, writes(&[("acme", "6")]));
    assert_eq!(waits(&applied), Vec::<String>::new());
    assert!(applied.unenforced.is_some(), "the controller has counted nothing");
    scene.has("acme", [3, 3, 3]);
    scene.sees("acme");
    assert_eq!(scene.pass().await.0, writes(&[("acme", "6")]));
    assert!(!lock(&scene.server).quotas.contains_key(BOOK));
}

#[tokio::test(start_paused = true)]
async fn new_quotas_have_nothing_until_the_book_has_reserved_it() {
    let scene = Scene::new(json!([{"name": "b"}]));
    let (written, applied) = scene.pass().await;
    assert_eq!(written, writes(&[("acme", "0"), ("acme-b", "0")]));
    assert!(applied.unenforced.is_some(), "the controller has counted nothing");
    scene.counts("acme", 0);
    scene.counts("acme-b", 0);
    assert_eq!(scene.pass().await.0, writes(&[("acme", "3"), ("acme-b", "3")]));
    assert_eq!((scene.book("acme"), scene.book("acme-b")), ((6, 3), (6, 3)));
    scene.counts("acme", 0);
    scene.counts("acme-b", 0);
    let version = lock(&scene.server).version;
    assert_eq!(scene.pass().await.0, writes(&[]), "quiet");
    assert_eq!(lock(&scene.server).version, version, "the book too");
}

#[tokio::test(start_paused = true)]
async fn one_pass_is_enough_for_new_quotas() {
    let scene = Scene::new(json!([{"name": "b"}]));
    lock(&scene.server).is_prompt = true;
    let (written, applied) = scene.pass().await;
    assert_eq!(written[2..], writes(&[("acme", "3"), ("acme-b", "3")]));
    assert_eq!((waits(&applied), applied.unenforced), (vec![], None));
}

#[tokio::test(start_paused = true)]
async fn a_namespace_that_is_added_gets_what_the_first_gives_back() {
    let scene = Scene::new(json!([{"name": "b"}]));
    scene.has("acme", [6, 6, 6]);
    scene.sees("acme");
    let (written, applied) = scene.pass().await;
    assert_eq!(written, writes(&[("acme", "3"), ("acme-b", "0")]), "in this order");
    assert_eq!(waits(&applied), ["acme-b has 0 of 3"]);

    // The controller has taken both up, and five pods are left. Each release writes the quota that gives back.
    let controller = |acme: i64, b: i64| {
        scene.counts("acme", acme);
        scene.counts("acme-b", b);
    };
    controller(6, 0);
    assert_eq!(scene.pass().await.0, writes(&[]), "nothing was given back");
    controller(5, 0);
    let (written, applied) = scene.pass().await;
    assert_eq!(written, writes(&[("acme", "3"), ("acme-b", "1")]));
    assert_eq!(waits(&applied), ["acme-b has 1 of 3"]);
    controller(3, 1);
    let (written, applied) = scene.pass().await;
    assert_eq!(written, writes(&[("acme", "3"), ("acme-b", "3")]));
    assert_eq!(applied.shortfalls, []);
    controller(3, 3);
    assert_eq!(scene.pass().await.0, writes(&[]), "quiet");
}

/// A tenant whose namespaces have one pod less than their shares, and a book.
async fn settled() -> Scene {
    let scene = Scene::new(json!([{"name": "b"}]));
    scene.has("acme", [3, 3, 0]);
    scene.has("acme-b", [3, 3, 0]);
    scene.sees("acme");
    scene.sees("acme-b");
    scene.pass().await;
    scene.counts("acme", 0);
    scene.counts("acme-b", 0);
    scene
}

#[tokio::test(start_paused = true)]
async fn a_book_that_another_leader_wrote_meanwhile_is_read_anew() {
    let mut scene = settled().await;
    // The shares change, and the rival has raised acme from three pods to five before the operator writes the book.
    scene.share("acme", 2);
    scene.share("acme-b", 4);
    lock(&scene.server).rival = Some(|server| {
        let mut book = server.quotas[BOOK].clone();
        let mut content = Book::parse(book["data"]["book"].as_str().expect("a text")).expect("a book");
        content.reserve("namespace/acme", &Amounts::from([("pods".into(), Amount::whole(3))]));
        content.writes += 1;
        book["data"]["book"] = json!(content.text());
        server.put(BOOK, book);
    });
    lock(&scene.server).is_prompt = true;
    let (written, applied) = scene.pass().await;
    assert_eq!(
        written,
        writes(&[("acme", "2"), ("acme", "2"), ("acme-b", "4")]),
        "the quota that gives back is written again, after the book was read again"
    );
    assert_eq!(waits(&applied), Vec::<String>::new());
}

/// One pass with other shares, in which both quotas are written before they are counted.
async fn is_counted_first(scene: &mut Scene) -> Applied {
    scene.share("acme", 2);
    scene.share("acme-b", 4);
    let (written, applied) = scene.pass().await;
    assert_eq!(
        written,
        writes(&[("acme", "2"), ("acme-b", "3")]),
        "both are written before they are counted"
    );
    applied
}

#[tokio::test(start_paused = true)]
async fn a_lost_book_is_counted_before_anything_grows() {
    let mut scene = settled().await;
    lock(&scene.server).quotas.remove(BOOK);
    let applied = is_counted_first(&mut scene).await;
    assert_eq!(
        waits(&applied),
        ["acme-b has 3 of 4"],
        "acme's pods are not counted yet"
    );
    scene.counts("acme", 0);
    scene.counts("acme-b", 0);
    let (written, _) = scene.pass().await;
    assert_eq!(written.last(), writes(&[("acme-b", "4")]).last());
    assert_eq!((scene.book("acme"), scene.book("acme-b")), ((6, 2), (6, 4)));
}

#[tokio::test(start_paused = true)]
async fn a_book_that_others_wrote_is_counted_anew() {
    let mut scene = settled().await;
    {
        let mut server = lock(&scene.server);
        let mut book = server.quotas[BOOK].clone();
        let older = Book {
            is_open: true,
            ..Book::default()
        };
        book["data"]["book"] = json!(older.text());
        let fields = json!({"f:data": {"f:book": {}}});
        book["metadata"]["managedFields"] =
            json!([{"manager": "kubectl-edit", "operation": "Update", "fieldsType": "FieldsV1", "fieldsV1": fields}]);
        server.put(BOOK, book);
    }
    let applied = is_counted_first(&mut scene).await;
    assert_eq!(waits(&applied), ["acme-b has 3 of 4"]);
    assert_eq!((scene.book("acme"), scene.book("acme-b")), ((6, 3), (6, 3)));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_lags_behind_grants_nothing() {
    let scene = Scene::new(json!([{"name": "b"}]));
    scene.has("acme-b", [0, 0, 0]);
    scene.has("acme", [3, 3, 3]);
    scene.sees("acme");
    scene.sees("acme-b");
    // Since then acme got six pods, and uses them.
    scene.has("acme", [6, 6, 6]);
    let (written, applied) = scene.pass().await;
    assert_eq!(written, writes(&[("acme-b", "0"), ("acme", "3")]));
    assert_eq!(waits(&applied), ["acme-b has 0 of 3"]);
}

#[tokio::test(start_paused = true)]
async fn pods_that_the_quota_controller_has_not_counted_grant_nothing() {
    let scene = Scene::new(json!([{"name": "b"}]));
    scene.has("acme", [3, 3, 3]);
    scene.has("acme-b", [0, 0, 0]);
    scene.sees("acme");
    scene.sees("acme-b");
    // One was admitted when acme still had six, and came after the recount.
    lock(&scene.server).pods.insert("acme".into(), 4);
    let (written, _) = scene.pass().await;
    assert_eq!(written, writes(&[("acme", "3"), ("acme-b", "0")]), "nobody grows");
    lock(&scene.server).pods.insert("acme".into(), 3);
    let (written, applied) = scene.pass().await;
    assert_eq!((written, waits(&applied)), (writes(&[("acme-b", "3")]), vec![]));
}

#[tokio::test(start_paused = true)]
async fn a_quota_that_moved_is_decided_on_anew() {
    let scene = Scene::new(json!([{"name": "b"}]));
    scene.has("acme", [6, 6, 1]);
    scene.sees("acme");
    scene.has("acme", [2, 2, 1]);
    scene.has("acme-b", [4, 4, 4]);
    // The store has neither what acme was lowered to, nor the other namespace's quota.
    let (written, applied) = scene.pass().await;
    assert_eq!(
        written,
        writes(&[("acme", "2"), ("acme-b", "3")]),
        "acme does not get back what the other has by now"
    );
    assert_eq!(waits(&applied), ["acme has 2 of 3"]);
}

#[tokio::test(start_paused = true)]
async fn a_namespace_that_the_tenant_leaves_holds_its_part_until_it_is_retained() {
    let scene = Scene::new(json!([]));
    scene.has("acme", [3, 3, 3]);
    scene.sees("acme");
    let place = |labels: Value| {
        let owner = Identity {
            tenant: "acme".into(),
            id: ID.into(),
        };
        let mut metadata = json!(crate::cluster::metadata::meta(&owner, "", "acme-b"));
        crate::testing::lay_over(&mut metadata, json!({"uid": "n", "labels": labels}));
        metadata["resourceVersion"] = json!(if labels == json!({}) { "1" } else { "2" });
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata});
        scene
            .store
            .put(Kind::Namespace, serde_json::from_value(namespace).expect("a namespace"));
    };
    place(json!({}));
    let (written, applied) = scene.pass().await;
    assert_eq!(
        (written, waits(&applied)),
        (writes(&[("acme", "3")]), vec!["acme has 3 of 6".to_string()])
    );
    place(json!({names::RETAINED: "true"}));
    let (written, applied) = scene.pass().await;
    assert_eq!((written, waits(&applied)), (writes(&[("acme", "6")]), vec![]));
}

#[tokio::test(start_paused = true)]
async fn a_suspended_tenant_waits_for_no_pods() {
    let mut scene = Scene::new(json!([{"name": "b"}]));
    scene.has("acme", [0, 0, 2]);
    scene.has("acme-b", [0, 0, 0]);
    scene.sees("acme");
    scene.sees("acme-b");
    scene.tenant.suspend = true;
    for quota in &mut scene.quotas {
        quota.value["spec"]["hard"]["pods"] = json!("0");
    }
    scene.pass().await;
    let (written, applied) = scene.pass().await;
    assert_eq!((written, applied.shortfalls), (writes(&[]), vec![]));
}
