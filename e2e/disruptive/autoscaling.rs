//! Autoscalers with a real metrics-server, which `make test-all` brings in for this test alone.

use crate::hasty::AS_BEFORE;
use crate::isolation::isolated_within;
use crate::support::database::Site;
use crate::support::example::{apply, remove};
use crate::support::gateway::{Door, key, x_api_key};
use crate::support::probe::{From, closed, open};
use crate::support::{
    Cluster, REPOSITORY, Scene, TestTenant, admin, cluster, condition, eventually, kubectl, meanwhile, operator, path,
    pods, secs, server_workload, shell_workload, text,
};
use crate::together::{part, side_by_side};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// metrics-server reads every 10 s, the controller looks every 15 s, and a lower load has to last for a window of at most 60 s.
const SCALED: u64 = 240;
/// Within this the network probe has been in every tenant: all four parts keep the machine busy.
const PROBED: u64 = 420;
/// The network's proof, again and again. A busy machine isolates a new pod late, so that pods settle for as long as with the chart's values.
const PROOF: [&str; 3] = [
    "isolation.networkProbe.enabled=true",
    "isolation.networkProbe.period=20s",
    "isolation.networkProbe.settle=15s",
];
const ADAPTER_API: &str = "v1beta2.custom.metrics.k8s.io";
const METRIC: &str = "http_requests_per_second";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it needs metrics-server, which make test-all brings in"]
async fn autoscaling_follows_the_load() -> Result<()> {
    let test = "autoscaling_follows_the_load";
    if Door::find(test).is_none() || Site::find(test).is_none() {
        return Ok(());
    }
    let scaled = match operator::configure(&PROOF).await {
        Ok(()) => side_by_side(vec![
            part("carebot 11", || example("carebot", carebot)),
            part("eyewearml 15", || example("eyewearml", eyewearml)),
            part("memory", memory),
            part("a custom metric", custom_metric),
        ]),
        error => error,
    };
    let restored = operator::configure(&AS_BEFORE).await;
    scaled.and(restored)
}

async fn example(name: &'static str, check: impl AsyncFnOnce(Cluster, Door) -> Result<()>) -> Result<()> {
    let outcome = match apply(name).await {
        Ok(_) => check(admin().await?, Door::find(name).context("no gateway")?).await,
        Err(error) => Err(error),
    };
    remove(name).await?;
    outcome
}

async fn autoscaler(tenant: &TestTenant, workload: &str) -> Result<Value> {
    let at = path("horizontalpodautoscalers", &tenant.name, workload);
    Ok(tenant.cluster.get(&at).await?)
}

/// Waits until the autoscaler has figures, and has set this number of pods, all of which are ready.
async fn scaled(tenant: &TestTenant, workload: &str, count: u64) -> Result<()> {
    let what = format!("{}/{workload} to have {count} pods", tenant.name);
    eventually(&what, secs(SCALED), async || {
        let autoscaler = autoscaler(tenant, workload).await?;
        let active = condition(&autoscaler, "ScalingActive").is_some_and(|active| active["status"] == "True");
        let deployment = tenant.cluster.get(&path("deployments", &tenant.name, workload)).await?;
        let now = [
            &deployment["spec"]["replicas"],
            &deployment["status"]["replicas"],
            &deployment["status"]["readyReplicas"],
        ];
        ensure!(
            active && now.iter().all(|now| **now == count),
            "{now:?}; {}",
            autoscaler["status"]
        );
        Ok(())
    })
    .await
}

/// Requests that keep a processor busy, a few a second.
async fn load(door: &Door, host: &str, path: &str, key: &str) -> Result<()> {
    door.answers(200, host, &format!("{path}/burn?ms=100"), &[key]).await?;
    tokio::time::sleep(Duration::from_millis(250)).await;
    Ok(())
}

/// Minimum 1, maximum 3, threshold, cool-down.
async fn carebot(cluster: Cluster, door: Door) -> Result<()> {
    let (tenant, workload, host) = (
        TestTenant::new(cluster, "care-a"),
        "tenant-a-service",
        "tenant-a.care.example.com",
    );
    let key = x_api_key(&key(&tenant, "crm").await?);
    door.serves(host, "/calls", &[&key]).await?;
    scaled(&tenant, workload, 1).await?;
    let load = async || load(&door, host, "/calls", &key).await;
    meanwhile(scaled(&tenant, workload, 3), load).await?;
    // The operator does not undo what the autoscaler did.
    tenant.ready().await?;
    scaled(&tenant, workload, 1).await?;
    tenant.ready().await.map(|_| ())
}

