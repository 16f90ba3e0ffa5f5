//! Waiting, always with an end; and percentiles.

use anyhow::{Result, bail};
use std::time::{Duration, Instant};

/// Asks until the answer is `Some`.
pub async fn until<T>(
    what: &str,
    limit: Duration,
    pause: Duration,
    mut ask: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<T> {
    let end = Instant::now() + limit;
    loop {
        if let Some(answer) = ask().await? {
            return Ok(answer);
        }
        if Instant::now() >= end {
            bail!("waited {} s in vain for {what}", limit.as_secs());
        }
        tokio::time::sleep(pause).await;
    }
}

/// Returns the time limit for N tenants: a bench that hangs must end.
pub fn patience(tenants: usize) -> Duration {
    Duration::from_secs(120 + tenants as u64)
}

/// The value below which this share of the sorted values lies (nearest rank).
pub fn percentile(sorted: &[Duration], share: f64) -> Duration {
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}
