//! What a gateway says of what it was told. Pure.

use super::{Attachment, Inexpressible};
use crate::cluster::{Desired, Key, Kind, Live};
use serde_json::Value;

/// How a tenant's way in stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The gateway has taken up everything as it is now.
    Ready,
    /// It has not yet.
    Waiting(String),
    /// It cannot, and why.
    Refused { reason: &'static str, message: String },
}

/// What the Gateway itself, as JSON, says of itself: None where it serves, else why not.
pub fn of_parent(to: &Attachment, gateway: Option<&Value>) -> Option<String> {
    let name = format!("Gateway {}/{}", to.namespace, to.name);
    let Some(gateway) = gateway else {
        return Some(format!("{name} is not there"));
    };
    let conditions = gateway.pointer("/status/conditions").and_then(Value::as_array);
    for type_ in ["Accepted", "Programmed"] {
        let mut all = conditions.into_iter().flatten();
        let text = |condition: &Value, field: &str| condition[field].as_str().unwrap_or_default().to_string();
        match all.find(|condition| condition["type"] == type_) {
            Some(condition) if condition["status"] == "True" => {}
            Some(condition) => {
                let (reason, message) = (text(condition, "reason"), text(condition, "message"));
                return Some(format!("{name} is not {type_} ({reason}): {message}"));
            }
            None => return Some(format!("{name} does not say that it is {type_}")),
        }
    }
    None
}

/// Whether the gateway has taken up everything that it was told.
pub fn judge(
    to: &Attachment,
    planned: &[Desired],
    inexpressible: &[Inexpressible],
    live: impl Fn(&Key) -> Option<Live>,
) -> Standing {
    let mut waiting = None;
    for desired in planned {
        let taken = match live(&desired.key) {
            Some(live) => of_object(to, &live),
            None => Err(Standing::Waiting(format!("{} is not there yet", desired.key))),
        };
        match taken {
            Ok(()) => {}
            Err(refused @ Standing::Refused { .. }) => return refused,
            Err(other) => {
                waiting.get_or_insert(other);
            }
        }
    }
    if let Some(waiting) = waiting {
        return waiting;
    }
    match inexpressible.first() {
        Some(Inexpressible { field, message }) => Standing::Refused {
            reason: "Unsupported",
            message: format!("{field}: {message}"),
        },
        None => Standing::Ready,
    }
}

/// Whether the gateway has taken up one object.
///
/// # Errors
/// How it stands instead.
pub fn of_object(to: &Attachment, live: &Live) -> Result<(), Standing> {
    let (list, who, types): (_, _, &[&str]) = match live.key.kind {
        Kind::HttpRoute => ("/status/parents", "parentRef", &["Accepted", "ResolvedRefs"]),
        Kind::SecurityPolicy | Kind::BackendTrafficPolicy => ("/status/ancestors", "ancestorRef", &["Accepted"]),
        Kind::ApisixRoute | Kind::ApisixConsumer => {
            return of_conditions(live, "APISIX", live.value.pointer("/status"), &["Accepted"]);
        }
        _ => return Ok(()),
    };
    let gateway = format!("Gateway {}/{}", to.namespace, to.name);
    let all = live.value.pointer(list).and_then(Value::as_array);
    let said = all.into_iter().flatten().find(|said| is_by(&said[who], to));
    of_conditions(live, &gateway, said, types)
}

/// Whether what was said of an object is good, and said of what it is now.
fn of_conditions(live: &Live, gateway: &str, said: Option<&Value>, types: &[&str]) -> Result<(), Standing> {
    let not_yet = || Standing::Waiting(format!("{gateway} has not taken up {} yet", live.key));
    let conditions = said.and_then(|said| said["conditions"].as_array());
    let conditions: Vec<&Value> = conditions.into_iter().flatten().collect();
    let generation = live.value.pointer("/metadata/generation").and_then(Value::as_i64);
    for type_ in types {
        let condition = conditions.iter().find(|condition| condition["type"] == **type_);
        let is_current = |condition: &&&Value| condition["observedGeneration"].as_i64() >= generation;
        let condition = condition.filter(is_current).ok_or_else(not_yet)?;
        if condition["status"] != "True" {
            let text = |field: &str| condition[field].as_str().unwrap_or_default().to_string();
            let message = format!("{} is not {type_} ({}): {}", live.key, text("reason"), text("message"));
            return Err(Standing::Refused {
                reason: "NotAccepted",
                message,
            });
        }
    }
    Ok(())
}