/// "No loss of isolation during scaling": the proof passes all the while, the network's included, and no pod that was added is open to another tenant.
async fn eyewearml(cluster: Cluster, door: Door) -> Result<()> {
    let [tenant, lumen] = ["clearsight", "lumen"].map(|name| TestTenant::new(cluster.clone(), name));
    let (workload, host) = ("assistant", "clearsight.eyewear.example.com");
    let key = x_api_key(&key(&tenant, "shop").await?);
    door.serves(host, "/", &[&key]).await?;
    for tenant in [&tenant, &lumen] {
        pods::run(&cluster, &tenant.name, "dialer").await?;
        isolated_within(PROBED, tenant, "True", &["network-access"]).await?;
    }
    scaled(&tenant, workload, 1).await?;
    let proved = async || {
        load(&door, host, "", &key).await?;
        for tenant in [&tenant, &lumen] {
            let now = tenant.get().await?;
            let isolated = condition(&now, "Isolated").cloned().unwrap_or_default();
            // A probe that the busy machine leaves no time for is Unknown: it is no loss of isolation.
            ensure!(
                isolated["status"] != "False" && now["status"]["isolation"]["failed"] == 0,
                "{isolated}: {}",
                now["status"]["isolation"]
            );
        }
        Ok(())
    };
    let scaled_and_closed = async {
        scaled(&tenant, workload, 3).await?;
        for pod in tenant.pods(workload, 3).await? {
            let address = pods::address(&cluster, &tenant.name, &pod).await? + ":8080";
            open("its own tenant", From(&tenant.name, "dialer"), &address).await?;
            closed("another tenant", From(&lumen.name, "dialer"), &address).await?;
        }
        anyhow::Ok(())
    };
    meanwhile(scaled_and_closed, proved).await?;
    isolated_within(PROBED, &tenant, "True", &["network-access"])
        .await
        .map(|_| ())
}

async fn memory() -> Result<()> {
    let scene = Scene::new("memory").await?;
    let tier = scene.tier(json!({})).await?;
    let mut workload = shell_workload("web");
    workload["resources"] = json!({"requests": {"cpu": "5m", "memory": "32Mi"}, "limits": {"memory": "128Mi"}});
    workload["autoscaling"] =
        json!({"maxReplicas": 3, "targetMemoryUtilizationPercentage": 80, "scaleDownStabilizationWindowSeconds": 0});
    workload["volumes"] = json!([{"name": "memory", "emptyDir": {"medium": "Memory", "sizeLimit": "100Mi"}}]);
    workload["volumeMounts"] = json!([{"name": "memory", "mountPath": "/memory"}]);
    let tenant = scene.tenant("", &tier, json!({"workloads": [workload]})).await?;
    tenant.ready().await?;
    scaled(&tenant, "web", 1).await?;
    let pod = &tenant.pods("web", 1).await?[0];
    let fill = "dd if=/dev/zero of=/memory/full bs=1M count=90";
    kubectl::exec(&tenant.name, pod, &["sh", "-c", fill]).await?;
    scaled(&tenant, "web", 3).await?;
    kubectl::exec(&tenant.name, pod, &["rm", "/memory/full"]).await?;
    scaled(&tenant, "web", 1).await
}

