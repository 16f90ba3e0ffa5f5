//! Pods that would leave their bounds are refused, also to the tenant's own administrators.

use crate::support::scene::lay_over;
use crate::support::{Scene, path, pods, refused};
use anyhow::{Context, Result};
use serde_json::{Value, json};

#[tokio::test]
async fn a_pod_cannot_leave_its_bounds() -> Result<()> {
    let scene = Scene::new("admission").await?;
    let tier = scene.tier(json!({})).await?;
    let user = format!("admin@{}", scene.name);
    let tenant = scene
        .tenant(
            "",
            &tier,
            json!({"owners": [{"kind": "User", "name": user, "role": "Admin"}]}),
        )
        .await?;
    tenant.ready().await?;
    let owner = scene.cluster.impersonate(&user, &["system:authenticated"])?;
    let to = path("pods", &tenant.name, "");

    owner
        .create(&to, &pods::server("good"))
        .await
        .context("a pod within the bounds")?;
    let container = |context: Value| {
        let mut pod = pods::server("bad");
        lay_over(&mut pod["spec"]["containers"][0]["securityContext"], context);
        pod
    };
    let with = |spec: Value| {
        let mut pod = pods::server("bad");
        lay_over(&mut pod["spec"], spec);
        pod
    };
    let security = ["violates PodSecurity"];
    let cases: [(&str, Value, &[&str]); 13] = [
        (
            "a privileged pod",
            container(json!({"privileged": true, "allowPrivilegeEscalation": true})),
            &security,
        ),
        (
            "privilege escalation",
            container(json!({"allowPrivilegeEscalation": true})),
            &security,
        ),
        (
            "a capability",
            container(json!({"capabilities": {"add": ["NET_RAW"]}})),
            &security,
        ),
        (
            "a pod as root",
            with(json!({"securityContext": {"runAsNonRoot": false, "runAsUser": 0}})),
            &security,
        ),
        (
            "a hostPath",
            with(json!({"volumes": [{"name": "v", "hostPath": {"path": "/"}}]})),
            &security,
        ),
        ("the host's network", with(json!({"hostNetwork": true})), &security),
        ("the host's processes", with(json!({"hostPID": true})), &security),
        (
            "no seccomp",
            with(json!({"securityContext": {"seccompProfile": {"type": "Unconfined"}}})),
            &security,
        ),
        ("a node by name", with(json!({"nodeName": "node-1"})), &["nodeName"]),
        (
            "a toleration of everything",
            with(json!({"tolerations": [{"operator": "Exists"}]})),
            &["tolerate"],
        ),
        (
            "a toleration of another tenant's nodes",
            with(json!({"tolerations": [{"key": "tenant-operator.io/tenant", "operator": "Exists"}]})),
            &["tolerate"],
        ),
        (
            "another tenant's nodes",
            with(json!({"nodeSelector": {"tenant-operator.io/tenant": "other"}})),
            &["select"],
        ),
        (
            "a system priority",
            with(json!({"priorityClassName": "system-node-critical"})),
            &["priority"],
        ),
    ];
    for (what, pod, words) in cases {
        refused(what, owner.create(&to, &pod).await, words)?;
    }
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"},
                         "spec": {"ports": [{"port": 80}], "externalIPs": ["10.96.0.10"]}});
    refused(
        "an external IP",
        owner.create(&path("services", &tenant.name, ""), &service).await,
        &["external IPs"],
    )
}

#[tokio::test]
async fn a_tier_may_relax_to_baseline_and_no_further() -> Result<()> {
    let scene = Scene::new("baseline").await?;
    let tier = scene.tier(json!({"podSecurity": "baseline"})).await?;
    let tenant = scene.tenant("", &tier, json!({})).await?;
    tenant.ready().await?;
    let to = path("pods", &tenant.name, "");
    let mut pod = pods::server("root");
    lay_over(
        &mut pod["spec"],
        json!({"securityContext": {"runAsNonRoot": false, "runAsUser": 0}}),
    );
    scene
        .cluster
        .create(&to, &pod)
        .await
        .context("a pod as root, which baseline admits")?;
    let mut privileged = pods::server("privileged");
    lay_over(
        &mut privileged["spec"]["containers"][0]["securityContext"],
        json!({"privileged": true, "allowPrivilegeEscalation": true}),
    );
    refused(
        "a privileged pod",
        scene.cluster.create(&to, &privileged).await,
        &["violates PodSecurity"],
    )
}
