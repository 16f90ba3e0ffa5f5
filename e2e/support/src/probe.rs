//! Connections between pods.

use super::{eventually, kubectl, secs};
use anyhow::{Result, bail, ensure};

/// From where: namespace and pod of a server.
#[derive(Clone, Copy)]
pub struct From<'a>(pub &'a str, pub &'a str);

/// Tries a TCP connection from a pod; `None` when it opens, else how it failed.
async fn failure(from: From<'_>, target: &str) -> Result<Option<String>> {
    let words = [
        "exec",
        "-n",
        from.0,
        from.1,
        "--",
        "/agnhost",
        "connect",
        "--timeout=2s",
        target,
    ];
    let output = kubectl::output(&words).await?;
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    if output.status.success() {
        return Ok(None);
    }
    // Anything but agnhost's own verdicts means that nothing was probed.
    match ["TIMEOUT", "REFUSED", "DNS", "OTHER"]
        .into_iter()
        .find(|verdict| said.contains(verdict))
    {
        Some(verdict) => Ok(Some(verdict.to_owned())),
        None => bail!("the probe from {}/{} did not run: {said}", from.0, from.1),
    }
}

/// The connection opens, at the latest after some seconds: rules and endpoints take a moment.
pub async fn open(why: &str, from: From<'_>, target: &str) -> Result<()> {
    eventually(
        &format!("{why}: {}/{} to reach {target}", from.0, from.1),
        secs(20),
        async || match failure(from, target).await? {
            None => Ok(()),
            Some(verdict) => bail!("{verdict}"),
        },
    )
    .await
}

/// The connection is dropped, at once and again.
pub async fn closed(why: &str, from: From<'_>, target: &str) -> Result<()> {
    for _ in 0..2 {
        let verdict = failure(from, target).await?;
        ensure!(verdict.is_some(), "{why}: {}/{} reached {target}", from.0, from.1);
        ensure!(
            verdict.as_deref() != Some("DNS"),
            "{why}: {}/{} did not find {target}",
            from.0,
            from.1
        );
    }
    Ok(())
}

/// The connection is dropped once a change has arrived.
pub async fn closes(why: &str, from: From<'_>, target: &str) -> Result<()> {
    eventually(
        &format!("{why}: {}/{} no longer to reach {target}", from.0, from.1),
        secs(20),
        async || {
            ensure!(failure(from, target).await?.is_some(), "it does");
            Ok(())
        },
    )
    .await
}
