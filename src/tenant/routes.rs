//! Tells the gateway what leads to a tenant, and sees how it takes that.

use super::ValidTenant;
use super::plan::Platform;
use super::provision::apply;
use crate::api::{ApiKey, ApiKeyStatus, GatewayStatus, Tenant};
use crate::capability::State;
use crate::cluster::{Desired, Error, Identity, Live, Store, Writer, diff::difference, secret};
use crate::conditions::reason;
use crate::gateway::config::Key;
use crate::gateway::single_keys::{self, Slots};
use crate::gateway::state::{GatewayState, judge, of_object};
use crate::gateway::{Attachment, certificates, keys};
use crate::names;
use crate::postgres::secret::Password;
use k8s_openapi::jiff::Timestamp;
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;

/// What is the matter with a Gateway that nobody has looked at yet.
pub const UNSEEN: &str = "the Gateway was not looked at yet";

/// A tenant's way in, as it was found.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub state: State,
    pub status: GatewayStatus,
    /// When time changes something.
    pub again: Option<Duration>,
}

/// What is known of a tenant's API keys once they are as they should be.
#[derive(Default)]
struct Known {
    status: Vec<ApiKeyStatus>,
    /// Which Secret with one key is whose; empty where there are none such.
    slots: Slots,
    /// When to look again.
    again: Option<Duration>,
}

/// What opens, of 190 random bits.
fn fresh() -> String {
    Password::random().reveal().to_string()
}

/// Sees to the Secret with the tenant's API keys, and to those with one each where the gateway wants such.
async fn keys(writer: &Writer, tenant: &ValidTenant, wanted: &[Key], are_single: bool) -> Result<Known, Error> {
    let owner = &tenant.core.owner;
    if wanted.is_empty() {
        if tenant.had_keys {
            withdraw_keys(writer, owner).await?;
        }
        return Ok(Known::default());
    }
    let found = secret::read(writer, owner, names::API_KEYS_SECRET).await?;
    let now = Timestamp::now();
    let mut ring = keys::turn(owner, wanted, found.as_ref(), &tenant.core.rotation, now, fresh);
    let before = single_keys::told(found.as_ref());
    let slots = match are_single {
        true => single_keys::slots(wanted, &before),
        false => Slots::new(),
    };
    let opens = ring.secret.data.clone().unwrap_or_default();
    for (key, slot) in &slots {
        let clients = names::api_key_clients(key);
        for (client, name) in clients.iter().zip(names::api_key_secrets(*slot)) {
            let found = secret::read(writer, owner, &name).await?;
            let wanted = single_keys::secret(owner, &name, opens.get(client), found.as_ref(), fresh);
            secret::put(writer, owner, found.as_ref(), wanted).await?;
        }
    }
    let freed = before.values().filter(|slot| !slots.values().any(|used| used == *slot));
    withdraw_single(writer, owner, freed).await?;
    // Last, so that whoever is interrupted finds what was there before.
    single_keys::tell(&mut ring.secret, &slots);
    secret::put(writer, owner, found.as_ref(), ring.secret).await?;
    let left = ring.next.map(|next| next.duration_since(now));
    Ok(Known {
        status: ring.status,
        slots,
        again: left.map(|left| Duration::try_from(left).unwrap_or_default()),
    })
}

async fn withdraw_single(
    writer: &Writer,
    owner: &Identity,
    slots: impl Iterator<Item = &usize> + Send,
) -> Result<(), Error> {
    for name in slots.flat_map(|slot| names::api_key_secrets(*slot)) {
        secret::withdraw(writer, owner, &name).await?;
    }
    Ok(())
}

/// Removes every API key of a tenant.
///
/// # Errors
/// The first removal that was refused.
pub async fn withdraw_keys(writer: &Writer, owner: &Identity) -> Result<(), Error> {
    let found = secret::read(writer, owner, names::API_KEYS_SECRET).await?;
    withdraw_single(writer, owner, single_keys::told(found.as_ref()).values()).await?;
    secret::withdraw(writer, owner, names::API_KEYS_SECRET).await
}

