//! One term of leadership: what is watched, and the loop that reconciles.

use super::events::Events;
use super::rate_limit::Pace;
use super::{Context, api_server, missing_tenants, reconcile, resource_watches, run, terms};
use crate::applications::Applications;
use crate::capability::tenants::{Named, Tenants};
use crate::capability::{SharedServices, Watching};
use crate::cluster::{Error, Kind, Queue, Store, Writer, backoff::Backoff};
use crate::database::{Database, Databases};
use crate::gateway::{Controller, Gateway, Proxies};
use crate::isolation::{self, Inventory, Isolation};
use crate::metering::Metering;
use crate::metering::meter::Meter;
use crate::metering::metrics::RequestMetrics;
use crate::settings::Settings;
use crate::telemetry::metrics::Metrics;
use crate::tenant::capabilities::{self, Stateful};
use crate::tenant::observe::Caches;
use crate::term::Term;
use futures::StreamExt;
use kube::Client;
use kube::runtime::Controller as Loop;
use kube::runtime::controller::{Action, Config};
use kube::runtime::reflector;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

/// The period in which gauges are set and the API server's addresses are looked up.
const HOUSEKEEPING: Duration = Duration::from_secs(15);
/// The time that reconciles may take to finish when the operator stops.
const GRACE: Duration = Duration::from_secs(20);

/// The operator's own client, and the one that acts as the examiner.
pub type Clients = (Client, Option<Client>);

/// Watches and reconciles until told to stop. Dropping the future ends all of its tasks. A thread that still computes then writes nothing, because the term is over.
pub async fn run_as_leader(
    settings: &Settings,
    (client, examiner): Clients,
    term: Term,
    metrics: Metrics,
    stop: CancellationToken,
) {
    // Where the operator may open shared applications to pods.
    let openable = match settings.applications.policies {
        true => settings.gateway.application_namespaces.clone(),
        false => Vec::new(),
    };
    let store = Arc::new(Store::with_shared(openable.clone()));
    let (queue, woken) = Queue::new(metrics.clone());
    let (tenants, tenants_cache) = Tenants::new();
    let (tiers, tiers_writer) = reflector::store();
    let watched = Watching {
        client: client.clone(),
        store: store.clone(),
        tenants: tenants.clone(),
        queue: queue.clone(),
        period: settings.discovery_period,
    };
    let mut watching: Vec<AbortOnDropHandle<()>> = Kind::ALL
        .into_iter()
        .map(|kind| {
            let watched = watched.clone();
            AbortOnDropHandle::new(tokio::spawn(async move { watched.objects(kind).await }))
        })
        .collect();
    let (servers, servers_writer) = reflector::store();
    let databases = Arc::new(Databases::new(
        (client.clone(), term),
        settings.namespace.clone(),
        store.clone(),
        tenants.clone(),
        servers.clone(),
        (queue.clone(), &metrics),
        (settings.database.clone(), settings.dns.clone()),
    ));
    let servers_watch = resource_watches::servers(client.clone(), servers_writer, databases.clone());
    watching.push(AbortOnDropHandle::new(tokio::spawn(servers_watch)));
    let events = Arc::new(Events::new(client.clone(), &settings.pod_name));
    let tiers_watch = resource_watches::tiers(
        client.clone(),
        tiers_writer,
        tenants.clone(),
        queue.clone(),
        events.clone(),
    );
    watching.push(AbortOnDropHandle::new(tokio::spawn(tiers_watch)));

    let gateway = run::attachment(settings);
    let services = SharedServices::default();
    let caches = Caches {
        tenants: tenants.clone(),
        tiers: tiers.clone(),
        servers: servers.clone(),
        objects: store.clone(),
        cluster_cidrs: settings.cluster_cidrs.clone(),
        dns: settings.dns.clone(),
        dns_addresses: settings.dns_servers.dns_addresses.clone(),
        reserved: reserved(settings),
        lacks_gateway: settings.gateway_namespace.is_none(),
        shared_hosts: gateway.as_ref().map(|gateway| gateway.shared_hosts.clone()),
        application_namespaces: settings.gateway.application_namespaces.clone(),
        shared_services: settings.applications.policies.then(|| services.clone()),
        namespace: settings.namespace.clone(),
    };
    let inventory = Inventory {
        tenants: tenants.clone(),
        objects: store.clone(),
        cluster_cidrs: settings.cluster_cidrs.clone(),
        services: services.clone(),
        namespace: settings.namespace.clone(),
    };
    let surroundings = isolation::Surroundings {
        metrics_port: settings.metrics_address.port(),
        discovery_period: settings.discovery_period,
    };
    let isolation = isolation::start(
        (client.clone(), examiner),
        &inventory,
        &queue,
        &settings.isolation,
        &surroundings,
        &metrics,
    );
    watching.extend(isolation.loops);
    // The proxies' metrics also say which routes they have.
    let readable = gateway
        .as_ref()
        .filter(|to| to.controller == Controller::EnvoyGateway && settings.metering.enabled)
        .and(settings.gateway_namespace.as_deref());
    let proxies = readable.map(|namespace| {
        let metering = &settings.metering;
        Proxies::new(client.clone(), namespace, &metering.pod_labels, metering.port)
    });
    let metering = readable.map(|namespace| {
        Metering::new(Meter::new(
            client.clone(),
            namespace,
            &settings.metering,
            store.clone(),
            RequestMetrics::register(&metrics),
        ))
    });
    let verifier = isolation.verifier.clone();
    let capabilities = capabilities::all(Stateful {
        applications: Applications::new(services.clone(), openable.clone()),
        database: Database::new(databases.clone()),
        gateway: Gateway::new(gateway).with_proxies(proxies),
        metering,
        isolation: Some(Isolation::new(isolation.verifier, isolation.reports)),
    });
    let loops = capabilities.iter().flat_map(|one| one.clone().loops(&watched));
    watching.extend(loops.map(|work| AbortOnDropHandle::new(tokio::spawn(work))));
    let (sender, lacking) = tokio::sync::mpsc::unbounded_channel();
    let ctx = Arc::new(Context {
        caches,
        missing: sender,
        capabilities,
        databases,
        writer: Writer::new(client.clone(), store, metrics.clone()),
        platform: RwLock::new(run::platform(settings)),
        metrics,
        queue: queue.clone(),
        backoff: Backoff::default(),
        pace: Pace::default(),
        events,
        underway: Mutex::new(HashMap::new()),
    });
    watching.push(AbortOnDropHandle::new(tokio::spawn(housekeeping(ctx.clone()))));
    let waits = ctx.clone();
    watching.push(AbortOnDropHandle::new(tokio::spawn(async move {
        waits.writer.follow_others(|tenant| waits.queue.wake(tenant)).await;
    })));
    watching.push(AbortOnDropHandle::new(tokio::spawn(missing_tenants::look_for(
        ctx.clone(),
        lacking,
    ))));
    let known = async {
        api_server::refresh(&ctx).await;
        // A Service that is not known yet would close what is open.
        services.listed(&openable).await;
        tiers.wait_until_ready().await.is_ok() && servers.wait_until_ready().await.is_ok()
    };
    // The API server may be away again: a signal then ends the process at once.
    tokio::select! {
        known = known => if !known { return },
        () = stop.cancelled() => return,
    }
    let tenants_watch = resource_watches::tenants(client, (tenants.clone(), tenants_cache), queue);
    watching.push(AbortOnDropHandle::new(tokio::spawn(tenants_watch)));
    tokio::select! {
        () = verifier.ready() => {}
        () = stop.cancelled() => return,
    }

    let woken = futures::stream::unfold(woken, |mut woken| async {
        woken.recv().await.map(|next| (next, woken))
    });
    let (halt, gone) = (stop.clone(), ctx.clone());
    // All come by the queue, each after the store holds why.
    let controller = Loop::for_stream(futures::stream::pending(), tenants.names().clone())
        .with_config(Config::default().concurrency(settings.concurrency))
        .reconcile_on(woken)
        .graceful_shutdown_on(async move { halt.cancelled().await })
        .run(reconcile::reconcile, retry, ctx)
        .for_each(|result| async {
            match result {
                Ok((tenant, _)) => tracing::debug!(tenant = tenant.name, "reconciled"),
                // It is gone, or something is marked for a tenant that never was, or the watch lags behind.
                Err(kube::runtime::controller::Error::ObjectNotFound(tenant)) => gone.is_missing(&tenant.name),
                Err(kube::runtime::controller::Error::ReconcilerFailed(error, tenant)) => {
                    tracing::warn!(tenant = tenant.name, reason = error.reason(), "{}", error.chain());
                }
                Err(error) => tracing::warn!(%error, "the controller's queue failed"),
            }
        });
    let overdue = async {
        stop.cancelled().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        () = controller => {}
        () = overdue => {}
    }
}

