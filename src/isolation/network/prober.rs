//! Prober of the network: pods in tenants' namespaces dial targets that they must not reach, a few at a time, again and again.

use super::schedule::{Landmarks, NetworkSubject, Round, again, round, targets};
use super::settings::NetworkProbe;
use super::target::{DialReport, Target};
use super::{outcome, pods};
use crate::capability::SharedServices;
use crate::cluster::api_server;
use crate::cluster::pod::is_ready;
use crate::cluster::{Queue, write::has_code};
use crate::isolation::check_schedule::CheckSchedule;
use crate::isolation::lock;
use crate::names;
use crate::proof::Outcome;
use anyhow::Context as _;
use futures::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use kube::api::{Api, DeleteParams, ListParams, PostParams};
use kube::runtime::wait::await_condition;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// The interval between looks for the next turn.
const TICK: Duration = Duration::from_secs(1);
/// The most concurrent dialling pods.
const AT_ONCE: usize = 4;
/// The time that a pod may take to be scheduled, fetched and started and, if it dials, to end.
const PROBE_TIMEOUT: Duration = Duration::from_secs(90);

/// Tries the network.
pub struct NetworkProber {
    client: Client,
    image: pods::Image,
    settings: NetworkProbe,
    metrics_port: u16,
    services: SharedServices,
    schedule: CheckSchedule<NetworkSubject, Outcome>,
    /// Namespaces already swept of a former operator's pods; each is swept once.
    swept: Mutex<BTreeSet<String>>,
}

/// A tenant's pod that listens for the others of a round.
struct Neighbour<'a> {
    tenant: &'a str,
    pod: Pod,
    address: String,
}

impl NetworkProber {
    /// None where the settings name no image.
    pub fn new(
        client: Client,
        settings: &NetworkProbe,
        (metrics_port, services): (u16, SharedServices),
    ) -> Option<Self> {
        let image = pods::Image {
            name: settings.image.clone(),
            pull_policy: settings.pull_policy.clone(),
        };
        (!image.name.is_empty()).then(|| Self {
            client,
            image,
            settings: settings.clone(),
            metrics_port,
            services,
            schedule: CheckSchedule::new(settings.period),
            swept: Mutex::default(),
        })
    }

    /// Records a tenant's present namespaces, as [`CheckSchedule::update`] does.
    pub fn update(&self, tenant: &str, subjects: Vec<NetworkSubject>, was_tried: bool) {
        self.schedule.update(tenant, subjects, was_tried);
    }

    /// Returns the outcome of these namespaces' last turns.
    pub fn outcome(&self, subjects: &[NetworkSubject]) -> Outcome {
        let found = |subject: &NetworkSubject| self.schedule.found(subject).unwrap_or(Outcome::Pending);
        Outcome::together(subjects.iter().map(found))
    }

    /// Returns the tenant's namespaces as last learned.
    pub fn known(&self, tenant: &str) -> Vec<NetworkSubject> {
        self.schedule.of(tenant)
    }

    /// The tenant has no pods any more, or is gone.
    pub fn forget(&self, tenant: &str) {
        self.schedule.forget(tenant);
    }

    /// Tries each tenant at its turn, and wakes those with a new finding. Never ends.
    pub async fn run(&self, queue: Queue) {
        loop {
            tokio::time::sleep(TICK).await;
            let next = round(&self.schedule.all(), Instant::now(), |count| fastrand::usize(..count));
            if let Some(next) = next {
                self.play(next, &queue).await;
            }
        }
    }

    async fn play(&self, round: Round, queue: &Queue) {
        let neighbour = match &round.listener {
            None => Ok(None),
            Some(listener) => match self.listen(listener).await {
                Ok((pod, address)) => Ok(Some(Neighbour {
                    tenant: listener.owner.tenant.as_str(),
                    pod,
                    address,
                })),
                Err(error) => Err(format!("no pod of another tenant could listen: {error:#}")),
            },
        };
        let landmarks = self.landmarks().await;
        futures::stream::iter(&round.diallers)
            .for_each_concurrent(AT_ONCE, async |subject| {
                let outcome = match &neighbour {
                    Ok(neighbour) => self.examine(subject, neighbour.as_ref(), &landmarks).await,
                    Err(why) => Err(anyhow::anyhow!(why.clone())),
                };
                let outcome = outcome.unwrap_or_else(|error| Outcome::Untried(format!("{error:#}")));
                self.record(subject, outcome, queue);
            })
            .await;
        if let Ok(Some(neighbour)) = neighbour {
            self.remove(&neighbour.pod).await;
        }
    }

