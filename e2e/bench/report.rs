//! The table of a run, and its bounds.

use crate::audit::Counts;
use crate::fairness::Fairness;
use crate::phases::{Figures, Sql};
use crate::routing::Routing;
use crate::statements::Statements;
use crate::timing::percentile;
use std::fmt::Write;
use std::time::Duration;

const MIB: f64 = 1024.0 * 1024.0;

/// The targets.
const MOST_RATIO: f64 = 1.5;
/// The highest slow-down of others' reconciles beside a noisy tenant.
const MOST_SLOWING: f64 = 2.0;
/// The highest memory with up to so many tenants, and for each one beyond.
const MOST_MEMORY_MIB: [f64; 2] = [64.0, 16.0 / 1024.0];
const MEMORY_TENANTS: usize = 1000;
const MOST_CONNECTIONS: i64 = 10;
/// Each minute, however many tenants: a look or two.
const MOST_STATEMENTS: f64 = 30.0;
/// The same of trials of logins: one in three seconds at most, of six statements.
const MOST_TRIALS: f64 = 132.0;

impl Figures {
    fn ratio(&self) -> f64 {
        let sql = self.sql.as_ref().map(|sql| sql.floor.total).unwrap_or_default();
        self.fleet.total.as_secs_f64() / (self.floor.total + sql).as_secs_f64()
    }

    fn peak_mib(&self) -> f64 {
        self.used.peak_memory.max(self.restart_used.peak_memory) / MIB
    }

    fn most_mib(&self) -> f64 {
        let [own, each] = MOST_MEMORY_MIB;
        own + each * self.tenants.saturating_sub(MEMORY_TENANTS) as f64
    }

    /// Converts a count in the quiet to a rate for a minute.
    fn per_minute(&self, number: u64) -> f64 {
        number as f64 * 60.0 / self.quiet.as_secs_f64().max(1.0)
    }

    /// Converts a count in the quiet to a rate for one tenant and an hour.
    fn per_hour(&self, number: f64) -> f64 {
        number * 3600.0 / self.quiet.as_secs_f64().max(1.0) / self.tenants.max(1) as f64
    }

