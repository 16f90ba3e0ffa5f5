//! The access matrix of the seed riscura, with a token of each role, through the real gateway.

use crate::support::gateway::{Door, Issuer, key, led_to, sent, x_api_key};
use crate::support::{Scene, eventually, path, secs};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

const ROLES: [&str; 4] = ["super_admin", "tenant_admin", "user", "guest"];
/// Each path with its permission, and the roles that it admits.
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
    let mut jwt = issuer.spec();
    jwt["permissionsClaim"] = json!("permissions");
    jwt["claimHeaders"] = json!([
        {"claim": "sub", "header": "X-User-ID"}, {"claim": "roles", "header": "X-Tenant-Role"},
        {"claim": "context.subtenant", "header": "X-Subtenant-ID"},
    ]);
    let tier = scene.tier(json!({"roles": table(), "gateway": {"jwt": jwt}})).await?;
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

    // A role may be a string, and a token may have permissions of its own, all of those that a route asks for.
    let holder = |permissions: Value| issuer.token(json!({"tenant_id": tenant.name, "permissions": permissions}));
    let cases: [(String, &[&str]); 5] = [
        (token(json!("user"))?, &["/ai/queries", "/analytics"]),
        (holder(json!(["billing:access", "x"]))?, &["/billing"]),
        (
            holder(json!(["ai:query", "billing:access"]))?,
            &["/ai/queries", "/billing", "/both"],
        ),
        (holder(json!("billing:access"))?, &[]),
        (holder(json!({"billing:access": true}))?, &[]),
    ];
    for (token, opened) in cases {
        for at in MATRIX.iter().map(|(at, ..)| *at).chain(["/both"]) {
            ensure!(is_let_in(at, &token).await? == opened.contains(&at), "{at} {opened:?}");
        }
    }
    // The workload gets claims as headers, and never a client's own: with a claim, without it, and with a key.
    let app = x_api_key(&key(&tenant, "app").await?);
    let whole = issuer
        .token(json!({"tenant_id": tenant.name, "sub": "jane", "roles": "user", "context": {"subtenant": "emea"}}))?;
    let bare = issuer.token_without(&["sub"], json!({"tenant_id": tenant.name}))?;
    for (credential, expected) in [(&whole, ["jane", "user", "emea"]), (&bare, [""; 3]), (&app, [""; 3])] {
        for (name, expected) in ["X-User-Id", "X-Tenant-Role", "X-Subtenant-Id"]
            .into_iter()
            .zip(expected)
        {
            let forged = format!("{name}: mallory");
            let told = sent(&door, &host, "", name, &[credential, &forged]).await?;
            ensure!(
                told == expected,
                "{name}: {told:?} instead of {expected:?} by {credential:.9}"
            );
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

    // Where only roles count, a permission that no role has, and an unknown role, admit nobody; the status names them.
    let by_role = json!({"spec": {"gateway": {"jwt": {"permissionsClaim": null}}}});
    scene.cluster.patch(&path("tenanttiers", "", &tier), &by_role).await?;
    for (over, words) in [
        (json!({"permissions": ["ai:train"]}), "no role of tier"),
        (json!({"roles": ["root"]}), "has no role root"),
    ] {
        let mut wrong = json!({"backend": {"workload": "web"}});
        crate::support::scene::lay_over(&mut wrong, over);
        tenant.patch(json!({"gateway": {"routes": [wrong]}})).await?;
        tenant
            .not_ready(&["GatewayNotReady"], &["spec.gateway.routes[0]", words])
            .await?;
        eventually("nobody to be let in", secs(30), async || {
            door.answers(403, &host, "/billing", &[&token(json!(["super_admin", "root"]))?])
                .await
                .map(|_| ())
        })
        .await?;
        door.answers(401, &host, "/billing", &[]).await?;
    }
    Ok(())
}

#[tokio::test]
async fn what_a_tier_takes_away_opens_its_route_no_more_and_no_other_is_touched() -> Result<()> {
    let Some(door) = Door::find("revoked roles") else {
        return Ok(());
    };
    let scene = Scene::new("revoked").await?;
    let issuer = Issuer::new(&scene, "issuer").await?;
    let roles = |accountant: &[&str]| json!([{"name": "accountant", "permissions": accountant}, {"name": "guest"}]);
    let whole = roles(&["ai:query", "billing:access"]);
    let mut jwt = issuer.spec();
    // The name of one claim, with dots.
    jwt["rolesClaim"] = json!("https://example.com/roles");
    let tier = scene.tier(json!({"roles": whole, "gateway": {"jwt": jwt}})).await?;
    let at = |path: &str, over: Value| {
        let mut route = json!({"path": {"type": "PathPrefix", "value": path}, "backend": {"workload": "web"}});
        crate::support::scene::lay_over(&mut route, over);
        route
    };
    let gateway = json!({
        "routes": [
            at("/", json!({})),
            at("/ai", json!({"permissions": ["ai:query"]})),
            at("/billing", json!({"permissions": ["billing:access"]})),
            at("/guests", json!({"roles": ["guest"]})),
        ],
        "authentication": {"apiKeys": [{"name": "app", "roles": ["accountant", "guest"]}]},
    });
    let (tenant, host) = led_to(&scene, "a", &tier, gateway).await?;
    tenant.ready().await?;
    let of_both =
        issuer.token(json!({"tenant_id": tenant.name, "https://example.com/roles": ["accountant", "guest"]}))?;
    let key = x_api_key(&key(&tenant, "app").await?);
    // The workload's answer on an unknown path does not matter. A change of the roles renews its pods besides.
    let lets_in = async |paths: &[(&str, bool)]| -> Result<()> {
        eventually(&format!("who is let in to be {paths:?}"), secs(60), async || {
            for (at, is_open) in paths {
                for header in [&of_both, &key] {
                    let status = door.get(&host, at, &[header]).await?.status;
                    let is_right = match is_open {
                        true => [200, 404].contains(&status),
                        false => status == 403,
                    };
                    ensure!(is_right, "{at} answered {status} to {:.9}", header);
                }
            }
            Ok(())
        })
        .await?;
        for (at, _) in paths {
            door.answers(401, &host, at, &[]).await?;
        }
        Ok(())
    };
    let all_open = [
        ("/hostname", true),
        ("/ai", true),
        ("/billing", true),
        ("/guests", true),
    ];
    lets_in(&all_open).await?;

    let change = async |roles: Value| {
        let tier = path("tenanttiers", "", &tier);
        scene.cluster.patch(&tier, &json!({"spec": {"roles": roles}})).await
    };
    // A permission is taken from the only role that holds it.
    change(roles(&["ai:query"])).await?;
    lets_in(&[
        ("/hostname", true),
        ("/ai", true),
        ("/billing", false),
        ("/guests", true),
    ])
    .await?;
    let words = ["spec.gateway.routes[2].permissions", "billing:access", tier.as_str()];
    tenant.not_ready(&["GatewayNotReady"], &words).await?;
    tenant.condition("GatewayReady", "False", &["NobodyAdmitted"]).await?;
    // A role goes as a whole, which a route and a key name.
    let whole_accountant = json!([whole[0]]);
    change(whole_accountant).await?;
    lets_in(&[
        ("/hostname", true),
        ("/ai", true),
        ("/billing", true),
        ("/guests", false),
    ])
    .await?;
    let words = [
        "spec.gateway.routes[3].roles[0]",
        "spec.gateway.authentication.apiKeys[0].roles[1]",
        "has no role guest",
        tier.as_str(),
    ];
    tenant.not_ready(&["GatewayNotReady"], &words).await?;
    tenant.condition("GatewayReady", "False", &["NobodyAdmitted"]).await?;
    // Both are given back.
    change(whole.clone()).await?;
    lets_in(&all_open).await?;
    tenant.ready().await.map(|_| ())
}
