//! Objects in a Tenant's namespaces.

use crate::support::quantity::number;
use crate::support::{Scene, TestTenant, path, text};
use anyhow::{Result, ensure};
use serde_json::{Value, json};

async fn two_namespaces(scene: &Scene) -> Result<(TestTenant, [String; 2])> {
    let tier = scene.tier(json!({})).await?;
    let owner = |role: &str| json!({"kind": "User", "name": format!("{role}@{}", scene.name), "role": role});
    let spec = json!({
        "owners": [owner("Admin"), owner("Editor"), owner("Viewer")],
        "namespaces": [{"name": "staging", "quota": {"requests.cpu": "500m", "pods": 5}}],
    });
    let tenant = scene.tenant("", &tier, spec).await?;
    tenant.ready().await?;
    let namespaces = [tenant.name.clone(), format!("{}-staging", tenant.name)];
    Ok((tenant, namespaces))
}

#[tokio::test]
async fn namespaces_bear_the_marks_and_pod_security() -> Result<()> {
    let scene = Scene::new("marks").await?;
    let (tenant, namespaces) = two_namespaces(&scene).await?;
    let status = tenant.get().await?["status"].clone();
    ensure!(
        status["namespaces"] == json!(namespaces) && status["namespaceCount"] == 2,
        "{status}"
    );
    ensure!(!text(&status["id"]).is_empty(), "no id in {status}");
    for name in &namespaces {
        let namespace = scene.cluster.get(&path("namespaces", "", name)).await?;
        let labels = &namespace["metadata"]["labels"];
        for (key, value) in [
            ("tenant-operator.io/tenant", tenant.name.clone()),
            ("tenant-operator.io/tenant-id", text(&status["id"])),
            ("app.kubernetes.io/managed-by", "tenant-operator".to_owned()),
            ("pod-security.kubernetes.io/enforce", "restricted".to_owned()),
        ] {
            ensure!(labels[key] == value.as_str(), "{name}: {key} is {}", labels[key]);
        }
        ensure!(
            namespace["metadata"]["ownerReferences"].is_null(),
            "{name} would go with the CRD"
        );
    }
    Ok(())
}

#[tokio::test]
async fn quotas_add_up_to_no_more_than_the_tenants() -> Result<()> {
    let scene = Scene::new("sums").await?;
    let (tenant, namespaces) = two_namespaces(&scene).await?;
    let whole = tenant.get().await?["status"]["effective"]["quota"].clone();
    let mut quotas = Vec::new();
    for namespace in &namespaces {
        let quota = scene.cluster.get(&path("resourcequotas", namespace, "tenant")).await?;
        ensure!(quota["status"]["hard"] == quota["spec"]["hard"], "{namespace}: {quota}");
        quotas.push(quota["spec"]["hard"].clone());
    }
    let keys = whole.as_object().cloned().unwrap_or_default();
    for key in [
        "requests.cpu",
        "limits.memory",
        "pods",
        "requests.storage",
        "services.nodeports",
        "services.loadbalancers",
    ] {
        ensure!(keys.contains_key(key), "no {key} in the effective quota {whole}");
    }
    for (key, total) in &keys {
        ensure!(
            quotas.iter().all(|q| !q[key].is_null()),
            "{key} is unlimited in one of {quotas:?}"
        );
        let sum: f64 = quotas.iter().map(|q| number(&q[key])).sum();
        ensure!(
            sum <= number(total) * (1.0 + 1e-12),
            "{key}: {sum} in all, but the tenant has {total}"
        );
    }
    ensure!(
        number(&quotas[1]["pods"]) == 5.0 && number(&quotas[1]["requests.cpu"]) == 0.5,
        "{quotas:?}"
    );
    ensure!(
        number(&quotas[0]["pods"]) == 15.0 && number(&quotas[0]["requests.cpu"]) == 1.5,
        "{quotas:?}"
    );
    Ok(())
}

