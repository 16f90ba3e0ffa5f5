//! Fields that the API server never changes once an object exists, or only lets grow, of every kind that the operator writes:
//!
//! | kind | fields | outcome |
//! |---|---|---|
//! | PersistentVolumeClaim | size | a larger claim stays; a smaller one grows once it is bound |
//! | | all other fields of the spec | stay, and the tenant's condition names them |
//! | Deployment | selector | the operator replaces the Deployment |
//! | RoleBinding | roleRef | the operator replaces the binding |
//! | ResourceQuota | scopes, scopeSelector | the operator replaces the quota |
//! | ConfigMap | all data, where it is `immutable` | the operator replaces a tenant's files; claims and records stay, since nothing else knows what they say |
//! | Secret | data and type, where it is `immutable`; type | stays, since its keys may exist nowhere else; see [`super::secret`] |
//! | Service | addresses and their families | stay |
//! | Namespace, LimitRange, NetworkPolicy, ServiceAccount, PodDisruptionBudget, HorizontalPodAutoscaler, TenantView, kinds of gateways, reports and cert-manager | none | |
//!
//! The operator writes no StatefulSets and no Jobs.

use super::{Desired, Kind, Live, diff};
use crate::names;
use crate::quantity::Amount;
use serde_json::Value;
use std::borrow::Cow;

const SIZE: &str = "/spec/resources/requests/storage";
/// The fields of a claim that may differ from the spec for good.
const OF_CLAIM: [&str; 5] = [
    "/spec/accessModes",
    "/spec/storageClassName",
    "/spec/selector",
    "/spec/dataSource",
    "/spec/dataSourceRef",
];

/// Why a field is not as desired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It only grows, and is larger.
    Larger,
    /// It can grow once the claim is bound.
    Unbound,
    /// It never changes.
    Fixed,
}

/// A field that stays as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    pub why: Why,
    /// The field, such as `spec.storageClassName`.
    pub field: String,
    pub wanted: String,
    pub found: String,
}

/// The desired object with the fields that stay as they are.
pub fn with_fixed_fields<'a>(desired: &'a Desired, live: &Live) -> Cow<'a, Desired> {
    if is_immutable(live) && holds_state(desired) {
        let mut settled = desired.clone();
        settled.value["immutable"] = Value::Bool(true);
        return Cow::Owned(settled);
    }
    if desired.key.kind != Kind::PersistentVolumeClaim {
        return Cow::Borrowed(desired);
    }
    let mut settled = desired.clone();
    let size = desired.value.pointer(SIZE).cloned();
    settled.value["spec"] = live.value.get("spec").cloned().unwrap_or_default();
    if let (Some(to), Some(size)) = (settled.value.pointer_mut(SIZE), size)
        && size_stays(live, &size).is_none()
    {
        *to = size;
    }
    Cow::Owned(settled)
}

/// The fields that stay as they are although the desired object differs.
pub fn kept(desired: &Desired, live: &Live) -> Vec<Kept> {
    if desired.key.kind != Kind::PersistentVolumeClaim {
        return Vec::new();
    }
    let kept = |why: Why, path: &str| {
        let text = |value: &Value| match value.pointer(path) {
            None | Some(Value::Null) => "none".to_string(),
            Some(Value::String(text)) => text.clone(),
            Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", "),
            Some(other) => other.to_string(),
        };
        Kept {
            why,
            field: path.trim_start_matches('/').replace('/', "."),
            wanted: text(&desired.value),
            found: text(&live.value),
        }
    };
    let size = desired.value.pointer(SIZE).and_then(|size| size_stays(live, size));
    let differs = |path: &&&str| !desired.others.contains(*path) && differs(desired, live, path);
    let fixed = OF_CLAIM.iter().filter(differs).map(|path| kept(Why::Fixed, path));
    size.map(|why| kept(why, SIZE)).into_iter().chain(fixed).collect()
}

/// The field for which the object must be deleted and created anew, since the API server would refuse the change.
pub fn must_be_replaced(desired: &Desired, live: &Live) -> Option<&'static str> {
    let fields: &[&'static str] = match desired.key.kind {
        Kind::Deployment => &["/spec/selector"],
        Kind::RoleBinding => &["/roleRef"],
        Kind::ResourceQuota => &["/spec/scopes", "/spec/scopeSelector"],
        Kind::ConfigMap if is_immutable(live) && !holds_state(desired) => &["/immutable"],
        _ => &[],
    };
    fields.iter().copied().find(|path| differs(desired, live, path))
}

/// Returns true where the API server would refuse the change, and the object must not be replaced.
pub fn is_stuck(desired: &Desired, live: &Live) -> bool {
    let changes = ["/data", "/binaryData"].iter().any(|path| differs(desired, live, path));
    is_immutable(live) && holds_state(desired) && changes
}

fn is_immutable(live: &Live) -> bool {
    live.key.kind == Kind::ConfigMap && live.value.get("immutable") == Some(&Value::Bool(true))
}

/// Claims and records: ConfigMaps in the operator's own namespace.
fn holds_state(desired: &Desired) -> bool {
    desired.key.kind == Kind::ConfigMap && desired.key.name != names::CONFIGURATION
}

fn differs(desired: &Desired, live: &Live, path: &str) -> bool {
    let at = |value: &Value| value.pointer(path).cloned().unwrap_or_default();
    diff::differ(&at(&desired.value), &at(&live.value))
}

/// Why a claim's size stays; None where it is to grow, or is as desired.
fn size_stays(live: &Live, wanted: &Value) -> Option<Why> {
    let amount = |value: &Value| value.as_str().and_then(|text| Amount::parse(text).ok());
    let (found, wanted) = (live.value.pointer(SIZE).and_then(amount)?, amount(wanted)?);
    let is_bound = live.value.pointer("/status/phase").and_then(Value::as_str) == Some("Bound");
    match found.cmp(&wanted) {
        std::cmp::Ordering::Greater => Some(Why::Larger),
        std::cmp::Ordering::Less if !is_bound => Some(Why::Unbound),
        _ => None,
    }
}

#[cfg(test)]
#[path = "fixed_test.rs"]
mod tests;
