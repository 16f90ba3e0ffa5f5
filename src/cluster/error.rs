//! Errors of a reconcile, and their messages.

use super::client::DeadlineExceeded;
use super::termination::Termination;
use super::{Identity, Key, Kind, Live};
use crate::conditions::reason;
use crate::names;
use k8s_openapi::jiff::Timestamp;
use std::error::Error as StdError;
use std::time::Duration;

/// The longest text that [`Error::chain`] returns, in bytes; an Event's message may have 1,024 characters.
pub const MAX_CHAIN: usize = 1024;

/// The result of a step of a reconcile.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Error of a reconcile.
#[derive(thiserror::Error, Debug)]
pub enum Error {
    /// A call to the Kubernetes API failed.
    #[error("{}", api_text(.0))]
    Api(#[from] kube::Error),
    /// A write of this object was refused or failed.
    #[error("{key}: {}", api_text(source))]
    Write {
        /// Object of the write.
        key: Key,
        /// Answer of the API server.
        source: kube::Error,
    },
    /// An object of the wanted name exists and does not carry our mark: it is left as it is.
    #[error("{key} exists and {}; the operator leaves it unchanged{}", belongs(.key, .tenant), reclaim(.key, .tenant, .id))]
    Foreign {
        /// Object to create.
        key: Key,
        /// The tenant it is marked for, if any.
        tenant: Option<String>,
        /// Id of that tenant.
        id: Option<String>,
    },
    /// A unique value belongs to another tenant.
    #[error("{field}: {value} belongs to tenant {holder}")]
    Claimed {
        /// The field that names it.
        field: &'static str,
        /// Claimed value.
        value: String,
        /// Current holder.
        holder: String,
    },
    /// An object of the wanted name is being deleted, and must be gone before it can be made anew.
    #[error("{0}")]
    Terminating(Termination),
    /// Others wrote the object each time we tried.
    #[error("other clients changed {0} at each attempt to write it")]
    Contended(Key),
    /// The API server never changes what would have to change in this object.
    #[error("{key} cannot be changed: {remedy}")]
    Fixed {
        key: Key,
        /// Action for an administrator.
        remedy: &'static str,
    },
    /// The API server refused an object, and everything that does not depend on it went on.
    #[error("{message}")]
    Refused {
        /// The category of the refusal.
        reason: &'static str,
        /// The object, and the API server's words.
        message: String,
    },
    /// Something that this program holds to be impossible.
    #[error("internal error: {0}")]
    Internal(String),
}

/// Describes the owner of a foreign object.
fn belongs(key: &Key, tenant: &Option<String>) -> String {
    match tenant {
        Some(tenant) if *tenant == key.name => "belongs to an earlier tenant of that name".to_string(),
        Some(tenant) => format!("belongs to another tenant ({tenant})"),
        None => "does not belong to a tenant".to_string(),
    }
}

/// Describes how to reclaim the objects of an earlier tenant of the same name.
fn reclaim(key: &Key, tenant: &Option<String>, id: &Option<String>) -> String {
    match (tenant, id) {
        (Some(tenant), Some(id)) if key.kind == Kind::Namespace && *tenant == key.name => {
            format!(". To reclaim its resources, set spec.id: {id}")
        }
        _ => String::new(),
    }
}

impl Error {
    /// A failed write of `key`.
    pub fn write(key: &Key, source: kube::Error) -> Self {
        Self::Write {
            key: key.clone(),
            source,
        }
    }

    /// A name that is taken by `live`.
    pub fn foreign(live: &Live) -> Self {
        // The annotation repeats the labels, which may have been stripped.
        let repeated = live.annotation(names::OWNED_BY).and_then(Identity::of_annotation);
        let label = |name: &str| live.label(name).unwrap_or_default().to_string();
        let marks = repeated.unwrap_or_else(|| Identity {
            tenant: label(names::TENANT),
            id: label(names::TENANT_ID),
        });
        let some = |text: String| (!text.is_empty()).then_some(text);
        Self::Foreign {
            key: live.key.clone(),
            tenant: some(marks.tenant),
            id: some(marks.id),
        }
    }

    /// An object that is being deleted.
    pub fn terminating(live: &Live) -> Self {
        Self::Terminating(Termination::of(live, Timestamp::now()))
    }

    /// Returns true if trying again is pointless until somebody changes something.
    pub fn is_stalled(&self) -> bool {
        match self {
            Self::Terminating(termination) => termination.is_overdue(),
            _ => matches!(
                self.reason(),
                reason::CONFLICT | reason::IMMUTABLE | reason::API_INVALID | reason::API_FORBIDDEN
            ),
        }
    }

