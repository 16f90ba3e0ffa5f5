//! The Secret with the key that a tenant signs tokens with, the ConfigMap with the public ones, and everything that trusts them.

use super::observed_keys::{ObservedKeySets, with_keys};
use crate::api::{SigningKeyStatus, unread_in};
use crate::capability::jwks::{JwkSet, PublicKeys};
use crate::capability::{Pass, Revocation, ValidTenant};
use crate::cluster::{Desired, Error, Identity, Key, Kind, Memo, MemoEntry, Writer, metadata, secret};
use crate::credentials::key_pair::KeyPair;
use crate::credentials::{signing, validate};
use crate::names;
use crate::rotation::Rotation;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::jiff::Timestamp;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

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
pub type Signed = (SigningKeyStatus, PublicKeys, Timestamp);

/// Brings the signing key to what it should be now.
///
/// # Errors
/// The first read or write that was refused.
pub async fn reconcile(
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
    let observed = ObservedKeySets {
        store,
        tenant,
        key_sets: pass.key_sets(),
    };
    let rotated = signing::rotate(
        owner,
        found.as_ref(),
        rotation,
        now,
        |current, next| observed.is_known(current, next),
        &observed,
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
    let reported = tenant.status.as_ref().and_then(|status| status.credentials.as_ref());
    let was_reported = reported.is_some_and(|reported| reported.signing_key.is_some());
    let at = published(owner);
    let is_published = store.get(&owner.tenant, &at).is_some_and(|live| live.belongs_to(owner));
    // What a tier that is gone would say is not known.
    let is_asked = tier.is_none_or(|tier| validate::has_signing_key(&tenant.spec, &tier.spec));
    if is_asked || !(was_reported || is_published) {
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
    for live in with_keys(store, owner, pass.key_sets()).filter(|live| live.key != at) {
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
mod tests {
    use super::super::observed_keys::tests::{renewing, store_of};
    use super::*;
    use crate::gateway::Gateway;
    use crate::tenant::fixtures::attachment;
    use serde_json::json;

    #[test]
    fn a_key_that_is_revoked_is_taken_out_of_what_is_carried_beside_too() {
        let [a, b] = [KeyPair::random().public, KeyPair::random().public];
        let [one, both] = [vec![a.clone()], vec![a.clone(), b]].map(|keys| JwkSet { keys });
        let tenant = renewing(&one, &[one.clone(), both]);
        let kids = BTreeSet::from([a.kid.as_str()]);
        let store = store_of(&tenant);
        let mut replaced = 0;
        for live in with_keys(&store, &tenant.core.owner, Some(&Gateway::new(Some(attachment())))) {
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
