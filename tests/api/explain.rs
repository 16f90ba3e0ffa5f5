//! `kubectl explain` has a word on every field.

use crate::harness;
use crate::support::cluster::text;
use crate::support::kubectl;
use anyhow::{Result, ensure};
use serde_json::Value;

/// Finds every property without a description. Within a workload, Kubernetes' own types describe only their own fields: a definition must stay small.
fn silent(schema: &Value, at: &str, found: &mut Vec<String>) {
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let at = format!("{at}.{name}");
        let is_deep = at.starts_with(".spec.workloads.") && at.split('.').count() > 5;
        if at != ".metadata" && !is_deep && text(&property["description"]).is_empty() {
            found.push(at.clone());
        }
        silent(property, &at, found);
    }
    for inner in ["items", "additionalProperties"] {
        if let Some(inner) = schema.get(inner) {
            silent(inner, at, found);
        }
    }
}

#[test]
fn every_field_has_a_description() -> Result<()> {
    for crd in tenant_operator::api::crds() {
        let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        let mut found = Vec::new();
        silent(schema, "", &mut found);
        // apiVersion and kind are described by the API server.
        found.retain(|at| at != ".apiVersion" && at != ".kind");
        ensure!(
            found.is_empty(),
            "{}: no description: {found:?}",
            crd["metadata"]["name"]
        );
        ensure!(
            !text(&schema["description"]).is_empty(),
            "{}: no description",
            crd["metadata"]["name"]
        );
    }
    Ok(())
}

#[tokio::test]
async fn kubectl_explains() -> Result<()> {
    harness::cluster().await?;
    for (field, words) in [
        ("tenant", "One customer of the platform"),
        ("tenant.spec.workloads.autoscaling", "to their load"),
        ("tenant.status.effective", "tier and spec"),
        ("tier.spec.podSecurity", "Pod Security"),
        ("tv.status", "DESCRIPTION"),
        ("tenant.spec.database.model", "Database model"),
        ("tenant.spec.credentials.rotationInterval", "90 days"),
        ("tenant.status.database", "Location of the tenant's data"),
        ("tier.spec.database.serverSelector", "DatabaseServers"),
        ("dbs", "One PostgreSQL server"),
        ("dbs.spec.tls.mode", "VerifyFull"),
        ("databaseserver.spec.sharedTables", "tenant column"),
        ("databaseservers.status.conditions", "Hardened"),
    ] {
        let said = kubectl::run(&["explain", field]).await?;
        ensure!(
            said.contains(words),
            "kubectl explain {field} does not say {words:?}:\n{said}"
        );
        ensure!(
            !said.contains("<no description>") || ["tenant", "dbs"].contains(&field),
            "kubectl explain {field}:\n{said}"
        );
    }
    Ok(())
}
