//! Leader election on a Lease, by client-go's protocol: it may share a Lease with any program that uses it.
//!
//! Writes carry the resourceVersion that was read, so that of two candidates one is refused. A lease expires after this process has seen no change for long
//! enough. The times in the object do not count: clocks differ.

mod timing;

pub use timing::{InvalidTiming, Timing};

use crate::term::{Moment, Term};
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client};
use std::time::Duration;
use timing::JITTER;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};

/// The interval between looks at what is left of a term.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// A candidate for a Lease.
#[derive(Clone, Debug)]
pub struct Candidate {
    leases: Api<Lease>,
    name: String,
    identity: String,
    timing: Timing,
    /// The Lease as it was last read or written; none when it did not exist.
    current: Option<Lease>,
    observed: Option<ObservedLease>,
}

/// Held leadership. Dropped without [release](Self::release), the lease runs out by itself.
#[derive(Debug)]
pub struct Leadership {
    term: Term,
    release: oneshot::Sender<()>,
    renewal: JoinHandle<()>,
}

/// The reason why a candidate does not lead yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// This one holds the lease.
    For(String),
    /// The lease cannot be read or written.
    Unreachable(String),
}

/// Last observed holder of the lease.
#[derive(Clone, Debug)]
struct ObservedLease {
    holder: String,
    duration: Duration,
    /// Time at which this process first saw the lease in its current state.
    since: Instant,
}

/// Next action of a candidate.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// There is no Lease: make it.
    Create,
    /// Nobody holds it, or no longer: take it.
    Take,
    /// It is ours: renew it.
    Renew,
    /// Another holds it, for so long at least.
    Wait(Duration),
}

fn decide(observed: Option<&ObservedLease>, exists: bool, me: &str, now: Instant) -> Step {
    let create_or = |step| if exists { step } else { Step::Create };
    let Some(observed) = observed else {
        return create_or(Step::Take);
    };
    let left = (observed.since + observed.duration).saturating_duration_since(now);
    if observed.holder == me {
        create_or(Step::Renew)
    } else if observed.holder.is_empty() || left.is_zero() {
        create_or(Step::Take)
    } else {
        // Also when someone deleted the Lease: its holder leads until it notices.
        Step::Wait(left)
    }
}

/// Outcome of an attempt to acquire the lease.
enum Attempt {
    /// It is ours; the write began at this time.
    Held(Moment),
    /// Another holds it, for so long at least.
    Wait(Duration),
    /// Someone else wrote the lease between our reading and our writing.
    Raced,
}

impl Candidate {
    /// A candidate for the Lease `namespace`/`name`. `identity` must differ from every other candidate's. Fails when
    /// the times are not lease duration > renew deadline > retry period.
    pub fn new(
        client: Client,
        namespace: &str,
        name: &str,
        identity: &str,
        timing: Timing,
    ) -> Result<Self, InvalidTiming> {
        timing.check()?;
        Ok(Self {
            leases: Api::namespaced(client, namespace),
            name: name.to_owned(),
            identity: identity.to_owned(),
            timing,
            current: None,
            observed: None,
        })
    }

    /// Waits, however long it takes, until this candidate leads. Errors of the API are logged and tried again. Each new reason for waiting is passed to
    /// `waits`.
    pub async fn acquire(mut self, waits: impl Fn(Waiting)) -> Leadership {
        let mut reported = None;
        loop {
            let attempt = timeout(self.timing.attempt(), self.attempt()).await;
            let pause = self.timing.retry_period.mul_f64(1.0 + fastrand::f64() * (JITTER - 1.0));
            match flatten(attempt) {
                Ok(Attempt::Held(since)) => return self.begin_term(since),
                Ok(Attempt::Wait(left)) => {
                    let holder = self.holder();
                    let waiting = Some(Waiting::For(holder.clone()));
                    if reported != waiting {
                        tracing::info!(lease = self.name, holder, "standing by");
                        waiting.iter().cloned().for_each(&waits);
                        reported = waiting;
                    }
                    sleep(pause.min(left)).await;
                }
                Ok(Attempt::Raced) => sleep(pause).await,
                Err(error) => {
                    let waiting = Some(Waiting::Unreachable(error.clone()));
                    if reported != waiting {
                        tracing::warn!(
                            lease = self.name,
                            error,
                            "the operator could not try to acquire the lease"
                        );
                        waiting.iter().cloned().for_each(&waits);
                        reported = waiting;
                    }
                    sleep(pause).await;
                }
            }
        }
    }

