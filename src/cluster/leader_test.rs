//! The election's decisions; tests/leader.rs runs it against an API server.

use super::*;

const LEASE: Duration = Duration::from_secs(15);

fn observed(holder: &str, since: Instant) -> Option<Observed> {
    Some(Observed {
        holder: holder.to_owned(),
        duration: LEASE,
        since,
    })
}

#[test]
fn decisions() {
    let start = Instant::now();
    let after = |seconds| start + Duration::from_secs(seconds);
    let wait = |seconds| Step::Wait(Duration::from_secs(seconds));
    let table = [
        ("no lease yet", None, false, 0, Step::Create),
        ("held by another", observed("b", start), true, 5, wait(10)),
        ("held by another, about to end", observed("b", start), true, 14, wait(1)),
        ("another's time is up", observed("b", start), true, 15, Step::Take),
        ("long gone", observed("b", start), true, 1000, Step::Take),
        ("released", observed("", start), true, 0, Step::Take),
        ("ours", observed("a", start), true, 5, Step::Renew),
        (
            "ours from before a restart, time up",
            observed("a", start),
            true,
            20,
            Step::Renew,
        ),
        (
            "deleted while held by another",
            observed("b", start),
            false,
            5,
            wait(10),
        ),
        (
            "deleted, another's time is up",
            observed("b", start),
            false,
            15,
            Step::Create,
        ),
        ("deleted while ours", observed("a", start), false, 5, Step::Create),
    ];
    for (case, observed, exists, seconds, step) in table {
        assert_eq!(decide(observed.as_ref(), exists, "a", after(seconds)), step, "{case}");
    }
}

fn timing(milliseconds: [u64; 3]) -> Timing {
    let [lease_duration, renew_deadline, retry_period] = milliseconds.map(Duration::from_millis);
    Timing {
        lease_duration,
        renew_deadline,
        retry_period,
    }
}

#[test]
fn times_that_could_make_two_leaders_are_refused() {
    assert!(timing([15_000, 10_000, 2_000]).check().is_ok());
    for wrong in [
        [10_000, 10_000, 2_000],
        [15_000, 2_000, 2_000],
        [15_000, 10_000, 0],
        [900, 500, 100],
        [1_500, 1_000, 200],
    ] {
        assert!(timing(wrong).check().is_err(), "{wrong:?}");
    }
}

fn candidate() -> Candidate {
    let service = tower::service_fn(|_: http::Request<kube::client::Body>| async {
        Err::<http::Response<kube::client::Body>, _>("not called")
    });
    Candidate::new(
        Client::new(service, "default"),
        "default",
        "lease",
        "a",
        timing([15_000, 10_000, 2_000]),
    )
    .expect("valid times")
}

#[tokio::test(start_paused = true)]
async fn only_a_change_of_the_lease_extends_it() {
    let mut candidate = candidate();
    let mut lease = Lease {
        spec: Some(LeaseSpec {
            holder_identity: Some("b".into()),
            ..Default::default()
        }),
        ..Default::default()
    };
    let start = Instant::now();
    candidate.observe(&lease);
    sleep(Duration::from_secs(10)).await;
    lease.metadata.resource_version = Some("2".into());
    candidate.observe(&lease);
    assert_eq!(
        candidate.observed.as_ref().map(|o| o.since),
        Some(start),
        "only metadata changed"
    );
    lease.spec.get_or_insert_default().renew_time = Some(MicroTime(Timestamp::UNIX_EPOCH));
    candidate.observe(&lease);
    assert_eq!(
        candidate.observed.as_ref().map(|o| o.since),
        Some(start + Duration::from_secs(10)),
        "renewed"
    );
}

#[tokio::test]
async fn transitions_are_counted() {
    let candidate = candidate();
    let created = candidate.ours(None, &Step::Create);
    assert_eq!(created.spec.as_ref().and_then(|spec| spec.lease_transitions), Some(0));
    let renewed = candidate.ours(Some(created.clone()), &Step::Renew);
    assert_eq!(renewed.spec.as_ref().and_then(|spec| spec.lease_transitions), Some(0));
    assert_eq!(
        renewed.spec.as_ref().map(|spec| &spec.acquire_time),
        created.spec.as_ref().map(|s| &s.acquire_time)
    );
    let taken = candidate.ours(Some(renewed), &Step::Take).spec.unwrap_or_default();
    assert_eq!(
        (taken.lease_transitions, taken.lease_duration_seconds),
        (Some(1), Some(15))
    );
    assert_eq!(taken.holder_identity.as_deref(), Some("a"));
}