/// Takes from the Secret the keys that the spec does not name any more, and those that have expired, by what the status tells of them; nothing new is made.
///
/// # Errors
/// The API server's.
pub async fn revoke_keys(writer: &Writer, tenant: &Tenant, owner: &Identity) -> Result<(), Error> {
    let told = tenant.status.as_ref().and_then(|status| status.gateway.as_ref());
    let told = told.map_or(&[][..], |told| &told.api_keys);
    let asked = tenant
        .spec
        .gateway
        .as_ref()
        .and_then(|gateway| gateway.authentication.as_ref());
    let now = Timestamp::now();
    let is_over = |key: &ApiKey| {
        let end = key.expires_at.as_ref().and_then(|end| end.parse::<Timestamp>().ok());
        end.is_some_and(|end| end <= now)
    };
    let keys = asked
        .into_iter()
        .flat_map(|asked| &asked.api_keys)
        .filter(|key| !is_over(key));
    let named: BTreeSet<&str> = keys.map(|key| key.name.as_str()).collect();
    let mut alive = told.iter().filter(|key| key.issued_at.is_some());
    if alive.all(|key| named.contains(key.name.as_str())) {
        return Ok(());
    }
    let Some(found) = secret::read(writer, owner, names::API_KEYS_SECRET).await? else {
        return Ok(());
    };
    let named: Vec<String> = named.into_iter().map(String::from).collect();
    match keys::without(&found, &named, fresh) {
        Some(left) => secret::put(writer, owner, Some(&found), left).await,
        None => Ok(()),
    }
}

/// Lets former keys die at their time, of a tenant whose spec makes no sense: its keys are not renewed meanwhile.
///
/// # Errors
/// The API server's.
pub async fn lapse_keys(writer: &Writer, tenant: &Tenant, owner: &Identity) -> Result<(), Error> {
    let told = tenant.status.as_ref().and_then(|status| status.gateway.as_ref());
    if !told.is_some_and(|told| told.api_keys.iter().any(|key| key.issued_at.is_some())) {
        return Ok(());
    }
    let Some(found) = secret::read(writer, owner, names::API_KEYS_SECRET).await? else {
        return Ok(());
    };
    match keys::lapsed(&found, Timestamp::now()) {
        Some(left) => secret::put(writer, owner, Some(&found), left).await,
        None => Ok(()),
    }
}

/// Takes away what leads into a namespace, before anything that stands in the way of who comes by it.
///
/// # Errors
/// The first removal that was refused.
pub async fn withdraw(writer: &Writer, store: &Store, owner: &Identity, namespace: &str) -> Result<(), Error> {
    for live in store.of(&owner.tenant).into_values() {
        let leads_in = live.key.kind.is_route() && live.key.namespace == namespace;
        if leads_in && live.belongs_to(owner) && !live.is_terminating() {
            writer.delete(&live).await?;
        }
    }
    Ok(())
}

/// Whether a route asks for credentials.
pub fn is_guarded(platform: &Platform, route: &Live) -> bool {
    let to = platform.gateway.as_ref();
    to.is_some_and(|to| to.controller.guard(&route.key, &route.value).is_some())
}

/// Whether an object leads nowhere, and is there for the key set that it names alone.
pub fn is_carrier(platform: &Platform, live: &Live) -> bool {
    let to = platform.gateway.as_ref();
    to.is_some_and(|to| to.controller.is_carrier(&live.value))
}

/// What the gateway is told by of key sets that it is to know of beside: which these are only a Secret says.
pub fn carriers(tenant: &ValidTenant, platform: &Platform) -> Vec<Desired> {
    let keys = tenant.signing_key.as_ref();
    let to = platform.gateway.as_ref();
    let carriers = to
        .filter(|_| keys.is_some_and(|keys| !keys.carried.is_empty()))
        .and_then(|to| {
            let way = tenant.gateway_config(&to.shared_hosts)?;
            Some(to.controller.carriers(&way, to))
        });
    carriers.unwrap_or_default()
}

/// Lets nobody through by these routes, which are not asked for any more, until what takes their place is there: without them requests would take
/// others, which may ask for less.
///
/// # Errors
/// The first write that was refused.
pub async fn close(writer: &Writer, owner: &Identity, platform: &Platform, stale: &[Live]) -> Result<(), Error> {
    let Some(to) = &platform.gateway else { return Ok(()) };
    for live in stale.iter().filter(|live| live.key.kind.is_route()) {
        if is_guarded(platform, live) && !to.controller.is_barred(&live.value) {
            let barred = to.controller.barred(live.value.clone());
            writer.ensure(owner, &live.with(barred)).await?;
        }
    }
    Ok(())
}

