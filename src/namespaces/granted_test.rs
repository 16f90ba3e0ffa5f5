//! The words for a namespace that waits, and for those that hold what it waits for.

use super::*;
use crate::quantity::Amount;

fn amount(text: &str) -> Amount {
    Amount::parse(text).expect("a quantity")
}

fn uses(namespace: &str, used: &str, share: &str) -> Holder {
    Holder::Uses {
        namespace: namespace.into(),
        used: amount(used),
        share: amount(share),
    }
}

fn shortfall(key: &str, waiting: &[(&str, &str, &str)], holders: Vec<Holder>) -> Shortfall {
    let waiting = waiting.iter().map(|(namespace, has, share)| Waiting {
        namespace: (*namespace).into(),
        has: amount(has),
        share: amount(share),
    });
    Shortfall {
        key: key.into(),
        waiting: waiting.collect(),
        holders,
        withheld: None,
    }
}

fn of(all: &[Shortfall]) -> Shortfalls {
    Shortfalls {
        all: all.to_vec(),
        ..Shortfalls::default()
    }
}

#[test]
fn nothing_is_left_without_a_word() {
    let squeezed = vec![("pods".to_string(), vec!["acme".to_string(), "acme-b".to_string()])];
    let State::Ready(Some(note)) = state(&Shortfalls {
        squeezed,
        ..Shortfalls::default()
    }) else {
        panic!("each namespace has its share, which is nothing")
    };
    assert_eq!(
        (note.reason, note.message.as_str()),
        (
            reason::LENT_TO_SUBTENANTS,
            "the subtenants' quotas leave nothing of pods to acme, acme-b: lower these, or raise the tenant's quota"
        )
    );
}

#[test]
fn a_wait_names_who_holds_what_of_which_key() {
    assert_eq!(state(&Shortfalls::default()), State::Ready(None));

    let pods = shortfall("pods", &[("acme-b", "0", "3")], vec![uses("acme", "6", "3")]);
    let State::Stalled(note) = state(&of(std::slice::from_ref(&pods))) else {
        panic!("somebody must act")
    };
    assert_eq!(note.reason, reason::WAITING_FOR_RELEASE);
    assert_eq!(
        note.message,
        "pods: namespace acme uses 6 of its share of 3, namespace acme-b waits with 0 of 3; \
         pods give back what they use when they end: scale down, or raise the quota"
    );

    let storage = shortfall(
        "requests.storage",
        &[("acme-b", "1Gi", "3Gi")],
        vec![uses("acme", "5Gi", "3Gi")],
    );
    let State::Stalled(note) = state(&of(&[pods, storage])) else {
        panic!("somebody must act")
    };
    let end = "objects keep their requests.storage until they are deleted: delete some, or raise the quota";
    assert!(note.message.ends_with(end), "{}", note.message);
}

#[test]
fn a_subtenant_waits_for_those_that_hold_its_parents_quota() {
    let mut pods = shortfall("pods", &[("north", "2", "6")], vec![]);
    pods.withheld = Some(Withheld {
        parent: "acme".into(),
        granted: amount("2"),
        asked: amount("6"),
        holders: vec![
            ("tenant south".into(), amount("3")),
            ("namespace acme".into(), amount("1")),
        ],
    });
    let State::Progressing(note) = state(&of(&[pods])) else {
        panic!("it may pass by itself")
    };
    assert_eq!(
        (note.reason, note.message.as_str()),
        (
            reason::WAITING_FOR_RELEASE,
            "pods: tenant acme has granted 2 of 6 (tenant south holds 3, namespace acme holds 1), namespace north waits with 2 of 6"
        )
    );
}

#[test]
fn what_ends_by_itself_is_waited_for() {
    let lowered = Holder::Lowered {
        namespace: "acme".into(),
        reserved: amount("6"),
        share: amount("3"),
    };
    let leaving = |reserved: Option<&str>| Holder::Leaving {
        namespace: "acme-c".into(),
        reserved: reserved.map(amount),
    };
    for (holders, words) in [
        (
            vec![lowered],
            "the quota controller has not lowered namespace acme from 6 to 3 yet",
        ),
        (vec![leaving(Some("2"))], "namespace acme-c holds 2 until it is gone"),
        (
            vec![leaving(None)],
            "namespace acme-c holds an unknown amount until it is gone",
        ),
        (
            vec![],
            "the quota controller has not counted the use of all namespaces yet",
        ),
    ] {
        let State::Progressing(note) = state(&of(&[shortfall("pods", &[("acme-b", "0", "3")], holders)])) else {
            panic!("{words}: nobody must act")
        };
        assert_eq!(
            note.message,
            format!("pods: {words}, namespace acme-b waits with 0 of 3")
        );
    }
}

#[test]
fn a_quota_below_its_use_is_granted_and_says_so() {
    let state = state(&of(&[shortfall("services", &[], vec![uses("acme", "6", "3")])]));
    let State::Ready(Some(note)) = state else {
        panic!("each namespace has its share")
    };
    assert_eq!(
        (note.reason, note.message.as_str()),
        (
            reason::USED_ABOVE_QUOTA,
            "services: namespace acme uses 6 of its share of 3; objects keep their services until they are deleted: delete some, or raise the quota"
        )
    );
}

#[test]
fn a_message_names_a_few_keys() {
    let keys: Vec<String> = (0..9).map(|i| format!("count/things-{i}")).collect();
    let all: Vec<Shortfall> = keys
        .iter()
        .map(|key| shortfall(key, &[("acme-b", "0", "3")], vec![uses("acme", "6", "3")]))
        .collect();
    let State::Stalled(note) = state(&of(&all)) else {
        panic!("somebody must act")
    };
    assert!(
        note.message.contains("things-3: ") && note.message.contains("and 5 more keys"),
        "{}",
        note.message
    );
    assert!(
        note.message.len() < crate::conditions::MAX_MESSAGE,
        "{}",
        note.message.len()
    );
}

#[test]
fn pods_give_back_what_they_request() {
    for (key, ends) in [
        ("pods", true),
        ("count/pods", true),
        ("count/jobs.batch", true),
        ("requests.cpu", true),
        ("limits.memory", true),
        ("requests.ephemeral-storage", true),
        ("requests.nvidia.com/gpu", true),
        ("hugepages-2Mi", true),
        ("requests.storage", false),
        ("fast.storageclass.storage.k8s.io/requests.storage", false),
        ("persistentvolumeclaims", false),
        ("services.loadbalancers", false),
        ("count/secrets", false),
    ] {
        assert_eq!(ends_with_pods(key), ends, "{key}");
    }
}
