//! Openings between tenants that somebody made: each is found, named, and forgotten when it is closed.

use super::together::Ticket;
use crate::support::database::Site;
use crate::support::{
    Scene, TestTenant, condition, eventually, kubectl, operator, path, refused, secs, server_workload, summary, text,
};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

/// The time for a status to show an opening in RBAC, and its end.
const TOLD: u64 = 20;

pub async fn isolated_within(within: u64, tenant: &TestTenant, status: &str, words: &[&str]) -> Result<Value> {
    let what = format!("{} to have Isolated={status} {words:?}", tenant.name);
    eventually(&what, secs(within), async || {
        let now = tenant.get().await?;
        let found = condition(&now, "Isolated").cloned().unwrap_or_default();
        let message = text(&found["message"]);
        let said = words.iter().all(|word| message.contains(word));
        ensure!(found["status"] == status && said, "{}", summary(&now));
        Ok(now)
    })
    .await
}

async fn isolated(tenant: &TestTenant, status: &str, words: &[&str]) -> Result<Value> {
    isolated_within(TOLD, tenant, status, words).await
}

fn binding(kind: &str, name: &str, role: &str, subject: Value) -> Value {
    json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": {"name": name},
           "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
           "subjects": [subject]})
}

fn person(kind: &str, name: &str) -> Value {
    json!({"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name})
}

/// Two tenants, `a` of which `<scene>-alice` is the owner, and `b` of which `<scene>-bob` is.
pub async fn alices_and_bobs(scene: &Scene) -> Result<(TestTenant, TestTenant)> {
    let tier = scene.tier(json!({})).await?;
    let owner =
        |name: &str| json!({"owners": [{"kind": "User", "name": format!("{}-{name}", scene.name), "role": "Admin"}]});
    Ok((
        scene.tenant("a", &tier, owner("alice")).await?,
        scene.tenant("b", &tier, owner("bob")).await?,
    ))
}

pub async fn what_rbac_opens_is_found_named_and_forgotten() -> Result<()> {
    let scene = Scene::new("apart").await?;
    let (a, b) = alices_and_bobs(&scene).await?;
    for tenant in [&a, &b] {
        tenant.ready().await?;
        // The network may be tried besides.
        let all = ["api-access", "network-policies", "endpoints", "admission", "quota"];
        let now = isolated(tenant, "True", &all).await?;
        ensure!(
            now["status"]["isolation"]["passed"].as_u64() >= Some(5),
            "{}",
            now["status"]["isolation"]
        );
    }
    let role = format!("{}-reader", scene.name);
    let rules = json!([{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]);
    let at = path("clusterroles", "", &role);
    scene.will_leave(&at);
    let body = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": role}, "rules": rules});
    scene.cluster.create(&path("clusterroles", "", ""), &body).await?;

    let bob = format!("{}-bob", scene.name);
    let account = json!({"kind": "ServiceAccount", "namespace": b.name, "name": "app"});
    // Each opening, and the tenants that it concerns.
    let faults: [(&str, &str, Value, &[&TestTenant], &str); 6] = [
        ("rolebindings", &a.name, person("User", &bob), &[&a, &b], &bob),
        ("rolebindings", &a.name, account.clone(), &[&a, &b], "app"),
        (
            "rolebindings",
            &a.name,
            person("Group", "system:authenticated"),
            &[&a],
            "everybody",
        ),
        (
            "rolebindings",
            operator::NAMESPACE,
            person("User", &bob),
            &[&b],
            operator::NAMESPACE,
        ),
        ("clusterrolebindings", "", account, &[&b], "every namespace"),
        (
            "clusterrolebindings",
            "",
            person("Group", "system:authenticated"),
            &[&a, &b],
            "everybody",
        ),
    ];
    for (number, (resource, namespace, subject, concerned, word)) in faults.into_iter().enumerate() {
        let kind = if resource == "rolebindings" {
            "RoleBinding"
        } else {
            "ClusterRoleBinding"
        };
        let name = format!("{}-{number}", scene.name);
        let at = path(resource, namespace, &name);
        scene.will_leave(&at);
        scene
            .cluster
            .create(
                &path(resource, namespace, ""),
                &binding(kind, &name, &role, subject.clone()),
            )
            .await
            .with_context(|| format!("{kind} to {subject}"))?;
        for tenant in [&a, &b] {
            if concerned.iter().any(|one| one.name == tenant.name) {
                let now = isolated(tenant, "False", &["api-access", kind, &name, word, "get secrets"]).await?;
                ensure!(
                    condition(&now, "Ready").is_some_and(|c| c["status"] == "True"),
                    "{}",
                    summary(&now)
                );
                let violation = &now["status"]["isolation"]["violations"][0];
                ensure!(
                    violation["check"] == "api-access" && violation["severity"] == "Critical",
                    "{violation}"
                );
            }
        }
        for tenant in [&a, &b] {
            if !concerned.iter().any(|one| one.name == tenant.name) {
                isolated(tenant, "True", &[]).await?;
            }
        }
        if number == 0 {
            is_told_to_the_right_people(&scene, &a, &b).await?;
        }
        scene.cluster.delete(&at).await?;
        for tenant in [&a, &b] {
            isolated(tenant, "True", &["api-access"]).await?;
        }
    }
    Ok(())
}

/// Policies add up: an administrator's policy opens a way that the operator's close.
pub async fn what_a_network_policy_opens_is_found_named_and_forgotten() -> Result<()> {
    let scene = Scene::new("walls").await?;
    let tier = scene.tier(json!({})).await?;
    let owners =
        json!({"owners": [{"kind": "User", "name": scene.name, "role": "Admin"}], "namespaces": [{"name": "more"}]});
    let (a, b) = (
        scene.tenant("a", &tier, owners).await?,
        scene.tenant("b", &tier, json!({})).await?,
    );
    for tenant in [&a, &b] {
        tenant.ready().await?;
        isolated(tenant, "True", &["network-policies"]).await?;
    }
    let owner = scene.cluster.impersonate(&scene.name, &["system:authenticated"])?;
    let more = format!("{}-more", a.name);
    let named = |name: &str| json!({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}});
    let ingress = |peers: &[Value]| json!({"podSelector": {}, "ingress": [{"from": peers}]});
    let policy = |spec: &Value| json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "own"}, "spec": spec});
    let all = path("networkpolicies", &more, "");
    let at = path("networkpolicies", &more, "own");
    scene.will_leave(&at);
    // An owner stays within the tenant.
    owner
        .create(&all, &policy(&ingress(&[named(&a.name)])))
        .await
        .context("an owner's policy")?;
    isolated(&a, "True", &["network-policies"]).await?;
    let wider = json!({"spec": ingress(&[named(&b.name)])});
    refused(
        "an owner lets another tenant in",
        owner.patch(&at, &wider).await,
        &["kubernetes.io/metadata.name among"],
    )?;
    let faults = [
        (
            ingress(&[named(&b.name)]),
            "allows ingress from pods of tenant",
            b.name.as_str(),
        ),
        (
            json!({"podSelector": {}, "ingress": [{}]}),
            "allows ingress from everybody",
            "",
        ),
        (
            json!({"podSelector": {}, "egress": [{"to": [named(&b.name)]}]}),
            "allows egress to pods of tenant",
            b.name.as_str(),
        ),
        (
            json!({"podSelector": {}, "egress": [{"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}]}),
            "the cluster's own addresses",
            "",
        ),
    ];
    for (spec, words, counterpart) in faults {
        scene.cluster.delete(&at).await?;
        scene.cluster.create(&all, &policy(&spec)).await?;
        let now = isolated(
            &a,
            "False",
            &[
                "network-policies",
                &format!("NetworkPolicy {more}/own"),
                words,
                counterpart,
            ],
        )
        .await?;
        let violation = &now["status"]["isolation"]["violations"][0];
        ensure!(
            violation["severity"] == "High" && text(&violation["counterpart"]) == counterpart,
            "{violation}"
        );
        isolated(&b, "True", &[]).await?;
    }
    scene.cluster.delete(&at).await?;
    isolated(&a, "True", &["network-policies"]).await.map(|_| ())
}

/// A slice that no Service's selector made leads where its writer wants.
pub async fn where_a_written_slice_leads_is_found_named_and_forgotten() -> Result<()> {
    let scene = Scene::new("slices").await?;
    let tier = scene.tier(json!({})).await?;
    let web = json!({"workloads": [server_workload("web")]});
    let (a, b) = (
        scene.tenant("a", &tier, web.clone()).await?,
        scene.tenant("b", &tier, web).await?,
    );
    for tenant in [&a, &b] {
        tenant.ready().await?;
        isolated(tenant, "True", &["endpoints"]).await?;
    }
    let pod = async |tenant: &TestTenant| -> Result<String> {
        let names = tenant.pods("web", 1).await?;
        let pod = scene.cluster.get(&path("pods", &tenant.name, &names[0])).await?;
        Ok(text(&pod["status"]["podIP"]))
    };
    let (own, theirs) = (pod(&a).await?, pod(&b).await?);
    let slice = |address: &str| {
        json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
               "metadata": {"name": "planted", "labels": {"kubernetes.io/service-name": "web"}},
               "endpoints": [{"addresses": [address]}], "ports": [{"port": 8080}]})
    };
    let (all, at) = (
        path("endpointslices", &a.name, ""),
        path("endpointslices", &a.name, "planted"),
    );
    scene.will_leave(&at);
    // To its own pod it may lead.
    scene.cluster.create(&all, &slice(&own)).await?;
    scene.cluster.delete(&at).await?;
    scene.cluster.create(&all, &slice(&theirs)).await?;
    let planted = format!("EndpointSlice {}/planted leads to a pod of tenant {}", a.name, b.name);
    for (tenant, other, direction) in [(&a, &b, "Outward"), (&b, &a, "Inward")] {
        let now = isolated(tenant, "False", &["endpoints", &planted, &theirs]).await?;
        let violation = &now["status"]["isolation"]["violations"][0];
        ensure!(
            violation["direction"] == direction && text(&violation["counterpart"]) == other.name,
            "{violation}"
        );
    }
    scene.cluster.delete(&at).await?;
    for tenant in [&a, &b] {
        isolated(tenant, "True", &["endpoints"]).await?;
    }
    Ok(())
}

/// An event and the condition name the other tenant for the cluster's administrators. The tenant's own users learn only that something is open.
async fn is_told_to_the_right_people(scene: &Scene, a: &TestTenant, b: &TestTenant) -> Result<()> {
    let view = path("tenantviews", &a.name, &a.name);
    eventually("the tenant's own view to say it", secs(TOLD), async || {
        let view = scene.cluster.get(&view).await?;
        let conditions = view["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let found = conditions
            .iter()
            .find(|c| c["type"] == "Isolated")
            .cloned()
            .unwrap_or_default();
        ensure!(found["status"] == "False", "{found}");
        ensure!(
            !view["status"].to_string().contains(&b.name),
            "it names another tenant: {}",
            view["status"]
        );
        Ok(())
    })
    .await?;
    eventually("an event", secs(TOLD), async || {
        let events = kubectl::run(&["get", "events", "-A", "-o", "json"]).await?;
        let events: Value = serde_json::from_str(&events)?;
        let told = events["items"].as_array().is_some_and(|events| {
            events
                .iter()
                .any(|event| event["reason"] == "IsolationViolated" && event["involvedObject"]["name"] == a.name)
        });
        ensure!(told, "there is none");
        Ok(())
    })
    .await
}

/// The server's administrator opens a door that the operator cannot close.
pub async fn what_a_servers_administrator_opens_is_found(restart: Ticket<'_>) -> Result<()> {
    let Some(site) = Site::find("what_a_servers_administrator_opens_is_found") else {
        return Ok(());
    };
    let scene = Scene::new("dbapart").await?;
    let selector = json!({"matchLabels": {"region": "local"}});
    let database = json!({"database": {"model": "Schema", "serverSelector": selector}});
    let tier = scene.tier(database).await?;
    let tenant = scene.tenant("", &tier, json!({})).await?;
    let login = tenant.with_database().await?.user().to_owned();
    isolated(&tenant, "True", &["database-access"]).await?;

    let superuser = site.superuser("postgres").await?;
    superuser
        .works(&format!("GRANT CONNECT ON DATABASE postgres TO {login}"))
        .await?;
    let planted = async {
        // A login is tried when the operator starts, and every ten minutes.
        restart.restarted(&scene.cluster).await?;
        eventually("it to be found", secs(60), async || {
            isolated(&tenant, "False", &["database-access", "connect to postgres"]).await
        })
        .await
    };
    let found = planted.await;
    superuser
        .works(&format!("REVOKE CONNECT ON DATABASE postgres FROM {login}"))
        .await?;
    found?;
    eventually("it to be forgotten", secs(90), async || {
        isolated(&tenant, "True", &["database-access"]).await
    })
    .await?;
    tenant.with_database().await?;
    Ok(())
}
