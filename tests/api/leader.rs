//! Leader election against a real API server.

use crate::connection;
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::client::ClientBuilder;
use kube::{Api, Client, Config};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tenant_operator::cluster::client;
use tenant_operator::cluster::leader::{Candidate, Leadership, Timing};
use tenant_operator::telemetry::metrics::Metrics;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tower::ServiceBuilder;

const NAMESPACE: &str = "default";
const TIMING: Timing = Timing {
    lease_duration: Duration::from_secs(3),
    renew_deadline: Duration::from_secs(2),
    retry_period: Duration::from_millis(300),
};
/// The tolerance for a slow machine in each of the times.
const SLACK: Duration = Duration::from_millis(1500);

/// A Lease of its own for each test, removed at the end by [`Election::clean`].
struct Election {
    client: Client,
    lease: String,
}

impl Election {
    async fn new() -> Self {
        Self {
            client: connection::client().await,
            lease: format!("test-leader-{:08x}", fastrand::u32(..)),
        }
    }

    fn candidate(&self, identity: &str) -> Candidate {
        self.candidate_by(self.client.clone(), identity)
    }

    fn candidate_by(&self, client: Client, identity: &str) -> Candidate {
        Candidate::new(client, NAMESPACE, &self.lease, identity, TIMING).expect("valid times")
    }

    async fn acquire(&self, identity: &str) -> Leadership {
        let limit = TIMING.lease_duration + TIMING.retry_period + SLACK;
        timeout(limit, self.candidate(identity).acquire(|_| ()))
            .await
            .expect("leads within the lease's duration")
    }

    fn leases(&self) -> Api<Lease> {
        Api::namespaced(self.client.clone(), NAMESPACE)
    }

    /// Holder and transitions.
    async fn held(&self) -> (String, i32) {
        let spec = self
            .leases()
            .get(&self.lease)
            .await
            .expect("the lease exists")
            .spec
            .expect("with a spec");
        (
            spec.holder_identity.unwrap_or_default(),
            spec.lease_transitions.unwrap_or_default(),
        )
    }

    async fn clean(self) {
        self.leases()
            .delete(&self.lease, &DeleteParams::default())
            .await
            .expect("the lease is deleted");
    }
}