    /// Examines the network of one tenant's namespace.
    async fn examine(
        &self,
        subject: &NetworkSubject,
        neighbour: Option<&Neighbour<'_>>,
        landmarks: &Landmarks,
    ) -> anyhow::Result<Outcome> {
        let targets = targets(
            subject,
            neighbour.map(|neighbour| neighbour.address.as_str()),
            landmarks,
        );
        let report = self.dial(subject, &targets).await?;
        let outcome = outcome::outcome(
            &report,
            &subject.namespace,
            &targets,
            neighbour.map(|neighbour| neighbour.tenant),
        );
        // An open target is a violation even if the listener is gone.
        if let (Outcome::Passed, Some(neighbour)) = (&outcome, neighbour) {
            self.listens_still(neighbour).await?;
        }
        Ok(outcome)
    }

    /// Checks that the neighbour still listens: silence of a removed pod would prove nothing.
    async fn listens_still(&self, neighbour: &Neighbour<'_>) -> anyhow::Result<()> {
        let (namespace, name) = place(&neighbour.pod);
        let api: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        let now = api.get_opt(name).await.context("look after the neighbour's pod")?;
        let same = now.filter(|now| now.metadata.uid == neighbour.pod.metadata.uid);
        let listens = same.is_some_and(|now| {
            now.metadata.deletion_timestamp.is_none()
                && matches!(address(&now), Some(Ok(at)) if at == neighbour.address)
        });
        anyhow::ensure!(listens, "the other tenant's pod stopped listening too early");
        Ok(())
    }

    /// Records an outcome, and wakes the tenant where it differs from before.
    fn record(&self, subject: &NetworkSubject, outcome: Outcome, queue: &Queue) {
        let namespace = &subject.namespace;
        tracing::debug!(namespace, outcome = outcome.as_str(), "the network was tried");
        let again = again(&outcome, self.settings.period, fastrand::f64());
        if self.schedule.record(subject, outcome, again) {
            queue.wake(&subject.owner.tenant);
        }
    }

    async fn landmarks(&self) -> Landmarks {
        let place = |address: &std::net::SocketAddr| (address.ip(), address.port());
        Landmarks {
            operator: self.settings.pod_ip.map(|ip| (ip, self.metrics_port)),
            // Where it cannot be read now it is dialled the next time.
            api_server: api_server::addresses(self.client.clone()).await.unwrap_or_default(),
            external: self.settings.external.iter().map(place).collect(),
            applications: self.services.addresses(),
            tolerated: self.settings.tolerated.clone(),
        }
    }

    /// A pod that listens, and where.
    async fn listen(&self, subject: &NetworkSubject) -> anyhow::Result<(Pod, String)> {
        let pod = pods::listener(&self.image, subject);
        let pod = self.make(pod).await?;
        match self.wait(&pod, address).await {
            Ok(address) => Ok((pod, address)),
            Err(error) => {
                self.remove(&pod).await;
                Err(error)
            }
        }
    }

    /// Runs a dialling pod and returns its report.
    async fn dial(&self, subject: &NetworkSubject, targets: &[Target]) -> anyhow::Result<DialReport> {
        let pod = pods::dialler(&self.image, subject, targets, self.settings.settle);
        let pod = self.make(pod).await?;
        let said = self.wait(&pod, last_words).await;
        self.remove(&pod).await;
        serde_json::from_str(&said?).context("the probe's last words")
    }

