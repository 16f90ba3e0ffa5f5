//! Every field that the API server never changes, or only lets grow, and what becomes of it.

use super::*;
use crate::cluster::Key;
use serde_json::json;

fn key(kind: Kind) -> Key {
    Key {
        kind,
        namespace: "acme".into(),
        name: "data".into(),
    }
}

fn desired(kind: Kind, value: Value) -> Desired {
    Desired {
        key: key(kind),
        value,
        others: Vec::new(),
        takes_over: false,
    }
}

fn live(kind: Kind, value: Value) -> Live {
    Live {
        key: key(kind),
        uid: "u".into(),
        resource_version: "7".into(),
        value,
    }
}

fn claim(size: &str, over: Value) -> Value {
    let mut claim = json!({"spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "fast", "resources": {"requests": {"storage": size}}}});
    crate::testing::lay_over(&mut claim, over);
    claim
}

const CLAIM: Kind = Kind::PersistentVolumeClaim;

#[test]
fn a_claim_grows_and_never_shrinks() {
    let bound = json!({"status": {"phase": "Bound"}});
    let pending = json!({"status": {"phase": "Pending"}});
    for (wanted, found, status, why, difference) in [
        ("1Gi", "1024Mi", &bound, None, None),
        ("1Gi", "2Gi", &bound, Some(Why::Larger), None),
        ("1Gi", "2Gi", &pending, Some(Why::Larger), None),
        ("2Gi", "1Gi", &bound, None, Some("spec.resources.requests.storage")),
        ("2Gi", "1Gi", &pending, Some(Why::Unbound), None),
        ("2Gi", "1Gi", &json!({}), Some(Why::Unbound), None),
    ] {
        let (wanted, found) = (
            desired(CLAIM, claim(wanted, json!({}))),
            live(CLAIM, claim(found, status.clone())),
        );
        let settled = with_fixed_fields(&wanted, &found);
        assert_eq!(
            diff::difference(&settled, &found).as_deref(),
            difference,
            "{wanted:?} {found:?}"
        );
        let kept: Vec<Why> = kept(&wanted, &found).into_iter().map(|kept| kept.why).collect();
        assert_eq!(kept, Vec::from_iter(why), "{wanted:?} {found:?}");
        // Whatever else is mended, the size is one that the API server accepts.
        let written = diff::replacement(&settled, &found);
        let stays = if why.is_some() { &found.value } else { &wanted.value };
        assert_eq!(written["spec"], stays["spec"]);
    }
}

#[test]
fn what_never_changes_in_a_claim_stays_and_is_named() {
    for (field, found, is_said) in [
        ("spec.storageClassName", json!({"storageClassName": "slow"}), "slow"),
        ("spec.storageClassName", json!({"storageClassName": null}), "none"),
        (
            "spec.accessModes",
            json!({"accessModes": ["ReadWriteMany", "ReadOnlyMany"]}),
            "ReadWriteMany, ReadOnlyMany",
        ),
        (
            "spec.selector",
            json!({"selector": {"matchLabels": {"a": "b"}}}),
            r#"{"matchLabels":{"a":"b"}}"#,
        ),
        (
            "spec.dataSource",
            json!({"dataSource": {"kind": "PersistentVolumeClaim", "name": "x"}}),
            r#"{"kind":"PersistentVolumeClaim","name":"x"}"#,
        ),
        (
            "spec.dataSourceRef",
            json!({"dataSourceRef": {"kind": "X", "name": "x"}}),
            r#"{"kind":"X","name":"x"}"#,
        ),
    ] {
        let wanted = desired(CLAIM, claim("1Gi", json!({})));
        let found = live(
            CLAIM,
            claim("1Gi", json!({"spec": found, "status": {"phase": "Bound"}})),
        );
        let kept = kept(&wanted, &found);
        let said = kept
            .iter()
            .map(|kept| (kept.why, kept.field.as_str(), kept.found.as_str()));
        assert_eq!(said.collect::<Vec<_>>(), [(Why::Fixed, field, is_said)]);
        assert_eq!(
            diff::difference(&with_fixed_fields(&wanted, &found), &found),
            None,
            "{field} is not written"
        );
        // Marks that were taken away come back all the same.
        let mut marked = wanted.clone();
        marked.value["metadata"]["labels"]["tenant-operator.io/tenant"] = json!("acme");
        assert!(
            diff::difference(&with_fixed_fields(&marked, &found), &found).is_some(),
            "{field}"
        );
        assert_eq!(
            diff::replacement(&with_fixed_fields(&marked, &found), &found)["spec"],
            found.value["spec"]
        );
    }
    // A class that the spec leaves to the cluster is no difference.
    let mut wanted = desired(CLAIM, claim("1Gi", json!({"spec": {"storageClassName": null}})));
    wanted.others = vec!["/spec/storageClassName"];
    let found = live(CLAIM, claim("1Gi", json!({"status": {"phase": "Bound"}})));
    assert_eq!(kept(&wanted, &found), []);
    assert_eq!(diff::difference(&with_fixed_fields(&wanted, &found), &found), None);
}

#[test]
fn what_has_no_state_of_its_own_is_replaced() {
    let selector = |app: &str| json!({"spec": {"selector": {"matchLabels": {"app": app}}, "replicas": 1}});
    let role =
        |name: &str| json!({"roleRef": {"kind": "ClusterRole", "name": name, "apiGroup": "rbac.authorization.k8s.io"}});
    let quota = |more: Value| {
        let mut spec = json!({"hard": {"pods": "1"}});
        crate::testing::lay_over(&mut spec, more);
        json!({"spec": spec})
    };
    for (kind, wanted, found, field) in [
        (Kind::Deployment, selector("a"), selector("a"), None),
        (Kind::Deployment, selector("a"), selector("b"), Some("/spec/selector")),
        (
            Kind::Deployment,
            selector("a"),
            json!({"spec": {"selector": {"matchLabels": {"app": "a"}, "matchExpressions": [{"key": "x", "operator": "Exists"}]}}}),
            Some("/spec/selector"),
        ),
        (Kind::RoleBinding, role("viewer"), role("viewer"), None),
        (Kind::RoleBinding, role("viewer"), role("admin"), Some("/roleRef")),
        (
            Kind::ResourceQuota,
            quota(json!({})),
            quota(json!({"hard": {"pods": "9"}})),
            None,
        ),
        (
            Kind::ResourceQuota,
            quota(json!({})),
            quota(json!({"scopes": ["BestEffort"]})),
            Some("/spec/scopes"),
        ),
        (
            Kind::ResourceQuota,
            quota(json!({})),
            quota(json!({"scopeSelector": {"matchExpressions": [{"operator": "Exists", "scopeName": "BestEffort"}]}})),
            Some("/spec/scopeSelector"),
        ),
        (
            Kind::ConfigMap,
            json!({"data": {"a": "1"}}),
            json!({"data": {"a": "2"}}),
            None,
        ),
        (
            Kind::ConfigMap,
            json!({"data": {"a": "1"}}),
            json!({"data": {"a": "1"}, "immutable": true}),
            Some("/immutable"),
        ),
        (
            Kind::ConfigMap,
            json!({"data": {}}),
            json!({"data": {}, "immutable": false}),
            None,
        ),
        // Data are never deleted.
        (
            CLAIM,
            claim("1Gi", json!({})),
            claim("1Gi", json!({"spec": {"storageClassName": "slow"}})),
            None,
        ),
    ] {
        let (mut wanted, found) = (desired(kind, wanted), live(kind, found));
        if kind == Kind::ConfigMap {
            wanted.key.name = names::CONFIGURATION.into();
        }
        assert_eq!(must_be_replaced(&wanted, &found), field, "{kind}");
        assert!(!is_stuck(&wanted, &found), "{kind}");
    }
}

#[test]
fn claims_and_records_are_never_replaced() {
    let of = |data: Value, immutable: bool| match immutable {
        true => json!({"data": data, "immutable": true}),
        false => json!({"data": data}),
    };
    let (one, other) = (json!({"tenant": "acme"}), json!({"tenant": "globex"}));
    for (found, is_stuck, is_difference) in [
        (of(one.clone(), false), false, false),
        (of(other.clone(), false), false, true),
        (of(one.clone(), true), false, false),
        (of(other, true), true, true),
        (
            json!({"data": one, "binaryData": {"a": "MQ=="}, "immutable": true}),
            true,
            true,
        ),
    ] {
        let (wanted, found) = (
            desired(Kind::ConfigMap, of(one.clone(), false)),
            live(Kind::ConfigMap, found),
        );
        assert_eq!(must_be_replaced(&wanted, &found), None);
        assert_eq!(super::is_stuck(&wanted, &found), is_stuck, "{found:?}");
        assert_eq!(
            diff::difference(&with_fixed_fields(&wanted, &found), &found).is_some(),
            is_difference,
            "{found:?}"
        );
    }
}

#[test]
fn addresses_of_a_service_stay() {
    let wanted = desired(Kind::Service, json!({"spec": {"ports": [{"port": 80}]}}));
    for addresses in [
        json!({"clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"], "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack"}),
        json!({"clusterIP": "None", "clusterIPs": ["None"]}),
    ] {
        let mut found = live(Kind::Service, json!({"spec": {"ports": [{"port": 80}]}}));
        crate::testing::lay_over(&mut found.value["spec"], addresses.clone());
        assert_eq!(
            diff::difference(&with_fixed_fields(&wanted, &found), &found),
            None,
            "{addresses}"
        );
        assert_eq!(must_be_replaced(&wanted, &found), None);
        assert_eq!(diff::replacement(&wanted, &found)["spec"], found.value["spec"]);
    }
}
