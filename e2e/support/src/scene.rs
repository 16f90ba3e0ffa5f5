//! One test's objects in the cluster: under a random name, and removed in the end, also when the test fails.

use super::{Cluster, TestTenant, admin, cluster, kubectl, operator, path, pods};
use anyhow::{Context, Result};
use serde_json::{Map, Value, json};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};

pub struct Scene {
    pub cluster: Cluster,
    /// Starts every name of this scene.
    pub name: String,
    made: Mutex<Made>,
}

#[derive(Default)]
struct Made {
    tenants: Arc<Mutex<Vec<String>>>,
    tiers: Vec<String>,
    namespaces: Vec<String>,
    nodes: Vec<String>,
    paths: Vec<String>,
}

impl Scene {
    /// A scene with the operator at work.
    pub async fn new(hint: &str) -> Result<Self> {
        let scene = Self::without_operator(hint).await?;
        operator::available(&scene.cluster).await?;
        Ok(scene)
    }

    pub async fn without_operator(hint: &str) -> Result<Self> {
        let random = RandomState::new().build_hasher().finish() % 0x100_0000;
        Ok(Self {
            cluster: admin().await?,
            name: format!("e2e-{hint}-{random:06x}"),
            made: Mutex::default(),
        })
    }

    /// A tier with room for small pods; `spec` is laid over it.
    pub async fn tier(&self, spec: Value) -> Result<String> {
        let mut whole = json!({
            "quota": {
                "requests.cpu": "2", "requests.memory": "2Gi", "limits.cpu": "8", "limits.memory": "8Gi", "pods": 20,
                "requests.storage": "10Gi", "persistentvolumeclaims": 5, "services.nodeports": 0, "services.loadbalancers": 0
            },
            "containerDefaults": {
                "requests": {"cpu": "5m", "memory": "16Mi"}, "limits": {"cpu": "500m", "memory": "128Mi"}
            }
        });
        lay_over(&mut whole, spec);
        let count = self.made().tiers.len();
        let name = format!("{}-tier-{count}", self.name);
        self.made().tiers.push(name.clone());
        let body = json!({"apiVersion": "tenant-operator.io/v1alpha1", "kind": "TenantTier",
                          "metadata": {"name": name}, "spec": whole});
        self.cluster
            .create(&path("tenanttiers", "", ""), &body)
            .await
            .with_context(|| format!("create tier {name}"))?;
        Ok(name)
    }

    /// A Tenant called `<scene>-<suffix>`, which is deleted with its namespaces in the end.
    pub async fn tenant(&self, suffix: &str, tier: &str, spec: Value) -> Result<TestTenant> {
        let name = if suffix.is_empty() {
            self.name.clone()
        } else {
            format!("{}-{suffix}", self.name)
        };
        self.tenant_called(&name, tier, spec).await
    }

    pub async fn tenant_called(&self, name: &str, tier: &str, spec: Value) -> Result<TestTenant> {
        let body = Self::tenant_body(name, tier, spec);
        self.will_make_tenant(name);
        self.cluster
            .create(&path("tenants", "", ""), &body)
            .await
            .with_context(|| format!("create Tenant {name}"))?;
        Ok(TestTenant::new(self.cluster.clone(), name))
    }

    /// The Tenant as it would be created.
    pub fn tenant_body(name: &str, tier: &str, spec: Value) -> Value {
        let mut whole = json!({"tier": tier, "deletionPolicy": "Delete"});
        lay_over(&mut whole, spec);
        json!({"apiVersion": "tenant-operator.io/v1alpha1", "kind": "Tenant", "metadata": {"name": name}, "spec": whole})
    }

    /// A Tenant that the test creates itself is removed all the same.
    pub fn will_make_tenant(&self, name: &str) {
        let tenants = self.tenants();
        tenants
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(name.to_owned());
    }

