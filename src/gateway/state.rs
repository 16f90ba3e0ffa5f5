//! State of a tenant's routes, read from the gateway's reports. Pure.

use super::{Attachment, Unsupported, certificates, certificates_state, envoy};
use crate::capability::{Note, State};
use crate::cluster::{Desired, Key, Kind, Live};
use crate::conditions::reason;
use serde_json::Value;

/// State of a tenant's routes in the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GatewayState {
    /// The gateway has taken up everything as it is now.
    Ready,
    /// It has not yet.
    Waiting(String),
    /// It cannot, and why.
    Refused { reason: &'static str, message: String },
}

impl From<GatewayState> for State {
    fn from(standing: GatewayState) -> Self {
        match standing {
            GatewayState::Ready => Self::Ready(None),
            GatewayState::Waiting(message) => Self::Progressing(Note::new(reason::PROGRESSING, message)),
            GatewayState::Refused { reason, message } => Self::Stalled(Note::new(reason, message)),
        }
    }
}

impl GatewayState {
    /// Names no object: the message would change every second, and each change would write the status.
    pub fn not_yet() -> Self {
        Self::Waiting("the gateway has not accepted all routes and policies yet".into())
    }

    /// Everything is taken up, but for this.
    pub fn without(unsupported: &[Unsupported]) -> Self {
        let Some(Unsupported { reason, .. }) = unsupported.first() else {
            return Self::Ready;
        };
        let all: Vec<String> = unsupported.iter().map(ToString::to_string).collect();
        Self::Refused {
            reason,
            message: all.join("; "),
        }
    }
}

/// Returns the reason why the Gateway, as JSON, does not serve; None where it serves.
pub fn of_parent(to: &Attachment, gateway: Option<&Value>) -> Option<String> {
    let name = format!("Gateway {}/{}", to.namespace, to.name);
    let Some(gateway) = gateway else {
        return Some(format!("{name} does not exist"));
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
            None => return Some(format!("{name} has no condition {type_}")),
        }
    }
    None
}

/// Judges whether the gateway has accepted all objects. Preloads come and go while all is well.
pub fn judge(
    to: &Attachment,
    planned: &[Desired],
    unsupported: &[Unsupported],
    live: impl Fn(&Key) -> Option<Live>,
) -> GatewayState {
    let mut waiting = None;
    let mut is_issuing = false;
    for desired in planned
        .iter()
        .filter(|desired| !to.controller.is_jwks_preload(&desired.value))
    {
        let taken = match live(&desired.key) {
            Some(live) => of_object(to, &live),
            None => Err(GatewayState::not_yet()),
        };
        match taken {
            Ok(()) => {}
            // Without a certificate there is nothing to listen with.
            Err(GatewayState::Refused { .. }) if is_issuing && certificates::hangs_on_issue(desired) => {}
            Err(refused @ GatewayState::Refused { .. }) => return refused,
            Err(other) => {
                is_issuing |= desired.key.kind == Kind::Certificate;
                waiting.get_or_insert(other);
            }
        }
    }
    waiting.unwrap_or_else(|| GatewayState::without(unsupported))
}

/// Checks that the gateway has accepted one object.
///
/// # Errors
/// The state otherwise.
pub fn of_object(to: &Attachment, live: &Live) -> Result<(), GatewayState> {
    let said = |pointer: &str| {
        live.value
            .pointer(pointer)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
    };
    match live.key.kind {
        // By each that it leads through.
        Kind::HttpRoute => {
            let mut parents = said("/spec/parentRefs").peekable();
            if parents.peek().is_none() {
                return of_conditions(live, None, &["Accepted"]);
            }
            parents.try_for_each(|parent| {
                let by_it = said("/status/parents").find(|said| is_same(&said["parentRef"], parent));
                of_conditions(live, by_it, &["Accepted", "ResolvedRefs"])
            })
        }
        // For every route of the tenant's that it is for.
        Kind::SecurityPolicy | Kind::BackendTrafficPolicy => {
            let mut ancestors = said("/status/ancestors").filter(|said| is_ours(&said["ancestorRef"], to, live));
            of_conditions(live, ancestors.next(), &["Accepted"])?;
            ancestors.try_for_each(|said| of_conditions(live, Some(said), &["Accepted"]))
        }
        Kind::ListenerSet => certificates_state::of_listeners(live, &format!("Gateway {}/{}", to.namespace, to.name)),
        Kind::Certificate => certificates_state::of_certificate(live),
        Kind::ApisixRoute | Kind::ApisixConsumer | Kind::ApisixTls => {
            of_conditions(live, live.value.pointer("/status"), &["Accepted"])
        }
        _ => Ok(()),
    }
}

