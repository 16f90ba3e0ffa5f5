//! Tenants, a tier and a DatabaseServer that come and go while a test disrupts the operator's watches.

use crate::support::database::{OwnServer, Site};
use crate::support::{Cluster, Scene, TestTenant, condition, eventually, operator, path, secs, summary, text};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// The number of tenants that come in each round, and that go from the round before.
const TENANTS: usize = 25;
/// Within this everything is right again.
const LIMIT: Duration = Duration::from_secs(60);
/// The time for which requests may fail while the API server, or the definition, is away.
const AWAY: Duration = Duration::from_secs(60);

/// Returns the number of rounds: one, or the environment's number.
pub fn rounds() -> usize {
    let rounds = std::env::var("E2E_ROUNDS").ok();
    rounds.and_then(|rounds| rounds.parse().ok()).unwrap_or(1)
}

pub struct Fleet<'a> {
    scene: &'a Scene,
    /// There in all rounds.
    tier: String,
    /// There in even rounds; one tenant names it.
    flag: Value,
    flagged: TestTenant,
    /// One is there in even rounds, the other in odd ones. None where the cluster has no PostgreSQL.
    servers: Vec<(OwnServer, Value)>,
}

impl<'a> Fleet<'a> {
    /// Everything as it is in round 0, Ready.
    pub async fn new(scene: &'a Scene, test: &str) -> Result<Self> {
        let cluster = &scene.cluster;
        let (tier, flag) = (scene.tier(json!({})).await?, scene.tier(json!({})).await?);
        let flagged = scene.tenant("flagged", &flag, json!({})).await?;
        let mut servers = Vec::new();
        if let Some(site) = Site::find(test) {
            for suffix in ["even", "odd"] {
                let server = site.server(scene, suffix, &scene.name, json!({})).await?;
                let body = bare(&server.get().await?);
                servers.push((server, body));
            }
        }
        let flag = bare(&cluster.get(&path("tenanttiers", "", &flag)).await?);
        let fleet = Self {
            scene,
            tier,
            flag,
            flagged,
            servers,
        };
        fleet.make(0).await?;
        fleet.turn(0).await?;
        fleet.settled(0).await?;
        Ok(fleet)
    }

    pub fn tenants(&self, round: usize) -> Vec<TestTenant> {
        let names = (0..TENANTS).map(|number| format!("{}-{round}-{number}", self.scene.name));
        names
            .map(|name| TestTenant::new(self.scene.cluster.clone(), &name))
            .collect()
    }

    /// The tier that comes and goes.
    pub fn flag(&self) -> String {
        name(&self.flag)
    }

    /// The tenant that names it.
    pub fn flagged(&self) -> &str {
        &self.flagged.name
    }

    /// Makes this round's tenants.
    pub async fn make(&self, round: usize) -> Result<()> {
        for tenant in self.tenants(round) {
            self.scene.will_make_tenant(&tenant.name);
            let body = Scene::tenant_body(&tenant.name, &self.tier, json!({}));
            surely_create(&self.scene.cluster, "tenants", &body).await?;
        }
        Ok(())
    }

    /// Deletes that round's tenants.
    pub async fn delete(&self, round: usize) -> Result<()> {
        for tenant in self.tenants(round) {
            surely_delete(&self.scene.cluster, &tenant.path()).await?;
        }
        Ok(())
    }

    /// Makes the tier and the DatabaseServers of this round, and removes the others.
    pub async fn turn(&self, round: usize) -> Result<()> {
        let cluster = &self.scene.cluster;
        match round % 2 {
            0 => surely_create(cluster, "tenanttiers", &self.flag).await?,
            _ => surely_delete(cluster, &path("tenanttiers", "", &self.flag())).await?,
        }
        for (number, (server, body)) in self.servers.iter().enumerate() {
            if number == round % 2 {
                surely_create(cluster, "databaseservers", body).await?;
                continue;
            }
            let at = path("databaseservers", "", &server.name);
            surely_delete(cluster, &at).await?;
            // By force, so that it is gone before the operator looks.
            let free = json!({"metadata": {"finalizers": null}});
            surely(&format!("{at} to be free"), 404, async || {
                cluster.patch(&at, &free).await
            })
            .await?;
        }
        Ok(())
    }

