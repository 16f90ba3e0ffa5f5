//! States of routes, by the reports of each gateway.

use super::*;
use crate::tenant::fixtures::attachment;
use serde_json::json;

fn to() -> Attachment {
    attachment()
}

fn route(status: Value) -> Live {
    Live {
        key: Key {
            kind: Kind::HttpRoute,
            namespace: "acme".into(),
            name: "tenant-host-open".into(),
        },
        uid: String::new(),
        resource_version: String::new(),
        value: json!({
            "metadata": {"generation": 3},
            "spec": {"parentRefs": [parent("platform", ("", 0), ("", 0))["parentRef"]]},
            "status": status,
        }),
    }
}

fn parent(name: &str, accepted: (&str, i64), resolved: (&str, i64)) -> Value {
    let condition = |type_: &str, (status, generation): (&str, i64)| json!({"type": type_, "status": status, "reason": "Why", "message": "words", "observedGeneration": generation});
    json!({
        "parentRef": {"kind": "Gateway", "namespace": "gateway-system", "name": name},
        "conditions": [condition("Accepted", accepted), condition("ResolvedRefs", resolved)],
    })
}

#[test]
fn a_route_is_ready_when_our_gateway_has_taken_up_what_it_is_now() {
    let judged = |parents: Vec<Value>| of_object(&to(), &route(json!({"parents": parents})));
    let good = || parent("platform", ("True", 3), ("True", 3));
    assert_eq!(judged(vec![good()]), Ok(()));
    assert_eq!(judged(vec![parent("other", ("False", 3), ("True", 3)), good()]), Ok(()));
    for waits in [
        vec![],
        vec![parent("other", ("True", 3), ("True", 3))],
        vec![parent("platform", ("True", 2), ("True", 3))],
        vec![parent("platform", ("False", 2), ("True", 3))],
        vec![parent("platform", ("True", 3), ("True", 2))],
    ] {
        assert!(
            matches!(judged(waits.clone()), Err(GatewayState::Waiting(_))),
            "{waits:?}"
        );
    }
    let refused = judged(vec![parent("platform", ("True", 3), ("False", 3))]);
    let Err(GatewayState::Refused { message, .. }) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(
        message,
        "HTTPRoute acme/tenant-host-open is not ResolvedRefs (Why): words"
    );
}

#[test]
fn a_policy_must_hold_for_the_routes_of_either_parent() {
    let judged = |ancestors: &[(&str, &str, &str, &str)]| {
        let said = ancestors.iter().map(|(kind, namespace, name, status)| {
            json!({
                "ancestorRef": {"kind": kind, "namespace": namespace, "name": name},
                "conditions": [{"type": "Accepted", "status": status, "reason": "Why", "message": "words", "observedGeneration": 3}],
            })
        });
        let mut live = route(json!({"ancestors": said.collect::<Vec<_>>()}));
        live.key.kind = Kind::SecurityPolicy;
        of_object(&to(), &live)
    };
    let gateway = ("Gateway", "gateway-system", "platform", "True");
    let listeners = |namespace, status| ("ListenerSet", namespace, "tenant", status);
    assert_eq!(judged(&[gateway]), Ok(()));
    assert_eq!(judged(&[listeners("acme", "True")]), Ok(()));
    assert_eq!(
        judged(&[gateway, listeners("globex", "False"), listeners("acme", "True")]),
        Ok(())
    );
    assert!(matches!(
        judged(&[gateway, listeners("acme", "False")]),
        Err(GatewayState::Refused { .. })
    ));
    assert!(matches!(
        judged(&[listeners("globex", "True")]),
        Err(GatewayState::Waiting(_))
    ));
}

#[test]
fn apisix_says_itself_whether_it_has_taken_up_routes_and_consumers() {
    let judged = |kind: Kind, conditions: Value| {
        let mut live = route(json!({"conditions": conditions}));
        live.key.kind = kind;
        of_object(&to(), &live)
    };
    let accepted = |status: &str, generation: i64| json!([{"type": "Accepted", "status": status, "reason": "InvalidSpec", "message": "why", "observedGeneration": generation}]);
    for kind in [Kind::ApisixRoute, Kind::ApisixConsumer, Kind::ApisixTls] {
        assert_eq!(judged(kind, accepted("True", 3)), Ok(()));
        for waits in [json!([]), accepted("True", 2), accepted("False", 2)] {
            assert!(
                matches!(judged(kind, waits.clone()), Err(GatewayState::Waiting(_))),
                "{kind} {waits}"
            );
        }
        assert!(matches!(
            judged(kind, accepted("False", 3)),
            Err(GatewayState::Refused {
                reason: "NotAccepted",
                ..
            })
        ));
    }
    assert_eq!(judged(Kind::ApisixUpstream, json!([])), Ok(()), "read with its route");
}

