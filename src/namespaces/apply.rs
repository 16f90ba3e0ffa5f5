//! Applies bounds before access, and lets go of namespaces that the spec no longer names.

use super::grants::{Grants, Holding, Quota, Shortfall};
use super::{drain, quota};
use crate::capability::{Amounts, Failure, Pass, TenantCore};
use crate::cluster::{Desired, Error, Identity, Key, Kind, Live, Store};
use crate::names;
use crate::quantity::Amount;
use futures::{FutureExt, StreamExt, stream};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ListParams};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

/// The time that one pass waits for the quota controller, before it leaves the rest to the next pass.
const QUOTA_WAIT: Duration = Duration::from_millis(800);
/// The number of attempts to write quotas that others change meanwhile.
const ATTEMPTS: usize = 4;
/// Quotas of one tenant that are read at once.
const READS_AT_ONCE: usize = 6;
const QUOTA_POLL_INTERVAL: Duration = Duration::from_millis(10);

/// The outcome for a tenant's bounds.
pub struct Applied {
    /// A quota that is not enforced yet.
    pub unenforced: Option<String>,
    pub shortfalls: Vec<Shortfall>,
    /// The bounds that were refused or are being deleted.
    pub failures: Vec<Failure>,
}

/// Applies quotas, limits and network policies. A quota grows only by what the other namespaces have given back. Nothing is written in closed namespaces;
/// one whose bounds do not hold is closed too.
pub async fn bounds(
    pass: &Pass<'_>,
    tenant: &TenantCore,
    bounds: Vec<Desired>,
    closed: &mut BTreeSet<String>,
) -> Result<Applied, Error> {
    let owner = &tenant.owner;
    let (quotas, others): (Vec<_>, Vec<_>) = bounds
        .into_iter()
        .partition(|desired| desired.key.kind == Kind::ResourceQuota);
    // The `default` ServiceAccount first, before Kubernetes makes it itself; and when this one write found our new right to
    // be known, no other is refused.
    let (scouts, others): (Vec<_>, Vec<_>) = super::open(others, closed).partition(|desired| desired.takes_over);
    let mut failures = pass.apply_each(owner, &scouts).await?;
    let books = Books {
        tenant,
        quotas: &quotas,
        closed,
    };
    let (granted, applied) = futures::join!(books.grant(pass), pass.apply_each(owner, &others));
    failures.extend(granted?.into_iter().chain(applied?));
    let unbounded = failures.iter().filter(|failure| !failure.is_in_force);
    closed.extend(unbounded.map(|failure| failure.namespace().to_string()));
    let awaited: Vec<Desired> = super::open(quotas.clone(), closed).collect();
    let unenforced = wait_for_quota(pass.store, owner, &awaited).await;
    let books = Books {
        tenant,
        quotas: &quotas,
        closed,
    };
    let mut shortfalls = books.grants(&books.holdings(pass.store)).shortfalls();
    // In a suspended tenant nothing may run, and what still does is ending.
    shortfalls.retain(|shortfall| !tenant.suspend || !quota::ends_in_suspension(&shortfall.key));
    Ok(Applied {
        unenforced,
        shortfalls,
        failures,
    })
}

/// Repeats a write that was derived from the known quotas, where others changed them meanwhile.
pub async fn until_uncontended<T, F>(write: impl Fn() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    let mut result = write().await;
    for _ in 1..ATTEMPTS {
        if !matches!(result, Err(Error::Contended(_))) {
            break;
        }
        result = write().await;
    }
    result
}

/// The planned quotas of a tenant.
struct Books<'a> {
    tenant: &'a TenantCore,
    quotas: &'a [Desired],
    /// The namespaces in which no quota is written.
    closed: &'a BTreeSet<String>,
}

