//! Follows what the gateway says of tenants' routes, in a cluster that may come to know such routes later.

use super::{Context, Queue, watches};
use crate::api::Tenant;
use crate::cluster::client::watch_config;
use crate::cluster::served::served;
use crate::cluster::{Kind, Store};
use crate::gateway::Attachment;
use crate::gateway::standing::of_parent;
use futures::StreamExt;
use kube::Client;
use kube::ResourceExt;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind};
use kube::runtime::reflector;
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt, watcher as watch};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// What kinds are needed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Without them nothing leads to any tenant.
    Always,
    /// Without them all tenants are served but those that ask for certificates, who are told so.
    ForCertificates,
}

/// Watches these of the gateway's kinds once the cluster has them all, for ever; until then it is asked for them once in a `period`.
pub async fn follow(
    client: Client,
    (kinds, need): (&'static [Kind], Need),
    period: Duration,
    store: Arc<Store>,
    tenants: reflector::Store<Tenant>,
    queue: Queue,
) {
    let mut told = Vec::new();
    loop {
        match served(&client, kinds).await {
            Ok(found) => {
                let missing = kinds.iter().filter(|kind| !found.contains(kind));
                let missing: Vec<Kind> = missing.copied().collect();
                store.note_lacking(kinds, &missing);
                if missing.is_empty() {
                    break;
                }
                if told != missing {
                    let names: Vec<&str> = missing.iter().map(|kind| kind.as_str()).collect();
                    let missing_names = names.join(", ");
                    match need {
                        Need::Always => {
                            tracing::warn!(
                                missing = missing_names,
                                "the cluster lacks kinds that the gateway is told by"
                            );
                        }
                        Need::ForCertificates => tracing::info!(
                            missing = missing_names,
                            "the cluster lacks a kind that only hosts with certificates of their own need"
                        ),
                    }
                    told = missing;
                }
            }
            Err(error) => tracing::warn!(%error, "whether the cluster has the gateway's kinds is not known"),
        }
        tokio::time::sleep(period).await;
    }
    let watches = kinds
        .iter()
        .map(|kind| watches::objects(client.clone(), *kind, store.clone(), tenants.clone(), queue.clone()));
    futures::future::join_all(watches).await;
}

/// Follows what the Gateway that routes attach to says of itself, for ever. A change wakes every tenant that is reached by it.
pub async fn follow_parent(ctx: Arc<Context>, to: Attachment) {
    let gateways = ApiResource::from_gvk(&GroupVersionKind::gvk("gateway.networking.k8s.io", "v1", "Gateway"));
    let api: Api<DynamicObject> = Api::namespaced_with(ctx.writer.client().clone(), &to.namespace, &gateways);
    // By name, since the operator may read no other.
    let config = watch_config().fields(&format!("metadata.name={}", to.name));
    let mut stream = std::pin::pin!(watch(api, config).default_backoff());
    let mut listed = None;
    while let Some(event) = stream.next().await {
        match event {
            Ok(Event::Init) => listed = None,
            Ok(Event::InitApply(gateway)) => listed = Some(gateway),
            Ok(Event::InitDone) => note(&ctx, &to, listed.take().as_ref()),
            Ok(Event::Apply(gateway)) => note(&ctx, &to, Some(&gateway)),
            Ok(Event::Delete(_)) => note(&ctx, &to, None),
            Err(watcher::Error::InitialListFailed(kube::Error::Api(error))) if error.code == 404 => {
                // The cluster has no Gateways at all.
                note(&ctx, &to, None);
            }
            Err(error) => tracing::warn!(%error, "the watch of the Gateway failed and is begun anew"),
        }
    }
}

fn note(ctx: &Context, to: &Attachment, gateway: Option<&DynamicObject>) {
    let problem = of_parent(to, gateway.map(|gateway| &gateway.data));
    {
        let mut platform = ctx.platform.write().unwrap_or_else(PoisonError::into_inner);
        if platform.gateway_problem == problem {
            return;
        }
        platform.gateway_problem.clone_from(&problem);
    }
    tracing::info!(problem, "what the Gateway says of itself changed");
    for tenant in ctx.known.tenants.state() {
        if tenant
            .spec
            .gateway
            .as_ref()
            .is_some_and(|gateway| !gateway.routes.is_empty())
        {
            ctx.queue.wake(&tenant.name_any());
        }
    }
}
