//! An object as it should be, and one as it is.

use super::Kind;
use crate::names;
use crate::quantity::Amount;
use serde_json::Value;

/// Identity of a tenant: its name, and the id that distinguishes it from an earlier tenant of that name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub tenant: String,
    pub id: String,
}

impl Identity {
    /// The value of the annotation that repeats the marks, so that an object whose labels were stripped is still known.
    pub fn annotation(&self) -> String {
        format!("{}/{}", self.tenant, self.id)
    }

    /// The identity that such a value names.
    pub fn of_annotation(value: &str) -> Option<Self> {
        let (tenant, id) = value.split_once('/')?;
        Some(Self {
            tenant: tenant.into(),
            id: id.into(),
        })
    }
}

/// Kind, namespace and name of an object.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    pub kind: Kind,
    /// Empty for a cluster-scoped object.
    pub namespace: String,
    pub name: String,
}

impl Key {
    /// Returns the key of the namespace with this name.
    pub fn namespace(name: impl Into<String>) -> Self {
        Self {
            kind: Kind::Namespace,
            namespace: String::new(),
            name: name.into(),
        }
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.namespace.as_str() {
            "" => write!(f, "{} {}", self.kind, self.name),
            namespace => write!(f, "{} {namespace}/{}", self.kind, self.name),
        }
    }
}

/// An object as it should be.
#[derive(Clone, Debug, PartialEq)]
pub struct Desired {
    pub key: Key,
    /// The whole object as JSON, without status.
    pub value: Value,
    /// Paths (JSON pointers) that are somebody else's in this one object, such as `/spec/replicas` under an autoscaler.
    pub others: Vec<&'static str>,
    /// True if the operator may take over an object that Kubernetes itself made under this name. It is true only for the `default` ServiceAccount of the
    /// tenant's namespaces.
    pub takes_over: bool,
}

impl Desired {
    /// Paths that are not compared, and kept when the object is replaced.
    pub fn unmanaged(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.key.kind.filled_in_by_others().iter().chain(&self.others).copied()
    }
}

/// An object as last seen, without fields that the operator never reads.
#[derive(Clone, Debug)]
pub struct Live {
    pub key: Key,
    pub uid: String,
    pub resource_version: String,
    pub value: Value,
}

impl Live {
    /// A label's value.
    pub fn label(&self, name: &str) -> Option<&str> {
        self.value.pointer("/metadata/labels")?.get(name)?.as_str()
    }

    /// An annotation's value.
    pub fn annotation(&self, name: &str) -> Option<&str> {
        self.value.pointer("/metadata/annotations")?.get(name)?.as_str()
    }

    /// Returns true if it is marked for this tenant: by its labels, or by its annotation where labels were changed.
    pub fn belongs_to(&self, owner: &Identity) -> bool {
        let labelled =
            self.label(names::TENANT) == Some(&owner.tenant) && self.label(names::TENANT_ID) == Some(&owner.id);
        labelled || self.annotation(names::OWNED_BY) == Some(&owner.annotation())
    }

    /// Returns true if it is marked for nobody.
    pub fn is_unmarked(&self) -> bool {
        self.label(names::TENANT_ID).is_none() && self.annotation(names::OWNED_BY).is_none()
    }

    /// The same object, to be written with this value.
    pub fn with(&self, value: Value) -> Desired {
        Desired {
            key: self.key.clone(),
            value,
            others: Vec::new(),
            takes_over: false,
        }
    }

    /// Returns true if its deletion has begun.
    pub fn is_terminating(&self) -> bool {
        self.value.pointer("/metadata/deletionTimestamp").is_some()
    }
}

/// Removes from an object the fields that the operator never reads, so that a thousand tenants fit in little memory.
pub fn trim(kind: Kind, value: &mut Value) {
    if let Some(Value::Object(metadata)) = value.get_mut("metadata") {
        for field in ["managedFields", "creationTimestamp", "generateName", "selfLink"] {
            metadata.remove(field);
        }
    }
    let keep: &[&str] = match kind {
        Kind::ResourceQuota => &["hard", "used"],
        Kind::Deployment => &[
            "observedGeneration",
            "replicas",
            "updatedReplicas",
            "availableReplicas",
            "conditions",
        ],
        Kind::Namespace => &["phase", "conditions"],
        Kind::ApisixUpstream
        | Kind::ApisixPluginConfig
        | Kind::ApisixConsumer
        | Kind::ApisixRoute
        | Kind::ApisixTls => &["conditions"],
        Kind::Certificate => &["conditions", "notAfter", "renewalTime"],
        Kind::ListenerSet => &["conditions", "listeners"],
        Kind::PersistentVolumeClaim => &["phase"],
        Kind::HttpRoute => &["parents"],
        Kind::SecurityPolicy | Kind::BackendTrafficPolicy | Kind::ClientTrafficPolicy => &["ancestors"],
        _ => &[],
    };
    match value.get_mut("status") {
        _ if kind.has_written_status() => {}
        Some(Value::Object(status)) if !keep.is_empty() => {
            status.retain(|field, _| keep.contains(&field.as_str()));
            trim_conditions(status.get_mut("conditions"));
            // Of a quota's counts of objects the operator reads that of pods, and those above their bounds.
            let hard = status.get("hard").cloned().unwrap_or_default();
            if let Some(Value::Object(used)) = status.get_mut("used") {
                used.retain(|key, used| {
                    !key.starts_with("count/") || key == "count/pods" || is_exceeded(hard.get(key), used)
                });
            }
            for part in ["parents", "ancestors", "listeners"] {
                let list = status.get_mut(part).and_then(Value::as_array_mut);
                for one in list.into_iter().flatten() {
                    trim_conditions(one.get_mut("conditions"));
                }
            }
        }
        Some(_) => {
            if let Some(object) = value.as_object_mut() {
                object.remove("status");
            }
        }
        None => {}
    }
}

/// Returns true where more of a quota's key is used than is enforced.
pub fn is_exceeded(hard: Option<&Value>, used: &Value) -> bool {
    let amount = |value: &Value| Amount::parse(value.as_str()?).ok();
    let hard = hard.and_then(amount);
    hard.is_some_and(|hard| amount(used).is_some_and(|used| used > hard))
}

/// Keeps only the status, reason, message and generation of conditions.
fn trim_conditions(conditions: Option<&mut Value>) {
    let Some(Value::Array(conditions)) = conditions else {
        return;
    };
    for condition in conditions.iter_mut().filter_map(Value::as_object_mut) {
        let stays = |field: &str| matches!(field, "type" | "status" | "reason" | "message" | "observedGeneration");
        condition.retain(|field, _| stays(field));
    }
}
