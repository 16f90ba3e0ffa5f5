//! A tenant's own keys. It signs tokens with one, whose public half the gateway publishes and trusts only at the tenant's own hosts. It encrypts data with
//! others, which live as long as the data.

use crate::support::gateway::{Door, led_to};
use crate::support::{Scene, TestTenant, eventually, meanwhile, path, secs, server_workload, text};
use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, UnparsedPublicKey};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

const SIGNING: &str = "tenant-signing-key";
const ENCRYPTION: &str = "tenant-encryption-key";
const KEY_SET: &str = "/.well-known/jwks.json";

/// Returns the data of a tenant's Secret.
async fn secret(tenant: &TestTenant, name: &str) -> Result<BTreeMap<String, Vec<u8>>> {
    let secret = tenant.cluster.get(&path("secrets", &tenant.name, name)).await?;
    let entries = secret["data"].as_object().context("an empty Secret")?;
    let entry = |(name, value): (&String, &Value)| Ok((name.clone(), STANDARD.decode(text(value))?));
    entries.iter().map(entry).collect()
}

async fn has_secret(tenant: &TestTenant, name: &str) -> Result<bool> {
    tenant.cluster.exists(&path("secrets", &tenant.name, name)).await
}

fn word(secret: &BTreeMap<String, Vec<u8>>, entry: &str) -> Result<String> {
    let bytes = secret.get(entry).with_context(|| format!("no entry {entry}"))?;
    Ok(String::from_utf8(bytes.clone())?)
}

/// Returns the `kid` of a signing key, and a token that it signs.
fn signed(secret: &BTreeMap<String, Vec<u8>>, tenant: &str) -> Result<(String, String)> {
    let kid = word(secret, "kid")?;
    let key = pem::parse(word(secret, "private-key.pem")?)?;
    let random = SystemRandom::new();
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key.contents(), &random);
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let header = json!({"alg": word(secret, "algorithm")?, "kid": kid, "typ": "JWT"});
    let claims = json!({"iss": "itself", "sub": "somebody", "tenant_id": tenant, "iat": now, "exp": now + 600});
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", encode(&header), encode(&claims));
    let signature = key.ok().and_then(|key| key.sign(&random, message.as_bytes()).ok());
    let signature = URL_SAFE_NO_PAD.encode(signature.context("not signed")?);
    Ok((kid, format!("{message}.{signature}")))
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}")
}

async fn token(tenant: &TestTenant) -> Result<String> {
    let secret = secret(tenant, SIGNING).await?;
    Ok(bearer(&signed(&secret, &tenant.name)?.1))
}

/// Returns true where a published set has a key of this id that verifies the token.
fn verifies(set: &Value, kid: &str, token: &str) -> Result<bool> {
    let keys = set["keys"].as_array().context("no keys")?;
    let Some(key) = keys.iter().find(|key| key["kid"] == *kid) else {
        return Ok(false);
    };
    let part = |name: &str| URL_SAFE_NO_PAD.decode(text(&key[name]));
    let point = [vec![4], part("x")?, part("y")?].concat();
    let (message, signature) = token.rsplit_once('.').context("not a token")?;
    let signature = URL_SAFE_NO_PAD.decode(signature)?;
    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
    Ok(key.verify(message.as_bytes(), &signature).is_ok())
}

async fn rotate(tenant: &TestTenant, value: &str) -> Result<()> {
    let annotations = json!({"metadata": {"annotations": {"tenant-operator.io/rotate-credentials": value}}});
    tenant.cluster.patch(&tenant.path(), &annotations).await?;
    Ok(())
}

fn trusting_itself() -> Value {
    json!({"authentication": {"jwt": {"issuer": "itself", "jwks": {"signingKey": true}}}})
}

