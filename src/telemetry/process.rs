//! The process's own use of CPU and memory, read from `/proc/self` on each scrape.

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use std::fmt;
use std::fs;

/// The unit of CPU times in `/proc`, per second: Linux shows this one to programs, whatever the kernel's own tick.
const USER_HZ: f64 = 100.0;

/// Collects `process_cpu_seconds_total`, `process_resident_memory_bytes` and `process_resident_memory_peak_bytes`.
#[derive(Debug)]
pub(super) struct Process;

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        if let Some(seconds) = fs::read_to_string("/proc/self/stat")
            .ok()
            .as_deref()
            .and_then(cpu_seconds)
        {
            let metric = ConstCounter::new(seconds);
            let help = "User and system CPU time in seconds";
            metric.encode(encoder.encode_descriptor("process_cpu_seconds", help, None, metric.metric_type())?)?;
        }
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let gauges = [
            ("process_resident_memory_bytes", "Resident memory in bytes", "VmRSS:"),
            (
                "process_resident_memory_peak_bytes",
                "Largest resident memory so far in bytes",
                "VmHWM:",
            ),
        ];
        for (name, help, field) in gauges {
            if let Some(bytes) = memory_bytes(&status, field) {
                let metric = ConstGauge::new(bytes);
                metric.encode(encoder.encode_descriptor(name, help, None, metric.metric_type())?)?;
            }
        }
        Ok(())
    }
}

/// From the text of `/proc/self/stat`: user plus system time, fields 14 and 15.
fn cpu_seconds(stat: &str) -> Option<f64> {
    // The second field is the program's name in parentheses, which may contain blanks and parentheses.
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_ascii_whitespace().skip(11);
    let user: u32 = fields.next()?.parse().ok()?;
    let system: u32 = fields.next()?.parse().ok()?;
    Some((f64::from(user) + f64::from(system)) / USER_HZ)
}

/// From the text of `/proc/self/status`: the field, which is in KiB, in bytes.
fn memory_bytes(status: &str, field: &str) -> Option<i64> {
    let rest = status.lines().find_map(|line| line.strip_prefix(field))?;
    let kib: i64 = rest.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_proc() {
        let stat = "42 (a b) c)) S 1 42 42 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 4 0 100";
        assert_eq!(cpu_seconds(stat), Some(3.0));
        assert_eq!(cpu_seconds("nonsense"), None);
        let status = "VmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n";
        assert_eq!(memory_bytes(status, "VmRSS:"), Some(1 << 20));
        assert_eq!(memory_bytes(status, "VmHWM:"), Some(2 << 20));
        assert_eq!(memory_bytes(status, "VmSwap:"), None);
    }
}
