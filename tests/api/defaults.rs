//! Defaults: a real API server adds nothing to a planned object that the operator takes for a difference. So the table of its defaults in `cluster::diff` is
//! complete, and an unchanged tenant costs no write, even after a restart.
//!
//! `cargo test --test api defaults`, with a cluster that `KUBECONFIG` names or `make up` brought up.

use crate::connection;
use futures::FutureExt;
use k8s_openapi::api::core::v1::{Namespace, ResourceQuota};
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tenant_operator::api::{Tenant, TenantTier};
use tenant_operator::capability::{Platform, ValidTenant, World};
use tenant_operator::cluster::write::Applied;
use tenant_operator::cluster::{Desired, Kind, Store, Writer, diff};
use tenant_operator::telemetry::metrics::Metrics;
use tenant_operator::tenant::{capabilities, plan, validate};
use tokio::time::sleep;

/// The time for controllers to fill in their fields.
const SETTLING: Duration = Duration::from_secs(3);

fn fixture<K: DeserializeOwned>(path: &str, name: &str) -> K {
    let path = format!("{}/tests/fixtures/{path}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).expect(&path);
    serde_yaml::Deserializer::from_str(&text)
        .map(|document| Value::deserialize(document).expect("YAML"))
        .find(|value| value["metadata"]["name"] == name)
        .map(|value| serde_json::from_value(value).expect(name))
        .expect(name)
}

/// A tenant under a name of its own, that no Tenant has: the operator at work in the cluster leaves it alone.
struct Scene {
    client: Client,
    tenant: ValidTenant,
    planned: Vec<Desired>,
}

impl Scene {
    async fn new(tenant: &str, tier: &str, names: (&str, &str)) -> Self {
        let (mut tenant, tier): (Tenant, TenantTier) = (fixture(tenant, names.0), fixture(tier, names.1));
        let name = format!("defaults-{:08x}", fastrand::u32(..));
        // Owned by itself where the fixture owns itself.
        for owner in &mut tenant.spec.owners {
            owner.namespace = owner.namespace.as_ref().map(|_| name.clone());
        }
        tenant.spec.id = Some(format!("00000000-0000-4000-8000-0000{:08x}", fastrand::u32(..)));
        tenant.metadata.name = Some(name.clone());
        let capabilities = capabilities::offline(None);
        let mut tenant = validate(&capabilities, &tenant, &tier, &World::default()).expect("a valid Tenant");
        let platform = Platform {
            // Claims go where they are cleaned up with the rest.
            namespace: name.clone(),
            service_account: "tenant-operator".into(),
            dns: tenant_operator::dns::DnsServers::default(),
            gateway_namespace: Some("gateway".into()),
            api_server: vec![("10.96.0.1".parse().expect("an address"), 443)],
            examiner: true,
        };
        let environment = plan(&capabilities, &mut tenant, &platform);
        let (namespaces, others): (Vec<_>, Vec<_>) = environment
            .objects()
            .cloned()
            .partition(|object| object.key.kind == Kind::Namespace);
        Self {
            client: connection::client().await,
            tenant,
            planned: namespaces.into_iter().chain(others).collect(),
        }
    }

    /// A writer that knows nothing, as after a start.
    fn writer(&self) -> Writer {
        Writer::new(self.client.clone(), Arc::new(Store::default()), Metrics::new())
    }

    async fn create(&self) {
        let writer = self.writer();
        for desired in &self.planned {
            let outcome = writer.ensure(&self.tenant.core.owner, desired).await;
            let outcome = outcome.unwrap_or_else(|error| panic!("{}: {error}", desired.key));
            // Kubernetes may be first to make it.
            assert!(
                outcome == Applied::Created || desired.takes_over,
                "{}: {outcome:?}",
                desired.key
            );
            if desired.key.kind == Kind::Namespace {
                self.close(&desired.key.name).await;
            }
        }
    }

    /// No pod is to run because of this test.
    async fn close(&self, namespace: &str) {
        let quota = json!({"metadata": {"name": "no-pods"}, "spec": {"hard": {"pods": "0"}}});
        let quota: ResourceQuota = serde_json::from_value(quota).expect("a quota");
        let api: Api<ResourceQuota> = Api::namespaced(self.client.clone(), namespace);
        api.create(&PostParams::default(), &quota).await.expect("a quota");
        let start = Instant::now();
        while api
            .get("no-pods")
            .await
            .expect("the quota")
            .status
            .and_then(|status| status.hard)
            .is_none()
        {
            assert!(
                start.elapsed() < Duration::from_secs(30),
                "the quota controller does not answer"
            );
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Returns every object that differs from the plan, and the place of the difference.
    async fn differences(&self) -> Vec<String> {
        let writer = self.writer();
        let mut found = Vec::new();
        for desired in &self.planned {
            let live = writer
                .fetch(&desired.key)
                .await
                .expect("an answer")
                .expect("the object");
            found.extend(diff::difference(desired, &live).map(|path| format!("{}: {path}", desired.key)));
        }
        found
    }

    /// A start with nothing known: every object is found as it is, and none is written.
    async fn restart(&self) {
        let writer = self.writer();
        for desired in &self.planned {
            let outcome = writer
                .ensure(&self.tenant.core.owner, desired)
                .await
                .expect("an answer");
            assert_eq!(outcome, Applied::Unchanged, "{}", desired.key);
        }
    }

    /// Runs a test, and cleans up whatever the outcome.
    async fn run(self, test: impl AsyncFnOnce(&Self)) {
        let result = AssertUnwindSafe(test(&self)).catch_unwind().await;
        self.clean().await;
        if let Err(panic) = result {
            resume_unwind(panic);
        }
    }

    /// The namespaces end by themselves, each with all that is in it.
    async fn clean(&self) {
        let api: Api<Namespace> = Api::all(self.client.clone());
        for namespace in self.planned.iter().filter(|object| object.key.kind == Kind::Namespace) {
            let deleted = api.delete(&namespace.key.name, &DeleteParams::default()).await;
            deleted
                .map(|_| ())
                .unwrap_or_else(|error| eprintln!("{}: {error}", namespace.key));
        }
    }

    fn desired(&self, kind: Kind, name: &str) -> &Desired {
        let found = self
            .planned
            .iter()
            .find(|object| object.key.kind == kind && object.key.name == name);
        found.unwrap_or_else(|| panic!("no {kind} {name}"))
    }
}

async fn nothing_is_taken_for_drift(scene: &Scene) {
    scene.create().await;
    let none: [String; 0] = [];
    assert_eq!(scene.differences().await, none, "just created");
    sleep(SETTLING).await;
    assert_eq!(scene.differences().await, none, "when the controllers have seen it");
    scene.restart().await;
}

#[tokio::test]
async fn the_seeds_tenant_a() {
    let names = ("tenant-a", "complete-isolation");
    let scene = Scene::new("agentic-apisix/tenant-a.yaml", "agentic-apisix/tier.yaml", names).await;
    scene.run(nothing_is_taken_for_drift).await;
}

#[tokio::test]
async fn the_seeds_organisation() {
    let names = ("organisation", "starter");
    let scene = Scene::new("riscura/tenant.yaml", "riscura/tiers.yaml", names).await;
    scene.run(nothing_is_taken_for_drift).await;
}

/// Every field of a workload, and drift in each kind of object: seen, mended, and then seen no more.
#[tokio::test]
async fn a_tenant_with_everything() {
    let names = ("everything", "everything");
    let scene = Scene::new("everything/tenant.yaml", "everything/tier.yaml", names).await;
    scene
        .run(async |scene| {
            nothing_is_taken_for_drift(scene).await;
            drift_is_seen_and_mended(scene).await;
        })
        .await;
}

async fn drift_is_seen_and_mended(scene: &Scene) {
    let first = scene.tenant.core.owner.tenant.clone();
    for (kind, name, drift, path) in [
        (
            Kind::Namespace,
            first.as_str(),
            json!({"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}}),
            "metadata.labels.pod-security.kubernetes.io/enforce",
        ),
        (
            Kind::RoleBinding,
            "tenant-operator-tenant-viewer",
            json!({"subjects": [{"kind": "User", "name": "eve", "apiGroup": "rbac.authorization.k8s.io"}]}),
            "subjects[0]",
        ),
        (
            Kind::ResourceQuota,
            "tenant",
            json!({"spec": {"hard": {"pods": "1000"}}}),
            "spec.hard.pods",
        ),
        (
            Kind::LimitRange,
            "tenant",
            json!({"spec": {"limits": []}}),
            "spec.limits",
        ),
        (
            Kind::NetworkPolicy,
            "tenant-operator-deny-all",
            json!({"spec": {"ingress": [{}]}}),
            "spec.ingress",
        ),
        (
            Kind::ServiceAccount,
            "default",
            json!({"automountServiceAccountToken": null}),
            "automountServiceAccountToken",
        ),
        (
            Kind::ServiceAccount,
            "web",
            json!({"automountServiceAccountToken": false}),
            "automountServiceAccountToken",
        ),
        (
            Kind::ConfigMap,
            "tenant-configuration",
            json!({"data": {"more": "x"}}),
            "data.more",
        ),
        (
            Kind::PersistentVolumeClaim,
            "web-data",
            json!({"metadata": {"labels": {"tenant-operator.io/workload": null}}}),
            "metadata.labels.tenant-operator.io/workload",
        ),
        (
            Kind::Service,
            "web",
            json!({"spec": {"sessionAffinity": "ClientIP"}}),
            "spec.sessionAffinity",
        ),
        (
            Kind::PodDisruptionBudget,
            "web",
            json!({"spec": {"maxUnavailable": 3}}),
            "spec.maxUnavailable",
        ),
        (
            Kind::Deployment,
            "web",
            json!({"spec": {"template": {"spec": {"hostNetwork": true}}}}),
            "spec.template.spec",
        ),
        (
            Kind::Deployment,
            "rpc",
            json!({"spec": {"replicas": 4}}),
            "spec.replicas",
        ),
        (
            Kind::HorizontalPodAutoscaler,
            "agent",
            json!({"spec": {"maxReplicas": 60}}),
            "spec.maxReplicas",
        ),
    ] {
        let desired = scene.desired(kind, name);
        let writer = scene.writer();
        let api = writer.api(kind, &desired.key.namespace);
        let drifted = api.patch(name, &PatchParams::default(), &Patch::Merge(&drift)).await;
        drifted.unwrap_or_else(|error| panic!("{}: {error}", desired.key));
        let live = writer
            .fetch(&desired.key)
            .await
            .expect("an answer")
            .expect("the object");
        let found = diff::difference(desired, &live).unwrap_or_else(|| panic!("{}: no difference", desired.key));
        assert!(found.starts_with(path), "{}: {found}", desired.key);
        let outcome = writer.ensure(&scene.tenant.core.owner, desired).await;
        let outcome = outcome.unwrap_or_else(|error| panic!("{}: {error}", desired.key));
        assert_eq!(outcome, Applied::Updated(found), "{}", desired.key);
    }
    let none: [String; 0] = [];
    assert_eq!(scene.differences().await, none, "all is mended");
}
