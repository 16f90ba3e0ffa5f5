//! The cost of the gateway's checks: requests one after the other, beside a route without a tenant.

use super::connections::{Connections, Target};
use super::constant_rate::Answers;
use super::proxy_cpu::Proxies;
use anyhow::Result;
use std::time::{Duration, Instant};

/// Rounds, and requests to each host in one.
const ROUNDS: usize = 25;
const REQUESTS: usize = 100;
/// Requests before the first round.
const WARM_UP: usize = 20;

/// Answers of a host with certain checks.
pub struct Checked {
    pub what: &'static str,
    pub answers: Answers,
    /// CPU of the proxies for one request.
    pub cpu: Option<Duration>,
}

/// Measures all hosts in turns, each time in another order. The first has no checks and no tenant.
pub async fn run(
    connections: &Connections,
    hosts: &[(&'static str, Target)],
    proxies: Option<&Proxies>,
) -> Result<Vec<Checked>> {
    for (_, target) in hosts {
        for _ in 0..WARM_UP {
            connections.open(target).await?;
        }
    }
    let mut answers = vec![(Answers::default(), Duration::ZERO); hosts.len()];
    for round in 0..ROUNDS {
        for place in 0..hosts.len() {
            let index = (round + place) % hosts.len();
            let before = proxies.map(Proxies::used);
            for _ in 0..REQUESTS {
                let begun = Instant::now();
                let status = connections.get(&hosts[index].1).await.ok();
                answers[index].0.add(status, begun.elapsed());
            }
            let after = proxies.map(Proxies::used);
            let used = after.zip(before).map(|(after, before)| after.saturating_sub(before));
            answers[index].1 += used.unwrap_or_default();
        }
    }
    let checked = hosts.iter().zip(answers).map(|((what, _), (answers, cpu))| Checked {
        what,
        cpu: proxies.map(|_| cpu / (ROUNDS * REQUESTS) as u32),
        answers,
    });
    Ok(checked.collect())
}