/// Answers everybody with 503, by whatever leads to the tenant: what it shares with others knows nothing of it being closed.
///
/// # Errors
/// The first write that was refused; the others are tried all the same.
pub async fn shut(
    writer: &Writer,
    store: &Store,
    owner: &Identity,
    platform: &Platform,
    why: &str,
) -> Result<(), Error> {
    let Some(to) = &platform.gateway else { return Ok(()) };
    let mut result = Ok(());
    for live in store.of(&owner.tenant).into_values() {
        if live.key.kind.is_route() && live.belongs_to(owner) && !live.is_terminating() {
            for desired in to.controller.closed(owner, &live, why) {
                tracing::info!(object = %desired.key, "closed");
                result = result.and(writer.ensure(owner, &desired).await.map(|_| ()));
            }
        }
    }
    result
}

/// Brings what leads to a tenant one step, or all the way, nearer to what was planned; None where nothing should.
///
/// # Errors
/// The first write that was refused.
pub async fn tend(
    writer: &Writer,
    store: &Store,
    tenant: &ValidTenant,
    platform: &Platform,
) -> Result<Option<Outcome>, Error> {
    let Some((to, mut way)) = platform
        .gateway
        .as_ref()
        .and_then(|to| Some((to, tenant.gateway_config(&to.shared_hosts)?)))
    else {
        // Without hosts nothing leads in; whoever has a key keeps it for when something does.
        if tenant.gateway.is_none() {
            keys(writer, tenant, &[], false).await?;
        }
        return Ok(None);
    };
    let wants_single = to.controller.wants_single_keys();
    let Known { status, slots, again } = keys(writer, tenant, &way.gateway.keys, wants_single).await?;
    for key in &mut way.gateway.keys {
        key.slot = slots.get(&key.name).copied().unwrap_or(key.slot);
    }
    let status = GatewayStatus {
        endpoints: to.endpoints(&way),
        api_keys: status,
        certificates: certificates::status(&way, |key| store.get(&tenant.core.owner.tenant, key)),
    };
    let missing = to.controller.kinds().iter().find(|kind| !store.has_listed(**kind));
    if let Some(missing) = missing {
        let standing = GatewayState::Waiting(format!(
            "the cluster's {missing}s are not known yet: it may lack that kind"
        ));
        return Ok(Some(Outcome {
            state: standing.into(),
            status,
            again,
        }));
    }
    let mut written = to.controller.write(&way, to);
    let unknown = unknown(store, &mut written.objects);
    let (routes, others): (Vec<Desired>, Vec<Desired>) = written
        .objects
        .iter()
        .cloned()
        .partition(|object| object.key.kind.is_route());
    // Who is let in is said before anything leads in.
    apply(writer, &tenant.core.owner, &others).await?;
    let (routes, barred) = bar(store, tenant, to, routes);
    lead_in(writer, store, tenant, to, routes).await?;
    let judge = || {
        judge(to, &written.objects, &written.unsupported, |key| {
            store.get(&tenant.core.owner.tenant, key)
        })
    };
    let standing = unknown.unwrap_or_else(judge);
    let standing = match (standing, barred) {
        (GatewayState::Ready | GatewayState::Waiting(_), _) if platform.gateway_problem.is_some() => {
            let message = platform.gateway_problem.clone().unwrap_or_default();
            match message == UNSEEN {
                true => GatewayState::Waiting(message),
                false => GatewayState::Refused {
                    reason: reason::GATEWAY_NOT_PROGRAMMED,
                    message,
                },
            }
        }
        (GatewayState::Ready, Some(_)) => GatewayState::not_yet(),
        (standing, _) => standing,
    };
    Ok(Some(Outcome {
        state: standing.into(),
        status,
        again,
    }))
}

