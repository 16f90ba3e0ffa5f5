//! The decision on each namespace that a tenant creates itself. Pure.
//!
//! A request that is refused disturbs nothing else: no other namespace, and not the Tenant. A namespace that exists stays, whatever its tier allows by now.

use crate::api::{FurtherNamespace, ResourceList, Tenant, TenantSpec, TenantTier, TenantTierSpec};
use crate::capability::created::{CreatedNamespace, CreatedNamespaces, Existing, Removal, Request};
use crate::capability::{Amounts, Note, TenantCore, World, namespaces};
use crate::conditions::reason;
use crate::names;
use crate::namespaces::{dns_capture, shares};
use crate::quantity::Amount;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// Namespaces of a tenant, the first included, where its tier names no maximum.
const MAX_NAMESPACES: i32 = 33;

/// The decisions on all namespaces that a tenant creates itself.
#[derive(Clone, Debug, Default)]
pub struct Admission {
    /// The namespaces that the tenant has, in order.
    pub namespaces: Vec<FurtherNamespace>,
    /// The namespaces that are deleted with their TenantNamespaces.
    pub ending: BTreeSet<String>,
    /// The TenantNamespaces whose namespaces do not exist yet.
    pub fresh: BTreeSet<String>,
    /// By TenantNamespace.
    pub verdicts: BTreeMap<String, Verdict>,
}

/// The decision on a TenantNamespace.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// The tenant has its namespace; with a note where that stays as it was before.
    Admitted(Option<Note>),
    /// It has no namespace until somebody changes something.
    Refused(Note),
    /// It waits.
    Waiting(Note),
    /// The operator deletes its namespace.
    Ending,
    /// It is deleted, and holds no namespace.
    Released,
}

impl Admission {
    /// Lets a new TenantNamespace wait whose deletion the operator could not wait for. A namespace that exists stays.
    pub fn withdraw(&mut self, name: &str, core: &mut TenantCore) {
        if !self.fresh.contains(name) {
            return;
        }
        let namespace = names::namespace(core.name(), name);
        core.namespaces.retain(|own| own.name != namespace);
        core.created.quotas.remove(&namespace);
        let verdict = waiting("the TenantNamespace changed meanwhile: the operator reads it again".into());
        self.verdicts.insert(name.to_string(), verdict);
    }

    /// Returns the namespaces' names, in order.
    pub fn names(&self, tenant: &str) -> impl Iterator<Item = String> {
        self.namespaces.iter().map(|one| names::namespace(tenant, &one.name))
    }

    /// Returns the part of a valid Tenant's core.
    pub fn created(&self, tenant: &str, tier: &TenantTierSpec) -> CreatedNamespaces {
        let quotas = self.namespaces.iter().map(|one| one.quota.clone());
        CreatedNamespaces {
            quotas: self.names(tenant).zip(quotas).collect(),
            ending: self.ending.clone(),
            max: tier.tenant_namespaces.as_ref().map(|bounds| bounds.max),
        }
    }

    /// Returns the spec with these namespaces after its own.
    pub fn joined<'a>(&self, spec: &'a TenantSpec) -> Cow<'a, TenantSpec> {
        if self.namespaces.is_empty() {
            return Cow::Borrowed(spec);
        }
        let mut joined = spec.clone();
        joined.namespaces.extend(self.namespaces.iter().cloned());
        Cow::Owned(joined)
    }
}

/// Decides on each namespace that the tenant creates itself: those that exist first, then the others by their age.
pub fn admit(tenant: &Tenant, tier: &TenantTier, world: &World) -> Admission {
    if world.created.is_empty() {
        return Admission::default();
    }
    let mut round = Round::new(tenant, tier, world);
    let mut all: Vec<&CreatedNamespace> = world.created.iter().collect();
    let age = |one: &CreatedNamespace| one.request.as_ref().and_then(|request| request.created_at);
    all.sort_by_key(|one| (!one.exists(), age(one), one.name.clone()));
    // The room of those that are going is not free yet.
    round.leaving = all.iter().filter(|one| is_leaving(one)).count();
    for one in all {
        if let Some(verdict) = round.judge(one) {
            round.admission.verdicts.insert(one.name.clone(), verdict);
        }
    }
    round.admission
}

fn is_leaving(one: &CreatedNamespace) -> bool {
    let is_requested = one.request.as_ref().map(|request| request.removal) == Some(Removal::Requested);
    one.exists() && is_requested || one.existing == Existing::Terminating { is_created: true }
}