    async fn make(&self, pod: Pod) -> anyhow::Result<Pod> {
        let namespace = pod.metadata.namespace.clone().unwrap_or_default();
        let api: Api<Pod> = Api::namespaced(self.client.clone(), &namespace);
        let is_new = lock(&self.swept).insert(namespace);
        if is_new {
            let ours = ListParams::default().labels(names::PROBE);
            api.delete_collection(&DeleteParams::default(), &ours)
                .await
                .context("remove former probes")?;
        }
        let made = api.create(&PostParams::default(), &pod).await;
        made.context("a probe could not be started")
    }

    /// Waits until `look` finds a result in the pod, or a reason why there will never be one.
    async fn wait(&self, pod: &Pod, look: fn(&Pod) -> Option<Result<String, String>>) -> anyhow::Result<String> {
        let (namespace, name) = place(pod);
        let api: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        let shown = |pod: Option<&Pod>| pod.is_none_or(|pod| look(pod).is_some());
        let last = tokio::time::timeout(PROBE_TIMEOUT, await_condition(api, name, shown)).await;
        let last =
            last.map_err(|_| anyhow::anyhow!("the probe did not finish within {} s", PROBE_TIMEOUT.as_secs()))?;
        match last?.as_ref().and_then(look) {
            Some(Ok(shown)) => Ok(shown),
            Some(Err(why)) => anyhow::bail!(why),
            None => anyhow::bail!("the probe was deleted before it finished"),
        }
    }

    async fn remove(&self, pod: &Pod) {
        let (namespace, name) = place(pod);
        let api: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        match api.delete(name, &DeleteParams::default()).await {
            Err(error) if !has_code(&error, 404) => {
                tracing::warn!(namespace, name, %error, "a probe could not be removed; it ends by itself");
            }
            _ => {}
        }
    }
}

fn place(pod: &Pod) -> (&str, &str) {
    let metadata = &pod.metadata;
    let (namespace, name) = (metadata.namespace.as_deref(), metadata.name.as_deref());
    (namespace.unwrap_or_default(), name.unwrap_or_default())
}

/// The address of a pod that listens.
fn address(pod: &Pod) -> Option<Result<String, String>> {
    let status = pod.status.as_ref()?;
    let ip = status
        .pod_ip
        .as_ref()
        .filter(|ip| is_ready(pod) && ip.parse::<IpAddr>().is_ok());
    ip.cloned().map(Ok).or_else(|| in_vain(pod))
}

/// Returns the termination message of a pod that dialled.
fn last_words(pod: &Pod) -> Option<Result<String, String>> {
    let statuses = pod.status.as_ref()?.container_statuses.iter().flatten();
    let mut ended = statuses.filter_map(|status| status.state.as_ref()?.terminated.as_ref());
    let words = ended.find_map(|ended| ended.message.clone().filter(|_| ended.exit_code == 0));
    words.map(Ok).or_else(|| in_vain(pod))
}

/// Returns the reason why a pod will never do its work.
fn in_vain(pod: &Pod) -> Option<Result<String, String>> {
    let status = pod.status.as_ref()?;
    let waiting = status
        .container_statuses
        .iter()
        .flatten()
        .filter_map(|status| status.state.as_ref()?.waiting.as_ref())
        .find(|waiting| {
            let reason = waiting.reason.as_deref().unwrap_or_default();
            matches!(
                reason,
                "ErrImagePull"
                    | "ImagePullBackOff"
                    | "InvalidImageName"
                    | "ErrImageNeverPull"
                    | "CreateContainerConfigError"
                    | "CreateContainerError"
            )
        });
    if let Some(waiting) = waiting {
        let reason = waiting.reason.as_deref().unwrap_or_default();
        return Some(Err(format!(
            "the probe's container does not start ({reason}): the tenant's namespace must be able to pull its image"
        )));
    }
    let over = matches!(status.phase.as_deref(), Some("Failed" | "Succeeded"));
    over.then(|| {
        Err(format!(
            "the probe failed: {}",
            status
                .message
                .as_deref()
                .or(status.reason.as_deref())
                .unwrap_or("no reason was given")
        ))
    })
}
