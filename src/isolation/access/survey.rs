//! The findings about each identity that RBAC does not explain, and the violations that follow from them.

use super::access_matrix::Attempts;
use super::identity::{Asked, Identity, QUESTIONS_PER_TURN, Spot};
use super::rbac::Party;
use super::reach::{Opening, TenantSubjects};
use super::rule_scope::Attempt;
use crate::api::{Direction, Opener};
use crate::isolation::lock;
use crate::proof::Violation;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Maximum number of reported attempts of one identity in one place.
const ATTEMPTS: usize = 3;
/// Maximum number of reported places of one tenant.
const PLACES: usize = 10;
/// Beginning of RBAC's reasons, by whose bindings tenants share access.
const RBAC: &str = "RBAC: ";

/// Title of all authenticated users.
const EVERYBODY: &str = "everybody with credentials";
/// Beginning of the messages.
const LETS: &str = "the API server lets";

/// A yes.
#[derive(Clone, Debug, PartialEq)]
pub struct Yes {
    /// The authorizer's reason.
    pub reason: String,
    /// True if everybody with credentials may do it.
    pub is_everybodys: bool,
}

/// An allowed question.
#[derive(Clone, Debug, PartialEq)]
struct Finding {
    counterpart: String,
    yes: Yes,
    attempts: BTreeSet<Attempt>,
    opened_by: Opener,
    asked: Instant,
    /// True for a confirmed finding: an authorizer may have failed for a moment, and the resolution of RBAC reports its own openings.
    is_confirmed: bool,
}

/// All findings beyond RBAC, and the schedule of their repetition.
pub struct Survey {
    /// Time between two repetitions of its questions.
    again: Duration,
    found: Mutex<BTreeMap<Spot, Finding>>,
    /// A former process's findings of each tenant that this one has seen, until it has asked about them again.
    recalled: Mutex<BTreeMap<String, BTreeSet<String>>>,
}

/// Parses a message about somebody: the attempts, and the place. Rights of everybody appear in the messages of each tenant's own users.
fn parse_message(
    message: &str,
    tenant: &str,
    identity: &Identity,
    attempts: &Attempts,
) -> Option<(BTreeSet<Attempt>, Option<String>)> {
    let rest = message.strip_prefix(LETS)?.trim_start();
    let everybody = EVERYBODY.to_string();
    let titles = [
        Some(&identity.who.title),
        Some(&everybody).filter(|_| identity.tenant == tenant),
    ];
    let rest = titles
        .into_iter()
        .flatten()
        .find_map(|title| rest.strip_prefix(title.as_str())?.strip_prefix(' '))?;
    let (what, _) = rest.split_once(" (")?;
    let (titles, place) = match what.strip_suffix(" in every namespace") {
        Some(titles) => (titles, None),
        None => {
            let (titles, place) = what.split_once(" in namespace ")?;
            (titles, Some(place.to_string()))
        }
    };
    let titles: BTreeSet<&str> = titles.split(", ").collect();
    let named = attempts
        .all()
        .filter(|attempt| titles.contains(attempt.title().as_str()));
    Some((named.cloned().collect(), place))
}

impl Survey {
    pub fn new(again: Duration) -> Self {
        Self {
            again,
            found: Mutex::default(),
            recalled: Mutex::default(),
        }
    }

