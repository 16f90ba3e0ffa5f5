//! The tenants beside the fleet: two with pods and a schema each, and one for each of the gateway's checks.

use super::connections::Target;
use super::issuer::Issuer;
use crate::cluster::{Cluster, gone};
use crate::spec::{API_KEY, LABEL, host, limit};
use crate::timing::{patience, until};
use crate::{application, cleanup, fleet, routing};
use anyhow::{Context, Result, ensure};
use http::header;
use kube::api::{Api, DeleteParams, ListParams, PostParams};
use serde_json::{Value, json};
use std::time::Duration;
use tenant_operator::api::DatabaseServer;
use tenant_operator::cluster::Kind;
use tenant_operator::gateway::Attachment;

/// The run's name, with which the tenants' names begin.
pub const LOAD: &str = "load";
pub const QUIET: &str = "load-quiet";
pub const NOISY: &str = "load-noisy";
const TIERS: [&str; 2] = ["bench-neighbours", "bench-checks"];
/// The route without a tenant, and its host.
const BARE: &str = "bench-bare";
const BARE_HOST: &str = "bare.bench.example.com";
/// The DatabaseServer of `make up`, and its label.
const SERVER: &str = "sample";
const SERVER_LABEL: (&str, &str) = ("region", "local");
/// The image of `examples/app` that `run.sh` makes.
const IMAGE: &str = "example-app:bench";
/// Requests of the noisy tenant in a second.
pub const NOISY_LIMIT: u32 = 20;
/// A limit in a second and one in a minute that nobody reaches.
const HIGH: [u32; 2] = [1000, 1_000_000];
const PAUSE: Duration = Duration::from_millis(200);

/// Combinations of the gateway's checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Checks {
    None,
    Key,
    Token,
    KeyAndLimit,
}

const CHECKS: [(Checks, &str, &str); 4] = [
    (Checks::None, "load-none", "no check"),
    (Checks::Key, "load-key", "key"),
    (Checks::Token, "load-token", "token"),
    (Checks::KeyAndLimit, "load-limit", "key and limit"),
];

fn tiers() -> [Value; 2] {
    let neighbours = json!({
        "isolation": {"default": "DedicatedApplication"},
        "quota": {
            "requests.cpu": "1", "requests.memory": "1Gi", "limits.cpu": "4", "limits.memory": "2Gi",
            "pods": "5", "requests.storage": "1Gi",
        },
        "containerDefaults": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"cpu": "1", "memory": "128Mi"}},
        "network": {"egress": {"internet": "Deny"}},
        "database": {
            "model": "Schema",
            "serverSelector": {"matchLabels": {SERVER_LABEL.0: SERVER_LABEL.1}},
            "connectionLimit": 50,
        },
        "gateway": {"rateLimits": [{"requests": HIGH[0], "unit": "Second"}]},
    });
    let checks = json!({
        "isolation": {"default": "SharedData"},
        "quota": {"pods": "0"},
        "gateway": {
            "applications": [{"name": "web", "namespace": application::NAMESPACE, "service": application::NAME, "port": 80}],
        },
    });
    [neighbours, checks]
}

fn neighbour(name: &str, requests: u32) -> Value {
    json!({
        "network": {"ingress": {"gateway": "Allow"}},
        "workloads": [{
            "name": "web",
            "image": IMAGE,
            "imagePullPolicy": "IfNotPresent",
            "replicas": 1,
            "ports": [{"name": "http", "containerPort": 8080}],
            "readinessProbe": {"httpGet": {"path": "/", "port": "http"}, "periodSeconds": 1},
        }],
        "gateway": {
            "hosts": [host(name)],
            "routes": [{"backend": {"workload": "web"}}],
            "authentication": {"apiKeys": [{"name": API_KEY}]},
            "rateLimits": [{"requests": requests, "unit": "Second"}],
        },
    })
}

fn checked(name: &str, checks: Checks, issuer: &Issuer) -> Value {
    let mut gateway = json!({"hosts": [host(name)], "routes": [{"backend": {"application": "web"}}]});
    match checks {
        Checks::None => {}
        Checks::Key | Checks::KeyAndLimit => gateway["authentication"] = json!({"apiKeys": [{"name": API_KEY}]}),
        Checks::Token => gateway["authentication"] = json!({"jwt": issuer.spec()}),
    }
    if checks == Checks::KeyAndLimit {
        gateway["rateLimits"] = limit(HIGH[1]);
    }
    json!({"gateway": gateway})
}

