//! Namespaces that tenants create themselves.

use crate::support::cluster::skipped;
use crate::support::{
    Cluster, Scene, TestTenant, condition, eventually, forbidden, operator, path, refused, secs, summary, text,
};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

/// A tenant, and its owners as the API server knows them.
struct Site {
    scene: Scene,
    tenant: TestTenant,
    admin: Cluster,
    editor: Cluster,
}

impl Site {
    /// None where the chart lets tenants create no namespaces.
    async fn new(hint: &str, spec: Value) -> Result<Option<Self>> {
        let scene = Scene::new(hint).await?;
        let at = path("deployments", operator::NAMESPACE, operator::NAME);
        let deployment = scene.cluster.get(&at).await?;
        if !deployment.to_string().contains("TENANT_NAMESPACES") {
            skipped(hint, "the chart's value tenantNamespaces.enabled is off");
            return Ok(None);
        }
        let tier = scene
            .tier(json!({"maxNamespaces": 6, "tenantNamespaces": {"max": 3}}))
            .await?;
        let users = ["Admin", "Editor"].map(|role| (format!("{}-{}", scene.name, role.to_lowercase()), role));
        let owners = users
            .clone()
            .map(|(name, role)| json!({"kind": "User", "name": name, "role": role}));
        let mut whole = json!({"owners": owners});
        crate::support::scene::lay_over(&mut whole, spec);
        let tenant = scene.tenant("", &tier, whole).await?;
        tenant.ready().await?;
        let client = |name: &str| scene.cluster.impersonate(name, &["system:authenticated"]);
        let (admin, editor) = (client(&users[0].0)?, client(&users[1].0)?);
        Ok(Some(Self {
            scene,
            tenant,
            admin,
            editor,
        }))
    }

    fn at(&self, name: &str) -> String {
        path("tenantnamespaces", &self.tenant.name, name)
    }

    fn namespace(&self, name: &str) -> String {
        format!("{}-{name}", self.tenant.name)
    }

    async fn create(&self, name: &str, spec: Value) -> Result<()> {
        let created = self.admin.create(&self.at(""), &body(name, spec)).await;
        created.with_context(|| format!("create TenantNamespace {name}"))?;
        Ok(())
    }

    async fn delete(&self, name: &str) -> Result<()> {
        let deleted = self.admin.delete(&self.at(name)).await;
        deleted.with_context(|| format!("delete TenantNamespace {name}"))?;
        Ok(())
    }

    /// Waits until the object says so of its present spec.
    async fn says(&self, name: &str, ready: &str, reason: &str) -> Result<Value> {
        let what = format!("TenantNamespace {name} to have Ready={ready} {reason}");
        eventually(&what, secs(60), async || {
            let object = self.admin.get(&self.at(name)).await?;
            let found = condition(&object, "Ready").cloned().unwrap_or_default();
            let is_current = found["observedGeneration"] == object["metadata"]["generation"];
            ensure!(
                is_current && found["status"] == ready && found["reason"] == reason,
                "{}",
                summary(&object)
            );
            Ok(object)
        })
        .await
    }

    /// Waits until neither the object nor its namespace is there.
    async fn is_gone(&self, name: &str) -> Result<()> {
        let namespace = path("namespaces", "", &self.namespace(name));
        eventually(&format!("TenantNamespace {name} to be gone"), secs(90), async || {
            ensure!(!self.scene.cluster.exists(&self.at(name)).await?, "the object is there");
            ensure!(!self.scene.cluster.exists(&namespace).await?, "the namespace is there");
            Ok(())
        })
        .await
    }

    /// The tenant's namespaces in the cluster.
    async fn namespaces(&self) -> Result<Vec<String>> {
        let selector = format!("?labelSelector=tenant-operator.io/tenant%3D{}", self.tenant.name);
        self.scene
            .cluster
            .names(&(path("namespaces", "", "") + &selector))
            .await
    }
}

fn body(name: &str, spec: Value) -> Value {
    json!({"apiVersion": "tenant-operator.io/v1alpha1", "kind": "TenantNamespace", "metadata": {"name": name}, "spec": spec})
}