struct Round<'a> {
    tenant: &'a str,
    tier: &'a TenantTier,
    world: &'a World,
    /// The namespaces that the spec names.
    named: Vec<String>,
    /// The amounts of the tenant's quota that no namespace names.
    free: Amounts,
    /// True where the spec's quota cannot be divided.
    is_faulty: bool,
    leaving: usize,
    admission: Admission,
}

impl<'a> Round<'a> {
    fn new(tenant: &'a Tenant, tier: &'a TenantTier, world: &'a World) -> Self {
        let mut faults = Vec::new();
        let bound = &world.family.bound;
        let lent = shares::lent(&world.family.children);
        let (total, _) = shares::divide(&tenant.spec, &tier.spec, bound, &lent, &mut faults);
        let undivided = shares::undivided(&tenant.spec, &tier.spec, bound);
        let divided = total.into_iter().filter(|(key, _)| !undivided.contains(key));
        let mut free = amounts(&divided.collect());
        for (key, free) in &mut free {
            *free = free.minus(lent.get(key).copied().unwrap_or(Amount::ZERO));
        }
        for namespace in &tenant.spec.namespaces {
            take(&mut free, &namespace.quota);
        }
        Self {
            tenant: tenant.metadata.name.as_deref().unwrap_or_default(),
            tier,
            world,
            named: namespaces(tenant),
            free,
            is_faulty: !faults.is_empty(),
            leaving: 0,
            admission: Admission::default(),
        }
    }

    /// Returns the decision on a TenantNamespace; None where there is only a namespace.
    fn judge(&mut self, one: &CreatedNamespace) -> Option<Verdict> {
        let namespace = one.namespace(self.tenant);
        let removal = one.request.as_ref().map_or(Removal::None, |request| request.removal);
        if self.named.contains(&namespace) {
            let message = format!("the Tenant's spec.namespaces has the name {} already", one.name);
            return one.request.as_ref().map(|_| match removal {
                Removal::None => refused(reason::NAME_TAKEN, message),
                _ => Verdict::Released,
            });
        }
        match (&one.existing, removal, &one.request) {
            (Existing::Created(_) | Existing::Terminating { is_created: true }, Removal::Requested, _) => {
                self.admission.ending.insert(namespace);
                Some(Verdict::Ending)
            }
            (Existing::Created(former), Removal::None, Some(request)) => {
                let note = self.keep(&one.name, &request.quota, request.unreadable.as_ref(), former);
                Some(Verdict::Admitted(note))
            }
            (Existing::Created(former), _, request) => {
                self.keep(&one.name, former, None, former);
                request.as_ref().map(|_| match removal {
                    Removal::Undecided => waiting(format!("the deletion of namespace {namespace} has not begun yet")),
                    _ => Verdict::Released,
                })
            }
            (_, _, None) => None,
            (Existing::Unknown, _, _) | (_, Removal::Undecided, _) => {
                let unknown = || waiting(format!("the API server has not answered about namespace {namespace}"));
                Some(self.lacks_room().unwrap_or_else(unknown))
            }
            (_, Removal::Requested | Removal::Incidental, _) => Some(Verdict::Released),
            (Existing::Terminating { is_created }, ..) => {
                self.admission.ending.extend(is_created.then(|| namespace.clone()));
                Some(waiting(format!(
                    "a former namespace {namespace} is still being deleted"
                )))
            }
            (Existing::Taken(note), ..) => Some(Verdict::Refused(note.clone())),
            (Existing::Absent | Existing::Retained(_), _, Some(request)) => {
                Some(self.add(&one.name, &namespace, request))
            }
        }
    }

    /// Keeps a namespace that exists. Returns a note where it does not get the quota that it asks for.
    fn keep(
        &mut self,
        name: &str,
        asked: &ResourceList,
        unreadable: Option<&String>,
        former: &ResourceList,
    ) -> Option<Note> {
        let fault = match unreadable {
            Some(why) => Some(Note::new(reason::INVALID_SPEC, why.clone())),
            None => self.fault(asked),
        };
        let quota = match &fault {
            None => asked.clone(),
            Some(_) => {
                let mut fitting = former.clone();
                fitting.retain(|key, amount| self.fault(&[(key.clone(), amount.clone())].into()).is_none());
                fitting
            }
        };
        self.push(name, quota);
        fault.map(|note| {
            Note::new(
                note.reason,
                format!("{}; the namespace keeps its former quota", note.message),
            )
        })
    }

    /// Admits a new namespace, or says why not.
    fn add(&mut self, name: &str, namespace: &str, request: &Request) -> Verdict {
        if let Some(why) = &request.unreadable {
            return refused(reason::INVALID_SPEC, why.clone());
        }
        if let Some(verdict) = self.lacks_room() {
            return verdict;
        }
        if let Some(note) = self.bad_name(namespace) {
            return Verdict::Refused(note);
        }
        if self.is_faulty {
            return waiting("the Tenant's quota is not valid: no namespace can get a share of it".into());
        }
        if let Some(note) = self.fault(&request.quota) {
            return Verdict::Refused(note);
        }
        self.push(name, request.quota.clone());
        self.admission.fresh.insert(name.to_string());
        Verdict::Admitted(None)
    }

