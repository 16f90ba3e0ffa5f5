//! Secrets that keys are kept in, with what the operator says of them in an annotation, for itself: nothing else is remembered.

use super::meta;
use crate::cluster::Identity;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;

/// A Secret in the tenant's first namespace.
pub fn opaque(owner: &Identity, name: &str, data: BTreeMap<String, ByteString>) -> Secret {
    Secret {
        metadata: meta(owner, &owner.tenant, name),
        type_: Some("Opaque".into()),
        data: Some(data),
        ..Secret::default()
    }
}

/// Says it of a Secret, for the next time.
pub fn tell(secret: &mut Secret, annotation: &str, record: &impl Serialize) {
    let text = serde_json::to_string(record).unwrap_or_default();
    let annotations = secret.metadata.annotations.get_or_insert_default();
    annotations.insert(annotation.into(), text);
}

/// What was said of a Secret; None where nothing was, or nobody understands it.
pub fn told<T: DeserializeOwned>(secret: &Secret, annotation: &str) -> Option<T> {
    let text = secret.metadata.annotations.as_ref()?.get(annotation)?;
    serde_json::from_str(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names;

    #[test]
    fn what_is_told_is_told_again_and_the_marks_of_ownership_stay() {
        let owner = Identity {
            tenant: "acme".into(),
            id: "id-1".into(),
        };
        let mut secret = opaque(&owner, "keys", BTreeMap::new());
        assert_eq!(told::<Vec<u8>>(&secret, names::KEYS), None, "nothing was said");
        tell(&mut secret, names::KEYS, &[1, 2]);
        assert_eq!(told(&secret, names::KEYS), Some(vec![1_u8, 2]));
        assert_eq!(told::<bool>(&secret, names::KEYS), None, "it says something else");
        let annotations = secret.metadata.annotations.expect("annotations");
        assert_eq!(annotations[names::OWNED_BY], owner.annotation());
    }
}
