use super::{Example, on};
use crate::seeds::SEVEN_FIGURES;
use crate::support::database::Binding;
use crate::support::gateway::{SHARED_HOST, key, x_api_key};
use crate::support::quantity::ensure_hard;
use crate::support::{condition, eventually, path, refused, secs};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Instant;

const A: &str = "tenant-a.api.enterprise.example.com";
const B: &str = "tenant-b.api.enterprise.example.com";
const C: &str = "tenant-c.api.enterprise.example.com";
const D: &str = "tenant-d.api.enterprise.example.com";
const EXECUTIVE: &str = "/api/executive";

#[tokio::test]
async fn agentic_apisix() -> Result<()> {
    on("agentic-apisix", lines).await
}

async fn lines(example: &Example) -> Result<()> {
    let [a, b, d] = ["agentic-a", "agentic-b", "agentic-d"].map(|name| example.tenant(name));
    let key_a = x_api_key(&key(&a, "tenant-a-api").await?);
    let key_b = x_api_key(&key(&b, "tenant-b-api").await?);
    let key_c = x_api_key(&key(&example.tenant("agentic-c"), "tenant-c-api").await?);
    let key_d = x_api_key(&key(&d, "tenant-d-api").await?);
    let token = example
        .token(json!({"tenant_id": "agentic-a", "roles": ["user"]}))
        .await?;
    for (host, key) in [(A, &key_a), (B, &key_b), (C, &key_c), (D, &key_d)] {
        example.door.serves(host, EXECUTIVE, &[key]).await?;
    }
    let id = a.id().await?;
    example
        .line(1, async || {
            let quota = example
                .cluster
                .get(&path("resourcequotas", "agentic-a", "tenant"))
                .await?;
            ensure_hard(&quota, &SEVEN_FIGURES)?;
            a.pods("executive-service", 3).await?;
            let seen = example.whoami(A, EXECUTIVE, &[&key_a]).await?;
            ensure!(
                seen["environment"]["TENANT_ID"] == id.as_str(),
                "{}",
                seen["environment"]
            );
            Ok(())
        })
        .await;
    example
        .line(2, async || {
            let by_path = format!("/tenants/agentic-a{EXECUTIVE}");
            for (host, path, headers) in [
                (A, EXECUTIVE, vec![key_a.as_str()]),
                (A, EXECUTIVE, vec![token.as_str()]),
                (SHARED_HOST, by_path.as_str(), vec![key_a.as_str()]),
                (SHARED_HOST, EXECUTIVE, vec![key_a.as_str(), "X-Tenant-ID: agentic-a"]),
                (A, "/resources", vec![key_a.as_str()]),
            ] {
                example.door.answers(200, host, path, &headers).await?;
            }
            example.door.answers(403, A, "/resources", &[&token]).await.map(|_| ())
        })
        .await;
    example
        .line(4, async || {
            let forged = ["X-Tenant-ID: forged", "X-Tenant-Name: forged", "X-Tenant-Tier: forged"];
            let headers: Vec<&str> = forged.into_iter().chain([key_a.as_str()]).collect();
            let seen = example.whoami(A, EXECUTIVE, &headers).await?;
            let told = &seen["headers"];
            ensure!(
                told["x-tenant-id"] == id.as_str() && told["x-tenant-name"] == "agentic-a",
                "{told}"
            );
            ensure!(!told.to_string().contains("forged"), "{told}");
            Ok(())
        })
        .await;
    example
        .line(8, async || {
            models(example, [(A, &key_a), (B, &key_b), (C, &key_c), (D, &key_d)]).await
        })
        .await;
    example.line(6, async || ejection(example, &key_a).await).await;
    example
        .line(5, async || {
            // No client here sends so much in a second, so the gateway's word counts.
            let answer = example.door.answers(200, C, EXECUTIVE, &[&key_c]).await?;
            let limits = answer
                .headers
                .get("x-ratelimit-limit")
                .context("no X-RateLimit-Limit")?;
            ensure!(limits.contains("550;w=1") && limits.contains("1000;w=60"), "{limits}");
            example.limit(D, EXECUTIVE, &key_d, 1000).await
        })
        .await;
    example
        .line(11, async || {
            let claim = |name: &str, size: &str| {
                json!({
                    "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name},
                    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}},
                })
            };
            let claims = path("persistentvolumeclaims", "agentic-a", "");
            let made = example.cluster.create(&claims, &claim("large", "501Gi")).await;
            refused("a volume above the largest", made, &["maximum storage usage", "500Gi"])?;
            for name in ["first", "second"] {
                example.cluster.create(&claims, &claim(name, "500Gi")).await?;
            }
            let made = example.cluster.create(&claims, &claim("third", "500Gi")).await;
            for name in ["first", "second"] {
                let at = path("persistentvolumeclaims", "agentic-a", name);
                example.cluster.delete(&at).await?;
            }
            refused(
                "a claim beyond the quota",
                made,
                &["exceeded quota", "requests.storage"],
            )
        })
        .await;
    example
        .line(14, async || {
            let mine = example.cluster.names(&path("secrets", "agentic-a", "")).await?;
            let name = "tenant-encryption-key";
            ensure!(mine.iter().any(|found| found == name), "no {name} in {mine:?}");
            let seen = example.whoami(A, EXECUTIVE, &[&key_a]).await?;
            ensure!(seen["bindings"]["encryption-key"].is_array(), "{}", seen["bindings"]);
            Ok(())
        })
        .await;
    example
        .line(3, async || {
            example
                .door
                .answers(401, A, EXECUTIVE, &["Authorization: Bearer a.b.c"])
                .await?;
            example.door.answers(401, A, EXECUTIVE, &[]).await?;
            example.door.answers(401, SHARED_HOST, EXECUTIVE, &[]).await?;
            example
                .door
                .answers(401, SHARED_HOST, EXECUTIVE, &["X-Tenant-ID: nobody"])
                .await?;
            example
                .door
                .answers(401, SHARED_HOST, "/tenants/nobody/api/executive", &[])
                .await?;
            let other = example
                .token(json!({"tenant_id": "agentic-b", "roles": ["admin"]}))
                .await?;
            example.door.answers(403, A, EXECUTIVE, &[&other]).await?;
            b.patch(json!({"suspend": true})).await?;
            eventually("the tenant to be closed", secs(30), async || {
                example.door.answers(503, B, EXECUTIVE, &[&key_b]).await.map(|_| ())
            })
            .await?;
            b.patch(json!({"suspend": false})).await?;
            b.ready().await.map(|_| ())
        })
        .await;
    example.line(15, async || planted(example, &key_a).await).await;
    example
        .line(12, async || {
            example.within_a_minute(A, EXECUTIVE, &key_a, 1001).await?;
            let french = example
                .door
                .answers(429, A, EXECUTIVE, &[&key_a, "Accept-Language: fr-CH, en"])
                .await?;
            ensure!(french.body.contains("trop de requêtes"), "{}", french.body);
            let other = example
                .door
                .answers(429, A, EXECUTIVE, &[&key_a, "Accept-Language: de"])
                .await?;
            ensure!(other.body.contains("too many requests"), "{}", other.body);
            Ok(())
        })
        .await;
    Ok(())
}