    /// Returns the verdict on one more namespace where the tenant may not have it, or not yet.
    fn lacks_room(&self) -> Option<Verdict> {
        let spec = &self.tier.spec;
        let max = spec.tenant_namespaces.as_ref().map_or(0, |bounds| count(bounds.max));
        let most = count(spec.max_namespaces.unwrap_or(MAX_NAMESPACES));
        let has = self.admission.namespaces.len();
        let all = self.named.len() + has;
        if max == 0 {
            let message = "the tenant's tier allows no TenantNamespaces";
            return Some(refused(reason::TOO_MANY_NAMESPACES, message.into()));
        }
        if has >= max {
            let message = format!("the tenant may create {max} namespaces itself, and has {has}: delete another first");
            return Some(refused(reason::TOO_MANY_NAMESPACES, message));
        }
        if all >= most {
            let message = format!("the tenant may have {most} namespaces in all, and has {all}: delete another first");
            return Some(refused(reason::TOO_MANY_NAMESPACES, message));
        }
        let is_full = has + self.leaving >= max || all + self.leaving >= most;
        is_full.then(|| waiting("the namespace takes the place of one that is still being deleted".into()))
    }

    fn bad_name(&self, namespace: &str) -> Option<Note> {
        if !crate::syntax::is_dns_label(namespace) {
            let message = format!("{namespace:.80} is not a DNS label of at most 63 characters: choose a shorter name");
            return Some(Note::new(reason::INVALID_SPEC, message));
        }
        let is_reserved = self.world.reserved.contains_key(namespace);
        if is_reserved || self.world.application_namespaces.contains_key(namespace) {
            let message = format!("the platform reserves the name {namespace}: choose another name");
            return Some(Note::new(reason::NAME_TAKEN, message));
        }
        let mut captures = Vec::new();
        dns_capture::captures(&[namespace.to_string()], self.world, &mut captures);
        let first = captures.into_iter().next()?;
        Some(Note::new(reason::INVALID_SPEC, first.message))
    }

    /// Returns the reasons against a quota, beside what is free.
    fn fault(&self, quota: &ResourceList) -> Option<Note> {
        let mut invalid = Vec::new();
        let asked = shares::counted(quota, "spec.quota", &mut invalid);
        let mut reasons: Vec<String> = invalid.iter().map(ToString::to_string).collect();
        for key in asked.keys().filter(|key| !self.free.contains_key(*key)) {
            reasons.push(format!(
                "spec.quota.{key}: the tenant's quota has no such key, so there is nothing to share"
            ));
        }
        if !reasons.is_empty() {
            return Some(Note::new(reason::INVALID_SPEC, reasons.join("; ")));
        }
        let above = |(key, asked): (&String, &Amount)| {
            let free = self.free.get(key).filter(|free| asked > *free)?;
            Some(format!(
                "spec.quota.{key}: {asked} is more than {free}, which is free of the tenant's quota"
            ))
        };
        let above: Vec<String> = asked.iter().filter_map(above).collect();
        (!above.is_empty()).then(|| Note::new(reason::QUOTA_EXCEEDED, above.join("; ")))
    }

    fn push(&mut self, name: &str, quota: ResourceList) {
        take(&mut self.free, &quota);
        let name = name.to_string();
        self.admission.namespaces.push(FurtherNamespace { name, quota });
    }
}

fn refused(reason: &'static str, message: String) -> Verdict {
    Verdict::Refused(Note::new(reason, message))
}

fn waiting(message: String) -> Verdict {
    Verdict::Waiting(Note::new(reason::PROGRESSING, message))
}

fn count(number: i32) -> usize {
    usize::try_from(number).unwrap_or(0)
}

/// The readable amounts of a list.
fn amounts(list: &ResourceList) -> Amounts {
    let entries = list.iter();
    entries
        .filter_map(|(key, quantity)| Some((key.clone(), Amount::parse(&quantity.0).ok()?)))
        .collect()
}

/// Takes a namespace's quota from what is free.
fn take(free: &mut Amounts, quota: &ResourceList) {
    for (key, amount) in amounts(quota) {
        if let Some(rest) = free.get_mut(&key) {
            *rest = rest.minus(amount);
        }
    }
}

#[cfg(test)]
#[path = "admit_test.rs"]
mod tests;
