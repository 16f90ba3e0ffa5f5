//! Takes a tenant's hosts, each of which must be one tenant's alone.

use crate::capability::claim::{self, Claim, claimed, holder_of, host_claim, take_one};
use crate::capability::{Pass, Platform, TenantCore};
use crate::cluster::{Error, Identity, Key, Kind, Live, Store, write::Applied};
use crate::conditions::others_in_the_way;
use crate::host;
use crate::names;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, ListParams};

/// The number of claims in one page of a list.
const PAGE: u32 = 500;

/// Claims the tenant's free hosts. Returns these, and an error that names others and their holders.
///
/// # Errors
/// The API server's.
pub async fn take_hosts(pass: &Pass<'_>, tenant: &TenantCore) -> Result<(Vec<String>, Option<Error>), Error> {
    let (mut taken, mut refusals) = (Vec::new(), Vec::new());
    for host in &tenant.hosts {
        let claim = host_claim(&tenant.owner, host, pass.platform);
        match take_host(pass, tenant, &claim).await {
            Ok(None) => taken.push(claim.value),
            Ok(Some(holder)) => refusals.push(claimed(claim, holder)),
            // While its claim is being deleted, the host is still this tenant's.
            Err(error @ Error::Terminating(_)) => {
                taken.push(claim.value);
                refusals.push(error);
            }
            Err(error) => return Err(error),
        }
    }
    Ok((taken, refusal(refusals)))
}

/// Returns the first of several refusals, which names the other hosts that belong to other tenants.
fn refusal(refusals: Vec<Error>) -> Option<Error> {
    let mut refusals = refusals.into_iter();
    let first = refusals.next()?;
    let of_another = |error: Error| match error {
        Error::Claimed { value, holder, .. } => Some(format!("{value} of tenant {holder}")),
        _ => None,
    };
    let others: Vec<String> = refusals.filter_map(of_another).collect();
    let is_claimed = matches!(first, Error::Claimed { .. });
    Some(match is_claimed && !others.is_empty() {
        true => Error::Refused {
            reason: first.reason(),
            message: first.chain() + &others_in_the_way("host", &others),
        },
        false => first,
    })
}

/// Gives up every host of a tenant that is no more, and of those that had its name before.
///
/// # Errors
/// The API server's.
pub async fn release_hosts(pass: &Pass<'_>, owner: &Identity) -> Result<(), Error> {
    let (writer, store, platform) = (pass.writer, pass.store, pass.platform);
    let theirs = store.of(&owner.tenant).into_values();
    let hosts = theirs.filter(|live| is_host_claim(live, platform) && claim::holder(live) == Some(&owner.tenant));
    for claim in hosts {
        writer.delete(&claim).await?;
    }
    Ok(())
}

fn is_host_claim(live: &Live, platform: &Platform) -> bool {
    live.key.namespace == platform.namespace && live.label(names::CLAIM) == Some(names::HOST_CLAIM)
}

/// Claims a host, or returns the holder of it or of an overlapping one.
async fn take_host(pass: &Pass<'_>, tenant: &TenantCore, claim: &Claim) -> Result<Option<String>, Error> {
    let (writer, store, platform, owner) = (pass.writer, pass.store, pass.platform, &tenant.owner);
    let mut rivals = rivals_known(store, tenant, platform, &claim.value);
    // A tenant that asks in vain must keep nobody else from a free host.
    if store.get(&owner.tenant, &claim.object.key).is_none()
        && let Some(rival) = rivals.first()
    {
        return Ok(Some(rival.tenant.clone()));
    }
    let api: Api<ConfigMap> = Api::namespaced(writer.client().clone(), &platform.namespace);
    let outcome = match take_one(writer, owner, claim).await? {
        // A former tenant of this name owned it and has lost its hosts.
        Err(Some(existing)) if claim::holder(&existing) == Some(&owner.tenant) => {
            writer.delete(&existing).await?;
            take_one(writer, owner, claim).await?
        }
        outcome => outcome,
    };
    match outcome {
        Err(existing) => return Ok(Some(holder_of(existing.as_ref()))),
        // This store does not yet show a rival that claims the host at this moment.
        Ok(Applied::Created) => rivals = rivals_now(&api, tenant, &claim.value).await?,
        Ok(_) => {}
    }
    for rival in rivals {
        if is_older(&api, &rival, &claim.object.key).await? {
            if let Some(ours) = writer
                .fetch(&claim.object.key)
                .await?
                .filter(|live| live.belongs_to(owner))
            {
                writer.delete(&ours).await?;
            }
            return Ok(Some(rival.tenant));
        }
    }
    Ok(None)
}