#[tokio::test]
async fn an_admin_creates_a_namespace_and_deletes_it() -> Result<()> {
    let Some(site) = Site::new("tns", json!({})).await? else {
        return Ok(());
    };
    site.create("b", json!({"quota": {"pods": 4}})).await?;
    let object = site.says("b", "True", "Ready").await?;
    let namespace = site.namespace("b");
    ensure!(object["status"]["namespace"] == namespace.as_str(), "{object}");
    ensure!(
        object["spec"] == json!({"quota": {"pods": 4}}),
        "the spec stays: {object}"
    );
    let quota = path("resourcequotas", &namespace, "tenant");
    let hard = site.scene.cluster.get(&quota).await?["status"]["hard"].clone();
    ensure!(hard["pods"] == "4", "{hard}");
    let first = path("resourcequotas", &site.tenant.name, "tenant");
    eventually("the first namespace to have the rest", secs(30), async || {
        let hard = site.scene.cluster.get(&first).await?["status"]["hard"].clone();
        ensure!(hard["pods"] == "16", "{hard}");
        Ok(())
    })
    .await?;
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "own"}});
    eventually("its owners' rights", secs(10), async || {
        site.editor.create(&path("configmaps", &namespace, ""), &map).await?;
        Ok(())
    })
    .await?;
    ensure!(
        site.scene
            .cluster
            .exists(&path("networkpolicies", &namespace, "tenant-operator-deny-all"))
            .await?,
        "no network policy"
    );
    let tenant = site.tenant.ready().await?;
    ensure!(
        tenant["status"]["namespaces"].to_string().contains(&namespace),
        "{}",
        tenant["status"]["namespaces"]
    );
    let (columns, cells) = site.admin.table(&site.at(""), "b").await?;
    ensure!(columns[..4] == ["Name", "Namespace", "Ready", "Reason"], "{columns:?}");
    ensure!(cells[1] == namespace.as_str() && cells[2] == "True", "{cells:?}");
    eventually("an event", secs(20), async || {
        let events = site.admin.list(&path("events", &site.tenant.name, "")).await?;
        let is_told = events.iter().any(|event| {
            event["involvedObject"]["kind"] == "TenantNamespace" && event["involvedObject"]["name"] == "b"
        });
        ensure!(is_told, "{} events, none about it", events.len());
        Ok(())
    })
    .await?;
    site.delete("b").await?;
    site.is_gone("b").await?;
    eventually("the first namespace to have all again", secs(30), async || {
        let hard = site.scene.cluster.get(&first).await?["status"]["hard"].clone();
        ensure!(hard["pods"] == "20", "{hard}");
        Ok(())
    })
    .await?;
    site.tenant.ready().await?;
    Ok(())
}

#[tokio::test]
async fn only_an_admin_creates_one_and_only_in_the_first_namespace() -> Result<()> {
    let spec = json!({"namespaces": [{"name": "more"}]});
    let Some(site) = Site::new("tns-who", spec).await? else {
        return Ok(());
    };
    let new = body("b", json!({}));
    forbidden(
        "an Editor's",
        site.editor.create(&site.at(""), &new).await,
        &["cannot create"],
    )?;
    site.editor.list(&site.at("")).await.context("an Editor reads")?;
    let elsewhere = path("tenantnamespaces", &site.namespace("more"), "");
    forbidden(
        "in another namespace of the tenant",
        site.admin.create(&elsewhere, &new).await,
        &["first namespace of a tenant"],
    )?;
    let plain = site.scene.namespace("plain").await?;
    forbidden(
        "in nobody's namespace",
        site.scene
            .cluster
            .create(&path("tenantnamespaces", &plain, ""), &new)
            .await,
        &["first namespace of a tenant"],
    )?;
    let tier = site.scene.tier(json!({})).await?;
    let other = site.scene.tenant("other", &tier, json!({})).await?;
    other.ready().await?;
    forbidden(
        "in a tenant whose tier allows none",
        site.scene
            .cluster
            .create(&path("tenantnamespaces", &other.name, ""), &new)
            .await,
        &["allows no TenantNamespaces"],
    )?;
    refused(
        "a long name",
        site.admin.create(&site.at(""), &body(&"a".repeat(60), json!({}))).await,
        &["choose a shorter name"],
    )?;
    refused(
        "no DNS label",
        site.admin.create(&site.at(""), &body("a.b", json!({}))).await,
        &["DNS label"],
    )?;
    let status = json!({"status": {"namespace": "kube-system"}});
    forbidden(
        "a faked status",
        site.admin.patch(&(site.at("b") + "/status"), &status).await,
        &[],
    )
}