    fn begin_term(self, since: Moment) -> Leadership {
        tracing::info!(lease = self.name, identity = self.identity, "leading");
        let term = Term::begun(since, self.timing.renew_deadline);
        let (release, released) = oneshot::channel();
        let ending = Ending(term.clone());
        let renewal = tokio::spawn(self.renew_until_lost(since, ending, released));
        Leadership { term, release, renewal }
    }

    /// Renews the lease until `stop`, or until it is lost.
    async fn renew_until_lost(mut self, mut renewed: Moment, term: Ending, mut stop: oneshot::Receiver<()>) {
        loop {
            let deadline = renewed.steady + self.timing.renew_deadline;
            let renewal = async {
                sleep_until(deadline.min(Instant::now() + self.timing.retry_period)).await;
                flatten(timeout_at(deadline.min(Instant::now() + self.timing.attempt()), self.renew()).await)
            };
            let result = tokio::select! {
                released = &mut stop => {
                    if released.is_ok() {
                        // Nothing may be written once another can lead.
                        term.0.end();
                        self.release().await;
                    }
                    return;
                }
                result = renewal => result,
            };
            match result {
                Ok(Attempt::Held(since)) => {
                    renewed = since;
                    term.0.renew(since);
                }
                Ok(Attempt::Raced) => tracing::debug!(lease = self.name, "another process wrote the lease"),
                Ok(Attempt::Wait(_)) => {
                    tracing::error!(
                        lease = self.name,
                        holder = self.holder(),
                        "another process holds the lease"
                    );
                    return;
                }
                Err(error) if Instant::now() >= deadline => {
                    tracing::error!(lease = self.name, error, "the operator did not renew the lease in time");
                    return;
                }
                Err(error) => tracing::warn!(lease = self.name, error, "the operator has not renewed the lease yet"),
            }
        }
    }

    /// Writes over its own last write without reading, unless another write came between.
    async fn renew(&mut self) -> Result<Attempt, kube::Error> {
        if let Some(current) = self.current.take() {
            match self.write(Some(current), Step::Renew).await {
                Ok(Attempt::Raced) => {}
                Err(kube::Error::Api(status)) if status.code == 404 => {}
                result => return result,
            }
        }
        self.attempt().await
    }

    async fn attempt(&mut self) -> Result<Attempt, kube::Error> {
        let lease = self.leases.get_opt(&self.name).await?;
        if let Some(lease) = &lease {
            self.observe(lease);
        }
        match decide(self.observed.as_ref(), lease.is_some(), &self.identity, Instant::now()) {
            Step::Wait(left) => Ok(Attempt::Wait(left)),
            step => self.write(lease, step).await,
        }
    }

    /// Writes the lease as ours, unless it is no longer `current`.
    async fn write(&mut self, current: Option<Lease>, step: Step) -> Result<Attempt, kube::Error> {
        let since = Moment::now();
        let lease = self.ours(current, &step);
        let written = match step {
            Step::Create => self.leases.create(&PostParams::default(), &lease).await,
            _ => self.leases.replace(&self.name, &PostParams::default(), &lease).await,
        };
        match written {
            Ok(written) => {
                self.observe(&written);
                Ok(Attempt::Held(since))
            }
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(Attempt::Raced),
            Err(error) => Err(error),
        }
    }