async fn is_lost(leadership: &Leadership, within: Duration) -> bool {
    timeout(within, leadership.term().ended()).await.is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_stays_and_a_release_hands_over_at_once() {
    let election = Election::new().await;
    let a = election.acquire("a").await;
    assert_eq!(election.held().await, ("a".into(), 0));

    let b = tokio::spawn(election.candidate("b").acquire(|_| ()));
    assert!(
        !is_lost(&a, TIMING.lease_duration * 2).await,
        "renewed for two lease durations"
    );
    assert!(!b.is_finished(), "b does not lead beside a");
    assert_eq!(election.held().await, ("a".into(), 0));

    let start = Instant::now();
    a.release().await;
    let b = timeout(TIMING.lease_duration, b)
        .await
        .expect("b leads")
        .expect("no panic");
    assert!(
        start.elapsed() < TIMING.retry_period * 2 + SLACK,
        "took {:?}",
        start.elapsed()
    );
    assert_eq!(election.held().await, ("b".into(), 1));
    b.release().await;
    assert_eq!(election.held().await, (String::new(), 1));
    election.clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_leader_is_replaced_when_its_lease_has_run_out() {
    let election = Election::new().await;
    let a = election.acquire("a").await;
    let b = tokio::spawn(election.candidate("b").acquire(|_| ()));
    sleep(TIMING.retry_period * 2).await;

    drop(a);
    let start = Instant::now();
    let b = timeout(TIMING.lease_duration + TIMING.retry_period + SLACK, b)
        .await
        .expect("b leads")
        .expect("no panic");
    // The last renewal may be as old as the retry period.
    assert!(
        start.elapsed() > TIMING.lease_duration - TIMING.retry_period * 2,
        "took {:?}",
        start.elapsed()
    );
    assert_eq!(election.held().await, ("b".into(), 1));
    b.release().await;
    election.clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_without_the_api_server_gives_up_before_another_leads() {
    let election = Election::new().await;
    let cut = Arc::new(AtomicBool::new(false));
    let client = severable(connection::config().await, cut.clone());
    let a = election.candidate_by(client, "a").acquire(|_| ()).await;
    let b = tokio::spawn(election.candidate("b").acquire(|_| ()));
    sleep(TIMING.retry_period * 2).await;

    cut.store(true, Ordering::SeqCst);
    assert!(is_lost(&a, TIMING.renew_deadline + SLACK).await, "a gives up");
    assert!(!b.is_finished(), "b leads only after a gave up");
    let b = timeout(TIMING.lease_duration + SLACK, b)
        .await
        .expect("b leads")
        .expect("no panic");
    b.release().await;
    election.clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_was_robbed_gives_up_at_once() {
    let election = Election::new().await;
    let a = election.acquire("a").await;
    let robbery = async {
        loop {
            let mut lease = election.leases().get(&election.lease).await?;
            lease.spec.get_or_insert_default().holder_identity = Some("b".into());
            match election
                .leases()
                .replace(&election.lease, &Default::default(), &lease)
                .await
            {
                Err(kube::Error::Api(status)) if status.code == 409 => {}
                result => return result,
            }
        }
    };
    robbery.await.expect("the lease is written");
    assert!(is_lost(&a, TIMING.retry_period + SLACK).await);
    a.release().await;
    assert_eq!(election.held().await.0, "b", "nothing is released that is not held");
    election.clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_lease_is_made_again_by_its_leader() {
    let election = Election::new().await;
    let a = election.acquire("a").await;
    let b = tokio::spawn(election.candidate("b").acquire(|_| ()));
    sleep(TIMING.retry_period * 2).await;
    election
        .leases()
        .delete(&election.lease, &DeleteParams::default())
        .await
        .expect("the lease is deleted");
    assert!(!is_lost(&a, TIMING.lease_duration).await);
    assert!(!b.is_finished());
    assert_eq!(election.held().await.0, "a");
    b.abort();
    a.release().await;
    election.clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_candidates_never_two_lead() {
    let election = Election::new().await;
    let leaders = Arc::new(AtomicUsize::new(0));
    let candidates: Vec<_> = (0..8)
        .map(|number| {
            let candidate = election.candidate(&format!("candidate-{number}"));
            let leaders = leaders.clone();
            tokio::spawn(async move {
                let leadership = candidate.acquire(|_| ()).await;
                assert_eq!(leaders.fetch_add(1, Ordering::SeqCst), 0, "two lead");
                assert!(!is_lost(&leadership, Duration::from_millis(200)).await);
                leaders.fetch_sub(1, Ordering::SeqCst);
                leadership.release().await;
            })
        })
        .collect();
    for candidate in candidates {
        timeout(Duration::from_secs(60), candidate)
            .await
            .expect("each leads in its turn")
            .expect("never two");
    }
    assert_eq!(election.held().await, (String::new(), 7));
    election.clean().await;
}

/// The way of one process to the API server, which can be taken away and given back: a port of this machine that leads there.
struct Door {
    port: u16,
    server: String,
    open: Option<tokio::task::JoinHandle<()>>,
}

impl Door {
    async fn to(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let mut door = Self {
            port,
            server: server.to_owned(),
            open: None,
        };
        door.lead_through(listener);
        door
    }

    fn lead_through(&mut self, listener: TcpListener) {
        let server = self.server.clone();
        self.open = Some(tokio::spawn(async move {
            // They end with this task.
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((mut ours, _)) = listener.accept().await {
                let server = server.clone();
                connections.spawn(async move {
                    if let Ok(mut theirs) = TcpStream::connect(server).await {
                        let _ = tokio::io::copy_bidirectional(&mut ours, &mut theirs).await;
                    }
                });
            }
        }));
    }

    /// As when the API server is killed: connections end, and new ones are refused.
    async fn close(&mut self) {
        if let Some(open) = self.open.take() {
            open.abort();
            let _ = open.await;
        }
    }

    async fn open(&mut self) {
        let listener = TcpListener::bind(("127.0.0.1", self.port)).await.expect("its port");
        self.lead_through(listener);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_was_cut_off_leads_again_in_the_same_process_and_its_old_term_writes_nothing() {
    let election = Election::new().await;
    let mut config = connection::config().await;
    let host = config.cluster_url.host().expect("a host").to_owned();
    let port = config.cluster_url.port_u16().unwrap_or(443);
    let mut door = Door::to(&format!("{host}:{port}")).await;
    config.cluster_url = format!("https://127.0.0.1:{}", door.port).parse().expect("a URL");
    config.tls_server_name.get_or_insert(host);
    let client = || client::client(config.clone(), Metrics::new()).expect("a usable configuration");
    let writer = |leads: &Leadership| {
        let client = client::client_of(leads.term().clone(), config.clone(), Metrics::new());
        Api::<Lease>::namespaced(client.expect("a usable configuration"), NAMESPACE)
    };
    let written = format!("{}-written", election.lease);
    let write = async |writer: &Api<Lease>, by: &str| {
        let written = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": written, "annotations": {"by": by}}});
        let params = PatchParams::apply("test-leader");
        writer
            .patch(
                written["metadata"]["name"].as_str().expect("a name"),
                &params,
                &Patch::Apply(&written),
            )
            .await
    };

    let a = election.candidate_by(client(), "a").acquire(|_| ()).await;
    let first = writer(&a);
    write(&first, "a").await.expect("a leads");
    door.close().await;
    let b = tokio::spawn(election.candidate("b").acquire(|_| ()));
    assert!(is_lost(&a, TIMING.renew_deadline + SLACK).await, "a gives up");
    assert!(!b.is_finished(), "b leads only after a gave up");
    let again = tokio::spawn(election.candidate_by(client(), "a").acquire(|_| ()));
    let b = timeout(TIMING.lease_duration + SLACK, b)
        .await
        .expect("b leads")
        .expect("no panic");
    door.open().await;
    let refused = write(&first, "a, too late").await.expect_err("a does not lead");
    assert!(refused.to_string().contains("does not hold the lease"), "{refused}");
    let second = writer(&b);
    door.close().await;
    door.open().await;
    write(&second, "b").await.expect("b leads");
    assert!(!again.is_finished(), "a does not lead beside b");
    b.release().await;
    write(&second, "b, too late").await.expect_err("b gave the lease back");

    let again = timeout(TIMING.lease_duration + SLACK, again)
        .await
        .expect("a leads")
        .expect("no panic");
    let now = election
        .leases()
        .get(&written)
        .await
        .expect("it is there")
        .metadata
        .annotations;
    assert_eq!(
        now.unwrap_or_default().get("by").map(String::as_str),
        Some("b"),
        "nothing was written meanwhile"
    );
    write(&first, "a, of the old term").await.expect_err("its term is over");
    write(&writer(&again), "a").await.expect("a leads again");
    drop(first);
    assert!(a.is_over(SLACK).await, "nothing is left of the old term");
    again.release().await;
    let params = DeleteParams::default();
    election
        .leases()
        .delete(&written, &params)
        .await
        .expect("it is deleted");
    election.clean().await;
}

/// A client whose requests hang once `cut` is set, as when the network is gone.
fn severable(config: Config, cut: Arc<AtomicBool>) -> Client {
    let layer = ServiceBuilder::new().map_future(move |answer| {
        let cut = cut.clone();
        async move {
            if cut.load(Ordering::SeqCst) {
                std::future::pending::<()>().await;
            }
            answer.await
        }
    });
    let builder = ClientBuilder::try_from(config).expect("a usable kubeconfig");
    builder.with_layer(&layer).build::<Box<kube::client::DynBody>>()
}