    /// Waits until everything is as this round has it.
    pub async fn settled(&self, round: usize) -> Result<()> {
        let begun = Instant::now();
        eventually(&format!("round {round} to be as asked"), LIMIT, async || {
            self.is_settled(round).await
        })
        .await?;
        println!("round {round}: all is right after {:?}", begun.elapsed());
        if let Some(before) = round.checked_sub(1) {
            self.scene.has_removed(&self.tenants(before));
        }
        Ok(())
    }

    async fn is_settled(&self, round: usize) -> Result<()> {
        let cluster = &self.scene.cluster;
        let all = cluster.list(&path("tenants", "", "")).await?;
        let of = |tenant: &TestTenant| all.iter().find(|one| name(one) == tenant.name);
        let mut behind = Vec::new();
        for tenant in self.tenants(round) {
            match of(&tenant) {
                Some(now) if is_ready(now) => {}
                Some(now) => behind.push(summary(now)),
                None => behind.push(format!("{} is not there", tenant.name)),
            }
        }
        if let Some(before) = round.checked_sub(1) {
            let namespaces = BTreeSet::from_iter(cluster.names(&path("namespaces", "", "")).await?);
            for tenant in self.tenants(before) {
                match of(&tenant) {
                    Some(now) => behind.push(summary(now)),
                    None if namespaces.contains(&tenant.name) => behind.push(format!("namespace {}", tenant.name)),
                    None => {}
                }
            }
        }
        let flagged = of(&self.flagged).context("the tenant of the tier that comes and goes")?;
        let ready = condition(flagged, "Ready").cloned().unwrap_or_default();
        let is_right = match round % 2 {
            0 => is_ready(flagged),
            _ => ready["reason"] == "TierNotFound",
        };
        if !is_right {
            behind.push(summary(flagged));
        }
        behind.extend(self.servers_behind(round).await?);
        ensure!(
            behind.is_empty(),
            "{} are behind: {}",
            behind.len(),
            behind[..behind.len().min(3)].join("; ")
        );
        Ok(())
    }

    async fn servers_behind(&self, round: usize) -> Result<Vec<String>> {
        let (cluster, mut behind) = (&self.scene.cluster, Vec::new());
        if self.servers.is_empty() {
            return Ok(behind);
        }
        let pods = operator::pods(cluster).await?;
        let metrics = operator::metrics(cluster, pods.first().context("the operator has no pod")?).await?;
        for (number, (server, _)) in self.servers.iter().enumerate() {
            let up = format!("tenant_operator_database_server_up{{server=\"{}\"}}", server.name);
            let is_measured = metrics.contains(&up);
            if number == round % 2 {
                let now = server.get().await?;
                if !is_measured || !condition(&now, "Ready").is_some_and(|c| c["status"] == "True") {
                    behind.push(format!("{} (measured: {is_measured})", summary(&now)));
                }
            } else if is_measured {
                behind.push(format!("DatabaseServer {} is gone, and still measured", server.name));
            }
        }
        Ok(behind)
    }

    /// Deletes everything and waits until it is gone.
    pub async fn remove(self, last: usize) -> Result<()> {
        let cluster = self.scene.cluster.clone();
        // A Tenant that was put back takes up its namespaces once its tier is there, and deletes only those.
        surely_create(&cluster, "tenanttiers", &self.flag).await?;
        self.flagged.ready().await?;
        self.delete(last).await?;
        surely_delete(&cluster, &self.flagged.path()).await?;
        let mut tenants = self.tenants(last);
        tenants.push(self.flagged.clone());
        for tenant in &tenants {
            tenant.gone().await?;
        }
        self.scene.has_removed(&tenants);
        for tier in [&self.tier, &self.flag()] {
            surely_delete(&cluster, &path("tenanttiers", "", tier)).await?;
        }
        // Each goes with all that it has on PostgreSQL.
        drop(self);
        Ok(())
    }
}

