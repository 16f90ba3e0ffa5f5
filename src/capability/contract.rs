//! The contract between the driver of a Tenant and one capability.

use super::{
    Contributions, Description, Invalid, Pass, Planned, Platform, Quarantine, ReconcileOutcome, Report, ValidTenant,
    Watching, World, family::is_suspended, jwks::KeySets,
};
use crate::api::{DeletionPolicy, Tenant, TenantStatus, TenantTier};
use crate::cluster::{Error, Identity, Key, Live};
use crate::proof::Outcome;
use async_trait::async_trait;
use futures::future::BoxFuture;
use k8s_openapi::jiff::Timestamp;
use std::sync::Arc;

/// The input of validation.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    pub tenant: &'a Tenant,
    pub tier: &'a TenantTier,
    pub world: &'a World,
}

/// A Tenant whose rights are compared with its spec before that is known to be valid.
#[derive(Clone, Copy)]
pub struct Revocation<'a> {
    pub tenant: &'a Tenant,
    pub owner: &'a Identity,
    /// None where it does not exist or cannot be read.
    pub tier: Option<&'a TenantTier>,
    pub world: &'a World,
    pub quarantine: Option<&'a Quarantine>,
}

impl Revocation<'_> {
    /// Returns true where it, or a tenant above it, is suspended.
    pub fn is_suspended(&self) -> bool {
        is_suspended(self.tenant, &self.world.family)
    }
}

/// A Tenant that is being deleted.
#[derive(Clone, Copy)]
pub struct Deletion<'a> {
    pub owner: &'a Identity,
    pub policy: DeletionPolicy,
    /// Its namespaces, by name.
    pub namespaces: &'a [Live],
}

/// The state of a deleted tenant once no capability waits any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Released {
    /// True where its first namespace is retained.
    pub has_namespace: bool,
    /// True where some capability keeps data of it.
    pub has_data: bool,
}

/// A status that is about to be written.
#[derive(Clone, Copy)]
pub struct Observation<'a> {
    pub tenant: &'a Tenant,
    pub owner: &'a Identity,
    /// None where the Tenant is invalid.
    pub valid: Option<&'a ValidTenant>,
    pub outcome: &'a ReconcileOutcome,
    /// The outcome of the check of isolation that a capability made itself.
    pub check: Option<&'a Outcome>,
    pub now: Timestamp,
}

/// One part of a tenant's environment: its validity, its objects, its state. The driver calls the methods in this order.
#[async_trait]
pub trait Capability: Send + Sync {
    /// The words for it in conditions and messages.
    fn description(&self) -> &'static Description;

    /// Takes back rights that the spec no longer gives, even of an invalid Tenant. Returns what it waits for.
    ///
    /// # Errors
    /// The first write that was refused; all others are tried.
    async fn revoke(&self, _pass: &Pass<'_>, _of: &Revocation<'_>) -> Result<Option<String>, Error> {
        Ok(None)
    }

    /// Removes expired credentials of a Tenant whose spec is invalid.
    ///
    /// # Errors
    /// The API server's.
    async fn revoke_expired(&self, _pass: &Pass<'_>, _of: &Revocation<'_>) -> Result<(), Error> {
        Ok(())
    }

