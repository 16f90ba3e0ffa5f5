//! A tenant that reads its rows, alone and beside one that sends ten times what its limit allows.

use super::connections::{Connections, Target};
use super::constant_rate::{self, Answers};
use super::tenants::NOISY_LIMIT;
use crate::say;
use http::StatusCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Requests of both tenants in a second.
const QUIET: f64 = 20.0;
pub const NOISY: f64 = 10.0 * NOISY_LIMIT as f64;
/// Rounds of each kind, and the length of one.
const ROUNDS: usize = 6;
const ROUND: Duration = Duration::from_secs(10);
/// A time between two rounds, for the counters of the limit and of PostgreSQL's connections.
const PAUSE: Duration = Duration::from_secs(1);

/// Answers to both tenants.
#[derive(Default)]
pub struct Neighbours {
    pub alone: Answers,
    pub beside: Answers,
    pub noisy: Answers,
    /// The most requests of the noisy tenant that its limit allows.
    pub allowed: u64,
}

impl Neighbours {
    /// Returns the slow-down of the quiet tenant's 95th percentile.
    pub fn ratio(&self) -> f64 {
        let [[beside], [alone]] = [&self.beside, &self.alone].map(|answers| answers.percentiles([0.95]));
        beside / alone
    }

    /// Returns the requests of the noisy tenant that its limit did not refuse.
    pub fn passed(&self) -> usize {
        self.noisy.answered() - self.noisy.with(StatusCode::TOO_MANY_REQUESTS)
    }
}

/// Measures in rounds, of which the kinds take turns: what else the machine does meets both.
pub async fn run(connections: &Arc<Connections>, quiet: &Arc<Target>, noisy: &Arc<Target>) -> Neighbours {
    let mut found = Neighbours::default();
    for round in 0..2 * ROUNDS {
        // Alone, beside, beside, alone: a drift meets both, too.
        let with_noise = matches!(round % 4, 1 | 2);
        say(format_args!(
            "a quiet tenant {}, round {} of {}",
            if with_noise { "beside a noisy one" } else { "alone" },
            round + 1,
            2 * ROUNDS
        ));
        let reads = [quiet.clone()];
        let reads = constant_rate::send(connections, &reads, QUIET, ROUND);
        if with_noise {
            let (begun, targets) = (Instant::now(), [noisy.clone()]);
            let noise = constant_rate::send(connections, &targets, NOISY, ROUND);
            let (reads, noise) = tokio::join!(reads, noise);
            found.beside.append(reads);
            found.noisy.append(noise);
            found.allowed += allowed(begun.elapsed());
        } else {
            found.alone.append(reads.await);
        }
        tokio::time::sleep(PAUSE).await;
    }
    found
}

/// Returns the most requests that the limit allows in this time, which begins and ends within a second of the counter.
fn allowed(time: Duration) -> u64 {
    (time.as_secs() + 2) * u64::from(NOISY_LIMIT)
}
