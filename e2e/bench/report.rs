//! The table, and its place in the record.

use crate::audit::Counts;
use crate::phases::Figures;
use crate::timing::percentile;
use anyhow::{Context, Result};
use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

/// Where the newest table is put in the record.
const HERE: &str = "<!-- newest first -->\n";
const MIB: f64 = 1024.0 * 1024.0;

/// What must be reached.
const MOST_RATIO: f64 = 1.5;
const MOST_MEMORY_MIB: f64 = 64.0;

impl Figures {
    fn ratio(&self) -> f64 {
        self.fleet.total.as_secs_f64() / self.floor.total.as_secs_f64()
    }

    fn peak_mib(&self) -> f64 {
        self.used.peak_memory.max(self.restart_used.peak_memory) / MIB
    }

    /// Every bound that was not kept.
    pub fn missed(&self) -> Vec<String> {
        let bounds = [
            (
                self.ratio() > MOST_RATIO,
                format!("{:.2} times the floor, not {MOST_RATIO}", self.ratio()),
            ),
            (
                self.peak_mib() > MOST_MEMORY_MIB,
                format!("{:.1} MiB of memory, not {MOST_MEMORY_MIB}", self.peak_mib()),
            ),
            (
                self.quiet_asked.writes > 0,
                format!("{} writes in the quiet, not 0", self.quiet_asked.writes),
            ),
            (
                self.restart_asked.writes > 0,
                format!("{} writes after the restart, not 0", self.restart_asked.writes),
            ),
        ];
        bounds
            .into_iter()
            .filter_map(|(missed, what)| missed.then_some(what))
            .collect()
    }
}

/// All figures as Markdown.
pub fn table(figures: &Figures) -> String {
    let Figures {
        tenants,
        machine,
        floor,
        fleet,
        asked,
        used,
        quiet_asked,
        restart_asked,
        restart_used,
        ..
    } = figures;
    let share = |part: f64| part / *tenants as f64;
    let seconds = |duration: Duration| format!("{:.2} s", duration.as_secs_f64());
    let rows = [
        ("floor: all Ready", seconds(floor.total)),
        ("floor: all objects written", seconds(floor.written)),
        ("floor: writes per tenant", format!("{:.1}", share(floor.writes as f64))),
        (
            "floor: writes per second until all were written",
            format!("{:.0}", floor.writes as f64 / floor.written.as_secs_f64()),
        ),
        ("**operator: all Ready**", format!("**{}**", seconds(fleet.total))),
        (
            "**operator / floor** (at most 1.5)",
            format!("**{:.2}**", figures.ratio()),
        ),
        ("create to Ready: p50", seconds(percentile(&fleet.each, 0.50))),
        ("create to Ready: p95", seconds(percentile(&fleet.each, 0.95))),
        ("create to Ready: p99", seconds(percentile(&fleet.each, 0.99))),
        (
            "API requests per tenant",
            format!("{:.1}", share(asked.requests as f64)),
        ),
        ("of these, writes", format!("{:.1}", share(asked.writes as f64))),
        ("apart: Events, leases, watches (in all)", apart(asked)),
        (
            "CPU of the operator",
            format!(
                "{:.2} s ({:.1} ms per tenant)",
                used.cpu_seconds,
                share(used.cpu_seconds * 1000.0)
            ),
        ),
        (
            "**peak memory** (at most 64 MiB)",
            format!("**{:.1} MiB**", used.peak_memory / MIB),
        ),
        (
            "reconciles per tenant, failed ones",
            format!("{:.1}, {:.1}", share(used.reconciles), share(used.errors)),
        ),
        ("memory when settled", format!("{:.1} MiB", used.memory / MIB)),
        ("**writes in the quiet** (0)", format!("**{}**", quiet_asked.writes)),
        ("requests in the quiet", quiet_asked.requests.to_string()),
        ("apart: Events, leases, watches", apart(quiet_asked)),
        ("restart: in sync after", seconds(figures.restart)),
        ("**restart: writes** (0)", format!("**{}**", restart_asked.writes)),
        ("restart: requests", restart_asked.requests.to_string()),
        ("apart: Events, leases, watches", apart(restart_asked)),
        (
            "restart: peak memory",
            format!("{:.1} MiB", restart_used.peak_memory / MIB),
        ),
        ("restart: CPU", format!("{:.2} s", restart_used.cpu_seconds)),
        ("removal of all tenants by the operator", seconds(figures.removal)),
    ];
    let mut text = format!("## {}: {tenants} tenants\n\n", machine.date);
    let _ = writeln!(
        text,
        "{} cores ({}), {} GiB, Linux {}, Kubernetes {}, tenant-operator {} at {}. Quiet: {} s.\n\n| | |\n|---|---|",
        machine.cores,
        machine.processor,
        machine.memory_gib,
        machine.kernel,
        machine.kubernetes,
        env!("CARGO_PKG_VERSION"),
        machine.revision,
        figures.quiet.as_secs(),
    );
    for (name, value) in rows {
        let _ = writeln!(text, "| {name} | {value} |");
    }
    for (name, counts) in [("Ready", asked), ("quiet", quiet_asked), ("restart", restart_asked)] {
        let _ = writeln!(text, "\nRequests ({name}): {}", by_kind(counts));
    }
    text
}

fn apart(counts: &Counts) -> String {
    format!("{}, {}, {}", counts.events, counts.leases, counts.watches)
}

fn by_kind(counts: &Counts) -> String {
    let all: Vec<String> = counts
        .by_kind
        .iter()
        .map(|(kind, count)| format!("{kind}: {count}"))
        .collect();
    if all.is_empty() { "none".into() } else { all.join(", ") }
}

/// Puts the table into the record.
pub fn record(file: &Path, table: &str) -> Result<()> {
    let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let (head, tail) = text
        .split_once(HERE)
        .with_context(|| format!("{} has no line {HERE}", file.display()))?;
    std::fs::write(file, format!("{head}{HERE}\n{table}{tail}"))?;
    Ok(())
}
