//! Credentials at the gateway: a tenant admits clients by its API keys and by tokens that name it, even during rotations and changes of routes.

use crate::support::gateway::{Door, Issuer, api_key, key, led_to, ready, sent, x_api_key};
use crate::support::scene::lay_over;
use crate::support::{Scene, eventually, meanwhile, path, secs, steadily, text};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts each status in answers to clients without credentials, while something is done.
async fn answers_during<T>(
    door: &Door,
    host: &str,
    path: &str,
    something: impl Future<Output = Result<T>>,
) -> Result<BTreeMap<u16, usize>> {
    let seen = RefCell::new(BTreeMap::new());
    meanwhile(something, async || {
        // A machine that is busy may keep curl waiting; what counts is what is answered.
        if let Ok(answer) = door.get(host, path, &[]).await {
            *seen.borrow_mut().entry(answer.status).or_insert(0) += 1;
        }
        Ok(())
    })
    .await?;
    Ok(seen.into_inner())
}

#[tokio::test]
async fn only_a_tenants_own_keys_open_it() -> Result<()> {
    let Some(door) = Door::find("keys") else { return Ok(()) };
    let scene = Scene::new("keys").await?;
    let tier = scene.tier(json!({})).await?;
    let web = || json!({"workload": "web"});
    let routes = json!([
        {"backend": web()},
        {"path": {"type": "PathPrefix", "value": "/echo"}, "backend": web(), "roles": ["admin"]},
        {"path": {"type": "Exact", "value": "/hostname"}, "backend": web(), "authentication": "None"},
    ]);
    let keys = json!({"apiKeys": [{"name": "ci", "roles": ["admin"]}, {"name": "app"}]});
    let gateway = |keys: &Value| json!({"routes": routes, "authentication": keys});
    let (a, at_a) = led_to(&scene, "a", &tier, gateway(&keys)).await?;
    let (b, at_b) = led_to(&scene, "b", &tier, gateway(&keys)).await?;
    ready(&a).await?;
    ready(&b).await?;
    let (ci, app, foreign) = (key(&a, "ci").await?, key(&a, "app").await?, key(&b, "ci").await?);
    door.serves(&at_a, "/", &[&x_api_key(&ci)]).await?;
    door.serves(&at_b, "/", &[&x_api_key(&foreign)]).await?;
    for (key, status) in [(Some(&ci), 200), (Some(&app), 200), (Some(&foreign), 401), (None, 401)] {
        let headers: Vec<String> = key.map(|key| x_api_key(key)).into_iter().collect();
        let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
        door.answers(status, &at_a, "/", &headers).await?;
        door.answers(200, &at_a, "/hostname", &headers)
            .await
            .with_context(|| format!("{status}"))?;
    }
    door.answers(200, &at_b, "/", &[&x_api_key(&foreign)]).await?;
    for (key, status) in [(&ci, 200), (&app, 403), (&foreign, 401)] {
        door.answers(status, &at_a, "/echo?msg=x", &[&x_api_key(key)]).await?;
    }
    // In the address, or with a name of one's own, it opens nothing; to whom it opened is told, and not by what.
    door.answers(401, &at_a, &format!("/?X-API-Key={ci}"), &[]).await?;
    door.answers(403, &at_a, "/echo?msg=x", &[&x_api_key(&app), "X-Tenant-Client: ci"])
        .await?;
    let app_key = x_api_key(&app);
    let with = [app_key.as_str(), "X-Tenant-Client: ci"];
    ensure!(
        sent(&door, &at_a, "", "X-Tenant-Client", &with).await? == "app",
        "another client is told"
    );
    ensure!(
        sent(&door, &at_a, "", "X-Api-Key", &with).await?.is_empty(),
        "the key is passed on"
    );
    let now = a.get().await?;
    let told = now["status"]["gateway"].to_string();
    ensure!(
        told.contains("\"ci\"") && !told.contains(&ci) && !now.to_string().contains(&app),
        "{told}"
    );

    // A key that is taken out of the spec is dead, whatever else is wrong with the spec; what was there before stays.
    let mut wrong = routes.clone();
    wrong[1]["backend"]["workload"] = json!("nothing");
    let without = json!({"apiKeys": [{"name": "ci", "roles": ["admin"]}]});
    a.patch(json!({"gateway": {"authentication": without, "routes": wrong}}))
        .await?;
    a.not_ready(&["InvalidSpec"], &["spec.gateway.routes[1].backend.workload"])
        .await?;
    eventually("the key to be dead", secs(20), async || {
        door.answers(401, &at_a, "/", &[&x_api_key(&app)]).await.map(|_| ())
    })
    .await?;
    door.answers(200, &at_a, "/echo?msg=x", &[&x_api_key(&ci)]).await?;
    a.patch(json!({"gateway": {"routes": routes}})).await?;
    ready(&a).await?;
    door.answers(200, &at_a, "/", &[&x_api_key(&ci)]).await?;
    let soon = k8s_openapi::jiff::Timestamp::now() + k8s_openapi::jiff::SignedDuration::from_secs(5);
    let expiring = json!([{"name": "ci", "roles": ["admin"], "expiresAt": soon.to_string()}]);
    a.patch(json!({"gateway": {"authentication": {"apiKeys": expiring}}}))
        .await?;
    eventually("the key to be expired", secs(30), async || {
        door.answers(401, &at_a, "/", &[&x_api_key(&ci)]).await.map(|_| ())
    })
    .await?;
    // A tenant without any key that opens does not take its neighbours'.
    door.answers(401, &at_a, "/", &[&x_api_key(&foreign)]).await?;
    door.answers(200, &at_b, "/", &[&x_api_key(&foreign)]).await?;
    // Without any authentication there is no Secret either.
    let open = json!([{"backend": web()}]);
    a.patch(json!({"gateway": {"authentication": null, "routes": open}}))
        .await?;
    ready(&a).await?;
    ensure!(
        !scene
            .cluster
            .exists(&path("secrets", &a.name, "tenant-api-keys"))
            .await?,
        "the Secret is still there"
    );
    door.answers(200, &at_a, "/", &[]).await.map(|_| ())
}

