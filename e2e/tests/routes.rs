//! A tenant is reached through the gateway at what is its own, by those it lets in, as often as its tier says; and nobody else is by that way.

use crate::support::gateway::{Door, Issuer, SHARED_HOST, api_key, curl, led_to, sent};
use crate::support::scene::lay_over;
use crate::support::{Scene, TestTenant, condition, eventually, path, secs, steadily, text};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

fn x_api_key(key: &str) -> String {
    format!("X-API-Key: {key}")
}

/// Its API key of this name.
async fn key(tenant: &TestTenant, name: &str) -> Result<String> {
    api_key(tenant, name).await?.with_context(|| format!("no key {name}"))
}

/// Once Ready it answers, at first and from then on.
async fn ready(tenant: &TestTenant) -> Result<Value> {
    let now = tenant.ready().await?;
    let gateway = condition(&now, "GatewayReady").cloned().unwrap_or_default();
    ensure!(gateway["status"] == "True", "{gateway}");
    Ok(now)
}

/// How often each status was answered, to who has no credentials, until something was done.
async fn answers_during<T>(
    door: &Door,
    host: &str,
    path: &str,
    something: impl Future<Output = Result<T>>,
) -> Result<BTreeMap<u16, usize>> {
    let done = AtomicBool::new(false);
    let watch = async {
        let mut seen = BTreeMap::new();
        while !done.load(Ordering::Relaxed) {
            // A machine that is busy may keep curl waiting; what counts is what is answered.
            if let Ok(answer) = door.get(host, path, &[]).await {
                *seen.entry(answer.status).or_insert(0) += 1;
            }
        }
        seen
    };
    let act = async {
        let result = something.await;
        done.store(true, Ordering::Relaxed);
        result
    };
    let (acted, seen) = tokio::join!(act, watch);
    acted.map(|_| seen)
}

