//! State of a tenant's certificates: the gateway reports on the listeners, cert-manager on the certificates that it issues. Pure.

use super::state::{GatewayState, of_conditions};
use crate::cluster::Live;
use crate::conditions::reason;
use serde_json::Value;

/// Checks that the gateway listens with each certificate. Gateways report a ListenerSet as programmed as soon as one listener is, so this reads each listener.
///
/// # Errors
/// The state of the first listener that is not programmed.
pub fn of_listeners(live: &Live, gateway: &str) -> Result<(), GatewayState> {
    let status = live.value.pointer("/status");
    let accepted = of_conditions(live, status, &["Accepted"]);
    let spec = live.value.pointer("/spec/listeners").and_then(Value::as_array);
    let said = live.value.pointer("/status/listeners").and_then(Value::as_array);
    let said_of = |listener: &Value| said.into_iter().flatten().find(|said| said["name"] == listener["name"]);
    for listener in spec.into_iter().flatten() {
        let Some(said) = said_of(listener) else { continue };
        let host = listener["hostname"].as_str().unwrap_or_default();
        // The first says why, where the others say only that.
        of_conditions(live, Some(said), &["ResolvedRefs", "Accepted", "Programmed"])
            .map_err(|state| at(host, state))?;
    }
    accepted.map_err(allowed)?;
    let unsaid = spec.into_iter().flatten().find(|listener| said_of(listener).is_none());
    if let Some(unsaid) = unsaid {
        let host = unsaid["hostname"].as_str().unwrap_or_default();
        return Err(GatewayState::Waiting(format!(
            "{gateway} does not listen for {host} yet"
        )));
    }
    of_conditions(live, status, &["Programmed"])
}

/// Adds the host to the state of its certificate.
fn at(host: &str, state: GatewayState) -> GatewayState {
    match state {
        GatewayState::Refused { reason, message } => GatewayState::Refused {
            reason,
            message: format!("{host}: {message}"),
        },
        other => other,
    }
}

/// Adds a remedy: by default a Gateway accepts no listeners from other namespaces.
fn allowed(state: GatewayState) -> GatewayState {
    match state {
        GatewayState::Refused { reason, message } if message.contains("(NotAllowed)") => GatewayState::Refused {
            reason,
            message: format!("{message}; set allowedListeners of the Gateway so that it accepts tenants' namespaces"),
        },
        other => other,
    }
}

/// Checks that cert-manager issued a certificate as the spec now asks for, and in time.
///
/// # Errors
/// The state otherwise; an issue in progress counts as waiting.
pub fn of_certificate(live: &Live) -> Result<(), GatewayState> {
    let status = live.value.pointer("/status");
    match of_conditions(live, status, &[reason::READY]) {
        Err(GatewayState::Waiting(_)) => Err(GatewayState::Waiting(format!(
            "cert-manager has not observed {} yet",
            live.key
        ))),
        Err(GatewayState::Refused { message, .. }) => Err(issued_by(live, status, &message)),
        other => other,
    }
}

