//! Routes: the gateway leads to a tenant on its own hosts and paths, within its tier's limits, and to nobody else there.

use crate::support::gateway::{Door, SHARED_HOST, curl, key, led_to, ready, sent, x_api_key};
use crate::support::{Scene, TestTenant, condition, eventually, operator, secs, text};
use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

#[tokio::test]
async fn a_tenant_answers_at_its_host_and_is_told_whose_request_it_has() -> Result<()> {
    let Some(door) = Door::find("routes") else {
        return Ok(());
    };
    let scene = Scene::new("routes").await?;
    let tier = scene
        .tier(json!({"features": {"default": ["chat", "analytics"]}}))
        .await?;
    let (a, at_a) = led_to(&scene, "a", &tier, json!({})).await?;
    let (b, at_b) = led_to(&scene, "b", &tier, json!({"routes": [
        {"path": {"type": "PathPrefix", "value": "/header"}, "methods": ["GET"], "backend": {"workload": "web", "port": "http"}},
        {"path": {"type": "Exact", "value": "/hostname"}, "backend": {"workload": "web"}},
    ]}))
    .await?;
    let none = ["chat", "analytics"].map(|name| json!({"name": name, "enabled": false}));
    b.patch(json!({"features": none})).await?;
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
        "X-Tenant-Features: sso",
        "X-Tenant-Number: 7",
        "X-Tenant-Parent-ID: mallory",
        "x-tenant-root-id: mallory",
    ];
    for headers in [&[][..], &forged[..]] {
        for (name, expected) in [
            ("X-Tenant-Id", id.as_str()),
            ("X-Tenant-Name", a.name.as_str()),
            ("X-Tenant-Tier", tier.as_str()),
            ("X-Tenant-Client", ""),
            ("X-Tenant-Features", "analytics,chat"),
            ("X-Tenant-Number", ""),
            ("X-Tenant-Parent-Id", ""),
            ("X-Tenant-Root-Id", ""),
        ] {
            let told = sent(&door, &at_a, "", name, headers).await?;
            ensure!(told == expected, "{name}: {told:?} instead of {expected:?}");
        }
    }
    ensure!(
        sent(&door, &at_b, "", "X-Tenant-Name", &[]).await? == b.name,
        "b is told of somebody else"
    );
    let told = sent(&door, &at_b, "", "X-Tenant-Features", &forged).await?;
    ensure!(told.is_empty(), "a tenant without features has {told}");
    door.answers(200, &at_b, "/hostname", &[]).await?;
    for (host, path) in [
        (at_b.as_str(), "/hostname/below"),
        (&at_b, "/echo?msg=x"),
        (&at_b, "/headers"),
        ("nobodys.example.com", "/"),
    ] {
        door.answers(404, host, path, &[]).await?;
    }
    // Only the host decides on the tenant, not the client's headers.
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
    // The status names a setting that this gateway does not keep: it counts the two kinds of routes separately.
    b.patch(json!({"gateway": {"concurrentRequests": 1}})).await?;
    let told = b
        .not_ready(&["GatewayNotReady"], &["concurrentRequests", "Envoy counts"])
        .await?;
    let gateway = condition(&told, "GatewayReady").cloned().unwrap_or_default();
    ensure!(gateway["reason"] == "Unsupported", "{gateway}");
    Ok(())
}