    /// Returns true if the error is about one object alone: what does not depend on the object goes on.
    pub fn is_of_one_object(&self) -> bool {
        matches!(self, Self::Terminating(_)) || self.is_stalled()
    }

    /// The time after which the error is stalled, where only time makes it so.
    pub fn until_stalled(&self) -> Option<Duration> {
        match self {
            Self::Terminating(termination) => Some(termination.left()).filter(|left| !left.is_zero()),
            _ => None,
        }
    }

    /// The category, for the metric and the Event: one of a fixed set.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Api(error) => api_reason(error),
            Self::Write { source, .. } => api_reason(source),
            Self::Foreign { .. } | Self::Claimed { .. } => reason::CONFLICT,
            Self::Terminating(_) => reason::TERMINATING,
            Self::Contended(_) => reason::API_CONFLICT,
            Self::Fixed { .. } => reason::IMMUTABLE,
            Self::Refused { reason, .. } => reason,
            Self::Internal(_) => reason::INTERNAL,
        }
    }

    /// Returns true if the same attempt may succeed soon although nobody changes anything.
    pub fn is_transient(&self) -> bool {
        matches!(
            self.reason(),
            reason::API_CONFLICT | reason::API_THROTTLED | reason::API_TIMEOUT | reason::API_UNAVAILABLE
        )
    }

    /// The error and all its causes, from the outermost, cut at [`MAX_CHAIN`] bytes. Carries no content of Secrets.
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            let next = cause_text(error);
            // Many libraries repeat their cause in their own text.
            if !text.contains(&next) {
                text.push_str(": ");
                text.push_str(&next);
            }
            cause = error.source();
        }
        let cut = (0..=text.len().min(MAX_CHAIN))
            .rev()
            .find(|at| text.is_char_boundary(*at));
        text.truncate(cut.unwrap_or(0));
        text
    }
}

fn api_reason(error: &kube::Error) -> &'static str {
    match error {
        kube::Error::Api(status) => match status.code {
            409 => reason::API_CONFLICT,
            401 | 403 => reason::API_FORBIDDEN,
            429 => reason::API_THROTTLED,
            408 | 504 => reason::API_TIMEOUT,
            400 | 422 => reason::API_INVALID,
            500..=599 => reason::API_UNAVAILABLE,
            _ => reason::API_OTHER,
        },
        kube::Error::Service(error) if error.is::<DeadlineExceeded>() => reason::API_TIMEOUT,
        kube::Error::Service(_) | kube::Error::HyperError(_) | kube::Error::ReadEvents(_) => reason::API_UNAVAILABLE,
        _ => reason::API_OTHER,
    }
}

/// Returns the message of an error. kube's own texts repeat a Status in Rust's debug format, and may quote the server's answer.
fn api_text(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status_text(status),
        kube::Error::SerdeError(error) => {
            format!("the API server's answer cannot be parsed: {}", json_text(error))
        }
        kube::Error::Service(error) => error.to_string(),
        kube::Error::HyperError(error) => error.to_string(),
        other => other.to_string(),
    }
}

fn status_text(status: &kube::core::Status) -> String {
    let details = status.details.as_ref();
    let secret = details.is_some_and(|details| matches!(details.kind.as_str(), "Secret" | "secrets"));
    match details {
        // A validation message may quote the value that it refuses.
        Some(details) if secret => {
            let fields: Vec<&str> = details.causes.iter().map(|cause| cause.field.as_str()).collect();
            format!(
                "Secret {}: {} ({}) {}",
                details.name,
                status.reason,
                status.code,
                fields.join(", ")
            )
        }
        _ => format!("{} ({} {})", status.message, status.reason, status.code),
    }
}

