//! The tenant's Secret in one pass. The pass reads it where it needs the password, or where the Secret may not be as an earlier pass left it.

use super::DatabasePass;
use super::failure::Failure;
use crate::cluster::{Error, Key, Kind, Memo, MemoEntry, Version, secret as stored};
use crate::database::secret::{self, Credentials};
use crate::names;
use crate::postgres::Names;
use crate::rotation::Published;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::jiff::Timestamp;

/// Facts about a tenant's Secret, without its password.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// None: there is no Secret.
    pub(super) version: Option<Version>,
    /// None: the Secret has no credentials of the tenant.
    pub(super) published: Option<Published>,
    pub(super) revision: Option<String>,
    /// Digest of the desired Secret without its password, where the Secret had exactly that content.
    pub(super) desired: Option<String>,
}

/// The facts about each tenant's Secret that earlier passes have found.
pub type SecretFacts = Memo<(), Facts>;

/// The Secret as this pass knows it.
pub(super) struct TenantSecret {
    pub(super) facts: Facts,
    /// None: the pass has not read it.
    content: Option<Content>,
}

struct Content {
    found: Option<Secret>,
    credentials: Option<Credentials>,
}

impl TenantSecret {
    /// Returns the Secret that the pass has read.
    pub(super) fn found(&self) -> Option<&Secret> {
        self.content.as_ref()?.found.as_ref()
    }
}

impl DatabasePass<'_> {
    /// Returns the facts of an earlier pass; else those of the Secret, which it reads.
    pub(super) async fn known_secret(&self, tenant_names: &Names) -> Result<TenantSecret, Error> {
        let now = Timestamp::now();
        let known = self
            .secret_facts
            .recall(self.writer.secrets(), &self.tenant.owner, &(), now);
        match known {
            Some(facts) => Ok(TenantSecret { facts, content: None }),
            None => {
                let read = self.read(tenant_names).await?;
                self.keep(read.facts.clone());
                Ok(read)
            }
        }
    }

    async fn read(&self, tenant_names: &Names) -> Result<TenantSecret, Error> {
        let found = stored::read(self.writer, &self.tenant.owner, names::DATABASE_SECRET).await?;
        let credentials = found.as_ref().and_then(|secret| secret::parse(secret, tenant_names));
        let facts = Facts {
            version: found.as_ref().map(Version::of),
            published: credentials.as_ref().map(|credentials| credentials.published.clone()),
            revision: found.as_ref().filter(|_| credentials.is_some()).map(secret::revision),
            desired: None,
        };
        let content = Some(Content { found, credentials });
        Ok(TenantSecret { facts, content })
    }

    /// Keeps facts for the next pass.
    pub(super) fn keep(&self, facts: Facts) {
        let version = facts.version.clone();
        let entry = MemoEntry::of_secret(names::DATABASE_SECRET, version, (), Timestamp::now(), facts);
        self.secret_facts.keep(&self.tenant.owner, entry);
    }

    /// Reads the Secret unless this pass has. The pass goes by the facts, so it ends where they do not hold any more.
    pub(super) async fn read_once(&self, tenant_names: &Names, secret: &mut TenantSecret) -> Result<(), Failure> {
        if secret.content.is_some() {
            return Ok(());
        }
        let read = self.read(tenant_names).await?;
        match read.facts.version == secret.facts.version {
            true => secret.content = read.content,
            false if read.facts.published == secret.facts.published => {
                self.keep(read.facts.clone());
                *secret = read;
            }
            false => return Err(self.changed().into()),
        }
        Ok(())
    }

    /// Returns the published credentials with their password.
    pub(super) async fn credentials<'a>(
        &self,
        tenant_names: &Names,
        secret: &'a mut TenantSecret,
    ) -> Result<&'a Credentials, Failure> {
        self.read_once(tenant_names, secret).await?;
        let content = secret.content.as_ref();
        let credentials = content.and_then(|content| content.credentials.as_ref());
        credentials.ok_or_else(|| self.changed().into())
    }

    fn changed(&self) -> Error {
        Error::Contended(Key {
            kind: Kind::Secret,
            namespace: self.tenant.owner.tenant.clone(),
            name: names::DATABASE_SECRET.into(),
        })
    }
}

#[cfg(test)]
#[path = "tenant_secret_test.rs"]
mod tests;
