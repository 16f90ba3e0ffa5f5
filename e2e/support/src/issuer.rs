//! Certificates that cert-manager issues, by an authority of the test's own.

use super::certificate::SelfSigned;
use super::{Scene, TestTenant, cluster, eventually, path, secs, text};
use anyhow::{Context, Result};
use k8s_openapi::jiff::{SignedDuration, Timestamp, Unit};
use serde_json::{Value, json};

/// An authority, and the name of its ClusterIssuer.
pub struct Authority {
    pub name: String,
    namespace: String,
    certificate: SelfSigned,
}

impl Authority {
    /// Returns None where the cluster has no cert-manager of ours, and prints that the test is skipped.
    pub fn find(test: &str, scene: &Scene) -> Result<Option<Self>> {
        let env = cluster::local().unwrap_or_default();
        let Some(namespace) = env.get("CERT_MANAGER_NAMESPACE").cloned() else {
            cluster::skipped(test, "this cluster has no cert-manager of ours (CLUSTER=local has)");
            return Ok(None);
        };
        Ok(Some(Self {
            name: scene.name.clone(),
            namespace,
            certificate: SelfSigned::new(scene, "authority", "authority.example.org")?,
        }))
    }

    /// Returns the reference in a Tenant.
    pub fn reference(&self) -> Value {
        json!({"kind": "ClusterIssuer", "name": self.name})
    }

    /// From here on it issues.
    pub async fn appears(&self, scene: &Scene) -> Result<()> {
        let secret = path("secrets", &self.namespace, &self.name);
        let issuer = path("clusterissuers", "", &self.name);
        for made in [&secret, &issuer] {
            scene.will_leave(made);
        }
        let body = self.certificate.secret(&self.name)?;
        scene
            .cluster
            .create(&path("secrets", &self.namespace, ""), &body)
            .await?;
        let body = json!({"apiVersion": "cert-manager.io/v1", "kind": "ClusterIssuer", "metadata": {"name": self.name},
            "spec": {"ca": {"secretName": self.name}}});
        scene.cluster.create(&path("clusterissuers", "", ""), &body).await?;
        Ok(())
    }

    /// Returns a file that trusts all certificates of this issuer.
    pub fn trusted(&self) -> String {
        self.certificate.trusted()
    }

    /// Returns a file that trusts one certificate of this issuer, and not the next.
    pub fn trusted_alone(&self, certificate: &str) -> Result<String> {
        let file = self.trusted() + ".issued";
        std::fs::write(&file, certificate)?;
        Ok(file)
    }
}

/// A certificate that was issued, out of its Secret.
pub async fn issued(tenant: &TestTenant, name: &str) -> Result<String> {
    let certificate = tenant.cluster.secret(&tenant.name, name, "tls.crt").await?;
    certificate.context("no certificate")
}

/// Asks for another certificate before its time, as `cmctl renew` does.
pub async fn renew(tenant: &TestTenant, name: &str) -> Result<()> {
    let at = path("certificates", &tenant.name, name);
    let now = tenant.cluster.get(&at).await?;
    // A failure in this very second would count as its answer.
    let time = whole(Timestamp::now())? + SignedDuration::from_secs(1);
    let asked = json!({"type": "Issuing", "status": "True", "reason": "ManuallyTriggered", "message": "by a test",
        "lastTransitionTime": time.to_string(), "observedGeneration": now["metadata"]["generation"]});
    set_condition(tenant, &at, &now, asked, json!({})).await
}

/// Refuses a request as an issuer would. No such issuer may exist, for it would issue.
pub async fn refuse(tenant: &TestTenant, why: &str) -> Result<()> {
    let request = eventually("a request that waits for its issuer", secs(30), async || {
        let all = tenant
            .cluster
            .list(&path("certificaterequests", &tenant.name, ""))
            .await?;
        let waits = |request: &&Value| {
            let conditions = request["status"]["conditions"].as_array();
            conditions.is_some_and(|all| all.iter().any(|c| c["type"] == "Ready" && c["reason"] == "Pending"))
        };
        all.iter().find(waits).cloned().context("none waits")
    })
    .await?;
    let at = path("certificaterequests", &tenant.name, &text(&request["metadata"]["name"]));
    let time = whole(Timestamp::now())?.to_string();
    let said =
        json!({"type": "Ready", "status": "False", "reason": "Failed", "message": why, "lastTransitionTime": time});
    set_condition(tenant, &at, &request, said, json!({"failureTime": time})).await
}

/// cert-manager compares seconds.
fn whole(time: Timestamp) -> Result<Timestamp> {
    Ok(time.round(Unit::Second)?)
}

/// Lays a condition over those of an object, and this over its status.
async fn set_condition(tenant: &TestTenant, at: &str, object: &Value, new: Value, mut status: Value) -> Result<()> {
    let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let others = conditions.into_iter().filter(|old| old["type"] != new["type"]);
    status["conditions"] = others.chain([new.clone()]).collect();
    tenant
        .cluster
        .patch(&format!("{at}/status"), &json!({"status": status}))
        .await?;
    Ok(())
}
