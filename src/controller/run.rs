//! The operator's life: prove, be elected, watch, reconcile, stop.

use super::events::Events;
use super::pace::Pace;
use super::{Context, admission_proof, api_server, missing, reconcile, watches};
use crate::api::Tenant;
use crate::capability::{Platform, Watching};
use crate::cluster::{
    Error, Kind, Queue, Store, Writer,
    backoff::Backoff,
    client,
    leader::{Candidate, Leadership, Timing},
};
use crate::database::{Database, Databases};
use crate::gateway::{Attachment, Controller, Gateway};
use crate::isolation::{self, Inventory, Isolation};
use crate::metering::Metering;
use crate::metering::meter::Meter;
use crate::metering::metrics::RequestMetrics;
use crate::names;
use crate::settings::Settings;
use crate::telemetry::Listeners;
use crate::telemetry::health::Readiness;
use crate::telemetry::metrics::Metrics;
use crate::tenant::capabilities::{self, Stateful};
use crate::tenant::observe::Caches;
use anyhow::Context as _;
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

/// The proof that `/readyz` waits for.
const PROOF: &str = "the proof that admission policies confine the operator";
/// Policies take about a second from their installation to take hold.
const PROOF_RETRY: Duration = Duration::from_secs(2);
/// The period in which gauges are set and the API server's addresses are looked up.
const HOUSEKEEPING: Duration = Duration::from_secs(15);
/// The time that reconciles may take to finish when the operator stops.
const GRACE: Duration = Duration::from_secs(20);

/// Runs until a signal ends it.
///
/// # Errors
/// Whatever keeps the operator from its work for good; loss of leadership among it.
pub async fn run(settings: Settings) -> anyhow::Result<()> {
    let stop = CancellationToken::new();
    tokio::spawn(stop_on_signal(stop.clone()));
    let (metrics, readiness) = (Metrics::new(), Readiness::default());
    readiness.wait_for(PROOF);
    let listeners = Listeners::bind(settings.metrics_address, settings.health_address).await?;
    // The probes are answered until the very end.
    let ended = CancellationToken::new();
    let serving = tokio::spawn(listeners.serve(metrics.clone(), readiness.clone(), ended.clone()));
    let config = client::infer().await.context("no cluster is configured")?;
    let examiner = match settings.isolation.admission_probe.enabled {
        true => Some(client::acting_as(names::EXAMINER, config.clone(), metrics.clone())?),
        false => None,
    };
    let clients = (client::client(config, metrics.clone())?, examiner);

    let result = tokio::select! {
        result = work(&settings, clients, metrics, readiness, stop.clone()) => result,
        result = serving => Err(anyhow::anyhow!("metrics and health are no longer served: {result:?}")),
    };
    ended.cancel();
    result
}

/// The operator's own client, and the one that acts as the examiner.
type Clients = (Client, Option<Client>);

async fn work(
    settings: &Settings,
    clients: Clients,
    metrics: Metrics,
    readiness: Readiness,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    tokio::select! {
        () = prove(settings, &clients.0) => readiness.done(PROOF),
        () = stop.cancelled() => return Ok(()),
    }
    if !settings.leader_elect {
        metrics.set_leader(true);
        run_as_leader(settings, clients, metrics, stop, std::future::pending()).await;
        return Ok(());
    }
    let timing = Timing {
        lease_duration: settings.lease_duration,
        renew_deadline: settings.renew_deadline,
        retry_period: settings.retry_period,
    };
    let candidate = Candidate::new(
        clients.0.clone(),
        &settings.namespace,
        names::MANAGER,
        &settings.pod_name,
        timing,
    )?;
    let leadership: Leadership = tokio::select! {
        leadership = candidate.acquire() => leadership,
        () = stop.cancelled() => return Ok(()),
    };
    metrics.set_leader(true);
    let lost = run_as_leader(settings, clients, metrics.clone(), stop, leadership.lost()).await;
    metrics.set_leader(false);
    if lost {
        // Whoever leads now must not find us writing: the process ends here.
        anyhow::bail!("leadership was lost");
    }
    leadership.release().await;
    tracing::info!("stopped");
    Ok(())
}

/// Returns when the policies were seen to hold.
async fn prove(settings: &Settings, client: &Client) {
    if settings.skip_admission_proof {
        tracing::warn!("started without proof that admission policies confine the operator");
        return;
    }
    loop {
        match admission_proof::prove(client).await {
            Ok(()) => return tracing::info!("admission policies confine the operator"),
            Err(error) => tracing::warn!(%error, "not ready: the operator is not confined"),
        }
        tokio::time::sleep(PROOF_RETRY).await;
    }
}

