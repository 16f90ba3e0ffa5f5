//! The election's decisions, and its course in simulated time; `tests/api/leader.rs` runs it against an API server.

use super::*;
use std::sync::{Arc, Mutex};

const LEASE: Duration = Duration::from_secs(15);

fn observed(holder: &str, since: Instant) -> Option<ObservedLease> {
    Some(ObservedLease {
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

/// How an API server is away.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Away {
    Refuses,
    Hangs,
}

/// One Lease, and the candidates that reach it.
#[derive(Clone, Default)]
struct Stored {
    lease: Arc<Mutex<(u64, Option<serde_json::Value>)>>,
}

/// A candidate's outage of the API server; None: it answers.
type Outage = Arc<Mutex<Option<Away>>>;

impl Stored {
    /// Answers as an API server does: a write in an old version is refused.
    fn answer(&self, method: &http::Method, body: &[u8]) -> (u16, serde_json::Value) {
        let mut stored = self.lease.lock().expect("the lease");
        let sent: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
        let there = stored.1.clone();
        let failed = |code: u16, reason: &str| {
            let status = serde_json::json!({"status": "Failure", "code": code, "message": reason, "reason": reason});
            (code, status)
        };
        let is_newest = || {
            there.as_ref().map(|there| &there["metadata"]["resourceVersion"])
                == Some(&sent["metadata"]["resourceVersion"])
        };
        let may = match *method {
            http::Method::GET => return there.map_or_else(|| failed(404, "NotFound"), |there| (200, there)),
            http::Method::POST => there.is_none(),
            _ => is_newest(),
        };
        if !may {
            return failed(409, "Conflict");
        }
        let mut written = sent;
        stored.0 += 1;
        written["metadata"]["resourceVersion"] = stored.0.to_string().into();
        stored.1 = Some(written.clone());
        (201, written)
    }

    fn candidate(&self, identity: &str, outage: &Outage) -> Candidate {
        let (stored, outage) = (self.clone(), outage.clone());
        let service = tower::service_fn(move |request: http::Request<kube::client::Body>| {
            let (stored, away) = (stored.clone(), *outage.lock().expect("the outage"));
            async move {
                let (head, body) = request.into_parts();
                let body = body.collect_bytes().await?;
                match away {
                    None => {
                        let (code, answer) = stored.answer(&head.method, &body);
                        let answer = axum::body::Body::from(answer.to_string());
                        Ok::<_, tower::BoxError>(http::Response::builder().status(code).body(answer)?)
                    }
                    Some(Away::Refuses) => Err("connection refused".into()),
                    Some(Away::Hangs) => std::future::pending().await,
                }
            }
        });
        let timing = timing([15_000, 10_000, 2_000]);
        Candidate::new(Client::new(service, "default"), "default", "lease", identity, timing).expect("valid times")
    }
}

fn set(outage: &Outage, away: Option<Away>) {
    *outage.lock().expect("the outage") = away;
}

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn a_short_absence_of_the_api_server_costs_no_term() {
    for away in [Away::Refuses, Away::Hangs] {
        let (stored, outage) = (Stored::default(), Outage::default());
        let leads = stored.candidate("a", &outage).acquire(|_| ()).await;
        sleep(SECOND * 7).await;
        set(&outage, Some(away));
        for _ in 0..40 {
            sleep(SECOND / 10).await;
            assert!(leads.term().check().is_ok(), "{away:?}");
        }
        set(&outage, None);
        for _ in 0..60 {
            sleep(SECOND).await;
            assert!(leads.term().check().is_ok(), "{away:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_long_absence_the_same_process_leads_in_another_term() {
    for away in [Away::Refuses, Away::Hangs] {
        let (stored, outage) = (Stored::default(), Outage::default());
        let candidate = stored.candidate("a", &outage);
        let leads = candidate.clone().acquire(|_| ()).await;
        sleep(SECOND * 7).await;
        let cut = Instant::now();
        set(&outage, Some(away));
        leads.term().ended().await;
        // The last renewal is at most one period old; nobody else may lead for five seconds more.
        let took = cut.elapsed();
        assert!(took <= SECOND * 10 && took >= SECOND * 7, "{away:?} {took:?}");
        assert!(leads.term().check().is_err());
        let reasons = Arc::new(Mutex::new(Vec::new()));
        let noted = reasons.clone();
        let again = tokio::spawn(candidate.acquire(move |why| noted.lock().expect("reasons").push(why)));
        sleep(SECOND * 600).await;
        assert!(!again.is_finished());
        let reasons = std::mem::take(&mut *reasons.lock().expect("reasons"));
        assert!(
            matches!(&reasons[..], [Waiting::Unreachable(_)]),
            "{away:?} {reasons:?}"
        );
        set(&outage, None);
        let back = Instant::now();
        let again = again.await.expect("no panic");
        assert!(back.elapsed() < SECOND * 8, "{away:?} {:?}", back.elapsed());
        assert!(again.term().check().is_ok());
        assert!(leads.term().check().is_err(), "a term that ended does not begin again");
        assert!(leads.is_over(SECOND).await);
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_is_cut_off_has_ended_before_another_leads_and_leads_after_it() {
    for away in [Away::Refuses, Away::Hangs] {
        let stored = Stored::default();
        let (ours, theirs) = (Outage::default(), Outage::default());
        let a = stored.candidate("a", &ours);
        let leads = a.clone().acquire(|_| ()).await;
        let b = tokio::spawn(stored.candidate("b", &theirs).acquire(|_| ()));
        sleep(SECOND * 7).await;
        assert!(!b.is_finished());
        set(&ours, Some(away));
        leads.term().ended().await;
        let ended = Instant::now();
        let b = b.await.expect("no panic");
        assert!(
            ended.elapsed() >= SECOND * 4,
            "{away:?}: b leads {:?} later",
            ended.elapsed()
        );
        let again = tokio::spawn(a.acquire(|_| ()));
        set(&ours, None);
        sleep(SECOND * 60).await;
        assert!(!again.is_finished() && b.term().check().is_ok());
        b.release().await;
        let again = again.await.expect("no panic");
        assert!(again.term().check().is_ok() && leads.term().check().is_err());
    }
}

#[tokio::test(start_paused = true)]
async fn a_release_ends_the_term_first() {
    let (stored, outage) = (Stored::default(), Outage::default());
    let leads = stored.candidate("a", &outage).acquire(|_| ()).await;
    let client = leads.term().clone();
    leads.release().await;
    assert!(client.check().is_err());
    let lease = stored.lease.lock().expect("the lease").1.clone().unwrap_or_default();
    assert_eq!(lease["spec"]["holderIdentity"], "");
}
