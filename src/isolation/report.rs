//! A tenant's proof as a report, for the tools that read such reports. Pure; the clock is an argument.
//!
//! The schema is that of `ClusterReport` in `openreports.io/v1alpha1` (openreports/reports-api, `apis/openreports.io/v1alpha1/report_types.go`),
//! and of its forerunner `ClusterPolicyReport` in `wgpolicyk8s.io/v1alpha2` (kubernetes-sigs/wg-policy-prototypes,
//! `policy-report/apis/wgpolicyk8s.io/v1alpha2/policyreport_types.go`), which has no source but that of each result.

use crate::api::{Direction, IsolationStatus, Opener, Tenant};
use crate::cluster::metadata::{desired, meta};
use crate::cluster::{Desired, Identity, Kind};
use crate::names;
use crate::proof::check::{self, Check, Severity};
use crate::proof::{Outcome, Proof, Violation};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use k8s_openapi::jiff::Timestamp;
use kube::Resource;
use serde_json::{Map, Value, json};

/// The kinds of report, the one that is preferred first.
pub const KINDS: [Kind; 2] = [Kind::ClusterReport, Kind::ClusterPolicyReport];

/// Maximum number of results in a report.
const MOST: usize = 50;
/// A message is cut here, in bytes.
const MAX_MESSAGE: usize = 1024;
/// The property that says how many more results there are than are shown.
const BOUNDED: &str = "bounded";
const CATEGORY: &str = "Tenant isolation";

/// Input of a tenant's report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    pub owner: Identity,
    /// The Tenant's: when that very Tenant goes, its report does.
    pub uid: String,
    pub proof: Proof,
    /// A former process's findings, which stand in for pending checks.
    pub former: Option<IsolationStatus>,
}

impl Statement {
    /// Returns the report of this kind. `before` are its former results: a lasting finding keeps its time.
    pub fn report(&self, kind: Kind, before: &[Value], now: Timestamp) -> Desired {
        let mut results = self.results(before);
        for result in &mut results {
            let since = before.iter().find(|old| is_same(old, result)).and_then(time);
            let since = since.filter(|since| (0..=now.as_second()).contains(since));
            result["timestamp"] = json!({"seconds": since.unwrap_or(now.as_second()), "nanos": 0});
        }
        let resource = kind.resource();
        let mut metadata = meta(&self.owner, "", &names::report(&self.owner.tenant));
        metadata.owner_references = Some(vec![OwnerReference {
            api_version: Tenant::api_version(&()).into(),
            kind: Tenant::kind(&()).into(),
            name: self.owner.tenant.clone(),
            uid: self.uid.clone(),
            ..OwnerReference::default()
        }]);
        let mut value = json!({
            "apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata,
            "scope": {"apiVersion": Tenant::api_version(&()), "kind": Tenant::kind(&()), "name": self.owner.tenant, "uid": self.uid},
            "summary": summary(&results),
            "results": results,
        });
        if kind == Kind::ClusterReport {
            value["source"] = json!(names::MANAGER);
        }
        desired(kind, &metadata, &value)
    }

    /// The worst first, then one for each other check.
    fn results(&self, before: &[Value]) -> Vec<Value> {
        let mut others = Vec::new();
        let mut outcomes: Vec<_> = self.proof.outcomes.iter().collect();
        outcomes.sort_by_key(|(check, _)| place(check));
        for (check, outcome) in outcomes {
            match outcome {
                Outcome::Violated(_) => {}
                Outcome::Passed => others.push(passed(check)),
                Outcome::Untried(why) => others.push(result(check, "error", &format!("could not be tried: {why}"))),
                Outcome::Pending => match self.former(check, before) {
                    former if former.is_empty() => {
                        others.push(result(check, "skip", "not tried yet"));
                    }
                    former => others.extend(former),
                },
            }
        }
        let mut off = self.proof.switched_off.clone();
        off.sort_by_key(|check| place(check));
        let off = off
            .into_iter()
            .map(|check| result(check, "skip", "switched off by the platform"));
        others.extend(off);
        let room = MOST.saturating_sub(others.len()).max(1);
        let found = self.proof.violations().count();
        let mut results: Vec<Value> = self
            .proof
            .violations()
            .take(room)
            .map(|(check, one)| failed(check, one))
            .collect();
        if let Some(last) = results.last_mut().filter(|_| found > room) {
            last["properties"][BOUNDED] = json!((found - room).to_string());
        }
        results.extend(others);
        if self.former.is_some() {
            // All failures are former findings then, and keep their places.
            let place = |one: &Value| before.iter().position(|old| is_same(old, one)).unwrap_or(MOST);
            results.sort_by_cached_key(|one| match one["result"] == "fail" {
                true => (false, place(one)),
                false => (true, 0),
            });
        }
        results
    }

