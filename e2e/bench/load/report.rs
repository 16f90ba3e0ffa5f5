//! The table of the requests, and their bounds.

use super::constant_rate::Answers;
use super::tenants::NOISY_LIMIT;
use super::{Load, PER_MINUTE, neighbours};
use http::StatusCode;
use std::fmt::Write;

/// The targets.
const MOST_MILLIS: f64 = 500.0;
const MOST_ERRORS: f64 = 0.001;
/// The highest slow-down of a quiet tenant beside a noisy one.
const MOST_SLOWING: f64 = 1.2;

impl Load {
    fn all(&self) -> Answers {
        let mut all = self.spread.clone();
        all.append(self.rows.clone());
        all
    }

    /// Every bound that was not kept.
    pub fn missed(&self) -> Vec<String> {
        let all = self.all();
        let [time] = all.percentiles([0.95]);
        let (errors, slowing) = (all.error_rate(), self.neighbours.ratio());
        let (passed, allowed) = (self.neighbours.passed() as u64, self.neighbours.allowed);
        let bounds = [
            (
                time >= MOST_MILLIS,
                format!("p95 of {time:.0} ms, not below {MOST_MILLIS} ms"),
            ),
            (
                errors >= MOST_ERRORS,
                format!("{:.2} % errors, not below {:.1} %", errors * 100.0, MOST_ERRORS * 100.0),
            ),
            (
                slowing > MOST_SLOWING,
                format!("a quiet tenant takes {slowing:.2} times as long, not {MOST_SLOWING}"),
            ),
            (
                passed > allowed,
                format!("{passed} requests of the noisy tenant passed, not {allowed}"),
            ),
        ];
        bounds
            .into_iter()
            .filter_map(|(missed, what)| missed.then_some(what))
            .collect()
    }
}

fn times(answers: &Answers) -> String {
    answers
        .percentiles([0.50, 0.95, 0.99])
        .map(|time| format!("{time:.1} ms"))
        .join(", ")
}

/// All figures as Markdown.
pub fn table(load: &Load) -> String {
    let all = load.all();
    let neighbours = &load.neighbours;
    let [slowest] = all.percentiles([0.95]);
    let mut rows = vec![
        (
            format!("{PER_MINUTE} requests a minute to all tenants: sent, of these errors"),
            format!("{}, {}", all.count(), all.failed()),
        ),
        (
            "**errors** (below 0.1 %)".into(),
            format!("**{:.3} %**", all.error_rate() * 100.0),
        ),
        ("all requests: p50, p95, p99".into(), times(&all)),
        (
            "**all requests: p95** (below 500 ms)".into(),
            format!("**{slowest:.1} ms**"),
        ),
        (
            "of these to the shared application: p50, p95, p99".into(),
            times(&load.spread),
        ),
        (
            format!(
                "of these {} that read rows in PostgreSQL: p50, p95, p99",
                load.rows.count()
            ),
            times(&load.rows),
        ),
        (
            "a quiet tenant's rows, alone: p50, p95, p99".into(),
            times(&neighbours.alone),
        ),
        (
            "the same beside a noisy tenant: p50, p95, p99".into(),
            times(&neighbours.beside),
        ),
        (
            "errors of the quiet tenant: alone, beside".into(),
            format!("{}, {}", neighbours.alone.failed(), neighbours.beside.failed()),
        ),
        (
            "**the quiet tenant, beside / alone: p95** (at most 1.2)".into(),
            format!("**{:.2}**", neighbours.ratio()),
        ),
        (
            format!(
                "the noisy tenant, {} requests a second and a limit of {NOISY_LIMIT}: sent, refused (429), served (200)",
                neighbours::NOISY
            ),
            format!(
                "{}, {}, {}",
                neighbours.noisy.count(),
                neighbours.noisy.with(StatusCode::TOO_MANY_REQUESTS),
                neighbours.noisy.with(StatusCode::OK)
            ),
        ),
        (
            format!("**passed the noisy tenant's limit** (at most {})", neighbours.allowed),
            format!("**{}**", neighbours.passed()),
        ),
    ];
    rows.extend(check_rows(load));
    let mut text = format!(
        "## {}: {} tenants under load\n\n{}\n\n| | |\n|---|---|\n",
        load.machine.date,
        load.tenants,
        load.machine.line("")
    );
    for (name, value) in rows {
        let _ = writeln!(text, "| {name} | {value} |");
    }
    text
}

/// Returns a row for each combination of checks, with its ratio to the route without a tenant.
fn check_rows(load: &Load) -> impl Iterator<Item = (String, String)> {
    let shares = [0.50, 0.95];
    let bare = load.checks.first().map(|bare| bare.answers.percentiles(shares));
    load.checks.iter().enumerate().map(move |(index, checked)| {
        let found = checked.answers.percentiles(shares);
        let [median, most] = found;
        let mut value = format!("{median:.2} ms, {most:.2} ms");
        if let Some(bare) = bare.filter(|_| index > 0) {
            let _ = write!(value, "; {:.2}, {:.2}", median / bare[0], most / bare[1]);
        }
        let _ = match checked.cpu {
            Some(cpu) => write!(value, "; {:.0} µs", cpu.as_secs_f64() * 1e6),
            None => write!(value, "; unknown"),
        };
        if checked.answers.failed() > 0 {
            let _ = write!(value, "; {} errors", checked.answers.failed());
        }
        let columns = if index == 0 {
            "p50, p95; CPU of Envoy for a request"
        } else {
            "p50, p95; ratio to the bare route; CPU of Envoy for a request"
        };
        (format!("{}: {columns}", checked.what), value)
    })
}
