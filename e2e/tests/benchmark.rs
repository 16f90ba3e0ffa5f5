//! The Multi-Tenancy Benchmarks of Kubernetes' multi-tenancy working group (MTB, kubernetes-sigs/multi-tenancy, benchmarks/), each tried as an
//! Admin of a tenant, under its id. Two of them share `MTB-PL1-BC-HI-1`.

use crate::support::rights::{self, may};
use crate::support::{Cluster, Scene, TestTenant, discovery, path, pods, refused, text};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const EVERYBODY: [&str; 1] = ["system:authenticated"];
/// Objects of the operator.
const OURS: &str = "?labelSelector=app.kubernetes.io/managed-by%3Dtenant-operator";

struct Site {
    scene: Scene,
    tenant: TestTenant,
    other: TestTenant,
    owner: Cluster,
}

impl Site {
    async fn new(name: &str) -> Result<Self> {
        let scene = Scene::new(name).await?;
        let tier = scene
            .tier(json!({"allowed": {"imagePullPolicies": ["Always"]}}))
            .await?;
        let owners = json!({"owners": [{"kind": "User", "name": scene.name, "role": "Admin"}]});
        let tenant = scene.tenant("a", &tier, owners).await?;
        let other = scene.tenant("b", &tier, json!({})).await?;
        tenant.ready().await?;
        other.ready().await?;
        let owner = scene.cluster.impersonate(&scene.name, &EVERYBODY)?;
        Ok(Self {
            scene,
            tenant,
            other,
            owner,
        })
    }

    /// Tries to make something in the tenant's namespace.
    async fn make(&self, resource: &str, body: &Value) -> Result<Value, kube::Error> {
        let at = path(resource, &self.tenant.name, "") + "?dryRun=All";
        self.owner.create(&at, body).await
    }

    /// Returns those among these that the tenant's owner may use, as `verb resource`.
    async fn allowed(&self, namespace: &str, resources: &[String]) -> Result<BTreeSet<String>> {
        let questions = rights::questions(resources);
        rights::allowed(&self.scene.cluster, &self.scene.name, &EVERYBODY, namespace, &questions).await
    }

    /// Every resource of the cluster, as `plural.group`, that is or is not namespaced.
    async fn resources(&self, namespaced: bool) -> Result<Vec<String>> {
        let mut served = discovery::resources(&self.scene.cluster).await?;
        served.retain(|resource| resource.subresource.is_empty());
        Ok(discovery::titles(&served, namespaced))
    }
}

/// A pod that is admitted, with this laid over its spec and its container.
fn pod(spec: &Value, container: &Value) -> Value {
    let mut pod = pods::server("mtb");
    pod["spec"]["containers"][0]["imagePullPolicy"] = json!("Always");
    for (key, value) in spec.as_object().into_iter().flatten() {
        pod["spec"][key] = value.clone();
    }
    for (key, value) in container.as_object().into_iter().flatten() {
        pod["spec"]["containers"][0][key] = value.clone();
    }
    pod
}

#[tokio::test]
async fn pods_are_held_as_profile_1_asks() -> Result<()> {
    let site = Site::new("mtbpods").await?;
    let none = json!({});
    site.make("pods", &pod(&none, &none))
        .await
        .context("a pod that asks for nothing")?;
    let security = |more: Value| {
        let mut context = json!({"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}});
        for (key, value) in more.as_object().into_iter().flatten() {
            context[key] = value.clone();
        }
        json!({"securityContext": context})
    };
    let volume = json!({"volumes": [{"name": "host", "hostPath": {"path": "/"}}]});
    let cases = [
        (
            "MTB-PL1-BC-CPI-3 add capabilities",
            &none,
            security(json!({"capabilities": {"add": ["SYS_ADMIN"], "drop": ["ALL"]}})),
            "capabilities",
        ),
        (
            "MTB-PL1-BC-CPI-4 run as root",
            &json!({"securityContext": {"seccompProfile": {"type": "RuntimeDefault"}}}),
            none.clone(),
            "runAsNonRoot",
        ),
        (
            "MTB-PL1-BC-CPI-5 privileged",
            &none,
            security(json!({"privileged": true, "allowPrivilegeEscalation": true})),
            "privileged",
        ),
        (
            "MTB-PL1-BC-CPI-6 privilege escalation",
            &none,
            security(json!({"allowPrivilegeEscalation": true})),
            "allowPrivilegeEscalation",
        ),
        (
            "MTB-PL1-CC-DI-1 pull not always",
            &none,
            json!({"imagePullPolicy": "IfNotPresent"}),
            "imagePullPolicy",
        ),
        ("MTB-PL1-BC-HI-1 host path", &volume, none.clone(), "hostPath"),
        (
            "MTB-PL1-BC-HI-3 host network",
            &json!({"hostNetwork": true}),
            none.clone(),
            "host namespaces",
        ),
        (
            "MTB-PL1-BC-HI-3 host port",
            &none,
            json!({"ports": [{"containerPort": 80, "hostPort": 80}]}),
            "hostPort",
        ),
        (
            "MTB-PL1-BC-HI-4 host PID",
            &json!({"hostPID": true}),
            none.clone(),
            "host namespaces",
        ),
        (
            "MTB-PL1-BC-HI-5 host IPC",
            &json!({"hostIPC": true}),
            none.clone(),
            "host namespaces",
        ),
    ];
    for (id, spec, container, words) in cases {
        refused(id, site.make("pods", &pod(spec, &container)).await, &[words])?;
    }
    let service = |kind: &str| json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "mtb"}, "spec": {"type": kind, "ports": [{"port": 80}]}});
    site.make("services", &service("ClusterIP"))
        .await
        .context("a plain Service")?;
    refused(
        "MTB-PL1-BC-HI-1 NodePort",
        site.make("services", &service("NodePort")).await,
        &["NodePort"],
    )
}