#[tokio::test]
async fn a_token_that_a_tenant_signs_opens_that_tenant_alone() -> Result<()> {
    let Some(door) = Door::find("own_keys") else {
        return Ok(());
    };
    let scene = Scene::new("ownkey").await?;
    let tier = scene.tier(json!({"credentials": {"signingKey": {}}})).await?;
    let (a, at_a) = led_to(&scene, "a", &tier, trusting_itself()).await?;
    let (b, at_b) = led_to(&scene, "b", &tier, trusting_itself()).await?;
    let now = a.ready().await?;
    b.ready().await?;
    let of_a = secret(&a, SIGNING).await?;
    let (kid, raw) = signed(&of_a, &a.name)?;
    door.serves(&at_a, "/", &[&bearer(&raw)]).await?;
    door.answers(401, &at_a, "/", &[]).await?;
    door.answers(401, &at_b, "/", &[&bearer(&raw)]).await?;
    // Neither does it open B when it says so, nor does B's key open A.
    door.answers(401, &at_b, "/", &[&bearer(&signed(&of_a, &b.name)?.1)])
        .await?;
    let forged = signed(&secret(&b, SIGNING).await?, &a.name)?.1;
    door.answers(401, &at_a, "/", &[&bearer(&forged)]).await?;
    door.answers(403, &at_a, "/", &[&bearer(&signed(&of_a, &b.name)?.1)])
        .await?;

    let published = door.answers(200, &at_a, KEY_SET, &[]).await?;
    ensure!(
        published
            .headers
            .get("content-type")
            .is_some_and(|kind| kind.starts_with("application/json"))
    );
    let set: Value = serde_json::from_str(&published.body)?;
    ensure!(verifies(&set, &kid, &raw)?, "{kid} is not in {set}");
    ensure!(!published.body.contains("\"d\""), "a private key is published");
    let map = a.cluster.get(&path("configmaps", &a.name, "tenant-jwks")).await?;
    ensure!(map["data"]["jwks.json"] == published.body, "{map}");
    let told = &now["status"]["credentials"]["signingKey"];
    ensure!(told["keyId"] == kid && told["nextRotationAt"].is_string(), "{told}");
    let secret_line = word(&of_a, "private-key.pem")?
        .lines()
        .nth(1)
        .context("PEM")?
        .to_string();
    for everything in [now.to_string(), map.to_string(), published.body] {
        ensure!(!everything.contains(&secret_line), "the private key is told of");
    }

    // A workload that serves the path itself keeps it.
    let own = json!([{"backend": {"workload": "web"}}, {"path": {"type": "Exact", "value": KEY_SET}, "backend": {"workload": "web"}}]);
    a.patch(json!({"gateway": {"routes": own}})).await?;
    a.ready().await?;
    eventually("the path to ask for a token", secs(15), async || {
        door.answers(401, &at_a, KEY_SET, &[]).await.map(|_| ())
    })
    .await
}

/// Counts the routes that preload key sets in the gateway.
async fn carriers(tenant: &TestTenant) -> Result<usize> {
    let routes = tenant.cluster.list(&path("httproutes", &tenant.name, "")).await?;
    let class = |route: &Value| text(&route["metadata"]["labels"]["tenant-operator.io/credentials"]);
    Ok(routes
        .iter()
        .filter(|route| class(route).starts_with("carried-"))
        .count())
}

