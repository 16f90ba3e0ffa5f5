//! Who may do what: the access matrix of the seed riscura, with a token of each role, through the real gateway.

use crate::support::gateway::{Door, Issuer, key, led_to, x_api_key};
use crate::support::{Scene, path};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

const ROLES: [&str; 4] = ["super_admin", "tenant_admin", "user", "guest"];
/// Where something is done, by what permission, and which roles may.
const MATRIX: [(&str, &str, [bool; 4]); 5] = [
    ("/tenants", "tenants:create", [true, false, false, false]),
    ("/ai/configuration", "ai:configure", [true, true, false, false]),
    ("/ai/queries", "ai:query", [true, true, true, false]),
    ("/analytics", "analytics:view", [true, true, true, false]),
    ("/billing", "billing:access", [true, true, false, false]),
];

fn table() -> Value {
    let role = |(column, role): (usize, &&str)| {
        let held = MATRIX.iter().filter(|(.., cells)| cells[column]);
        let held: Vec<&str> = held.map(|(_, permission, _)| *permission).collect();
        json!({"name": role, "permissions": held})
    };
    ROLES.iter().enumerate().map(role).collect()
}

#[tokio::test]
async fn each_role_does_what_the_matrix_says_and_nothing_else() -> Result<()> {
    let Some(door) = Door::find("roles") else {
        return Ok(());
    };
    let scene = Scene::new("roles").await?;
    let issuer = Issuer::new(&scene, "issuer").await?;
    let tier = scene
        .tier(json!({"roles": table(), "gateway": {"jwt": issuer.spec()}}))
        .await?;
    let asked = MATRIX.iter().map(|(at, permission, _)| {
        json!({"path": {"type": "PathPrefix", "value": at}, "backend": {"workload": "web"}, "permissions": [permission]})
    });
    let both = json!({
        "path": {"type": "PathPrefix", "value": "/both"}, "backend": {"workload": "web"},
        "permissions": ["ai:query", "billing:access"],
    });
    let routes: Vec<Value> = asked.chain([both, json!({"backend": {"workload": "web"}})]).collect();
    let keys = json!([{"name": "app", "roles": ["user"]}, {"name": "none"}]);
    let gateway = json!({"routes": routes, "authentication": {"apiKeys": keys}});
    let (tenant, host) = led_to(&scene, "a", &tier, gateway).await?;
    tenant.ready().await?;
    let token = |roles: Value| issuer.token(json!({"tenant_id": tenant.name, "roles": roles}));
    door.serves(&host, "/hostname", &[&token(json!([]))?]).await?;
    // The server knows none of these paths: what is let in it answers with 404, or with 200 to all that it does not know.
    let is_let_in = async |at: &str, header: &str| -> Result<bool> {
        match door.get(&host, at, &[header]).await?.status {
            200 | 404 => Ok(true),
            403 => Ok(false),
            status => anyhow::bail!("{at} answered {status}"),
        }
    };
    for (column, role) in ROLES.iter().enumerate() {
        let of_role = token(json!([role]))?;
        for (at, _, cells) in MATRIX {
            ensure!(is_let_in(at, &of_role).await? == cells[column], "{role} {at}");
        }
        ensure!(is_let_in("/both", &of_role).await? == (column < 2), "{role} /both");
    }
    // Several roles do what either does; one that nobody knows, and none, do nothing.
    let several = token(json!(["guest", "tenant_admin"]))?;
    ensure!(is_let_in("/billing", &several).await?, "of two roles neither counts");
    for roles in [json!(["root"]), json!([]), json!(null)] {
        let nobody = token(roles.clone())?;
        for (at, ..) in MATRIX {
            ensure!(!is_let_in(at, &nobody).await?, "{roles} {at}");
        }
    }
    for (name, column) in [("app", Some(2)), ("none", None)] {
        let key = x_api_key(&key(&tenant, name).await?);
        for (at, _, cells) in MATRIX {
            let is_allowed = column.is_some_and(|column: usize| cells[column]);
            ensure!(is_let_in(at, &key).await? == is_allowed, "the key {name} {at}");
        }
    }

    // Workloads are told the same.
    let told = scene
        .cluster
        .get(&path("configmaps", &tenant.name, "tenant-configuration"))
        .await?;
    let told: Value = serde_json::from_str(told["data"]["roles.json"].as_str().context("no roles.json")?)?;
    ensure!(told["user"] == json!(["ai:query", "analytics:view"]), "{told}");
    ensure!(told["guest"] == json!([]), "{told}");

    // What no role holds, and whom the tier does not know, is refused; what was there stays.
    for (over, words) in [
        (json!({"permissions": ["ai:train"]}), "no role of tier"),
        (json!({"roles": ["root"]}), "has no role root"),
    ] {
        let mut wrong = json!({"backend": {"workload": "web"}});
        crate::support::scene::lay_over(&mut wrong, over);
        tenant.patch(json!({"gateway": {"routes": [wrong]}})).await?;
        tenant
            .not_ready(&["InvalidSpec"], &["spec.gateway.routes[0]", words])
            .await?;
    }
    ensure!(
        !is_let_in("/billing", &token(json!(["user"]))?).await?,
        "opened by a mistake"
    );
    Ok(())
}