/// Waits until the autoscaler has gone from one number of pods to another, one pod at a time.
async fn stepped(tenant: &TestTenant, workload: &str, from: u64, to: u64) -> Result<()> {
    let seen = RefCell::new(vec![from]);
    let follow = async {
        loop {
            let deployment = tenant.cluster.get(&path("deployments", &tenant.name, workload)).await;
            let now = deployment.ok().and_then(|found| found["spec"]["replicas"].as_u64());
            let is_another = now.is_some() && seen.borrow().last() != now.as_ref();
            seen.borrow_mut().extend(now.filter(|_| is_another));
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    };
    tokio::select! {
        () = follow => Ok(()),
        scaled = scaled(tenant, workload, to) => scaled,
    }?;
    let seen = seen.into_inner();
    let expected: Vec<u64> = match from < to {
        true => (from..=to).collect(),
        false => (to..=from).rev().collect(),
    };
    ensure!(seen == expected, "the numbers of pods were {seen:?}");
    Ok(())
}

/// The adapter is a stand-in beside the cluster, for there is no Prometheus: what it says is what the autoscaler follows.
async fn custom_metric() -> Result<()> {
    let scene = Scene::new("custom").await?;
    let adapter = Adapter::start(&scene).await?;
    adapter.say("10")?;
    let tier = scene.tier(json!({})).await?;
    let mut workload = server_workload("web");
    let requests = json!({"type": "Pods", "name": METRIC, "averageValue": "50"});
    // One pod at a time, up and down.
    let one = json!({"stabilizationWindowSeconds": 0, "policies": [{"type": "Pods", "value": 1, "periodSeconds": 30}]});
    workload["autoscaling"] =
        json!({"maxReplicas": 3, "metrics": [requests], "behavior": {"scaleUp": one, "scaleDown": one}});
    let tenant = scene.tenant("", &tier, json!({"workloads": [workload]})).await?;
    tenant.ready().await?;
    adapter.is_heard(&tenant, "10").await?;
    scaled(&tenant, "web", 1).await?;
    adapter.say("200")?;
    adapter.is_heard(&tenant, "200").await?;
    stepped(&tenant, "web", 1, 3).await?;
    adapter.say("10")?;
    stepped(&tenant, "web", 3, 1).await
}

/// Ends with the test, whose end of its standard input it waits for: one of an earlier run must not answer in its place.
struct Adapter {
    process: Child,
    file: PathBuf,
}

impl Adapter {
    async fn start(scene: &Scene) -> Result<Self> {
        let file = cluster::folder().join(format!("{}-metric", scene.name));
        std::fs::write(&file, "0")?;
        let address = cluster::local()
            .and_then(|env| env.get("NODE_IP").cloned())
            .context("no address of the node")?;
        let port = TcpListener::bind((address.as_str(), 0))?.local_addr()?.port();
        let mut command = Command::new(format!("{REPOSITORY}/e2e/cluster/custom-metrics.py"));
        command.args([&address, &port.to_string()]).arg(&file);
        command
            .stdin(Stdio::piped())
            .env("KUBECONFIG", cluster::kubeconfig())
            .env("KUBECTL", cluster::folder().join("bin/kubectl"));
        let adapter = Self {
            process: command.spawn().context("start the adapter")?,
            file,
        };
        let namespace = scene.namespace("adapter").await?;
        let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "adapter"}, "spec": {"ports": [{"port": 443}]}});
        scene
            .cluster
            .create(&path("services", &namespace, ""), &service)
            .await?;
        let slice = json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": {"name": "adapter", "labels": {"kubernetes.io/service-name": "adapter"}},
            "addressType": "IPv4", "endpoints": [{"addresses": [address]}], "ports": [{"port": port}]
        });
        scene
            .cluster
            .create(&path("endpointslices", &namespace, ""), &slice)
            .await?;
        let api = json!({
            "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": {"name": ADAPTER_API},
            "spec": {"group": "custom.metrics.k8s.io", "version": "v1beta2", "groupPriorityMinimum": 100, "versionPriority": 100,
                     "insecureSkipTLSVerify": true, "service": {"name": "adapter", "namespace": namespace}}
        });
        let apis = "/apis/apiregistration.k8s.io/v1/apiservices";
        scene.cluster.create(apis, &api).await?;
        eventually("the adapter's API", secs(30), async || {
            let api = scene.cluster.get(&format!("{apis}/{ADAPTER_API}")).await?;
            let available = condition(&api, "Available").cloned().unwrap_or_default();
            ensure!(available["status"] == "True", "{}", text(&available["message"]));
            Ok(())
        })
        .await?;
        Ok(adapter)
    }

    /// Sets the value of each pod.
    fn say(&self, value: &str) -> Result<()> {
        let new = self.file.with_extension("new");
        std::fs::write(&new, value)?;
        Ok(std::fs::rename(&new, &self.file)?)
    }

    /// Waits until the API server has this value of each of a tenant's pods, as the autoscaler asks for it.
    async fn is_heard(&self, tenant: &TestTenant, value: &str) -> Result<()> {
        let at = format!(
            "/apis/custom.metrics.k8s.io/v1beta2/namespaces/{}/pods/*/{METRIC}?labelSelector=tenant-operator.io/workload%3Dweb",
            tenant.name
        );
        eventually("the API server to have the metric", secs(60), async || {
            let list = tenant.cluster.get(&at).await?;
            let items = list["items"].as_array().cloned().unwrap_or_default();
            ensure!(
                !items.is_empty() && items.iter().all(|item| item["value"] == value),
                "{list}"
            );
            Ok(())
        })
        .await
    }
}

impl Drop for Adapter {
    fn drop(&mut self) {
        // While an API does not answer, no namespace can be deleted.
        kubectl::quietly(&["delete", "apiservice", ADAPTER_API, "--ignore-not-found"]);
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_file(&self.file);
    }
}
