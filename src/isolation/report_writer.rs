//! Keeps a report of each tenant's proof where the cluster has such a resource, out of the way of every reconcile.

use super::lock;
use super::report::{KINDS, Statement};
use super::report_queue::ReportQueue;
use crate::cluster::backoff::Backoff;
use crate::cluster::metadata::managed_selector;
use crate::cluster::{
    Error, Key, Kind, Live, Queue, Store, Writer,
    client::watch_config,
    decode::Read,
    served::served,
    watch::{self, ObjectChange, Objects},
    write::has_code,
};
use crate::conditions::reason;
use crate::names;
use crate::telemetry::metrics::Metrics;
use futures::{Stream, StreamExt};
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, DynamicObject, ListParams};
use kube::runtime::watcher::{self, Event};
use kube::{Client, ResourceExt};
use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// Shortest time between two checks for the resource.
const LOOK: Duration = Duration::from_secs(2);
/// Time between two checks for due reports.
const TICK: Duration = Duration::from_millis(500);
/// Number of failures in a row beyond those of a resource that was just created or is being deleted.
const TROUBLE: u32 = 4;
/// Key of failures that concern all reports; no tenant has this name.
const ALL: &str = "";

/// The reports of all tenants.
pub struct ReportWriter {
    client: Client,
    metrics: Metrics,
    queue: Queue,
    reports: Mutex<ReportQueue>,
    /// Tenants for which the log already names the failure to write the report.
    logged: Mutex<BTreeSet<String>>,
    /// Somebody is due.
    known: Notify,
    /// The resource may be gone.
    look: Notify,
    /// Time between two checks for the resource.
    period: Duration,
    backoff: Backoff,
}

impl ReportWriter {
    pub fn new(client: Client, queue: Queue, metrics: Metrics, period: Duration) -> Self {
        Self {
            client,
            metrics,
            queue,
            reports: Mutex::default(),
            logged: Mutex::default(),
            known: Notify::new(),
            look: Notify::new(),
            period,
            backoff: Backoff::default(),
        }
    }

    /// Sets a tenant's desired report.
    pub fn put(&self, statement: Statement) {
        lock(&self.reports).put(statement, Instant::now());
        self.known.notify_one();
    }

    /// Drops a tenant's desired report.
    pub fn forget(&self, tenant: &str) {
        lock(&self.reports).forget(tenant, Instant::now());
        lock(&self.logged).remove(tenant);
        self.backoff.forget(tenant);
        self.known.notify_one();
    }

    /// Keeps the reports, for ever, while the cluster has a resource for them.
    pub async fn run(&self) {
        let mut kinds = Vec::new();
        loop {
            match kinds.split_first() {
                Some((kind, former)) => {
                    tracing::info!(%kind, "the operator writes reports");
                    lock(&self.reports).is_on(true);
                    self.backoff.succeeded(ALL);
                    kinds = self.maintain(*kind, former, &kinds).await;
                    lock(&self.reports).is_on(false);
                    if kinds.is_empty() {
                        tracing::info!("the operator writes no more reports: the cluster has no resource for them");
                    }
                }
                None => kinds = self.others(&kinds).await,
            }
        }
    }

    /// Keeps the reports of this kind while the API server serves just these kinds; which it serves then.
    async fn maintain(&self, kind: Kind, former: &[Kind], kinds: &[Kind]) -> Vec<Kind> {
        let (store, listed) = (Arc::new(Store::default()), Notify::new());
        let writer = Writer::new(self.client.clone(), store.clone(), self.metrics.clone());
        let write = async {
            listed.notified().await;
            lock(&self.reports).all_changed(Instant::now());
            for kind in former {
                self.clear(*kind, &writer).await;
            }
            self.write(kind, &writer, &store).await;
        };
        let free = |tenant: &str| {
            lock(&self.reports).look_at(tenant, Instant::now());
            self.known.notify_one();
        };
        tokio::select! {
            () = self.watch(kind, &store, &listed) => Vec::new(),
            () = writer.follow_others(free) => Vec::new(),
            () = write => Vec::new(),
            kinds = self.others(kinds) => kinds,
        }
    }