#[tokio::test]
async fn each_key_and_each_route_may_have_a_limit_of_its_own() -> Result<()> {
    let Some(door) = Door::find("each") else {
        return Ok(());
    };
    let scene = Scene::new("each").await?;
    let tier = scene.tier(json!({})).await?;
    let web = || json!({"workload": "web"});
    let routes = json!([
        {"backend": web()},
        {"path": {"type": "PathPrefix", "value": "/hostname"}, "backend": web(), "authentication": "None", "rateLimits": [{"requests": 3, "unit": "Day"}]},
        {"path": {"type": "Exact", "value": "/hostname/free"}, "backend": web(), "authentication": "None"},
    ]);
    let gateway = json!({
        "routes": routes,
        "rateLimits": [{"requests": 5, "unit": "Day", "per": "Key"}],
        "authentication": {"apiKeys": [{"name": "ci"}, {"name": "nightly"}]},
    });
    let (tenant, host) = led_to(&scene, "a", &tier, gateway).await?;
    ready(&tenant).await?;
    let ci = x_api_key(&key(&tenant, "ci").await?);
    let nightly = x_api_key(&key(&tenant, "nightly").await?);
    for (path, headers) in [("/", vec![ci.as_str()]), ("/hostname", vec![])] {
        eventually("the limiter to count", secs(15), async || {
            let answer = door.answers(200, &host, path, &headers).await?;
            ensure!(answer.headers.contains_key("x-ratelimit-remaining"), "it does not");
            Ok(())
        })
        .await?;
    }
    for (path, headers, limit) in [("/", vec![ci.as_str()], 5), ("/hostname", vec![], 3)] {
        let statuses = door.without_a_pause(&host, path, &headers, limit).await?;
        let served = statuses.iter().filter(|status| **status == 200).count();
        ensure!(
            served < limit && statuses.iter().all(|status| [200, 429].contains(status)),
            "{path}: {statuses:?} after the first"
        );
        door.answers(429, &host, path, &headers).await?;
    }
    // The other key, and the route below the other, have what was theirs.
    door.answers(200, &host, "/", &[&nightly]).await?;
    let below = door.get(&host, "/hostname/free", &[]).await?;
    ensure!(below.status != 429, "{}", below.status);
    // Where no key is asked for, nobody spends the requests of one.
    door.answers(403, &host, "/hostname/free", &["X-Tenant-Client: nightly"])
        .await?;
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
    // Nobody is meant, or somebody unknown, or a path that nobody has: the chart's own route answers.
    for (path, headers) in [
        ("/hostname".into(), vec![key_a.clone()]),
        ("/".into(), vec![]),
        ("/hostname".into(), vec![key_a.clone(), by("nobody")]),
        ("/tenants/nobody/hostname".into(), vec![key_a.clone()]),
        (format!("{}x/hostname", below(&a)), vec![key_a.clone()]),
        (format!("{}/nothing", below(&a)), vec![key_a.clone()]),
    ] {
        let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
        let answer = door.answers(401, SHARED_HOST, &path, &headers).await?;
        let challenge = answer.headers.get("www-authenticate").map(String::as_str);
        ensure!(challenge == Some("Bearer"), "{path}: {:?}", answer.headers);
        let body: Value = serde_json::from_str(&answer.body).with_context(|| answer.body.clone())?;
        ensure!(body["reason"] == "Unauthorized", "{path}: {body}");
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
        json!({"authentication": {"apiKeys": [{"name": "ci"}]}, "errorResponses": [
            {"status": 401, "body": "{\"hint\": \"100 % closed (without a key)\"}", "contentType": "application/json"},
            {"status": 401, "body": "{\"hint\": \"zu (100 %)\"}", "contentType": "application/json", "language": "de"},
            {"status": 404, "body": "of the gateway"},
        ]}),
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
    // The gateway's own errors have the tenant's words, in the client's first language; the workload's answers stay.
    let hint = async |headers: &[&str]| -> Result<String> {
        let answer = door.answers(401, &host, "/", headers).await?;
        let type_ = answer.headers.get("content-type").map(String::as_str);
        ensure!(type_ == Some("application/json"), "{:?}", answer.headers);
        let body: Value = serde_json::from_str(&answer.body).with_context(|| answer.body.clone())?;
        Ok(text(&body["hint"]))
    };
    for (language, expected) in [
        (None, "100 % closed (without a key)"),
        (Some("Accept-Language: fr, de;q=0.5"), "100 % closed (without a key)"),
        (Some("Accept-Language: de-CH,de;q=0.9,en;q=0.8"), "zu (100 %)"),
    ] {
        let headers: Vec<&str> = language.into_iter().collect();
        let said = hint(&headers).await?;
        ensure!(said == expected, "{language:?}: {said}");
    }
    // The server's own answer on a path that it does not know.
    let missing = door.get(&host, "/no/such/path", &[&key]).await?;
    ensure!(missing.body != "of the gateway", "{missing:?}");
    Ok(())
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

/// Many routes, each with all hosts: the proxies take up the last seconds after the gateway's controller has accepted it.
#[tokio::test]
async fn the_first_request_after_ready_is_answered_at_every_host() -> Result<()> {
    let Some(door) = Door::find("the first request after Ready") else {
        return Ok(());
    };
    let scene = Scene::new("first").await?;
    let tier = scene.tier(json!({})).await?;
    let hosts: Vec<String> = (0..10)
        .map(|number| format!("{}-{number}.example.com", scene.name))
        .collect();
    let methods = [
        "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "CONNECT",
    ];
    let paths = (0..30).map(|number| {
        let path = json!({"type": "PathPrefix", "value": format!("/p{number}")});
        json!({"path": path, "methods": methods, "backend": {"workload": "web"}})
    });
    let last = json!({"path": {"type": "Exact", "value": "/hostname"}, "backend": {"workload": "web"}});
    let routes: Vec<Value> = paths.chain([last]).collect();
    let (tenant, _) = led_to(&scene, "many", &tier, json!({"hosts": hosts, "routes": routes})).await?;
    tenant.ready().await?;
    for host in &hosts {
        if let Err(error) = door.answers(200, host, "/hostname", &[]).await {
            let log = operator::log(&scene.cluster).await?;
            let lines = log
                .lines()
                .filter(|line| line.contains(&tenant.name) || line.contains("proxies"));
            let lines: Vec<&str> = lines.collect();
            let now = tenant.get().await?["status"]["conditions"].take();
            bail!("{error}\n{now}\n{}", lines.join("\n"));
        }
    }
    Ok(())
}
