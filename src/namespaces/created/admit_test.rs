//! Which TenantNamespaces get a namespace, and why others do not.

use super::*;
use crate::tenant::fixtures::{acme, tenant, tier, validate, world};
use serde_json::{Value, json};

/// A TenantNamespace that was created at this second.
fn asks(name: &str, second: i64, quota: Value, existing: Existing) -> CreatedNamespace {
    CreatedNamespace {
        name: name.into(),
        request: Some(Request {
            quota: list(quota),
            created_at: k8s_openapi::jiff::Timestamp::from_second(second).ok(),
            ..Request::default()
        }),
        existing,
    }
}

fn removed(mut one: CreatedNamespace, removal: Removal) -> CreatedNamespace {
    one.request.as_mut().expect("a request").removal = removal;
    one
}

fn list(quota: Value) -> ResourceList {
    serde_json::from_value(quota).expect("a quota")
}

fn of(spec: Value, plan: Value, created: Vec<CreatedNamespace>) -> Admission {
    let world = World { created, ..world(&[]) };
    admit(&tenant(spec), &tier(plan), &world)
}

fn names_of(admission: &Admission) -> Vec<&str> {
    admission.namespaces.iter().map(|one| one.name.as_str()).collect()
}

/// The reason and message of a verdict that is no admission.
fn note<'a>(admission: &'a Admission, name: &str) -> (&'a str, &'a str) {
    match &admission.verdicts[name] {
        Verdict::Refused(note) | Verdict::Waiting(note) | Verdict::Admitted(Some(note)) => (note.reason, &note.message),
        other => panic!("{name}: {other:?}"),
    }
}

fn three() -> Value {
    json!({"tenantNamespaces": {"max": 3}, "maxNamespaces": 5, "quota": {"pods": 10, "requests.cpu": "4"}})
}

#[test]
fn a_new_one_is_admitted_within_its_tier() {
    let new = |name, second| asks(name, second, json!({}), Existing::Absent);
    for (spec, plan, created, admitted, refused) in [
        (
            json!({}),
            three(),
            vec![new("b", 2), new("a", 3), new("c", 1)],
            vec!["c", "b", "a"],
            None,
        ),
        // The later one is refused, whatever its name.
        (
            json!({}),
            three(),
            vec![new("a", 4), new("b", 2), new("c", 3), new("d", 1)],
            vec!["d", "b", "c"],
            Some((
                "a",
                reason::TOO_MANY_NAMESPACES,
                "may create 3 namespaces itself, and has 3",
            )),
        ),
        (
            json!({"namespaces": [{"name": "x"}, {"name": "y"}, {"name": "z"}]}),
            three(),
            vec![new("a", 1), new("b", 2)],
            vec!["a"],
            Some((
                "b",
                reason::TOO_MANY_NAMESPACES,
                "may have 5 namespaces in all, and has 5",
            )),
        ),
        (
            json!({}),
            json!({}),
            vec![new("a", 1)],
            vec![],
            Some(("a", reason::TOO_MANY_NAMESPACES, "tier allows no TenantNamespaces")),
        ),
    ] {
        let admission = of(spec, plan, created);
        assert_eq!(names_of(&admission), admitted);
        if let Some((name, why, text)) = refused {
            let (reason, message) = note(&admission, name);
            assert_eq!(reason, why, "{message}");
            assert!(message.contains(text), "{message}");
        }
    }
}