#[tokio::test]
async fn a_signing_key_is_renewed_while_tokens_are_taken_and_revoked_at_once() -> Result<()> {
    let Some(door) = Door::find("own_keys_renewed") else {
        return Ok(());
    };
    let scene = Scene::new("ownrenewed").await?;
    let tier = scene
        .tier(json!({"credentials": {"rotationInterval": "1h", "overlap": "30s"}}))
        .await?;
    let (tenant, host) = led_to(&scene, "a", &tier, trusting_itself()).await?;
    tenant.patch(json!({"credentials": {"signingKey": {}}})).await?;
    tenant.ready().await?;
    let (old_kid, old) = signed(&secret(&tenant, SIGNING).await?, &tenant.name)?;
    door.serves(&host, "/", &[&bearer(&old)]).await?;

    let served = AtomicUsize::new(0);
    let load = async || {
        // Like a workload that reads its files now and then, and like others that fetch the key set.
        let (kid, now) = signed(&secret(&tenant, SIGNING).await?, &tenant.name)?;
        for _ in 0..10 {
            door.answers(200, &host, "/", &[&bearer(&now)]).await?;
            served.fetch_add(1, Ordering::Relaxed);
        }
        let set = door.answers(200, &host, KEY_SET, &[]).await?.body;
        ensure!(
            verifies(&serde_json::from_str(&set)?, &kid, &now)?,
            "{kid} signs and is not in {set}"
        );
        anyhow::Ok(())
    };
    // Over connections that are kept, for less than the ten seconds that the steps of the renewal are apart here.
    let in_a_row = async || {
        let now = token(&tenant).await?;
        let codes = door.in_a_row(&host, "/", &[&now], 25).await?;
        ensure!(codes == [200; 25], "{host} answered {codes:?}");
        anyhow::Ok(())
    };
    let turn = async {
        rotate(&tenant, "now").await?;
        eventually("the gateway to be told of the key set to come", secs(20), async || {
            ensure!(carriers(&tenant).await? == 2, "it is not");
            Ok(())
        })
        .await?;
        eventually("another key to sign", secs(90), async || {
            let (kid, _) = signed(&secret(&tenant, SIGNING).await?, &tenant.name)?;
            ensure!(kid != old_kid, "still the old one");
            Ok(())
        })
        .await?;
        door.answers(200, &host, "/", &[&bearer(&old)])
            .await
            .context("the old key, during the overlap")?;
        eventually("the old key to be dead", secs(90), async || {
            door.answers(401, &host, "/", &[&bearer(&old)]).await.map(|_| ())
        })
        .await?;
        eventually("the former key set to be forgotten", secs(60), async || {
            ensure!(carriers(&tenant).await? == 0, "it is not");
            Ok(())
        })
        .await?;
        // The gateway takes up that they are gone.
        tokio::time::sleep(secs(3)).await;
        anyhow::Ok(())
    };
    meanwhile(meanwhile(turn, load), in_a_row).await?;
    ensure!(served.load(Ordering::Relaxed) > 100, "hardly any load: {served:?}");

    // Taken out alone the spec makes no sense, and nobody is let in all the same.
    let last = token(&tenant).await?;
    door.answers(200, &host, "/", &[&last]).await?;
    tenant.patch(json!({"credentials": {"signingKey": null}})).await?;
    tenant
        .not_ready(&["InvalidSpec"], &["jwt.jwks.signingKey", "has no signing key"])
        .await?;
    eventually("the last key to be dead", secs(30), async || {
        door.answers(401, &host, "/", &[&last]).await.map(|_| ())
    })
    .await?;
    ensure!(!has_secret(&tenant, SIGNING).await?, "the Secret is still there");
    let map = path("configmaps", &tenant.name, "tenant-jwks");
    ensure!(!tenant.cluster.exists(&map).await?, "the key set is still there");
    // Back again there is another key.
    tenant.patch(json!({"credentials": {"signingKey": {}}})).await?;
    tenant.ready().await?;
    let fresh = token(&tenant).await?;
    door.serves(&host, "/", &[&fresh]).await?;
    door.answers(401, &host, "/", &[&last]).await.map(|_| ())
}

