//! Quarantine of a tenant that reaches another, where its tier asks for it.

use crate::support::database::{CLOSED, Site, ensure_refused};
use crate::support::probe::{From, closed, open};
use crate::support::{
    Cluster, Scene, TestTenant, condition, eventually, operator, path, pods, secs, server_workload, steadily, summary,
    text,
};
use crate::traffic::Reachable;
use anyhow::{Result, ensure};
use serde_json::{Value, json};

/// The tenant's second pod.
const ASKED: &str = "asked";
/// The time without a finding that ends a quarantine.
const PERIOD: &str = "8s";

struct Pair {
    scene: Scene,
    /// A tenant whose owner gets access to the other.
    reaches: Reachable,
    reached: TestTenant,
}

impl Pair {
    async fn new(name: &str, isolation: Value, database: Value) -> Result<Self> {
        let scene = Scene::new(name).await?;
        let mut tier = json!({"isolation": isolation, "quota": {"pods": 10}});
        if !database.is_null() {
            tier["database"] = database;
        }
        let tier = scene.tier(tier).await?;
        let spec = |owner: &str| {
            json!({"workloads": [server_workload("web")],
                   "owners": [{"kind": "User", "name": format!("{}-{owner}", scene.name), "role": "Admin"}]})
        };
        let (reaches, reached) = (
            scene.tenant("a", &tier, spec("alice")).await?,
            scene.tenant("b", &tier, spec("bob")).await?,
        );
        let reaches = Reachable::new(reaches).await?;
        reached.ready().await?;
        // A pod always reaches itself: another one is asked.
        pods::run(&scene.cluster, &reaches.tenant.name, ASKED).await?;
        Ok(Self {
            scene,
            reaches,
            reached,
        })
    }

    fn tenant(&self) -> &TestTenant {
        &self.reaches.tenant
    }

    /// Returns the place from which the test tries the tenant's Service.
    fn asked(&self) -> From<'_> {
        From(&self.tenant().name, ASKED)
    }

    fn hole(&self) -> String {
        path("rolebindings", &self.reached.name, "oops")
    }

    /// An administrator lets one tenant's pods into the other.
    async fn open(&self) -> Result<()> {
        let account = json!({"kind": "ServiceAccount", "name": "default", "namespace": self.tenant().name});
        self.scene
            .cluster
            .create(&path("rolebindings", &self.reached.name, ""), &binding("oops", account))
            .await?;
        Ok(())
    }

    /// The other tenant's own owner invites this one's.
    async fn invite(&self) -> Result<()> {
        let alice = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": format!("{}-alice", self.scene.name)});
        let bob = self
            .scene
            .cluster
            .impersonate(&format!("{}-bob", self.scene.name), &["system:authenticated"])?;
        bob.create(&path("rolebindings", &self.reached.name, ""), &binding("guest", alice))
            .await?;
        Ok(())
    }

    async fn policies(&self) -> Result<Vec<String>> {
        let list = self
            .scene
            .cluster
            .list(&path("networkpolicies", &self.tenant().name, ""))
            .await?;
        Ok(list.iter().map(|policy| text(&policy["metadata"]["name"])).collect())
    }
}

/// Checks a condition's status.
fn stands(tenant: &Value, kind: &str, status: &str) -> Result<()> {
    let is = condition(tenant, kind).is_some_and(|c| c["status"] == status);
    ensure!(is, "{kind} is not {status}: {}", summary(tenant));
    Ok(())
}

fn binding(name: &str, subject: Value) -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "tenant-operator-tenant-viewer"},
        "subjects": [subject]
    })
}

