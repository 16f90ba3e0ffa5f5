//! Leader election on a Lease, by client-go's protocol: it may share a Lease with any program that uses it.
//!
//! Writes carry the resourceVersion that was read, so that of two candidates one is refused. A lease expires after this process has seen no change for long
//! enough. The times in the object do not count: clocks differ.

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

/// Candidates wait up to this much longer than the retry period, so that they do not all come at once.
const JITTER: f64 = 1.2;

/// The times of an election. All candidates for a Lease should have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Duration of a lease without renewal, written into it in whole seconds.
    pub lease_duration: Duration,
    /// Time without a successful renewal after which the leader gives up.
    pub renew_deadline: Duration,
    /// Time between two attempts to renew or acquire the lease.
    pub retry_period: Duration,
}

/// The times of an election would allow two leaders, or none.
#[derive(thiserror::Error, Debug)]
#[error("{timing:?}: {reason}")]
pub struct InvalidTiming {
    timing: Timing,
    reason: &'static str,
}

/// A candidate for a Lease.
#[derive(Debug)]
pub struct Candidate {
    leases: Api<Lease>,
    name: String,
    identity: String,
    timing: Timing,
    /// The Lease as it was last read or written; none when it did not exist.
    current: Option<Lease>,
    observed: Option<Observed>,
}

/// Held leadership. Dropped without [release](Self::release), the lease runs out by itself.
#[derive(Debug)]
pub struct Leadership {
    lost: CancellationToken,
    release: oneshot::Sender<()>,
    renewal: JoinHandle<()>,
}

/// Last observed holder of the lease.
#[derive(Clone, Debug)]
struct Observed {
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

fn decide(observed: Option<&Observed>, exists: bool, me: &str, now: Instant) -> Step {
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
    Held(Instant),
    /// Another holds it, for so long at least.
    Wait(Duration),
    /// Someone else wrote the lease between our reading and our writing.
    Raced,
}

impl Timing {
    fn check(self) -> Result<(), InvalidTiming> {
        let reason = if self.lease_duration <= self.renew_deadline {
            "a leader must give up before its lease runs out"
        } else if self.renew_deadline <= self.retry_period.mul_f64(JITTER) {
            "a leader must have time for a second attempt"
        } else if self.retry_period.is_zero() || self.lease_duration.as_secs() == 0 {
            "the lease must last at least a second, and the retry period must not be zero"
        } else if self.lease_duration.subsec_nanos() != 0 {
            "a lease's duration is in whole seconds"
        } else {
            return Ok(());
        };
        Err(InvalidTiming { timing: self, reason })
    }
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

    /// Waits, however long it takes, until this candidate leads. Errors of the API are logged and tried again.
    pub async fn acquire(mut self) -> Leadership {
        let mut reported = String::new();
        loop {
            let attempt = timeout(self.timing.renew_deadline, self.attempt()).await;
            let pause = self.timing.retry_period.mul_f64(1.0 + fastrand::f64() * (JITTER - 1.0));
            match flatten(attempt) {
                Ok(Attempt::Held(since)) => return self.lead(since),
                Ok(Attempt::Wait(left)) => {
                    let holder = self.holder();
                    if reported != holder {
                        tracing::info!(lease = self.name, holder, "standing by");
                        reported = holder;
                    }
                    sleep(pause.min(left)).await;
                }
                Ok(Attempt::Raced) => sleep(pause).await,
                Err(error) => {
                    if reported != error {
                        tracing::warn!(
                            lease = self.name,
                            error,
                            "the operator could not try to acquire the lease"
                        );
                        reported = error;
                    }
                    sleep(pause).await;
                }
            }
        }
    }

    fn lead(self, since: Instant) -> Leadership {
        tracing::info!(lease = self.name, identity = self.identity, "leading");
        let lost = CancellationToken::new();
        let (release, released) = oneshot::channel();
        let renewal = tokio::spawn(self.renew_until_lost(since, lost.clone(), released));
        Leadership { lost, release, renewal }
    }

    /// Renews the lease until `stop`, or until it is lost.
    async fn renew_until_lost(
        mut self,
        mut renewed: Instant,
        lost: CancellationToken,
        mut stop: oneshot::Receiver<()>,
    ) {
        // However this ends, by a panic too, it is no longer renewed.
        let _lost = lost.drop_guard();
        loop {
            let deadline = renewed + self.timing.renew_deadline;
            let renewal = async {
                sleep_until(deadline.min(Instant::now() + self.timing.retry_period)).await;
                flatten(timeout_at(deadline, self.renew()).await)
            };
            let result = tokio::select! {
                released = &mut stop => {
                    if released.is_ok() {
                        self.release().await;
                    }
                    return;
                }
                result = renewal => result,
            };
            match result {
                Ok(Attempt::Held(since)) => renewed = since,
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
        let since = Instant::now();
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
            self.observed = Some(Observed {
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

impl Leadership {
    /// Completes when this process must no longer act as the leader. It then has the difference between the lease's
    /// duration and the renew deadline to end.
    pub fn lost(&self) -> impl Future<Output = ()> + Send + 'static {
        self.lost.clone().cancelled_owned()
    }

    /// Gives the lease back, so that another leads at once. To be called when the last write as the leader has ended.
    /// Takes at most the renew deadline.
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