#[tokio::test]
async fn encryption_keys_live_as_long_as_the_data() -> Result<()> {
    let scene = Scene::new("crypt").await?;
    let tier = scene
        .tier(json!({"credentials": {"rotationInterval": "1h", "overlap": "5s"}}))
        .await?;
    let spec = json!({
        "workloads": [server_workload("web")], "deletionPolicy": "Retain", "credentials": {"encryptionKey": {}},
    });
    let tenant = scene.tenant("a", &tier, spec.clone()).await?;
    scene.will_leave_namespace(&tenant.name);
    let now = tenant.ready().await?;
    let first = secret(&tenant, ENCRYPTION).await?;
    let old = word(&first, "current")?;
    ensure!(first[&old].len() == 32, "not 256 bits");
    ensure!(
        now["status"]["credentials"]["encryptionKey"]["keyId"] == old,
        "{}",
        now["status"]["credentials"]
    );
    let deployment = tenant.cluster.get(&path("deployments", &tenant.name, "web")).await?;
    let mounts = deployment["spec"]["template"]["spec"]["containers"][0]["volumeMounts"].to_string();
    ensure!(mounts.contains("/bindings/encryption-key"), "{mounts}");

    rotate(&tenant, "now").await?;
    let second = eventually("another key to encrypt with", secs(60), async || {
        let second = secret(&tenant, ENCRYPTION).await?;
        ensure!(word(&second, "current")? != old, "still the old one");
        Ok(second)
    })
    .await?;
    ensure!(second[&old] == first[&old], "the old key is not kept");
    let ids = [old.clone(), word(&second, "current")?];
    eventually("the status to tell of both", secs(30), async || {
        let told = tenant.get().await?["status"]["credentials"]["encryptionKey"]["keyIds"].clone();
        ensure!(told == json!(ids), "{told}");
        Ok(())
    })
    .await?;

    // Out of the spec it is not mounted, and stays.
    tenant.patch(json!({"credentials": {"encryptionKey": null}})).await?;
    tenant.ready().await?;
    ensure!(secret(&tenant, ENCRYPTION).await? == second, "changed or gone");

    let id = text(&tenant.get().await?["status"]["id"]);
    tenant.delete().await?;
    tenant.gone().await?;
    ensure!(
        secret(&tenant, ENCRYPTION).await? == second,
        "not retained with the data"
    );
    let mut reclaiming = spec;
    reclaiming["id"] = json!(id);
    let tenant = scene.tenant_called(&tenant.name, &tier, reclaiming).await?;
    tenant.ready().await?;
    let reclaimed = secret(&tenant, ENCRYPTION).await?;
    ensure!(
        ids.iter().all(|id| reclaimed[id] == second[id]),
        "the data cannot be read any more"
    );

    tenant.patch(json!({"deletionPolicy": "Delete"})).await?;
    tenant.delete().await?;
    tenant.gone().await?;
    ensure!(!has_secret(&tenant, ENCRYPTION).await?, "the keys outlive the data");
    Ok(())
}

#[tokio::test]
async fn an_encryption_key_that_is_lost_is_not_made_anew_until_it_is_given_up() -> Result<()> {
    let scene = Scene::new("lostkey").await?;
    let tier = scene.tier(json!({})).await?;
    let tenant = scene
        .tenant("a", &tier, json!({"credentials": {"encryptionKey": {}}}))
        .await?;
    tenant.ready().await?;
    let at = path("secrets", &tenant.name, ENCRYPTION);
    let mut kept = tenant.cluster.get(&at).await?;
    let lost = word(&secret(&tenant, ENCRYPTION).await?, "current")?;
    // Nothing else changes that the operator could look at it for.
    tenant.cluster.delete(&at).await?;
    tenant
        .not_ready(&["CredentialsNotReady"], &[&lost, "abandon-encryption-keys"])
        .await?;
    tenant
        .condition("CredentialsReady", "False", &["EncryptionKeyLost"])
        .await?;
    ensure!(!has_secret(&tenant, ENCRYPTION).await?, "it was made anew");

    for field in ["resourceVersion", "uid", "creationTimestamp", "managedFields"] {
        kept["metadata"].as_object_mut().context("metadata")?.remove(field);
    }
    tenant.cluster.create(&path("secrets", &tenant.name, ""), &kept).await?;
    tenant.ready().await.context("after the Secret was restored")?;

    tenant.cluster.delete(&at).await?;
    tenant.not_ready(&["CredentialsNotReady"], &[]).await?;
    let ids = tenant.get().await?["status"]["credentials"]["encryptionKey"]["keyIds"].clone();
    let ids: Vec<String> = ids.as_array().into_iter().flatten().map(text).collect();
    let given_up = json!({"metadata": {"annotations": {"tenant-operator.io/abandon-encryption-keys": ids.join(",")}}});
    tenant.cluster.patch(&tenant.path(), &given_up).await?;
    tenant.ready().await?;
    let anew = word(&secret(&tenant, ENCRYPTION).await?, "current")?;
    ensure!(!ids.contains(&anew), "{anew} was lost");
    Ok(())
}
