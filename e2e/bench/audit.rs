//! The operator's requests to the API server, from the audit log.

use anyhow::{Context, Result};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// A place in the log.
#[derive(Clone)]
pub struct Mark {
    file: PathBuf,
    at: u64,
}

/// Requests of one user between two places in the log.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// Reads and writes of other resources than leases, events, DatabaseServers, reviews of rights and dry runs; watches left out.
    pub requests: u64,
    /// Those of them that change something, refused ones included.
    pub writes: u64,
    pub watches: u64,
    pub leases: u64,
    /// Statuses of DatabaseServers, which say when each was last looked at.
    pub servers: u64,
    pub events: u64,
    /// Requests of the isolation checks: dry runs that the API server should refuse, and reviews of rights.
    pub dry_runs: u64,
    pub reviews: u64,
    /// Requests by verb, resource and status code, for a closer look.
    pub by_kind: BTreeMap<String, u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    stage: String,
    verb: String,
    #[serde(rename = "requestURI")]
    uri: String,
    user: User,
    #[serde(default)]
    object_ref: Object,
    #[serde(default)]
    response_status: Response,
}

#[derive(Deserialize)]
struct User {
    username: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Object {
    resource: String,
    subresource: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Response {
    code: u16,
}

impl Mark {
    /// The end of the log as it is now.
    pub fn now(file: &Path) -> Result<Self> {
        let at = std::fs::metadata(file)
            .with_context(|| format!("no audit log {}", file.display()))?
            .len();
        Ok(Self { file: file.into(), at })
    }

    /// Counts the later requests of `user`.
    pub fn since(&self, user: &str) -> Result<Counts> {
        let mut file = File::open(&self.file)?;
        file.seek(SeekFrom::Start(self.at))?;
        let mut counts = Counts::default();
        for line in BufReader::new(file).lines() {
            let line = line?;
            // Parsing all of a busy minute takes longer than it lasts.
            if line.contains(user)
                && let Ok(entry) = serde_json::from_str::<Entry>(&line)
                && entry.user.username == user
            {
                counts.take(&entry);
            }
        }
        Ok(counts)
    }
}

impl Counts {
    fn take(&mut self, entry: &Entry) {
        let Object { resource, subresource } = &entry.object_ref;
        if entry.verb == "watch" {
            self.watches += u64::from(entry.stage == "ResponseStarted");
            return;
        }
        if entry.stage != "ResponseComplete" {
            return;
        }
        match resource.as_str() {
            _ if entry.uri.contains("dryRun=") => self.dry_runs += 1,
            reviews if reviews.ends_with("reviews") => self.reviews += 1,
            "leases" => self.leases += 1,
            "events" => self.events += 1,
            "databaseservers" => self.servers += 1,
            _ => {
                self.requests += 1;
                let changes = !matches!(entry.verb.as_str(), "get" | "list");
                self.writes += u64::from(changes);
                let slash = if subresource.is_empty() { "" } else { "/" };
                let name = format!(
                    "{} {resource}{slash}{subresource} {}",
                    entry.verb, entry.response_status.code
                );
                *self.by_kind.entry(name).or_default() += 1;
            }
        }
    }
}