fn is_by(reference: &Value, to: &Attachment) -> bool {
    let text = |field: &str| reference[field].as_str().unwrap_or_default();
    text("name") == to.name && text("namespace") == to.namespace && text("kind") == "Gateway"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tenant::fixtures::platform;
    use serde_json::json;

    fn to() -> Attachment {
        platform().gateway.expect("a gateway")
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
            value: json!({"metadata": {"generation": 3}, "status": status}),
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
        let stands = |parents: Vec<Value>| of_object(&to(), &route(json!({"parents": parents})));
        let good = || parent("platform", ("True", 3), ("True", 3));
        assert_eq!(stands(vec![good()]), Ok(()));
        assert_eq!(stands(vec![parent("other", ("False", 3), ("True", 3)), good()]), Ok(()));
        for waits in [
            vec![],
            vec![parent("other", ("True", 3), ("True", 3))],
            vec![parent("platform", ("True", 2), ("True", 3))],
            vec![parent("platform", ("False", 2), ("True", 3))],
            vec![parent("platform", ("True", 3), ("True", 2))],
        ] {
            assert!(matches!(stands(waits.clone()), Err(Standing::Waiting(_))), "{waits:?}");
        }
        let refused = stands(vec![parent("platform", ("True", 3), ("False", 3))]);
        let Err(Standing::Refused { message, .. }) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!(
            message,
            "HTTPRoute acme/tenant-host-open is not ResolvedRefs (Why): words"
        );
    }

    #[test]
    fn apisix_says_itself_whether_it_has_taken_up_routes_and_consumers() {
        let stands = |kind: Kind, conditions: Value| {
            let mut live = route(json!({"conditions": conditions}));
            live.key.kind = kind;
            of_object(&to(), &live)
        };
        let accepted = |status: &str, generation: i64| json!([{"type": "Accepted", "status": status, "reason": "InvalidSpec", "message": "why", "observedGeneration": generation}]);
        for kind in [Kind::ApisixRoute, Kind::ApisixConsumer] {
            assert_eq!(stands(kind, accepted("True", 3)), Ok(()));
            for waits in [json!([]), accepted("True", 2), accepted("False", 2)] {
                assert!(
                    matches!(stands(kind, waits.clone()), Err(Standing::Waiting(_))),
                    "{kind} {waits}"
                );
            }
            assert!(matches!(
                stands(kind, accepted("False", 3)),
                Err(Standing::Refused {
                    reason: "NotAccepted",
                    ..
                })
            ));
        }
        assert_eq!(stands(Kind::ApisixUpstream, json!([])), Ok(()), "read with its route");
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
        assert!(says(json!({})).is_some_and(|why| why.contains("does not say")));
        assert!(of_parent(&to(), None).is_some_and(|why| why.contains("is not there")));
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
        let cannot = [Inexpressible {
            field: "spec.gateway.x",
            message: "why".into(),
        }];
        let stands = |planned: &[Desired], cannot: &[Inexpressible]| judge(&to(), planned, cannot, live);
        assert!(matches!(
            stands(&all, &cannot),
            Standing::Refused {
                reason: "NotAccepted",
                ..
            }
        ));
        assert!(matches!(stands(&all[..1], &cannot), Standing::Waiting(_)));
        assert!(matches!(
            stands(&all[2..], &cannot),
            Standing::Refused {
                reason: "Unsupported",
                ..
            }
        ));
        assert_eq!(stands(&all[2..], &[]), Standing::Ready);
        assert!(matches!(judge(&to(), &all[2..], &[], |_| None), Standing::Waiting(_)));
    }
}
