//! The client against answers that a real server gives only on a bad day. Time is simulated.

use super::*;
use crate::term::NotLeading;
use futures::{StreamExt, stream};
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::{PostParams, WatchParams};
use std::future::{pending, ready};
use std::sync::atomic::{AtomicUsize, Ordering};
use tower::service_fn;

#[derive(Clone, Copy)]
enum Answer {
    Status(u16),
    RetryAfter(u64),
    Nothing,
    HalfBody,
    Broken,
}

struct Server {
    client: Client,
    metrics: Metrics,
    term: Term,
    calls: Arc<AtomicUsize>,
    start: Instant,
}

type TestBody = axum::body::Body;

/// A server that gives these answers in turn, the last one for ever.
fn server(answers: &'static [Answer]) -> Server {
    let (metrics, calls, term) = (Metrics::new(), Arc::new(AtomicUsize::new(0)), Term::unlimited());
    let counter = calls.clone();
    let inner = service_fn(move |_: Request<Body>| {
        let call = counter.fetch_add(1, Ordering::SeqCst);
        let answer = answers[call.min(answers.len() - 1)];
        async move { give(answer).await }
    });
    let client = ClientBuilder::new(inner, "default")
        .with_layer(&CallLayer {
            metrics: metrics.clone(),
            term: term.clone(),
        })
        .build();
    Server {
        client,
        metrics,
        term,
        calls,
        start: Instant::now(),
    }
}

