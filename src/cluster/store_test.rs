//! Events in any order, and the tenants that they wake.

use super::*;
use kube::runtime::watcher::Event;
use serde_json::json;

/// Returns an object of a tenant (of none where that is empty) at a version.
fn object(tenant: &str, name: &str, uid: &str, version: u64, rest: Value) -> DynamicObject {
    let mut value = json!({"metadata": {"name": name, "namespace": "acme-globex-ns", "uid": uid, "resourceVersion": version.to_string()}});
    if !tenant.is_empty() {
        value["metadata"]["labels"] = json!({names::TENANT: tenant});
    }
    crate::testing::lay_over(&mut value, rest);
    serde_json::from_value(value).expect("an object")
}

fn config_map(tenant: &str, uid: &str, version: u64, data: &str) -> DynamicObject {
    object(tenant, "a", uid, version, json!({"data": {"key": data}}))
}

fn key(kind: Kind, name: &str) -> Key {
    Key {
        kind,
        namespace: "acme-globex-ns".into(),
        name: name.into(),
    }
}

struct Seen {
    store: Store,
}

impl Seen {
    fn new() -> Self {
        Self {
            store: Store::default(),
        }
    }

    fn apply(&self, object: DynamicObject) -> Vec<String> {
        self.store.observe(Kind::ConfigMap, Event::Apply(object))
    }

    fn delete(&self, object: DynamicObject) -> Vec<String> {
        self.store.observe(Kind::ConfigMap, Event::Delete(object))
    }

    /// Uid, version and data of ConfigMap `a`, as one tenant has it.
    fn of(&self, tenant: &str) -> Option<(String, String, String)> {
        let live = self.store.get(tenant, &key(Kind::ConfigMap, "a"))?;
        let data = live
            .value
            .pointer("/data/key")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_string();
        Some((live.uid, live.resource_version, data))
    }
}

fn found(uid: &str, version: u64, data: &str) -> Option<(String, String, String)> {
    Some((uid.into(), version.to_string(), data.into()))
}

const NOBODY: [&str; 0] = [];

#[test]
fn what_is_new_or_changed_wakes_its_tenant_and_nobody_else() {
    let seen = Seen::new();
    assert_eq!(seen.apply(config_map("acme", "u1", 1, "x")), ["acme"]);
    assert_eq!(
        seen.apply(config_map("acme", "u1", 2, "x")),
        NOBODY,
        "only the version moved"
    );
    assert_eq!(
        seen.of("acme"),
        found("u1", 2, "x"),
        "yet the version is known: the next write needs it"
    );
    assert_eq!(seen.apply(config_map("acme", "u1", 3, "y")), ["acme"]);
    assert_eq!(seen.delete(config_map("acme", "u1", 4, "y")), ["acme"]);
    assert_eq!(seen.delete(config_map("acme", "u1", 4, "y")), NOBODY, "gone already");
    assert_eq!(seen.of("acme"), None);
    assert_eq!(seen.store.tenants(), NOBODY);
    assert_eq!(
        seen.apply(config_map("", "u1", 5, "x")),
        NOBODY,
        "nobody's, and never anyone's"
    );
    assert_eq!(seen.store.tenants(), NOBODY);
}

#[test]
fn what_was_overtaken_changes_nothing() {
    let seen = Seen::new();
    seen.apply(config_map("acme", "u2", 10, "new"));
    for late in [
        config_map("acme", "u2", 9, "old"),
        config_map("acme", "u2", 10, "other"),
        config_map("acme", "u1", 8, "a predecessor"),
        config_map("acme-globex", "u2", 9, "when it was another tenant's"),
        config_map("", "u2", 9, "when it was nobody's"),
    ] {
        assert_eq!(seen.apply(late), NOBODY);
        assert_eq!(
            (seen.of("acme"), seen.of("acme-globex")),
            (found("u2", 10, "new"), None)
        );
    }
    for late in [
        config_map("acme", "u2", 9, "old"),
        config_map("acme", "u1", 11, "a predecessor's end"),
    ] {
        assert_eq!(seen.delete(late), NOBODY);
        assert_eq!(seen.of("acme"), found("u2", 10, "new"));
    }
    assert_eq!(seen.store.tenants(), ["acme"]);
}

