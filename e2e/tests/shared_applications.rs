//! Shared applications of the platform: each tenant reaches one by its own host, with its own id, and nothing else of its namespace.

use crate::support::gateway::{Door, Issuer, key, ready, sent, x_api_key};
use crate::support::{Scene, TestTenant, eventually, forbidden, operator, path, pods, refused, secs, text};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

/// The namespace that `e2e/up.sh` gives the chart.
pub const NAMESPACE: &str = "shared-applications";

/// An application there: its Service.
pub async fn application(scene: &Scene, suffix: &str) -> Result<String> {
    let name = format!("{}-{suffix}", scene.name);
    ensure!(
        scene.cluster.exists(&path("namespaces", "", NAMESPACE)).await?,
        "there is no namespace {NAMESPACE}: make up makes it"
    );
    pods::account(&scene.cluster, NAMESPACE).await?;
    scene.will_leave(&path("pods", NAMESPACE, &name));
    scene.will_leave(&path("services", NAMESPACE, &name));
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
        "spec": {"selector": {"app": name}, "ports": [{"port": 80, "targetPort": 8080}]},
    });
    scene
        .cluster
        .create(&path("services", NAMESPACE, ""), &service)
        .await
        .context("a Service")?;
    pods::run(&scene.cluster, NAMESPACE, &name).await?;
    Ok(name)
}

async fn tier(scene: &Scene, services: &[(&str, &str)], over: Value) -> Result<String> {
    let one =
        |(name, service): &(&str, &str)| json!({"name": name, "namespace": NAMESPACE, "service": service, "port": 80});
    let applications: Vec<Value> = services.iter().map(one).collect();
    let mut spec = json!({
        "isolation": {"allowed": ["SharedData", "SharedApplication"]},
        "gateway": {"applications": applications},
    });
    crate::support::scene::lay_over(&mut spec, over);
    scene.tier(spec).await
}

/// A tenant that has nothing of its own, at its host.
async fn sharer(scene: &Scene, suffix: &str, tier: &str, gateway: Value) -> Result<(TestTenant, String)> {
    let host = format!("{}-{suffix}.example.com", scene.name);
    let mut whole = json!({"hosts": [host], "routes": [{"backend": {"application": "crm"}}]});
    crate::support::scene::lay_over(&mut whole, gateway);
    let spec = json!({"isolation": {"model": "SharedData"}, "gateway": whole});
    Ok((scene.tenant(suffix, tier, spec).await?, host))
}

fn grant(tenant: &str) -> String {
    path("referencegrants", NAMESPACE, &format!("tenant-operator-{tenant}"))
}

/// Returns a tenant's grants.
async fn granted(tenant: &TestTenant) -> Result<Value> {
    let found = tenant.cluster.get(&grant(&tenant.name)).await.context("the grant")?;
    Ok(found["spec"].clone())
}

fn only(tenant: &str, service: &str) -> Value {
    json!({
        "from": [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "namespace": tenant}],
        "to": [{"group": "", "kind": "Service", "name": service}],
    })
}

