//! Sees to the keys that a tenant's workloads use themselves: the one that tokens are signed with, those that data is encrypted with.

use super::encryption::{self, MOST};
use super::key_pair::KeyPair;
use super::trust::KeyVerifier;
use super::{ValidCredentials, signing, validate};
use crate::api::{CredentialsStatus, EncryptionKeyStatus, SigningKeyStatus, unread_in};
use crate::capability::jwks::{Jwk, JwkSet, KeySets, PublicKeys};
use crate::capability::{Note, Pass, Revocation, State, ValidTenant};
use crate::cluster::{
    Desired, Error, Identity, Key, Kind, Live, Memo, MemoEntry, Store, Version, Writer, metadata, secret,
};
use crate::conditions::reason;
use crate::names;
use crate::rotation::Rotation;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::jiff::Timestamp;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A tenant's own keys, as they were found.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    pub status: CredentialsStatus,
    pub state: State,
    /// None where the tenant signs nothing.
    pub keys: Option<PublicKeys>,
    /// The time until the clock changes something.
    pub again: Option<Duration>,
}

/// What earlier passes know of tenants' Secrets.
#[derive(Default)]
pub struct Memos {
    signing: Memo<Rotation, Signed>,
    encryption: Memo<(Rotation, BTreeSet<String>), Encryption>,
}

impl Memos {
    /// Forgets a tenant.
    pub fn forget(&self, tenant: &str) {
        self.signing.forget(tenant);
        self.encryption.forget(tenant);
    }
}

/// Brings a tenant's own keys to what they should be now.
///
/// # Errors
/// The first read or write that was refused.
pub async fn reconcile(
    pass: &Pass<'_>,
    tenant: &ValidTenant,
    asked: &ValidCredentials,
    memos: &Memos,
) -> Result<Outcome, Error> {
    let mut outcome = Outcome::default();
    let now = Timestamp::now();
    let mut due = Vec::new();
    if asked.signing_key {
        let (status, keys, next) = sign(pass, tenant, &memos.signing, now).await?;
        outcome.status.signing_key = Some(status);
        outcome.keys = Some(keys);
        due.push(next);
    }
    // Those that are not asked for any more are still there.
    outcome.status.encryption_key.clone_from(&asked.reported.encryption_key);
    if asked.encryption_key {
        match encrypt(pass.writer, tenant, asked, &memos.encryption, now).await? {
            Ok((status, next)) => {
                if next.is_none() {
                    let message = format!(
                        "there are {MOST} encryption keys, which is the maximum: workloads continue to encrypt with key {}. Give up keys that no data needs",
                        status.key_id
                    );
                    outcome.state.remark(Note::new(reason::ROTATION_STOPPED, message));
                }
                outcome.status.encryption_key = Some(status);
                due.extend(next);
            }
            Err(lost) => outcome.state = State::Stalled(Note::new(reason::ENCRYPTION_KEY_LOST, lost)),
        }
    }
    let left = due.into_iter().min().map(|next| next.duration_since(now));
    outcome.again = left.map(|left| Duration::try_from(left).unwrap_or_default());
    Ok(outcome)
}

/// The key that the ConfigMap with public keys has in the cluster.
pub fn published(owner: &Identity) -> Key {
    Key {
        kind: Kind::ConfigMap,
        namespace: owner.tenant.clone(),
        name: names::JWKS.into(),
    }
}

fn config_map(owner: &Identity, set: &JwkSet) -> Desired {
    let meta = metadata::meta(owner, &owner.tenant, names::JWKS);
    let object = ConfigMap {
        metadata: meta.clone(),
        data: Some(BTreeMap::from([(names::JWKS_FILE.to_string(), set.text())])),
        ..ConfigMap::default()
    };
    metadata::desired(Kind::ConfigMap, &meta, &object)
}

/// The state of a signing key, and the time of the next look.
type Signed = (SigningKeyStatus, PublicKeys, Timestamp);

