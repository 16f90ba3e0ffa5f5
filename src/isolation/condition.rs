//! Condition and status of a tenant's isolation checks. Pure; the clock is an argument.

use crate::api::{Direction, IsolationStatus, IsolationViolation, Opener, TenantStatus};
use crate::conditions::{ConditionUpdate, MAX_MESSAGE, kind, merge, reason};
use crate::proof::{Outcome, Proof, Violation};
use crate::time::seconds;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use std::collections::BTreeSet;

/// Number of violations in the status.
const SHOWN: usize = 10;
/// Maximum age of the last proof's time in the status while nothing else changes, because each write costs.
const MAX_AGE: SignedDuration = SignedDuration::from_hours(6);
/// Message about violations for a tenant's own users, who must not learn of other tenants.
const TOLD_TO_TENANTS: &str = "a check failed; the platform's administrators can see the details";

/// Returns true if a status has the results of exactly this number of checks, and none is untried.
pub fn was_tried(old: Option<&TenantStatus>, checks: usize) -> bool {
    let shown = old.and_then(|old| old.isolation.as_ref());
    shown.is_some_and(|shown| shown.untried == 0 && usize::try_from(shown.passed + shown.failed) == Ok(checks))
}

/// Returns the findings of a former process while this one has not run the checks yet.
pub fn former_findings<'a>(proof: &Proof, old: Option<&'a TenantStatus>) -> Option<&'a IsolationStatus> {
    let is_valid = proof.is_pending() && was_tried(old, proof.outcomes.len());
    old.filter(|_| is_valid)?.isolation.as_ref()
}

/// Returns the proof, completed by a former process's findings of each check that this process has not tried yet. Findings that had no room in the status are
/// unknown.
fn completed(proof: &Proof, former: &IsolationStatus) -> Proof {
    let failed: BTreeSet<&str> = former.violations.iter().map(|found| found.check.as_str()).collect();
    let are_all_shown = usize::try_from(former.failed) == Ok(failed.len());
    let mut proof = proof.clone();
    for (check, outcome) in proof
        .outcomes
        .iter_mut()
        .filter(|(_, outcome)| *outcome == Outcome::Pending)
    {
        let shown = former.violations.iter().filter(|found| found.check == check.id);
        *outcome = match Outcome::of(shown.map(violation).collect()) {
            Outcome::Passed if !are_all_shown => Outcome::Pending,
            outcome => outcome,
        };
    }
    proof
}

/// Converts a violation in the status back to a finding.
fn violation(shown: &IsolationViolation) -> Violation {
    Violation {
        direction: shown.direction.unwrap_or(Direction::Inward),
        opened_by: shown.opened_by.unwrap_or(Opener::Platform),
        counterpart: shown.counterpart.clone().unwrap_or_default(),
        message: shown.message.clone(),
    }
}

/// Adds the proof to a status.
pub fn add(status: &mut TenantStatus, proof: &Proof, old: Option<&TenantStatus>, now: Timestamp) {
    let before = old.map_or(&[][..], |old| &old.conditions);
    let completed = former_findings(proof, old).map(|former| (former, completed(proof, former)));
    if let Some((former, _)) = completed
        .as_ref()
        .filter(|(former, proof)| shown(proof).violations == former.violations)
    {
        let condition = before.iter().find(|condition| condition.type_ == kind::ISOLATED);
        status.conditions.extend(condition.cloned());
        status.isolation = Some((*former).clone());
        return;
    }
    let proof = completed.as_ref().map_or(proof, |(_, completed)| completed);
    let condition = merge(update(proof), before, status.observed_generation, now);
    status.conditions.push(condition);
    let mut new = shown(proof);
    let former = old.and_then(|old| old.isolation.clone());
    let age = |former: &IsolationStatus| {
        let at: Timestamp = former.last_verified.as_ref()?.parse().ok()?;
        Some(now.duration_since(at))
    };
    let still = former.filter(|former| {
        let same = IsolationStatus {
            last_verified: None,
            ..former.clone()
        } == new;
        same && age(former).is_some_and(|age| (SignedDuration::ZERO..MAX_AGE).contains(&age))
    });
    new.last_verified = match still {
        Some(former) => former.last_verified,
        None => Some(seconds(now).to_string()),
    };
    status.isolation = Some(new);
}

/// The condition as the tenant's own people may see it.
pub fn redacted(condition: &Condition) -> Condition {
    let mut condition = condition.clone();
    if condition.type_ == kind::ISOLATED && condition.status == "False" {
        condition.message = TOLD_TO_TENANTS.into();
    }
    condition
}

fn update(proof: &Proof) -> ConditionUpdate {
    let violations: Vec<_> = proof.violations().collect();
    let (status, reason, message) = if let Some((check, violation)) = violations.first() {
        let more = match violations.len() - 1 {
            0 => String::new(),
            more => format!(" (and {more} more, see status.isolation)"),
        };
        let message = format!("{}: {}{more}", check.id, violation.message);
        ("False", reason::VIOLATED, message)
    } else if let Some((check, why)) = proof.untried().next() {
        (
            "Unknown",
            reason::UNTRIED,
            format!("{} could not be tried: {why}", check.id),
        )
    } else {
        let list = |checks: Vec<&str>| checks.join(", ");
        let mut message = format!(
            "found nothing: {}",
            list(proof.passed().map(|check| check.id).collect())
        );
        if !proof.switched_off.is_empty() {
            let off = list(proof.switched_off.iter().map(|check| check.id).collect());
            message += &format!("; switched off: {off}");
        }
        ("True", reason::PROVEN, message)
    };
    ConditionUpdate {
        kind: kind::ISOLATED,
        status,
        reason,
        message,
    }
}

fn shown(proof: &Proof) -> IsolationStatus {
    let count = |is: fn(&Outcome) -> bool| {
        let count = proof.outcomes.iter().filter(|(_, outcome)| is(outcome)).count();
        i32::try_from(count).unwrap_or(i32::MAX)
    };
    IsolationStatus {
        last_verified: None,
        passed: count(|outcome| matches!(outcome, Outcome::Passed)),
        failed: count(|outcome| matches!(outcome, Outcome::Violated(_))),
        untried: count(|outcome| matches!(outcome, Outcome::Untried(_) | Outcome::Pending)),
        violations: proof
            .violations()
            .take(SHOWN)
            .map(|(check, violation)| IsolationViolation {
                check: check.id.into(),
                severity: check.severity.as_str().into(),
                direction: Some(violation.direction),
                opened_by: Some(violation.opened_by),
                counterpart: Some(violation.counterpart.clone()).filter(|name| !name.is_empty()),
                message: violation.message[..violation.message.floor_char_boundary(MAX_MESSAGE)].to_string(),
            })
            .collect(),
    }
}

#[cfg(test)]
#[path = "condition_test.rs"]
mod tests;