/// The pods that answer `count` requests.
async fn answering(example: &Example, key: &str, count: usize) -> Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    for _ in 0..count {
        let answer = example.door.answers(200, A, EXECUTIVE, &[key]).await?;
        found.insert(answer.body.trim().to_owned());
    }
    Ok(found)
}

/// One of three pods answers 503: its requests are tried again elsewhere, and it gets none for a while.
async fn ejection(example: &Example, key_a: &str) -> Result<()> {
    let all = answering(example, key_a, 12).await?;
    ensure!(all.len() == 3, "{all:?} answer");
    let failing = all.first().context("no pod")?;
    for _ in 0..24 {
        example
            .door
            .answers(200, A, &format!("{EXECUTIVE}/fail?pod={failing}"), &[key_a])
            .await?;
    }
    let left = answering(example, key_a, 12).await?;
    ensure!(
        !left.contains(failing) && left.len() == 2,
        "{left:?} answer, {failing} failed"
    );
    // Pods of other tenants behind the same gateway are untouched.
    let other = x_api_key(&key(&example.tenant("agentic-d"), "tenant-d-api").await?);
    example.door.answers(200, D, EXECUTIVE, &[&other]).await.map(|_| ())
}

/// Each model of data has its own rows, and no others.
async fn models(example: &Example, tenants: [(&str, &String); 4]) -> Result<()> {
    for (host, key) in tenants {
        example.add(host, EXECUTIVE, &[key], &format!("of {host}")).await?;
    }
    for (host, key) in tenants {
        let found = example.rows(host, EXECUTIVE, &[key]).await?;
        ensure!(found == [format!("of {host}")], "{host} sees {found:?}");
    }
    // The shared application makes the tenant's table; the tenant's own login reads it, and makes nothing that would run in the application's sessions.
    let binding = Binding::of(&example.cluster, "agentic-c").await?;
    let own = example.site.log_in(&binding).await?;
    let seen = own.one("SELECT text FROM item").await?;
    ensure!(seen == format!("of {C}"), "agentic-c's own login sees {seen}");
    own.refused("CREATE TABLE mine (text text)").await?;
    let d = Binding::of(&example.cluster, "agentic-d").await?;
    own.refused(&format!("SELECT * FROM {}.item", d.get("schema"))).await?;
    // Its login becomes tenants of its tier only.
    let root = example.site.superuser("agentic_isolated").await?;
    let members = |schema: &str| {
        format!(
            "SELECT string_agg(e.rolname, ' ') FROM pg_auth_members m JOIN pg_roles e ON e.oid = m.member \
             WHERE m.roleid = '{schema}'::regrole AND e.rolname !~ '^t_' AND e.rolname <> 'tenant_operator'"
        )
    };
    let found = root.one(&members(binding.get("schema"))).await?;
    ensure!(found == "executive_separate", "{found} may become agentic-c");
    let none = format!("SELECT coalesce(({}), 'nobody')", members(d.get("schema")));
    ensure!(root.one(&none).await? == "nobody", "somebody may become agentic-d");
    let application = "executive-shared-database";
    let password = example
        .cluster
        .secret("shared-applications", application, "password")
        .await?;
    ensure!(
        password.context("no password")? != binding.password(),
        "the application has the tenant's password"
    );
    Ok(())
}

