//! Pending reports of the tenants, and the times at which each is compared. Pure; the clock is an argument.

use super::report::Statement;
use crate::cluster::{Desired, Identity, Kind, Live};
use k8s_openapi::jiff::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Time for which a tenant's changes are collected into one write; checks that a new process cannot run yet are no change.
const GATHER: Duration = Duration::from_secs(2);

/// Pending report of a tenant.
struct PendingReport {
    statement: Statement,
    /// The latest results, as JSON. A finding keeps its time, even if others change the report.
    results: Option<String>,
}

/// Pending reports of all tenants, by name.
#[derive(Default)]
pub struct ReportQueue {
    pending: BTreeMap<String, PendingReport>,
    /// Times at which reports are due; None while the cluster has no resource for reports.
    due: Option<BTreeMap<String, Instant>>,
}

impl ReportQueue {
    /// Reports are written from now on, or no more.
    pub fn is_on(&mut self, is_on: bool) {
        self.due = is_on.then(BTreeMap::new);
    }

    /// Sets a tenant's desired report.
    pub fn put(&mut self, statement: Statement, now: Instant) {
        let tenant = statement.owner.tenant.clone();
        match self.pending.get_mut(&tenant) {
            Some(pending) if pending.statement == statement => return,
            // A later Tenant of that name shares nothing with the former.
            Some(pending) if pending.statement.uid == statement.uid => pending.statement = statement,
            _ => {
                let results = None;
                self.pending
                    .insert(tenant.clone(), PendingReport { statement, results });
            }
        }
        self.changed(&tenant, now);
    }

    /// Drops a tenant's desired report: its report must go.
    pub fn forget(&mut self, tenant: &str, now: Instant) {
        self.pending.remove(tenant);
        self.look_at(tenant, now);
    }

    /// Queues a changed report. Returns false where its desired content is not known yet.
    pub fn changed(&mut self, tenant: &str, now: Instant) -> bool {
        if !self.pending.contains_key(tenant) {
            return false;
        }
        let soon = now + GATHER;
        if let Some(due) = &mut self.due {
            let at = due.entry(tenant.to_string()).or_insert(soon);
            *at = soon.min(*at);
        }
        true
    }

    /// Queues all reports.
    pub fn all_changed(&mut self, now: Instant) {
        let tenants: Vec<String> = self.pending.keys().cloned().collect();
        for tenant in tenants {
            self.changed(&tenant, now);
        }
    }

    /// Queues a report for this time, and not before.
    pub fn look_at(&mut self, tenant: &str, at: Instant) {
        if let Some(due) = &mut self.due {
            due.insert(tenant.to_string(), at);
        }
    }

    /// Removes and returns the tenant whose report has been due for the longest time.
    pub fn next(&mut self, now: Instant) -> Option<String> {
        let due = self.due.as_mut()?;
        let (tenant, _) = due.iter().filter(|(_, at)| **at <= now).min_by_key(|(_, at)| **at)?;
        let tenant = tenant.clone();
        due.remove(&tenant);
        Some(tenant)
    }

    /// A report as it should be, and whose it is; None where there should be none.
    pub fn work_out(
        &mut self,
        kind: Kind,
        tenant: &str,
        live: Option<&Live>,
        now: Timestamp,
    ) -> Option<(Identity, Desired)> {
        let pending = self.pending.get_mut(tenant)?;
        let before = match &pending.results {
            Some(results) => serde_json::from_str(results).ok(),
            // A former process reported this.
            None => live.and_then(|live| live.value.pointer("/results").cloned()),
        };
        let before: Vec<Value> = match before {
            Some(Value::Array(before)) => before,
            _ => Vec::new(),
        };
        let desired = pending.statement.report(kind, &before, now);
        pending.results = desired.value.get("results").map(Value::to_string);
        Some((pending.statement.owner.clone(), desired))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proof::check::API_ACCESS;
    use crate::proof::{Outcome, Proof};

    fn statement(uid: &str, outcome: Outcome) -> Statement {
        Statement {
            owner: Identity {
                tenant: "acme".into(),
                id: uid.into(),
            },
            uid: uid.into(),
            proof: Proof {
                outcomes: vec![(&API_ACCESS, outcome)],
                ..Proof::default()
            },
            former: None,
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    fn since(reported: &mut ReportQueue, live: Option<&Live>, second: i64) -> Option<i64> {
        let (_, desired) = reported.work_out(Kind::ClusterReport, "acme", live, at(second))?;
        desired.value.pointer("/results/0/timestamp/seconds")?.as_i64()
    }

    #[test]
    fn a_report_is_due_when_something_else_is_to_be_said_or_somebody_changed_it() {
        let (mut reported, now) = (ReportQueue::default(), Instant::now());
        let later = now + GATHER;
        reported.put(statement("1", Outcome::Passed), now);
        assert_eq!(reported.next(later), None, "there is nowhere to report");
        reported.is_on(true);
        reported.all_changed(now);
        reported.put(statement("1", Outcome::Untried("later".into())), now + GATHER / 2);
        reported.put(statement("1", Outcome::Passed), now + GATHER / 2);
        assert_eq!((reported.next(now), reported.next(later)), (None, Some("acme".into())));
        assert_eq!(reported.next(later + GATHER), None, "one look is enough");

        reported.put(statement("1", Outcome::Passed), now);
        assert_eq!(reported.next(later), None, "nothing else is to be said");
        reported.put(statement("1", Outcome::Pending), now);
        assert_eq!((reported.next(now), reported.next(later)), (None, Some("acme".into())));
        reported.look_at("acme", later + GATHER);
        assert!(reported.changed("acme", now) && !reported.changed("other", now));
        assert_eq!(
            (reported.next(later), reported.next(later)),
            (Some("acme".into()), None)
        );

        reported.forget("acme", now);
        assert_eq!(reported.next(now), Some("acme".into()));
        assert!(reported.work_out(Kind::ClusterReport, "acme", None, at(1)).is_none());
    }

    #[test]
    fn what_was_found_keeps_its_time_whatever_others_make_of_the_report() {
        let (mut reported, now) = (ReportQueue::default(), Instant::now());
        reported.put(statement("1", Outcome::Passed), now);
        let (_, desired) = reported
            .work_out(Kind::ClusterReport, "acme", None, at(10))
            .expect("a report");
        let live = Live {
            key: desired.key,
            uid: "u".into(),
            resource_version: "1".into(),
            value: desired.value,
        };
        // A former process's is there, and then somebody's.
        let mut restarted = ReportQueue::default();
        restarted.put(statement("1", Outcome::Passed), now);
        assert_eq!(since(&mut restarted, Some(&live), 20), Some(10));
        let mut changed = live.clone();
        changed.value["results"] = serde_json::json!([]);
        assert_eq!(since(&mut restarted, Some(&changed), 30), Some(10));
        assert_eq!(since(&mut restarted, None, 40), Some(10));
        // Another Tenant of that name.
        restarted.put(statement("2", Outcome::Passed), now);
        assert_eq!(since(&mut restarted, None, 50), Some(50));
    }
}