/// Schedules the next try of a tenant that failed; each has its own backoff.
fn retry(tenant: Arc<Named>, error: &Error, ctx: Arc<Context>) -> Action {
    let delay = ctx.backoff.failed(tenant.metadata.name.as_deref().unwrap_or_default());
    let delay = terms::retry_after(error, delay);
    tracing::debug!(reason = error.reason(), ?delay, "tried again later");
    Action::requeue(delay)
}

/// Sets gauges, and follows the API server when it moves.
async fn housekeeping(ctx: Arc<Context>) {
    loop {
        ctx.metrics.set_tenants(&resource_watches::count(&ctx));
        tokio::time::sleep(HOUSEKEEPING).await;
        if api_server::refresh(&ctx).await {
            let all = ctx.caches.tenants.all_names();
            all.iter().for_each(|tenant| ctx.queue.wake(tenant));
        }
    }
}

/// Returns the namespaces that no tenant may have, and their purpose.
fn reserved(settings: &Settings) -> BTreeMap<String, &'static str> {
    let gateway = settings
        .gateway_namespace
        .clone()
        .map(|namespace| (namespace, "the gateway"));
    let parent = run::attachment(settings).map(|gateway| (gateway.namespace, "the gateway"));
    let others = [
        (settings.namespace.clone(), "the operator"),
        (settings.dns_servers.dns_namespace.clone(), "the cluster's DNS"),
    ];
    others.into_iter().chain(gateway).chain(parent).collect()
}
