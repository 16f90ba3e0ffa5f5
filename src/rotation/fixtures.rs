//! Times and rotations for tests.

use super::Rotation;
use k8s_openapi::jiff::Timestamp;
use std::time::Duration;

/// A time in January, such as `01T00:00:00`.
pub fn at(text: &str) -> Timestamp {
    format!("2026-01-{text}Z").parse().expect("a time")
}

/// Every ten days, with a day's overlap.
pub fn rotation(request: Option<&str>) -> Rotation {
    Rotation {
        interval: Duration::from_hours(240),
        overlap: Duration::from_hours(24),
        request: request.map(String::from),
    }
}