/// Another tenant's claim on a host that has names in common with ours.
struct Rival {
    name: String,
    tenant: String,
}

impl Rival {
    /// Returns the claim of this name, by which a holder has a value, if it conflicts with a tenant's claim on a host. Below a tenant's wildcard, its
    /// subtenants may have hosts.
    fn new(name: String, holder: &str, value: &str, tenant: &TenantCore, host: &str) -> Option<Self> {
        let family = &tenant.family;
        let is_within = family.is_below(holder) && host::covers(value, host);
        let is_around = family.descendants.contains(holder) && host::covers(host, value);
        let is_one = holder != tenant.name() && host::overlap(host, value) && !is_within && !is_around;
        is_one.then(|| Self {
            name,
            tenant: holder.to_string(),
        })
    }
}

/// Those that the API server knows.
async fn rivals_now(api: &Api<ConfigMap>, tenant: &TenantCore, host: &str) -> Result<Vec<Rival>, Error> {
    let mut claims = Vec::new();
    if host::is_wildcard(host) {
        let label = format!("{}={}", names::CLAIM, names::HOST_CLAIM);
        let mut page = ListParams::default().labels(&label).limit(PAGE);
        loop {
            let list = api.list(&page).await?;
            claims.extend(list.items.into_iter().filter_map(|claim| rival(claim, tenant, host)));
            match list.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => page = page.continue_token(&token),
                None => return Ok(claims),
            }
        }
    }
    for above in host::above(host) {
        let claim = api.get_opt(&names::claim(names::HOST_CLAIM, &above)).await?;
        claims.extend(claim.and_then(|claim| rival(claim, tenant, host)));
    }
    Ok(claims)
}

fn rival(claim: ConfigMap, tenant: &TenantCore, host: &str) -> Option<Rival> {
    let data = claim.data?;
    Rival::new(
        claim.metadata.name?,
        data.get("tenant")?,
        data.get("value")?,
        tenant,
        host,
    )
}

/// Returns the rivals in the store. A host's parents and equals are found by name; only a wildcard has to scan all claims.
fn rivals_known(store: &Store, tenant: &TenantCore, platform: &Platform, host: &str) -> Vec<Rival> {
    let name = |host: &str| names::claim(names::HOST_CLAIM, host);
    let mut known: Vec<Live> = Vec::new();
    if host::is_wildcard(host) {
        let begin = names::claim_prefix(names::HOST_CLAIM);
        known = store.matching(Kind::ConfigMap, |namespace, name| {
            namespace == platform.namespace && name.starts_with(&begin)
        });
    } else {
        known.extend(host::above(host).chain([host.to_string()]).filter_map(|above| {
            let key = Key {
                kind: Kind::ConfigMap,
                namespace: platform.namespace.clone(),
                name: name(&above),
            };
            store.find(&key)
        }));
    }
    let rival = |live: &Live| {
        let value = live.value.pointer("/data/value")?.as_str()?;
        Rival::new(live.key.name.clone(), claim::holder(live)?, value, tenant, host)
    };
    known.iter().filter_map(rival).collect()
}

/// Returns true where a rival was there before us, by the API server's order: clocks may differ.
async fn is_older(api: &Api<ConfigMap>, rival: &Rival, ours: &Key) -> Result<bool, Error> {
    let (theirs, ours) = (api.get_opt(&rival.name).await?, api.get_opt(&ours.name).await?);
    Ok(matches!((theirs, ours), (Some(theirs), Some(ours)) if version(&theirs) < version(&ours)))
}

/// Returns the order of a claim's creation; its content never changes, so its last write is its creation.
fn version(claim: &ConfigMap) -> u64 {
    let version = claim.metadata.resource_version.as_deref();
    version.and_then(|version| version.parse().ok()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_of_other_tenants_are_named_together() {
        let of = |host: &str| Error::Claimed {
            field: "spec.gateway.hosts",
            value: format!("{host}.example.com"),
            holder: "beta".into(),
        };
        assert!(refusal(Vec::new()).is_none());
        let one = refusal(vec![of("a")]).expect("a refusal");
        let first = "spec.gateway.hosts: a.example.com belongs to tenant beta";
        assert_eq!((one.reason(), one.chain()), ("Conflict", first.to_string()));
        let both = refusal(vec![of("a"), of("b")]).expect("a refusal");
        let expected = format!("{first}; 2 hosts in all are in the way: the others are b.example.com of tenant beta");
        assert_eq!((both.reason(), both.chain()), ("Conflict", expected));
        assert!(both.is_of_one_object());
    }
}