/// Checks that these conditions of an object are true, and are of its current generation.
pub(super) fn of_conditions(live: &Live, said: Option<&Value>, types: &[&str]) -> Result<(), GatewayState> {
    let conditions = said.and_then(|said| said["conditions"].as_array());
    let conditions: Vec<&Value> = conditions.into_iter().flatten().collect();
    let generation = live.value.pointer("/metadata/generation").and_then(Value::as_i64);
    for type_ in types {
        let condition = conditions.iter().find(|condition| condition["type"] == **type_);
        let is_current = |condition: &&&Value| condition["observedGeneration"].as_i64() >= generation;
        let condition = condition.filter(is_current).ok_or_else(GatewayState::not_yet)?;
        if condition["status"] != "True" {
            let text = |field: &str| condition[field].as_str().unwrap_or_default().to_string();
            let message = format!("{} is not {type_} ({}): {}", live.key, text("reason"), text("message"));
            return Err(GatewayState::Refused {
                reason: reason::NOT_ACCEPTED,
                message,
            });
        }
    }
    Ok(())
}

/// Returns true where two references name the same object.
fn is_same(a: &Value, b: &Value) -> bool {
    ["kind", "namespace", "name"].iter().all(|field| a[field] == b[field])
}

/// Returns true where a reference names the parent of the tenant's own routes: the Gateway, or the tenant's listeners there.
fn is_ours(reference: &Value, to: &Attachment, live: &Live) -> bool {
    let is = |kind: &str, namespace: &str, name: &str| {
        reference["kind"] == kind && reference["namespace"] == namespace && reference["name"] == name
    };
    is("Gateway", &to.namespace, &to.name) || is(Kind::ListenerSet.as_str(), &live.key.namespace, envoy::LISTENERS)
}

#[cfg(test)]
mod tests {
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
            assert!(
                matches!(stands(waits.clone()), Err(GatewayState::Waiting(_))),
                "{waits:?}"
            );
        }
        let refused = stands(vec![parent("platform", ("True", 3), ("False", 3))]);
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
        let stands = |ancestors: &[(&str, &str, &str, &str)]| {
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
        assert_eq!(stands(&[gateway]), Ok(()));
        assert_eq!(stands(&[listeners("acme", "True")]), Ok(()));
        assert_eq!(
            stands(&[gateway, listeners("globex", "False"), listeners("acme", "True")]),
            Ok(())
        );
        assert!(matches!(
            stands(&[gateway, listeners("acme", "False")]),
            Err(GatewayState::Refused { .. })
        ));
        assert!(matches!(
            stands(&[listeners("globex", "True")]),
            Err(GatewayState::Waiting(_))
        ));
    }

    #[test]
    fn apisix_says_itself_whether_it_has_taken_up_routes_and_consumers() {
        let stands = |kind: Kind, conditions: Value| {
            let mut live = route(json!({"conditions": conditions}));
            live.key.kind = kind;
            of_object(&to(), &live)
        };
        let accepted = |status: &str, generation: i64| json!([{"type": "Accepted", "status": status, "reason": "InvalidSpec", "message": "why", "observedGeneration": generation}]);
        for kind in [Kind::ApisixRoute, Kind::ApisixConsumer, Kind::ApisixTls] {
            assert_eq!(stands(kind, accepted("True", 3)), Ok(()));
            for waits in [json!([]), accepted("True", 2), accepted("False", 2)] {
                assert!(
                    matches!(stands(kind, waits.clone()), Err(GatewayState::Waiting(_))),
                    "{kind} {waits}"
                );
            }
            assert!(matches!(
                stands(kind, accepted("False", 3)),
                Err(GatewayState::Refused {
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
        let stands = |planned: &[Desired], cannot: &[Unsupported]| judge(&to(), planned, cannot, live);
        assert!(matches!(
            stands(&all, &cannot),
            GatewayState::Refused {
                reason: "NotAccepted",
                ..
            }
        ));
        assert!(matches!(stands(&all[..1], &cannot), GatewayState::Waiting(_)));
        assert_eq!(
            stands(&all[2..], &cannot),
            GatewayState::Refused {
                reason: "Unsupported",
                message: "spec.gateway.x: why; spec.gateway.y: else".into(),
            }
        );
        assert_eq!(stands(&all[2..], &[]), GatewayState::Ready);
        // The words are the same for every awaited object: each other message would be a write.
        assert_eq!(judge(&to(), &all[2..], &[], |_| None), GatewayState::not_yet());
        assert_eq!(stands(&all[..1], &cannot), GatewayState::not_yet());
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
        let stands = |ready: Value, other: Kind| {
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
            stands(json!([ready("False"), issuing]), Kind::ListenerSet),
            GatewayState::Waiting(_)
        ));
        for conditions in [json!([ready("True")]), json!([ready("False")])] {
            assert!(
                matches!(
                    stands(conditions.clone(), Kind::ListenerSet),
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
}