/// Writes the routes, so that no request that is to show credentials ever takes one that asks for none: first those that ask for some, with what they are about
/// to let go of, then all others, and last what lets go.
async fn lead_in(
    writer: &Writer,
    store: &Store,
    tenant: &ValidTenant,
    to: &Attachment,
    routes: Vec<Desired>,
) -> Result<(), Error> {
    let owner = &tenant.core.owner;
    let planned: Vec<&Value> = routes.iter().map(|route| &route.value).collect();
    let is_guarded = |route: &&Desired| to.controller.guard(&route.key, &route.value).is_some();
    let mut held = Vec::new();
    let mut letting_go = Vec::new();
    for route in routes.iter().filter(is_guarded) {
        let live = store.get(&owner.tenant, &route.key);
        let before = live.filter(|live| live.belongs_to(owner) && difference(route, live).is_some());
        let value = before.map(|before| to.controller.held(&before.value, &route.value, &planned));
        match value.filter(|value| *value != route.value) {
            Some(value) => {
                held.push(Desired { value, ..route.clone() });
                letting_go.push(route.clone());
            }
            None => held.push(route.clone()),
        }
    }
    let others: Vec<Desired> = routes.iter().filter(|route| !is_guarded(route)).cloned().collect();
    for step in [held, others, letting_go] {
        apply(writer, owner, &step).await?;
    }
    Ok(())
}

/// Takes out what the cluster has no kind for, which only certificates need. Returns how that stands, where there is any.
fn unknown(store: &Store, objects: &mut Vec<Desired>) -> Option<GatewayState> {
    let unknown = objects.extract_if(.., |object| !store.has_listed(object.key.kind));
    let unknown: Vec<Desired> = unknown.collect();
    let kind = unknown.first()?.key.kind;
    Some(match store.is_lacking(kind) {
        true => GatewayState::without(&[certificates::lacking(kind)]),
        false => GatewayState::Waiting(format!("whether the cluster has {kind}s is not known yet")),
    })
}

/// A route that asks for credentials lets nobody through until the gateway has said that it asks for them: it takes up routes and policies one by one. Returns
/// the routes as they should be now, and one that is not open yet.
fn bar(store: &Store, tenant: &ValidTenant, to: &Attachment, routes: Vec<Desired>) -> (Vec<Desired>, Option<String>) {
    let mut barred = None;
    let routes = routes.into_iter().map(|route| {
        let Some(guard) = to.controller.guard(&route.key, &route.value) else {
            return route;
        };
        let live = store.get(&tenant.core.owner.tenant, &route.key);
        let is_serving = live.is_some_and(|live| !to.controller.is_barred(&live.value));
        let guard = store.get(&tenant.core.owner.tenant, &guard);
        let is_guarded = guard.is_some_and(|guard| of_object(to, &guard).is_ok());
        match is_serving || is_guarded {
            true => route,
            false => {
                barred.get_or_insert(route.key.to_string());
                Desired {
                    value: to.controller.barred(route.value),
                    ..route
                }
            }
        }
    });
    (routes.collect(), barred)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::{Key, Kind};
    use kube::runtime::watcher::Event;
    use serde_json::Value;

    #[test]
    fn what_the_cluster_has_no_kind_for_is_left_out_and_told() {
        let store = Store::default();
        store.observe(Kind::HttpRoute, Event::InitDone);
        let objects = || {
            [Kind::Certificate, Kind::ListenerSet, Kind::HttpRoute].map(|kind| Desired {
                key: Key {
                    kind,
                    namespace: "acme".into(),
                    name: "tenant".into(),
                },
                value: Value::Null,
                others: Vec::new(),
                takes_over: false,
            })
        };
        let left = |store: &Store| {
            let mut objects = objects().to_vec();
            let standing = unknown(store, &mut objects);
            let kinds: Vec<Kind> = objects.iter().map(|object| object.key.kind).collect();
            (standing, kinds)
        };
        let (standing, kinds) = left(&store);
        assert!(matches!(standing, Some(GatewayState::Waiting(_))), "{standing:?}");
        assert_eq!(kinds, [Kind::HttpRoute]);
        store.note_lacking(&[Kind::Certificate], &[Kind::Certificate]);
        let Some(GatewayState::Refused { reason, message }) = left(&store).0 else {
            panic!("{:?}", left(&store));
        };
        assert_eq!(reason, "Unsupported");
        assert!(
            message.starts_with("spec.gateway.tls[].issuerRef: ") && message.contains("cert-manager"),
            "{message}"
        );
        store.observe(Kind::Certificate, Event::InitDone);
        store.observe(Kind::ListenerSet, Event::InitDone);
        assert_eq!(
            left(&store),
            (None, vec![Kind::Certificate, Kind::ListenerSet, Kind::HttpRoute])
        );
    }
}
