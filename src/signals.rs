//! Signals that end the process.

use tokio::signal::unix::{SignalKind, signal};

/// Returns at SIGTERM or SIGINT; the first process of a container has no other way to notice.
pub async fn told_to_end() {
    let wait = |kind| async move {
        match signal(kind) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(error) => {
                tracing::error!(%error, "signals cannot be received");
                std::future::pending().await
            }
        }
    };
    tokio::select! {
        () = wait(SignalKind::terminate()) => {}
        () = wait(SignalKind::interrupt()) => {}
    }
}