    /// Every bound that was not kept.
    pub fn missed(&self) -> Vec<String> {
        let bounds = [
            (
                self.ratio() > MOST_RATIO,
                format!("{:.2} times the floor, not {MOST_RATIO}", self.ratio()),
            ),
            (
                self.peak_mib() > self.most_mib(),
                format!("{:.1} MiB of memory, not {:.0}", self.peak_mib(), self.most_mib()),
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
        let sql = self.sql.iter().flat_map(|sql| {
            let most = sql.connections;
            let (trials, others) = (sql.quiet.trials, sql.quiet.all.saturating_sub(sql.quiet.trials));
            let (trials, others) = (self.per_minute(trials), self.per_minute(others));
            [
                (
                    most > MOST_CONNECTIONS,
                    format!("{most} connections, not {MOST_CONNECTIONS}"),
                ),
                (
                    others > MOST_STATEMENTS,
                    format!("{others:.1} SQL statements a minute in the quiet, not {MOST_STATEMENTS}"),
                ),
                (
                    trials > MOST_TRIALS,
                    format!("{trials:.1} SQL statements a minute in trials of logins, not {MOST_TRIALS}"),
                ),
            ]
        });
        let slowed = self.fairness.iter().map(|fairness| {
            let [median, most] = fairness.ratios();
            (
                median.max(most) > MOST_SLOWING,
                format!("others' reconciles take {median:.2} and {most:.2} times as long, not {MOST_SLOWING}"),
            )
        });
        let rewritten = self.routing.iter().map(|routing| {
            let (rewritten, changes) = (routing.rewritten, routing.changes.len());
            (
                rewritten > changes,
                format!("{changes} changes rewrote {rewritten} of the gateway's objects"),
            )
        });
        bounds
            .into_iter()
            .chain(slowed)
            .chain(rewritten)
            .chain(sql)
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
    let statements = figures.sql.as_ref().map_or(0, |sql| sql.quiet.all);
    let hourly = format!(
        "{:.1} ms, {:.1}, {:.1}, {:.1}",
        figures.per_hour(figures.quiet_used.cpu_seconds * 1000.0),
        figures.per_hour(quiet_asked.requests as f64),
        figures.per_hour((quiet_asked.dry_runs + quiet_asked.reviews) as f64),
        figures.per_hour(statements as f64),
    );
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
        (
            "apart: Events, leases, watches, DatabaseServers' statuses (in all)",
            apart(asked),
        ),
        (
            "of the proof, per tenant: dry runs, reviews of rights",
            format!(
                "{:.1}, {:.1}",
                share(asked.dry_runs as f64),
                share(asked.reviews as f64)
            ),
        ),
        (
            "CPU of the operator",
            format!(
                "{:.2} s ({:.1} ms per tenant)",
                used.cpu_seconds,
                share(used.cpu_seconds * 1000.0)
            ),
        ),
        (
            "**peak memory** (at most 64 MiB, and 16 KiB for each tenant beyond 1000)",
            format!("**{:.1} MiB** ({:.1})", used.peak_memory / MIB, figures.most_mib()),
        ),
        (
            "reconciles per tenant, failed ones",
            format!("{:.1}, {:.1}", share(used.reconciles), share(used.errors)),
        ),
        ("memory when settled", format!("{:.1} MiB", used.memory / MIB)),
        ("**writes in the quiet** (0)", format!("**{}**", quiet_asked.writes)),
        ("requests in the quiet", quiet_asked.requests.to_string()),
        ("apart: Events, leases, watches, statuses", apart(quiet_asked)),
        (
            "of the proof in the quiet: dry runs, reviews of rights",
            format!("{}, {}", quiet_asked.dry_runs, quiet_asked.reviews),
        ),
        (
            "for one tenant and hour of quiet: CPU, requests, of the proof, SQL",
            hourly,
        ),
        ("restart: in sync after", seconds(figures.restart)),
        ("**restart: writes** (0)", format!("**{}**", restart_asked.writes)),
        ("restart: requests", restart_asked.requests.to_string()),
        ("apart: Events, leases, watches, statuses", apart(restart_asked)),
        (
            "restart: peak memory",
            format!("{:.1} MiB", restart_used.peak_memory / MIB),
        ),
        ("restart: CPU", format!("{:.2} s", restart_used.cpu_seconds)),
        ("removal of all tenants by the operator", seconds(figures.removal)),
    ];
    let (with, server) = figures.sql.as_ref().map_or_else(Default::default, |sql| {
        (", each with a schema", format!(", PostgreSQL {}", sql.version))
    });
    let routed = if figures.routing.is_some() {
        ", each with a way in"
    } else {
        ""
    };
    let mut text = format!("## {}: {tenants} tenants{with}{routed}\n\n", machine.date);
    let _ = writeln!(
        text,
        "{} Quiet: {} s.\n\n| | |\n|---|---|",
        machine.line(&server),
        figures.quiet.as_secs(),
    );
    for (name, value) in rows {
        let _ = writeln!(text, "| {name} | {value} |");
    }
    if let Some(fairness) = &figures.fairness {
        fairness_rows(&mut text, fairness);
    }
    if let Some(routing) = &figures.routing {
        routing_rows(&mut text, routing);
    }
    if let Some(sql) = &figures.sql {
        sql_rows(&mut text, figures, sql);
    }
    for (name, counts) in [("Ready", asked), ("quiet", quiet_asked), ("restart", restart_asked)] {
        let _ = writeln!(text, "\nRequests ({name}): {}", by_kind(counts));
    }
    text
}

/// The rows of the noisy tenant.
fn fairness_rows(text: &mut String, fairness: &Fairness) {
    let times = |times: &[Duration]| {
        let [median, most] = [0.50, 0.95].map(|share| percentile(times, share).as_secs_f64() * 1000.0);
        format!("{median:.0} ms, {most:.0} ms")
    };
    let [median, most] = fairness.ratios();
    let rows = [
        ("others' reconciles alone: p50, p95", times(&fairness.alone)),
        (
            "others' reconciles beside a tenant at its limit: p50, p95",
            times(&fairness.beside),
        ),
        (
            "changes per second by that tenant's Admin",
            format!("{:.1}", fairness.rate),
        ),
        (
            "**others' reconciles, beside / alone: p50, p95** (at most 2)",
            format!("**{median:.2}, {most:.2}**"),
        ),
    ];
    for (name, value) in rows {
        let _ = writeln!(text, "| {name} | {value} |");
    }
}

/// The rows of the routes.
fn routing_rows(text: &mut String, routing: &Routing) {
    let Routing {
        lag,
        changes,
        objects,
        rewritten,
        asked,
    } = routing;
    let [median, most] = [0.50, 0.95].map(|share| percentile(changes, share).as_secs_f64() * 1000.0);
    let many = changes.len();
    let rows = [
        (
            "every host answers its tenant's key alone, after all were Ready".to_string(),
            format!("{:.2} s", lag.as_secs_f64()),
        ),
        (
            "a change of one tenant's limit until it is Ready: p50, p95".into(),
            format!("{median:.0} ms, {most:.0} ms"),
        ),
        (
            format!("**of {objects} objects for the gateway, rewritten by {many} such changes** (at most {many})"),
            format!("**{rewritten}**"),
        ),
        (
            "writes for each of them, the status included".into(),
            format!("{:.1}", asked.writes as f64 / many.max(1) as f64),
        ),
    ];
    for (name, value) in rows {
        let _ = writeln!(text, "| {name} | {value} |");
    }
}

/// Adds the rows of the PostgreSQL server and its statements.
fn sql_rows(text: &mut String, figures: &Figures, sql: &Sql) {
    let count = figures.tenants as f64;
    let share = |part: u64| format!("{:.1}", part as f64 / count);
    let per_minute = |statements: &Statements| {
        let (all, trials) = (
            figures.per_minute(statements.all),
            figures.per_minute(statements.trials),
        );
        format!("{all:.1} ({trials:.1})")
    };
    let rows = [
        (
            "SQL floor: all roles and schemas made".to_string(),
            format!("{:.2} s", sql.floor.total.as_secs_f64()),
        ),
        ("SQL floor: statements per tenant".into(), share(sql.floor.statements)),
        ("SQL statements per tenant until settled".into(), share(sql.asked.all)),
        ("of these, trials of a login".into(), share(sql.asked.trials)),
        ("connections made, per tenant".into(), share(sql.asked.connections)),
        (
            "**connections at once** (at most 10)".into(),
            format!("**{}**", sql.connections),
        ),
        (
            format!(
                "**SQL statements per minute in the quiet, {count} tenants** (at most 30 and 132 of trials), of these trials"
            ),
            format!("**{}**", per_minute(&sql.quiet)),
        ),
        (
            format!(
                "SQL statements per minute in the quiet, {} tenants, of these trials",
                sql.few
            ),
            per_minute(&sql.few_quiet),
        ),
        (
            "restart: SQL statements per tenant, of these trials".into(),
            format!("{} ({})", share(sql.restart.all), share(sql.restart.trials)),
        ),
        (
            "removal: SQL statements per tenant".into(),
            format!("{:.1}", sql.removal),
        ),
    ];
    for (name, value) in rows {
        let _ = writeln!(text, "| {name} | {value} |");
    }
    let by_kind: Vec<String> = sql
        .asked
        .by_kind
        .iter()
        .map(|(kind, count)| format!("{kind}: {count}"))
        .collect();
    let _ = writeln!(text, "\nSQL (Ready): {}", by_kind.join(", "));
}

fn apart(counts: &Counts) -> String {
    format!(
        "{}, {}, {}, {}",
        counts.events, counts.leases, counts.watches, counts.servers
    )
}

fn by_kind(counts: &Counts) -> String {
    let all: Vec<String> = counts
        .by_kind
        .iter()
        .map(|(kind, count)| format!("{kind}: {count}"))
        .collect();
    if all.is_empty() { "none".into() } else { all.join(", ") }
}
