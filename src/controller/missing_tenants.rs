//! Lookup that were woken and are not in the store: they are gone, or the watch has not shown them yet.

use super::Context;
use crate::api::Tenant;
use futures::{StreamExt, stream};
use kube::api::Api;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;

/// The tenants, as the search for one needs them.
trait Lookup {
    fn is_in_store(&self, tenant: &str) -> bool;
    /// Returns true where the API server has it; None where it could not be asked.
    fn is_there(&self, tenant: &str) -> impl Future<Output = Option<bool>> + Send;
    /// Notes that it waits no longer: from now on it is woken anew.
    fn begun(&self, tenant: &str);
    fn wake(&self, tenant: &str);
    /// The time until the next search.
    fn wait(&self, tenant: &str) -> Duration;
    fn forget(&self, tenant: &str);
}

/// The next step for a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Wake,
    WakeLater,
    Forget,
}

/// A tenant is forgotten only where neither has it.
fn decide(is_in_store: bool, is_there: Option<bool>) -> Step {
    match (is_in_store, is_there) {
        (true, _) => Step::Wake,
        (false, Some(false)) => Step::Forget,
        (false, Some(true) | None) => Step::WakeLater,
    }
}

/// Looks for each of these tenants, for ever.
pub async fn look_for(ctx: Arc<Context>, missing: UnboundedReceiver<String>) {
    let missing = stream::unfold(missing, |mut missing| async {
        missing.recv().await.map(|tenant| (tenant, missing))
    });
    let looks = missing.for_each_concurrent(None, |tenant| {
        let ctx = ctx.clone();
        async move { look(&*ctx, &tenant).await }
    });
    looks.await;
}

async fn look(tenants: &impl Lookup, tenant: &str) {
    tenants.begun(tenant);
    let is_there = match tenants.is_in_store(tenant) {
        true => Some(true),
        false => tenants.is_there(tenant).await,
    };
    match decide(tenants.is_in_store(tenant), is_there) {
        Step::Wake => tenants.wake(tenant),
        Step::WakeLater => {
            tokio::time::sleep(tenants.wait(tenant)).await;
            tenants.wake(tenant);
        }
        Step::Forget => {
            tenants.forget(tenant);
            // One that came in that moment says anew what was forgotten.
            if tenants.is_in_store(tenant) {
                tenants.wake(tenant);
            }
        }
    }
}

impl Lookup for Context {
    fn is_in_store(&self, tenant: &str) -> bool {
        self.caches.tenants.contains(tenant)
    }

    async fn is_there(&self, tenant: &str) -> Option<bool> {
        let api: Api<Tenant> = Api::all(self.writer.client().clone());
        match api.get_metadata_opt(tenant).await {
            Ok(found) => Some(found.is_some()),
            Err(error) => {
                tracing::debug!(tenant, %error, "the operator does not know whether this tenant exists");
                None
            }
        }
    }

    fn begun(&self, tenant: &str) {
        self.queue.begun(tenant);
    }

    fn wake(&self, tenant: &str) {
        self.queue.wake(tenant);
    }

    fn wait(&self, tenant: &str) -> Duration {
        self.backoff.failed(tenant)
    }

    fn forget(&self, tenant: &str) {
        Self::forget(self, tenant);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;
    use std::sync::Mutex;

    /// Answers in their turn, and what was done.
    #[derive(Default)]
    struct Case {
        in_store: Mutex<VecDeque<bool>>,
        there: Option<bool>,
        done: Mutex<Vec<&'static str>>,
    }

    impl Case {
        fn note(&self, what: &'static str) {
            self.done.lock().expect("notes").push(what);
        }
    }

    impl Lookup for Case {
        fn is_in_store(&self, _: &str) -> bool {
            self.in_store.lock().expect("answers").pop_front().unwrap_or(false)
        }

        async fn is_there(&self, _: &str) -> Option<bool> {
            self.note("ask");
            self.there
        }

        fn begun(&self, _: &str) {
            self.note("begun");
        }

        fn wake(&self, _: &str) {
            self.note("wake");
        }

        fn wait(&self, _: &str) -> Duration {
            self.note("wait");
            Duration::from_secs(1)
        }

        fn forget(&self, _: &str) {
            self.note("forget");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn only_a_tenant_that_the_api_server_lacks_is_forgotten() {
        let (gone, there, unknown) = (Some(false), Some(true), None);
        for (in_store, answer, done) in [
            // Whether the store has it: at first, after the question, after it was forgotten.
            (vec![true, true], gone, "begun wake"),
            (vec![false, true], gone, "begun ask wake"),
            (vec![false, true], unknown, "begun ask wake"),
            (vec![false, false], there, "begun ask wait wake"),
            (vec![false, false], unknown, "begun ask wait wake"),
            (vec![false, false, false], gone, "begun ask forget"),
            (vec![false, false, true], gone, "begun ask forget wake"),
        ] {
            let case = Case {
                in_store: Mutex::new(in_store.clone().into()),
                there: answer,
                done: Mutex::default(),
            };
            look(&case, "acme").await;
            let was_done = case.done.lock().expect("notes").join(" ");
            assert_eq!(was_done, done, "{in_store:?} {answer:?}");
        }
    }
}
