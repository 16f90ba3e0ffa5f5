//! A tenant's own keys as a capability.

use super::own_keys::{self, AppliedKeys, signing_key};
use super::{binding, validate};
use crate::api::{CredentialsStatus, TenantStatus};
use crate::capability::{
    Asked, Capability, Contributions, Deletion, Description, Gate, Invalid, Pass, Planned, Released, Report,
    Revocation, Stage, ValidTenant, Watching, WriteStatus, jwks::PublicKeys,
};
use crate::cluster::{Error, Live};
use crate::conditions::{kind, reason};
use crate::names;
use async_trait::async_trait;
use futures::FutureExt;
use futures::future::BoxFuture;
use std::collections::BTreeSet;
use std::sync::Arc;

pub(super) const DESCRIPTION: Description = Description {
    name: "credentials",
    condition: kind::CREDENTIALS_READY,
    stage: Stage::Configuration,
    rank: 1,
    not_ready: reason::CREDENTIALS_NOT_READY,
    ready: "the Secrets have all requested keys",
    suspended: None,
    quarantined: None,
    awaits: "waiting for the namespaces",
    gate: Some(Gate {
        stage: Stage::Admission,
        why: "waiting for the tenant's public keys",
    }),
};

/// The keys that a tenant asks for.
#[derive(Clone, Debug)]
pub struct ValidCredentials {
    pub signing_key: bool,
    pub encryption_key: bool,
    /// Encryption keys that nobody needs any more.
    pub abandoned_keys: BTreeSet<String>,
    /// The keys that the status reports.
    pub reported: CredentialsStatus,
}

/// A key to sign tokens with, and keys to encrypt data with.
#[derive(Default)]
pub struct OwnKeys {
    memos: own_keys::Memos,
}

#[async_trait]
impl Capability for OwnKeys {
    fn description(&self) -> &'static Description {
        &DESCRIPTION
    }

    async fn revoke(&self, pass: &Pass<'_>, of: &Revocation<'_>) -> Result<Option<String>, Error> {
        signing_key::revoke(pass, of).await.map(|()| None)
    }

    fn validate(&self, asked: &Asked<'_>, tenant: &mut ValidTenant, _: &mut Vec<Invalid>) {
        let (spec, tier) = (&asked.tenant.spec, &asked.tier.spec);
        let part = ValidCredentials {
            signing_key: validate::has_signing_key(spec, tier),
            encryption_key: validate::has_encryption_key(spec, tier),
            abandoned_keys: validate::abandoned(asked.tenant),
            reported: validate::reported(asked.tenant),
        };
        if part.signing_key {
            // None are known before the Secret was read.
            tenant.set(PublicKeys::default());
        }
        tenant.set(part);
    }

    fn contribute(&self, tenant: &ValidTenant, to: &mut Contributions) {
        if let Some(keys) = tenant.part::<ValidCredentials>() {
            binding::contribute(keys, to);
        }
    }

    async fn apply(&self, pass: &Pass<'_>, tenant: &mut ValidTenant, _: Vec<Planned>) -> Result<Option<Report>, Error> {
        let Some(asked) = tenant.part::<ValidCredentials>() else {
            return Ok(None);
        };
        let outcome = own_keys::reconcile(pass, tenant, asked, &self.memos).await?;
        if let Some(keys) = outcome.keys.clone() {
            tenant.set(keys);
        }
        Ok(Some(report(outcome)))
    }

    fn concerns(&self, tenant: Option<&ValidTenant>, status: &TenantStatus, _: bool) -> bool {
        match tenant {
            Some(tenant) => tenant
                .part::<ValidCredentials>()
                .is_some_and(|keys| keys.signing_key || keys.encryption_key),
            None => status.credentials.is_some(),
        }
    }

    // Its content is in a Secret, so that it is not planned.
    fn still_needs(&self, tenant: &ValidTenant, live: &Live) -> bool {
        let keys = tenant.part::<ValidCredentials>();
        keys.is_some_and(|keys| keys.signing_key) && live.key == signing_key::published(&tenant.core.owner)
    }

    fn forget(&self, tenant: &str) {
        self.memos.forget(tenant);
    }

    fn loops(self: Arc<Self>, watching: &Watching) -> Vec<BoxFuture<'static, ()>> {
        let secrets = [names::SIGNING_KEY_SECRET, names::ENCRYPTION_KEY_SECRET];
        secrets.map(|name| watching.clone().secrets(name.into()).boxed()).into()
    }

    async fn release(&self, pass: &Pass<'_>, of: &Deletion<'_>, as_is: Released) -> Result<(), Error> {
        match as_is.has_namespace {
            true => signing_key::delete(pass.writer, of.owner).await,
            false => Ok(()),
        }
    }
}

fn report(outcome: AppliedKeys) -> Report {
    let AppliedKeys {
        status, state, again, ..
    } = outcome;
    let write: WriteStatus = Arc::new(move |to: &mut TenantStatus| {
        to.credentials = Some(status.clone()).filter(|status| *status != CredentialsStatus::default());
    });
    Report {
        status: Some(write),
        again,
        ..Report::new(&DESCRIPTION, state)
    }
}

#[cfg(test)]
#[path = "capability_test.rs"]
mod tests;
