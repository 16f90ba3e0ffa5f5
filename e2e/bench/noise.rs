//! A tenant at its limit, whose Admin changes his own objects all the time.

use crate::cluster::{Cluster, has_code};
use crate::timing::until;
use anyhow::{Context, Result, bail};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::{Client, Config};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tenant_operator::names;
use tokio::time::MissedTickBehavior;
use tokio_util::task::AbortOnDropHandle;

/// The name of everything that he makes, and the label of his pods.
const NAME: &str = "bench-noise";
/// More pods than the tenant's quota has.
const REPLICAS: u32 = 60;
/// The intervals between his changes of each object, and between his deletions of the workload's pods.
const CHANGE: Duration = Duration::from_millis(200);
const DELETION: Duration = Duration::from_secs(2);
const TIMEOUT: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(100);

/// The new content of an object at each of his turns.
type Change = fn(u64) -> Value;

/// Returns the objects that he changes.
fn changed() -> [(ApiResource, Change); 4] {
    [
        (
            resource::<ConfigMap>(),
            |turn| json!({"data": {"turn": turn.to_string()}}),
        ),
        (
            resource::<Role>(),
            |turn| json!({"rules": [{"apiGroups": [""], "resources": ["configmaps"], "resourceNames": [format!("turn-{turn}")], "verbs": ["get"]}]}),
        ),
        (resource::<RoleBinding>(), |turn| {
            let subject =
                json!({"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": format!("{NAME}-{turn}")});
            json!({"roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": NAME}, "subjects": [subject]})
        }),
        (
            resource::<NetworkPolicy>(),
            |turn| json!({"spec": {"podSelector": {"matchLabels": {"turn": turn.to_string()}}, "ingress": [{"from": [{"podSelector": {}}]}]}}),
        ),
    ]
}

/// Wants more pods than there may be. Nowhere do those run that are let in: they only take up the quota.
fn hog() -> Value {
    let labels = json!({"app": NAME});
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": NAME},
        "spec": {"replicas": REPLICAS, "selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": {
            "nodeSelector": {NAME: "nowhere"},
            "automountServiceAccountToken": false,
            "securityContext": {"runAsNonRoot": true, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{
                "name": "main", "image": "executive-service:1.0.0",
                "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
            }],
        }}},
    })
}

/// He, while he is at it; until dropped.
pub struct Noise {
    began: Instant,
    changes: Arc<AtomicU64>,
    refused: Arc<AtomicU64>,
    _busy: Vec<AbortOnDropHandle<()>>,
}