async fn give(answer: Answer) -> Result<Response<TestBody>, BoxError> {
    let namespace = || TestBody::from(r#"{"metadata": {"name": "a"}}"#);
    let status = |code: u16| Response::builder().status(code);
    Ok(match answer {
        Answer::Status(code @ 400..) => status(code).body("overloaded".into())?,
        Answer::Status(code) => status(code).body(namespace())?,
        Answer::RetryAfter(seconds) => status(429).header(RETRY_AFTER, seconds).body("overloaded".into())?,
        Answer::Nothing => pending().await,
        Answer::HalfBody => {
            let half = stream::once(ready(Ok::<_, BoxError>("{")));
            Response::new(TestBody::from_stream(half.chain(stream::pending())))
        }
        Answer::Broken => return Err("connection reset".into()),
    })
}

impl Server {
    async fn get(&self) -> Result<Namespace, kube::Error> {
        Api::all(self.client.clone()).get("a").await
    }

    async fn create(&self) -> Result<Namespace, kube::Error> {
        Api::all(self.client.clone())
            .create(&PostParams::default(), &Namespace::default())
            .await
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    #[track_caller]
    fn assert_counted(&self, verb: &str, code: &str, times: usize) {
        let line = format!(
            "tenant_operator_api_requests_total{{verb=\"{verb}\",resource=\"namespaces\",code=\"{code}\"}} {times}"
        );
        let text = self.metrics.encode();
        assert!(text.lines().any(|each| each == line), "{line} is not in:\n{text}");
    }
}

#[track_caller]
fn assert_late(error: &kube::Error) {
    assert!(
        matches!(error, kube::Error::Service(inner) if inner.is::<DeadlineExceeded>()),
        "{error:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_throttled_write_waits_as_it_is_told() {
    let server = server(&[Answer::RetryAfter(2), Answer::RetryAfter(1), Answer::Status(201)]);
    server.create().await.expect("the third attempt succeeds");
    assert_eq!((server.calls(), server.start.elapsed().as_secs()), (3, 3));
    server.assert_counted("create", "4xx", 2);
    server.assert_counted("create", "2xx", 1);
}

#[tokio::test(start_paused = true)]
async fn retries_end() {
    let server = server(&[Answer::Status(429)]);
    assert!(matches!(server.get().await, Err(kube::Error::Api(status)) if status.code == 429));
    assert_eq!(server.calls(), 4);
    assert!(server.start.elapsed() < Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn a_wait_beyond_the_deadline_is_not_begun() {
    let server = server(&[Answer::RetryAfter(20)]);
    assert!(server.get().await.is_err());
    assert_eq!((server.calls(), server.start.elapsed().as_secs()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn an_unavailable_server_is_asked_again_only_by_reads() {
    let read = server(&[Answer::Status(503), Answer::Status(504), Answer::Status(200)]);
    read.get().await.expect("the third attempt succeeds");
    let write = server(&[Answer::Status(504), Answer::Status(201)]);
    assert!(matches!(write.create().await, Err(kube::Error::Api(status)) if status.code == 504));
    assert_eq!(write.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_call_ends_without_an_answer() {
    for answers in [&[Answer::Nothing], &[Answer::HalfBody]] {
        let server = server(answers);
        assert_late(&server.get().await.expect_err("no answer"));
        assert_eq!((server.calls(), server.start.elapsed()), (1, DEADLINE));
        server.assert_counted("get", "timeout", 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_broken_connection_is_counted_and_left_to_the_caller() {
    let server = server(&[Answer::Broken]);
    let error = server.get().await.expect_err("broken");
    assert!(error.to_string().contains("connection reset"), "{error}");
    server.assert_counted("get", "error", 1);
}

#[tokio::test(start_paused = true)]
async fn a_watch_has_a_deadline_only_until_it_begins() {
    let params = WatchParams::default();
    let silent = server(&[Answer::Nothing]);
    let error = Api::<Namespace>::all(silent.client.clone())
        .watch(&params, "0")
        .await
        .map(|_| ())
        .expect_err("silent");
    assert_late(&error);
    assert_eq!(silent.start.elapsed(), WATCH_START);

    let begun = server(&[Answer::HalfBody]);
    let stream = Api::<Namespace>::all(begun.client.clone())
        .watch(&params, "0")
        .await
        .expect("it begins");
    let next = timeout(DEADLINE * 10, Box::pin(stream).next()).await;
    assert!(next.is_err(), "the stream stays open");
    begun.assert_counted("watch", "2xx", 1);
}

/// The error is that of a process that does not lead.
#[track_caller]
fn assert_not_leading(result: Result<Namespace, kube::Error>) {
    assert!(
        matches!(&result, Err(kube::Error::Service(inner)) if inner.is::<NotLeading>()),
        "{result:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn after_its_term_a_client_reads_and_writes_nothing() {
    let server = server(&[Answer::Status(200)]);
    server.create().await.expect("it leads");
    server.term.end();
    assert_not_leading(server.create().await);
    assert_eq!(server.calls(), 1, "the server was not asked");
    server.get().await.expect("to read needs no lease");
    let examined = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    let api: Api<Namespace> = Api::all(server.client.clone());
    api.create(&examined, &Namespace::default())
        .await
        .expect("it changes nothing");
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_term_ends_its_writes() {
    for answers in [&[Answer::Nothing], &[Answer::HalfBody], &[Answer::RetryAfter(5)]] {
        let server = server(answers);
        let ends = async {
            sleep(Duration::from_secs(1)).await;
            server.term.end();
        };
        let (written, ()) = tokio::join!(server.create(), ends);
        assert_not_leading(written);
        assert_eq!(server.calls(), 1);
    }
}

/// A writer of an object can set the year 9999 as its time of writing.
#[tokio::test(start_paused = true)]
async fn how_an_object_was_written_keeps_no_answer_from_being_read() {
    let inner = service_fn(|_: Request<Body>| async {
        let answer = r#"{"metadata": {"managedFields": [{"time": "9999-12-31T23:59:59Z"}], "name": "a"}}"#;
        Ok::<_, BoxError>(Response::new(TestBody::from(answer)))
    });
    let layer = CallLayer {
        metrics: Metrics::new(),
        term: Term::unlimited(),
    };
    let client = ClientBuilder::new(inner, "default").with_layer(&layer).build();
    let found = Api::<Namespace>::all(client).get("a").await;
    assert_eq!(found.expect("what can be read").metadata.name.as_deref(), Some("a"));
}