/// An administrator's mistake: pods of A may read D's namespace. A is cut off until the mistake is gone.
async fn planted(example: &Example, key_a: &str) -> Result<()> {
    let body = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "planted"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "tenant-operator-tenant-viewer"},
        "subjects": [{"kind": "ServiceAccount", "namespace": "agentic-a", "name": "default"}],
    });
    let a = example.tenant("agentic-a");
    let begun = Instant::now();
    example
        .cluster
        .create(&path("rolebindings", "agentic-d", ""), &body)
        .await?;
    let found = a.condition("Ready", "False", &["Quarantined"]).await;
    let after = begun.elapsed();
    let closed = eventually("the gateway to close it", secs(30), async || {
        example.door.answers(503, A, EXECUTIVE, &[key_a]).await.map(|_| ())
    })
    .await;
    example
        .cluster
        .delete(&path("rolebindings", "agentic-d", "planted"))
        .await?;
    let found: Value = condition(&found?, "Isolated").cloned().unwrap_or_default();
    ensure!(
        found["status"] == "False" && found.to_string().contains("agentic-d"),
        "{found}"
    );
    ensure!(after < secs(60), "only after {after:?}");
    closed?;
    a.ready().await?;
    example.door.serves(A, EXECUTIVE, &[key_a]).await
}
