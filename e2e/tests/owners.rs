//! Owners' rights, from the API server's authorizer.

use crate::support::rights::{all_allowed, none_allowed};
use crate::support::{Scene, TestTenant};
use anyhow::Result;
use serde_json::json;

/// Every owner may read these.
const READ: [&str; 12] = [
    "get pods",
    "list services",
    "get pods/log",
    "watch configmaps",
    "get resourcequotas",
    "list limitranges",
    "list networkpolicies.networking.k8s.io",
    "get deployments.apps",
    "get tenantviews.tenant-operator.io",
    "list tenantviews.tenant-operator.io",
    "list endpointslices.discovery.k8s.io",
    "get namespaces",
];
/// Editors and administrators may write these.
const WRITE: [&str; 13] = [
    "create pods",
    "delete pods",
    "create pods/exec",
    "create configmaps",
    "create secrets",
    "get secrets",
    "create services",
    "create persistentvolumeclaims",
    "create deployments.apps",
    "patch deployments.apps/scale",
    "create jobs.batch",
    "create ingresses.networking.k8s.io",
    "create horizontalpodautoscalers.autoscaling",
];
/// Only administrators may give access, and write NetworkPolicies, within bounds.
const ACCESS: [&str; 7] = [
    "create rolebindings.rbac.authorization.k8s.io",
    "create roles.rbac.authorization.k8s.io",
    "delete rolebindings.rbac.authorization.k8s.io",
    "list rolebindings.rbac.authorization.k8s.io",
    "create networkpolicies.networking.k8s.io",
    "patch networkpolicies.networking.k8s.io",
    "delete networkpolicies.networking.k8s.io",
];
/// No owner may do these.
const NEVER: [&str; 28] = [
    "create resourcequotas",
    "update resourcequotas",
    "patch resourcequotas",
    "delete resourcequotas",
    "create limitranges",
    "patch limitranges",
    "delete limitranges",
    "create endpoints",
    "patch endpoints",
    "create endpointslices.discovery.k8s.io",
    "patch endpointslices.discovery.k8s.io",
    "update namespaces",
    "patch namespaces",
    "delete namespaces",
    "impersonate serviceaccounts",
    "impersonate users",
    "impersonate groups",
    "escalate roles.rbac.authorization.k8s.io",
    "bind roles.rbac.authorization.k8s.io",
    "bind clusterroles.rbac.authorization.k8s.io",
    "escalate clusterroles.rbac.authorization.k8s.io",
    "create tenantviews.tenant-operator.io",
    "patch tenantviews.tenant-operator.io",
    "patch tenantviews.tenant-operator.io/status",
    "delete tenantviews.tenant-operator.io",
    "patch pods/ephemeralcontainers",
    "create pods/binding",
    "create bindings",
];
/// Nothing outside of the tenant.
const ELSEWHERE: [&str; 6] = [
    "get pods",
    "list configmaps",
    "get secrets",
    "create pods",
    "list tenantviews.tenant-operator.io",
    "get namespaces",
];
const CLUSTER: [&str; 9] = [
    "list tenants.tenant-operator.io",
    "get tenants.tenant-operator.io",
    "create tenants.tenant-operator.io",
    "break-glass tenants.tenant-operator.io",
    "list tenanttiers.tenant-operator.io",
    "list namespaces",
    "create namespaces",
    "list nodes",
    "create clusterrolebindings.rbac.authorization.k8s.io",
];

struct Owned {
    scene: Scene,
    tenant: TestTenant,
    namespaces: [String; 2],
}

impl Owned {
    async fn by(role: &str) -> Result<Self> {
        let scene = Scene::new("rights").await?;
        let tier = scene.tier(json!({})).await?;
        let spec =
            json!({"owners": [{"kind": "User", "name": scene.name, "role": role}], "namespaces": [{"name": "more"}]});
        let tenant = scene.tenant("", &tier, spec).await?;
        tenant.ready().await?;
        let namespaces = [tenant.name.clone(), format!("{}-more", tenant.name)];
        Ok(Self {
            scene,
            tenant,
            namespaces,
        })
    }

    async fn may(&self, list: &[&str]) -> Result<()> {
        for namespace in &self.namespaces {
            all_allowed(&self.tenant.cluster, &self.scene.name, &[], namespace, list).await?;
        }
        Ok(())
    }

    async fn may_not(&self, list: &[&str]) -> Result<()> {
        for namespace in &self.namespaces {
            none_allowed(&self.tenant.cluster, &self.scene.name, &[], namespace, list).await?;
        }
        Ok(())
    }

    async fn stays_inside(&self) -> Result<()> {
        self.may_not(&NEVER).await?;
        for namespace in ["default", "kube-system", "tenant-operator-system", ""] {
            none_allowed(&self.tenant.cluster, &self.scene.name, &[], namespace, &ELSEWHERE).await?;
        }
        none_allowed(&self.tenant.cluster, &self.scene.name, &[], "", &CLUSTER).await
    }
}

#[tokio::test]
async fn a_viewer_reads_without_secrets() -> Result<()> {
    let owned = Owned::by("Viewer").await?;
    owned.may(&READ).await?;
    owned.may_not(&WRITE).await?;
    owned.may_not(&ACCESS).await?;
    owned.stays_inside().await
}

#[tokio::test]
async fn an_editor_writes_without_giving_access() -> Result<()> {
    let owned = Owned::by("Editor").await?;
    owned.may(&READ).await?;
    owned.may(&WRITE).await?;
    owned.may_not(&ACCESS).await?;
    owned.stays_inside().await
}

#[tokio::test]
async fn an_administrator_gives_access_within_the_tenant() -> Result<()> {
    let owned = Owned::by("Admin").await?;
    owned.may(&READ).await?;
    owned.may(&WRITE).await?;
    owned.may(&ACCESS).await?;
    owned.stays_inside().await
}
