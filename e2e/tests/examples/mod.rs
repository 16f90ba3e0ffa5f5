//! The five platforms of `examples/`, each applied as its README says, and checked line by line. `examples/STATUS.md` lists the lines.

mod agentic_apisix;
mod carebot;
mod eyewearml;
mod hotdash;
mod riscura;
mod status;

use crate::support::database::Site;
use crate::support::example::{apply, remove};
use crate::support::gateway::Door;
use crate::support::{Cluster, REPOSITORY, TestTenant, admin};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use status::State;
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A platform in the cluster.
pub struct Example {
    pub name: &'static str,
    pub cluster: Cluster,
    pub door: Door,
    pub site: Site,
    checked: Mutex<BTreeSet<u8>>,
    failed: Mutex<Vec<String>>,
}

/// Applies the platform, lets `check` look at it, and removes it again, also after a failure.
pub async fn on(name: &'static str, check: impl AsyncFn(&Example) -> Result<()>) -> Result<()> {
    let (Some(door), Some(site)) = (Door::find(name), Site::find(name)) else {
        return Ok(());
    };
    let applied = apply(name).await;
    if applied.is_err() {
        remove(name).await.ok();
    }
    applied?;
    let example = Example {
        name,
        cluster: admin().await?,
        door,
        site,
        checked: Mutex::default(),
        failed: Mutex::default(),
    };
    let outcome = check(&example).await;
    remove(name).await?;
    outcome?;
    example.all_checked()
}

impl Example {
    pub fn tenant(&self, name: &str) -> TestTenant {
        TestTenant::new(self.cluster.clone(), name)
    }

    /// One line of the platform's, by its number. A failure does not keep the next from being checked.
    pub async fn line(&self, number: u8, check: impl AsyncFnOnce() -> Result<()>) {
        let begun = Instant::now();
        let outcome = check().await;
        let text = status::line(self.name, number).map_or("not in STATUS.md", |line| line.text);
        println!(
            "{} {number}: {text}: {} ({:.1} s)",
            self.name,
            if outcome.is_ok() { "ok" } else { "FAILED" },
            begun.elapsed().as_secs_f32()
        );
        lock(&self.checked).insert(number);
        if let Err(error) = outcome {
            lock(&self.failed).push(format!("{number}: {text}: {error:#}"));
        }
    }

    /// Fails where a line failed, or where STATUS.md says that one passes and none was checked, or the reverse.
    fn all_checked(&self) -> Result<()> {
        let failed = lock(&self.failed);
        ensure!(failed.is_empty(), "{}:\n{}", self.name, failed.join("\n"));
        let passes = status::LINES
            .iter()
            .filter(|line| line.platform == self.name && matches!(line.state, State::Passes));
        let passes: BTreeSet<u8> = passes.map(|line| line.number).collect();
        let checked = lock(&self.checked).clone();
        ensure!(
            passes == checked,
            "{}: STATUS.md says {passes:?}, checked were {checked:?}",
            self.name
        );
        Ok(())
    }

    /// An `Authorization` header with a token of the platform's issuer.
    pub async fn token(&self, claims: Value) -> Result<String> {
        let mut command = Command::new("examples/token.py");
        command
            .current_dir(REPOSITORY)
            .args(["token", self.name, &claims.to_string()]);
        let output = tokio::task::spawn_blocking(move || command.output()).await??;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(format!(
            "Authorization: Bearer {}",
            String::from_utf8(output.stdout)?.trim()
        ))
    }

    /// What the application says of itself and of the request.
    pub async fn whoami(&self, host: &str, prefix: &str, headers: &[&str]) -> Result<Value> {
        let answer = self
            .door
            .answers(200, host, &format!("{prefix}/whoami"), headers)
            .await?;
        serde_json::from_str(&answer.body).with_context(|| answer.body.clone())
    }

