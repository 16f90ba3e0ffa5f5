//! An authorizer besides RBAC that lets people beyond their tenant is found by asking, and forgotten when it does no more.

use super::isolation::{alices_and_bobs, isolated_within};
use super::together::Ticket;
use crate::support::{Scene, TestTenant, cluster, condition, secs, steadily, text};
use anyhow::{Context, Result, ensure};
use axum::Router;
use axum::extract::State;
use axum::routing::post;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tokio_util::task::AbortOnDropHandle;

/// Within this everybody was asked about: the API server reads its configuration anew within a minute.
const TURN: u64 = 150;
/// The webhook's reason for each approval.
const REASON: &str = "everybody is a friend here";

/// The user as whom the operator asks about the rights of everybody.
const ANYBODY: &str = "tenant-operator:proof";

/// The webhook's rule: a user and a namespace.
#[derive(Clone, Default)]
struct Door {
    /// None is everybody, but other tests' people: these would be found to reach it, too.
    user: Option<String>,
    /// The prefix of the names of this test's people.
    scene: String,
    namespace: String,
}

impl Door {
    fn admits(&self, spec: &Value) -> bool {
        let user = text(&spec["user"]);
        let is_meant = match &self.user {
            Some(name) => user == *name,
            None => {
                let is_anybody = user == ANYBODY && spec["groups"] == json!(["system:authenticated"]);
                is_anybody || user.starts_with(&self.scene)
            }
        };
        is_meant && spec["resourceAttributes"]["namespace"] == self.namespace
    }
}

type Doors = Arc<Mutex<Vec<Door>>>;

/// A webhook as an administrator may have one, and the configuration that names it, which is put back in the end.
struct Webhook {
    doors: Doors,
    config: PathBuf,
    before: String,
    kubeconfig: PathBuf,
    _serving: AbortOnDropHandle<()>,
}

async fn answer(State(doors): State<Doors>, body: String) -> String {
    let mut review: Value = serde_json::from_str(&body).unwrap_or_default();
    let doors = doors.lock().unwrap_or_else(PoisonError::into_inner);
    let allowed = doors.iter().any(|door| door.admits(&review["spec"]));
    review["status"] = json!({"allowed": allowed, "reason": if allowed { REASON } else { "" }});
    review.to_string()
}

impl Webhook {
    async fn start(config: &str) -> Result<Self> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let at = listener.local_addr()?;
        let doors = Doors::default();
        let router = Router::new().route("/", post(answer)).with_state(doors.clone());
        let serving = tokio::spawn(async move {
            let _ = axum::serve(listener, router).await;
        });
        let config = PathBuf::from(config);
        let kubeconfig = config.with_file_name("webhook.kubeconfig");
        let cluster = json!({"name": "hook", "cluster": {"server": format!("http://{at}/")}});
        let context = json!({"name": "hook", "context": {"cluster": "hook", "user": "hook"}});
        let whole = json!({"apiVersion": "v1", "kind": "Config", "current-context": "hook", "clusters": [cluster],
                           "contexts": [context], "users": [{"name": "hook", "user": {}}]});
        std::fs::write(&kubeconfig, whole.to_string())?;
        let before = std::fs::read_to_string(&config).with_context(|| config.display().to_string())?;
        let webhook = json!({
            "type": "Webhook", "name": "hook",
            "webhook": {
                "timeout": "3s", "failurePolicy": "NoOpinion", "authorizedTTL": "1s", "unauthorizedTTL": "1s",
                "subjectAccessReviewVersion": "v1", "matchConditionSubjectAccessReviewVersion": "v1",
                "connectionInfo": {"type": "KubeConfigFile", "kubeConfigFile": kubeconfig},
                // The system's own people need no friends.
                "matchConditions": [{"expression": "!request.user.startsWith('system:')"}]
            }
        });
        replace(&config, &format!("{}\n  - {webhook}\n", before.trim_end()))?;
        Ok(Self {
            doors,
            config,
            before,
            kubeconfig,
            _serving: AbortOnDropHandle::new(serving),
        })
    }

    fn open(&self, doors: &[Door]) {
        *self.doors.lock().unwrap_or_else(PoisonError::into_inner) = doors.to_vec();
    }
}

impl Drop for Webhook {
    fn drop(&mut self) {
        let _ = replace(&self.config, &self.before);
        let _ = std::fs::remove_file(&self.kubeconfig);
    }
}

/// The API server must not read half of it.
fn replace(path: &Path, text: &str) -> Result<()> {
    let new = path.with_extension("new");
    std::fs::write(&new, text)?;
    Ok(std::fs::rename(&new, path)?)
}

pub async fn what_another_authorizer_allows_is_found(restart: Ticket<'_>) -> Result<()> {
    let Some(config) = cluster::local().and_then(|env| env.get("AUTHORIZATION_CONFIG").cloned()) else {
        cluster::skipped(
            "what_another_authorizer_allows_is_found",
            "the API server's configuration is not at hand (CLUSTER=local has it)",
        );
        return Ok(());
    };
    let scene = Scene::new("asked").await?;
    let (a, b) = alices_and_bobs(&scene).await?;
    let bob = format!("{}-bob", scene.name);
    let isolated =
        async |tenant: &TestTenant, status: &str, words: &[&str]| isolated_within(TURN, tenant, status, words).await;
    for tenant in [&a, &b] {
        isolated(tenant, "True", &["api-access"]).await?;
    }
    let webhook = Webhook::start(&config).await?;

    let namespace = a.name.clone();
    webhook.open(&[Door {
        user: Some(bob.clone()),
        scene: scene.name.clone(),
        namespace: namespace.clone(),
    }]);
    let title = format!("User {bob}");
    let words = ["api-access", &title, &namespace, REASON];
    for (tenant, other, direction) in [(&b, &a, "Outward"), (&a, &b, "Inward")] {
        let now = isolated(tenant, "False", &words).await?;
        let violation = &now["status"]["isolation"]["violations"][0];
        ensure!(
            violation["direction"] == direction && violation["openedBy"] == "Platform",
            "{violation}"
        );
        ensure!(text(&violation["counterpart"]) == other.name, "{violation}");
    }

    // Another process does not call it closed before it has asked.
    restart.restarted(&scene.cluster).await?;
    steadily("what was found to stand", secs(20), async || {
        for tenant in [&a, &b] {
            let now = condition(&tenant.get().await?, "Isolated").cloned().unwrap_or_default();
            ensure!(
                now["status"] == "False" && text(&now["message"]).contains(REASON),
                "{now}"
            );
        }
        Ok(())
    })
    .await?;

    webhook.open(&[Door {
        user: None,
        scene: scene.name.clone(),
        namespace: namespace.clone(),
    }]);
    let words = ["api-access", "everybody with credentials", &namespace, REASON];
    let now = isolated(&a, "False", &words).await?;
    ensure!(
        now["status"]["isolation"]["violations"][0]["direction"] == "Inward",
        "{}",
        now["status"]["isolation"]
    );

    webhook.open(&[]);
    for tenant in [&a, &b] {
        isolated(tenant, "True", &["api-access"]).await?;
    }
    Ok(())
}