#[test]
fn a_successor_takes_the_place_of_its_predecessor() {
    let seen = Seen::new();
    seen.apply(config_map("acme", "u1", 5, "x"));
    assert_eq!(
        seen.apply(config_map("acme", "u2", 7, "x")),
        ["acme"],
        "the same content, another object"
    );
    assert_eq!(seen.delete(config_map("acme", "u1", 6, "x")), NOBODY);
    assert_eq!(seen.of("acme"), found("u2", 7, "x"));
}

#[test]
fn an_object_that_moves_wakes_both_tenants() {
    let seen = Seen::new();
    seen.apply(config_map("acme", "u1", 1, "x"));
    assert_eq!(
        seen.apply(config_map("acme-globex", "u1", 2, "x")),
        ["acme", "acme-globex"]
    );
    assert_eq!((seen.of("acme"), seen.of("acme-globex")), (None, found("u1", 2, "x")));
    assert_eq!(seen.store.tenants(), ["acme-globex"]);
}

#[test]
fn stripped_labels_are_seen_as_an_end() {
    // A watch by label says Delete when the label is gone.
    let seen = Seen::new();
    seen.apply(config_map("acme", "u1", 1, "x"));
    assert_eq!(seen.delete(config_map("", "u1", 2, "x")), ["acme"]);
    assert_eq!(seen.of("acme"), None);
    // The operator puts it back before the watch has said so.
    seen.store.put(Kind::ConfigMap, config_map("acme", "u1", 4, "x"));
    assert_eq!(seen.delete(config_map("", "u1", 3, "x")), NOBODY);
    assert_eq!(seen.of("acme"), found("u1", 4, "x"));
    // A known object stays the tenant's where only the label is gone.
    assert_eq!(seen.apply(config_map("", "u1", 5, "x")), ["acme"]);
    assert_eq!(seen.of("acme"), found("u1", 5, "x"));
}

#[test]
fn the_answer_to_a_write_wakes_nobody_when_its_event_comes() {
    let seen = Seen::new();
    seen.store.put(Kind::ConfigMap, config_map("acme", "u1", 3, "x"));
    assert_eq!(seen.of("acme"), found("u1", 3, "x"));
    assert_eq!(seen.apply(config_map("acme", "u1", 3, "x")), NOBODY);
    seen.store.forget(&key(Kind::ConfigMap, "a"));
    assert_eq!(seen.of("acme"), None);
}

#[test]
fn a_list_forgets_what_it_does_not_have() {
    let store = Store::default();
    let observe = |event| store.observe(Kind::ConfigMap, event);
    let named = |name: &str, version| object("acme", name, name, version, json!({}));
    observe(Event::Apply(named("stays", 1)));
    observe(Event::Apply(named("goes", 1)));
    let policy = object("acme", "other-kind", "p", 1, json!({}));
    store.observe(Kind::NetworkPolicy, Event::Apply(policy));

    assert_eq!(observe(Event::Init), NOBODY);
    assert_eq!(observe(Event::InitApply(named("stays", 1))), NOBODY);
    assert_eq!(
        observe(Event::InitApply(object("acme-globex", "new", "n", 2, json!({})))),
        ["acme-globex"]
    );
    assert_eq!(
        store.of("acme").len(),
        3,
        "nothing is forgotten until the list is whole"
    );
    // A list that was begun anew counts from its own beginning.
    observe(Event::Init);
    observe(Event::InitApply(named("stays", 1)));
    let woken = observe(Event::InitDone);
    assert_eq!(
        woken.iter().collect::<HashSet<_>>(),
        HashSet::from([&"acme".to_string(), &"acme-globex".to_string()])
    );
    let mut left: Vec<String> = store.of("acme").into_keys().map(|key| key.name).collect();
    left.sort();
    assert_eq!(left, ["other-kind", "stays"]);
    assert_eq!(store.tenants(), ["acme"]);
}