impl Books<'_> {
    /// Writes what each namespace may have now.
    async fn grant(&self, pass: &Pass<'_>) -> Result<Vec<Failure>, Error> {
        // The use of a quota moves with every pod, and a grant holds for what was known alone.
        until_uncontended(|| self.write(pass)).await
    }

    async fn write(&self, pass: &Pass<'_>) -> Result<Vec<Failure>, Error> {
        let owner = &self.tenant.owner;
        let known = self.holdings(pass.store);
        if !self.grants(&known).need_a_look() {
            return pass.apply_as_known(owner, &self.granted(&known)).await;
        }
        let lowered = known.iter().zip(self.quotas).filter_map(lowered).collect();
        let lowered: Vec<Desired> = super::open(lowered, self.closed).collect();
        // One that fails stays as it is, and fails again below.
        pass.apply_as_known(owner, &lowered).await?;
        wait_for_quota(pass.store, owner, &lowered).await;
        // The store may lag behind: a namespace grows only by what the API server itself says.
        let is_open = |holding: &&Holding| !self.closed.contains(&holding.namespace);
        let looks: Vec<_> = known
            .iter()
            .filter(is_open)
            .map(|holding| look(pass, holding).boxed())
            .collect();
        let looks: Vec<Result<_, Error>> = stream::iter(looks).buffer_unordered(READS_AT_ONCE).collect().await;
        let miscounted = looks.into_iter().collect::<Result<Vec<_>, _>>()?;
        let mut holdings = self.holdings(pass.store);
        for holding in &mut holdings {
            holding.is_miscounted = miscounted.iter().flatten().any(|name| *name == holding.namespace);
        }
        pass.apply_as_known(owner, &self.granted(&holdings)).await
    }

    /// The namespaces with their quotas, those of the plan first and in its order. A retained namespace does not count.
    fn holdings(&self, store: &Store) -> Vec<Holding> {
        let owner = &self.tenant.owner;
        let quota = |namespace: &str| {
            let live = store.get(&owner.tenant, &quota::key(namespace))?;
            Some(Quota {
                hard: amounts(&live.value, "/spec/hard"),
                enforced: amounts(&live.value, "/status/hard"),
                used: amounts(&live.value, "/status/used"),
            })
        };
        let planned = self.quotas.iter().map(|desired| Holding {
            namespace: desired.key.namespace.clone(),
            share: Some(amounts(&desired.value, "/spec/hard")),
            quota: quota(&desired.key.namespace),
            is_miscounted: false,
        });
        let is_left = |name: &String| {
            let is_planned = self.quotas.iter().any(|desired| desired.key.namespace == *name);
            let live = store.get(&owner.tenant, &Key::namespace(name.clone()));
            let is_held = |live: &Live| live.belongs_to(owner) && live.label(names::RETAINED).is_none();
            !is_planned && live.as_ref().is_some_and(is_held)
        };
        let left = store.namespaces_of(&owner.tenant).into_iter().filter(is_left);
        let left = left.map(|namespace| Holding {
            quota: quota(&namespace),
            namespace,
            share: None,
            is_miscounted: false,
        });
        planned.chain(left).collect()
    }

    fn grants<'a>(&'a self, holdings: &'a [Holding]) -> Grants<'a> {
        let total = self.tenant.quota.iter();
        Grants {
            total: total
                .filter_map(|(key, quantity)| Some((key.clone(), Amount::parse(&quantity.0).ok()?)))
                .collect(),
            undivided: &self.tenant.undivided,
            holdings,
        }
    }

    /// The quotas as they may be written now.
    fn granted(&self, holdings: &[Holding]) -> Vec<Desired> {
        let amounts = self.grants(holdings).amounts();
        let granted = self.quotas.iter().zip(&amounts);
        let granted = granted.map(|(quota, amounts)| with_hard(quota, amounts)).collect();
        super::open(granted, self.closed).collect()
    }
}

/// Reads a namespace's quota anew. Returns the namespace where it has more pods than the quota controller counted: the controller counts anew when a quota
/// changes, and may not know the pods yet that were admitted just before.
async fn look<'a>(pass: &Pass<'_>, holding: &'a Holding) -> Result<Option<&'a str>, Error> {
    let namespace = holding.namespace.as_str();
    let is_open = holding.share.is_some() && holding.quota.is_some();
    // Admission counts a pod before it exists, so these were counted before the quota is read.
    let pods = match is_open {
        true => pods(pass, namespace).await?,
        false => 0,
    };
    let live = pass.writer.fetch(&quota::key(namespace)).await?;
    let counted = live.and_then(|live| amount(live.value.pointer("/status/used/count~1pods")?));
    Ok(counted
        .filter(|counted| *counted < Amount::whole(pods))
        .map(|_| namespace))
}