pub fn is_ready(tenant: &Value) -> bool {
    let ready = condition(tenant, "Ready").cloned().unwrap_or_default();
    ready["status"] == "True" && ready["observedGeneration"] == tenant["metadata"]["generation"]
}

pub fn name(object: &Value) -> String {
    text(&object["metadata"]["name"])
}

/// An object fit to be created again.
pub fn bare(object: &Value) -> Value {
    json!({"apiVersion": object["apiVersion"], "kind": object["kind"], "spec": object["spec"],
        "metadata": {"name": object["metadata"]["name"], "labels": object["metadata"]["labels"],
                     "annotations": object["metadata"]["annotations"]}})
}

/// Creates an object unless it exists, however long the API server is away.
pub async fn surely_create(cluster: &Cluster, resource: &str, body: &Value) -> Result<()> {
    let what = format!("{resource}/{} to be created", name(body));
    surely(&what, 409, async || cluster.create(&path(resource, "", ""), body).await).await
}

/// Deletes an object if it exists, however long the API server is away.
pub async fn surely_delete(cluster: &Cluster, at: &str) -> Result<()> {
    surely(&format!("{at} to be deleted"), 404, async || cluster.delete(at).await).await
}

async fn surely(what: &str, done: u16, ask: impl AsyncFn() -> Result<Value, kube::Error>) -> Result<()> {
    eventually(what, AWAY, async || match ask().await {
        Err(kube::Error::Api(status)) if status.code == done => Ok(()),
        other => other.map(|_| ()).context("the API server's answer"),
    })
    .await
}

/// Names of everything that this program's tests could leave behind.
#[derive(Debug, PartialEq, Eq)]
pub struct Inventory(BTreeSet<String>);

impl Inventory {
    /// Takes the inventory once the tenants that earlier tests deleted are gone: their namespaces and claims go with them.
    pub async fn settled(cluster: &Cluster) -> Result<Self> {
        eventually("deleted tenants to be gone", secs(120), async || {
            for resource in ["tenants", "namespaces"] {
                let items = cluster.list(&path(resource, "", "")).await?;
                let going = items
                    .iter()
                    .find(|item| !item["metadata"]["deletionTimestamp"].is_null());
                ensure!(
                    going.is_none(),
                    "{resource}/{} is going",
                    going.map_or_else(String::new, name)
                );
            }
            Ok(())
        })
        .await?;
        Self::of(cluster).await
    }

    async fn of(cluster: &Cluster) -> Result<Self> {
        let mut all = BTreeSet::new();
        for (resource, namespace) in [
            ("tenants", ""),
            ("tenanttiers", ""),
            ("databaseservers", ""),
            ("namespaces", ""),
            ("configmaps", operator::NAMESPACE),
        ] {
            for item in cluster.list(&path(resource, namespace, "")).await? {
                if item["metadata"]["deletionTimestamp"].is_null() {
                    all.insert(format!("{resource}/{}", name(&item)));
                }
            }
        }
        Ok(Self(all))
    }

    /// Waits until there is nothing that was not there before, and nothing is missing.
    pub async fn is_as_before(&self, cluster: &Cluster) -> Result<()> {
        eventually("only what was there before to be there", secs(60), async || {
            let now = Self::of(cluster).await?;
            let (new, gone) = (now.0.difference(&self.0), self.0.difference(&now.0));
            let (new, gone) = (Vec::from_iter(new), Vec::from_iter(gone));
            ensure!(new.is_empty() && gone.is_empty(), "new: {new:?}, gone: {gone:?}");
            Ok(())
        })
        .await
    }
}
