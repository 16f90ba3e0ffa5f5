use super::{Example, on};
use crate::support::database::Binding;
use crate::support::gateway::{SHARED_HOST, key, x_api_key};
use crate::support::text;
use anyhow::{Result, ensure};
use serde_json::json;

const A: &str = "tenant-a.care.example.com";
const A1: &str = "a1.care.example.com";
const B: &str = "tenant-b.care.example.com";
const C: &str = "tenant-c.care.example.com";

#[tokio::test]
async fn carebot() -> Result<()> {
    on("carebot", lines).await
}

async fn lines(example: &Example) -> Result<()> {
    let [a, b, c] = ["care-a", "care-b", "care-c"].map(|name| example.tenant(name));
    let key_a = x_api_key(&key(&a, "crm").await?);
    let key_b = x_api_key(&key(&b, "site").await?);
    let key_c = x_api_key(&key(&c, "site").await?);
    let (id_b, id_c) = (b.id().await?, c.id().await?);
    for (host, key) in [(A, &key_a), (B, &key_b), (C, &key_c)] {
        example.door.serves(host, "/calls", &[key]).await?;
    }
    let a1 = example.tenant("care-a1");
    example
        .line(2, async || {
            let key = x_api_key(&key(&a1, "crm").await?);
            example.door.serves(A1, "/calls", &[&key]).await?;
            let seen = example.whoami(A1, "/calls", &[&key]).await?;
            let configuration = &seen["files"]["configuration.json"];
            let branding = &configuration["branding"];
            ensure!(
                branding["logo"] == "a.svg" && branding["favicon"] == "a.ico" && branding["primaryColor"] == "#990000",
                "{configuration}"
            );
            ensure!(
                configuration["maxAgents"] == 3 && configuration["maxConcurrentCalls"] == 20,
                "{configuration}"
            );
            let id = a.id().await?;
            for header in ["x-tenant-parent-id", "x-tenant-root-id"] {
                ensure!(seen["headers"][header] == id.as_str(), "{}", seen["headers"]);
            }
            a1.patch(json!({"configuration": {"branding": {"logo": "a1.svg"}}}))
                .await?;
            a1.not_ready(&["InvalidSpec"], &["/branding/logo", "care-a"]).await?;
            a1.patch(json!({"configuration": {"branding": {"logo": null}}})).await?;
            a1.ready().await.map(|_| ())
        })
        .await;
    example
        .line(6, async || {
            let of_b = example.add(B, "/calls", &[&key_b], "a call to B").await?;
            let of_c = example.add(C, "/calls", &[&key_c], "a call to C").await?;
            ensure!(
                of_b == id_b && of_c == id_c,
                "{of_b} and {of_c} instead of {id_b} and {id_c}"
            );
            let (pod_b, pod_c) = (
                example.whoami(B, "/calls", &[&key_b]).await?,
                example.whoami(C, "/calls", &[&key_c]).await?,
            );
            ensure!(pod_b["pod"] == pod_c["pod"], "{} and {}", pod_b["pod"], pod_c["pod"]);
            Ok(())
        })
        .await;
    example
        .line(3, async || {
            let (b, c) = (
                example.rows(B, "/calls", &[&key_b]).await?,
                example.rows(C, "/calls", &[&key_c]).await?,
            );
            ensure!(
                b == ["a call to B"] && c == ["a call to C"],
                "B sees {b:?}, C sees {c:?}"
            );
            // The same as the tables' own protection says, for a session without a tenant.
            let platform = example.site.superuser("care").await?;
            let none = platform
                .one("BEGIN; SET LOCAL ROLE care_application; SELECT count(*) FROM calls; ROLLBACK")
                .await?;
            ensure!(none == "0", "without a tenant it sees {none}");
            Ok(())
        })
        .await;
    example
        .line(5, async || {
            let forged = ["X-Tenant-Name: care-c".to_owned(), format!("X-Tenant-ID: {id_c}")];
            let seen = example.whoami(B, "/calls", &[&key_b, &forged[0], &forged[1]]).await?;
            ensure!(seen["headers"]["x-tenant-id"] == id_b.as_str(), "{}", seen["headers"]);
            ensure!(seen["headers"]["x-tenant-name"] == "care-b", "{}", seen["headers"]);
            let named = "X-Tenant-ID: care-b";
            let seen = example.whoami(SHARED_HOST, "/calls", &[&key_b, named]).await?;
            ensure!(seen["headers"]["x-tenant-id"] == id_b.as_str(), "{}", seen["headers"]);
            // A person's token: the user and the role come from it, whatever the client says.
            let token = example
                .token(json!({"tenant_id": "care-b", "role": "agent", "sub": "user_123"}))
                .await?;
            let seen = example
                .whoami(
                    B,
                    "/calls",
                    &[&token, "X-User-ID: mallory", "X-Tenant-Role: super_admin"],
                )
                .await?;
            ensure!(
                seen["headers"]["x-user-id"] == "user_123" && seen["headers"]["x-tenant-role"] == "agent",
                "{}",
                seen["headers"]
            );
            let seen = example.whoami(B, "/calls", &[&key_b, "X-User-ID: mallory"]).await?;
            ensure!(seen["headers"]["x-user-id"].is_null(), "{}", seen["headers"]);
            example
                .door
                .answers(401, SHARED_HOST, "/calls", &[&key_c, named])
                .await?;
            example
                .door
                .answers(401, SHARED_HOST, "/calls", &[named])
                .await
                .map(|_| ())
        })
        .await;
    example
        .line(7, async || {
            let added = example.add(A, "/calls", &[&key_a], "a call to A").await?;
            ensure!(added == json!(null), "{added}");
            let binding = Binding::of(&example.cluster, "care-a").await?;
            let own = example.site.log_in(&binding).await?;
            let found = own.one("SELECT string_agg(text, ',') FROM item").await?;
            ensure!(found == "a call to A", "its own database has {found}");
            let pod = example.whoami(A, "/calls", &[&key_a]).await?;
            ensure!(text(&pod["pod"]).starts_with("tenant-a-service-"), "{}", pod["pod"]);
            ensure!(
                pod["files"]["configuration.json"]["branding"]["favicon"] == "a.ico",
                "{}",
                pod["files"]
            );
            Ok(())
        })
        .await;
    example
        .line(9, async || {
            let seen = example.whoami(A, "/calls", &[&key_a]).await?;
            let features = "analytics,callRecording,chatAgents,customWorkflows,voiceAgents";
            ensure!(seen["headers"]["x-tenant-features"] == features, "{}", seen["headers"]);
            let file: Vec<&str> = features.split(',').collect();
            ensure!(seen["files"]["features.json"] == json!(file), "{}", seen["files"]);
            c.patch(json!({"features": [{"name": "customWorkflows", "enabled": true}]}))
                .await?;
            c.not_ready(&["InvalidSpec"], &["customWorkflows", "care-smb"]).await?;
            c.patch(json!({"features": null})).await?;
            c.ready().await.map(|_| ())
        })
        .await;
    example
        .line(15, async || {
            let departments = ["care-a1", "care-a2", "care-a3"].map(|name| example.tenant(name));
            a.patch(json!({"suspend": true})).await?;
            for department in &departments {
                department.condition("Ready", "True", &["Suspended"]).await?;
            }
            let key = x_api_key(&key(&a1, "crm").await?);
            example.door.answers(503, A1, "/calls", &[&key]).await?;
            a.patch(json!({"suspend": null})).await?;
            a.delete().await?;
            let names = departments.each_ref().map(|department| department.name.as_str());
            a.not_ready(&["Terminating"], &names).await?;
            for department in &departments {
                department.delete().await?;
                department.gone().await?;
            }
            a.gone().await
        })
        .await;
    Ok(())
}