/// The number of pods in a namespace, finished ones too.
async fn pods(pass: &Pass<'_>, namespace: &str) -> Result<i64, Error> {
    let api: Api<Pod> = Api::namespaced(pass.writer.client().clone(), namespace);
    let all = ListParams::default();
    let pods = pass.writer.with_new_rights(|| api.list_metadata(&all)).await?;
    Ok(i64::try_from(pods.items.len()).unwrap_or(i64::MAX))
}

/// A quota with what can be taken from it at once.
fn lowered((holding, quota): (&Holding, &Desired)) -> Option<Desired> {
    Some(with_hard(quota, &holding.lowered()?))
}

/// The quota with these amounts. Where they are as planned, the text is the plan's.
fn with_hard(quota: &Desired, amounts: &Amounts) -> Desired {
    let mut quota = quota.clone();
    let hard = quota.value.pointer_mut("/spec/hard").and_then(Value::as_object_mut);
    for (key, value) in hard.into_iter().flatten() {
        if let Some(granted) = amounts
            .get(key)
            .filter(|granted| amount(value).as_ref() != Some(*granted))
        {
            *value = json!(granted.to_string());
        }
    }
    quota
}

fn amount(value: &Value) -> Option<Amount> {
    match value {
        Value::String(text) => Amount::parse(text).ok(),
        other => Amount::parse(&other.to_string()).ok(),
    }
}

fn amounts(value: &Value, pointer: &str) -> Amounts {
    let entries = value.pointer(pointer).and_then(Value::as_object).into_iter().flatten();
    entries
        .filter_map(|(key, value)| Some((key.clone(), amount(value)?)))
        .collect()
}

/// Returns true once the quota controller has taken a quota up: until then, quota admission lets everything through.
pub fn is_enforced(quota: &Live) -> bool {
    let (spec, status) = (
        amounts(&quota.value, "/spec/hard"),
        amounts(&quota.value, "/status/hard"),
    );
    !spec.is_empty() && spec == status
}

async fn wait_for_quota(store: &Store, owner: &Identity, quotas: &[Desired]) -> Option<String> {
    let mut waited = Duration::ZERO;
    loop {
        let open = quotas.iter().find(|desired| {
            !store
                .get(&owner.tenant, &desired.key)
                .is_some_and(|live| is_enforced(&live))
        })?;
        if waited >= QUOTA_WAIT {
            return Some(format!(
                "the quota of namespace {} is not enforced yet",
                open.key.namespace
            ));
        }
        tokio::time::sleep(QUOTA_POLL_INTERVAL).await;
        waited += QUOTA_POLL_INTERVAL;
    }
}

/// Lets go of namespaces that the spec no longer names. Returns what it waits for, and the namespaces in which an object is in the way.
pub async fn leave(pass: &Pass<'_>, tenant: &TenantCore) -> Result<(Option<String>, Vec<Failure>), Error> {
    let owner = &tenant.owner;
    let (mut waiting, mut failures) = (Vec::new(), Vec::new());
    for namespace in pass.store.of(&owner.tenant).into_values() {
        // What was retained once stays retained: only its Tenant's deletion may end it.
        let leaves = namespace.key.kind == Kind::Namespace
            && namespace.belongs_to(owner)
            && !tenant.namespaces.iter().any(|own| own.name == namespace.key.name)
            && namespace.label(names::RETAINED).is_none();
        if leaves {
            match drain::drain(pass, owner, &namespace, pass.policy).await {
                Err(error) if error.is_of_one_object() => failures.push(Failure {
                    key: namespace.key,
                    error,
                    is_in_force: true,
                }),
                result => waiting.extend(result?),
            }
        }
    }
    Ok(((!waiting.is_empty()).then(|| waiting.join("; ")), failures))
}

#[cfg(test)]
#[path = "apply_test.rs"]
mod tests;
