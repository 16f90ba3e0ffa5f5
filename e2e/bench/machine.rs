//! The machine of the measurement.

use crate::cluster::Cluster;
use anyhow::Result;
use k8s_openapi::jiff::Timestamp;
use std::fs::read_to_string;

pub struct Machine {
    pub date: String,
    pub cores: usize,
    pub processor: String,
    pub memory_gib: u64,
    pub kernel: String,
    pub kubernetes: String,
    pub revision: String,
}

impl Machine {
    pub async fn look(cluster: &Cluster, revision: &str) -> Result<Self> {
        let cpus = read_to_string("/proc/cpuinfo").unwrap_or_default();
        let memory = read_to_string("/proc/meminfo").unwrap_or_default();
        let kib = field(&memory, "MemTotal")
            .split(' ')
            .next()
            .and_then(|kib| kib.parse::<u64>().ok())
            .unwrap_or(0);
        Ok(Self {
            date: Timestamp::now().strftime("%Y-%m-%d %H:%M UTC").to_string(),
            cores: std::thread::available_parallelism()?.get(),
            processor: field(&cpus, "model name"),
            memory_gib: kib.div_ceil(1 << 20),
            kernel: read_to_string("/proc/sys/kernel/osrelease")
                .unwrap_or_default()
                .trim()
                .into(),
            kubernetes: cluster.client.apiserver_version().await?.git_version,
            revision: revision.into(),
        })
    }

    /// Returns all but the date; `more` stands between the versions of Kubernetes and of the operator.
    pub fn line(&self, more: &str) -> String {
        format!(
            "{} cores ({}), {} GiB, Linux {}, Kubernetes {}{more}, tenant-operator {} at {}.",
            self.cores,
            self.processor,
            self.memory_gib,
            self.kernel,
            self.kubernetes,
            env!("CARGO_PKG_VERSION"),
            self.revision,
        )
    }
}

/// The value of the first line `name: value`.
fn field(text: &str, name: &str) -> String {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix(':'));
    line.unwrap_or("unknown").trim().to_string()
}
