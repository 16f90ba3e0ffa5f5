//! Structured logs on standard error.

use clap::ValueEnum;
use tracing_subscriber::filter::{EnvFilter, ParseError};
use tracing_subscriber::util::TryInitError;
use tracing_subscriber::{Layer, layer::SubscriberExt, util::SubscriberInitExt};

/// Format of log lines.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object per line.
    Json,
    /// For people.
    Text,
}

/// kube logs the body of an answer that it does not understand, which may be a Secret's: never (design, law 7). This
/// also silences its lines on each failed request, which whoever made the request reports; a directive for
/// `kube_client::client::builder` brings those back.
const NEVER: &str = "kube_client::client=off,tokio_postgres=warn";

/// Error in the setup of logging.
#[derive(thiserror::Error, Debug)]
pub enum Error {
    /// The directives are malformed.
    #[error("malformed log level {directives:?}: {source}")]
    Directives {
        /// The directives as given.
        directives: String,
        /// Error of the parser.
        source: ParseError,
    },
    /// Something else receives the logs already.
    #[error(transparent)]
    Init(#[from] TryInitError),
}

/// Starts logging for the whole process: `directives` as in `info,tenant_operator=debug`.
pub fn init(format: LogFormat, directives: &str) -> Result<(), Error> {
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = match format {
        LogFormat::Json => lines
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(true)
            .boxed(),
        LogFormat::Text => lines.boxed(),
    };
    tracing_subscriber::registry()
        .with(lines.with_filter(filter(directives)?))
        .try_init()?;
    Ok(())
}

fn filter(directives: &str) -> Result<EnvFilter, Error> {
    // The last directive for a target wins.
    let all = format!("{directives},{NEVER}");
    EnvFilter::try_new(all).map_err(|source| Error::Directives {
        directives: directives.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("not poisoned").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(directives: &str) -> String {
        let buffer = Buffer::default();
        let writer = buffer.clone();
        let lines = tracing_subscriber::fmt::layer()
            .with_ansi(false)
            .with_writer(move || writer.clone());
        let filter = filter(directives).expect("well-formed");
        tracing::subscriber::with_default(tracing_subscriber::registry().with(lines.with_filter(filter)), || {
            tracing::info!(target: "tenant_operator::tenant", "ours");
            tracing::warn!(target: "kube_client::client", "an answer's body");
            tracing::error!(target: "kube_client::client::builder", "failed with status 503");
        });
        let bytes = buffer.0.lock().expect("not poisoned").clone();
        String::from_utf8(bytes).expect("UTF-8")
    }

    #[test]
    fn bodies_of_answers_are_never_logged() {
        for directives in ["info", "trace", "kube_client::client=trace", "info,kube_client=trace"] {
            let text = logged(directives);
            assert!(!text.contains("body"), "{directives}: {text}");
        }
        assert!(logged("info").contains("ours"));
        assert!(!logged("info").contains("503"));
        assert!(logged("kube_client::client::builder=debug").contains("503"));
    }

    #[test]
    fn malformed_directives_are_refused() {
        let error = filter("info,tenant_operator=loud")
            .expect_err("no such level")
            .to_string();
        assert!(error.contains("tenant_operator=loud"), "{error}");
    }
}
