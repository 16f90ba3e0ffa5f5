//! CPU time of the gateway's proxies, which run on this machine.

use std::fs::{read, read_dir, read_to_string};
use std::path::PathBuf;
use std::time::Duration;
use tenant_operator::gateway::Attachment;

/// The processes of the proxies of one Gateway.
pub struct Proxies {
    processes: Vec<PathBuf>,
}

impl Proxies {
    /// Finds those whose command line names the Gateway. None where they run elsewhere.
    pub fn of(gateway: &Attachment) -> Option<Self> {
        let cluster = format!("--service-cluster\0{}/{}\0", gateway.namespace, gateway.name);
        let is_proxy = |process: &PathBuf| {
            let command = read(process.join("cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&command).contains(&cluster)
        };
        let entries = read_dir("/proc").into_iter().flatten().flatten();
        let processes: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(is_proxy).collect();
        (!processes.is_empty()).then_some(Self { processes })
    }

    /// Returns the time that they have run, of all threads together.
    pub fn used(&self) -> Duration {
        let threads = self.processes.iter().flat_map(|process| read_dir(process.join("task")));
        let times = threads.flatten().flatten().filter_map(|thread| {
            let text = read_to_string(thread.path().join("schedstat")).ok()?;
            text.split(' ').next()?.parse::<u64>().ok()
        });
        Duration::from_nanos(times.sum())
    }
}