fn cause_text(error: &(dyn StdError + 'static)) -> String {
    if let Some(error) = error.downcast_ref::<kube::Error>() {
        api_text(error)
    } else if let Some(status) = error.downcast_ref::<kube::core::Status>() {
        status_text(status)
    } else if let Some(status) = error.downcast_ref::<Box<kube::core::Status>>() {
        status_text(status)
    } else if let Some(error) = error.downcast_ref::<serde_json::Error>() {
        json_text(error)
    } else {
        error.to_string()
    }
}

/// Returns the position of an error in JSON; serde_json's own text may quote the value.
fn json_text(error: &serde_json::Error) -> String {
    let what = match error.classify() {
        serde_json::error::Category::Io => "I/O error",
        serde_json::error::Category::Syntax => "invalid JSON",
        serde_json::error::Category::Data => "unexpected JSON",
        serde_json::error::Category::Eof => "JSON ends too early",
    };
    format!("{what} at line {} column {}", error.line(), error.column())
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::core::Status;

    fn key() -> Key {
        Key::namespace("a")
    }

    fn api(code: u16, message: &str) -> Error {
        kube::Error::Api(Status::failure(message, "SomeReason").with_code(code).boxed()).into()
    }

    #[test]
    fn every_kind_of_failure_has_its_reason() {
        let table = [
            (api(409, ""), "ApiConflict", true),
            (api(401, ""), "ApiForbidden", false),
            (api(403, ""), "ApiForbidden", false),
            (api(429, ""), "ApiThrottled", true),
            (api(504, ""), "ApiTimeout", true),
            (api(422, ""), "ApiInvalid", false),
            (api(400, ""), "ApiInvalid", false),
            (api(500, ""), "ApiUnavailable", true),
            (api(503, ""), "ApiUnavailable", true),
            (api(404, ""), "ApiOther", false),
            (
                kube::Error::Service(Box::new(DeadlineExceeded)).into(),
                "ApiTimeout",
                true,
            ),
            (
                kube::Error::Service("connection refused".into()).into(),
                "ApiUnavailable",
                true,
            ),
            (
                Error::Foreign {
                    key: key(),
                    tenant: None,
                    id: None,
                },
                "Conflict",
                false,
            ),
            (Error::Internal("x".into()), "Internal", false),
        ];
        for (error, reason, transient) in table {
            assert_eq!((error.reason(), error.is_transient()), (reason, transient), "{error:?}");
        }
    }

    #[test]
    fn a_chain_names_each_cause_once() {
        assert_eq!(api(403, "not allowed").chain(), "not allowed (SomeReason 403)");
        let io = std::io::Error::other(std::io::Error::other("reset by peer"));
        let error = Error::from(kube::Error::Service(Box::new(io)));
        assert_eq!(error.chain(), "reset by peer");
    }

    #[test]
    fn a_chain_is_cut_between_characters() {
        let chain = api(400, &format!("a{}", "ü".repeat(2000))).chain();
        assert_eq!(chain.len(), MAX_CHAIN - 1);
        assert!(chain.ends_with('ü'));
    }

    #[test]
    fn a_chain_does_not_quote_secrets() {
        let parse = serde_json::from_str::<u32>("\"hunter2\"").expect_err("not a number");
        let chain = Error::from(kube::Error::SerdeError(parse)).chain();
        assert!(!chain.contains("hunter2"), "{chain}");

        let status: Status = serde_json::from_value(serde_json::json!({
            "code": 422,
            "reason": "Invalid",
            "message": "data[password]: Invalid value: \"hunter2\"",
            "details": {"name": "database", "kind": "Secret", "causes": [{"field": "data[password]"}]},
        }))
        .expect("a Status");
        let chain = Error::from(kube::Error::Api(status.boxed())).chain();
        assert_eq!(chain, "Secret database: Invalid (422) data[password]");
    }

    #[test]
    fn a_name_that_is_taken_says_by_whom_and_how_to_go_on() {
        let live = |kind: Kind, name: &str, labels: serde_json::Value, annotations: serde_json::Value| Live {
            key: Key {
                kind,
                namespace: String::new(),
                name: name.into(),
            },
            uid: "u".into(),
            resource_version: "1".into(),
            value: serde_json::json!({"metadata": {"labels": labels, "annotations": annotations}}),
        };
        let said = |live: Live| Error::foreign(&live).to_string();
        let none = || serde_json::json!({});
        let marks = |tenant: &str| serde_json::json!({names::TENANT: tenant, names::TENANT_ID: "id-1"});

        let nobodys = said(live(Kind::Namespace, "kube-public", none(), none()));
        assert_eq!(
            nobodys,
            "Namespace kube-public exists and does not belong to a tenant; the operator leaves it unchanged"
        );
        let left = said(live(Kind::Namespace, "acme", marks("acme"), none()));
        assert!(left.ends_with("spec.id: id-1"), "{left}");
        let others = said(live(Kind::Namespace, "acme-b", marks("acme"), none()));
        assert!(
            others.contains("another tenant (acme)") && !others.contains("spec.id"),
            "{others}"
        );
        let other_kind = said(live(Kind::ConfigMap, "acme", marks("acme"), none()));
        assert!(!other_kind.contains("spec.id"), "{other_kind}");
        let stripped = serde_json::json!({names::OWNED_BY: "acme/id-1"});
        assert_eq!(said(live(Kind::Namespace, "acme", none(), stripped)), left);

        let claimed = Error::Claimed {
            field: "spec.id",
            value: "id-1".into(),
            holder: "globex".into(),
        };
        assert_eq!(claimed.to_string(), "spec.id: id-1 belongs to tenant globex");
        assert_eq!((claimed.reason(), claimed.is_stalled()), ("Conflict", true));
    }
}