    /// Tenants that the test itself has seen gone need no removal in the end.
    pub fn has_removed(&self, tenants: &[TestTenant]) {
        let all = self.tenants();
        let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|name| !tenants.iter().any(|tenant| tenant.name == *name));
    }

    /// Every tenant of the scene, those that come later included.
    pub fn tenants(&self) -> Arc<Mutex<Vec<String>>> {
        self.made().tenants.clone()
    }

    /// A namespace that the test knows of is removed all the same.
    pub fn will_leave_namespace(&self, name: &str) {
        self.made().namespaces.push(name.to_owned());
    }

    /// An object outside of the scene's namespaces is removed all the same.
    pub fn will_leave(&self, path: &str) {
        self.made().paths.push(path.to_owned());
    }

    /// A namespace of nobody, in which nothing is limited.
    pub async fn namespace(&self, suffix: &str) -> Result<String> {
        self.namespace_called(&format!("{}-{suffix}", self.name)).await
    }

    pub async fn namespace_called(&self, name: &str) -> Result<String> {
        self.made().namespaces.push(name.to_owned());
        let body = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        self.cluster
            .create(&path("namespaces", "", ""), &body)
            .await
            .with_context(|| format!("create {name}"))?;
        pods::account(&self.cluster, name).await?;
        Ok(name.to_owned())
    }

    /// A node that KWOK plays. Without KWOK it says aloud that `test` is skipped, and returns None.
    pub async fn node(&self, test: &str, labels: Value, taints: Value) -> Result<Option<String>> {
        if cluster::local().is_none() {
            cluster::skipped(
                test,
                "this cluster has no KWOK, which plays further nodes (CLUSTER=local has)",
            );
            return Ok(None);
        }
        let name = format!("{}-node", self.name);
        self.made().nodes.push(name.clone());
        let room = json!({"cpu": "8", "memory": "16Gi", "pods": "100", "ephemeral-storage": "100Gi"});
        let mut body = json!({
            "apiVersion": "v1", "kind": "Node",
            "metadata": {"name": name, "annotations": {"kwok.x-k8s.io/node": "fake"},
                         "labels": {"type": "kwok", "kubernetes.io/hostname": name, "kubernetes.io/os": "linux"}},
            "spec": {"taints": taints}, "status": {"allocatable": room, "capacity": room}
        });
        lay_over(&mut body["metadata"]["labels"], labels);
        self.cluster
            .create(&path("nodes", "", ""), &body)
            .await
            .context("create a node")?;
        Ok(Some(name))
    }

    fn made(&self) -> std::sync::MutexGuard<'_, Made> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        if std::env::var_os("E2E_KEEP").is_some() {
            return;
        }
        let made = std::mem::take(&mut *self.made());
        let tenants = made.tenants.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for tenant in &tenants {
            kubectl::quietly(&[
                "patch",
                "tenant",
                tenant,
                "--type=merge",
                "-p",
                r#"{"spec":{"deletionPolicy":"Delete"}}"#,
            ]);
        }
        for (kind, names) in [
            ("tenant", &tenants),
            ("namespace", &made.namespaces),
            ("node", &made.nodes),
            ("tenanttier", &made.tiers),
        ] {
            if !names.is_empty() {
                let mut arguments = vec!["delete", kind, "--wait=false", "--ignore-not-found"];
                arguments.extend(names.iter().map(String::as_str));
                kubectl::quietly(&arguments);
            }
        }
        for path in &made.paths {
            kubectl::quietly(&["delete", "--raw", path]);
        }
    }
}

/// Objects are merged, everything else is replaced; null removes.
pub fn lay_over(base: &mut Value, over: Value) {
    match (base, over) {
        (Value::Object(base), Value::Object(over)) => over.into_iter().for_each(|(key, value)| {
            if value.is_null() {
                base.remove(&key);
            } else {
                lay_over(base.entry(key).or_insert_with(|| Value::Object(Map::new())), value);
            }
        }),
        (base, over) => *base = over,
    }
}
