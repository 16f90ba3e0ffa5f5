//! A client as the operator has it.

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use std::path::PathBuf;
use tenant_operator::cluster::client;
use tenant_operator::telemetry::metrics::Metrics;

/// Returns the configuration of `KUBECONFIG`, else of the repository's own cluster. Panics with the missing condition: a skipped test proves nothing.
pub async fn config() -> Config {
    let own = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/cluster/kubeconfig");
    let path = std::env::var_os("KUBECONFIG")
        .filter(|path| !path.is_empty())
        .map_or_else(own, PathBuf::from);
    let hint = "this test needs a Kubernetes API server: `make up`, or set KUBECONFIG";
    let file = Kubeconfig::read_from(&path).unwrap_or_else(|error| panic!("{hint} ({}: {error})", path.display()));
    let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default())
        .await
        .unwrap_or_else(|error| panic!("{hint} ({}: {error})", path.display()));
    let client = client::client(config.clone(), Metrics::new()).expect("a usable kubeconfig");
    if let Err(error) = client.apiserver_version().await {
        panic!("{hint} ({} answers: {error})", path.display());
    }
    config
}

/// A client of [`config`], as the operator's.
pub async fn client() -> Client {
    client::client(config().await, Metrics::new()).expect("a usable kubeconfig")
}
