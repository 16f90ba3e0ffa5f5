//! `kubectl`, for tasks that need more than a request: exec, explain, and clean-up while a test fails; and `helm`.

use super::cluster;
use anyhow::{Context, Result};
use std::process::{Command, Output};

fn program(name: &str, arguments: &[&str]) -> Command {
    let local = cluster::folder().join("bin").join(name);
    let mut command = Command::new(if local.exists() { local } else { name.into() });
    command.env("KUBECONFIG", cluster::kubeconfig()).args(arguments);
    command
}

fn command(arguments: &[&str]) -> Command {
    program("kubectl", arguments)
}

/// Runs helm; its complaint as the error.
pub async fn helm(arguments: &[&str]) -> Result<()> {
    let mut command = program("helm", arguments);
    let what = format!("helm {}", arguments.join(" "));
    let output = tokio::task::spawn_blocking(move || command.output()).await??;
    let complaint = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    anyhow::ensure!(output.status.success(), "{what}: {complaint}");
    Ok(())
}

/// Runs it to its end, however that is.
pub async fn output(arguments: &[&str]) -> Result<Output> {
    let mut command = command(arguments);
    let what = format!("kubectl {}", arguments.join(" "));
    tokio::task::spawn_blocking(move || command.output())
        .await?
        .with_context(|| what)
}

/// Runs it; returns its output, or its error message.
pub async fn run(arguments: &[&str]) -> Result<String> {
    let output = output(arguments).await?;
    let complaint = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    anyhow::ensure!(output.status.success(), "kubectl {}: {complaint}", arguments.join(" "));
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs a command in a pod.
pub async fn exec(namespace: &str, pod: &str, words: &[&str]) -> Result<String> {
    let mut arguments = vec!["exec", "-n", namespace, pod, "--"];
    arguments.extend(words);
    run(&arguments).await
}

/// Runs it without a word: for clean-up where nothing can be awaited.
pub fn quietly(arguments: &[&str]) {
    let _ = command(arguments).output();
}
