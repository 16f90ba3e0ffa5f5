//! Grants for routes to shared applications: one in each of their namespaces, which are the platform's own.

use super::Attachment;
use crate::cluster::{Error, Identity, Key, Kind, Writer};
use crate::names;

/// Namespaces in which grants are the operator's to write.
pub fn namespaces(to: Option<&Attachment>) -> &[String] {
    to.filter(|to| to.controller.kinds().contains(&Kind::ReferenceGrant))
        .map_or(&[], |to| &to.application_namespaces)
}

/// Takes back all that a tenant was granted.
///
/// # Errors
/// The first removal that was refused.
pub async fn delete(writer: &Writer, owner: &Identity, to: Option<&Attachment>) -> Result<(), Error> {
    for namespace in namespaces(to) {
        let key = Key {
            kind: Kind::ReferenceGrant,
            namespace: namespace.clone(),
            name: names::grant(&owner.tenant),
        };
        // The kind may not have been listed yet, and nobody looks again.
        if let Some(live) = writer.fetch(&key).await?.filter(|live| live.belongs_to(owner)) {
            writer.delete(&live).await?;
        }
    }
    Ok(())
}
