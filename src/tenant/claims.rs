//! Takes what must be one tenant's alone: its id, its hosts. Whoever has it already is named.

use super::plan::{self, Claim, Platform};
use super::{ValidTenant, host};
use crate::cluster::write::Outcome;
use crate::cluster::{Identity, Key, Kind, Live, Store, Writer};
use crate::error::Error;
use crate::names;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::{Api, ListParams};

/// Takes everything that this tenant asks for.
///
/// # Errors
/// [`Error::Claimed`] where another tenant has it; else the API server's.
pub async fn take(writer: &Writer, store: &Store, tenant: &ValidTenant, platform: &Platform) -> Result<(), Error> {
    for claim in plan::claims(tenant, platform) {
        let holder = match claim.field {
            plan::HOSTS => take_host(writer, store, &tenant.owner, platform, &claim).await?,
            _ => take_one(writer, &tenant.owner, &claim).await?.err(),
        };
        if let Some(holder) = holder {
            return Err(Error::Claimed {
                field: claim.field,
                value: claim.value,
                holder,
            });
        }
    }
    Ok(())
}

/// Takes one thing, or says who has it.
async fn take_one(writer: &Writer, owner: &Identity, claim: &Claim) -> Result<Result<Outcome, String>, Error> {
    match writer.ensure(owner, &claim.object).await {
        Err(Error::Foreign { key, tenant, .. }) => {
            let held = writer.fetch(&key).await?;
            let holder = held.as_ref().and_then(plan::holder).map(String::from).or(tenant);
            Ok(Err(holder.unwrap_or_else(|| "unknown".into())))
        }
        outcome => outcome.map(Ok),
    }
}

/// Takes a host, or says who has it or one that has names in common with it.
async fn take_host(
    writer: &Writer,
    store: &Store,
    owner: &Identity,
    platform: &Platform,
    claim: &Claim,
) -> Result<Option<String>, Error> {
    let mut rivals = rivals_known(store, owner, platform, &claim.value);
    // Whoever asks in vain must keep nobody else from what is free.
    if store.get(&owner.tenant, &claim.object.key).is_none()
        && let Some(rival) = rivals.first()
    {
        return Ok(Some(rival.tenant.clone()));
    }
    let api: Api<ConfigMap> = Api::namespaced(writer.client().clone(), &platform.namespace);
    match take_one(writer, owner, claim).await? {
        Err(holder) => return Ok(Some(holder)),
        // Whoever takes it at this moment too is not known here yet.
        Ok(Outcome::Created) => rivals = rivals_now(&api, owner, &claim.value).await?,
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

/// Gives up every host of a tenant that is no more.
///
/// # Errors
/// The API server's.
pub async fn release_hosts(writer: &Writer, store: &Store, owner: &Identity) -> Result<(), Error> {
    let theirs = store.of(&owner.tenant).into_values();
    let hosts = theirs.filter(|live| live.belongs_to(owner) && live.label(names::CLAIM) == Some(names::HOST_CLAIM));
    for claim in hosts {
        writer.delete(&claim).await?;
    }
    Ok(())
}

/// Another tenant's claim on a host that has names in common with ours.
struct Rival {
    name: String,
    tenant: String,
}

/// Those that the API server knows.
async fn rivals_now(api: &Api<ConfigMap>, owner: &Identity, host: &str) -> Result<Vec<Rival>, Error> {
    let label = format!("{}={}", names::CLAIM, names::HOST_CLAIM);
    let all = api.list(&ListParams::default().labels(&label)).await?;
    let rivals = all.items.into_iter().filter_map(|claim| {
        let data = claim.data?;
        let rival = Rival {
            name: claim.metadata.name?,
            tenant: data.get("tenant")?.clone(),
        };
        (rival.tenant != owner.tenant && host::overlap(host, data.get("value")?)).then_some(rival)
    });
    Ok(rivals.collect())
}

/// Those that are known here. What is above a host, or the same, is found by its name; only a wildcard has to look at all.
fn rivals_known(store: &Store, owner: &Identity, platform: &Platform, host: &str) -> Vec<Rival> {
    let name = |host: &str| names::claim(names::HOST_CLAIM, host);
    let mut known: Vec<Live> = Vec::new();
    if host::is_wildcard(host) {
        let begin = names::claim_prefix(names::HOST_CLAIM);
        known = store.matching(|key| key.namespace == platform.namespace && key.name.starts_with(&begin));
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
        let rival = Rival {
            name: live.key.name.clone(),
            tenant: plan::holder(live)?.to_string(),
        };
        (rival.tenant != owner.tenant && host::overlap(host, value)).then_some(rival)
    };
    known.iter().filter_map(rival).collect()
}

/// Whether a rival was there before us.
async fn is_older(api: &Api<ConfigMap>, rival: &Rival, ours: &Key) -> Result<bool, Error> {
    let (theirs, ours) = (api.get_opt(&rival.name).await?, api.get_opt(&ours.name).await?);
    Ok(matches!((theirs, ours), (Some(theirs), Some(ours)) if age(&theirs) < age(&ours)))
}

/// When a claim was made; of those of one second, in which order. Claims are not written again.
fn age(claim: &ConfigMap) -> (Option<&Time>, u64) {
    let version = claim.metadata.resource_version.as_deref().unwrap_or_default();
    (
        claim.metadata.creation_timestamp.as_ref(),
        version.parse().unwrap_or(u64::MAX),
    )
}