    /// Texts of the rows that a request there sees.
    pub async fn rows(&self, host: &str, prefix: &str, headers: &[&str]) -> Result<Vec<String>> {
        let answer = self.door.answers(200, host, &format!("{prefix}/rows"), headers).await?;
        let body: Value = serde_json::from_str(&answer.body).with_context(|| answer.body.clone())?;
        let rows = body["rows"].as_array().context("no rows")?;
        Ok(rows
            .iter()
            .map(|row| row["text"].as_str().unwrap_or_default().to_owned())
            .collect())
    }

    /// Adds a row, and returns the tenant that the table has for it.
    pub async fn add(&self, host: &str, prefix: &str, headers: &[&str], text: &str) -> Result<Value> {
        let answer = self.door.post(host, &format!("{prefix}/rows"), headers, text).await?;
        ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
        let body: Value = serde_json::from_str(&answer.body)?;
        Ok(body["rows"][0]["tenant"].clone())
    }

    /// Sends `count` requests within one minute of the clock, in which the gateway counts. Returns how many each status had.
    pub async fn within_a_minute(
        &self,
        host: &str,
        path: &str,
        header: &str,
        count: usize,
    ) -> Result<BTreeMap<u16, usize>> {
        let second = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs() % 60;
        // Some thirty a second, at least: other tests keep the machine busy.
        if second + count as u64 / 30 > 55 {
            tokio::time::sleep(Duration::from_secs(61 - second)).await;
        }
        self.send(host, path, header, count).await
    }

    /// Sends `count` requests, one after the other. Returns how many each status had.
    pub async fn send(&self, host: &str, path: &str, header: &str, count: usize) -> Result<BTreeMap<u16, usize>> {
        let mut found = BTreeMap::new();
        for code in self.door.without_a_pause(host, path, &[header], count).await? {
            *found.entry(code).or_default() += 1;
        }
        Ok(found)
    }

    /// Of more requests at once than the tenant may have, all on one route, the tenant's number is answered and the others are refused; then one passes again.
    pub async fn at_once(&self, host: &str, prefix: &str, header: &str, limit: usize, sent: usize) -> Result<()> {
        // Longer than it takes to send them all.
        let slow = format!("{prefix}/slow?ms=5000");
        let mut found: BTreeMap<u16, usize> = BTreeMap::new();
        for code in self.door.at_once(host, &slow, &[header], sent).await? {
            *found.entry(code).or_default() += 1;
        }
        ensure!(
            found == BTreeMap::from([(200, limit), (503, sent - limit)]),
            "{limit} of {sent}: {found:?}"
        );
        self.door.answers(200, host, prefix, &[header]).await.map(|_| ())
    }

    /// Every request up to the limit of a minute passes and the next does not, however many of them came before.
    pub async fn limit(&self, host: &str, path: &str, header: &str, limit: usize) -> Result<()> {
        let found = self.within_a_minute(host, path, header, limit + 1).await?;
        let of = |status: u16| found.get(&status).copied().unwrap_or_default();
        ensure!(
            of(200) <= limit && of(429) >= 1 && of(200) + of(429) == limit + 1,
            "{limit}: {found:?}"
        );
        // Other checks may have used some of it.
        ensure!(of(200) + 20 >= limit, "{limit}: {found:?}");
        let refused = self.door.answers(429, host, path, &[header]).await?;
        let after: u64 = refused.headers.get("retry-after").context("no Retry-After")?.parse()?;
        ensure!((1..=60).contains(&after), "Retry-After: {after}");
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[test]
fn status_md_is_what_the_tests_say() -> Result<()> {
    let path = format!("{REPOSITORY}/examples/STATUS.md");
    let wanted = status::document();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &wanted)?;
    }
    let found = std::fs::read_to_string(&path)?;
    ensure!(
        found == wanted,
        "examples/STATUS.md should have (UPDATE=1 writes it):\n{wanted}"
    );
    Ok(())
}