#[tokio::test]
async fn a_tenant_answers_at_its_host_and_is_told_whose_request_it_has() -> Result<()> {
    let Some(door) = Door::find("routes") else {
        return Ok(());
    };
    let scene = Scene::new("routes").await?;
    let tier = scene.tier(json!({})).await?;
    let (a, at_a) = led_to(&scene, "a", &tier, json!({})).await?;
    let (b, at_b) = led_to(&scene, "b", &tier, json!({"routes": [
        {"path": {"type": "PathPrefix", "value": "/header"}, "methods": ["GET"], "backend": {"workload": "web", "port": "http"}},
        {"path": {"type": "Exact", "value": "/hostname"}, "backend": {"workload": "web"}},
    ]}))
    .await?;
    let now = ready(&a).await?;
    ready(&b).await?;
    ensure!(
        now["status"]["gateway"]["endpoints"] == json!([format!("http://{at_a}")]),
        "{}",
        now["status"]["gateway"]
    );

    door.serves(&at_a, "/header?key=X", &[]).await?;
    door.serves(&at_b, "/hostname", &[]).await?;
    let id = &text(&now["status"]["id"]);
    let forged = [
        "X-Tenant-ID: mallory",
        "x-tenant-name: mallory",
        "X-TENANT-TIER: gold",
        "X-Tenant-Client: root",
    ];
    for headers in [&[][..], &forged[..]] {
        for (name, expected) in [
            ("X-Tenant-Id", id.as_str()),
            ("X-Tenant-Name", a.name.as_str()),
            ("X-Tenant-Tier", tier.as_str()),
            ("X-Tenant-Client", ""),
        ] {
            let told = sent(&door, &at_a, "", name, headers).await?;
            ensure!(told == expected, "{name}: {told:?} instead of {expected:?}");
        }
    }
    ensure!(
        sent(&door, &at_b, "", "X-Tenant-Name", &[]).await? == b.name,
        "b is told of somebody else"
    );
    door.answers(200, &at_b, "/hostname", &[]).await?;
    for (host, path) in [
        (at_b.as_str(), "/hostname/below"),
        (&at_b, "/echo?msg=x"),
        (&at_b, "/headers"),
        ("nobodys.example.com", "/"),
        (SHARED_HOST, "/"),
    ] {
        door.answers(404, host, path, &[]).await?;
    }
    // Whose host it is decides, and not what else is said.
    let told = sent(
        &door,
        &at_a,
        "",
        "X-Tenant-Name",
        &[&format!("X-Forwarded-Host: {at_b}")],
    )
    .await?;
    ensure!(told == a.name, "{told}");

    // Taken out of the spec, gone.
    a.patch(json!({"gateway": {"routes": null, "hosts": [at_a]}})).await?;
    eventually("nothing to answer any more", secs(20), async || {
        door.answers(404, &at_a, "/", &[]).await.map(|_| ())
    })
    .await?;
    let now = a.ready().await?;
    ensure!(
        condition(&now, "GatewayReady").is_none() && now["status"]["gateway"].is_null(),
        "{}",
        now["status"]
    );
    b.delete().await?;
    b.gone().await?;
    door.answers(404, &at_b, "/hostname", &[]).await.map(|_| ())
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

    let (done, served) = (AtomicBool::new(false), AtomicUsize::new(0));
    let load = async {
        while !done.load(Ordering::Relaxed) {
            // Like a client that reads its key from the Secret now and then.
            let now = key(&tenant, "ci").await?;
            for _ in 0..10 {
                door.answers(200, &host, "/", &[&x_api_key(&now)]).await?;
                served.fetch_add(1, Ordering::Relaxed);
            }
        }
        anyhow::Ok(())
    };
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
    // A turn that fails must end the load too.
    let turn = async {
        let result = turn.await;
        done.store(true, Ordering::Relaxed);
        result
    };
    let (turned, loaded) = tokio::join!(turn, load);
    turned?;
    loaded?;
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
    let tier = scene.tier(json!({"gateway": {"jwt": issuer.spec()}})).await?;
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
        let mut claims = json!({"tenant_id": tenant});
        lay_over(&mut claims, more);
        issuer.token(claims)
    };
    door.serves(&at_a, "/", &[&of(&a.name, json!({}))?]).await?;
    let cases: Vec<(&str, u16, String)> = vec![
        ("its name", 200, of(&a.name, json!({}))?),
        ("its id", 200, of(id, json!({}))?),
        ("the other tenant", 403, of(&b.name, json!({}))?),
        ("no tenant", 403, issuer.token(json!({}))?),
        ("another audience", 403, of(&a.name, json!({"aud": "other"}))?),
        (
            "another issuer's name",
            401,
            of(&a.name, json!({"iss": stranger.name}))?,
        ),
        ("expired", 401, of(&a.name, json!({"exp": 1_700_000_000}))?),
        ("not yet", 401, of(&a.name, json!({"nbf": 4_100_000_000_u64}))?),
        (
            "a stranger's signature",
            401,
            stranger.token(json!({"iss": issuer.name, "tenant_id": a.name}))?,
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
        (json!(["viewer"]), 403),
        (json!([]), 403),
        (json!(null), 403),
    ] {
        let token = of(&a.name, json!({"roles": roles}))?;
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
    // Whose key it was is not believed of a token.
    ensure!(
        sent(&door, &at_a, "", "X-Tenant-Client", &[&good, "X-Tenant-Client: ci"])
            .await?
            .is_empty(),
        "forged"
    );
    Ok(())
}

#[tokio::test]
async fn one_tenants_limit_is_its_own_whatever_the_route() -> Result<()> {
    let Some(door) = Door::find("limits") else {
        return Ok(());
    };
    let scene = Scene::new("limits").await?;
    let tier = scene
        .tier(
            json!({"gateway": {"rateLimits": [{"requests": 1000, "unit": "Minute"}, {"requests": 10, "unit": "Day"}]}}),
        )
        .await?;
    let web = || json!({"workload": "web"});
    let routes = json!([
        {"backend": web()},
        {"path": {"type": "Exact", "value": "/hostname"}, "backend": web(), "authentication": "None"},
    ]);
    let gateway = json!({"routes": routes, "authentication": {"apiKeys": [{"name": "ci"}]}});
    let (a, at_a) = led_to(&scene, "a", &tier, gateway.clone()).await?;
    let (b, at_b) = led_to(&scene, "b", &tier, gateway).await?;
    ready(&a).await?;
    ready(&b).await?;
    let key_a = x_api_key(&key(&a, "ci").await?);
    // The limiter learns of the tenant by a way of its own: what came before it did is not counted.
    eventually("the limiter to count", secs(15), async || {
        let answer = door.answers(200, &at_a, "/hostname", &[]).await?;
        ensure!(answer.headers.contains_key("x-ratelimit-remaining"), "it does not");
        Ok(())
    })
    .await?;
    // Two routes, of two HTTPRoutes, share the tenant's count, of which at least one is used up.
    let requests = [("/", vec![key_a.as_str()]), ("/hostname", vec![])];
    let mut served = 0;
    for (path, headers) in requests.iter().cycle().take(12) {
        let answer = door.get(&at_a, path, headers).await?;
        ensure!([200, 429].contains(&answer.status), "{}", answer.status);
        served += usize::from(answer.status == 200);
    }
    ensure!((1..=9).contains(&served), "{served} of 12 were served after the first");
    for (path, headers) in &requests {
        let refused = door
            .answers(429, &at_a, path, headers)
            .await
            .context("beyond the limit")?;
        let after: u64 = refused.headers.get("retry-after").context("no Retry-After")?.parse()?;
        ensure!((1..=86400).contains(&after), "{after}");
    }
    door.serves(&at_b, "/hostname", &[]).await.context("the other tenant")?;
    // More than the tier allows is refused, and all stays as it was.
    a.patch(json!({"gateway": {"rateLimits": [{"requests": 11, "unit": "Day"}]}}))
        .await?;
    a.not_ready(
        &["InvalidSpec"],
        &["spec.gateway.rateLimits[0].requests", "more than the 10"],
    )
    .await?;
    door.answers(429, &at_a, "/hostname", &[]).await?;
    // What this gateway cannot do is said.
    a.patch(json!({"gateway": {"rateLimits": null}})).await?;
    b.patch(json!({"gateway": {"rateLimits": [{"requests": 5, "unit": "Second", "burst": 2}]}}))
        .await?;
    let told = b.not_ready(&["GatewayNotReady"], &["burst", "Envoy Gateway"]).await?;
    let gateway = condition(&told, "GatewayReady").cloned().unwrap_or_default();
    ensure!(gateway["reason"] == "Unsupported", "{gateway}");
    Ok(())
}

#[tokio::test]
async fn a_shared_host_tells_tenants_apart_by_path_or_header() -> Result<()> {
    let Some(door) = Door::find("shared") else {
        return Ok(());
    };
    let scene = Scene::new("shared").await?;
    let tier = scene.tier(json!({})).await?;
    let gateway = |by: &[&str]| {
        json!({
            "hosts": [], "identification": by, "authentication": {"apiKeys": [{"name": "ci"}]},
            "routes": [
                {"path": {"type": "PathPrefix", "value": "/header"}, "methods": ["GET", "POST"], "backend": {"workload": "web"}},
                {"path": {"type": "Exact", "value": "/hostname"}, "backend": {"workload": "web"}},
            ],
        })
    };
    let (a, _) = led_to(&scene, "a", &tier, gateway(&["Path", "Header"])).await?;
    let (b, _) = led_to(&scene, "b", &tier, gateway(&["Path", "Header"])).await?;
    let now = ready(&a).await?;
    ready(&b).await?;
    let (key_a, key_b) = (x_api_key(&key(&a, "ci").await?), x_api_key(&key(&b, "ci").await?));
    let below = |tenant: &TestTenant| format!("/tenants/{}", tenant.name);
    door.serves(SHARED_HOST, &format!("{}/hostname", below(&a)), &[&key_a])
        .await?;
    door.serves(SHARED_HOST, &format!("{}/hostname", below(&b)), &[&key_b])
        .await?;
    let told = sent(&door, SHARED_HOST, &below(&a), "X-Tenant-Name", &[&key_a]).await?;
    ensure!(told == a.name, "{told}");
    let by = |tenant: &str| format!("X-Tenant-ID: {tenant}");
    for who in [a.name.as_str(), &text(&now["status"]["id"])] {
        let told = sent(&door, SHARED_HOST, "", "X-Tenant-Id", &[&key_a, &by(who)]).await?;
        ensure!(told == text(&now["status"]["id"]), "{told}");
    }
    for (status, path, headers) in [
        (200, format!("{}/hostname", below(&a)), vec![key_a.clone()]),
        // The other's path, or header, with one's own key; one's own path with another's header.
        (401, format!("{}/hostname", below(&b)), vec![key_a.clone()]),
        (401, "/hostname".into(), vec![key_a.clone(), by(&b.name)]),
        (401, format!("{}/hostname", below(&b)), vec![key_a.clone(), by(&a.name)]),
        (401, "/hostname".into(), vec![by(&a.name)]),
        (401, format!("{}/hostname", below(&a)), vec![]),
        // Nobody is meant, or somebody unknown.
        (404, "/hostname".into(), vec![key_a.clone()]),
        (404, "/hostname".into(), vec![key_a.clone(), by("nobody")]),
        (404, "/tenants/nobody/hostname".into(), vec![key_a.clone()]),
        (404, format!("{}x/hostname", below(&a)), vec![key_a.clone()]),
        // Where the gateway ends up, not what was written, is judged.
        (
            401,
            format!("{}/../{}/hostname", below(&a), b.name),
            vec![key_a.clone()],
        ),
        (
            401,
            format!("{}/%2e%2e/{}/hostname", below(&a), b.name),
            vec![key_a.clone()],
        ),
        (200, format!("{}/hostname", below(&b)), vec![key_b.clone()]),
    ] {
        let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
        let answer = door.get(SHARED_HOST, &path, &headers).await?;
        ensure!(
            answer.status == status,
            "{path} {headers:?}: {} instead of {status}",
            answer.status
        );
    }
    // Such a host is nobody's own.
    let spec = json!({"gateway": {"hosts": [SHARED_HOST]}});
    let greedy = scene.tenant("greedy", &tier, spec).await?;
    greedy
        .not_ready(&["InvalidSpec"], &["which all tenants share"])
        .await
        .map(|_| ())
}

#[tokio::test]
async fn a_suspended_tenant_says_so_and_comes_back() -> Result<()> {
    let Some(door) = Door::find("suspended") else {
        return Ok(());
    };
    let scene = Scene::new("closed").await?;
    let tier = scene.tier(json!({})).await?;
    let (tenant, host) = led_to(
        &scene,
        "a",
        &tier,
        json!({"authentication": {"apiKeys": [{"name": "ci"}]}}),
    )
    .await?;
    ready(&tenant).await?;
    let key = x_api_key(&key(&tenant, "ci").await?);
    door.serves(&host, "/", &[&key]).await?;
    tenant.patch(json!({"suspend": true})).await?;
    let now = tenant.condition("Ready", "True", &["Suspended"]).await?;
    let gateway = condition(&now, "GatewayReady").cloned().unwrap_or_default();
    ensure!(
        (gateway["status"].as_str(), gateway["reason"].as_str()) == (Some("False"), Some("Suspended")),
        "{gateway}"
    );
    let refused = eventually("it to say so", secs(10), async || {
        door.answers(503, &host, "/any/path", &[]).await
    })
    .await?;
    let body: Value = serde_json::from_str(&refused.body).with_context(|| refused.body.clone())?;
    ensure!(body["message"] == "this tenant is suspended", "{body}");
    tenant.patch(json!({"suspend": null})).await?;
    ready(&tenant).await?;
    door.serves(&host, "/", &[&key]).await?;
    door.answers(401, &host, "/", &[]).await.map(|_| ())
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

#[tokio::test]
async fn a_host_that_another_has_leads_to_the_other() -> Result<()> {
    let Some(door) = Door::find("claimed") else {
        return Ok(());
    };
    let scene = Scene::new("claimed").await?;
    let tier = scene.tier(json!({})).await?;
    let (first, host) = led_to(&scene, "first", &tier, json!({})).await?;
    ready(&first).await?;
    let (second, own) = led_to(&scene, "second", &tier, json!({})).await?;
    ready(&second).await?;
    second.patch(json!({"gateway": {"hosts": [own, host]}})).await?;
    second.not_ready(&["Conflict"], &[&host, &first.name]).await?;
    for (host, tenant) in [(&host, &first), (&own, &second)] {
        door.serves(host, "/", &[]).await?;
        let told = sent(&door, host, "", "X-Tenant-Name", &[]).await?;
        ensure!(told == tenant.name, "{host} leads to {told}");
    }
    // On one connection, which was opened for the first one's host, each request is judged by its own.
    let request = |authority: &str| {
        let mut arguments: Vec<String> = ["--silent", "--show-error", "--http2", "--cacert", &door.ca_file]
            .map(String::from)
            .to_vec();
        arguments.extend(["--resolve".into(), format!("{host}:443:{}", door.address)]);
        arguments.extend(["--header".into(), format!("Host: {authority}")]);
        arguments.extend(["--write-out".into(), " %{http_version} %{num_connects}\n".into()]);
        arguments.push(format!("https://{host}/header?key=X-Tenant-Name"));
        arguments
    };
    let said = curl([request(&host), vec!["--next".into()], request(&own)].concat()).await?;
    let words: Vec<&str> = said.split_whitespace().collect();
    ensure!(words == [&first.name, "2", "1", &second.name, "2", "0"], "{said}");
    Ok(())
}

/// Another list of roles is another route; what it was before must not fall to the open one above it meanwhile.
#[tokio::test]
async fn a_change_of_roles_opens_nothing() -> Result<()> {
    let Some(door) = Door::find("roles") else { return Ok(()) };
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