#[tokio::test]
async fn keys_are_renewed_without_a_failed_request() -> Result<()> {
    let Some(door) = Door::find("rotation") else {
        return Ok(());
    };
    let scene = Scene::new("renewed").await?;
    let tier = scene
        .tier(json!({"credentials": {"rotationInterval": "1h", "overlap": "15s"}}))
        .await?;
    let (tenant, host) = led_to(
        &scene,
        "a",
        &tier,
        json!({"authentication": {"apiKeys": [{"name": "ci"}]}}),
    )
    .await?;
    ready(&tenant).await?;
    let old = key(&tenant, "ci").await?;
    door.serves(&host, "/", &[&x_api_key(&old)]).await?;

    let served = AtomicUsize::new(0);
    let turn = async {
        let annotations = json!({"metadata": {"annotations": {"tenant-operator.io/rotate-credentials": "now"}}});
        tenant.cluster.patch(&tenant.path(), &annotations).await?;
        let fresh = eventually("a new key", secs(20), async || {
            let fresh = key(&tenant, "ci").await?;
            ensure!(fresh != old, "still the old one");
            Ok(fresh)
        })
        .await?;
        ensure!(
            api_key(&tenant, "ci.previous").await?.as_deref() == Some(&old),
            "the old key is not kept"
        );
        door.answers(200, &host, "/", &[&x_api_key(&old)])
            .await
            .context("the old key, during the overlap")?;
        eventually("the old key to be dead", secs(60), async || {
            door.answers(401, &host, "/", &[&x_api_key(&old)]).await.map(|_| ())
        })
        .await?;
        door.answers(200, &host, "/", &[&x_api_key(&fresh)]).await?;
        anyhow::Ok(())
    };
    meanwhile(turn, async || {
        // Like a client that reads its key from the Secret now and then.
        let now = key(&tenant, "ci").await?;
        for _ in 0..10 {
            door.answers(200, &host, "/", &[&x_api_key(&now)]).await?;
            served.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    })
    .await?;
    ensure!(served.load(Ordering::Relaxed) > 100, "hardly any load: {served:?}");
    ensure!(
        api_key(&tenant, "ci.previous").await?.is_none(),
        "the old key is still in the Secret"
    );
    Ok(())
}

#[tokio::test]
async fn a_token_opens_the_tenant_that_it_names() -> Result<()> {
    let Some(door) = Door::find("tokens") else {
        return Ok(());
    };
    let scene = Scene::new("tokens").await?;
    let (issuer, stranger) = (
        Issuer::new(&scene, "issuer").await?,
        Issuer::new(&scene, "stranger").await?,
    );
    let mut jwt = issuer.spec();
    jwt["tenantClaim"] = json!("tid");
    jwt["rolesClaim"] = json!("realm_access.roles");
    let tier = scene.tier(json!({"gateway": {"jwt": jwt}})).await?;
    let routes = json!([
        {"backend": {"workload": "web"}},
        {"path": {"type": "PathPrefix", "value": "/echo"}, "backend": {"workload": "web"}, "roles": ["tenant_admin", "agent"]},
    ]);
    let gateway = json!({"routes": routes, "authentication": {"apiKeys": [{"name": "ci"}]}});
    let (a, at_a) = led_to(&scene, "a", &tier, gateway.clone()).await?;
    let (b, _) = led_to(&scene, "b", &tier, gateway).await?;
    let now = ready(&a).await?;
    ready(&b).await?;
    let id = &text(&now["status"]["id"]);
    let of = |tenant: &str, more: Value| {
        let mut claims = json!({"tid": tenant});
        lay_over(&mut claims, more);
        issuer.token(claims)
    };
    door.serves(&at_a, "/", &[&of(&a.name, json!({}))?]).await?;
    let cases: Vec<(&str, u16, String)> = vec![
        ("its name", 200, of(&a.name, json!({}))?),
        ("its id", 200, of(id, json!({}))?),
        ("the other tenant", 403, of(&b.name, json!({}))?),
        ("no tenant", 403, issuer.token(json!({}))?),
        (
            "its name in another claim",
            403,
            issuer.token(json!({"tenant_id": a.name}))?,
        ),
        ("another audience", 403, of(&a.name, json!({"aud": "other"}))?),
        (
            "another issuer's name",
            401,
            of(&a.name, json!({"iss": stranger.name}))?,
        ),
        ("expired", 401, of(&a.name, json!({"exp": 1_700_000_000}))?),
        (
            "without an end",
            403,
            issuer.token_without(&["exp"], json!({"tid": a.name}))?,
        ),
        ("an end that is none", 403, of(&a.name, json!({"exp": 0}))?),
        (
            "an end that is none to Envoy, which reads whole numbers",
            403,
            of(&a.name, json!({"exp": 0.5}))?,
        ),
        ("not yet", 401, of(&a.name, json!({"nbf": 4_100_000_000_u64}))?),
        (
            "a stranger's signature",
            401,
            stranger.token(json!({"iss": issuer.name, "tid": a.name}))?,
        ),
        ("nonsense", 401, "Authorization: Bearer x.y.z".into()),
    ];
    for (what, status, token) in &cases {
        door.answers(*status, &at_a, "/", &[token])
            .await
            .with_context(|| what.to_string())?;
    }
    door.answers(401, &at_a, "/", &[]).await?;
    for (roles, status) in [
        (json!(["agent", "x"]), 200),
        (json!(["tenant_admin"]), 200),
        (json!("agent"), 200),
        (json!(["viewer"]), 403),
        (json!("agents"), 403),
        (json!([]), 403),
        (json!(null), 403),
    ] {
        let token = of(&a.name, json!({"realm_access": {"roles": roles}}))?;
        door.answers(status, &at_a, "/echo?msg=x", &[&token])
            .await
            .with_context(|| roles.to_string())?;
    }
    // Either opens; a bad key is not made good by a token.
    let (good, ci) = (of(&a.name, json!({}))?, key(&a, "ci").await?);
    door.answers(200, &at_a, "/", &[&x_api_key(&ci)]).await?;
    door.answers(200, &at_a, "/", &[&x_api_key(&ci), &cases[2].2]).await?;
    door.answers(401, &at_a, "/", &[&x_api_key("x"), &good]).await?;
    door.answers(401, &at_a, "/", &[&x_api_key(&key(&b, "ci").await?), &good])
        .await?;
    // A request with a token cannot claim to have a key's client.
    ensure!(
        sent(&door, &at_a, "", "X-Tenant-Client", &[&good, "X-Tenant-Client: ci"])
            .await?
            .is_empty(),
        "forged"
    );
    Ok(())
}

/// Requests are let through only when the gateway has said that it asks for credentials: from the first answer on.
#[tokio::test]
async fn nobody_comes_in_before_credentials_are_asked_for() -> Result<()> {
    let Some(door) = Door::find("barred") else {
        return Ok(());
    };
    let scene = Scene::new("barred").await?;
    let tier = scene.tier(json!({})).await?;
    let (tenant, host) = led_to(
        &scene,
        "a",
        &tier,
        json!({"authentication": {"apiKeys": [{"name": "ci"}]}}),
    )
    .await?;
    let seen = answers_during(&door, &host, "/", ready(&tenant)).await?;
    ensure!(!seen.contains_key(&200), "let in without credentials: {seen:?}");
    ensure!(
        seen.keys().all(|status| [401, 404, 500, 503].contains(status)),
        "{seen:?}"
    );
    // Asked for later, an open route closes before it is opened again.
    let open = json!({"gateway": {"authentication": null}});
    tenant.patch(open).await?;
    ready(&tenant).await?;
    door.serves(&host, "/", &[]).await?;
    tenant
        .patch(json!({"gateway": {"authentication": {"apiKeys": [{"name": "ci"}]}}}))
        .await?;
    eventually("it to be closed", secs(20), async || {
        door.answers(401, &host, "/", &[]).await.map(|_| ())
    })
    .await?;
    steadily("it", secs(3), async || {
        door.answers(401, &host, "/", &[]).await.map(|_| ())
    })
    .await
}

/// Rules that move from one object to another, of the same class or of another, with an open route above them all.
#[tokio::test]
async fn what_is_guarded_stays_so_while_rules_move() -> Result<()> {
    let Some(door) = Door::find("moving rules") else {
        return Ok(());
    };
    let scene = Scene::new("moving").await?;
    let tier = scene.tier(json!({})).await?;
    let exact = |path: &str, role: &str| json!({"path": {"type": "Exact", "value": path}, "backend": {"workload": "web"}, "roles": [role]});
    let routes = |own: &str, number: usize| {
        let mut all = vec![json!({"backend": {"workload": "web"}, "authentication": "None"})];
        all.push(exact("/hostname", own));
        all.push(exact("/env", "b"));
        all.extend((0..number).map(|i| exact(&format!("/a{i}"), "a")));
        json!(all)
    };
    let keys = json!({"apiKeys": [{"name": "ci", "roles": ["a", "b"]}]});
    let gateway = json!({"routes": routes("a", 6), "authentication": keys});
    let (tenant, host) = led_to(&scene, "a", &tier, gateway).await?;
    // Nothing lets through before it is known that a key is asked for.
    let first = async { ready(&tenant).await.map(|_| ()) };
    let seen = answers_during(&door, &host, "/hostname", first).await?;
    ensure!(!seen.contains_key(&200), "at first: {seen:?}");
    let key = x_api_key(&key(&tenant, "ci").await?);
    door.serves(&host, "/hostname", &[&key]).await?;
    door.serves(&host, "/", &[]).await?;
    let change = async {
        // To a class that is there already, and back; then seven rules of a class become eight, which are two objects.
        for (own, number) in [("b", 6), ("a", 6), ("a", 7), ("a", 6)] {
            tenant
                .patch(json!({"gateway": {"routes": routes(own, number)}}))
                .await?;
            ready(&tenant).await?;
            door.serves(&host, "/hostname", &[&key]).await?;
        }
        Ok(())
    };
    let seen = answers_during(&door, &host, "/hostname", change).await?;
    ensure!(!seen.contains_key(&200) && seen.contains_key(&401), "{seen:?}");
    Ok(())
}

/// Another list of roles is another route; meanwhile its former requests must not reach the open route above it.
#[tokio::test]
async fn a_change_of_roles_opens_nothing() -> Result<()> {
    let Some(door) = Door::find("a change of roles") else {
        return Ok(());
    };
    let scene = Scene::new("roles").await?;
    let tier = scene.tier(json!({})).await?;
    let routes = |roles: Value| {
        json!([
            {"backend": {"workload": "web"}, "authentication": "None"},
            {"path": {"type": "Exact", "value": "/hostname"}, "backend": {"workload": "web"}, "roles": roles},
        ])
    };
    let keys = json!({"apiKeys": [{"name": "ci", "roles": ["a"]}]});
    let gateway = json!({"routes": routes(json!(["a"])), "authentication": keys});
    let (tenant, host) = led_to(&scene, "a", &tier, gateway).await?;
    ready(&tenant).await?;
    let key = x_api_key(&key(&tenant, "ci").await?);
    door.serves(&host, "/hostname", &[&key]).await?;
    door.serves(&host, "/", &[]).await?;
    let change = async {
        for roles in [json!(["a", "b"]), json!(["a", "c"]), json!(["a"])] {
            tenant.patch(json!({"gateway": {"routes": routes(roles)}})).await?;
            ready(&tenant).await?;
            door.serves(&host, "/hostname", &[&key]).await?;
        }
        Ok(())
    };
    let seen = answers_during(&door, &host, "/hostname", change).await?;
    ensure!(!seen.contains_key(&200) && seen.contains_key(&401), "{seen:?}");
    Ok(())
}