async fn sign(
    pass: &Pass<'_>,
    tenant: &ValidTenant,
    memo: &Memo<Rotation, Signed>,
    now: Timestamp,
) -> Result<Signed, Error> {
    let (writer, store, owner) = (pass.writer, pass.store, &tenant.core.owner);
    let rotation = &tenant.core.rotation;
    if let Some(signed) = memo.recall(writer.secrets(), owner, rotation, now) {
        pass.apply(owner, &[config_map(owner, &signed.1.published)]).await?;
        return Ok(signed);
    }
    let found = secret::read(writer, owner, names::SIGNING_KEY_SECRET).await?;
    if found.is_none() && store.get(&owner.tenant, &published(owner)).is_none() {
        // First what is seen without reading Secrets, so that nobody who is interrupted here leaves a key behind unseen.
        pass.apply(owner, &[config_map(owner, &JwkSet::default())]).await?;
    }
    let seen = Seen {
        store,
        tenant,
        key_sets: pass.key_sets(),
    };
    let rotated = signing::rotate(
        owner,
        found.as_ref(),
        rotation,
        now,
        |current, next| seen.is_known(current, next),
        &seen,
        KeyPair::random,
    );
    // Remembered before it is told of.
    let version = secret::put(writer, owner, found.as_ref(), rotated.secret).await?;
    pass.apply(owner, &[config_map(owner, &rotated.keys.published)]).await?;
    let signed = (rotated.status, rotated.keys, rotated.next);
    if rotated.is_settled {
        let entry = MemoEntry {
            until: Some(rotated.next),
            ..MemoEntry::of_secret(
                names::SIGNING_KEY_SECRET,
                Some(version),
                rotation.clone(),
                now,
                signed.clone(),
            )
        };
        memo.keep(owner, entry);
    }
    Ok(signed)
}

/// The observed objects that name a tenant's public keys.
struct Seen<'a> {
    store: &'a Store,
    tenant: &'a ValidTenant,
    /// None where there is no gateway.
    key_sets: Option<&'a dyn KeySets>,
}

impl Seen<'_> {
    /// Returns true where every object that names one key names another too. Preloaded key sets let nobody in.
    fn is_known(&self, current: &Jwk, next: &Jwk) -> bool {
        let mut tellers = tellers(self.store, &self.tenant.core.owner, self.key_sets);
        tellers.all(|live| {
            let told = live.value.to_string();
            self.is_jwks_preload(&live) || !told.contains(&current.kid) || told.contains(&next.kid)
        })
    }

    fn is_jwks_preload(&self, live: &Live) -> bool {
        self.key_sets.is_some_and(|key_sets| key_sets.is_jwks_preload(live))
    }

    /// Each key set by which a gateway knows tokens, where one of these keys is in it.
    fn asked(&self, set: &JwkSet) -> Vec<String> {
        tellers(self.store, &self.tenant.core.owner, self.key_sets)
            .filter(|live| !self.is_jwks_preload(live))
            .filter_map(|live| self.key_sets?.asked(&live))
            .filter(|asked| set.ids().any(|kid| asked.contains(kid)))
            .collect()
    }
}

impl KeyVerifier for Seen<'_> {
    fn asks_for_any_of(&self, set: &JwkSet) -> bool {
        !self.asked(set).is_empty()
    }

    fn asks_for(&self, set: &JwkSet) -> bool {
        self.asked(set).iter().all(|asked| *asked == set.text())
    }

    fn has_preloaded(&self, sets: &[JwkSet]) -> bool {
        let owner = &self.tenant.core.owner;
        let keys = PublicKeys {
            preloaded: sets.to_vec(),
            ..PublicKeys::default()
        };
        let mut tenant = self.tenant.clone();
        tenant.set(keys);
        let jwks_preloads = self.key_sets.map(|key_sets| key_sets.jwks_preloads(&tenant));
        jwks_preloads.unwrap_or_default().iter().all(|preload| {
            let live = self.store.get(&owner.tenant, &preload.key);
            live.is_some_and(|live| live.belongs_to(owner) && !live.is_terminating())
        })
    }
}

/// The objects that name a tenant's public keys: the ConfigMap, and those of the gateway.
fn tellers<'a>(
    store: &Store,
    owner: &Identity,
    key_sets: Option<&'a dyn KeySets>,
) -> impl Iterator<Item = Live> + use<'a> {
    let kinds = key_sets.map_or(&[][..], |key_sets| key_sets.kinds());
    let at = published(owner);
    let tells = move |live: &Live| live.key == at || kinds.contains(&live.key.kind);
    let objects = store.of(&owner.tenant).into_values();
    let owner = owner.clone();
    objects.filter(move |live| tells(live) && live.belongs_to(&owner) && !live.is_terminating())
}

/// The state of encryption keys, and the time of the next look; else the loss.
type Encrypted = Result<(EncryptionKeyStatus, Option<Timestamp>), String>;

/// The state of encryption keys, of a status that reported these.
#[derive(Clone)]
struct Encryption {
    reported: Vec<String>,
    encrypted: Encrypted,
}

impl Encryption {
    /// Returns true where it would be the same for a status that reports these keys.
    fn holds_for(&self, reported: &[String], given_up: &BTreeSet<String>) -> bool {
        match &self.encrypted {
            Ok((status, _)) => {
                let mut reported = reported.iter();
                reported.all(|id| status.key_ids.contains(id) || given_up.contains(id))
            }
            Err(_) => self.reported == reported,
        }
    }
}

