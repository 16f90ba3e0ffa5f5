//! The objects in the cluster that name a tenant's public keys.

use super::signing_key::published;
use crate::capability::ValidTenant;
use crate::capability::jwks::{Jwk, JwkSet, KeySets, PublicKeys};
use crate::cluster::{Identity, Live, Store};
use crate::credentials::trust::KeyVerifier;

/// The observed objects that name a tenant's public keys.
pub struct ObservedKeySets<'a> {
    pub store: &'a Store,
    pub tenant: &'a ValidTenant,
    /// None where there is no gateway.
    pub key_sets: Option<&'a dyn KeySets>,
}

impl ObservedKeySets<'_> {
    /// Returns true where every object that names one key names another too. Preloaded key sets let nobody in.
    pub fn is_known(&self, current: &Jwk, next: &Jwk) -> bool {
        let mut objects = with_keys(self.store, &self.tenant.core.owner, self.key_sets);
        objects.all(|live| {
            let text = live.value.to_string();
            self.is_jwks_preload(&live) || !text.contains(&current.kid) || text.contains(&next.kid)
        })
    }

    fn is_jwks_preload(&self, live: &Live) -> bool {
        self.key_sets.is_some_and(|key_sets| key_sets.is_jwks_preload(live))
    }

    /// Each key set by which a gateway knows tokens, where one of these keys is in it.
    fn asked(&self, set: &JwkSet) -> Vec<String> {
        with_keys(self.store, &self.tenant.core.owner, self.key_sets)
            .filter(|live| !self.is_jwks_preload(live))
            .filter_map(|live| self.key_sets?.asked(&live))
            .filter(|asked| set.ids().any(|kid| asked.contains(kid)))
            .collect()
    }
}

impl KeyVerifier for ObservedKeySets<'_> {
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
pub fn with_keys<'a>(
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

#[cfg(test)]
#[path = "observed_keys_test.rs"]
pub(super) mod tests;
