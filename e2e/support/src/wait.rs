//! Waits that end, and name the awaited state.

use anyhow::{Result, anyhow};
use std::cell::Cell;
use std::time::{Duration, Instant};

pub fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Asks until the answer is Ok. The error names the awaited state and the last obstacle.
pub async fn eventually<T>(what: &str, limit: Duration, ask: impl AsyncFn() -> Result<T>) -> Result<T> {
    let start = Instant::now();
    loop {
        let reason = match tokio::time::timeout(limit.max(secs(5)), ask()).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => format!("{error:#}"),
            Err(_) => "no answer".to_owned(),
        };
        if start.elapsed() >= limit {
            return Err(anyhow!("waited {limit:?} for {what}, but: {reason}"));
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

/// Asks for the whole duration: every answer must be Ok.
pub async fn steadily(what: &str, duration: Duration, ask: impl AsyncFn() -> Result<()>) -> Result<()> {
    let start = Instant::now();
    while start.elapsed() < duration {
        ask().await.map_err(|e| {
            anyhow!(
                "{what} should have held for {duration:?}, but after {:?}: {e:#}",
                start.elapsed()
            )
        })?;
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    Ok(())
}

/// Does something over and over until something else has ended, whether that went well or not. Both must go well.
pub async fn meanwhile<T>(
    act: impl Future<Output = Result<T>>,
    over_and_over: impl AsyncFn() -> Result<()>,
) -> Result<T> {
    let ended = Cell::new(false);
    let act = async {
        let result = act.await;
        ended.set(true);
        result
    };
    let load = async {
        while !ended.get() {
            over_and_over().await?;
        }
        Ok(())
    };
    let (acted, loaded) = tokio::join!(act, load);
    // This failure comes first: the other may follow from it.
    let acted = acted?;
    loaded.map(|()| acted)
}
