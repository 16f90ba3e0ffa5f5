//! The proof of each tenant as a report, where the cluster has such a resource: it comes and goes while the operator runs.

use super::isolation::{alices_and_bobs, isolated_within};
use crate::support::audit::{Audit, Write};
use crate::support::{Scene, TestTenant, eventually, operator, path, secs, steadily, text};
use crate::together::Ticket;
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

const CRD: &str = "clusterreports.openreports.io";
/// Within this a resource that was installed is noticed, and every tenant reported on.
const NOTICED: u64 = 75;
/// The time for a report to show a finding, or to be restored after others' changes.
const TOLD: u64 = 30;

/// The resource, unless the cluster has it anyway; whether it is the test's.
async fn install(scene: &Scene) -> Result<bool> {
    let at = path("customresourcedefinitions", "", CRD);
    if scene.cluster.exists(&at).await? {
        return Ok(false);
    }
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/openreports/clusterreports.yaml"
    );
    let crd: Value = serde_yaml::from_str(&std::fs::read_to_string(file)?)?;
    scene.will_leave(&at);
    scene
        .cluster
        .create(&path("customresourcedefinitions", "", ""), &crd)
        .await
        .context("install the resource")?;
    Ok(true)
}

async fn remove(scene: &Scene) -> Result<()> {
    let at = path("customresourcedefinitions", "", CRD);
    scene.cluster.delete(&at).await?;
    eventually("the resource to be gone", secs(60), async || {
        ensure!(!scene.cluster.exists(&at).await?, "it is there");
        Ok(())
    })
    .await
}

fn at(tenant: &TestTenant) -> String {
    path("clusterreports", "", &format!("tenant-operator-{}", tenant.name))
}

/// The report on a tenant, once it is so.
async fn report(what: &str, tenant: &TestTenant, within: u64, is_so: impl Fn(&Value) -> bool) -> Result<Value> {
    let what = format!("the report on {} {what}", tenant.name);
    eventually(&what, secs(within), async || {
        let report = tenant.cluster.get(&at(tenant)).await?;
        ensure!(is_so(&report), "{report}");
        Ok(report)
    })
    .await
}

fn results(report: &Value) -> Vec<Value> {
    report["results"].as_array().cloned().unwrap_or_default()
}

/// Returns true if all that was tried passed.
fn passes(report: &Value) -> bool {
    let none = |kind: &str| report["summary"][kind] == 0;
    let count = |kind: &str| results(report).iter().filter(|one| one["result"] == kind).count() as u64;
    let is_counted = ["pass", "skip"]
        .iter()
        .all(|kind| report["summary"][kind] == count(kind));
    let passed = |check: &str| {
        results(report)
            .iter()
            .any(|one| one["rule"] == check && one["result"] == "pass")
    };
    let all = ["api-access", "network-policies", "admission", "quota"];
    none("fail") && none("error") && none("warn") && is_counted && all.into_iter().all(passed)
}

fn is_marked(report: &Value, tenant: &TestTenant) -> bool {
    let metadata = &report["metadata"];
    metadata["labels"]["app.kubernetes.io/managed-by"] == "tenant-operator"
        && metadata["labels"]["tenant-operator.io/tenant"] == tenant.name
        && metadata["ownerReferences"][0]["name"] == tenant.name
        && metadata["ownerReferences"][0]["uid"] == report["scope"]["uid"]
}

fn writes(log: &Audit) -> Result<Vec<Write>> {
    let writes = log.operator_writes()?;
    Ok(writes
        .into_iter()
        .filter(|write| write.resource == "clusterreports")
        .collect())
}

/// Two tenants on whom the operator reports.
pub struct Reported {
    scene: Scene,
    a: TestTenant,
    b: TestTenant,
    /// True where the resource is the test's.
    is_ours: bool,
}

impl Reported {
    /// Installs the resource while the operator runs, and waits for both reports.
    pub async fn settled() -> Result<Self> {
        let scene = Scene::new("reports").await?;
        let (a, b) = alices_and_bobs(&scene).await?;
        for tenant in [&a, &b] {
            tenant.ready().await?;
            isolated_within(TOLD, tenant, "True", &["admission"]).await?;
        }
        let is_ours = install(&scene).await?;
        for tenant in [&a, &b] {
            let report = report("to be there", tenant, NOTICED, passes).await?;
            ensure!(
                report["source"] == "tenant-operator"
                    && report["scope"]["kind"] == "Tenant"
                    && is_marked(&report, tenant),
                "{report}"
            );
        }
        Ok(Self { scene, a, b, is_ours })
    }