    /// Returns true if the survey has asked again about all of a former process's findings of a tenant. The first call records these.
    pub fn recall<'m>(&self, tenant: &str, messages: impl Iterator<Item = &'m str>) -> bool {
        let mut recalled = lock(&self.recalled);
        let ours = || {
            messages
                .filter(|message| message.starts_with(LETS))
                .map(str::to_string)
                .collect()
        };
        recalled.entry(tenant.to_string()).or_insert_with(ours).is_empty()
    }

    /// Returns the questions about somebody from a former process's findings of this tenant, which he reaches or belongs to.
    pub fn recalled(
        &self,
        tenant: &str,
        identity: &Identity,
        attempts: &Attempts,
        holders: &BTreeMap<String, TenantSubjects>,
    ) -> Vec<Asked> {
        let recalled = lock(&self.recalled);
        let messages = recalled.get(tenant).into_iter().flatten();
        let found = messages.filter_map(|message| parse_message(message, tenant, identity, attempts));
        found
            .flat_map(|(named, place)| {
                let theirs =
                    |holder: &&TenantSubjects| place.as_ref().is_some_and(|place| holder.namespaces.contains(place));
                let counterpart = holders
                    .values()
                    .find(theirs)
                    .map(|holder| holder.name.clone())
                    .unwrap_or_default();
                named.into_iter().map(move |attempt| Asked {
                    identity: identity.clone(),
                    place: place.clone(),
                    counterpart: counterpart.clone(),
                    attempt,
                })
            })
            .collect()
    }

    /// Returns the tenants with former findings that still need a question.
    pub fn waiting(&self) -> BTreeSet<String> {
        let recalled = lock(&self.recalled);
        let waiting = recalled.iter().filter(|(_, messages)| !messages.is_empty());
        waiting.map(|(tenant, _)| tenant.clone()).collect()
    }

    /// Records that the survey has asked about a tenant's former findings. Repeated ones count as confirmed. Returns the tenants concerned.
    pub fn settled(&self, tenant: &str) -> BTreeSet<String> {
        lock(&self.recalled).insert(tenant.to_string(), BTreeSet::new());
        let mut concerned = BTreeSet::from([tenant.to_string()]);
        for ((identity, _), finding) in lock(&self.found).iter_mut() {
            if identity.tenant == tenant || finding.counterpart == tenant {
                finding.is_confirmed = true;
                concerned.extend([identity.tenant.clone(), finding.counterpart.clone()]);
            }
        }
        concerned
    }

    /// The tenant is no more.
    pub fn forget(&self, tenant: &str) {
        lock(&self.recalled).remove(tenant);
    }

    /// Returns findings to review again, the oldest first.
    pub fn due(&self) -> Vec<Asked> {
        let found = lock(&self.found);
        let mut due: Vec<_> = found
            .iter()
            .filter(|(_, finding)| finding.asked.elapsed() >= self.again)
            .collect();
        due.sort_by_key(|(_, finding)| finding.asked);
        let asked = due.into_iter().flat_map(|((identity, place), finding)| {
            finding.attempts.iter().map(|attempt| Asked {
                identity: identity.clone(),
                place: place.clone(),
                counterpart: finding.counterpart.clone(),
                attempt: attempt.clone(),
            })
        });
        asked.take(usize::try_from(QUESTIONS_PER_TURN).unwrap_or(1)).collect()
    }

    /// Returns true or false where it is known that everybody with credentials may do this, or may not.
    pub fn is_everybodys(&self, asked: &Asked) -> Option<bool> {
        let found = lock(&self.found);
        let finding = found
            .get(&asked.spot())
            .filter(|finding| finding.attempts.contains(&asked.attempt));
        finding.map(|finding| finding.yes.is_everybodys)
    }

    /// Records a yes; returns true if the findings differ from before.
    pub fn allowed(&self, asked: &Asked, yes: Yes) -> bool {
        let mut found = lock(&self.found);
        let spot = asked.spot();
        let opener = opened_by(&asked.identity, &yes.reason);
        // Findings that tenants can cause for each other must not crowd out the others.
        let alike = found
            .iter()
            .filter(|((other, _), finding)| other.tenant == asked.identity.tenant && finding.opened_by == opener);
        if !found.contains_key(&spot) && alike.count() >= PLACES {
            return false;
        }
        let finding = found.entry(spot).or_insert_with(|| Finding {
            counterpart: asked.counterpart.clone(),
            opened_by: opener,
            yes: yes.clone(),
            attempts: BTreeSet::new(),
            asked: Instant::now(),
            is_confirmed: false,
        });
        let is_again = finding.attempts.contains(&asked.attempt);
        let is_more = !is_again && finding.attempts.len() < ATTEMPTS && finding.attempts.insert(asked.attempt.clone());
        let is_other = finding.yes.is_everybodys != yes.is_everybodys;
        if is_other {
            (finding.opened_by, finding.yes) = (opener, yes);
        }
        let was_confirmed = finding.is_confirmed;
        // Another question about the same place does not confirm this one.
        if is_again && finding.asked.elapsed() >= self.again {
            finding.is_confirmed = true;
            finding.asked = Instant::now();
        }
        finding.is_confirmed && (is_more || is_other || !was_confirmed)
    }

    /// Forgets a finding that is now refused; returns true if it was reported.
    pub fn refused(&self, asked: &Asked) -> bool {
        let mut found = lock(&self.found);
        let spot = asked.spot();
        let Some(finding) = found.get_mut(&spot) else {
            return false;
        };
        if !finding.attempts.remove(&asked.attempt) {
            return false;
        }
        let was_confirmed = finding.is_confirmed;
        if finding.attempts.is_empty() {
            found.remove(&spot);
        }
        was_confirmed
    }

    /// Forgets findings about former users, and about places that are gone or now their own. Returns the tenants concerned.
    pub fn tidy(
        &self,
        is_known: impl Fn(&Identity) -> bool,
        holders: &BTreeMap<String, TenantSubjects>,
        operator_namespaces: &[String],
    ) -> BTreeSet<String> {
        let mut concerned = BTreeSet::new();
        lock(&self.found).retain(|(identity, place), finding| {
            let is_there = |place: &String| {
                identity
                    .places(holders, operator_namespaces)
                    .contains_key(place.as_str())
            };
            let is_current = is_known(identity) && place.as_ref().is_none_or(is_there);
            if !is_current {
                concerned.extend([identity.tenant.clone(), finding.counterpart.clone()]);
            }
            is_current
        });
        concerned
    }

    /// Returns the violations of a tenant that these openings do not explain.
    pub fn violations(&self, tenant: &str, openings: &[Opening]) -> Vec<Violation> {
        let found = lock(&self.found);
        let mut violations = Vec::new();
        for ((identity, place), finding) in found.iter().filter(|(_, finding)| finding.is_confirmed) {
            let is_own = identity.tenant == tenant;
            if !(is_own || finding.counterpart == tenant) || is_explained(&finding.yes.reason, openings) {
                continue;
            }
            let attempts: Vec<String> = finding.attempts.iter().map(Attempt::title).collect();
            let place = match place {
                Some(place) => format!("in namespace {place}"),
                None => "in every namespace".to_string(),
            };
            let (title, direction) = match (finding.yes.is_everybodys, is_own) {
                (true, _) => (EVERYBODY, Direction::Inward),
                (false, true) => (identity.who.title.as_str(), Direction::Outward),
                (false, false) => (identity.who.title.as_str(), Direction::Inward),
            };
            let reason = match finding.yes.reason.as_str() {
                "" => "it gives no reason".to_string(),
                reason => format!("its reason: {reason}"),
            };
            violations.push(Violation {
                direction,
                opened_by: finding.opened_by,
                counterpart: if is_own { &finding.counterpart } else { &identity.tenant }.clone(),
                message: format!("{LETS} {title} {} {place} ({reason})", attempts.join(", ")),
            });
        }
        violations.sort();
        violations.dedup();
        violations
    }
}

/// Returns true if a reported opening already names RBAC's binding.
fn is_explained(reason: &str, openings: &[Opening]) -> bool {
    reason.starts_with(RBAC)
        && openings.iter().any(|opening| {
            let (kind, name) = opening.binding.split_once(' ').unwrap_or_default();
            // RBAC writes the name before the namespace.
            let named = match name.split_once('/') {
                Some((namespace, name)) => format!("{kind} \"{name}/{namespace}\""),
                None => format!("{kind} \"{name}\""),
            };
            reason.contains(&named)
        })
}

/// Returns the author of an access. A tenant may have invited users by a RoleBinding; all other access is the platform's.
fn opened_by(identity: &Identity, reason: &str) -> Opener {
    match identity.party {
        Party::User(_) | Party::Group(_) if reason.starts_with("RBAC: allowed by RoleBinding") => Opener::Counterpart,
        _ => Opener::Platform,
    }
}

#[cfg(test)]
#[path = "survey_test.rs"]
mod tests;
