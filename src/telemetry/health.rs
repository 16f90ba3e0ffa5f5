//! Liveness and readiness of the process, with the pending conditions.

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Conditions for the operator's readiness. Clones share them.
///
/// Nobody waits for leadership here: a standby is ready, or a rolling update with two replicas would never end.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<Mutex<BTreeSet<&'static str>>>);

impl Readiness {
    /// Not ready until `name` is [done](Self::done).
    pub fn wait_for(&self, name: &'static str) {
        self.lock().insert(name);
    }

    /// `name` has happened.
    pub fn done(&self, name: &'static str) {
        self.lock().remove(name);
    }

    /// Pending conditions, in alphabetical order; empty means ready.
    pub fn waiting(&self) -> Vec<&'static str> {
        self.lock().iter().copied().collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<&'static str>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `/healthz`: 200 while the runtime answers at all. `/readyz`: 200, or 503 with the missing condition.
pub(super) fn router(readiness: Readiness) -> Router {
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
        .route("/healthz", get(|| async { "ok\n" }))
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
