//! The operator's statements to PostgreSQL, from the server's log.

use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// The end of the log's prefix for the operator's statements, as itself or as one of its tenants.
const OURS: &str = "app=tenant-operator LOG:  ";
const AS_TENANT: &str = "user=t_";
const CONNECTED: &str = "LOG:  connection authorized: user=";

/// A place in the log.
pub struct Place {
    file: PathBuf,
    at: u64,
}

/// Statements between two places in the log.
#[derive(Clone, Debug, Default)]
pub struct Statements {
    pub all: u64,
    /// Those among them that try a tenant's login.
    pub trials: u64,
    /// Connections that were made.
    pub connections: u64,
    /// Counts by first words, for a closer look.
    pub by_kind: BTreeMap<String, u64>,
}

impl Place {
    /// The end of the log as it is now.
    pub fn now(file: &Path) -> Result<Self> {
        let at = std::fs::metadata(file)
            .with_context(|| format!("no log {}", file.display()))?
            .len();
        Ok(Self { file: file.into(), at })
    }

    /// Counts the later statements.
    pub fn since(&self) -> Result<Statements> {
        let mut file = File::open(&self.file)?;
        file.seek(SeekFrom::Start(self.at))?;
        let mut statements = Statements::default();
        for line in BufReader::new(file).split(b'\n') {
            statements.take(&String::from_utf8_lossy(&line?));
        }
        Ok(statements)
    }
}

impl Statements {
    fn take(&mut self, line: &str) {
        if line.contains(CONNECTED) && !line.contains("user=postgres") {
            self.connections += 1;
        }
        // `statement: TEXT`, or `execute NAME: TEXT`.
        let Some((prefix, said)) = line.split_once(OURS) else {
            return;
        };
        let Some((_, text)) = said
            .split_once(": ")
            .filter(|(kind, _)| *kind == "statement" || kind.starts_with("execute "))
        else {
            return;
        };
        self.all += 1;
        let trial = prefix.contains(AS_TENANT);
        self.trials += u64::from(trial);
        let kind = if trial { "login".to_string() } else { first_words(text) };
        *self.by_kind.entry(kind).or_default() += 1;
    }
}

/// Returns a statement's command without its object.
fn first_words(text: &str) -> String {
    if text.starts_with("--") {
        return "catalog".into();
    }
    let count = match text.split(' ').next() {
        Some("ALTER" | "CREATE" | "DROP" | "LOCK" | "INSERT") => 2,
        _ => 1,
    };
    text.split(' ').take(count).collect::<Vec<_>>().join(" ")
}
