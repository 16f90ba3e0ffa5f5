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
    fn from(state: GatewayState) -> Self {
        match state {
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
        Kind::SecurityPolicy | Kind::BackendTrafficPolicy | Kind::ClientTrafficPolicy => {
            let mut ancestors = said("/status/ancestors").filter(|said| is_ours(&said["ancestorRef"], to, live));
            let first = of_conditions(live, ancestors.next(), &["Accepted"]);
            let all =
                first.and_then(|()| ancestors.try_for_each(|said| of_conditions(live, Some(said), &["Accepted"])));
            all.map_err(|state| known(live, state))
        }
        Kind::ListenerSet => certificates_state::of_listeners(live, &format!("Gateway {}/{}", to.namespace, to.name)),
        Kind::Certificate => certificates_state::of_certificate(live),
        Kind::ApisixRoute | Kind::ApisixConsumer | Kind::ApisixTls => {
            of_conditions(live, live.value.pointer("/status"), &["Accepted"])
        }
        _ => Ok(()),
    }
}

/// A listener that the gateway does not know yet, it says to be missing.
fn known(live: &Live, state: GatewayState) -> GatewayState {
    match state {
        GatewayState::Refused { message, .. }
            if live.key.kind == Kind::ClientTrafficPolicy && message.contains("(TargetNotFound)") =>
        {
            GatewayState::not_yet()
        }
        other => other,
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
#[path = "state_test.rs"]
mod tests;
