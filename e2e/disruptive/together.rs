//! Parts of one test that do not disturb each other, side by side, and the one restart that some of them share.

use crate::support::{Cluster, operator};
use anyhow::{Result, anyhow, ensure};
use std::io::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::runtime::Handle;
use tokio::sync::Notify;

type Work<'a> = Box<dyn FnOnce(&Handle) -> Result<()> + Send + 'a>;

/// A part of a test.
pub struct Part<'a> {
    name: &'static str,
    work: Work<'a>,
}

pub fn part<'a, F: Future<Output = Result<()>>>(name: &'static str, work: impl FnOnce() -> F + Send + 'a) -> Part<'a> {
    Part {
        name,
        work: Box::new(move |runtime| runtime.block_on(work())),
    }
}

/// Runs all to their ends, and says how long each took. The error has each that failed. Every part has a thread of its own, since
/// clean-up blocks; it must be called on a runtime with other threads than this.
pub fn side_by_side(parts: Vec<Part<'_>>) -> Result<()> {
    let runtime = Handle::current();
    let failed: Vec<String> = std::thread::scope(|scope| {
        let threads = parts.into_iter().map(|Part { name, work }| {
            let runtime = runtime.clone();
            let thread = scope.spawn(move || {
                let begun = Instant::now();
                let end = work(&runtime);
                let (word, seconds) = (if end.is_ok() { "ok" } else { "failed" }, begun.elapsed().as_secs_f64());
                // Not by a macro, whose output is kept back when a test passes; e2e/test.sh names the slow ones.
                let _ = std::io::stderr().write_all(format!("{word} {name} ({seconds:.1} s)\n").as_bytes());
                end
            });
            (name, thread)
        });
        let threads: Vec<_> = threads.collect();
        let ends = threads.into_iter().map(|(name, thread)| {
            let end = thread.join().unwrap_or_else(|_| Err(anyhow!("it panicked")));
            end.err().map(|error| format!("{name}: {error:#}"))
        });
        ends.flatten().collect()
    });
    ensure!(failed.is_empty(), "{}", failed.join("\n"));
    Ok(())
}

/// One restart of the operator, once all parts that need it have arrived.
#[derive(Default)]
pub struct Restart {
    awaited: Mutex<Awaited>,
    changed: Notify,
}

#[derive(Default)]
struct Awaited {
    expected: usize,
    come: usize,
    is_begun: bool,
    /// The outcome; the error as text, since all parts get it.
    end: Option<Result<(), String>>,
}

/// The right to wait for the restart. The restart does not wait for a dropped ticket.
pub struct Ticket<'a>(&'a Restart);

impl Restart {
    pub fn ticket(&self) -> Ticket<'_> {
        self.awaited().expected += 1;
        Ticket(self)
    }

    fn awaited(&self) -> MutexGuard<'_, Awaited> {
        self.awaited.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ticket<'_> {
    /// Returns when the operator was restarted, and others work with it again.
    pub async fn restarted(self, cluster: &Cluster) -> Result<()> {
        self.0.awaited().come += 1;
        loop {
            let changed = self.0.changed.notified();
            let is_ours = {
                let mut awaited = self.0.awaited();
                if let Some(end) = &awaited.end {
                    return end.clone().map_err(|why| anyhow!("the restart failed: {why}"));
                }
                let is_ours = awaited.come == awaited.expected && !awaited.is_begun;
                awaited.is_begun |= is_ours;
                is_ours
            };
            if !is_ours {
                changed.await;
                continue;
            }
            let end = operator::renew(cluster).await.map_err(|error| format!("{error:#}"));
            self.0.awaited().end = Some(end);
            self.0.changed.notify_waiters();
        }
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        let mut awaited = self.0.awaited();
        if awaited.end.is_none() {
            awaited.expected -= 1;
            drop(awaited);
            self.0.changed.notify_waiters();
        }
    }
}
