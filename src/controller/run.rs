//! The operator's life: prove, be elected, lead for a term, stand down, and so on until a signal.

use super::admission_proof;
use super::lead::{Clients, run_as_leader};
use super::terms::Rest;
use crate::capability::Platform;
use crate::cluster::client;
use crate::cluster::leader::{Candidate, Leadership, Timing, Waiting};
use crate::gateway::Attachment;
use crate::names;
use crate::settings::Settings;
use crate::telemetry::Listeners;
use crate::telemetry::health::Readiness;
use crate::telemetry::metrics::Metrics;
use crate::term::Term;
use anyhow::Context as _;
use kube::{Client, Config};
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// The proof that `/readyz` waits for.
const PROOF: &str = "the proof that admission policies confine the operator";
/// The API server, which `/readyz` waits for in a process that does not lead.
const API_SERVER: &str = "the Kubernetes API server";
/// Policies take about a second from their installation to take hold.
const PROOF_RETRY: Duration = Duration::from_secs(2);
/// The time in which all work of a lost term must have ended. It writes nothing meanwhile; what lives on beyond that cannot be trusted.
const REMAINS: Duration = Duration::from_secs(30);

/// Runs until a signal ends it.
///
/// # Errors
/// Whatever keeps the operator from its work for good. The loss of leadership is no such thing: it stands down, and leads again.
pub async fn run(settings: Settings) -> anyhow::Result<()> {
    let stop = CancellationToken::new();
    tokio::spawn(stop_on_signal(stop.clone()));
    let (metrics, readiness) = (Metrics::new(), Readiness::default());
    readiness.wait_for(PROOF);
    let listeners = Listeners::bind(settings.metrics_address, settings.health_address).await?;
    // The probes are answered until the very end.
    let ended = CancellationToken::new();
    let serving = tokio::spawn(listeners.serve(metrics.clone(), readiness.clone(), ended.clone()));
    let config = client::infer().await.context("no cluster is configured")?;
    let process = Process {
        client: client::client(config.clone(), metrics.clone())?,
        settings,
        config,
        metrics,
        readiness,
        stop: stop.clone(),
    };

    let result = tokio::select! {
        result = process.work() => result,
        result = serving => Err(anyhow::anyhow!("metrics and health are no longer served: {result:?}")),
    };
    ended.cancel();
    result
}

/// The end of a term.
enum End {
    /// A signal ended the process.
    Stopped,
    /// The lease may be another's from now on.
    Lost,
}

/// What all terms of the process share.
struct Process {
    settings: Settings,
    config: Config,
    /// Of no term: for the proof and for the election itself.
    client: Client,
    metrics: Metrics,
    readiness: Readiness,
    stop: CancellationToken,
}

impl Process {
    async fn work(&self) -> anyhow::Result<()> {
        let timing = Timing {
            lease_duration: self.settings.lease_duration,
            renew_deadline: self.settings.renew_deadline,
            retry_period: self.settings.retry_period,
        };
        let (namespace, pod) = (&self.settings.namespace, &self.settings.pod_name);
        let candidate = Candidate::new(self.client.clone(), namespace, names::MANAGER, pod, timing)?;
        let mut rest = Rest::default();
        loop {
            // In each term anew: the policies may have gone meanwhile.
            self.readiness.wait_for(PROOF);
            tokio::select! {
                () = self.prove() => self.readiness.done(PROOF),
                () = self.stop.cancelled() => return Ok(()),
            }
            if !self.settings.leader_elect {
                self.term(&Term::unlimited()).await?;
                return Ok(());
            }
            let leadership: Leadership = tokio::select! {
                leadership = candidate.clone().acquire(|why| self.waits(&why)) => leadership,
                () = self.stop.cancelled() => return Ok(()),
            };
            let begun = Instant::now();
            match self.term(leadership.term()).await? {
                End::Stopped => {
                    leadership.release().await;
                    tracing::info!("stopped");
                    return Ok(());
                }
                End::Lost => {
                    tracing::error!("the operator lost its lease: it stands down, and waits to lead again");
                    self.metrics.lost_lease();
                }
            }
            let over = tokio::select! {
                over = leadership.is_over(REMAINS) => over,
                () = self.stop.cancelled() => return Ok(()),
            };
            // It can write nothing, but it may hold what the next term needs.
            anyhow::ensure!(over, "work of the lost term has not ended after {REMAINS:?}");
            tokio::select! {
                () = tokio::time::sleep(rest.after(begun.elapsed())) => {}
                () = self.stop.cancelled() => return Ok(()),
            }
        }
    }

    /// Leads for one term, with clients and caches of its own: nothing of an earlier term is believed.
    async fn term(&self, term: &Term) -> anyhow::Result<End> {
        let clients = self.clients(term)?;
        self.readiness.done(API_SERVER);
        self.readiness.now("leading");
        self.metrics.begin_term();
        let work = run_as_leader(
            &self.settings,
            clients,
            term.clone(),
            self.metrics.clone(),
            self.stop.clone(),
        );
        let end = tokio::select! {
            biased;
            () = term.ended() => End::Lost,
            () = work => End::Stopped,
        };
        self.metrics.end_term();
        self.readiness.now("not leading");
        Ok(end)
    }

    fn clients(&self, term: &Term) -> Result<Clients, kube::Error> {
        let client = |config| client::client_of(term.clone(), config, self.metrics.clone());
        let examiner = match self.settings.isolation.admission_probe.enabled {
            true => Some(client(client::acting_as(names::EXAMINER, self.config.clone()))?),
            false => None,
        };
        Ok((client(self.config.clone())?, examiner))
    }

    /// Says why the process does not lead.
    fn waits(&self, why: &Waiting) {
        match why {
            Waiting::For(holder) => {
                self.readiness.done(API_SERVER);
                self.readiness.now(format!("standing by: {holder} leads"));
            }
            Waiting::Unreachable(error) => {
                self.readiness.wait_for(API_SERVER);
                self.readiness.now(format!("waiting for {API_SERVER}: {error}"));
            }
        }
    }

    /// Returns when the policies were seen to hold.
    async fn prove(&self) {
        if self.settings.skip_admission_proof {
            tracing::warn!("started without proof that admission policies confine the operator");
            return;
        }
        let mut reported = String::new();
        loop {
            match admission_proof::prove(&self.client).await {
                Ok(()) => return tracing::info!("admission policies confine the operator"),
                Err(error) => {
                    let error = error.to_string();
                    if reported != error {
                        tracing::warn!(error, "not ready: the operator is not confined");
                        self.readiness.now(format!("waiting for {PROOF}: {error}"));
                        reported = error;
                    }
                }
            }
            tokio::time::sleep(PROOF_RETRY).await;
        }
    }
}

/// Returns the settings that all tenants' objects depend on.
pub fn platform(settings: &Settings) -> Platform {
    Platform {
        namespace: settings.namespace.clone(),
        service_account: settings.service_account.clone(),
        dns: settings.dns_servers.clone(),
        gateway_namespace: settings.gateway_namespace.clone(),
        api_server: Vec::new(),
        examiner: settings.isolation.admission_probe.enabled,
    }
}

/// Returns the Gateway that routes attach to.
pub fn attachment(settings: &Settings) -> Option<Attachment> {
    settings
        .gateway
        .attachment(settings.gateway_namespace.as_deref(), &settings.dns.cluster_domain)
}

async fn stop_on_signal(stop: CancellationToken) {
    crate::signals::told_to_end().await;
    tracing::info!("stopping");
    stop.cancel();
}