#[tokio::test]
async fn who_reaches_another_is_cut_off_and_comes_back() -> Result<()> {
    let quarantine = json!({"onViolation": "Quarantine", "quarantinePeriod": PERIOD});
    let site = Site::find("the logins of a tenant in quarantine");
    let database = match site {
        Some(_) => json!({"model": "Schema", "serverSelector": {"matchLabels": {"region": "local"}}}),
        None => Value::Null,
    };
    let pair = Pair::new("jail", quarantine, database).await?;
    let tenant = pair.tenant();
    let login = match &site {
        Some(site) => {
            let binding = tenant.with_database().await?;
            Some((site, site.log_in(&binding).await?, binding))
        }
        None => None,
    };
    let before = pair.policies().await?;
    open("its own Service", pair.asked(), &pair.reaches.service).await?;

    // Nobody has another cut off by inviting its people.
    pair.invite().await?;
    tenant.condition("Isolated", "False", &[]).await?;
    steadily("it to be Ready", secs(4), async || {
        let now = tenant.get().await?;
        stands(&now, "Ready", "True")
    })
    .await?;
    pair.scene
        .cluster
        .delete(&path("rolebindings", &pair.reached.name, "guest"))
        .await?;

    pair.open().await?;
    let now = tenant.condition("Ready", "False", &["Quarantined"]).await?;
    stands(&now, "Stalled", "True")?;
    stands(&now, "Isolated", "False")?;
    let violated = violations(&pair.scene.cluster, &tenant.name).await?;
    ensure!(!violated.is_empty(), "no metric says so");
    ensure!(
        pair.policies().await? == ["tenant-operator-deny-all"],
        "{:?}",
        pair.policies().await?
    );
    closed("its own Service", pair.asked(), &pair.reaches.service).await?;
    ensure!(
        namespace_marks(&pair, tenant).await?.is_string(),
        "the quarantine is not remembered"
    );
    if let Some((site, session, binding)) = &login {
        tenant.condition("DatabaseReady", "False", &["Quarantined"]).await?;
        ensure_refused("a tenant in quarantine", site.log_in(binding).await, &[CLOSED])?;
        eventually("its session to end", secs(5), async || {
            ensure!(session.run("SELECT 1").await.is_err(), "it goes on");
            Ok(())
        })
        .await?;
    }
    // The reached tenant did nothing, and goes on; so do running pods.
    let other = pair.reached.get().await?;
    stands(&other, "Ready", "True")?;
    stands(&other, "Isolated", "False")?;
    ensure!(
        tenant.pods("web", 1).await? == [pair.reaches.pod.clone()],
        "its pod is another"
    );

    pair.scene.cluster.delete(&pair.hole()).await?;
    let now = tenant.ready().await?;
    ensure!(pair.policies().await? == before, "{:?}", pair.policies().await?);
    ensure!(namespace_marks(&pair, tenant).await?.is_null(), "{}", summary(&now));
    open("its own Service again", pair.asked(), &pair.reaches.service).await?;
    if let Some((site, ..)) = &login {
        let after = tenant.with_database().await?;
        site.log_in(&after).await?.one("SELECT 1").await?;
    }
    tenant.condition("Isolated", "True", &[]).await?;
    eventually("the metric to end", secs(20), async || {
        let violated = violations(&pair.scene.cluster, &tenant.name).await?;
        ensure!(violated.is_empty(), "{violated:?}");
        Ok(())
    })
    .await
}

/// The lines of `tenant_isolation_violations` for a tenant, of which the alert is made.
async fn violations(cluster: &Cluster, tenant: &str) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for pod in operator::pods(cluster).await? {
        let text = operator::metrics(cluster, &pod).await?;
        let of_tenant = format!("tenant=\"{tenant}\"");
        let lines = text
            .lines()
            .filter(|line| line.starts_with("tenant_isolation_violations{") && line.contains(&of_tenant));
        found.extend(lines.map(str::to_owned));
    }
    Ok(found)
}

async fn namespace_marks(pair: &Pair, tenant: &TestTenant) -> Result<Value> {
    let namespace = pair.scene.cluster.get(&path("namespaces", "", &tenant.name)).await?;
    Ok(namespace["metadata"]["annotations"]["tenant-operator.io/quarantined-since"].clone())
}

/// A mistake elsewhere in the spec must not keep a tenant open that belongs in quarantine.
#[tokio::test]
async fn a_spec_that_is_wrong_puts_off_no_quarantine() -> Result<()> {
    let pair = Pair::new("jailwrong", json!({"onViolation": "Quarantine"}), Value::Null).await?;
    let tenant = pair.tenant();
    tenant.patch(json!({"quota": {"pods": 11}})).await?;
    tenant.not_ready(&["InvalidSpec"], &["spec.quota.pods"]).await?;
    pair.open().await?;
    eventually("its network to be closed", secs(90), async || {
        let policies = pair.policies().await?;
        ensure!(policies == ["tenant-operator-deny-all"], "{policies:?}");
        Ok(())
    })
    .await?;
    ensure!(
        namespace_marks(&pair, tenant).await?.is_string(),
        "the quarantine is not remembered"
    );
    closed("its own Service", pair.asked(), &pair.reaches.service).await
}