    /// The kinds that are served, once they are others than these.
    async fn others(&self, kinds: &[Kind]) -> Vec<Kind> {
        let mut pause = Duration::ZERO;
        loop {
            tokio::time::sleep(pause).await;
            match served(&self.client, &KINDS).await {
                Ok(now) if now != kinds => return now,
                Ok(_) => {}
                Err(error) => tracing::debug!(%error, "the operator could not find out which reports the cluster has"),
            }
            pause = LOOK;
            let _ = tokio::time::timeout(self.period, self.look.notified()).await;
        }
    }

    /// Watches the reports into the store, and queues changes by others. Never ends.
    async fn watch(&self, kind: Kind, store: &Arc<Store>, listed: &Notify) {
        let api: Api<Read<DynamicObject>> = Api::all_with(self.client.clone(), &kind.resource());
        let events = watch::alone(watch::events(api, watch_config().labels(&managed_selector())));
        self.follow(events, kind, store, listed).await;
    }

    async fn follow(
        &self,
        events: impl Stream<Item = watcher::Result<Event<DynamicObject>>> + Send,
        kind: Kind,
        store: &Arc<Store>,
        listed: &Notify,
    ) {
        let objects = Objects {
            kind,
            store: store.clone(),
        };
        let mut changes = pin!(watch::changes(events, objects));
        let mut failures = 0_u32;
        while let Some(change) = changes.next().await {
            match change {
                Ok(ObjectChange::Of(tenant)) => self.changed(kind, &tenant, store),
                Ok(ObjectChange::Deleted(_)) => {}
                Ok(ObjectChange::Listed) => {
                    failures = 0;
                    listed.notify_one();
                }
                // It was taken away, or is not served quite yet.
                Err(error) if watch::is_unserved(&error) => self.look.notify_one(),
                Err(error) => {
                    failures = failures.saturating_add(1);
                    if failures == TROUBLE {
                        tracing::warn!(%kind, %error, "the watch of reports fails repeatedly");
                    }
                }
            }
        }
    }

    fn changed(&self, kind: Kind, tenant: &str, store: &Store) {
        if lock(&self.reports).changed(tenant, Instant::now()) {
            self.known.notify_one();
        } else if store.get(tenant, &key(kind, tenant)).is_some() {
            // The tenant's reconcile announces its report, or that there is none.
            self.queue.wake(tenant);
        }
    }

    /// Makes each report that is due as it should be, one after the other, for ever.
    async fn write(&self, kind: Kind, writer: &Writer, store: &Store) {
        loop {
            let next = lock(&self.reports).next(Instant::now());
            let Some(tenant) = next else {
                let _ = tokio::time::timeout(TICK, self.known.notified()).await;
                continue;
            };
            match self.reconcile(kind, &tenant, writer, store).await {
                Ok(()) => self.succeeded(&tenant),
                Err(error) => tokio::time::sleep(self.failed(&tenant, &error)).await,
            }
        }
    }

    /// Makes one report as it should be, or not be.
    async fn reconcile(&self, kind: Kind, tenant: &str, writer: &Writer, store: &Store) -> Result<(), Error> {
        let live = store.get(tenant, &key(kind, tenant)).filter(is_marked);
        let worked_out = lock(&self.reports).work_out(kind, tenant, live.as_ref(), Timestamp::now());
        let Some((owner, desired)) = worked_out else {
            return remove(live, writer, store).await;
        };
        // The report of an earlier tenant of that name, which the garbage collector may be about to delete.
        let former = live.filter(|live| !live.belongs_to(&owner));
        remove(former, writer, store).await?;
        let outcome = writer.ensure(&owner, &desired).await?;
        tracing::debug!(report = %desired.key, ?outcome, "reported");
        Ok(())
    }

    /// Removes reports with our marks of a kind that the operator no longer writes.
    async fn clear(&self, kind: Kind, writer: &Writer) {
        let listed = writer
            .api(kind, "")
            .list(&ListParams::default().labels(&managed_selector()))
            .await;
        let found = match listed {
            Ok(list) => list.items,
            Err(error) => {
                tracing::warn!(%kind, %error, "the operator could not list old reports");
                return;
            }
        };
        for object in found {
            let live = Live {
                key: Key {
                    kind,
                    namespace: String::new(),
                    name: object.name_any(),
                },
                uid: object.uid().unwrap_or_default(),
                resource_version: object.resource_version().unwrap_or_default(),
                value: serde_json::to_value(&object).unwrap_or_default(),
            };
            if is_marked(&live)
                && let Err(error) = writer.delete(&live).await
            {
                tracing::warn!(error = error.chain(), "the operator could not delete an old report");
            }
        }
    }