    /// Follows reports through findings, others' changes, and the removal and return of the resource itself.
    pub async fn follow(&self, ticket: Ticket<'_>) -> Result<()> {
        let Self { scene, a, b, is_ours } = self;
        what_is_open_is_reported(scene, a, b).await?;
        what_others_do_is_put_back(a).await?;
        // Not before: a process that has just begun knows since when something is so from the report alone.
        ticket.restarted(&scene.cluster).await?;
        anothers_is_left_alone(scene, &scene.tier(json!({})).await?).await?;
        if *is_ours {
            the_resource_may_go_and_come_back(scene, a).await?;
        }
        b.delete().await?;
        b.gone().await?;
        eventually("the report to go with its tenant", secs(TOLD), async || {
            ensure!(!scene.cluster.exists(&at(b)).await?, "it is there");
            Ok(())
        })
        .await
    }
}

async fn what_is_open_is_reported(scene: &Scene, a: &TestTenant, b: &TestTenant) -> Result<()> {
    let bob = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": format!("{}-bob", scene.name)});
    let binding = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "oops"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"}, "subjects": [bob]});
    scene
        .cluster
        .create(&path("rolebindings", &a.name, ""), &binding)
        .await?;
    let log = Audit::now()?;
    for (tenant, other, direction) in [(a, b, "Inward"), (b, a, "Outward")] {
        let found = report("to say what is open", tenant, TOLD, |report| {
            report["summary"]["fail"] == 1
        })
        .await?;
        let first = &results(&found)[0];
        let message = text(&first["message"]);
        ensure!(
            first["rule"] == "api-access" && first["result"] == "fail" && first["severity"] == "critical",
            "{first}"
        );
        ensure!(message.contains(&format!("RoleBinding {}/oops", a.name)), "{message}");
        ensure!(
            first["properties"]["counterpart"] == other.name && first["properties"]["direction"] == direction,
            "{first}"
        );
    }
    ensure!(
        !writes(&log)?.is_empty(),
        "the log does not show the operator's writes of reports: what was quiet proves nothing"
    );
    scene.cluster.delete(&path("rolebindings", &a.name, "oops")).await?;
    for tenant in [a, b] {
        report("to forget it", tenant, TOLD, passes).await?;
    }
    Ok(())
}

async fn what_others_do_is_put_back(tenant: &TestTenant) -> Result<()> {
    let before = report("to be there", tenant, TOLD, passes).await?;
    let is_back = |now: &Value| {
        let same = ["source", "scope", "summary", "results"]
            .iter()
            .all(|field| now[field] == before[field]);
        same && is_marked(now, tenant)
    };
    let marks = json!({"tenant-operator.io/tenant": null, "tenant-operator.io/tenant-id": null, "app.kubernetes.io/managed-by": null});
    for change in [
        json!({"results": null, "summary": {"pass": 99}}),
        json!({"metadata": {"ownerReferences": null}, "source": "somebody"}),
        json!({"metadata": {"labels": marks}}),
    ] {
        let changed = tenant.cluster.patch(&at(tenant), &change).await?;
        ensure!(!is_back(&changed), "nothing changed: {changed}");
        report("to be put back", tenant, TOLD, is_back).await?;
    }
    tenant.cluster.delete(&at(tenant)).await?;
    let now = report("to come back", tenant, TOLD, is_back).await?;
    ensure!(
        now["metadata"]["uid"] != before["metadata"]["uid"],
        "it was not deleted"
    );
    Ok(())
}

/// A report of that name that somebody else made.
async fn anothers_is_left_alone(scene: &Scene, tier: &str) -> Result<()> {
    let tenant = TestTenant::new(scene.cluster.clone(), &format!("{}-c", scene.name));
    let theirs = json!({"apiVersion": "openreports.io/v1alpha1", "kind": "ClusterReport",
        "metadata": {"name": format!("tenant-operator-{}", tenant.name)}, "source": "somebody"});
    scene.will_leave(&at(&tenant));
    scene.cluster.create(&path("clusterreports", "", ""), &theirs).await?;
    scene.tenant("c", tier, json!({})).await?;
    tenant.ready().await?;
    isolated_within(TOLD, &tenant, "True", &[]).await?;
    steadily("their report to stay as it is", secs(5), async || {
        let report = scene.cluster.get(&at(&tenant)).await?;
        ensure!(
            report["source"] == "somebody" && report["results"].is_null(),
            "{report}"
        );
        Ok(())
    })
    .await?;
    scene.cluster.delete(&at(&tenant)).await?;
    // By then it has been tried a few times, each time later.
    report("to take the free name", &tenant, NOTICED, passes)
        .await
        .map(|_| ())
}

async fn the_resource_may_go_and_come_back(scene: &Scene, tenant: &TestTenant) -> Result<()> {
    let pods = operator::pods(&scene.cluster).await?;
    remove(scene).await?;
    tenant.patch(json!({"quota": {"pods": 9}})).await?;
    tenant.ready().await?;
    install(scene).await?;
    report("to be there again", tenant, NOTICED, passes).await?;
    let now = operator::pods(&scene.cluster).await?;
    ensure!(
        now == pods,
        "the operator did not survive it: {now:?} instead of {pods:?}"
    );
    Ok(())
}