/// Returns the state of a certificate that is not ready. Its own message describes only its Secret.
fn issued_by(live: &Live, status: Option<&Value>, message: &str) -> GatewayState {
    let conditions = status.and_then(|status| status["conditions"].as_array());
    let issuing = conditions.into_iter().flatten().find(|one| one["type"] == "Issuing");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
    match issuing {
        // An issuer that is not there, or not ready, is waited for without end and without a word.
        Some(issuing) if issuing["status"] == "True" => {
            let issuer = &live.value["spec"]["issuerRef"];
            let (kind, name) = (text(&issuer["kind"]), text(&issuer["name"]));
            GatewayState::Waiting(format!("{message}; waiting for {kind} {name} to issue it"))
        }
        failed => GatewayState::Refused {
            reason: reason::CERTIFICATE_NOT_READY,
            message: failed.map_or_else(
                || message.to_string(),
                |failed| format!("{message}; {}", text(&failed["message"])),
            ),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::{Key, Kind};
    use serde_json::json;

    const GATEWAY: &str = "Gateway gateway-system/platform";
    const HOST: &str = "acme.example.com";

    fn live(kind: Kind, spec: Value, status: Value) -> Live {
        Live {
            key: Key {
                kind,
                namespace: "acme".into(),
                name: "tenant".into(),
            },
            uid: String::new(),
            resource_version: String::new(),
            value: json!({"metadata": {"generation": 3}, "spec": spec, "status": status}),
        }
    }

    fn condition(type_: &str, status: &str, reason: &str) -> Value {
        json!({"type": type_, "status": status, "reason": reason, "message": "words", "observedGeneration": 3})
    }

    fn judged(set: Value, listeners: Value) -> Result<(), GatewayState> {
        let asked = [HOST, "*.shop.example.org"].map(|host| json!({"name": host, "hostname": host}));
        let status = json!({"conditions": set, "listeners": listeners});
        of_listeners(&live(Kind::ListenerSet, json!({"listeners": asked}), status), GATEWAY)
    }

    fn good_set() -> Value {
        json!(["Accepted", "Programmed"].map(|type_| condition(type_, "True", type_)))
    }

    /// Returns the status of a programmed listener, with these conditions added or replaced.
    fn listener(name: &str, instead: &[Value]) -> Value {
        let good = ["Accepted", "ResolvedRefs", "Programmed"].map(|type_| condition(type_, "True", type_));
        let good = good
            .into_iter()
            .filter(|one| !instead.iter().any(|other| other["type"] == one["type"]));
        let conditions: Vec<Value> = good.chain(instead.iter().cloned()).collect();
        json!({"name": name, "conditions": conditions})
    }

    fn message(state: Result<(), GatewayState>) -> String {
        let Err(GatewayState::Refused { message, .. }) = state else {
            panic!("{state:?}");
        };
        message
    }

    #[test]
    fn every_listener_must_be_programmed() {
        let both = |first: Value| json!([first, listener("*.shop.example.org", &[])]);
        assert_eq!(judged(good_set(), both(listener(HOST, &[]))), Ok(()));
        // A set is called programmed when one of its listeners is.
        let bad = listener(
            HOST,
            &[
                condition("Programmed", "False", "Invalid"),
                condition("ResolvedRefs", "False", "InvalidCertificateRef"),
            ],
        );
        assert_eq!(
            message(judged(good_set(), both(bad))),
            "acme.example.com: ListenerSet acme/tenant is not ResolvedRefs (InvalidCertificateRef): words"
        );
        let mut old = condition("Programmed", "True", "Programmed");
        old["observedGeneration"] = json!(2);
        for waits in [
            judged(good_set(), both(listener(HOST, &[old]))),
            judged(good_set(), json!([listener(HOST, &[])])),
            judged(json!([]), json!([])),
            // As the API server fills it in.
            judged(
                json!([{"type": "Accepted", "status": "Unknown", "reason": "Pending", "message": ""}]),
                json!([]),
            ),
        ] {
            assert!(matches!(waits, Err(GatewayState::Waiting(_))), "{waits:?}");
        }
    }

    #[test]
    fn a_gateway_that_takes_no_listeners_is_named() {
        let said = message(judged(json!([condition("Accepted", "False", "NotAllowed")]), json!([])));
        assert!(
            said.starts_with("ListenerSet acme/tenant is not Accepted (NotAllowed): words; ")
                && said.contains("allowedListeners"),
            "{said}"
        );
    }

    #[test]
    fn what_is_being_issued_is_waited_for_and_what_failed_is_told() {
        let spec = json!({"issuerRef": {"kind": "ClusterIssuer", "name": "letsencrypt"}});
        let judged = |conditions: Value| {
            of_certificate(&live(
                Kind::Certificate,
                spec.clone(),
                json!({"conditions": conditions}),
            ))
        };
        let refused = |message: &str| {
            Err(GatewayState::Refused {
                reason: "CertificateNotReady",
                message: message.into(),
            })
        };
        assert_eq!(judged(json!([condition("Ready", "True", "Ready")])), Ok(()));
        let missing = condition("Ready", "False", "DoesNotExist");
        let words = "Certificate acme/tenant is not Ready (DoesNotExist): words";
        // The message names the issuer, since cert-manager does not report that it is missing.
        let waits = judged(json!([missing, condition("Issuing", "True", "DoesNotExist")]));
        let asked = format!("{words}; waiting for ClusterIssuer letsencrypt to issue it");
        assert_eq!(waits, Err(GatewayState::Waiting(asked)));
        assert!(matches!(judged(json!([])), Err(GatewayState::Waiting(_))));
        let mut failed = condition("Issuing", "False", "Failed");
        failed["message"] = json!("no, says the authority");
        let why = format!("{words}; no, says the authority");
        assert_eq!(judged(json!([missing, failed])), refused(&why));
        assert_eq!(judged(json!([missing])), refused(words));
    }
}
