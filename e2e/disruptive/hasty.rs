//! Checks by turns, on an operator with short periods that all these tests share.

use crate::support::{cluster, operator};
use crate::together::{Restart, part, side_by_side};
use crate::{admission, authorizers, certificates, database, isolation, network, quiet, storage};
use anyhow::{Result, bail};
use std::sync::OnceLock;

/// Periods that are otherwise only waited for.
pub const PERIODS: [&str; 7] = [
    "discovery.period=2s",
    "databases.period=10s",
    "databases.usagePeriod=10s",
    "isolation.admissionProbe.period=10s",
    "isolation.apiProbe.period=20s",
    "isolation.apiProbe.rate=300",
    "isolation.apiProbe.recheck=2s",
];
/// The chart's values, except for the network probes, which use pods.
pub const NETWORK: [&str; 9] = [
    "discovery.period=15s",
    "databases.usagePeriod=5m",
    "isolation.admissionProbe.period=1h",
    "isolation.apiProbe.period=1h",
    "isolation.apiProbe.rate=10",
    "isolation.apiProbe.recheck=30s",
    "isolation.networkProbe.enabled=true",
    "isolation.networkProbe.period=10s",
    "isolation.networkProbe.settle=3s",
];
/// The settings of `make up`, or the chart's.
pub const AS_BEFORE: [&str; 3] = [
    "isolation.networkProbe.enabled=false",
    "isolation.networkProbe.period=1h",
    "isolation.networkProbe.settle=15s",
];

// A webhook must answer whatever the parts do meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn quiet_openings_and_outages() -> Result<()> {
    let mut failed = Vec::new();
    let mut note = |result: Result<()>| failed.extend(result.err().map(|error| format!("{error:#}")));
    match operator::configure(&PERIODS).await {
        Ok(()) => note(quiet_and_openings().await),
        error => note(error),
    }
    match operator::configure(&NETWORK).await {
        Ok(()) => note(network_and_outages().await),
        error => note(error),
    }
    let mut before = AS_BEFORE.to_vec();
    if cluster::local().is_none() && !cluster::is_kind() {
        before.push("databases.period=1m");
    }
    note(operator::configure(&before).await);
    if !failed.is_empty() {
        bail!("{}", failed.join("\n"));
    }
    Ok(())
}

/// Runs the parts that need quiet first. Then it runs those that need one restart of the operator, and those whose openings concern only the tenants of the
/// test.
async fn quiet_and_openings() -> Result<()> {
    let reported = OnceLock::new();
    let quiet = side_by_side(vec![part("nothing is written", || async {
        if let Some(settled) = quiet::nothing_is_written_in_quiet_and_after_a_restart().await? {
            let _ = reported.set(settled);
        }
        Ok(())
    })]);
    let (reported, restart) = (&reported, Restart::default());
    let tickets = [(); 5].map(|()| restart.ticket());
    let [first, second, third, fourth, fifth] = tickets;
    let found = side_by_side(vec![
        part("admission", admission::what_admission_lets_through_is_found),
        part("authorizers", || {
            authorizers::what_another_authorizer_allows_is_found(first)
        }),
        part("certificates", || {
            certificates::without_cert_manager_a_tenant_is_told_so_and_with_it_is_served(second)
        }),
        part(
            "network policies",
            isolation::what_a_network_policy_opens_is_found_named_and_forgotten,
        ),
        part(
            "slices",
            isolation::where_a_written_slice_leads_is_found_named_and_forgotten,
        ),
        part("a server's administrator", || {
            isolation::what_a_servers_administrator_opens_is_found(third)
        }),
        part("storage", || {
            storage::at_its_limit_a_tenant_reads_and_deletes_where_the_tier_says_so(fourth)
        }),
        part("reports", || async move {
            match reported.get() {
                Some(reported) => reported.follow(fifth).await,
                None => Ok(()),
            }
        }),
    ]);
    // It concerns every tenant, for some seconds: no other looks at one meanwhile.
    let rbac = side_by_side(vec![part(
        "rbac",
        isolation::what_rbac_opens_is_found_named_and_forgotten,
    )]);
    quiet.and(found).and(rbac)
}

async fn network_and_outages() -> Result<()> {
    side_by_side(vec![
        part("network", network::what_the_network_lets_through_is_found),
        part(
            "a server that hangs, and one that is gone",
            database::a_server_that_hangs_and_one_that_is_gone,
        ),
    ])
}