    /// Returns a former process's findings of a check: from its report, else from the status, which shows the first few only.
    fn former(&self, check: &Check, before: &[Value]) -> Vec<Value> {
        let Some(former) = &self.former else {
            return Vec::new();
        };
        let reported: Vec<Value> = before
            .iter()
            .filter(|old| was_found(old, check))
            .take(MOST)
            .cloned()
            .collect();
        if !reported.is_empty() {
            return reported;
        }
        let shown = |id: &'static str| former.violations.iter().filter(move |one| one.check == id);
        let found: Vec<Value> = shown(check.id)
            .map(|one| {
                let violation = Violation {
                    direction: one.direction.unwrap_or(Direction::Outward),
                    opened_by: one.opened_by.unwrap_or(Opener::Platform),
                    counterpart: one.counterpart.clone().unwrap_or_default(),
                    message: one.message.clone(),
                };
                failed(check, &violation)
            })
            .collect();
        let failed = check::ALL
            .iter()
            .filter(|check| shown(check.id).next().is_some())
            .count();
        match found.is_empty() && i32::try_from(failed) == Ok(former.failed) {
            true => vec![passed(check)],
            false => found,
        }
    }
}

/// A check's place among all.
fn place(check: &Check) -> usize {
    check::ALL
        .iter()
        .position(|one| one.id == check.id)
        .unwrap_or(check::ALL.len())
}

fn result(check: &Check, result: &str, message: &str) -> Value {
    json!({
        "source": names::MANAGER, "policy": check.id, "rule": check.id, "category": CATEGORY, "severity": severity(check.severity),
        "result": result, "scored": true, "message": message[..message.floor_char_boundary(MAX_MESSAGE)],
    })
}

fn passed(check: &Check) -> Value {
    result(
        check,
        "pass",
        &format!("no violation found; this check protects {}", check.protects),
    )
}

fn failed(check: &Check, violation: &Violation) -> Value {
    let mut properties = Map::from_iter([
        ("direction".to_string(), json!(violation.direction)),
        ("openedBy".to_string(), json!(violation.opened_by)),
    ]);
    if !violation.counterpart.is_empty() {
        properties.insert("counterpart".into(), json!(violation.counterpart));
    }
    let mut result = result(check, "fail", &violation.message);
    result["properties"] = Value::Object(properties);
    result
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "critical",
        Severity::High => "high",
    }
}

/// Counts the results of each kind, including those that the report does not show.
fn summary(results: &[Value]) -> Value {
    let mut counts = json!({"pass": 0, "fail": 0, "warn": 0, "error": 0, "skip": 0});
    for result in results {
        let hidden = result["properties"][BOUNDED]
            .as_str()
            .and_then(|count| count.parse().ok());
        if let Some(count) = result["result"].as_str().and_then(|kind| counts.get_mut(kind)) {
            *count = json!(count.as_u64().unwrap_or(0) + 1 + hidden.unwrap_or(0));
        }
    }
    counts
}

/// Returns true if an old result says how this check came out.
fn was_found(old: &Value, check: &Check) -> bool {
    old["rule"] == check.id && (old["result"] == "pass" || old["result"] == "fail")
}

/// Returns true if both results are the same but for their time.
fn is_same(old: &Value, new: &Value) -> bool {
    let timeless = |result: &Value| {
        let mut fields = result.as_object().cloned().unwrap_or_default();
        fields.remove("timestamp");
        fields
    };
    timeless(old) == timeless(new)
}

fn time(result: &Value) -> Option<i64> {
    result.pointer("/timestamp/seconds")?.as_i64()
}

#[cfg(test)]
#[path = "report_test.rs"]
mod tests;