    /// Adds its part to the tenant, or the reasons why the Tenant is invalid.
    fn validate(&self, _asked: &Asked<'_>, _tenant: &mut ValidTenant, _reasons: &mut Vec<Invalid>) {}

    /// Acquires the prerequisites of its objects. Returns the error of a claim that another tenant holds; the pass continues without it.
    ///
    /// # Errors
    /// The API server's.
    async fn prepare(&self, _pass: &Pass<'_>, _tenant: &mut ValidTenant) -> Result<Option<Error>, Error> {
        Ok(None)
    }

    /// Adds to `to` the values that other capabilities need from its part. Pure.
    fn contribute(&self, _tenant: &ValidTenant, _to: &mut Contributions) {}

    /// Returns all objects that the tenant should have of it, each with its stage. Pure.
    fn plan(&self, _tenant: &mut ValidTenant, _platform: &Platform) -> Vec<Planned> {
        Vec::new()
    }

    /// Blocks stale objects that give access and that the driver deletes only after their replacements exist.
    ///
    /// # Errors
    /// The first write that was refused.
    async fn block_stale(&self, _pass: &Pass<'_>, _owner: &Identity, _stale: &[Live]) -> Result<(), Error> {
        Ok(())
    }

    /// Brings its objects nearer to the plan, and observes how they stand. The driver has applied the namespaces' stages.
    /// None: the tenant has nothing of it.
    ///
    /// # Errors
    /// The first read or write that was refused.
    async fn apply(
        &self,
        _pass: &Pass<'_>,
        _tenant: &mut ValidTenant,
        _planned: Vec<Planned>,
    ) -> Result<Option<Report>, Error> {
        Ok(None)
    }

    /// Adds to a report that is about to be published what costs further requests.
    async fn diagnose(&self, _pass: &Pass<'_>, _tenant: &ValidTenant, report: Report) -> Report {
        report
    }

    /// Returns true where the tenant has something of it: its condition is shown then. `is_over`: the pass has planned.
    fn concerns(&self, _tenant: Option<&ValidTenant>, _status: &TenantStatus, _is_over: bool) -> bool {
        false
    }

    /// Removes the fields of this capability from the status of a tenant that it does not concern.
    fn clear(&self, _status: &mut TenantStatus) {}

    /// The outcome of its own check of isolation; None where it has none for this tenant.
    fn check(&self, _tenant: Option<&ValidTenant>, _report: Option<&Report>) -> Option<Outcome> {
        None
    }

    /// Adds its own observations to a status that is about to be written, whatever the pass came to.
    async fn observe(&self, _of: &Observation<'_>, _status: &mut TenantStatus) {}

    /// Forgets a tenant that does not exist any more.
    fn forget(&self, _tenant: &str) {}

    /// Removes what a deleted tenant has of it, or closes and keeps it. Returns what it waits for.
    ///
    /// # Errors
    /// The API server's.
    async fn delete(&self, _pass: &Pass<'_>, _of: &Deletion<'_>) -> Result<Option<String>, Error> {
        Ok(None)
    }

    /// Returns true where it keeps data of a deleted tenant.
    fn keeps_data(&self, _owner: &Identity) -> bool {
        false
    }

    /// Removes claims and keys that only an existing tenant may have, once no capability waits any more.
    ///
    /// # Errors
    /// The API server's.
    async fn release(&self, _pass: &Pass<'_>, _of: &Deletion<'_>, _as_is: Released) -> Result<(), Error> {
        Ok(())
    }

    /// Returns true where this object grants access: the driver deletes such an object first once it is no longer planned.
    fn admits(&self, _live: &Live) -> bool {
        false
    }

    /// Returns true where an object that was not planned turned out to be needed.
    fn still_needs(&self, _tenant: &ValidTenant, _live: &Live) -> bool {
        false
    }

    /// Returns true where a stale object of this kind must stay while the API server refuses its replacement.
    fn replaces(&self, _live: &Live) -> bool {
        false
    }

    /// Returns true where an object records something that must outlive its plan.
    fn is_kept(&self, _live: &Live) -> bool {
        false
    }

    /// Returns true where the operator writes such an object; None: that follows from the plan.
    fn writes_at(&self, _key: &Key) -> Option<bool> {
        None
    }

    /// Its loops, which run for as long as this process leads.
    fn loops(self: Arc<Self>, _watching: &Watching) -> Vec<BoxFuture<'static, ()>> {
        Vec::new()
    }

    /// The gateway's use of public keys, where this is the gateway.
    fn key_sets(&self) -> Option<&dyn KeySets> {
        None
    }
}