#[test]
fn a_bad_one_is_refused_with_its_reason_and_disturbs_nothing() {
    let absent = || Existing::Absent;
    let taken = Existing::Taken(Note::new(
        reason::CONFLICT,
        "namespace acme-a exists, and is not this tenant's",
    ));
    let long = "a".repeat(59);
    let spec = || json!({"namespaces": [{"name": "staging", "quota": {"pods": 6}}]});
    for (created, why, text) in [
        (
            asks("staging", 1, json!({}), absent()),
            reason::NAME_TAKEN,
            "spec.namespaces",
        ),
        (asks("a", 1, json!({}), taken), reason::CONFLICT, "not this tenant's"),
        (
            asks(&long, 1, json!({}), absent()),
            reason::INVALID_SPEC,
            "63 characters",
        ),
        (
            asks("apps", 1, json!({}), absent()),
            reason::NAME_TAKEN,
            "reserves the name acme-apps",
        ),
        (
            asks("a", 1, json!({"pods": 5}), absent()),
            reason::QUOTA_EXCEEDED,
            "5 is more than 4",
        ),
        (
            asks("a", 1, json!({"cpus": 5}), absent()),
            reason::INVALID_SPEC,
            "spec.quota.cpus",
        ),
        (
            asks("a", 1, json!({"requests.memory": "1Gi"}), absent()),
            reason::INVALID_SPEC,
            "nothing to share",
        ),
        (
            asks("a", 1, json!({"pods": "0.5"}), absent()),
            reason::INVALID_SPEC,
            "whole number",
        ),
    ] {
        let name = created.name.clone();
        let mut world = World {
            created: vec![created],
            ..world(&[])
        };
        world.reserved.insert("acme-apps".into(), "the gateway");
        let (tenant, tier) = (tenant(spec()), tier(three()));
        let admission = admit(&tenant, &tier, &world);
        let (reason, message) = note(&admission, &name);
        assert_eq!(reason, why, "{name}: {message}");
        assert!(message.contains(text), "{name}: {message}");
        let valid = validate(&tenant, &tier, &world).expect("the Tenant stays valid");
        let undisturbed = acme(spec(), three());
        assert_eq!(valid.core.namespaces, undisturbed.core.namespaces, "{name}");
    }
}

#[test]
fn one_that_exists_stays_whatever_its_tier_allows_by_now() {
    let made = |name, second| asks(name, second, json!({}), Existing::Created(ResourceList::new()));
    let admission = of(json!({}), json!({}), vec![made("a", 1), made("b", 2)]);
    assert_eq!(names_of(&admission), ["a", "b"]);
    assert_eq!(admission.verdicts["a"], Verdict::Admitted(None));
    // Nor does it go with a TenantNamespace that nobody knows.
    let unknown = CreatedNamespace {
        request: None,
        ..made("c", 0)
    };
    let admission = of(json!({}), three(), vec![unknown]);
    assert_eq!((names_of(&admission), admission.verdicts.len()), (vec!["c"], 0));
}

#[test]
fn a_refused_quota_leaves_the_former_one() {
    let former = Existing::Created(list(json!({"pods": 2})));
    for (asked, kept, why) in [
        (json!({"pods": 3}), json!({"pods": 3}), None),
        (json!({"pods": 11}), json!({"pods": 2}), Some(reason::QUOTA_EXCEEDED)),
        (json!({"pod": 1}), json!({"pods": 2}), Some(reason::INVALID_SPEC)),
    ] {
        let admission = of(json!({}), three(), vec![asks("a", 1, asked.clone(), former.clone())]);
        assert_eq!(admission.namespaces[0].quota, list(kept), "{asked}");
        match why {
            None => assert_eq!(admission.verdicts["a"], Verdict::Admitted(None)),
            Some(why) => assert_eq!(note(&admission, "a").0, why, "{asked}"),
        }
    }
    // Where the former does not fit either, the namespace shares what is left.
    let admission = of(
        json!({"namespaces": [{"name": "x", "quota": {"pods": 9}}]}),
        three(),
        vec![asks("a", 1, json!({"pods": 2}), former)],
    );
    assert_eq!(admission.namespaces[0].quota, ResourceList::new());
}