#[tokio::test]
async fn one_that_cannot_be_says_why_and_the_tenant_stays_ready() -> Result<()> {
    let spec = json!({"namespaces": [{"name": "staging", "quota": {"pods": 15}}]});
    let Some(site) = Site::new("tns-bad", spec).await? else {
        return Ok(());
    };
    let foreign = site.scene.namespace("foreign").await?;
    for (name, quota, reason, words) in [
        ("staging", json!({}), "NameTaken", "spec.namespaces"),
        ("foreign", json!({}), "Conflict", "not this tenant's"),
        ("large", json!({"pods": 6}), "QuotaExceeded", "6 is more than 5"),
        ("odd", json!({"pod": 1}), "InvalidSpec", "spec.quota.pod"),
    ] {
        site.create(name, json!({"quota": quota})).await?;
        let object = site.says(name, "False", reason).await?;
        let stalled = condition(&object, "Stalled").cloned().unwrap_or_default();
        ensure!(stalled["status"] == "True", "{}", summary(&object));
        ensure!(text(&stalled["message"]).contains(words), "{}", summary(&object));
    }
    site.tenant.ready().await?;
    ensure!(site.namespaces().await?.len() == 2, "{:?}", site.namespaces().await?);
    // What is corrected goes on.
    let smaller = json!({"spec": {"quota": {"pods": 5}}});
    site.admin
        .patch(&site.at("large"), &smaller)
        .await
        .context("a smaller quota")?;
    site.says("large", "True", "Ready").await?;
    // What is free by now too.
    site.scene.cluster.delete(&path("namespaces", "", &foreign)).await?;
    site.says("foreign", "True", "Ready").await?;
    site.create("third", json!({})).await?;
    site.says("third", "True", "Ready").await?;
    site.create("fourth", json!({})).await?;
    let object = site.says("fourth", "False", "TooManyNamespaces").await?;
    ensure!(
        object.to_string().contains("may create 3 namespaces"),
        "{}",
        summary(&object)
    );
    // Those that hold nothing go at once, and with one that does comes room.
    for name in ["staging", "odd", "third"] {
        site.delete(name).await?;
    }
    eventually("the refused ones to be gone", secs(10), async || {
        for name in ["staging", "odd"] {
            ensure!(!site.scene.cluster.exists(&site.at(name)).await?, "{name} is there");
        }
        Ok(())
    })
    .await?;
    site.says("fourth", "True", "Ready").await?;
    let staging = path("namespaces", "", &site.namespace("staging"));
    ensure!(
        site.scene.cluster.exists(&staging).await?,
        "the Tenant's own namespace is gone"
    );
    site.tenant.ready().await?;
    Ok(())
}

#[tokio::test]
async fn many_in_a_loop_leave_nothing_behind_and_never_overrun() -> Result<()> {
    let Some(site) = Site::new("tns-loop", json!({})).await? else {
        return Ok(());
    };
    let names: Vec<String> = (0..20).map(|i| format!("n{i}")).collect();
    for name in &names {
        site.create(name, json!({})).await?;
    }
    for name in &names {
        eventually(&format!("{name} to have its turn"), secs(120), async || {
            let found = site.namespaces().await?;
            ensure!(found.len() <= 4, "the tenant has {found:?}, more than its tier allows");
            let object = site.admin.get(&site.at(name)).await?;
            let ready = condition(&object, "Ready").cloned().unwrap_or_default();
            ensure!(ready["status"] == "True", "{}", summary(&object));
            Ok(())
        })
        .await?;
        site.delete(name).await?;
    }
    for name in &names {
        site.is_gone(name).await?;
    }
    let left = site.namespaces().await?;
    ensure!(left == [site.tenant.name.clone()], "{left:?} are left");
    site.tenant.ready().await?;
    Ok(())
}

#[tokio::test]
async fn they_are_retained_and_reclaimed_with_the_tenant() -> Result<()> {
    let spec =
        json!({"deletionPolicy": "Retain", "id": format!("{:08x}-0000-4000-8000-000000000000", std::process::id())});
    let Some(site) = Site::new("tns-keep", spec.clone()).await? else {
        return Ok(());
    };
    site.create("b", json!({})).await?;
    site.says("b", "True", "Ready").await?;
    let namespace = site.namespace("b");
    site.scene.will_leave_namespace(&site.tenant.name);
    site.scene.will_leave_namespace(&namespace);
    let whole = site.tenant.get().await?;
    site.tenant.delete().await?;
    site.tenant.gone().await?;
    let at = path("namespaces", "", &namespace);
    let kept = site.scene.cluster.get(&at).await?;
    ensure!(
        kept["metadata"]["labels"]["tenant-operator.io/retained"] == "true",
        "{kept}"
    );
    let object = site.scene.cluster.get(&site.at("b")).await?;
    ensure!(object["metadata"]["finalizers"].is_null(), "{object}");
    // Under its id the tenant comes back with all it had.
    let tier = text(&whole["spec"]["tier"]);
    let mut again = whole["spec"].clone();
    again["deletionPolicy"] = json!("Delete");
    let tenant = site.scene.tenant_called(&site.tenant.name, &tier, again).await?;
    tenant.ready().await?;
    site.says("b", "True", "Ready").await?;
    let back = site.scene.cluster.get(&at).await?;
    ensure!(back["metadata"]["uid"] == kept["metadata"]["uid"], "another namespace");
    // With the first namespace nothing hangs.
    tenant.delete().await?;
    tenant.gone().await?;
    eventually("its namespaces to be gone", secs(60), async || {
        let left = site.namespaces().await?;
        ensure!(left.is_empty(), "{left:?} are left");
        Ok(())
    })
    .await
}