#[test]
fn what_was_of_a_kind_that_the_cluster_lost_is_forgotten() {
    let store = Store::default();
    let observe = |kind, event| store.observe(kind, event);
    for kind in [Kind::HttpRoute, Kind::SecurityPolicy] {
        observe(kind, Event::Init);
        observe(kind, Event::InitApply(object("acme", "a", "a", 1, json!({}))));
        observe(kind, Event::InitDone);
    }
    // The list that was under way came to no end.
    observe(Kind::HttpRoute, Event::Init);
    observe(
        Kind::HttpRoute,
        Event::InitApply(object("acme", "a", "a", 1, json!({}))),
    );
    let kinds = [Kind::HttpRoute, Kind::SecurityPolicy];
    assert_eq!(store.note_lacking(&kinds, &[Kind::HttpRoute]), ["acme"]);
    assert!(store.is_lacking(Kind::HttpRoute) && !store.has_listed(Kind::HttpRoute));
    assert!(store.has_listed(Kind::SecurityPolicy));
    let left: Vec<Kind> = store.of("acme").into_keys().map(|key| key.kind).collect();
    assert_eq!(left, [Kind::SecurityPolicy]);
    assert_eq!(
        store.note_lacking(&kinds, &[Kind::HttpRoute]),
        NOBODY,
        "forgotten already"
    );
    assert_eq!(store.note_lacking(&kinds, &[]), NOBODY);
    assert!(!store.is_lacking(Kind::HttpRoute));
}

#[tokio::test(start_paused = true)]
async fn synced_means_that_every_kind_was_listed() {
    let store = Store::default();
    let (last, others) = Kind::ALL.split_last().expect("kinds");
    for kind in others {
        store.observe(*kind, Event::Init);
        store.observe(*kind, Event::InitDone);
    }
    let soon = std::time::Duration::from_secs(1);
    assert!(
        tokio::time::timeout(soon, store.synced()).await.is_err(),
        "{last} was not listed"
    );
    store.observe(*last, Event::Init);
    store.observe(*last, Event::InitDone);
    assert!(tokio::time::timeout(soon, store.synced()).await.is_ok());
}

#[test]
fn only_what_matters_wakes() {
    let store = Store::default();
    let quota = |version, used: &str, hard: &str| {
        object(
            "acme",
            "q",
            "q",
            version,
            json!({"status": {"used": {"pods": used, "count/secrets": used}, "hard": {"pods": hard}}}),
        )
    };
    let observe = |kind, object| store.observe(kind, Event::Apply(object));
    assert_eq!(observe(Kind::ResourceQuota, quota(1, "0", "5")), ["acme"]);
    assert_eq!(
        observe(Kind::ResourceQuota, quota(2, "1", "5")),
        NOBODY,
        "use moves with every pod"
    );
    let live = store.get("acme", &key(Kind::ResourceQuota, "q")).expect("the quota");
    assert_eq!(
        live.value.pointer("/status/used/pods"),
        Some(&json!("1")),
        "and is known all the same"
    );
    assert_eq!(
        live.value.pointer("/status/used/count~1secrets"),
        None,
        "nobody reads it"
    );
    assert_eq!(
        observe(Kind::ResourceQuota, quota(3, "1", "6")),
        ["acme"],
        "enforcement matters"
    );

    for (version, used, concerned, why) in [
        (4, "7", &["acme"] as &[&str], "more is used than is enforced"),
        (5, "8", &["acme"], "others may wait for that"),
        (6, "8", &[], "the same"),
        (7, "6", &["acme"], "it was given back"),
        (8, "5", &[], "use within the quota"),
    ] {
        assert_eq!(
            observe(Kind::ResourceQuota, quota(version, used, "6")),
            concerned,
            "{why}"
        );
    }
    observe(
        Kind::ResourceQuota,
        object(
            "acme",
            "q",
            "q",
            9,
            json!({"status": {"used": {"count/secrets": "7"}, "hard": {"count/secrets": "6"}}}),
        ),
    );
    let live = store.get("acme", &key(Kind::ResourceQuota, "q")).expect("the quota");
    assert_eq!(
        live.value.pointer("/status/used/count~1secrets"),
        Some(&json!("7")),
        "others may wait for it"
    );

    let deployment = |version, status: Value| object("acme", "d", "d", version, json!({"status": status}));
    let condition = |time: &str, status: &str| json!([{"type": "Available", "status": status, "lastUpdateTime": time, "message": "m"}]);
    observe(
        Kind::Deployment,
        deployment(1, json!({"replicas": 1, "conditions": condition("10:00", "True")})),
    );
    let same = deployment(
        2,
        json!({"replicas": 1, "collisionCount": 4, "conditions": condition("10:01", "True")}),
    );
    assert_eq!(observe(Kind::Deployment, same), NOBODY);
    let worse = deployment(3, json!({"replicas": 1, "conditions": condition("10:02", "False")}));
    assert_eq!(observe(Kind::Deployment, worse), ["acme"]);

    let autoscaler = |version, status: Value| object("acme", "h", "h", version, json!({"status": status}));
    observe(
        Kind::HorizontalPodAutoscaler,
        autoscaler(1, json!({"currentReplicas": 1})),
    );
    assert_eq!(
        observe(
            Kind::HorizontalPodAutoscaler,
            autoscaler(2, json!({"currentReplicas": 2}))
        ),
        NOBODY
    );
    let managed = object(
        "acme",
        "h",
        "h",
        3,
        json!({"metadata": {"managedFields": [{"manager": "x"}]}}),
    );
    assert_eq!(observe(Kind::HorizontalPodAutoscaler, managed), NOBODY);
    let terminating = object(
        "acme",
        "h",
        "h",
        4,
        json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}),
    );
    assert_eq!(observe(Kind::HorizontalPodAutoscaler, terminating), ["acme"]);
}

