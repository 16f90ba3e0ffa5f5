//! Queue of objects to reconcile.

use crate::api::Tenant;
use crate::telemetry::metrics::Metrics;
use kube::api::PartialObjectMeta;
use kube::runtime::reflector::ObjectRef;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// Wakes tenants, and knows which are still waiting. Cheap to clone.
#[derive(Clone)]
pub struct Queue {
    sender: UnboundedSender<ObjectRef<PartialObjectMeta<Tenant>>>,
    waiting: Arc<Mutex<HashSet<String>>>,
    metrics: Metrics,
}

impl Queue {
    /// A queue, and where the woken come out.
    pub fn new(metrics: Metrics) -> (Self, UnboundedReceiver<ObjectRef<PartialObjectMeta<Tenant>>>) {
        let (sender, receiver) = unbounded_channel();
        (
            Self {
                sender,
                waiting: Arc::default(),
                metrics,
            },
            receiver,
        )
    }

    /// Queues a reconcile of a tenant.
    pub fn wake(&self, tenant: &str) {
        // A tenant that already waits will see this change too.
        if self.wait(tenant) {
            // The receiver ends only when the program does.
            let _ = self.sender.send(ObjectRef::new(tenant));
        }
    }

    /// Records that a tenant waits. Returns false where it waited already.
    pub fn wait(&self, tenant: &str) -> bool {
        let mut waiting = self.lock();
        let new = waiting.insert(tenant.to_string());
        self.gauge(waiting.len());
        new
    }

    /// Records that a tenant's reconcile has begun: later changes wake it again.
    pub fn begun(&self, tenant: &str) {
        let mut waiting = self.lock();
        waiting.remove(tenant);
        self.gauge(waiting.len());
    }

    fn gauge(&self, length: usize) {
        self.metrics.set_queue_depth(i64::try_from(length).unwrap_or(i64::MAX));
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<String>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
