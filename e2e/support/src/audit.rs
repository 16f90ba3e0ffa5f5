//! The API server's audit log: each write with its user and time.

use super::cluster::{self, text};
use anyhow::{Context, Result};
use serde_json::Value;
use std::fs::File;
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::path::PathBuf;

/// A place in the log, from which on it is read.
pub struct Audit {
    file: PathBuf,
    from: u64,
}

/// One request that changed something, or tried to.
#[derive(Clone, Debug)]
pub struct Write {
    pub user: String,
    /// The pod whose token was used, when it was a pod's.
    pub pod: String,
    pub verb: String,
    pub resource: String,
    pub subresource: String,
    pub namespace: String,
    pub name: String,
    pub code: u64,
    /// The time of the answer.
    pub at: String,
}

impl Audit {
    /// True where the tests can read the API server's log. Elsewhere it says aloud that the test is skipped.
    pub fn is_kept(test: &str) -> bool {
        let is_kept = file().is_some();
        if !is_kept {
            cluster::skipped(
                test,
                "no audit log of this cluster is at hand (CLUSTER=local and CLUSTER=kind have one, AUDIT_LOG names another)",
            );
        }
        is_kept
    }

    /// The log from now on. An error where [`Audit::is_kept`] is false.
    pub fn now() -> Result<Self> {
        let file = file().context("no audit log of this cluster is at hand")?;
        let from = std::fs::metadata(&file)
            .with_context(|| format!("no audit log {}", file.display()))?
            .len();
        Ok(Self { file, from })
    }

    /// Every write since, dry runs left out.
    pub fn writes(&self) -> Result<Vec<Write>> {
        let mut file = File::open(&self.file)?;
        // The API server starts a new file when this one is large.
        let start = if file.metadata()?.len() < self.from {
            0
        } else {
            self.from
        };
        file.seek(SeekFrom::Start(start))?;
        let mut writes = Vec::new();
        for line in BufReader::new(file).lines() {
            let Ok(event) = serde_json::from_str::<Value>(&line?) else {
                continue;
            };
            let verb = text(&event["verb"]);
            let dry = text(&event["requestURI"]).contains("dryRun");
            if matches!(
                verb.as_str(),
                "create" | "update" | "patch" | "delete" | "deletecollection"
            ) && !dry
            {
                writes.push(read(&event, verb));
            }
        }
        Ok(writes)
    }

    /// Returns the operator's later writes, without leases, events and reviews of rights.
    pub fn operator_writes(&self) -> Result<Vec<Write>> {
        let counted = |w: &Write| {
            w.user == super::operator::USER
                && !matches!(w.resource.as_str(), "leases" | "events")
                && !w.resource.ends_with("reviews")
        };
        Ok(self.writes()?.into_iter().filter(counted).collect())
    }
}

/// The log of the cluster that the tests run on. `AUDIT_LOG` may name it.
fn file() -> Option<PathBuf> {
    let named = std::env::var_os("AUDIT_LOG").filter(|file| !file.is_empty());
    if let Some(file) = named {
        return Some(PathBuf::from(file));
    }
    if let Some(env) = cluster::local() {
        return env.get("AUDIT_LOG").map(PathBuf::from);
    }
    // A kind cluster that was made without e2e/kind/cluster.yaml writes nothing into it.
    let file = cluster::kind_folder().join("audit/audit.log");
    let is_written = file.metadata().is_ok_and(|file| file.len() > 0);
    (cluster::is_kind() && is_written).then_some(file)
}

fn read(event: &Value, verb: String) -> Write {
    let object = &event["objectRef"];
    let pod = &event["user"]["extra"]["authentication.kubernetes.io/pod-name"][0];
    Write {
        user: text(&event["user"]["username"]),
        pod: text(pod),
        verb,
        resource: text(&object["resource"]),
        subresource: text(&object["subresource"]),
        namespace: text(&object["namespace"]),
        name: text(&object["name"]),
        code: event["responseStatus"]["code"].as_u64().unwrap_or_default(),
        at: text(&event["stageTimestamp"]),
    }
}