#[tokio::test]
async fn limits_policies_and_accounts_are_there() -> Result<()> {
    let scene = Scene::new("bounds").await?;
    let (_, namespaces) = two_namespaces(&scene).await?;
    for namespace in &namespaces {
        let limits = scene.cluster.get(&path("limitranges", namespace, "tenant")).await?;
        let all = limits["spec"]["limits"].as_array().cloned().unwrap_or_default();
        let container = all
            .iter()
            .find(|l| l["type"] == "Container")
            .cloned()
            .unwrap_or_default();
        ensure!(
            container["defaultRequest"]["cpu"] == "5m" && !container["default"]["memory"].is_null(),
            "{limits}"
        );

        let policies = scene.cluster.list(&path("networkpolicies", namespace, "")).await?;
        let names: Vec<_> = policies.iter().map(|p| text(&p["metadata"]["name"])).collect();
        for name in ["deny-all", "allow-same-tenant", "allow-dns"] {
            ensure!(
                names.contains(&format!("tenant-operator-{name}")),
                "{namespace}: no {name} in {names:?}"
            );
        }
        let deny = policies
            .iter()
            .find(|p| p["metadata"]["name"] == "tenant-operator-deny-all");
        let spec = deny.map(|p| p["spec"].clone()).unwrap_or_default();
        let both = json!(["Egress", "Ingress"]);
        let mut types = spec["policyTypes"].as_array().cloned().unwrap_or_default();
        types.sort_by_key(ToString::to_string);
        ensure!(
            json!(types) == both && spec["ingress"].is_null() && spec["egress"].is_null(),
            "{namespace}: {spec}"
        );
        for policy in &policies {
            only_unforgeable_namespaces(policy)?;
        }

        for account in scene.cluster.list(&path("serviceaccounts", namespace, "")).await? {
            ensure!(
                account["automountServiceAccountToken"] == false,
                "{namespace}: {account}"
            );
        }
    }
    Ok(())
}

/// A label that someone may set on a namespace must not open a tenant.
fn only_unforgeable_namespaces(value: &Value) -> Result<()> {
    if let Value::Object(map) = value {
        if let Some(selector) = map.get("namespaceSelector") {
            let labels = selector["matchLabels"].as_object().cloned().unwrap_or_default();
            let expressions = selector["matchExpressions"].as_array().cloned().unwrap_or_default();
            let keys: Vec<_> = labels
                .keys()
                .cloned()
                .chain(expressions.iter().map(|e| text(&e["key"])))
                .collect();
            ensure!(
                !keys.is_empty() && keys.iter().all(|k| k == "kubernetes.io/metadata.name"),
                "selected by {keys:?}"
            );
        }
        map.values().try_for_each(only_unforgeable_namespaces)?;
    } else if let Value::Array(items) = value {
        items.iter().try_for_each(only_unforgeable_namespaces)?;
    }
    Ok(())
}

#[tokio::test]
async fn owners_are_bound_in_every_namespace() -> Result<()> {
    let scene = Scene::new("bound").await?;
    let (_, namespaces) = two_namespaces(&scene).await?;
    for namespace in &namespaces {
        for role in ["Admin", "Editor", "Viewer"] {
            let name = format!("tenant-operator-tenant-{}", role.to_lowercase());
            let binding = scene.cluster.get(&path("rolebindings", namespace, &name)).await?;
            ensure!(
                binding["roleRef"]["kind"] == "ClusterRole" && binding["roleRef"]["name"] == name.as_str(),
                "{binding}"
            );
            let subjects = binding["subjects"].as_array().cloned().unwrap_or_default();
            let names: Vec<_> = subjects.iter().map(|s| text(&s["name"])).collect();
            ensure!(names == [format!("{role}@{}", scene.name)], "{namespace}: {binding}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn an_owner_who_is_taken_out_is_out() -> Result<()> {
    let scene = Scene::new("out").await?;
    let (tenant, namespaces) = two_namespaces(&scene).await?;
    tenant
        .patch(json!({"owners": [{"kind": "User", "name": format!("Admin@{}", scene.name), "role": "Admin"}]}))
        .await?;
    tenant.ready().await?;
    for namespace in &namespaces {
        let names = scene.cluster.names(&path("rolebindings", namespace, "")).await?;
        ensure!(
            !names
                .iter()
                .any(|n| n.ends_with("tenant-viewer") || n.ends_with("tenant-editor")),
            "{namespace}: {names:?}"
        );
    }
    Ok(())
}
