//! Requests at a constant rate, whatever the answers take (open loop).

use super::connections::{Connections, Target};
use crate::timing::percentile;
use http::StatusCode;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Answers to requests.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    /// The time until each answer, in order of arrival.
    times: Vec<Duration>,
    /// Counts by status; None for requests without an answer.
    by_status: BTreeMap<Option<StatusCode>, usize>,
}

impl Answers {
    pub fn add(&mut self, status: Option<StatusCode>, took: Duration) {
        self.times.push(took);
        *self.by_status.entry(status).or_default() += 1;
    }

    pub fn append(&mut self, other: Self) {
        self.times.extend(other.times);
        for (status, count) in other.by_status {
            *self.by_status.entry(status).or_default() += count;
        }
    }

    pub fn count(&self) -> usize {
        self.times.len()
    }

    pub fn with(&self, status: StatusCode) -> usize {
        self.by_status.get(&Some(status)).copied().unwrap_or_default()
    }

    /// Returns the number of requests with any answer.
    pub fn answered(&self) -> usize {
        self.count() - self.by_status.get(&None).copied().unwrap_or_default()
    }

    /// Returns the number of requests that were not served.
    pub fn failed(&self) -> usize {
        self.count() - self.with(StatusCode::OK)
    }

    /// Returns the share of requests that were not served.
    pub fn error_rate(&self) -> f64 {
        self.failed() as f64 / self.count().max(1) as f64
    }

    /// Returns the times below which these shares of all answers lie, in milliseconds.
    pub fn percentiles<const N: usize>(&self, shares: [f64; N]) -> [f64; N] {
        let mut sorted = self.times.clone();
        sorted.sort();
        shares.map(|share| percentile(&sorted, share).as_secs_f64() * 1000.0)
    }
}

/// Sends a request to one target after the other, so many in a second for this time. A time counts from the planned moment, so that a request that had to
/// wait for its turn counts as slow.
pub async fn send(connections: &Arc<Connections>, targets: &[Arc<Target>], rate: f64, time: Duration) -> Answers {
    let (begun, count) = (Instant::now(), (rate * time.as_secs_f64()).round() as usize);
    let mut running = JoinSet::new();
    for (number, target) in (0..count).zip(targets.iter().cycle()) {
        let planned = begun + Duration::from_secs_f64(number as f64 / rate);
        tokio::time::sleep_until(planned.into()).await;
        let (connections, target) = (connections.clone(), target.clone());
        running.spawn(async move {
            let status = connections.get(&target).await.ok();
            (status, planned.elapsed())
        });
    }
    let mut answers = Answers::default();
    for (status, took) in running.join_all().await {
        answers.add(status, took);
    }
    answers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_that_is_not_served_is_a_failure_and_counts_with_its_time() {
        let mut answers = Answers::default();
        let [served, refused] = [StatusCode::OK, StatusCode::TOO_MANY_REQUESTS];
        for (status, millis) in [(Some(served), 1), (Some(refused), 2), (None, 10_000)] {
            answers.add(status, Duration::from_millis(millis));
        }
        let mut more = Answers::default();
        more.add(Some(served), Duration::from_millis(3));
        answers.append(more);
        assert_eq!((answers.count(), answers.failed(), answers.with(refused)), (4, 2, 1));
        assert_eq!(answers.percentiles([0.5, 0.99]), [2.0, 10_000.0]);
    }
}