#[test]
fn a_namespace_has_a_holder_while_it_exists() {
    let store = Store::default();
    let namespace: DynamicObject = serde_json::from_value(
        json!({"metadata": {"name": "acme-b", "uid": "u", "resourceVersion": "1", "labels": {names::TENANT: "acme"}}}),
    )
    .expect("an object");
    store.observe(Kind::Namespace, Event::Apply(namespace.clone()));
    assert_eq!(store.holder_of_namespace("acme-b").as_deref(), Some("acme"));
    assert_eq!(store.holder_of_namespace("acme"), None);
    store.observe(Kind::Namespace, Event::Delete(namespace));
    assert_eq!(store.holder_of_namespace("acme-b"), None);
}

#[test]
fn what_is_marked_where_its_tenant_cannot_be_is_nobodys() {
    let seen = Seen::new();
    assert_eq!(seen.apply(config_map("elsewhere", "u1", 1, "x")), NOBODY);
    assert!(seen.store.of("elsewhere").is_empty());
    // An object of ours whose label names another tenant stays known, and wakes its tenant.
    seen.apply(config_map("acme", "u1", 2, "x"));
    assert_eq!(seen.apply(config_map("elsewhere", "u1", 3, "x")), ["acme"]);
}

#[test]
fn a_grant_is_known_by_its_tenants_name_wherever_it_is() {
    let store = Store::default();
    let put = |kind: Kind, tenant: &str, name: &str| {
        let concerned = store.observe(kind, Event::Apply(object(tenant, name, "1", 1, json!({}))));
        concerned == [tenant] && store.get(tenant, &key(kind, name)).is_some()
    };
    assert!(put(Kind::ReferenceGrant, "initech", "tenant-operator-initech"));
    assert!(!put(Kind::ReferenceGrant, "umbrella", "tenant-operator-initech-2"));
    // Also where its namespace looks like the tenant's.
    assert!(!put(Kind::ReferenceGrant, "acme", "anything"));
    assert!(!put(Kind::ConfigMap, "umbrella", "tenant-operator-umbrella"));
}

#[test]
fn policies_at_shared_applications_are_held_where_the_chart_says() {
    let store = Store::with_shared(vec!["applications".into()]);
    let put = |namespace: &str, name: &str| {
        let rest = json!({"metadata": {"namespace": namespace}});
        store.observe(Kind::NetworkPolicy, Event::Apply(object("acme", name, "u", 1, rest)));
        let key = Key {
            kind: Kind::NetworkPolicy,
            namespace: namespace.into(),
            name: name.into(),
        };
        store.get("acme", &key).is_some()
    };
    assert!(put("applications", &names::application_policy("acme", "models")));
    assert!(put("acme", "tenant-operator-deny-all"));
    for (namespace, name) in [
        ("elsewhere", names::application_policy("acme", "models")),
        ("applications", names::application_policy("acme-b", "models")),
        ("applications", "another".into()),
    ] {
        assert!(!put(namespace, &name), "{namespace}/{name}");
    }
}