/// Reconciles until told to stop, or until leadership is lost, which it returns.
async fn run_as_leader(
    settings: &Settings,
    (client, examiner): Clients,
    metrics: Metrics,
    stop: CancellationToken,
    lost: impl Future<Output = ()> + Send + 'static,
) -> bool {
    let store = Arc::new(Store::default());
    let (queue, woken) = Queue::new(metrics.clone());
    let (tenants, tenants_writer) = reflector::store::<Tenant>();
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
        client.clone(),
        settings.namespace.clone(),
        store.clone(),
        tenants.clone(),
        servers.clone(),
        (queue.clone(), &metrics),
        (settings.database.clone(), settings.dns.clone()),
    ));
    let servers_watch = watches::servers(client.clone(), servers_writer, databases.clone());
    watching.push(AbortOnDropHandle::new(tokio::spawn(servers_watch)));
    let events = Arc::new(Events::new(client.clone(), &settings.pod_name));
    let tiers_watch = watches::tiers(
        client.clone(),
        tiers_writer,
        tenants.clone(),
        queue.clone(),
        events.clone(),
    );
    watching.push(AbortOnDropHandle::new(tokio::spawn(tiers_watch)));

    let gateway = attachment(settings);
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
        namespace: settings.namespace.clone(),
    };
    let inventory = Inventory {
        tenants: tenants.clone(),
        objects: store.clone(),
        cluster_cidrs: settings.cluster_cidrs.clone(),
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
    let metering = gateway
        .as_ref()
        .filter(|to| to.controller == Controller::EnvoyGateway && settings.metering.enabled)
        .zip(settings.gateway_namespace.as_deref())
        .map(|(_, namespace)| {
            Metering::new(Meter::new(
                client.clone(),
                namespace,
                settings.metering.clone(),
                store.clone(),
                RequestMetrics::register(&metrics),
            ))
        });
    let verifier = isolation.verifier.clone();
    let capabilities = capabilities::all(Stateful {
        database: Database::new(databases.clone()),
        gateway: Gateway::new(gateway),
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
        platform: RwLock::new(platform(settings)),
        metrics,
        queue: queue.clone(),
        backoff: Backoff::default(),
        pace: Pace::default(),
        events,
        underway: Mutex::new(HashMap::new()),
    });
    api_server::refresh(&ctx).await;
    watching.push(AbortOnDropHandle::new(tokio::spawn(housekeeping(ctx.clone()))));
    watching.push(AbortOnDropHandle::new(tokio::spawn(missing::look_for(
        ctx.clone(),
        lacking,
    ))));
    if tiers.wait_until_ready().await.is_err() || servers.wait_until_ready().await.is_err() {
        return false;
    }
    let tenants_watch = watches::tenants(client, tenants_writer, queue);
    watching.push(AbortOnDropHandle::new(tokio::spawn(tenants_watch)));
    verifier.ready().await;

    let woken = futures::stream::unfold(woken, |mut woken| async {
        woken.recv().await.map(|next| (next, woken))
    });
    let (halt, gone) = (stop.clone(), ctx.clone());
    // All come by the queue, each after the store holds why.
    let controller = Loop::for_stream(futures::stream::pending(), tenants)
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
        () = controller => false,
        () = overdue => false,
        () = lost => true,
    }
}

/// Schedules the next try of a tenant that failed; each has its own backoff.
fn retry(tenant: Arc<Tenant>, error: &Error, ctx: Arc<Context>) -> Action {
    let delay = ctx.backoff.failed(tenant.metadata.name.as_deref().unwrap_or_default());
    tracing::debug!(reason = error.reason(), ?delay, "tried again later");
    Action::requeue(delay)
}

/// Sets gauges, and follows the API server when it moves.
async fn housekeeping(ctx: Arc<Context>) {
    loop {
        ctx.metrics.set_tenants(&watches::count(&ctx));
        tokio::time::sleep(HOUSEKEEPING).await;
        if api_server::refresh(&ctx).await {
            for tenant in ctx.caches.tenants.state() {
                ctx.queue.wake(tenant.metadata.name.as_deref().unwrap_or_default());
            }
        }
    }
}

/// Returns the settings that all tenants' objects depend on.
pub fn platform(settings: &Settings) -> Platform {
    Platform {
        namespace: settings.namespace.clone(),
        service_account: settings.service_account.clone(),
        dns: settings.dns_servers.clone(),
        gateway_namespace: settings.gateway_namespace.clone(),
        api_server: Vec::new(),
        examiner: settings.isolation.admission_probe.enabled,
    }
}

/// Returns the Gateway that routes attach to.
pub fn attachment(settings: &Settings) -> Option<Attachment> {
    settings.gateway.attachment(settings.gateway_namespace.as_deref())
}

/// Returns the namespaces that no tenant may have, and their purpose.
fn reserved(settings: &Settings) -> BTreeMap<String, &'static str> {
    let gateway = settings
        .gateway_namespace
        .clone()
        .map(|namespace| (namespace, "the gateway"));
    let parent = attachment(settings).map(|gateway| (gateway.namespace, "the gateway"));
    let others = [
        (settings.namespace.clone(), "the operator"),
        (settings.dns_servers.dns_namespace.clone(), "the cluster's DNS"),
    ];
    others.into_iter().chain(gateway).chain(parent).collect()
}

async fn stop_on_signal(stop: CancellationToken) {
    crate::signals::told_to_end().await;
    tracing::info!("stopping");
    stop.cancel();
}