    fn succeeded(&self, tenant: &str) {
        for key in [tenant, ALL] {
            self.backoff.succeeded(key);
            lock(&self.logged).remove(key);
        }
    }

    /// Schedules another try; returns the time that all others wait, too.
    fn failed(&self, tenant: &str, error: &Error) -> Duration {
        // The report's name or content caused it: that concerns this report alone.
        let is_its_own = matches!(error.reason(), reason::CONFLICT | "ApiInvalid");
        let whose = if is_its_own { tenant } else { ALL };
        let again = Instant::now() + self.backoff.failed(tenant);
        lock(&self.reports).look_at(tenant, again);
        if is_missing(error) {
            self.look.notify_one();
        } else if lock(&self.logged).insert(whose.to_string()) {
            tracing::warn!(
                tenant,
                reason = error.reason(),
                "the proof could not be reported: {}",
                error.chain()
            );
        }
        match is_its_own {
            true => Duration::ZERO,
            false => self.backoff.failed(ALL),
        }
    }
}

fn key(kind: Kind, tenant: &str) -> Key {
    Key {
        kind,
        namespace: String::new(),
        name: names::report(tenant),
    }
}

/// Returns true if it is a report that this operator made: by its name and all marks.
fn is_marked(live: &Live) -> bool {
    let tenant = live.label(names::TENANT).unwrap_or_default();
    let marked = live.label(names::TENANT_ID).is_some() && live.label(names::MANAGED_BY) == Some(names::MANAGER);
    marked && live.key.name == names::report(tenant)
}

async fn remove(live: Option<Live>, writer: &Writer, store: &Store) -> Result<(), Error> {
    if let Some(live) = live {
        writer.delete(&live).await?;
        store.forget(&live.key);
    }
    Ok(())
}

/// Returns true if the resource is not there, or is about to go.
fn is_missing(error: &Error) -> bool {
    matches!(error, Error::Write { source, .. } if has_code(source, 404) || has_code(source, 405))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::watch::player::{object, watch as played};
    use futures::FutureExt;
    use http::{Request, Response};
    use kube::client::Body;
    use serde_json::json;
    use tower::BoxError;

    #[tokio::test(start_paused = true)]
    async fn reports_are_looked_at_when_their_list_is_whole() {
        let no_api_server = tower::service_fn(|_: Request<Body>| async {
            Err::<Response<Body>, BoxError>("there is no API server".into())
        });
        for kind in KINDS {
            let client = Client::new(no_api_server, "default");
            let (queue, mut woken) = Queue::new(Metrics::new());
            let reports = Arc::new(ReportWriter::new(client, queue.clone(), Metrics::new(), LOOK));
            let (store, listed) = (Arc::new(Store::default()), Arc::new(Notify::new()));
            let (player, events) = played();
            let (follows, into, lists) = (reports.clone(), store.clone(), listed.clone());
            tokio::spawn(async move { follows.follow(events, kind, &into, &lists).await });
            let mut take = || {
                let mut names = Vec::new();
                while let Ok(tenant) = woken.try_recv() {
                    queue.begun(&tenant.name);
                    names.push(tenant.name.clone());
                }
                names
            };
            let report = |tenant: &str, version| {
                let labels = json!({"metadata": {"labels": {names::TENANT: tenant}}});
                object::<DynamicObject>(&names::report(tenant), tenant, version, labels)
            };
            // No reconcile has announced this tenant's report yet.
            player
                .list([report("acme", 1), report("globex", 2)], || {
                    assert_eq!(take(), [""; 0]);
                    assert!(listed.notified().now_or_never().is_none());
                })
                .await;
            assert!(listed.notified().now_or_never().is_some());
            assert_eq!(take(), ["acme", "globex"]);
            player
                .list([report("acme", 3), report("initech", 4)], || {
                    assert_eq!(take(), [""; 0])
                })
                .await;
            assert_eq!(take(), ["initech"]);
            assert!(store.of("globex").is_empty());
        }
    }
}