async fn encrypt(
    writer: &Writer,
    tenant: &ValidTenant,
    asked: &ValidCredentials,
    memo: &Memo<(Rotation, BTreeSet<String>), Encryption>,
    now: Timestamp,
) -> Result<Encrypted, Error> {
    let owner = &tenant.core.owner;
    let reported = asked.reported.encryption_key.clone().unwrap_or_default().key_ids;
    let inputs = (tenant.core.rotation.clone(), asked.abandoned_keys.clone());
    let known = memo.recall(writer.secrets(), owner, &inputs, now);
    if let Some(known) = known.filter(|known| known.holds_for(&reported, &asked.abandoned_keys)) {
        return Ok(known.encrypted);
    }
    let found = secret::read(writer, owner, names::ENCRYPTION_KEY_SECRET).await?;
    let rotated = encryption::rotate(
        owner,
        found.as_ref(),
        &reported,
        &asked.abandoned_keys,
        &tenant.core.rotation,
        now,
        encryption::Key::random,
    );
    let (version, encrypted) = match rotated {
        Ok(rotated) => {
            let version = secret::put(writer, owner, found.as_ref(), rotated.secret).await?;
            (Some(version), Ok((rotated.status, rotated.next)))
        }
        Err(lost) => (found.as_ref().map(Version::of), Err(lost)),
    };
    let until = encrypted.as_ref().ok().and_then(|(_, next)| *next);
    let facts = Encryption {
        reported,
        encrypted: encrypted.clone(),
    };
    let entry = MemoEntry {
        until,
        ..MemoEntry::of_secret(names::ENCRYPTION_KEY_SECRET, version, inputs, now, facts)
    };
    memo.keep(owner, entry);
    Ok(encrypted)
}

/// Takes a signing key that is asked for no more out of everything that trusts it, whatever else the spec says; nobody's key takes its place, since a gateway that
/// is told of none may ask for none.
///
/// # Errors
/// The first write that was refused.
pub async fn revoke(pass: &Pass<'_>, of: &Revocation<'_>) -> Result<(), Error> {
    let Revocation {
        tenant, owner, tier, ..
    } = *of;
    // Where that part of the spec cannot be read, it is not known whether it asks for a key.
    if unread_in(&tenant.spec.unread, "spec.credentials").is_some() {
        return Ok(());
    }
    let (writer, store) = (pass.writer, pass.store);
    let told = tenant.status.as_ref().and_then(|status| status.credentials.as_ref());
    let was_told = told.is_some_and(|told| told.signing_key.is_some());
    let at = published(owner);
    let is_published = store.get(&owner.tenant, &at).is_some_and(|live| live.belongs_to(owner));
    // What a tier that is gone would say is not known.
    let is_asked = tier.is_none_or(|tier| validate::has_signing_key(&tenant.spec, &tier.spec));
    if is_asked || !(was_told || is_published) {
        return Ok(());
    }
    // The Secret goes last. A status keeps its key for as long as the rest of the spec is invalid.
    let secrets = pass.writer.secrets();
    if !is_published && secrets.shows(&owner.tenant, names::SIGNING_KEY_SECRET, None) {
        return Ok(());
    }
    let found = secret::read(writer, owner, names::SIGNING_KEY_SECRET).await?;
    let set = found.as_ref().map(signing::published).unwrap_or_default();
    let live = store.get(&owner.tenant, &at);
    let shown = live
        .as_ref()
        .and_then(|live| JwkSet::parse(live.value.pointer("/data")?.get(names::JWKS_FILE)?.as_str()?))
        .unwrap_or_default();
    let kids: BTreeSet<&str> = set.ids().chain(shown.ids()).collect();
    let nobodys = JwkSet {
        keys: vec![KeyPair::random().public],
    };
    for live in tellers(store, owner, pass.key_sets()).filter(|live| live.key != at) {
        let mut value = live.value.clone();
        if replace(&mut value, &kids, &nobodys.text()) {
            tracing::info!(object = %live.key, "no longer trusts a signing key");
            writer.ensure(owner, &live.with(value)).await?;
        }
    }
    if let Some(live) = live.filter(|live| live.belongs_to(owner) && !live.is_terminating()) {
        writer.delete(&live).await?;
    }
    // Last, so that whoever is interrupted still knows what is to be taken out.
    secret::delete(writer, owner, names::SIGNING_KEY_SECRET).await
}

/// Puts another text in the place of each that names one of these keys. Returns whether there was any.
fn replace(value: &mut Value, kids: &BTreeSet<&str>, with: &str) -> bool {
    match value {
        Value::String(text) if kids.iter().any(|kid| text.contains(kid)) => {
            *text = with.into();
            true
        }
        // Each of them, not only the first.
        Value::Array(items) => items
            .iter_mut()
            .fold(false, |any, item| any | replace(item, kids, with)),
        Value::Object(fields) => fields
            .values_mut()
            .fold(false, |any, field| any | replace(field, kids, with)),
        _ => false,
    }
}

