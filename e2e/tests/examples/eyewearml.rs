use super::{Example, on};
use crate::support::database::Binding;
use crate::support::gateway::{key, x_api_key};
use crate::support::{condition, eventually, path, pods, secs, text};
use anyhow::{Context, Result, ensure};
use serde_json::json;

const CLEARSIGHT: &str = "clearsight.eyewear.example.com";
const LUMEN: &str = "lumen.eyewear.example.com";

#[tokio::test]
async fn eyewearml() -> Result<()> {
    on("eyewearml", lines).await
}

async fn lines(example: &Example) -> Result<()> {
    let [clearsight, lumen] = ["clearsight", "lumen"].map(|name| example.tenant(name));
    example
        .line(1, async || {
            let now = clearsight.get().await?;
            ensure!(
                condition(&now, "Ready").is_some_and(|ready| ready["status"] == "True"),
                "{now}"
            );
            let id = text(&now["status"]["id"]);
            let shop = x_api_key(&key(&clearsight, "shop").await?);
            // The proxies open the route of a host that they know already by another way than its workload.
            example.door.serves(CLEARSIGHT, "/", &[&shop]).await?;
            let seen = example.whoami(CLEARSIGHT, "", &[&shop]).await?;
            ensure!(
                seen["environment"]["TENANT_ID"] == id.as_str(),
                "{}",
                seen["environment"]
            );
            let configuration = &seen["files"]["configuration.json"];
            ensure!(
                configuration["brandVoice"] == "warm" && configuration["models"]["fit"]["threshold"] == 0.6,
                "{configuration}"
            );
            key(&clearsight, "back-office").await.map(|_| ())
        })
        .await;
    let shop = x_api_key(&key(&clearsight, "shop").await?);
    let lumens = x_api_key(&key(&lumen, "shop").await?);
    example.door.serves(LUMEN, "/", &[&lumens]).await?;
    example
        .line(4, async || {
            let seen = example.whoami(LUMEN, "", &[&lumens]).await?;
            let configuration = &seen["files"]["configuration.json"];
            ensure!(
                configuration["locale"] == "de-DE" && configuration["brandVoice"] == "friendly",
                "{configuration}"
            );
            ensure!(
                configuration["models"]["faceShape"]["sensitivity"] == 0.5,
                "{configuration}"
            );
            Ok(())
        })
        .await;
    example
        .line(5, async || {
            example.add(CLEARSIGHT, "", &[&shop], "round frames").await?;
            example.add(LUMEN, "", &[&lumens], "square frames").await?;
            let (ours, theirs) = (
                example.rows(CLEARSIGHT, "", &[&shop]).await?,
                example.rows(LUMEN, "", &[&lumens]).await?,
            );
            ensure!(
                ours == ["round frames"] && theirs == ["square frames"],
                "{ours:?} and {theirs:?}"
            );
            let (a, b) = tokio::try_join!(
                Binding::of(&example.cluster, "clearsight"),
                Binding::of(&example.cluster, "lumen")
            )?;
            let session = example.site.log_in(&a).await?;
            session
                .refused(&format!("SELECT * FROM {}.item", b.get("schema")))
                .await
        })
        .await;
    example
        .line(6, async || {
            let optica = example.tenant("optica").get().await?["status"]["database"].clone();
            ensure!(
                optica["server"] == "eyewear-optica" && optica["model"] == "Server",
                "{optica}"
            );
            let server = example
                .cluster
                .get(&path("databaseservers", "", "eyewear-optica"))
                .await?;
            ensure!(server["status"]["tenants"] == 1, "{}", server["status"]);
            let others = clearsight.get().await?["status"]["database"]["server"].clone();
            ensure!(others == "eyewear-1", "{others}");
            Ok(())
        })
        .await;
    example
        .line(7, async || {
            let ask = async |status: u16, of: &str| {
                let question = format!("/ask?of={of}");
                example.door.answers(status, CLEARSIGHT, &question, &[&shop]).await
            };
            let models = "eyewear-models.shared-applications.svc";
            let question = format!("/ask?of={models}:80");
            example.door.serves(CLEARSIGHT, &question, &[&shop]).await?;
            let answer = ask(200, &format!("{models}:80")).await?;
            ensure!(answer.body.trim() == "200", "the models answer {}", answer.body);
            let of_lumen = example.tenant("lumen").pods("assistant", 1).await?.remove(0);
            let of_lumen = pods::address(&example.cluster, "lumen", &of_lumen).await?;
            for closed in [
                "eyewear-orchestrator.shared-applications.svc:80".to_string(),
                format!("{models}:8080"),
                "kubernetes.default.svc:443".into(),
                "assistant.lumen.svc:8080".into(),
                format!("{of_lumen}:8080"),
            ] {
                ask(502, &closed).await.with_context(|| closed.clone())?;
            }
            // Optica's tier opens nothing: the models' side has only the others.
            let policies = example
                .cluster
                .names(&path("networkpolicies", "shared-applications", ""))
                .await?;
            let has = |tenant: &str| policies.contains(&format!("tenant-operator-{tenant}.eyewear-models"));
            ensure!(has("clearsight") && has("lumen") && !has("optica"), "{policies:?}");
            // The operator's own proof: pods of one tenant dial the other's, and fail.
            for tenant in [&clearsight, &lumen] {
                let now = tenant.condition("Isolated", "True", &[]).await?;
                let passed = now["status"]["isolation"]["passed"].as_i64().context("no checks")?;
                ensure!(
                    passed > 0 && now["status"]["isolation"]["failed"] == 0,
                    "{}",
                    now["status"]["isolation"]
                );
            }
            let policies = example.cluster.names(&path("networkpolicies", "lumen", "")).await?;
            ensure!(!policies.is_empty(), "lumen has no network policy");
            Ok(())
        })
        .await;
    example
        .line(10, async || {
            let now = json!({"metadata": {"annotations": {"tenant-operator.io/rotate-credentials": "now"}}});
            example.cluster.patch(&clearsight.path(), &now).await?;
            let renewed = eventually("the key to be renewed", secs(60), async || {
                let key = x_api_key(&key(&clearsight, "shop").await?);
                ensure!(key != shop, "it is the former one");
                Ok(key)
            })
            .await?;
            example.door.answers(200, CLEARSIGHT, "/", &[&renewed]).await?;
            example.door.answers(200, CLEARSIGHT, "/", &[&shop]).await.map(|_| ())
        })
        .await;
    Ok(())
}