#[tokio::test]
async fn each_tenant_reaches_the_application_as_itself() -> Result<()> {
    let Some(door) = Door::find("shared applications") else {
        return Ok(());
    };
    let scene = Scene::new("sharing").await?;
    let (crm, other) = tokio::try_join!(application(&scene, "crm"), application(&scene, "other"))?;
    let tier_name = tier(&scene, &[("crm", &crm)], json!({})).await?;
    let (a, at_a) = sharer(&scene, "a", &tier_name, json!({})).await?;
    let keys = json!({"authentication": {"apiKeys": [{"name": "ci"}]}});
    let (b, at_b) = sharer(&scene, "b", &tier_name, keys).await?;
    let (now_a, now_b) = (ready(&a).await?, ready(&b).await?);
    let key = x_api_key(&key(&b, "ci").await?);
    door.serves(&at_a, "/hostname", &[]).await?;
    door.serves(&at_b, "/hostname", &[&key]).await?;
    ensure!(
        door.answers(200, &at_a, "/hostname", &[]).await?.body.trim() == crm,
        "another pod answers"
    );
    // A client's own headers have no effect.
    let forged = format!("X-Tenant-ID: {}", b.name);
    for (host, now, tenant, headers) in [
        (&at_a, &now_a, &a, vec![forged.as_str()]),
        (&at_b, &now_b, &b, vec![key.as_str(), "X-Tenant-Name: mallory"]),
    ] {
        let id = text(&now["status"]["id"]);
        for (name, expected) in [
            ("X-Tenant-Id", id.as_str()),
            ("X-Tenant-Name", tenant.name.as_str()),
            ("X-Tenant-Tier", tier_name.as_str()),
        ] {
            let told = sent(&door, host, "", name, &headers).await?;
            ensure!(told == expected, "{host} {name}: {told:?} instead of {expected:?}");
        }
    }
    // By the other's host only as the other, which asks for its key.
    door.answers(401, &at_b, "/hostname", &[]).await?;

    ensure!(granted(&a).await? == only(&a.name, &crm), "{}", granted(&a).await?);
    ensure!(granted(&b).await? == only(&b.name, &crm), "{}", granted(&b).await?);
    // A grant that somebody widened is mended.
    let wide = json!({"spec": {"to": [{"group": "", "kind": "Service"}]}});
    scene.cluster.patch(&grant(&a.name), &wide).await.context("widen")?;
    eventually("the grant to be mended", secs(30), async || {
        let now = granted(&a).await?;
        ensure!(now == only(&a.name, &crm), "{now}");
        Ok(())
    })
    .await?;
    // A tenant's own routes to it could carry forged headers.
    for service in [&crm, &other] {
        let route = json!({
            "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": {"name": "own"},
            "spec": {
                "parentRefs": [{"name": "x"}], "hostnames": [at_a],
                "rules": [{"backendRefs": [{"name": service, "namespace": NAMESPACE, "port": 80}]}],
            },
        });
        let made = scene.cluster.create(&path("httproutes", &a.name, ""), &route).await;
        forbidden("a route to another namespace", made, &["of its own namespaces"])?;
    }

    // Suspended: closed, and granted as before.
    a.patch(json!({"suspend": true})).await?;
    eventually("the tenant to be closed", secs(30), async || {
        door.answers(503, &at_a, "/hostname", &[]).await.map(|_| ())
    })
    .await?;
    ensure!(granted(&a).await? == only(&a.name, &crm), "{}", granted(&a).await?);
    a.patch(json!({"suspend": false})).await?;
    ready(&a).await?;
    door.serves(&at_a, "/hostname", &[]).await?;

    // The same whatever else is wrong.
    a.patch(json!({"tier": "no-such-tier"})).await?;
    a.not_ready(&["TierNotFound"], &["no-such-tier"]).await?;
    door.answers(200, &at_a, "/hostname", &[]).await?;
    a.patch(json!({"suspend": true})).await?;
    eventually("the tenant to be closed", secs(30), async || {
        let answer = door.answers(503, &at_a, "/hostname", &[]).await?;
        ensure!(answer.body.contains("suspended"), "{}", answer.body);
        Ok(())
    })
    .await?;
    a.patch(json!({"suspend": false, "tier": tier_name})).await?;
    ready(&a).await?;
    door.serves(&at_a, "/hostname", &[]).await?;

    // No route, no grant; no tenant, no grant. The other keeps its own.
    a.patch(json!({"gateway": {"routes": null}})).await?;
    eventually("the grant to be gone", secs(30), async || {
        ensure!(!scene.cluster.exists(&grant(&a.name)).await?, "it is there");
        Ok(())
    })
    .await?;
    door.answers(200, &at_b, "/hostname", &[&key]).await?;
    b.patch(json!({"deletionPolicy": "Retain"})).await?;
    b.delete().await?;
    b.gone().await?;
    ensure!(
        !scene.cluster.exists(&grant(&b.name)).await?,
        "the grant outlives its tenant"
    );
    scene.will_leave_namespace(&b.name);
    door.answers(404, &at_b, "/hostname", &[&key]).await.map(|_| ())
}

#[tokio::test]
async fn an_application_that_the_tier_takes_away_is_reached_no_more_and_no_other_is_touched() -> Result<()> {
    let Some(door) = Door::find("taken applications") else {
        return Ok(());
    };
    let scene = Scene::new("taken").await?;
    let (crm, chat) = tokio::try_join!(application(&scene, "crm"), application(&scene, "chat"))?;
    let tier_name = tier(&scene, &[("crm", &crm), ("chat", &chat)], json!({})).await?;
    let at = |path: &str, application: &str| json!({"path": {"type": "Exact", "value": path}, "backend": {"application": application}});
    let routes = json!({"routes": [at("/hostname", "crm"), at("/clientip", "chat")]});
    let (open, at_open) = sharer(&scene, "open", &tier_name, routes.clone()).await?;
    let mut keyed = routes;
    keyed["authentication"] = json!({"apiKeys": [{"name": "ci"}]});
    let (guarded, at_guarded) = sharer(&scene, "guarded", &tier_name, keyed).await?;
    ready(&open).await?;
    ready(&guarded).await?;
    let key = x_api_key(&key(&guarded, "ci").await?);
    let asked: [(&str, &[&str]); 2] = [(&at_open, &[]), (&at_guarded, &[&key])];
    let answers = async |of_crm: u16, of_chat: u16| -> Result<()> {
        eventually(&format!("{of_crm} and {of_chat}"), secs(30), async || {
            for (host, headers) in asked {
                door.answers(of_crm, host, "/hostname", headers).await?;
                door.answers(of_chat, host, "/clientip", headers).await?;
            }
            Ok(())
        })
        .await
    };
    answers(200, 200).await?;

    let applications = scene.cluster.get(&path("tenanttiers", "", &tier_name)).await?;
    let applications = applications["spec"]["gateway"]["applications"].clone();
    let change = async |applications: Value| {
        let tier = path("tenanttiers", "", &tier_name);
        let spec = json!({"spec": {"gateway": {"applications": applications}}});
        scene.cluster.patch(&tier, &spec).await
    };
    change(json!([applications[1]])).await?;
    answers(503, 200).await?;
    let words = [
        "spec.gateway.routes[0].backend.application",
        "has no application crm",
        tier_name.as_str(),
    ];
    for tenant in [&open, &guarded] {
        tenant.not_ready(&["GatewayNotReady"], &words).await?;
        tenant
            .condition("GatewayReady", "False", &["NoSuchApplication"])
            .await?;
        ensure!(
            granted(tenant).await? == only(&tenant.name, &chat),
            "{}",
            granted(tenant).await?
        );
    }
    // With the last application goes the grant.
    change(json!([])).await?;
    answers(503, 503).await?;
    eventually("the grants to be gone", secs(30), async || {
        for tenant in [&open, &guarded] {
            ensure!(!scene.cluster.exists(&grant(&tenant.name)).await?, "{}", tenant.name);
        }
        Ok(())
    })
    .await?;
    change(applications).await?;
    answers(200, 200).await?;
    ready(&open).await?;
    ready(&guarded).await.map(|_| ())
}

