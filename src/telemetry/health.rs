//! Liveness and readiness of the process, with the pending conditions.

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Conditions for the operator's readiness, and what the process does now. Clones share them.
///
/// Nobody waits for leadership here: a standby is ready, or a rolling update with two replicas would never end.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    waiting: BTreeSet<&'static str>,
    now: String,
}

impl Readiness {
    /// Not ready until `name` is [done](Self::done).
    pub fn wait_for(&self, name: &'static str) {
        self.lock().waiting.insert(name);
    }

    /// `name` has happened.
    pub fn done(&self, name: &'static str) {
        self.lock().waiting.remove(name);
    }

    /// Pending conditions, in alphabetical order; empty means ready.
    pub fn waiting(&self) -> Vec<&'static str> {
        self.lock().waiting.iter().copied().collect()
    }

    /// Notes what the process does from now on, in words.
    pub fn now(&self, what: impl Into<String>) {
        self.lock().now = what.into();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `/healthz`: 200 while the runtime answers at all, with what the process does: a restart would not help one that waits. `/readyz`: 200, or 503 with the
/// missing condition.
pub(super) fn router(readiness: Readiness) -> Router {
    let healthy = readiness.clone();
    let healthy = move || {
        let now = healthy.lock().now.clone();
        async move { format!("ok\n{now}\n") }
    };
    let ready = move || {
        let waiting = readiness.waiting();
        async move {
            if waiting.is_empty() {
                (StatusCode::OK, "ok\n".to_owned())
            } else {
                (
                    StatusCode::SERVICE_UNAVAILABLE,
                    format!("waiting for: {}\n", waiting.join(", ")),
                )
            }
        }
    };
    Router::new()
        .route("/healthz", get(healthy))
        .route("/readyz", get(ready))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_when_nothing_is_waited_for() {
        let readiness = Readiness::default();
        assert!(readiness.waiting().is_empty());
        readiness.wait_for("watches");
        readiness.clone().wait_for("admission proof");
        assert_eq!(readiness.waiting(), ["admission proof", "watches"]);
        readiness.done("watches");
        readiness.done("watches");
        assert_eq!(readiness.waiting(), ["admission proof"]);
    }
}
