use super::{Example, on};
use crate::support::{eventually, path, secs};
use anyhow::{Result, ensure};
use serde_json::{Value, json};

const ACME: &str = "acme.hotdash.example.com";
const GLOBEX: &str = "globex.hotdash.example.com";

#[tokio::test]
async fn hotdash() -> Result<()> {
    on("hotdash", lines).await
}

async fn lines(example: &Example) -> Result<()> {
    let claims = |tenant: &str, role: &str| json!({"tenant_id": tenant, "roles": [role]});
    let acme = example.token(claims("hd-acme", "operator")).await?;
    let globex = example.token(claims("hd-globex", "operator")).await?;
    let numbers = ["hd-acme", "hd-globex"]
        .map(|tenant| format!("SELECT number FROM tenant_registry.tenant WHERE name = '{tenant}'"));
    example.line(2, async || rows(example, &numbers).await).await;
    example
        .line(4, async || {
            example.door.serves(ACME, "/drafts", &[&acme]).await?;
            example.door.serves(GLOBEX, "/drafts", &[&globex]).await?;
            example.door.answers(403, GLOBEX, "/drafts", &[&acme]).await?;
            example.door.answers(403, ACME, "/operators", &[&acme]).await?;
            let admin = example.token(claims("hd-acme", "admin")).await?;
            example.door.answers(200, ACME, "/operators", &[&admin]).await?;
            example.door.answers(401, ACME, "/drafts", &[]).await.map(|_| ())
        })
        .await;
    example
        .line(3, async || {
            let number = example.site.superuser("hotdash").await?.one(&numbers[0]).await?;
            let added = example.add(ACME, "/drafts", &[&acme], "a draft of Acme").await?;
            ensure!(added == number.as_str(), "{added} instead of {number}");
            ensure!(
                example
                    .rows(ACME, "/drafts", &[&acme])
                    .await?
                    .contains(&"a draft of Acme".to_owned()),
                "Acme does not see it"
            );
            let theirs = example.rows(GLOBEX, "/drafts", &[&globex]).await?;
            ensure!(
                !theirs.contains(&"a draft of Acme".to_owned()),
                "Globex sees {theirs:?}"
            );
            Ok(())
        })
        .await;
    // The plan of both has the same numbers; Acme's requests of the minute are counted below.
    example
        .line(6, async || {
            example.door.serves(GLOBEX, "/drafts", &[&globex]).await?;
            example.at_once(GLOBEX, "/drafts", &globex, 50, 60).await
        })
        .await;
    example
        .line(5, async || {
            example.limit(ACME, "/drafts", &acme, 100).await?;
            example
                .door
                .answers(200, GLOBEX, "/drafts", &[&globex])
                .await
                .map(|_| ())
        })
        .await;
    example.line(11, async || deletion(example, &numbers[0]).await).await;
    Ok(())
}

/// The description's own test of its row-level security.
async fn rows(example: &Example, numbers: &[String; 2]) -> Result<()> {
    let platform = example.site.superuser("hotdash").await?;
    let (a, b) = (platform.one(&numbers[0]).await?, platform.one(&numbers[1]).await?);
    ensure!(!a.is_empty() && !b.is_empty() && a != b, "numbers {a:?} and {b:?}");
    let add = format!("INSERT INTO draft_actions (tenant_id, text) VALUES ({a}, 'of a'), ({b}, 'of b')");
    platform.works(&add).await?;
    let seen = async |set: &str, which: &str| {
        let query =
            format!("BEGIN; SET LOCAL ROLE hotdash_api; {set}; SELECT count(*) FROM draft_actions {which}; ROLLBACK");
        platform.one(&query).await
    };
    let as_a = format!("SET LOCAL app.current_tenant_id = '{a}'");
    for (set, which, count) in [
        (as_a.as_str(), format!("WHERE tenant_id = {b}"), "0"),
        (as_a.as_str(), String::new(), "1"),
        ("SELECT 0 WHERE false", String::new(), "0"),
    ] {
        let found = seen(set, &which).await?;
        ensure!(found == count, "{set} {which}: {found} rows instead of {count}");
    }
    let all = platform.one("SELECT count(*) FROM draft_actions").await?;
    ensure!(all == "2", "the platform itself sees {all}");
    Ok(())
}

async fn deletion(example: &Example, number: &str) -> Result<()> {
    let platform = example.site.superuser("hotdash").await?;
    let number = platform.one(number).await?;
    let tenant = example.tenant("hd-acme");
    tenant.delete().await?;
    tenant.gone().await?;
    let left = platform
        .one(&format!(
            "SELECT count(*) FROM draft_actions WHERE tenant_id = {number}"
        ))
        .await?;
    ensure!(left == "0", "{left} rows are left");
    let all = platform.one("SELECT count(*) FROM draft_actions").await?;
    ensure!(all != "0", "the other's rows are gone too");
    let secrets = example.cluster.get(&path("secrets", "", "")).await?;
    let left = secrets["items"].as_array().into_iter().flatten();
    let left: Vec<&Value> = left
        .filter(|secret| secret["metadata"]["namespace"] == "hd-acme")
        .collect();
    ensure!(left.is_empty(), "{left:?}");
    let token = example
        .token(json!({"tenant_id": "hd-acme", "roles": ["operator"]}))
        .await?;
    eventually("the host to be closed", secs(15), async || {
        example.door.answers(404, ACME, "/drafts", &[&token]).await.map(|_| ())
    })
    .await
}