#[tokio::test]
async fn nothing_outside_of_the_tenant_is_within_reach() -> Result<()> {
    let site = Site::new("mtbreach").await?;
    // Everybody may ask about himself.
    let own = |resource: &String| !resource.starts_with("selfsubject");
    let clusters: Vec<String> = site.resources(false).await?.into_iter().filter(own).collect();
    let found = site.allowed("", &clusters).await?;
    ensure!(found.is_empty(), "MTB-PL1-CC-CPI-1: cluster-wide it may {found:?}");
    let namespaced = site.resources(true).await?;
    let found = site.allowed(&site.other.name, &namespaced).await?;
    ensure!(
        found.is_empty(),
        "MTB-PL1-CC-TI-2: in another tenant's namespace it may {found:?}"
    );
    let within = site.allowed(&site.tenant.name, &namespaced).await?;
    ensure!(
        within.iter().any(|what| what == "create pods"),
        "in its own it may {within:?}"
    );
    let escalates = may(
        &site.scene.cluster,
        &site.scene.name,
        &EVERYBODY,
        &site.tenant.name,
        "escalate roles.rbac.authorization.k8s.io",
    )
    .await?;
    ensure!(!escalates, "MTB-PL2-CC-TI-1: it may escalate");
    Ok(())
}

#[tokio::test]
async fn bounds_are_there_and_stay() -> Result<()> {
    let site = Site::new("mtbbounds").await?;
    let namespace = &site.tenant.name;
    let quotas = site.scene.cluster.list(&path("resourcequotas", namespace, "")).await?;
    let hard = |key: &str| quotas.iter().any(|quota| !quota["status"]["hard"][key].is_null());
    for key in ["requests.cpu", "requests.memory", "limits.cpu", "limits.memory"] {
        ensure!(hard(key), "MTB-PL1-CC-FNS-1: no {key} in {quotas:?}");
    }
    for key in [
        "pods",
        "persistentvolumeclaims",
        "services.nodeports",
        "services.loadbalancers",
    ] {
        ensure!(hard(key), "MTB-PL1-CC-FNS-2: no {key} in {quotas:?}");
    }
    let quota = ["resourcequotas".to_string()];
    let found = site.allowed(namespace, &quota).await?;
    ensure!(
        found
            .iter()
            .all(|what| ["get", "list", "watch"].iter().any(|verb| what.starts_with(verb))),
        "MTB-PL1-CC-TI-1: it may {found:?}"
    );
    let note = json!({"metadata": {"annotations": {"mtb": "mine"}}});
    let mut tried = 0;
    for resource in [
        "resourcequotas",
        "limitranges",
        "networkpolicies",
        "rolebindings",
        "serviceaccounts",
        "configmaps",
        "tenantviews",
    ] {
        for object in site.scene.cluster.list(&(path(resource, namespace, "") + OURS)).await? {
            let name = text(&object["metadata"]["name"]);
            let at = path(resource, namespace, &name);
            let what = format!("MTB-PL1-BC-CPI-2 {resource}/{name}");
            refused(
                &what,
                site.owner.patch(&(at.clone() + "?dryRun=All"), &note).await,
                &["forbidden"],
            )?;
            refused(&what, site.owner.delete(&(at + "?dryRun=All")).await, &["forbidden"])?;
            tried += 1;
        }
    }
    ensure!(tried >= 7, "only {tried} objects were tried");
    Ok(())
}

#[tokio::test]
async fn what_profile_2_asks_is_the_tenants_own_to_do() -> Result<()> {
    let site = Site::new("mtbself").await?;
    let rules = json!([{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]);
    let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "mtb"}, "rules": rules});
    site.owner
        .create(&path("roles", &site.tenant.name, ""), &role)
        .await
        .context("MTB-PL2-BC-OPS-3 a Role")?;
    let binding = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "mtb"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "mtb"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "mtb"}]});
    site.owner
        .create(&path("rolebindings", &site.tenant.name, ""), &binding)
        .await
        .context("MTB-PL2-BC-OPS-3 a RoleBinding")?;
    let policy = json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "mtb"},
        "spec": {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{"from": [{"podSelector": {}}]}]}});
    let at = path("networkpolicies", &site.tenant.name, "");
    site.owner
        .create(&at, &policy)
        .await
        .context("MTB-PL2-BC-OPS-4 a NetworkPolicy")?;
    site.owner
        .delete(&path("networkpolicies", &site.tenant.name, "mtb"))
        .await
        .context("MTB-PL2-BC-OPS-4 its end")?;
    Ok(())
}