#[test]
fn a_gateway_serves_when_it_is_accepted_and_programmed() {
    let gateway = |accepted: &str, programmed: &str| {
        json!({"status": {"conditions": [
            {"type": "Accepted", "status": accepted, "reason": "A", "message": "first"},
            {"type": "Programmed", "status": programmed, "reason": "AddressNotAssigned", "message": "no address"},
        ]}})
    };
    let says = |gateway: Value| of_parent(&to(), Some(&gateway));
    assert_eq!(says(gateway("True", "True")), None);
    assert_eq!(
        says(gateway("True", "False")).as_deref(),
        Some("Gateway gateway-system/platform is not Programmed (AddressNotAssigned): no address")
    );
    assert!(says(gateway("Unknown", "True")).is_some_and(|why| why.contains("not Accepted")));
    assert!(says(json!({})).is_some_and(|why| why.contains("has no condition")));
    assert!(of_parent(&to(), None).is_some_and(|why| why.contains("does not exist")));
}

#[test]
fn what_is_refused_is_told_before_what_is_waited_for_and_what_cannot_be_said_last() {
    let planned = |name: &str| Desired {
        key: Key {
            name: name.into(),
            ..route(Value::Null).key
        },
        value: Value::Null,
        others: Vec::new(),
        takes_over: false,
    };
    let all = [planned("waits"), planned("bad"), planned("good")];
    let live = |key: &Key| {
        let status = match key.name.as_str() {
            "bad" => json!({"parents": [parent("platform", ("False", 3), ("True", 3))]}),
            "good" => json!({"parents": [parent("platform", ("True", 3), ("True", 3))]}),
            _ => json!({}),
        };
        Some(route(status))
    };
    let cannot = [
        Unsupported::feature("spec.gateway.x", "why"),
        Unsupported {
            reason: "NobodyAdmitted",
            ..Unsupported::feature("spec.gateway.y", "else")
        },
    ];
    let judged = |planned: &[Desired], cannot: &[Unsupported]| judge(&to(), planned, cannot, live);
    assert!(matches!(
        judged(&all, &cannot),
        GatewayState::Refused {
            reason: "NotAccepted",
            ..
        }
    ));
    assert!(matches!(judged(&all[..1], &cannot), GatewayState::Waiting(_)));
    assert_eq!(
        judged(&all[2..], &cannot),
        GatewayState::Refused {
            reason: "Unsupported",
            message: "spec.gateway.x: why; spec.gateway.y: else".into(),
        }
    );
    assert_eq!(judged(&all[2..], &[]), GatewayState::Ready);
    // The words are the same for every awaited object: each other message would be a write.
    assert_eq!(judge(&to(), &all[2..], &[], |_| None), GatewayState::not_yet());
    assert_eq!(judged(&all[..1], &cannot), GatewayState::not_yet());
}

#[test]
fn while_a_certificate_is_issued_what_hangs_on_it_is_waited_for_and_nothing_else() {
    let object = |kind: Kind| Desired {
        key: Key {
            kind,
            ..route(Value::Null).key
        },
        value: json!({"spec": {"parentRefs": [{"kind": "ListenerSet"}]}}),
        others: Vec::new(),
        takes_over: false,
    };
    let refused = json!([{"type": "Accepted", "status": "False", "reason": "ListenersNotValid", "message": "", "observedGeneration": 3}]);
    let judged = |ready: Value, other: Kind| {
        let planned = [object(Kind::Certificate), object(other)];
        judge(&to(), &planned, &[], |key| {
            let status = match key.kind {
                Kind::Certificate => json!({"conditions": ready}),
                _ => json!({"conditions": refused}),
            };
            let mut live = route(status);
            live.key = key.clone();
            Some(live)
        })
    };
    let ready = |status: &str| json!({"type": "Ready", "status": status, "reason": "Why", "message": "words", "observedGeneration": 3});
    let issuing = json!({"type": "Issuing", "status": "True", "reason": "", "message": ""});
    assert!(matches!(
        judged(json!([ready("False"), issuing]), Kind::ListenerSet),
        GatewayState::Waiting(_)
    ));
    for conditions in [json!([ready("True")]), json!([ready("False")])] {
        assert!(
            matches!(
                judged(conditions.clone(), Kind::ListenerSet),
                GatewayState::Refused { .. }
            ),
            "{conditions}"
        );
    }
    let mut other = object(Kind::ApisixConsumer);
    assert!(certificates::hangs_on_issue(&other));
    other.value = json!({"spec": {"parentRefs": [{"kind": "Gateway"}]}});
    assert!(!certificates::hangs_on_issue(&other));
}