#[test]
fn a_deletion_takes_the_namespace_only_where_somebody_asked_for_it() {
    let made = || asks("a", 1, json!({}), Existing::Created(ResourceList::new()));
    let terminating = || asks("a", 1, json!({}), Existing::Terminating { is_created: true });
    let absent = || asks("a", 1, json!({}), Existing::Absent);
    let foreign = || asks("a", 1, json!({}), Existing::Taken(Note::new(reason::CONFLICT, "taken")));
    for (one, removal, stays, ends, verdict) in [
        (made(), Removal::Requested, false, true, Some(Verdict::Ending)),
        (terminating(), Removal::Requested, false, true, Some(Verdict::Ending)),
        (made(), Removal::Incidental, true, false, Some(Verdict::Released)),
        (made(), Removal::Undecided, true, false, None),
        (absent(), Removal::Requested, false, false, Some(Verdict::Released)),
        (foreign(), Removal::Requested, false, false, Some(Verdict::Released)),
        (terminating(), Removal::None, false, true, None),
    ] {
        let what = format!("{one:?} {removal:?}");
        let admission = of(json!({}), three(), vec![removed(one, removal)]);
        assert_eq!(!admission.namespaces.is_empty(), stays, "{what}");
        assert_eq!(admission.ending.contains("acme-a"), ends, "{what}");
        match verdict {
            Some(verdict) => assert_eq!(admission.verdicts["a"], verdict, "{what}"),
            None => assert_eq!(note(&admission, "a").0, reason::PROGRESSING, "{what}"),
        }
    }
    // The Tenant names it by now.
    let named = json!({"namespaces": [{"name": "a"}]});
    let admission = of(named, three(), vec![removed(made(), Removal::Requested)]);
    assert_eq!(admission.verdicts["a"], Verdict::Released);
    assert!(admission.ending.is_empty());
}

#[test]
fn the_place_of_one_that_is_going_is_free_once_it_is_gone() {
    let made = |name, second| asks(name, second, json!({}), Existing::Created(ResourceList::new()));
    let going = removed(made("a", 1), Removal::Requested);
    let new = asks("d", 9, json!({}), Existing::Absent);
    let admission = of(json!({}), three(), vec![going, made("b", 2), made("c", 3), new.clone()]);
    assert_eq!(names_of(&admission), ["b", "c"]);
    assert_eq!(note(&admission, "d").0, reason::PROGRESSING);
    let admission = of(json!({}), three(), vec![made("b", 2), made("c", 3), new]);
    assert_eq!(names_of(&admission), ["b", "c", "d"]);
}

#[test]
fn an_admitted_one_is_a_namespace_like_any_other() {
    let world = World {
        created: vec![asks("a", 1, json!({"pods": 4}), Existing::Absent)],
        ..world(&[])
    };
    let valid = validate(&tenant(json!({})), &tier(three()), &world).expect("valid");
    let shares: Vec<(&str, &str)> = valid
        .core
        .namespaces
        .iter()
        .map(|own| (own.name.as_str(), own.quota["pods"].0.as_str()))
        .collect();
    assert_eq!(shares, [("acme", "6"), ("acme-a", "4")]);
    let planned = crate::tenant::fixtures::plan(&valid, &crate::tenant::fixtures::platform());
    let annotation = |name: &str, key: &str| {
        let mut objects = planned.objects();
        let found = objects.find(|object| object.key == crate::cluster::Key::namespace(name));
        found.expect(name).value["metadata"]["annotations"][key].clone()
    };
    assert_eq!(annotation("acme-a", names::TENANT_NAMESPACE), json!(r#"{"pods":"4"}"#));
    assert_eq!(annotation("acme", names::TENANT_NAMESPACE), Value::Null);
    assert_eq!(annotation("acme", names::MAX_TENANT_NAMESPACES), json!("3"));
    assert_eq!(annotation("acme-a", names::MAX_TENANT_NAMESPACES), Value::Null);
    assert!(
        planned
            .keys()
            .iter()
            .any(|key| key.namespace == "acme-a" && key.kind == crate::cluster::Kind::NetworkPolicy)
    );
}

#[test]
fn one_that_cannot_be_held_waits_and_has_no_namespace() {
    let world = World {
        created: vec![
            asks("a", 1, json!({}), Existing::Created(ResourceList::new())),
            asks("b", 2, json!({}), Existing::Absent),
        ],
        ..world(&[])
    };
    let mut valid = validate(&tenant(json!({})), &tier(three()), &world).expect("valid");
    let mut admission = valid.part::<Admission>().cloned().expect("the decisions");
    for name in ["a", "b"] {
        admission.withdraw(name, &mut valid.core);
    }
    let names: Vec<&str> = valid.core.namespaces.iter().map(|own| own.name.as_str()).collect();
    assert_eq!(names, ["acme", "acme-a"], "what exists stays");
    assert_eq!(note(&admission, "b").0, reason::PROGRESSING);
    assert_eq!(admission.verdicts["a"], Verdict::Admitted(None));
}
