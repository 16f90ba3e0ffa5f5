//! The platforms of `examples/`, applied and removed by the command that users have.

use super::REPOSITORY;
use anyhow::{Context, Result, ensure};
use std::process::Command;
use std::time::Duration;

/// Those that `examples/` has.
pub const NAMES: [&str; 5] = ["agentic-apisix", "carebot", "eyewearml", "hotdash", "riscura"];

/// Applies one and waits until all its tenants are Ready. Returns the time for that, from `kubectl apply` on.
pub async fn apply(name: &'static str) -> Result<Duration> {
    let said = make(name, &[]).await?;
    let after = |line: &str| line.strip_prefix("all Ready after ")?.split(' ').next()?.parse().ok();
    let seconds = said.lines().find_map(after).with_context(|| said.clone())?;
    Ok(Duration::from_secs(seconds))
}

/// Removes one, unless `E2E_KEEP` is set.
pub async fn remove(name: &'static str) -> Result<()> {
    if std::env::var_os("E2E_KEEP").is_none() {
        make(name, &[("DELETE", "1")]).await.context("removing it")?;
    }
    Ok(())
}

/// `make example`, with the application that the suite's build made: inside a test cargo would compile anew.
async fn make(name: &'static str, variables: &[(&str, &str)]) -> Result<String> {
    let test = std::env::current_exe()?;
    let application = test.ancestors().nth(2).context("no target folder")?.join("example-app");
    let mut command = Command::new("e2e/example.sh");
    command.current_dir(REPOSITORY);
    command.env("NAME", name).env("EXAMPLE_APP", application);
    command.envs(variables.iter().copied());
    let output = tokio::task::spawn_blocking(move || command.output()).await??;
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "e2e/example.sh {name} {variables:?}: {said}");
    Ok(said)
}
