//! One Tenant of a test.

use super::{Cluster, cluster::text, eventually, path, secs};
use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use std::time::Duration;

/// Long enough for pods to start while other tests keep two cores busy.
pub const READY: Duration = Duration::from_secs(120);

#[derive(Clone)]
pub struct TestTenant {
    pub cluster: Cluster,
    /// The Tenant's name, and that of its first namespace.
    pub name: String,
}

impl TestTenant {
    pub fn new(cluster: Cluster, name: &str) -> Self {
        Self {
            cluster,
            name: name.to_owned(),
        }
    }

    pub fn path(&self) -> String {
        path("tenants", "", &self.name)
    }

    pub async fn get(&self) -> Result<Value> {
        self.cluster
            .get(&self.path())
            .await
            .with_context(|| format!("get Tenant {}", self.name))
    }

    pub async fn patch(&self, spec: Value) -> Result<Value> {
        let patched = self.cluster.patch(&self.path(), &json!({"spec": spec})).await;
        patched.with_context(|| format!("patch Tenant {}", self.name))
    }

    pub async fn delete(&self) -> Result<()> {
        self.cluster
            .delete(&self.path())
            .await
            .with_context(|| format!("delete Tenant {}", self.name))?;
        Ok(())
    }

    /// Waits until everything asked for is there.
    pub async fn ready(&self) -> Result<Value> {
        self.condition("Ready", "True", &[]).await
    }

    /// Waits until Ready is False for a reason that contains one of `reasons`, with a message of all these words.
    pub async fn not_ready(&self, reasons: &[&str], words: &[&str]) -> Result<Value> {
        eventually(&format!("the message to say {words:?}"), READY, async || {
            let tenant = self.condition("Ready", "False", reasons).await?;
            let ready = condition(&tenant, "Ready").cloned().unwrap_or_default();
            let message = text(&ready["message"]).to_lowercase();
            for word in words {
                ensure!(
                    message.contains(&word.to_lowercase()),
                    "{}: no {word:?} in: {ready}",
                    self.name
                );
            }
            Ok(tenant)
        })
        .await
    }

    /// Waits until a condition of the present generation has this status and, if any are given, one of the reasons.
    pub async fn condition(&self, kind: &str, status: &str, reasons: &[&str]) -> Result<Value> {
        let what = format!("Tenant {} to have {kind}={status} {reasons:?}", self.name);
        eventually(&what, READY, async || {
            let tenant = self.get().await?;
            let found = condition(&tenant, kind).cloned().unwrap_or_default();
            let generation = &tenant["metadata"]["generation"];
            let now =
                found["observedGeneration"] == *generation || tenant["status"]["observedGeneration"] == *generation;
            let reason = text(&found["reason"]);
            let wanted = reasons.is_empty() || reasons.iter().any(|r| reason.contains(r));
            ensure!(
                now && found["status"] == status && wanted,
                "generation {generation}, {}",
                summary(&tenant)
            );
            Ok(tenant)
        })
        .await
    }

    /// Waits until Ready is True, or False because the spec is at fault.
    pub async fn settled(&self) -> Result<Value> {
        eventually(&format!("Tenant {} to be judged", self.name), READY, async || {
            let tenant = self.get().await?;
            let ready = condition(&tenant, "Ready").cloned().unwrap_or_default();
            let invalid = text(&ready["reason"]).contains("Invalid");
            ensure!(ready["status"] == "True" || invalid, "{}", summary(&tenant));
            Ok(tenant)
        })
        .await
    }

    /// Waits until the Tenant object is gone.
    pub async fn gone(&self) -> Result<()> {
        let what = format!("Tenant {} to be gone", self.name);
        eventually(&what, READY, async || self.is_gone().await).await
    }

    /// Checks that the Tenant object is gone; the error names its state.
    pub async fn is_gone(&self) -> Result<()> {
        match self.cluster.get(&self.path()).await {
            Ok(tenant) => bail!("{}", summary(&tenant)),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// The names of the running pods of a workload, once there are `count` and no others are left.
    pub async fn pods(&self, workload: &str, count: usize) -> Result<Vec<String>> {
        let selector = format!("?labelSelector=tenant-operator.io/workload%3D{workload}");
        let what = format!("{count} pods of {}/{workload}", self.name);
        eventually(&what, secs(90), async || {
            let pods = self.cluster.list(&(path("pods", &self.name, "") + &selector)).await?;
            let names: Vec<_> = pods.iter().map(|pod| text(&pod["metadata"]["name"])).collect();
            let ready = pods.iter().filter(|pod| is_ready(pod)).count();
            ensure!(
                pods.len() == count && ready == count,
                "there are {names:?}, of which {ready} are ready"
            );
            Ok(names)
        })
        .await
    }
}

/// Returns true if a pod says that it is ready, and is not going away.
pub(crate) fn is_ready(pod: &Value) -> bool {
    let ready = condition(pod, "Ready").is_some_and(|ready| ready["status"] == "True");
    ready && pod["metadata"]["deletionTimestamp"].is_null()
}

/// A condition by its type.
pub fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    object["status"]["conditions"]
        .as_array()?
        .iter()
        .find(|c| c["type"] == kind)
}

/// The conditions in one line, for a message.
pub fn summary(object: &Value) -> String {
    let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let lines: Vec<_> = conditions
        .iter()
        .map(|c| {
            format!(
                "{}={} {}: {}",
                text(&c["type"]),
                text(&c["status"]),
                text(&c["reason"]),
                text(&c["message"])
            )
        })
        .collect();
    format!(
        "the conditions of {} are [{}]",
        object["metadata"]["name"],
        lines.join(" | ")
    )
}