impl Noise {
    /// Fills a tenant's quota and begins to change its objects, as a member of its Admins.
    pub async fn begin(cluster: &Cluster, tenant: &str, admins: &str) -> Result<Self> {
        let admin = acting_as(NAME, admins).await?;
        for (resource, to) in changed() {
            let mut object = to(0);
            object["metadata"] = json!({"name": NAME});
            let object: DynamicObject = serde_json::from_value(object)?;
            let api = api(&admin, tenant, &resource);
            let made = api.create(&PostParams::default(), &object).await;
            made.with_context(|| format!("{tenant}'s Admin makes a {}", resource.kind))?;
        }
        let deployments: Api<Deployment> = Api::namespaced(admin.clone(), tenant);
        let hog = serde_json::from_value(hog())?;
        deployments
            .create(&PostParams::default(), &hog)
            .await
            .with_context(|| format!("{tenant}'s Admin makes a Deployment"))?;
        full(cluster, tenant).await?;

        let (changes, refused) = (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
        let mut busy = Vec::new();
        for (resource, to) in changed() {
            let (api, changes, refused) = (api(&admin, tenant, &resource), changes.clone(), refused.clone());
            busy.push(again_and_again(CHANGE, move |turn| {
                let (api, changes, refused) = (api.clone(), changes.clone(), refused.clone());
                async move {
                    let changed = api.patch(NAME, &PatchParams::default(), &Patch::Merge(to(turn))).await;
                    let count = if changed.is_ok() { changes } else { refused };
                    count.fetch_add(1, Ordering::Relaxed);
                }
            }));
        }
        let pods: Api<Pod> = Api::namespaced(admin, tenant);
        let workloads = ListParams::default().labels(names::WORKLOAD);
        // The operator's Deployment flaps: what comes in their stead has to wait for room in the quota.
        busy.push(again_and_again(DELETION, move |_| {
            let (pods, workloads) = (pods.clone(), workloads.clone());
            async move {
                let _ = pods.delete_collection(&DeleteParams::default(), &workloads).await;
            }
        }));
        Ok(Self {
            began: Instant::now(),
            changes,
            refused,
            _busy: busy,
        })
    }

    /// Returns his changes in a second.
    pub fn rate(&self) -> Result<f64> {
        let (changes, refused) = (
            self.changes.load(Ordering::Relaxed),
            self.refused.load(Ordering::Relaxed),
        );
        if refused > changes {
            bail!("{refused} of the Admin's changes were refused: there was hardly any noise");
        }
        Ok(changes as f64 / self.began.elapsed().as_secs_f64())
    }
}

/// Removes his objects, and waits until the pods are gone.
pub async fn remove(cluster: &Cluster, tenant: &str) -> Result<()> {
    let mut resources = vec![resource::<Deployment>()];
    resources.extend(changed().map(|(resource, _)| resource));
    for resource in resources {
        let api = api(&cluster.client, tenant, &resource);
        match api.delete(NAME, &DeleteParams::background()).await {
            Err(error) if !has_code(&error, 404) => return Err(error).context("remove the noise"),
            _ => {}
        }
    }
    let pods: Api<Pod> = Api::namespaced(cluster.client.clone(), tenant);
    let his = ListParams::default().labels(&format!("app={NAME}"));
    until("the Admin's pods to go", TIMEOUT, PAUSE, async || {
        Ok(pods.list_metadata(&his).await?.items.is_empty().then_some(()))
    })
    .await
}

/// Waits until pods are refused by the quota.
async fn full(cluster: &Cluster, tenant: &str) -> Result<()> {
    let deployments: Api<Deployment> = Api::namespaced(cluster.client.clone(), tenant);
    until("the quota to be full", TIMEOUT, PAUSE, async || {
        let status = deployments.get(NAME).await?.status.unwrap_or_default();
        let mut conditions = status.conditions.iter().flatten();
        let is_full = conditions.any(|condition| {
            let message = condition.message.as_deref().unwrap_or_default();
            condition.type_ == "ReplicaFailure" && message.contains("exceeded quota")
        });
        Ok(is_full.then_some(()))
    })
    .await
}

/// The same cluster, seen by a member of a group.
async fn acting_as(user: &str, group: &str) -> Result<Client> {
    let mut config = Config::infer().await?;
    config.auth_info.impersonate = Some(user.into());
    config.auth_info.impersonate_groups = Some(vec![group.into(), "system:authenticated".into()]);
    config.read_timeout = Some(Duration::from_secs(30));
    Ok(Client::try_from(config)?)
}

fn resource<K: kube::Resource<DynamicType = ()>>() -> ApiResource {
    ApiResource::erase::<K>(&())
}

fn api(client: &Client, namespace: &str, resource: &ApiResource) -> Api<DynamicObject> {
    Api::namespaced_with(client.clone(), namespace, resource)
}

/// Does something each time so much has passed, one after the other, until dropped.
fn again_and_again<F: Future<Output = ()> + Send>(
    period: Duration,
    act: impl Fn(u64) -> F + Send + 'static,
) -> AbortOnDropHandle<()> {
    AbortOnDropHandle::new(tokio::spawn(async move {
        let mut ticks = tokio::time::interval(period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        for turn in 1.. {
            ticks.tick().await;
            act(turn).await;
        }
    }))
}