    fn ours(&self, current: Option<Lease>, step: &Step) -> Lease {
        let now = Some(MicroTime(Timestamp::now()));
        let mut lease = current.unwrap_or_else(|| Lease {
            metadata: ObjectMeta {
                name: Some(self.name.clone()),
                ..Default::default()
            },
            ..Default::default()
        });
        let spec = lease.spec.get_or_insert_default();
        match step {
            Step::Renew => {}
            Step::Create | Step::Wait(_) => spec.lease_transitions = Some(0),
            Step::Take => {
                spec.lease_transitions = Some(spec.lease_transitions.unwrap_or_default().saturating_add(1));
            }
        }
        if *step != Step::Renew {
            spec.acquire_time = now.clone();
        }
        spec.holder_identity = Some(self.identity.clone());
        spec.lease_duration_seconds = i32::try_from(self.timing.lease_duration.as_secs()).ok();
        spec.renew_time = now;
        lease
    }

    fn observe(&mut self, lease: &Lease) {
        let before = self.current.as_ref().and_then(|current| current.spec.as_ref());
        if self.observed.is_none() || before != lease.spec.as_ref() {
            let empty = LeaseSpec::default();
            let spec = lease.spec.as_ref().unwrap_or(&empty);
            let seconds = spec
                .lease_duration_seconds
                .and_then(|seconds| u64::try_from(seconds).ok());
            self.observed = Some(ObservedLease {
                holder: spec.holder_identity.clone().unwrap_or_default(),
                duration: seconds.map_or(self.timing.lease_duration, Duration::from_secs),
                since: Instant::now(),
            });
        }
        self.current = Some(lease.clone());
    }

    fn holder(&self) -> String {
        self.observed
            .as_ref()
            .map(|observed| observed.holder.clone())
            .unwrap_or_default()
    }

    /// Lets another take the lease at once. A failure costs time only: the lease then runs out.
    async fn release(&mut self) {
        if let Err(error) = flatten(timeout(self.timing.renew_deadline, self.give_up()).await) {
            tracing::warn!(
                lease = self.name,
                error,
                "the operator did not release the lease, which will expire"
            );
        }
    }

    async fn give_up(&self) -> Result<(), kube::Error> {
        loop {
            // An interrupted renewal may have been written, so the known lease may be old.
            let Some(mut lease) = self.leases.get_opt(&self.name).await? else {
                return Ok(());
            };
            let spec = lease.spec.get_or_insert_default();
            if spec.holder_identity.as_deref() != Some(&self.identity) {
                return Ok(());
            }
            let now = Some(MicroTime(Timestamp::now()));
            spec.holder_identity = Some(String::new());
            spec.lease_duration_seconds = Some(1);
            spec.renew_time = now.clone();
            spec.acquire_time = now;
            match self.leases.replace(&self.name, &PostParams::default(), &lease).await {
                Err(kube::Error::Api(status)) if status.code == 409 => {}
                result => return result.map(|_| ()),
            }
        }
    }
}

/// Ends a term that is no longer renewed, by a panic too.
struct Ending(Term);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl Leadership {
    /// Returns the term, which all that writes as the leader holds. It ends before the lease runs out: by the difference between its duration and the renew
    /// deadline.
    pub fn term(&self) -> &Term {
        &self.term
    }

    /// Waits for the end of a lost term's work: until nobody else holds the term, or for this time. Returns true if nothing is left of it.
    pub async fn is_over(&self, limit: Duration) -> bool {
        let over = async {
            while self.term.is_shared() {
                sleep(POLL_INTERVAL).await;
            }
        };
        timeout(limit, over).await.is_ok()
    }

    /// Ends the term and gives the lease back, so that another leads at once. Takes at most the renew deadline.
    pub async fn release(self) {
        // An error means that the lease was lost already.
        if self.release.send(()).is_ok() {
            let _ = self.renewal.await;
        }
    }
}

fn flatten<T>(result: Result<Result<T, kube::Error>, tokio::time::error::Elapsed>) -> Result<T, String> {
    match result {
        Ok(result) => result.map_err(|error| crate::cluster::error::Error::from(error).chain()),
        Err(_) => Err("the Kubernetes API did not answer in time".to_owned()),
    }
}

#[cfg(test)]
#[path = "leader_test.rs"]
mod tests;