/// Removes the signing key of a retained tenant; a later tenant gets another one. Encryption keys stay with the data.
///
/// # Errors
/// The API server's.
pub async fn delete(writer: &Writer, owner: &Identity) -> Result<(), Error> {
    secret::delete(writer, owner, names::SIGNING_KEY_SECRET).await
}

#[cfg(test)]
#[path = "own_keys_test.rs"]
mod passes;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::Gateway;
    use crate::tenant::fixtures::{acme, attachment, plan, platform, with};
    use serde_json::json;

    /// A tenant that knows tokens by its own keys, of which there are these.
    fn renewing(trusted: &JwkSet, preloaded: &[JwkSet]) -> ValidTenant {
        let spec = json!({
            "network": {"ingress": {"gateway": "Allow"}},
            "workloads": [{"name": "web", "image": "web:1", "ports": [{"name": "http", "containerPort": 8080}]}],
            "credentials": {"signingKey": {}},
            "gateway": {
                "hosts": ["acme.example.com"],
                "routes": [{"backend": {"workload": "web"}}],
                "authentication": {"jwt": {"issuer": "itself", "jwks": {"signingKey": true}}},
            },
        });
        let keys = PublicKeys {
            published: trusted.clone(),
            trusted: trusted.clone(),
            preloaded: preloaded.to_vec(),
        };
        with(acme(spec, json!({})), keys)
    }

    /// A cluster in which this tenant's gateway was told of it.
    fn told(tenant: &ValidTenant) -> Store {
        let store = Store::default();
        for Desired { key, mut value, .. } in plan(tenant, &platform()).objects().cloned() {
            value["metadata"]["uid"] = json!(key.to_string());
            value["metadata"]["resourceVersion"] = json!("1");
            store.put(key.kind, serde_json::from_value(value).expect("an object"));
        }
        store
    }

    #[test]
    fn what_is_carried_beside_is_seen_and_not_taken_for_what_is_asked_for() {
        let [a, b] = [KeyPair::random().public, KeyPair::random().public];
        let [one, both, other] =
            [vec![a.clone()], vec![a.clone(), b.clone()], vec![b.clone()]].map(|keys| JwkSet { keys });
        let gateway = Gateway::new(Some(attachment()));
        let cases = [(&one, &both), (&both, &one)];
        for (trusted, beside) in cases {
            let tenant = renewing(trusted, &[trusted.clone(), beside.clone()]);
            let store = told(&tenant);
            let seen = Seen {
                store: &store,
                tenant: &tenant,
                key_sets: Some(&gateway),
            };
            assert!(seen.asks_for_any_of(&one) && seen.asks_for(trusted));
            assert!(!seen.asks_for(beside));
            assert!(seen.has_preloaded(&[one.clone(), both.clone()]));
            assert!(!seen.has_preloaded(&[one.clone(), other.clone()]));
            assert_eq!(seen.is_known(&a, &b), *trusted == both);
        }
        let tenant = renewing(&one, &[]);
        let store = told(&tenant);
        let seen = Seen {
            store: &store,
            tenant: &tenant,
            key_sets: Some(&gateway),
        };
        assert!(!seen.asks_for_any_of(&other) && !seen.has_preloaded(&[both]));
    }

    #[test]
    fn a_key_that_is_revoked_is_taken_out_of_what_is_carried_beside_too() {
        let [a, b] = [KeyPair::random().public, KeyPair::random().public];
        let [one, both] = [vec![a.clone()], vec![a.clone(), b]].map(|keys| JwkSet { keys });
        let tenant = renewing(&one, &[one.clone(), both]);
        let kids = BTreeSet::from([a.kid.as_str()]);
        let store = told(&tenant);
        let mut replaced = 0;
        for live in tellers(&store, &tenant.core.owner, Some(&Gateway::new(Some(attachment())))) {
            let mut value = live.value.clone();
            if replace(&mut value, &kids, "nobody") {
                replaced += 1;
                assert!(!value.to_string().contains(&a.kid), "{value}");
            }
        }
        // The policy, what is preloaded beside, and what is published.
        assert_eq!(replaced, 4);
    }

    #[test]
    fn whatever_names_a_key_is_replaced_and_nothing_else() {
        let mut value = json!({"spec": {"a": ["x kid-1 y", "other", "kid-1"], "b": {"inline": "kid-2"}}, "c": 1});
        let kids = BTreeSet::from(["kid-1", "kid-2"]);
        assert!(replace(&mut value, &kids, "nobody"));
        assert_eq!(
            value,
            json!({"spec": {"a": ["nobody", "other", "nobody"], "b": {"inline": "nobody"}}, "c": 1})
        );
        assert!(!replace(&mut value, &kids, "nobody"));
        assert!(!replace(&mut value, &BTreeSet::new(), "nobody"));
    }
}
