//! Remarks on workloads besides their availability: needs beyond the quota, and claims that stay as they are.

use super::fit::{self, Unfit};
use crate::capability::TenantCore;
use crate::cluster::fixed::{self, Kept, Why};
use crate::cluster::{Desired, Store};

/// The most claims that a message names.
const NAMED: usize = 4;

/// What is to be known of a tenant's workloads.
#[derive(Clone, Debug, Default)]
pub struct Remarks {
    pub unfit: Option<Unfit>,
    /// Each with the name of its claim.
    claims: Vec<(String, Kept)>,
}

impl Remarks {
    /// The remarks on the planned objects of all workloads, which are in the first namespace.
    pub fn of(tenant: &TenantCore, planned: &[Desired], store: &Store) -> Self {
        let first = tenant.namespaces.first();
        let kept = |desired: &Desired| {
            let live = store.get(tenant.name(), &desired.key);
            let kept = live.map(|live| fixed::kept(desired, &live)).unwrap_or_default();
            let name = desired.key.name.clone();
            kept.into_iter().map(move |kept| (name.clone(), kept))
        };
        Self {
            unfit: first.and_then(|first| fit::unfit(planned, &first.name, &first.quota)),
            claims: planned.iter().flat_map(kept).collect(),
        }
    }

    /// Names the claims that can never be as the spec asks.
    pub fn fixed(&self) -> Option<String> {
        self.naming(|why| why == Why::Fixed)
    }

    /// Names the claims of another size than the spec asks for.
    pub fn kept(&self) -> Option<String> {
        self.naming(|why| why != Why::Fixed)
    }

    fn naming(&self, is_one: impl Fn(Why) -> bool) -> Option<String> {
        let all = self.claims.iter().filter(|(_, kept)| is_one(kept.why));
        let named: Vec<String> = all.take(NAMED).map(|(name, kept)| words(name, kept)).collect();
        (!named.is_empty()).then(|| named.join("; "))
    }
}

fn words(claim: &str, kept: &Kept) -> String {
    let Kept {
        why,
        field,
        wanted,
        found,
    } = kept;
    match why {
        Why::Larger => {
            format!("claim {claim} has {found} and keeps it, since claims never shrink: the spec has {wanted}")
        }
        Why::Unbound => format!("claim {claim} has {found}, and grows to {wanted} once it is bound"),
        Why::Fixed => format!(
            "claim {claim} has {field} {found}, which Kubernetes never changes to {wanted}: correct the spec, or delete the claim and its data"
        ),
    }
}