/// Returns a route to the shared application that has no tenant, and so nothing of the operator's.
fn bare_route(gateway: &Attachment) -> Value {
    json!({
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": BARE},
        "spec": {
            "parentRefs": [{"name": gateway.name, "namespace": gateway.namespace}],
            "hostnames": [BARE_HOST],
            "rules": [{"backendRefs": [{"name": application::NAME, "port": 80}]}],
        },
    })
}

/// Makes all of them, and waits until they are Ready.
pub async fn make(cluster: &Cluster, gateway: &Attachment, issuer: &Issuer) -> Result<()> {
    let servers: Api<DatabaseServer> = Api::all(cluster.client.clone());
    let server = servers.get_opt(SERVER).await?;
    let labels = server.and_then(|server| server.metadata.labels).unwrap_or_default();
    ensure!(
        labels.get(SERVER_LABEL.0).map(String::as_str) == Some(SERVER_LABEL.1),
        "--load needs the DatabaseServer {SERVER} of make up, with the label {}={}",
        SERVER_LABEL.0,
        SERVER_LABEL.1
    );
    for (name, mut spec) in TIERS.into_iter().zip(tiers()) {
        spec["displayName"] = json!(name);
        let tier = json!({"apiVersion": "tenant-operator.io/v1alpha1", "kind": "TenantTier", "metadata": {"name": name}, "spec": spec});
        cluster
            .tiers()
            .create(&PostParams::default(), &serde_json::from_value(tier)?)
            .await
            .with_context(|| format!("TenantTier {name}"))?;
    }
    let neighbours = [(QUIET, HIGH[0]), (NOISY, NOISY_LIMIT)].map(|(name, limit)| (name, 0, neighbour(name, limit)));
    let checks = CHECKS.map(|(checks, name, _)| (name, 1, checked(name, checks, issuer)));
    for (name, tier, mut spec) in neighbours.into_iter().chain(checks) {
        spec["displayName"] = json!(name);
        spec["tier"] = json!(TIERS[tier]);
        spec["deletionPolicy"] = json!("Delete");
        let tenant = json!({"apiVersion": "tenant-operator.io/v1alpha1", "kind": "Tenant",
            "metadata": {"name": name, "labels": {LABEL: LOAD}}, "spec": spec});
        cluster
            .tenants()
            .create(&PostParams::default(), &serde_json::from_value(tenant)?)
            .await
            .with_context(|| format!("Tenant {name}"))?;
    }
    let route = serde_json::from_value(bare_route(gateway))?;
    let routes = cluster.api(Kind::HttpRoute, application::NAMESPACE);
    routes
        .create(&PostParams::default(), &route)
        .await
        .context("the route without a tenant")?;
    let ours = ListParams::default().labels(&format!("{LABEL}={LOAD}"));
    until("the tenants under load to be Ready", patience(0), PAUSE, async || {
        let tenants = cluster.tenants().list(&ours).await?;
        Ok(tenants.iter().all(fleet::is_ready).then_some(()))
    })
    .await
}

/// Removes all of them.
pub async fn remove(cluster: &Cluster) -> Result<()> {
    cleanup::by_operator(cluster, LOAD, 0).await?;
    for tier in TIERS {
        gone(cluster.tiers().delete(tier, &DeleteParams::default()).await)?;
    }
    let routes = cluster.api(Kind::HttpRoute, application::NAMESPACE);
    gone(routes.delete(BARE, &DeleteParams::default()).await)
}

/// Returns the address of a tenant's rows.
pub async fn rows(cluster: &Cluster, tenant: &str) -> Result<Target> {
    let key = routing::key(cluster, tenant.into()).await?;
    Target::with_key(host(tenant), "/rows", &key)
}

/// Returns the hosts to compare, the one without a tenant first.
pub async fn checked_hosts(cluster: &Cluster, issuer: &Issuer) -> Result<Vec<(&'static str, Target)>> {
    let plain = |host: String| Target {
        host,
        path: "/",
        credentials: None,
    };
    let mut hosts = vec![("bare route", plain(BARE_HOST.into()))];
    for (checks, tenant, what) in CHECKS {
        let target = match checks {
            Checks::None => plain(host(tenant)),
            Checks::Key | Checks::KeyAndLimit => {
                Target::with_key(host(tenant), "/", &routing::key(cluster, tenant.into()).await?)?
            }
            Checks::Token => Target {
                credentials: Some((
                    header::AUTHORIZATION,
                    format!("Bearer {}", issuer.token(tenant)?).parse()?,
                )),
                ..plain(host(tenant))
            },
        };
        hosts.push((what, target));
    }
    Ok(hosts)
}