#[tokio::test]
async fn a_route_leads_to_what_the_tier_names_where_the_platform_has_it() -> Result<()> {
    let scene = Scene::new("misled").await?;
    if Door::find("misled").is_none() {
        return Ok(());
    }
    let plain = scene.tier(json!({"isolation": {"default": "SharedData"}})).await?;
    let victim = scene.tenant("victim", &plain, json!({})).await?;
    victim.ready().await?;
    let at = |namespace: &str| json!({"name": "crm", "namespace": namespace, "service": "web", "port": 80});
    for (namespace, words) in [
        (victim.name.as_str(), "gateway.applicationNamespaces"),
        (operator::NAMESPACE, "the namespace of the operator"),
        (operator::GATEWAY_NAMESPACE, "the namespace of the gateway"),
        ("default", "gateway.applicationNamespaces"),
    ] {
        let tier = scene
            .tier(json!({"isolation": {"default": "SharedData"}, "gateway": {"applications": [at(namespace)]}}))
            .await?;
        let suffix = format!("to-{}", tier.rsplit('-').next().unwrap_or_default());
        let (tenant, _) = sharer(&scene, &suffix, &tier, json!({})).await?;
        tenant
            .not_ready(&["InvalidSpec"], &["spec.gateway.routes[0].backend.application", words])
            .await?;
        ensure!(
            !scene.cluster.exists(&grant(&tenant.name)).await?,
            "it is granted all the same"
        );
    }
    // Nobody makes a tenant of the namespace, and no tier says Kubernetes' own.
    let body = Scene::tenant_body(NAMESPACE, &plain, json!({}));
    scene.will_make_tenant(NAMESPACE);
    scene.cluster.create(&path("tenants", "", ""), &body).await?;
    TestTenant::new(scene.cluster.clone(), NAMESPACE)
        .not_ready(&["InvalidSpec"], &["metadata.name", "shared applications"])
        .await?;
    let tier = json!({
        "apiVersion": "tenant-operator.io/v1alpha1", "kind": "TenantTier", "metadata": {"name": format!("{}-bad", scene.name)},
        "spec": {"gateway": {"applications": [at("kube-system")]}},
    });
    let made = scene.cluster.create(&path("tenanttiers", "", ""), &tier).await;
    refused("an application in kube-system", made, &["that Kubernetes reserves"])
}

#[tokio::test]
async fn a_shared_application_is_guarded_by_tokens_as_a_workload_is() -> Result<()> {
    let Some(door) = Door::find("shared tokens") else {
        return Ok(());
    };
    let scene = Scene::new("shtoken").await?;
    let issuer = Issuer::new(&scene, "issuer").await?;
    let crm = application(&scene, "crm").await?;
    let tier = tier(&scene, &[("crm", &crm)], json!({"gateway": {"jwt": issuer.spec()}})).await?;
    let (a, at_a) = sharer(&scene, "a", &tier, json!({})).await?;
    let (b, at_b) = sharer(&scene, "b", &tier, json!({})).await?;
    ready(&a).await?;
    ready(&b).await?;
    let (of_a, of_b) = (
        issuer.token(json!({"tenant_id": a.name}))?,
        issuer.token(json!({"tenant_id": b.name}))?,
    );
    door.serves(&at_a, "/hostname", &[&of_a]).await?;
    door.serves(&at_b, "/hostname", &[&of_b]).await?;
    door.answers(403, &at_a, "/hostname", &[&of_b]).await?;
    door.answers(403, &at_b, "/hostname", &[&of_a]).await?;
    door.answers(401, &at_a, "/hostname", &[]).await.map(|_| ())
}
